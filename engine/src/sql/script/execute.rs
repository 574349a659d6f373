//! Runs one view over the history of its tables on timely, and sums up what came out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use datafusion::common::DFSchema;
use datafusion::logical_expr::SortExpr;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::create_physical_expr;
use timely::container::NoopBuilder;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::probe::Handle as ProbeHandle;

use super::tables::Tables;
use crate::flow::gather::gather;
use crate::flow::updates::Updates;
use crate::sql::Program;
use crate::sql::render::error_schema;
use crate::sql::watermark::{END, Watermarks};

type Input = timely::dataflow::operators::core::input::Handle<u64, NoopBuilder<Updates>>;
type Changes = Vec<(u64, Updates)>;

/// Changes of a view, and rows of its error collection at the end.
pub struct Outcome {
    /// What each epoch changed.
    pub changes: Changes,
    /// Columns `view` and `error`.
    pub errors: RecordBatch,
}

/// The changes of a view, epoch by epoch.
pub fn execute(program: &Program, tables: &Tables, view: &str, workers: usize) -> Result<Outcome, String> {
    let schema = program.schema(view).ok_or("the view is not there")?;
    let mut job = Job {
        program: program.clone(),
        view: view.to_string(),
        tables: tables.schemas().map(|(n, _)| n.clone()).collect(),
        history: tables.history.clone(),
        last: tables.epoch,
        ended: tables.ended,
        failed: AtomicBool::new(false),
        schema,
        out: Mutex::new(Ok((Vec::new(), Vec::new()))),
    };
    // What is known of watermarks belongs to this run.
    job.program.watermarks = Watermarks::default();
    for (table, epoch, micros) in &tables.watermarks {
        job.program.watermarks.set(table, *epoch, *micros);
    }
    if job.ended {
        job.tables.iter().for_each(|table| job.program.watermarks.set(table, job.last + 1, END));
    }
    let job = Arc::new(job);
    let shared = job.clone();
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        // A worker that stops by a defect must not leave the others waiting for it.
        let run = std::panic::AssertUnwindSafe(|| shared.run(worker));
        if std::panic::catch_unwind(run).is_err() {
            shared.failed.store(true, Ordering::SeqCst);
        }
    })?;
    for done in guards.join() {
        done?;
    }
    if job.failed.load(Ordering::SeqCst) {
        return Err("a worker stopped by a defect of the engine; what it said stands above".into());
    }
    let mut out = job.out.lock().unwrap_or_else(PoisonError::into_inner);
    let (changes, errors) = std::mem::replace(&mut *out, Ok((Vec::new(), Vec::new())))?;
    let errors = sum(&errors, &error_schema()).map_err(|e| e.to_string())?;
    Ok(Outcome { changes, errors })
}

struct Job {
    program: Program,
    view: String,
    tables: Vec<String>,
    history: Vec<(u64, String, Updates)>,
    /// The last epoch with rows; when the input has ended, one more closes everything.
    last: u64,
    ended: bool,
    /// Whether a worker stopped by a defect.
    failed: AtomicBool,
    schema: SchemaRef,
    out: Mutex<Result<(Changes, Changes), String>>,
}

impl Job {
    fn run(&self, worker: &mut timely::worker::Worker) {
        let (mut inputs, outbox, errors, probe) = worker.dataflow::<u64, _, _>(|scope| {
            let (mut inputs, mut streams) = (HashMap::new(), HashMap::new());
            for name in &self.tables {
                let mut input = Input::new_with_builder();
                streams.insert(name.clone(), input.to_stream(scope));
                inputs.insert(name.clone(), input);
            }
            let mut rendered = self.program.render(scope, streams, std::slice::from_ref(&self.view));
            let probe = ProbeHandle::new();
            let outbox = rendered.views.remove(&self.view).map(|stream| {
                let (outbox, done) = gather(stream, "answer");
                done.probe_with(&probe);
                outbox
            });
            let (errors, done) = gather(rendered.errors.0, "errors");
            done.probe_with(&probe);
            (inputs, outbox, errors, probe)
        });
        if worker.index() != 0 {
            return;
        }
        let last = if self.ended { self.last + 1 } else { self.last };
        let mut found: Result<(Changes, Changes), String> = Ok((Vec::new(), Vec::new()));
        for epoch in 0..=last {
            for (_, table, updates) in self.history.iter().filter(|(e, ..)| *e == epoch) {
                if let Some(input) = inputs.get_mut(table) {
                    input.send_batch(&mut updates.clone());
                }
            }
            inputs.values_mut().for_each(|input| input.advance_to(epoch + 1));
            while probe.less_than(&(epoch + 1)) {
                worker.step_or_park(Some(Duration::from_millis(1)));
                if self.failed.load(Ordering::SeqCst) {
                    return;
                }
            }
            let taken = outbox.as_ref().map_or(Ok(None), |o| o.take(epoch, &self.schema));
            match (taken, &mut found) {
                (Ok(Some(updates)), Ok((all, _))) => all.push((epoch, updates)),
                (Err(error), Ok(_)) => found = Err(error.to_string()),
                _ => {}
            }
            if let (Ok(Some(updates)), Ok((_, all))) = (errors.take(epoch, &error_schema()), &mut found) {
                all.push((epoch, updates));
            }
        }
        *self.out.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}

/// The rows that all changes come to, in the order of their row encoding.
pub fn sum(changes: &Changes, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let rows = concat_batches(schema, changes.iter().map(|(_, u)| &u.rows))?;
    let diffs: Int64Array = changes.iter().flat_map(|(_, u)| (0..u.rows.num_rows()).map(|r| u.diff(r))).collect();
    let fields = rows.columns().iter().map(|c| SortField::new(c.data_type().clone())).collect();
    let keys = RowConverter::new(fields)?.convert_columns(rows.columns())?;
    let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
    order.sort_by(|&a, &b| keys.row(a as usize).cmp(&keys.row(b as usize)));
    let mut kept: Vec<u32> = Vec::new();
    for group in order.chunk_by(|&a, &b| keys.row(a as usize) == keys.row(b as usize)) {
        let count: i64 = group.iter().map(|&r| diffs.value(r as usize)).sum();
        kept.extend(group.first().into_iter().flat_map(|&r| std::iter::repeat_n(r, count.max(0) as usize)));
    }
    take_record_batch(&rows, &UInt32Array::from(kept))
}

/// Rows in an order, cut to a number.
pub fn order(rows: RecordBatch, sort: &[SortExpr]) -> datafusion::common::Result<RecordBatch> {
    if sort.is_empty() {
        return Ok(rows);
    }
    let frame = DFSchema::try_from(rows.schema().as_ref().clone())?;
    let mut columns = Vec::new();
    for one in sort {
        let plain = unqualified(one.expr.clone())?;
        let expr = create_physical_expr(&plain, &frame, &ExecutionProps::new(), &PhysicalPlanningContext::default())?;
        let values: ArrayRef = expr.evaluate(&rows)?.into_array(rows.num_rows())?;
        columns.push(SortColumn { values, options: Some(SortOptions { descending: !one.asc, nulls_first: one.nulls_first }) });
    }
    // A stable order: rows that are equal by the query stay in the order of their encoding.
    columns.push(SortColumn { values: Arc::new(Int64Array::from_iter_values(0..rows.num_rows() as i64)), options: None });
    Ok(take_record_batch(&rows, &lexsort_to_indices(&columns, None)?)?)
}

/// An expression whose columns are named without their table.
fn unqualified(expr: datafusion::logical_expr::Expr) -> datafusion::common::Result<datafusion::logical_expr::Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    use datafusion::logical_expr::Expr;
    let change = |e: Expr| match e {
        Expr::Column(c) => Ok(Transformed::yes(Expr::Column(datafusion::common::Column::new_unqualified(c.name)))),
        other => Ok(Transformed::no(other)),
    };
    expr.transform(change).map(|t| t.data)
}
