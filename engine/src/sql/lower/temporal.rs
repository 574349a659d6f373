//! Conditions on `now()`: from a comparison of a row's time with the clock to the span of the clock in which the row is there.
//!
//! `ts > now() - INTERVAL '1 hour'` holds until the clock reads `ts + 1 hour`: the retraction is known when the row comes.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::expressions::cast;

use super::{Refused, filter, physical};
use crate::sql::catalog::is_now;
use crate::sql::plan::{Bound, Node, Plan};

const ELSEWHERE: &str = "now() elsewhere than on one side of a comparison with a time in WHERE";

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
        let (starts, bound) = bound(condition, frame, &input)?;
        if starts { from.push(bound) } else { until.push(bound) }
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

/// What a comparison says of the clock: whether it is where the row begins, and the bound.
fn bound(condition: &Expr, frame: &DFSchema, input: &Plan) -> Result<(bool, Bound), Refused> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return Err(ELSEWHERE.into()) };
    let (clock, op, row) = match (asks_now(left), asks_now(right)) {
        (true, false) => (left, Some(*op), right),
        (false, true) => (right, op.swap(), left),
        _ => return Err(ELSEWHERE.into()),
    };
    let added = after_now(clock).ok_or(ELSEWHERE)?;
    // clock + added OP time, so clock OP time - added; a bound that is not part of the span is one microsecond off.
    let (starts, beside) = match op {
        Some(Operator::Lt) => (false, 0),
        Some(Operator::LtEq) => (false, 1),
        Some(Operator::Gt) => (true, 1),
        Some(Operator::GtEq) => (true, 0),
        _ => return Err(ELSEWHERE.into()),
    };
    let time = physical(row, frame)?;
    if !matches!(time.data_type(&input.schema), Ok(DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)) {
        return Err(ELSEWHERE.into());
    }
    let time = cast(time, &input.schema, DataType::Timestamp(TimeUnit::Microsecond, None)).map_err(|e| e.strip_backtrace())?;
    Ok((starts, Bound { time, offset: beside - added }))
}

/// How many microseconds after the clock an expression is; none when it is something else.
fn after_now(expr: &Expr) -> Option<i64> {
    match expr {
        e if is_now(e) => Some(0),
        Expr::Cast(c) if matches!(c.field.data_type(), DataType::Timestamp(..)) => after_now(&c.expr),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus, right }) => match interval(right) {
            Some(more) => after_now(left)?.checked_add(more),
            None => after_now(right)?.checked_add(interval(left)?),
        },
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right }) => after_now(left)?.checked_sub(interval(right)?),
        _ => None,
    }
}

/// A span of fixed length in microseconds; months have none.
fn interval(expr: &Expr) -> Option<i64> {
    const DAY: i64 = 86_400_000_000;
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(i)), _) if i.months == 0 => {
            i64::from(i.days).checked_mul(DAY)?.checked_add(i.nanoseconds / 1000)
        }
        Expr::Literal(ScalarValue::IntervalDayTime(Some(i)), _) => {
            i64::from(i.days).checked_mul(DAY)?.checked_add(i64::from(i.milliseconds) * 1000)
        }
        _ => None,
    }
}
