//! Runs one view over its tables on timely: files are read as it goes, changes of statements come in epoch by epoch, with
//! snapshots if they are asked for.
//!
//! Every worker feeds its share (`stream/feed.rs`); the first also drives (`drive.rs`). Not here: what a snapshot holds
//! (`digests.rs`, `recorder.rs`), what is made ready before (`prepare.rs`), how changes are summed up (`outcome.rs`).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::probe::Handle as ProbeHandle;
use timely::worker::Worker;

use super::digests::Digests;
use super::drive::{Driver, Ends};
use super::durable::Durable;
use super::failure::Failure;
use super::outcome::sum;
use super::outlet::Outlet;
use super::prepare::prepare;
use super::stream::{Feeder, History, Input, Sent, Stream};
use super::tables::Tables;
use super::workers::{Shared, lock};
use super::writing::Writing;
use crate::flow::gather::gather;
use crate::flow::updates::Updates;
use crate::flow::work::work_to_the_end;
use crate::sql::Program;
use crate::sql::render::error_schema;
use crate::sql::snapshot::{Size, States};
use crate::sql::stack::deep;

/// What epochs changed.
pub type Changes = Vec<(u64, Updates)>;

/// How long a worker sleeps at most when nobody rings and nothing is sent to it.
const PARK: Duration = Duration::from_millis(1);

/// What a run gave.
pub struct Outcome {
    /// What each epoch changed.
    pub changes: Changes,
    /// Columns `view` and `error`: the error collection at the end.
    pub errors: RecordBatch,
    /// How much each state held at the last epoch with rows, over all workers.
    pub sizes: BTreeMap<String, Size>,
    /// The last epoch with rows.
    pub last: u64,
    /// The rows of files that were read to their end.
    pub counts: Vec<(String, u64)>,
}

/// A run.
pub struct Job {
    /// The views.
    pub program: Program,
    /// Names of the tables.
    pub tables: Vec<String>,
    /// Files that are read.
    pub streams: Vec<Arc<Stream>>,
    /// Changes of tables that do not come from files that are read, in the order of their epochs.
    pub history: Arc<History>,
    /// What tables held, where snapshots are written, until the first worker takes it.
    pub digests: Mutex<Option<Digests>>,
    /// The last epoch with rows, but for those of files.
    pub last: u64,
    /// Whether the input has ended, so that one more epoch closes everything.
    pub ended: bool,
    /// How it lasts.
    pub durable: Durable,
    /// What the workers tell each other.
    pub shared: Arc<Shared>,
    /// The columns of the view.
    pub schema: SchemaRef,
    /// How many there are.
    pub workers: usize,
    /// The view.
    pub view: String,
    /// Where what it gives goes, until the first worker takes it.
    pub outlet: Mutex<Option<Outlet>>,
    /// What came of it.
    pub out: Mutex<Option<(Changes, Changes, u64)>>,
}

/// The changes of a view, epoch by epoch; they go to an outlet instead, if there is one.
///
/// # Errors
/// When a file cannot be read, a snapshot cannot be written, or the engine has a defect.
pub fn execute(
    program: &Program,
    tables: &Tables,
    view: &str,
    workers: usize,
    (durable, outlet): (Durable, Option<Outlet>),
) -> Result<Outcome, Failure> {
    let (job, readers) = prepare(program, tables, view, workers, (durable, outlet))?;
    let writing = job.durable.writing(&job.program, view, &job.shared).map_err(|e| e.to_string())?;
    let running = Arc::new((job, writing));
    let own = running.clone();
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (job, writing) = own.as_ref();
        work_to_the_end(worker, &job.shared, |worker| {
            deep(|| job.run(worker, writing.as_ref())).unwrap_or_else(|why| job.shared.fail(why));
        });
    })?;
    for done in guards.join() {
        done?;
    }
    let (job, writing) = Arc::into_inner(running).ok_or_else(|| "a worker is still at work".to_string())?;
    if let Some(writing) = writing {
        writing.end();
    }
    let failed = job.shared.take_failure();
    let outcome = job.outcome();
    // Readers stop once nobody takes their blocks.
    drop(job);
    for reader in readers {
        reader.join().unwrap_or_default();
    }
    failed.map_or(outcome, Err)
}

impl Job {
    /// The work of a worker. Whatever is wrong is told before the step that would let others see an epoch pass.
    fn run(&self, worker: &mut Worker, writing: Option<&Writing>) -> Result<(), Failure> {
        self.shared.bell.hear();
        let states = self.durable.states();
        let (mut feeder, ends) = self.dataflow(worker, &states);
        let mut driver = (worker.index() == 0).then(|| Driver::new(self, ends)).transpose()?;
        let (mut asked, mut settled) = (0, 0);
        while !self.shared.is_over() {
            match feeder.turn(&self.shared)? {
                Sent::Some => drop(worker.step()),
                Sent::None => drop(worker.step_or_park(Some(PARK))),
            }
            self.shared.round(worker.index());
            if self.shared.stopped() {
                break;
            }
            if self.shared.asked() > asked && states.are_at(self.shared.asked() - 1) {
                asked = self.shared.asked();
                self.hand_over(worker.index(), &states, asked - 1, writing)?;
            }
            if self.shared.settled() > settled {
                settled = self.shared.settled();
                states.settle(settled);
            }
            driver.as_mut().map_or(Ok(()), |d| d.turn(self, writing))?;
        }
        if let Some(driver) = driver {
            *lock(&self.out) = Some(driver.end());
        }
        Ok(())
    }

    fn dataflow(&self, worker: &mut Worker, states: &States) -> (Feeder, Ends) {
        let index = worker.index();
        let (inputs, ends, full) = worker.dataflow::<u64, _, _>(|scope| {
            let (mut inputs, mut streams) = (HashMap::new(), HashMap::new());
            for name in &self.tables {
                let mut input = Input::new_with_builder();
                streams.insert(name.clone(), input.to_stream(scope));
                inputs.insert(name.clone(), input);
            }
            let anew = self.durable.anew(&self.view);
            let mut rendered = self.program.render_with(scope, streams, std::slice::from_ref(&self.view), states, &anew);
            let probe = ProbeHandle::new();
            let answer = rendered.views.remove(&self.view).map(|stream| {
                let (outbox, done) = gather(stream, "answer");
                done.probe_with(&probe);
                outbox
            });
            let (errors, done) = gather(rendered.errors.0, "errors");
            done.probe_with(&probe);
            (inputs, Ends { answer, errors, probe }, rendered.full)
        });
        let history = (index == 0).then(|| self.history.clone());
        let mut feeder = Feeder::new(inputs, &self.streams, history, index);
        feeder.begin(self.durable.begins_at(), &full);
        (feeder, ends)
    }

    /// Hands over what a worker keeps, and tells how much that is if it is asked for.
    fn hand_over(&self, worker: usize, states: &States, epoch: u64, writing: Option<&Writing>) -> Result<(), Failure> {
        if self.durable.is_measured() {
            self.shared.add_sizes(states);
        }
        if let Some(writing) = writing {
            states.hand_over(epoch, &mut writing.handover(worker)).map_err(|e| e.to_string())?;
        }
        // A state that could not be read whole was told as a defect.
        if !self.shared.stopped() {
            self.shared.answer();
        }
        Ok(())
    }

    fn outcome(&self) -> Result<Outcome, Failure> {
        let (changes, errors, last) = lock(&self.out).take().unwrap_or_default();
        let errors = sum(&errors, &error_schema()).map_err(|e| e.to_string())?;
        let count = |s: &Arc<Stream>| Some((s.table.clone(), s.with_placer(|p| p.count())?));
        let counts = self.streams.iter().filter_map(count).collect();
        Ok(Outcome { changes, errors, sizes: self.shared.take_sizes(), last, counts })
    }
}
