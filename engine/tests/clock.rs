//! Conditions on the clock hold for the rows for which they hold with the clock's reading in its place, however it got there.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fmt::Write;

use littoral_engine::sql::script::{ScriptOptions, run};

/// Conditions; `$` is the clock.
const CONDITIONS: [&str; 20] = [
    "ts > $ - INTERVAL '1 hour' AND ts <= $",
    "ts >= date_trunc('second', $)",
    "ts < date_trunc('minute', $ - INTERVAL '90 seconds')",
    "date_trunc('hour', $) <= ts",
    "ts >= date_trunc('day', $) AND ts < date_trunc('day', $) + INTERVAL '1 day'",
    "date_trunc('week', $) < ts",
    "ts <= date_trunc('week', $ + INTERVAL '2 days') - INTERVAL '5 hours'",
    "date_trunc('month', ts) = date_trunc('month', $)",
    "ts > date_trunc('quarter', $)",
    "date_trunc('year', $) <= ts",
    "date_trunc('day', date_trunc('month', $) + INTERVAL '36 hours') > ts",
    "day = CAST($ AS DATE)",
    "CAST(ts AS DATE) > CAST($ AS DATE) - INTERVAL '7 days'",
    "day < CAST($ AS DATE) + INTERVAL '1 day'",
    "ts >= CAST($ AS DATE)",
    "ts = CAST($ AS TIMESTAMP(0))",
    "ts BETWEEN CAST($ - INTERVAL '250 milliseconds' AS TIMESTAMP(3)) AND $",
    "day BETWEEN CAST(date_trunc('week', $) AS DATE) AND CAST($ AS DATE)",
    "$ - ts < INTERVAL '90 minutes' AND ts - $ <= INTERVAL '36' HOUR",
    "INTERVAL '3' DAY > ($ - ts) AND INTERVAL '0' SECOND <= $ - ts",
];

/// Moments around where days, weeks, months, quarters and years begin.
const MOMENTS: [&str; 14] = [
    "2023-12-31 23:59:59.999999",
    "2024-01-01 00:00:00",
    "2024-01-01 00:00:00.000001",
    "2024-01-01 00:59:59.75",
    "2024-01-01 23:59:59",
    "2024-01-07 19:00:00",
    "2024-01-08 00:00:00",
    "2024-01-31 12:00:00",
    "2024-02-01 00:00:00",
    "2024-02-02 11:59:59.999",
    "2024-02-29 23:59:59.9995",
    "2024-04-01 00:00:00",
    "2024-12-30 00:01:30",
    "2025-01-01 05:00:00",
];

#[test]
fn conditions_hold_as_with_a_constant_in_the_clocks_place() {
    let mut script = "CREATE TABLE calls (id INT, ts TIMESTAMP, day DATE);\nSET now = TIMESTAMP '2023-12-01 00:00:00';\n".to_string();
    let rows: Vec<String> = MOMENTS.iter().enumerate().map(|(id, at)| format!("({id}, '{at}', CAST(TIMESTAMP '{at}' AS DATE))")).collect();
    writeln!(script, "INSERT INTO calls VALUES {}, (99, NULL, NULL);", rows.join(", ")).unwrap();
    for (number, now) in MOMENTS.iter().enumerate() {
        writeln!(script, "SET now = TIMESTAMP '{now}';").unwrap();
        if number % 3 == 2 {
            // Rows of which a part is over when they come, and rows that go.
            writeln!(script, "INSERT INTO calls VALUES ({}, TIMESTAMP '{now}' - INTERVAL '1 day', NULL);", 100 + number).unwrap();
            writeln!(script, "DELETE FROM calls WHERE id = {};", number / 2).unwrap();
        }
        let mut asked = script.clone();
        for condition in CONDITIONS {
            for clock in ["now()".to_string(), format!("TIMESTAMP '{now}'")] {
                writeln!(asked, "SELECT id FROM calls WHERE {} ORDER BY id;", condition.replace('$', &clock)).unwrap();
            }
        }
        let answers = run("clock.sql", &asked, &ScriptOptions { workers: 1 + number % 2, ..ScriptOptions::default() }).unwrap();
        assert_eq!(answers.len(), 2 * CONDITIONS.len());
        for (condition, both) in CONDITIONS.iter().zip(answers.chunks(2)) {
            assert_eq!(both[0].rows.columns(), both[1].rows.columns(), "{condition} at {now}");
        }
    }
}

#[test]
fn months_of_no_one_length_are_refused_by_name() {
    let script = "CREATE TABLE calls (ts TIMESTAMP);\nSELECT * FROM calls WHERE ts > now() - INTERVAL '1 month';";
    let problem = run("clock.sql", script, &ScriptOptions::default()).err().unwrap().to_string();
    assert!(problem.contains("now() with months or years, which are not of one length"), "{problem}");
}
