//! Sums of times and spans as other engines call them: `timestampadd(unit, n, ts)`, `timestampdiff(unit, a, b)`,
//! `date_diff(unit, a, b)`; and a number times an interval.
//!
//! `timestampdiff` counts whole units from one time to the other, `date_diff` how often a unit began in between.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, IntervalMonthDayNanoArray, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::sql::window::calendar::{DAY, FIRST_MONDAY};

/// The functions.
pub fn functions() -> Vec<ScalarUDF> {
    [
        ("timestampadd", Sum::Add),
        ("timestampdiff", Sum::Whole),
        ("date_diff", Sum::Begun),
        ("datediff", Sum::Begun),
        ("interval_times", Sum::Times),
    ]
    .map(|(name, sum)| ScalarUDF::from(Times { name, sum, signature: Signature::variadic_any(Volatility::Immutable) }))
    .into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sum {
    Add,
    Whole,
    Begun,
    Times,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Times {
    name: &'static str,
    sum: Sum,
    signature: Signature,
}

/// A unit of time: months, or microseconds.
#[derive(Clone, Copy)]
enum Unit {
    Months(i64),
    Micros(i64),
}

const SECOND: i64 = 1_000_000;

impl Unit {
    fn of(name: &str) -> Option<Self> {
        Some(match name.to_lowercase().trim_start_matches("sql_tsi_").trim_end_matches('s') {
            "microsecond" => Unit::Micros(1),
            "millisecond" => Unit::Micros(1_000),
            "second" => Unit::Micros(SECOND),
            "minute" => Unit::Micros(60 * SECOND),
            "hour" => Unit::Micros(3_600 * SECOND),
            "day" => Unit::Micros(DAY),
            "week" => Unit::Micros(7 * DAY),
            "month" => Unit::Months(1),
            "quarter" => Unit::Months(3),
            "year" => Unit::Months(12),
            _ => return None,
        })
    }

    /// Whole units from one time to another.
    fn whole(self, from: i64, to: i64) -> Option<i64> {
        match self {
            Unit::Micros(unit) => Some(to.checked_sub(from)? / unit),
            Unit::Months(unit) => {
                let (a, b) = (months_of(from)?, months_of(to)?);
                let whole = b.0 - a.0;
                // The last month counts only once its day and time have come.
                let short = i64::from(whole > 0 && b.1 < a.1) - i64::from(whole < 0 && b.1 > a.1);
                Some((whole - short) / unit)
            }
        }
    }

    /// How often a unit began between two times.
    fn begun(self, from: i64, to: i64) -> Option<i64> {
        match self {
            Unit::Micros(unit) => {
                let start = if unit == 7 * DAY { FIRST_MONDAY } else { 0 };
                Some((to.checked_sub(start)?).div_euclid(unit) - (from.checked_sub(start)?).div_euclid(unit))
            }
            Unit::Months(unit) => Some(months_of(to)?.0.div_euclid(unit) - months_of(from)?.0.div_euclid(unit)),
        }
    }

    fn times(self, number: i64) -> Option<IntervalMonthDayNano> {
        match self {
            Unit::Months(unit) => Some(IntervalMonthDayNano::new(i32::try_from(number.checked_mul(unit)?).ok()?, 0, 0)),
            Unit::Micros(unit) if unit % DAY == 0 => {
                Some(IntervalMonthDayNano::new(0, i32::try_from(number.checked_mul(unit / DAY)?).ok()?, 0))
            }
            Unit::Micros(unit) => Some(IntervalMonthDayNano::new(0, 0, number.checked_mul(unit)?.checked_mul(1_000)?)),
        }
    }
}

/// Months since the year 0, and the time within the month.
fn months_of(micros: i64) -> Option<(i64, (u32, chrono::NaiveTime))> {
    let time: NaiveDateTime = DateTime::<Utc>::from_timestamp_micros(micros)?.naive_utc();
    Some((i64::from(time.year()) * 12 + i64::from(time.month0()), (time.day(), time.time())))
}

fn is_time(kind: &DataType) -> bool {
    matches!(kind, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Utf8 | DataType::Utf8View | DataType::Null)
}

fn micros(array: &ArrayRef) -> Result<TimestampMicrosecondArray> {
    let options = arrow::compute::CastOptions { safe: false, ..Default::default() };
    let micros = arrow::compute::cast_with_options(array, &DataType::Timestamp(TimeUnit::Microsecond, None), &options)?;
    Ok(micros.as_primitive::<TimestampMicrosecondType>().clone())
}

impl ScalarUDFImpl for Times {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let interval = DataType::Interval(IntervalUnit::MonthDayNano);
        match (self.sum, arguments) {
            (Sum::Times, [DataType::Interval(_), number]) if number.is_numeric() || number.is_null() => Ok(interval),
            (Sum::Times, _) => plan_err!("an interval is multiplied by a number"),
            (Sum::Add, [unit, number, time]) if unit.is_string() && number.is_integer() && is_time(time) => match time {
                DataType::Timestamp(_, zone) => Ok(DataType::Timestamp(TimeUnit::Microsecond, zone.clone())),
                _ => Ok(DataType::Timestamp(TimeUnit::Microsecond, None)),
            },
            (Sum::Add, _) => plan_err!("it is timestampadd(unit, whole number, time)"),
            (_, [unit, a, b]) if unit.is_string() && is_time(a) && is_time(b) => Ok(DataType::Int64),
            _ => plan_err!("it is {}(unit, from, to)", self.name),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let kind = args.return_field.data_type().clone();
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let out: ArrayRef = match (self.sum, arrays.as_slice()) {
            (Sum::Times, [interval, number]) => multiplied(interval, number)?,
            (Sum::Add, [unit, number, time]) => Arc::new(added(&units(unit)?, number, time)?.with_data_type(kind)),
            (sum, [unit, a, b]) => {
                let (units, a, b) = (units(unit)?, micros(a)?, micros(b)?);
                let one = |row: usize| {
                    let (unit, a, b) = (
                        units.get(row).copied().flatten()?,
                        a.is_valid(row).then(|| a.value(row))?,
                        b.is_valid(row).then(|| b.value(row))?,
                    );
                    if sum == Sum::Whole { unit.whole(a, b) } else { unit.begun(a, b) }
                };
                Arc::new((0..a.len()).map(one).collect::<Int64Array>())
            }
            _ => return exec_err!("{} has other arguments", self.name),
        };
        Ok(ColumnarValue::Array(out))
    }
}

fn units(names: &ArrayRef) -> Result<Vec<Option<Unit>>> {
    let names = cast(names, &DataType::Utf8)?;
    let names: &StringArray = names.as_string::<i32>();
    let one = |name: Option<&str>| match name {
        None => Ok(None),
        Some(name) => match Unit::of(name) {
            Some(unit) => Ok(Some(unit)),
            None => exec_err!("\"{name}\" is no unit of time"),
        },
    };
    names.iter().map(one).collect()
}

fn added(units: &[Option<Unit>], number: &ArrayRef, time: &ArrayRef) -> Result<TimestampMicrosecondArray> {
    let (number, time) = (cast(number, &DataType::Int64)?, micros(time)?);
    let number = number.as_primitive::<Int64Type>();
    let mut out = Vec::with_capacity(time.len());
    for row in 0..time.len() {
        let Some(unit) = units.get(row).copied().flatten().filter(|_| time.is_valid(row) && number.is_valid(row)) else {
            out.push(None);
            continue;
        };
        let span = unit.times(number.value(row));
        let moved = span.and_then(|span| TimestampMicrosecondType::add_month_day_nano(time.value(row), span, "UTC".parse().ok()?));
        match moved {
            Some(moved) => out.push(Some(moved)),
            None => return exec_err!("a sum of a time and a span is beyond the ends of time"),
        }
    }
    Ok(out.into_iter().collect())
}

fn multiplied(interval: &ArrayRef, number: &ArrayRef) -> Result<ArrayRef> {
    let interval = cast(interval, &DataType::Interval(IntervalUnit::MonthDayNano))?;
    let interval = interval.as_primitive::<IntervalMonthDayNanoType>();
    let number = cast(number, &DataType::Int64)?;
    let number = number.as_primitive::<Int64Type>();
    let mut out = Vec::with_capacity(interval.len());
    for row in 0..interval.len() {
        if interval.is_null(row) || number.is_null(row) {
            out.push(None);
            continue;
        }
        let (span, n) = (interval.value(row), number.value(row));
        let product = || {
            let part = |p: i32| i32::try_from(i64::from(p).checked_mul(n)?).ok();
            Some(IntervalMonthDayNano::new(part(span.months)?, part(span.days)?, span.nanoseconds.checked_mul(n)?))
        };
        match product() {
            Some(product) => out.push(Some(product)),
            None => return exec_err!("an interval times a number is too long"),
        }
    }
    Ok(Arc::new(out.into_iter().collect::<IntervalMonthDayNanoArray>()))
}

#[cfg(test)]
mod tests {
    use super::{DAY, SECOND, Unit};

    fn day(text: &str) -> i64 {
        text.parse::<chrono::NaiveDate>().map(|d| d.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros()).unwrap_or_default()
    }

    #[test]
    fn whole_units_and_units_begun() {
        let whole = |unit: &str, a: i64, b: i64| Unit::of(unit).and_then(|u| u.whole(a, b));
        let begun = |unit: &str, a: i64, b: i64| Unit::of(unit).and_then(|u| u.begun(a, b));
        let (a, b) = (day("2024-01-31"), day("2024-02-29"));
        assert_eq!((whole("month", a, b), begun("month", a, b)), (Some(0), Some(1)));
        assert_eq!((whole("MONTHS", b, a), whole("month", b + DAY, a)), (Some(0), Some(-1)));
        assert_eq!(whole("year", day("2020-02-29"), day("2024-02-29")), Some(4));
        assert_eq!((whole("hour", 0, 90 * 60 * SECOND), begun("day", 23 * 3600 * SECOND, DAY)), (Some(1), Some(1)));
        assert_eq!(begun("week", day("2024-03-03"), day("2024-03-04")), Some(1), "from a Sunday to a Monday");
        assert!(Unit::of("fortnight").is_none());
    }
}
