//! `littoral plan`.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;

/// Arguments of `littoral plan`.
#[derive(Args)]
pub struct PlanArgs {
    /// The pipeline file.
    pub pipeline: PathBuf,
}

/// Runs the command.
pub fn run(args: &PlanArgs) -> Result<(), Failure> {
    Err(Failure::Given(format!("error: \"{}\": not built yet", args.pipeline.display())))
}
