//! `littoral test`: runs the tests that pipelines carry. Nothing leaves the process: sinks and actions are left out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use littoral_engine::flow::captured::Captured;
use littoral_engine::pipeline::{Expected, ParamKind, Pipeline, TestCase};
use littoral_engine::run::{RunOptions, Running};
use serde_json::{Map, Value};

use super::pipeline::{graph, load, place};
use crate::failure::Failure;
use crate::output::tell;

/// Rows that a failed expectation shows.
const SHOWN_ROWS: usize = 5;

/// Arguments of `littoral test`.
#[derive(Args)]
#[command(after_help = "Examples:\n  littoral test queries/bearing-health/pipeline.yaml queries/host-health/pipeline.yaml")]
pub struct TestArgs {
    /// Pipeline files.
    #[arg(required = true)]
    pipelines: Vec<PathBuf>,
}

/// Runs the command.
pub fn run(args: &TestArgs) -> Result<(), Failure> {
    let (mut passed, mut failed) = (0, 0);
    for path in &args.pipelines {
        let pipeline = load(path, &[])?;
        for test in pipeline.tests.clone() {
            let broken = run_one(&pipeline, &test)?;
            match broken.is_empty() {
                true => {
                    passed += 1;
                    tell(&format!("ok      {}: {}\n", pipeline.name, test.name))?;
                }
                false => {
                    failed += 1;
                    tell(&format!("FAILED  {}: {}  ({})\n", pipeline.name, test.name, test.place))?;
                    broken.iter().try_for_each(|line| tell(&format!("        {line}\n")))?;
                }
            }
        }
    }
    tell(&format!("{passed} passed, {failed} failed\n"))?;
    if failed > 0 { Err(Failure::Running(format!("{failed} tests failed").into())) } else { Ok(()) }
}

fn run_one(pipeline: &Pipeline, test: &TestCase) -> Result<Vec<String>, Failure> {
    let mut pipeline = pipeline.clone();
    for source in &mut pipeline.sources {
        if let Some(given) = test.given.iter().find(|g| g.name == source.name) {
            *source = given.clone();
        }
    }
    for (name, value) in &test.params {
        if let Some(param) = pipeline.params.iter_mut().find(|p| p.name == *name) {
            set_default(&mut param.kind, value);
        }
    }
    let captured: Vec<String> = test.expect.iter().map(|e| e.of.clone()).collect();
    let graph = graph(pipeline)?;
    let (_, cut) = place(&graph, &captured)?;
    let options = RunOptions { workers: 1, captured, effects: false };
    let running = Running::start(graph, cut, options).map_err(Failure::Running)?;
    let outcome = running.join().map_err(Failure::Running)?;
    Ok(test.expect.iter().flat_map(|e| judge(&e.of, &e.what, &outcome.captured)).collect())
}

fn set_default(kind: &mut ParamKind, value: &Value) {
    match kind {
        ParamKind::F32 { default, .. } => *default = value.as_f64().unwrap_or(f64::from(*default)) as f32,
        ParamKind::I64 { default, .. } => *default = value.as_i64().unwrap_or(*default),
        ParamKind::Bool { default } => *default = value.as_bool().unwrap_or(*default),
        ParamKind::Model { default } => {
            if let Some(path) = value.as_str() {
                *default = path.into();
            }
        }
    }
}

/// What of an expectation does not hold.
fn judge(of: &str, what: &Expected, captured: &BTreeMap<String, Captured>) -> Vec<String> {
    let rows = captured.get(of).map(Captured::rows).unwrap_or_default();
    let show = |rows: &[Map<String, Value>]| -> String {
        let lines: Vec<String> = rows.iter().take(SHOWN_ROWS).map(|r| Value::Object(r.clone()).to_string()).collect();
        let more = rows.len().saturating_sub(SHOWN_ROWS);
        if more > 0 { format!("{} and {more} more", lines.join(" ")) } else { lines.join(" ") }
    };
    match what {
        Expected::Count { at_least, at_most } => {
            let n = rows.len() as u64;
            let holds = n >= *at_least && at_most.is_none_or(|most| n <= most);
            let range = at_most.map_or(format!("at least {at_least}"), |most| format!("{at_least} to {most}"));
            if holds { Vec::new() } else { vec![format!("\"{of}\" has {n} rows, expected {range}")] }
        }
        Expected::Contains(wanted) => wanted
            .iter()
            .filter(|w| !rows.iter().any(|r| matches(r, w)))
            .map(|w| format!("\"{of}\" has no row like {}; it has {}", Value::Object((*w).clone()), show(&rows)))
            .collect(),
        Expected::Rows(wanted) => {
            let mut rest = rows.clone();
            let mut out = Vec::new();
            for row in wanted {
                match rest.iter().position(|r| matches(r, row)) {
                    Some(index) => {
                        rest.swap_remove(index);
                    }
                    None => out.push(format!("\"{of}\" has no row like {}", Value::Object(row.clone()))),
                }
            }
            if !rest.is_empty() {
                out.push(format!("\"{of}\" has {} rows more than expected: {}", rest.len(), show(&rest)));
            }
            out
        }
    }
}

/// Whether a row has what is wanted of it; a row may have more.
fn matches(row: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    wanted.iter().all(|(key, value)| match (row.get(key), value) {
        (None, Value::Null) => true,
        (Some(Value::Number(a)), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-6 * b.abs().max(1.0),
            _ => a == b,
        },
        (found, value) => found == Some(value),
    })
}
