//! Brings a stream to the first worker, where the tier's driver takes it out an epoch at a time.
//!
//! The driver drains the outbox once the probe has passed an epoch, so what it gets is complete. Rows are put in one
//! canonical order there, as they come from several workers in any order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::compute::{SortColumn, concat, concat_batches, lexsort_to_indices, take, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::Message;
use timely::dataflow::channels::pact::DistributorPact;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::operators::generic::Operator;
use timely::communication::Push;
use timely::progress::Stamp;

use crate::flow::updates::Updates;

/// Containers of one stream by epoch, on the first worker; empty on the others.
#[derive(Clone, Default)]
pub struct Outbox(Rc<RefCell<BTreeMap<u64, Vec<Updates>>>>);

impl Outbox {
    /// All rows of an epoch, as one batch in canonical order; none when there are none.
    pub fn take(&self, epoch: u64, schema: &SchemaRef) -> Result<Option<Updates>, ArrowError> {
        match self.0.borrow_mut().remove(&epoch) {
            None => Ok(None),
            Some(parts) => merge(&parts, schema).map(Some),
        }
    }
}

/// Sends every container to the first worker; passes nothing on but progress.
pub fn gather<'s>(stream: Stream<'s, u64, Updates>, name: &str) -> (Outbox, Stream<'s, u64, Updates>) {
    let outbox = Outbox::default();
    let inner = outbox.clone();
    let done = stream.unary::<NoopBuilder<Updates>, _, _, _>(DistributorPact(|_| ToFirst), name, move |_, _| {
        move |input, _output| {
            input.for_each_stamp(|cap, data| {
                if let Some(&epoch) = cap.least() {
                    inner.0.borrow_mut().entry(epoch).or_default().extend(data.map(std::mem::take));
                }
            });
        }
    });
    (outbox, done)
}

/// A distributor that leaves containers whole.
struct ToFirst;

impl Distributor<Updates> for ToFirst {
    fn partition<T: Clone, P: Push<Message<T, Updates>>>(&mut self, container: &mut Updates, stamp: &Stamp<T>, pushers: &mut [P]) {
        if let Some(first) = pushers.first_mut() {
            Message::push_at(container, stamp.clone(), first);
        }
    }

    fn flush<T: Clone, P: Push<Message<T, Updates>>>(&mut self, _: &Stamp<T>, _: &mut [P]) {}
}

fn merge(parts: &[Updates], schema: &SchemaRef) -> Result<Updates, ArrowError> {
    let rows = concat_batches(schema, parts.iter().map(|p| &p.rows))?;
    let diffs = match parts.iter().any(|p| p.diffs.is_some()) {
        false => None,
        true => {
            let each: Vec<Int64Array> = parts
                .iter()
                .map(|p| p.diffs.clone().unwrap_or_else(|| Int64Array::from(vec![1; p.rows.num_rows()])))
                .collect();
            Some(concat(&each.iter().map(|a| a as &dyn arrow::array::Array).collect::<Vec<_>>())?)
        }
    };
    canonical(rows, diffs)
}

/// Sorts rows by all their sortable columns, retractions before insertions of equal rows.
fn canonical(rows: RecordBatch, diffs: Option<ArrayRef>) -> Result<Updates, ArrowError> {
    let mut columns: Vec<SortColumn> = rows
        .columns()
        .iter()
        .filter(|c| sortable(c.data_type()))
        .map(|c| SortColumn { values: c.clone(), options: None })
        .collect();
    columns.extend(diffs.iter().map(|d| SortColumn { values: d.clone(), options: None }));
    if columns.is_empty() || rows.num_rows() < 2 {
        return rebuilt(rows, diffs);
    }
    let order = lexsort_to_indices(&columns, None)?;
    let diffs = diffs.map(|d| take(&d, &order, None)).transpose()?;
    rebuilt(take_record_batch(&rows, &order)?, diffs)
}

fn rebuilt(rows: RecordBatch, diffs: Option<ArrayRef>) -> Result<Updates, ArrowError> {
    let diffs = diffs.and_then(|d| d.as_any().downcast_ref::<Int64Array>().cloned());
    Ok(Updates { rows, diffs })
}

fn sortable(data_type: &DataType) -> bool {
    data_type.is_primitive() || matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean)
}
