//! `littoral check`: loads, resolves and types a pipeline; every problem at once.

use clap::Args;

use super::pipeline::{PipelineArgs, place};
use crate::failure::Failure;
use crate::output::tell;

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
        return tell(&format!("{}\n", serde_json::to_string_pretty(&schema).map_err(|e| Failure::Running(Box::new(e)))?));
    }
    let Some(pipeline) = &args.pipeline else { return Err(Failure::Given("error: name a pipeline file".into())) };
    let graph = pipeline.graph()?;
    let (_, cut) = place(&graph, &[])?;
    let p = &graph.pipeline;
    tell(&format!(
        "ok: {}: {} sources, {} steps ({} at the edge), {} views, {} deltas, {} remediations, {} sinks, {} tests\n",
        p.name,
        p.sources.len(),
        p.steps.len(),
        cut.edge.steps.len(),
        graph.views().len(),
        p.deltas.len(),
        p.remediations.len(),
        p.sinks.len(),
        p.tests.len()
    ))?;
    for part in &p.unsupported {
        tell(&format!("note: \"{}\" ({}) is not supported by run yet\n", part.path, part.place))?;
    }
    Ok(())
}
