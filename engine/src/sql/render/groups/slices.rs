//! Slices and the sliding windows that they are in; and rows that come too late for some of those, which are listed once a window.
//!
//! Not here: which groups the rows of a slice change (`spread`).

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StructArray, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::{filter_record_batch, min, take};
use arrow::datatypes::{DataType, Field, Fields, Schema, TimestampMicrosecondType};
use arrow::error::ArrowError;
use datafusion::common::DataFusionError;

use super::early::{in_time, no_times};
use crate::flow::updates::Updates;
use crate::sql::plan::{Hop, HopKey};
use crate::sql::render::aggregate::Closes;
use crate::sql::window::{self, hop, window_type};

/// An error of an expression.
pub fn plain(error: DataFusionError) -> ArrowError {
    ArrowError::ComputeError(error.strip_backtrace())
}

/// The start of the last window that a time may be in.
pub fn floor(time: i64, hop: &Hop) -> i64 {
    window::floor(time, hop.slide, hop.offset)
}

/// The start of the first window that ends after a time.
pub fn first_after(time: i64, hop: &Hop) -> i64 {
    floor(time.saturating_sub(hop.size), hop).saturating_add(hop.slide)
}

/// How many keys stand beside the slice.
pub fn others_of(hop: &Hop) -> usize {
    hop.keys.iter().filter(|k| matches!(k, HopKey::Column(_))).count()
}

/// The types of the keys of windows' groups.
///
/// # Errors
/// When a key has no type, which is a defect.
pub fn key_types(of: &Hop, slices: &Schema) -> Result<Vec<DataType>, ArrowError> {
    let others = others_of(of);
    let window = Schema::new(vec![Field::new("window", window_type(slices.field(others).data_type()), true)]);
    let kind = |key: &HopKey| match key {
        HopKey::Column(at) => Ok(slices.field(*at).data_type().clone()),
        HopKey::Window(expr) => expr.data_type(&window).map_err(plain),
    };
    of.keys.iter().map(kind).collect()
}

/// Windows as the one column that their keys are computed from.
///
/// # Errors
/// When they are not of the type, which is a defect.
pub fn window_column(time: &DataType, starts: Vec<i64>, ends: Vec<i64>) -> Result<RecordBatch, ArrowError> {
    let zoned = |v: Vec<i64>| Arc::new(TimestampMicrosecondArray::from(v).with_data_type(time.clone())) as ArrayRef;
    let bounds = match window_type(time) {
        DataType::Struct(fields) => fields,
        _ => Fields::empty(),
    };
    let window: ArrayRef = Arc::new(StructArray::try_new(bounds, vec![zoned(starts), zoned(ends)], None)?);
    RecordBatch::try_from_iter([("window", window)])
}

/// Rows of columns, slice, and anything: rows of keys, and anything. A row without a time is in no window.
fn windows(of: &Hop, updates: &Updates) -> Result<Updates, ArrowError> {
    let others = others_of(of);
    let columns = updates.rows.columns();
    let missing = || ArrowError::SchemaError("rows of slices hold the start of each".into());
    let slices = columns.get(others).ok_or_else(missing)?;
    let kind = slices.data_type().clone();
    let slices = slices.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(missing)?;
    let (mut bounds, mut rows) = (Vec::new(), Vec::new());
    for (row, slice) in slices.iter().enumerate() {
        if let Some(slice) = slice {
            hop(slice, of.slide, of.size, of.offset, &mut bounds);
            rows.resize(bounds.len(), row as u32);
        }
    }
    let rows = UInt32Array::from(rows);
    let (starts, ends): (Vec<i64>, Vec<i64>) = bounds.into_iter().unzip();
    let window = window_column(&kind, starts, ends)?;
    let mut out: Vec<ArrayRef> = Vec::with_capacity(columns.len() + of.keys.len());
    for key in &of.keys {
        out.push(match key {
            HopKey::Column(at) => take(columns.get(*at).ok_or_else(missing)?, &rows, None)?,
            HopKey::Window(expr) => expr.evaluate(&window).and_then(|v| v.into_array(window.num_rows())).map_err(plain)?,
        });
    }
    for column in columns.iter().skip(others + 1) {
        out.push(take(column, &rows, None)?);
    }
    let diffs = updates.diffs.as_ref().map(|d| take(d, &rows, None)).transpose()?;
    let diffs = diffs.and_then(|d| d.as_any().downcast_ref::<Int64Array>().cloned());
    let fields: Vec<Field> = out.iter().map(|c| Field::new("column", c.data_type().clone(), true)).collect();
    Ok(Updates { rows: RecordBatch::try_new(Arc::new(Schema::new(fields)), out)?, diffs })
}

/// Windows that late rows are made at once: a row may be in ten thousand.
const LATE_WINDOWS: usize = 1 << 14;

/// Rows that came too late: as they are, or still by slice. Those become rows of their windows some at a time, as they are asked for.
#[derive(Default)]
pub struct Late {
    /// As they are.
    pub rows: Vec<Updates>,
    /// By slice, with the epoch that they came in.
    slices: VecDeque<(Updates, u64)>,
}

impl Late {
    /// Some of them, until there are none; those of windows with columns of some names.
    ///
    /// # Errors
    /// When rows are not those of the plan.
    pub fn next(&mut self, hop: Option<(&Hop, &Schema)>, closes: &Closes) -> Result<Option<Updates>, ArrowError> {
        while self.rows.is_empty() {
            let (Some((hop, names)), Some((updates, epoch))) = (hop, self.slices.pop_front()) else { return Ok(None) };
            let (all, some) = (updates.rows.num_rows(), rows_at_once(hop));
            let part = |from: usize, count: usize| Updates {
                rows: updates.rows.slice(from, count),
                diffs: updates.diffs.as_ref().map(|d| d.slice(from, count)),
            };
            if all > some {
                self.slices.push_front((part(some, all - some), epoch));
            }
            let exploded = windows(hop, &part(0, all.min(some)))?;
            let field = |(f, c): (&Arc<Field>, &ArrayRef)| Field::new(f.name(), c.data_type().clone(), true);
            let fields: Vec<Field> = names.fields().iter().zip(exploded.rows.columns()).map(field).collect();
            let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), exploded.rows.columns().to_vec())?;
            in_time(&Updates { rows, diffs: exploded.diffs }, closes, epoch, &mut self.rows)?;
        }
        Ok(self.rows.pop())
    }
}

/// Rows whose windows are not more than may be made at once, or one.
fn rows_at_once(of: &Hop) -> usize {
    let each = usize::try_from(of.size / of.slide.max(1) + 1).unwrap_or(usize::MAX);
    (LATE_WINDOWS / each).max(1)
}

/// Puts rows that are in windows for which they come too late to the late ones.
///
/// # Errors
/// When the columns are not those of the plan.
pub fn put_late(of: &Hop, updates: &Updates, closes: &Closes, epoch: u64, late: &mut Late) -> Result<(), ArrowError> {
    let Some((key, closing, watermarks)) = closes else { return Ok(()) };
    let Some(before) = closing.passed_before(watermarks, epoch) else { return Ok(()) };
    let columns = updates.rows.columns();
    let Some(slices) = columns.get(others_of(of)).and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>()) else {
        return Ok(());
    };
    let old: BooleanArray = match of.keys.get(*key) {
        // All windows of a row are closed at once by a column of its own.
        Some(HopKey::Column(at)) => {
            let times = columns.get(*at).and_then(|c| closing.times(c)).ok_or_else(no_times)?;
            let rows = slices.iter().zip(times.iter());
            rows.map(|(slice, closes)| Some(slice.is_some() && closes.is_some_and(|closes| closes <= before))).collect()
        }
        // The first of a slice's windows ends first; of later slices it does not end earlier.
        _ => {
            let is_old = |slice: i64| first_after(slice, of).saturating_add(of.size) <= before;
            if !min(slices).is_some_and(is_old) {
                return Ok(());
            }
            slices.iter().map(|s| Some(s.is_some_and(is_old))).collect()
        }
    };
    if !old.has_true() {
        return Ok(());
    }
    let diffs = updates.diffs.as_ref().map(|d| arrow::compute::filter(d, &old)).transpose()?;
    let diffs = diffs.and_then(|d| d.as_any().downcast_ref::<Int64Array>().cloned());
    late.slices.push_back((Updates { rows: filter_record_batch(&updates.rows, &old)?, diffs }, epoch));
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use datafusion::physical_expr::expressions::Column;

    use super::*;
    use crate::sql::closing::{Closing, Shape};
    use crate::sql::watermark::Watermarks;

    /// Late rows that are in ten thousand windows each are told of all that are closed, some at a time.
    #[test]
    fn late_rows_become_windows_some_at_a_time() {
        const ROWS: i64 = 9;
        let keys = vec![HopKey::Column(0), HopKey::Window(Arc::new(Column::new("window", 0)))];
        let (slide, size) = (1_000, 10_000_000);
        let hop = Hop { slide, size, offset: 0, keys };
        let slices = Arc::new(TimestampMicrosecondArray::from_iter_values((0..ROWS).map(|row| row * slide))) as ArrayRef;
        let others = Arc::new(Int64Array::from_iter_values(0..ROWS)) as ArrayRef;
        let rows = RecordBatch::try_from_iter([("k", others), ("slice", slices)]).unwrap();
        let updates = Updates::changes(rows, vec![-1; ROWS as usize].into());
        let watermarks = Watermarks::default();
        watermarks.set("t", 0, size);
        let closes = Some((1, Closing { shape: Shape::Window(None), ..Closing::of_table("t") }, watermarks));
        let mut late = Late::default();
        put_late(&hop, &updates, &closes, 1, &mut late).unwrap();
        let names = Schema::new(vec![Field::new("k", DataType::Int64, true), Field::new("w", DataType::Int64, true)]);
        let (mut told, mut pieces) = (0, 0);
        while let Some(updates) = late.next(Some((&hop, &names)), &closes).unwrap() {
            assert!(updates.rows.num_rows() <= LATE_WINDOWS);
            assert_eq!(updates.rows.schema().field(1).name(), "w");
            assert!((0..updates.rows.num_rows()).all(|row| updates.diff(row) == -1));
            (told, pieces) = (told + updates.rows.num_rows() as i64, pieces + 1);
        }
        // The windows that begin up to 0 have ended: of each slice all but those that begin after it.
        let closed: i64 = (0..ROWS).map(|row| size / slide - row).sum();
        assert_eq!((told, pieces), (closed, ROWS));
    }
}
