//! `littoral-edge`: the device program. Runs the edge fragment of a pipeline without a cloud and without a SQL engine.
//!
//! `littoral plan --fragment FILE` writes the fragment. Rows that would cross the link are written as lines of JSON. Not here
//! yet: the network link, the outbox that survives an outage, enrolment.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use littoral_edge::{EdgeError, run};

/// Runs the edge fragment of a pipeline on this device.
#[derive(Parser)]
#[command(
    name = "littoral-edge",
    version,
    about,
    after_help = "Examples:\n  littoral plan pipeline.yaml --fragment edge.json\n  littoral-edge edge.json --for 30s > insights.ndjson"
)]
struct Cli {
    /// The fragment, as `littoral plan --fragment` writes it.
    fragment: PathBuf,
    /// Where relative paths of sources start; the current folder by default.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// End after this time, such as 30s.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    limit: Option<Duration>,
}

fn duration(text: &str) -> Result<Duration, String> {
    littoral_connectors::setting::Span::try_from(text.to_string()).map(|span| span.0)
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_writer(std::io::stderr).init();
    let cli = Cli::parse();
    match run(&cli.fragment, &cli.folder, cli.limit, &mut std::io::stdout().lock()) {
        Ok(totals) => {
            eprintln!("{}", serde_json::Value::Object(totals));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(e) = cause {
                eprintln!("  caused by: {e}");
                cause = e.source();
            }
            ExitCode::from(if matches!(error, EdgeError::Fragment { .. }) { 2 } else { 1 })
        }
    }
}
