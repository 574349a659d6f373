//! Calls of windows in one form: the time, the sizes as intervals, an offset, and a zone where a calendar decides.
//!
//! The time may be left out where the rows say which it is: their one column that a watermark closes. Sizes may be text. A time whose
//! type has a zone, other than UTC, follows that zone's clock; so do sizes in months, of UTC when there is no zone.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use crate::sql::closing::{self, Known, Shape};
use crate::sql::window::zone::Zone;
use crate::sql::window::{Arguments, interval, is_window, window_time};

/// All calls of a plan in their form.
pub fn calls(plan: LogicalPlan, known: Known<'_>) -> Result<LogicalPlan> {
    let one = |node: LogicalPlan| {
        let mut any = false;
        node.apply_expressions(|e| {
            any |= e.exists(|e| Ok(matches!(e, Expr::ScalarFunction(f) if is_window(f.name()))))?;
            Ok(TreeNodeRecursion::Jump)
        })?;
        if !any {
            return Ok(Transformed::no(node));
        }
        let inputs: Vec<LogicalPlan> = node.inputs().into_iter().cloned().collect();
        let schema = merge_schema(&inputs.iter().collect::<Vec<_>>());
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let saved = names.save(&expr);
            let new = expr.transform_up(|e| match e {
                Expr::ScalarFunction(f) if is_window(f.name()) => normal(f, &schema, &inputs, known).map(Transformed::yes),
                other => Ok(Transformed::no(other)),
            })?;
            Ok(new.update_data(|e| saved.restore(e)))
        })
    };
    plan.transform_up_with_subqueries(one).map(|t| t.data)
}

/// Whether a call in its form follows a calendar: it names a zone.
pub fn is_on_calendar(args: &[Expr]) -> bool {
    args.iter().skip(1).any(|e| matches!(e, Expr::Literal(value, _) if value.try_as_str().flatten().is_some()))
}

fn normal(f: ScalarFunction, schema: &DFSchema, inputs: &[LogicalPlan], known: Known<'_>) -> Result<Expr> {
    let name = f.name().to_string();
    let mut args = f.args.into_iter();
    let Some(first) = args.next() else { return plan_err!("{name} needs a size") };
    let left_out = span(&first).is_some() || matches!(first.get_type(schema), Ok(DataType::Interval(_)));
    let (time, rest): (Expr, Vec<Expr>) = match left_out {
        true => (time_of(&name, inputs, known)?, std::iter::once(first).chain(args).collect()),
        false => (first, args.collect()),
    };
    let (sizes, shape) = match name.as_str() {
        "session" => (1, "session(time, gap [, key …])"),
        "hop" => (2, "hop(time, slide, size [, offset] [, zone])"),
        "cumulate" => (2, "cumulate(time, step, size [, offset] [, zone])"),
        _ => (1, "tumble(time, size [, offset] [, zone])"),
    };
    let told = if name == "session" { 1 } else { rest.len() };
    let constants: Option<Vec<ScalarValue>> =
        rest.iter().take(told).enumerate().map(|(i, e)| if i < sizes { span(e).or_else(|| constant(e)) } else { constant(e) }).collect();
    let Some(constants) = constants else { return plan_err!("sizes of a window must be constant: {shape}") };
    let mut given = Arguments::of(&constants.iter().collect::<Vec<_>>(), sizes, shape)?;
    let kind = time.get_type(schema)?;
    window_time(&kind)?;
    let of_type = Zone::of_type(&kind);
    let named = constants.iter().skip(sizes).find_map(|v| v.try_as_str().flatten()).map(str::to_string);
    let zone = match (given.zone.zip(named), of_type) {
        (Some((zone, name)), _) => Some((zone, name)),
        (None, Some(of_type)) if name != "session" => Some(of_type),
        _ => None,
    };
    let zone = match zone {
        Some((zone, _)) if zone.is_utc() && !given.has_months() => None,
        None if given.has_months() && name != "session" => Some((Zone::Fixed(0), utc_of(&kind))),
        zone => zone,
    };
    given.zone = zone.as_ref().map(|(zone, _)| *zone);
    given.check(&name, shape)?;
    let spans = constants.into_iter().filter(|v| v.try_as_str().flatten().is_none()).map(lit);
    let keys = rest.into_iter().skip(told);
    let args = std::iter::once(time).chain(spans).chain(zone.map(|(_, name)| lit(name))).chain(keys).collect();
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(f.func, args)))
}

/// The name under which a time's type says UTC.
fn utc_of(kind: &DataType) -> String {
    match kind {
        DataType::Timestamp(_, Some(zone)) => zone.to_string(),
        _ => "UTC".into(),
    }
}

/// The one column of the rows that a watermark closes.
fn time_of(name: &str, inputs: &[LogicalPlan], known: Known<'_>) -> Result<Expr> {
    let [input] = inputs else { return plan_err!("{name} without a time here is not supported yet: give it the time first") };
    let columns = closing::of(input, known);
    let times = input.schema().iter().zip(columns).filter(|(_, c)| c.as_ref().is_some_and(|c| c.shape == Shape::Time));
    let times: Vec<Expr> = times.map(|((q, f), _)| Expr::Column((q, f).into())).collect();
    match times.as_slice() {
        [time] => Ok(time.clone()),
        [] => plan_err!("{name} needs a time as its first argument, or rows with a column that has a WATERMARK FOR it"),
        [a, b, ..] => plan_err!("{name} without a time could mean {a} or {b}: give it the time first"),
    }
}

/// The interval that a text says.
fn span(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten().and_then(interval),
        Expr::Alias(alias) => span(&alias.expr),
        _ => None,
    }
}

/// The value of an expression without columns.
fn constant(expr: &Expr) -> Option<ScalarValue> {
    if !expr.column_refs().is_empty() {
        return None;
    }
    let context = SimplifyContext::builder().with_schema(DFSchema::empty().into()).build();
    let mut simple = ExprSimplifier::new(context).simplify(expr.clone()).ok()?;
    while let Expr::Alias(alias) = simple {
        simple = *alias.expr;
    }
    match simple {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}
