//! Conditions on `now()`: from a comparison of a row's time with the clock to the span of the clock in which the row is there.
//!
//! `ts > now() - INTERVAL '1 hour'` holds until the clock reads `ts + 1 hour`: the retraction is known when the row comes. So it is of
//! whatever does not go back while the clock goes on: `date_trunc('day', now())`, `current_date`.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};
use datafusion::physical_expr::expressions::cast;

use super::{Refused, filter, physical};
use crate::sql::catalog::is_now;
use crate::sql::closing::{Span, is_utc, unit_span};
use crate::sql::plan::{Bound, Expression, Node, Plan, Step};
use crate::sql::window::calendar::{DAY, FIRST_MONDAY};
use crate::sql::window::micros_of;

const ELSEWHERE: &str = "now() elsewhere than on one side of a comparison with a time in WHERE";
const BESIDE_OR: &str = "now() beside OR (write a UNION of both)";
const MONTHS: &str = "now() with months or years, which are not of one length (write days)";

/// Whether an expression asks for the clock.
pub fn asks_now(expr: &Expr) -> bool {
    expr.exists(|e| Ok(is_now(e))).unwrap_or(false)
}

/// Rows for which a predicate is true, also where it asks for the clock.
pub(super) fn filtered(input: Plan, predicate: &Expr, frame: &DFSchema) -> Result<Plan, Refused> {
    let (timed, plain): (Vec<&Expr>, Vec<&Expr>) = split_conjunction(predicate).into_iter().partition(|e| asks_now(e));
    let input = match plain.into_iter().cloned().reduce(Expr::and) {
        Some(plain) => filter(input, physical(&plain, frame)?),
        None => input,
    };
    if timed.is_empty() {
        return Ok(input);
    }
    let (mut from, mut until) = (Vec::new(), Vec::new());
    for condition in timed {
        for (starts, bound) in bounds(condition, frame, &input)? {
            if starts { from.push(bound) } else { until.push(bound) }
        }
    }
    if let Node::Temporal { input: inner, from: more_from, until: more_until } = input.node {
        from.extend(more_from);
        until.extend(more_until);
        return Ok(temporal(*inner, from, until));
    }
    Ok(temporal(input, from, until))
}

fn temporal(input: Plan, from: Vec<Bound>, until: Vec<Bound>) -> Plan {
    let append_only = input.append_only && until.is_empty();
    Plan { schema: input.schema.clone(), append_only, node: Node::Temporal { input: Box::new(input), from, until } }
}

/// What a comparison says of the clock: whether it is where the row begins, and the bound; an equality says both.
fn bounds(condition: &Expr, frame: &DFSchema, input: &Plan) -> Result<Vec<(bool, Bound)>, Refused> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return Err(ELSEWHERE.into()) };
    if *op == Operator::Or {
        return Err(BESIDE_OR.into());
    }
    let (clock, op, row) = match (asks_now(left), asks_now(right)) {
        (true, false) => (left, Some(*op), right),
        (false, true) => (right, op.swap(), left),
        _ => return Err(ELSEWHERE.into()),
    };
    let steps = back(clock, frame)?;
    // What is reached last is undone first; a bound that is not part of the span is one microsecond off.
    let bound =
        |time: &Expression, off: i64| Bound { time: time.clone(), steps: std::iter::once(Step::Later(off)).chain(steps.clone()).collect() };
    let time = physical(as_it_is(row, frame), frame)?;
    if !matches!(time.data_type(&input.schema), Ok(DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)) {
        return Err(ELSEWHERE.into());
    }
    let time = cast(time, &input.schema, DataType::Timestamp(TimeUnit::Microsecond, None)).map_err(|e| e.strip_backtrace())?;
    Ok(match op {
        Some(Operator::Lt) => vec![(false, bound(&time, 0))],
        Some(Operator::LtEq) => vec![(false, bound(&time, 1))],
        Some(Operator::Gt) => vec![(true, bound(&time, 1))],
        Some(Operator::GtEq) => vec![(true, bound(&time, 0))],
        Some(Operator::Eq) => vec![(true, bound(&time, 0)), (false, bound(&time, 1))],
        _ => return Err(ELSEWHERE.into()),
    })
}

/// A time without a cast to a finer one, which DataFusion puts around what stands beside a date, and which has no year 9999.
fn as_it_is<'a>(row: &'a Expr, frame: &DFSchema) -> &'a Expr {
    let Expr::Cast(c) = row else { return row };
    match (c.expr.get_type(frame), c.field.data_type()) {
        (Ok(DataType::Timestamp(_, from)), DataType::Timestamp(TimeUnit::Nanosecond, to)) if is_utc(&from) && is_utc(to) => &c.expr,
        _ => row,
    }
}

/// What leads from the value of an expression of the clock back to the first moment at which it is that or more. The expression must
/// not go back while the clock goes on, so months are not added or taken: two days may then have one date.
fn back(expr: &Expr, frame: &DFSchema) -> Result<Vec<Step>, Refused> {
    let then = |step: Step, inner: &Expr| back(inner, frame).map(|steps| std::iter::once(step).chain(steps).collect());
    match expr {
        e if is_now(e) => Ok(Vec::new()),
        Expr::Alias(alias) => back(&alias.expr, frame),
        Expr::Cast(c) => match c.field.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, zone) if is_utc(zone) => back(&c.expr, frame),
            DataType::Timestamp(TimeUnit::Millisecond, zone) if is_utc(zone) => then(Step::Multiple(1_000, 0), &c.expr),
            DataType::Timestamp(TimeUnit::Second, zone) if is_utc(zone) => then(Step::Multiple(1_000_000, 0), &c.expr),
            DataType::Date32 => then(Step::Multiple(DAY, 0), &c.expr),
            _ => Err(ELSEWHERE.into()),
        },
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus, right }) => {
            let (clock, length) = if asks_now(left) { (left, length(right)?) } else { (right, length(left)?) };
            then(Step::Later(-whole(length, clock, frame)?), clock)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right }) => then(Step::Later(whole(length(right)?, left, frame)?), left),
        Expr::ScalarFunction(f) if f.name() == "date_trunc" => {
            let (Some(Expr::Literal(unit, _)), Some(inner)) = (f.args.first(), f.args.get(1)) else { return Err(ELSEWHERE.into()) };
            let unit = unit.try_as_str().flatten().unwrap_or_default().to_lowercase();
            match unit_span(&unit).ok_or(ELSEWHERE)? {
                Span::Calendar(calendar) => then(Step::Begins(calendar), inner),
                Span::Fixed(size) => then(Step::Multiple(size, if unit == "week" { FIRST_MONDAY } else { 0 }), inner),
            }
        }
        _ => Err(ELSEWHERE.into()),
    }
}

/// A length that is added to the clock: whole days where that is a date.
fn whole(length: i64, clock: &Expr, frame: &DFSchema) -> Result<i64, Refused> {
    match clock.get_type(frame) {
        Ok(DataType::Date32) if length % DAY != 0 => Err(ELSEWHERE.into()),
        _ => Ok(length),
    }
}

/// A span of fixed length in microseconds.
fn length(expr: &Expr) -> Result<i64, Refused> {
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(i)), _) if i.months != 0 => Err(MONTHS.into()),
        Expr::Literal(ScalarValue::IntervalYearMonth(Some(_)), _) => Err(MONTHS.into()),
        Expr::Literal(span, _) => micros_of(span).ok_or_else(|| ELSEWHERE.into()),
        _ => Err(ELSEWHERE.into()),
    }
}
