//! The bearing pipeline fed from a Kafka topic and writing its alerts to another, on a real broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::explicit_write)]

use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn littoral(folder: &Path, pipeline: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_littoral")).args(["run", pipeline]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(String::from_utf8(output.stdout).unwrap().lines().last().unwrap()).unwrap()
}

#[test]
fn alerts_of_a_topic_equal_alerts_of_the_same_samples_from_a_file() {
    let broker = match std::env::var("LITTORAL_KAFKA") {
        Ok(address) => address,
        Err(_) if std::env::var_os("CI").is_some() => panic!("CI needs a broker: scripts/kafka start, then set LITTORAL_KAFKA"),
        // Straight to the terminal: what a test that passes prints is not shown.
        Err(_) => return writeln!(std::io::stderr(), "SKIPPED: no broker; scripts/kafka start prints what to set").unwrap(),
    };
    let folder = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries/bearing-health");
    for file in ["bearing.onnx", "bearing.card.json"] {
        std::fs::copy(example.join(file), folder.path().join(file)).unwrap();
    }
    let id = std::process::id();
    let (samples, alerts) = (format!("samples-{id}"), format!("alerts-{id}"));
    let text = std::fs::read_to_string(example.join("pipeline.yaml")).unwrap();
    let steps = text.split("steps:\n").nth(1).unwrap().split("params:\n").next().unwrap();
    let params = text.split("params:\n").nth(1).unwrap().split("views:").next().unwrap();
    let gate = format!("steps:\n{steps}params:\n{params}");
    let simulator = "{ connector: simulator, devices: 2, faulty: 0.5, duration: 3s, seed: 3 }";
    let kafka = |topic: &str, columns: &str| {
        format!(
            "{{ connector: kafka, brokers: '{broker}', topic: {topic}, partitions: [0], until_end: true, columns: {columns}, event_time: {{ column: ts }} }}"
        )
    };
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    // One run puts the samples into a topic; a second one goes from topic to topic; a third reads the alerts back.
    write(
        "fill.yaml",
        format!(
            "pipeline: fill\nsources:\n  vibration: {simulator}\nsinks:\n  raw: {{ from: vibration, connector: kafka, brokers: '{broker}', topic: {samples}, key: device }}\n"
        ),
    );
    let source = kafka(&samples, "{ de: f32 }");
    write(
        "through.yaml",
        format!(
            "pipeline: through\nsources:\n  vibration: {source}\n{gate}sinks:\n  alerts: {{ from: exceptions, connector: kafka, brokers: '{broker}', topic: {alerts} }}\n"
        ),
    );
    let back = kafka(&alerts, "{ fault: string, score: f32 }");
    write(
        "back.yaml",
        format!(
            "pipeline: back\nsources:\n  alerts: {back}\nsteps:\n  told: {{ sql: 'SELECT device, ts, fault, score FROM alerts' }}\nsinks:\n  out: {{ from: told, connector: json, path: back.ndjson }}\n"
        ),
    );
    write(
        "direct.yaml",
        format!(
            "pipeline: direct\nsources:\n  vibration: {simulator}\n{gate}sinks:\n  alerts: {{ from: exceptions, connector: json, path: direct.ndjson }}\n"
        ),
    );
    assert_eq!(littoral(folder.path(), "fill.yaml")["rows_out"], 72_000);
    let through = littoral(folder.path(), "through.yaml");
    assert_eq!(through["records_in"], 72_000, "{through}");
    littoral(folder.path(), "back.yaml");
    littoral(folder.path(), "direct.yaml");
    let rows = |name: &str| -> Vec<String> {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        let pick = |l: &str| {
            let row: Value = serde_json::from_str(l).unwrap();
            format!("{} {} {} {}", row["device"], row["ts"], row["fault"], row["score"])
        };
        let mut rows: Vec<String> = text.lines().map(pick).collect();
        rows.sort();
        rows
    };
    assert!(!rows("direct.ndjson").is_empty());
    assert_eq!(rows("back.ndjson"), rows("direct.ndjson"));
}
