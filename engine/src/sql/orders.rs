//! What rows are put in order and into partitions by: with one zero, as keys have (`render/rows.rs`), and each expression once.
//!
//! Arrow's order has minus zero before zero, so that `OVER (PARTITION BY x)` made two partitions of them and `rank()` two ranks.
//! DataFusion's `first_value`, which `DISTINCT ON` becomes in a batch, stops the program over an expression that stands twice.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, ExprSchema, Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::{
    ColumnarValue, Distinct, DistinctOn, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, SortExpr, Volatility,
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

/// The plan with the order of each `DISTINCT ON` above it as well: it says which row of a group is the first, and how these stand. What
/// is given, and what it is of and ordered by, is computed beneath, so that it gives the columns that it has: DataFusion's rules take
/// the places of one for those of the other.
///
/// # Errors
/// When the plan is not what it says, which is a defect.
pub fn above_distinct(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut number = 0;
    let one = |node: LogicalPlan| match node {
        LogicalPlan::Distinct(Distinct::On(on)) => {
            number += 1;
            in_order(on, number).map(Transformed::yes)
        }
        other => Ok(Transformed::no(other)),
    };
    plan.transform_up_with_subqueries(one).map(|done| done.data)
}

fn in_order(on: DistinctOn, number: usize) -> Result<LogicalPlan> {
    let name = |what: &str, at: usize| format!("{what} {at} of distinct {number}");
    let column = |name: String| Expr::Column(Column::new_unqualified(name));
    let mut named: Vec<Expr> = on.select_expr.iter().enumerate().map(|(i, e)| e.clone().unalias().alias(name("column", i))).collect();
    let mut known: Vec<Expr> = Vec::new();
    let mut by = |expr: &Expr| {
        let at = known.iter().position(|e| e == expr).unwrap_or_else(|| {
            known.push(expr.clone());
            named.push(expr.clone().alias(name("order", known.len() - 1)));
            known.len() - 1
        });
        column(name("order", at))
    };
    let groups: Vec<Expr> = on.on_expr.iter().map(&mut by).collect();
    let sort: Option<Vec<SortExpr>> =
        on.sort_expr.as_ref().map(|sort| sort.iter().map(|s| SortExpr { expr: by(&s.expr), ..s.clone() }).collect());
    let input = LogicalPlanBuilder::from(on.input.as_ref().clone()).project(named)?.build()?;
    let all: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
    let first = DistinctOn::try_new(groups, all, sort.clone(), input.into())?;
    let plan = LogicalPlanBuilder::from(LogicalPlan::Distinct(Distinct::On(first)));
    let plan = match sort.filter(|sort| !sort.is_empty()) {
        Some(sort) => plan.sort(sort)?,
        None => plan,
    };
    let shown =
        on.schema.iter().enumerate().map(|(i, (table, field))| column(name("column", i)).alias_qualified(table.cloned(), field.name()));
    plan.project(shown.collect::<Vec<_>>())?.build()
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
