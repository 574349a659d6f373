//! Runs one view over the history of its tables on timely, an epoch after the other, with snapshots if they are asked for.
//!
//! The first worker drives: it feeds an epoch, waits until all workers have passed it, takes what came out, and then may ask
//! every worker for its state. Not here: what a snapshot holds (`durable.rs`), how changes are summed up (`outcome.rs`).

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use timely::container::NoopBuilder;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::probe::Handle as ProbeHandle;
use timely::worker::Worker;

use super::durable::{Durable, Written};
use super::outcome::sum;
use super::tables::Tables;
use crate::flow::gather::{Outbox, gather};
use crate::flow::updates::Updates;
use crate::sql::Program;
use crate::sql::render::error_schema;
use crate::sql::snapshot::{SavedState, Size, States};
use crate::sql::watermark::{END, NOW, Watermarks};

type Input = timely::dataflow::operators::core::input::Handle<u64, NoopBuilder<Updates>>;
/// What epochs changed.
pub type Changes = Vec<(u64, Updates)>;

/// How long a worker sleeps at most when it has nothing to do: it then looks whether it is asked for its state.
const PARK: Duration = Duration::from_millis(1);

/// What a run gave.
pub struct Outcome {
    /// What each epoch changed.
    pub changes: Changes,
    /// Columns `view` and `error`: the error collection at the end.
    pub errors: RecordBatch,
    /// How much each state held at the last epoch with rows, over all workers.
    pub sizes: BTreeMap<String, Size>,
}

/// The changes of a view, epoch by epoch.
pub fn execute(program: &Program, tables: &Tables, view: &str, workers: usize, durable: Durable) -> Result<Outcome, String> {
    let schema = program.schema(view).ok_or("the view is not there")?;
    let begins_at = durable.begins_at();
    let mut job = Job {
        program: program.clone(),
        view: view.to_string(),
        tables: tables.schemas().map(|(n, _)| n.clone()).collect(),
        history: tables.history.clone(),
        last: tables.epoch,
        ended: tables.ended,
        durable,
        shared: Shared::default(),
        schema,
        out: Mutex::new(Ok((Vec::new(), Vec::new()))),
    };
    // What is known of watermarks belongs to this run. One that goes on from a snapshot knows how they stood there.
    job.program.watermarks = Watermarks::default();
    for (table, epoch, micros) in &tables.watermarks {
        job.program.watermarks.set(table, (*epoch).max(begins_at.unwrap_or(0)), *micros);
    }
    for (epoch, micros) in &tables.clock {
        job.program.watermarks.set(NOW, (*epoch).max(begins_at.unwrap_or(0)), *micros);
    }
    if job.ended {
        job.tables.iter().for_each(|table| job.program.watermarks.set(table, job.last + 1, END));
    }
    // Epochs are looked up by bisection: there may be as many as there are rows.
    job.history.sort_by_key(|(epoch, ..)| *epoch);
    let job = Arc::new(job);
    let running = job.clone();
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        // A worker that stops by a defect must not leave the others waiting for it.
        let run = std::panic::AssertUnwindSafe(|| running.run(worker));
        if std::panic::catch_unwind(run).is_err() {
            running.shared.fail("a worker stopped by a defect of the engine; what it said stands above".into());
        }
    })?;
    for done in guards.join() {
        done?;
    }
    if let Some(why) = lock(&job.shared.failed).take() {
        return Err(why);
    }
    let (changes, errors) = std::mem::replace(&mut *lock(&job.out), Ok((Vec::new(), Vec::new())))?;
    let errors = sum(&errors, &error_schema()).map_err(|e| e.to_string())?;
    let sizes = std::mem::take(&mut *lock(&job.shared.sizes));
    Ok(Outcome { changes, errors, sizes })
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Job {
    program: Program,
    view: String,
    tables: Vec<String>,
    history: Vec<(u64, String, Updates)>,
    /// The last epoch with rows; when the input has ended, one more closes everything.
    last: u64,
    ended: bool,
    durable: Durable,
    shared: Shared,
    schema: SchemaRef,
    out: Mutex<Result<(Changes, Changes), String>>,
}

/// What the workers of a run tell each other.
#[derive(Default)]
struct Shared {
    /// Why the run must stop.
    failed: Mutex<Option<String>>,
    stopped: AtomicBool,
    /// One more than the epoch whose states are asked for.
    asked: AtomicU64,
    /// Workers that have written them.
    answered: AtomicUsize,
    written: Mutex<Vec<SavedState>>,
    /// The epoch before which nothing is asked for any more.
    settled: AtomicU64,
    /// Whether the last epoch is over.
    done: AtomicBool,
    sizes: Mutex<BTreeMap<String, Size>>,
}

impl Shared {
    fn fail(&self, why: String) {
        lock(&self.failed).get_or_insert(why);
        self.stopped.store(true, Ordering::SeqCst);
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    fn add_sizes(&self, states: &States) {
        let mut all = lock(&self.sizes);
        for (key, size) in states.sizes() {
            let sum = all.entry(key).or_default();
            (sum.rows, sum.bytes) = (sum.rows + size.rows, sum.bytes + size.bytes);
        }
    }
}

/// The ends of a dataflow that the driver holds.
struct Ends {
    inputs: HashMap<String, Input>,
    outbox: Option<Outbox>,
    errors: Outbox,
    probe: ProbeHandle<u64>,
    /// Tables whose whole content is wanted at the first epoch.
    full: std::collections::BTreeSet<String>,
}

impl Job {
    fn run(&self, worker: &mut Worker) {
        let states = self.durable.states();
        let mut ends = self.dataflow(worker, &states);
        if let Some(error) = states.fault() {
            self.shared.fail(error.to_string());
        }
        match worker.index() {
            0 => {
                let found = self.drive(worker, &states, &mut ends);
                self.shared.done.store(true, Ordering::SeqCst);
                *lock(&self.out) = found;
            }
            _ => {
                ends.inputs.clear();
                self.follow(worker, &states);
            }
        }
    }

    fn dataflow(&self, worker: &mut Worker, states: &States) -> Ends {
        worker.dataflow::<u64, _, _>(|scope| {
            let (mut inputs, mut streams) = (HashMap::new(), HashMap::new());
            for name in &self.tables {
                let mut input = Input::new_with_builder();
                streams.insert(name.clone(), input.to_stream(scope));
                inputs.insert(name.clone(), input);
            }
            let anew = self.durable.anew(&self.view);
            let mut rendered = self.program.render_with(scope, streams, std::slice::from_ref(&self.view), states, &anew);
            let probe = ProbeHandle::new();
            let outbox = rendered.views.remove(&self.view).map(|stream| {
                let (outbox, done) = gather(stream, "answer");
                done.probe_with(&probe);
                outbox
            });
            let (errors, done) = gather(rendered.errors.0, "errors");
            done.probe_with(&probe);
            Ends { inputs, outbox, errors, probe, full: rendered.full }
        })
    }

    /// Waits for what the first worker asks, until the last epoch is over.
    fn follow(&self, worker: &mut Worker, states: &States) {
        let mut seen = 0;
        while states.is_tracked() && !self.shared.done.load(Ordering::SeqCst) && !self.shared.stopped() {
            worker.step_or_park(Some(PARK));
            if let Some(error) = states.fault() {
                self.shared.fail(error.to_string());
            }
            let asked = self.shared.asked.load(Ordering::SeqCst);
            if asked > seen {
                seen = asked;
                self.write(worker.index(), states, asked - 1);
            }
            states.settle(self.shared.settled.load(Ordering::SeqCst));
        }
    }

    fn write(&self, worker: usize, states: &States, epoch: u64) {
        if self.durable.is_measured() {
            self.shared.add_sizes(states);
        }
        match self.durable.save(states, worker, epoch) {
            Ok(saved) => lock(&self.shared.written).extend(saved),
            Err(error) => self.shared.fail(error.to_string()),
        }
        self.shared.answered.fetch_add(1, Ordering::SeqCst);
    }

    fn drive(&self, worker: &mut Worker, states: &States, ends: &mut Ends) -> Result<(Changes, Changes), String> {
        let begins_at = self.durable.begins_at();
        let first = begins_at.unwrap_or(0);
        let (mut changes, mut errors) = self.durable.before(&self.schema).map_err(|e| e.to_string())?;
        let mut written = self.durable.written();
        ends.inputs.values_mut().for_each(|input| input.advance_to(first));
        for epoch in first..=self.last + u64::from(self.ended) {
            self.feed(ends, epoch, begins_at);
            ends.inputs.values_mut().for_each(|input| input.advance_to(epoch + 1));
            while ends.probe.less_than(&(epoch + 1)) && !self.shared.stopped() {
                worker.step_or_park(Some(PARK));
                if let Some(error) = states.fault() {
                    self.shared.fail(error.to_string());
                }
            }
            if self.shared.stopped() {
                return Ok((changes, errors));
            }
            let taken = ends.outbox.as_ref().map_or(Ok(None), |o| o.take(epoch, &self.schema)).map_err(|e| e.to_string())?;
            changes.extend(taken.map(|u| (epoch, u)));
            errors.extend(ends.errors.take(epoch, &error_schema()).map_err(|e| e.to_string())?.map(|u| (epoch, u)));
            if self.durable.is_due(epoch, self.last) && begins_at != Some(epoch) {
                self.snapshot(worker, states, epoch, (&changes, &errors), &mut written)?;
            }
            self.shared.settled.store(epoch, Ordering::SeqCst);
            states.settle(epoch);
        }
        Ok((changes, errors))
    }

    /// Sends an epoch's changes; at the first epoch after a snapshot all that is wanted of what came before.
    fn feed(&self, ends: &mut Ends, epoch: u64, begins_at: Option<u64>) {
        let restored = begins_at == Some(epoch);
        let end = self.history.partition_point(|(at, ..)| *at <= epoch);
        let start = if restored { 0 } else { self.history.partition_point(|(at, ..)| *at < epoch) };
        for (_, table, updates) in self.history.get(start..end).unwrap_or_default() {
            let wanted = !restored || ends.full.contains(table);
            if let Some(input) = ends.inputs.get_mut(table).filter(|_| wanted) {
                input.send_batch(&mut updates.clone());
            }
        }
    }

    fn snapshot(
        &self,
        worker: &mut Worker,
        states: &States,
        epoch: u64,
        (changes, errors): (&Changes, &Changes),
        written: &mut Written,
    ) -> Result<(), String> {
        self.shared.answered.store(0, Ordering::SeqCst);
        self.shared.asked.store(epoch + 1, Ordering::SeqCst);
        self.write(0, states, epoch);
        while self.shared.answered.load(Ordering::SeqCst) < worker.peers() && !self.shared.stopped() {
            worker.step_or_park(Some(PARK));
        }
        if self.shared.stopped() {
            return Ok(());
        }
        let saved = std::mem::take(&mut *lock(&self.shared.written));
        let told =
            self.durable.complete(&self.program, &self.view, epoch, worker.peers(), saved, &self.history, (changes, errors), written);
        told.map_err(|e| e.to_string())
    }
}
