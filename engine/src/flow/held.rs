//! What the operators of views hold, told to the totals about once a second by each worker of the cloud tier.
//!
//! Sizes are read between two steps of a worker, when no operator runs. Not here: what is told of them (`telemetry`).

use std::sync::Arc;
use std::time::Duration;

use timely::dataflow::operators::probe::Handle as ProbeHandle;

use crate::clock::{Mark, mark};
use crate::sql::Program;
use crate::sql::snapshot::{SavedNode, States, size_of};
use crate::telemetry::{Held, Totals};

/// Time between two looks: a look walks over large states.
const BETWEEN: Duration = Duration::from_secs(1);

/// The states of a worker.
pub struct HeldStates {
    states: States,
    nodes: Vec<SavedNode>,
    totals: Arc<Totals>,
    worker: usize,
    last: Option<Mark>,
}

impl HeldStates {
    /// The states of some views on a worker; none are there before they are rendered. Which nodes have states is found once.
    pub fn new(program: &Program, views: &[String], totals: Arc<Totals>, worker: usize) -> Self {
        HeldStates { states: States::tracked(None), nodes: program.nodes_with_state(views), totals, worker, last: None }
    }

    /// Where operators announce what they hold.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// Lets operators forget how they stood before epochs that are over, and tells what they hold if it is time.
    pub fn turn(&mut self, probe: &ProbeHandle<u64>) {
        if let Some(open) = probe.with_frontier(|frontier| frontier.first().copied()) {
            self.states.settle(open);
        }
        if self.last.is_none_or(|last| last.elapsed() >= BETWEEN) {
            self.tell();
        }
    }

    /// Tells what operators hold.
    pub fn tell(&mut self) {
        self.last = Some(mark());
        let sizes = self.states.sizes();
        for node in &self.nodes {
            let size = size_of(&node.fingerprint, &sizes);
            self.totals.set_held((node.view.clone(), node.title.clone()), self.worker, Held { rows: size.rows, bytes: size.bytes });
        }
    }
}
