//! Windows as table functions, and joins by time, as queries of plain SQL: done on the parsed statement, before it is planned.
//!
//! `FROM tumble(t, ts, size)` becomes a subquery that adds `window_start` and `window_end`; `hop_start(…)` and its kin become
//! a field of `hop(…)`; `a ASOF JOIN b MATCH_CONDITION (…)` becomes a left join with a marked condition that the plan knows.
//! The functions themselves stand in `window.rs`; what they mean for a plan, in `windowing.rs`.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, LimitClause,
    ObjectName, Query, Select, SetExpr, Statement, TableAlias, TableFactor, VisitMut, VisitorMut, visit_expressions_mut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// The windows that are table functions.
const WINDOWS: [&str; 4] = ["tumble", "hop", "cumulate", "session"];
/// The table function that stands for a table as of a time.
pub const VERSION: &str = "as_of_version";
/// The function that marks the condition of a join by time.
pub const NEAREST: &str = "nearest_before";

/// Rewrites a statement.
///
/// # Errors
/// With what is wrong with the arguments of a window.
pub fn rewrite(statement: &mut Statement, event_times: &HashMap<String, String>) -> Result<(), String> {
    match statement.visit(&mut Rewriter { event_times }) {
        ControlFlow::Break(message) => Err(message),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Rewriter<'a> {
    /// The event-time column of each table that has a watermark.
    event_times: &'a HashMap<String, String>,
}

impl VisitorMut for Rewriter<'_> {
    type Break = String;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<String> {
        let limited_by = matches!(&query.limit_clause, Some(LimitClause::LimitOffset { limit_by, .. }) if !limit_by.is_empty());
        refused(&[
            (!query.locks.is_empty(), "FOR UPDATE or FOR SHARE"),
            (query.for_clause.is_some(), "FOR XML, JSON or BROWSE"),
            (query.settings.is_some() || query.format_clause.is_some(), "SETTINGS or FORMAT"),
            (limited_by, "LIMIT … BY"),
        ])
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<String> {
        if let TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } = factor {
            return refused(&[(true, "TABLESAMPLE")]);
        }
        match windowed(factor) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(new)) => {
                *factor = new;
                ControlFlow::Continue(())
            }
            Err(message) => ControlFlow::Break(message),
        }
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<String> {
        let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = &select.group_by;
        refused(&[
            (!modifiers.is_empty(), "GROUP BY … WITH (write GROUP BY ROLLUP (…), CUBE or GROUPING SETS)"),
            (select.prewhere.is_some(), "PREWHERE"),
            (!select.connect_by.is_empty(), "CONNECT BY"),
            (select.value_table_mode.is_some(), "SELECT AS STRUCT or VALUE"),
        ])?;
        for table in &mut select.from {
            for join in &mut table.joins {
                if let Err(message) = self.as_of_version(join) {
                    return ControlFlow::Break(message);
                }
                if let JoinOperator::AsOf { match_condition, constraint } = &join.join_operator {
                    let JoinConstraint::On(on) = constraint else {
                        return ControlFlow::Break("ASOF JOIN needs ON with the equality of its keys".into());
                    };
                    let text = format!("({on}) AND {NEAREST}({match_condition})");
                    match expression(&text) {
                        Ok(on) => join.join_operator = JoinOperator::LeftOuter(JoinConstraint::On(on)),
                        Err(message) => return ControlFlow::Break(message),
                    }
                }
            }
        }
        parts_of_windows(select)
    }
}

impl Rewriter<'_> {
    /// `JOIN b FOR SYSTEM_TIME AS OF time ON …`: the newest row of `b` that is not after the time.
    fn as_of_version(&self, join: &mut Join) -> Result<(), String> {
        let TableFactor::Table { name, alias, args: arguments @ Some(_), .. } = &mut join.relation else { return Ok(()) };
        if name.to_string() != VERSION {
            return Ok(());
        }
        let texts: Vec<String> = arguments.iter().flat_map(|a| &a.args).map(argument).collect::<Result<_, _>>()?;
        let [table, time] = texts.as_slice() else { return Err("FOR SYSTEM_TIME AS OF needs a table and a time".into()) };
        let (table, time) = (table.clone(), time.clone());
        *name = ObjectName::from(vec![plain(&table).ok_or("FOR SYSTEM_TIME AS OF needs a plain table")?]);
        *arguments = None;
        let event_time = self.event_times.get(table.trim_matches('"')).ok_or_else(|| {
            format!("FOR SYSTEM_TIME AS OF needs the event time of table \"{table}\": give it a WATERMARK FOR its time column")
        })?;
        let known_as = alias.as_ref().map_or(table, |a| a.name.to_string());
        let (JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::Left(on) | JoinOperator::LeftOuter(on)) =
            &mut join.join_operator
        else {
            return Err("FOR SYSTEM_TIME AS OF is possible in JOIN and LEFT JOIN".into());
        };
        let JoinConstraint::On(condition) = on else { return Err("FOR SYSTEM_TIME AS OF needs ON with the equality of its keys".into()) };
        *on = JoinConstraint::On(expression(&format!("({condition}) AND {NEAREST}({time} >= {known_as}.\"{event_time}\")"))?);
        Ok(())
    }
}

/// Parts of a query that DataFusion's planner would leave out in silence.
fn refused(parts: &[(bool, &str)]) -> ControlFlow<String> {
    match parts.iter().find(|(there, _)| *there) {
        Some((_, name)) => ControlFlow::Break(format!("{name} is not supported yet")),
        None => ControlFlow::Continue(()),
    }
}

/// `tumble_start(…)` and its kin, in a query that groups by the window itself.
fn parts_of_windows(select: &mut Select) -> ControlFlow<String> {
    let grouped_by_tumble = select.group_by.to_string().to_lowercase().contains("tumble(");
    visit_expressions_mut(select, |expr| {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = function.name.to_string().to_lowercase();
        let Some((window, part)) = name.rsplit_once('_') else { return ControlFlow::Continue(()) };
        let known = ["hop", "cumulate", "session"].contains(&window) || window == "tumble" && grouped_by_tumble;
        if known && ["start", "end"].contains(&part) {
            let mut call = function.clone();
            call.name = ObjectName::from(vec![Ident::new(window)]);
            match expression(&format!("get_field({call}, '{part}')")) {
                Ok(field) => *expr = field,
                Err(message) => return ControlFlow::Break(message),
            }
        }
        ControlFlow::Continue(())
    })
}

fn expression(text: &str) -> Result<Expr, String> {
    Parser::new(&GenericDialect {}).try_with_sql(text).and_then(|mut p| p.parse_expr()).map_err(|e| e.to_string())
}

/// The subquery for a window that stands as a table; none for any other table.
fn windowed(factor: &TableFactor) -> Result<Option<TableFactor>, String> {
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
        "tumble" => (3..=4, "tumble(table, time, size [, offset])"),
        "hop" => (4..=5, "hop(table, time, slide, size [, offset])"),
        "cumulate" => (4..=5, "cumulate(table, time, step, size [, offset])"),
        _ => (3..=64, "session(table, time, gap [, key …])"),
    };
    let [table, rest @ ..] = texts.as_slice() else { return Err(format!("{name} needs arguments: {shape}")) };
    if !needed.contains(&texts.len()) {
        return Err(format!("{name} as a table has {} arguments, but it is {shape}", texts.len()));
    }
    let call = format!("{name}({})", rest.join(", "));
    let text = format!(
        "SELECT * FROM (SELECT * EXCEPT (\"window of row\"), get_field(\"window of row\", 'start') AS window_start, \
         get_field(\"window of row\", 'end') AS window_end FROM (SELECT *, {call} AS \"window of row\" FROM {table}))"
    );
    let query = Parser::new(&GenericDialect {}).try_with_sql(&text).and_then(|mut p| p.parse_query()).map_err(|e| e.to_string())?;
    let SetExpr::Select(select) = query.body.as_ref() else { return Err(format!("{name} needs a table")) };
    let Some(TableFactor::Derived { lateral, subquery, sample, .. }) = select.from.first().map(|f| f.relation.clone()) else {
        return Err(format!("{name} needs a table"));
    };
    let alias = alias.clone().or_else(|| plain(table).map(|name| TableAlias { explicit: true, name, columns: Vec::new(), at: None }));
    Ok(Some(TableFactor::Derived { lateral, subquery, alias, sample }))
}

/// The name of a table that is named, not a subquery.
fn plain(table: &str) -> Option<Ident> {
    let quoted = table.len() > 1 && table.starts_with('"') && table.ends_with('"');
    match quoted {
        true => Some(Ident::with_quote('"', table.trim_matches('"'))),
        false => table.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| Ident::new(table)),
    }
}

fn argument(arg: &FunctionArg) -> Result<String, String> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
        | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. }
        | FunctionArg::ExprNamed { arg: FunctionArgExpr::Expr(expr), .. } => Ok(expr.to_string()),
        other => Err(format!("\"{other}\" is not an argument of a window")),
    }
}
