//! The commands, a file each. Adding one is a variant and an arm.

use clap::Subcommand;

use crate::failure::Failure;

mod check;
mod pipeline;
mod plan;
mod run;
mod sql;
mod test;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Load, resolve and type-check a pipeline; every error at once.
    Check(check::CheckArgs),
    /// Print the graph, where it is cut, and each stream's schema.
    Plan(plan::PlanArgs),
    /// Run both tiers in this process.
    Run(run::RunArgs),
    /// Run SQL files over files.
    Sql(sql::SqlArgs),
    /// Run the tests that pipelines carry.
    Test(test::TestArgs),
}

impl Command {
    /// Runs the chosen command.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Command::Check(args) => check::run(&args),
            Command::Plan(args) => plan::run(&args),
            Command::Run(args) => run::run(&args),
            Command::Sql(args) => sql::run(&args),
            Command::Test(args) => test::run(&args),
        }
    }
}
