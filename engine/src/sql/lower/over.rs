//! What stands between a grouping and the windows that it is over, looked through: expressions over the one are written over what is
//! beneath the other. For sliding windows (`hop.rs`) and sessions (`session.rs`).

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan, lit, when};

use super::aggregate::summed;
use crate::sql::plan::Aggregate;

/// The columns of a plan.
pub fn columns_of(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema().columns().into_iter().map(Expr::Column).collect()
}

/// What is beneath a node that only names and computes columns, and what each of those is over it.
pub fn named(plan: &LogicalPlan) -> Option<(&LogicalPlan, Vec<Expr>)> {
    match plan {
        LogicalPlan::Projection(p) => Some((&p.input, p.expr.iter().map(|e| inner(e).clone()).collect())),
        LogicalPlan::SubqueryAlias(alias) => Some((&alias.input, columns_of(&alias.input))),
        _ => None,
    }
}

/// An expression without its names.
pub fn inner(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => inner(&alias.expr),
        other => other,
    }
}

/// Expressions with what each column is in its place.
pub fn written(exprs: Vec<Expr>, schema: &DFSchema, columns: &[Expr]) -> Result<Vec<Expr>> {
    let one = |expr: Expr| -> Result<Expr> {
        let done = expr.transform_up(|e| match &e {
            Expr::Column(c) => match columns.get(schema.index_of_column(c)?) {
                Some(known) => Ok(Transformed::yes(known.clone())),
                None => plan_err!("column {c} is not there"),
            },
            _ => Ok(Transformed::no(e)),
        })?;
        Ok(done.data)
    };
    exprs.into_iter().map(one).collect()
}

/// The argument of a call over what is beneath, if it has one. A row that a filter leaves out has a null for it, and that is not
/// computed of the row.
///
/// # Errors
/// When the expression is no call of an aggregate, or of columns that are not there.
pub fn argument(expr: &Expr, call: &Aggregate, frame: &DFSchema, over: &[Expr]) -> Result<Option<Expr>> {
    let Expr::AggregateFunction(f) = inner(expr) else { return plan_err!("{expr} is no aggregate") };
    let argument = f.params.args.first().map(|a| summed(call.function, a, frame).clone());
    let argument = match &f.params.filter {
        Some(filter) => Some(when(filter.as_ref().clone(), argument.unwrap_or_else(|| lit(1i64))).end()?),
        // What counts rows may be written as a count of a constant.
        None => argument.filter(|_| call.argument.is_some()),
    };
    Ok(written(argument.into_iter().collect(), frame, over)?.into_iter().next())
}
