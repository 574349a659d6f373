//! GROUP BY: the five functions that are kept change by change, all others through DataFusion's own accumulators; grouping
//! sets as a union of plain groupings.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Aggregate as LogicalAggregate, Expr, ExprSchemable, GroupingSet, col};
use datafusion::physical_expr::expressions::Literal;
use datafusion::scalar::ScalarValue;

use super::{Lowering, Refused, all, checked, column, laid_out, physical, project};
use crate::sql::closing::{self, Closing};
use crate::sql::evaluate::{Compute, column_name, total};
use crate::sql::overflow::{SUMMED, is_room};
use crate::sql::plan::{Aggregate, Expression, Function, Node, Plan};

/// Sets of a cube: two to the power of its columns.
const CUBE_COLUMNS_MAX: usize = 10;

impl Lowering<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &LogicalAggregate, schema: SchemaRef) -> Result<Plan, Refused> {
        if let Some(plan) = self.of_windows(aggregate, &schema)? {
            return Ok(plan);
        }
        let input = self.plan(&aggregate.input)?;
        let input = Plan { schema: super::schema_of(&aggregate.input), ..input };
        let closings = closing::of(&aggregate.input, self.closings);
        match aggregate.group_expr.as_slice() {
            [Expr::GroupingSet(sets)] => grouping_sets(input, sets, aggregate, schema, &closings),
            keys if keys.iter().any(|e| matches!(e, Expr::GroupingSet(_))) => Err("a grouping set beside other groups".into()),
            keys => grouped(input, keys, aggregate, schema, &closings),
        }
    }

    /// Groups of sliding windows by slices, and of whole sessions, where that can be.
    fn of_windows(&mut self, aggregate: &LogicalAggregate, schema: &SchemaRef) -> Result<Option<Plan>, Refused> {
        let (keys, frame) = (&aggregate.group_expr, aggregate.input.schema());
        if keys.iter().any(|e| matches!(e, Expr::GroupingSet(_))) {
            return Ok(None);
        }
        let kind = |i: usize| schema.fields().get(keys.len() + i).map_or(DataType::Null, |f| f.data_type().clone());
        let calls = aggregate.aggr_expr.iter().enumerate().map(|(i, e)| maintained(e, frame, &kind(i)));
        let Some(calls) = calls.collect::<Result<Option<Vec<_>>, _>>()? else { return Ok(None) };
        if let Some(plan) = self.session_totals(aggregate, &calls, schema)? {
            return Ok(Some(plan));
        }
        let Some(plan) = self.by_slices(aggregate, &calls, schema)? else { return Ok(None) };
        let closings = closing::of(&aggregate.input, self.closings);
        let found = closed_key(keys, frame, &closings);
        Ok(Some(match plan.node {
            Node::Aggregate { input, keys, aggregates, hop, .. } => {
                Plan { node: Node::Aggregate { input, keys, aggregates, hop, closing: found, once: false }, ..plan }
            }
            node => Plan { node, ..plan },
        }))
    }
}

/// The key that watermarks close: one for good, if there is one.
fn closed_key(keys: &[Expr], frame: &DFSchema, closings: &[Option<Closing>]) -> Option<(usize, Closing)> {
    let closed = || keys.iter().enumerate().filter_map(|(i, e)| Some((i, closing::through_one(e, frame, closings)?)));
    closed().find(|(_, c)| !c.loose).or_else(|| closed().next())
}

fn grouped(
    input: Plan,
    keys: &[Expr],
    aggregate: &LogicalAggregate,
    schema: SchemaRef,
    closings: &[Option<Closing>],
) -> Result<Plan, Refused> {
    let frame = aggregate.input.schema();
    let kind = |i: usize| schema.field(keys.len() + i).data_type();
    let calls: Vec<Option<Aggregate>> =
        aggregate.aggr_expr.iter().enumerate().map(|(i, e)| maintained(e, frame, kind(i))).collect::<Result<_, _>>()?;
    let closing = closed_key(keys, frame, closings);
    let keys = all(keys, frame)?;
    if calls.iter().all(Option::is_some) {
        let aggregates: Vec<Aggregate> = calls.into_iter().flatten().collect();
        let append_only = input.append_only && aggregates.is_empty();
        let node = Node::Aggregate { input: Box::new(input), keys, aggregates, closing, hop: None, once: false };
        return Ok(Plan { append_only, node, schema });
    }
    evaluated(input, keys, closing, (&aggregate.aggr_expr, frame), schema)
}

/// A call of one of the functions that are kept change by change; none when it is another, or has a part that is not.
fn maintained(expr: &Expr, frame: &DFSchema, output: &DataType) -> Result<Option<Aggregate>, Refused> {
    let Expr::AggregateFunction(f) = expr.clone().unalias() else {
        return Err(format!("{expr} as an aggregate"));
    };
    let function = match f.func.name().to_lowercase().as_str() {
        "count" => Function::Count,
        "sum" => Function::Sum,
        "avg" => Function::Avg,
        "min" => Function::Min,
        "max" => Function::Max,
        _ => return Ok(None),
    };
    if !f.params.order_by.is_empty() || f.params.null_treatment.is_some() {
        return Ok(None);
    }
    if let (DataType::Decimal256(..), [one]) = (output, f.params.args.as_slice())
        && !matches!(summed(function, one, frame).get_type(frame), Ok(DataType::Decimal128(..)))
        && !is_short(one)
    {
        return Ok(None);
    }
    let argument = match f.params.args.as_slice() {
        [] => None,
        [Expr::Literal(value, _)] if function == Function::Count && !value.is_null() => None,
        [one] => Some(physical(summed(function, one, frame), frame)?),
        _ => return Ok(None),
    };
    // A sum of integers is one of decimals (`overflow.rs`).
    if matches!(function, Function::Sum | Function::Avg)
        && !matches!(output, DataType::Float64 | DataType::Decimal128(..) | DataType::Decimal256(..))
    {
        return Ok(None);
    }
    let filter = f.params.filter.as_deref().map(|e| physical(e, frame)).transpose()?;
    // Least and greatest do not change when values are taken once.
    let distinct = f.params.distinct && !matches!(function, Function::Min | Function::Max);
    Ok(Some(Aggregate { function, argument, filter, distinct }))
}

/// Whether an expression is a number of 256 bits that 128 would hold: a constant that was cast to have room.
fn is_short(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Decimal256(digits, ..), _) if digits.is_none_or(|d| d.to_i128().is_some()))
}

/// What is summed, or is the mean of: what is only cast to have room is summed as it is (`overflow.rs`).
pub(super) fn summed<'a>(function: Function, argument: &'a Expr, frame: &DFSchema) -> &'a Expr {
    match argument {
        Expr::Cast(cast) if function == Function::Sum && *cast.field.data_type() == SUMMED => {
            if cast.expr.get_type(frame).is_ok_and(|kind| kind.is_integer()) { &cast.expr } else { argument }
        }
        Expr::Cast(cast) if matches!(function, Function::Sum | Function::Avg) && is_room(cast.field.data_type()) => {
            let DataType::Decimal256(_, scale) = cast.field.data_type() else { return argument };
            if matches!(cast.expr.get_type(frame), Ok(DataType::Decimal128(_, own)) if own == *scale) { &cast.expr } else { argument }
        }
        other => other,
    }
}

/// Groups that DataFusion's accumulators compute anew from all their rows.
fn evaluated(
    input: Plan,
    keys: Vec<Expression>,
    closing: Option<(usize, Closing)>,
    (calls, frame): (&[Expr], &DFSchema),
    schema: SchemaRef,
) -> Result<Plan, Refused> {
    let mut columns: Vec<usize> = Vec::new();
    for column in calls.iter().flat_map(Expr::column_refs) {
        columns.push(frame.index_of_column(column).map_err(|e| e.strip_backtrace())?);
    }
    columns.sort_unstable();
    columns.dedup();
    let global = keys.is_empty();
    let input = laid_out(input, &keys, &columns)?;
    let place = |expr: Expr| {
        expr.transform(|e| match &e {
            Expr::Column(c) => {
                let at = frame.index_of_column(c).map(|i| columns.binary_search(&i).unwrap_or_default() + keys.len())?;
                Ok(Transformed::yes(Expr::Column(Column::new_unqualified(column_name(at)))))
            }
            _ => Ok(Transformed::no(e)),
        })
    };
    let mut placed: Vec<Expr> = Vec::new();
    for (call, field) in calls.iter().zip(schema.fields().iter().skip(keys.len())) {
        let call = place(call.clone().unalias()).map_err(|e| e.strip_backtrace())?.data;
        placed.push(total(call, field.data_type()));
    }
    let input = if global { with_seed(input, &mut placed)? } else { input };
    let compute = Compute::Aggregate { input: input.schema.clone(), calls: placed, keys: keys.len() };
    checked(&compute)?;
    Ok(Plan { append_only: false, node: Node::Group { input: Box::new(input), keys: keys.len(), compute, closing }, schema })
}

/// The one group of an aggregation without keys has a row even when there are no rows: a seed row that no call counts.
fn with_seed(input: Plan, calls: &mut [Expr]) -> Result<Plan, Refused> {
    let width = input.schema.fields().len();
    let fields = input.schema.fields().iter().cloned().chain(std::iter::once(Arc::new(Field::new("counts", DataType::Boolean, true))));
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut nulls: Vec<_> = input.schema.fields().iter().map(|f| new_null_array(f.data_type(), 1)).collect();
    nulls.push(Arc::new(BooleanArray::from(vec![false])));
    let rows = RecordBatch::try_new(schema.clone(), nulls).map_err(|e| e.to_string())?;
    let seed = Plan { node: Node::Values { rows }, schema: schema.clone(), append_only: true };
    let truth: Expression = Arc::new(Literal::new(ScalarValue::Boolean(Some(true))));
    let columns = (0..width).map(|i| column(&input.schema, i)).chain(std::iter::once(truth)).collect();
    let rows = project(input, columns, schema.clone());
    for call in calls {
        if let Expr::AggregateFunction(f) = call {
            let counts = col(column_name(width));
            f.params.filter = Some(Box::new(match f.params.filter.take() {
                None => counts,
                Some(filter) => counts.and(*filter),
            }));
        }
    }
    Ok(Plan { node: Node::Union { inputs: vec![seed, rows] }, schema, append_only: false })
}

fn grouping_sets(
    input: Plan,
    sets: &GroupingSet,
    aggregate: &LogicalAggregate,
    schema: SchemaRef,
    closings: &[Option<Closing>],
) -> Result<Plan, Refused> {
    let (columns, sets) = expanded(sets)?;
    let frame = aggregate.input.schema();
    let mut seen: Vec<&Vec<Expr>> = Vec::new();
    let named = |e: &Expr| columns.iter().position(|c| c == e).map_or("", |at| schema.field(at).name());
    let mut branches = Vec::new();
    for set in &sets {
        let ordinal = seen.iter().filter(|s| **s == set).count() as u64;
        seen.push(set);
        let key_types: Vec<Field> = set
            .iter()
            .map(|e| physical(e, frame).and_then(|p| p.data_type(&input.schema).map_err(|e| e.to_string())))
            .zip(set)
            .map(|(t, e)| t.map(|t| Field::new(named(e), t, true)))
            .collect::<Result<_, _>>()?;
        let calls = schema.fields().iter().skip(columns.len() + 1).map(|f| f.as_ref().clone());
        let inner: SchemaRef = Arc::new(Schema::new(key_types.into_iter().chain(calls).collect::<Vec<_>>()));
        let grouped = grouped(input.clone(), set, aggregate, inner.clone(), closings)?;
        // The bits of the identifier: 1 where a column is left out, the first column highest; then which repetition it is.
        let absent = columns.iter().fold(0u64, |id, c| (id << 1) | u64::from(!set.contains(c)));
        let id = ScalarValue::UInt64(Some(absent | ordinal << columns.len()));
        let id = id.cast_to(schema.field(columns.len()).data_type()).map_err(|e| e.strip_backtrace())?;
        let mut out: Vec<Expression> = Vec::new();
        for (i, c) in columns.iter().enumerate() {
            match set.iter().position(|k| k == c) {
                Some(at) => out.push(column(&inner, at)),
                None => {
                    let null = ScalarValue::try_from(schema.field(i).data_type()).map_err(|e| e.strip_backtrace())?;
                    out.push(Arc::new(Literal::new(null)));
                }
            }
        }
        out.push(Arc::new(Literal::new(id)));
        out.extend((set.len()..inner.fields().len()).map(|i| column(&inner, i)));
        branches.push(project(grouped, out, schema.clone()));
    }
    Ok(Plan { append_only: false, node: Node::Union { inputs: branches }, schema })
}

/// All columns, and the sets of them.
fn expanded(sets: &GroupingSet) -> Result<(Vec<Expr>, Vec<Vec<Expr>>), Refused> {
    let mut columns: Vec<Expr> = Vec::new();
    let sets: Vec<Vec<Expr>> = match sets {
        GroupingSet::Rollup(exprs) => (0..=exprs.len()).rev().map(|n| exprs.iter().take(n).cloned().collect()).collect(),
        GroupingSet::Cube(exprs) if exprs.len() <= CUBE_COLUMNS_MAX => (0..1usize << exprs.len())
            .map(|mask| exprs.iter().enumerate().filter(|(i, _)| mask & (1 << i) != 0).map(|(_, e)| e.clone()).collect())
            .collect(),
        GroupingSet::Cube(_) => return Err(format!("CUBE of more than {CUBE_COLUMNS_MAX} columns")),
        GroupingSet::GroupingSets(sets) => sets.clone(),
    };
    for expr in sets.iter().flatten() {
        if !columns.contains(expr) {
            columns.push(expr.clone());
        }
    }
    Ok((columns, sets))
}
