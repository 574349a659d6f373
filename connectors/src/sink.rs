//! The contract of a sink: rows in, and a flush that means durable.
//!
//! The driver (the engine's) calls from one thread a sink, an epoch after the other, and acknowledges upstream only after `flush`.

use arrow::array::RecordBatch;

/// A place that rows go to.
pub trait Sink: Send {
    /// Takes rows of one epoch. They may be buffered until `flush`.
    fn write(&mut self, epoch: u64, rows: &RecordBatch) -> Result<(), SinkError>;

    /// All rows taken so far are durable when this returns.
    fn flush(&mut self) -> Result<(), SinkError>;

    /// No more rows will come; footers are written.
    fn close(self: Box<Self>) -> Result<(), SinkError>;
}

/// Why a sink failed.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The file or folder cannot be made or written.
    #[error("could not write \"{path}\"")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The broker or server did not take the rows.
    #[error("{attempt}")]
    Remote {
        /// What was attempted, on which thing.
        attempt: String,
        /// What came back.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A setting is outside what the connector takes.
    #[error("{0}")]
    Setting(String),
    /// A row that has no form in this format.
    #[error("could not encode rows")]
    Arrow(#[from] arrow::error::ArrowError),
}
