//! The order of a script's answer: ORDER BY at the end of a query, also by columns that the query does not give.
//!
//! A view has no order, so the order is taken off and put on the rows at the end. Columns that only order are added to the
//! query and hidden again.

use std::sync::Arc;

use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, Limit, LogicalPlan, Projection, SortExpr};

/// A query with the order of its rows.
pub struct Ordered {
    /// The query.
    pub plan: LogicalPlan,
    /// The order, over its columns.
    pub order: Vec<SortExpr>,
    /// How many of its last columns only order.
    pub hidden: usize,
}

/// Finds the order of a query.
///
/// # Errors
/// When DataFusion does not take the query with its hidden columns.
pub fn of(plan: LogicalPlan) -> Result<Ordered> {
    match &plan {
        LogicalPlan::Sort(sort) => Ok(Ordered { order: sort.expr.clone(), plan, hidden: 0 }),
        LogicalPlan::Limit(limit) => {
            let Ordered { plan: input, order, hidden } = of(limit.input.as_ref().clone())?;
            let limit = Limit { skip: limit.skip.clone(), fetch: limit.fetch.clone(), input: Arc::new(input) };
            Ok(Ordered { plan: LogicalPlan::Limit(limit), order, hidden })
        }
        LogicalPlan::Projection(projection) => {
            let inner = of(projection.input.as_ref().clone())?;
            if inner.order.is_empty() || inner.hidden > 0 {
                return Ok(Ordered { plan, order: Vec::new(), hidden: 0 });
            }
            let name = |i: usize| format!("order {i}");
            let by = inner.order.iter().enumerate().map(|(i, s)| s.expr.clone().alias(name(i)));
            let exprs: Vec<Expr> = projection.expr.iter().cloned().chain(by).collect();
            let order: Vec<SortExpr> = inner
                .order
                .iter()
                .enumerate()
                .map(|(i, s)| SortExpr { expr: Expr::Column(Column::new_unqualified(name(i))), asc: s.asc, nulls_first: s.nulls_first })
                .collect();
            let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(inner.plan))?);
            Ok(Ordered { plan, hidden: order.len(), order })
        }
        _ => Ok(Ordered { plan, order: Vec::new(), hidden: 0 }),
    }
}
