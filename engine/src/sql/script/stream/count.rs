//! How many rows a file has, without any of their values.

use arrow::error::ArrowError;
use littoral_connectors::files::table::{Block, Position, TableFile, joined, unended};

/// The rows of a file.
///
/// # Errors
/// When it cannot be read, or is broken.
pub fn count_rows(file: &TableFile) -> Result<u64, ArrowError> {
    let file = file.reading(&[]);
    let (mut blocks, mut decoder, mut rows) = (file.blocks(Position::default())?, file.decoder(), 0);
    let (mut open, mut buffer) = (Vec::new(), Vec::new());
    while let Some(block) = blocks.next(buffer)? {
        let block = joined(&mut open, block);
        let found = decoder.decode(&block).map_err(|e| file.told(e))?;
        buffer = match (block, found) {
            (Block::Text(text), None) => {
                open = text;
                Vec::new()
            }
            (Block::Text(text), Some(found)) => {
                rows += found.num_rows() as u64;
                text
            }
            (Block::Rows(found), _) => {
                rows += found.num_rows() as u64;
                Vec::new()
            }
        };
    }
    if open.is_empty() { Ok(rows) } else { Err(unended()) }
}
