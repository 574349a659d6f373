//! Joins within an interval, and calls OVER partitions in the order of time, keep no more rows in a long run than in a short one.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fmt::Write;

use arrow::array::AsArray;
use littoral_engine::sql::script::{ScriptOptions, run};

const TABLES: &str = "CREATE TABLE a (k BIGINT, ts TIMESTAMP, v BIGINT, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND);
    CREATE TABLE b (k BIGINT, ts TIMESTAMP, v BIGINT, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND);
    CREATE TABLE gone (k BIGINT);\n";

const WITHIN: &str = "a.ts BETWEEN b.ts - INTERVAL '10' SECOND AND b.ts + INTERVAL '5' SECOND";

/// Rows and bytes that the operator of a query with such a title holds after so many seconds, each an epoch with four rows of each table.
fn held(query: &str, [title, bound]: [&str; 2], seconds: usize, retracts: bool, workers: usize) -> (u64, u64) {
    let mut script = TABLES.to_string();
    for second in 0..seconds {
        let ts = format!("2024-01-01 {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
        let rows = |table: &str| {
            let rows: Vec<String> = (0..4).map(|k| format!("({k}, '{ts}', {second})")).collect();
            format!("INSERT INTO {table} VALUES {};\n", rows.join(", "))
        };
        let goes = if retracts { format!("UPDATE a SET v = v + 1 WHERE k = 1 AND v + 3 > {second};\n") } else { String::new() };
        write!(script, "BEGIN;\n{}{}{goes}COMMIT;\n", rows("a"), rows("b")).unwrap();
    }
    writeln!(script, "EXPLAIN ANALYZE {query};").unwrap();
    let answers = run("within.sql", &script, &ScriptOptions { workers, ..ScriptOptions::default() }).unwrap();
    let lines: Vec<String> = answers[0].rows.column(0).as_string::<i32>().iter().flatten().map(String::from).collect();
    let line = lines.iter().find(|l| l.contains(title)).unwrap();
    assert!(line.contains(bound), "{line}");
    let number = |after: &str, before: &str| line.split_once(after).unwrap().1.split_once(before).unwrap().0.parse().unwrap();
    (number("; holds ", " rows"), number(" rows, ", " bytes"))
}

#[test]
fn rows_and_bytes_stay_as_few_however_long_a_run_lasts() {
    let queries = [
        format!("SELECT a.v, b.v AS w FROM a JOIN b ON a.k = b.k AND {WITHIN}"),
        format!("SELECT a.v, b.v AS w FROM a LEFT JOIN b ON a.k = b.k AND {WITHIN}"),
        format!("SELECT a.v, b.v AS w FROM a FULL JOIN b ON {WITHIN}"),
        format!("SELECT a.v FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE a.k = b.k AND {WITHIN})"),
        "SELECT a.v, b.v AS w FROM a LEFT JOIN b ON a.k = b.k AND a.ts = b.ts + INTERVAL '12' SECOND".to_string(),
    ];
    for query in &queries {
        for (retracts, workers) in [(false, 1), (true, 2)] {
            let [short, long] =
                [40, 120].map(|seconds| held(query, [" join on ", "state: by watermark of a, b"], seconds, retracts, workers));
            // A row of `a` stays for 10 s more than the lateness, one of `b` for 5 s, and each some milliseconds until its grain ends;
            // with equal times, one of `b` for 12 s.
            assert!(short.0 >= 4 * 12 && short.0 <= 4 * (14 + 9), "{query}: {short:?}");
            assert_eq!(long.0, short.0, "{query}");
            assert!(long.1 <= short.1 + short.1 / 4, "{query}: {short:?}, {long:?}");
        }
    }
}

#[test]
fn calls_over_partitions_keep_what_rows_to_come_look_at() {
    let range = |frame: &str| format!("SELECT v, sum(k) OVER (PARTITION BY v ORDER BY ts RANGE BETWEEN {frame}) AS s FROM a");
    // Each second has a value of its own, which never comes again; of each key rows always come.
    let queries = [
        range("INTERVAL '10' SECOND PRECEDING AND CURRENT ROW"),
        range("CURRENT ROW AND INTERVAL '10' SECOND FOLLOWING"),
        "SELECT v, lag(v) OVER (PARTITION BY k ORDER BY ts) AS l, lead(v, 3) OVER (PARTITION BY k ORDER BY ts) AS n FROM a".to_string(),
        "SELECT v, sum(v) OVER (PARTITION BY k ORDER BY ts) AS s, rank() OVER (PARTITION BY k ORDER BY ts) AS r FROM a".to_string(),
    ];
    for query in &queries {
        for workers in [1, 2] {
            let [short, long] =
                [40, 120].map(|seconds| held(query, ["calls over partitions", "state: by watermark of a, and"], seconds, false, workers));
            assert!(short.0 >= 4 * 3 && short.0 <= 4 * 14, "{query}: {short:?}");
            assert_eq!(long.0, short.0, "{query}");
        }
    }
}
