//! Joins within an interval at the very edge of their bounds and of the watermark: where no row is late they equal the batch, to the
//! microsecond, also two of them in a row and with windows over them that are given once.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use littoral_engine::sql::script::{Answer, ScriptOptions, batch_answer, run};

#[path = "compare/mod.rs"]
mod compare;

/// The least grain of due times, in microseconds.
const GRAIN: i64 = 15_625;

/// Histories of each test.
const SEEDS: u64 = 30;

const BEGIN: i64 = 1_704_067_200_000_000;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap() % n
    }
}

/// Rows of a table: key, time and number.
type Rows = Vec<(i64, i64, i64)>;

fn time(micros: i64) -> String {
    let (seconds, fraction) = ((micros - BEGIN).div_euclid(1_000_000), (micros - BEGIN).rem_euclid(1_000_000));
    format!("TIMESTAMP '2024-01-01 00:{:02}:{:02}.{fraction:06}'", seconds / 60, seconds % 60)
}

/// A history in which no row is below the watermark of an earlier epoch, and most are at it: tables at its end, and statements.
/// Times are a multiple of a unit, and rows that are not late also go.
fn history(dice: &mut Dice, tables: usize, unit: i64) -> (Vec<Rows>, String) {
    let mut script = String::new();
    for name in &NAMES[..tables] {
        writeln!(script, "CREATE TABLE {name} (k BIGINT, ts TIMESTAMP, v BIGINT, WATERMARK FOR ts AS ts - INTERVAL '0' SECOND);").unwrap();
    }
    let (mut rows, mut newest, mut next) = (vec![Rows::new(); tables], vec![BEGIN; tables], 0);
    for epoch in 0..16 {
        // The first two tables are joined first, by their watermarks alone.
        let two = newest[0].min(newest[1]);
        let marks = [two, two, *newest.iter().min().unwrap()];
        script += "BEGIN;\n";
        for table in 0..tables {
            let passed = marks[table];
            let mut new = Vec::new();
            for _ in 0..=dice.below(3) {
                let at = if epoch == 0 { BEGIN } else { passed + unit * [0, 0, 1, dice.below(9)][usize::try_from(dice.below(4)).unwrap()] };
                next += 1;
                let key = dice.below(2);
                new.push(format!("({key}, {}, {next})", time(at)));
                rows[table].push((key, at, next));
                newest[table] = newest[table].max(at);
            }
            writeln!(script, "INSERT INTO {} VALUES {};", NAMES[table], new.join(", ")).unwrap();
            let going: Vec<usize> = (0..rows[table].len()).filter(|i| rows[table][*i].1 >= passed).collect();
            if dice.below(3) == 0 && epoch > 0 {
                let gone = rows[table].remove(going[usize::try_from(dice.below(i64::try_from(going.len()).unwrap())).unwrap()]);
                writeln!(script, "DELETE FROM {} WHERE v = {};", NAMES[table], gone.2).unwrap();
            }
        }
        script += "COMMIT;\n";
    }
    (rows, script)
}

fn batch_of(rows: &Rows) -> RecordBatch {
    let numbers = |of: fn(&(i64, i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    let times = Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.1)));
    RecordBatch::try_from_iter([("k", numbers(|r| r.0)), ("ts", times as ArrayRef), ("v", numbers(|r| r.2))]).unwrap()
}

fn length(micros: i64) -> String {
    format!("INTERVAL '{micros} microseconds'")
}

/// Runs a query over a history whose rows are never late, and holds it against the batch.
fn check(script: &str, tables: &[Rows], query: &str, last: bool, workers: usize) {
    let emit = if last { " EMIT FINAL" } else { "" };
    let script = format!("{script}CREATE VIEW v AS {query}{emit};\nSELECT * FROM v;\nSELECT * FROM late_rows;\n");
    let answers: Vec<Answer> = run("edges.sql", &script, &ScriptOptions { workers, ..ScriptOptions::default() }).unwrap();
    let tables: Vec<(String, RecordBatch)> = tables.iter().zip(NAMES).map(|(rows, name)| (name.to_string(), batch_of(rows))).collect();
    let late = compare::text(&answers[1].rows);
    assert!(late.is_empty(), "{late:#?}\n{script}");
    let expected = compare::text(&batch_answer(query, &tables).unwrap());
    assert_eq!(compare::text(&answers[0].rows), expected, "{script}");
}

/// Bounds of the left's time less the right's.
fn bounds(dice: &mut Dice, unit: i64) -> (i64, i64) {
    let least = unit * (dice.below(11) - 6);
    (least, least + unit * dice.below(7))
}

#[test]
fn partners_at_the_edge_of_the_bounds_and_the_watermark_are_found() {
    for seed in 0..SEEDS {
        let dice = &mut Dice(seed);
        // With a grain that times are multiples of, a microsecond too early is a grain too early.
        let unit = [GRAIN, GRAIN, 1][usize::try_from(seed % 3).unwrap()];
        let (tables, script) = history(dice, 2, unit);
        let (least, greatest) = bounds(dice, unit);
        let on = match dice.below(5) {
            0 => format!("a.ts = b.ts + {}", length(least)),
            1 => format!("a.ts - {} = b.ts - {} AND a.k = b.k", length(least), length(0)),
            2 => format!("a.ts BETWEEN b.ts + {} AND b.ts + {}", length(least), length(greatest)),
            _ => format!("a.k = b.k AND a.ts >= b.ts + {} AND a.ts - b.ts <= {}", length(least), length(greatest)),
        };
        let query = match dice.below(7) {
            0 | 1 => format!("SELECT a.v, b.v AS w FROM a JOIN b ON {on}"),
            2 => format!("SELECT a.v, b.v AS w FROM a LEFT JOIN b ON {on}"),
            3 => format!("SELECT a.v, b.v AS w FROM a RIGHT JOIN b ON {on}"),
            4 => format!("SELECT a.v, b.v AS w FROM a FULL JOIN b ON {on}"),
            5 => format!("SELECT a.v FROM a WHERE EXISTS (SELECT 1 FROM b WHERE {on})"),
            _ => format!("SELECT a.v FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE {on})"),
        };
        check(&script, &tables, &query, false, 1 + usize::try_from(seed % 2).unwrap());
    }
}

#[test]
fn windows_over_two_joins_in_a_row_lose_nothing_that_is_not_late() {
    for seed in 0..SEEDS {
        let dice = &mut Dice(1_000 + seed);
        let (tables, script) = history(dice, 3, GRAIN);
        let ([low, high], [least, greatest]) = (<[i64; 2]>::from(bounds(dice, GRAIN)), <[i64; 2]>::from(bounds(dice, GRAIN)));
        let within = |one: &str, other: &str, low: i64, high: i64| {
            if low == high {
                format!("{one}.ts = {other}.ts + {}", length(low))
            } else {
                format!("{one}.ts BETWEEN {other}.ts + {} AND {other}.ts + {}", length(low), length(high))
            }
        };
        let kind = ["JOIN", "LEFT JOIN"][usize::try_from(dice.below(2)).unwrap()];
        // What is null without a partner has no end.
        let (second, closes) = match kind {
            "JOIN" => (["a", "b"][usize::try_from(dice.below(2)).unwrap()], NAMES[usize::try_from(dice.below(3)).unwrap()]),
            _ => ("a", "a"),
        };
        let window = format!("date_bin({}, {closes}.ts)", length(GRAIN * (1 + dice.below(3))));
        let query = format!(
            "SELECT {window} AS w, count(*) AS n, sum(a.v + b.v + c.v) AS s FROM a {kind} b ON {} {kind} c ON {} GROUP BY {window}",
            within("a", "b", low, high),
            within("c", second, least, greatest),
        );
        check(&script, &tables, &query, true, 1 + usize::try_from(seed % 2).unwrap());
    }
}
