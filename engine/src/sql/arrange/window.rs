//! Reading an arrangement: which updates it has for a range of keys, as positions in opened runs.
//!
//! A join or a reduction goes through the keys in windows of bounded size. In each it takes all updates of the batches
//! that drive it, and of the others only those with the same keys, found by galloping. Chunks that hold none are not opened.

use std::rc::Rc;

use differential_dataflow::lattice::Lattice;
use differential_dataflow::operators::int_proxy::KeyPosition;
use differential_dataflow::trace::chunk::{Chunk, ChunkBatch};
use timely::progress::Timestamp;

use super::chunk::ArrowChunk;
use super::run::Run;

/// A batch of a trace.
pub type Batch<T> = Rc<ChunkBatch<ArrowChunk<T>>>;

/// An update's key hash and its position.
pub type Found = (u64, u64);

/// Runs that were opened for a window; a position is (run, row) in one number.
pub struct Opened<T>(pub Vec<Rc<Run<T>>>);

impl<T> Default for Opened<T> {
    fn default() -> Self {
        Opened(Vec::new())
    }
}

/// Run and row of a position.
pub fn place(position: u64) -> (usize, usize) {
    ((position >> 32) as usize, (position & 0xFFFF_FFFF) as usize)
}

/// The exclusive end of the window that starts at `from` and has about `rows` updates of each batch; none for the end.
pub fn window_end<T: Timestamp + Lattice>(batches: &[Batch<T>], from: u64, rows: usize) -> Option<u64> {
    batches.iter().filter_map(|b| end_in_batch(b, from, rows)).min()
}

fn end_in_batch<T: Timestamp + Lattice>(batch: &Batch<T>, from: u64, rows: usize) -> Option<u64> {
    let mut left = rows;
    for chunk in batch.chunks.iter().filter(|c| c.keys().is_some_and(|(_, last)| last >= from)) {
        let starts_within = chunk.keys().is_some_and(|(first, _)| first >= from);
        if starts_within && chunk.len() < left {
            left -= chunk.len();
            continue;
        }
        let run = chunk.open()?;
        let start = run.keys.partition_point(|k| *k < from);
        match run.keys.get(start + left) {
            Some(&key) if key > from => return Some(key),
            Some(&key) => return key.checked_add(1),
            None => left -= (run.len() - start).min(left.saturating_sub(1)),
        }
    }
    None
}

impl<T: Timestamp + Lattice> Opened<T> {
    fn open(&mut self, chunk: &ArrowChunk<T>) -> Option<(u64, Rc<Run<T>>)> {
        let run = chunk.open()?;
        self.0.push(run.clone());
        Some((((self.0.len() - 1) as u64) << 32, run))
    }

    /// All updates with keys from `from` up to `end`, ordered by key.
    pub fn all(&mut self, batches: &[Batch<T>], from: u64, end: Option<u64>, found: &mut Vec<Found>) {
        for chunk in chunks_in(batches, from, end) {
            let Some((base, run)) = self.open(chunk) else { continue };
            let start = run.keys.partition_point(|k| *k < from);
            let stop = end.map_or(run.len(), |end| run.keys.partition_point(|k| *k < end));
            found.extend((start..stop).filter_map(|i| Some((*run.keys.get(i)?, base | i as u64))));
        }
        found.sort_unstable();
    }

    /// All updates with one of some keys, which ascend, ordered by key.
    pub fn matching(&mut self, batches: &[Batch<T>], keys: &[u64], found: &mut Vec<Found>) {
        let (Some(&from), Some(&to)) = (keys.first(), keys.last()) else { return };
        for chunk in chunks_in(batches, from, to.checked_add(1)) {
            let Some((first, last)) = chunk.keys() else { continue };
            let wanted = keys.get(keys.partition_point(|k| *k < first)..keys.partition_point(|k| *k <= last)).unwrap_or_default();
            if wanted.is_empty() {
                continue;
            }
            let Some((base, run)) = self.open(chunk) else { continue };
            let mut row = 0;
            for &key in wanted {
                row = gallop(&run.keys, row, key);
                while let Some(k) = run.keys.get(row).filter(|k| **k == key) {
                    found.push((*k, base | row as u64));
                    row += 1;
                }
            }
        }
        found.sort_unstable();
    }

    /// The time and diff of a position.
    pub fn update(&self, position: u64) -> Option<(&T, i64)> {
        let (run, row) = place(position);
        let run = self.0.get(run)?;
        Some((run.times.get(row)?, *run.diffs.get(row)?))
    }

    /// The hash of the row at a position.
    pub fn id(&self, position: u64) -> u64 {
        let (run, row) = place(position);
        self.0.get(run).and_then(|r| r.ids.get(row)).copied().unwrap_or_default()
    }
}

fn chunks_in<T: Timestamp + Lattice>(batches: &[Batch<T>], from: u64, end: Option<u64>) -> impl Iterator<Item = &ArrowChunk<T>> {
    let within = move |c: &&ArrowChunk<T>| c.keys().is_some_and(|(first, last)| last >= from && end.is_none_or(|end| first < end));
    batches.iter().flat_map(|b| b.chunks.iter()).filter(within)
}

/// The first index at or after `start` whose key is not below `key`.
fn gallop(keys: &[u64], start: usize, key: u64) -> usize {
    let (mut low, mut step) = (start, 1);
    while keys.get(low + step).is_some_and(|k| *k < key) {
        low += step;
        step *= 2;
    }
    let high = (low + step + 1).min(keys.len());
    low + keys.get(low..high).unwrap_or_default().partition_point(|k| *k < key)
}

/// Where a window starts; none at the end.
pub fn start_of(from: &KeyPosition<u64>) -> Option<u64> {
    match from {
        KeyPosition::Start => Some(0),
        KeyPosition::At(key) => Some(*key),
        KeyPosition::End => None,
    }
}
