//! Several values as one: `(a, b) IN (SELECT …)` or a list, `(a, b) < (c, d)`, and `GROUP BY ()`.
//!
//! Two rows are equal when all their values are, and it is unknown whether they are when none differs and some is null. Where only true
//! counts, as in `WHERE`, `IN` asks whether an equal row exists, and `NOT IN` whether none exists that is equal or may be; as a value
//! it has three answers.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArguments, GroupByExpr, Query, Select, SetExpr, TableFactor, UnaryOperator,
};

use super::calls::plain_arguments;
use super::{apart, expression};

/// Rewrites the conditions and the groups of a query.
///
/// # Errors
/// When the list has no columns, which is a defect.
pub fn rewrite(select: &mut Select) -> Result<(), String> {
    if let GroupByExpr::Expressions(groups, _) = &mut select.group_by {
        groups.iter_mut().filter(|group| matches!(group, Expr::Tuple(of) if of.is_empty())).for_each(|group| *group = nothing());
    }
    [&mut select.selection, &mut select.having, &mut select.qualify].into_iter().flatten().try_for_each(condition)
}

/// The one group of all rows.
fn nothing() -> Expr {
    Expr::GroupingSets(vec![Vec::new()])
}

/// Rewrites what is asked in a condition, of which only true counts.
fn condition(of: &mut Expr) -> Result<(), String> {
    match of {
        Expr::Nested(inner) => condition(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            condition(left)?;
            condition(right)
        }
        Expr::InSubquery { expr, subquery, negated } => {
            let Expr::Tuple(values) = expr.as_ref() else { return Ok(()) };
            let found = exists(values, subquery, *negated)?;
            *of = if *negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(found) } } else { found };
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A comparison of rows that are written out, value by value: DataFusion would compare structs, in which nulls are equal.
pub fn by_value(expr: &Expr) -> Option<String> {
    match expr {
        Expr::BinaryOp { left, op, right } => compared(left, op, right),
        Expr::InList { expr, list, negated } => listed(expr, list, *negated),
        Expr::Between { expr, negated, low, high } => between(expr, low, high, *negated),
        Expr::IsDistinctFrom(left, right) => distinct(left, right, false),
        Expr::IsNotDistinctFrom(left, right) => distinct(left, right, true),
        _ => None,
    }
}

fn compared(left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<String> {
    let (left, right) = (values(left)?, values(right)?);
    if left.len() != right.len() || left.is_empty() {
        return None;
    }
    let pairs = left.iter().zip(&right);
    let all = |word: &str, between: &str| pairs.clone().map(|(a, b)| format!("({a}) {word} ({b})")).collect::<Vec<_>>().join(between);
    // The first that differs decides, and of the last whether equal rows count.
    let ordered = |word: &str| {
        let first = word.trim_end_matches('=');
        pairs.clone().rev().fold(String::new(), |rest, (a, b)| match rest.is_empty() {
            true => format!("({a}) {word} ({b})"),
            false => format!("(({a}) {first} ({b}) OR (({a}) = ({b}) AND {rest}))"),
        })
    };
    Some(match op {
        BinaryOperator::Eq => all("=", " AND "),
        BinaryOperator::NotEq => all("<>", " OR "),
        BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq => ordered(&op.to_string()),
        _ => return None,
    })
}

/// The values of a row that is written out.
fn values(row: &Expr) -> Option<Vec<Expr>> {
    match row {
        Expr::Nested(inner) => values(inner),
        Expr::Tuple(values) => Some(values.clone()),
        Expr::Function(f) if f.name.to_string().eq_ignore_ascii_case("row") => match &f.args {
            FunctionArguments::List(list) => plain_arguments(list),
            _ => None,
        },
        _ => None,
    }
}

/// `(a, b) IN ((1, 2), …)`.
fn listed(row: &Expr, list: &[Expr], negated: bool) -> Option<String> {
    let each = list.iter().map(|other| compared(row, &BinaryOperator::Eq, other)).collect::<Option<Vec<_>>>()?;
    let any = any_of(&each);
    Some(if negated { format!("NOT ({any})") } else { any })
}

/// Conditions of which one must hold, in halves: a long chain of OR is as deep as it is long.
fn any_of(each: &[String]) -> String {
    match each {
        [] => "false".into(),
        [one] => format!("({one})"),
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            format!("({} OR {})", any_of(left), any_of(right))
        }
    }
}

/// `(a, b) BETWEEN (1, 2) AND (3, 4)`.
fn between(row: &Expr, low: &Expr, high: &Expr, negated: bool) -> Option<String> {
    let (above, below) = (compared(row, &BinaryOperator::GtEq, low)?, compared(row, &BinaryOperator::LtEq, high)?);
    Some(format!("{}(({above}) AND ({below}))", if negated { "NOT " } else { "" }))
}

/// `(a, b) IS [NOT] DISTINCT FROM (1, 2)`.
fn distinct(left: &Expr, right: &Expr, negated: bool) -> Option<String> {
    let (left, right) = (values(left)?, values(right)?);
    if left.len() != right.len() || left.is_empty() {
        return None;
    }
    let (word, between) = if negated { ("IS NOT DISTINCT FROM", " AND ") } else { ("IS DISTINCT FROM", " OR ") };
    Some(left.iter().zip(&right).map(|(a, b)| format!("(({a}) {word} ({b}))")).collect::<Vec<_>>().join(between))
}

/// `(a, b) IN (SELECT …)` as a value.
///
/// # Errors
/// When the list has no columns, which is a defect.
pub fn value(values: &[Expr], subquery: &Query, negated: bool) -> Result<Expr, String> {
    let [yes, no] = if negated { ["false", "true"] } else { ["true", "false"] };
    let mut whole = expression(&format!("CASE WHEN true THEN {yes} WHEN true THEN NULL ELSE {no} END"))?;
    if let Expr::Case { conditions, .. } = &mut whole {
        for (when, maybe) in conditions.iter_mut().zip([false, true]) {
            when.condition = exists(values, subquery, maybe)?;
        }
    }
    Ok(Expr::Nested(Box::new(whole)))
}

/// Whether a row of a subquery is equal to some values, or may be.
fn exists(values: &[Expr], subquery: &Query, maybe: bool) -> Result<Expr, String> {
    let columns: Vec<String> = (0..values.len()).map(|at| format!("\"value {at} of list\"")).collect();
    let equal: Vec<String> = values.iter().zip(&columns).map(|(value, column)| format!("{column} = ({value})")).collect();
    let equal = equal.join(" AND ");
    let condition = if maybe { format!("({equal}) IS NOT FALSE") } else { equal };
    let text = format!("EXISTS (SELECT 1 FROM (SELECT 1) AS \"list\"({}) WHERE {condition})", columns.join(", "));
    let mut found = expression(&text)?;
    let Expr::Exists { subquery: of, .. } = &mut found else { return Err(format!("{text} is not understood")) };
    if let SetExpr::Select(select) = of.body.as_mut()
        && let Some(TableFactor::Derived { subquery: place, .. }) = select.from.first_mut().map(|table| &mut table.relation)
    {
        **place = subquery.clone();
        apart(place);
    }
    Ok(found)
}
