//! Joins of two arrangements: differential matches hashes and times, this gathers the matched rows in bulk.
//!
//! Both sides hold their key columns first, of equal types. Where two rows meet by hash the key columns are compared as
//! columns, so that equal hashes of unequal keys do no harm. Source of the scheme: differential's integer proxies (0.26).

use std::rc::Rc;

use arrow::array::{BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{and, filter_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use differential_dataflow::lattice::Lattice;
use differential_dataflow::operators::int_proxy::join::JoinMatches;
use differential_dataflow::operators::int_proxy::{JoinInstance, KeyPosition, ProxyBridge, ProxyJoinBackend};
use differential_dataflow::trace::chunk::Chunk;
use timely::progress::Timestamp;

use super::chunk::gather_runs;
use super::flatten::Timed;
use super::window::{Batch, Found, Opened, place, start_of, window_end};
use crate::flow::updates::Updates;

/// Updates of the driving side in one window.
const WINDOW_ROWS: usize = 1 << 15;
/// Rows of an output batch.
const OUTPUT_ROWS: usize = 1 << 14;

/// What a join does with the rows of two arrangements.
pub struct ArrowJoin<T> {
    keys: usize,
    left: Vec<usize>,
    right: Vec<usize>,
    schema: SchemaRef,
    opened: [Opened<T>; 2],
}

impl<T> ArrowJoin<T> {
    /// A join on the first `keys` columns, that gives some columns of the left and then of the right.
    pub fn new(keys: usize, left: Vec<usize>, right: Vec<usize>, schema: SchemaRef) -> Self {
        ArrowJoin { keys, left, right, schema, opened: [Opened::default(), Opened::default()] }
    }
}

impl<T: Timestamp + Lattice> ProxyJoinBackend<T, Batch<T>, Batch<T>> for ArrowJoin<T> {
    type Key = u64;
    type V0 = u64;
    type V1 = u64;
    type R0 = i64;
    type R1 = i64;
    type ROut = i64;
    type Output = Timed<T>;

    fn advance(
        &mut self,
        instance: &JoinInstance<T, Batch<T>, Batch<T>>,
        from: &mut KeyPosition<u64>,
        bridge0: &mut ProxyBridge<T, i64>,
        bridge1: &mut ProxyBridge<T, i64>,
    ) {
        let Some(start) = start_of(from) else { return };
        self.opened = [Opened::default(), Opened::default()];
        let rows = |batches: &[Batch<T>]| batches.iter().flat_map(|b| &b.chunks).map(Chunk::len).sum::<usize>();
        let left_drives = rows(&instance.batches0) <= rows(&instance.batches1);
        let [left, right] = &mut self.opened;
        let (driver, driver_runs, other, other_runs) = match left_drives {
            true => (&instance.batches0, left, &instance.batches1, right),
            false => (&instance.batches1, right, &instance.batches0, left),
        };
        let end = window_end(driver, start, WINDOW_ROWS);
        let (mut mine, mut theirs): (Vec<Found>, Vec<Found>) = (Vec::new(), Vec::new());
        driver_runs.all(driver, start, end, &mut mine);
        let mut keys: Vec<u64> = mine.iter().map(|f| f.0).collect();
        keys.dedup();
        other_runs.matching(other, &keys, &mut theirs);
        only_common(&mut mine, &theirs);
        let bridge = |found: &[Found], runs: &Opened<T>, out: &mut ProxyBridge<T, i64>| {
            out.extend(found.iter().filter_map(|f| runs.update(f.1).map(|(t, d)| (*f, t.clone(), d))));
        };
        let (mine_out, theirs_out) = if left_drives { (bridge0, bridge1) } else { (bridge1, bridge0) };
        bridge(&mine, driver_runs, mine_out);
        bridge(&theirs, other_runs, theirs_out);
        *from = end.map_or(KeyPosition::End, KeyPosition::At);
    }

    fn cross(&mut self, _: &JoinInstance<T, Batch<T>, Batch<T>>, matches: &mut JoinMatches<T, i64>, output: &mut Vec<Timed<T>>) {
        let mut order: Vec<usize> = (0..matches.ids.len()).collect();
        if matches.times.windows(2).any(|w| w.first() != w.last()) {
            order.sort_by(|a, b| matches.times.get(*a).cmp(&matches.times.get(*b)));
        }
        for same_time in order.chunk_by(|a, b| matches.times.get(*a) == matches.times.get(*b)) {
            for part in same_time.chunks(OUTPUT_ROWS) {
                let Some(time) = part.first().and_then(|i| matches.times.get(*i)) else { continue };
                match self.gather(matches, part) {
                    Ok(Some(updates)) => output.push(Timed { time: Some(time.clone()), updates }),
                    Ok(None) => {}
                    Err(error) => crate::flow::defect::tell("rows of a join cannot be gathered", &error),
                }
            }
        }
    }
}

/// Leaves only the updates whose key is also in the other list; both ascend.
fn only_common(mine: &mut Vec<Found>, theirs: &[Found]) {
    let mut at = 0;
    mine.retain(|(key, _)| {
        while theirs.get(at).is_some_and(|t| t.0 < *key) {
            at += 1;
        }
        theirs.get(at).is_some_and(|t| t.0 == *key)
    });
}

impl<T: Timestamp + Lattice> ArrowJoin<T> {
    fn gather(&self, matches: &JoinMatches<T, i64>, part: &[usize]) -> Result<Option<Updates>, ArrowError> {
        let pairs = || part.iter().filter_map(|i| matches.ids.get(*i)).map(|m| m.1);
        let [left_runs, right_runs] = &self.opened;
        let left = rows_at(left_runs, &pairs().map(|p| p.0).collect::<Vec<_>>())?;
        let right = rows_at(right_runs, &pairs().map(|p| p.1).collect::<Vec<_>>())?;
        let diffs: Int64Array = part.iter().filter_map(|i| matches.diffs.get(*i).copied()).collect::<Vec<_>>().into();
        let columns = self.left.iter().filter_map(|i| left.columns().get(*i));
        let columns = columns.chain(self.right.iter().filter_map(|i| right.columns().get(*i))).cloned().collect();
        let options = RecordBatchOptions::new().with_row_count(Some(part.len()));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        let updates = match self.unequal(&left, &right)? {
            None => Updates::changes(rows, diffs),
            Some(keep) => {
                let kept = diffs.values().iter().zip(keep.values()).filter(|(_, keep)| *keep).map(|(d, _)| *d).collect::<Vec<i64>>();
                Updates::changes(filter_record_batch(&rows, &keep)?, kept.into())
            }
        };
        let new_only = updates.diffs.as_ref().is_some_and(|d| d.values().iter().all(|d| *d == 1));
        Ok(Some(if new_only { Updates::insertions(updates.rows) } else { updates }).filter(|u| u.rows.num_rows() > 0))
    }

    /// Which pairs have equal keys, when not all have.
    fn unequal(&self, left: &RecordBatch, right: &RecordBatch) -> Result<Option<BooleanArray>, ArrowError> {
        let mut all: Option<BooleanArray> = None;
        for (l, r) in left.columns().iter().zip(right.columns()).take(self.keys) {
            let same = super::equal_columns(l, r, not_distinct)?;
            all = Some(match all {
                None => same,
                Some(all) => and(&all, &same)?,
            });
        }
        Ok(all.filter(|a| a.true_count() < a.len()))
    }
}

/// The rows at some positions, in their order; only runs that are used are looked at.
fn rows_at<T: Timestamp + Lattice>(opened: &Opened<T>, positions: &[u64]) -> Result<RecordBatch, ArrowError> {
    let mut used: Vec<usize> = positions.iter().map(|p| place(*p).0).collect();
    used.sort_unstable();
    used.dedup();
    let runs: Vec<Rc<_>> = used.iter().filter_map(|r| opened.0.get(*r).cloned()).collect();
    let picked: Vec<(usize, usize)> = positions
        .iter()
        .map(|p| {
            let (run, row) = place(*p);
            (used.binary_search(&run).unwrap_or_default(), row)
        })
        .collect();
    gather_runs(&runs, &picked)
}
