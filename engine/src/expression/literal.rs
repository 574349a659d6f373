//! Types and constants of edge queries, in a form that serialises and stays stable.

use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use datafusion_common::ScalarValue;
use serde::{Deserialize, Serialize};

/// A type that a device can compute with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Truth value.
    Bool,
    /// Signed integers.
    I8,
    /// 16 bits.
    I16,
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
    /// Unsigned integers.
    U8,
    /// 16 bits.
    U16,
    /// 32 bits.
    U32,
    /// 64 bits.
    U64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// Text.
    Utf8,
    /// Text, as the SQL engine likes it.
    Utf8View,
    /// Microseconds since 1970 without a zone.
    TimestampUs,
    /// Microseconds since 1970 in UTC.
    TimestampUsUtc,
    /// Nanoseconds since 1970 without a zone.
    TimestampNs,
    /// Days since 1970.
    Date32,
    /// Months, days and nanoseconds.
    Interval,
}

const KINDS: [Kind; 18] = [
    Kind::Bool,
    Kind::I8,
    Kind::I16,
    Kind::I32,
    Kind::I64,
    Kind::U8,
    Kind::U16,
    Kind::U32,
    Kind::U64,
    Kind::F32,
    Kind::F64,
    Kind::Utf8,
    Kind::Utf8View,
    Kind::TimestampUs,
    Kind::TimestampUsUtc,
    Kind::TimestampNs,
    Kind::Date32,
    Kind::Interval,
];

impl Kind {
    /// The Arrow type.
    pub fn arrow(self) -> DataType {
        match self {
            Kind::Bool => DataType::Boolean,
            Kind::I8 => DataType::Int8,
            Kind::I16 => DataType::Int16,
            Kind::I32 => DataType::Int32,
            Kind::I64 => DataType::Int64,
            Kind::U8 => DataType::UInt8,
            Kind::U16 => DataType::UInt16,
            Kind::U32 => DataType::UInt32,
            Kind::U64 => DataType::UInt64,
            Kind::F32 => DataType::Float32,
            Kind::F64 => DataType::Float64,
            Kind::Utf8 => DataType::Utf8,
            Kind::Utf8View => DataType::Utf8View,
            Kind::TimestampUs => DataType::Timestamp(TimeUnit::Microsecond, None),
            Kind::TimestampUsUtc => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::TimestampNs => DataType::Timestamp(TimeUnit::Nanosecond, None),
            Kind::Date32 => DataType::Date32,
            Kind::Interval => DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano),
        }
    }

    /// The kind of an Arrow type, where it is one.
    pub fn of(data_type: &DataType) -> Option<Kind> {
        KINDS.into_iter().find(|k| k.arrow() == *data_type)
    }
}

/// A constant. Floats keep their bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Literal {
    /// Null of a type.
    Null(Kind),
    /// A truth value.
    Bool(bool),
    /// An integer, a time or a date, of this type.
    Int(i64, Kind),
    /// An unsigned 64-bit integer.
    U64(u64),
    /// A 32-bit float.
    F32(u32),
    /// A 64-bit float.
    F64(u64),
    /// Text of this type.
    Text(String, Kind),
    /// Months, days, nanoseconds.
    Interval(i32, i32, i64),
}

impl Literal {
    /// A constant of the SQL engine, where a device can hold it.
    pub fn of(value: &ScalarValue) -> Option<Literal> {
        let kind = Kind::of(&value.data_type());
        if value.is_null() {
            return Some(Literal::Null(kind.unwrap_or(Kind::Utf8)));
        }
        Some(match value {
            ScalarValue::Boolean(Some(b)) => Literal::Bool(*b),
            ScalarValue::Int8(Some(i)) => Literal::Int(i64::from(*i), Kind::I8),
            ScalarValue::Int16(Some(i)) => Literal::Int(i64::from(*i), Kind::I16),
            ScalarValue::Int32(Some(i)) => Literal::Int(i64::from(*i), Kind::I32),
            ScalarValue::Int64(Some(i)) => Literal::Int(*i, Kind::I64),
            ScalarValue::UInt8(Some(i)) => Literal::Int(i64::from(*i), Kind::U8),
            ScalarValue::UInt16(Some(i)) => Literal::Int(i64::from(*i), Kind::U16),
            ScalarValue::UInt32(Some(i)) => Literal::Int(i64::from(*i), Kind::U32),
            ScalarValue::UInt64(Some(i)) => Literal::U64(*i),
            ScalarValue::Float32(Some(f)) => Literal::F32(f.to_bits()),
            ScalarValue::Float64(Some(f)) => Literal::F64(f.to_bits()),
            ScalarValue::Utf8(Some(s)) => Literal::Text(s.clone(), Kind::Utf8),
            ScalarValue::Utf8View(Some(s)) => Literal::Text(s.clone(), Kind::Utf8View),
            ScalarValue::Date32(Some(d)) => Literal::Int(i64::from(*d), Kind::Date32),
            ScalarValue::TimestampMicrosecond(Some(t), _) | ScalarValue::TimestampNanosecond(Some(t), _) => Literal::Int(*t, kind?),
            ScalarValue::IntervalMonthDayNano(Some(i)) => Literal::Interval(i.months, i.days, i.nanoseconds),
            _ => return None,
        })
    }

    /// The constant for the SQL engine; none when it does not fit its own type.
    pub fn value(&self) -> Option<ScalarValue> {
        Some(match self {
            Literal::Null(kind) => ScalarValue::try_from(&kind.arrow()).ok()?,
            Literal::Bool(b) => ScalarValue::Boolean(Some(*b)),
            Literal::U64(i) => ScalarValue::UInt64(Some(*i)),
            Literal::F32(bits) => ScalarValue::Float32(Some(f32::from_bits(*bits))),
            Literal::F64(bits) => ScalarValue::Float64(Some(f64::from_bits(*bits))),
            Literal::Text(s, Kind::Utf8View) => ScalarValue::Utf8View(Some(s.clone())),
            Literal::Text(s, _) => ScalarValue::Utf8(Some(s.clone())),
            Literal::Interval(m, d, n) => ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(*m, *d, *n))),
            Literal::Int(i, kind) => integer(*i, *kind)?,
        })
    }
}

fn integer(i: i64, kind: Kind) -> Option<ScalarValue> {
    Some(match kind {
        Kind::I8 => ScalarValue::Int8(Some(i.try_into().ok()?)),
        Kind::I16 => ScalarValue::Int16(Some(i.try_into().ok()?)),
        Kind::I32 => ScalarValue::Int32(Some(i.try_into().ok()?)),
        Kind::I64 => ScalarValue::Int64(Some(i)),
        Kind::U8 => ScalarValue::UInt8(Some(i.try_into().ok()?)),
        Kind::U16 => ScalarValue::UInt16(Some(i.try_into().ok()?)),
        Kind::U32 => ScalarValue::UInt32(Some(i.try_into().ok()?)),
        Kind::Date32 => ScalarValue::Date32(Some(i.try_into().ok()?)),
        Kind::TimestampUs => ScalarValue::TimestampMicrosecond(Some(i), None),
        Kind::TimestampUsUtc => ScalarValue::TimestampMicrosecond(Some(i), Some("UTC".into())),
        Kind::TimestampNs => ScalarValue::TimestampNanosecond(Some(i), None),
        _ => return None,
    })
}
