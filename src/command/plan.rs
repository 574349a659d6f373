//! `littoral plan`: the graph, where it is cut, each stream's columns.

use std::path::PathBuf;

use clap::Args;
use littoral_engine::fragment::Fragment;
use littoral_engine::plan::{PlanReport, draw};

use super::pipeline::{PipelineArgs, place};
use crate::failure::{Failure, writing};
use crate::output::tell;

/// Arguments of `littoral plan`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  littoral plan queries/bearing-health/pipeline.yaml\n  littoral plan queries/bearing-health/pipeline.yaml --svg plan.svg"
)]
pub struct PlanArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
    /// Draw the plan into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write the edge tier's fragment into this file, for `littoral-edge`.
    #[arg(long, value_name = "FILE")]
    fragment: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &PlanArgs) -> Result<(), Failure> {
    let graph = args.pipeline.graph()?;
    let (placement, cut) = place(&graph, &[])?;
    let report = PlanReport::new(&graph, &placement, &cut);
    if let Some(path) = &args.svg {
        std::fs::write(path, draw(&report)).map_err(writing(path))?;
    }
    if let Some(path) = &args.fragment {
        write_fragment(path, &cut.edge)?;
    }
    match args.json {
        true => tell(&format!("{}\n", serde_json::to_string_pretty(&report).map_err(|e| Failure::Running(Box::new(e)))?)),
        false => tell(&report.to_text()),
    }
}

fn write_fragment(path: &std::path::Path, fragment: &Fragment) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(fragment).map_err(|e| Failure::Running(Box::new(e)))?;
    std::fs::write(path, text).map_err(writing(path))
}
