//! Replays the files of a glob side by side: each slice holds the rows of all files in the same span of event time.
//!
//! The same files give the same slices at every run. Memory: one chunk a file.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow::array::{Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, SchemaRef};

use super::normalise::Normaliser;
use super::{BadLog, Chunk, FileReader};
use crate::source::{BadReason, Polled, Slice, Source, SourceContext, SourceError};

/// Files that one source may replay at once: bounds open files and memory.
pub const FILES_MAX: usize = 10_000;

/// One file of a replay.
pub struct Track {
    /// The file, for messages.
    pub place: String,
    /// Reads the file's own rows.
    pub reader: Box<dyn FileReader>,
    /// Makes them rows of the source.
    pub normaliser: Normaliser,
    pending: VecDeque<RecordBatch>,
    ended: bool,
}

impl Track {
    /// A file about to be read.
    pub fn new(place: &str, reader: Box<dyn FileReader>, normaliser: Normaliser) -> Self {
        Track { place: place.to_string(), reader, normaliser, pending: VecDeque::new(), ended: false }
    }

    /// The time of the next row, reading a chunk if need be.
    fn next_us(&mut self, bad: &mut BadLog) -> Option<i64> {
        while self.pending.is_empty() && !self.ended {
            let Some(chunk) = self.reader.next_chunk() else {
                self.ended = true;
                break;
            };
            self.take(chunk, bad);
        }
        self.pending.front().and_then(|b| times(b).first().copied())
    }

    fn take(&mut self, chunk: Chunk, bad: &mut BadLog) {
        for record in chunk.bad.0 {
            bad.add(&record.place, record.reason, &record.detail, record.count);
        }
        let Some(rows) = chunk.rows else { return };
        match self.normaliser.apply(&rows, bad) {
            Ok(rows) if rows.num_rows() > 0 => self.pending.push_back(rows),
            Ok(_) => {}
            Err(error) => bad.add(&self.place, BadReason::WrongType, &error.to_string(), rows.num_rows() as u64),
        }
    }
}

fn times(batch: &RecordBatch) -> &[i64] {
    let column = batch.columns().get(1).and_then(|c| c.as_any().downcast_ref::<TimestampMicrosecondArray>());
    column.map(|c| &c.values()[..]).unwrap_or_default()
}

/// Files side by side.
pub struct Replay {
    schema: SchemaRef,
    tracks: Vec<Track>,
    slice_us: i64,
    start_us: Option<i64>,
    next: u64,
    bad: BadLog,
}

impl Replay {
    /// A replay of files; `bad` tells of those that could not be opened.
    pub fn new(schema: SchemaRef, tracks: Vec<Track>, slice: Duration, bad: BadLog) -> Self {
        let slice_us = i64::try_from(slice.as_micros()).unwrap_or(i64::MAX).max(1);
        Replay { schema, tracks, slice_us, start_us: None, next: 0, bad }
    }
}

impl Source for Replay {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn poll(&mut self, _wait: Duration) -> Result<Polled, SourceError> {
        let mut bad = std::mem::take(&mut self.bad);
        let earliest = self.tracks.iter_mut().filter_map(|t| t.next_us(&mut bad)).min();
        let Some(earliest) = earliest else {
            if bad.0.is_empty() {
                return Ok(Polled::End);
            }
            let slice = Slice { id: self.next, bad: bad.0, ..Slice::default() };
            self.next += 1;
            return Ok(Polled::Slice(slice));
        };
        let start = *self.start_us.get_or_insert(earliest);
        // A stretch without any row is passed over, but keeps its place in time.
        let index = earliest.saturating_sub(start).div_euclid(self.slice_us);
        let end = start.saturating_add(index.saturating_add(1).saturating_mul(self.slice_us));
        let mut slice = Slice {
            id: self.next,
            due: Some(Duration::from_micros(index.unsigned_abs().saturating_mul(self.slice_us.unsigned_abs()))),
            ..Slice::default()
        };
        self.next += 1;
        for track in &mut self.tracks {
            take_until(track, end, &mut slice, &mut bad);
        }
        slice.bad = bad.0;
        Ok(Polled::Slice(slice))
    }
}

fn take_until(track: &mut Track, end: i64, slice: &mut Slice, bad: &mut BadLog) {
    while track.next_us(bad).is_some_and(|t| t < end) {
        let Some(batch) = track.pending.pop_front() else { return };
        // Rows of several devices in one file need not be in order; the first that is not due ends the slice.
        let cut = times(&batch).iter().position(|&t| t >= end).unwrap_or(batch.num_rows());
        let taken = batch.slice(0, cut);
        slice.raw_bytes += value_bytes(&taken);
        slice.batches.push(taken);
        if cut < batch.num_rows() {
            track.pending.push_front(batch.slice(cut, batch.num_rows() - cut));
        }
    }
}

/// Bytes of the values of a batch: the width of every number, the length of every text.
pub fn value_bytes(batch: &RecordBatch) -> u64 {
    let bytes = |column: &arrow::array::ArrayRef| match column.data_type() {
        DataType::Boolean => column.len() / 8,
        t => match t.primitive_width() {
            Some(width) => column.len() * width,
            None => column.to_data().slice(0, column.len()).get_slice_memory_size().unwrap_or(0),
        },
    };
    batch.columns().iter().skip(2).map(|c| bytes(c) as u64).sum()
}

/// The files that a path or glob names, sorted.
pub fn matching(context: &SourceContext, pattern: &str) -> Result<Vec<PathBuf>, SourceError> {
    let full = context.folder.join(pattern).display().to_string();
    let open = |cause: String| SourceError::Open { path: full.clone(), cause: cause.into() };
    let paths = glob::glob(&full).map_err(|e| open(e.to_string()))?;
    let mut files: Vec<PathBuf> = paths.take(FILES_MAX + 1).filter_map(Result::ok).filter(|p| p.is_file()).collect();
    files.sort();
    match files.len() {
        0 => Err(open("no file matches".into())),
        n if n > FILES_MAX => Err(open(format!("more than {FILES_MAX} files match"))),
        _ => Ok(files),
    }
}

/// A file's name without its ending.
pub fn device_name(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}
