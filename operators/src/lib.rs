//! What happens to a batch: frame, features, infer.
//!
//! Each operator is a struct made from settings and an input schema, that turns batches into batches.
//! Knows no YAML, no SQL, no network and no clock.

pub mod features;
pub mod frame;
pub mod infer;
