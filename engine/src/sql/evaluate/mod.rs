//! Computations that DataFusion's own operators do for one batch: aggregates of any kind, window functions, unnesting.
//!
//! A `Compute` is the operator with its expressions over columns `c0`, `c1`, …; a `Runner` is its physical plan, made once
//! and run over each batch that it is handed (`runner.rs`). Groups are told apart by a column of their numbers, so that all
//! groups of a round are one run. Not here: which groups are looked at (differential's).

mod compute;
mod extreme;
mod frame;
mod groups;
mod runner;

pub use compute::{Compute, TAG, column_name, columns_by_number};
pub use extreme::{extreme_of_floats, total};
pub use frame::over_frames;
pub use groups::GroupEvaluator;
pub use runner::Runner;
