//! From the workers to the thread that writes: rows of states change hands here, and workers go on meanwhile.
//!
//! What waits to be written is held beside the states themselves, so it has a limit: a worker whose states are greater waits
//! until enough of them is written.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use arrow::array::RecordBatch;
use crossbeam_channel::Sender;

use super::SnapshotError;

/// Bytes of states that wait to be written: a snapshot of most views fits, and a machine that holds them has so much beside.
const WAITING_BYTES: usize = 256 << 20;

/// A piece of a worker's states.
pub struct Piece {
    /// The worker.
    pub worker: usize,
    /// The state that it is a part of.
    pub key: Arc<str>,
    /// Its rows; none where the state begins.
    pub rows: Option<RecordBatch>,
}

/// How many bytes wait; none once nobody writes any more.
#[derive(Clone)]
pub struct Waiting(Arc<(Mutex<Option<usize>>, Condvar)>);

impl Default for Waiting {
    fn default() -> Self {
        Waiting(Arc::new((Mutex::new(Some(0)), Condvar::new())))
    }
}

impl Waiting {
    /// Waits until there is room, then takes it.
    fn take(&self, bytes: usize) {
        let (waiting, freed) = &*self.0;
        let full = |held: &mut Option<usize>| held.is_some_and(|held| held > 0 && held + bytes > WAITING_BYTES);
        let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = freed.wait_while(waiting, full).unwrap_or_else(PoisonError::into_inner);
        *waiting = waiting.map(|held| held + bytes);
    }

    /// Gives the room of some rows back.
    pub fn give_back(&self, rows: &RecordBatch) {
        let bytes = bytes_of(rows);
        self.change(|waiting| waiting.map(|held| held.saturating_sub(bytes)));
    }

    /// Says that nobody writes any more, so that nobody waits.
    pub fn end(&self) {
        self.change(|_| None);
    }

    fn change(&self, to: impl FnOnce(Option<usize>) -> Option<usize>) {
        let (waiting, freed) = &*self.0;
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = to(*waiting);
        freed.notify_all();
    }
}

/// Bytes of the rows of a batch.
pub fn bytes_of(rows: &RecordBatch) -> usize {
    rows.columns().iter().map(|c| c.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}

/// Takes the states of one worker.
pub struct Handover {
    worker: usize,
    key: Arc<str>,
    to: Box<dyn Fn(Piece) -> bool>,
    waiting: Waiting,
}

impl Handover {
    /// Hands over to whoever takes pieces from a channel, where they are made something of.
    pub fn new<T: From<Piece> + 'static>(worker: usize, to: Sender<T>, waiting: Waiting) -> Self {
        let send = move |piece: Piece| to.send(piece.into()).is_ok();
        Handover { worker, key: "".into(), to: Box::new(send), waiting }
    }

    /// Begins a state.
    pub fn begin(&mut self, key: &str) {
        self.key = key.into();
        self.send(None);
    }

    /// Hands over rows of the state, all of one schema.
    ///
    /// # Errors
    /// When nobody takes them.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), SnapshotError> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.waiting.take(bytes_of(rows));
        match self.send(Some(rows.clone())) {
            true => Ok(()),
            false => Err(SnapshotError::Unfit("snapshots are not written any more".into())),
        }
    }

    fn send(&self, rows: Option<RecordBatch>) -> bool {
        let piece = Piece { worker: self.worker, key: self.key.clone(), rows };
        (self.to)(piece)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread::{Builder, JoinHandle};

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use crossbeam_channel::bounded;

    use super::{Handover, Piece, WAITING_BYTES, Waiting};

    /// A worker with more states than may wait goes on once the thread that writes them is gone, and is told so.
    #[test]
    fn nobody_waits_for_a_thread_that_is_gone() {
        let waiting = Waiting::default();
        waiting.take(WAITING_BYTES);
        let (to, from) = bounded::<Piece>(1);
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let own = waiting.clone();
        let work = move || {
            let rows = RecordBatch::try_from_iter([("v", column)]).map_err(|e| e.to_string())?;
            Handover::new(0, to, own).write(&rows).map_err(|e| e.to_string())
        };
        let worker = Builder::new().name("worker".into()).spawn(work);
        drop(from);
        waiting.end();
        let told = worker.map(JoinHandle::join);
        assert!(matches!(&told, Ok(Ok(Err(why))) if why.contains("not written any more")), "{told:?}");
    }
}
