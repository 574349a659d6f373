//! A column without its table in a WHERE that names it with two of them: DataFusion then takes the first for both, as in a join with
//! USING, where the standard calls it ambiguous.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Query, Select, TableFactor, Visit, Visitor};

use super::calls::is_unit;
use super::using::constraint;
use crate::sql::program::normal;

/// Refuses such a column.
pub fn check(select: &Select) -> Result<(), String> {
    let Some(condition) = &select.selection else { return Ok(()) };
    let joins = || select.from.iter().flat_map(|t| &t.joins);
    // Columns that a join merges have no table.
    if joins().any(|join| constraint(&join.join_operator).is_some()) {
        return Ok(());
    }
    let factors = select.from.iter().map(|t| &t.relation).chain(joins().map(|join| &join.relation));
    let tables: Vec<String> = factors.filter_map(name_of).collect();
    if tables.len() < 2 {
        return Ok(());
    }
    let mut found = Names::default();
    let _ = condition.visit(&mut found);
    let twice = |name: &&String| tables.iter().filter(|table| found.qualified.contains(&((*table).clone(), (*name).clone()))).count() > 1;
    // A word such as `day` may be a unit, as in `timestampdiff(DAY, a.day, b.day)`.
    match found.plain.iter().filter(|name| !is_unit(name)).find(twice) {
        Some(name) => Err(format!("column \"{name}\" is ambiguous: write its table in front")),
        None => Ok(()),
    }
}

/// What a table in FROM is called.
fn name_of(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { name, alias, .. } => match alias {
            Some(alias) => Some(normal(&alias.name)),
            None => name.0.last().and_then(|part| part.as_ident()).map(normal),
        },
        TableFactor::Derived { alias, .. } => alias.as_ref().map(|alias| normal(&alias.name)),
        _ => None,
    }
}

/// Columns that a condition names outside of its subqueries.
#[derive(Default)]
struct Names {
    plain: BTreeSet<String>,
    qualified: BTreeSet<(String, String)>,
    depth: usize,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.depth == 0 {
            match expr {
                Expr::Identifier(ident) => {
                    self.plain.insert(normal(ident));
                }
                Expr::CompoundIdentifier(parts) => {
                    if let [table, column] = parts.as_slice() {
                        self.qualified.insert((normal(table), normal(column)));
                    }
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}
