//! The operator of joins of all kinds: rows of both sides wait until an epoch is complete on both, then the epoch is worked through.
//!
//! What an epoch gives may be much more than what comes. So after a bounded number of rows the operator lets others run, and
//! goes on when it is scheduled again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use arrow::error::ArrowError;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::divided::{Divided, Epoch};
use super::sides::Sides;
use super::state::Given;
use crate::flow::updates::Updates;
use crate::sql::render::Changes;
use crate::sql::render::close::late_rows;
use crate::sql::render::rows::error_rows;

/// Rows that are looked at before others may run.
const ROWS_AT_ONCE: usize = 1 << 18;

/// What is told of rows that were taken away and were not there, once for each.
const NEVER_CAME: &str = "a row of a join was taken away that had not come";

/// An epoch that waits: its capabilities for rows, errors and late rows, and the rows of both sides.
struct Waiting<S: Sides> {
    rows: Capability<u64>,
    errors: Capability<u64>,
    late: Capability<u64>,
    left: Vec<Updates>,
    right: Vec<Updates>,
    work: Option<Epoch<S>>,
}

/// What a join gives.
pub struct Streams<'s> {
    /// Its rows.
    pub rows: Changes<'s>,
    /// Pairs on which its further condition fails, as rows of an error collection.
    pub errors: Changes<'s>,
    /// Rows that came too late, as rows of a collection of those.
    pub late: Changes<'s>,
}

/// Runs a join over two streams. What it has given before, when that is wanted, comes at the epoch that the run begins with.
pub fn operate<'s, S: Sides + 'static>(
    left: Changes<'s>,
    right: Changes<'s>,
    view: &str,
    state: Option<Rc<RefCell<Divided<S>>>>,
    mut before: Vec<Updates>,
    begins_at: u64,
) -> Streams<'s> {
    let (view, scope) = (view.to_string(), left.scope());
    let mut builder = OperatorBuilder::new(format!("join {view}"), scope);
    let activator = scope.activator_for(builder.operator_info().address);
    let mut left = builder.new_input(left, Pipeline);
    let mut right = builder.new_input(right, Pipeline);
    let (rows, row_stream) = builder.new_output();
    let (errors, error_stream) = builder.new_output();
    let (late, late_stream) = builder.new_output();
    let mut rows = OutputBuilder::<_, NoopBuilder<Updates>>::from(rows);
    let mut errors = OutputBuilder::<_, NoopBuilder<Updates>>::from(errors);
    let mut late = OutputBuilder::<_, NoopBuilder<Updates>>::from(late);
    builder.build(move |capabilities| {
        let mut held = capabilities.first().filter(|_| !before.is_empty()).map(|c| c.delayed(&begins_at));
        drop(capabilities);
        let mut waiting: BTreeMap<u64, Waiting<S>> = BTreeMap::new();
        move |frontiers| {
            left.for_each_stamp(|cap, data| {
                if let Some(&time) = cap.least() {
                    let entry = waiting.entry(time).or_insert_with(|| Waiting::new([0, 1, 2].map(|port| cap.delayed(&time, port))));
                    entry.left.extend(data.map(std::mem::take));
                }
            });
            right.for_each_stamp(|cap, data| {
                if let Some(&time) = cap.least() {
                    let entry = waiting.entry(time).or_insert_with(|| Waiting::new([0, 1, 2].map(|port| cap.delayed(&time, port))));
                    entry.right.extend(data.map(std::mem::take));
                }
            });
            let Some(state) = state.as_ref() else { return waiting.clear() };
            let (mut rows, mut errors, mut late) = (rows.activate(), errors.activate(), late.activate());
            if let Some(cap) = held.take() {
                let mut session = rows.session_with_builder(&cap);
                before.drain(..).for_each(|mut updates| session.give_container(&mut updates));
            }
            let least = frontiers.iter().filter_map(|f| f.frontier().first().copied()).min();
            while let Some(mut entry) = waiting.first_entry().filter(|e| least.is_none_or(|f| *e.key() < f)) {
                let mut out = Given::default();
                let epoch = *entry.key();
                let done = entry.get_mut().go_on(epoch, &mut state.borrow_mut(), &mut out);
                let mut session = rows.session_with_builder(&entry.get().rows);
                out.rows.iter_mut().for_each(|updates| session.give_container(updates));
                drop(session);
                // What was taken away and had not come cannot be taken away: the answer may be wrong there, which its errors say.
                if let Ok(rows @ 1..) = i64::try_from(out.missing) {
                    out.errors.push((NEVER_CAME.into(), rows));
                }
                if let Some(mut failed) = error_rows(&view, &out.errors) {
                    errors.session_with_builder(&entry.get().errors).give_container(&mut failed);
                }
                for mut updates in out.late.iter().filter_map(|u| told(&view, late_rows(&view, u))) {
                    late.session_with_builder(&entry.get().late).give_container(&mut updates);
                }
                if told(&view, done) == Some(false) {
                    return activator.activate();
                }
                entry.remove();
            }
        }
    });
    Streams { rows: row_stream, errors: error_stream, late: late_stream }
}

/// What went well; what did not is a defect, and told.
fn told<T>(view: &str, result: Result<T, ArrowError>) -> Option<T> {
    result
        .map_err(|error| crate::flow::defect::tell(&format!("an epoch of a join of view \"{view}\" cannot be worked through"), &error))
        .ok()
}

impl<S: Sides> Waiting<S> {
    fn new([rows, errors, late]: [Capability<u64>; 3]) -> Self {
        Waiting { rows, errors, late, left: Vec::new(), right: Vec::new(), work: None }
    }

    fn go_on(&mut self, epoch: u64, state: &mut Divided<S>, out: &mut Given) -> Result<bool, ArrowError> {
        let work = match &mut self.work {
            Some(work) => work,
            None => {
                let (left, right) = (std::mem::take(&mut self.left), std::mem::take(&mut self.right));
                self.work.insert(state.begin(epoch, &left, &right, &mut out.late)?)
            }
        };
        state.go_on(work, out, ROWS_AT_ONCE)
    }
}
