//! Operators that work an epoch through once it is complete: input waits until the frontier has passed its epoch.

use std::collections::BTreeMap;

use arrow::error::ArrowError;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;

use super::Changes;
use crate::flow::updates::Updates;

/// State that takes in epochs in order.
pub trait Keeper {
    /// Works through one epoch; gives what changed, if anything.
    ///
    /// # Errors
    /// When rows do not have the columns of the plan.
    fn epoch(&mut self, epoch: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError>;

    /// Whether there is something to say at the first epoch even if no rows come.
    fn begins_with_rows(&self) -> bool {
        false
    }
}

/// Runs a state over a stream. A state that could not be made was told, and gives nothing.
pub fn at_close<'s>(input: Changes<'s>, name: &str, state: Option<impl Keeper + 'static>) -> Changes<'s> {
    input.unary_frontier::<NoopBuilder<Updates>, _, _, _>(Pipeline, name, move |cap, _| {
        let mut state = state;
        let mut first = state.as_ref().is_some_and(Keeper::begins_with_rows).then_some(cap);
        let mut waiting: BTreeMap<u64, (Capability<u64>, Vec<Updates>)> = BTreeMap::new();
        move |(input, frontier), output| {
            input.for_each_stamp(|cap, data| {
                if let Some(cap) = cap.retain_least(0) {
                    let entry = waiting.entry(*cap.time()).or_insert_with(|| (cap, Vec::new()));
                    entry.1.extend(data.map(std::mem::take));
                }
            });
            let Some(state) = state.as_mut() else { return };
            let closed = |time: &u64| !frontier.less_equal(time);
            if first.as_ref().is_some_and(|cap| closed(cap.time()) || !waiting.is_empty())
                && let Some(cap) = first.take()
            {
                waiting.entry(*cap.time()).or_insert_with(|| (cap, Vec::new()));
            }
            while waiting.first_key_value().is_some_and(|(time, _)| closed(time)) {
                let Some((epoch, (cap, batches))) = waiting.pop_first() else { break };
                match state.epoch(epoch, &batches) {
                    Ok(Some(mut updates)) => output.session_with_builder(&cap).give_container(&mut updates),
                    Ok(None) => {}
                    Err(error) => tracing::error!(%error, "an epoch cannot be worked through"),
                }
            }
        }
    })
}
