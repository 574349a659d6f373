//! What the operators of views hold, told to the totals about once a second by each worker of the cloud tier.
//!
//! Sizes are read between two steps of a worker, when no operator runs. Not here: what is told of them (`telemetry`).

use std::collections::BTreeMap;
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
        let nodes = numbered(program.nodes_with_state(views));
        HeldStates { states: States::tracked(None), nodes, totals, worker, last: None }
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

/// Nodes of which those of a view that have one title are told apart by a number: they are figures of their own.
fn numbered(mut nodes: Vec<SavedNode>) -> Vec<SavedNode> {
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    for node in &mut nodes {
        let count = seen.entry((node.view.clone(), node.title.clone())).or_default();
        *count += 1;
        if *count > 1 {
            node.title = format!("{} ({count})", node.title);
        }
    }
    nodes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::sql::InputTable;
    use crate::sql::catalog::Catalog;

    #[test]
    fn nodes_of_one_title_are_figures_of_their_own() {
        let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true), Field::new("v", DataType::Int64, true)]));
        let mut catalog = Catalog::new();
        catalog.add_table("t", schema.clone());
        let mut program = Program::new(vec![InputTable { name: "t".into(), schema, append_only: false, event_time: None }]);
        let part = |least: i64| format!("SELECT k, count(*) AS n FROM t WHERE v > {least} GROUP BY k");
        let plan = catalog.plan_query(&format!("{} UNION ALL {} UNION ALL {}", part(1), part(2), part(3))).unwrap();
        let plan = catalog.optimise(plan).unwrap();
        program.add_plan(&mut catalog, "n", &plan, false).unwrap();
        let totals = Arc::new(Totals::default());
        let mut held = HeldStates::new(&program, &["n".into()], totals.clone(), 0);
        held.tell();
        let titles: Vec<String> = totals.held().into_keys().map(|(_, title)| title).collect();
        let [first, others @ ..] = titles.as_slice() else { panic!("nothing is told") };
        assert_eq!(others, [format!("{first} (2)"), format!("{first} (3)")]);
    }
}
