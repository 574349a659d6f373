//! Operators on JSON whose meaning hangs on types: `a @> b`, `a <@ b` and `a || b`, as Postgres has them for JSONB.
//!
//! Text beside `@>` is JSON, as text has no other meaning for it; beside `||` only what is known to be JSON (`value.rs`), or is a constant that is.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, exec_err};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use serde_json::Value;

use super::call::{Call, Given};
use super::is_json;
use super::made::is_document;

/// Plans the operators as calls.
#[derive(Debug)]
pub struct JsonOperators;

impl ExprPlanner for JsonOperators {
    fn plan_binary_op(&self, whole: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let call = |of: Call, a: Expr, b: Expr| Ok(PlannerResult::Planned(of.function().call(vec![a, b])));
        let is_text = |e: &Expr| e.get_type(schema).is_ok_and(|t| t.is_string() || t.is_null());
        match whole.op {
            BinaryOperator::AtArrow | BinaryOperator::ArrowAt if is_text(&whole.left) && is_text(&whole.right) => {
                let (holder, held) = match whole.op {
                    BinaryOperator::AtArrow => (whole.left, whole.right),
                    _ => (whole.right, whole.left),
                };
                call(includes(), holder, held)
            }
            BinaryOperator::StringConcat if are_json(&whole.left, &whole.right, schema) => call(concat(), whole.left, whole.right),
            _ => Ok(PlannerResult::Original(whole)),
        }
    }
}

/// Whether one is JSON, and the other too, or a constant that is.
fn are_json(left: &Expr, right: &Expr, schema: &DFSchema) -> bool {
    let json = |e: &Expr| e.to_field(schema).is_ok_and(|(_, field)| is_json(&field));
    let fits = |e: &Expr| json(e) || matches!(e, Expr::Literal(value, _) if value.try_as_str().flatten().is_none_or(is_document));
    (json(left) || json(right)) && fits(left) && fits(right)
}

/// `json_includes(a, b)`: whether all of b is in a.
pub fn includes() -> Call {
    Call { name: "json_includes", takes: "json, json", fits: are_texts, gives: DataType::Boolean, json: false, compute: included }
}

/// `json_concat(a, b)`: members of both, those of b first; elements of both.
pub fn concat() -> Call {
    Call { name: "json_concat", takes: "json, json", fits: are_texts, gives: DataType::Utf8, json: true, compute: merged }
}

fn are_texts(of: &[DataType]) -> bool {
    of.len() == 2 && of.iter().all(|t| t.is_string() || t.is_null())
}

fn included(given: Given<'_>) -> Result<ArrayRef> {
    let held = parsed(given)?.into_iter().map(|pair| pair.map(|(a, b)| holds(&a, &b, true)));
    Ok(Arc::new(held.collect::<BooleanArray>()))
}

fn merged(given: Given<'_>) -> Result<ArrayRef> {
    let all = parsed(given)?.into_iter().map(|pair| pair.map(|(a, b)| both(a, b).to_string()));
    Ok(Arc::new(all.collect::<StringArray>()))
}

/// Pairs of documents; none where one is null, or no JSON.
fn parsed(given: Given<'_>) -> Result<Vec<Option<(Value, Value)>>> {
    let columns = given.columns.iter().map(|c| Ok(cast(c, &DataType::Utf8)?)).collect::<Result<Vec<_>>>()?;
    let [left, right] = columns.as_slice() else { return exec_err!("two documents are taken") };
    let one = |text: Option<&str>| text.and_then(|text| serde_json::from_str::<Value>(text).ok());
    Ok(left.as_string::<i32>().iter().zip(right.as_string::<i32>()).map(|(a, b)| one(a).zip(one(b))).collect())
}

/// Whether all of `part` is in `whole`; a list holds a plain value at the top.
fn holds(whole: &Value, part: &Value, top: bool) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| holds(whole, part, false)))
        }
        (Value::Array(whole), Value::Array(part)) => part.iter().all(|part| whole.iter().any(|whole| holds(whole, part, false))),
        (Value::Array(whole), part) if top && !part.is_object() => whole.iter().any(|whole| holds(whole, part, false)),
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (whole, part) => whole == part,
    }
}

/// Both in one, as `||` has it.
fn both(left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Object(mut left), Value::Object(right)) => {
            left.extend(right);
            Value::Object(left)
        }
        (left, right) => Value::Array(elements(left).into_iter().chain(elements(right)).collect()),
    }
}

fn elements(value: Value) -> Vec<Value> {
    match value {
        Value::Array(elements) => elements,
        other => vec![other],
    }
}
