//! Subqueries in places where DataFusion does not take them apart: in the condition of a join, and in ORDER BY.
//!
//! What ON asks of an inner join may as well be asked of what it gives, and there a subquery is taken apart. Of other joins it
//! decides which rows have a partner, and stays where it is.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, JoinType, LogicalPlan};

const IN_ON: &str = "a subquery in the ON of a join other than an inner one";

/// Whether there is a subquery in an expression.
fn asks(expr: &Expr) -> bool {
    asks_whether(expr) || expr.exists(|e| Ok(matches!(e, Expr::ScalarSubquery(_)))).unwrap_or(false)
}

/// Whether there is one that is asked what it holds, and not for its value.
fn asks_whether(expr: &Expr) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)))).unwrap_or(false)
}

/// Says where a subquery stands that is never taken apart there.
///
/// # Errors
/// When there is one.
pub fn refuse(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| match node {
        LogicalPlan::Join(join) if join.filter.as_ref().is_some_and(asks_whether) => plan_err!("{IN_ON} is not supported yet"),
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(())
}

/// The plan with conditions of inner joins that have subqueries above those.
///
/// # Errors
/// When the plan is not what it says, which is a defect.
pub fn above_joins(plan: LogicalPlan) -> Result<LogicalPlan> {
    let one = |node: LogicalPlan| match node {
        LogicalPlan::Join(mut join) if join.join_type == JoinType::Inner && join.filter.as_ref().is_some_and(asks) => {
            let parts = join.filter.take().map(split_conjunction_owned).unwrap_or_default();
            let (above, within): (Vec<Expr>, Vec<Expr>) = parts.into_iter().partition(asks);
            join.filter = conjunction(within);
            let input = Arc::new(LogicalPlan::Join(join));
            match conjunction(above) {
                Some(condition) => Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(condition, input)?))),
                None => Ok(Transformed::no(Arc::unwrap_or_clone(input))),
            }
        }
        other => Ok(Transformed::no(other)),
    };
    plan.transform_up_with_subqueries(one).map(|done| done.data)
}

/// Where a subquery stands that is not taken apart.
pub fn place(plan: &LogicalPlan) -> Result<Option<&'static str>> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Sort(sort) if sort.expr.iter().any(|s| asks(&s.expr)) => {
                found = found.or(Some("a subquery in ORDER BY (give it a name in SELECT, and order by that)"));
            }
            LogicalPlan::Join(join) if join.filter.iter().chain(join.on.iter().flat_map(|(l, r)| [l, r])).any(asks) => {
                found = found.or(Some(IN_ON));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}
