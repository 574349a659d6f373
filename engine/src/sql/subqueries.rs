//! Subqueries in places where DataFusion does not take them apart: in the condition of a join, and in ORDER BY.
//!
//! What ON asks of an inner join may as well be asked of what it gives, and there a subquery is taken apart. Of other joins it
//! decides which rows have a partner, and stays where it is.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, JoinType, LogicalPlan};

/// Whether there is a subquery in an expression.
fn asks(expr: &Expr) -> bool {
    let subquery = |e: &Expr| matches!(e, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_));
    expr.exists(|e| Ok(subquery(e))).unwrap_or(false)
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
                found = found.or(Some("a subquery in the ON of a join other than an inner one"));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}
