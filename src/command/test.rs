//! `littoral test`.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;

/// Arguments of `littoral test`.
#[derive(Args)]
pub struct TestArgs {
    /// The pipeline file.
    pub pipeline: PathBuf,
}

/// Runs the command.
pub fn run(args: &TestArgs) -> Result<(), Failure> {
    Err(Failure::Given(format!("error: \"{}\": not built yet", args.pipeline.display())))
}
