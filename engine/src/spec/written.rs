//! The settings of a pipeline file as written: the single truth of what may be said, in types that also give the JSON Schema.
//!
//! What a source or sink says of its connector is the connector's own type (`littoral_connectors::config`).

use std::collections::BTreeMap;

use littoral_connectors::config::SinkConfig;
use littoral_connectors::setting::Span;
use littoral_operators::features::Feature;
use littoral_operators::infer::Output;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::pipeline::Tier;

/// How the pipeline runs.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Event time of one epoch, 1 ms to 1 h; 100 ms by default.
    pub epoch: Option<Span>,
    /// Epochs between a view's change and its application at the devices of this process, 1 to 1000; 2 by default.
    #[serde(rename = "loop")]
    pub loop_epochs: Option<u64>,
}

/// Where `device` comes from: one of the three.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// `file-name`: the file's name without its ending.
    pub from: Option<DeviceFromFile>,
    /// A column of the data.
    pub column: Option<String>,
    /// One name for all.
    pub fixed: Option<String>,
}

/// The one thing a device can be taken from.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceFromFile {
    /// The file's name without its ending.
    FileName,
}

/// Event time.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventTime {
    /// The column that holds it.
    pub column: Option<String>,
    /// How far it may lag before a row is late.
    pub lateness: Option<Span>,
}

/// A step: what it reads and one verb.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The source or step it reads; a `sql` step says it in its query.
    pub from: Option<String>,
    /// Cuts samples into windows.
    pub frame: Option<Frame>,
    /// Reduces windows to figures.
    pub features: Option<Features>,
    /// Runs a model.
    pub infer: Option<Infer>,
    /// Projects and filters.
    pub sql: Option<String>,
}

/// `frame:`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// Samples a frame.
    pub size: usize,
    /// Samples from one frame's start to the next's; `size` when left out.
    pub hop: Option<usize>,
    /// Key columns; `[device]` when left out.
    pub by: Option<Vec<String>>,
    /// Sample columns; all f32 columns when left out.
    #[serde(default)]
    pub of: Vec<String>,
    /// Columns whose value at a frame's last sample is kept.
    #[serde(default)]
    pub keep: Vec<String>,
}

/// `features:`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// The framed column.
    pub of: String,
    /// Samples a second; 12000 when left out.
    pub sample_rate_hz: Option<f64>,
    /// What to compute.
    pub compute: Vec<Feature>,
}

/// `infer:`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Infer {
    /// A parameter of type model, or a model file.
    pub model: String,
    /// Input columns; those that the model's card names when left out.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Output columns and what they hold.
    pub outputs: BTreeMap<String, Output>,
}

/// A parameter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ParamType,
    /// Its value before any delta.
    #[schemars(schema_with = "super::schema::any_scalar")]
    pub default: Value,
    /// Least value.
    pub min: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
    /// Largest change at a time.
    pub max_step: Option<f64>,
    /// Least time between two changes.
    pub min_interval: Option<Span>,
    /// How long a value holds without word from the cloud.
    pub fallback_after: Option<Span>,
}

/// Types of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParamType {
    /// 32-bit float.
    F32,
    /// 64-bit integer.
    I64,
    /// Truth value.
    Bool,
    /// Model file.
    Model,
}

/// A view that reconfigures devices.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delta {
    /// The view.
    pub from: String,
    /// Its column that names the device.
    pub key: String,
    /// Its column that holds the value.
    pub value: String,
    /// How a change reaches the fleet.
    pub rollout: Option<Rollout>,
}

/// How a change reaches the fleet.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "checked and refused by name until rollouts run")]
pub struct Rollout {
    /// Share of the fleet that begins, such as `5%`.
    pub start: Option<String>,
    /// By how much each round grows.
    pub factor: Option<f64>,
    /// A view with a row in which the rollout stops.
    pub abort_when: Option<String>,
}

/// A view that triggers an action.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remediation {
    /// The view.
    pub on: String,
    /// `fresh(30s)`: how old what is known may be.
    pub requires: Option<String>,
    /// `provisional`: act on whatever is known.
    pub acts_on: Option<ActsOn>,
    /// An unknown outcome is not tried again.
    #[serde(default)]
    pub at_most_once: bool,
    /// Where the action goes.
    pub send: SinkConfig,
}

/// What an action may rest on.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActsOn {
    /// Whatever is known now.
    Provisional,
}

/// A figure with a target.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kpi {
    /// A view of one row and one numeric column.
    pub view: String,
    /// `<= 0.01` and its kin.
    pub target: String,
}

/// A test.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// What it claims.
    pub name: String,
    /// Sources replaced: a path, or settings that override the source's.
    #[serde(default)]
    #[schemars(schema_with = "super::schema::any_map")]
    pub given: BTreeMap<String, Value>,
    /// Parameter defaults replaced.
    #[serde(default)]
    #[schemars(schema_with = "super::schema::any_map")]
    pub params: BTreeMap<String, Value>,
    /// What steps and views hold at the end.
    #[schemars(schema_with = "super::schema::any_map")]
    pub expect: BTreeMap<String, Value>,
}

/// The whole file, but for sources and sinks, whose keys depend on their connector.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "gives the schema; parts are read one by one, for their places")]
pub struct File {
    /// The pipeline's name.
    pub pipeline: String,
    /// How it runs.
    #[serde(default)]
    pub run: Run,
    /// Steps by name.
    #[serde(default)]
    pub steps: BTreeMap<String, Step>,
    /// Parameters by name.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// SQL files.
    #[serde(default)]
    pub views: Vec<String>,
    /// Delta rules by parameter.
    #[serde(default)]
    pub deltas: BTreeMap<String, Delta>,
    /// Remediations by name.
    #[serde(default)]
    pub remediate: BTreeMap<String, Remediation>,
    /// KPIs by name.
    #[serde(default)]
    pub kpi: BTreeMap<String, Kpi>,
    /// Pins by step.
    #[serde(default)]
    pub place: BTreeMap<String, Tier>,
    /// Tests.
    #[serde(default)]
    pub tests: Vec<Test>,
}
