//! A text file of rows in blocks, cut between two rows, so that blocks can be decoded apart from each other.
//!
//! NDJSON is cut where a line ends with a brace and the next begins with one. That is between two rows but for text that
//! breaks over lines, which JSON forbids and arrow-json takes: then the block turns out to end within a row, and is decoded
//! together with the next (`ndjson`). CSV is cut at ends of lines that no quotes enclose. Not here: decoding (`table.rs`).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use arrow::error::ArrowError;
use memchr::{memchr, memrchr, memrchr2};

/// Bytes of a block: some thousands of rows, so that what is done once a block costs little a row, and a few blocks with their
/// columns fit into a core's own cache. Measured: 64 KiB to 1 MiB decode at one speed, 4 MiB a tenth slower; a window from NDJSON,
/// where blocks are read ahead, is a tenth faster with 256 KiB than with 1 MiB (together with small tables that have room to spare).
pub const BLOCK_BYTES: usize = 1 << 18;
/// Bytes of a row, and so of a block: a file with a greater one is refused, as it would have to be held whole.
pub const ROW_BYTES_MAX: usize = 64 << 20;

/// What some programs write before a text in UTF-8.
pub const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Where a text may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Between JSON objects.
    Objects,
    /// Between CSV records.
    Records,
}

/// Reads a file block by block.
pub struct BlockReader {
    file: File,
    cut: Cut,
    /// Bytes of a block, where rows are shorter.
    size: usize,
    /// What was read beyond the last block.
    rest: Vec<u8>,
    /// Where the next block begins.
    at: u64,
    ended: bool,
}

impl BlockReader {
    /// A file from some byte on, which is between two rows; from nought on without the header line of CSV, or a byte-order mark.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path, cut: Cut, at: u64) -> Result<Self, ArrowError> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(at))?;
        let mut reader = BlockReader { file, cut, size: BLOCK_BYTES, rest: Vec::new(), at, ended: false };
        match cut {
            Cut::Records if at == 0 => reader.pass_header()?,
            Cut::Objects if at == 0 => reader.pass_mark()?,
            _ => {}
        }
        Ok(reader)
    }

    /// The same with blocks of another size.
    pub fn in_blocks_of(self, bytes: usize) -> Self {
        BlockReader { size: bytes.clamp(1, ROW_BYTES_MAX), ..self }
    }

    /// Where the next block begins.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next block, in a buffer whose content does not count; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or a row is longer than may be.
    pub fn next(&mut self, mut buffer: Vec<u8>) -> Result<Option<Vec<u8>>, ArrowError> {
        buffer.clear();
        buffer.append(&mut self.rest);
        let mut want = self.size;
        loop {
            self.fill(&mut buffer, want)?;
            let end = match self.ended {
                true => buffer.len(),
                false => self.cut.last(&buffer).unwrap_or(0),
            };
            if end > 0 || self.ended {
                if self.ended
                    && let Some(open) = self.cut.never_closed(&buffer)
                {
                    return Err(never_closed(self.at + open as u64));
                }
                self.rest.extend_from_slice(buffer.get(end..).unwrap_or_default());
                buffer.truncate(end);
                self.at += end as u64;
                return Ok(Some(buffer).filter(|b| !b.is_empty()));
            }
            if want >= ROW_BYTES_MAX {
                return Err(too_long(self.at));
            }
            want *= 2;
        }
    }

    /// Reads on until there are so many bytes, or the file ends.
    fn fill(&mut self, buffer: &mut Vec<u8>, want: usize) -> Result<(), ArrowError> {
        let missing = want.saturating_sub(buffer.len());
        buffer.reserve(missing);
        let read = (&mut self.file).take(missing as u64).read_to_end(buffer)?;
        self.ended |= read < missing;
        Ok(())
    }

    /// Passes by a byte-order mark, which is no JSON.
    fn pass_mark(&mut self) -> Result<(), ArrowError> {
        let mut begin = Vec::new();
        self.fill(&mut begin, BYTE_ORDER_MARK.len())?;
        match begin == BYTE_ORDER_MARK {
            true => self.at = BYTE_ORDER_MARK.len() as u64,
            false => self.rest = begin,
        }
        Ok(())
    }

    fn pass_header(&mut self) -> Result<(), ArrowError> {
        let (mut buffer, mut want) = (Vec::new(), BLOCK_BYTES);
        loop {
            self.fill(&mut buffer, want)?;
            let begin = buffer.iter().position(|b| !matches!(b, b'\n' | b'\r')).unwrap_or(buffer.len());
            let found = gaps(&buffer).find_map(|(from, to)| {
                let gap = buffer.get(from.max(begin)..to).unwrap_or_default();
                gap.iter().position(|b| matches!(b, b'\n' | b'\r')).map(|at| from.max(begin) + at)
            });
            if found.is_none()
                && self.ended
                && let Some(open) = self.cut.never_closed(&buffer)
            {
                return Err(never_closed(open as u64));
            }
            if found.is_some() || self.ended {
                let end = found.unwrap_or(buffer.len());
                self.rest = buffer.split_off(end);
                self.at = end as u64;
                return Ok(());
            }
            if want >= ROW_BYTES_MAX {
                return Err(too_long(0));
            }
            want *= 2;
        }
    }
}

fn too_long(at: u64) -> ArrowError {
    ArrowError::ParseError(format!("there is a row of more than {} MiB at byte {at}", ROW_BYTES_MAX >> 20))
}

fn never_closed(at: u64) -> ArrowError {
    ArrowError::ParseError(format!("a quote is opened at byte {at} and never closed"))
}

impl Cut {
    /// Whether a text that begins between two rows has the end of one at a place with more behind it. The last row of a file that
    /// has grown may go on there.
    pub fn ends_at(self, text: &[u8], at: usize) -> bool {
        let is_end = |byte: Option<&u8>| matches!(byte, Some(b'\n' | b'\r'));
        match self {
            // A row ends with its brace.
            Cut::Objects => true,
            Cut::Records => {
                let at_line = is_end(at.checked_sub(1).and_then(|i| text.get(i))) || is_end(text.get(at));
                at_line && gaps(text).any(|(from, to)| (from..=to).contains(&at))
            }
        }
    }

    /// Where a quote is opened that is not closed until the end of a text that begins between two rows.
    fn never_closed(self, text: &[u8]) -> Option<usize> {
        match self {
            Cut::Objects => None,
            Cut::Records => gaps(text).last().map(|(_, to)| to).filter(|to| *to < text.len()),
        }
    }

    /// The last place to cut a text that begins between two rows; none when there is none but its beginning.
    fn last(self, text: &[u8]) -> Option<usize> {
        match self {
            Cut::Objects => between_objects(text),
            // The end of the line goes with what follows, where it is an empty line: so no block but the first begins
            // with what might be a byte-order mark.
            Cut::Records if memchr(b'"', text).is_none() => memrchr2(b'\n', b'\r', text),
            Cut::Records => {
                let ends = gaps(text).filter_map(|(from, to)| memrchr2(b'\n', b'\r', text.get(from..to)?).map(|at| from + at));
                ends.last().filter(|at| *at > 0)
            }
        }
    }
}

/// Behind the last end of a line that stands between two braces.
fn between_objects(text: &[u8]) -> Option<usize> {
    let mut before = text;
    loop {
        let at = memrchr(b'\n', before)?;
        before = before.get(..at)?;
        let next = text.get(at + 1..)?.trim_ascii_start().first();
        if next == Some(&b'{') && before.trim_ascii_end().last() == Some(&b'}') {
            return Some(at + 1);
        }
    }
}

/// The parts of a CSV text that are not within quotes.
fn gaps(text: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut from = Some(0);
    std::iter::from_fn(move || {
        let begin = from?;
        let open = opening(text, begin);
        from = open.and_then(|at| closing(text, at + 1));
        Some((begin, open.unwrap_or(text.len())))
    })
}

/// The next quote that opens a field: quotes elsewhere in a field are part of it.
fn opening(text: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = from + memchr(b'"', text.get(from..)?)?;
        let before = at.checked_sub(1).and_then(|i| text.get(i));
        if before.is_none_or(|b| matches!(b, b',' | b'\n' | b'\r')) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Behind the quote that closes a field; two quotes are one that is part of it.
fn closing(text: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = from + memchr(b'"', text.get(from..)?)?;
        if text.get(at + 1) != Some(&b'"') {
            return Some(at + 1);
        }
        from = at + 2;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn json_is_cut_between_rows_alone() {
        for (text, at) in [
            ("{\"a\":1}\n{\"a\":2}\n", Some(8)),
            ("{\"a\":1}\r\n{\"a\"", Some(9)),
            ("{\n \"a\": [{},\n {}]\n}\n{\n \"a\"", Some(20)),
            ("{\"a\":1}\n", None),
            ("{\n \"a\": 1,\n \"b\": {", None),
        ] {
            assert_eq!(Cut::Objects.last(text.as_bytes()), at, "{text}");
        }
    }

    #[test]
    fn csv_is_cut_outside_quotes_alone() {
        for (text, at) in [
            ("1,2\n3,4", Some(3)),
            ("1,\"a\nb\"\n2,\"c\nd", Some(7)),
            ("1,\"say \"\"no\n\"\"\"\n2,x", Some(15)),
            ("1,2\"\n3,4\"\n5", Some(9)),
            ("\"a\nb", None),
            ("1\r2\r", Some(3)),
        ] {
            assert_eq!(Cut::Records.last(text.as_bytes()), at, "{text}");
        }
    }

    #[test]
    fn a_record_ends_where_its_line_does_and_no_quotes_are_open() {
        for (text, at, ends) in [
            ("\n1\n2", 2, true),
            ("\n1\n2", 3, true),
            ("\n1\n25", 4, false),
            ("\n1\r\n2", 3, true),
            ("\n\"a\"\n2", 4, true),
            ("\n\"a\"\"b\"\n2", 4, false),
            ("\n1,\"a\nb\"\n2", 6, false),
            ("\n1,\"a\nb\"\n2", 5, false),
            ("\n1,\"a\nb\"\n2", 8, true),
            ("\n1\n\"2\"", 3, true),
        ] {
            assert_eq!(Cut::Records.ends_at(text.as_bytes(), at), ends, "{text} {at}");
        }
    }
}
