//! What `check`, `plan`, `run` and `test` share: a pipeline file with its overrides, loaded, typed and placed.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use clap::Args;
use littoral_engine::graph::Graph;
use littoral_engine::pipeline::Pipeline;
use littoral_engine::placement::{Cut, Placement, ReduceAtEdge};
use littoral_engine::spec::{self, Override};

use crate::failure::Failure;

/// A pipeline file and what overrides it.
#[derive(Args)]
pub struct PipelineArgs {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// Override a scalar of the file by its path, such as sources.vibration.path=recordings/*.parquet. May be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
}

impl PipelineArgs {
    /// Loads and resolves the file.
    pub fn load(&self) -> Result<Pipeline, Failure> {
        load(&self.pipeline, &self.set)
    }

    /// Loads, resolves and types the file.
    pub fn graph(&self) -> Result<Graph, Failure> {
        graph(self.load()?)
    }
}

/// Loads and resolves a pipeline file.
pub fn load(path: &Path, set: &[String]) -> Result<Pipeline, Failure> {
    let overrides: Result<Vec<Override>, String> = set.iter().map(|text| Override::parse(text)).collect();
    let overrides = overrides.map_err(|e| Failure::Given(format!("error: {e}")))?;
    spec::load(path, &overrides).map_err(|problems| Failure::Given(problems.to_string()))
}

/// Types a pipeline: opens its sources, loads its models, compiles its SQL.
pub fn graph(pipeline: Pipeline) -> Result<Graph, Failure> {
    Graph::build(pipeline).map_err(|problems| all(&problems))
}

/// Places a graph and cuts it.
pub fn place(graph: &Graph, captured: &[String]) -> Result<(Placement, Cut), Failure> {
    let placement = Placement::of(graph, &ReduceAtEdge).map_err(|problems| all(&problems))?;
    let cut = placement.cut(graph, captured);
    Ok((placement, cut))
}

/// Refuses what this version cannot run, by name.
pub fn refuse_unsupported(pipeline: &Pipeline) -> Result<(), Failure> {
    if pipeline.unsupported.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = pipeline
        .unsupported
        .iter()
        .map(|u| format!("error: \"{}\" is not supported yet\n  --> {}\n  = help: leave it out to run the rest", u.path, u.place))
        .collect();
    Err(Failure::Given(lines.join("\n")))
}

fn all(problems: &[impl Display]) -> Failure {
    let mut text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let count = problems.len();
    text.push(format!("{count} problem{}", if count == 1 { "" } else { "s" }));
    Failure::Given(text.join("\n"))
}
