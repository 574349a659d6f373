//! `littoral check`: loads, resolves and types a pipeline; every problem at once.

use clap::Args;

use super::pipeline::{PipelineArgs, place};
use crate::failure::Failure;

/// Arguments of `littoral check`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  littoral check queries/bearing-health/pipeline.yaml\n  littoral check --schema > pipeline.schema.json",
    arg_required_else_help = true
)]
pub struct CheckArgs {
    #[command(flatten)]
    pipeline: Option<PipelineArgs>,
    /// Print the JSON Schema of pipeline files, for editors.
    #[arg(long, conflicts_with = "pipeline")]
    schema: bool,
}

/// Runs the command.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    if args.schema {
        let schema = littoral_engine::spec::json_schema();
        println!("{}", serde_json::to_string_pretty(&schema).map_err(|e| Failure::Running(Box::new(e)))?);
        return Ok(());
    }
    let Some(pipeline) = &args.pipeline else { return Err(Failure::Given("error: name a pipeline file".into())) };
    let graph = pipeline.graph()?;
    let (_, cut) = place(&graph, &[])?;
    let p = &graph.pipeline;
    println!(
        "ok: {}: {} sources, {} steps ({} at the edge), {} views, {} deltas, {} remediations, {} sinks, {} tests",
        p.name,
        p.sources.len(),
        p.steps.len(),
        cut.edge.steps.len(),
        graph.views().len(),
        p.deltas.len(),
        p.remediations.len(),
        p.sinks.len(),
        p.tests.len()
    );
    for part in &p.unsupported {
        println!("note: \"{}\" ({}) is not supported by run yet", part.path, part.place);
    }
    Ok(())
}
