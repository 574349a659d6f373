//! Kafka: a topic of JSON values as a source and as a sink, at least once.
//!
//! `source` reads with a consumer group or assigned partitions and commits only what is durable downstream; `sink` writes
//! with an idempotent producer and waits for every delivery report. Not here: exactly-once (transactions), schema registries.

mod sink;
mod source;

pub use sink::open_sink;
pub use source::open_source;
