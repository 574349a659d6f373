//! Names of calls that differ in casts alone. DataFusion names an aggregate or a window function without the casts in its
//! arguments, so that `sum(v)` and `sum(CAST(v AS DOUBLE))` would be two columns of one name, and a query with both has no plan.

use datafusion::common::Result;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawAggregateExpr, RawWindowExpr};

/// Names arguments with casts as they are written. Only for queries that have no plan otherwise: names of columns stay as they are.
#[derive(Debug)]
pub struct NamedCasts;

fn named(args: Vec<Expr>) -> Vec<Expr> {
    let casts = |arg: &Expr| arg.exists(|e| Ok(matches!(e, Expr::Cast(_) | Expr::TryCast(_)))).unwrap_or(false);
    let one = |arg: Expr| {
        let name = arg.to_string();
        if casts(&arg) { arg.alias(name) } else { arg }
    };
    args.into_iter().map(one).collect()
}

impl ExprPlanner for NamedCasts {
    fn plan_aggregate(&self, call: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        Ok(PlannerResult::Original(RawAggregateExpr { args: named(call.args), ..call }))
    }

    fn plan_window(&self, call: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        Ok(PlannerResult::Original(RawWindowExpr { args: named(call.args), ..call }))
    }
}
