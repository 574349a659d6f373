//! Queries of edge steps: the same rows as DataFusion's batch answer, through the form that a device gets.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use littoral_engine::expression::{ParamColumns, RowProgram, RowQuery, compile};
use littoral_engine::pipeline::{Param, ParamKind};
use littoral_engine::sql::script::batch_answer;

fn rows() -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("device", DataType::Utf8, false),
        Field::new("n", DataType::Int64, true),
        Field::new("score", DataType::Float32, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["a", "b", "abc", "", "b"])),
        Arc::new(Int64Array::from(vec![Some(1), None, Some(-3), Some(0), Some(7)])),
        Arc::new(Float32Array::from(vec![Some(0.5), Some(f32::NAN), None, Some(-0.0), Some(0.9)])),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn params() -> Vec<Param> {
    let kind = ParamKind::F32 { default: 0.8, min: 0.0, max: 1.0, max_step: None };
    vec![Param { name: "threshold".into(), kind, min_interval: None, fallback_after: None }]
}

fn program(sql: &str) -> RowProgram {
    let query = compile(sql, "s", &rows().schema(), &params()).unwrap();
    let sent: RowQuery = serde_json::from_str(&serde_json::to_string(&query).unwrap()).unwrap();
    assert_eq!(query, sent, "a query survives the way to the device");
    RowProgram::new(&sent, &rows().schema(), &params()).unwrap()
}

#[test]
fn a_step_gives_what_a_batch_gives() {
    let queries = [
        "SELECT * FROM s WHERE n > 0",
        "SELECT device, n * 2 + 1 AS m, -n AS neg FROM s",
        "SELECT device FROM s WHERE score IS NOT NULL AND NOT (n = 7)",
        "SELECT CASE WHEN n > 0 THEN 'up' WHEN n < 0 THEN 'down' ELSE 'flat' END AS way FROM s",
        "SELECT upper(device) AS u, length(device) AS l, abs(n) AS a FROM s WHERE device LIKE 'a%'",
        "SELECT device FROM s WHERE n IN (1, 7) OR n BETWEEN -5 AND -1",
        "SELECT CAST(n AS DOUBLE) / 4 AS q, TRY_CAST(device AS BIGINT) AS t FROM s",
        "SELECT coalesce(score, 0.25) AS c, round(score, 1) AS r FROM s x WHERE x.score >= 0.1",
    ];
    for sql in queries {
        let got = program(sql).apply(&rows(), &ParamColumns::default()).unwrap();
        let want = batch_answer(sql, &[("s".into(), rows())]).unwrap();
        assert!(got.errors.is_empty(), "{sql}: {:?}", got.errors);
        let text = |b: &RecordBatch| arrow::util::pretty::pretty_format_batches(std::slice::from_ref(b)).unwrap().to_string();
        assert_eq!(text(&got.rows), text(&want), "{sql}");
    }
}

#[test]
fn each_row_is_judged_by_its_own_parameter() {
    let program = program("SELECT device FROM s WHERE score >= param('threshold')");
    assert_eq!(program.params_used(), ["threshold"]);
    let own = ParamColumns(vec![Arc::new(Float32Array::from(vec![0.4, 0.4, 0.4, 0.4, 0.95]))]);
    let kept = program.apply(&rows(), &own).unwrap().rows;
    let devices: Vec<&str> = kept.column(0).as_any().downcast_ref::<StringArray>().unwrap().iter().flatten().collect();
    assert_eq!(devices, ["a", "b"], "NaN is the greatest, and 0.9 is below its own threshold");
}

#[test]
fn a_row_with_an_error_is_taken_out_and_told() {
    let outcome = program("SELECT 10 / n AS q FROM s").apply(&rows(), &ParamColumns::default()).unwrap();
    assert_eq!((outcome.rows.num_rows(), outcome.errors.len()), (4, 1));
    assert!(outcome.errors[0].to_lowercase().contains("divide by zero"), "{:?}", outcome.errors);
}

#[test]
fn what_a_device_cannot_run_is_refused_by_name() {
    for (sql, word) in [
        ("SELECT count(*) AS n FROM s", "aggregate"),
        ("SELECT a.n FROM s a JOIN s b ON a.n = b.n", "a join"),
        ("SELECT n FROM s ORDER BY n", "ORDER BY"),
        ("SELECT DISTINCT n FROM s", "DISTINCT"),
        ("SELECT random() AS r FROM s", "random"),
        ("SELECT now() AS r FROM s", "now"),
        ("SELECT n FROM s WHERE n = (SELECT max(n) FROM s)", "subquery"),
        ("SELECT param('threshol') AS p FROM s", "the nearest is \"threshold\""),
        ("SELECT nothing FROM s", "nothing"),
        ("DROP TABLE s", "this statement"),
    ] {
        let error = compile(sql, "s", &rows().schema(), &params()).unwrap_err().to_string();
        assert!(error.contains(word), "{sql}: {error}");
    }
}
