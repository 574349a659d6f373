//! Runs an ONNX model over rows.

use serde::{Deserialize, Serialize};

/// What an output column of an infer step holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// The label of the most likely class (Utf8), named by the model's card.
    Label,
    /// How far from healthy, 0 to 1 (Float32): 1 less the probability of the card's first label.
    F32,
}
