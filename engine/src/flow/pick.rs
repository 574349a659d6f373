//! Rows picked out of batches by index, a column at a time, also where there are no columns but only a number of rows.

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{interleave, take};
use arrow::error::ArrowError;

/// Rows of one batch by index, also when it has no columns.
pub fn take_rows(rows: &RecordBatch, indices: &UInt32Array) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = rows.columns().iter().map(|c| take(c, indices, None)).collect::<Result<_, _>>()?;
    RecordBatch::try_new_with_options(rows.schema(), columns, &RecordBatchOptions::new().with_row_count(Some(indices.len())))
}

/// Rows of several batches by (batch, row), also when they have no columns; at least one batch.
///
/// # Errors
/// When there is no batch, or their types differ.
pub fn gather(batches: &[&RecordBatch], picked: &[(usize, usize)]) -> Result<RecordBatch, ArrowError> {
    let first = batches.first().ok_or_else(|| ArrowError::InvalidArgumentError("nothing to gather from".into()))?;
    let column = |i: usize| {
        let arrays: Vec<&dyn Array> = batches.iter().map(|b| b.column(i).as_ref()).collect();
        interleave(&arrays, picked)
    };
    let columns: Vec<ArrayRef> = (0..first.num_columns()).map(column).collect::<Result<_, _>>()?;
    RecordBatch::try_new_with_options(first.schema(), columns, &RecordBatchOptions::new().with_row_count(Some(picked.len())))
}
