//! Joins and groups of all kinds over more rows than memory may hold finish, on disk, with the answer that memory gives.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use littoral_engine::flow::updates::Updates;
use littoral_engine::sql::arrange::{set_memory_limit, spilled_bytes};
use littoral_engine::sql::script::{Every, RestoreOptions, ScriptOptions, SnapshotOptions, batch_answer, run};

#[path = "compare/mod.rs"]
mod compare;

fn rows(from: i64, n: i64) -> RecordBatch {
    let key = Int64Array::from_iter_values((from..from + n).map(|i| i * 7919 % 20_011));
    let text = StringArray::from_iter_values((from..from + n).map(|i| format!("a row that takes some room, number {i}")));
    RecordBatch::try_from_iter([("k", Arc::new(key) as ArrayRef), ("s", Arc::new(text))]).unwrap()
}

#[test]
fn a_join_over_four_times_the_memory_limit_spills_and_is_right() {
    // Each side holds some 2 MB of rows; both arrangements together may hold 1 MiB.
    const LIMIT: u64 = 1 << 20;
    set_memory_limit(LIMIT);
    let feed = |name: &str, seed: i64| {
        let epochs: Vec<Updates> = (0..5).map(|e| Updates::insertions(rows(seed + e * 6_000, 6_000))).collect();
        (name.to_string(), epochs[0].rows.schema(), epochs)
    };
    let feeds = vec![feed("a", 0), feed("b", 11_000)];
    let tables: Vec<(String, RecordBatch)> = feeds
        .iter()
        .map(|(name, schema, epochs)| (name.clone(), arrow::compute::concat_batches(schema, epochs.iter().map(|u| &u.rows)).unwrap()))
        .collect();
    for query in [
        "SELECT a.s, b.s AS t FROM a JOIN b ON a.k = b.k WHERE a.k % 3 = 0",
        "SELECT a.k % 100 AS g, count(*) AS n, median(a.k) AS m, max(b.s) AS s FROM a LEFT JOIN b ON a.k = b.k GROUP BY a.k % 100",
    ] {
        let before = spilled_bytes();
        let options = ScriptOptions { feeds: feeds.clone(), workers: 2, ..ScriptOptions::default() };
        let answer = run("spill.sql", query, &options).unwrap().remove(0);
        assert!(spilled_bytes() > before, "nothing was spilled");
        assert_eq!(compare::text(&answer.rows), compare::text(&batch_answer(query, &tables).unwrap()), "{query}");
    }
    groups_over_the_limit(LIMIT);
    let on = "a.k = b.k AND a.ts BETWEEN b.ts - INTERVAL '40' SECOND AND b.ts + INTERVAL '50' SECOND";
    let within = [
        format!("SELECT a.s, b.s AS t, a.ts FROM a FULL JOIN b ON {on}"),
        format!("SELECT a.s, a.ts FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE {on} AND b.s > a.s AND b.k % 2 = 0)"),
    ];
    times_over_the_limit(LIMIT, 1, within);
    let by_time =
        [">=", "<"].map(|op| format!("SELECT a.s, a.ts, b.s AS t FROM a ASOF JOIN b MATCH_CONDITION (a.ts {op} b.ts) ON a.k = b.k"));
    times_over_the_limit(LIMIT, 25, by_time);
}

/// Groups kept change by change, which hold several times the limit, with keys that come, change and go; and a snapshot of
/// them while most are on disk.
fn groups_over_the_limit(limit: u64) {
    let part = |epoch: i64| {
        let new = rows(epoch * 10_000, 10_000);
        let gone = rows((epoch - 1) * 10_000, if epoch > 0 { 3_000 } else { 0 });
        let all = arrow::compute::concat_batches(&new.schema(), [&gone, &new]).unwrap();
        let diffs: Int64Array = std::iter::repeat_n(-1, gone.num_rows()).chain(std::iter::repeat_n(1, 10_000)).collect();
        Updates::changes(all, diffs)
    };
    let feed = |epochs: i64| {
        let all: Vec<Updates> = (0..epochs).map(part).collect();
        vec![("a".to_string(), all[0].rows.schema(), all)]
    };
    let whole = littoral_engine::flow::gather::merge(&feed(6)[0].2, &feed(6)[0].1).unwrap();
    let tables = [("a".to_string(), whole.rows.clone())];
    for query in [
        "SELECT s, count(*) AS n, min(k) AS lo, count(DISTINCT k) AS d FROM a GROUP BY s",
        "SELECT count(*) AS n FROM (SELECT DISTINCT s FROM a)",
    ] {
        let (before, folder) = (spilled_bytes(), tempfile::tempdir().unwrap());
        let at = folder.path().to_path_buf();
        let snapshots = Some(SnapshotOptions { folder: at.clone(), every: Every::Epochs(2) });
        let expected = compare::text(&batch_answer(query, &tables).unwrap());
        run("spill.sql", query, &ScriptOptions { feeds: feed(4), workers: 2, snapshots, ..ScriptOptions::default() }).unwrap();
        // These rows compress to a twelfth or so.
        assert!(spilled_bytes() - before > limit / 4, "only {} bytes were spilled", spilled_bytes() - before);
        let restore = Some(RestoreOptions { folder: at, changed_plan: false });
        for restore in [None, restore] {
            let options = ScriptOptions { feeds: feed(6), workers: 1, restore, ..ScriptOptions::default() };
            assert!(compare::text(&run("spill.sql", query, &options).unwrap().remove(0).rows) == expected, "{query}");
        }
    }
}

/// Joins of times that hold several times the limit while watermarks move, some seconds behind: the same rows, and the same late ones.
fn times_over_the_limit(limit: u64, behind: i64, queries: [String; 2]) {
    const EPOCHS: i64 = 10;
    let table = format!("(k BIGINT, ts TIMESTAMP, s VARCHAR, WATERMARK FOR ts AS ts - INTERVAL '{behind}' SECOND)");
    let mut script = format!("CREATE TABLE a {table};\nCREATE TABLE b {table};\n");
    for epoch in 0..EPOCHS {
        script += "BEGIN;\n";
        for (table, first) in [("a", 0), ("b", 5)] {
            // Ten seconds an epoch, each with 500 rows; some come half a minute too late, and some are taken away again.
            script += &format!(
                "INSERT INTO {table} SELECT value % 4001, TIMESTAMP '2024-01-01' + (value / 500 - CASE WHEN value % 97 = 0 THEN 30 ELSE 0 END)
                     * INTERVAL '1' SECOND, 'a row that takes some room, number ' || (value * 7919 % 100003)
                 FROM generate_series({}, {}) AS g(value);\n",
                epoch * 5_000 + first,
                epoch * 5_000 + first + 4_999,
            );
        }
        script +=
            &format!("DELETE FROM a WHERE k % 50 = {epoch} AND ts > TIMESTAMP '2024-01-01' + INTERVAL '{}' SECOND;\nCOMMIT;\n", epoch * 10);
    }
    for query in queries {
        let script = format!("{script}CREATE VIEW v AS {query};\nSELECT * FROM v;\nSELECT * FROM late_rows;\n");
        let answers = |bytes: u64| {
            set_memory_limit(bytes);
            let before = spilled_bytes();
            let answers = run("spill.sql", &script, &ScriptOptions { workers: 2, ..ScriptOptions::default() }).unwrap();
            ([compare::text(&answers[0].rows), compare::text(&answers[1].rows)], spilled_bytes() - before)
        };
        let ([rows, late], spilled) = answers(limit);
        let (whole, none) = answers(u64::MAX);
        assert!(spilled > limit / 4 && none == 0, "{spilled} bytes were spilled, and {none}");
        assert!(late.len() > 100 && rows.len() > 1_000, "{} rows, {} late", rows.len(), late.len());
        assert!([rows, late] == whole, "{query}");
    }
    set_memory_limit(limit);
}
