//! `IN` that is unknown: SQL's three values, found here by hand, as DataFusion's own marks are true or false only.
//!
//! Over all small tables, while rows come and go.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use littoral_engine::sql::script::{Answer, ScriptOptions, run};

/// A value that may be unknown.
type Known = Option<bool>;

fn is_in(v: Option<i64>, rows: &[Option<i64>]) -> Known {
    match v {
        _ if rows.is_empty() => Some(false),
        Some(v) if rows.contains(&Some(v)) => Some(true),
        Some(_) if !rows.contains(&None) => Some(false),
        _ => None,
    }
}

fn not(a: Known) -> Known {
    a.map(|a| !a)
}

fn or(a: Known, b: Known) -> Known {
    if a == Some(true) || b == Some(true) { Some(true) } else { a.zip(b).map(|_| false) }
}

fn above_1(v: Option<i64>) -> Known {
    v.map(|v| v > 1)
}

/// A condition, and what it is of a value and of what `IN` says of it.
type Condition = (&'static str, fn(Option<i64>, Known) -> Known);

const CONDITIONS: [Condition; 9] = [
    ("v IN (SELECT x FROM u)", |_, found| found),
    ("v NOT IN (SELECT x FROM u)", |_, found| not(found)),
    ("v > 1 OR v IN (SELECT x FROM u)", |v, found| or(above_1(v), found)),
    ("v > 1 OR NOT v IN (SELECT x FROM u)", |v, found| or(above_1(v), not(found))),
    ("v > 1 OR v NOT IN (SELECT x FROM u)", |v, found| or(above_1(v), not(found))),
    ("NOT (v > 1 OR v IN (SELECT x FROM u))", |v, found| not(or(above_1(v), found))),
    ("(v IN (SELECT x FROM u)) IS NULL", |_, found| Some(found.is_none())),
    ("(v NOT IN (SELECT x FROM u)) IS NOT TRUE", |_, found| Some(found != Some(false))),
    ("CASE WHEN v NOT IN (SELECT x FROM u) THEN false ELSE v IS NULL OR v < 2 END", |v, found| {
        Some(found != Some(false) && v.is_none_or(|v| v < 2))
    }),
];

/// The rows that an answer comes to.
fn rows(answer: &Answer, read: fn(&RecordBatch, usize) -> String) -> Vec<String> {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for (_, updates) in &answer.changes {
        for row in 0..updates.rows.num_rows() {
            *counts.entry(read(&updates.rows, row)).or_default() += updates.diff(row);
        }
    }
    counts.into_iter().flat_map(|(row, n)| std::iter::repeat_n(row, n as usize)).collect()
}

fn number(rows: &RecordBatch, row: usize) -> String {
    let column = rows.column(0).as_primitive::<Int64Type>();
    format!("{:?}", column.iter().nth(row).unwrap())
}

fn number_and_value(rows: &RecordBatch, row: usize) -> String {
    format!("{} {:?}", number(rows, row), rows.column(1).as_boolean().iter().nth(row).unwrap())
}

fn check(has: &[Option<i64>], condition: Condition) {
    let (text, expected) = condition;
    let values = |rows: &[Option<i64>]| rows.iter().map(|v| v.map_or("(NULL)".into(), |v| format!("({v})"))).collect::<Vec<_>>().join(", ");
    let insert = if has.is_empty() { String::new() } else { format!("INSERT INTO u VALUES {};", values(has)) };
    let script = format!(
        "CREATE TABLE t (v BIGINT); CREATE TABLE u (x BIGINT);
         INSERT INTO t VALUES (1), (2), (3), (NULL); INSERT INTO u VALUES (NULL), (2), (7); DELETE FROM u; {insert}
         SELECT v FROM t WHERE {text}; SELECT v, {text} AS c FROM t;"
    );
    let answers = run("unknown.sql", &script, &ScriptOptions { workers: 2, ..ScriptOptions::default() }).unwrap();
    let all = [None, Some(1), Some(2), Some(3)].map(|v| (v, expected(v, is_in(v, has))));
    let kept: Vec<String> = all.iter().filter(|(_, c)| *c == Some(true)).map(|(v, _)| format!("{v:?}")).collect();
    assert_eq!(rows(&answers[0], number), kept, "{text} where u has {has:?}");
    let told: Vec<String> = all.iter().map(|(v, c)| format!("{v:?} {c:?}")).collect();
    assert_eq!(rows(&answers[1], number_and_value), told, "{text} where u has {has:?}");
}

#[test]
fn in_has_its_three_values_wherever_it_stands() {
    for has in [&[][..], &[Some(1)], &[None], &[Some(1), None], &[Some(2), Some(2), Some(3)], &[Some(3), None, None]] {
        for condition in CONDITIONS {
            check(has, condition);
        }
    }
}
