//! Comparisons of intervals by their length, a day of 24 hours and a month of 30 days, as other engines have them. DataFusion compares
//! months first, then days, then the rest, so that two days between two times, which are 48 hours, were less than one day.
//!
//! A difference of two times is beside a constant that is written in its units, so that what reads it (`within.rs`) finds it as it was;
//! other intervals are compared as numbers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit};
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::disjunction;
use datafusion::logical_expr::{
    Between, BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    not,
};

const DAY: i128 = 86_400_000_000_000;
/// Nanoseconds of an interval have at most so many digits.
const LENGTH: DataType = DataType::Decimal128(28, 0);

/// A comparison of intervals by their length; none of anything else.
pub fn compared(of: &BinaryExpr, frame: &DFSchema) -> Option<Expr> {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    if !matches!(of.op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
        || !is_interval(&of.left, frame)
        || !is_interval(&of.right, frame)
    {
        return None;
    }
    let beside = |one: &Expr, other: &Expr| is_difference(other, frame).then(|| in_nanoseconds(one)).flatten();
    let (left, right) = match (beside(&of.left, &of.right), beside(&of.right, &of.left)) {
        (Some(left), _) => (left, of.right.as_ref().clone()),
        (None, Some(right)) => (of.left.as_ref().clone(), right),
        (None, None) if is_difference(&of.left, frame) && is_difference(&of.right, frame) => return None,
        (None, None) => (length(of.left.as_ref().clone()), length(of.right.as_ref().clone())),
    };
    Some(Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op: of.op, right: Box::new(right) }))
}

/// `BETWEEN` intervals as two comparisons; none of anything else.
pub fn between(of: &Between, frame: &DFSchema) -> Option<Expr> {
    let half = |op, bound: &Expr| compared(&BinaryExpr { left: of.expr.clone(), op, right: Box::new(bound.clone()) }, frame);
    let both = half(Operator::GtEq, &of.low)?.and(half(Operator::LtEq, &of.high)?);
    Some(if of.negated { not(both) } else { both })
}

/// `IN` a list of intervals as comparisons; none of anything else.
pub fn among(of: &InList, frame: &DFSchema) -> Option<Expr> {
    let equal = |one: &Expr| compared(&BinaryExpr { left: of.expr.clone(), op: Operator::Eq, right: Box::new(one.clone()) }, frame);
    let any = disjunction(of.list.iter().map(equal).collect::<Option<Vec<_>>>()?)?;
    Some(if of.negated { not(any) } else { any })
}

fn is_interval(expr: &Expr, frame: &DFSchema) -> bool {
    expr.get_type(frame).is_ok_and(|kind| matches!(kind, DataType::Interval(_)))
}

/// Whether an interval was a difference of times, which has no months and days.
fn is_difference(expr: &Expr, frame: &DFSchema) -> bool {
    match expr {
        Expr::Cast(of) => of.expr.get_type(frame).is_ok_and(|kind| matches!(kind, DataType::Duration(_))),
        _ => false,
    }
}

/// A constant interval without months and days.
fn in_nanoseconds(expr: &Expr) -> Option<Expr> {
    let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(of)), metadata) = expr else { return None };
    let nanoseconds = i64::try_from(nanoseconds(of)).ok()?;
    let whole = IntervalMonthDayNano { months: 0, days: 0, nanoseconds };
    Some(Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(whole)), metadata.clone()))
}

fn nanoseconds(of: &IntervalMonthDayNano) -> i128 {
    (i128::from(of.months) * 30 + i128::from(of.days)) * DAY + i128::from(of.nanoseconds)
}

fn length(interval: Expr) -> Expr {
    ScalarUDF::from(Length { signature: Signature::any(1, Volatility::Immutable) }).call(vec![interval])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Length {
    signature: Signature,
}

impl ScalarUDFImpl for Length {
    fn name(&self) -> &str {
        "length_of_interval"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(LENGTH)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(of)] => Ok(ColumnarValue::Array(lengths(of)?)),
            [ColumnarValue::Scalar(of)] => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&lengths(&of.to_array()?)?, 0)?)),
            _ => exec_err!("a length is of one interval"),
        }
    }
}

fn lengths(of: &ArrayRef) -> Result<ArrayRef> {
    let of = cast(of, &DataType::Interval(IntervalUnit::MonthDayNano))?;
    let of = of.as_primitive::<IntervalMonthDayNanoType>();
    let lengths: Vec<i128> = of.values().iter().map(nanoseconds).collect();
    Ok(Arc::new(Decimal128Array::new(lengths.into(), of.nulls().cloned()).with_data_type(LENGTH)))
}
