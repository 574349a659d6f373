//! `littoral check`.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;

/// Arguments of `littoral check`.
#[derive(Args)]
pub struct CheckArgs {
    /// The pipeline file.
    pub pipeline: PathBuf,
}

/// Runs the command.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    Err(Failure::Given(format!("error: \"{}\": not built yet", args.pipeline.display())))
}
