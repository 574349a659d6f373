//! The types of columns that subqueries read of the query around them. Where such a column is of several branches (`CASE`, `UNION`), it
//! has the type of the first until types are made one; what a subquery reads of it keeps that, and would be cut off or not be found.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, ExprSchema, Result, plan_err};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;

use super::reads_outside;
use crate::sql::subqueries::subquery_of;

/// The plan whose subqueries read columns with the types that these come to have.
///
/// # Errors
/// When values of a subquery were cast to what a column was not.
pub fn typed(plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
    let one = |node: LogicalPlan| match node {
        LogicalPlan::Join(mut join) if reads_outside(&join.right)? => {
            let around = coerced(&[join.left.as_ref()], options);
            join.right = within(join.right.as_ref().clone(), &around)?.into();
            Ok(Transformed::yes(LogicalPlan::Join(join).recompute_schema()?))
        }
        node => {
            let mut any = false;
            node.apply_expressions(|e| {
                any |= e.exists(|e| subquery_of(e).map_or(Ok(false), |s| reads_outside(&s.subquery)))?;
                Ok(TreeNodeRecursion::Jump)
            })?;
            if !any {
                return Ok(Transformed::no(node));
            }
            let around = coerced(&node.inputs(), options);
            node.map_expressions(|expr| expr.transform_up(|e| asked(e, &around).map(Transformed::yes)))
        }
    };
    plan.transform_up_with_subqueries(one).map(|done| done.data)
}

/// What the rows of some plans come to be.
fn coerced(inputs: &[&LogicalPlan], options: &ConfigOptions) -> DFSchema {
    // What does not fit is told by the analyser itself, later.
    let one = |plan: &&LogicalPlan| TypeCoercion::new().analyze((*plan).clone(), options).unwrap_or_else(|_| (*plan).clone());
    let plans: Vec<LogicalPlan> = inputs.iter().map(one).collect();
    merge_schema(&plans.iter().collect::<Vec<_>>())
}

/// An expression with its subquery over such rows.
fn asked(expr: Expr, around: &DFSchema) -> Result<Expr> {
    let of = |subquery: Subquery| {
        let plan = within(subquery.subquery.as_ref().clone(), around)?;
        Ok::<_, DataFusionError>(Subquery { outer_ref_columns: plan.all_out_ref_exprs(), subquery: plan.into(), ..subquery })
    };
    Ok(match expr {
        Expr::ScalarSubquery(subquery) => Expr::ScalarSubquery(of(subquery)?),
        Expr::InSubquery(i) => Expr::InSubquery(InSubquery { subquery: of(i.subquery)?, ..i }),
        Expr::Exists(e) => Expr::Exists(Exists { subquery: of(e.subquery)?, ..e }),
        Expr::SetComparison(s) => Expr::SetComparison(SetComparison { subquery: of(s.subquery)?, ..s }),
        other => other,
    })
}

/// A subquery that reads such rows.
fn within(plan: LogicalPlan, around: &DFSchema) -> Result<LogicalPlan> {
    let read = |e: Expr| match &e {
        Expr::OuterReferenceColumn(field, column) => match around.field_from_column(column) {
            Ok(now) if now.data_type() != field.data_type() => {
                Ok(Transformed::yes(Expr::OuterReferenceColumn(now.clone(), column.clone())))
            }
            _ => Ok(Transformed::no(e)),
        },
        _ => Ok(Transformed::no(e)),
    };
    let one = |node: LogicalPlan| {
        let inner = match node {
            LogicalPlan::Subquery(subquery) => {
                let plan = within(subquery.subquery.as_ref().clone(), around)?;
                return Ok(Transformed::yes(LogicalPlan::Subquery(Subquery {
                    outer_ref_columns: plan.all_out_ref_exprs(),
                    subquery: plan.into(),
                    ..subquery
                })));
            }
            other => other,
        };
        let read = inner.map_expressions(|e| e.transform_up(read))?;
        if !read.transformed {
            return Ok(Transformed::no(read.data));
        }
        match read.data {
            LogicalPlan::Values(values) => {
                let is_cast = |e: &Expr| matches!(e, Expr::Cast(cast) if cast.expr.contains_outer());
                if values.values.iter().flatten().any(is_cast) {
                    return plan_err!(
                        "VALUES that read a column of several types are not supported yet: give it one type with CAST where it is made"
                    );
                }
                Ok(Transformed::yes(LogicalPlanBuilder::values(values.values)?.build()?))
            }
            other => Ok(Transformed::yes(other.recompute_schema()?)),
        }
    };
    plan.transform_up(one)?.data.recompute_schema()
}
