//! Inner equi-join: both sides arranged by key in differential dataflow, matches gathered back into batches.
//!
//! Keys and rows are row-encoded bytes, in differential's own ordered storage. A row with a null key equals nothing and is
//! left out before it is stored. Not here: a residual condition (a filter above).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::Result;
use datafusion::physical_plan::PhysicalExpr;
use differential_dataflow::VecCollection;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use super::{Changes, rows};
use crate::flow::updates::Updates;
use crate::sql::plan::Plan;

/// The key expressions of both sides.
type Keys = [(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)];
/// A row as it is stored: key bytes, row bytes.
type Stored = (Vec<u8>, Vec<u8>);

/// Joins two streams.
pub fn join<'s>(
    left: Changes<'s>,
    right: Changes<'s>,
    view: &str,
    left_plan: &Plan,
    right_plan: &Plan,
    keys: &Keys,
    schema: SchemaRef,
) -> (Changes<'s>, Vec<Changes<'s>>) {
    let (left_keys, right_keys): (Vec<_>, Vec<_>) = keys.iter().cloned().unzip();
    let types: Vec<DataType> = left_keys.iter().map(|k| k.data_type(&left_plan.schema).unwrap_or(DataType::Null)).collect();
    let (l, l_errors) = rows::project(left, view, with_rows(&left_keys, left_plan), keyed_schema(&types, left_plan));
    let (r, r_errors) = rows::project(right, view, with_rows(&right_keys, right_plan), keyed_schema(&types, right_plan));
    let l = store(l, types.len(), keyed_schema(&types, left_plan));
    let r = store(r, types.len(), keyed_schema(&types, right_plan));
    let joined = l
        .arrange_by_key_named(&format!("join {view}"))
        .join_core(r.arrange_by_key_named(&format!("join {view}")), |_, a: &Vec<u8>, b: &Vec<u8>| Some((a.clone(), b.clone())));
    (load(joined, left_plan.schema.clone(), right_plan.schema.clone(), schema), vec![l_errors, r_errors])
}

/// The key expressions, then every column of the side.
fn with_rows(keys: &[Arc<dyn PhysicalExpr>], plan: &Plan) -> Vec<Arc<dyn PhysicalExpr>> {
    use datafusion::physical_expr::expressions::Column;
    let columns = plan.schema.fields().iter().enumerate().map(|(i, f)| Arc::new(Column::new(f.name(), i)) as Arc<dyn PhysicalExpr>);
    keys.iter().cloned().chain(columns).collect()
}

fn keyed_schema(types: &[DataType], plan: &Plan) -> SchemaRef {
    let keys = types.iter().enumerate().map(|(i, t)| Arc::new(arrow::datatypes::Field::new(format!("key {i}"), t.clone(), true)));
    Arc::new(arrow::datatypes::Schema::new(keys.chain(plan.schema.fields().iter().cloned()).collect::<Vec<_>>()))
}

fn sort_fields<'a>(types: impl Iterator<Item = &'a DataType>) -> Vec<SortField> {
    types.map(|t| SortField::new(t.clone())).collect()
}

/// A stream as a collection of stored rows.
fn store<'s>(input: Changes<'s>, keys: usize, schema: SchemaRef) -> VecCollection<'s, u64, Stored, i64> {
    let types: Vec<DataType> = schema.fields().iter().map(|f| f.data_type().clone()).collect();
    let stream = input.unary::<CapacityContainerBuilder<Vec<(Stored, u64, i64)>>, _, _, _>(Pipeline, "store", move |_, _| {
        let (key_types, row_types) = types.split_at(keys);
        let converters =
            RowConverter::new(sort_fields(key_types.iter())).and_then(|k| Ok((k, RowConverter::new(sort_fields(row_types.iter()))?)));
        let mut converters = converters.map_err(|error| tracing::error!(%error, "rows of a join cannot be encoded")).ok();
        move |input, output| {
            input.for_each_stamp(|cap, data| {
                let (Some(&time), Some((key_rows, value_rows))) = (cap.least(), converters.as_mut()) else { return };
                let mut session = output.session(&cap);
                for updates in data {
                    match encode(updates, keys, key_rows, value_rows) {
                        Ok(stored) => session.give_iterator(stored.into_iter().map(|(row, diff)| (row, time, diff))),
                        Err(error) => tracing::error!(%error, "rows of a join cannot be encoded"),
                    }
                }
            });
        }
    });
    VecCollection::new(stream)
}

fn encode(updates: &Updates, keys: usize, key_rows: &mut RowConverter, value_rows: &mut RowConverter) -> Result<Vec<(Stored, i64)>> {
    let (key_columns, value_columns) = updates.rows.columns().split_at(keys);
    let (encoded_keys, encoded_rows) = (key_rows.convert_columns(key_columns)?, value_rows.convert_columns(value_columns)?);
    let full = |row: &usize| key_columns.iter().all(|c| c.is_valid(*row));
    let stored = (0..updates.rows.num_rows()).filter(full).map(|row| {
        let pair = (encoded_keys.row(row).data().to_vec(), encoded_rows.row(row).data().to_vec());
        (pair, updates.diff(row))
    });
    Ok(stored.collect())
}

/// Matches as a stream of batches, each at the epoch of its rows.
fn load<'s>(joined: VecCollection<'s, u64, Stored, i64>, left: SchemaRef, right: SchemaRef, schema: SchemaRef) -> Changes<'s> {
    joined.inner.unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, "load", move |_, _| {
        let converter = |s: &SchemaRef| RowConverter::new(sort_fields(s.fields().iter().map(|f| f.data_type())));
        let converters = converter(&left).and_then(|l| Ok((l, converter(&right)?)));
        let converters = converters.map_err(|error| tracing::error!(%error, "rows of a join cannot be decoded")).ok();
        move |input, output| {
            input.for_each_stamp(|cap, data| {
                let Some((left, right)) = converters.as_ref() else { return };
                let mut epochs: BTreeMap<u64, Vec<(Stored, i64)>> = BTreeMap::new();
                for (row, time, diff) in data.flat_map(std::mem::take) {
                    epochs.entry(time).or_default().push((row, diff));
                }
                for (epoch, matches) in epochs {
                    match decode(&matches, left, right, &schema) {
                        Ok(mut updates) => output.session_with_builder(&cap.delayed(&epoch, 0)).give_container(&mut updates),
                        Err(error) => tracing::error!(%error, "rows of a join cannot be decoded"),
                    }
                }
            });
        }
    })
}

fn decode(matches: &[(Stored, i64)], left: &RowConverter, right: &RowConverter, schema: &SchemaRef) -> Result<Updates> {
    let (lp, rp) = (left.parser(), right.parser());
    let mut columns: Vec<ArrayRef> = left.convert_rows(matches.iter().map(|((l, _), _)| lp.parse(l)))?;
    columns.extend(right.convert_rows(matches.iter().map(|((_, r), _)| rp.parse(r)))?);
    let rows = RecordBatch::try_new_with_options(
        schema.clone(),
        columns,
        &arrow::array::RecordBatchOptions::new().with_row_count(Some(matches.len())),
    )?;
    Ok(Updates::changes(rows, Int64Array::from_iter_values(matches.iter().map(|(_, diff)| *diff))))
}
