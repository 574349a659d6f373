//! Arrangements over Arrow: what joins and reductions keep, as differential dataflow's traces of Arrow chunks (D3).
//!
//! A stream of rows becomes chunks sorted by the hash of their keys; differential's merge batcher and spine keep them in
//! a log-structured trace; its integer-proxy tactics reason about times, and the back ends here move rows by column.

use arrow::array::{Array, ArrayRef, BooleanArray, Datum, Int64Array, make_comparator};
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use differential_dataflow::lattice::Lattice;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::operators::int_proxy::{ProxyJoinTactic, ProxyReduceTactic};
use differential_dataflow::operators::join::join_with_tactic;
use differential_dataflow::operators::reduce::reduce_with_tactic;
use differential_dataflow::trace::chunk::{ChunkBatcher, ChunkSpine};
use timely::container::{ContainerBuilder, NoopBuilder, PushInto};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::progress::Timestamp;

use crate::flow::hash::hash_rows;
use crate::flow::updates::Updates;

mod chunk;
mod flatten;
mod join;
mod reduce;
mod run;
mod saved;
mod scratch;
mod spill;
#[cfg(test)]
mod tests;
mod window;

pub use chunk::ArrowChunk;
pub use join::ArrowJoin;
pub use reduce::Evaluate;
pub use saved::{Saved, from_diffs, with_diffs, with_saved};
pub use scratch::{Spilled, Spilling, spilled_bytes};
pub use spill::{Accounted, is_limited, is_over_limit, memory_bytes, set_memory_limit};

/// An arrangement of rows by the hash of their first columns.
pub type Arrangement<'s, T> = Arranged<'s, TraceAgent<ChunkSpine<ArrowChunk<T>>>>;

/// Arranges a stream by its first `keys` columns. Rows of equal keys must be on one worker already.
pub fn arrange<'s, T: Timestamp + Lattice>(stream: Stream<'s, T, Updates>, keys: usize, name: &str) -> Arrangement<'s, T> {
    let chunks = stream.unary::<NoopBuilder<ArrowChunk<T>>, _, _, _>(Pipeline, "chunk", move |_, _| {
        move |input, output| {
            input.for_each_stamp(|cap, data| {
                // All rows of a container stand at the one time of its stamp.
                let Some(time) = cap.stamp().iter().next().cloned() else { return };
                let mut session = output.session_with_builder(&cap);
                for updates in data.filter(|u| u.rows.num_rows() > 0) {
                    match chunk_of(updates, keys, &time) {
                        Ok(mut chunk) => session.give_container(&mut chunk),
                        Err(error) => crate::flow::defect::tell("rows cannot be arranged", &error),
                    }
                }
            });
        }
    });
    arrange_core::<_, _, ChunkBatcher<Ready<ArrowChunk<T>>, ArrowChunk<T>>, ChunkSpine<ArrowChunk<T>>>(
        chunks,
        Pipeline,
        name,
        ChunkBatcher::new,
    )
}

fn chunk_of<T: Timestamp + Lattice>(updates: &Updates, keys: usize, time: &T) -> Result<ArrowChunk<T>, ArrowError> {
    let rows = updates.rows.num_rows();
    let hashes = hash_rows(updates.rows.columns().get(..keys).unwrap_or_default(), rows)?;
    let diffs = updates.diffs.as_ref().map_or(&[][..], |d: &Int64Array| d.values());
    Ok(ArrowChunk::of(run::Run::at(&updates.rows, hashes, time, diffs)?))
}

/// Joins two arrangements on their first `keys` columns; gives some columns of each.
pub fn join<'s, T: Timestamp + Lattice>(
    left: Arrangement<'s, T>,
    right: Arrangement<'s, T>,
    name: &str,
    join: ArrowJoin<T>,
) -> Stream<'s, T, Updates> {
    flatten::at_their_times(join_with_tactic(left, right, name, ProxyJoinTactic::new(join)))
}

/// Reduces an arrangement by its first `keys` columns.
pub fn reduce<'s, T: Timestamp + Lattice>(
    input: Arrangement<'s, T>,
    name: &str,
    keys: usize,
    evaluate: Box<dyn Evaluate>,
) -> Stream<'s, T, Updates> {
    let tactic = ProxyReduceTactic::new(reduce::ArrowReduce::new(keys, evaluate));
    flatten::changes(reduce_with_tactic::<_, ChunkSpine<ArrowChunk<T>>, _>(input, name, tactic))
}

/// Pairwise equality of two columns, null equal to null: by kernel where there is one for the type, else by comparison.
///
/// # Errors
/// When the types differ, or values of a type cannot be compared.
pub fn equal_columns(
    left: &ArrayRef,
    right: &ArrayRef,
    kernel: fn(&dyn Datum, &dyn Datum) -> Result<BooleanArray, ArrowError>,
) -> Result<BooleanArray, ArrowError> {
    if !left.data_type().is_nested() {
        return kernel(left, right);
    }
    let compare = make_comparator(left, right, SortOptions::default())?;
    Ok((0..left.len()).map(|i| Some(compare(i, i).is_eq())).collect())
}

/// Whether values of a type can be kept as state.
pub fn is_kept(kind: &arrow::datatypes::DataType) -> bool {
    let empty = arrow::array::new_empty_array(kind);
    make_comparator(&empty, &empty, SortOptions::default()).and_then(|_| hash_rows(&[empty], 0)).is_ok()
}

/// Whether rows of a schema can be arranged: the first column that cannot, by name and type.
///
/// # Errors
/// With that column.
pub fn check(schema: &SchemaRef) -> Result<(), String> {
    for field in schema.fields() {
        if !is_kept(field.data_type()) {
            return Err(format!("column \"{}\" of type {} cannot be kept as state; this", field.name(), field.data_type()));
        }
    }
    Ok(())
}

/// Chunks that come formed already.
struct Ready<C>(std::collections::VecDeque<C>, Option<C>);

impl<C> Default for Ready<C> {
    fn default() -> Self {
        Ready(std::collections::VecDeque::new(), None)
    }
}

impl<C: Default> PushInto<&mut C> for Ready<C> {
    fn push_into(&mut self, chunk: &mut C) {
        self.0.push_back(std::mem::take(chunk));
    }
}

impl<C: timely::Container> ContainerBuilder for Ready<C> {
    type Container = C;

    fn extract(&mut self) -> Option<&mut C> {
        self.1 = self.0.pop_front();
        self.1.as_mut()
    }

    fn finish(&mut self) -> Option<&mut C> {
        self.extract()
    }
}
