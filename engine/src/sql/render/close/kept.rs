//! A state that snapshots know: filled with what was saved before its operator first runs, and written when it is asked.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;

use super::Keeper;
use crate::flow::exchange::workers_of;
use crate::sql::snapshot::{Handover, Place, Size, SnapshotError, State};

/// Rows of a state that are handed over together.
pub const SAVED_ROWS: usize = 1 << 13;

/// Columns as rows whose columns are numbered.
///
/// # Errors
/// When they are not of one length.
pub fn numbered(columns: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
    let field = |(i, c): (usize, &ArrayRef)| Field::new(i.to_string(), c.data_type().clone(), true);
    let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns)
}

/// Rows of many batches, small and great, on their way out in pieces of `SAVED_ROWS`.
#[derive(Default)]
pub struct Pieces {
    open: Vec<RecordBatch>,
    rows: usize,
}

impl Pieces {
    /// Adds rows; what makes a whole piece is handed over.
    ///
    /// # Errors
    /// When rows are of other columns than those before, or are not taken.
    pub fn add<E: From<ArrowError>>(&mut self, rows: &RecordBatch, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        let mut from = 0;
        while from < rows.num_rows() {
            let count = (rows.num_rows() - from).min(SAVED_ROWS - self.rows);
            self.open.push(rows.slice(from, count));
            (self.rows, from) = (self.rows + count, from + count);
            if self.rows == SAVED_ROWS {
                self.end(out)?;
            }
        }
        Ok(())
    }

    /// Hands over what is left.
    ///
    /// # Errors
    /// When rows are not all of the same columns, or are not taken.
    pub fn end<E: From<ArrowError>>(&mut self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        self.rows = 0;
        let open = std::mem::take(&mut self.open);
        match open.as_slice() {
            [] => Ok(()),
            [one] => out(one.clone()),
            [first, ..] => {
                let fields = first.schema().fields().iter().map(|f| Field::clone(f).with_nullable(true)).collect::<Vec<_>>();
                out(concat_batches(&Arc::new(Schema::new(fields)), &open)?)
            }
        }
    }
}

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
    fn save(&mut self, _: u64, out: &mut Handover) -> Result<(), SnapshotError> {
        self.0.borrow().save(&mut |rows| out.write(&rows))
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
    result.map_err(|error| at.failed(&error.into())).ok()
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
