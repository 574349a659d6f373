//! Expressions that other engines spell otherwise, in DataFusion's words; calls of functions stand in `calls.rs`.

use datafusion::sql::sqlparser::ast::{AccessExpr, BinaryOperator, CeilFloorKind, DateTimeField, Expr, Query, SetExpr, UnaryOperator};

use super::{calls, expression, likes, tuples};
use crate::sql::program::normal;

/// The expression in DataFusion's words; none when it is said so already.
pub fn rewritten(expr: &Expr) -> Result<Option<Expr>, String> {
    if let Some(text) = tuples::by_value(expr) {
        return expression(&format!("({text})")).map(Some);
    }
    let text = match expr {
        Expr::Function(function) => return calls::rewritten(function),
        Expr::BinaryOp { left, op, right } => match age(left, op, right).or_else(|| operator(left, op, right)) {
            Some(text) => text,
            None => return Ok(None),
        },
        Expr::InSubquery { expr, subquery, negated } => match expr.as_ref() {
            Expr::Tuple(values) => return tuples::value(values, subquery, *negated).map(Some),
            _ => {
                let taken = taken(subquery)?.map(Box::new);
                return Ok(taken.map(|subquery| Expr::InSubquery { expr: expr.clone(), subquery, negated: *negated }));
            }
        },
        Expr::RLike { negated, expr, pattern, .. } => format!("{}regexp_like({expr}, {pattern})", not(*negated)),
        Expr::Like { any: true, negated, expr, pattern, escape_char } => any_like("LIKE", *negated, expr, pattern, escape_char.is_some())?,
        Expr::ILike { any: true, negated, expr, pattern, escape_char } => {
            any_like("ILIKE", *negated, expr, pattern, escape_char.is_some())?
        }
        Expr::Like { any: false, negated, expr, pattern, escape_char: Some(escape) } if !likes::is_usual(escape) => {
            format!("{expr} {}LIKE {}", not(*negated), likes::escaped("LIKE", pattern, escape)?)
        }
        Expr::ILike { any: false, negated, expr, pattern, escape_char: Some(escape) } if !likes::is_usual(escape) => {
            format!("{expr} {}ILIKE {}", not(*negated), likes::escaped("ILIKE", pattern, escape)?)
        }
        Expr::SimilarTo { negated, expr, pattern, escape_char } => {
            format!("{}regexp_like({expr}, {})", not(*negated), likes::similar(pattern, escape_char.as_ref())?)
        }
        Expr::InUnnest { expr, array_expr, negated } => format!("{}({expr} = ANY({array_expr}))", not(*negated)),
        Expr::Floor { expr, field: CeilFloorKind::DateTimeField(field) } if *field != DateTimeField::NoDateTime => {
            format!("date_trunc('{field}', {expr})")
        }
        Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(field) } if *field != DateTimeField::NoDateTime => format!(
            "CASE WHEN date_trunc('{field}', {expr}) = {expr} THEN {expr} ELSE date_trunc('{field}', {expr}) + INTERVAL '1 {field}' END"
        ),
        Expr::CompoundFieldAccess { root, access_chain } if access_chain.iter().any(|a| field(a).is_some()) => {
            // What names begin with may be a table: the planner finds out.
            let names = match root.as_ref() {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => access_chain.iter().take_while(|a| field(a).is_some()).count(),
                _ => 0,
            };
            let (names, rest) = access_chain.split_at(names);
            if rest.iter().all(|access| field(access).is_none()) {
                return Ok(None);
            }
            let named = names.iter().fold(root.to_string(), |whole, name| format!("{whole}{name}"));
            rest.iter().fold(named, |whole, access| match field(access) {
                Some(name) => format!("get_field({whole}, '{}')", name.replace('\'', "''")),
                None => format!("{whole}{access}"),
            })
        }
        // The planner does not look for columns of queries around a list, but around a call.
        Expr::Array(array) => {
            let elements: Vec<String> = array.elem.iter().map(Expr::to_string).collect();
            format!("make_array({})", elements.join(", "))
        }
        Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr } => {
            let (left, right) = (expr.clone(), Box::new(expression("-1")?));
            return Ok(Some(Expr::Nested(Box::new(Expr::BinaryOp { left, op: BinaryOperator::BitwiseXor, right }))));
        }
        _ => return Ok(None),
    };
    expression(&format!("({text})")).map(Some)
}

/// `VALUES` as the query that takes them, without which DataFusion has no column to compare.
fn taken(query: &Query) -> Result<Option<Query>, String> {
    match query.body.as_ref() {
        SetExpr::Values(_) => super::query(&format!("SELECT * FROM ({query})")).map(Some),
        _ => Ok(None),
    }
}

/// Operators on JSON as functions of text; and a number of intervals.
fn operator(left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<String> {
    let of = |function: &str| Some(format!("{function}({left}, {right})"));
    match op {
        BinaryOperator::Arrow => of("json_get"),
        BinaryOperator::LongArrow => of("json_as_text"),
        BinaryOperator::HashArrow => of("json_at"),
        BinaryOperator::HashLongArrow => of("json_text_at"),
        BinaryOperator::Question => of("json_contains"),
        BinaryOperator::Multiply if is_interval(left) => of("interval_times"),
        BinaryOperator::Multiply if is_interval(right) => Some(format!("interval_times({right}, {left})")),
        _ => None,
    }
}

/// An age that is compared with a length, as the clock that is compared with a time: `now() - ts < INTERVAL '1 hour'` holds until an hour
/// after the time, and a row's end is known when it comes.
fn age(left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<String> {
    use BinaryOperator::{Gt, GtEq, Lt, LtEq};
    let turned = match op {
        Lt => Gt,
        LtEq => GtEq,
        Gt => Lt,
        GtEq => LtEq,
        _ => return None,
    };
    let (difference, op, length) = match (is_interval(left), is_interval(right)) {
        (false, true) => (left, op.clone(), right),
        (true, false) => (right, turned, left),
        _ => return None,
    };
    // Months have a length in a comparison, and another when they are added.
    let length_text = length.to_string().to_lowercase();
    if ["mon", "year", "quarter"].iter().any(|unit| length_text.contains(unit)) {
        return None;
    }
    match bare(difference) {
        // a - b < length is a < b + length, whichever is the clock.
        Expr::BinaryOp { left: a, op: BinaryOperator::Minus, right: b } if is_clock(a) != is_clock(b) => {
            Some(format!("{a} {op} {b} + {length}"))
        }
        _ => None,
    }
}

fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => bare(inner),
        other => other,
    }
}

fn is_clock(expr: &Expr) -> bool {
    let clocks = ["now", "current_timestamp", "localtimestamp"];
    matches!(bare(expr), Expr::Function(f) if clocks.contains(&f.name.to_string().to_lowercase().as_str()))
}

/// The name of a field that is read with a dot.
fn field(access: &AccessExpr) -> Option<String> {
    match access {
        AccessExpr::Dot(Expr::Identifier(name)) => Some(normal(name)),
        _ => None,
    }
}

fn is_interval(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_interval(inner),
        other => matches!(other, Expr::Interval(_)),
    }
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

fn any_like(word: &str, negated: bool, expr: &Expr, pattern: &Expr, escape: bool) -> Result<String, String> {
    let (Expr::Tuple(patterns), false) = (pattern, escape) else {
        return Err(format!("{word} ANY other than of a list is not supported yet"));
    };
    let each: Vec<String> = patterns.iter().map(|p| format!("{expr} {word} {p}")).collect();
    Ok(format!("{}({})", not(negated), each.join(" OR ")))
}
