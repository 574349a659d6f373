//! Functions that other engines name otherwise, or whose arguments stand otherwise, in DataFusion's words.
//!
//! What is renamed here means the same, to the value: what only looks alike is left to be refused as unknown.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArgumentClause, FunctionArgumentList, FunctionArguments,
    Ident, JsonNullClause, ObjectName, Value,
};

use super::{expression, json_aggregates, patterns};

/// Functions that are others by another name.
const NAMES: [(&str, &str); 35] = [
    ("variance", "var_samp"),
    ("var", "var_samp"),
    ("every", "bool_and"),
    ("logical_and", "bool_and"),
    ("logical_or", "bool_or"),
    ("any_value", "min"),
    ("arbitrary", "min"),
    ("collect", "array_agg"),
    ("list", "array_agg"),
    ("array_collect", "array_agg"),
    ("listagg", "string_agg"),
    ("approx_count_distinct", "approx_distinct"),
    ("list_value", "make_array"),
    ("array_value", "make_array"),
    ("typeof", "arrow_typeof"),
    ("unix_timestamp", "to_unixtime"),
    ("from_unix_timestamp", "from_unixtime"),
    ("startswith", "starts_with"),
    ("endswith", "ends_with"),
    ("ucase", "upper"),
    ("lcase", "lower"),
    ("len", "length"),
    ("regexp", "regexp_like"),
    ("string_split", "string_to_array"),
    ("split", "string_to_array"),
    ("list_contains", "array_has"),
    ("list_length", "array_length"),
    ("array_size", "cardinality"),
    ("ceiling", "ceil"),
    ("truncate", "trunc"),
    ("sign", "signum"),
    ("to_base64", "base64"),
    ("sha", "sha1"),
    ("timestamp_millis", "to_timestamp_millis"),
    ("timestamp_micros", "to_timestamp_micros"),
];

/// Parts of a time that are functions.
const PARTS: [&str; 8] = ["year", "quarter", "month", "week", "day", "hour", "minute", "second"];

/// The call in DataFusion's words; none when it is said so already.
pub fn rewritten(function: &Function) -> Result<Option<Expr>, String> {
    let name = function.name.to_string().to_lowercase();
    let FunctionArguments::List(list) = &function.args else { return Ok(None) };
    if name == "json_object"
        && let Some(pairs) = pairs(list)?
    {
        return expression(&format!("json_build_object({})", pairs.join(", "))).map(Some);
    }
    if let Some(call) = json_aggregates::rewritten(function, list, &name)? {
        return Ok(Some(call));
    }
    let Some(args) = plain_arguments(list) else { return Ok(None) };
    if let Some(new) = by_pattern(function, &name, &args)? {
        return Ok(Some(new));
    }
    if let Some(text) = by_sums(&name, &args) {
        return expression(&text).map(Some);
    }
    let text = match (name.as_str(), args.as_slice()) {
        ("if" | "iff", [when, then, otherwise]) => format!("CASE WHEN {when} THEN {then} ELSE {otherwise} END"),
        (part, [time]) if PARTS.contains(&part) => format!("date_part('{part}', {time})"),
        ("to_timestamp_ltz", [number]) => format!("to_timestamp_seconds({number})"),
        ("to_timestamp_ltz", [number, digits]) if digits.to_string() == "0" => format!("to_timestamp_seconds({number})"),
        ("to_timestamp_ltz", [number, digits]) if digits.to_string() == "3" => format!("to_timestamp_millis({number})"),
        ("timestampadd" | "timestampdiff" | "datediff" | "date_diff", [Expr::Identifier(unit), a, b]) => {
            format!("{name}('{}', {a}, {b})", unit.value)
        }
        ("dateadd" | "date_add", [Expr::Identifier(unit), a, b]) => format!("timestampadd('{}', {a}, {b})", unit.value),
        ("date_trunc" | "timestamp_trunc", [time, Expr::Identifier(unit)]) if !matches!(time, Expr::Value(_)) && is_unit(&unit.value) => {
            format!("date_trunc('{}', {time})", unit.value)
        }
        ("from_unixtime", [seconds, pattern]) if is_java(&pattern.to_string()) => {
            let call = expression(&format!("date_format(to_timestamp_seconds({seconds}), {pattern})"))?;
            let Expr::Function(function) = &call else { return Ok(None) };
            return Ok(rewritten(function)?.or(Some(call)));
        }
        ("split_index", [text, between, index]) => {
            format!("CASE WHEN {index} >= 0 THEN string_to_array({text}, {between})[{index} + 1] END")
        }
        ("locate", [part, whole]) => format!("strpos({whole}, {part})"),
        ("regexp_extract", [text, pattern]) => format!("regexp_match({text}, concat('(', {pattern}, ')'))[1]"),
        ("regexp_extract", [text, pattern, group]) if group.to_string() == "0" => {
            format!("regexp_match({text}, concat('(', {pattern}, ')'))[1]")
        }
        ("regexp_extract", [text, pattern, group]) => format!("regexp_match({text}, {pattern})[{group}]"),
        ("regexp_substr", [text, pattern]) => format!("regexp_match({text}, concat('(', {pattern}, ')'))[1]"),
        ("extract_json_string" | "get_first_json_object", [json, path]) => first_json(&name, json, path),
        ("json_value" | "json_query", [_, _]) => return returning(function, list, &name),
        (jsonb, [_, ..]) if jsonb.starts_with("jsonb_") && !jsonb.ends_with("agg") => {
            return Ok(Some(with_name(function, &jsonb.replacen("jsonb", "json", 1))));
        }
        ("json_object", pairs) if list.clauses.is_empty() && pairs.len().is_multiple_of(2) => {
            return Ok(Some(with_name(function, "json_build_object")));
        }
        ("json_array", _) if list.clauses.is_empty() => return Ok(Some(with_name(function, "json_build_array"))),
        ("proctime", []) => {
            return Err("PROCTIME() is known as a column of a table alone (p AS PROCTIME()); now() is the clock, in conditions".into());
        }
        ("current_watermark", _) => return Err("CURRENT_WATERMARK is not supported yet".into()),
        ("max_by" | "arg_max" | "argmax", [value, by]) => best(function, value, by, "DESC")?,
        ("min_by" | "arg_min" | "argmin", [value, by]) => best(function, value, by, "ASC")?,
        ("group_concat" | "listagg", [value]) => return joined(function, list, value).map(Some),
        ("count_if" | "countif", [condition]) if list.duplicate_treatment.is_none() => return counted(function, list, condition).map(Some),
        ("count", [_, _, ..]) if list.duplicate_treatment.is_some() => return distinct_tuples(function, list, &args).map(Some),
        (name, _) => return Ok(renamed(function, name)),
    };
    expression(&text).map(Some)
}

/// Whether an expression is a number that is not negative.
fn is_length(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::Number(..)))
}

/// Whether a word is a part of a time.
pub fn is_unit(word: &str) -> bool {
    let word = word.to_lowercase();
    PARTS.contains(&word.as_str()) || ["millisecond", "microsecond"].contains(&word.as_str())
}

/// Functions that are sums of others.
fn by_sums(name: &str, args: &[Expr]) -> Option<String> {
    Some(match (name, args) {
        ("date_add", [time, span @ Expr::Interval(_)]) => format!("(({time}) + {span})"),
        ("date_sub", [time, span @ Expr::Interval(_)]) => format!("(({time}) - {span})"),
        // Of whole numbers, so that a day that there is not is an error of its row.
        ("date_add", [day, number]) => format!("CAST(CAST(CAST({day} AS DATE) AS INT) + CAST({number} AS INT) AS DATE)"),
        ("date_sub", [day, number]) => format!("CAST(CAST(CAST({day} AS DATE) AS INT) - CAST({number} AS INT) AS DATE)"),
        // Numbers are of 64 bits here, and Spark's of 32.
        ("add_months", [day, number]) => format!("add_months(CAST({day} AS DATE), CAST({number} AS INT))"),
        ("space", [number]) => format!("repeat(' ', {number})"),
        // Down, before 1970 too, where date_trunc does not so for milliseconds.
        ("unix_millis", [time]) => format!("((unix_micros({time}) - (unix_micros({time}) % 1000 + 1000) % 1000) / 1000)"),
        ("unix_seconds", [time]) => format!("(unix_micros(date_trunc('second', {time})) / 1000000)"),
        ("timestamp_seconds", [number]) => format!("to_timestamp_micros(CAST(({number}) * 1000000 AS BIGINT))"),
        ("width_bucket", [of, from, to, number]) => format!("width_bucket({of}, {from}, {to}, CAST({number} AS INT))"),
        ("datediff", [to, from]) => format!("date_diff('day', {from}, {to})"),
        ("mz_now", []) => "now()".to_string(),
        ("mod", [a, b]) => format!("(({a}) % ({b}))"),
        ("dayofmonth", [time]) => format!("date_part('day', {time})"),
        ("dayofyear", [time]) => format!("date_part('doy', {time})"),
        ("dayofweek", [time]) => format!("(date_part('dow', {time}) + 1)"),
        ("e", []) => "exp(1)".to_string(),
        ("from_base64", [text]) => format!("CAST(decode({text}, 'base64') AS VARCHAR)"),
        // Of a negative length there is nothing, where DataFusion's panics.
        ("lpad" | "rpad", [text, length, ..]) if !is_length(length) => {
            let all = args.iter().map(Expr::to_string).collect::<Vec<_>>().join(", ");
            format!("CASE WHEN ({length}) < 0 THEN left({text}, 0) ELSE \"{name}\"({all}) END")
        }
        ("isnull", [value]) => format!("(({value}) IS NULL)"),
        ("isnotnull", [value]) => format!("(({value}) IS NOT NULL)"),
        _ => return None,
    })
}

/// Whether a text is a pattern of times by Java's letters and not the name of a zone.
fn is_java(text: &str) -> bool {
    text.contains("yy") || !text.contains('/') && ["HH", "mm", "ss", "MM", "dd"].iter().any(|part| text.contains(part))
}

/// The first of what a path of JSON leads to.
fn first_json(name: &str, json: &Expr, path: &Expr) -> String {
    match name {
        "extract_json_string" => format!("json_get_str(extract_json({json}, {path})[1])"),
        _ => format!("extract_json({json}, {path})[1]"),
    }
}

/// `json_value(json, path RETURNING type)`.
fn returning(function: &Function, list: &FunctionArgumentList, name: &str) -> Result<Option<Expr>, String> {
    match list.clauses.as_slice() {
        [] => Ok(None),
        [FunctionArgumentClause::JsonReturningClause(returning)] => {
            let mut plain = function.clone();
            plain.args = FunctionArguments::List(FunctionArgumentList { clauses: Vec::new(), ..list.clone() });
            expression(&format!("TRY_CAST({plain} AS {})", returning.data_type)).map(Some)
        }
        [other, ..] => Err(format!("\"{other}\" in {name} is not supported yet")),
    }
}

/// `JSON_OBJECT(key VALUE value, …)`, as keys and values one after the other; none where it is not written so.
pub fn pairs(list: &FunctionArgumentList) -> Result<Option<Vec<String>>, String> {
    let is_pair = |operator: &FunctionArgOperator| matches!(operator, FunctionArgOperator::Value | FunctionArgOperator::Colon);
    let mut pairs = Vec::new();
    for arg in &list.args {
        match arg {
            FunctionArg::Named { name, arg, operator } if is_pair(operator) => pairs.extend([name.to_string(), arg.to_string()]),
            FunctionArg::ExprNamed { name, arg, operator } if is_pair(operator) => pairs.extend([name.to_string(), arg.to_string()]),
            _ => return Ok(None),
        }
    }
    match list.clauses.as_slice() {
        [] | [FunctionArgumentClause::JsonNullClause(JsonNullClause::NullOnNull)] => Ok(Some(pairs).filter(|p| !p.is_empty())),
        [other, ..] => Err(format!("\"{other}\" in json_object is not supported yet")),
    }
}

pub fn with_name(function: &Function, name: &str) -> Expr {
    Expr::Function(Function { name: ObjectName::from(vec![Ident::new(name)]), ..function.clone() })
}

/// Arguments without names; none when one has a name, or is a wildcard.
pub fn plain_arguments(list: &FunctionArgumentList) -> Option<Vec<Expr>> {
    let one = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().map(one).collect()
}

fn renamed(function: &Function, name: &str) -> Option<Expr> {
    let (_, new) = NAMES.iter().find(|(old, _)| *old == name)?;
    let Expr::Function(mut function) = with_name(function, new) else { return None };
    // The list is put in order by what is asked of the group.
    if *new == "string_agg"
        && let FunctionArguments::List(list) = &mut function.args
        && !function.within_group.is_empty()
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(std::mem::take(&mut function.within_group)));
    }
    Some(Expr::Function(function))
}

/// Times as text by another engine's pattern.
fn by_pattern(function: &Function, name: &str, args: &[Expr]) -> Result<Option<Expr>, String> {
    if let ("unix_timestamp", [_, _], Expr::Function(call)) = (name, args, with_name(function, "to_unixtime")) {
        return Ok(by_pattern(&call, "to_unixtime", args)?.or(Some(Expr::Function(call))));
    }
    const FUNCTIONS: [&str; 9] = [
        "to_char",
        "date_format",
        "to_timestamp",
        "to_date",
        "to_timestamp_seconds",
        "to_timestamp_millis",
        "to_timestamp_micros",
        "to_timestamp_nanos",
        "to_unixtime",
    ];
    if !FUNCTIONS.contains(&name) {
        return Ok(None);
    }
    let mut function = function.clone();
    let FunctionArguments::List(list) = &mut function.args else { return Ok(None) };
    let mut any = false;
    for arg in list.args.iter_mut().skip(1).take(args.len()) {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) = arg
            && let Value::SingleQuotedString(pattern) = &mut value.value
            && let Some(meant) = patterns::meant(name, pattern)?
        {
            *pattern = meant;
            any = true;
        }
    }
    Ok(any.then_some(Expr::Function(function)))
}

/// The value of the row that is first by another value; rows without that are left out.
fn best(function: &Function, value: &Expr, by: &Expr, direction: &str) -> Result<String, String> {
    if function.over.is_some() {
        return Err(format!("{} OVER (…) is not supported yet", function.name));
    }
    let condition = function.filter.as_ref().map(|f| format!(" AND ({f})")).unwrap_or_default();
    Ok(format!("first_value({value} ORDER BY {by} {direction}, {value}) FILTER (WHERE {by} IS NOT NULL{condition})"))
}

/// `group_concat(x)`, with a comma between unless another separator is given.
fn joined(function: &Function, list: &FunctionArgumentList, value: &Expr) -> Result<Expr, String> {
    let mut function = function.clone();
    let mut list = list.clone();
    let mut between = Expr::value(Value::SingleQuotedString(",".into()));
    list.clauses.retain(|clause| match clause {
        FunctionArgumentClause::Separator(text) => {
            between = Expr::Value(text.clone());
            false
        }
        _ => true,
    });
    list.args = [value.clone(), between].map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e))).into();
    if !function.within_group.is_empty() {
        list.clauses.push(FunctionArgumentClause::OrderBy(std::mem::take(&mut function.within_group)));
    }
    function.name = ObjectName::from(vec![Ident::new("string_agg")]);
    function.args = FunctionArguments::List(list);
    Ok(Expr::Function(function))
}

/// `count_if(condition)`: how often it is true.
fn counted(function: &Function, list: &FunctionArgumentList, condition: &Expr) -> Result<Expr, String> {
    let one = expression(&format!("CASE WHEN {condition} THEN 1 END"))?;
    let args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(one))];
    let args = FunctionArguments::List(FunctionArgumentList { args, ..list.clone() });
    Ok(Expr::Function(Function { name: ObjectName::from(vec![Ident::new("count")]), args, ..function.clone() }))
}

/// `count(DISTINCT a, b)`: rows in which neither is null, each pair once.
fn distinct_tuples(function: &Function, list: &FunctionArgumentList, args: &[Expr]) -> Result<Expr, String> {
    let known: Vec<String> = args.iter().map(|a| format!("{a} IS NOT NULL")).collect();
    let fields: Vec<String> = args.iter().enumerate().map(|(i, a)| format!("'c{i}', {a}")).collect();
    let tuple = expression(&format!("CASE WHEN {} THEN named_struct({}) END", known.join(" AND "), fields.join(", ")))?;
    let mut function = function.clone();
    let args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(tuple))];
    function.args = FunctionArguments::List(FunctionArgumentList { args, ..list.clone() });
    Ok(Expr::Function(function))
}
