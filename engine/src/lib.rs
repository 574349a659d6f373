//! Pipeline file to graph to placement to dataflow; SQL, deltas and the link, shared by both tiers.

pub mod flow;
pub mod pipeline;
