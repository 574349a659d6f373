//! A state that snapshots know: filled with what was saved before its operator first runs, and written when it is asked.

use std::cell::RefCell;
use std::rc::Rc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;

use super::Keeper;
use crate::flow::exchange::workers_of;
use crate::sql::snapshot::{PartWriter, Place, Size, SnapshotError, State};

/// Which worker a saved row belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    /// The one that its first columns are sent to.
    ByKeys(usize),
    /// The one that some columns are sent to.
    ByColumns(Vec<usize>),
    /// Any.
    Any,
}

/// A state behind a shared pointer: its operator works on it, a snapshot reads it between two epochs.
struct Kept<K>(Rc<RefCell<K>>);

impl<K: Keeper> State for Kept<K> {
    fn save(&mut self, _: u64, out: &mut PartWriter<'_>) -> Result<(), SnapshotError> {
        self.0.borrow().save()?.iter().try_for_each(|rows| out.write(rows))
    }

    // It holds one version only.
    fn settle(&mut self, _: u64) {}

    fn size(&self) -> Size {
        self.0.borrow().size()
    }
}

/// Fills a state with what was saved at its place, and announces it there.
pub fn keep<K: Keeper + 'static>(mut state: K, at: &Place, index: usize, peers: usize) -> Rc<RefCell<K>> {
    for (number, part) in at.parts() {
        if state.routing() == Routing::Any && number % peers != index {
            continue;
        }
        for rows in at.read(&part) {
            let own = own_rows(&rows, &state.routing(), index, peers);
            told(own.and_then(|rows| state.restore(&rows)), at);
        }
    }
    let state = Rc::new(RefCell::new(state));
    if at.is_tracked() {
        at.announce(Kept(state.clone()));
    }
    state
}

/// What went well; what did not stops the run.
pub fn told<T>(result: Result<T, ArrowError>, at: &Place) -> Option<T> {
    result.map_err(|error| at.failed(error.into())).ok()
}

/// The rows of a saved batch that belong to a worker.
///
/// # Errors
/// When a column's type cannot be hashed.
pub fn own_rows(rows: &RecordBatch, routing: &Routing, index: usize, peers: usize) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = match routing {
        Routing::Any => return Ok(rows.clone()),
        Routing::ByKeys(keys) => rows.columns().iter().take(*keys).cloned().collect(),
        Routing::ByColumns(columns) => columns.iter().filter_map(|i| rows.columns().get(*i).cloned()).collect(),
    };
    let workers = workers_of(&columns, rows.num_rows(), peers)?;
    let own: BooleanArray = workers.iter().map(|w| Some(*w == index)).collect();
    filter_record_batch(rows, &own)
}
