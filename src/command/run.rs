//! `littoral run`: both tiers in this process, with a live summary on a terminal and JSON lines when piped.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use littoral_engine::clock::{Mark, mark};
use littoral_engine::run::{RunOptions, Running};

use super::pipeline::{PipelineArgs, place, refuse_unsupported};
use crate::failure::Failure;
use crate::metrics_endpoint::MetricsEndpoint;
use crate::summary::Summary;

/// How often the summary is renewed.
const TICK: Duration = Duration::from_secs(1);
/// How often the end of the run is looked for.
const WATCH: Duration = Duration::from_millis(20);

/// Arguments of `littoral run`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  littoral run queries/bearing-health/pipeline.yaml\n  littoral run queries/bearing-health/pipeline.yaml --set sources.vibration.connector=parquet --set sources.vibration.path='recordings/*.parquet'\n  littoral run queries/host-health/pipeline.yaml --for 30s | jq .exceptions"
)]
pub struct RunArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Timely workers of each tier.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// End the run after this time, such as 30s.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    duration: Option<Duration>,
    /// Serve Prometheus metrics at this loopback address, such as 127.0.0.1:9464.
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
}

fn duration(text: &str) -> Result<Duration, String> {
    littoral_connectors::setting::Span::try_from(text.to_string()).map(|span| span.0)
}

/// Runs the command.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let pipeline = args.pipeline.load()?;
    refuse_unsupported(&pipeline)?;
    let graph = super::pipeline::graph(pipeline)?;
    let (_, cut) = place(&graph, &[])?;
    let endpoint = args.metrics.map(MetricsEndpoint::start).transpose()?;
    eprintln!("model runtime: {}", littoral_operators::infer::runtime());
    let options = RunOptions { workers: usize::from(args.workers), captured: Vec::new(), effects: true };
    let running = Running::start(graph, cut, options).map_err(Failure::Running)?;
    stop_on_signal(&running)?;
    let started = mark();
    let mut summary = Summary::new(std::io::stdout().is_terminal(), running.name());
    watch(&running, args.duration, started, |final_one| {
        summary.show(running.totals(), started.elapsed(), final_one);
        if let Some(endpoint) = &endpoint {
            endpoint.publish(running.totals());
        }
    });
    let totals = running.totals().clone();
    let outcome = running.join();
    summary.show(&totals, started.elapsed(), outcome.is_ok());
    outcome.map(|_| ()).map_err(Failure::Running)
}

/// Waits for the end, renewing the summary each second.
fn watch(running: &Running, limit: Option<Duration>, started: Mark, mut show: impl FnMut(bool)) {
    let mut shown = started.elapsed();
    while !running.finished() {
        std::thread::sleep(WATCH);
        if limit.is_some_and(|limit| started.elapsed() >= limit) {
            running.stop();
        }
        if started.elapsed() - shown >= TICK {
            shown += TICK;
            show(false);
        }
    }
}

/// The first Ctrl-C ends the run in order; a second one kills it.
fn stop_on_signal(running: &Running) -> Result<(), Failure> {
    let ending = running.ending();
    ctrlc::set_handler(move || {
        if ending.stopping() {
            std::process::exit(130);
        }
        ending.stop();
    })
    .map_err(|e| Failure::Running(Box::new(e)))
}
