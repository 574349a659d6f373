//! A fragment: one tier's part of the graph, complete enough to run without the pipeline file or SQL.
//!
//! `placement` cuts it from the graph; both tiers turn it into a dataflow with the same stages (`flow::stage`). It
//! serialises, as a device gets it over the link or from a file. Not here: views, which only the cloud has.

use std::time::Duration;

use littoral_connectors::config::SourceConfig;
use littoral_connectors::source::DeviceFrom;
use serde::{Deserialize, Serialize};

use crate::expression::RowQuery;
use crate::pipeline::{Features, Frame, Infer, Param, RunSettings, Source};

/// One tier's part of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fragment {
    /// The pipeline's name.
    pub pipeline: String,
    /// How it runs.
    pub run: RunSettings,
    /// Parameters with their envelopes.
    pub params: Vec<Param>,
    /// Sources that this tier opens; none in the cloud.
    pub sources: Vec<FragmentSource>,
    /// Steps of this tier, each after what it reads.
    pub steps: Vec<FragmentStep>,
    /// Streams that leave this tier over the link.
    pub outlets: Vec<Outlet>,
}

/// A source with what the graph found out about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FragmentSource {
    /// Its name.
    pub name: String,
    /// The connector and its settings.
    pub connector: SourceConfig,
    /// Where `device` comes from.
    pub device: DeviceFrom,
    /// The column that becomes `ts`.
    pub time_column: Option<String>,
    /// How far event time may lag before a row is late.
    pub lateness: Duration,
    /// Value columns that some step reads; all when none.
    pub wanted: Option<Vec<String>>,
    /// Rows get their `spec_epoch` here, not at a frame step.
    pub stamped: bool,
}

/// A step, its query compiled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FragmentStep {
    /// Its name.
    pub name: String,
    /// The source or step it reads.
    pub from: String,
    /// What it does.
    pub op: FragmentOp,
    /// Its rows get their `spec_epoch` here.
    pub stamps: bool,
}

/// What a step does, ready to run on either tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FragmentOp {
    /// Cuts samples into windows.
    Frame(Frame),
    /// Reduces each window to figures.
    Features(Features),
    /// Runs a model over rows.
    Infer(Infer),
    /// Projects and filters rows.
    Query(RowQuery),
}

impl FragmentOp {
    /// The operator's name, as the pipeline file spells it.
    pub fn verb(&self) -> &'static str {
        match self {
            FragmentOp::Frame(_) => "frame",
            FragmentOp::Features(_) => "features",
            FragmentOp::Infer(_) => "infer",
            FragmentOp::Query(_) => "sql",
        }
    }
}

/// A stream that crosses the cut, with the columns that somebody reads on the other side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlet {
    /// The source or step.
    pub stream: String,
    /// Columns that cross; all when none.
    pub columns: Option<Vec<String>>,
}

impl FragmentSource {
    /// The source as the fragment opens it.
    pub fn new(source: &Source, wanted: Option<Vec<String>>, stamped: bool) -> Self {
        FragmentSource {
            name: source.name.clone(),
            connector: source.connector.clone(),
            device: source.device.clone(),
            time_column: source.time_column.clone(),
            lateness: source.lateness,
            wanted,
            stamped,
        }
    }
}
