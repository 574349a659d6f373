//! Numbers as SQL takes them, where arrow's readers cut off what a column has no room for: a decimal is rounded half away from
//! zero, and what is not a whole number is none.
//!
//! Columns are read wider than they are, by one digit of a decimal's fraction, which says all about rounding; then made what they are.

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DECIMAL256_MAX_PRECISION, DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use std::sync::Arc;

/// Digits of a whole number's fraction that are looked at, and of all of it: the widest has twenty before the point.
const FRACTION: i8 = 20;
const WHOLE: DataType = DataType::Decimal256(60, FRACTION);
/// The same cut to whole numbers.
const CUT: DataType = DataType::Decimal256(60, 0);

/// Which columns are read wider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wide {
    /// Decimals; whole numbers are refused by the reader where they are none.
    Decimals,
    /// Decimals and whole numbers.
    All,
}

/// Columns as they are to be read; none when that is as they are.
pub fn wide(schema: &SchemaRef, which: Wide) -> Option<SchemaRef> {
    let fields: Vec<FieldRef> = schema.fields().iter().map(|f| field(f, &|kind| wider(kind, which))).collect();
    let wide = Schema::new_with_metadata(fields, schema.metadata().clone());
    (wide != **schema).then(|| Arc::new(wide))
}

fn wider(kind: &DataType, which: Wide) -> DataType {
    match kind {
        DataType::Decimal128(precision, scale) if *scale >= 0 => DataType::Decimal256(precision + 1, scale + 1),
        DataType::Decimal256(precision, scale) if *scale >= 0 && *precision < DECIMAL256_MAX_PRECISION => {
            DataType::Decimal256(precision + 1, scale + 1)
        }
        kind if kind.is_integer() && which == Wide::All => WHOLE,
        other => other.clone(),
    }
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
    let within = |what: String| ArrowError::JsonError(format!("whilst decoding field '{}': {what}", of.name()));
    let as_read = Arc::new(Field::new("", wide.data_type().clone(), true));
    let cut = field(&as_read, &|kind| if *kind == WHOLE { CUT } else { kind.clone() });
    if cut.data_type() != wide.data_type() {
        let cut = cast_with_options(&cast_with_options(wide, cut.data_type(), &strict)?, wide.data_type(), &strict)?;
        if let Some(row) = (0..wide.len()).find(|row| wide.slice(*row, 1) != cut.slice(*row, 1)) {
            let value = array_value_to_string(wide, row)?;
            let value = if of.data_type().is_nested() { value.as_str() } else { value.trim_end_matches('0') };
            return Err(within(format!("{value} is not a whole number")));
        }
    }
    cast_with_options(wide, of.data_type(), &strict).map_err(|e| within(e.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, Decimal256Array, UInt64Array};
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
    fn fractions_are_not_whole_numbers() {
        let one = 10_i128.pow(FRACTION as u32);
        let most = i128::from(u64::MAX);
        let whole: ArrayRef = Arc::new(UInt64Array::from(vec![7, 1_000_000]));
        assert_eq!(narrowed(&[7 * one, 1_000_000 * one], WHOLE, DataType::UInt64), Ok(whole));
        let error = narrowed(&[7 * one, one + one / 2], WHOLE, DataType::Int8).unwrap_err();
        assert!(error.ends_with("field 'k': 1.5 is not a whole number"), "{error}");
        assert!(narrowed(&[128 * one], WHOLE, DataType::Int8).is_err());
        assert!(most.checked_mul(one).is_none() || narrowed(&[most * one], WHOLE, DataType::Int64).is_err());
    }
}
