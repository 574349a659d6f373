//! Aggregates that make JSON, as lists that are made JSON: Postgres's `json_agg` and `json_object_agg`, the standard's `JSON_ARRAYAGG` and
//! `JSON_OBJECTAGG`. Members are in the order of their keys where no other is given; elements have one only with `ORDER BY`.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList, FunctionArguments, JsonNullClause,
    OrderByExpr, OrderByOptions,
};

use super::calls::{pairs, plain_arguments, with_name};
use super::expression;

/// The call as others; none when it is no such aggregate.
pub fn rewritten(function: &Function, list: &FunctionArgumentList, name: &str) -> Result<Option<Expr>, String> {
    let is_list = ["json_agg", "jsonb_agg", "json_arrayagg"].contains(&name);
    if !is_list && !["json_object_agg", "jsonb_object_agg", "json_objectagg"].contains(&name) {
        return Ok(None);
    }
    let mut list = list.clone();
    // By the standard a list leaves nulls out, unless told.
    let mut absent = name == "json_arrayagg";
    let mut unknown = None;
    list.clauses.retain(|clause| match clause {
        FunctionArgumentClause::JsonNullClause(told) => {
            absent = *told == JsonNullClause::AbsentOnNull;
            false
        }
        FunctionArgumentClause::OrderBy(_) => true,
        other => {
            unknown = Some(other.to_string());
            true
        }
    });
    if let Some(unknown) = unknown {
        return Err(format!("\"{unknown}\" in {name} is not supported yet"));
    }
    let plain = FunctionArgumentList { clauses: Vec::new(), ..list.clone() };
    let args: Vec<String> = match pairs(&plain)? {
        Some(pairs) => pairs,
        None => plain_arguments(&plain).unwrap_or_default().iter().map(Expr::to_string).collect(),
    };
    let (element, value, around) = match args.as_slice() {
        [value] if is_list => (format!("to_json({value})"), value, "json_joined"),
        [key, value] if !is_list => {
            if list.clauses.is_empty() {
                let options = OrderByOptions { asc: None, nulls_first: None };
                let by = OrderByExpr { expr: expression(key)?, options, with_fill: None };
                list.clauses.push(FunctionArgumentClause::OrderBy(vec![by]));
            }
            (format!("json_member({key}, {value})"), value, "json_braced")
        }
        _ => return Err(format!("{name} takes {}", if is_list { "a value" } else { "a key and a value" })),
    };
    list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(expression(&element)?))];
    let Expr::Function(mut call) = with_name(function, "array_agg") else { return Ok(None) };
    call.args = FunctionArguments::List(list);
    if absent {
        let condition = call.filter.take().map(|f| format!(" AND ({f})")).unwrap_or_default();
        call.filter = Some(Box::new(expression(&format!("{value} IS NOT NULL{condition}"))?));
    }
    expression(&format!("{around}({call})")).map(Some)
}
