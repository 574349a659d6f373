//! Joins whose condition bounds how far apart the event times of their two sides are, as
//! `a.ts BETWEEN b.ts - INTERVAL '10' SECOND AND b.ts + INTERVAL '5' SECOND`: what the bounds are, in whatever way they are written.
//!
//! A comparison is a bound when both of its sides are sums of times and lengths of which one time of each side of the join is left.
//! `<` counts as `<=`: rows are then kept a microsecond longer, and nothing else depends on it. What is not understood only costs
//! state; so does one bound alone, for a row that nothing can end to meet would be late for what it meets later too. Not here: what
//! a join does with the bounds (`render/join`).

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Between, BinaryExpr, Expr, ExprSchemable, Join, Operator};

use super::closing::{Closing, Shape, Tie, both, is_utc, together};
use super::nearest::Nearest;
use super::window::micros_of;

/// Bounds of the left's time less the right's, in microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Within {
    /// The column of each side that holds its time.
    pub columns: [usize; 2],
    /// The least difference.
    pub least: i64,
    /// The greatest difference.
    pub greatest: i64,
    /// How watermarks close the times.
    pub closing: Closing,
}

impl Within {
    /// The same with left and right swapped.
    pub fn swapped(self) -> Self {
        let [left, right] = self.columns;
        let (least, greatest) = (self.greatest.saturating_neg(), self.least.saturating_neg());
        Within { columns: [right, left], least, greatest, ..self }
    }

    /// How long after its time a row of a side may still find partners.
    pub fn partners_until(&self, side: usize) -> i64 {
        if side == 0 { self.least.saturating_neg() } else { self.greatest }
    }

    /// The times that are bounded.
    pub fn tie(&self) -> Tie {
        let [left, right] = self.columns;
        let later = |side: usize| self.partners_until(side).max(0);
        [(left, later(0)), (right, later(1))]
    }

    /// How many microseconds the differences range over.
    pub fn extent(&self) -> i64 {
        self.greatest.saturating_sub(self.least).saturating_abs()
    }
}

/// Times that are added and taken away, columns of the left being those of side 0, and microseconds.
#[derive(Default)]
struct Sum {
    times: Vec<((usize, usize), i64)>,
    micros: i64,
}

/// Bounds by a pair of columns.
struct Bounds {
    columns: [usize; 2],
    least: Option<i64>,
    greatest: Option<i64>,
}

/// The bounds of a join between times that watermarks close, and its further condition with what bounds them first: so that nothing
/// else is computed of pairs that are too far apart. None when there are no bounds.
pub fn of(join: &Join, left: &[Option<Closing>], right: &[Option<Closing>]) -> Option<(Within, Expr)> {
    let frame = join.left.schema().join(join.right.schema()).ok()?;
    let parts = split_conjunction(join.filter.as_ref()?);
    if join.filter.as_ref().is_some_and(Nearest::is_mark) {
        return None;
    }
    let found: Vec<Option<Bounds>> = parts
        .iter()
        .map(|part| bounds(part, join, &frame).filter(|b| time(left, b.columns[0]).is_some() && time(right, b.columns[1]).is_some()))
        .collect();
    let between = |columns: [usize; 2]| {
        let own = || found.iter().flatten().filter(move |b| b.columns == columns);
        Some((columns, own().filter_map(|b| b.least).max()?, own().filter_map(|b| b.greatest).min()?))
    };
    let (columns, least, greatest) = found.iter().flatten().filter_map(|b| between(b.columns)).min_by_key(|(pair, ..)| *pair)?;
    let bounding = |wanted: bool| parts.iter().zip(&found).filter(move |(_, b)| b.as_ref().is_some_and(|b| b.columns == columns) == wanted);
    let condition = conjunction(bounding(true).chain(bounding(false)).map(|(e, _)| (*e).clone()))?;
    let all = left.iter().chain(right).flatten();
    let (tables, delay) = together(all);
    let closing = Closing {
        shape: Shape::Time,
        tables,
        delay,
        ahead: 0,
        loose: false,
        grows: left.iter().chain(right).flatten().all(|c| c.grows),
        half: None,
    };
    Some((Within { columns, least, greatest, closing }, condition))
}

/// How watermarks close a key of a time of each side and a fixed length, as in `a.ts = b.ts + INTERVAL '5' SECOND`: once they have
/// passed the later of both times.
pub fn of_key((l, r): (&Expr, &Expr), join: &Join, left: &[Option<Closing>], right: &[Option<Closing>]) -> Option<(Closing, Tie)> {
    let frame = join.left.schema().join(join.right.schema()).ok()?;
    let one = |e: &Expr| {
        let Sum { times, micros } = sum(e, join, &frame)?;
        if let [(place, 1)] = times.as_slice() { Some((*place, micros)) } else { None }
    };
    let (((0, l), more), ((1, r), other)) = (one(l)?, one(r)?) else { return None };
    let mut closing = both(&time(left, l)?, &time(right, r)?);
    let least = more.min(other);
    closing.delay = closing.delay.saturating_sub(least);
    Some((closing, [(l, more.saturating_sub(least)), (r, other.saturating_sub(least))]))
}

/// How a column is closed for good when it holds a time.
pub fn time(closings: &[Option<Closing>], at: usize) -> Option<Closing> {
    closings.get(at).cloned().flatten().and_then(Closing::for_good).filter(|c| c.shape == Shape::Time)
}

/// What a condition says of the difference of a time of the left and one of the right.
fn bounds(condition: &Expr, join: &Join, frame: &DFSchema) -> Option<Bounds> {
    let sum = |e: &Expr| sum(e, join, frame);
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => compared(sum(left)?.less(sum(right)?), *op),
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let low = compared(sum(expr)?.less(sum(low)?), Operator::GtEq)?;
            let high = compared(sum(expr)?.less(sum(high)?), Operator::LtEq)?;
            let both = Bounds { least: low.least.or(high.least), greatest: low.greatest.or(high.greatest), ..low };
            (both.columns == high.columns && both.least.is_some() && both.greatest.is_some()).then_some(both)
        }
        _ => None,
    }
}

/// What it says that a sum compares so with 0.
fn compared(sum: Sum, op: Operator) -> Option<Bounds> {
    let (mut left, mut right) = (None, None);
    for ((side, column), sign) in sum.times {
        let place = if side == 0 { &mut left } else { &mut right };
        if place.replace((column, sign)).is_some() {
            return None;
        }
    }
    let ((left, sign), (right, other)) = (left?, right?);
    let bound = sum.micros.checked_mul(-sign)?;
    // With the left's time taken away the comparison is turned round.
    let (from, until) = match op {
        Operator::GtEq | Operator::Gt => (sign == 1, sign == -1),
        Operator::LtEq | Operator::Lt => (sign == -1, sign == 1),
        Operator::Eq => (true, true),
        _ => return None,
    };
    let columns = [left, right];
    (sign + other == 0 && sign.abs() == 1).then_some(Bounds { columns, least: from.then_some(bound), greatest: until.then_some(bound) })
}

impl Sum {
    fn more(mut self, other: Sum) -> Option<Self> {
        self.times.extend(other.times);
        self.micros = self.micros.checked_add(other.micros)?;
        Some(self)
    }

    fn less(self, other: Sum) -> Sum {
        let micros = self.micros.saturating_sub(other.micros);
        let taken_away = other.times.into_iter().map(|(time, sign)| (time, -sign));
        Sum { times: self.times.into_iter().chain(taken_away).collect(), micros }
    }
}

/// An expression as a sum, when it is one.
fn sum(expr: &Expr, join: &Join, frame: &DFSchema) -> Option<Sum> {
    let kind = |e: &Expr| e.get_type(frame).ok();
    let inner = |e: &Expr| sum(e, join, frame);
    match expr {
        Expr::Alias(alias) => inner(&alias.expr),
        Expr::Column(column) if matches!(kind(expr)?, DataType::Timestamp(..)) => {
            let of = |schema: &DFSchema| schema.maybe_index_of_column(column);
            let place = match (of(join.left.schema()), of(join.right.schema())) {
                (Some(at), None) => (0, at),
                (None, Some(at)) => (1, at),
                _ => return None,
            };
            Some(Sum { times: vec![(place, 1)], micros: 0 })
        }
        Expr::Literal(value, _) => Some(Sum { micros: length(value, false)?, ..Sum::default() }),
        Expr::Cast(cast) => inner(&cast.expr).filter(|_| kind(&cast.expr).is_some_and(|from| keeps(&from, cast.field.data_type()))),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            // A day of a time zone with summer time is no length.
            let whole_days = [left, right].into_iter().any(|e| matches!(kind(e), Some(DataType::Timestamp(_, zone)) if is_utc(&zone)));
            let part = |e: &Expr| match e {
                Expr::Literal(value, _) if whole_days => Some(Sum { micros: length(value, true)?, ..Sum::default() }),
                e => inner(e),
            };
            match op {
                Operator::Plus => part(left)?.more(part(right)?),
                Operator::Minus => Some(part(left)?.less(part(right)?)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Microseconds of a length of time, days among them where those are of 24 hours. What is beside a difference of times has none
/// (`intervals.rs`).
fn length(value: &ScalarValue, with_days: bool) -> Option<i64> {
    match value {
        ScalarValue::IntervalMonthDayNano(Some(i)) if (with_days || i.days == 0) && i.nanoseconds % 1000 == 0 => micros_of(value),
        ScalarValue::IntervalDayTime(Some(i)) if with_days || i.days == 0 => micros_of(value),
        ScalarValue::DurationSecond(Some(n)) => n.checked_mul(1_000_000),
        ScalarValue::DurationMillisecond(Some(n)) => n.checked_mul(1_000),
        ScalarValue::DurationMicrosecond(n) => *n,
        ScalarValue::DurationNanosecond(Some(n)) if n % 1000 == 0 => Some(n / 1000),
        _ => None,
    }
}

/// Whether a cast keeps what a time or a length is.
fn keeps(from: &DataType, to: &DataType) -> bool {
    let fine = |unit: &TimeUnit| matches!(unit, TimeUnit::Microsecond | TimeUnit::Nanosecond);
    match (from, to) {
        (DataType::Timestamp(_, before), DataType::Timestamp(unit, after)) => {
            fine(unit) && (before == after || is_utc(before) && is_utc(after))
        }
        (DataType::Duration(_), DataType::Duration(unit)) => fine(unit),
        (DataType::Duration(_), DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano)) => true,
        _ => false,
    }
}
