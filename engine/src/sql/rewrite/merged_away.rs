//! Columns that `USING` merges and that the query still reads with their table in front: `c.k` beside `k`. Each is given a name that
//! no other has, under which the planner of merged columns (`merged.rs`) hands it on, so that `k` means one column everywhere.
//!
//! Not here: NATURAL, whose columns only the planner knows, and tables that are read as `c.*`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, OrderBy, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, Spanned, TableWithJoins, VisitMut, VisitorMut, visit_expressions,
};

use super::names::{own_name, without_casts};
use super::using::{constraint, inner, is_lateral, tables_of, tables_of_body};
use crate::sql::program::normal;

/// The name of a column of a table that a join has merged with another.
pub fn name_of(table: &str, column: &str) -> String {
    format!("{column} of {table}")
}

/// Gives such columns their names, wherever the SELECT and its order read them.
pub fn rename(select: &mut Select, order: Option<&mut OrderBy>) {
    let mut from = select.from.clone();
    let mut walk = Renames { starred: starred(select), ..Renames::default() };
    from.iter_mut().for_each(|table| walk.of_from(table));
    if walk.away.is_empty() || is_read_by_name(select, &walk) {
        return;
    }
    select.from.clear();
    select.projection.iter_mut().for_each(|item| walk.of_item(item));
    let _ = select.visit(&mut walk);
    let _ = order.map(|order| order.visit(&mut walk));
    select.projection.iter_mut().for_each(|item| without(item, &walk.done));
    select.from = from;
}

/// A walk through what reads a FROM.
#[derive(Default)]
struct Renames {
    /// Tables and their columns that the joins so far have merged away.
    away: BTreeSet<(String, String)>,
    /// Tables that are read as a whole: their columns keep their names.
    starred: BTreeSet<String>,
    /// The new names that something reads.
    done: BTreeSet<String>,
    /// The tables of each query within, which hide those outside.
    within: Vec<BTreeSet<String>>,
}

impl Renames {
    /// A table or its joins, each of which reads what those before it have left.
    fn of_from(&mut self, table: &mut TableWithJoins) {
        let mut left = BTreeSet::new();
        self.of_relation(table, None);
        tables_of(&table.relation, &mut left);
        for at in 0..table.joins.len() {
            self.of_relation(table, Some(at));
            let join = &mut table.joins[at];
            let _ = join.join_operator.visit(self);
            let mut right = BTreeSet::new();
            tables_of(&join.relation, &mut right);
            self.merge(join, &left, &right);
            left.append(&mut right);
        }
    }

    fn of_relation(&mut self, table: &mut TableWithJoins, join: Option<usize>) {
        let relation = match join {
            None => &mut table.relation,
            Some(at) => &mut table.joins[at].relation,
        };
        match inner(relation) {
            Some(nested) => self.of_from(nested),
            None => {
                let _ = relation.visit(self);
            }
        }
    }

    fn merge(&mut self, join: &Join, left: &BTreeSet<String>, right: &BTreeSet<String>) {
        let Some(JoinConstraint::Using(columns)) = constraint(&join.join_operator).filter(|_| !is_lateral(&join.relation)) else { return };
        let sides = match join.join_operator {
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => vec![left],
            JoinOperator::FullOuter(_) => vec![left, right],
            _ => vec![right],
        };
        for table in sides.into_iter().flatten().filter(|t| !self.starred.contains(*t)) {
            let names = columns.iter().filter_map(|c| c.0.last()?.as_ident()).map(normal);
            self.away.extend(names.map(|column| (table.clone(), column)));
        }
    }

    /// The new name of what a qualified name reads.
    fn renamed(&self, parts: &[Ident]) -> Option<String> {
        let [table, column, ..] = parts else { return None };
        let read = (normal(table), normal(column));
        let hidden = self.within.iter().any(|tables| tables.contains(&read.0));
        (!hidden && self.away.contains(&read)).then(|| name_of(&read.0, &read.1))
    }

    /// An item of SELECT keeps the name that it had.
    fn of_item(&mut self, item: &mut SelectItem) {
        let SelectItem::UnnamedExpr(expr) = item else { return };
        let before = expr.clone();
        let _ = expr.visit(self);
        if *expr != before {
            let name = own_name(&before).map_or_else(|| without_casts(&before).to_string(), normal);
            let alias = Ident::with_quote_and_span('"', before.span(), name);
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}

impl VisitorMut for Renames {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let mut tables = BTreeSet::new();
        tables_of_body(&query.body, &mut tables);
        self.within.push(tables);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.within.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) = item
                && self.renamed(parts).is_some()
                && let Some(alias) = parts.last().cloned()
            {
                *item = SelectItem::ExprWithAlias { expr: Expr::CompoundIdentifier(std::mem::take(parts)), alias };
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let Some(name) = self.renamed(parts)
        {
            parts[1] = Ident::with_quote_and_span('"', parts[1].span, &name);
            self.done.insert(name);
        }
        ControlFlow::Continue(())
    }
}

/// Tables of which a SELECT reads every column.
fn starred(select: &Select) -> BTreeSet<String> {
    let one = |item: &SelectItem| match item {
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(table), _) => table.0.last()?.as_ident().map(normal),
        _ => None,
    };
    select.projection.iter().filter_map(one).collect()
}

/// Whether HAVING or QUALIFY read the merged column by the name that a column of one table would be given in SELECT, which they
/// would then take.
fn is_read_by_name(select: &Select, walk: &Renames) -> bool {
    let one = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) if walk.renamed(parts).is_some() => parts.last().map(normal),
        _ => None,
    };
    let given: BTreeSet<String> = select.projection.iter().filter_map(one).collect();
    let read = |part: &Option<Expr>| {
        let found = visit_expressions(part, |e| match e {
            Expr::Identifier(name) if given.contains(&normal(name)) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        found.is_break()
    };
    read(&select.having) || read(&select.qualify)
}

/// `*` without what has a new name.
fn without(item: &mut SelectItem, names: &BTreeSet<String>) {
    let SelectItem::Wildcard(options) = item else { return };
    if names.is_empty() {
        return;
    }
    let mut all = match options.opt_exclude.take() {
        Some(ExcludeSelectItem::Single(one)) => vec![one],
        Some(ExcludeSelectItem::Multiple(many)) => many,
        None => Vec::new(),
    };
    all.extend(names.iter().map(|name| ObjectName::from(Ident::with_quote('"', name))));
    options.opt_exclude = Some(ExcludeSelectItem::Multiple(all));
}
