//! Versions of rows for `FOR SYSTEM_TIME AS OF`: a table with a key keeps the newest row of each, and a view that takes the newest row
//! of each key gives no other. A join by time asks for those before. So where a script has such a join, what it names has a
//! companion whose rows stay: of a table the same rows, with the event time in the key; of a view its query without the choice.
//!
//! A row that is changed or deleted by a statement has no time at which it did: such tables have none. The join itself: `rewrite/by_time.rs`.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CreateView, Expr, Function, GroupByExpr, Ident, Insert, ObjectName, Query, Select, SelectItem, SetExpr, Statement,
    TableFactor, TableObject, Value, Visit, Visitor, WindowSpec, WindowType,
};

use super::definition::Definition;
use super::{Script, table_name};
use crate::sql::program::normal;
use crate::sql::rewrite::{VERSION, Versions, argument, plain};

/// What statements ask for as of a time, of tables from which none takes rows.
pub fn asked<'a>(statements: impl Iterator<Item = &'a Statement>, changed: &HashSet<String>) -> HashSet<String> {
    struct Looking(HashSet<String>);
    impl Visitor for Looking {
        type Break = ();

        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            if let TableFactor::Table { name, args: Some(arguments), .. } = factor
                && name.to_string() == VERSION
                && let Some(named) = arguments.args.first().and_then(|a| argument(a).ok())
            {
                self.0.extend(plain(&named).map(|name| normal(&name)));
            }
            ControlFlow::Continue(())
        }
    }
    let mut looking = Looking(HashSet::new());
    let mut changed = changed.clone();
    for statement in statements {
        let _: ControlFlow<()> = statement.visit(&mut looking);
        // Rows that are not taken because of those that are there are no versions.
        if let Statement::Insert(Insert { on, ignore, or, table: TableObject::TableName(name), .. }) = statement
            && (on.is_some() || *ignore || or.is_some())
        {
            changed.extend(table_name(name));
        }
    }
    looking.0.difference(&changed).cloned().collect()
}

/// What the companion of a table or view is called.
fn companion(name: &str) -> String {
    format!("{name} by version")
}

impl Script {
    /// Whether a name is that of a companion, which the script has not made.
    pub(super) fn is_companion(&self, name: &str) -> bool {
        self.versioned.iter().any(|of| companion(of) == name)
    }

    /// The companion of a table or view, if it may have one.
    pub(super) fn companion_of(&self, name: &str) -> Option<String> {
        self.versioned.contains(name).then(|| companion(name))
    }

    /// Adds the companion of a table that was just made, if one is asked for: rows that are put into the table go to both.
    pub(super) fn add_versions(&mut self, name: &str, definition: &Definition) -> Result<(), String> {
        let Some((of, time)) = self.companion_of(name).zip(definition.event_time.as_ref().map(|time| time.column)) else { return Ok(()) };
        if definition.key.is_empty() || definition.key.contains(&time) {
            return Ok(());
        }
        self.is_free(&of)?;
        let mut versions = definition.clone();
        versions.key.push(time);
        self.add_table(&of, versions);
        self.tables.set_versions(name, &of);
        let keys = definition.key.iter().map(|k| definition.schema.field(*k).name().clone()).collect();
        self.catalog.set_versions(name, Versions { name: of, keys });
        Ok(())
    }

    /// Refuses a companion whose name the script has given away.
    fn is_free(&self, of: &str) -> Result<(), String> {
        match self.catalog.table_names().contains(&of) || self.sinks.contains_key(of) {
            true => Err(format!("\"{of}\" is what FOR SYSTEM_TIME AS OF names a table of versions: give yours another name")),
            false => Ok(()),
        }
    }

    /// Adds the companion of a view that was made, if one is asked for and the view takes the newest row of each key.
    pub(super) fn add_versions_of_view(&mut self, name: &str, view: &CreateView) -> Result<(), String> {
        let Some(of) = self.companion_of(name).filter(|_| view.columns.is_empty()) else { return Ok(()) };
        let Some((query, keys, time)) = without_choice(&view.query) else { return Ok(()) };
        if self.catalog.event_time(name) != Some(time.as_str()) {
            return Ok(());
        }
        self.is_free(&of)?;
        let written = CreateView { name: ObjectName::from(vec![Ident::with_quote('"', &of)]), query: Box::new(query), ..view.clone() };
        self.program.add_view(&mut self.catalog, &written, false)?;
        // What it reads may itself keep the newest rows alone.
        match self.catalog.keeps_versions(&of) {
            true => self.catalog.set_versions(name, Versions { name: of, keys }),
            false => {
                self.program.remove(&of);
                self.catalog.remove(&of);
            }
        }
        Ok(())
    }
}

/// `SELECT … FROM (SELECT …, ROW_NUMBER() OVER (PARTITION BY k ORDER BY t DESC) AS n FROM …) WHERE n = 1` without the choice; and
/// what its keys and its time are called. None of any other query.
fn without_choice(query: &Query) -> Option<(Query, Vec<String>, String)> {
    let mut query = query.clone();
    let plain = query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none();
    let SetExpr::Select(outer) = query.body.as_mut() else { return None };
    let (chosen, outer_is_free) = (chosen(outer.selection.as_ref()?)?, is_choice_free(outer));
    let [from] = outer.from.as_mut_slice() else { return None };
    let TableFactor::Derived { subquery, .. } = &mut from.relation else { return None };
    let whole = subquery.limit_clause.is_none() && subquery.fetch.is_none() && subquery.with.is_none();
    let SetExpr::Select(inner) = subquery.body.as_mut() else { return None };
    // Names mean within what they mean outside, and nothing outside looks at other rows.
    let own =
        |item: &SelectItem| matches!(item, SelectItem::Wildcard(_)) || matches!(item, SelectItem::UnnamedExpr(e) if column(e).is_some());
    let named = |item: &SelectItem| matches!(item, SelectItem::ExprWithAlias { alias, .. } if normal(alias) == chosen);
    let looks = |item: &SelectItem| item.to_string().to_uppercase().contains(" OVER ");
    if !whole || !inner.projection.iter().all(|item| own(item) || named(item)) || outer.projection.iter().any(looks) {
        return None;
    }
    if !plain || !from.joins.is_empty() || !outer_is_free || !is_choice_free(inner) {
        return None;
    }
    let number =
        inner.projection.iter_mut().find(|item| matches!(item, SelectItem::ExprWithAlias { alias, .. } if normal(alias) == chosen))?;
    let SelectItem::ExprWithAlias { expr, .. } = number else { return None };
    let (keys, time) = keys_of_newest(expr)?;
    *expr = Expr::value(Value::Number("1".into(), false));
    outer.selection = None;
    // A key by the name that the view gives it.
    let named = |key: &String| {
        outer.projection.iter().find_map(|item| match item {
            SelectItem::Wildcard(_) => Some(key.clone()),
            SelectItem::UnnamedExpr(e) if column(e).as_ref() == Some(key) => Some(key.clone()),
            SelectItem::ExprWithAlias { expr, alias } if column(expr).as_ref() == Some(key) => Some(normal(alias)),
            _ => None,
        })
    };
    let (keys, time) = (keys.iter().map(named).collect::<Option<Vec<_>>>()?, named(&time)?);
    Some((query, keys, time))
}

/// Whether a query neither groups rows nor leaves any out after its WHERE.
fn is_choice_free(select: &Select) -> bool {
    let groups = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    !groups && select.distinct.is_none() && select.having.is_none() && select.qualify.is_none() && select.top.is_none()
}

/// The column that a condition holds to 1.
fn chosen(condition: &Expr) -> Option<String> {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::LtEq, right } = condition else { return None };
    (right.to_string() == "1").then(|| column(left)).flatten()
}

/// The columns by which the newest row is taken, and the one that says which is.
fn keys_of_newest(call: &Expr) -> Option<(Vec<String>, String)> {
    let Expr::Function(Function { name, over: Some(WindowType::WindowSpec(over)), .. }) = call else { return None };
    let WindowSpec { partition_by, order_by, window_frame: None, window_name: None } = over else { return None };
    let [by] = order_by.as_slice() else { return None };
    let newest = by.options.asc == Some(false) && !partition_by.is_empty() && name.to_string().eq_ignore_ascii_case("row_number");
    let keys: Vec<String> = partition_by.iter().map(column).collect::<Option<_>>().filter(|_| newest)?;
    Some((keys, column(&by.expr)?))
}

fn column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(normal(name)),
        Expr::CompoundIdentifier(names) => names.last().map(normal),
        _ => None,
    }
}
