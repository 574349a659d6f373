//! The contract of a source: a pull of one slice at a time, on a thread of its own.
//!
//! The driver (the engine's) paces, queues, counts and retries; a source only reads. What it gives is deterministic
//! for files and the simulator: the same input is cut into the same slices at every run.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

/// A source of rows. Each batch has the columns of `schema()`.
pub trait Source: Send {
    /// The columns of every batch, `device` (Utf8) and `ts` (timestamp, microseconds, UTC) first.
    fn schema(&self) -> SchemaRef;

    /// The next slice, waiting at most `wait` for one.
    fn poll(&mut self, wait: Duration) -> Result<Polled, SourceError>;

    /// All slices up to and including `slice` are durable downstream; a source that can forget them does.
    fn commit(&mut self, slice: u64) -> Result<(), SourceError> {
        let _ = slice;
        Ok(())
    }
}

/// What a pull gave.
#[derive(Debug)]
pub enum Polled {
    /// Rows, or only bad records.
    Slice(Slice),
    /// Nothing arrived in time; ask again.
    Idle,
    /// No more will come.
    End,
}

/// The rows of one short span of event time: what becomes one epoch.
#[derive(Debug, Default)]
pub struct Slice {
    /// Counts up from 0; named again in `commit`.
    pub id: u64,
    /// Rows, in event-time order within a device.
    pub batches: Vec<RecordBatch>,
    /// Records that could not become rows.
    pub bad: Vec<BadRecord>,
    /// Bytes of the sensor values read (4 a float32 sample), before any framing.
    pub raw_bytes: u64,
    /// When the slice's first record was due, since the first record of all, at recorded pace. None for live sources.
    pub due: Option<Duration>,
}

/// A record that could not become a row, with the reason; `count` is above one where a run of them is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// The file and line, or topic, partition and offset.
    pub place: String,
    /// What is wrong, from the small set of `reason`.
    pub reason: BadReason,
    /// The detail, for a person.
    pub detail: String,
    /// How many records.
    pub count: u64,
}

/// Why a record is bad. A closed set, so that it can be a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BadReason {
    /// NaN or an infinity where a sample is expected.
    NotFinite,
    /// Text that does not parse, or a truncated file.
    Malformed,
    /// A value of another type than the column's.
    WrongType,
    /// A required field is missing or null.
    Missing,
    /// The record's time is before its predecessor's in the same file.
    TimeBack,
}

impl BadReason {
    /// The reason as a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            BadReason::NotFinite => "not_finite",
            BadReason::Malformed => "malformed",
            BadReason::WrongType => "wrong_type",
            BadReason::Missing => "missing",
            BadReason::TimeBack => "time_back",
        }
    }
}

/// Why a source could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No file matches, a file cannot be opened, or its header is broken.
    #[error("could not open \"{path}\"")]
    Open {
        /// The file or glob.
        path: String,
        /// What the system said.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A setting is outside what the connector takes.
    #[error("{0}")]
    Setting(String),
    /// The broker or network failed for good.
    #[error("{attempt}")]
    Broker {
        /// What was attempted, on which topic.
        attempt: String,
        /// What the client said.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The rows do not fit the schema: a defect of the connector.
    #[error("could not build a batch")]
    Arrow(#[from] arrow::error::ArrowError),
}

/// What every source of a pipeline is opened with, whatever its connector.
#[derive(Clone, Debug)]
pub struct SourceContext {
    /// Where relative paths start.
    pub folder: std::path::PathBuf,
    /// Where `device` comes from.
    pub device: DeviceFrom,
    /// The column that holds event time, where there is one; it becomes `ts`.
    pub time_column: Option<String>,
    /// Event time that one slice covers.
    pub slice: Duration,
    /// Only these value columns are needed; none means all.
    pub wanted: Option<Vec<String>>,
    /// Wall clock, microseconds since 1970: given, never read here.
    pub now_micros: fn() -> i64,
}

/// Where the device of a record comes from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum DeviceFrom {
    /// The file's name without its ending.
    FileName,
    /// A column of the data.
    Column(String),
    /// One device for all.
    Fixed(String),
}
