//! Keys of maps as JSON has them: text, whatever they are in a row.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use arrow::error::ArrowError;

/// Rows whose maps, at any depth, have text as keys; all else as it is.
///
/// # Errors
/// When a key has no text.
pub fn text_keys(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = rows.schema();
    let fields = all(schema.fields());
    if fields == *schema.fields() {
        return Ok(rows.clone());
    }
    let one = |(field, column): (&FieldRef, &ArrayRef)| cast(column, field.data_type());
    let columns = fields.iter().zip(rows.columns()).map(one).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

fn all(fields: &Fields) -> Fields {
    fields.iter().map(of).collect()
}

fn of(field: &FieldRef) -> FieldRef {
    let kind = match field.data_type() {
        DataType::List(of_list) => DataType::List(of(of_list)),
        DataType::LargeList(of_list) => DataType::LargeList(of(of_list)),
        DataType::FixedSizeList(of_list, length) => DataType::FixedSizeList(of(of_list), *length),
        DataType::Struct(fields) => DataType::Struct(all(fields)),
        DataType::Map(entries, sorted) => DataType::Map(entry(entries), *sorted),
        _ => return field.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(kind))
}

fn entry(entries: &FieldRef) -> FieldRef {
    let DataType::Struct(pair) = entries.data_type() else { return entries.clone() };
    let text = |key: &FieldRef| Arc::new(Field::new(key.name(), DataType::Utf8, key.is_nullable()));
    let new = pair.iter().enumerate().map(|(i, field)| if i == 0 { text(field) } else { of(field) });
    Arc::new(entries.as_ref().clone().with_data_type(DataType::Struct(new.collect())))
}
