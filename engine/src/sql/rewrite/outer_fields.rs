//! Fields of a struct of the query around, `o.place.city`, as `o.place['city']`: the planner knows the second there and not the first. And
//! where a table is called like the struct, it would take the first for a column of that table.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::common::Column;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, ObjectName, Statement, Subscript, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut, visit_expressions,
};

use crate::sql::program::normal;

const REFUSED: &str = "Nested identifiers are not yet supported for OuterReferenceColumn ";

/// Writes the fields of the column that an error names with brackets; whether there were any.
pub fn in_brackets(statement: &mut Statement, error: &str) -> bool {
    let Some((_, name)) = error.split_once(REFUSED) else { return false };
    let column = Column::from_qualified_name(name.lines().next().unwrap_or_default().trim());
    // Behind the name of a table stands a column, and no field.
    let is_table = tables(statement).contains(&column.name);
    let table = column.relation.as_ref().map(|table| table.table().to_string());
    changed(statement, &|parts| {
        let is = |at: usize, name: &str| parts.get(at).is_some_and(|part| normal(part) == name);
        match &table {
            Some(table) if is(0, table) && is(1, &column.name) => Some(2),
            _ if is(0, &column.name) && !is_table => Some(1),
            _ => None,
        }
    })
}

/// Writes fields with brackets where the struct is called like a table of the statement.
pub fn of_tables(statement: &mut Statement) {
    let is_field = |e: &Expr| matches!(e, Expr::CompoundIdentifier(parts) if parts.len() > 2);
    let found = visit_expressions(statement, |e| if is_field(e) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
    if found.is_continue() {
        return;
    }
    let tables = tables(statement);
    changed(statement, &|parts| {
        let known = |at: usize| parts.get(at).is_some_and(|part| tables.contains(&normal(part)));
        (parts.len() > 2 && known(0) && known(1)).then_some(2)
    });
}

/// Says how many parts of a name are the column; none when it is no such column.
type Length<'a> = &'a dyn Fn(&[Ident]) -> Option<usize>;

fn changed(statement: &mut Statement, length: Length<'_>) -> bool {
    let mut fields = Fields { length, any: false };
    let _ = VisitMut::visit(statement, &mut fields);
    fields.any
}

/// What the tables of a statement are called.
fn tables(statement: &Statement) -> HashSet<String> {
    let mut named = Tables::default();
    let _ = Visit::visit(statement, &mut named);
    named.names
}

#[derive(Default)]
struct Tables {
    names: HashSet<String>,
}

impl Visitor for Tables {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.names.extend(relation.0.last().and_then(|part| part.as_ident()).map(normal));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let alias = match factor {
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => alias.as_ref(),
            _ => None,
        };
        self.names.extend(alias.map(|alias| normal(&alias.name)));
        ControlFlow::Continue(())
    }
}

struct Fields<'a> {
    length: Length<'a>,
    any: bool,
}

impl VisitorMut for Fields<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let Some(length) = (self.length)(parts)
            && length < parts.len()
        {
            let fields = parts.split_off(length);
            let root = match parts.pop() {
                Some(only) if parts.is_empty() => Expr::Identifier(only),
                last => Expr::CompoundIdentifier(parts.drain(..).chain(last).collect()),
            };
            let index = |field: &Ident| Expr::value(Value::SingleQuotedString(normal(field)));
            let access = fields.iter().map(|field| AccessExpr::Subscript(Subscript::Index { index: index(field) }));
            *expr = Expr::CompoundFieldAccess { root: Box::new(root), access_chain: access.collect() };
            self.any = true;
        }
        ControlFlow::Continue(())
    }
}
