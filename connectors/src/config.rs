//! What a pipeline file may say of each source and sink, as typed settings.
//!
//! The same types give the JSON Schema for editors. Sources and sinks are apart: not every connector is both.
//! Not here: the settings every source shares whatever its connector (device, event time), which the engine owns.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::{Pace, Span};

/// Where batches come from, chosen by `connector:`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "connector", rename_all = "snake_case", deny_unknown_fields)]
pub enum SourceConfig {
    /// Parquet recordings, one device a file or a device column.
    Parquet(FileSource),
    /// CSV files with a header line.
    Csv(FileSource),
    /// Newline-delimited JSON objects.
    Json(FileSource),
    /// WAV recordings; the channels are columns.
    Wav(FileSource),
    /// A fleet of simulated motors with rolling-element bearings.
    Simulator(SimulatorSource),
    /// This machine's own CPU, memory, disk, network and load.
    Host(HostSource),
    /// A Kafka topic of JSON values.
    Kafka(KafkaSource),
}

/// Files that a glob names, replayed side by side in event time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    /// A path or a glob, relative to the pipeline file.
    pub path: String,
    /// How fast to replay; unpaced by default.
    #[serde(default)]
    pub pace: Pace,
    /// Columns to read and their types (`f32`, `f64`, `i64`, `bool`, `string`, `timestamp`); all, as found, when left out.
    #[serde(default)]
    pub columns: Option<BTreeMap<String, ColumnType>>,
    /// Samples a second, for files without a time column; a Parquet file's own `sample_rate_hz` metadata is used when left out.
    #[serde(default)]
    pub sample_rate_hz: Option<f64>,
    /// Numeric key-value metadata of a file to add as f32 columns, such as `rpm`. Parquet only.
    #[serde(default)]
    pub metadata: Vec<String>,
}

/// The type of a column that a source reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 64-bit signed integer.
    I64,
    /// Truth value.
    Bool,
    /// UTF-8 text.
    String,
    /// Microseconds since 1970 in UTC; RFC 3339 text, or a number of microseconds.
    Timestamp,
}

/// A fleet of motors, some of which develop a bearing fault (DESIGN: rolling-element model).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulatorSource {
    /// Motors in the fleet, 1 to 10,000.
    pub devices: u32,
    /// Samples a second of each motor.
    #[serde(default = "default_rate_hz")]
    pub sample_rate_hz: f64,
    /// Length of the recording; without it the fleet runs until it is stopped.
    #[serde(default)]
    pub duration: Option<Span>,
    /// Share of motors that develop a fault, 0 to 1.
    #[serde(default = "default_faulty")]
    pub faulty: f64,
    /// When faults set in.
    #[serde(default)]
    pub onset: Option<Span>,
    /// How long a fault takes to grow to its full size.
    #[serde(default)]
    pub growth: Option<Span>,
    /// The same seed gives the same signal to the bit.
    #[serde(default)]
    pub seed: u64,
    /// How fast to play; unpaced by default.
    #[serde(default)]
    pub pace: Pace,
}

fn default_rate_hz() -> f64 {
    12_000.0
}

fn default_faulty() -> f64 {
    0.25
}

/// This machine's own metrics, read each `interval`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostSource {
    /// Time between two readings, 100 ms to 1 h.
    #[serde(default = "default_interval")]
    pub interval: Span,
}

fn default_interval() -> Span {
    Span(std::time::Duration::from_secs(1))
}

/// A Kafka topic read as JSON, at least once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaSource {
    /// `host:port`, several with commas.
    pub brokers: String,
    /// The topic to read.
    pub topic: String,
    /// Consumer group; offsets are committed to it once an epoch is durable.
    #[serde(default)]
    pub group: Option<String>,
    /// Read exactly these partitions instead of joining the group.
    #[serde(default)]
    pub partitions: Option<Vec<i32>>,
    /// Where to begin without a committed offset: `earliest` (default) or `latest`.
    #[serde(default)]
    pub start: KafkaStart,
    /// End at the offsets that were the end when reading began; otherwise follow the topic.
    #[serde(default)]
    pub until_end: bool,
    /// Columns of a JSON value and their types.
    pub columns: BTreeMap<String, ColumnType>,
}

/// Where a Kafka source begins when its group has no offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KafkaStart {
    /// The oldest record kept.
    #[default]
    Earliest,
    /// Only records written from now on.
    Latest,
}

/// Where batches go, chosen by `connector:`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "connector", rename_all = "snake_case", deny_unknown_fields)]
pub enum SinkConfig {
    /// Lines of JSON on standard output.
    Stdout(StdoutSink),
    /// One Parquet file.
    Parquet(FileSink),
    /// One CSV file with a header line.
    Csv(FileSink),
    /// One file of JSON objects, a line each.
    Json(FileSink),
    /// A Kafka topic of JSON values.
    Kafka(KafkaSink),
    /// A web hook: a POST of JSON for each row.
    Http(HttpSink),
}

/// Standard output has no settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdoutSink {}

/// A file that is made anew at each run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSink {
    /// Where to write, relative to the working directory; missing folders are made.
    pub path: PathBuf,
}

/// A Kafka topic to write JSON values to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaSink {
    /// `host:port`, several with commas.
    pub brokers: String,
    /// The topic to write.
    pub topic: String,
    /// The column whose value is the message key.
    #[serde(default)]
    pub key: Option<String>,
    /// Only `json` for now, and the default.
    #[serde(default)]
    pub format: ValueFormat,
}

/// How a row becomes bytes in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueFormat {
    /// One JSON object a row.
    #[default]
    Json,
}

/// A web hook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpSink {
    /// Where to POST, `http://` or `https://`.
    pub url: String,
    /// How long to wait for an answer; 5 s by default.
    #[serde(default)]
    pub timeout: Option<Span>,
}
