//! A defect in an epoch of the cloud, on a worker that does not drive: nothing of the epoch goes out, and nobody hangs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, Volatility, create_udaf};
use littoral_connectors::sink::{Sink, SinkError};

use super::*;
use crate::flow::channel::Down;
use crate::flow::defect;
use crate::fragment::Fragment;
use crate::pipeline::RunSettings;
use crate::sql::catalog::{Catalog, Functions};

/// How long a run of a moment may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// Remembers the epochs that it was given rows of.
struct Remembers(Arc<Mutex<Vec<u64>>>);

impl Sink for Remembers {
    fn write(&mut self, epoch: u64, _: &RecordBatch) -> Result<(), SinkError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(epoch);
        Ok(())
    }
    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
    fn close(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

/// The last value of a group, for which `how` is done on the second worker: what a function of one row does is an error of that row.
#[derive(Debug)]
struct Broken(fn(), ScalarValue);

impl Accumulator for Broken {
    fn update_batch(&mut self, values: &[ArrayRef]) -> datafusion::common::Result<()> {
        self.1 = ScalarValue::try_from_array(&values[0], values[0].len() - 1)?;
        Ok(())
    }
    fn merge_batch(&mut self, states: &[ArrayRef]) -> datafusion::common::Result<()> {
        self.update_batch(states)
    }
    fn evaluate(&mut self) -> datafusion::common::Result<ScalarValue> {
        if std::thread::current().name() == Some("timely:work-1") {
            self.0();
        }
        Ok(self.1.clone())
    }
    fn state(&mut self) -> datafusion::common::Result<Vec<ScalarValue>> {
        Ok(vec![self.1.clone()])
    }
    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// The view `v` over `t`: `how` is done on the second worker at the rows of an epoch.
fn broken(how: fn()) -> (SchemaRef, Program) {
    let fresh = move |_: AccumulatorArgs<'_>| Ok(Box::new(Broken(how, ScalarValue::Int64(None))) as Box<dyn Accumulator>);
    let (number, state) = (DataType::Int64, Arc::new(vec![DataType::Int64]));
    let broken = create_udaf("broken", vec![number.clone()], Arc::new(number), Volatility::Immutable, Arc::new(fresh), state);
    let schema = rows(1).schema();
    let mut catalog = Catalog::new();
    catalog.add_functions(&Functions { scalars: Vec::new(), aggregates: vec![broken] }).unwrap();
    catalog.add_table("t", schema.clone());
    let mut program = Program::new(vec![InputTable { name: "t".into(), schema: schema.clone(), append_only: true, event_time: None }]);
    let plan = catalog.plan_query("SELECT k, broken(k) AS n FROM t GROUP BY k").unwrap();
    let plan = catalog.optimise(plan).unwrap();
    program.add_plan(&mut catalog, "v", &plan, false).unwrap();
    (schema, program)
}

fn rows(count: i64) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count));
    RecordBatch::try_from_iter_with_nullable([("k", column, true)]).unwrap()
}

fn check(how: fn(), expected: &str) {
    let (totals, ending) = (Arc::new(Totals::default()), Arc::new(Ending::default()));
    let shared = Arc::new(Shared { specs: RwLock::new(SpecStore::new(&[])), totals: totals.clone(), ending: ending.clone() });
    let run = RunSettings { epoch: Duration::from_secs(1), loop_epochs: 1 };
    let none = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let fragment = Fragment { pipeline: "p".into(), run, params: none.0, sources: none.1, steps: none.2, outlets: none.3 };
    let (schema, program) = broken(how);
    let inlets = vec![("t".to_string(), schema)];
    let tier = CloudTier { fragment, inlets: inlets.clone(), program, watched: vec!["v".into()], shared };
    let written = Arc::new(Mutex::new(Vec::new()));
    let sink = OpenSink { name: "s".into(), from: "v".into(), sink: Box::new(Remembers(written.clone())), changing: true };
    let effects = Effects {
        sinks: vec![sink],
        deltas: Vec::new(),
        remedies: Vec::new(),
        kpis: Vec::new(),
        captured: BTreeMap::new(),
        capture_out: None,
        totals: totals.clone(),
        flushed: mark(),
        epochs: (None, None),
    };
    let (mut edge, cloud) = pair(&totals, &ending);
    let thread = start_cloud(tier, cloud, effects, 2).unwrap();
    edge.hello(&inlets).unwrap();
    edge.rows(0, 0, &rows(100)).unwrap();
    edge.seal(0, None).unwrap();
    let began = mark();
    while !thread.is_finished() {
        assert!(began.elapsed() < PATIENCE, "the run hangs");
        let told = edge.receive(Duration::from_millis(5)).unwrap();
        assert!(!matches!(told, Some(Down::Closed { .. })), "the epoch is broken");
    }
    assert!(written.lock().unwrap().is_empty(), "rows of a broken epoch were written");
    let why = ending.take_failure().unwrap().to_string();
    assert!(why.contains(expected), "{why}");
}

#[test]
fn an_epoch_with_a_defect_is_not_carried_out() {
    check(|| defect::tell("a row cannot be looked at", &"it is broken"), "a row cannot be looked at: it is broken");
}

#[test]
fn a_worker_that_panics_ends_the_run() {
    check(|| panic!("this worker is broken"), "a worker was stopped by a defect of the engine");
}
