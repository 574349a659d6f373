//! A window from a file to a file, as `littoral sql` runs it: NDJSON read and decoded, groups given once closed, CSV written. One worker,
//! two, and two runs that share nothing. Not here: engines that are fed from memory (`engine.rs`).

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use littoral_engine::sql::script::{ScriptOptions, run};

use crate::compare::{System, compare};
use crate::workload::{Draw, Run, Workload};

/// Rows of an epoch, and a second of event time.
const EPOCH_ROWS: usize = 100_000;
const ROWS_A_SECOND: usize = 2_000;

/// Compares runs over so many rows.
pub fn files(rounds: usize, rows: usize) {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("readings.json");
    readings(&input, rows);
    let workload = Workload {
        name: "window from NDJSON to CSV, 1,000 keys",
        sql: "",
        tables: Vec::new(),
        epochs: Vec::new(),
        filling: 0,
        rows,
        closes: true,
    };
    let on = |workers: usize, name: &str| window(&input, &folder.path().join(name), workers);
    let apart = || {
        let runs: Vec<Run> = std::thread::scope(|scope| {
            let (one, other) = (scope.spawn(|| on(1, "a.csv")), scope.spawn(|| on(1, "b.csv")));
            [one.join().unwrap(), other.join().unwrap()].into()
        });
        assert_eq!(runs[0].sum, runs[1].sum);
        Run { time: runs.iter().map(|run| run.time).max().unwrap() / 2, sum: runs[0].sum }
    };
    let systems: [System<'_>; 3] = [
        ("littoral", &|_| on(1, "one.csv")),
        ("littoral, two workers", &|_| on(2, "two.csv")),
        ("two engines that share nothing", &|_| apart()),
    ];
    compare(&workload, rounds, &systems);
}

/// Writes readings in the order of their times.
fn readings(path: &Path, rows: usize) {
    let (mut text, mut draw) = (String::new(), Draw::new(7));
    for row in 0..rows {
        let (second, micros) = (row / ROWS_A_SECOND, row % ROWS_A_SECOND * 1_000_000 / ROWS_A_SECOND);
        let (minute, hour, day) = (second / 60 % 60, second / 3600 % 24, 1 + second / 86_400);
        let (key, value) = (draw.next(1_000), draw.next(100_000) as f64 / 1_000.0);
        writeln!(
            text,
            "{{\"ts\":\"2024-01-{day:02}T{hour:02}:{minute:02}:{:02}.{micros:06}\",\"key\":\"k{key}\",\"value\":{value}}}",
            second % 60
        )
        .unwrap();
    }
    std::fs::write(path, text).unwrap();
}

fn window(input: &Path, output: &Path, workers: usize) -> Run {
    let script = format!(
        "CREATE TABLE t (ts TIMESTAMP, key TEXT, value DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (connector = 'file', path = '{}');
        CREATE TABLE o (key TEXT, w TIMESTAMP, n BIGINT, s DOUBLE, lo DOUBLE, hi DOUBLE) WITH (connector = 'file', path = '{}', type = 'sink');
        INSERT INTO o SELECT key, tumble_start(ts, INTERVAL '10' SECOND), count(*), sum(value), min(value), max(value) FROM t
        GROUP BY key, tumble_start(ts, INTERVAL '10' SECOND) EMIT FINAL;",
        input.display(),
        output.display()
    );
    let options = ScriptOptions { workers, epoch_rows: Some(EPOCH_ROWS), ..ScriptOptions::default() };
    let started = Instant::now();
    run("window.sql", &script, &options).unwrap();
    let time: Duration = started.elapsed();
    let written = std::fs::read(output).unwrap();
    Run { time, sum: written.iter().enumerate().map(|(at, byte)| (at as i128 + 1) * i128::from(*byte)).sum() }
}
