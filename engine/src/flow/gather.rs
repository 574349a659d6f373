//! Brings a stream to the first worker, where the tier's driver takes it out an epoch at a time.
//!
//! The driver drains the outbox once the probe has passed an epoch, so what it gets is complete. Rows are put in one
//! canonical order there, as they come from several workers in any order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::iter::repeat_n;
use std::rc::Rc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{concat, concat_batches};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use timely::communication::Push;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::Message;
use timely::dataflow::channels::pact::DistributorPact;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::operators::generic::Operator;
use timely::progress::Stamp;

use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;

/// Containers of one stream by epoch, on the first worker; empty on the others.
#[derive(Clone, Default)]
pub struct Outbox(Rc<RefCell<BTreeMap<u64, Vec<Updates>>>>);

impl Outbox {
    /// Lets go of the rows of an epoch.
    pub fn forget(&self, epoch: u64) {
        self.0.borrow_mut().remove(&epoch);
    }

    /// All rows of an epoch, as one batch in canonical order; none when there are none.
    pub fn take(&self, epoch: u64, schema: &SchemaRef) -> Result<Option<Updates>, ArrowError> {
        match self.0.borrow_mut().remove(&epoch) {
            None => Ok(None),
            Some(parts) => merge(&parts, schema).map(|u| Some(u).filter(|u| u.rows.num_rows() > 0)),
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

/// Parts of an epoch as one batch in canonical order, equal rows added up.
///
/// # Errors
/// When they do not have the columns of the schema.
pub fn merge(parts: &[Updates], schema: &SchemaRef) -> Result<Updates, ArrowError> {
    let rows = concat_batches(schema, parts.iter().map(|p| &p.rows))?;
    let diffs = match parts.iter().any(|p| p.diffs.is_some()) {
        false => None,
        true => {
            let each: Vec<Int64Array> =
                parts.iter().map(|p| p.diffs.clone().unwrap_or_else(|| Int64Array::from(vec![1; p.rows.num_rows()]))).collect();
            Some(concat(&each.iter().map(|a| a as &dyn arrow::array::Array).collect::<Vec<_>>())?)
        }
    };
    canonical(rows, diffs)
}

/// Sums the diffs of equal rows, drops what comes to nothing, and puts rows in the order of their row encoding. Where nothing
/// goes, each row stands as often as it comes: so it does not show how rows lay together before.
fn canonical(rows: RecordBatch, diffs: Option<ArrayRef>) -> Result<Updates, ArrowError> {
    let diffs = diffs.and_then(|d| d.as_any().downcast_ref::<Int64Array>().cloned());
    let fields = rows.columns().iter().map(|c| SortField::new(c.data_type().clone())).collect();
    let keys = RowConverter::new(fields)?.convert_columns(rows.columns())?;
    // Rows of no columns are all equal, and have no encoding.
    let key = |row: u32| (rows.num_columns() > 0).then(|| keys.row(row as usize));
    let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
    order.sort_by(|&a, &b| key(a).cmp(&key(b)));
    let Some(diffs) = diffs else {
        return Ok(Updates::insertions(take_rows(&rows, &UInt32Array::from(order))?));
    };
    let (mut kept, mut sums): (Vec<u32>, Vec<i64>) = (Vec::new(), Vec::new());
    for row in order {
        let diff = diffs.value(row as usize);
        match (kept.last(), sums.last_mut()) {
            (Some(&last), Some(sum)) if key(last) == key(row) => *sum += diff,
            _ => {
                kept.push(row);
                sums.push(diff);
            }
        }
    }
    let (kept, sums): (Vec<u32>, Vec<i64>) = kept.into_iter().zip(sums).filter(|(_, sum)| *sum != 0).unzip();
    if sums.iter().all(|sum| *sum > 0) {
        let each: UInt32Array = kept.iter().zip(sums).flat_map(|(row, sum)| repeat_n(*row, usize::try_from(sum).unwrap_or(0))).collect();
        return Ok(Updates::insertions(take_rows(&rows, &each)?));
    }
    Ok(Updates::changes(take_rows(&rows, &UInt32Array::from(kept))?, Int64Array::from(sums)))
}
