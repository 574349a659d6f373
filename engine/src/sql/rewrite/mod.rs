//! What other engines and other standards write, as queries of DataFusion's SQL: done on the parsed statement, before it is planned.
//!
//! A file a kind: `windows` as table functions, joins `by_time`, `first_rows`, joins that merge columns (`using`, `merged_away`), tables made of values (`series`), the parts of a
//! `recursion`, other `spellings` of expressions, windows by their names (`named_windows`), several values as one (`tuples`), patterns of `LIKE` and `SIMILAR TO` (`likes`), `json_aggregates`, fields of structs of the query around (`outer_fields`); what would be left out in silence is `refused`,
//! and a column that would be taken for another (`unqualified`). The window functions themselves stand in `window.rs`;
//! what they mean for a plan, in `windowing.rs`.

mod by_time;
mod calls;
mod first_rows;
mod json_aggregates;
mod likes;
mod merged_away;
mod named_windows;
mod names;
mod outer_fields;
mod patterns;
mod recursion;
mod refused;
mod series;
mod spellings;
mod tuples;
mod unqualified;
mod using;
mod windows;

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, Join, JoinConstraint, JoinOperator, Query, Select, SelectItem, SetExpr, SetOperator,
    Statement, TableFactor, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::parser::Parser;

use super::dialect::Sql;
pub use by_time::{EventTime, NEAREST, VERSION, Versions, is_in as has_join_by_time};
pub use merged_away::name_of;
pub use names::{ambiguous, apart, numbered};
pub use outer_fields::in_brackets;
pub use refused::of_calls;
pub use using::{MERGED, constraint};

/// Rewrites a statement; of each table that has a watermark its event-time column is known.
///
/// # Errors
/// With the name of what is not supported, or with what is wrong with its arguments.
pub fn rewrite(statement: &mut Statement, event_times: &HashMap<String, EventTime>) -> Result<(), String> {
    outer_fields::of_tables(statement);
    match statement.visit(&mut Rewriter { event_times, window_time: Vec::new() }) {
        ControlFlow::Break(message) => Err(message),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Rewriter<'a> {
    event_times: &'a HashMap<String, EventTime>,
    /// Of each query around, whether it asks for the last moments of windows.
    window_time: Vec<bool>,
}

fn flow(result: Result<(), String>) -> ControlFlow<String> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(message) => ControlFlow::Break(message),
    }
}

impl VisitorMut for Rewriter<'_> {
    type Break = String;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<String> {
        flow(recursion::rewrite(query))?;
        for cte in query.with.iter_mut().flat_map(|w| &mut w.cte_tables).filter(|c| names::given(Some(&c.alias))) {
            apart(&mut cte.query);
        }
        flow(first_rows::rewrite(query))?;
        flow(named_windows::rewrite(query))?;
        set_operations(&mut query.body);
        flow(refused::of_query(query))
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<String> {
        using::mark(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<String> {
        if let TableFactor::Derived { subquery, alias, .. } = factor
            && names::given(alias.as_ref())
        {
            apart(subquery);
        }
        if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
            for join in &mut table_with_joins.joins {
                flow(by_time::join(join, self.event_times))?;
                flow(plain_join(join))?;
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<String> {
        let made = match windows::as_table(factor, self.window_time.last() == Some(&true)) {
            Ok(None) => series::as_table(factor),
            other => other,
        };
        match made {
            Ok(None) => flow(refused::of_table(factor)),
            Ok(Some(new)) => {
                *factor = new;
                ControlFlow::Continue(())
            }
            Err(message) => ControlFlow::Break(message),
        }
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<String> {
        flow(refused::of_select(select))?;
        flow(unqualified::check(select))?;
        flow(tuples::rewrite(select))?;
        for item in &select.projection {
            if let SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) = item {
                flow(refused::of_wildcard(options))?;
            }
        }
        for join in select.from.iter_mut().flat_map(|table| &mut table.joins) {
            flow(by_time::join(join, self.event_times))?;
            flow(plain_join(join))?;
            flow(refused::of_join(join))?;
        }
        names::unnamed(select);
        self.window_time.push(windows::asks_for_time(select));
        windows::parts(select)
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<String> {
        self.window_time.pop();
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        match spellings::rewritten(expr) {
            Ok(None) => flow(refused::of_expression(expr)),
            Ok(Some(new)) => {
                *expr = new;
                ControlFlow::Continue(())
            }
            Err(message) => ControlFlow::Break(message),
        }
    }
}

/// Joins by other words: SEMI and ANTI are of the left; CROSS and OUTER APPLY read the left side.
fn plain_join(join: &mut Join) -> Result<(), String> {
    let operator = std::mem::replace(&mut join.join_operator, JoinOperator::CrossJoin(JoinConstraint::None));
    if matches!(operator, JoinOperator::CrossApply | JoinOperator::OuterApply)
        && let TableFactor::Derived { lateral, .. } | TableFactor::Function { lateral, .. } = &mut join.relation
    {
        *lateral = true;
    }
    join.join_operator = match operator {
        JoinOperator::Semi(on) => JoinOperator::LeftSemi(on),
        JoinOperator::Anti(on) => JoinOperator::LeftAnti(on),
        JoinOperator::CrossApply => JoinOperator::CrossJoin(JoinConstraint::None),
        JoinOperator::OuterApply => JoinOperator::LeftOuter(JoinConstraint::On(expression("true")?)),
        other => other,
    };
    Ok(())
}

/// MINUS is another word for EXCEPT.
fn set_operations(body: &mut SetExpr) {
    if let SetExpr::SetOperation { op, left, right, .. } = body {
        if *op == SetOperator::Minus {
            *op = SetOperator::Except;
        }
        set_operations(left);
        set_operations(right);
    }
}

fn parser(text: &str) -> Result<Parser<'_>, String> {
    Parser::new(&Sql).try_with_sql(text).map_err(|e| e.to_string())
}

/// An expression from its text.
fn expression(text: &str) -> Result<Expr, String> {
    parser(text)?.parse_expr().map_err(|e| e.to_string())
}

/// A query from its text.
fn query(text: &str) -> Result<Query, String> {
    parser(text)?.parse_query().map(|q| *q).map_err(|e| e.to_string())
}

/// The name of a table that is named, not a subquery.
pub fn plain(table: &str) -> Option<Ident> {
    let quoted = table.len() > 1 && table.starts_with('"') && table.ends_with('"');
    match quoted {
        true => Some(Ident::with_quote('"', table.trim_matches('"'))),
        false => table.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| Ident::new(table)),
    }
}

/// An argument as it is written.
///
/// # Errors
/// When it is no expression.
pub fn argument(arg: &FunctionArg) -> Result<String, String> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
        | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. }
        | FunctionArg::ExprNamed { arg: FunctionArgExpr::Expr(expr), .. } => Ok(expr.to_string()),
        other => Err(format!("\"{other}\" is not an argument of a window")),
    }
}
