//! A run: rows in Arrow columns, in the order of their hashes, each with a time and a diff; equal rows at one time are one.
//!
//! The order is (key hash, row hash, row, time). Rows are only compared where both hashes are equal, which nearly always
//! means that the rows are. Not here: how runs become a trace (`chunk.rs`).

use std::cmp::Ordering;

use arrow::array::{DynComparator, RecordBatch, UInt32Array, make_comparator};
use arrow::buffer::ScalarBuffer;
use arrow::compute::SortOptions;
use arrow::error::ArrowError;

use crate::flow::hash::hash_rows;
use crate::flow::pick::{gather, take_rows};

/// Rows with the order and the weights that differential dataflow needs.
#[derive(Clone, Debug)]
pub struct Run<T> {
    /// Hash of the key of each row.
    pub keys: ScalarBuffer<u64>,
    /// Hash of each row.
    pub ids: ScalarBuffer<u64>,
    /// When each row changes.
    pub times: Vec<T>,
    /// By how much; never 0.
    pub diffs: ScalarBuffer<i64>,
    /// The rows.
    pub rows: RecordBatch,
}

impl<T: Clone + Ord> Run<T> {
    /// Rows of one time.
    ///
    /// # Errors
    /// When a column's type cannot be hashed.
    pub fn at(rows: &RecordBatch, keys: Vec<u64>, time: &T, diffs: &[i64]) -> Result<Self, ArrowError> {
        Run::sorted(rows, keys, vec![time.clone(); rows.num_rows()], diffs)
    }

    /// Rows with their times, put in order; equal ones are added up.
    ///
    /// # Errors
    /// When a column's type cannot be hashed.
    pub fn sorted(rows: &RecordBatch, keys: Vec<u64>, times: Vec<T>, diffs: &[i64]) -> Result<Self, ArrowError> {
        let ids = hash_rows(rows.columns(), rows.num_rows())?;
        let mut order: Vec<(u64, u64, u32)> = keys.iter().zip(&ids).enumerate().map(|(row, (k, i))| (*k, *i, row as u32)).collect();
        order.sort_unstable();
        let mut equal = RowOrder::default();
        sort_ties(&mut order, &mut equal, rows, &times);
        let mut kept: Vec<(u64, u64, u32)> = Vec::with_capacity(order.len());
        let mut sums: Vec<i64> = Vec::with_capacity(order.len());
        for next in order {
            let diff = diffs.get(next.2 as usize).copied().unwrap_or(1);
            match (kept.last(), sums.last_mut()) {
                (Some(last), Some(sum))
                    if (last.0, last.1) == (next.0, next.1)
                        && times.get(last.2 as usize) == times.get(next.2 as usize)
                        && equal.compare(rows, last.2 as usize, rows, next.2 as usize) == Ordering::Equal =>
                {
                    *sum += diff;
                }
                _ => {
                    kept.push(next);
                    sums.push(diff);
                }
            }
        }
        let (kept, sums): (Vec<_>, Vec<_>) = kept.into_iter().zip(sums).filter(|(_, sum)| *sum != 0).unzip();
        let indices = UInt32Array::from_iter_values(kept.iter().map(|k| k.2));
        Ok(Run {
            keys: kept.iter().map(|k| k.0).collect(),
            ids: kept.iter().map(|k| k.1).collect(),
            times: kept.iter().filter_map(|k| times.get(k.2 as usize).cloned()).collect(),
            diffs: sums.into(),
            rows: take_rows(rows, &indices)?,
        })
    }

    /// Number of updates.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Both hashes of an update.
    pub fn hashes(&self, i: usize) -> Option<(u64, u64)> {
        Some((*self.keys.get(i)?, *self.ids.get(i)?))
    }

    /// Where the updates begin that have the hashes of the last one.
    pub fn start_of_last(&self) -> usize {
        let last = self.hashes(self.len().saturating_sub(1));
        (0..self.len()).rev().find(|i| self.hashes(*i) != last).map_or(0, |i| i + 1)
    }

    /// Updates of a range.
    pub fn slice(&self, from: usize, len: usize) -> Self {
        Run {
            keys: self.keys.slice(from, len),
            ids: self.ids.slice(from, len),
            times: self.times.get(from..from + len).unwrap_or_default().to_vec(),
            diffs: self.diffs.slice(from, len),
            rows: self.rows.slice(from, len),
        }
    }

    /// Updates picked from several runs, with new diffs.
    pub fn pick(runs: &[&Run<T>], picked: &[(usize, usize)], diffs: Vec<i64>) -> Result<Self, ArrowError> {
        let rows: Vec<&RecordBatch> = runs.iter().map(|r| &r.rows).collect();
        let of = |at: &(usize, usize), what: fn(&Run<T>) -> &ScalarBuffer<u64>| runs.get(at.0).and_then(|r| what(r).get(at.1).copied());
        Ok(Run {
            keys: picked.iter().filter_map(|at| of(at, |r| &r.keys)).collect(),
            ids: picked.iter().filter_map(|at| of(at, |r| &r.ids)).collect(),
            times: picked.iter().filter_map(|at| runs.get(at.0)?.times.get(at.1).cloned()).collect(),
            diffs: diffs.into(),
            rows: gather(&rows, picked)?,
        })
    }
}

/// Rows with equal hashes are put in the order of their values, then of their times.
fn sort_ties<T: Ord>(order: &mut [(u64, u64, u32)], equal: &mut RowOrder, rows: &RecordBatch, times: &[T]) {
    let mut from = 0;
    while from < order.len() {
        let Some(&(key, id, _)) = order.get(from) else { return };
        let mut to = from + 1;
        while order.get(to).is_some_and(|o| (o.0, o.1) == (key, id)) {
            to += 1;
        }
        if to - from > 1
            && let Some(tied) = order.get_mut(from..to)
        {
            tied.sort_by(|a, b| {
                let (a, b) = (a.2 as usize, b.2 as usize);
                equal.compare(rows, a, rows, b).then_with(|| times.get(a).cmp(&times.get(b)))
            });
        }
        from = to;
    }
}

/// Compares rows of two batches by value; the comparison is made ready when it is first needed.
#[derive(Default)]
pub struct RowOrder(Option<Vec<DynComparator>>);

impl RowOrder {
    /// Order of two rows. Always asked about the same two batches.
    pub fn compare(&mut self, left: &RecordBatch, i: usize, right: &RecordBatch, j: usize) -> Ordering {
        let columns = self.0.get_or_insert_with(|| {
            let pairs = left.columns().iter().zip(right.columns());
            let made: Result<Vec<_>, _> = pairs.map(|(l, r)| make_comparator(l, r, SortOptions::default())).collect();
            made.unwrap_or_else(|error| {
                // Types without an order are refused when a view is planned.
                crate::flow::defect::tell("rows cannot be compared", &error);
                Vec::new()
            })
        });
        columns.iter().map(|c| c(i, j)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    }
}
