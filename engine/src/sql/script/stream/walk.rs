//! Walks through a file beside a run: where its rows end, and whether it still is what a snapshot has taken in.

use littoral_connectors::files::table::{Block, BlockDecoder, Blocks, Position, TableFile, joined, unended};

use super::{FileRows, Mark, Reached};

/// A walk through the rows of a text.
pub struct Walk {
    file: TableFile,
    blocks: Blocks,
    decoder: BlockDecoder,
    /// The block at hand, where it begins, the place in it that was asked for last, and the rows of all before it and up to its end.
    text: Vec<u8>,
    at: u64,
    reached: Reached,
    before: u64,
    rows: u64,
    ended: bool,
}

impl Walk {
    /// From the beginning, or from a place up to which the file is known to be what it was.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn new(rows: &FileRows, known: Option<&Mark>) -> Result<Self, String> {
        let file = rows.file.reading(&[]);
        // Of a file without a row the header line is not passed yet.
        let Mark { rows, bytes, crc32c, .. } = known.filter(|mark| mark.rows > 0).cloned().unwrap_or_default();
        let blocks = file.blocks(Position { rows, bytes }).map_err(|e| e.to_string())?;
        let (decoder, at, reached) = (file.decoder(), blocks.at(), Reached::start(crc32c));
        Ok(Walk { decoder, at, blocks, file, text: Vec::new(), reached, before: rows, rows, ended: false })
    }

    /// The place behind so many rows, or at the end of the file; never before one that was asked for.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn to(&mut self, rows: u64) -> Result<Mark, String> {
        while self.rows < rows && !self.ended {
            self.ended = !self.next_block()?;
        }
        match rows > self.rows {
            true => self.reached.end(&self.text),
            false => {
                let inside = usize::try_from(rows.saturating_sub(self.before)).unwrap_or(usize::MAX);
                self.reached.go_on(inside, &self.text, &self.file)?;
            }
        }
        let (rows, bytes) = (rows.min(self.rows), self.at + self.reached.bytes as u64);
        Ok(Mark { rows, bytes, crc32c: self.reached.crc32c, newest: None })
    }

    fn next_block(&mut self) -> Result<bool, String> {
        let fail = |e: arrow::error::ArrowError| e.to_string();
        let mut open = Vec::new();
        let at = self.at + self.text.len() as u64;
        self.reached.end(&self.text);
        while let Some(block) = self.blocks.next(Vec::new()).map_err(fail)? {
            let block = joined(&mut open, block);
            let found = self.decoder.decode(&block).map_err(fail)?;
            let Block::Text(text) = block else { return Err("it is no text".into()) };
            match found {
                None => open = text,
                Some(found) => {
                    (self.at, self.reached, self.text, self.before) = (at, Reached::start(self.reached.crc32c), text, self.rows);
                    self.rows += found.num_rows() as u64;
                    return Ok(true);
                }
            }
        }
        if open.is_empty() { Ok(false) } else { Err(unended().to_string()) }
    }
}

/// Whether a text has bytes with a sum before some place, between two rows, and whether it ends there; none when it does not. A file
/// whose last line had no end may have grown within its last row.
///
/// # Errors
/// When it cannot be read.
pub fn ends_at(file: &TableFile, mark: &Mark) -> Result<Option<bool>, String> {
    let fail = |e: arrow::error::ArrowError| e.to_string();
    let mut blocks = file.blocks(Position::default()).map_err(fail)?;
    let (mut at, mut crc, mut buffer) = (blocks.at(), 0, Vec::new());
    if mark.bytes > 0 && mark.bytes < at {
        // The header line has grown.
        return Ok(None);
    }
    while at < mark.bytes {
        let Some(Block::Text(text)) = blocks.next(buffer).map_err(fail)? else { return Ok(None) };
        let wanted = usize::try_from(mark.bytes - at).unwrap_or(usize::MAX);
        crc = crc32c::crc32c_append(crc, text.get(..wanted).unwrap_or(&text));
        if wanted < text.len() {
            return Ok((crc == mark.crc32c && file.has_end_at(&text, wanted)).then_some(false));
        }
        at += text.len() as u64;
        buffer = text;
    }
    let more = blocks.next(buffer).map_err(fail)?.is_some();
    Ok((crc == mark.crc32c).then_some(!more))
}

/// CRC-32C of all bytes of a file that is no text.
///
/// # Errors
/// When it cannot be read.
pub fn sum_of(file: &TableFile) -> Result<u32, String> {
    use std::io::Read;
    let mut input = std::fs::File::open(file.path()).map_err(|e| e.to_string())?;
    let (mut buffer, mut sum) = (vec![0; 1 << 20], 0);
    loop {
        let read = input.read(&mut buffer).map_err(|e| e.to_string())?;
        if read == 0 {
            return Ok(sum);
        }
        sum = crc32c::crc32c_append(sum, buffer.get(..read).unwrap_or_default());
    }
}
