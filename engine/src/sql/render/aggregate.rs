//! GROUP BY: one row a group, kept up to date change by change; a change costs what it changes, not what its group holds.
//!
//! An epoch is worked through once it is complete: a group's row before it is retracted, its row after it is inserted, when
//! the two differ. `groups` holds the state. With no keys there is one group, which has a row from the first epoch on.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::scalar::ScalarValue;

use super::Changes;
use super::close::at_close;
use super::groups::{Early, Paged, Partial, Sliding};
use super::rows::{self, Split};
use crate::flow::exchange::{exchange_by, worker_of_nothing};
use crate::sql::closing::Closing;
use crate::sql::plan::{Aggregate, Hop, Plan};
use crate::sql::snapshot::Place;
use crate::sql::watermark::Watermarks;

/// The columns that an aggregation works on: keys, then an argument for each aggregate. A row that an aggregate's filter
/// leaves out has a null argument; `count(*)` counts a constant.
pub fn prepare(
    input: &Plan,
    keys: &[Arc<dyn PhysicalExpr>],
    aggregates: &[Aggregate],
    output: &SchemaRef,
) -> (Vec<Arc<dyn PhysicalExpr>>, SchemaRef) {
    use datafusion::physical_expr::expressions::{CaseExpr, Literal};
    let mut columns: Vec<Arc<dyn PhysicalExpr>> = keys.to_vec();
    for aggregate in aggregates {
        let one: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(ScalarValue::Int64(Some(1))));
        let argument = aggregate.argument.clone().unwrap_or(one);
        let filtered = aggregate.filter.clone().and_then(|f| CaseExpr::try_new(None, vec![(f, argument.clone())], None).ok());
        columns.push(filtered.map_or(argument, |case| Arc::new(case) as Arc<dyn PhysicalExpr>));
    }
    let field = |(i, e): (usize, &Arc<dyn PhysicalExpr>)| {
        let name = output.fields().get(i).map_or("argument", |f| f.name());
        Field::new(name, e.data_type(&input.schema).unwrap_or(DataType::Null), true)
    };
    let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
    (columns, Arc::new(schema))
}

/// The columns of an aggregation.
#[derive(Clone)]
pub struct Shape {
    /// Of the prepared input: keys, then arguments.
    pub prepared: SchemaRef,
    /// How many of them are keys.
    pub keys: usize,
    /// Of the output.
    pub schema: SchemaRef,
    /// Whether the input can only grow.
    pub append_only: bool,
    /// Sliding windows that the groups are in; the last key is then the slice.
    pub hop: Option<Hop>,
    /// Whether a group is given once only, when it is closed.
    pub once: bool,
}

/// The key that watermarks close, how, and the watermarks.
pub type Closes = Option<(usize, Closing, Watermarks)>;

/// Aggregates a prepared stream; gives the rows of the groups, and rows that came too late for theirs.
pub fn aggregate<'s>(input: Changes<'s>, view: &str, shape: &Shape, aggregates: &[Aggregate], closes: Closes, at: &Place) -> Split<'s> {
    grouped(rows::normal_keys(input, &shape.prepared, shape.keys), view, shape, aggregates, closes, at)
}

fn grouped<'s>(input: Changes<'s>, view: &str, shape: &Shape, aggregates: &[Aggregate], closes: Closes, at: &Place) -> Split<'s> {
    let (index, peers) = (input.scope().worker().index(), input.scope().worker().peers());
    let hop = shape.hop.clone().map(|hop| (hop, shape.schema.clone()));
    let partial = Partial::new(&shape.prepared, shape.keys, aggregates, shape.append_only);
    // With several workers each aggregates its rows first.
    let (input, early_late, merged) = match partial {
        Some(partial) if peers > 1 && !aggregates.is_empty() => {
            let early = Early::new(partial, closes.clone(), hop);
            let (reduced, late) = at_close(input, "aggregate early", view, Some(early), &Place::nowhere());
            (reduced, Some(late), true)
        }
        _ => (input, None, false),
    };
    // All slices of a window are on one worker.
    let routed = if shape.hop.is_some() { shape.keys.saturating_sub(1) } else { shape.keys };
    let input = if peers > 1 { exchange_by(input, (0..routed).collect()) } else { input };
    if let (Some(hop), true) = (&shape.hop, shape.once) {
        let sliding = Sliding::new(hop.clone(), shape, aggregates, closes, merged);
        let sliding = sliding.map_err(|error| crate::flow::defect::tell("sliding windows cannot be kept", &error)).ok();
        let (rows, late) = at_close(input, "aggregate", view, sliding, at);
        return (rows, early_late.unwrap_or(late));
    }
    let groups = Paged::new(shape.clone(), aggregates, closes, merged);
    let mut groups = groups.map_err(|error| crate::flow::defect::tell("groups cannot be kept", &error)).ok();
    // The one group of an aggregation without keys has a row even when nothing ever comes.
    if let Some(groups) = groups.as_mut().filter(|_| shape.keys == 0 && index == worker_of_nothing(peers)) {
        groups.open_global();
    }
    let (rows, late) = at_close(input, "aggregate", view, groups, at);
    (rows, early_late.unwrap_or(late))
}

/// Each row of a stream once, as it stands: minus zero is not zero here, for rows are looked up by it.
pub fn distinct<'s>(input: Changes<'s>, view: &str, schema: SchemaRef, at: &Place) -> Changes<'s> {
    let keys = schema.fields().len();
    grouped(input, view, &Shape { prepared: schema.clone(), keys, schema, append_only: false, hop: None, once: false }, &[], None, at).0
}
