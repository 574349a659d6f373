//! Sends whole batches to the worker that holds their keys: rows are hashed once and gathered per worker.
//!
//! The hash is of the key columns' row encoding, with a fixed seed, so equal keys meet on one worker whatever their types
//! and in every process. With one worker nothing is hashed or copied.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::{take, take_record_batch};
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

use crate::flow::updates::Updates;

/// A stream whose rows of equal keys are on one worker.
pub fn exchange_by<'s>(stream: Stream<'s, u64, Updates>, schema: SchemaRef, keys: Vec<usize>) -> Stream<'s, u64, Updates> {
    let pact = DistributorPact(move |peers| ByKey { schema, keys, peers, converter: None });
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
    schema: SchemaRef,
    keys: Vec<usize>,
    peers: usize,
    converter: Option<RowConverter>,
}

impl ByKey {
    /// The worker of each row.
    fn route(&mut self, updates: &Updates) -> Result<Vec<usize>, ArrowError> {
        if self.keys.is_empty() {
            return Ok(vec![worker_of_nothing(self.peers); updates.rows.num_rows()]);
        }
        let fields = || self.keys.iter().map(|&k| SortField::new(self.schema.field(k).data_type().clone())).collect();
        let converter = match &mut self.converter {
            Some(converter) => converter,
            None => {
                let made = RowConverter::new(fields())?;
                self.converter.insert(made)
            }
        };
        let columns: Vec<ArrayRef> = self.keys.iter().filter_map(|&k| updates.rows.columns().get(k).cloned()).collect();
        let rows = converter.convert_columns(&columns)?;
        Ok(rows.iter().map(|row| (hash(row.data()) % self.peers.max(1) as u64) as usize).collect())
    }

    fn parts(&mut self, updates: &Updates) -> Result<Vec<Updates>, ArrowError> {
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
            Ok(Updates { rows: take_record_batch(&updates.rows, &list)?, diffs })
        };
        indices.into_iter().map(part).collect()
    }
}

/// FNV-1a, then a mix that spreads it to the low bits.
fn hash(bytes: &[u8]) -> u64 {
    let h = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    (h ^ (h >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16
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
            // Keys were typed when the plan was made. Should they not encode, one worker still holds all of them.
            Err(error) => {
                tracing::error!(%error, "keys cannot be hashed");
                if let Some(first) = pushers.first_mut() {
                    Message::push_at(container, stamp.clone(), first);
                }
            }
        }
    }

    fn flush<T: Clone, P: Push<Message<T, Updates>>>(&mut self, _: &Stamp<T>, _: &mut [P]) {}
}

/// The worker that rows without key columns are sent to.
pub fn worker_of_nothing(peers: usize) -> usize {
    (hash(&[]) % peers.max(1) as u64) as usize
}
