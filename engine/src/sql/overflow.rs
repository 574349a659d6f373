//! Integers that leave their type are an error: in `+`, `-`, `*` and in `sum`; so are sums and means of decimals. DataFusion's wrap, and
//! give a wrong number.
//!
//! The last rule of the analyser, for streams and for the batch alike, once all types are known; lists, of subqueries too, and orders
//! are looked at on the way (`in_list.rs`, `orders.rs`), times without seconds (`minutes.rs`), and comparisons of intervals (`intervals.rs`) and of times (`nanoseconds.rs`). Operators become calls that fail (`expression/checked.rs`). A sum is one
//! of decimals, which has room for 10^38, and is made a number of 64 bits where it is given (`functions/whole.rs`): a group whose
//! sum leaves 64 bits is a row error for as long as it does. A sum or mean of decimals of 128 bits is one of 256 in the same way.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ExprSchema, Result, TableReference};
use datafusion::logical_expr::expr::{Alias, InSubquery, SetComparison};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator, Projection, TryCast, WindowFunctionDefinition,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

use super::functions::whole;
use super::in_list::compared;
use super::intervals;
use super::minutes;
use super::nanoseconds;
use super::orders;
use super::subqueries::listed;
use crate::expression::{checked, is_sum, operator_of};

/// What integers are summed as: any of 64 bits has so many digits.
pub const SUMMED: DataType = DataType::Decimal128(20, 0);

/// What decimals with so many digits behind the point are summed as: a sum of these has ten digits more.
fn room(scale: i8) -> DataType {
    DataType::Decimal256(66, scale)
}

/// Whether decimals are summed as a type.
pub fn is_room(kind: &DataType) -> bool {
    matches!(kind, DataType::Decimal256(_, scale) if *kind == room(*scale))
}

/// The rule.
#[derive(Debug)]
pub struct Overflow;

impl AnalyzerRule for Overflow {
    fn name(&self) -> &'static str {
        "overflow"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let frame = frame(&node)?;
            let names = NamePreserver::new(&node);
            let named = |expr: Expr| {
                let name = names.save(&expr);
                Ok(operators(expr, &frame)?.update_data(|e| name.restore(e)))
            };
            let strict = node.map_expressions(|expr| match expr {
                // A set has no name: its columns have.
                set @ Expr::GroupingSet(_) => set.map_children(named),
                other => named(other),
            })?;
            strict.transform_data(|node| sums(orders::of_node(node), &frame))
        })
        .map(|done| done.data)
    }
}

/// What the expressions of a node are over.
fn frame(node: &LogicalPlan) -> Result<DFSchema> {
    let mut frame = merge_schema(&node.inputs());
    if let LogicalPlan::TableScan(scan) = node {
        frame.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    Ok(frame)
}

fn operators(expr: Expr, frame: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|e| match e {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_sum(op) && is_whole(&left, frame) && is_whole(&right, frame) => {
            Ok(Transformed::yes(checked(*left, op, *right)))
        }
        Expr::BinaryExpr(of) => Ok(match intervals::compared(&of, frame).or_else(|| nanoseconds::compared(&of, frame)) {
            Some(by_length) => Transformed::yes(by_length),
            None => Transformed::no(Expr::BinaryExpr(of)),
        }),
        Expr::Between(of) => Ok(match intervals::between(&of, frame).or_else(|| nanoseconds::between(&of, frame)) {
            Some(by_length) => Transformed::yes(by_length),
            None => Transformed::no(Expr::Between(of)),
        }),
        Expr::InList(list) => Ok(match intervals::among(&list, frame) {
            Some(by_length) => Transformed::yes(by_length),
            None => match nanoseconds::among(&list, frame) {
                Some(list) => Transformed::yes(compared(list).data),
                None => compared(list),
            },
        }),
        Expr::Cast(cast) => match minutes::literal(&cast.expr, cast.field.data_type()) {
            Some(expr) => Ok(Transformed::yes(Expr::Cast(Cast { expr: Box::new(expr), ..cast }))),
            None => Ok(Transformed::no(Expr::Cast(cast))),
        },
        Expr::TryCast(cast) => match minutes::literal(&cast.expr, cast.field.data_type()) {
            Some(expr) => Ok(Transformed::yes(Expr::TryCast(TryCast { expr: Box::new(expr), ..cast }))),
            None => Ok(Transformed::no(Expr::TryCast(cast))),
        },
        Expr::InSubquery(of) => Ok(listed(of.subquery.clone())?.update_data(|subquery| Expr::InSubquery(InSubquery { subquery, ..of }))),
        Expr::SetComparison(of) => {
            Ok(listed(of.subquery.clone())?.update_data(|subquery| Expr::SetComparison(SetComparison { subquery, ..of })))
        }
        Expr::WindowFunction(mut call) => {
            let changed = orders::of_window(&mut call, frame);
            Ok(Transformed::new_transformed(Expr::WindowFunction(call), changed))
        }
        Expr::AggregateFunction(mut call) => {
            let changed = orders::of_call(&mut call);
            Ok(Transformed::new_transformed(Expr::AggregateFunction(call), changed))
        }
        Expr::Negative(of) => match of.get_type(frame) {
            Ok(kind) if kind.is_signed_integer() => {
                let zero = Expr::Literal(ScalarValue::new_zero(&kind)?, None);
                Ok(Transformed::yes(checked(zero, Operator::Minus, *of)))
            }
            _ => Ok(Transformed::no(Expr::Negative(of))),
        },
        other => Ok(Transformed::no(other)),
    })
}

/// Whether an expression is of integers; of operators that were looked at before, without going down them again.
fn is_whole(expr: &Expr, frame: &dyn ExprSchema) -> bool {
    match expr {
        Expr::ScalarFunction(call) if operator_of(&call.func).is_some() => true,
        // Only of dates the difference is a number; the type of a long chain of floats is not asked for at each link.
        Expr::BinaryExpr(b) if is_sum(b.op) => is_of_dates(&b.left, frame) && expr.get_type(frame).is_ok_and(|kind| kind.is_integer()),
        other => other.get_type(frame).is_ok_and(|kind| kind.is_integer()),
    }
}

/// Whether a chain of sums begins with a date.
fn is_of_dates(expr: &Expr, frame: &dyn ExprSchema) -> bool {
    let mut first = expr;
    while let Expr::BinaryExpr(BinaryExpr { left, op, .. }) = first
        && is_sum(*op)
    {
        first = left;
    }
    first.get_type(frame).is_ok_and(|kind| matches!(kind, DataType::Date32 | DataType::Date64))
}

/// The node with sums of integers as sums of decimals, and above it the numbers that these are under the same names.
fn sums(node: LogicalPlan, frame: &DFSchema) -> Result<Transformed<LogicalPlan>> {
    let before = node.schema().clone();
    let (calls, first) = match &node {
        LogicalPlan::Aggregate(aggregate) => (&aggregate.aggr_expr, before.fields().len() - aggregate.aggr_expr.len()),
        LogicalPlan::Window(window) => (&window.window_expr, window.input.schema().fields().len()),
        _ => return Ok(Transformed::no(node)),
    };
    let wide: Vec<Option<Expr>> = calls.iter().map(|call| in_full(call, frame)).collect();
    if wide.iter().all(Option::is_none) {
        return Ok(Transformed::no(node));
    }
    let fields = before.fields().iter().skip(first);
    let one = |((call, wide), field): ((&Expr, &Option<Expr>), &Arc<Field>)| wide.clone().map_or(call.clone(), |w| w.alias(field.name()));
    let calls: Vec<Expr> = calls.iter().zip(&wide).zip(fields).map(one).collect();
    let node = match node {
        LogicalPlan::Aggregate(mut aggregate) => {
            aggregate.aggr_expr = calls;
            LogicalPlan::Aggregate(aggregate)
        }
        LogicalPlan::Window(mut window) => {
            window.window_expr = calls;
            LogicalPlan::Window(window)
        }
        other => other,
    }
    .recompute_schema()?;
    let column = |(at, (relation, field)): (usize, (Option<&TableReference>, &Arc<Field>))| {
        if at.checked_sub(first).and_then(|call| wide.get(call)).is_none_or(Option::is_none) {
            return Expr::Column(Column::from((relation, field)));
        }
        let sum = Expr::Column(Column::new_unqualified(field.name()));
        let given = match field.data_type() {
            kind @ DataType::Decimal128(..) => Expr::Cast(Cast::new(Box::new(sum), kind.clone())),
            kind => whole(sum, kind),
        };
        Expr::Alias(Alias::new(given, relation.cloned(), field.name()))
    };
    let columns = before.iter().enumerate().map(column).collect();
    Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(node))?)))
}

/// A call of `sum` over integers as one over decimals, and of `sum` or `avg` over decimals as one over longer ones; none for other
/// calls.
fn in_full(call: &Expr, frame: &DFSchema) -> Option<Expr> {
    let widened = |name: &str, args: &mut Vec<Expr>| {
        let [one] = args.as_mut_slice() else { return false };
        let wide = match one.get_type(frame) {
            _ if name == "sum" && is_whole(one, frame) => SUMMED,
            Ok(DataType::Decimal128(_, scale)) if ["sum", "avg"].contains(&name) => room(scale),
            _ => return false,
        };
        *one = Expr::Cast(Cast::new(Box::new(one.clone()), wide));
        true
    };
    let mut call = call.clone().unalias();
    let changed = match &mut call {
        Expr::AggregateFunction(f) => widened(&f.func.name().to_lowercase(), &mut f.params.args),
        Expr::WindowFunction(f) => match &f.fun {
            WindowFunctionDefinition::AggregateUDF(of) => widened(of.name(), &mut f.params.args),
            WindowFunctionDefinition::WindowUDF(_) => false,
        },
        _ => false,
    };
    changed.then_some(call)
}
