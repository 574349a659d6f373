//! `littoral sql`.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;

/// Arguments of `littoral sql`.
#[derive(Args)]
pub struct SqlArgs {
    /// The SQL file.
    pub file: PathBuf,
}

/// Runs the command.
pub fn run(args: &SqlArgs) -> Result<(), Failure> {
    Err(Failure::Given(format!("error: \"{}\": not built yet", args.file.display())))
}
