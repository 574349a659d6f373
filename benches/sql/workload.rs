//! Workloads: tables that change epoch by epoch, made from a seed, and what a run of one gives. Not here: who runs them.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{Int64Type, SchemaRef};
use littoral_engine::flow::updates::Updates;

/// Changes of tables, by epoch.
pub type Epochs = Vec<Vec<(usize, Updates)>>;

/// Rows per second of work, and a sum over the output that equal outputs share.
pub struct Run {
    pub time: Duration,
    pub sum: i128,
}

pub struct Workload {
    pub name: &'static str,
    pub sql: &'static str,
    pub tables: Vec<(&'static str, SchemaRef, bool)>,
    pub epochs: Epochs,
    /// Epochs at the front that only fill the tables, and are not timed.
    pub filling: usize,
    pub rows: usize,
    /// Whether the second column is a time with a watermark, by which groups are given once they are closed.
    pub closes: bool,
}

/// A pseudo-random sequence (SplitMix64).
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Draw(seed)
    }

    pub fn next(&mut self, below: u64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % below) as i64
    }
}

pub fn pairs(rows: &[(i64, i64)]) -> RecordBatch {
    let column = |of: fn(&(i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    RecordBatch::try_from_iter([("k", column(|r| r.0)), ("v", column(|r| r.1))]).unwrap()
}

/// A table of pairs that is filled, and then changes: half of each epoch's updates are new rows, half take old ones away.
pub fn changelog(seed: u64, keys: u64, filled: usize, epochs: usize, updates: usize) -> Vec<Updates> {
    let mut draw = Draw(seed);
    let mut rows: Vec<(i64, i64)> = (0..filled).map(|_| (draw.next(keys), draw.next(1000))).collect();
    let mut out = vec![Updates::insertions(pairs(&rows))];
    for _ in 0..epochs {
        let mut changed: Vec<((i64, i64), i64)> = Vec::new();
        for _ in 0..updates / 2 {
            let gone = draw.next(rows.len() as u64) as usize;
            changed.push((rows.swap_remove(gone), -1));
            let new = (draw.next(keys), draw.next(1000));
            changed.push((new, 1));
            rows.push(new);
        }
        let (changed, diffs): (Vec<(i64, i64)>, Vec<i64>) = changed.into_iter().unzip();
        out.push(Updates::changes(pairs(&changed), diffs.into()));
    }
    out
}

pub fn sum_of(updates: &Updates) -> i128 {
    let rows = updates.rows.num_rows();
    let diffs = updates.diffs.as_ref().map(|diffs| diffs.values().as_ref());
    let mut total = diffs.map_or(rows as i128, |diffs| diffs.iter().map(|diff| i128::from(*diff)).sum());
    for values in updates.rows.columns().iter().filter_map(|column| column.as_primitive_opt::<Int64Type>()) {
        total += match (values.null_count(), diffs) {
            (0, None) => values.values().iter().map(|value| i128::from(*value)).sum::<i128>(),
            (0, Some(diffs)) => values.values().iter().zip(diffs).map(|(value, diff)| i128::from(*value) * i128::from(*diff)).sum(),
            _ => (0..rows).filter(|r| values.is_valid(*r)).map(|r| i128::from(values.value(r)) * i128::from(updates.diff(r))).sum(),
        };
    }
    total
}

pub fn readings(name: &'static str, sql: &'static str, keys: u64, rows: usize, batch: usize) -> Workload {
    let mut draw = Draw(1);
    let mut epochs: Epochs = Vec::new();
    for from in (0..rows).step_by(batch) {
        let n = batch.min(rows - from);
        let k = Int64Array::from_iter_values((0..n).map(|_| draw.next(keys)));
        let ts = TimestampMicrosecondArray::from_iter_values((0..n).map(|i| (from + i) as i64 * 1_000));
        let v = Int64Array::from_iter_values((0..n).map(|_| draw.next(10_000)));
        let columns = [("k", Arc::new(k) as ArrayRef), ("ts", Arc::new(ts)), ("v", Arc::new(v))];
        epochs.push(vec![(0, Updates::insertions(RecordBatch::try_from_iter(columns).unwrap()))]);
    }
    let schema = epochs[0][0].1.rows.schema();
    Workload { name, sql, tables: vec![("t", schema, true)], epochs, filling: 0, rows, closes: false }
}
