//! What the threads of one tier share: specs, totals, a stop flag, and the first failure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::delta::store::SpecStore;
use crate::flow::work::Run;
use crate::telemetry::Totals;

/// An error that ends a run.
pub type Fatal = Box<dyn std::error::Error + Send + Sync>;

/// What the threads of one tier share.
pub struct Shared {
    /// What each device runs: on the edge the truth, in the cloud what was acknowledged.
    pub specs: RwLock<SpecStore>,
    /// What is counted, of both tiers.
    pub totals: Arc<Totals>,
    /// How the run ends early.
    pub ending: Arc<Ending>,
}

/// How a run ends before its input does.
#[derive(Default)]
pub struct Ending {
    stop: AtomicBool,
    failure: Mutex<Option<Fatal>>,
}

impl Ending {
    /// Asks both tiers to finish the epochs at hand and stop.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked to stop.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Ends the run with an error; the first one is kept.
    pub fn fail(&self, error: impl Into<Fatal>) {
        let mut slot = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert_with(|| error.into());
        drop(slot);
        self.stop();
    }

    /// Whether the run has failed.
    pub fn failed(&self) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Takes the failure, if there is one.
    pub fn take_failure(&self) -> Option<Fatal> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Run for Ending {
    fn fail(&self, why: String) {
        Ending::fail(self, why);
    }

    fn failed(&self) -> bool {
        Ending::failed(self)
    }
}
