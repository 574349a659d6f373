//! A join and groups over more rows than memory may hold finish, on disk, with the answer that memory gives.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use littoral_engine::flow::updates::Updates;
use littoral_engine::sql::arrange::{set_memory_limit, spilled_bytes};
use littoral_engine::sql::script::{ScriptOptions, batch_answer, run};

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
}
