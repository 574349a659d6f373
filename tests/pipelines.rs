//! Whole pipelines through the command itself: the loop, placement, determinism, real recordings, bad records.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::explicit_write)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const BEARING: &str = "queries/bearing-health/pipeline.yaml";

/// Runs a pipeline; gives its last JSON line.
fn run(pipeline: &str, set: &[String], more: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_littoral"));
    command.arg("run").arg(pipeline).args(set.iter().flat_map(|s| ["--set", s])).args(more);
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["final"], true);
    last
}

fn simulated(folder: &Path, name: &str) -> (Vec<String>, PathBuf) {
    let alerts = folder.join(format!("{name}.ndjson"));
    let set = [
        "sources.vibration.pace=unpaced".into(),
        "sources.vibration.devices=8".into(),
        "sources.vibration.duration=16s".into(),
        "sources.vibration.onset=1s".into(),
        "sources.vibration.growth=1s".into(),
        format!("sinks.alerts.path={}", alerts.display()),
        format!("remediate.stop_motor.send.path={}", folder.join(format!("{name}-actions.ndjson")).display()),
    ];
    (set.into(), alerts)
}

fn recorded(folder: &Path, name: &str, files: &str) -> (Vec<String>, PathBuf) {
    let alerts = folder.join(format!("{name}.ndjson"));
    let set = [
        "sources.vibration.connector=parquet".into(),
        format!("sources.vibration.path={files}"),
        format!("sinks.alerts.path={}", alerts.display()),
        format!("remediate.stop_motor.send.path={}", folder.join("actions.ndjson").display()),
    ];
    (set.into(), alerts)
}

fn rows(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn the_loop_closes_with_deltas_applied_and_refused_and_a_remediation() {
    let folder = tempfile::tempdir().unwrap();
    let (set, alerts) = simulated(folder.path(), "loop");
    let last = run(BEARING, &set, &[]);
    for key in ["deltas_applied", "deltas_refused", "remediations", "exceptions", "frames", "bytes_upstream"] {
        assert!(last[key].as_u64().unwrap() > 0, "{key}: {last}");
    }
    let held = last["state"].as_object().unwrap().values().flat_map(|view| view.as_object().unwrap().values());
    assert!(held.map(|operator| operator["bytes"].as_u64().unwrap()).sum::<u64>() > 0, "{last}");
    let epochs: Vec<u64> = rows(&alerts).iter().map(|r| r["spec_epoch"].as_u64().unwrap()).collect();
    assert!(epochs.contains(&0) && epochs.contains(&1), "later records are tagged with the new spec");
    let actions = rows(&folder.path().join("loop-actions.ndjson"));
    let mut keys: Vec<&str> = actions.iter().map(|a| a["idempotency_key"].as_str().unwrap()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), actions.len(), "no action twice");
}

#[test]
fn placement_and_workers_do_not_show_in_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let (set, first) = simulated(folder.path(), "edge");
    run(BEARING, &set, &[]);
    let expected = std::fs::read(&first).unwrap();
    assert!(!expected.is_empty());
    let (set, again) = simulated(folder.path(), "again");
    run(BEARING, &set, &[]);
    assert!(expected == std::fs::read(again).unwrap(), "a second run gives the same bytes");
    let (set, two) = simulated(folder.path(), "two");
    run(BEARING, &set, &["--workers", "2"]);
    assert!(expected == std::fs::read(two).unwrap(), "two workers give the same bytes");
    for step in ["features", "frames"] {
        let pinned = pinned(folder.path(), step);
        let (set, moved) = simulated(folder.path(), step);
        let last = run(pinned.to_str().unwrap(), &set, &[]);
        assert!(expected == std::fs::read(moved).unwrap(), "{step} in the cloud gives the same bytes");
        assert!(last["bytes_upstream"].as_u64().unwrap() > 1_000_000, "frames or samples have crossed the link");
    }
}

/// The example with a step and all after it moved to the cloud.
fn pinned(folder: &Path, step: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries/bearing-health");
    for file in ["fleet.sql", "bearing.onnx", "bearing.card.json"] {
        std::fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    let text = std::fs::read_to_string(source.join("pipeline.yaml")).unwrap();
    let path = folder.join(format!("{step}.yaml"));
    std::fs::write(&path, format!("{text}\nplace: {{ {step}: cloud }}\n")).unwrap();
    path
}

#[test]
fn a_pipelines_own_tests_pass() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_littoral"));
    command.args(["test", BEARING, "queries/host-health/pipeline.yaml"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The folder of recordings, or a visible line that they are not there.
fn recordings() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var("LITTORAL_RECORDINGS").map_or(default, PathBuf::from).join("cwru");
    if !folder.is_dir() {
        // Straight to the terminal: what a test that passes prints is not shown.
        writeln!(std::io::stderr(), "SKIPPED: no recordings at {}; set LITTORAL_RECORDINGS", folder.display()).unwrap();
        return None;
    }
    Some(folder)
}

#[test]
fn on_real_recordings_every_faulty_bearing_is_found_and_the_healthy_one_left_alone() {
    let Some(recordings) = recordings() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (set, alerts) = recorded(folder.path(), "alerts", &format!("{}/*.parquet", recordings.display()));
    let last = run(BEARING, &set, &[]);
    let rows = rows(&alerts);
    for entry in std::fs::read_dir(&recordings).unwrap() {
        let device = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        let raised = rows.iter().filter(|r| r["device"] == device.as_str()).count();
        assert_eq!(raised == 0, device.starts_with("normal"), "{device} raised {raised}");
        let fault = if device.starts_with("ir") {
            "inner_race"
        } else if device.starts_with('b') {
            "ball"
        } else {
            "outer_race"
        };
        let right = rows.iter().filter(|r| r["device"] == device.as_str() && r["fault"] == fault).count();
        assert!(right * 100 >= raised * 99, "{device}: {right} of {raised} name the fault");
    }
    assert!(last["bytes_upstream"].as_u64().unwrap() * 100 <= last["bytes_raw"].as_u64().unwrap(), "{last}");
    assert!(last["deltas_applied"].as_u64().unwrap() > 0 && rows.iter().any(|r| r["spec_epoch"] == 1));
}

#[test]
fn bad_records_are_counted_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let lines = [
        r#"{"machine":"a","at":"2026-01-01T00:00:00Z","x":1.0}"#,
        r#"{"machine":"a","at":"2026-01-01T00:00:01Z","x":"#,
        r#"{"machine":"a","at":"2026-01-01T00:00:02Z","x":{"no":"number"}}"#,
        r#"{"machine":"a","at":"2026-01-01T00:00:03Z","x":1e300}"#,
        r#"{"machine":"a","at":"never","x":2.0}"#,
        r#"{"machine":"a","at":"2026-01-01T00:00:04Z","x":2.0}"#,
        r#"{"machine":"a","at":"2025-12-31T00:00:00Z","x":2.0}"#,
        "not json",
        r#"{"machine":"a","at":"2026-01-01T00:00:06Z","x":3.0}"#,
    ];
    std::fs::write(folder.path().join("in.ndjson"), lines.join("\n")).unwrap();
    let out = folder.path().join("out.ndjson");
    let yaml = format!(
        "pipeline: bad\nsources:\n  s: {{ connector: json, path: in.ndjson, columns: {{ x: f32 }}, device: {{ column: machine }}, event_time: {{ column: at }} }}\n\
         steps:\n  all: {{ sql: \"SELECT device, ts, x FROM s\" }}\nsinks:\n  out: {{ from: all, connector: json, path: {} }}\n",
        out.display()
    );
    std::fs::write(folder.path().join("p.yaml"), yaml).unwrap();
    let last = run(folder.path().join("p.yaml").to_str().unwrap(), &[], &[]);
    assert_eq!(rows(&out).len(), 3, "{last}");
    assert_eq!(last["records_bad"], 6, "{last}");
    let bad = last["bad"].as_object().unwrap();
    for reason in ["s.malformed", "s.wrong_type", "s.not_finite", "s.missing", "s.time_back"] {
        assert!(bad.contains_key(reason), "{reason}: {last}");
    }
}

#[test]
fn a_truncated_recording_among_others_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.csv");
    std::fs::write(&good, "x\n1\n2\n3\n").unwrap();
    let parquet = folder.path().join("a.parquet");
    let convert = format!(
        "pipeline: c\nsources:\n  s: {{ connector: csv, path: good.csv, sample_rate_hz: 10, columns: {{ x: f32 }} }}\nsinks:\n  o: {{ from: s, connector: parquet, path: {} }}\n",
        parquet.display()
    );
    std::fs::write(folder.path().join("c.yaml"), convert).unwrap();
    run(folder.path().join("c.yaml").to_str().unwrap(), &[], &[]);
    let bytes = std::fs::read(&parquet).unwrap();
    std::fs::write(folder.path().join("b.parquet"), &bytes[..bytes.len() / 2]).unwrap();
    let read = "pipeline: r\nsources:\n  s: { connector: parquet, path: '*.parquet', sample_rate_hz: 10, device: { fixed: d } }\nsteps:\n  all: { sql: 'SELECT device, x FROM s' }\nviews: [v.sql]\nkpi:\n  rows: { view: counted, target: '>= 3' }\n";
    std::fs::write(folder.path().join("v.sql"), "CREATE VIEW counted AS SELECT count(x) AS c FROM \"all\"").unwrap();
    std::fs::write(folder.path().join("r.yaml"), read).unwrap();
    let last = run(folder.path().join("r.yaml").to_str().unwrap(), &[], &[]);
    assert_eq!(last["bad"]["s.malformed"], 1, "{last}");
    assert_eq!(last["kpi"]["rows"]["value"], 3.0, "{last}");
}
