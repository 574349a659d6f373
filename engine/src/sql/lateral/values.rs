//! Subqueries that stand as values: each must give at most one row, so it becomes an aggregate of all its rows.
//!
//! The first row of an order is an aggregate too. What is an aggregate already, DataFusion makes a join of; where it would not,
//! or would not rightly, the join is made here: of `EXISTS` by the number of rows, of `IN` by how its comparisons came out.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result, ScalarValue, plan_err};
use datafusion::functions_aggregate::expr_fn::{bool_and, bool_or, count, first_value};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, FetchType, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, Projection, SkipType, SortExpr, Subquery,
    lit, when,
};

use super::base::Numbered;
use super::found;
use super::{beside, is_simple, reads_outside, single_value};
use crate::sql::subqueries::{listed, subquery_of};

/// A node whose subqueries as values have at most one row; those that DataFusion would not take apart are joined to its input.
pub fn taken_apart(node: LogicalPlan, numbered: &mut Numbered) -> Result<Transformed<LogicalPlan>> {
    let node = node.map_expressions(|expr| {
        expr.transform_up(|e| match e {
            Expr::ScalarSubquery(subquery) => of_one_row(subquery).map(|t| t.update_data(Expr::ScalarSubquery)),
            other => Ok(Transformed::no(other)),
        })
    })?;
    let (grouped, filtered) = (matches!(node.data, LogicalPlan::Aggregate(_)), matches!(node.data, LogicalPlan::Filter(_)));
    let projected = matches!(node.data, LogicalPlan::Projection(_));
    // DataFusion's rules do not look into groups, and for ANY and ALL, IN and EXISTS only into conditions.
    let hard = |e: &Expr| {
        let within = projected && matches!(e, Expr::InSubquery(_) | Expr::Exists(_));
        let all = grouped || within || !filtered && matches!(e, Expr::SetComparison(_));
        subquery_of(e).map_or(Ok(false), |s| if all { Ok(true) } else { is_hard(s) })
    };
    let mut any = false;
    node.data.apply_expressions(|e| {
        any |= e.exists(hard)?;
        Ok(TreeNodeRecursion::Jump)
    })?;
    let shown: Vec<Expr> = super::columns(&node.data).collect();
    let plan = match node.data {
        LogicalPlan::Projection(p) if any => {
            let (exprs, input) = joined(p.expr, p.input.as_ref().clone(), hard, numbered)?;
            LogicalPlan::Projection(Projection::try_new_with_schema(exprs, Arc::new(input), p.schema)?)
        }
        LogicalPlan::Filter(f) if any => {
            let (exprs, input) = joined(vec![f.predicate], f.input.as_ref().clone(), hard, numbered)?;
            let plan = LogicalPlanBuilder::from(input);
            exprs.into_iter().try_fold(plan, LogicalPlanBuilder::filter)?.project(shown)?.build()?
        }
        LogicalPlan::Aggregate(a) if any && a.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_))) => {
            return plan_err!("a subquery in GROUPING SETS, ROLLUP or CUBE is not supported yet (give it a name in a query beneath)");
        }
        LogicalPlan::Aggregate(a) if any => {
            let (groups, input) = joined(a.group_expr, a.input.as_ref().clone(), hard, numbered)?;
            let (calls, input) = joined(a.aggr_expr, input, hard, numbered)?;
            LogicalPlan::Aggregate(Aggregate::try_new_with_schema(Arc::new(input), groups, calls, a.schema)?)
        }
        other if any => return plan_err!("a subquery that reads the query around it in {} is not supported yet", other.display()),
        other => return Ok(Transformed { data: other, ..node }),
    };
    Ok(Transformed::yes(plan))
}

/// Whether DataFusion's rules would not take a subquery apart as they should.
pub fn is_hard(subquery: &Subquery) -> Result<bool> {
    Ok(reads_outside(&subquery.subquery)? && !is_simple(&subquery.subquery)?)
}

/// Expressions with columns in place of their subqueries, over the input joined with these.
fn joined(
    exprs: Vec<Expr>,
    mut input: LogicalPlan,
    hard: impl Fn(&Expr) -> Result<bool>,
    numbered: &mut Numbered,
) -> Result<(Vec<Expr>, LogicalPlan)> {
    let mut out = Vec::new();
    for expr in exprs {
        let saved = NamePreserver::new_for_projection().save(&expr);
        let new = expr.transform_up(|e| {
            if !hard(&e)? {
                return Ok(Transformed::no(e));
            }
            let e = match of_any(e)? {
                Ok(within) => {
                    let found = found::in_rows(&mut input, within, numbered)?;
                    return Ok(Transformed::yes(found));
                }
                Err(other) => other,
            };
            let name = numbered.name("value");
            let column = Expr::Column(Column::new_unqualified(&name));
            let (inner, value) = match e {
                Expr::ScalarSubquery(subquery) => (subquery.subquery.as_ref().clone(), column),
                Expr::Exists(Exists { subquery, negated }) => {
                    let rows = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone());
                    let number = rows.aggregate(Vec::<Expr>::new(), vec![count(lit(1i64))])?.build()?;
                    (number, if negated { column.eq(lit(0i64)) } else { column.gt(lit(0i64)) })
                }
                Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                    let found = compared(*expr, Operator::Eq, true, &listed(subquery)?.data.subquery, input.schema())?;
                    (found, if negated { Expr::Not(Box::new(column)) } else { column })
                }
                Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
                    let any = quantifier == SetQuantifier::Any;
                    (compared(*expr, op, any, &listed(subquery)?.data.subquery, input.schema())?, column)
                }
                other => return Ok(Transformed::no(other)),
            };
            let named = super::columns(&inner).next().map(|c| c.alias(&name));
            let inner = LogicalPlanBuilder::from(inner).project(named)?.build()?;
            input = beside(input.clone(), &inner, JoinType::Left, numbered)?;
            Ok(Transformed::yes(value))
        })?;
        out.push(if new.transformed { saved.restore(new.data) } else { new.data });
    }
    Ok((out, input))
}

/// `IN` a subquery that reads nothing around it, also where it is written `= ANY` or `<> ALL`; else the expression as it was.
fn of_any(expr: Expr) -> Result<std::result::Result<InSubquery, Expr>> {
    let within = match &expr {
        Expr::InSubquery(within) => within.clone(),
        Expr::SetComparison(of)
            if matches!((of.op, of.quantifier), (Operator::Eq, SetQuantifier::Any) | (Operator::NotEq, SetQuantifier::All)) =>
        {
            InSubquery { expr: of.expr.clone(), subquery: of.subquery.clone(), negated: of.op == Operator::NotEq }
        }
        _ => return Ok(Err(expr)),
    };
    if reads_outside(&within.subquery.subquery)? { Ok(Err(expr)) } else { Ok(Ok(within)) }
}

/// Whether a comparison of a value holds with any of what a subquery gives, or with all: null when that is not known.
fn compared(value: Expr, op: Operator, any: bool, subquery: &LogicalPlan, around: &DFSchema) -> Result<LogicalPlan> {
    let value = value.transform(|e| {
        Ok(match &e {
            Expr::Column(c) if around.has_column(c) => {
                let (_, field) = around.qualified_field_from_column(c)?;
                Transformed::yes(Expr::OuterReferenceColumn(field.clone(), c.clone()))
            }
            _ => Transformed::no(e),
        })
    })?;
    let Some(other) = super::columns(subquery).next() else { return plan_err!("a subquery without columns") };
    let holds = Expr::BinaryExpr(BinaryExpr::new(Box::new(value.data), op, Box::new(other)));
    let decided = if any { bool_or(holds.clone()) } else { bool_and(holds.clone()) };
    let calls = vec![decided.alias("decided"), count(holds).alias("known"), count(lit(1i64)).alias("all")];
    let column = |name: &str| Expr::Column(Column::new_unqualified(name));
    let unknown = Expr::Literal(ScalarValue::Boolean(None), None);
    let decides = if any { column("decided") } else { Expr::Not(Box::new(column("decided"))) };
    let found = when(decides, lit(any)).when(column("known").lt(column("all")), unknown).otherwise(lit(!any))?;
    LogicalPlanBuilder::from(subquery.clone()).aggregate(Vec::<Expr>::new(), calls)?.project(vec![found])?.build()
}

/// A subquery as one that gives one row at most, or an error.
fn of_one_row(subquery: Subquery) -> Result<Transformed<Subquery>> {
    let plan = subquery.subquery.as_ref();
    if has_one_row(plan) {
        return Ok(Transformed::no(subquery));
    }
    let Some(value) = super::columns(plan).next() else { return plan_err!("a subquery without columns") };
    let name = value.schema_name().to_string();
    let new = match first_row(plan)? {
        Some((input, value, order)) => {
            LogicalPlanBuilder::from(input).aggregate(Vec::<Expr>::new(), vec![first_value(value, order).alias(&name)])?.build()?
        }
        None => {
            let call = single_value().call(vec![value]).alias(&name);
            LogicalPlanBuilder::from(plan.clone()).aggregate(Vec::<Expr>::new(), vec![call])?.build()?
        }
    };
    Ok(Transformed::yes(Subquery { subquery: Arc::new(new), ..subquery }))
}

/// Whether a plan always has one row, or none.
fn has_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(a) => a.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Values(values) => values.values.len() <= 1,
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Sort(_) => {
            plan.inputs().into_iter().all(has_one_row)
        }
        // Rows that nothing around them is read for are limited rightly as they are.
        LogicalPlan::Limit(limit) => {
            let one = matches!(limit.get_fetch_type(), Ok(FetchType::Literal(Some(n))) if n <= 1);
            one && reads_outside(plan).is_ok_and(|reads| !reads)
        }
        _ => false,
    }
}

/// The input, the value and the order of a plan that takes the first row: `SELECT … ORDER BY … LIMIT 1`.
fn first_row(plan: &LogicalPlan) -> Result<Option<(LogicalPlan, Expr, Vec<SortExpr>)>> {
    let LogicalPlan::Limit(limit) = plan else { return Ok(None) };
    if !matches!((limit.get_skip_type()?, limit.get_fetch_type()?), (SkipType::Literal(0), FetchType::Literal(Some(1)))) {
        return Ok(None);
    }
    let own = |plan: &LogicalPlan| super::columns(plan).next();
    // Ties go by the value itself, so that the answer does not hang on the order of the rows.
    let complete = |input: &LogicalPlan, value: Expr, order: &[SortExpr]| {
        let tie = (!order.iter().any(|s| s.expr == value)).then(|| value.clone().sort(true, false));
        (input.clone(), value, order.iter().cloned().chain(tie).collect())
    };
    Ok(match limit.input.as_ref() {
        LogicalPlan::Sort(sort) => own(&sort.input).map(|value| complete(&sort.input, value, &sort.expr)),
        LogicalPlan::Projection(p) => match (p.input.as_ref(), p.expr.first()) {
            (LogicalPlan::Sort(sort), Some(value)) => Some(complete(&sort.input, value.clone().unalias_nested().data, &sort.expr)),
            _ => own(&limit.input).map(|value| complete(&limit.input, value, &[])),
        },
        other => own(other).map(|value| complete(other, value, &[])),
    })
}
