//! Sessions with window functions: a row starts one when the row before it, by time, is a gap or more away. Its end is its last event
//! and the gap.

use datafusion::common::{Column, Result, plan_err};
use datafusion::functions::core::expr_fn::named_struct;
use datafusion::functions_aggregate::expr_fn::{max, min, sum};
use datafusion::functions_window::expr_fn::lag;
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, ExprSchemable, LogicalPlan, LogicalPlanBuilder, WindowFrame, WindowFunctionDefinition, lit, when,
};

use crate::sql::window::window_time;

/// What the name of a column ends with that numbers the sessions of a key.
const NUMBER: &str = " number of session";
/// And of one that holds the time before, which tells where sessions begin.
const PREVIOUS: &str = " previous in session";

/// Whether an expression is the number of a session.
pub fn is_session(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(column) if column.relation.is_none() && column.name.ends_with(NUMBER))
}

/// Whether a call of a window function is one of those that sessions are numbered by.
pub fn numbers_sessions(call: &Expr) -> bool {
    matches!(call, Expr::Alias(a) if a.relation.is_none() && (a.name.ends_with(NUMBER) || a.name.ends_with(PREVIOUS)))
}

/// The input with a column that holds the session of each row; rows without a time are left out.
pub fn sessions(input: LogicalPlan, time: &Expr, gap: &Expr, keys: Vec<Expr>, name: &str) -> Result<LogicalPlan> {
    let by_time = || vec![time.clone().sort(true, false)];
    let (previous, starts, number) = (format!("{name}{PREVIOUS}"), format!("{name} starts"), format!("{name}{NUMBER}"));
    let before = lag(time.clone(), Some(1), None).partition_by(keys.clone()).order_by(by_time()).build()?.alias(&previous);
    let plan = LogicalPlanBuilder::from(input).filter(time.clone().is_not_null())?.window(vec![before])?;
    let named = |n: &str| Expr::Column(Column::new_unqualified(n));
    let starts_one =
        when(named(&previous).is_null().or(time.clone().gt_eq(named(&previous) + gap.clone())), lit(1i64)).otherwise(lit(0i64))?;
    let exprs: Vec<Expr> =
        plan.schema().iter().map(|(q, f)| Expr::Column((q, f).into())).chain(std::iter::once(starts_one.alias(&starts))).collect();
    let over = |e: Expr, keys: Vec<Expr>, order: bool| {
        let builder = aggregate_over(e)?.partition_by(keys);
        // Rows of one time are in one session, in whatever order they stand.
        if order { builder.order_by(by_time()).window_frame(WindowFrame::new(Some(false))).build() } else { builder.build() }
    };
    let plan = plan.project(exprs)?.window(vec![over(sum(named(&starts)), keys.clone(), true)?.alias(&number)])?;
    let within: Vec<Expr> = keys.into_iter().chain(std::iter::once(named(&number))).collect();
    let (first, last) = (format!("{name} first"), format!("{name} last"));
    let plan = plan.window(vec![
        over(min(time.clone()), within.clone(), false)?.alias(&first),
        over(max(time.clone()), within, false)?.alias(&last),
    ])?;
    let kind = window_time(&time.get_type(plan.schema())?)?;
    let cast = |e: Expr| datafusion::logical_expr::cast(e, kind.clone());
    let window = named_struct(vec![lit("start"), cast(named(&first)), lit("end"), cast(named(&last) + gap.clone())]).alias(name);
    let exprs: Vec<Expr> = plan.schema().iter().map(|(q, f)| Expr::Column((q, f).into())).chain(std::iter::once(window)).collect();
    plan.project(exprs)?.build()
}

/// An aggregate call as a window function.
fn aggregate_over(call: Expr) -> Result<Expr> {
    let Expr::AggregateFunction(f) = call else { return plan_err!("not an aggregate") };
    let fun = WindowFunctionDefinition::AggregateUDF(f.func);
    Ok(Expr::from(datafusion::logical_expr::expr::WindowFunction::new(fun, f.params.args)))
}
