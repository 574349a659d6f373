//! What is done to rows one by one: filter, project, unnest. Expressions run over whole batches; only a batch in which a row
//! fails is gone through row by row. Nothing here has state, and everything works at any time type.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::{cast, filter as take_where, filter_record_batch, is_not_null, is_null};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_plan::PhysicalExpr;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::generic::{Operator, OutputBuilder};
use timely::progress::Timestamp;

use super::Changes;
use crate::flow::updates::Updates;
use crate::sql::evaluate::{Compute, Runner};
use crate::sql::orders::normal_zero;

/// Rows, and rows of an error collection.
pub type Split<'s, T = u64> = (Changes<'s, T>, Changes<'s, T>);

/// The columns of an error collection.
pub fn error_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("view", DataType::Utf8, false), Field::new("error", DataType::Utf8, false)]))
}

/// Columns of a stream by index.
pub fn select<'s, T: Timestamp>(input: Changes<'s, T>, columns: Vec<usize>, schema: SchemaRef) -> Changes<'s, T> {
    each(input, "select", move |updates| {
        let picked: Vec<ArrayRef> = columns.iter().filter_map(|&i| updates.rows.columns().get(i).cloned()).collect();
        Ok(Updates { rows: batch(schema.clone(), picked, updates.rows.num_rows())?, diffs: updates.diffs.clone() })
    })
}

/// A stream with other names and types for its columns.
pub fn rename<T: Timestamp>(input: Changes<'_, T>, schema: SchemaRef) -> Changes<'_, T> {
    each(input, "rename", move |updates| {
        let pairs = updates.rows.columns().iter().zip(schema.fields());
        let columns: Result<Vec<ArrayRef>, _> = pairs.map(|(c, f)| cast(c, f.data_type())).collect();
        Ok(Updates { rows: batch(schema.clone(), columns?, updates.rows.num_rows())?, diffs: updates.diffs.clone() })
    })
}

/// Rows whose first columns have one zero: minus zero and zero are one key.
pub fn normal_keys<'s, T: Timestamp>(input: Changes<'s, T>, schema: &SchemaRef, keys: usize) -> Changes<'s, T> {
    if !schema.fields().iter().take(keys).any(|f| f.data_type().is_floating()) {
        return input;
    }
    each(input, "zero", move |updates| {
        let columns = updates.rows.columns().iter().enumerate().map(|(i, c)| if i < keys { normal_zero(c) } else { c.clone() });
        let rows = batch(updates.rows.schema(), columns.collect(), updates.rows.num_rows())?;
        Ok(Updates { rows, diffs: updates.diffs.clone() })
    })
}

/// Rows whose first columns are all there, or those where one is null.
pub fn by_null_keys<T: Timestamp>(input: Changes<'_, T>, keys: usize, with_null: bool) -> Changes<'_, T> {
    each(input, "null keys", move |updates| {
        let rows = updates.rows.num_rows();
        let known = |row: usize| updates.rows.columns().iter().take(keys).all(|c| c.is_valid(row));
        if updates.rows.columns().iter().take(keys).all(|c| c.null_count() == 0) {
            return if with_null { keep_where(updates, &BooleanArray::from(vec![false; rows])) } else { Ok(updates.clone()) };
        }
        keep_where(updates, &(0..rows).map(|row| Some(known(row) != with_null)).collect())
    })
}

/// Takes rows apart whose last column says that they are errors.
pub fn split_errors<'s, T: Timestamp>(input: Changes<'s, T>, view: &str, schema: SchemaRef) -> Split<'s, T> {
    let view = view.to_string();
    let width = schema.fields().len();
    let good = each(input.clone(), "without errors", move |updates| {
        let kept = keep_where(updates, &is_null(updates.rows.column(width))?)?;
        let columns = kept.rows.columns().iter().take(width).cloned().collect();
        Ok(Updates { rows: batch(schema.clone(), columns, kept.rows.num_rows())?, diffs: kept.diffs })
    });
    let bad = each(input, "errors alone", move |updates| {
        let kept = keep_where(updates, &is_not_null(updates.rows.column(width))?)?;
        let views = StringArray::from_iter_values((0..kept.rows.num_rows()).map(|_| view.as_str()));
        let rows = RecordBatch::try_new(error_schema(), vec![Arc::new(views), kept.rows.column(width).clone()])?;
        Ok(Updates { rows, diffs: kept.diffs })
    });
    (good, bad)
}

/// Rows for which a predicate is true.
pub fn filter<'s, T: Timestamp>(input: Changes<'s, T>, view: &str, predicate: Arc<dyn PhysicalExpr>) -> Split<'s, T> {
    fallible(input, view, "filter", move |updates| {
        let keep = predicate.evaluate(&updates.rows)?.into_array(updates.rows.num_rows())?;
        keep_where(updates, keep.as_boolean())
    })
}

/// An expression a column.
pub fn project<'s, T: Timestamp>(
    input: Changes<'s, T>,
    view: &str,
    columns: Vec<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
) -> Split<'s, T> {
    let constants = RefCell::new(vec![None; columns.len()]);
    fallible(input, view, "project", move |updates| {
        Ok(Updates { rows: evaluate(&updates.rows, &columns, &schema, &mut constants.borrow_mut())?, diffs: updates.diffs.clone() })
    })
}

/// Any number of rows for each row, by a computation that carries diffs as its first column.
pub fn flat<'s, T: Timestamp>(input: Changes<'s, T>, view: &str, compute: &Compute, schema: SchemaRef) -> Split<'s, T> {
    // It was planned once before, when the view was made.
    let (runner, handed) = (Runner::new(compute), compute.handed());
    fallible(input, view, "flat", move |updates| {
        let runner = runner.as_ref().map_err(|e| DataFusionError::Plan(e.strip_backtrace()))?;
        let diffs = updates.diffs.clone().unwrap_or_else(|| Int64Array::from(vec![1; updates.rows.num_rows()]));
        let columns = std::iter::once(Arc::new(diffs) as ArrayRef).chain(updates.rows.columns().iter().cloned()).collect();
        let given = runner.run(RecordBatch::try_new(handed.clone(), columns)?)?;
        let (diffs, columns) = given.columns().split_first().ok_or_else(|| DataFusionError::Plan("no columns".into()))?;
        let pairs = columns.iter().zip(schema.fields());
        let columns: Vec<ArrayRef> = pairs.map(|(c, f)| cast(c, f.data_type())).collect::<Result<_, ArrowError>>()?;
        let diffs = updates.diffs.as_ref().and_then(|_| diffs.as_any().downcast_ref::<Int64Array>().cloned());
        Ok(Updates { rows: batch(schema.clone(), columns, given.num_rows())?, diffs })
    })
}

/// A value, and a column of it that batches share.
type Constant = Option<(ScalarValue, ArrayRef)>;

/// Expressions over a batch, as columns of a schema.
fn evaluate(rows: &RecordBatch, columns: &[Arc<dyn PhysicalExpr>], schema: &SchemaRef, constants: &mut [Constant]) -> Result<RecordBatch> {
    let n = rows.num_rows();
    let one = |((e, f), constant): ((&Arc<dyn PhysicalExpr>, &Arc<Field>), &mut Constant)| {
        let array = match (e.evaluate(rows)?, constant) {
            (ColumnarValue::Array(array), _) => array,
            (ColumnarValue::Scalar(value), Some((known, array))) if value == *known && array.len() >= n => array.slice(0, n),
            (ColumnarValue::Scalar(value), constant) => {
                let array = value.to_array_of_size(n)?;
                *constant = Some((value, array.clone()));
                array
            }
        };
        Ok(if array.data_type() == f.data_type() { array } else { cast(&array, f.data_type())? })
    };
    let arrays: Result<Vec<ArrayRef>> = columns.iter().zip(schema.fields()).zip(constants).map(one).collect();
    batch(schema.clone(), arrays?, n)
}

/// A batch, also when it has no columns.
pub fn batch(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    Ok(RecordBatch::try_new_with_options(schema, columns, &RecordBatchOptions::new().with_row_count(Some(rows)))?)
}

/// The rows for which a mask is true, with their diffs.
pub fn keep_where(updates: &Updates, keep: &BooleanArray) -> Result<Updates> {
    let rows = filter_record_batch(&updates.rows, keep)?;
    let diffs = match &updates.diffs {
        Some(diffs) => take_where(diffs, keep)?.as_any().downcast_ref::<Int64Array>().cloned(),
        None => None,
    };
    Ok(Updates { rows, diffs })
}

/// A change of batches that cannot fail on data.
pub fn each<'s, T: Timestamp>(input: Changes<'s, T>, name: &str, change: impl Fn(&Updates) -> Result<Updates> + 'static) -> Changes<'s, T> {
    input.unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, name, move |_, _| {
        move |input, output| {
            input.for_each_stamp(|cap, data| {
                let mut session = output.session_with_builder(&cap);
                for updates in data {
                    match change(updates) {
                        Ok(mut updates) if updates.rows.num_rows() > 0 => session.give_container(&mut updates),
                        Ok(_) => {}
                        Err(error) => crate::flow::defect::tell("a batch does not have the columns of its plan", &error),
                    }
                }
            });
        }
    })
}

/// A change that may fail on a row: those rows go to the second stream, with why.
fn fallible<'s, T: Timestamp>(
    input: Changes<'s, T>,
    view: &str,
    name: &str,
    change: impl Fn(&Updates) -> Result<Updates> + 'static,
) -> Split<'s, T> {
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

/// What functions of rows give. Where one panics, as some of libraries do on lengths that they do not expect, that is an error of the rows.
pub fn guarded<T>(compute: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(compute)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        exec_err!("a function panicked: {}", said.unwrap_or("it said nothing"))
    })
}

fn apply(updates: &Updates, change: &impl Fn(&Updates) -> Result<Updates>) -> (Vec<Updates>, Vec<(String, i64)>) {
    let change = |updates: &Updates| guarded(|| change(updates));
    if let Ok(rows) = change(updates) {
        return (vec![rows], Vec::new());
    }
    let (mut good, mut errors) = (Vec::new(), Vec::new());
    for row in 0..updates.rows.num_rows() {
        let one = Updates { rows: updates.rows.slice(row, 1), diffs: updates.diffs.as_ref().map(|d| d.slice(row, 1)) };
        match change(&one) {
            Ok(rows) => good.push(rows),
            Err(error) => errors.push((error.strip_backtrace(), updates.diff(row))),
        }
    }
    (good, errors)
}

/// Errors as rows of a collection, with their diffs; none when there are none.
pub fn error_rows(view: &str, errors: &[(String, i64)]) -> Option<Updates> {
    if errors.is_empty() {
        return None;
    }
    let views = StringArray::from_iter_values(errors.iter().map(|_| view));
    let texts = StringArray::from_iter_values(errors.iter().map(|(text, _)| text));
    let rows = RecordBatch::try_new(error_schema(), vec![Arc::new(views), Arc::new(texts)]).ok()?;
    Some(Updates::changes(rows, errors.iter().map(|(_, diff)| *diff).collect::<Vec<i64>>().into()))
}
