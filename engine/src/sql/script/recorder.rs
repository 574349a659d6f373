//! What the thread that writes snapshots does: the parts of each worker's states, what the view gave, the manifest; and it takes
//! the oldest snapshots away. Not here: what it is told and by whom (`writing.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};
use crossbeam_channel::Receiver;

use super::job::Changes;
use super::workers::Shared;
use super::writing::{Completion, Told, Written};
use crate::flow::updates::Updates;
use crate::sql::render::batch;
use crate::sql::snapshot::{Manifest, Part, PartWriter, Piece, SavedState, SnapshotError, Store, VERSION, Waiting, epochs, manifest_path};

/// Complete snapshots of a run that stay; older ones are taken away.
const KEPT: usize = 3;

/// The states of one worker as they are written.
struct Open {
    parts: PartWriter,
    key: Arc<str>,
    saved: Vec<SavedState>,
}

/// The thread's side.
pub struct Recorder {
    written: Written,
    epoch: u64,
    open: BTreeMap<usize, Open>,
    waiting: Waiting,
}

impl Recorder {
    /// Before the first snapshot; what it has written does not wait any more.
    pub fn new(written: Written, waiting: Waiting) -> Self {
        Recorder { written, epoch: 0, open: BTreeMap::new(), waiting }
    }

    /// Does what it is told until nobody tells it any more. After the first failure it writes nothing: a manifest would make a
    /// snapshot of states of which a piece is not there.
    pub fn run(&mut self, told: Receiver<Told>, busy: &AtomicBool, shared: &Shared) {
        let mut failed = false;
        for message in told {
            let (last, waited) = match &message {
                Told::Begin(_) => (false, None),
                Told::Piece(piece) => (false, piece.rows.clone()),
                Told::Complete(_) => (true, None),
            };
            if !failed && let Err(error) = self.record(message) {
                failed = true;
                shared.fail(error.to_string());
            }
            waited.iter().for_each(|rows| self.waiting.give_back(rows));
            if last {
                busy.store(false, Ordering::SeqCst);
                shared.bell.ring();
            }
        }
    }

    fn record(&mut self, message: Told) -> Result<(), SnapshotError> {
        match message {
            Told::Begin(epoch) => {
                self.epoch = epoch;
                self.open.clear();
                Ok(())
            }
            Told::Piece(piece) => self.piece(&piece),
            Told::Complete(completion) => self.complete(*completion),
        }
    }

    fn piece(&mut self, piece: &Piece) -> Result<(), SnapshotError> {
        let prefix = format!("{}/{:012}/worker-{}", self.written.run, self.epoch, piece.worker);
        let parts = || PartWriter::new(&self.written.store, prefix);
        let open = self.open.entry(piece.worker).or_insert_with(|| Open { parts: parts(), key: piece.key.clone(), saved: Vec::new() });
        if open.key != piece.key {
            open.end()?;
            open.key = piece.key.clone();
        }
        piece.rows.as_ref().map_or(Ok(()), |rows| open.parts.write(rows))
    }

    /// Writes what is left of the states, what the view gave, and the manifest; older snapshots go.
    fn complete(&mut self, completion: Completion) -> Result<(), SnapshotError> {
        let mut states: BTreeMap<String, SavedState> = BTreeMap::new();
        for (_, mut open) in std::mem::take(&mut self.open) {
            open.end()?;
            open.parts.finish()?;
            for SavedState { key, parts } in open.saved {
                states.entry(key.clone()).or_insert_with(|| SavedState { key, parts: Vec::new() }).parts.extend(parts);
            }
        }
        let Written { store, run, view, nodes, changes, errors } = &mut self.written;
        let (epoch, Completion { workers, tables, changes: given, errors: failed }) = (self.epoch, completion);
        changes.extend(append(store, format!("{run}/changes/{epoch:012}"), &given)?);
        errors.extend(append(store, format!("{run}/errors/{epoch:012}"), &failed)?);
        let manifest = Manifest {
            version: VERSION,
            epoch,
            workers,
            view: view.clone(),
            nodes: nodes.clone(),
            states: states.into_values().collect(),
            tables,
            changes: changes.clone(),
            errors: errors.clone(),
        };
        let text = serde_json::to_vec_pretty(&manifest).map_err(|e| SnapshotError::Unfit(e.to_string()))?;
        store.put(&manifest_path(run, epoch), text)?;
        prune(store, run)
    }
}

impl Open {
    fn end(&mut self) -> Result<(), SnapshotError> {
        self.saved.push(SavedState { key: self.key.to_string(), parts: self.parts.end_state()? });
        Ok(())
    }
}

fn prune(store: &Store, run: &str) -> Result<(), SnapshotError> {
    let complete = epochs(store, run)?;
    let Some(oldest) = complete.len().checked_sub(KEPT).and_then(|from| complete.get(from)) else { return Ok(()) };
    let epoch_of = |path: &String| path.strip_prefix(&format!("{run}/"))?.split('/').next()?.parse::<u64>().ok();
    let mut gone: Vec<String> = store.list(run)?.into_iter().filter(|p| epoch_of(p).is_some_and(|e| e < *oldest)).collect();
    // The manifest goes first: what is half taken away is no snapshot.
    gone.sort_by_key(|path| !path.ends_with("manifest.json"));
    store.delete(&gone)
}

/// Writes changes.
fn append(store: &Store, prefix: String, changes: &Changes) -> Result<Vec<Part>, SnapshotError> {
    let mut writer = PartWriter::new(store, prefix);
    for (epoch, updates) in changes {
        writer.write(&with_epoch(*epoch, updates)?)?;
    }
    let parts = writer.end_state()?;
    writer.finish()?;
    Ok(parts)
}

fn with_epoch(epoch: u64, updates: &Updates) -> Result<RecordBatch, SnapshotError> {
    let rows = updates.rows.num_rows();
    let epochs: ArrayRef = Arc::new(UInt64Array::from(vec![epoch; rows]));
    let diffs: Int64Array = (0..rows).map(|row| updates.diff(row)).collect();
    let own = updates.rows.schema();
    let fields = [Field::new("epoch", DataType::UInt64, false), Field::new("diff", DataType::Int64, false)].into_iter().map(Arc::new);
    let schema = Schema::new(fields.chain(own.fields().iter().cloned()).collect::<Vec<_>>());
    let columns = [epochs, Arc::new(diffs)].into_iter().chain(updates.rows.columns().iter().cloned()).collect();
    batch(Arc::new(schema), columns, rows).map_err(|e| SnapshotError::Unfit(e.strip_backtrace()))
}
