//! WITH RECURSIVE as the planner understands it: a UNION of where it begins and one step, and nothing beside that UNION.
//!
//! The planner would leave out what stands beside the UNION, and would take a step that reads its own result in subqueries only
//! for one that does not read it.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Cte, Expr, Ident, ObjectName, Query, SetExpr, SetOperator, SetQuantifier, Visit, visit_expressions, visit_relations,
};

use crate::sql::program::normal;

/// Rewrites the queries that a WITH RECURSIVE names.
///
/// # Errors
/// With the name of what is not supported.
pub fn rewrite(query: &mut Query) -> Result<(), String> {
    let Some(with) = query.with.as_mut().filter(|w| w.recursive) else { return Ok(()) };
    let mut later: HashSet<String> = with.cte_tables.iter().map(|c| normal(&c.alias.name)).collect();
    for cte in &mut with.cte_tables {
        let name = normal(&cte.alias.name);
        later.remove(&name);
        if let Some(other) = later.iter().find(|other| reads(cte.query.as_ref(), other)) {
            return Err(format!("WITH RECURSIVE in which \"{name}\" reads \"{other}\", which is defined after it, is not supported yet"));
        }
        one(cte, &name)?;
    }
    Ok(())
}

fn one(cte: &mut Cte, name: &str) -> Result<(), String> {
    let query = &mut cte.query;
    let beside = query.order_by.is_some() || query.limit_clause.is_some() || query.fetch.is_some() || query.with.is_some();
    let is_union = matches!(query.body.as_ref(), SetExpr::SetOperation { op: SetOperator::Union, .. });
    if !reads(query.as_ref(), name) {
        if beside && is_union {
            **query = super::query(&format!("SELECT * FROM ({query})"))?;
        }
        return Ok(());
    }
    let refused = |what: &str| Err(format!("{what} is not supported yet (\"{name}\" reads its own result)"));
    if beside {
        return refused("WITH, ORDER BY or LIMIT beside the UNION of a WITH RECURSIVE");
    }
    let SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, .. } = query.body.as_ref() else {
        return refused("WITH RECURSIVE without a UNION of where it begins and a step");
    };
    let quantifier = *set_quantifier;
    let mut parts = Vec::new();
    parts_of(query.body.as_ref().clone(), quantifier, &mut parts);
    let (steps, firsts): (Vec<_>, Vec<_>) = parts.into_iter().enumerate().partition(|(_, part)| reads(part, name));
    let begins = firsts.first().is_some_and(|(i, _)| *i == 0);
    if !begins {
        return refused("WITH RECURSIVE that does not begin with a part that is not of its step");
    }
    let hidden = steps.iter().any(|(_, step)| reads_in_subquery(step, name));
    let step = union(steps, quantifier);
    let seen = if hidden { step.map(|s| plain_reading(s, &cte.alias.name)).transpose()? } else { step };
    query.body = match (union(firsts, quantifier), seen) {
        (Some(first), Some(step)) => Box::new(pair(first, step, quantifier)),
        _ => return refused("WITH RECURSIVE without a step"),
    };
    Ok(())
}

/// The parts of a chain of unions of one kind.
fn parts_of(body: SetExpr, quantifier: SetQuantifier, parts: &mut Vec<SetExpr>) {
    match body {
        SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, left, right } if set_quantifier == quantifier => {
            parts_of(*left, quantifier, parts);
            parts.push(*right);
        }
        other => parts.push(other),
    }
}

fn union(parts: Vec<(usize, SetExpr)>, quantifier: SetQuantifier) -> Option<SetExpr> {
    parts.into_iter().map(|(_, part)| part).reduce(|all, part| pair(all, part, quantifier))
}

fn pair(left: SetExpr, right: SetExpr, set_quantifier: SetQuantifier) -> SetExpr {
    SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, left: Box::new(left), right: Box::new(right) }
}

/// A step with a reading of the result in its FROM, of no rows: that is where the planner looks for one.
fn plain_reading(step: SetExpr, name: &Ident) -> Result<SetExpr, String> {
    let none = super::query(&format!("SELECT * FROM {name} WHERE false"))?;
    Ok(pair(step, *none.body, SetQuantifier::All))
}

fn reads(node: &impl Visit, name: &str) -> bool {
    let is_it = |relation: &ObjectName| match relation.0.as_slice() {
        [part] => part.as_ident().is_some_and(|ident| normal(ident) == name),
        _ => false,
    };
    visit_relations(node, |relation| if is_it(relation) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }).is_break()
}

fn reads_in_subquery(node: &impl Visit, name: &str) -> bool {
    let walked = visit_expressions(node, |expr| {
        let found = match expr {
            Expr::Subquery(query) | Expr::InSubquery { subquery: query, .. } | Expr::Exists { subquery: query, .. } => {
                reads(query.as_ref(), name)
            }
            _ => false,
        };
        if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    walked.is_break()
}
