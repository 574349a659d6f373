//! What the workers of a run tell each other beside what flows between them: when to wake up, how far inputs may go, when
//! their states are asked for, and why to stop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use super::failure::Failure;
use crate::flow::work::Run;
use crate::sql::snapshot::{Size, States};

/// Wakes workers that sleep.
#[derive(Clone, Default)]
pub struct Bell(Arc<Mutex<Vec<Thread>>>);

impl Bell {
    /// Hears from now on.
    pub fn hear(&self) {
        lock(&self.0).push(std::thread::current());
    }

    /// Wakes all that hear.
    pub fn ring(&self) {
        lock(&self.0).iter().for_each(Thread::unpark);
    }
}

/// What the workers of a run tell each other.
pub struct Shared {
    /// Wakes them.
    pub bell: Bell,
    /// Why the run must stop.
    failed: Mutex<Option<Failure>>,
    stopped: AtomicBool,
    /// The epoch to which inputs may advance.
    limit: AtomicU64,
    /// One more than the epoch whose states are asked for.
    asked: AtomicU64,
    /// Workers that have handed them over.
    answered: AtomicUsize,
    /// The epoch before which nothing is asked for any more.
    settled: AtomicU64,
    /// Whether the last epoch is over.
    done: AtomicBool,
    /// How often each worker has taken in what was sent to it.
    rounds: Vec<AtomicU64>,
    sizes: Mutex<BTreeMap<String, Size>>,
}

impl Run for Shared {
    fn fail(&self, why: String) {
        Shared::fail(self, why);
    }

    fn failed(&self) -> bool {
        self.stopped()
    }
}

/// What a lock guards, also when a thread stopped by a defect while it held it.
pub fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Of some workers, whose inputs begin at an epoch.
    pub fn new(workers: usize, first: u64) -> Self {
        Shared {
            bell: Bell::default(),
            failed: Mutex::default(),
            stopped: AtomicBool::default(),
            // The first epoch may be over, and rows of the next may come meanwhile.
            limit: AtomicU64::new(first + 1),
            asked: AtomicU64::default(),
            answered: AtomicUsize::default(),
            settled: AtomicU64::default(),
            done: AtomicBool::default(),
            rounds: (0..workers).map(|_| AtomicU64::default()).collect(),
            sizes: Mutex::default(),
        }
    }

    /// How many there are.
    pub fn workers(&self) -> usize {
        self.rounds.len()
    }

    /// Stops the run; the first reason is kept.
    pub fn fail(&self, why: impl Into<Failure>) {
        lock(&self.failed).get_or_insert(why.into());
        self.stopped.store(true, Ordering::SeqCst);
        self.bell.ring();
    }

    /// Whether the run must stop.
    pub fn stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Why the run stopped, if it failed.
    pub fn take_failure(&self) -> Option<Failure> {
        lock(&self.failed).take()
    }

    /// Says that the last epoch is over.
    pub fn finish(&self) {
        self.done.store(true, Ordering::SeqCst);
        self.bell.ring();
    }

    /// Whether there is nothing more to do.
    pub fn is_over(&self) -> bool {
        self.done.load(Ordering::SeqCst) || self.stopped()
    }

    /// The epoch to which inputs may advance; its rows may be fed.
    pub fn limit(&self) -> u64 {
        self.limit.load(Ordering::SeqCst)
    }

    /// Says that an epoch is over, and nothing of it is asked for any more.
    pub fn settle(&self, epoch: u64) {
        self.settled.store(epoch, Ordering::SeqCst);
        self.limit.store(epoch + 2, Ordering::SeqCst);
        self.bell.ring();
    }

    /// The epoch before which nothing is asked for any more.
    pub fn settled(&self) -> u64 {
        self.settled.load(Ordering::SeqCst)
    }

    /// Asks all workers for their states at an epoch.
    pub fn ask(&self, epoch: u64) {
        self.answered.store(0, Ordering::SeqCst);
        self.asked.store(epoch + 1, Ordering::SeqCst);
        self.bell.ring();
    }

    /// One more than the epoch at which states are asked for.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Says that a worker has handed its states over.
    pub fn answer(&self) {
        self.answered.fetch_add(1, Ordering::SeqCst);
        self.bell.ring();
    }

    /// Whether all workers have.
    pub fn is_answered(&self) -> bool {
        self.answered.load(Ordering::SeqCst) == self.rounds.len()
    }

    /// Says that a worker has taken in what was sent to it.
    pub fn round(&self, worker: usize) {
        if let Some(rounds) = self.rounds.get(worker) {
            rounds.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// How often each worker has.
    pub fn rounds(&self) -> Vec<u64> {
        self.rounds.iter().map(|r| r.load(Ordering::SeqCst)).collect()
    }

    /// Adds what a worker's states hold.
    pub fn add_sizes(&self, states: &States) {
        let mut all = lock(&self.sizes);
        for (key, size) in states.sizes() {
            let sum = all.entry(key).or_default();
            (sum.rows, sum.bytes) = (sum.rows + size.rows, sum.bytes + size.bytes);
        }
    }

    /// What all states hold.
    pub fn take_sizes(&self) -> BTreeMap<String, Size> {
        std::mem::take(&mut *lock(&self.sizes))
    }
}
