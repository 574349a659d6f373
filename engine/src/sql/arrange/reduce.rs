//! Reductions of an arrangement: differential finds the groups and times to look at, this evaluates many groups at once.
//!
//! The input holds its key columns first. What a group gives is computed anew from all its rows by an `Evaluate`, over one
//! batch with all groups of a round; only what differs from what the group gave before goes out. Aggregates that can be
//! kept change by change do not come here (`groups.rs`).

use std::collections::HashMap;
use std::rc::Rc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{SortColumn, and, lexsort_to_indices};
use arrow::error::ArrowError;
use differential_dataflow::lattice::Lattice;
use differential_dataflow::operators::int_proxy::{KeyPosition, ProxyReduceBackend, ReduceInstance, ReduceWindow};
use differential_dataflow::trace::Description;
use differential_dataflow::trace::chunk::ChunkBatch;
use timely::progress::Timestamp;

use super::chunk::ArrowChunk;
use super::run::{RowOrder, Run};
use super::window::{Batch, Found, Opened, place, start_of, window_end};
use crate::flow::hash::hash_rows;
use crate::flow::pick::{gather, take_rows};

/// Updates of the driving side in one window.
const WINDOW_ROWS: usize = 1 << 14;
/// Rows that one round of groups may have once rows that are there several times are written out.
const ROUND_ROWS_MAX: usize = 1 << 26;

/// Computes what groups give.
pub trait Evaluate {
    /// What each group gives: rows, and the group of each, ascending.
    ///
    /// `rows` has all rows of all groups; group `g` has those from `starts[g]` to `starts[g + 1]`.
    ///
    /// # Errors
    /// When nothing can be said of any group; errors of single groups are rows.
    fn evaluate(&mut self, rows: &RecordBatch, starts: &[usize]) -> Result<(RecordBatch, Vec<u32>), ArrowError>;
}

/// A distinct row of the output: where it is.
struct Pooled {
    batch: usize,
    row: usize,
}

/// What a reduction does with the rows of an arrangement.
pub struct ArrowReduce<T> {
    keys: usize,
    evaluate: Box<dyn Evaluate>,
    opened: Opened<T>,
    /// Position of each distinct input row of the window.
    input: Vec<u64>,
    pool: Vec<Pooled>,
    pool_batches: Vec<RecordBatch>,
    pool_ids: HashMap<(u64, u64), Vec<u32>>,
    chunks: Vec<ArrowChunk<T>>,
}

impl<T: Timestamp + Lattice> ArrowReduce<T> {
    /// A reduction by the first `keys` columns.
    pub fn new(keys: usize, evaluate: Box<dyn Evaluate>) -> Self {
        ArrowReduce {
            keys,
            evaluate,
            opened: Opened::default(),
            input: Vec::new(),
            pool: Vec::new(),
            pool_batches: Vec::new(),
            pool_ids: HashMap::new(),
            chunks: Vec::new(),
        }
    }

    /// Numbers the distinct rows among some updates: ((key, number), time, diff), and the position of each number.
    fn number(opened: &Opened<T>, found: &[Found]) -> (Vec<(Found, u64)>, Vec<u64>) {
        let mut ordered: Vec<(u64, u64, u64)> = found.iter().map(|(key, at)| (*key, opened.id(*at), *at)).collect();
        ordered.sort_unstable();
        let (mut numbered, mut positions): (Vec<(Found, u64)>, Vec<u64>) = (Vec::new(), Vec::new());
        for same in ordered.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let base = positions.len();
            for (key, _, at) in same {
                let known = positions.iter().enumerate().skip(base).find(|(_, p)| same_row(opened, **p, *at)).map(|(n, _)| n);
                let number = known.unwrap_or_else(|| {
                    positions.push(*at);
                    positions.len() - 1
                });
                numbered.push(((*key, number as u64), *at));
            }
        }
        numbered.sort_unstable();
        (numbered, positions)
    }

    fn intern(&mut self, key: u64, id: u64, batch: usize, row: usize) -> u32 {
        let candidates = self.pool_ids.entry((key, id)).or_default();
        let rows = |b: usize| self.pool_batches.get(b);
        let same = |n: &&u32| {
            let Some(p) = self.pool.get(**n as usize) else { return false };
            match (rows(p.batch), rows(batch)) {
                (Some(a), Some(b)) => RowOrder::default().compare(a, p.row, b, row).is_eq(),
                _ => false,
            }
        };
        if let Some(known) = candidates.iter().find(same) {
            return *known;
        }
        let number = self.pool.len() as u32;
        candidates.push(number);
        self.pool.push(Pooled { batch, row });
        number
    }

    /// Rows of the groups of a round, as many times as they are there, by group; and the proxy key of each group.
    fn round(&self, in_ends: &[usize], input: &[(u64, i64)]) -> Result<(RecordBatch, Vec<usize>, Vec<usize>), ArrowError> {
        let batches: Vec<&RecordBatch> = self.opened.0.iter().map(|r| &r.rows).collect();
        let (mut picked, mut proxy_of, mut from) = (Vec::new(), Vec::new(), 0);
        for (proxy, end) in in_ends.iter().enumerate() {
            for (number, count) in input.get(from..*end).unwrap_or_default() {
                let Some(at) = self.input.get(*number as usize) else { continue };
                let count = usize::try_from(*count).unwrap_or(0);
                if picked.len() + count > ROUND_ROWS_MAX {
                    return Err(ArrowError::ComputeError(format!("groups of more than {ROUND_ROWS_MAX} rows")));
                }
                picked.extend(std::iter::repeat_n(place(*at), count));
                proxy_of.extend(std::iter::repeat_n(proxy, count));
            }
            from = *end;
        }
        if batches.is_empty() {
            return Ok((RecordBatch::new_empty(std::sync::Arc::new(arrow::datatypes::Schema::empty())), vec![0], Vec::new()));
        }
        let rows = gather(&batches, &picked)?;
        self.grouped(rows, proxy_of)
    }

    /// Finds where groups start; rows of unequal keys behind one hash are taken apart.
    fn grouped(&self, mut rows: RecordBatch, mut proxy_of: Vec<usize>) -> Result<(RecordBatch, Vec<usize>, Vec<usize>), ArrowError> {
        let mut new_key = self.key_changes(&rows)?;
        let collides = |new_key: &Option<BooleanArray>, proxies: &[usize]| {
            new_key.as_ref().is_some_and(|new| proxies.windows(2).enumerate().any(|(i, p)| p.first() == p.last() && !new.value(i)))
        };
        if collides(&new_key, &proxy_of) {
            let proxies: ArrayRef = std::sync::Arc::new(UInt32Array::from_iter_values(proxy_of.iter().map(|p| *p as u32)));
            let keys = rows.columns().iter().take(self.keys).cloned();
            let columns: Vec<SortColumn> =
                std::iter::once(proxies).chain(keys).map(|values| SortColumn { values, options: None }).collect();
            let order = lexsort_to_indices(&columns, None)?;
            rows = take_rows(&rows, &order)?;
            proxy_of = order.values().iter().filter_map(|i| proxy_of.get(*i as usize).copied()).collect();
            new_key = self.key_changes(&rows)?;
        }
        let (mut starts, mut owners) = (Vec::new(), Vec::new());
        for (row, proxy) in proxy_of.iter().enumerate() {
            let same_proxy = row > 0 && proxy_of.get(row - 1) == Some(proxy);
            let same_key = row > 0 && new_key.as_ref().is_none_or(|same| same.value(row - 1));
            if !(same_proxy && same_key) {
                starts.push(row);
                owners.push(*proxy);
            }
        }
        starts.push(rows.num_rows());
        Ok((rows, starts, owners))
    }

    /// For each pair of neighbours whether their keys are equal; none when there are no key columns.
    fn key_changes(&self, rows: &RecordBatch) -> Result<Option<BooleanArray>, ArrowError> {
        let pairs = rows.num_rows().saturating_sub(1);
        let mut all: Option<BooleanArray> = None;
        for column in rows.columns().iter().take(self.keys).filter(|_| pairs > 0) {
            let same = super::equal_columns(&column.slice(0, pairs), &column.slice(1, pairs), not_distinct)?;
            all = Some(match all {
                None => same,
                Some(all) => and(&all, &same)?,
            });
        }
        Ok(all)
    }

    /// What the groups of each proxy key give now, as numbers of the pool.
    fn evaluated(&mut self, keys: &[u64], in_ends: &[usize], input: &[(u64, i64)]) -> Result<Vec<Vec<(u64, i64)>>, ArrowError> {
        let mut out = vec![Vec::new(); keys.len()];
        let (rows, starts, owners) = self.round(in_ends, input)?;
        if owners.is_empty() {
            return Ok(out);
        }
        let (given, groups) = self.evaluate.evaluate(&rows, &starts)?;
        let ids = hash_rows(given.columns(), given.num_rows())?;
        self.pool_batches.push(given);
        let batch = self.pool_batches.len() - 1;
        for (row, (group, id)) in groups.iter().zip(ids).enumerate() {
            let Some((proxy, key)) = owners.get(*group as usize).and_then(|p| Some((*p, *keys.get(*p)?))) else { continue };
            let number = self.intern(key, id, batch, row);
            if let Some(list) = out.get_mut(proxy) {
                list.push((u64::from(number), 1));
            }
        }
        Ok(out)
    }
}

fn same_row<T: Timestamp + Lattice>(opened: &Opened<T>, a: u64, b: u64) -> bool {
    let ((ra, i), (rb, j)) = (place(a), place(b));
    match (opened.0.get(ra), opened.0.get(rb)) {
        (Some(a), Some(b)) => RowOrder::default().compare(&a.rows, i, &b.rows, j).is_eq(),
        _ => false,
    }
}

impl<T: Timestamp + Lattice> ProxyReduceBackend<T, Batch<T>, Batch<T>> for ArrowReduce<T> {
    type Key = u64;
    type VIn = u64;
    type VOut = u64;
    type RIn = i64;
    type ROut = i64;

    fn begin(&mut self, _: Description<T>) {
        self.chunks.clear();
    }

    fn next_window(
        &mut self,
        instance: &ReduceInstance<'_, T, Batch<T>, Batch<T>>,
        changed: &[u64],
        from: &mut KeyPosition<u64>,
        window: &mut ReduceWindow<T, i64, i64>,
    ) {
        let Some(start) = start_of(from) else { return };
        let novel_end = window_end(instance.input_batches, start, WINDOW_ROWS);
        let rest = changed.get(changed.partition_point(|k| *k < start)..).unwrap_or_default();
        let end = [novel_end, rest.get(WINDOW_ROWS).copied().filter(|k| *k > start)].into_iter().flatten().min();
        self.opened = Opened::default();
        let mut novel = Vec::new();
        self.opened.all(instance.input_batches, start, end, &mut novel);
        for (key, at) in &novel {
            window.seeds.extend(self.opened.update(*at).map(|(t, _)| (*key, t.clone())));
        }
        window.seeds.sort();
        window.seeds.dedup();
        let due = rest.iter().copied().take_while(|k| end.is_none_or(|end| *k < end));
        let mut keys: Vec<u64> = novel.iter().map(|f| f.0).chain(due).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut prior = Vec::new();
        self.opened.matching(instance.source_batches, &keys, &mut prior);
        novel.extend(prior);
        let advanced = |opened: &Opened<T>, at: u64| {
            opened.update(at).map(|(time, diff)| {
                let mut time = time.clone();
                time.advance_by(instance.lower);
                (time, diff)
            })
        };
        let (numbered, positions) = Self::number(&self.opened, &novel);
        window.input.extend(numbered.iter().filter_map(|(id, at)| advanced(&self.opened, *at).map(|(t, d)| (*id, t, d))));
        differential_dataflow::consolidation::consolidate_updates(&mut window.input);
        self.input = positions;

        let (mut outputs, mut given) = (Opened::default(), Vec::new());
        outputs.matching(instance.output_batches, &keys, &mut given);
        let (numbered, positions) = Self::number(&outputs, &given);
        window.output.extend(numbered.iter().filter_map(|(id, at)| advanced(&outputs, *at).map(|(t, d)| (*id, t, d))));
        differential_dataflow::consolidation::consolidate_updates(&mut window.output);
        let key_of: HashMap<u64, u64> = numbered.iter().map(|((key, number), _)| (*number, *key)).collect();
        self.pool.clear();
        self.pool_ids.clear();
        self.pool_batches = outputs.0.iter().map(|r| r.rows.clone()).collect();
        for (number, at) in positions.iter().enumerate() {
            let ((batch, row), id) = (place(*at), outputs.id(*at));
            let key = key_of.get(&(number as u64)).copied().unwrap_or_default();
            self.pool_ids.entry((key, id)).or_default().push(number as u32);
            self.pool.push(Pooled { batch, row });
        }
        *from = end.map_or(KeyPosition::End, KeyPosition::At);
    }

    fn reduce_corrections(
        &mut self,
        keys: &[u64],
        in_ends: &[usize],
        input: &[(u64, i64)],
        out_ends: &[usize],
        output: &[(u64, i64)],
    ) -> (Vec<(u64, i64)>, Vec<usize>) {
        let wanted = self.evaluated(keys, in_ends, input).unwrap_or_else(|error| {
            crate::flow::defect::tell("groups cannot be evaluated", &error);
            vec![Vec::new(); keys.len()]
        });
        let (mut corrections, mut ends, mut from) = (Vec::new(), Vec::with_capacity(keys.len()), 0);
        for (mut wanted, end) in wanted.into_iter().zip(out_ends) {
            wanted.extend(output.get(from..*end).unwrap_or_default().iter().map(|(number, count)| (*number, -count)));
            differential_dataflow::consolidation::consolidate(&mut wanted);
            corrections.extend(wanted);
            ends.push(corrections.len());
            from = *end;
        }
        (corrections, ends)
    }

    fn emit(&mut self, records: &[((u64, u64), T, i64)]) {
        let batches: Vec<&RecordBatch> = self.pool_batches.iter().collect();
        let pooled = |number: u64| self.pool.get(number as usize);
        let known: Vec<(u64, &Pooled, &T, i64)> =
            records.iter().filter_map(|((key, number), time, diff)| pooled(*number).map(|p| (*key, p, time, *diff))).collect();
        let picked: Vec<(usize, usize)> = known.iter().map(|r| (r.1.batch, r.1.row)).collect();
        let keys = known.iter().map(|r| r.0).collect();
        let (times, diffs): (Vec<T>, Vec<i64>) = known.iter().map(|r| (r.2.clone(), r.3)).unzip();
        match gather(&batches, &picked).and_then(|rows| Run::sorted(&rows, keys, times, &diffs)) {
            Ok(run) if run.len() > 0 => self.chunks.push(ArrowChunk::of(run)),
            Ok(_) => {}
            Err(error) => crate::flow::defect::tell("what groups give cannot be kept", &error),
        }
    }

    fn finish(&mut self) -> Option<Batch<T>> {
        self.opened = Opened::default();
        (self.input, self.pool, self.pool_batches) = (Vec::new(), Vec::new(), Vec::new());
        self.pool_ids = HashMap::new();
        let chunks = std::mem::take(&mut self.chunks);
        (!chunks.is_empty()).then(|| Rc::new(ChunkBatch::new(chunks)))
    }
}
