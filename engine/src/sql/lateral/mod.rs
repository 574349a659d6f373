//! Subqueries that read columns of the query around them, where DataFusion's rules do not take them apart: `LATERAL` and
//! correlated values with lists taken apart, limits, window functions, `DISTINCT` or `UNION` within.
//!
//! Such a subquery is computed for all the values that it reads at once: those stand beside its rows (`base.rs`), and what it
//! gives is joined by them. One that only makes rows of values, as `UNNEST` does, needs no join (`rows.rs`). Subqueries as values
//! become joins of the same kind (`values.rs`), but for `IN` all rows of a table (`found.rs`), and `IN` has its nulls (`unknown.rs`). What DataFusion takes apart is left to it.

mod base;
mod found;
mod rows;
mod single;
mod typed;
mod unknown;
mod values;

use std::collections::HashSet;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result, TableReference};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    BinaryExpr, Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Subquery, SubqueryAlias, lit,
};

use base::{Base, Numbered};
pub use single::single_value;
pub use typed::typed;

/// The plan with such subqueries taken apart.
///
/// # Errors
/// When one cannot be, by name.
pub fn independent(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut numbered = Numbered::default();
    let one = |node: LogicalPlan| match node {
        LogicalPlan::Join(join) => match subquery_of(&join.right) {
            Some((inner, alias)) if matches!(join.join_type, JoinType::Inner | JoinType::Left) && !is_simple(&inner)? => {
                Ok(Transformed::yes(lateral(join, inner, alias, &mut numbered)?))
            }
            _ => Ok(Transformed::no(LogicalPlan::Join(join))),
        },
        other => values::taken_apart(unknown::told(other)?, &mut numbered),
    };
    plan.transform_up_with_subqueries(one).map(|t| t.data)
}

/// The subquery that stands on the right of a join, and its name.
fn subquery_of(right: &LogicalPlan) -> Option<(LogicalPlan, Option<TableReference>)> {
    match right {
        LogicalPlan::Subquery(Subquery { subquery, .. }) => Some((subquery.as_ref().clone(), None)),
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => match input.as_ref() {
            LogicalPlan::Subquery(Subquery { subquery, .. }) => Some((subquery.as_ref().clone(), Some(alias.clone()))),
            _ => None,
        },
        _ => None,
    }
}

/// Whether DataFusion's rules take a subquery apart as they should: what it reads is pulled up out of filters, through nodes
/// that do not mind. Groups only let equalities with a column of theirs through, by its name, which nothing between may change. A group of
/// all rows has a row where there are none, which the rules mend for its columns and for arithmetic with them; not so what is asked of
/// that row (`HAVING`), or what does not hang on it. What is pulled up loses the names of tables: two columns of one name would be one.
fn is_simple(inner: &LogicalPlan) -> Result<bool> {
    let (mut simple, mut grouped, mut asked, mut named) = (true, false, false, false);
    inner.apply(|node| {
        simple &= match node {
            LogicalPlan::Aggregate(of) => {
                let once = !std::mem::replace(&mut grouped, true);
                let hard = named || asked && of.group_expr.is_empty();
                once && !hard && !node.contains_outer_reference()
            }
            LogicalPlan::Projection(projection) => {
                asked |= !projection.expr.iter().all(|e| is_arithmetic(e) && e.any_column_refs());
                !node.contains_outer_reference() && !hides(projection)
            }
            LogicalPlan::SubqueryAlias(_) => {
                named = true;
                !grouped && !node.contains_outer_reference()
            }
            LogicalPlan::TableScan(_) => !node.contains_outer_reference(),
            LogicalPlan::Filter(filter) => {
                asked = true;
                !grouped || split_conjunction(&filter.predicate).into_iter().all(is_equality)
            }
            LogicalPlan::Sort(sort) => sort.fetch.is_none() && !node.contains_outer_reference(),
            LogicalPlan::Join(join) => join.join_type == JoinType::Inner && !node.contains_outer_reference(),
            // What reads nothing from outside may be anything.
            _ => !reads_outside(node)?,
        };
        let reads = reads_outside(node)?;
        simple &= !reads || !node.inputs().into_iter().any(has_twice);
        Ok(if simple && reads { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(simple)
}

/// Whether a plan gives two columns of one name.
fn has_twice(plan: &LogicalPlan) -> bool {
    let mut seen = HashSet::new();
    !plan.schema().fields().iter().all(|field| seen.insert(field.name()))
}

/// Whether what is chosen has the name of another column beneath.
fn hides(projection: &Projection) -> bool {
    let beneath = projection.input.schema();
    let is_itself = |e: &Expr, name: &str| matches!(e.clone().unalias_nested().data, Expr::Column(c) if c.name == name);
    projection
        .expr
        .iter()
        .zip(projection.schema.fields())
        .any(|(e, field)| !is_itself(e, field.name()) && beneath.fields().iter().any(|other| other.name() == field.name()))
}

/// Whether an expression is columns and numbers, added and multiplied.
fn is_arithmetic(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) | Expr::Literal(..) => true,
        Expr::Alias(alias) => is_arithmetic(&alias.expr),
        Expr::Cast(cast) => is_arithmetic(&cast.expr),
        Expr::Negative(of) => is_arithmetic(of),
        Expr::BinaryExpr(b) => {
            matches!(b.op, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo)
                && is_arithmetic(&b.left)
                && is_arithmetic(&b.right)
        }
        _ => false,
    }
}

/// Whether a condition reads nothing from outside, or compares it for equality with a column within.
fn is_equality(condition: &Expr) -> bool {
    let within = |e: &Expr| match e {
        Expr::Cast(cast) => matches!(*cast.expr, Expr::Column(_)),
        other => matches!(other, Expr::Column(_)),
    };
    let outside = |e: &Expr| e.contains_outer() && e.column_refs().is_empty();
    match condition {
        Expr::BinaryExpr(b) if b.op == Operator::Eq && condition.contains_outer() => {
            within(&b.left) && outside(&b.right) || outside(&b.left) && within(&b.right)
        }
        other => !other.contains_outer(),
    }
}

/// Whether a plan reads columns of a query around it.
fn reads_outside(plan: &LogicalPlan) -> Result<bool> {
    let found = plan.apply_with_subqueries(|node| {
        Ok(if node.contains_outer_reference() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found == TreeNodeRecursion::Stop)
}

/// A join with a subquery that reads its left side, as a join with one that reads nothing.
fn lateral(join: Join, inner: LogicalPlan, alias: Option<TableReference>, numbered: &mut Numbered) -> Result<LogicalPlan> {
    let Join { left, on, filter, join_type, .. } = join;
    let left = LogicalPlanBuilder::from(left.as_ref().clone());
    let inner = match alias {
        Some(alias) => LogicalPlanBuilder::from(inner).alias(alias)?.build()?,
        None => inner,
    };
    let condition = on.into_iter().map(|(l, r)| l.eq(r)).chain(filter).reduce(Expr::and).filter(|e| *e != lit(true));
    match (join_type, condition) {
        (_, None) => beside(left.build()?, &inner, join_type, numbered),
        (JoinType::Inner, Some(condition)) => {
            LogicalPlanBuilder::from(beside(left.build()?, &inner, join_type, numbered)?).filter(condition)?.build()
        }
        // What must hold of a pair becomes a condition within the subquery, which reads the left side in it.
        (_, Some(condition)) => {
            let left = left.build()?;
            let within = condition.transform(|e| {
                Ok(match &e {
                    Expr::Column(c) if left.schema().has_column(c) => {
                        let (_, field) = left.schema().qualified_field_from_column(c)?;
                        Transformed::yes(Expr::OuterReferenceColumn(field.clone(), c.clone()))
                    }
                    _ => Transformed::no(e),
                })
            })?;
            let inner = LogicalPlanBuilder::from(inner).filter(within.data)?.build()?;
            beside(left, &inner, join_type, numbered)
        }
    }
}

/// Rows of the left, each with the rows that a subquery gives for it.
fn beside(left: LogicalPlan, inner: &LogicalPlan, kind: JoinType, numbered: &mut Numbered) -> Result<LogicalPlan> {
    if let Some(plan) = rows::beside(&left, inner, kind)? {
        return Ok(plan);
    }
    let read = read_of(inner, &left)?;
    let base = Base::of_values(&left, read, numbered)?;
    let given = base.under(inner)?;
    let equal: Vec<Expr> = base.columns.iter().map(|(outer, own)| is_not_distinct(outer, own)).collect();
    let shown = columns(&left).chain(columns(inner)).collect::<Vec<_>>();
    let left = LogicalPlanBuilder::from(left);
    let joined = match (equal.is_empty(), kind) {
        (true, JoinType::Inner) => left.cross_join(given)?,
        (true, _) => left.join_on(given, kind, [lit(true)])?,
        (false, _) => left.join_on(given, kind, equal)?,
    };
    joined.project(shown)?.build()
}

fn is_not_distinct(a: &Column, b: &Column) -> Expr {
    let side = |c: &Column| Box::new(Expr::Column(c.clone()));
    Expr::BinaryExpr(BinaryExpr::new(side(a), Operator::IsNotDistinctFrom, side(b)))
}

fn columns(plan: &LogicalPlan) -> impl Iterator<Item = Expr> + '_ {
    plan.schema().iter().map(|(q, f)| Expr::Column((q, f).into()))
}

/// Columns of a plan that a subquery reads, each once.
fn read_of(inner: &LogicalPlan, left: &LogicalPlan) -> Result<Vec<Column>> {
    let mut read: Vec<Column> = Vec::new();
    inner.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                if let Expr::OuterReferenceColumn(_, column) = e
                    && left.schema().has_column(column)
                    && !read.contains(column)
                {
                    read.push(column.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(read)
}
