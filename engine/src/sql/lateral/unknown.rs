//! `IN` that may be unknown, in a condition where that is not the same as false: below `NOT`, `IS NULL`, `CASE` and functions.
//!
//! DataFusion makes such an `IN` a mark that is true or false. Whether it is unknown is asked beside it: the value is null and
//! there are rows, or there is a null among the rows. `NOT IN` that stands alone is an anti join that knows of nulls.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit, when};

use super::values::is_hard;
use crate::sql::subqueries::listed;

/// A filter whose `IN`s are unknown where they should be.
pub fn told(node: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Filter(filter) = node else { return Ok(node) };
    let schema = filter.input.schema().clone();
    let one = |e: Expr| if stands_alone(&e) { Ok(e) } else { of_condition(e, &schema) };
    let conditions = split_conjunction_owned(filter.predicate).into_iter().map(one).collect::<Result<Vec<_>>>()?;
    let predicate = conditions.into_iter().reduce(Expr::and).unwrap_or(lit(true));
    Ok(LogicalPlan::Filter(Filter::try_new(predicate, filter.input)?))
}

fn stands_alone(condition: &Expr) -> bool {
    match condition {
        Expr::InSubquery(_) => true,
        Expr::Not(inner) => matches!(inner.as_ref(), Expr::InSubquery(within) if !within.negated),
        _ => false,
    }
}

/// A condition that only keeps a row when it is true.
fn of_condition(condition: Expr, schema: &DFSchema) -> Result<Expr> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let (left, right) = (of_condition(*left, schema)?, of_condition(*right, schema)?);
            Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
        }
        Expr::InSubquery(within) if !within.negated => Ok(Expr::InSubquery(within)),
        other => {
            let done = other.transform_up(|e| match e {
                Expr::InSubquery(within) if !is_hard(&within.subquery)? => three_valued(within, schema).map(Transformed::yes),
                other => Ok(Transformed::no(other)),
            })?;
            Ok(done.data)
        }
    }
}

fn three_valued(within: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let InSubquery { expr, subquery, negated } = within;
    let subquery = listed(subquery)?.data;
    let value_is_null = expr.nullable(schema)?.then(|| expr.as_ref().clone().is_null().and(exists(subquery.clone())));
    let nullable = subquery.subquery.schema().fields().first().is_none_or(|f| f.is_nullable());
    let other_is_null = if nullable { Some(exists(nulls_of(&subquery)?)) } else { None };
    let is_in = Expr::InSubquery(InSubquery { expr, subquery, negated: false });
    let found = match value_is_null.into_iter().chain(other_is_null).reduce(Expr::or) {
        None => is_in,
        Some(unknown) => is_in.or(when(unknown, Expr::Literal(ScalarValue::Boolean(None), None)).otherwise(lit(false))?),
    };
    Ok(if negated { Expr::Not(Box::new(found)) } else { found })
}

fn exists(subquery: Subquery) -> Expr {
    Expr::Exists(Exists { subquery, negated: false })
}

/// The rows of a subquery that are null.
fn nulls_of(subquery: &Subquery) -> Result<Subquery> {
    let rows = subquery.subquery.as_ref().clone();
    let is_null = super::columns(&rows).next().map(Expr::is_null);
    let nulls = LogicalPlanBuilder::from(rows).filter(is_null.unwrap_or(lit(false)))?.build()?;
    Ok(Subquery { subquery: Arc::new(nulls), ..subquery.clone() })
}
