//! Windows of event time as functions: `tumble(ts, size)`, `hop(ts, slide, size)`, `cumulate(ts, step, size)`, `session(ts, gap)`.
//!
//! Each gives a struct of `start` and `end`; `tumble_start` and `tumble_end` give one of the two. Windows start at multiples of
//! their size (or slide) since 1970, moved by an optional offset. A row is in one window of `tumble`; in several, or none, of
//! `hop` and `cumulate`; the window of `session` hangs on other rows. What those mean for a plan stands in `windowing.rs`.
//! A row without a time is in no window but that of `tumble`, which is null.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StructArray, TimestampMicrosecondArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// Windows that one row may be in.
pub const WINDOWS_OF_ROW_MAX: i64 = 10_000;

/// Beyond this from 1970 the bounds of windows are not taken over from one row to the next.
const FAR: u64 = 1 << 62;

/// The window functions, and the mark of joins by time.
pub fn window_functions() -> Vec<ScalarUDF> {
    use Kind::{Cumulate, Hop, Nearest, Session, Tumble, TumbleEnd, TumbleStart};
    [Tumble, TumbleStart, TumbleEnd, Hop, Cumulate, Session, Nearest].map(function).into()
}

fn function(kind: Kind) -> ScalarUDF {
    ScalarUDF::from(Window { kind, signature: Signature::variadic_any(Volatility::Immutable) })
}

/// Whether a function puts a row into windows that are not the row's own business alone.
pub fn multiple_windows(name: &str) -> bool {
    matches!(name, "hop" | "cumulate" | "session")
}

/// The function that lists the windows of a row.
pub fn list_function(name: &str) -> Option<ScalarUDF> {
    match name {
        "hop" => Some(function(Kind::HopList)),
        "cumulate" => Some(function(Kind::CumulateList)),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Tumble,
    TumbleStart,
    TumbleEnd,
    Hop,
    HopList,
    Cumulate,
    CumulateList,
    Session,
    Nearest,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Window {
    kind: Kind,
    signature: Signature,
}

/// The type of a window's bounds.
pub fn window_time(argument: &DataType) -> Result<DataType> {
    match argument {
        DataType::Timestamp(_, zone) => Ok(DataType::Timestamp(TimeUnit::Microsecond, zone.clone())),
        other => plan_err!("a window needs a timestamp, but got {other}"),
    }
}

/// The type of a window.
pub fn window_type(time: &DataType) -> DataType {
    DataType::Struct(Fields::from(vec![Field::new("start", time.clone(), true), Field::new("end", time.clone(), true)]))
}

fn list_field(time: &DataType) -> Arc<Field> {
    Arc::new(Field::new_list_field(window_type(time), true))
}

impl Window {
    /// What the function takes, for messages; and how many arguments.
    fn shape(&self) -> (&'static str, std::ops::RangeInclusive<usize>) {
        match self.kind {
            Kind::Tumble => ("tumble(time, size [, offset])", 2..=3),
            Kind::TumbleStart => ("tumble_start(time, size [, offset])", 2..=3),
            Kind::TumbleEnd => ("tumble_end(time, size [, offset])", 2..=3),
            Kind::Hop | Kind::HopList => ("hop(time, slide, size [, offset])", 3..=4),
            Kind::Cumulate | Kind::CumulateList => ("cumulate(time, step, size [, offset])", 3..=4),
            Kind::Session => ("session(time, gap [, key …])", 2..=64),
            Kind::Nearest => ("nearest_before(condition)", 1..=1),
        }
    }
}

impl ScalarUDFImpl for Window {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Tumble => "tumble",
            Kind::TumbleStart => "tumble_start",
            Kind::TumbleEnd => "tumble_end",
            Kind::Hop => "hop",
            Kind::HopList => "hop_windows",
            Kind::Cumulate => "cumulate",
            Kind::CumulateList => "cumulate_windows",
            Kind::Session => "session",
            Kind::Nearest => super::rewrite::NEAREST,
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let (shape, count) = self.shape();
        if !count.contains(&arguments.len()) {
            return plan_err!("{} arguments are given, but it is {shape}", arguments.len());
        }
        if self.kind == Kind::Nearest {
            return Ok(DataType::Boolean);
        }
        let time = window_time(arguments.first().unwrap_or(&DataType::Null))?;
        Ok(match self.kind {
            Kind::TumbleStart | Kind::TumbleEnd => time,
            Kind::HopList | Kind::CumulateList => DataType::List(list_field(&time)),
            _ => window_type(&time),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (shape, _) = self.shape();
        let [time, rest @ ..] = args.args.as_slice() else { return exec_err!("it is {shape}") };
        let time = time.to_array(args.number_rows)?;
        let target = window_time(time.data_type())?;
        let micros = cast(&time, &target)?;
        let micros = micros.as_primitive::<TimestampMicrosecondType>();
        let sizes: Vec<i64> = rest.iter().enumerate().map(|(i, a)| constant(a, shape, i < sizes_of(self.kind))).collect::<Result<_>>()?;
        let zoned = |a: TimestampMicrosecondArray| -> ArrayRef { Arc::new(a.with_data_type(target.clone())) };
        let out: ArrayRef = match (self.kind, sizes.as_slice()) {
            (Kind::Tumble | Kind::TumbleStart | Kind::TumbleEnd, [size, offset @ ..]) => {
                let offset = offset.first().copied().unwrap_or(0);
                let start = || starts(micros, *size, offset);
                let end = |start: &TimestampMicrosecondArray| start.unary(|t| t.saturating_add(*size));
                match self.kind {
                    Kind::TumbleStart => zoned(start()),
                    Kind::TumbleEnd => zoned(end(&start())),
                    _ => {
                        let start = start();
                        let bounds = vec![zoned(start.clone()), zoned(end(&start))];
                        Arc::new(StructArray::try_new(fields(&target), bounds, micros.nulls().cloned())?)
                    }
                }
            }
            (Kind::HopList, [slide, size, offset @ ..]) => {
                if size / slide > WINDOWS_OF_ROW_MAX {
                    return exec_err!("a row would be in more than {WINDOWS_OF_ROW_MAX} windows: {shape}");
                }
                let offset = offset.first().copied().unwrap_or(0);
                lists(micros, &target, |t, out| hop(t, *slide, *size, offset, out))?
            }
            (Kind::CumulateList, [step, size, offset @ ..]) => {
                if size % step != 0 || size / step > WINDOWS_OF_ROW_MAX {
                    return exec_err!("the size of cumulate must be a multiple, up to {WINDOWS_OF_ROW_MAX}, of its step: {shape}");
                }
                let offset = offset.first().copied().unwrap_or(0);
                lists(micros, &target, |t, out| cumulate(t, *step, *size, offset, out))?
            }
            _ => return exec_err!("{} can stand in GROUP BY, in SELECT, or as a table, but not here", self.name()),
        };
        Ok(ColumnarValue::Array(out))
    }
}

/// How many of the arguments after the time must be above 0; an offset need not be.
fn sizes_of(kind: Kind) -> usize {
    match kind {
        Kind::Tumble | Kind::TumbleStart | Kind::TumbleEnd | Kind::Session => 1,
        _ => 2,
    }
}

fn fields(time: &DataType) -> Fields {
    match window_type(time) {
        DataType::Struct(fields) => fields,
        _ => Fields::empty(),
    }
}

/// Starts of windows; times that follow each other are mostly in one.
fn starts(micros: &TimestampMicrosecondArray, size: i64, offset: i64) -> TimestampMicrosecondArray {
    let (mut start, mut inside) = (0i64, 0..0);
    let times = micros.values().iter().map(|t| {
        if !inside.contains(t) {
            start = floor(*t, size, offset);
            // At the ends of time a window is cut off, and its neighbour has other bounds.
            inside = if start.unsigned_abs() < FAR { start..start.saturating_add(size) } else { 0..0 };
        }
        start
    });
    TimestampMicrosecondArray::new(times.collect(), micros.nulls().cloned())
}

fn floor(t: i64, size: i64, offset: i64) -> i64 {
    t.saturating_sub(offset).div_euclid(size).saturating_mul(size).saturating_add(offset)
}

/// The windows that a time is in: multiples of the slide, from the first to the last.
pub fn hop(t: i64, slide: i64, size: i64, offset: i64, out: &mut Vec<(i64, i64)>) {
    let from = out.len();
    let mut start = floor(t, slide, offset);
    while start > t.saturating_sub(size) {
        out.push((start, start.saturating_add(size)));
        start = start.saturating_sub(slide);
    }
    if let Some(own) = out.get_mut(from..) {
        own.reverse();
    }
}

fn cumulate(t: i64, step: i64, size: i64, offset: i64, out: &mut Vec<(i64, i64)>) {
    let start = floor(t, size, offset);
    let first = (t - start) / step + 1;
    out.extend((first..=size / step).map(|k| (start, start.saturating_add(k * step))));
}

fn lists(micros: &TimestampMicrosecondArray, target: &DataType, windows: impl Fn(i64, &mut Vec<(i64, i64)>)) -> Result<ArrayRef> {
    let (mut all, mut lengths) = (Vec::new(), Vec::with_capacity(micros.len()));
    for t in micros.iter() {
        let before = all.len();
        if let Some(t) = t {
            windows(t, &mut all);
        }
        lengths.push(all.len() - before);
    }
    let zoned = |a: TimestampMicrosecondArray| -> ArrayRef { Arc::new(a.with_data_type(target.clone())) };
    let (starts, ends): (Vec<i64>, Vec<i64>) = all.into_iter().unzip();
    let values = StructArray::try_new(fields(target), vec![zoned(starts.into()), zoned(ends.into())], None)?;
    Ok(Arc::new(ListArray::try_new(list_field(target), OffsetBuffer::from_lengths(lengths), Arc::new(values), None)?))
}

fn constant(value: &ColumnarValue, shape: &str, positive: bool) -> Result<i64> {
    let ColumnarValue::Scalar(size) = value else { return exec_err!("sizes of a window must be constant: {shape}") };
    match micros_of(size) {
        Some(size) if size > 0 || !positive => Ok(size),
        _ => exec_err!("sizes of a window are intervals above 0 without months, such as INTERVAL '10' SECOND: {shape}"),
    }
}

/// A fixed length of time in microseconds: months have none.
pub fn micros_of(size: &ScalarValue) -> Option<i64> {
    const DAY: i64 = 86_400_000_000;
    match size {
        ScalarValue::IntervalMonthDayNano(Some(i)) if i.months == 0 => Some(i64::from(i.days) * DAY + i.nanoseconds / 1000),
        ScalarValue::IntervalDayTime(Some(i)) => Some(i64::from(i.days) * DAY + i64::from(i.milliseconds) * 1000),
        _ => None,
    }
}
