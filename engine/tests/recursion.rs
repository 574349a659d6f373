//! Recursive queries that DataFusion does not compute, or not rightly: at every epoch they are the least fixed point, found here by
//! adding rows until nothing is new. What is linear is in `sql_oracle.rs`.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use littoral_engine::sql::script::{Answer, Every, RestoreOptions, ScriptOptions, SnapshotOptions, run};
use proptest::prelude::*;

/// A row of numbers.
type Row = Vec<Option<i64>>;
/// What a step gives of the edges, of the numbers that are blocked, and of its own result.
type Step = fn(&[Row], &[Row], &BTreeSet<Row>) -> Vec<Row>;

fn joined(left: &[Row], right: &[Row]) -> Vec<Row> {
    let pairs = left.iter().flat_map(|l| right.iter().map(move |r| (l, r)));
    pairs.filter(|(l, r)| l[1].is_some() && l[1] == r[0]).map(|(l, r)| vec![l[0], r[1]]).collect()
}

fn all(rows: &BTreeSet<Row>) -> Vec<Row> {
    rows.iter().cloned().collect()
}

fn has(rows: &BTreeSet<Row>, value: Option<i64>) -> bool {
    value.is_some() && rows.contains(&vec![value])
}

fn pairs(e: &[Row], _: &[Row], r: &BTreeSet<Row>) -> Vec<Row> {
    [e.to_vec(), joined(&all(r), &all(r))].concat()
}

fn partners(e: &[Row], _: &[Row], r: &BTreeSet<Row>) -> Vec<Row> {
    e.iter().filter(|e| has(r, e[0])).map(|e| vec![e[1]]).chain([vec![Some(1)]]).collect()
}

fn greater(e: &[Row], _: &[Row], r: &BTreeSet<Row>) -> Vec<Row> {
    let above = |e: &&Row| r.iter().any(|r| r[0].zip(e[0]).is_some_and(|(r, e)| r < e));
    e.iter().filter(above).map(|e| vec![e[1]]).chain([vec![Some(1)]]).collect()
}

fn both(e: &[Row], _: &[Row], r: &BTreeSet<Row>) -> Vec<Row> {
    let long = joined(&all(r), e).into_iter().filter(|row| r.iter().any(|r| row[0].is_some() && r[1] == row[0]));
    e.iter().cloned().chain(long).collect()
}

fn two_parts(e: &[Row], _: &[Row], r: &BTreeSet<Row>) -> Vec<Row> {
    let back: Vec<Row> = e.iter().map(|e| vec![e[1], e[0]]).collect();
    let from = |edges: &[Row]| edges.iter().filter(|e| has(r, e[0])).map(|e| vec![e[1]]).collect::<Vec<_>>();
    [vec![vec![Some(1)], vec![Some(4)]], from(e), from(&back)].concat()
}

fn not_blocked(e: &[Row], blocked: &[Row], r: &BTreeSet<Row>) -> Vec<Row> {
    let next = e.iter().filter(|e| has(r, e[0]) && !blocked.iter().any(|b| b[0].is_some() && b[0] == e[1]));
    next.map(|e| vec![e[1]]).chain([vec![Some(1)]]).collect()
}

fn not_in_blocked(e: &[Row], blocked: &[Row], r: &BTreeSet<Row>) -> Vec<Row> {
    let free = |v: Option<i64>| blocked.is_empty() || v.is_some() && blocked.iter().all(|b| b[0].is_some() && b[0] != v);
    e.iter().filter(|e| has(r, e[0]) && free(e[1])).map(|e| vec![e[1]]).chain([vec![Some(1)]]).collect()
}

fn outer(e: &[Row], _: &[Row], r: &BTreeSet<Row>) -> Vec<Row> {
    let of = |v: &Row| {
        let found: Vec<Row> = e.iter().filter(|e| e[0].is_some() && e[0] == v[0] && e[1] > Some(2)).map(|e| vec![e[1]]).collect();
        if found.is_empty() { vec![vec![None]] } else { found }
    };
    r.iter().flat_map(of).chain([vec![Some(1)]]).collect()
}

fn marked(e: &[Row], blocked: &[Row], r: &BTreeSet<Row>) -> Vec<Row> {
    let free = |v: Option<i64>| v > Some(4) || v.is_some() && blocked.iter().any(|b| b[0] == v);
    e.iter().filter(|e| has(r, e[0]) && free(e[1])).map(|e| vec![e[1]]).chain([vec![Some(1)]]).collect()
}

const QUERIES: [(&str, Step); 10] = [
    ("SELECT a, b FROM e UNION SELECT x.a, y.b FROM r x JOIN r y ON x.b = y.a", pairs),
    ("SELECT 1 UNION SELECT e.b FROM e WHERE e.a IN (SELECT a FROM r)", partners),
    ("SELECT 1 UNION SELECT e.b FROM e WHERE EXISTS (SELECT 1 FROM r WHERE r.a < e.a)", greater),
    ("SELECT a, b FROM e UNION SELECT r.a, e.b FROM r JOIN e ON r.b = e.a WHERE r.a IN (SELECT b FROM r)", both),
    ("SELECT 1 UNION SELECT e.b FROM r JOIN e ON r.a = e.a UNION SELECT e.a FROM r JOIN e ON r.a = e.b UNION SELECT 4", two_parts),
    ("SELECT 1 UNION SELECT e.b FROM r JOIN e ON r.a = e.a WHERE NOT EXISTS (SELECT 1 FROM blocked WHERE x = e.b)", not_blocked),
    ("SELECT 1 UNION SELECT e.b FROM r JOIN e ON r.a = e.a WHERE e.b NOT IN (SELECT x FROM blocked)", not_in_blocked),
    ("SELECT 1 UNION SELECT e.b FROM r LEFT JOIN e ON r.a = e.a AND e.b > 2", outer),
    ("SELECT 1 UNION SELECT e.b FROM r JOIN e ON r.a = e.a WHERE e.b > 4 OR e.b IN (SELECT x FROM blocked)", marked),
    ("SELECT 1 UNION SELECT DISTINCT e.b FROM e SEMI JOIN r ON r.a = e.a", partners),
];

fn change() -> impl Strategy<Value = String> {
    let node = || prop_oneof![9 => (0..7i64).prop_map(|n| n.to_string()), 1 => Just("NULL".to_string())];
    prop_oneof![
        6 => (node(), node()).prop_map(|(a, b)| format!("INSERT INTO e VALUES ({a}, {b})")),
        2 => (0..7i64).prop_map(|a| format!("DELETE FROM e WHERE a = {a}")),
        1 => (0..7i64).prop_map(|a| format!("UPDATE e SET b = b + 1 WHERE a = {a}")),
        1 => node().prop_map(|x| format!("INSERT INTO blocked VALUES ({x})")),
        1 => Just("DELETE FROM blocked WHERE x > 3 OR x IS NULL".to_string()),
    ]
}

/// The rows of an answer after each epoch, as often as they are there.
fn by_epoch(answer: &Answer, epochs: u64) -> Vec<Vec<Row>> {
    let mut counts: BTreeMap<Row, i64> = BTreeMap::new();
    let mut out = Vec::new();
    for epoch in 0..=epochs {
        for (_, updates) in answer.changes.iter().filter(|(at, _)| *at == epoch) {
            let columns: Vec<_> = updates.rows.columns().iter().map(|c| c.as_primitive::<Int64Type>()).collect();
            for row in 0..updates.rows.num_rows() {
                *counts.entry(columns.iter().map(|c| c.iter().nth(row).unwrap()).collect()).or_default() += updates.diff(row);
            }
        }
        counts.retain(|_, n| *n != 0);
        out.push(counts.iter().flat_map(|(row, n)| std::iter::repeat_n(row.clone(), *n as usize)).collect());
    }
    out
}

fn fixed_point(step: Step, e: &[Row], blocked: &[Row]) -> Vec<Row> {
    let mut result = BTreeSet::new();
    loop {
        let next: BTreeSet<Row> = step(e, blocked, &result).into_iter().chain(result.iter().cloned()).collect();
        if next == result {
            return all(&result);
        }
        result = next;
    }
}

fn script(changes: &[String], query: &str) -> String {
    let columns = if query.starts_with("SELECT a, b") { "a, b" } else { "a" };
    let tables = "CREATE TABLE e (a BIGINT, b BIGINT); CREATE TABLE blocked (x BIGINT);";
    let recursive = format!("WITH RECURSIVE r({columns}) AS ({query}) SELECT * FROM r");
    format!("{tables}\n{};\n{recursive};\nSELECT * FROM e;\nSELECT * FROM blocked;", changes.join(";\n"))
}

/// From an epoch on: a restored run does not tell again what came before.
fn check(changes: &[String], (query, step): (&str, Step), options: &ScriptOptions, from: usize) -> Result<(), TestCaseError> {
    let answers = run("recursion.sql", &script(changes, query), options).unwrap();
    let epochs = changes.len() as u64;
    let (found, e, blocked) = (by_epoch(&answers[0], epochs), by_epoch(&answers[1], epochs), by_epoch(&answers[2], epochs));
    for epoch in from..=changes.len() {
        prop_assert_eq!(&found[epoch], &fixed_point(step, &e[epoch], &blocked[epoch]), "{} at epoch {} of {:?}", query, epoch, changes);
    }
    Ok(())
}

fn cases() -> u32 {
    std::env::var("LITTORAL_ORACLE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn recursion_is_the_least_fixed_point_at_every_epoch(
        changes in prop::collection::vec(change(), 1..16), at in 0..QUERIES.len(), workers in 1usize..4,
    ) {
        check(&changes, QUERIES[at], &ScriptOptions { workers, ..ScriptOptions::default() }, 0)?;
    }

    #[test]
    fn recursion_goes_on_from_a_snapshot(
        changes in prop::collection::vec(change(), 2..12), at in 0..QUERIES.len(), stop in 1usize..11, workers in 1usize..4,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Some(SnapshotOptions { folder: folder.path().to_path_buf(), every: Every::Epochs(2) });
        let first = &changes[..stop.min(changes.len() - 1)];
        run("stopped.sql", &script(first, QUERIES[at].0), &ScriptOptions { workers, snapshots, ..ScriptOptions::default() }).unwrap();
        let restore = Some(RestoreOptions { folder: folder.path().to_path_buf(), changed_plan: true });
        check(&changes, QUERIES[at], &ScriptOptions { workers: 2, restore, ..ScriptOptions::default() }, first.len())?;
    }
}

/// Every query once, over a fixed history, so that none is left out by chance.
#[test]
fn every_recursion_over_a_fixed_history() {
    let history = [
        "INSERT INTO e VALUES (1, 2), (2, 3), (3, 4), (4, 4), (NULL, 1), (2, NULL)",
        "INSERT INTO blocked VALUES (3)",
        "INSERT INTO e VALUES (4, 1), (5, 6), (6, 5), (1, 5)",
        "DELETE FROM e WHERE a = 2",
        "INSERT INTO blocked VALUES (NULL)",
        "DELETE FROM blocked WHERE x IS NULL OR x > 2",
        "DELETE FROM e WHERE a > 0",
    ];
    let history: Vec<String> = history.iter().map(ToString::to_string).collect();
    for query in QUERIES {
        check(&history, query, &ScriptOptions { workers: 2, ..ScriptOptions::default() }, 0).unwrap();
    }
}
