//! GROUP BY of sliding windows, by slices: rows are put into slices that all windows are made of, not into each window.
//!
//! A slice is as long as the greatest common divisor of the slide and the size, so that all of its rows are in the same
//! windows. Only where keys are columns and windows, arguments are columns, and states merge; else a row is put into each of
//! its windows, by `unnest`, before it is grouped.

use std::sync::Arc;

use arrow::datatypes::{Field, IntervalMonthDayNano, Schema, SchemaRef};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Aggregate as LogicalAggregate, Expr, LogicalPlan, Projection, ScalarUDF, lit};
use datafusion::physical_expr::expressions::Column as PhysicalColumn;
use datafusion::scalar::ScalarValue;

use super::{Lowering, Refused, all, column, physical, project};
use crate::sql::plan::{Aggregate, Hop, HopKey, Node, Plan};
use crate::sql::render::merges;
use crate::sql::window::{WINDOWS_OF_ROW_MAX, micros_of, window_functions};

/// What is known of the windows: the projection that lists them, the list's column, the call, and where columns come from.
struct Found<'a> {
    projection: &'a Projection,
    at: usize,
    call: &'a ScalarFunction,
    /// For each column of the aggregate's input the column of the projection.
    picks: Vec<usize>,
}

fn found(input: &LogicalPlan) -> Option<Found<'_>> {
    let (unnest, picks) = match input {
        LogicalPlan::Unnest(unnest) => (unnest, (0..unnest.schema.fields().len()).collect()),
        LogicalPlan::Projection(p) => {
            let LogicalPlan::Unnest(unnest) = p.input.as_ref() else { return None };
            let pick = |e: &Expr| unnest.schema.index_of_column(plain(e)?).ok();
            (unnest, p.expr.iter().map(pick).collect::<Option<Vec<_>>>()?)
        }
        _ => return None,
    };
    let LogicalPlan::Projection(projection) = unnest.input.as_ref() else { return None };
    let [(at, _)] = unnest.list_type_columns.as_slice() else { return None };
    let narrow = unnest.struct_type_columns.is_empty() && unnest.schema.fields().len() == projection.expr.len();
    match inner(projection.expr.get(*at)?) {
        Expr::ScalarFunction(call) if narrow && call.name() == "hop_windows" => Some(Found { projection, at: *at, call, picks }),
        _ => None,
    }
}

fn inner(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => inner(&alias.expr),
        other => other,
    }
}

fn plain(expr: &Expr) -> Option<&Column> {
    match inner(expr) {
        Expr::Column(column) => Some(column),
        _ => None,
    }
}

fn micros(expr: &Expr) -> Option<i64> {
    match inner(expr) {
        Expr::Literal(value, _) => micros_of(value),
        _ => None,
    }
}

fn common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

impl Lowering<'_> {
    /// The plan by slices; none where that cannot be.
    pub(super) fn by_slices(
        &mut self,
        aggregate: &LogicalAggregate,
        calls: &[Aggregate],
        schema: &SchemaRef,
    ) -> Result<Option<Plan>, Refused> {
        // What groups nothing can only grow, and stays as it is.
        if calls.is_empty() {
            return Ok(None);
        }
        let Some(found) = found(&aggregate.input) else { return Ok(None) };
        let sizes: Option<Vec<i64>> = found.call.args.iter().skip(1).map(micros).collect();
        let (slide, size, offset) = match sizes.as_deref() {
            Some([slide, size, rest @ ..]) if *slide > 0 && *size > 0 && size / slide <= WINDOWS_OF_ROW_MAX => {
                (*slide, *size, rest.first().copied().unwrap_or(0))
            }
            _ => return Ok(None),
        };
        let Some((input, window)) = self.sliced(&found, common_divisor(slide, size), offset)? else { return Ok(None) };
        let Some((mut keys, hop_keys)) = keys_of(aggregate, &found, &window)? else { return Ok(None) };
        let Some(aggregates) = moved(calls, &found, &input) else { return Ok(None) };
        keys.push(found.at);
        let keys = keys.into_iter().map(|i| column(&input.schema, i)).collect();
        let hop = Some(Hop { slide, size, offset, keys: hop_keys });
        let node = Node::Aggregate { input: Box::new(input), keys, aggregates, closing: None, hop };
        Ok(Some(Plan { node, schema: schema.clone(), append_only: false }))
    }

    /// The projection with slices in place of lists, and the type of a window.
    fn sliced(&mut self, found: &Found<'_>, slice: i64, offset: i64) -> Result<Option<(Plan, DFSchema)>, Refused> {
        let interval = |micros: i64| {
            let nanos = micros.checked_mul(1000)?;
            Some(lit(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(0, 0, nanos)))))
        };
        let (Some(time), Some(slice), Some(offset)) = (found.call.args.first(), interval(slice), interval(offset)) else { return Ok(None) };
        let start: Option<ScalarUDF> = window_functions().into_iter().find(|f| f.name() == "tumble_start");
        let Some(start) = start else { return Ok(None) };
        let mut exprs = found.projection.expr.clone();
        if let Some(expr) = exprs.get_mut(found.at) {
            *expr = start.call(vec![time.clone(), slice, offset]);
        }
        let frame = found.projection.input.schema();
        let columns = all(&exprs, frame)?;
        let input = self.plan(&found.projection.input)?;
        let kinds = columns.iter().map(|c| c.data_type(frame.as_arrow())).collect::<Result<Vec<_>, _>>();
        let kinds = kinds.map_err(|e| e.strip_backtrace())?;
        let fields = found.projection.schema.fields().iter().zip(kinds).map(|(f, kind)| Field::new(f.name(), kind, true));
        let fields: Vec<Field> = fields.collect();
        let Some(time) = fields.get(found.at) else { return Ok(None) };
        let window = Field::new("window", crate::sql::window::window_type(time.data_type()), true);
        let window = DFSchema::try_from(Schema::new(vec![window])).map_err(|e| e.strip_backtrace())?;
        Ok(Some((project(input, columns, Arc::new(Schema::new(fields))), window)))
    }
}

/// Columns that are keys beside the windows, and for each key what it is.
type Keys = (Vec<usize>, Vec<HopKey>);

fn keys_of(aggregate: &LogicalAggregate, found: &Found<'_>, window: &DFSchema) -> Result<Option<Keys>, Refused> {
    let frame = aggregate.input.schema();
    let place = |c: &Column| frame.index_of_column(c).ok().and_then(|i| found.picks.get(i).copied());
    let (mut others, mut keys) = (Vec::new(), Vec::new());
    for key in &aggregate.group_expr {
        let places: Option<Vec<usize>> = key.column_refs().into_iter().map(place).collect();
        match (places.as_deref(), plain(key)) {
            (Some([at]), _) if *at == found.at => {
                let over = datafusion::common::tree_node::TreeNode::transform(inner(key).clone(), |e| {
                    use datafusion::common::tree_node::Transformed;
                    Ok(match e {
                        Expr::Column(_) => Transformed::yes(Expr::Column(Column::new_unqualified("window"))),
                        other => Transformed::no(other),
                    })
                });
                keys.push(HopKey::Window(physical(&over.map_err(|e| e.strip_backtrace())?.data, window)?));
            }
            (Some([at]), Some(_)) => {
                keys.push(HopKey::Column(others.len()));
                others.push(*at);
            }
            _ => return Ok(None),
        }
    }
    Ok(keys.iter().any(|k| matches!(k, HopKey::Window(_))).then_some((others, keys)))
}

/// The calls over the columns of slices; none when one has an argument that is not a column, or states that do not merge.
fn moved(calls: &[Aggregate], found: &Found<'_>, input: &Plan) -> Option<Vec<Aggregate>> {
    let one = |call: &Aggregate| {
        let argument = match &call.argument {
            None => None,
            Some(argument) => {
                let at = *found.picks.get(argument.downcast_ref::<PhysicalColumn>()?.index())?;
                (at != found.at && at < input.schema.fields().len()).then_some(())?;
                merges(call, input.schema.field(at).data_type(), input.append_only).then_some(())?;
                Some(column(&input.schema, at))
            }
        };
        (call.filter.is_none() && !call.distinct).then(|| Aggregate { argument, ..call.clone() })
    };
    calls.iter().map(one).collect()
}
