//! Execution on timely: containers, exchange, sources with a frontier gate, the steps of both tiers.

pub mod updates;
