//! Tables made of values: `generate_series(…)` and `range(…)` in FROM are lists taken apart, and so is every spelling of UNNEST.
//!
//! A list of numbers beside a list gives `WITH ORDINALITY` and `WITH OFFSET`. An alias without columns names the column too.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, Ident, ObjectName, Query, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableFunctionArgs,
};

use super::{argument, query};

/// The lists taken apart for a table; none for any other.
pub fn as_table(factor: &TableFactor) -> Result<Option<TableFactor>, String> {
    match factor {
        TableFactor::Table { name, alias, args: Some(TableFunctionArgs { args, .. }), with_ordinality, .. } => {
            called(name, args, alias.as_ref(), *with_ordinality)
        }
        TableFactor::Function { name, args, alias, with_ordinality, .. } => called(name, args, alias.as_ref(), *with_ordinality),
        TableFactor::UNNEST { array_exprs, with_offset, with_offset_alias, with_ordinality, alias } => {
            let numbers = match (with_ordinality, with_offset) {
                (false, false) => None,
                (true, false) => Some((1, Ident::new("ordinality"))),
                (_, true) => Some((0, with_offset_alias.clone().unwrap_or_else(|| Ident::new("offset")))),
            };
            let lists = array_exprs.iter().map(Expr::to_string).collect();
            taken_apart("unnest", lists, numbers, alias.as_ref()).map(Some)
        }
        _ => Ok(None),
    }
}

/// A function that stands as a table, when it is one that gives a list.
fn called(name: &ObjectName, args: &[FunctionArg], alias: Option<&TableAlias>, ordinality: bool) -> Result<Option<TableFactor>, String> {
    let name = name.to_string().to_lowercase();
    let texts: Vec<String> = args.iter().map(argument).collect::<Result<_, _>>()?;
    let numbers = ordinality.then(|| (1, Ident::new("ordinality")));
    let lists = match (name.as_str(), texts.as_slice()) {
        ("unnest", [_, ..]) => texts,
        ("generate_series" | "range", [_, ..]) => vec![format!("{name}({})", texts.join(", "))],
        ("json_array_elements" | "jsonb_array_elements" | "json_array_elements_text" | "jsonb_array_elements_text", [json]) => {
            vec![format!("{}({json})", name.replacen("jsonb", "json", 1))]
        }
        ("json_object_keys" | "jsonb_object_keys", [json]) => vec![format!("json_object_keys({json})")],
        ("as_of_version", _) => return Err("FOR SYSTEM_TIME AS OF is possible in JOIN and LEFT JOIN".into()),
        _ => return Err(format!("{name}(…) as a table is not supported yet")),
    };
    let column = if matches!(name.as_str(), "generate_series" | "range") { "value" } else { &name };
    taken_apart(column, lists, numbers, alias).map(Some)
}

/// The lists side by side, with names for their columns.
fn taken_apart(
    column: &str,
    mut lists: Vec<String>,
    numbers: Option<(u8, Ident)>,
    alias: Option<&TableAlias>,
) -> Result<TableFactor, String> {
    let mut names: Vec<Ident> = alias.map(|a| a.columns.iter().map(|c| c.name.clone()).collect()).unwrap_or_default();
    let given = lists.len() + usize::from(numbers.is_some());
    // One list and more names than columns: a list of structs, whose fields are named.
    if let ([list], true) = (lists.as_slice(), names.len() > given) {
        if numbers.is_some() {
            return Err("UNNEST of a list of structs WITH ORDINALITY is not supported yet".into());
        }
        return structs(list, alias);
    }
    if names.is_empty() && lists.len() == 1 {
        names.push(alias.map_or_else(|| Ident::new(column), |a| a.name.clone()));
    }
    if let (Some((first, name)), Some(list)) = (&numbers, lists.first()) {
        lists.push(format!("range({first}, {first} + CAST(cardinality({list}) AS BIGINT))"));
        if names.len() + 1 == given {
            names.push(name.clone());
        }
    }
    let text = format!("SELECT * FROM UNNEST({})", lists.join(", "));
    let Some(TableFactor::UNNEST { array_exprs, .. }) = relation(query(&text)?) else { return Err("UNNEST needs a list".into()) };
    let columns = names.into_iter().map(|name| TableAliasColumnDef { name, data_type: None }).collect();
    let name = alias.map_or_else(|| Ident::new(column), |a| a.name.clone());
    let alias = Some(TableAlias { explicit: true, name, columns, at: None });
    Ok(TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_offset_alias: None, with_ordinality: false })
}

/// A list of structs, a column a field.
fn structs(list: &str, alias: Option<&TableAlias>) -> Result<TableFactor, String> {
    let text = format!("SELECT * FROM LATERAL (SELECT unnest(element) FROM UNNEST({list}) AS elements(element))");
    match relation(query(&text)?) {
        Some(TableFactor::Derived { lateral, subquery, sample, .. }) => {
            Ok(TableFactor::Derived { lateral, subquery, alias: alias.cloned(), sample })
        }
        _ => Err("UNNEST needs a list".into()),
    }
}

fn relation(query: Query) -> Option<TableFactor> {
    match *query.body {
        SetExpr::Select(select) => select.from.into_iter().next().map(|from| from.relation),
        _ => None,
    }
}
