//! Infer: runs an ONNX model over the rows of a batch.
//!
//! `runtime` chooses ONNX Runtime or the pure-Rust one, once a process; `model` loads a file with its card and checks its
//! shapes; `step` runs it over batches. Not here: features, training (`models/`).

use serde::{Deserialize, Serialize};

mod model;
mod runtime;
mod step;

pub use model::{Card, InferError, Model};
pub use runtime::{Runtime, runtime};
pub use step::InferStep;

/// What an output column of an infer step holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// The label of the most likely class (text), named by the model's card.
    Label,
    /// How far from healthy, 0 to 1 (f32): 1 less the probability of the card's first label.
    F32,
}
