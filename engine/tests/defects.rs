//! What breaks ends the run with an error, and none of its threads hangs: a worker that panics, whichever it is and however many
//! wait for it; a snapshot that cannot be written, of which no manifest stays.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::Builder;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, ColumnarValue, Volatility, create_udaf, create_udf};
use littoral_engine::sql::Functions;
use littoral_engine::sql::script::{Every, ScriptOptions, SnapshotOptions, run};

/// How long a run of a second may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// The last value of a group, which panics on one worker: what a function of one row does is an error of that row.
#[derive(Debug)]
struct Broken(String, ScalarValue);

impl Accumulator for Broken {
    fn update_batch(&mut self, values: &[ArrayRef]) -> datafusion::common::Result<()> {
        assert!(std::thread::current().name() != Some(&self.0), "this worker is broken");
        self.1 = ScalarValue::try_from_array(&values[0], values[0].len() - 1)?;
        Ok(())
    }
    fn merge_batch(&mut self, states: &[ArrayRef]) -> datafusion::common::Result<()> {
        self.update_batch(states)
    }
    fn evaluate(&mut self) -> datafusion::common::Result<ScalarValue> {
        Ok(self.1.clone())
    }
    fn state(&mut self) -> datafusion::common::Result<Vec<ScalarValue>> {
        Ok(vec![self.1.clone()])
    }
    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// `broken(v)` of groups.
fn functions(worker: usize) -> Functions {
    let thread = format!("timely:work-{worker}");
    let fresh = move |_: AccumulatorArgs<'_>| Ok(Box::new(Broken(thread.clone(), ScalarValue::Int64(None))) as Box<dyn Accumulator>);
    let (number, state) = (DataType::Int64, Arc::new(vec![DataType::Int64]));
    let broken = create_udaf("broken", vec![number.clone()], Arc::new(number), Volatility::Immutable, Arc::new(fresh), state);
    Functions { scalars: Vec::new(), aggregates: vec![broken] }
}

/// A function from a number to a number.
fn of_numbers(name: &str, of: impl Fn(&[ColumnarValue]) -> datafusion::common::Result<ColumnarValue> + Send + Sync + 'static) -> Functions {
    let number = DataType::Int64;
    let function = create_udf(name, vec![number.clone()], number, Volatility::Immutable, Arc::new(of));
    Functions { scalars: vec![function], aggregates: Vec::new() }
}

/// Why a run ends, which it does before it counts as hanging.
fn failure(script: String, options: ScriptOptions) -> String {
    let (tell, told) = channel();
    let run = move || tell.send(run("broken.sql", &script, &options).map(|_| ()));
    Builder::new().name("run".into()).spawn(run).unwrap();
    told.recv_timeout(PATIENCE).expect("the run hangs").expect_err("something is broken").to_string()
}

#[test]
fn a_worker_that_panics_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.json");
    std::fs::write(&path, (0..5_000).map(|k| format!("{{\"k\":{k}}}\n")).collect::<String>()).unwrap();
    // Groups are with the worker that their key says, so each worker has some.
    let script = format!(
        "CREATE TABLE t (k BIGINT) WITH (connector = 'file', path = '{}');
         SELECT k % 100 AS g, broken(k) AS n FROM t GROUP BY k % 100;",
        path.display()
    );
    for (workers, broken) in [(1, 0), (3, 0), (3, 2)] {
        let snapshots = Some(SnapshotOptions { folder: folder.path().join(format!("{workers}-{broken}")), every: Every::Epochs(3) });
        let options = ScriptOptions {
            workers,
            epoch_rows: Some(50),
            block_bytes: Some(200),
            snapshots,
            functions: functions(broken),
            ..ScriptOptions::default()
        };
        let error = failure(script.clone(), options);
        assert!(error.contains("a worker was stopped by a defect of the engine"), "{error}");
    }
}

/// `defective(v)`, which tells of a defect in the row of a number on the worker that has it, and lets it go on.
fn defective(number: i64) -> Functions {
    let defective = move |arguments: &[ColumnarValue]| {
        let rows = arguments[0].to_array(1)?;
        if rows.as_primitive::<Int64Type>().values().contains(&number) {
            littoral_engine::flow::defect::tell("a row cannot be looked at", &"it is broken");
        }
        Ok(arguments[0].clone())
    };
    of_numbers("defective", defective)
}

/// The worker that meets it says in the same step that it has passed the epoch: the others are told of the defect no later.
#[test]
fn a_defect_in_the_last_epoch_ends_the_run_and_keeps_it_from_the_sink_and_from_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    for number in 1_000..1_050 {
        let sink = folder.path().join(format!("{number}.json"));
        let script = format!(
            "CREATE TABLE t (k BIGINT); CREATE TABLE out (k BIGINT) WITH (connector = 'file', type = 'sink', format = 'json', path = '{}');
             CREATE VIEW v AS SELECT DISTINCT k FROM t; INSERT INTO t VALUES (1), (2), (3); INSERT INTO t VALUES ({number});
             INSERT INTO out SELECT defective(k) AS k FROM v;",
            sink.display()
        );
        let kept = folder.path().join(format!("snapshots {number}"));
        let snapshots = Some(SnapshotOptions { folder: kept.clone(), every: Every::Epochs(1) });
        let options = ScriptOptions { workers: 4, snapshots, functions: defective(number), ..ScriptOptions::default() };
        let error = failure(script, options);
        assert!(error.contains("a row cannot be looked at: it is broken"), "{error}");
        let lines = std::fs::read_to_string(&sink).unwrap_or_default();
        assert!(!lines.lines().any(|line| line == format!("{{\"k\":{number}}}")), "{lines}");
        let complete = |epoch: u64| kept.join(format!("answer-1/{epoch:012}/manifest.json")).exists();
        assert!(!complete(2), "what is broken is no snapshot");
    }
}

#[test]
fn a_snapshot_that_cannot_be_written_ends_the_run_and_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let epoch = folder.path().join("answer-1/000000000001");
    // Where the part of a worker goes there is a folder already.
    std::fs::create_dir_all(epoch.join("worker-0-0.arrow/in the way")).unwrap();
    let script =
        "CREATE TABLE t (k BIGINT); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); SELECT k, count(*) AS n FROM t GROUP BY k;";
    let snapshots = Some(SnapshotOptions { folder: folder.path().to_path_buf(), every: Every::Epochs(1) });
    let error = run("full.sql", script, &ScriptOptions { workers: 2, snapshots, ..ScriptOptions::default() }).unwrap_err().to_string();
    assert!(error.contains("worker-0-0.arrow"), "{error}");
    assert!(!epoch.join("manifest.json").exists(), "what is not whole is no snapshot");
}

/// A source that takes away what it never gave: the answer cannot take it away, and its errors say so.
#[test]
fn what_a_join_was_to_lose_and_never_had_is_an_error_of_the_view() {
    use arrow::array::{Int64Array, RecordBatch};
    use littoral_engine::flow::updates::Updates;

    let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 2]));
    let rows = RecordBatch::try_from_iter_with_nullable([("k", column, true)]).unwrap();
    let schema = rows.schema();
    let changes = Updates::changes(rows, vec![1, 1, -1].into());
    let more = Updates::changes(changes.rows.slice(1, 2), vec![-1, -1].into());
    let none = Updates::insertions(changes.rows.slice(0, 0));
    for workers in [1, 3] {
        let feed = |(name, then): (&str, &Updates)| (name.to_string(), schema.clone(), vec![changes.clone(), then.clone()]);
        let feeds = [("a", &more), ("b", &none)].map(feed).to_vec();
        let options = ScriptOptions { workers, feeds, ..ScriptOptions::default() };
        let answers = run("lost.sql", "SELECT a.k FROM a JOIN b ON a.k = b.k;", &options).unwrap();
        assert_eq!(answers[0].rows.num_rows(), 1);
        let told = arrow::util::pretty::pretty_format_batches(std::slice::from_ref(&answers[0].errors)).unwrap().to_string();
        assert_eq!(told.matches("taken away that had not come").count(), 2, "{told}");
    }
}
