//! What `hop`, `cumulate` and `session` mean for a plan: functions that put a row into several windows, or whose windows
//! hang on other rows, become nodes below the projection or grouping that calls them.
//!
//! A row is in each of the windows of `hop` and `cumulate`: a list of windows, taken apart. A session is found with window
//! functions (`session`). Before that, calls get their canonical form (`normal`).

mod ends;
mod normal;
mod session;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result, plan_err};
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, LogicalPlanBuilder, Projection};

use super::closing::Known;
use super::window::{list_function, multiple_windows};
pub use ends::{is_first, is_last};
use session::sessions;

/// Puts window nodes where a plan calls window functions; of tables and views the columns are known that a watermark closes.
///
/// # Errors
/// When a call stands where it cannot be, or has arguments that do not fit.
pub fn expand(plan: LogicalPlan, known: Known<'_>) -> Result<LogicalPlan> {
    let mut counter = 0;
    let plan = normal::calls(plan, known)?.transform_up_with_subqueries(|node| {
        Ok(match node {
            LogicalPlan::Projection(projection) => match calls(&projection.expr) {
                found if found.is_empty() => Transformed::no(LogicalPlan::Projection(projection)),
                found => Transformed::yes(in_projection(projection, found, &mut counter)?),
            },
            LogicalPlan::Aggregate(aggregate) => match calls(&aggregate.group_expr) {
                found if found.is_empty() => Transformed::no(LogicalPlan::Aggregate(aggregate)),
                found => Transformed::yes(in_groups(aggregate, found, &mut counter)?),
            },
            other => {
                for expr in other.expressions() {
                    if let Some(call) = calls(std::slice::from_ref(&expr)).first() {
                        return plan_err!("{} can stand in GROUP BY, in SELECT, or as a table, but not here", call.schema_name());
                    }
                }
                Transformed::no(other)
            }
        })
    })?;
    Ok(plan.data)
}

/// Calls of functions with several windows, each once.
fn calls(exprs: &[Expr]) -> Vec<Expr> {
    let mut found: Vec<Expr> = Vec::new();
    for expr in exprs {
        let walked = expr.apply(|e| {
            if let Expr::ScalarFunction(f) = e
                && multiple_windows(f.name())
                && !found.contains(e)
            {
                found.push(e.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        });
        debug_assert!(walked.is_ok());
    }
    found
}

fn in_projection(projection: Projection, calls: Vec<Expr>, counter: &mut usize) -> Result<LogicalPlan> {
    let mut input = projection.input.as_ref().clone();
    let mut exprs = projection.expr.clone();
    for call in calls {
        let (given, column) = windows_of(input, &call, None, counter)?;
        input = given;
        exprs = exprs.into_iter().map(|e| replaced(e, &call, &column)).collect::<Result<_>>()?;
    }
    Ok(LogicalPlan::Projection(Projection::try_new_with_schema(exprs, input.into(), projection.schema)?))
}

fn in_groups(aggregate: Aggregate, calls: Vec<Expr>, counter: &mut usize) -> Result<LogicalPlan> {
    let is_session = |call: &&Expr| matches!(call, Expr::ScalarFunction(f) if f.name() == "session");
    if calls.iter().filter(is_session).count() > 1 {
        return plan_err!("two sessions in one GROUP BY are not supported");
    }
    let mut input = aggregate.input.as_ref().clone();
    let mut groups = aggregate.group_expr.clone();
    for call in calls {
        let others: Vec<Expr> = groups.iter().filter(|e| !contains(e, &call)).cloned().collect();
        let (given, column) = windows_of(input, &call, Some(others), counter)?;
        input = given;
        groups = groups.into_iter().map(|e| replaced(e, &call, &column)).collect::<Result<_>>()?;
    }
    Ok(LogicalPlan::Aggregate(Aggregate::try_new_with_schema(input.into(), groups, aggregate.aggr_expr, aggregate.schema)?))
}

fn contains(expr: &Expr, call: &Expr) -> bool {
    expr.exists(|e| Ok(e == call)).unwrap_or(false)
}

/// The expression with a column in place of a call; it keeps the name that it had.
fn replaced(expr: Expr, call: &Expr, column: &Column) -> Result<Expr> {
    if !contains(&expr, call) {
        return Ok(expr);
    }
    let name = expr.schema_name().to_string();
    let new = expr.transform(|e| Ok(if &e == call { Transformed::yes(Expr::Column(column.clone())) } else { Transformed::no(e) }))?.data;
    new.alias_if_changed(name)
}

/// The input with a column that holds the window of each row, and that column.
fn windows_of(input: LogicalPlan, call: &Expr, groups: Option<Vec<Expr>>, counter: &mut usize) -> Result<(LogicalPlan, Column)> {
    let Expr::ScalarFunction(function) = call else { return plan_err!("not a window") };
    *counter += 1;
    let column = Column::new_unqualified(format!("window {counter}"));
    let all = |plan: &LogicalPlan| plan.schema().iter().map(|(q, f)| Expr::Column((q, f).into())).collect::<Vec<Expr>>();
    if function.name() != "session" {
        let Some(list) = list_function(function.name(), normal::is_on_calendar(&function.args)) else { return plan_err!("not a window") };
        let list = list.call(function.args.clone()).alias(&column.name);
        let exprs: Vec<Expr> = all(&input).into_iter().chain(std::iter::once(list)).collect();
        let plan = LogicalPlanBuilder::from(input).project(exprs)?.unnest_column(column.clone())?.build()?;
        return Ok((plan, column));
    }
    let [time, gap, keys @ ..] = function.args.as_slice() else { return plan_err!("session needs a time and a gap") };
    let keys = groups.unwrap_or_else(|| keys.to_vec());
    let own = all(&input);
    let plan = sessions(input, time, gap, &keys, &column.name)?;
    let exprs: Vec<Expr> = own.into_iter().chain(std::iter::once(Expr::Column(column.clone()))).collect();
    Ok((LogicalPlanBuilder::from(plan).project(exprs)?.build()?, column))
}
