//! Which changes of a table a model takes in, and which it calls late: rows by their encoding, each with the time that decides and how
//! often it is there. What the time is, and when it is over, is for others to say (`watermark`, `intervals`).

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMicrosecondType};
use arrow::row::{RowConverter, SortField};
use littoral_engine::sql::script::Answer;

use super::answers::{Lines, lines_of};

/// Rows with their time and how often they are there.
type Rows = BTreeMap<Vec<u8>, (Option<i64>, i64)>;

/// A table as a model sees it.
pub struct Taken {
    converter: RowConverter,
    schema: SchemaRef,
    /// At the end of the last epoch, late or not.
    before: Rows,
    /// Those that were not late.
    taken: BTreeMap<Vec<u8>, i64>,
    /// Late rows, less those that went late.
    pub late: i64,
}

impl Taken {
    /// Nothing yet.
    pub fn new(schema: SchemaRef) -> Self {
        let fields = schema.fields().iter().map(|f| SortField::new(f.data_type().clone())).collect();
        Taken { converter: RowConverter::new(fields).unwrap(), schema, before: Rows::new(), taken: BTreeMap::new(), late: 0 }
    }

    /// Takes in the rows as they are at the end of an epoch; changes of rows whose time is over are late.
    pub fn epoch(&mut self, columns: &[ArrayRef], times: impl Iterator<Item = Option<i64>>, is_over: impl Fn(i64) -> bool) {
        let mut now = Rows::new();
        for (row, time) in self.converter.convert_columns(columns).unwrap().iter().zip(times) {
            now.entry(row.as_ref().to_vec()).or_insert((time, 0)).1 += 1;
        }
        let keys: BTreeSet<Vec<u8>> = now.keys().chain(self.before.keys()).cloned().collect();
        for key in keys {
            let count = |rows: &Rows| rows.get(&key).map_or(0, |r| r.1);
            let change = count(&now) - count(&self.before);
            let time = now.get(&key).or(self.before.get(&key)).and_then(|r| r.0);
            if time.is_some_and(&is_over) {
                self.late += change;
            } else {
                *self.taken.entry(key).or_default() += change;
            }
        }
        self.before = now;
    }

    /// What was taken in, as a table.
    pub fn table(&self) -> RecordBatch {
        let parser = self.converter.parser();
        let rows: Vec<_> =
            self.taken.iter().flat_map(|(key, count)| std::iter::repeat_n(parser.parse(key), usize::try_from(*count).unwrap())).collect();
        RecordBatch::try_new(self.schema.clone(), self.converter.convert_rows(rows).unwrap()).unwrap()
    }
}

/// Rows whose time in a column, and so much later, a watermark has reached, or all at the end.
pub fn ended(rows: &RecordBatch, (column, after): (&str, i64), watermark: Option<i64>, all: bool) -> Lines {
    let times = rows.column_by_name(column).unwrap().as_primitive::<TimestampMicrosecondType>();
    let mut out = Lines::new();
    for (row, line) in lines_of(rows).into_iter().enumerate() {
        if all || (times.is_valid(row) && watermark.is_some_and(|w| times.value(row) + after <= w)) {
            *out.entry(line).or_default() += 1;
        }
    }
    out
}

/// How many rows an answer of `late_rows` tells, less those that went late.
pub fn told(late_rows: &Answer) -> i64 {
    let diffs = |rows: &RecordBatch| rows.column_by_name("diff").unwrap().as_primitive::<Int64Type>().values().iter().sum::<i64>();
    late_rows.changes.iter().map(|(_, updates)| diffs(&updates.rows)).sum()
}
