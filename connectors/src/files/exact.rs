//! Numbers as SQL takes them, where arrow's readers cut off what a column has no room for: a decimal is rounded half away from
//! zero, and what is not a whole number is none.
//!
//! Decimals are read wider than they are, by one digit of their fraction, which says all about rounding; then made what they are.
//! Of whole numbers the text is looked at.

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, LargeListArray, ListArray, RecordBatch, RecordBatchOptions, StructArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DECIMAL256_MAX_PRECISION, DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use std::sync::Arc;

use super::ndjson::whole_number;

/// Columns with decimals as they are to be read; none when there are none.
pub fn wide(schema: &SchemaRef) -> Option<SchemaRef> {
    changed(schema, &|kind| match kind {
        DataType::Decimal128(precision, scale) if *scale >= 0 => DataType::Decimal256(precision + 1, scale + 1),
        DataType::Decimal256(precision, scale) if *scale >= 0 && *precision < DECIMAL256_MAX_PRECISION => {
            DataType::Decimal256(precision + 1, scale + 1)
        }
        other => other.clone(),
    })
}

/// Columns with whole numbers as text; none when there are none.
pub fn written(schema: &SchemaRef) -> Option<SchemaRef> {
    changed(schema, &|kind| if kind.is_integer() { DataType::Utf8 } else { kind.clone() })
}

fn changed(schema: &SchemaRef, to: &impl Fn(&DataType) -> DataType) -> Option<SchemaRef> {
    let fields: Vec<FieldRef> = schema.fields().iter().map(|f| field(f, to)).collect();
    let changed = Schema::new_with_metadata(fields, schema.metadata().clone());
    (changed != **schema).then(|| Arc::new(changed))
}

/// A column of another type, also within lists and structs.
fn field(of: &FieldRef, to: &impl Fn(&DataType) -> DataType) -> FieldRef {
    let kind = match of.data_type() {
        DataType::List(item) => DataType::List(field(item, to)),
        DataType::LargeList(item) => DataType::LargeList(field(item, to)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|f| field(f, to)).collect()),
        other => to(other),
    };
    Arc::new(Field::new(of.name(), kind, of.is_nullable()).with_metadata(of.metadata().clone()))
}

/// Rows that were read wider as they are to be.
///
/// # Errors
/// With a value that is no whole number, or does not fit once it is rounded.
pub fn narrow(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = rows.columns().iter().zip(schema.fields()).map(|(column, field)| column_of(column, field));
    let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}

fn column_of(wide: &ArrayRef, of: &FieldRef) -> Result<ArrayRef, ArrowError> {
    if wide.data_type() == of.data_type() {
        return Ok(wide.clone());
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(wide, of.data_type(), &strict).map_err(|e| within(of, &e.to_string()))
}

fn within(field: &Field, what: &str) -> ArrowError {
    ArrowError::JsonError(format!("whilst decoding field '{}': {what}", field.name()))
}

/// Rows with their whole numbers as they are written, from the same rows with those as text.
///
/// # Errors
/// With the first that has a fraction, or does not fit.
pub fn whole(rows: &RecordBatch, written: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let (schema, columns) = (rows.schema(), rows.columns().iter().zip(written.columns()));
    let columns = columns.zip(schema.fields()).map(|((given, text), field)| whole_of(given, text).map_err(|what| within(field, &what)));
    let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}

fn whole_of(given: &ArrayRef, text: &ArrayRef) -> Result<ArrayRef, String> {
    let plain = |e: ArrowError| e.to_string();
    Ok(match given.data_type() {
        kind if kind.is_integer() => {
            let Some(texts) = text.as_string_opt::<i32>() else { return Ok(given.clone()) };
            let number = |text: Option<&str>| text.map_or(Ok(None), |text| whole_number(text.trim()));
            let numbers = texts.iter().map(number).collect::<Result<Vec<Option<i128>>, String>>()?;
            // What is no number in this sense was understood before.
            if numbers.iter().zip(texts.iter()).any(|(number, text)| number.is_none() && text.is_some()) {
                return Ok(given.clone());
            }
            let numbers = Decimal128Array::from(numbers).with_data_type(DataType::Decimal128(38, 0));
            let strict = CastOptions { safe: false, ..CastOptions::default() };
            cast_with_options(&numbers, kind, &strict).map_err(plain)?
        }
        DataType::List(item) => {
            let (list, text) = (given.as_list::<i32>(), text.as_list::<i32>());
            let values = whole_of(list.values(), text.values())?;
            Arc::new(ListArray::try_new(item.clone(), list.offsets().clone(), values, list.nulls().cloned()).map_err(plain)?)
        }
        DataType::LargeList(item) => {
            let (list, text) = (given.as_list::<i64>(), text.as_list::<i64>());
            let values = whole_of(list.values(), text.values())?;
            Arc::new(LargeListArray::try_new(item.clone(), list.offsets().clone(), values, list.nulls().cloned()).map_err(plain)?)
        }
        DataType::Struct(fields) => {
            let (given, text) = (given.as_struct(), text.as_struct());
            let columns = given.columns().iter().zip(text.columns()).map(|(given, text)| whole_of(given, text));
            let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
            Arc::new(StructArray::try_new_with_length(fields.clone(), columns, given.nulls().cloned(), given.len()).map_err(plain)?)
        }
        _ => given.clone(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow::array::{Decimal256Array, StringArray, UInt64Array};
    use arrow::datatypes::i256;

    fn narrowed(values: &[i128], read: DataType, kind: DataType) -> Result<ArrayRef, String> {
        let values: Decimal256Array = values.iter().map(|v| Some(i256::from_i128(*v))).collect();
        let wide: ArrayRef = Arc::new(values.with_data_type(read));
        column_of(&wide, &Arc::new(Field::new("k", kind, true))).map_err(|e| e.to_string())
    }

    #[test]
    fn decimals_are_rounded_half_away_from_zero() {
        let kind = DataType::Decimal128(3, 1);
        let found = narrowed(&[4, 5, -5, -14, 9994], DataType::Decimal256(4, 2), kind.clone()).unwrap();
        let expected: Decimal128Array = [0, 1, -1, -1, 999].into_iter().map(Some).collect();
        assert_eq!(&found, &(Arc::new(expected.with_data_type(kind.clone())) as ArrayRef));
        assert!(narrowed(&[9995], DataType::Decimal256(4, 2), kind).unwrap_err().contains("field 'k'"));
    }

    #[test]
    fn whole_numbers_are_those_that_are_written() {
        let of = |all: &[&str]| {
            whole_of(&(Arc::new(UInt64Array::from(vec![0; all.len()])) as _), &(Arc::new(StringArray::from(all.to_vec())) as _))
        };
        let numbers: ArrayRef = Arc::new(UInt64Array::from(vec![7, 0, 1000, 12, 0, u64::MAX, 125]));
        assert_eq!(of(&["7", "-0.0", "1e3", " 12 ", "0e0", "18446744073709551615", "12.50e1"]), Ok(numbers));
        for text in ["1.5", "15e-1", "9007199254740993.5", "1e-400"] {
            assert_eq!(of(&["1", text]), Err(format!("{text} is not a whole number")));
        }
        assert!(of(&["-1"]).is_err() && of(&["18446744073709551616"]).is_err());
    }
}
