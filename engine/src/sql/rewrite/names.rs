//! Columns that have the name of one before them: the planner wants a name to mean one column.
//!
//! A column without a name of its own, such as `count(*)`, is read by nobody by name and may be there twice anywhere. Others may
//! where names do not count: where a query's rows are the answer, or its columns are given names from outside.

use std::collections::HashSet;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column as Name, Result};
use datafusion::logical_expr::Expr::Column;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, Select, SelectItem, SetExpr, Spanned, TableAlias};

use crate::sql::program::normal;

/// Gives columns without a name one, where one before them has the same.
pub fn unnamed(select: &mut Select) {
    let mut seen = HashSet::new();
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) = item
            && own_name(expr).is_none()
        {
            let text = without_casts(expr).to_string();
            renamed(item, &text, &mut seen);
        }
    }
}

/// Gives every column of a query whose names do not count a name of its own.
pub fn apart(query: &mut Query) {
    of_body(&mut query.body);
}

/// A planned query whose columns have each a name of its own: `SELECT *` of several tables can give one twice.
///
/// # Errors
/// When DataFusion does not take the names.
pub fn numbered(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut seen = HashSet::new();
    let names: Vec<String> = plan.schema().fields().iter().map(|f| free(f.name(), &mut seen)).collect();
    if plan.schema().fields().iter().zip(&names).all(|(f, name)| f.name() == name) {
        return Ok(plan);
    }
    let columns: Vec<_> = plan.schema().columns().into_iter().zip(names).map(|(c, name)| Column(c).alias(name)).collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// A column that is read by a name that two columns of a subquery have; the planner has numbered the second, and takes the first.
/// What reads both reads `*`.
///
/// # Errors
/// When DataFusion does not walk the plan.
pub fn ambiguous(plan: &LogicalPlan) -> Result<Option<String>> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        let mut read = HashSet::new();
        node.apply_expressions(|e| {
            read.extend(e.column_refs().into_iter().cloned());
            Ok(TreeNodeRecursion::Continue)
        })?;
        let second = |c: &Name| Name { name: format!("{}:1", c.name), ..(*c).clone() };
        let there = |c: &Name| node.inputs().iter().any(|input| input.schema().has_column(c));
        found = read.iter().find(|c| c.relation.is_some() && !read.contains(&second(c)) && there(&second(c))).map(|c| c.flat_name());
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Whether a query is given the names of its columns from outside.
pub fn given(alias: Option<&TableAlias>) -> bool {
    alias.is_some_and(|a| !a.columns.is_empty())
}

fn of_body(body: &mut SetExpr) {
    match body {
        SetExpr::Query(query) => of_body(&mut query.body),
        SetExpr::SetOperation { left, right, .. } => {
            of_body(left);
            of_body(right);
        }
        SetExpr::Select(select) => {
            let mut seen = HashSet::new();
            for item in &mut select.projection {
                let name = match item {
                    SelectItem::UnnamedExpr(expr) => own_name(expr).map(normal),
                    SelectItem::ExprWithAlias { alias, .. } => Some(normal(alias)),
                    _ => None,
                };
                if let Some(name) = name {
                    renamed(item, &name, &mut seen);
                }
            }
        }
        _ => {}
    }
}

/// An expression as the planner names it where it is cast as a whole. Casts within calls have names of their own (`casts.rs`).
pub fn without_casts(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => without_casts(inner),
        other => other,
    }
}

/// A column's name where it is nothing but a column, or one that is cast: the planner gives that the column's name.
pub fn own_name(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => own_name(inner),
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    }
}

/// A name that no column before has: the first keeps it, the others are numbered.
fn free(name: &str, seen: &mut HashSet<String>) -> String {
    let numbered = (1..).map(|n| format!("{name}_{n}"));
    std::iter::once(name.to_string()).chain(numbered).find(|free| seen.insert(free.clone())).unwrap_or_default()
}

fn renamed(item: &mut SelectItem, name: &str, seen: &mut HashSet<String>) {
    let free = free(name, seen);
    if free == name {
        return;
    }
    let expr = match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr.clone(),
        _ => return,
    };
    let alias = Ident::with_quote_and_span('"', expr.span(), free);
    *item = SelectItem::ExprWithAlias { expr, alias };
}
