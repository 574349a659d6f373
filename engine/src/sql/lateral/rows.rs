//! Subqueries that only make rows of the values they read, such as `UNNEST(column)`: they go on top of the rows, without a join.
//!
//! A left join keeps a row whose list has nothing in it: such a list is given one element that is null.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::functions_nested::expr_fn::{cardinality, make_array};
use datafusion::logical_expr::{Expr, ExprSchemable, JoinType, LogicalPlan, LogicalPlanBuilder, Projection, Unnest, lit, when};

use super::base::Base;
use super::{columns, read_of};

/// The rows with what such a subquery makes of them; none when it is of another kind.
pub fn beside(left: &LogicalPlan, inner: &LogicalPlan, kind: JoinType) -> Result<Option<LogicalPlan>> {
    let inner = match kind {
        JoinType::Inner if makes_rows(inner) => inner.clone(),
        JoinType::Left => match kept(inner)? {
            Some(inner) => inner,
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let shown: Vec<Expr> = columns(left).chain(columns(&inner)).collect();
    let base = Base::of_rows(left, read_of(&inner, left)?);
    LogicalPlanBuilder::from(base.under(&inner)?).project(shown)?.build().map(Some)
}

/// Whether a subquery works row by row over nothing but one row.
fn makes_rows(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        LogicalPlan::Values(_) => true,
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Filter(_) | LogicalPlan::Unnest(_) => {
            plan.inputs().into_iter().all(makes_rows)
        }
        _ => false,
    }
}

/// The subquery so that it gives at least one row: only columns of lists taken apart, and these lists made longer.
fn kept(plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    let with_input = |input: Option<LogicalPlan>| input.map(|input| plan.with_new_exprs(plan.expressions(), vec![input])).transpose();
    match plan {
        LogicalPlan::Values(_) => Ok(Some(plan.clone())),
        LogicalPlan::SubqueryAlias(alias) => with_input(kept(&alias.input)?),
        LogicalPlan::Projection(p) if p.expr.iter().all(|e| matches!(e.clone().unalias_nested().data, Expr::Column(_))) => {
            with_input(kept(&p.input)?)
        }
        LogicalPlan::Unnest(unnest) if unnest.struct_type_columns.is_empty() => match unnest.input.as_ref() {
            LogicalPlan::Projection(p) if matches!(p.input.as_ref(), LogicalPlan::EmptyRelation(e) if e.produce_one_row) => {
                longer(unnest, p).map(Some)
            }
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

fn longer(unnest: &Unnest, projection: &Projection) -> Result<LogicalPlan> {
    let schema = projection.input.schema();
    let one = |(i, expr): (usize, &Expr)| {
        let list = expr.clone().unalias_nested().data;
        let DataType::List(element) = list.get_type(schema)? else { return Ok(expr.clone()) };
        if !unnest.list_type_columns.iter().any(|(at, _)| *at == i) {
            return Ok(expr.clone());
        }
        let nothing = make_array(vec![lit(ScalarValue::try_from(element.data_type())?)]);
        let (relation, name) = expr.qualified_name();
        Ok(when(cardinality(list.clone()).gt(lit(0u64)), list).otherwise(nothing)?.alias_qualified(relation, name))
    };
    let exprs = projection.expr.iter().enumerate().map(one).collect::<Result<Vec<_>>>()?;
    let input = LogicalPlan::Projection(Projection::try_new(exprs, Arc::clone(&projection.input))?);
    LogicalPlanBuilder::from(input).unnest_columns_with_options(unnest.exec_columns.clone(), unnest.options.clone())?.build()
}
