//! From what differential's operators give back to streams of rows: each batch goes out at its own time.
//!
//! Joins and reductions hold capabilities for whole intervals, and what they give carries its time with it.

use arrow::array::{Int64Array, UInt32Array};
use differential_dataflow::lattice::Lattice;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::chunk::ChunkSpine;
use timely::Accountable;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::progress::Timestamp;

use super::chunk::ArrowChunk;
use super::run::Run;
use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;

/// Rows with the time at which they change.
#[derive(Clone, Debug)]
pub struct Timed<T> {
    /// The time; none only for what is empty.
    pub time: Option<T>,
    /// The rows.
    pub updates: Updates,
}

impl<T> Default for Timed<T> {
    fn default() -> Self {
        Timed { time: None, updates: Updates::default() }
    }
}

impl<T: 'static> Accountable for Timed<T> {
    fn record_count(&self) -> i64 {
        self.updates.record_count()
    }
}

/// Sends each batch at its own time.
pub fn at_their_times<'s, T: Timestamp + Lattice>(stream: Stream<'s, T, Timed<T>>) -> Stream<'s, T, Updates> {
    stream.unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, "at their times", |_, _| {
        |input, output| {
            input.for_each_stamp(|cap, data| {
                for timed in data {
                    if let Some(time) = timed.time.take() {
                        let cap = cap.delayed(&time, 0);
                        output.session_with_builder(&cap).give_container(&mut timed.updates);
                    }
                }
            });
        }
    })
}

/// The arrangements that reductions give.
pub type Reduced<'s, T> = Arranged<'s, TraceAgent<ChunkSpine<ArrowChunk<T>>>>;

/// The changes of an arrangement as a stream of rows.
pub fn changes<'s, T: Timestamp + Lattice>(arranged: Reduced<'s, T>) -> Stream<'s, T, Updates> {
    arranged.stream.unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, "changes", |_, _| {
        |input, output| {
            input.for_each_stamp(|cap, data| {
                let chunks = data.flat_map(std::mem::take).filter_map(|span| span.inner).flat_map(|b| b.chunks.clone());
                for run in chunks.filter_map(|c| c.open()) {
                    for (time, mut updates) in by_time(&run) {
                        let cap = cap.delayed(&time, 0);
                        output.session_with_builder(&cap).give_container(&mut updates);
                    }
                }
            });
        }
    })
}

fn by_time<T: Timestamp>(run: &Run<T>) -> Vec<(T, Updates)> {
    let whole = || Updates::changes(run.rows.clone(), Int64Array::new(run.diffs.clone(), None));
    match run.times.first() {
        None => Vec::new(),
        Some(first) if run.times.iter().all(|t| t == first) => vec![(first.clone(), whole())],
        Some(_) => {
            let mut order: Vec<u32> = (0..run.times.len() as u32).collect();
            let time = |i: &u32| run.times.get(*i as usize);
            order.sort_by(|a, b| time(a).cmp(&time(b)));
            let parts = order.chunk_by(|a, b| time(a) == time(b));
            parts
                .filter_map(|part| {
                    let rows = take_rows(&run.rows, &UInt32Array::from(part.to_vec())).ok()?;
                    let diffs: Vec<i64> = part.iter().filter_map(|i| run.diffs.get(*i as usize).copied()).collect();
                    Some((part.first().and_then(time)?.clone(), Updates::changes(rows, diffs.into())))
                })
                .collect()
        }
    }
}
