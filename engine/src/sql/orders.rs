//! What rows are put in order and into partitions by: with one zero, as keys have (`render/rows.rs`), and each expression once.
//!
//! Arrow's order has minus zero before zero, so that `OVER (PARTITION BY x)` made two partitions of them and `rank()` two ranks.
//! DataFusion's `first_value`, which `DISTINCT ON` becomes in a batch, stops the program over an expression that stands twice.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::{ExprSchema, Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::{
    ColumnarValue, Distinct, Expr, ExprSchemable, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// A call of a window function whose partitions and order have one zero; whether it changed.
pub fn of_window(function: &mut WindowFunction, frame: &dyn ExprSchema) -> bool {
    let (partitions, order) = (&mut function.params.partition_by, &mut function.params.order_by);
    let mut changed = false;
    for expr in partitions.iter_mut().chain(order.iter_mut().map(|s| &mut s.expr)) {
        changed |= normal(expr, frame);
    }
    changed
}

/// A call of an aggregate in whose order each expression stands once; whether it changed.
pub fn of_call(function: &mut AggregateFunction) -> bool {
    let before = function.params.order_by.len();
    once(&mut function.params.order_by, |s| &s.expr);
    before > function.params.order_by.len()
}

/// A node in whose order each expression stands once, with one zero.
pub fn of_node(node: LogicalPlan) -> LogicalPlan {
    match node {
        LogicalPlan::Sort(mut sort) => {
            let input = sort.input.clone();
            for one in &mut sort.expr {
                normal(&mut one.expr, input.schema().as_ref());
            }
            LogicalPlan::Sort(sort)
        }
        LogicalPlan::Distinct(Distinct::On(mut on)) => {
            let (input, order) = (on.input.clone(), on.sort_expr.as_deref_mut().unwrap_or_default());
            for expr in on.on_expr.iter_mut().chain(order.iter_mut().map(|s| &mut s.expr)) {
                normal(expr, input.schema().as_ref());
            }
            once(&mut on.on_expr, |e| e);
            on.sort_expr.iter_mut().for_each(|order| once(order, |s| &s.expr));
            LogicalPlan::Distinct(Distinct::On(on))
        }
        other => other,
    }
}

/// The first of those with one expression.
fn once<T>(all: &mut Vec<T>, of: impl Fn(&T) -> &Expr) {
    let mut seen: Vec<Expr> = Vec::new();
    all.retain(|one| {
        let new = !seen.contains(of(one));
        if new {
            seen.push(of(one).clone());
        }
        new
    });
}

/// The expression with one zero where it is of floats; whether it changed.
pub fn normal(expr: &mut Expr, frame: &dyn ExprSchema) -> bool {
    let done = matches!(expr, Expr::ScalarFunction(f) if f.func.inner().downcast_ref::<OneZero>().is_some());
    if done || !expr.get_type(frame).is_ok_and(|kind| kind.is_floating()) {
        return false;
    }
    let function = ScalarUDF::from(OneZero { signature: Signature::any(1, Volatility::Immutable) });
    *expr = function.call(vec![std::mem::take(expr)]);
    true
}

/// Minus zero and zero are one value of a key, as of an order.
pub fn normal_zero(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(|v| if v == 0.0 { 0.0 } else { v })),
        DataType::Float32 => Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float32Type>(|v| if v == 0.0 { 0.0 } else { v })),
        _ => column.clone(),
    }
}

/// A float, with 0.0 for −0.0.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OneZero {
    signature: Signature,
}

impl ScalarUDFImpl for OneZero {
    fn name(&self) -> &'static str {
        "one_zero"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(array)] => Ok(ColumnarValue::Array(normal_zero(array))),
            [ColumnarValue::Scalar(one)] => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&normal_zero(&one.to_array()?), 0)?)),
            _ => exec_err!("one_zero takes one value"),
        }
    }
}
