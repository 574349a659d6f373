//! What a changed plan means for a snapshot: which states are kept, which are filled anew, which are let go.

use std::collections::HashSet;
use std::fmt;

use super::manifest::{Manifest, SavedNode};

/// The difference between a snapshot and a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Nodes whose state is gone on with.
    pub kept: Vec<SavedNode>,
    /// Nodes whose state is filled from the tables as they stand at the snapshot.
    pub bootstrapped: Vec<SavedNode>,
    /// Nodes of the snapshot that the plan does not have any more.
    pub dropped: Vec<SavedNode>,
}

impl Difference {
    /// Between a snapshot and the nodes of a plan, each with whether it goes on with its state.
    pub fn between(saved: &Manifest, nodes: &[(SavedNode, bool)]) -> Self {
        let now: HashSet<&str> = nodes.iter().map(|(n, _)| n.fingerprint.as_str()).collect();
        let of = |keeps: bool| nodes.iter().filter(|(_, kept)| *kept == keeps).map(|(n, _)| n.clone()).collect();
        let dropped = saved.nodes.iter().filter(|n| !now.contains(n.fingerprint.as_str())).cloned().collect();
        Difference { kept: of(true), bootstrapped: of(false), dropped }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("kept", &self.kept), ("filled anew", &self.bootstrapped), ("dropped", &self.dropped)];
        for (what, nodes) in parts {
            for node in nodes {
                writeln!(f, "  {what}: {}, of view \"{}\"", node.title, node.view)?;
            }
        }
        Ok(())
    }
}
