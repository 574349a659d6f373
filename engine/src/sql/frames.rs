//! What calls `OVER` a partition hang on: how many rows around theirs, how far away in time, on all rows before.
//!
//! A change then concerns so many rows around it, or all after it, and these are computed of a slice of the partition (`render/over`).
//! Not here, and computed of whole partitions anew: frames to the end of a partition, what counts all of its rows (`ntile`,
//! `percent_rank`), aggregates that cannot leave a row out again.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction};
use datafusion::logical_expr::{Expr, ExprSchemable, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition};

use super::closing::{self, Closing, Shape};

/// Rows around one that its call may look at, at most: all of them are gone through when one changes.
const ROWS_MAX: i64 = 1 << 20;
/// Nanoseconds of a day, and days of the longest month.
const DAY: i128 = 86_400_000_000_000;
const MONTH_DAYS: i128 = 31;

/// How far calls look around their row, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Rows before it.
    pub before: usize,
    /// Rows after it.
    pub after: usize,
    /// How far the one order column may be before and after its value, in the units of that column.
    pub range: Option<[i64; 2]>,
    /// Whether at rows of its place in the order.
    pub peers: bool,
    /// Whether at all rows before it.
    pub onward: bool,
}

/// How a call is computed of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// As it is written: a slice holds all that it looks at.
    Written,
    /// Of the answer for the row before the slice and its own rows.
    Total,
    /// A mean, of a sum and a count.
    Mean,
    /// `row_number()`.
    Number,
    /// `rank()`.
    Rank,
    /// `dense_rank()`.
    DenseRank,
}

/// The calls of a node.
#[derive(Debug)]
pub struct Frames {
    /// How far they look.
    pub reach: Reach,
    /// Each with how it is computed.
    pub calls: Vec<(WindowFunction, Call)>,
}

impl Frames {
    /// The calls, if all can be computed of slices.
    pub fn of(window: &Window) -> Option<Frames> {
        let frame = window.input.schema();
        let calls: Option<Vec<WindowFunction>> = window.window_expr.iter().map(|e| called(e).cloned()).collect();
        let calls = calls?;
        let params = &calls.first()?.params;
        let alike = |f: &WindowFunction| (&f.params.partition_by, &f.params.order_by) == (&params.partition_by, &params.order_by);
        let order: Option<Vec<DataType>> = params.order_by.iter().map(|s| s.expr.get_type(frame).ok()).collect();
        let order = order.filter(|order| !order.is_empty() && calls.iter().all(alike))?;
        let mut out = Frames { reach: Reach::default(), calls: Vec::with_capacity(calls.len()) };
        for function in calls {
            let (call, reach) = of_call(&function, frame, &order)?;
            out.reach = out.reach.with(reach);
            out.calls.push((function, call));
        }
        Some(out)
    }

    /// How a watermark closes the first of the order, if it lets go of rows.
    pub fn closing(&self, window: &Window, input: &[Option<Closing>]) -> Option<Closing> {
        let first = self.calls.first()?.0.params.order_by.first()?;
        let kind = first.expr.get_type(window.input.schema()).ok()?;
        let closing = closing::through_one(&first.expr, window.input.schema(), input)?.for_good()?;
        let last_without = first.asc && !first.nulls_first;
        (last_without && closing.shape == Shape::Time && matches!(kind, DataType::Timestamp(..))).then_some(closing)
    }

    /// The column of the input that stays closed, as no row is looked at that comes later.
    pub fn stays(&self, window: &Window, input: &[Option<Closing>]) -> Option<usize> {
        self.closing(window, input)?;
        let Expr::Column(first) = &self.calls.first()?.0.params.order_by.first()?.expr else { return None };
        let looks_ahead = self.reach.after > 0 || self.reach.range.is_some_and(|[_, after]| after > 0);
        window.input.schema().maybe_index_of_column(first).filter(|_| !looks_ahead)
    }
}

impl Reach {
    fn with(self, other: Reach) -> Reach {
        let range = match (self.range, other.range) {
            (Some([a, b]), Some([c, d])) => Some([a.max(c), b.max(d)]),
            (one, other) => one.or(other),
        };
        Reach {
            before: self.before.max(other.before),
            after: self.after.max(other.after),
            range,
            peers: self.peers || other.peers,
            onward: self.onward || other.onward,
        }
    }
}

/// The call of an expression of a window node.
fn called(expr: &Expr) -> Option<&WindowFunction> {
    match expr {
        Expr::Alias(alias) => called(&alias.expr),
        Expr::WindowFunction(f) => Some(f),
        _ => None,
    }
}

fn of_call(f: &WindowFunction, frame: &DFSchema, order: &[DataType]) -> Option<(Call, Reach)> {
    let params = &f.params;
    if params.distinct || params.null_treatment == Some(NullTreatment::IgnoreNulls) {
        return None;
    }
    let onward = |peers| Reach { onward: true, peers, ..Reach::default() };
    match (f.fun.name(), &f.fun) {
        ("row_number", _) => Some((Call::Number, onward(false))),
        ("rank", _) => Some((Call::Rank, onward(true))),
        ("dense_rank", _) => Some((Call::DenseRank, onward(true))),
        (name @ ("lag" | "lead"), _) => {
            let rows = match params.args.get(1) {
                None => 1,
                Some(Expr::Literal(rows, _)) => whole(rows)?,
                Some(_) => return None,
            };
            let before = if name == "lag" { rows } else { rows.checked_neg()? };
            Some((Call::Written, rows_around([before, before.checked_neg()?])?))
        }
        (name @ ("first_value" | "last_value" | "nth_value"), WindowFunctionDefinition::WindowUDF(_)) => {
            by_frame(name, &params.window_frame, order, None)
        }
        (name @ ("sum" | "count" | "avg" | "min" | "max"), WindowFunctionDefinition::AggregateUDF(udaf)) => {
            let fields = params.args.iter().map(|e| e.to_field(frame).map(|(_, f)| f)).collect::<Result<Vec<_>, _>>().ok()?;
            by_frame(name, &params.window_frame, order, Some(udaf.return_field(&fields).ok()?.data_type()))
        }
        _ => None,
    }
}

/// How a call over a frame is computed.
fn by_frame(name: &str, frame: &WindowFrame, order: &[DataType], kind: Option<&DataType>) -> Option<(Call, Reach)> {
    let by_rows = frame.units == WindowFrameUnits::Rows;
    let peers = !by_rows;
    if matches!(&frame.start_bound, WindowFrameBound::Preceding(rows) if rows.is_null()) {
        if frame.end_bound != WindowFrameBound::CurrentRow {
            return None;
        }
        let reach = Reach { onward: name != "last_value", peers, ..Reach::default() };
        return match name {
            "last_value" => Some((Call::Written, reach)),
            "avg" => kind.filter(|kind| **kind == DataType::Float64).map(|_| (Call::Mean, reach)),
            "nth_value" => None,
            _ => Some((Call::Total, reach)),
        };
    }
    let bound = |bound: &WindowFrameBound, ahead: i64| match bound {
        WindowFrameBound::CurrentRow => Some(0),
        WindowFrameBound::Preceding(by) => Some(-ahead * far(by, frame.units, order)?),
        WindowFrameBound::Following(by) => Some(ahead * far(by, frame.units, order)?),
    };
    let around = [bound(&frame.start_bound, -1)?, bound(&frame.end_bound, 1)?];
    if by_rows {
        return Some((Call::Written, rows_around(around)?));
    }
    let is_far = [&frame.start_bound, &frame.end_bound].into_iter().any(|b| *b != WindowFrameBound::CurrentRow);
    let range = is_far.then(|| around.map(|by| by.max(0)));
    Some((Call::Written, Reach { range, peers, ..Reach::default() }))
}

fn rows_around(around: [i64; 2]) -> Option<Reach> {
    let [before, after] = around.map(|rows| rows.max(0));
    let rows = |rows: i64| usize::try_from(rows).ok().filter(|_| rows <= ROWS_MAX);
    Some(Reach { before: rows(before)?, after: rows(after)?, ..Reach::default() })
}

/// How far a bound is from its row, or a little more.
fn far(by: &ScalarValue, units: WindowFrameUnits, order: &[DataType]) -> Option<i64> {
    match (units, order) {
        (WindowFrameUnits::Rows, _) => whole(by),
        (WindowFrameUnits::Range, [kind]) if kind.is_integer() && *kind != DataType::UInt64 => whole(by),
        (WindowFrameUnits::Range, [DataType::Date32]) => i64::try_from(nanos(by)? / DAY + 1).ok(),
        (WindowFrameUnits::Range, [DataType::Timestamp(unit, zone)]) => {
            // Days and months are counted on the clock of the zone, which may be put back by a day at most.
            let moved = if zone.is_some() { DAY } else { 0 };
            let unit = match unit {
                TimeUnit::Second => 1_000_000_000,
                TimeUnit::Millisecond => 1_000_000,
                TimeUnit::Microsecond => 1_000,
                TimeUnit::Nanosecond => 1,
            };
            i64::try_from((nanos(by)? + moved) / unit + 1).ok()
        }
        _ => None,
    }
}

fn whole(value: &ScalarValue) -> Option<i64> {
    match value.data_type().is_integer() {
        true => match value.cast_to(&DataType::Int64).ok()? {
            ScalarValue::Int64(value) => value,
            _ => None,
        },
        false => None,
    }
}

/// The nanoseconds of an interval; months count as long ones.
fn nanos(value: &ScalarValue) -> Option<i128> {
    match value {
        ScalarValue::IntervalMonthDayNano(Some(i)) => {
            Some((i128::from(i.months) * MONTH_DAYS + i128::from(i.days)) * DAY + i128::from(i.nanoseconds))
        }
        ScalarValue::IntervalDayTime(Some(i)) => Some(i128::from(i.days) * DAY + i128::from(i.milliseconds) * 1_000_000),
        ScalarValue::IntervalYearMonth(Some(months)) => Some(i128::from(*months) * MONTH_DAYS * DAY),
        _ => None,
    }
}
