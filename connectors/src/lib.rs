//! Where batches come from and go to. Each connector is a file; `SourceConfig` and `SinkConfig` choose one.
//!
//! Knows no plan, no SQL and no graph: a source gives slices of rows, a sink takes batches of them.

pub mod config;
pub mod files;
pub mod host;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod map_keys;
pub mod open;
pub mod setting;
pub mod simulator;
pub mod sink;
pub mod source;
pub mod written;
