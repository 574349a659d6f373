//! Pipeline file to graph to placement to dataflow; SQL, deltas and the link, shared by both tiers.

pub mod clock;
pub mod delta;
pub mod expression;
pub mod flow;
pub mod fragment;
#[cfg(feature = "sql")]
pub mod graph;
pub mod link;
pub mod pipeline;
#[cfg(feature = "sql")]
pub mod placement;
#[cfg(feature = "sql")]
pub mod plan;
pub mod remedy;
#[cfg(feature = "sql")]
pub mod run;
pub mod spec;
#[cfg(feature = "sql")]
pub mod sql;
pub mod telemetry;
