//! Defects that operators meet: one that cannot go on would give wrong answers from there on. Whoever drives a worker asks after
//! each step whether it has met one, and ends the run, so that no answer is wrong in silence.
//!
//! Merges within arrangements have nobody to give an error back to. A worker is a thread, so defects are kept by thread.

use std::cell::RefCell;
use std::fmt::Display;

thread_local! {
    static MET: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Tells of a defect: what cannot be done, and why.
pub fn tell(what: &str, error: &dyn Display) {
    tracing::error!(%error, "{what}");
    MET.with_borrow_mut(|met| {
        met.get_or_insert_with(|| format!("{what}: {error}"));
    });
}

/// Whether all operators of this thread's worker have gone on.
///
/// # Errors
/// With the first defect that one of them met.
pub fn sound() -> Result<(), String> {
    met().map_or(Ok(()), |why| Err(format!("an operator cannot go on, which is a defect of the engine: {why}")))
}

/// The first defect that the worker of this thread has met since it was asked last.
pub fn met() -> Option<String> {
    MET.with_borrow_mut(Option::take)
}
