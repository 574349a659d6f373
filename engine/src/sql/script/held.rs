//! Which tables do not stay in their file: those whose rows statements look at, to change them or to put them elsewhere.
//! Queries do not count: they are answered by the incremental engine, which reads a file as it goes.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Insert, Query, Statement, TableObject, visit_relations};

use super::table_name;
use super::tables::takes_away;

/// The tables that some statements look at. A sink is none, and what is put into it comes of a query.
pub fn tables<'a>(statements: impl Iterator<Item = &'a Statement>, sinks: &HashSet<String>) -> HashSet<String> {
    let mut out = HashSet::new();
    for statement in statements {
        match statement {
            Statement::Insert(insert) => out.extend(source(insert, sinks).map(named).into_iter().flatten()),
            Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_) | Statement::Truncate(_) => {
                out.extend(named(statement));
                out.extend(takes_away(statement));
            }
            _ => {}
        }
    }
    out
}

fn source<'a>(insert: &'a Insert, sinks: &HashSet<String>) -> Option<&'a Query> {
    let into_sink = matches!(&insert.table, TableObject::TableName(name) if table_name(name).is_ok_and(|name| sinks.contains(&name)));
    insert.source.as_deref().filter(|_| !into_sink)
}

fn named(part: &impl datafusion::sql::sqlparser::ast::Visit) -> Vec<String> {
    let mut names = Vec::new();
    let seen: ControlFlow<()> = visit_relations(part, |name| {
        names.extend(table_name(name));
        ControlFlow::Continue(())
    });
    debug_assert!(seen.is_continue());
    names
}
