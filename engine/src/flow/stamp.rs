//! Tags rows with the spec epoch of their device: which reconfiguration a record was produced under.
//!
//! Deltas are applied between two epochs, so one look-up holds for all rows of a device in a batch. The column stands
//! after `ts` whichever way it came there, so that a step has the same columns on both tiers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::delta::store::SpecStore;

/// The name of the tag column.
pub const SPEC_EPOCH: &str = "spec_epoch";

/// The schema with the tag column after `ts`; as it is when it has one.
pub fn stamped_schema(input: &Schema) -> SchemaRef {
    let mut fields: Vec<_> = input.fields().iter().cloned().collect();
    if input.column_with_name(SPEC_EPOCH).is_none() {
        fields.insert(position(input), Arc::new(Field::new(SPEC_EPOCH, DataType::UInt64, false)));
    }
    Arc::new(Schema::new(fields))
}

/// The batch with the tag column.
pub fn stamp(batch: &RecordBatch, specs: &SpecStore) -> Result<RecordBatch, ArrowError> {
    if batch.column_by_name(SPEC_EPOCH).is_some() {
        return Ok(batch.clone());
    }
    let devices = batch
        .column_by_name("device")
        .and_then(|c| c.as_any().downcast_ref::<StringArray>())
        .ok_or_else(|| ArrowError::SchemaError("a stamped batch has no column \"device\"".into()))?;
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns.insert(position(&batch.schema()), Arc::new(spec_epochs(devices, specs)));
    RecordBatch::try_new(stamped_schema(&batch.schema()), columns)
}

fn position(schema: &Schema) -> usize {
    schema.index_of("ts").map_or(schema.fields().len(), |i| i + 1)
}

/// Rows of one device come in runs, so each run is looked up once.
fn spec_epochs(devices: &StringArray, specs: &SpecStore) -> UInt64Array {
    let mut out = Vec::with_capacity(devices.len());
    let mut row = 0;
    while row < devices.len() {
        let device = devices.value(row);
        let end = (row..devices.len()).find(|&i| devices.value(i) != device).unwrap_or(devices.len());
        out.resize(end, specs.spec_epoch(device));
        row = end;
    }
    UInt64Array::from(out)
}
