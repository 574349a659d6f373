//! Features: reduces each window of samples to a few figures. The definitions are in `docs/features.md`.
//!
//! `plan` turns settings into columns and computes one window; `step` runs a plan over framed batches; `moments`, `spectrum`
//! and `envelope` are the kernels; `scalar` is their slow twin in f64, the oracle of the tests.

mod envelope;
mod moments;
mod plan;
pub mod scalar;
mod settings;
mod spectrum;
mod step;

pub use plan::{FeatureError, FeaturePlan, Scratch};
pub use settings::{Envelope, Feature};
pub use step::{FeatureStep, Window, process_sensor_batch};
