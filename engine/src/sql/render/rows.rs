//! Filter and project: expressions over whole batches; only a batch in which a row fails is gone through row by row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::{cast, filter as take_where, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::physical_plan::PhysicalExpr;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::generic::{Operator, OutputBuilder};

use super::Changes;
use crate::flow::updates::Updates;

/// The columns of an error collection.
pub fn error_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("view", DataType::Utf8, false), Field::new("error", DataType::Utf8, false)]))
}

/// What a batch becomes: rows, and which rows of the input they are when not all.
type Rows = (RecordBatch, Option<BooleanArray>);

/// Columns of a stream by index.
pub fn select<'s>(input: Changes<'s>, columns: Vec<usize>, schema: SchemaRef) -> Changes<'s> {
    each(input, "select", move |rows| {
        let picked: Vec<ArrayRef> = columns.iter().filter_map(|&i| rows.columns().get(i).cloned()).collect();
        batch(schema.clone(), picked, rows.num_rows())
    })
}

/// A stream with other names for its columns.
pub fn rename(input: Changes<'_>, schema: SchemaRef) -> Changes<'_> {
    each(input, "rename", move |rows| {
        let columns: Result<Vec<ArrayRef>, _> = rows.columns().iter().zip(schema.fields()).map(|(c, f)| cast(c, f.data_type())).collect();
        batch(schema.clone(), columns?, rows.num_rows())
    })
}

/// Rows for which a predicate is true.
pub fn filter<'s>(input: Changes<'s>, view: &str, predicate: Arc<dyn PhysicalExpr>) -> (Changes<'s>, Changes<'s>) {
    fallible(input, view, "filter", move |rows| {
        let keep = predicate.evaluate(rows)?.into_array(rows.num_rows())?;
        let keep = keep.as_boolean().clone();
        Ok((filter_record_batch(rows, &keep)?, Some(keep)))
    })
}

/// An expression a column.
pub fn project<'s>(input: Changes<'s>, view: &str, columns: Vec<Arc<dyn PhysicalExpr>>, schema: SchemaRef) -> (Changes<'s>, Changes<'s>) {
    fallible(input, view, "project", move |rows| Ok((evaluate(rows, &columns, &schema)?, None)))
}

/// Expressions over a batch, as columns of a schema.
pub fn evaluate(rows: &RecordBatch, columns: &[Arc<dyn PhysicalExpr>], schema: &SchemaRef) -> Result<RecordBatch> {
    let n = rows.num_rows();
    let one = |(e, f): (&Arc<dyn PhysicalExpr>, &Arc<Field>)| {
        let array = e.evaluate(rows)?.into_array(n)?;
        Ok(if array.data_type() == f.data_type() { array } else { cast(&array, f.data_type())? })
    };
    let arrays: Result<Vec<ArrayRef>> = columns.iter().zip(schema.fields()).map(one).collect();
    batch(schema.clone(), arrays?, n)
}

fn batch(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    Ok(RecordBatch::try_new_with_options(schema, columns, &RecordBatchOptions::new().with_row_count(Some(rows)))?)
}

/// A change of columns that cannot fail on data.
fn each<'s>(input: Changes<'s>, name: &str, change: impl Fn(&RecordBatch) -> Result<RecordBatch> + 'static) -> Changes<'s> {
    input.unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, name, move |_, _| {
        move |input, output| {
            input.for_each_stamp(|cap, data| {
                let mut session = output.session_with_builder(&cap);
                for updates in data {
                    match change(&updates.rows) {
                        Ok(rows) => session.give_container(&mut Updates { rows, diffs: updates.diffs.take() }),
                        Err(error) => tracing::error!(%error, "a batch does not have the columns of its plan"),
                    }
                }
            });
        }
    })
}

/// A change that may fail on a row: those rows go to the second stream, with why.
fn fallible<'s>(
    input: Changes<'s>,
    view: &str,
    name: &str,
    change: impl Fn(&RecordBatch) -> Result<Rows> + 'static,
) -> (Changes<'s>, Changes<'s>) {
    let view = view.to_string();
    let mut builder = OperatorBuilder::new(format!("{name} {view}"), input.scope());
    let mut input = builder.new_input(input, Pipeline);
    let (good, good_stream) = builder.new_output();
    let (bad, bad_stream) = builder.new_output();
    let mut good = OutputBuilder::<_, NoopBuilder<Updates>>::from(good);
    let mut bad = OutputBuilder::<_, NoopBuilder<Updates>>::from(bad);
    builder.build(move |_| {
        move |_frontiers| {
            let (mut good, mut bad) = (good.activate(), bad.activate());
            input.for_each_stamp(|cap, data| {
                let mut good = good.session_with_builder(&cap);
                let mut bad = bad.session_with_builder(&cap);
                for updates in data {
                    let (rows, errors) = apply(updates, &change);
                    for mut rows in rows.into_iter().filter(|u| u.rows.num_rows() > 0) {
                        good.give_container(&mut rows);
                    }
                    if let Some(mut errors) = error_rows(&view, &errors) {
                        bad.give_container(&mut errors);
                    }
                }
            });
        }
    });
    (good_stream, bad_stream)
}

fn apply(updates: &Updates, change: &impl Fn(&RecordBatch) -> Result<Rows>) -> (Vec<Updates>, Vec<(String, i64)>) {
    if let Ok(rows) = change(&updates.rows).and_then(|r| kept(r, updates)) {
        return (vec![rows], Vec::new());
    }
    let (mut good, mut errors) = (Vec::new(), Vec::new());
    for row in 0..updates.rows.num_rows() {
        let one = Updates { rows: updates.rows.slice(row, 1), diffs: updates.diffs.as_ref().map(|d| d.slice(row, 1)) };
        match change(&one.rows).and_then(|r| kept(r, &one)) {
            Ok(rows) => good.push(rows),
            Err(error) => errors.push((error.strip_backtrace(), updates.diff(row))),
        }
    }
    (good, errors)
}

/// Rows with the diffs of those that stayed.
fn kept((rows, keep): Rows, updates: &Updates) -> Result<Updates> {
    let diffs = match (&updates.diffs, keep) {
        (Some(diffs), Some(keep)) => take_where(diffs, &keep)?.as_any().downcast_ref::<Int64Array>().cloned(),
        (diffs, _) => diffs.clone(),
    };
    debug_assert!(diffs.as_ref().is_none_or(|d| d.len() == rows.num_rows()));
    Ok(Updates { rows, diffs })
}

fn error_rows(view: &str, errors: &[(String, i64)]) -> Option<Updates> {
    if errors.is_empty() {
        return None;
    }
    let views = StringArray::from_iter_values(errors.iter().map(|_| view));
    let texts = StringArray::from_iter_values(errors.iter().map(|(text, _)| text));
    let rows = RecordBatch::try_new(error_schema(), vec![Arc::new(views), Arc::new(texts)]).ok()?;
    Some(Updates::changes(rows, errors.iter().map(|(_, diff)| *diff).collect::<Vec<i64>>().into()))
}
