//! The `littoral` command: parses the command line, calls one command, prints its failure once.

use std::process::ExitCode;

use clap::Parser;

mod command;
mod failure;
mod metrics_endpoint;
mod output;
mod summary;

/// Batches come and go by the megabyte: the system's allocator hands such pages back and takes them anew each time, which
/// costs a tenth of a window's time, and more when two workers do it. Without huge pages, for which the kernel can keep a worker
/// waiting for a hundred milliseconds.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One pipeline file and SQL files, run on an edge tier and a cloud tier.
#[derive(Parser)]
#[command(name = "littoral", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: command::Command,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_writer(std::io::stderr).init();
    match Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
