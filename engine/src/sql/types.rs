//! Types of other engines by name: JSON is text, times with a zone are kept in UTC, to the microsecond.
//!
//! Types that would change what values mean, such as UUID, whose text has several spellings, are refused by name.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{ArrayElemTypeDef, DataType as Written, ExactNumberInfo, ObjectName, TimezoneInfo};

use super::functions::as_json;

/// The zone of times that have one.
pub const UTC: &str = "+00:00";

/// Knows types that DataFusion does not.
#[derive(Debug)]
pub struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, written: &Written) -> Result<Option<FieldRef>> {
        let field = of(written)?.map(|kind| Field::new("", kind, true));
        let is_json = matches!(written, Written::JSON | Written::JSONB);
        Ok(field.map(|field| Arc::new(if is_json { as_json(field) } else { field })))
    }
}

fn of(written: &Written) -> Result<Option<DataType>> {
    use Written as W;
    Ok(Some(match written {
        W::JSON | W::JSONB => DataType::Utf8,
        W::Character(_) | W::CharacterVarying(_) | W::CharVarying(_) | W::Nvarchar(_) | W::Clob(_) | W::CharacterLargeObject(_) => {
            DataType::Utf8
        }
        W::TinyText | W::MediumText | W::LongText => DataType::Utf8,
        W::Bytes(_) | W::Binary(_) | W::Varbinary(_) | W::Blob(_) => DataType::Binary,
        W::Timestamp(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => utc(),
        // As rows have them: nanoseconds end in 2262.
        W::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => DataType::Timestamp(TimeUnit::Microsecond, None),
        W::Datetime(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
        W::Time(Some(_), TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => DataType::Time64(TimeUnit::Nanosecond),
        W::Int64 => DataType::Int64,
        W::Int32 => DataType::Int32,
        W::Int16 => DataType::Int16,
        W::Float64 => DataType::Float64,
        W::Float32 => DataType::Float32,
        W::UBigInt | W::UInt64 => DataType::UInt64,
        W::USmallInt | W::UInt16 => DataType::UInt16,
        W::UTinyInt | W::UInt8 => DataType::UInt8,
        W::UInt32 => DataType::UInt32,
        W::Dec(ExactNumberInfo::None) => DataType::Decimal128(38, 10),
        W::Dec(ExactNumberInfo::Precision(precision @ 1..=38)) => DataType::Decimal128(*precision as u8, 0),
        W::Dec(ExactNumberInfo::PrecisionAndScale(precision @ 1..=38, scale)) if *scale >= 0 && *scale as u64 <= *precision => {
            DataType::Decimal128(*precision as u8, *scale as i8)
        }
        W::Custom(name, _) => return named(name),
        W::Uuid => return plan_err!("type UUID is not supported yet (write VARCHAR)"),
        W::Map(key, value) => map(whole(key)?, whole(value)?),
        _ => return Ok(None),
    }))
}

/// A type within a map, where nothing but this knows DataFusion's own.
fn whole(written: &Written) -> Result<DataType> {
    use Written as W;
    if let Some(known) = of(written)? {
        return Ok(known);
    }
    Ok(match written {
        W::Varchar(_) | W::Char(_) | W::Text | W::String(_) => DataType::Utf8,
        W::Boolean | W::Bool => DataType::Boolean,
        W::TinyInt(_) => DataType::Int8,
        W::SmallInt(_) | W::Int2(_) => DataType::Int16,
        W::Int(_) | W::Integer(_) | W::Int4(_) => DataType::Int32,
        W::BigInt(_) | W::Int8(_) => DataType::Int64,
        W::Real | W::Float4 | W::Float(_) => DataType::Float32,
        W::Double(ExactNumberInfo::None) | W::DoublePrecision | W::Float8 => DataType::Float64,
        W::Date => DataType::Date32,
        W::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => DataType::Timestamp(TimeUnit::Microsecond, None),
        W::Array(ArrayElemTypeDef::AngleBracket(of) | ArrayElemTypeDef::SquareBracket(of, None)) => DataType::new_list(whole(of)?, true),
        other => return plan_err!("type {other} within a MAP is not supported yet"),
    })
}

fn map(key: DataType, value: DataType) -> DataType {
    let entry = [Field::new("key", key, false), Field::new("value", value, true)];
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entry.into_iter().collect()), false)), false)
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
}

fn named(name: &ObjectName) -> Result<Option<DataType>> {
    Ok(match name.to_string().to_lowercase().as_str() {
        "timestamp_ltz" => Some(utc()),
        "long" => Some(DataType::Int64),
        "uinteger" => Some(DataType::UInt32),
        "serial" | "bigserial" | "smallserial" => return plan_err!("type {name} is not supported yet: nothing numbers rows"),
        _ => return plan_err!("type {name} is not known"),
    })
}
