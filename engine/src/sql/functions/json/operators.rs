//! Operators on JSON whose meaning hangs on types: `a @> b`, `a <@ b` and `a || b`, as Postgres has them for JSONB.
//!
//! Text beside `@>` is JSON, as text has no other meaning for it; beside `||` only what is known to be JSON (`value.rs`), or is a constant that is.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, Result, exec_err, plan_err};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use serde_json::Value;

use super::{as_json, is_json};

/// Plans the operators as calls.
#[derive(Debug)]
pub struct JsonOperators;

impl ExprPlanner for JsonOperators {
    fn plan_binary_op(&self, whole: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let call = |function: ScalarUDF, a: Expr, b: Expr| Ok(PlannerResult::Planned(function.call(vec![a, b])));
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
    let document = |text: &str| serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
    let fits = |e: &Expr| json(e) || matches!(e, Expr::Literal(value, _) if value.try_as_str().flatten().is_none_or(document));
    (json(left) || json(right)) && fits(left) && fits(right)
}

/// `json_includes(a, b)`: whether all of b is in a.
pub fn includes() -> ScalarUDF {
    of("json_includes", Does::Includes)
}

/// `json_concat(a, b)`: members of both, those of b first; elements of both.
pub fn concat() -> ScalarUDF {
    of("json_concat", Does::Concat)
}

fn of(name: &'static str, does: Does) -> ScalarUDF {
    ScalarUDF::from(Two { name, does, signature: Signature::any(2, Volatility::Immutable) })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Does {
    Includes,
    Concat,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Two {
    name: &'static str,
    does: Does,
    signature: Signature,
}

impl ScalarUDFImpl for Two {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match (self.does, arguments.iter().all(|t| t.is_string() || t.is_null())) {
            (_, false) => plan_err!("{} is {}(json, json), and JSON is text", self.name, self.name),
            (Does::Includes, _) => Ok(DataType::Boolean),
            (Does::Concat, _) => Ok(DataType::Utf8),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let kinds: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let field = Field::new(self.name, self.return_type(&kinds)?, true);
        Ok(Arc::new(if self.does == Does::Concat { as_json(field) } else { field }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = args.args.iter().map(|a| Ok(cast(&a.to_array(args.number_rows)?, &DataType::Utf8)?)).collect::<Result<Vec<_>>>()?;
        let [left, right] = arrays.as_slice() else { return exec_err!("{} is {}(json, json)", self.name, self.name) };
        let parsed = |text: Option<&str>| text.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let pairs = left.as_string::<i32>().iter().zip(right.as_string::<i32>()).map(|(a, b)| parsed(a).zip(parsed(b)));
        let out: ArrayRef = match self.does {
            Does::Includes => Arc::new(pairs.map(|pair| pair.map(|(a, b)| holds(&a, &b, true))).collect::<BooleanArray>()),
            Does::Concat => Arc::new(pairs.map(|pair| pair.map(|(a, b)| both(a, b).to_string())).collect::<StringArray>()),
        };
        Ok(ColumnarValue::Array(out))
    }
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
