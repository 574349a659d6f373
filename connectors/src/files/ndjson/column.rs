//! Columns that are being filled, one kind for each way in which values are read, made from the types of a schema.

use std::sync::Arc;

use arrow::array::types::ArrowTimestampType;
use arrow::array::{ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::kernels::cast_utils::{Parser, parse_decimal};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal128Type, Decimal256Type, DecimalType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use super::cursor::Cursor;
use super::list::List;
use super::nulls::Nulls;
use super::number::{Number, moment};
use super::object::Structs;
use super::text::{Texts, unescape};
use super::time::Times;

/// Bytes of a decimal number that is read here.
const DECIMAL_BYTES_MAX: usize = 200;

/// A column that is being filled.
pub trait Column: Send {
    /// Adds the value here; none when it is not understood.
    fn value(&mut self, cursor: &mut Cursor<'_>) -> Option<()>;

    /// Adds a row that has no value.
    fn null(&mut self) -> Option<()>;

    /// The rows as an array, after which there are none; so many are expected next.
    fn finish(&mut self, rows_next: usize) -> Option<ArrayRef>;
}

/// A column of a type; none for types that are left to arrow-json.
pub fn column(kind: &DataType) -> Option<Box<dyn Column>> {
    use DataType as T;
    Some(match kind {
        T::Int8 => numbers::<Int8Type>(kind),
        T::Int16 => numbers::<Int16Type>(kind),
        T::Int32 => numbers::<Int32Type>(kind),
        T::Int64 => numbers::<Int64Type>(kind),
        T::UInt8 => numbers::<UInt8Type>(kind),
        T::UInt16 => numbers::<UInt16Type>(kind),
        T::UInt32 => numbers::<UInt32Type>(kind),
        T::UInt64 => numbers::<UInt64Type>(kind),
        T::Float32 => numbers::<Float32Type>(kind),
        T::Float64 => numbers::<Float64Type>(kind),
        T::Date32 => numbers::<Date32Type>(kind),
        T::Date64 => numbers::<Date64Type>(kind),
        T::Decimal128(precision, scale) => {
            Box::new(Decimals { of: Fixed::new(kind), precision: *precision, scale: *scale, scratch: Vec::new() })
        }
        T::Timestamp(unit, zone) => match unit {
            TimeUnit::Second => moments::<TimestampSecondType>(kind, zone.as_deref())?,
            TimeUnit::Millisecond => moments::<TimestampMillisecondType>(kind, zone.as_deref())?,
            TimeUnit::Microsecond => moments::<TimestampMicrosecondType>(kind, zone.as_deref())?,
            TimeUnit::Nanosecond => moments::<TimestampNanosecondType>(kind, zone.as_deref())?,
        },
        T::Boolean => Box::new(Truths::default()),
        T::Utf8 => Box::new(Texts::<i32>::new()),
        T::LargeUtf8 => Box::new(Texts::<i64>::new()),
        T::List(field) => Box::new(List::<i32>::new(field)?),
        T::LargeList(field) => Box::new(List::<i64>::new(field)?),
        T::Struct(fields) => Box::new(Structs::new(fields)?),
        _ => return None,
    })
}

fn numbers<P: ArrowPrimitiveType<Native: Number> + Parser>(kind: &DataType) -> Box<dyn Column> {
    Box::new(Numbers { of: Fixed::<P>::new(kind), scratch: Vec::new() })
}

fn moments<P: ArrowTimestampType>(kind: &DataType, zone: Option<&str>) -> Option<Box<dyn Column>> {
    Some(Box::new(Moments { of: Fixed::<P>::new(kind), times: Times::new(zone)? }))
}

/// Values of a fixed width.
struct Fixed<P: ArrowPrimitiveType> {
    kind: DataType,
    values: Vec<P::Native>,
    nulls: Nulls,
}

impl<P: ArrowPrimitiveType> Fixed<P> {
    fn new(kind: &DataType) -> Self {
        Fixed { kind: kind.clone(), values: Vec::new(), nulls: Nulls::default() }
    }

    #[inline]
    fn add(&mut self, value: P::Native) -> Option<()> {
        self.values.push(value);
        Some(())
    }

    fn null(&mut self) -> Option<()> {
        self.nulls.add(self.values.len());
        self.add(P::Native::default())
    }

    fn finish(&mut self, rows_next: usize) -> Option<ArrayRef> {
        let values = std::mem::replace(&mut self.values, Vec::with_capacity(rows_next));
        let nulls = self.nulls.finish(values.len());
        Some(Arc::new(PrimitiveArray::<P>::new(ScalarBuffer::from(values), nulls).with_data_type(self.kind.clone())))
    }
}

/// The text here, with nothing escaped in it any more.
fn plain<'t, 'b: 't>(cursor: &mut Cursor<'b>, scratch: &'t mut Vec<u8>) -> Option<&'t str> {
    let raw = match cursor.quoted()? {
        (raw, false) => raw,
        (raw, true) => {
            scratch.clear();
            unescape(raw, scratch)?;
            scratch
        }
    };
    std::str::from_utf8(raw).ok()
}

struct Numbers<P: ArrowPrimitiveType> {
    of: Fixed<P>,
    scratch: Vec<u8>,
}

impl<P: ArrowPrimitiveType<Native: Number> + Parser> Column for Numbers<P> {
    fn value(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let value = match cursor.peek()? {
            b'-' | b'0'..=b'9' => P::Native::number(cursor)?,
            b'"' => {
                cursor.skip(1);
                P::parse(plain(cursor, &mut self.scratch)?)?
            }
            _ => {
                cursor.literal(b"null")?;
                return self.of.null();
            }
        };
        self.of.add(value)
    }

    fn null(&mut self) -> Option<()> {
        self.of.null()
    }

    fn finish(&mut self, rows_next: usize) -> Option<ArrayRef> {
        self.of.finish(rows_next)
    }
}

struct Moments<P: ArrowPrimitiveType> {
    of: Fixed<P>,
    times: Times,
}

impl<P: ArrowTimestampType> Column for Moments<P> {
    fn value(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let value = match cursor.peek()? {
            b'"' => {
                cursor.skip(1);
                self.times.value::<P>(cursor)?
            }
            b'-' | b'0'..=b'9' => moment(cursor)?,
            _ => {
                cursor.literal(b"null")?;
                return self.of.null();
            }
        };
        self.of.add(value)
    }

    fn null(&mut self) -> Option<()> {
        self.of.null()
    }

    fn finish(&mut self, rows_next: usize) -> Option<ArrayRef> {
        self.of.finish(rows_next)
    }
}

/// A decimal number, rounded half away from zero to the digits that there are.
fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let fraction = text.bytes().rev().position(|b| b == b'.').unwrap_or(0);
    if usize::try_from(scale).is_ok_and(|scale| fraction > scale) {
        let value = parse_decimal::<Decimal256Type>(text, precision + 1, scale + 1).ok()?.to_i128()?;
        let rounded = value / 10 + if value % 10 >= 5 { 1 } else { 0 } - if value % 10 <= -5 { 1 } else { 0 };
        return Decimal128Type::validate_decimal_precision(rounded, precision, scale).ok().map(|()| rounded);
    }
    parse_decimal::<Decimal128Type>(text, precision, scale).ok()
}

struct Decimals {
    of: Fixed<Decimal128Type>,
    precision: u8,
    scale: i8,
    scratch: Vec<u8>,
}

impl Column for Decimals {
    fn value(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let text = match cursor.peek()? {
            b'"' => {
                cursor.skip(1);
                plain(cursor, &mut self.scratch)?
            }
            b'-' | b'0'..=b'9' => std::str::from_utf8(cursor.number()).ok()?,
            _ => {
                cursor.literal(b"null")?;
                return self.of.null();
            }
        };
        // Exponents are rare, and the parser has its own troubles with great ones and with long numbers.
        if text.len() > DECIMAL_BYTES_MAX || text.bytes().any(|b| matches!(b, b'e' | b'E')) {
            return None;
        }
        self.of.add(decimal(text, self.precision, self.scale)?)
    }

    fn null(&mut self) -> Option<()> {
        self.of.null()
    }

    fn finish(&mut self, rows_next: usize) -> Option<ArrayRef> {
        self.of.finish(rows_next)
    }
}

#[derive(Default)]
struct Truths {
    values: Vec<bool>,
    nulls: Nulls,
}

impl Column for Truths {
    fn value(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        match cursor.peek()? {
            b't' => cursor.literal(b"true").map(|()| self.values.push(true)),
            b'f' => cursor.literal(b"false").map(|()| self.values.push(false)),
            _ => cursor.literal(b"null").and_then(|()| self.null()),
        }
    }

    fn null(&mut self) -> Option<()> {
        self.nulls.add(self.values.len());
        self.values.push(false);
        Some(())
    }

    fn finish(&mut self, _: usize) -> Option<ArrayRef> {
        let values = BooleanArray::from(std::mem::take(&mut self.values));
        let nulls = self.nulls.finish(values.values().len());
        Some(Arc::new(BooleanArray::new(values.values().clone(), nulls)))
    }
}
