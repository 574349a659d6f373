//! Idle tables in runs that are stopped and restored: what closes is the same as in a run that never stopped.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use littoral_engine::sql::script::{Every, RestoreOptions, ScriptOptions, SnapshotOptions, run};

#[path = "compare/mod.rs"]
mod compare;
use compare::text;

const TABLES: &str = "CREATE TABLE a (ts TIMESTAMP, v BIGINT, WATERMARK FOR ts);
    CREATE TABLE b (ts TIMESTAMP, v BIGINT, WATERMARK FOR ts) WITH ('watermark.idle' = '2 epochs');
    CREATE VIEW both AS SELECT ts, v FROM a UNION ALL SELECT ts, v FROM b;
    CREATE VIEW closed AS SELECT window_end, count(*) AS n, sum(v) AS v FROM tumble(both, ts, INTERVAL '10' SECOND) GROUP BY window_end EMIT FINAL;\n";

/// Table `b` is idle from epoch 3 on, comes back at 6 with what is late, and is idle again.
const CHANGES: [&str; 9] = [
    "INSERT INTO b VALUES ('2024-01-01 00:00:01', 1)",
    "INSERT INTO a VALUES ('2024-01-01 00:00:15', 2)",
    "INSERT INTO a VALUES ('2024-01-01 00:00:16', 4)",
    "INSERT INTO a VALUES ('2024-01-01 00:00:35', 8)",
    "INSERT INTO a VALUES ('2024-01-01 00:00:36', 16)",
    "INSERT INTO b VALUES ('2024-01-01 00:00:02', 32), ('2024-01-01 00:00:31', 64)",
    "INSERT INTO a VALUES ('2024-01-01 00:00:55', 128)",
    "INSERT INTO a VALUES ('2024-01-01 00:00:56', 256)",
    "INSERT INTO a VALUES ('2024-01-01 00:01:05', 512)",
];

fn script(changes: &[&str]) -> String {
    format!("{TABLES}{};\nSELECT * FROM closed;\nSELECT row FROM late_rows;\n", changes.join(";\n"))
}

/// Which windows close at which epoch, by the second at which they end.
fn closings(options: &ScriptOptions, changes: &[&str]) -> (Vec<(u64, String)>, usize) {
    let answers = run("idle.sql", &script(changes), options).unwrap();
    let lines = answers[0].changes.iter().flat_map(|(epoch, u)| text(&u.rows).into_iter().map(move |line| (*epoch, line)));
    (lines.collect(), answers[1].rows.num_rows())
}

#[test]
fn an_idle_table_holds_nothing_back_and_does_not_take_back_what_has_passed() {
    let (found, late) = closings(&ScriptOptions { workers: 2, ..ScriptOptions::default() }, &CHANGES);
    let closed: Vec<(u64, &str)> = found.iter().map(|(e, line)| (*e, &line[11..])).collect();
    let expected =
        [(3, "00:00:10 | 1 | 1"), (4, "00:00:20 | 2 | 6"), (8, "00:00:40 | 3 | 88"), (9, "00:01:00 | 2 | 384"), (10, "00:01:10 | 1 | 512")];
    assert_eq!((closed, late), (expected.to_vec(), 1));
}

#[test]
fn a_run_that_is_restored_closes_the_same() {
    let whole = closings(&ScriptOptions { workers: 1, ..ScriptOptions::default() }, &CHANGES);
    for stop in 1..CHANGES.len() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Some(SnapshotOptions { folder: folder.path().to_path_buf(), every: Every::Epochs(1) });
        closings(&ScriptOptions { workers: 2, snapshots, ..ScriptOptions::default() }, &CHANGES[..stop]);
        let restore = Some(RestoreOptions { folder: folder.path().to_path_buf(), changed_plan: true });
        let again = closings(&ScriptOptions { workers: 3, restore, ..ScriptOptions::default() }, &CHANGES);
        assert_eq!(again, whole, "stopped after {stop}");
    }
}
