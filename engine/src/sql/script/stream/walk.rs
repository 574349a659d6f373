//! Walks through a file beside a run: where its rows end, and whether it still is what a snapshot has taken in.

use littoral_connectors::files::table::{Block, BlockDecoder, Blocks, Position, TableFile, joined, unended};

use super::{FileRows, Mark};

/// A walk through the rows of a text.
pub struct Walk {
    file: TableFile,
    blocks: Blocks,
    decoder: BlockDecoder,
    /// The block at hand, where it begins, the sum of all before it, and the rows of both.
    text: Vec<u8>,
    at: u64,
    crc: u32,
    before: u64,
    rows: u64,
    ended: bool,
}

impl Walk {
    /// From the beginning.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn new(rows: &FileRows) -> Result<Self, String> {
        let file = rows.file.reading(&[]);
        let blocks = file.blocks(Position::default()).map_err(|e| e.to_string())?;
        Ok(Walk { decoder: file.decoder(), at: blocks.at(), blocks, file, text: Vec::new(), crc: 0, before: 0, rows: 0, ended: false })
    }

    /// The place behind so many rows, or at the end of the file; never before one that was asked for.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn to(&mut self, rows: u64) -> Result<Mark, String> {
        while self.rows < rows && !self.ended {
            self.ended = !self.next_block()?;
        }
        let end = match rows > self.rows {
            true => self.text.len(),
            false => {
                let inside = usize::try_from(rows.saturating_sub(self.before)).unwrap_or(usize::MAX);
                self.file.end_of_rows(&self.text, inside).map_err(|e| e.to_string())?
            }
        };
        let rows = rows.min(self.rows);
        let crc32c = crc32c::crc32c_append(self.crc, self.text.get(..end).unwrap_or_default());
        Ok(Mark { rows, bytes: self.at + end as u64, crc32c, newest: None })
    }

    fn next_block(&mut self) -> Result<bool, String> {
        let fail = |e: arrow::error::ArrowError| e.to_string();
        let mut open = Vec::new();
        let (at, crc) = (self.at + self.text.len() as u64, crc32c::crc32c_append(self.crc, &self.text));
        while let Some(block) = self.blocks.next(Vec::new()).map_err(fail)? {
            let block = joined(&mut open, block);
            let found = self.decoder.decode(&block).map_err(fail)?;
            let Block::Text(text) = block else { return Err("it is no text".into()) };
            match found {
                None => open = text,
                Some(found) => {
                    (self.at, self.crc, self.text, self.before) = (at, crc, text, self.rows);
                    self.rows += found.num_rows() as u64;
                    return Ok(true);
                }
            }
        }
        if open.is_empty() { Ok(false) } else { Err(unended().to_string()) }
    }
}

/// Whether a text has bytes with a sum before some place, and whether it ends there; none when it does not.
///
/// # Errors
/// When it cannot be read.
pub fn ends_at(file: &TableFile, mark: &Mark) -> Result<Option<bool>, String> {
    let fail = |e: arrow::error::ArrowError| e.to_string();
    let mut blocks = file.blocks(Position::default()).map_err(fail)?;
    let (mut at, mut crc, mut buffer) = (blocks.at(), 0, Vec::new());
    while at < mark.bytes {
        let Some(Block::Text(text)) = blocks.next(buffer).map_err(fail)? else { return Ok(None) };
        let wanted = usize::try_from(mark.bytes - at).unwrap_or(usize::MAX);
        crc = crc32c::crc32c_append(crc, text.get(..wanted).unwrap_or(&text));
        if wanted < text.len() {
            return Ok((crc == mark.crc32c).then_some(false));
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
