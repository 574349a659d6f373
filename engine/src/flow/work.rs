//! The life of a timely worker, in queries and in both tiers of a pipeline: its work, then the end of its dataflows.
//!
//! Timely itself would wait for that end for ever where another worker has stopped: what that one had to send does not come.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use timely::worker::Worker;

use super::defect;

/// How long a worker sleeps at most before it looks again whether the run has failed.
const LOOK: Duration = Duration::from_millis(20);

/// What the threads of a run share, so that all stop when one of them cannot go on.
pub trait Run {
    /// Ends the run; the first reason is kept.
    fn fail(&self, why: String);

    /// Whether it was ended so.
    fn failed(&self) -> bool;
}

/// Does a worker's work and works its dataflows to their end; once the run has failed they are dropped instead. Defects that its
/// operators meet, or that stop it, fail the run.
pub fn work_to_the_end(worker: &mut Worker, run: &Arc<impl Run + 'static>, work: impl FnOnce(&mut Worker)) {
    let told = run.clone();
    defect::hear(move |why| told.fail(why));
    guard("a worker", run.as_ref(), || {
        work(worker);
        while !run.failed() && worker.step_or_park(Some(LOOK)) {}
    });
    if run.failed() {
        worker.installed_dataflows().into_iter().for_each(|dataflow| worker.drop_dataflow(dataflow));
    }
}

/// Does the work of a thread. If a defect stops it, the run fails: nobody may wait for what does not come any more.
pub fn guard(thread: &str, run: &impl Run, work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        run.fail(format!("{thread} was stopped by a defect of the engine; what it said stands above"));
    }
}
