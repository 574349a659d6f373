//! GROUP BY: one row a group, kept up to date change by change; a change costs what it changes, not what its group holds.
//!
//! An epoch is worked through once it is complete: a group's row before it is retracted, its row after it is inserted, when
//! the two differ. `groups` holds the state. With no keys there is one group, which has a row from the first epoch on.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::scalar::ScalarValue;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use super::Changes;
use super::groups::Groups;
use crate::flow::exchange::exchange_by;
use crate::flow::updates::Updates;
use crate::sql::plan::{Aggregate, Plan};

/// The columns that an aggregation works on: keys, then an argument for each aggregate. A row that an aggregate's filter
/// leaves out has a null argument; `count(*)` counts a constant.
pub fn prepare(input: &Plan, keys: &[Arc<dyn PhysicalExpr>], aggregates: &[Aggregate]) -> (Vec<Arc<dyn PhysicalExpr>>, SchemaRef) {
    use datafusion::physical_expr::expressions::{CaseExpr, Literal};
    let mut columns: Vec<Arc<dyn PhysicalExpr>> = keys.to_vec();
    for aggregate in aggregates {
        let one: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(ScalarValue::Int64(Some(1))));
        let argument = aggregate.argument.clone().unwrap_or(one);
        let filtered = aggregate.filter.clone().and_then(|f| CaseExpr::try_new(None, vec![(f, argument.clone())], None).ok());
        columns.push(filtered.map_or(argument, |case| Arc::new(case) as Arc<dyn PhysicalExpr>));
    }
    let field = |(i, e): (usize, &Arc<dyn PhysicalExpr>)| {
        Field::new(format!("column {i}"), e.data_type(&input.schema).unwrap_or(DataType::Null), true)
    };
    let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
    (columns, Arc::new(schema))
}

/// Aggregates a prepared stream.
pub fn aggregate<'s>(
    input: Changes<'s>,
    view: &str,
    prepared: SchemaRef,
    keys: usize,
    aggregates: &[Aggregate],
    schema: SchemaRef,
    append_only: bool,
) -> Changes<'s> {
    let aggregates = aggregates.to_vec();
    let worker = (input.scope().worker().index(), input.scope().worker().peers());
    let input = if worker.1 > 1 { exchange_by(input, prepared.clone(), (0..keys).collect()) } else { input };
    input.unary_frontier::<NoopBuilder<Updates>, _, _, _>(Pipeline, &format!("aggregate {view}"), move |cap, _| {
        let groups = Groups::new(&prepared, keys, &aggregates, schema, append_only);
        let mut groups = groups.map_err(|error| tracing::error!(%error, "groups cannot be kept")).ok();
        // The one group of an aggregation without keys has a row even when nothing ever comes.
        let mut first = (keys == 0 && worker.0 == crate::flow::exchange::worker_of_nothing(worker.1)).then_some(cap);
        let mut waiting: BTreeMap<u64, (timely::dataflow::operators::Capability<u64>, Vec<Updates>)> = BTreeMap::new();
        move |(input, frontier), output| {
            input.for_each_stamp(|cap, data| {
                if let Some(cap) = cap.retain_least(0) {
                    let entry = waiting.entry(*cap.time()).or_insert_with(|| (cap, Vec::new()));
                    entry.1.extend(data.map(std::mem::take));
                }
            });
            let Some(groups) = groups.as_mut() else { return };
            let closed = |time: &u64| !frontier.less_equal(time);
            if first.as_ref().is_some_and(|cap| closed(cap.time()) || !waiting.is_empty())
                && let Some(cap) = first.take()
            {
                groups.open_global();
                waiting.entry(*cap.time()).or_insert_with(|| (cap, Vec::new()));
            }
            while waiting.first_key_value().is_some_and(|(time, _)| closed(time)) {
                let Some((_, (cap, batches))) = waiting.pop_first() else { break };
                match groups.epoch(&batches) {
                    Ok(Some(mut updates)) => output.session_with_builder(&cap).give_container(&mut updates),
                    Ok(None) => {}
                    Err(error) => tracing::error!(%error, "groups cannot be kept"),
                }
            }
        }
    })
}
