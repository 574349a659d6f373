//! Windows as table functions: `FROM tumble(t, ts, size)` becomes a subquery that adds `window_start` and `window_end`; and
//! `hop_start(…)` and its kin, which become a field of `hop(…)`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArguments, Ident, ObjectName, Select, SetExpr, TableAlias, TableFactor, visit_expressions,
    visit_expressions_mut,
};

use super::{argument, expression, plain, query};
use crate::sql::program::normal;

/// The windows that are table functions.
const WINDOWS: [&str; 4] = ["tumble", "hop", "cumulate", "session"];

/// `tumble_start(…)` and its kin, in a query that groups by the window itself.
pub fn parts(select: &mut Select) -> ControlFlow<String> {
    let grouped_by_tumble = select.group_by.to_string().to_lowercase().contains("tumble(");
    visit_expressions_mut(select, |expr| {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = function.name.to_string().to_lowercase();
        let Some((window, part)) = name.rsplit_once('_') else { return ControlFlow::Continue(()) };
        let known = ["hop", "cumulate", "session"].contains(&window) || window == "tumble" && grouped_by_tumble;
        if known && part == "proctime" {
            return ControlFlow::Break(format!("{name} is not supported yet: times are given by rows"));
        }
        if known && ["start", "end", "rowtime"].contains(&part) {
            let mut call = function.clone();
            call.name = ObjectName::from(vec![Ident::new(window)]);
            let field = match part {
                // The last moment of the window.
                "rowtime" => format!("(get_field({call}, 'end') - INTERVAL '1 millisecond')"),
                part => format!("get_field({call}, '{part}')"),
            };
            match expression(&field) {
                Ok(field) => *expr = field,
                Err(message) => return ControlFlow::Break(message),
            }
        }
        ControlFlow::Continue(())
    })
}

/// Whether a query reads `window_time`, which a window as a table has for those that ask.
pub fn asks_for_time(select: &Select) -> bool {
    let asked = visit_expressions(select, |expr| {
        let name = match expr {
            Expr::Identifier(name) => Some(name),
            Expr::CompoundIdentifier(parts) => parts.last(),
            _ => None,
        };
        if name.is_some_and(|n| normal(n) == "window_time") { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    asked.is_break()
}

/// The subquery for a window that stands as a table; none for any other table.
pub fn as_table(factor: &TableFactor, with_time: bool) -> Result<Option<TableFactor>, String> {
    let (name, arguments, alias) = match factor {
        TableFactor::Table { name, args: Some(args), alias, .. } => (name.to_string(), args.args.clone(), alias),
        TableFactor::TableFunction { expr: Expr::Function(Function { name, args: FunctionArguments::List(list), .. }), alias } => {
            (name.to_string(), list.args.clone(), alias)
        }
        _ => return Ok(None),
    };
    let name = name.to_lowercase();
    if !WINDOWS.contains(&name.as_str()) {
        return Ok(None);
    }
    let texts: Vec<String> = arguments.iter().map(argument).collect::<Result<_, _>>()?;
    let (needed, shape) = match name.as_str() {
        "tumble" => (3..=5, "tumble(table, time, size [, offset] [, zone])"),
        "hop" => (4..=6, "hop(table, time, slide, size [, offset] [, zone])"),
        "cumulate" => (4..=6, "cumulate(table, time, step, size [, offset] [, zone])"),
        _ => (3..=64, "session(table, time, gap [, key …])"),
    };
    let [table, rest @ ..] = texts.as_slice() else { return Err(format!("{name} needs arguments: {shape}")) };
    if !needed.contains(&texts.len()) {
        return Err(format!("{name} as a table has {} arguments, but it is {shape}", texts.len()));
    }
    let call = format!("{name}({})", rest.join(", "));
    let last = if with_time { ", get_field(\"window of row\", 'end') - INTERVAL '1 millisecond' AS window_time" } else { "" };
    let text = format!(
        "SELECT * FROM (SELECT * EXCEPT (\"window of row\"), get_field(\"window of row\", 'start') AS window_start, \
         get_field(\"window of row\", 'end') AS window_end{last} FROM (SELECT *, {call} AS \"window of row\" FROM {table}))"
    );
    let SetExpr::Select(select) = *query(&text)?.body else { return Err(format!("{name} needs a table")) };
    let Some(TableFactor::Derived { lateral, subquery, sample, .. }) = select.from.into_iter().next().map(|f| f.relation) else {
        return Err(format!("{name} needs a table"));
    };
    let alias = alias.clone().or_else(|| plain(table).map(|name| TableAlias { explicit: true, name, columns: Vec::new(), at: None }));
    Ok(Some(TableFactor::Derived { lateral, subquery, alias, sample }))
}
