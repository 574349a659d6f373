//! Windows of event time as functions: `tumble(ts, size)`, `hop(ts, slide, size)`, `cumulate(ts, step, size)`, `session(ts, gap)`.
//!
//! Each gives a struct of `start` and `end`; `tumble_start` and `tumble_end` give one of the two. Windows start at multiples of
//! their size (or slide) since 1970, moved by an optional offset (`fixed`); with a zone, or a size in months, on the zone's clock
//! (`calendar`). A row is in one window of `tumble`; in several, or none, of `hop` and `cumulate`; the window of `session` hangs on
//! other rows. What those mean for a plan stands in `windowing/`. A row without a time is in no window but that of `tumble`,
//! which is null.

mod arguments;
pub mod calendar;
mod fixed;
pub mod zone;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StructArray, TimestampMicrosecondArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

pub use arguments::{Arguments, interval};
use calendar::{Calendar, DAY};
pub use fixed::{floor, hop};
use zone::Zone;

/// Windows that one row may be in.
pub const WINDOWS_OF_ROW_MAX: i64 = 10_000;

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

/// The function that lists the windows of a row; windows on a calendar have one of their own, as they have no slices.
pub fn list_function(name: &str, on_calendar: bool) -> Option<ScalarUDF> {
    match (name, on_calendar) {
        ("hop", false) => Some(function(Kind::HopList)),
        ("cumulate", false) => Some(function(Kind::CumulateList)),
        ("hop", true) => Some(function(Kind::HopCalendar)),
        ("cumulate", true) => Some(function(Kind::CumulateCalendar)),
        _ => None,
    }
}

/// Whether a function is one of windows, as a query calls it.
pub fn is_window(name: &str) -> bool {
    matches!(name, "tumble" | "tumble_start" | "tumble_end" | "hop" | "cumulate" | "session")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Tumble,
    TumbleStart,
    TumbleEnd,
    Hop,
    HopList,
    HopCalendar,
    Cumulate,
    CumulateList,
    CumulateCalendar,
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
        DataType::Date32 | DataType::Date64 => Ok(DataType::Timestamp(TimeUnit::Microsecond, None)),
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
            Kind::Tumble => ("tumble(time, size [, offset] [, zone])", 2..=4),
            Kind::TumbleStart => ("tumble_start(time, size [, offset] [, zone])", 2..=4),
            Kind::TumbleEnd => ("tumble_end(time, size [, offset] [, zone])", 2..=4),
            Kind::Hop | Kind::HopList | Kind::HopCalendar => ("hop(time, slide, size [, offset] [, zone])", 3..=5),
            Kind::Cumulate | Kind::CumulateList | Kind::CumulateCalendar => ("cumulate(time, step, size [, offset] [, zone])", 3..=5),
            Kind::Session => ("session(time, gap [, key …])", 2..=64),
            Kind::Nearest => ("nearest_before(times, condition, inner [, column …])", 3..=usize::MAX),
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
            Kind::HopCalendar => "hop_windows_of_calendar",
            Kind::Cumulate => "cumulate",
            Kind::CumulateList => "cumulate_windows",
            Kind::CumulateCalendar => "cumulate_windows_of_calendar",
            Kind::Session => "session",
            Kind::Nearest => super::rewrite::NEAREST,
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        plan_err!("the type of {} hangs on its arguments", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let (shape, count) = self.shape();
        let kinds: Vec<&DataType> = args.arg_fields.iter().map(|f| f.data_type()).collect();
        // The time may be left out where the rows say which it is: `windowing/normal.rs` puts it in.
        let left_out = is_window(self.name()) && kinds.first().is_some_and(|t| matches!(t, DataType::Interval(_)) || t.is_string());
        if !count.contains(&(kinds.len() + usize::from(left_out))) {
            return plan_err!("{} arguments are given, but it is {shape}", kinds.len());
        }
        if self.kind == Kind::Nearest {
            return Ok(Arc::new(Field::new(self.name(), DataType::Boolean, true)));
        }
        let naive = DataType::Timestamp(TimeUnit::Microsecond, None);
        let time = match kinds.first() {
            Some(time) if !left_out => window_time(time)?,
            _ => naive,
        };
        let zone = args.scalar_arguments.iter().skip(1).flatten().find_map(|v| v.try_as_str().flatten().filter(|z| Zone::of(z).is_some()));
        let time = match (time, zone) {
            (DataType::Timestamp(unit, Some(_)), Some(zone)) => DataType::Timestamp(unit, Some(zone.into())),
            (time, _) => time,
        };
        let kind = match self.kind {
            Kind::TumbleStart | Kind::TumbleEnd => time,
            Kind::HopList | Kind::CumulateList | Kind::HopCalendar | Kind::CumulateCalendar => DataType::List(list_field(&time)),
            _ => window_type(&time),
        };
        Ok(Arc::new(Field::new(self.name(), kind, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (shape, _) = self.shape();
        let [time, rest @ ..] = args.args.as_slice() else { return exec_err!("it is {shape}") };
        let time = time.to_array(args.number_rows)?;
        let micros = cast(&time, &window_time(time.data_type())?)?;
        let micros = micros.as_primitive::<TimestampMicrosecondType>();
        let constants: Option<Vec<&ScalarValue>> =
            rest.iter().map(|a| if let ColumnarValue::Scalar(value) = a { Some(value) } else { None }).collect();
        let Some(constants) = constants else { return exec_err!("sizes of a window must be constant: {shape}") };
        let given = Arguments::of(&constants, self.kind.sizes(), shape)?;
        let given_type = args.return_field.data_type();
        let out = match self.kind {
            Kind::Tumble | Kind::TumbleStart | Kind::TumbleEnd => self.tumbled(micros, &given, given_type)?,
            Kind::HopList | Kind::HopCalendar | Kind::CumulateList | Kind::CumulateCalendar => self.listed(micros, &given, given_type)?,
            _ => return exec_err!("{} can stand in GROUP BY, in SELECT, or as a table, but not here", self.name()),
        };
        Ok(ColumnarValue::Array(out))
    }
}

impl Kind {
    /// How many sizes a function takes, before an offset and a zone.
    fn sizes(self) -> usize {
        match self {
            Kind::Tumble | Kind::TumbleStart | Kind::TumbleEnd | Kind::Session => 1,
            _ => 2,
        }
    }
}

impl Window {
    /// The window of each row, or one of its bounds.
    fn tumbled(&self, micros: &TimestampMicrosecondArray, given: &Arguments, kind: &DataType) -> Result<ArrayRef> {
        let time = match kind {
            DataType::Struct(fields) => fields.first().map_or(DataType::Null, |f| f.data_type().clone()),
            other => other.clone(),
        };
        let zoned = |a: TimestampMicrosecondArray| -> ArrayRef { Arc::new(a.with_data_type(time.clone())) };
        let (start, end) = match (given.calendar(), given.fixed()?.as_slice()) {
            (Some(calendar), _) => on_calendar(micros, calendar),
            (None, [size, ..]) => {
                let start = fixed::starts(micros, *size, given.offset);
                if self.kind == Kind::TumbleStart {
                    return Ok(zoned(start));
                }
                let end = start.unary(|t| t.saturating_add(*size));
                (start, end)
            }
            _ => return exec_err!("it is {}", self.shape().0),
        };
        Ok(match self.kind {
            Kind::TumbleStart => zoned(start),
            Kind::TumbleEnd => zoned(end),
            _ => Arc::new(StructArray::try_new(fields(&time), vec![zoned(start), zoned(end)], micros.nulls().cloned())?),
        })
    }

    /// The windows of each row.
    fn listed(&self, micros: &TimestampMicrosecondArray, given: &Arguments, kind: &DataType) -> Result<ArrayRef> {
        let time = match kind {
            DataType::List(element) => match element.data_type() {
                DataType::Struct(fields) => fields.first().map_or(DataType::Null, |f| f.data_type().clone()),
                _ => DataType::Null,
            },
            _ => DataType::Null,
        };
        let most = WINDOWS_OF_ROW_MAX as usize;
        let too_many = || format!("a row would be in more than {WINDOWS_OF_ROW_MAX} windows: {}", self.shape().0);
        match (self.kind, given.calendar(), given.sizes.as_slice()) {
            (Kind::HopCalendar, Some(calendar), [_, size, ..]) => {
                lists(micros, &time, |t, out| calendar.hops(*size, t, most, out).ok_or_else(too_many))
            }
            (Kind::CumulateCalendar, Some(calendar), [step, size, ..]) => {
                let whole = Calendar { length: *size, ..calendar };
                lists(micros, &time, |t, out| whole.cumulated(*step, t, most, out).ok_or_else(too_many))
            }
            (kind, None, _) => match (kind, given.fixed()?.as_slice()) {
                (Kind::HopList, [slide, size, ..]) => lists(micros, &time, |t, out| {
                    fixed::hop(t, *slide, *size, given.offset, out);
                    Ok(())
                }),
                (_, [step, size, ..]) => lists(micros, &time, |t, out| {
                    fixed::cumulate(t, *step, *size, given.offset, out);
                    Ok(())
                }),
                _ => exec_err!("it is {}", self.shape().0),
            },
            _ => exec_err!("it is {}", self.shape().0),
        }
    }
}

fn fields(time: &DataType) -> Fields {
    match window_type(time) {
        DataType::Struct(fields) => fields,
        _ => Fields::empty(),
    }
}

/// Bounds of windows on a calendar; times that follow each other are mostly in one.
fn on_calendar(micros: &TimestampMicrosecondArray, calendar: Calendar) -> (TimestampMicrosecondArray, TimestampMicrosecondArray) {
    let mut window = (0, 0);
    let bounds = micros.iter().map(|t| {
        let t = t.unwrap_or(0);
        if !(window.0..window.1).contains(&t) {
            window = calendar.window(t);
        }
        window
    });
    let (starts, ends): (Vec<i64>, Vec<i64>) = bounds.unzip();
    let with_nulls = |values: Vec<i64>| TimestampMicrosecondArray::new(values.into(), micros.nulls().cloned());
    (with_nulls(starts), with_nulls(ends))
}

type OfRow<'a> = &'a mut Vec<(i64, i64)>;

fn lists(
    micros: &TimestampMicrosecondArray,
    target: &DataType,
    windows: impl Fn(i64, OfRow<'_>) -> std::result::Result<(), String>,
) -> Result<ArrayRef> {
    let (mut all, mut lengths) = (Vec::new(), Vec::with_capacity(micros.len()));
    for t in micros.iter() {
        let before = all.len();
        if let Some(t) = t {
            windows(t, &mut all).or_else(|message| exec_err!("{message}"))?;
        }
        lengths.push(all.len() - before);
    }
    let zoned = |a: TimestampMicrosecondArray| -> ArrayRef { Arc::new(a.with_data_type(target.clone())) };
    let (starts, ends): (Vec<i64>, Vec<i64>) = all.into_iter().unzip();
    let values = StructArray::try_new(fields(target), vec![zoned(starts.into()), zoned(ends.into())], None)?;
    Ok(Arc::new(ListArray::try_new(list_field(target), OffsetBuffer::from_lengths(lengths), Arc::new(values), None)?))
}

/// A fixed length of time in microseconds: months have none.
pub fn micros_of(size: &ScalarValue) -> Option<i64> {
    let days = |days: i32| i64::from(days).checked_mul(DAY);
    match size {
        ScalarValue::IntervalMonthDayNano(Some(i)) if i.months == 0 => days(i.days)?.checked_add(i.nanoseconds / 1000),
        ScalarValue::IntervalDayTime(Some(i)) => days(i.days)?.checked_add(i64::from(i.milliseconds) * 1000),
        _ => None,
    }
}
