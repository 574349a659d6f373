//! A resolved pipeline: every name is known, every path absolute, every setting a valid value.
//!
//! `spec` makes it from what was written; the graph, the placement and both tiers read only this. It knows nothing of
//! YAML or positions in a file. Not here: types of columns (`graph`), which come from opened sources and loaded models.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use littoral_connectors::config::{SinkConfig, SourceConfig};
use littoral_connectors::source::DeviceFrom;
use serde::{Deserialize, Serialize};

/// A whole pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// The folder of the pipeline file; relative source and model paths start here.
    pub folder: PathBuf,
    /// How it runs.
    pub run: RunSettings,
    /// Sources by name, as written.
    pub sources: Vec<Source>,
    /// Steps in an order in which each comes after what it reads.
    pub steps: Vec<Step>,
    /// Parameters that the cloud may change.
    pub params: Vec<Param>,
    /// SQL files with their text.
    pub views: Vec<SqlFile>,
    /// Views whose changes reconfigure devices.
    pub deltas: Vec<DeltaRule>,
    /// Views whose new rows trigger an action.
    pub remediations: Vec<Remediation>,
    /// Where rows of a step or view go.
    pub sinks: Vec<SinkRule>,
    /// Figures of business interest.
    pub kpis: Vec<Kpi>,
    /// Pins of steps to tiers.
    pub place: BTreeMap<String, Tier>,
    /// The tests that the pipeline carries.
    pub tests: Vec<TestCase>,
    /// Parts that resolve but that this version cannot run; `run` refuses them by name.
    pub unsupported: Vec<Unsupported>,
}

/// A part of the file whose runtime does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// Its path in the file, such as `deltas.threshold.rollout`.
    pub path: String,
    /// Where it is written: `file:line`.
    pub place: String,
}

/// How a pipeline runs, whatever its parts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSettings {
    /// Event time that one epoch of a recording covers, and wall time that one of a live source covers.
    pub epoch: Duration,
    /// Epochs between a view's change and the record boundary at which the devices of this process apply it.
    pub loop_epochs: u64,
}

/// One of the two tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Beside the sensor.
    Edge,
    /// Where the views are.
    Cloud,
}

/// A source and what holds for it whatever its connector.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name, unique among sources, steps and views.
    pub name: String,
    /// The connector and its settings.
    pub connector: SourceConfig,
    /// Where `device` comes from.
    pub device: DeviceFrom,
    /// The column that becomes `ts`; none where the connector makes its own.
    pub time_column: Option<String>,
    /// How far event time may lag before a row is late.
    pub lateness: Duration,
}

/// One node of the graph.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name, unique among sources, steps and views.
    pub name: String,
    /// The source or step it reads.
    pub from: String,
    /// What it does.
    pub op: StepOp,
    /// Where it is written: `file:line`, for messages.
    pub place: String,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum StepOp {
    /// Cuts samples into windows.
    Frame(Frame),
    /// Reduces each window to figures.
    Features(Features),
    /// Runs a model over rows.
    Infer(Infer),
    /// A query over the step's rows: projections and a filter, no state.
    Sql(String),
}

/// Settings of a frame step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Samples a frame.
    pub size: usize,
    /// Samples from one frame's start to the next's.
    pub hop: usize,
    /// Key columns; `device` among them.
    pub by: Vec<String>,
    /// Sample columns to frame; all f32 columns when empty.
    pub of: Vec<String>,
    /// Columns whose value at a frame's last sample is kept.
    pub keep: Vec<String>,
}

/// Settings of a features step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// The framed column.
    pub of: String,
    /// Samples a second.
    pub sample_rate_hz: f64,
    /// What to compute, in this order; each gives one or more f32 columns.
    pub compute: Vec<littoral_operators::features::Feature>,
}

/// Settings of an infer step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Infer {
    /// The model file, absolute.
    pub model: PathBuf,
    /// The parameter that names the model, where it is one.
    pub param: Option<String>,
    /// Input columns in the model's order; those that the model's card names when none are given.
    pub inputs: Vec<String>,
    /// Output columns: name and what it holds, in this order.
    pub outputs: Vec<(String, littoral_operators::infer::Output)>,
}

/// A parameter with its envelope: what the device itself enforces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Type, default and range.
    pub kind: ParamKind,
    /// Least time between two changes, by the record's event time.
    pub min_interval: Option<Duration>,
    /// How long a value holds without word from the cloud before the default comes back.
    pub fallback_after: Option<Duration>,
}

/// The type of a parameter, with its envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ParamKind {
    /// A 32-bit float in a closed range, changed by at most `max_step` at a time.
    F32 {
        /// Before any delta.
        default: f32,
        /// Least.
        min: f32,
        /// Greatest.
        max: f32,
        /// Largest change at a time.
        max_step: Option<f32>,
    },
    /// A 64-bit integer in a closed range, changed by at most `max_step` at a time.
    I64 {
        /// Before any delta.
        default: i64,
        /// Least.
        min: i64,
        /// Greatest.
        max: i64,
        /// Largest change at a time.
        max_step: Option<i64>,
    },
    /// A truth value.
    Bool {
        /// Before any delta.
        default: bool,
    },
    /// A model file.
    Model {
        /// Before any delta.
        default: PathBuf,
    },
}

/// A SQL file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlFile {
    /// Its path, for messages.
    pub path: PathBuf,
    /// What it holds.
    pub text: String,
}

/// A view whose changes become deltas.
#[derive(Clone, Debug, PartialEq)]
pub struct DeltaRule {
    /// The parameter it sets.
    pub param: String,
    /// The view.
    pub from: String,
    /// The view's column that names the device.
    pub key: String,
    /// The view's column that holds the value.
    pub value: String,
}

/// A view whose new rows trigger an action.
#[derive(Clone, Debug)]
pub struct Remediation {
    /// Its name.
    pub name: String,
    /// The view.
    pub on: String,
    /// What the answer must be.
    pub basis: Basis,
    /// An unknown outcome is not tried again.
    pub at_most_once: bool,
    /// Where the action goes.
    pub send: SinkConfig,
}

/// What a remediation acts on. One of the two must be declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The rows that made the view's row are at most this old.
    Fresh(Duration),
    /// Whatever is known now.
    Provisional,
}

/// Where rows of a step or view go.
#[derive(Clone, Debug)]
pub struct SinkRule {
    /// Its name.
    pub name: String,
    /// The step or view.
    pub from: String,
    /// The connector and its settings.
    pub connector: SinkConfig,
}

/// A figure of business interest: the only value of a view, held against a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Kpi {
    /// Its name.
    pub name: String,
    /// A view of one row and one numeric column.
    pub view: String,
    /// How it should stand.
    pub target: Target,
}

/// `<= 0.01` and its kin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// The comparison.
    pub relation: Relation,
    /// The right-hand side.
    pub value: f64,
}

/// A comparison of a figure with its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
}

/// A test that a pipeline carries.
#[derive(Clone, Debug)]
pub struct TestCase {
    /// What it claims, as a sentence.
    pub name: String,
    /// Sources replaced for the test, whole.
    pub given: Vec<Source>,
    /// Parameter defaults changed for the test.
    pub params: BTreeMap<String, serde_json::Value>,
    /// What steps and views must hold at the end.
    pub expect: Vec<Expectation>,
    /// Where it is written: `file:line`.
    pub place: String,
}

/// What one step or view must hold at the end of a test.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// The step or view.
    pub of: String,
    /// What of it.
    pub what: Expected,
}

/// How a relation is judged.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// Exactly these rows in any order, each naming the columns it cares for.
    Rows(Vec<serde_json::Map<String, serde_json::Value>>),
    /// A number of rows in this range, both ends included.
    Count {
        /// Rows at least.
        at_least: u64,
        /// Rows at most; any number when none.
        at_most: Option<u64>,
    },
    /// At least one row for each of these.
    Contains(Vec<serde_json::Map<String, serde_json::Value>>),
}
