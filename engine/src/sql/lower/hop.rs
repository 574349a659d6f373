//! GROUP BY of sliding windows, by slices: rows are put into slices that all windows are made of, not into each window.
//!
//! A slice is as long as the greatest common divisor of the slide and the size, so that all of its rows are in the same
//! windows (Li et al., *No pane, no gain*, 2005). What stands between the grouping and the list of windows is looked through:
//! keys and arguments are written over what stands beneath the list. Only where a key is of the row or of its window and not of
//! both, arguments are of the row, and states merge; else a row is put into each of its windows, by `unnest`, before it is grouped.

use std::sync::Arc;

use arrow::datatypes::{Field, IntervalMonthDayNano, Schema, SchemaRef};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Aggregate as LogicalAggregate, Expr, LogicalPlan, lit};
use datafusion::scalar::ScalarValue;

use super::over::{argument, columns_of, inner, named, written};
use super::{Lowering, Refused, column, filter, physical, project};
use crate::sql::plan::{Aggregate, Expression, Hop, HopKey, Node, Plan};
use crate::sql::render::merges;
use crate::sql::window::{WINDOWS_OF_ROW_MAX, micros_of, window_functions, window_type};

/// The column that stands for a row's window.
const WINDOW: &str = "window of row";

/// What is known of the windows.
struct Found<'a> {
    /// What the list of windows is made over.
    base: &'a LogicalPlan,
    /// The call that lists them.
    call: ScalarFunction,
    /// For each column of the aggregate's input what it is over the base and the window.
    over: Vec<Expr>,
    /// Conditions on rows, over the base.
    conditions: Vec<Expr>,
}

/// Looks for a list of windows beneath projections, names and conditions.
fn found(input: &LogicalPlan) -> Result<Option<Found<'_>>> {
    let (mut over, mut conditions, mut at): (Vec<Expr>, Vec<Expr>, &LogicalPlan) = (columns_of(input), Vec::new(), input);
    loop {
        let (beneath, exprs): (&LogicalPlan, Vec<Expr>) = match at {
            LogicalPlan::Filter(f) => {
                conditions.push(f.predicate.clone());
                at = &f.input;
                continue;
            }
            LogicalPlan::Unnest(unnest) => {
                let LogicalPlan::Projection(projection) = unnest.input.as_ref() else { return Ok(None) };
                let [(list, _)] = unnest.list_type_columns.as_slice() else { return Ok(None) };
                let narrow = unnest.struct_type_columns.is_empty() && unnest.schema.fields().len() == projection.expr.len();
                let call = match projection.expr.get(*list).map(inner) {
                    Some(Expr::ScalarFunction(call)) if narrow && call.name() == "hop_windows" => call.clone(),
                    _ => return Ok(None),
                };
                let mut exprs: Vec<Expr> = projection.expr.iter().map(|e| inner(e).clone()).collect();
                if let Some(expr) = exprs.get_mut(*list) {
                    *expr = Expr::Column(Column::new_unqualified(WINDOW));
                }
                over = written(over, at.schema(), &exprs)?;
                conditions = written(conditions, at.schema(), &exprs)?;
                return Ok(Some(Found { base: &projection.input, call, over, conditions }));
            }
            other => match named(other) {
                Some(beneath) => beneath,
                None => return Ok(None),
            },
        };
        over = written(over, at.schema(), &exprs)?;
        conditions = written(conditions, at.schema(), &exprs)?;
        at = beneath;
    }
}

/// Whether an expression asks for the row's window, and whether for anything else of the row.
fn asks(expr: &Expr) -> (bool, bool) {
    let refs = expr.column_refs();
    let window = |c: &&&Column| c.relation.is_none() && c.name == WINDOW;
    (refs.iter().any(|c| window(&c)), refs.iter().any(|c| !window(&c)))
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

/// Columns that rows of slices have: keys and arguments, each over the base.
#[derive(Default)]
struct Columns {
    exprs: Vec<Expr>,
}

impl Columns {
    fn add(&mut self, expr: Expr) -> usize {
        self.exprs.push(expr);
        self.exprs.len() - 1
    }
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
        let plain = |e: datafusion::common::DataFusionError| e.strip_backtrace();
        let Some(found) = found(&aggregate.input).map_err(plain)? else { return Ok(None) };
        let sizes: Option<Vec<i64>> = found.call.args.iter().skip(1).map(micros).collect();
        let (slide, size, offset) = match sizes.as_deref() {
            Some([slide, size, rest @ ..]) if *slide > 0 && *size > 0 && size / slide <= WINDOWS_OF_ROW_MAX => {
                (*slide, *size, rest.first().copied().unwrap_or(0))
            }
            _ => return Ok(None),
        };
        if found.conditions.iter().any(|c| asks(c).0) {
            return Ok(None);
        }
        let mut columns = Columns::default();
        let Some(keys) = keys_of(aggregate, &found, &mut columns).map_err(plain)? else { return Ok(None) };
        let others = columns.exprs.len();
        let Some(moved) = moved(aggregate, calls, &found, &mut columns).map_err(plain)? else { return Ok(None) };
        let Some(slice) = slice(&found.call, common_divisor(slide, size), offset) else { return Ok(None) };
        columns.exprs.insert(others, slice);
        let (input, time) = self.sliced(&found, &columns.exprs, others)?;
        let at = |i: usize| if i < others { i } else { i + 1 };
        let keeps = |call: &Aggregate| {
            let kind = call.argument.as_ref().map(|a| a.data_type(&input.schema)).transpose();
            kind.is_ok_and(|kind| merges(call, &kind.unwrap_or(arrow::datatypes::DataType::Int64), input.append_only))
        };
        let own = |i: usize| column(&input.schema, at(i));
        let aggregates: Vec<Aggregate> = calls
            .iter()
            .zip(moved)
            .map(|(call, argument)| Aggregate { argument: argument.map(own), filter: None, ..call.clone() })
            .collect();
        if !aggregates.iter().all(keeps) {
            return Ok(None);
        }
        let window = DFSchema::try_from(Schema::new(vec![Field::new(WINDOW, window_type(&time), true)])).map_err(plain)?;
        let key = |key: Key| match key {
            Key::Of(i) => Ok(HopKey::Column(i)),
            Key::Window(expr) => physical(&expr, &window).map(HopKey::Window),
        };
        let hop = Some(Hop { slide, size, offset, keys: keys.into_iter().map(key).collect::<Result<_, _>>()? });
        let keys = (0..=others).map(|i| column(&input.schema, i)).collect();
        let node = Node::Aggregate { input: Box::new(input), keys, aggregates, closing: None, hop, once: false };
        Ok(Some(Plan { node, schema: schema.clone(), append_only: false }))
    }

    /// The base with the columns of slices, and the type of a slice.
    fn sliced(&mut self, found: &Found<'_>, exprs: &[Expr], slice: usize) -> Result<(Plan, arrow::datatypes::DataType), Refused> {
        let frame = found.base.schema();
        let mut input = self.plan(found.base)?;
        for condition in &found.conditions {
            input = filter(input, physical(condition, frame)?);
        }
        let columns: Vec<Expression> = exprs.iter().map(|e| physical(e, frame)).collect::<Result<_, _>>()?;
        let kinds = columns.iter().map(|c| c.data_type(frame.as_arrow())).collect::<Result<Vec<_>, _>>();
        let kinds = kinds.map_err(|e| e.strip_backtrace())?;
        let time = kinds.get(slice).cloned().unwrap_or(arrow::datatypes::DataType::Null);
        let fields = kinds.into_iter().enumerate().map(|(i, kind)| Field::new(format!("column {i}"), kind, true));
        Ok((project(input, columns, Arc::new(Schema::new(fields.collect::<Vec<_>>()))), time))
    }
}

/// A key of groups.
enum Key {
    /// One of the columns of slices.
    Of(usize),
    /// Of the window.
    Window(Expr),
}

fn keys_of(aggregate: &LogicalAggregate, found: &Found<'_>, columns: &mut Columns) -> Result<Option<Vec<Key>>> {
    let mut keys = Vec::new();
    for expr in written(aggregate.group_expr.iter().map(|e| inner(e).clone()).collect(), aggregate.input.schema(), &found.over)? {
        keys.push(match asks(&expr) {
            (true, true) => return Ok(None),
            (true, false) => Key::Window(expr),
            (false, _) => Key::Of(columns.add(expr)),
        });
    }
    Ok(keys.iter().any(|k| matches!(k, Key::Window(_))).then_some(keys))
}

/// For each call the column of its argument, if it has one; none when one asks for the window. A row that a filter leaves out has
/// a null for an argument, and that is not computed of it.
fn moved(
    aggregate: &LogicalAggregate,
    calls: &[Aggregate],
    found: &Found<'_>,
    columns: &mut Columns,
) -> Result<Option<Vec<Option<usize>>>> {
    let (mut out, frame) = (Vec::new(), aggregate.input.schema());
    for (expr, call) in aggregate.aggr_expr.iter().zip(calls) {
        let argument = argument(expr, call, frame, &found.over)?;
        match argument {
            Some(argument) if asks(&argument).0 => return Ok(None),
            argument => out.push(argument.map(|a| columns.add(a))),
        }
    }
    Ok(Some(out))
}

/// The start of a row's slice.
fn slice(call: &ScalarFunction, slice: i64, offset: i64) -> Option<Expr> {
    let interval = |micros: i64| {
        let nanos = micros.checked_mul(1000)?;
        Some(lit(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(0, 0, nanos)))))
    };
    let start = window_functions().into_iter().find(|f| f.name() == "tumble_start")?;
    Some(start.call(vec![call.args.first()?.clone(), interval(slice)?, interval(offset)?]))
}
