//! Sends whole batches to the worker that holds their keys: rows are hashed once and gathered per worker.
//!
//! The hash is the same in every process (`hash.rs`), so that equal keys meet on one worker.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::error::ArrowError;
use timely::communication::Push;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::Message;
use timely::dataflow::channels::pact::DistributorPact;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::operators::generic::Operator;
use timely::progress::{Stamp, Timestamp};

use crate::flow::hash::hash_rows;
use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;

/// A stream whose rows of equal keys are on one worker.
pub fn exchange_by<'s, T: Timestamp>(stream: Stream<'s, T, Updates>, keys: Vec<usize>) -> Stream<'s, T, Updates> {
    let pact = DistributorPact(move |peers| ByKey { keys, peers });
    stream.unary::<NoopBuilder<Updates>, _, _, _>(pact, "exchange", |_, _| {
        |input, output| {
            input.for_each_stamp(|cap, data| {
                let mut session = output.session_with_builder(&cap);
                session.give_containers(data);
            });
        }
    })
}

struct ByKey {
    keys: Vec<usize>,
    peers: usize,
}

impl ByKey {
    /// The worker of each row.
    fn route(&self, updates: &Updates) -> Result<Vec<usize>, ArrowError> {
        let columns: Vec<ArrayRef> = self.keys.iter().filter_map(|&k| updates.rows.columns().get(k).cloned()).collect();
        workers_of(&columns, updates.rows.num_rows(), self.peers)
    }

    fn parts(&self, updates: &Updates) -> Result<Vec<Updates>, ArrowError> {
        let mut indices = vec![Vec::new(); self.peers];
        for (row, peer) in self.route(updates)?.into_iter().enumerate() {
            if let Some(list) = indices.get_mut(peer) {
                list.push(row as u32);
            }
        }
        let part = |list: Vec<u32>| {
            let list = UInt32Array::from(list);
            let diffs = updates.diffs.as_ref().map(|d| take(d, &list, None)).transpose()?;
            let diffs = diffs.and_then(|d| d.as_any().downcast_ref().cloned());
            Ok(Updates { rows: take_rows(&updates.rows, &list)?, diffs })
        };
        indices.into_iter().map(part).collect()
    }
}

/// The worker that each row is sent to by some columns.
///
/// # Errors
/// When a column's type cannot be hashed.
pub fn workers_of(columns: &[ArrayRef], rows: usize, peers: usize) -> Result<Vec<usize>, ArrowError> {
    Ok(hash_rows(columns, rows)?.into_iter().map(|hash| worker_of(hash, peers)).collect())
}

/// The worker of a hash: by its high bits, as arrangements are sorted by the whole of it.
fn worker_of(hash: u64, peers: usize) -> usize {
    ((u128::from(hash) * peers.max(1) as u128) >> 64) as usize
}

impl Distributor<Updates> for ByKey {
    fn partition<T: Clone, P: Push<Message<T, Updates>>>(&mut self, container: &mut Updates, stamp: &Stamp<T>, pushers: &mut [P]) {
        match self.parts(container) {
            Ok(parts) => {
                for (mut part, pusher) in parts.into_iter().zip(pushers) {
                    if part.rows.num_rows() > 0 {
                        Message::push_at(&mut part, stamp.clone(), pusher);
                    }
                }
            }
            // Keys were typed when the plan was made, so this is a defect, which ends the run: no row may be where others do not look.
            Err(error) => super::defect::tell("keys cannot be hashed", &error),
        }
    }

    fn flush<T: Clone, P: Push<Message<T, Updates>>>(&mut self, _: &Stamp<T>, _: &mut [P]) {}
}

/// The worker that rows without key columns are sent to.
pub fn worker_of_nothing(peers: usize) -> usize {
    worker_of(0, peers)
}
