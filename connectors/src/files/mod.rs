//! File sources: Parquet, CSV, NDJSON, WAV. Each format reads one file in chunks; `replay` merges files by event time.
//!
//! `normalise` gives every chunk the columns `device` and `ts` and takes out what is not usable.

pub mod blocks;
mod exact;
mod fault;
pub mod keys;
pub mod lines;
pub mod ndjson;
pub mod normalise;
pub mod parquet;
pub mod replay;
pub mod table;
pub mod wav;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use crate::source::{BadReason, BadRecord};

/// Different bad records a slice tells of; more are merged into the last one's count.
const BAD_PER_CHUNK_MAX: usize = 64;
/// Characters of a bad record's detail.
const DETAIL_CHARS_MAX: usize = 200;

/// Characters of a value that is told of as it stands in a file, and of what is said with it: as many from both ends.
const SAID_CHARS_MAX: usize = 400;

/// An error of a decoder without most of a long value.
fn shortened(error: ArrowError) -> ArrowError {
    match error {
        ArrowError::JsonError(text) => ArrowError::JsonError(ends(text)),
        ArrowError::CsvError(text) => ArrowError::CsvError(ends(text)),
        ArrowError::ParseError(text) => ArrowError::ParseError(ends(text)),
        ArrowError::CastError(text) => ArrowError::CastError(ends(text)),
        other => other,
    }
}

/// A text without its middle when it is long.
fn ends(text: String) -> String {
    let mut places = text.char_indices().map(|(at, _)| at);
    let (Some(head), Some(tail)) = (places.nth(SAID_CHARS_MAX / 2), places.nth_back(SAID_CHARS_MAX / 2)) else { return text };
    format!("{} […] {}", text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default())
}

/// Rows of one file with what was not usable.
#[derive(Default)]
pub struct Chunk {
    /// Rows in the file's own columns.
    pub rows: Option<RecordBatch>,
    /// What could not be read.
    pub bad: BadLog,
}

/// One file being read.
pub trait FileReader: Send {
    /// The next rows; none at the end.
    fn next_chunk(&mut self) -> Option<Chunk>;
}

/// Bad records, like ones merged.
#[derive(Debug, Default)]
pub struct BadLog(pub Vec<BadRecord>);

impl BadLog {
    /// Adds `count` records of one kind.
    pub fn add(&mut self, place: &str, reason: BadReason, detail: &str, count: u64) {
        if count == 0 {
            return;
        }
        let full = self.0.len() >= BAD_PER_CHUNK_MAX;
        match self.0.iter_mut().rev().find(|b| b.reason == reason && (full || b.detail == detail)) {
            Some(same) => same.count += count,
            None => {
                let detail: String = detail.chars().take(DETAIL_CHARS_MAX).collect();
                self.0.push(BadRecord { place: place.to_string(), reason, detail, count });
            }
        }
    }
}
