//! One zero in comparisons: −0.0 is 0.0 in SQL, as `=` of DataFusion has it, but two literals to its rules, and two values to `IN`
//! with constants, `CASE x WHEN …` and `nullif`, which compare bits. This is done before the rules make one condition of two.
//! And one NaN in medians and percentiles. Not here: keys, orders and partitions (`orders.rs`).

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions::math::expr_fn::nanvl;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, lit, when};
use datafusion::optimizer::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::orders::normal;

/// The name of the rule.
pub const ONE_ZERO: &str = "one_zero_in_comparisons";

/// The rule.
#[derive(Debug)]
pub struct ComparedZeros;

impl OptimizerRule for ComparedZeros {
    fn name(&self) -> &str {
        ONE_ZERO
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let (frame, names) = (merge_schema(&plan.inputs()), NamePreserver::new(&plan));
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(expr.transform_up(|e| compared(e, &frame))?.update_data(|e| name.restore(e)))
        })
    }
}

fn compared(expr: Expr, frame: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { mut left, op, mut right }) if op.supports_propagation() => {
            let changed = positive(&mut left) | positive(&mut right);
            Ok(Transformed::new_transformed(Expr::BinaryExpr(BinaryExpr { left, op, right }), changed))
        }
        Expr::InList(mut list) => {
            let changed = one_zero(&mut list.expr, list.list.iter_mut().collect(), frame);
            Ok(Transformed::new_transformed(Expr::InList(list), changed))
        }
        Expr::Case(mut case) => {
            let whens = case.when_then_expr.iter_mut().map(|(when, _)| when.as_mut()).collect();
            let changed = case.expr.as_deref_mut().is_some_and(|of| one_zero(of, whens, frame));
            Ok(Transformed::new_transformed(Expr::Case(case), changed))
        }
        Expr::ScalarFunction(call) if call.func.name() == "nullif" => match call.args.as_slice() {
            [of, one] if may_be_zero(one) && is_float(of, frame) => {
                let null = Expr::Literal(ScalarValue::try_from(&of.get_type(frame)?)?, None);
                compared(of.clone().eq(one.clone()), frame)
                    .and_then(|equal| when(equal.data, null).otherwise(of.clone()))
                    .map(Transformed::yes)
            }
            _ => Ok(Transformed::no(Expr::ScalarFunction(call))),
        },
        Expr::AggregateFunction(call) if ["median", "percentile_cont"].contains(&call.func.name()) => one_nan(call, frame),
        other => Ok(Transformed::no(other)),
    }
}

/// A median or percentile of floats, with one NaN: DataFusion's own takes one with a sign for the least, and then looks for the greatest
/// of those before the middle in whatever order they come.
fn one_nan(mut call: AggregateFunction, frame: &DFSchema) -> Result<Transformed<Expr>> {
    let nan = |kind: &DataType| match kind {
        DataType::Float64 => Some(lit(f64::NAN)),
        DataType::Float32 => Some(lit(f32::NAN)),
        _ => None,
    };
    let Some(of) = call.params.args.first_mut() else { return Ok(Transformed::no(Expr::AggregateFunction(call))) };
    let is_done = |nan: &Expr| matches!(&*of, Expr::ScalarFunction(f) if f.name() == "nanvl" && f.args.get(1) == Some(nan));
    match nan(&of.get_type(frame)?).filter(|nan| !is_done(nan)) {
        Some(nan) => {
            *of = nanvl(std::mem::take(of), nan);
            Ok(Transformed::yes(Expr::AggregateFunction(call)))
        }
        None => Ok(Transformed::no(Expr::AggregateFunction(call))),
    }
}

/// What is compared with some values, and these; whether any changed.
fn one_zero(of: &mut Expr, with: Vec<&mut Expr>, frame: &DFSchema) -> bool {
    let floats = is_float(of, frame) || with.iter().any(|e| is_float(e, frame));
    if !floats || !with.iter().any(|e| may_be_zero(e)) {
        return false;
    }
    with.into_iter().chain([of]).fold(false, |changed, e| changed | if is_constant(e) { positive(e) } else { normal(e, frame) })
}

fn is_float(expr: &Expr, frame: &DFSchema) -> bool {
    expr.get_type(frame).is_ok_and(|kind| kind.is_floating())
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(..) => true,
        Expr::Cast(Cast { expr, .. }) => is_constant(expr),
        _ => false,
    }
}

/// Whether a value is not known to be other than zero.
fn may_be_zero(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Float32(Some(value)), _) => *value == 0.0,
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => *value == 0.0,
        Expr::Literal(value, _) => ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero == *value),
        Expr::Cast(Cast { expr, .. }) => may_be_zero(expr),
        _ => true,
    }
}

/// Makes minus zero zero, where a literal is that; whether it was.
pub fn positive(expr: &mut Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Float32(Some(value)), _) if *value == 0.0 && value.is_sign_negative() => *value = 0.0,
        Expr::Literal(ScalarValue::Float64(Some(value)), _) if *value == 0.0 && value.is_sign_negative() => *value = 0.0,
        Expr::Cast(Cast { expr, .. }) => return positive(expr),
        _ => return false,
    }
    true
}
