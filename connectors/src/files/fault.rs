//! Where a text of rows is broken: the line of the first row that does not decode, found once it is known that one does not.
//!
//! Blocks are decoded in bulk and in any order, and their errors count from where a block begins, if at all. So the text is read
//! once more from its beginning, and the block that fails row by row.

use std::fs::File;
use std::io::Read;

use arrow::error::ArrowError;
use memchr::memchr_iter;

use super::table::{Block, Position, TableFile, joined};

/// The line, from 1, of the first row that does not decode, and why; none when all rows do, or the file cannot be read again.
pub fn first_fault(file: &TableFile) -> Option<(u64, ArrowError)> {
    let mut blocks = file.blocks(Position::default()).ok()?;
    let (mut line, mut open) = (1 + lines_before(file, blocks.at())?, Vec::new());
    while let Some(block) = blocks.next(Vec::new()).ok()? {
        let block = joined(&mut open, block);
        let found = file.decoder().decode(&block);
        let Block::Text(text) = block else { return None };
        match found {
            Ok(None) => open = text,
            Ok(Some(_)) => line += lines(&text),
            Err(_) => return in_block(file, text, line),
        }
    }
    None
}

fn lines(text: &[u8]) -> u64 {
    memchr_iter(b'\n', text).count().max(memchr_iter(b'\r', text).count()) as u64
}

/// Ends of lines before a byte of the file: of its header.
fn lines_before(file: &TableFile, at: u64) -> Option<u64> {
    let mut header = Vec::new();
    File::open(file.path()).ok()?.take(at).read_to_end(&mut header).ok()?;
    Some(lines(&header))
}

/// The first row of a block that does not decode.
fn in_block(file: &TableFile, text: Vec<u8>, mut line: u64) -> Option<(u64, ArrowError)> {
    let mut rest = text.as_slice();
    loop {
        // What stands between rows belongs to the one behind.
        let begin = rest.iter().position(|b| !b.is_ascii_whitespace())?;
        line += lines(rest.get(..begin)?);
        rest = rest.get(begin..)?;
        // What does not even end is broken where it begins.
        let end = file.end_of_rows(rest, 1).ok().filter(|end| *end > 0).unwrap_or(rest.len());
        let row = rest.get(..end)?;
        match file.decoder().decode(&Block::Text(row.to_vec())) {
            Ok(_) => line += lines(row),
            Err(error) => return Some((line, error)),
        }
        rest = rest.get(end..)?;
    }
}
