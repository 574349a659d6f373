//! Columns of sessions: times, their ends, and rows of a schema or of numbered columns, as they are saved.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;

use crate::sql::render::rows::batch;

/// Times as they are saved, of no zone.
pub fn times(of: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(of))
}

/// The times of rows, which stand behind so many columns.
///
/// # Errors
/// When there are none.
pub fn times_of(columns: &[ArrayRef], at: usize) -> Result<Vec<i64>, ArrowError> {
    let times = columns.get(at).and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
    Ok(times.ok_or_else(|| ArrowError::SchemaError("sessions are of times".into()))?.values().to_vec())
}

/// Instants as the column of a schema, which may be of a zone.
///
/// # Errors
/// When it is of another type.
pub fn instants(of: impl Iterator<Item = i64>, schema: &Schema, at: usize) -> Result<ArrayRef, ArrowError> {
    match schema.fields().get(at).map(|f| f.data_type()) {
        Some(DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            Ok(Arc::new(TimestampMicrosecondArray::from_iter_values(of).with_timezone_opt(zone.clone())))
        }
        other => Err(ArrowError::SchemaError(format!("the ends of a session are no {other:?}"))),
    }
}

/// Columns as rows of a schema.
///
/// # Errors
/// When they do not fit it.
pub fn with_rows(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, ArrowError> {
    let columns = columns.iter().zip(schema.fields()).map(|(c, f)| cast(c, f.data_type())).collect::<Result<Vec<_>, _>>()?;
    batch(schema, columns, rows).map_err(|e| ArrowError::ComputeError(e.strip_backtrace()))
}
