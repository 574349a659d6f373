//! Evaluates groups of a reduction by a computation; a group on which it fails gives one row that says so.
//!
//! The output has the computation's columns and a last one, `error`, which is null on all rows but those.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray, UInt32Array, new_null_array};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use arrow::error::ArrowError;
use datafusion::common::Result;

use super::{Compute, Runner};
use crate::flow::pick::take_rows;
use crate::sql::arrange::Evaluate;

/// A computation over groups.
pub struct GroupEvaluator {
    runner: Runner,
    compute: Compute,
    /// Columns of the output, without `error`.
    schema: SchemaRef,
}

impl GroupEvaluator {
    /// Plans a computation that gives the columns of a schema.
    ///
    /// # Errors
    /// When DataFusion cannot plan it.
    pub fn new(compute: &Compute, schema: SchemaRef) -> Result<Self> {
        Ok(GroupEvaluator { runner: Runner::new(compute)?, compute: compute.clone(), schema })
    }

    /// The output's columns with the last one for errors.
    pub fn with_error(schema: &SchemaRef) -> SchemaRef {
        let error = Arc::new(Field::new("error", DataType::Utf8, true));
        Arc::new(Schema::new(schema.fields().iter().cloned().chain(std::iter::once(error)).collect::<Vec<_>>()))
    }

    fn together(&self, rows: &RecordBatch, starts: &[usize], first_group: u32) -> Result<(RecordBatch, Vec<u32>)> {
        let mut tags: Vec<u32> = Vec::with_capacity(rows.num_rows());
        for (group, pair) in starts.windows(2).enumerate() {
            if let [from, to] = pair {
                tags.extend(std::iter::repeat_n(group as u32, to - from));
            }
        }
        let columns = std::iter::once(Arc::new(UInt32Array::from(tags)) as ArrayRef).chain(rows.columns().iter().cloned()).collect();
        let given = self.runner.run(RecordBatch::try_new(self.compute.handed(), columns)?)?;
        let groups: Vec<u32> = given.column(0).as_primitive::<UInt32Type>().values().to_vec();
        let keys = match &self.compute {
            Compute::Aggregate { keys, .. } => {
                let firsts = UInt32Array::from_iter_values(groups.iter().filter_map(|g| starts.get(*g as usize)).map(|s| *s as u32));
                take_rows(rows, &firsts)?.columns().iter().take(*keys).cloned().collect()
            }
            _ => Vec::new(),
        };
        let columns = keys.iter().chain(given.columns().iter().skip(1));
        let mut cast_columns: Vec<ArrayRef> =
            columns.zip(self.schema.fields()).map(|(c, f)| cast(c, f.data_type())).collect::<Result<_, ArrowError>>()?;
        cast_columns.push(new_null_array(&DataType::Utf8, given.num_rows()));
        let options = RecordBatchOptions::new().with_row_count(Some(given.num_rows()));
        let out = RecordBatch::try_new_with_options(Self::with_error(&self.schema), cast_columns, &options)?;
        Ok((out, groups.into_iter().map(|g| g + first_group).collect()))
    }

    /// The row of a group that fails: its keys, where it is one of an aggregation, and the error.
    fn failed(&self, group: &RecordBatch, error: &str) -> Result<RecordBatch, ArrowError> {
        let keys = if let Compute::Aggregate { keys, .. } = &self.compute { *keys } else { 0 };
        let mut columns: Vec<ArrayRef> = self.schema.fields().iter().map(|f| new_null_array(f.data_type(), 1)).collect();
        for ((column, key), field) in columns.iter_mut().zip(group.columns()).zip(self.schema.fields()).take(keys) {
            *column = cast(&key.slice(0, 1), field.data_type())?;
        }
        columns.push(Arc::new(StringArray::from(vec![error])));
        RecordBatch::try_new(Self::with_error(&self.schema), columns)
    }
}

impl Evaluate for GroupEvaluator {
    fn evaluate(&mut self, rows: &RecordBatch, starts: &[usize]) -> Result<(RecordBatch, Vec<u32>), ArrowError> {
        if let Ok(given) = self.together(rows, starts, 0) {
            return Ok(given);
        }
        let (mut batches, mut groups) = (Vec::new(), Vec::new());
        for (group, pair) in starts.windows(2).enumerate() {
            let [from, to] = pair else { continue };
            match self.together(&rows.slice(*from, to - from), &[0, to - from], group as u32) {
                Ok((batch, of)) => {
                    batches.push(batch);
                    groups.extend(of);
                }
                Err(error) => {
                    batches.push(self.failed(&rows.slice(*from, to - from), &error.strip_backtrace())?);
                    groups.push(group as u32);
                }
            }
        }
        Ok((concat_batches(&Self::with_error(&self.schema), &batches)?, groups))
    }
}
