//! The chunk of an arrangement: a run of rows behind a shared pointer, for differential dataflow's merge machinery.
//!
//! `Chunk` is differential's own interface (0.26): it asks for merging, splitting by time, advancing of times and settling;
//! batching and the log-structured trace are then its own code. Chunks that settle beyond the memory limit go to disk
//! (`spill.rs`). Within the file: the four operations. Not here: reading (`window.rs`).

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::rc::Rc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::error::ArrowError;
use differential_dataflow::lattice::Lattice;
use differential_dataflow::trace::chunk::{Chunk, pack};
use timely::Accountable;
use timely::progress::frontier::AntichainRef;
use timely::progress::{Antichain, Timestamp};

use super::run::{RowOrder, Run};
use super::spill::{Place, settle_in_memory_or_disk};
use crate::flow::pick::{gather, take_rows};

/// Updates of a chunk: enough that work a chunk costs little a row, few enough that no step takes long.
const CHUNK_ROWS: usize = 1 << 14;

/// A run of updates, shared.
#[derive(Debug)]
pub struct ArrowChunk<T>(Option<Rc<Body<T>>>);

/// A run in memory or on disk, with what is asked of it without reading it.
#[derive(Debug)]
pub struct Body<T> {
    pub(super) len: usize,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) place: Place<T>,
}

impl<T> Clone for ArrowChunk<T> {
    fn clone(&self) -> Self {
        ArrowChunk(self.0.clone())
    }
}

impl<T> Default for ArrowChunk<T> {
    fn default() -> Self {
        ArrowChunk(None)
    }
}

impl<T: 'static> Accountable for ArrowChunk<T> {
    fn record_count(&self) -> i64 {
        self.0.as_ref().map_or(0, |b| b.len as i64)
    }
}

impl<T: Timestamp + Lattice> ArrowChunk<T> {
    /// A chunk of a run.
    pub fn of(run: Run<T>) -> Self {
        match (run.keys.first(), run.keys.last()) {
            (Some(&first), Some(&last)) => ArrowChunk(Some(Rc::new(Body { len: run.len(), first, last, place: Place::memory(run) }))),
            _ => ArrowChunk(None),
        }
    }

    pub(super) fn with_place(&self, place: Place<T>) -> Self {
        ArrowChunk(self.0.as_ref().map(|b| Rc::new(Body { len: b.len, first: b.first, last: b.last, place })))
    }

    pub(super) fn body(&self) -> Option<&Body<T>> {
        self.0.as_deref()
    }

    /// The least and the greatest key hash; none when it is empty.
    pub fn keys(&self) -> Option<(u64, u64)> {
        self.0.as_ref().map(|b| (b.first, b.last))
    }

    /// Bytes of its rows, in memory or on disk.
    pub fn bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |b| b.place.bytes())
    }

    /// Its run, read from disk if it is there.
    pub fn open(&self) -> Option<Rc<Run<T>>> {
        self.0.as_ref().and_then(|b| b.place.open())
    }
}

/// What fails here fails on memory or disk, not on data: it is told, and the rows concerned are missing.
fn told<T>(result: Result<T, ArrowError>) -> Option<T> {
    result.map_err(|error| crate::flow::defect::tell("an arrangement lost rows", &error)).ok()
}

impl<T: Timestamp + Lattice> Chunk for ArrowChunk<T> {
    type Time = T;
    const TARGET: usize = CHUNK_ROWS;

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |b| b.len)
    }

    /// Merges the first chunk of each side up to the lesser of their last updates.
    fn merge(in1: &mut VecDeque<Self>, in2: &mut VecDeque<Self>, out: &mut VecDeque<Self>) {
        let (Some(c1), Some(c2)) = (in1.pop_front(), in2.pop_front()) else { return };
        if let (Some((_, end)), Some((start, _))) = (c1.keys(), c2.keys())
            && end < start
        {
            out.push_back(c1);
            in2.push_front(c2);
            return;
        }
        if let (Some((start, _)), Some((_, end))) = (c1.keys(), c2.keys())
            && end < start
        {
            out.push_back(c2);
            in1.push_front(c1);
            return;
        }
        let (Some(a), Some(b)) = (c1.open(), c2.open()) else { return };
        let (picked, diffs, (i, j)) = merge_runs(&a, &b);
        if let Some(run) = told(Run::pick(&[&a, &b], &picked, diffs)) {
            push(out, run);
        }
        if i < a.len() {
            in1.push_front(ArrowChunk::of(a.slice(i, a.len() - i)));
        }
        if j < b.len() {
            in2.push_front(ArrowChunk::of(b.slice(j, b.len() - j)));
        }
    }

    fn extract(
        input: &mut VecDeque<Self>,
        frontier: AntichainRef<'_, T>,
        residual: &mut Antichain<T>,
        keep: &mut VecDeque<Self>,
        ship: &mut VecDeque<Self>,
    ) {
        let Some(run) = input.pop_front().and_then(|c| c.open()) else { return };
        let (kept, shipped): (Vec<u32>, Vec<u32>) =
            (0..run.len() as u32).partition(|i| run.times.get(*i as usize).is_some_and(|t| frontier.less_equal(t)));
        kept.iter().filter_map(|i| run.times.get(*i as usize)).for_each(|t| {
            residual.insert_ref(t);
        });
        for (rows, out) in [(kept, keep), (shipped, ship)] {
            if rows.len() == run.len() {
                out.push_back(ArrowChunk::of((*run).clone()));
            } else if let Some(run) = told(select(&run, &rows)) {
                push(out, run);
            }
        }
    }

    /// Rows of equal hashes at the end may go on in the next chunk: they wait until they cannot.
    fn advance(input: &mut VecDeque<Self>, frontier: AntichainRef<'_, T>, done: bool, out: &mut VecDeque<Self>) {
        let mut waiting: Vec<Run<T>> = Vec::new();
        let mut finish = |runs: &[Run<T>]| {
            let whole = match runs {
                [] => return,
                [one] => Some(one.clone()),
                several => told(append(&several.iter().collect::<Vec<_>>())),
            };
            if let Some(run) = whole.and_then(|run| told(advanced(run, frontier))) {
                push(out, run);
            }
        };
        while let Some(chunk) = input.pop_front() {
            let Some(run) = chunk.open() else { continue };
            let end = if done && input.is_empty() { run.len() } else { run.start_of_last() };
            let same = waiting.last().is_none_or(|w| w.hashes(w.len() - 1) == run.hashes(0));
            if !same {
                finish(&std::mem::take(&mut waiting));
            }
            if end > 0 {
                waiting.push(run.slice(0, end));
                finish(&std::mem::take(&mut waiting));
            }
            if end < run.len() {
                waiting.push(run.slice(end, run.len() - end));
            }
        }
        waiting.into_iter().rev().for_each(|run| input.push_front(ArrowChunk::of(run)));
    }

    fn settle(input: &mut VecDeque<Self>, done: bool, out: &mut VecDeque<Self>) {
        let combine = |chunks: Vec<Self>| {
            let runs: Vec<Rc<Run<T>>> = chunks.iter().filter_map(|c| c.open()).collect();
            told(append(&runs.iter().map(|r| r.as_ref()).collect::<Vec<_>>())).map(ArrowChunk::of).unwrap_or_default()
        };
        let split = |chunk: Self, n: usize| match chunk.open() {
            Some(run) => (ArrowChunk::of(run.slice(0, n)), ArrowChunk::of(run.slice(n, run.len() - n))),
            None => (Self::default(), Self::default()),
        };
        pack(input, done, out, combine, split, settle_in_memory_or_disk);
    }
}

fn push<T: Timestamp + Lattice>(out: &mut VecDeque<ArrowChunk<T>>, run: Run<T>) {
    if run.len() > 0 {
        out.push_back(ArrowChunk::of(run));
    }
}

/// Which updates of two runs make the merged one, with their diffs, and how far each was used.
type Merged = (Vec<(usize, usize)>, Vec<i64>, (usize, usize));

fn merge_runs<T: Ord>(a: &Run<T>, b: &Run<T>) -> Merged {
    let (mut i, mut j) = (0, 0);
    let (mut picked, mut diffs) = (Vec::with_capacity(a.times.len() + b.times.len()), Vec::new());
    let mut order = RowOrder::default();
    while let (Some(ka), Some(kb)) = (a.keys.get(i), b.keys.get(j)) {
        let hashes = (ka, a.ids.get(i)).cmp(&(kb, b.ids.get(j)));
        let way = hashes.then_with(|| order.compare(&a.rows, i, &b.rows, j)).then_with(|| a.times.get(i).cmp(&b.times.get(j)));
        let (da, db) = (a.diffs.get(i).copied().unwrap_or(0), b.diffs.get(j).copied().unwrap_or(0));
        let (from, diff) = match way {
            Ordering::Less => ((0, i), da),
            Ordering::Greater => ((1, j), db),
            Ordering::Equal => ((0, i), da + db),
        };
        if diff != 0 {
            picked.push(from);
            diffs.push(diff);
        }
        i += usize::from(way.is_le());
        j += usize::from(way.is_ge());
    }
    (picked, diffs, (i, j))
}

fn select<T: Clone>(run: &Run<T>, rows: &[u32]) -> Result<Run<T>, ArrowError> {
    let at = |i: &u32| *i as usize;
    Ok(Run {
        keys: rows.iter().filter_map(|i| run.keys.get(at(i)).copied()).collect(),
        ids: rows.iter().filter_map(|i| run.ids.get(at(i)).copied()).collect(),
        times: rows.iter().filter_map(|i| run.times.get(at(i)).cloned()).collect(),
        diffs: rows.iter().filter_map(|i| run.diffs.get(at(i)).copied()).collect(),
        rows: take_rows(&run.rows, &UInt32Array::from_iter_values(rows.iter().copied()))?,
    })
}

/// One run of several that follow each other.
fn append<T: Clone + Ord>(runs: &[&Run<T>]) -> Result<Run<T>, ArrowError> {
    let picked: Vec<(usize, usize)> = runs.iter().enumerate().flat_map(|(r, run)| (0..run.len()).map(move |i| (r, i))).collect();
    let diffs = runs.iter().flat_map(|r| r.diffs.iter().copied()).collect();
    if runs.iter().any(|r| r.rows.num_columns() == 0) {
        return Run::pick(runs, &picked, diffs);
    }
    let schema = runs.first().map(|r| r.rows.schema()).ok_or_else(|| ArrowError::InvalidArgumentError("no runs".into()))?;
    Ok(Run {
        keys: runs.iter().flat_map(|r| r.keys.iter().copied()).collect(),
        ids: runs.iter().flat_map(|r| r.ids.iter().copied()).collect(),
        times: runs.iter().flat_map(|r| r.times.iter().cloned()).collect(),
        diffs: diffs.into(),
        rows: arrow::compute::concat_batches(&schema, runs.iter().map(|r| &r.rows))?,
    })
}

/// The run with its times moved up to a frontier; updates that then are equal are added up.
fn advanced<T: Timestamp + Lattice>(mut run: Run<T>, frontier: AntichainRef<'_, T>) -> Result<Run<T>, ArrowError> {
    run.times.iter_mut().for_each(|t| t.advance_by(frontier));
    let alone = |i: usize| run.keys.get(i) != run.keys.get(i + 1) || run.ids.get(i) != run.ids.get(i + 1);
    if (0..run.len().saturating_sub(1)).all(alone) {
        return Ok(run);
    }
    let mut order = RowOrder::default();
    let (mut picked, mut diffs): (Vec<(usize, usize)>, Vec<i64>) = (Vec::new(), Vec::new());
    let mut from = 0;
    while from < run.len() {
        let mut to = from + 1;
        while to < run.len() && !alone(to - 1) && order.compare(&run.rows, from, &run.rows, to).is_eq() {
            to += 1;
        }
        let mut group: Vec<usize> = (from..to).collect();
        group.sort_by(|a, b| run.times.get(*a).cmp(&run.times.get(*b)));
        let mut sums: Vec<(usize, i64)> = Vec::with_capacity(group.len());
        for i in group {
            let diff = run.diffs.get(i).copied().unwrap_or(0);
            match sums.last_mut() {
                Some((last, sum)) if run.times.get(*last) == run.times.get(i) => *sum += diff,
                _ => sums.push((i, diff)),
            }
        }
        for (i, sum) in sums.into_iter().filter(|(_, sum)| *sum != 0) {
            picked.push((0, i));
            diffs.push(sum);
        }
        from = to;
    }
    Run::pick(&[&run], &picked, diffs)
}

/// Rows of several runs by (run, row).
pub(super) fn gather_runs<T>(runs: &[Rc<Run<T>>], picked: &[(usize, usize)]) -> Result<RecordBatch, ArrowError> {
    gather(&runs.iter().map(|r| &r.rows).collect::<Vec<_>>(), picked)
}
