//! States of aggregates as Arrow columns, a row a group, and back: for snapshots.
//!
//! A group that holds many values has them in two lists, one of values and one of how often each is there.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Int64Array, ListArray, PrimitiveArray, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{Field, Int64Type, UInt64Type};
use arrow::error::ArrowError;

use crate::sql::store::run_of;

/// A column that a state was saved in.
///
/// # Errors
/// When it is not there or of another type.
pub fn column<T: ArrowPrimitiveType>(columns: &[ArrayRef], index: usize) -> Result<&PrimitiveArray<T>, ArrowError> {
    columns.get(index).and_then(|c| c.as_primitive_opt::<T>()).ok_or_else(|| missing(index))
}

/// What is told of a column that is not there or of another type.
pub fn missing(index: usize) -> ArrowError {
    ArrowError::SchemaError(format!("a saved state has no column {index} of its type"))
}

/// One number a group.
pub fn numbers(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

/// The numbers of some groups out of those of all.
pub fn numbers_of(all: &[i64], groups: &[u32]) -> ArrayRef {
    // Groups of a snapshot mostly stand one after the other.
    match run_of(groups).and_then(|run| all.get(run)) {
        Some(run) => Arc::new(Int64Array::from(run.to_vec())),
        None => numbers(groups.iter().map(|g| all.get(*g as usize).copied().unwrap_or(0))),
    }
}

/// Values with how often they are there, so many of each group.
///
/// # Errors
/// When there are not as many values as the groups have.
pub fn counted_values(lengths: impl Iterator<Item = usize>, values: ArrayRef, counts: ArrayRef) -> Result<Vec<ArrayRef>, ArrowError> {
    let lengths = OffsetBuffer::from_lengths(lengths);
    let list = |values: ArrayRef| {
        let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        Ok::<_, ArrowError>(Arc::new(ListArray::try_new(field, lengths.clone(), values, None)?) as ArrayRef)
    };
    Ok(vec![list(values)?, list(counts)?])
}

/// Numbers with how often they are there, many a group.
///
/// # Errors
/// Never, as each number has its count.
pub fn counted_numbers<G: Iterator<Item = (u64, i64)>>(groups: impl Iterator<Item = G>) -> Result<Vec<ArrayRef>, ArrowError> {
    let (mut values, mut counts, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for group in groups {
        let before = values.len();
        for (value, count) in group {
            values.push(value);
            counts.push(count);
        }
        lengths.push(values.len() - before);
    }
    counted_values(lengths.into_iter(), Arc::new(UInt64Array::from(values)), Arc::new(Int64Array::from(counts)))
}

/// Reads numbers with their counts back: for each its row, the number, how often.
///
/// # Errors
/// When the columns are not what `counted_numbers` gives.
pub fn each_number(columns: &[ArrayRef], mut of: impl FnMut(usize, u64, i64)) -> Result<(), ArrowError> {
    each_list(columns, |row, values, counts| {
        let values = values.as_primitive_opt::<UInt64Type>().ok_or_else(|| missing(0))?;
        values.values().iter().zip(counts.values()).for_each(|(value, count)| of(row, *value, *count));
        Ok(())
    })
}

/// Reads lists of values with their counts back: for each its row, the values, how often each is there.
///
/// # Errors
/// When the columns are none of them.
pub fn each_list(
    columns: &[ArrayRef],
    mut of: impl FnMut(usize, ArrayRef, &Int64Array) -> Result<(), ArrowError>,
) -> Result<(), ArrowError> {
    let list = |i: usize| columns.get(i).and_then(|c| c.as_list_opt::<i32>()).ok_or_else(|| missing(i));
    let (values, counts) = (list(0)?, list(1)?);
    for row in 0..values.len().min(counts.len()) {
        let count = counts.value(row);
        of(row, values.value(row), count.as_primitive_opt::<Int64Type>().ok_or_else(|| missing(1))?)?;
    }
    Ok(())
}
