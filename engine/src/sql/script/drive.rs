//! Drives a run from epoch to epoch, on the first worker: takes what came out of an epoch once all workers have passed it, has
//! a snapshot made if one is due, and lets the inputs move on.
//!
//! Rows of the next epoch come in meanwhile. Those of the one after it wait, so a state is never ahead of the epoch that a
//! snapshot is of.

use timely::dataflow::operators::probe::Handle as ProbeHandle;

use super::digests::Digests;
use super::durable::too_far;
use super::job::{Changes, Job};
use super::outlet::Outlet;
use super::workers::lock;
use super::writing::{Completion, Writing};
use crate::clock::{Mark, mark};
use crate::flow::gather::Outbox;
use crate::sql::render::error_schema;
use crate::sql::watermark::END;

/// The ends of a dataflow.
pub struct Ends {
    /// What the view gives; none when it could not be rendered.
    pub answer: Option<Outbox>,
    /// Its error collection.
    pub errors: Outbox,
    /// How far both are.
    pub probe: ProbeHandle<u64>,
}

/// Epochs after which places of files are let go of that no snapshot was made of: a few bytes an epoch of each file.
const FORGETS_EVERY: u64 = 1024;

/// How far an epoch is.
#[derive(Clone, Copy)]
enum Step {
    /// Its rows are under way.
    Open,
    /// What it gave is taken.
    Taken,
    /// The workers hand over their states.
    Asked,
    /// Its snapshot, if one was due, is on its way.
    Kept,
}

/// Drives a run.
pub struct Driver {
    ends: Ends,
    epoch: u64,
    step: Step,
    /// The last epoch with rows, once it is known.
    last: Option<u64>,
    /// When states were asked for, or the run began.
    asked: Mark,
    digests: Option<Digests>,
    outlet: Option<Outlet>,
    /// What the view gave; with an outlet only what is in no snapshot yet, if any are written.
    changes: Changes,
    errors: Changes,
    /// How many of both are in snapshots.
    written: (usize, usize),
}

impl Driver {
    /// Begins a run.
    ///
    /// # Errors
    /// When what a snapshot has of the answer cannot be read.
    pub fn new(job: &Job, ends: Ends) -> Result<Self, String> {
        let (mut changes, errors) = job.durable.before(&job.schema).map_err(|e| e.to_string())?;
        let mut outlet = lock(&job.outlet).take();
        if let Some(outlet) = &mut outlet {
            changes.iter().try_for_each(|(epoch, updates)| outlet.write(*epoch, updates))?;
            changes.retain(|_| job.durable.every().is_some() && !job.durable.has_written());
        }
        let written = if job.durable.has_written() { (changes.len(), errors.len()) } else { (0, 0) };
        let digests = lock(&job.digests).take();
        let epoch = job.durable.begins_at().unwrap_or(0);
        Ok(Driver { ends, epoch, step: Step::Open, last: None, asked: mark(), digests, outlet, changes, errors, written })
    }

    /// Goes as far as it can be gone.
    ///
    /// # Errors
    /// When what came out cannot be put together, or a snapshot cannot be made.
    pub fn turn(&mut self, job: &Job, writing: Option<&Writing>) -> Result<(), String> {
        while let Some(step) = self.advance(job, writing)? {
            self.step = step;
        }
        Ok(())
    }

    /// Takes one step; none when something has to happen first.
    fn advance(&mut self, job: &Job, writing: Option<&Writing>) -> Result<Option<Step>, String> {
        // An epoch with a defect passes like any other, and is then of no use.
        if job.shared.stopped() {
            return Ok(None);
        }
        self.look_for_the_end(job)?;
        let busy = writing.is_some_and(Writing::is_busy);
        match self.step {
            Step::Open if self.ends.probe.less_than(&(self.epoch + 1)) || self.is_being_read(job) => Ok(None),
            Step::Open => self.take(job).map(|()| Some(Step::Taken)),
            Step::Taken if !job.durable.is_due(self.epoch, self.last, self.asked) => Ok(Some(Step::Kept)),
            // A snapshot waits for the one before.
            Step::Taken if busy => Ok(None),
            Step::Taken => {
                writing.inspect(|w| w.begin(self.epoch));
                job.shared.ask(self.epoch);
                self.asked = mark();
                Ok(Some(Step::Asked))
            }
            Step::Asked if !job.shared.is_answered() => Ok(None),
            Step::Asked => {
                if let Some(writing) = writing {
                    writing.complete(self.completion(job)?);
                }
                Ok(Some(Step::Kept))
            }
            // The newest snapshot is complete before the run is over.
            Step::Kept if self.last.is_some_and(|last| self.epoch >= last + u64::from(job.ended)) => {
                if !busy {
                    self.outlet.take().map_or(Ok(()), Outlet::end)?;
                    job.shared.finish();
                }
                Ok(None)
            }
            Step::Kept => {
                job.shared.settle(self.epoch);
                job.program.watermarks.settle(self.epoch);
                self.epoch += 1;
                if self.epoch.is_multiple_of(FORGETS_EVERY) {
                    self.digests.iter().for_each(|digests| digests.forget(self.epoch));
                }
                Ok(Some(Step::Open))
            }
        }
    }

    /// Whether a file may have more rows of the epoch. What a query gives may not hang on the file at all, and be ahead of it.
    fn is_being_read(&self, job: &Job) -> bool {
        job.streams.iter().any(|stream| stream.epoch() <= self.epoch)
    }

    /// Once all files are read it is known which epoch is the last; after it everything is closed.
    fn look_for_the_end(&mut self, job: &Job) -> Result<(), String> {
        // A file that is being read says so without its lock, which another worker may hold for long.
        if self.last.is_some() || job.streams.iter().any(|stream| stream.epoch() < u64::MAX) {
            return Ok(());
        }
        let Some(of_files) = job.streams.iter().map(|s| s.with_placer(|p| p.last_epoch())).collect::<Option<Vec<u64>>>() else {
            return Ok(());
        };
        let last = of_files.into_iter().max().unwrap_or(0).max(job.last);
        if let Some(begins) = job.durable.begins_at().filter(|begins| *begins > last) {
            return Err(too_far(begins, last).to_string());
        }
        if job.ended {
            job.tables.iter().for_each(|table| job.program.watermarks.set(table, last + 1, END));
        }
        self.last = Some(last);
        Ok(())
    }

    fn completion(&mut self, job: &Job) -> Result<Completion, String> {
        let tables = self.digests.as_mut().map(|d| d.at(&job.history, self.epoch)).transpose().map_err(|e| e.to_string())?;
        let since = |all: &Changes, from: usize| all.get(from..).unwrap_or_default().to_vec();
        let (changes, errors) = (since(&self.changes, self.written.0), since(&self.errors, self.written.1));
        if self.outlet.is_some() {
            self.changes.clear();
        }
        self.written = (self.changes.len(), self.errors.len());
        Ok(Completion { workers: job.workers, tables: tables.unwrap_or_default(), changes, errors })
    }

    /// Changes and errors of all epochs, and the last of those that had rows.
    pub fn end(self) -> (Changes, Changes, u64) {
        (self.changes, self.errors, self.last.unwrap_or(self.epoch))
    }

    fn take(&mut self, job: &Job) -> Result<(), String> {
        let epoch = self.epoch;
        let answer = match (&self.ends.answer, &self.outlet, &self.digests) {
            // What is not looked at is put in no order.
            (Some(outbox), Some(Outlet::Nowhere), None) => {
                outbox.forget(epoch);
                None
            }
            (Some(outbox), ..) => outbox.take(epoch, &job.schema).map_err(|e| e.to_string())?,
            (None, ..) => None,
        };
        if let (Some(outlet), Some(updates)) = (&mut self.outlet, &answer) {
            outlet.write(epoch, updates)?;
        }
        if self.outlet.is_none() || self.digests.is_some() {
            self.changes.extend(answer.map(|u| (epoch, u)));
        }
        let errors = self.ends.errors.take(epoch, &error_schema()).map_err(|e| e.to_string())?;
        self.errors.extend(errors.map(|u| (epoch, u)));
        Ok(())
    }
}
