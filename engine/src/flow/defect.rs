//! Defects that operators meet: one that cannot go on would give wrong answers from there on. Whoever drives the worker hears of it at
//! once, and ends the run, so that no answer is wrong in silence.
//!
//! At once means within the step that met it: only at its end does a step say how far the worker is. So who sees that an epoch has
//! passed on all workers knows of every defect in it. Merges within arrangements have nobody to give an error back to, and a worker
//! is a thread, so it is kept by thread who hears. Not here: what becomes of the worker (`work.rs`).

use std::cell::RefCell;
use std::fmt::Display;

/// What takes the words of a defect.
type Hears = Box<dyn Fn(String)>;

thread_local! {
    static HEARS: RefCell<Option<Hears>> = const { RefCell::new(None) };
}

/// Has defects of this thread's worker heard from now on.
pub fn hear(by: impl Fn(String) + 'static) {
    HEARS.set(Some(Box::new(by)));
}

/// Tells of a defect: what cannot be done, and why.
pub fn tell(what: &str, error: &dyn Display) {
    tracing::error!(%error, "{what}");
    end_run(&format!("an operator cannot go on, which is a defect of the engine: {what}: {error}"));
}

/// Tells what ends the run and is no defect: a state that cannot be filled with what was saved.
pub fn end_run(why: &str) {
    HEARS.with_borrow(|hears| hears.iter().for_each(|by| by(why.to_string())));
}
