//! Every view at every epoch equals DataFusion's batch answer over the same input: random tables, changes and queries.
//!
//! `LITTORAL_ORACLE_CASES` sets the number of cases; the seed of a failing one is kept by proptest.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use littoral_engine::sql::script::{ScriptOptions, run};
use proptest::prelude::*;

/// Least and greatest leave NaN out: DataFusion's answer then depends on the order of the rows.
const QUERIES: [&str; 16] = [
    "SELECT id, g, v FROM t WHERE v > 3 OR g IS NULL",
    "SELECT id, v * 2 + 1 AS w, upper(g) AS u FROM t",
    "SELECT g, count(*) AS n, count(v) AS nv, sum(v) AS s, min(v) AS lo, max(v) AS hi FROM t GROUP BY g",
    "SELECT g, avg(v) AS m, avg(x) AS mx, sum(x) AS sx, min(nanvl(x, 0)) AS lx, max(nanvl(x, 0)) AS hx FROM t GROUP BY g",
    "SELECT count(*) AS n, sum(v) AS s, max(g) AS g FROM t",
    "SELECT g, count(DISTINCT v) AS d, sum(DISTINCT v) AS sd FROM t GROUP BY g",
    "SELECT g, count(*) FILTER (WHERE v > 2) AS n, sum(v) FILTER (WHERE g = 'a') AS s FROM t GROUP BY g",
    "SELECT DISTINCT g, v % 2 AS odd FROM t",
    "SELECT t.id, u.w FROM t JOIN u ON t.v = u.k",
    "SELECT t.g, count(*) AS n, max(u.w) AS w FROM t JOIN u ON t.v = u.k AND t.id > u.w GROUP BY t.g",
    "SELECT a.id AS a, b.id AS b FROM t a JOIN t b ON a.v = b.v WHERE a.id < b.id",
    "SELECT g FROM t UNION ALL SELECT g FROM t WHERE v > 2",
    "SELECT n, count(*) AS groups FROM (SELECT g, count(*) AS n FROM t GROUP BY g) GROUP BY n",
    "SELECT g, sum(v) AS s FROM t GROUP BY g HAVING sum(v) > 4",
    "WITH big AS (SELECT * FROM t WHERE v >= 2) SELECT b.g, count(*) AS n FROM big b JOIN u ON b.v = u.k GROUP BY b.g",
    "SELECT tumble_start(at, INTERVAL '10' SECOND) AS w, count(*) AS n, sum(x) AS s FROM t GROUP BY tumble_start(at, INTERVAL '10' SECOND)",
];

fn cases() -> u32 {
    std::env::var("LITTORAL_ORACLE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

fn literal<T: ToString>(value: &Option<T>) -> String {
    value.as_ref().map_or("NULL".into(), ToString::to_string)
}

fn float() -> impl Strategy<Value = String> {
    prop_oneof![
        (-100i32..100).prop_map(|i| format!("{}.25", i)),
        Just("CAST('NaN' AS DOUBLE)".to_string()),
        Just("CAST('-0.0' AS DOUBLE)".to_string()),
        Just("1e300".to_string()),
        Just("NULL".to_string()),
    ]
}

/// One change of a table, as SQL.
fn change() -> impl Strategy<Value = String> {
    let group = prop::option::of(prop::sample::select(vec!["'a'", "'b'", "'b'", "'b'", "''"]));
    let insert = (0..12i64, group, prop::option::of(0..6i64), float(), 0..50i64).prop_map(|(id, g, v, x, s)| {
        format!("INSERT INTO t VALUES ({id}, {}, {}, {x}, TIMESTAMP '2024-01-01 00:00:{s:02}')", literal(&g), literal(&v))
    });
    prop_oneof![
        6 => insert,
        2 => (0..6i64, 0..9i64).prop_map(|(k, w)| format!("INSERT INTO u VALUES ({k}, {w})")),
        1 => (0..6i64).prop_map(|v| format!("DELETE FROM t WHERE v = {v}")),
        1 => (0..12i64).prop_map(|id| format!("DELETE FROM t WHERE id < {id} AND g = 'b'")),
        1 => (0..6i64).prop_map(|v| format!("UPDATE t SET v = v + 1, g = 'a' WHERE v >= {v}")),
        1 => (0..6i64).prop_map(|k| format!("DELETE FROM u WHERE k = {k}")),
    ]
}

/// Rows as sorted text; floats to twelve digits, as sums may be taken in another order.
fn text(rows: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<ArrayFormatter<'_>> = rows.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
    let cell = |f: &ArrayFormatter<'_>, row: usize| {
        let text = f.value(row).to_string();
        match text.parse::<f64>() {
            Ok(number) if text.contains(['.', 'e', 'E']) => format!("{:.12e}", number + 0.0),
            _ => text.trim_end_matches('Z').to_string(),
        }
    };
    let mut lines: Vec<String> =
        (0..rows.num_rows()).map(|row| columns.iter().map(|f| cell(f, row)).collect::<Vec<_>>().join(" | ")).collect();
    lines.sort();
    lines
}

const TABLES: &str = "CREATE TABLE t (id BIGINT, g VARCHAR, v BIGINT, x DOUBLE, at TIMESTAMP);\nCREATE TABLE u (k BIGINT, w BIGINT);\n";

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_view_equals_the_batch_answer_at_every_epoch(changes in prop::collection::vec(change(), 1..14), query in prop::sample::select(QUERIES.to_vec()), workers in 1usize..3) {
        // The script asks for the view, and for the tables that it is held against, after every epoch.
        let mut script = TABLES.to_string();
        for change in &changes {
            script += &format!("{change};\n{query};\nSELECT * FROM t;\nSELECT * FROM u;\n");
        }
        let options = ScriptOptions { tables: Vec::new(), workers };
        let answers = run("oracle.sql", &script, &options).unwrap();
        for (epoch, three) in answers.chunks(3).enumerate() {
            let tables = [("t".to_string(), three[1].rows.clone()), ("u".to_string(), three[2].rows.clone())];
            let expected = littoral_engine::sql::script::batch_answer(query, &tables).unwrap();
            prop_assert_eq!(text(&three[0].rows), text(&expected), "epoch {} of {}", epoch + 1, query);
        }
    }
}
