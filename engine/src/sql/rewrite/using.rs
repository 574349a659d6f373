//! `JOIN … USING (…)` and NATURAL JOIN as the planner of merged columns (`merged.rs`) finds them: a nested join a join, under a name
//! of its own, with the names that the query reads as the columns of its alias.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Join, JoinConstraint, JoinOperator, OrderBy, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, Visit, Visitor,
};

use super::merged_away;
use crate::sql::program::normal;

/// The alias of a join whose columns are merged.
pub const MERGED: &str = "join of merged columns";

/// Marks the joins of a query; its own subqueries are marked already.
pub fn mark(query: &mut Query) {
    if let SetExpr::Select(select) = query.body.as_mut() {
        merged_away::rename(select, query.order_by.as_mut());
    }
    let order = query.order_by.clone();
    of_body(&mut query.body, order.as_ref());
}

/// The constraint of a join that merges columns; none of any other.
pub fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    use JoinOperator::{FullOuter, Inner, Left, LeftOuter, Right, RightOuter};
    match operator {
        JoinOperator::Join(on) | Inner(on) | Left(on) | LeftOuter(on) | Right(on) | RightOuter(on) | FullOuter(on) => {
            matches!(on, JoinConstraint::Using(_) | JoinConstraint::Natural).then_some(on)
        }
        _ => None,
    }
}

fn of_body(body: &mut SetExpr, order: Option<&OrderBy>) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            for side in [left, right] {
                if let SetExpr::Select(select) = side.as_mut() {
                    merged_away::rename(select, None);
                }
                of_body(side, order);
            }
        }
        SetExpr::Select(select) => {
            let mut names = BTreeSet::new();
            of_select(select, &mut names);
            if let Some(order) = order {
                of_expressions(order, &mut names);
            }
            let names: Vec<_> = names.into_iter().map(TableAliasColumnDef::from_name).collect();
            select.from.iter_mut().for_each(|table| nested(table, &names));
        }
        _ => {}
    }
}

/// What a SELECT reads: `column`, `table.column`, `*` and `table.*`.
fn of_select(select: &Select, names: &mut BTreeSet<String>) {
    for item in &select.projection {
        match item {
            SelectItem::Wildcard(_) => {
                names.insert("*".into());
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(table), _) => {
                names.extend(table.0.last().and_then(|p| p.as_ident()).map(|i| format!("{}.*", normal(i))));
            }
            _ => {}
        }
    }
    of_expressions(select, names);
}

fn of_expressions(part: &impl Visit, names: &mut BTreeSet<String>) {
    let _ = part.visit(&mut Reads { names, within: Vec::new() });
}

/// A walk that collects what is read of the tables outside of the queries within.
struct Reads<'a> {
    names: &'a mut BTreeSet<String>,
    /// The tables of each query within.
    within: Vec<BTreeSet<String>>,
}

impl Visitor for Reads<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let mut tables = BTreeSet::new();
        tables_of_body(&query.body, &mut tables);
        self.within.push(tables);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.within.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            // In a query within it is one of that, or the planner takes it for ambiguous.
            Expr::Identifier(name) if self.within.is_empty() => {
                self.names.insert(normal(name));
            }
            // Fields of a struct follow its column.
            Expr::CompoundIdentifier(parts) => {
                let parts: Vec<String> = parts.iter().map(normal).collect();
                let hidden = parts.first().is_none_or(|table| self.within.iter().any(|tables| tables.contains(table)));
                if !hidden {
                    self.names.extend(parts.windows(2).map(|pair| pair.join(".")));
                    self.names.extend(parts.into_iter().next());
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The names of the tables that a part of FROM lets be read.
pub fn tables_of(factor: &TableFactor, names: &mut BTreeSet<String>) {
    use TableFactor::{Derived, Function, NestedJoin, Table, TableFunction, UNNEST};
    match factor {
        NestedJoin { table_with_joins, alias } if is_open(alias.as_ref()) => tables_of_joins(table_with_joins, names),
        Table { name, alias: None, .. } => names.extend(name.0.last().and_then(|p| p.as_ident()).map(normal)),
        Table { alias, .. }
        | Derived { alias, .. }
        | Function { alias, .. }
        | TableFunction { alias, .. }
        | UNNEST { alias, .. }
        | NestedJoin { alias, .. } => names.extend(alias.iter().map(|a| normal(&a.name))),
        _ => {}
    }
}

fn tables_of_joins(table: &TableWithJoins, names: &mut BTreeSet<String>) {
    std::iter::once(&table.relation).chain(table.joins.iter().map(|j| &j.relation)).for_each(|factor| tables_of(factor, names));
}

/// The names of the tables of a query.
pub fn tables_of_body(body: &SetExpr, names: &mut BTreeSet<String>) {
    match body {
        SetExpr::Query(query) => tables_of_body(&query.body, names),
        SetExpr::SetOperation { left, right, .. } => {
            tables_of_body(left, names);
            tables_of_body(right, names);
        }
        SetExpr::Select(select) => select.from.iter().for_each(|table| tables_of_joins(table, names)),
        _ => {}
    }
}

/// Whether the tables of a nested join are read by their own names.
fn is_open(alias: Option<&TableAlias>) -> bool {
    alias.is_none_or(|a| a.name.value == MERGED)
}

/// The joins of a nested join whose tables are read by their own names, and which are not marked yet.
pub fn inner(factor: &mut TableFactor) -> Option<&mut TableWithJoins> {
    match factor {
        TableFactor::NestedJoin { table_with_joins, alias: None } => Some(table_with_joins),
        _ => None,
    }
}

fn nested(table: &mut TableWithJoins, names: &[TableAliasColumnDef]) {
    within(&mut table.relation, names);
    for mut join in std::mem::take(&mut table.joins) {
        within(&mut join.relation, names);
        if !merges(&join) {
            table.joins.push(join);
            continue;
        }
        let left = TableWithJoins { relation: table.relation.clone(), joins: std::mem::take(&mut table.joins) };
        let left = TableFactor::NestedJoin { table_with_joins: Box::new(left), alias: None };
        let alias = TableAlias { explicit: true, name: Ident::with_quote('"', MERGED), columns: names.to_vec(), at: None };
        let pair = TableWithJoins { relation: left, joins: vec![join] };
        table.relation = TableFactor::NestedJoin { table_with_joins: Box::new(pair), alias: Some(alias) };
    }
}

/// Whether a join merges columns; with what reads the left side that is refused (`refused.rs`).
fn merges(join: &Join) -> bool {
    !is_lateral(&join.relation) && constraint(&join.join_operator).is_some()
}

/// Whether a part of FROM may read what stands to its left.
pub fn is_lateral(relation: &TableFactor) -> bool {
    match relation {
        TableFactor::Derived { lateral, .. } | TableFactor::Function { lateral, .. } => *lateral,
        TableFactor::UNNEST { .. } => true,
        _ => false,
    }
}

fn within(factor: &mut TableFactor, names: &[TableAliasColumnDef]) {
    if let TableFactor::NestedJoin { table_with_joins, alias } = factor
        && alias.as_ref().is_none_or(|a| a.name.value != MERGED)
    {
        nested(table_with_joins, names);
    }
}
