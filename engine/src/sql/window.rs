//! Tumbling windows of event time as functions: `tumble(ts, size)` gives a struct of `start` and `end`.
//!
//! `tumble_start` and `tumble_end` give one of the two. A window's start is the largest multiple of its size since 1970 that
//! is not after the time. Not here: hopping, session and cumulating windows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StructArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// The window functions.
pub fn window_functions() -> Vec<ScalarUDF> {
    [Part::Both, Part::Start, Part::End]
        .map(|part| ScalarUDF::from(Tumble { part, signature: Signature::any(2, Volatility::Immutable) }))
        .into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Both,
    Start,
    End,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Tumble {
    part: Part,
    signature: Signature,
}

fn time_type(argument: &DataType) -> Result<DataType> {
    match argument {
        DataType::Timestamp(_, zone) => Ok(DataType::Timestamp(TimeUnit::Microsecond, zone.clone())),
        other => plan_err!("tumble needs a timestamp, but got {other}"),
    }
}

fn window_fields(time: &DataType) -> Fields {
    Fields::from(vec![Field::new("start", time.clone(), true), Field::new("end", time.clone(), true)])
}

impl ScalarUDFImpl for Tumble {
    fn name(&self) -> &str {
        match self.part {
            Part::Both => "tumble",
            Part::Start => "tumble_start",
            Part::End => "tumble_end",
        }
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let Some(time) = arguments.first().map(time_type).transpose()? else { return plan_err!("tumble needs a timestamp and a size") };
        Ok(if self.part == Part::Both { DataType::Struct(window_fields(&time)) } else { time })
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [time, size] = args.args.as_slice() else { return exec_err!("tumble needs a timestamp and a size") };
        let ColumnarValue::Scalar(size) = size else { return exec_err!("the size of a window must be constant") };
        let size_us = size_micros(size)?;
        let time = time.to_array(args.number_rows)?;
        let target = time_type(time.data_type())?;
        let micros = cast(&time, &target)?;
        let micros = micros.as_primitive::<TimestampMicrosecondType>();
        let start: TimestampMicrosecondArray = micros.unary(|t| t.div_euclid(size_us).saturating_mul(size_us));
        let end: TimestampMicrosecondArray = start.unary(|t| t.saturating_add(size_us));
        let zoned = |a: TimestampMicrosecondArray| -> ArrayRef { Arc::new(a.with_data_type(target.clone())) };
        let out: ArrayRef = match self.part {
            Part::Start => zoned(start),
            Part::End => zoned(end),
            Part::Both => Arc::new(StructArray::try_new(window_fields(&target), vec![zoned(start), zoned(end)], micros.nulls().cloned())?),
        };
        Ok(ColumnarValue::Array(out))
    }
}

/// A fixed size in microseconds: months have none.
fn size_micros(size: &ScalarValue) -> Result<i64> {
    let micros = match size {
        ScalarValue::IntervalMonthDayNano(Some(i)) if i.months == 0 => i64::from(i.days) * 86_400_000_000 + i.nanoseconds / 1000,
        ScalarValue::IntervalDayTime(Some(i)) => i64::from(i.days) * 86_400_000_000 + i64::from(i.milliseconds) * 1000,
        _ => 0,
    };
    match micros > 0 {
        true => Ok(micros),
        false => exec_err!("the size of a window must be an interval above 0 without months, such as INTERVAL '10' SECOND"),
    }
}
