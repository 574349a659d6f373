//! From slices to the sliding windows that they are in: each row of a slice becomes a row of each of its windows.
//!
//! A row here is mostly what is left of all rows of a slice and a key in a batch, and carries their states. What stands after
//! the keys is taken along as it is.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StructArray, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::{filter_record_batch, min, take};
use arrow::datatypes::{DataType, Field, Fields, Schema, TimestampMicrosecondType};
use arrow::error::ArrowError;
use datafusion::common::DataFusionError;

use super::early::in_time;
use crate::flow::updates::Updates;
use crate::sql::plan::{Hop, HopKey};
use crate::sql::render::aggregate::Closes;
use crate::sql::window::{self, hop, window_type};

fn plain(error: DataFusionError) -> ArrowError {
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

/// The types of the keys of windows' groups.
pub fn key_types(of: &Hop, slices: &Schema) -> Result<Vec<DataType>, ArrowError> {
    let others = of.keys.iter().filter(|k| matches!(k, HopKey::Column(_))).count();
    let window = Schema::new(vec![Field::new("window", window_type(slices.field(others).data_type()), true)]);
    let kind = |key: &HopKey| match key {
        HopKey::Column(at) => Ok(slices.field(*at).data_type().clone()),
        HopKey::Window(expr) => expr.data_type(&window).map_err(plain),
    };
    of.keys.iter().map(kind).collect()
}

/// Rows of columns, slice, and anything: rows of keys, and anything. A row without a time is in no window.
pub fn windows(of: &Hop, updates: &Updates) -> Result<Updates, ArrowError> {
    let others = of.keys.iter().filter(|k| matches!(k, HopKey::Column(_))).count();
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
    let zoned = |v: Vec<i64>| Arc::new(TimestampMicrosecondArray::from(v).with_data_type(kind.clone())) as ArrayRef;
    let bounds = match window_type(&kind) {
        DataType::Struct(fields) => fields,
        _ => Fields::empty(),
    };
    let window: ArrayRef = Arc::new(StructArray::try_new(bounds, vec![zoned(starts), zoned(ends)], None)?);
    let window = RecordBatch::try_from_iter([("window", window)])?;
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

/// Puts windows of rows that come too late for them to the late ones.
pub fn put_late(
    of: &Hop,
    updates: &Updates,
    closes: &Closes,
    epoch: u64,
    names: &Schema,
    late: &mut Vec<Updates>,
) -> Result<(), ArrowError> {
    let Some((_, closing, watermarks)) = closes else { return Ok(()) };
    let Some(before) = closing.passed_before(watermarks, epoch) else { return Ok(()) };
    let others = of.keys.iter().filter(|k| matches!(k, HopKey::Column(_))).count();
    let Some(slices) = updates.rows.columns().get(others).and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>()) else {
        return Ok(());
    };
    // The first of a slice's windows ends first; of later slices it does not end earlier.
    let is_old = |slice: i64| first_after(slice, of).saturating_add(of.size) <= before;
    if !min(slices).is_some_and(is_old) {
        return Ok(());
    }
    let old: BooleanArray = slices.iter().map(|s| Some(s.is_some_and(is_old))).collect();
    let diffs = updates.diffs.as_ref().map(|d| arrow::compute::filter(d, &old)).transpose()?;
    let diffs = diffs.and_then(|d| d.as_any().downcast_ref::<Int64Array>().cloned());
    let exploded = windows(of, &Updates { rows: filter_record_batch(&updates.rows, &old)?, diffs })?;
    let fields: Vec<Field> =
        names.fields().iter().zip(exploded.rows.columns()).map(|(f, c)| Field::new(f.name(), c.data_type().clone(), true)).collect();
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), exploded.rows.columns().to_vec())?;
    in_time(&Updates { rows, diffs: exploded.diffs }, closes, epoch, late).map(|_| ())
}
