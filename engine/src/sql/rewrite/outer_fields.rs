//! Fields of a struct of the query around, `o.place.city`, as `o.place['city']`: the planner knows the second there and not the first.

use std::ops::ControlFlow;

use datafusion::common::Column;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, ObjectName, Statement, Subscript, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut, visit_relations,
};

use crate::sql::program::normal;

const REFUSED: &str = "Nested identifiers are not yet supported for OuterReferenceColumn ";

/// Writes the fields of the column that an error names with brackets; whether there were any.
pub fn in_brackets(statement: &mut Statement, error: &str) -> bool {
    let Some((_, name)) = error.split_once(REFUSED) else { return false };
    let column = Column::from_qualified_name(name.lines().next().unwrap_or_default().trim());
    let is_named = |relation: &ObjectName| relation.0.last().and_then(|part| part.as_ident()).is_some_and(|i| normal(i) == column.name);
    // Behind the name of a table stands a column, and no field.
    let names_table =
        visit_relations(statement, |relation| if is_named(relation) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
    let mut aliases = Aliases { name: column.name.clone() };
    let is_table = names_table.is_break() || Visit::visit(&*statement, &mut aliases).is_break();
    let mut fields = Fields { column, is_table, any: false };
    let _ = VisitMut::visit(statement, &mut fields);
    fields.any
}

/// Looks for a table that is called like a column.
struct Aliases {
    name: String,
}

impl Visitor for Aliases {
    type Break = ();

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
        if alias.is_some_and(|alias| normal(&alias.name) == self.name) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

struct Fields {
    column: Column,
    /// Whether a table is called so too.
    is_table: bool,
    any: bool,
}

impl Fields {
    /// How many parts of a name are the column; none when it is another, or all of the name.
    fn column_of(&self, parts: &[Ident]) -> Option<usize> {
        let is = |at: usize, name: &str| parts.get(at).is_some_and(|part| normal(part) == name);
        let table = self.column.relation.as_ref().map(|table| table.table());
        let length = match table {
            Some(table) if is(0, table) && is(1, &self.column.name) => 2,
            _ if is(0, &self.column.name) && !self.is_table => 1,
            _ => return None,
        };
        (parts.len() > length).then_some(length)
    }
}

impl VisitorMut for Fields {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let Some(length) = self.column_of(parts)
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
