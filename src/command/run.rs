//! `littoral run`.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;

/// Arguments of `littoral run`.
#[derive(Args)]
pub struct RunArgs {
    /// The pipeline file.
    pub pipeline: PathBuf,
}

/// Runs the command.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    Err(Failure::Given(format!("error: \"{}\": not built yet", args.pipeline.display())))
}
