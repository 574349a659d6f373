//! A thread of its own that writes snapshots: states as workers hand them over, then what the view has given since the snapshot
//! before, then the manifest, which makes it a snapshot. One is under way at a time. Not here: the writing (`recorder.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Sender, bounded};

use super::job::Changes;
use super::recorder::Recorder;
use super::workers::Shared;
use crate::flow::work::guard;
use crate::sql::snapshot::{Handover, Part, Piece, SavedNode, SavedTable, Store, Waiting};

/// Pieces that wait: their bytes have a limit of their own, this one bounds those that are small.
const PIECES_AHEAD: usize = 1024;

/// What the thread is told.
pub enum Told {
    /// A snapshot of an epoch begins.
    Begin(u64),
    /// A piece of it.
    Piece(Piece),
    /// All its states are there.
    Complete(Box<Completion>),
}

impl From<Piece> for Told {
    fn from(piece: Piece) -> Self {
        Told::Piece(piece)
    }
}

/// What belongs to a snapshot beside its states.
pub struct Completion {
    /// How many workers handed states over.
    pub workers: usize,
    /// What the tables held.
    pub tables: Vec<SavedTable>,
    /// What the view gave since the snapshot before.
    pub changes: Changes,
    /// The same of the error collection.
    pub errors: Changes,
}

/// What all snapshots of a run have in common.
pub struct Written {
    /// Where they are written.
    pub store: Store,
    /// The run.
    pub run: String,
    /// The view that is answered.
    pub view: SavedNode,
    /// The nodes that have state.
    pub nodes: Vec<SavedNode>,
    /// Parts of the answer that a snapshot in the same folder has already.
    pub changes: Vec<Part>,
    /// The same of the error collection.
    pub errors: Vec<Part>,
}

/// The thread that writes the snapshots of a run.
pub struct Writing {
    tell: Sender<Told>,
    waiting: Waiting,
    busy: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Writing {
    /// Starts the thread; it stops the run when something fails, and rings when a snapshot is complete.
    ///
    /// # Errors
    /// When there can be no such thread.
    pub fn start(written: Written, shared: Arc<Shared>) -> std::io::Result<Self> {
        let (tell, told) = bounded(PIECES_AHEAD);
        let (waiting, busy) = (Waiting::default(), Arc::new(AtomicBool::default()));
        let mut recorder = Recorder::new(written, waiting.clone());
        let (idle, ended) = (busy.clone(), waiting.clone());
        let work = move || {
            guard("the thread that writes snapshots", shared.as_ref(), || recorder.run(told, &idle, &shared));
            // What is left of a run that failed waits for nothing.
            ended.end();
        };
        let thread = Builder::new().name("snapshots".into()).spawn(work)?;
        Ok(Writing { tell, waiting, busy, thread })
    }

    /// Whether a snapshot is under way.
    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst)
    }

    /// Begins a snapshot; the one before must be complete.
    pub fn begin(&self, epoch: u64) {
        self.busy.store(true, Ordering::SeqCst);
        // A thread that is gone has said why.
        self.tell.send(Told::Begin(epoch)).unwrap_or_default();
    }

    /// Completes the snapshot that was begun, once all states were handed over.
    pub fn complete(&self, completion: Completion) {
        self.tell.send(Told::Complete(Box::new(completion))).unwrap_or_default();
    }

    /// What takes the states of a worker.
    pub fn handover(&self, worker: usize) -> Handover {
        Handover::new(worker, self.tell.clone(), self.waiting.clone())
    }

    /// Ends the thread.
    pub fn end(self) {
        drop(self.tell);
        // What failed it has told.
        self.thread.join().unwrap_or_default();
    }
}
