//! Sessions with window functions of our own (`ends.rs`): a row starts one when the row before it, by time, is a gap or more away. Its
//! end is its last event and the gap.

use arrow::datatypes::IntervalMonthDayNano;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::functions::core::expr_fn::named_struct;
use datafusion::logical_expr::{Expr, ExprFunctionExt, ExprSchemable, LogicalPlan, LogicalPlanBuilder, lit};

use super::ends::{first, last};
use crate::sql::window::{micros_of, window_time};

/// The input with a column that holds the session of each row; rows without a time are left out.
pub fn sessions(input: LogicalPlan, time: &Expr, gap: &Expr, keys: &[Expr], name: &str) -> Result<LogicalPlan> {
    let (begin, end) = (format!("{name} first"), format!("{name} last"));
    // A date and some hours would be a date.
    let kind = window_time(&time.get_type(input.schema())?)?;
    let cast = |e: Expr| datafusion::logical_expr::cast(e, kind.clone());
    let time = &if time.get_type(input.schema())? == kind { time.clone() } else { cast(time.clone()) };
    // A day is 24 hours here, whatever the clock of a zone does.
    let gap = &fixed(gap);
    let over = |call: Expr| call.partition_by(keys.to_vec()).order_by(vec![time.clone().sort(true, false)]).build();
    let plan = LogicalPlanBuilder::from(input).filter(time.clone().is_not_null())?;
    let plan =
        plan.window(vec![over(first(time.clone(), gap.clone()))?.alias(&begin), over(last(time.clone(), gap.clone()))?.alias(&end)])?;
    let named = |n: &str| Expr::Column(Column::new_unqualified(n));
    let window = named_struct(vec![lit("start"), cast(named(&begin)), lit("end"), cast(named(&end) + gap.clone())]).alias(name);
    let exprs: Vec<Expr> = plan.schema().iter().map(|(q, f)| Expr::Column((q, f).into())).chain(std::iter::once(window)).collect();
    plan.project(exprs)?.build()
}

/// A gap as nanoseconds, where so many fit.
fn fixed(gap: &Expr) -> Expr {
    let nanos = if let Expr::Literal(value, _) = gap { micros_of(value).and_then(|micros| micros.checked_mul(1000)) } else { None };
    nanos.map_or(gap.clone(), |nanos| lit(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(0, 0, nanos)))))
}
