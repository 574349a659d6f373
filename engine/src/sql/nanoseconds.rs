//! Comparisons of times beside text and dates, in microseconds: DataFusion makes both sides nanoseconds, which end in the year 2262, so
//! that `valid_until < '9999-12-31'` would be refused. Times of rows are microseconds, and nothing is lost.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, ExprSchemable, Operator, cast};

/// Digits of a second that microseconds have.
const DIGITS: usize = 6;

/// The comparison in microseconds; none where it is not of nanoseconds, or where they count.
pub fn compared(of: &BinaryExpr, frame: &DFSchema) -> Option<Expr> {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    if !matches!(of.op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom) {
        return None;
    }
    let side = |e: &Expr| coarser(e, frame).map(Box::new);
    Some(Expr::BinaryExpr(BinaryExpr { left: side(&of.left)?, op: of.op, right: side(&of.right)? }))
}

/// The same of `BETWEEN`.
pub fn between(of: &Between, frame: &DFSchema) -> Option<Expr> {
    let side = |e: &Expr| coarser(e, frame).map(Box::new);
    Some(Expr::Between(Between { expr: side(&of.expr)?, negated: of.negated, low: side(&of.low)?, high: side(&of.high)? }))
}

/// The same of a list.
pub fn among(of: &InList, frame: &DFSchema) -> Option<InList> {
    let list = of.list.iter().map(|e| coarser(e, frame)).collect::<Option<Vec<_>>>()?;
    Some(InList { expr: Box::new(coarser(&of.expr, frame)?), list, negated: of.negated })
}

/// What is cast to nanoseconds and has none of its own, in microseconds.
fn coarser(e: &Expr, frame: &DFSchema) -> Option<Expr> {
    let Expr::Cast(c) = e else { return None };
    let DataType::Timestamp(TimeUnit::Nanosecond, zone) = c.field.data_type() else { return None };
    let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
    let fits = match (c.expr.as_ref(), c.expr.get_type(frame).ok()?) {
        (Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _), _) => is_short(text),
        (_, kind) if kind == micros => return Some(c.expr.as_ref().clone()),
        (_, DataType::Timestamp(unit, _)) => unit != TimeUnit::Nanosecond,
        (_, kind) => matches!(kind, DataType::Date32 | DataType::Date64 | DataType::Null),
    };
    fits.then(|| cast(c.expr.as_ref().clone(), micros))
}

/// Whether a text has no more digits of a second than microseconds have.
fn is_short(text: &str) -> bool {
    let fraction = text.split_once('.').map_or("", |(_, rest)| rest);
    fraction.bytes().take_while(u8::is_ascii_digit).count() <= DIGITS
}
