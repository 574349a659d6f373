//! Windows as table functions: `FROM tumble(t, ts, size)` becomes a subquery that adds `window_start` and `window_end`; and
//! `hop_start(…)` and its kin, which become a field of `hop(…)`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArguments, Ident, ObjectName, Select, SetExpr, TableAlias, TableFactor, visit_expressions,
    visit_expressions_mut,
};

use super::{argument, expression, plain, query};
use crate::sql::program::normal;

/// The windows that are table functions, with what their arguments are called, in order.
const WINDOWS: [(&str, &[&str]); 4] = [
    ("tumble", &["data", "timecol", "size", "offset"]),
    ("hop", &["data", "timecol", "slide", "size", "offset"]),
    ("cumulate", &["data", "timecol", "step", "size", "offset"]),
    ("session", &["data", "timecol", "gap"]),
];

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
    let Some((_, names)) = WINDOWS.iter().find(|(window, _)| *window == name) else { return Ok(None) };
    let arguments = in_order(&name, names, arguments)?;
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

/// The arguments of a window in its order: those with a name (`SIZE => …`) may stand in any.
fn in_order(window: &str, names: &[&str], arguments: Vec<FunctionArg>) -> Result<Vec<FunctionArg>, String> {
    let named = |arg: &FunctionArg| match arg {
        FunctionArg::Named { name, .. } => Some(normal(name)),
        FunctionArg::ExprNamed { name, .. } => Some(name.to_string().to_lowercase()),
        FunctionArg::Unnamed(_) => None,
    };
    let mut placed: Vec<(usize, FunctionArg)> = Vec::new();
    // Those without a name stand where they stand, and behind all that have one.
    let mut further = names.len();
    let mut any_named = false;
    for (at, argument) in arguments.into_iter().enumerate() {
        let name = named(&argument);
        any_named |= name.is_some();
        let place = match name {
            None if any_named => {
                further += 1;
                further - 1
            }
            None => at,
            Some(name) => match names.iter().position(|known| *known == name) {
                Some(place) => place,
                None => return Err(format!("{window} has no argument {name}: it has {}", names.join(", "))),
            },
        };
        if placed.iter().any(|(other, _)| *other == place) {
            return Err(format!("{window} has its argument {} twice", names.get(place).copied().unwrap_or_default()));
        }
        placed.push((place, argument));
    }
    placed.sort_by_key(|(place, _)| *place);
    match placed.iter().enumerate().find(|(at, (place, _))| at != place) {
        Some((at, _)) => Err(format!("{window} lacks its argument {}", names.get(at).copied().unwrap_or_default())),
        None => Ok(placed.into_iter().map(|(_, argument)| argument).collect()),
    }
}
