//! Which tables are held, and do not stay in their file: those whose rows statements look at, to change them or to put them elsewhere.
//! Queries do not count: they are answered by the incremental engine, which reads a file as it goes.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{Insert, Query, Statement, TableObject};

use super::batch::{relations, written_out};
use super::table_name;
use super::tables::takes_away;

/// The tables that some statements look at. A sink is none, and what is put into it comes of a query.
pub fn tables<'a>(statements: impl Iterator<Item = &'a Statement>, sinks: &HashSet<String>) -> HashSet<String> {
    let mut out = HashSet::new();
    for statement in statements {
        match statement {
            Statement::Insert(_) => {
                if let Statement::Insert(insert) = written_out(statement) {
                    out.extend(source(&insert, sinks).map(relations).into_iter().flatten());
                    out.extend(relations(&insert.on));
                }
            }
            // What columns are where no value is given may be asked of a table.
            Statement::CreateTable(create) => out.extend(relations(&create.columns)),
            Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_) | Statement::Truncate(_) => {
                out.extend(relations(&written_out(statement)));
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
