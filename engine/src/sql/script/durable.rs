//! What makes a run last: snapshots written at sealed epochs, and the one that it goes on from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::job::Changes;
use super::tables::Tables;
use crate::flow::hash::hash_rows;
use crate::flow::updates::Updates;
use crate::sql::Program;
use crate::sql::render::{batch, error_schema};
use crate::sql::snapshot::{
    Difference, Manifest, Part, PartWriter, Restored, SavedState, SavedTable, SnapshotError, States, Store, VERSION, epochs, manifest_path,
};

/// Complete snapshots of a run that stay; older ones are taken away.
const KEPT: usize = 3;

/// Snapshots to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// Where to.
    pub folder: PathBuf,
    /// How many epochs from one to the next.
    pub every: u64,
}

/// Snapshots to go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreOptions {
    /// Where they are.
    pub folder: PathBuf,
    /// Whether a changed plan is taken: what is equal is kept, the rest filled anew.
    pub changed_plan: bool,
}

/// How a run lasts.
#[derive(Clone, Debug, Default)]
pub struct Durable {
    run: String,
    write: Option<(Store, u64)>,
    restored: Option<Arc<Restored>>,
    /// Whether the view is another than the snapshot's, so that it begins with all its rows.
    changed: bool,
    /// Whether sizes of states are asked for at the end.
    measured: bool,
}

/// Parts of the answer that are written already.
#[derive(Default)]
pub struct Written {
    changes: (Vec<Part>, usize),
    errors: (Vec<Part>, usize),
}

impl Durable {
    /// A run that does not last, but tells what its states hold at the end.
    pub fn measured() -> Self {
        Durable { measured: true, ..Durable::default() }
    }

    /// Whether sizes of states are asked for.
    pub fn is_measured(&self) -> bool {
        self.measured
    }

    /// A run that lasts by options; `run` numbers the answers of a script.
    ///
    /// # Errors
    /// When a snapshot cannot be read, does not fit, or would be mixed with others.
    pub fn of(
        run: usize,
        (write, restore): (Option<&SnapshotOptions>, Option<&RestoreOptions>),
        program: &Program,
        tables: &Tables,
        view: &str,
    ) -> Result<Self, SnapshotError> {
        let run = format!("answer-{run}");
        let mut out = Durable { run: run.clone(), ..Durable::default() };
        if let Some(restore) = restore {
            let store = Store::open(&restore.folder)?;
            out.restored = Restored::newest(&store, &run)?.map(Arc::new);
            if out.restored.is_none() && store.list("")?.is_empty() {
                return Err(SnapshotError::None(store.folder().to_string()));
            }
        }
        if let Some(write) = write {
            let store = Store::open(&write.folder)?;
            let goes_on = restore.is_some_and(|r| same_folder(&r.folder, &write.folder));
            if !goes_on && !epochs(&store, &run)?.is_empty() {
                return Err(SnapshotError::Exists(store.folder().to_string()));
            }
            out.write = Some((store, write.every));
        }
        if let Some(restored) = out.restored.clone() {
            fits(restored.manifest(), tables)?;
            out.changed = out.is_changed(program, view)?;
            if out.changed && !restore.is_some_and(|r| r.changed_plan) {
                let difference = out.difference(program, view)?;
                let text = format!("the plan of view \"{view}\" has changed since epoch {}:\n{difference}", restored.manifest().epoch);
                return Err(SnapshotError::Unfit(format!("{text}give --changed-plan to go on like this")));
            }
        }
        Ok(out)
    }

    fn is_changed(&self, program: &Program, view: &str) -> Result<bool, SnapshotError> {
        let (now, _) = program.saved_nodes(view, &self.states(), false).ok_or_else(|| SnapshotError::Unfit("there is no view".into()))?;
        Ok(self.restored.as_ref().is_some_and(|r| r.manifest().view.fingerprint != now.fingerprint))
    }

    /// What going on with a changed plan means.
    fn difference(&self, program: &Program, view: &str) -> Result<Difference, SnapshotError> {
        let (_, nodes) = program.saved_nodes(view, &self.states(), true).ok_or_else(|| SnapshotError::Unfit("there is no view".into()))?;
        Ok(self.restored.as_ref().map(|r| Difference::between(r.manifest(), &nodes)).unwrap_or_default())
    }

    /// The states of one worker.
    pub fn states(&self) -> States {
        let tracked = self.write.is_some() || self.restored.is_some() || self.measured;
        if tracked { States::tracked(self.restored.clone()) } else { States::default() }
    }

    /// The epoch that the run begins with, when it goes on from a snapshot.
    pub fn begins_at(&self) -> Option<u64> {
        self.restored.as_ref().map(|r| r.manifest().epoch)
    }

    /// The view, when all its rows are wanted at the first epoch.
    pub fn anew(&self, view: &str) -> BTreeSet<String> {
        self.changed.then(|| view.to_string()).into_iter().collect()
    }

    /// Changes and errors of the epochs up to the snapshot.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn before(&self, schema: &SchemaRef) -> Result<(Changes, Changes), SnapshotError> {
        match self.restored.as_ref().filter(|_| !self.changed) {
            Some(r) => Ok((r.changes(&r.manifest().changes, schema)?, r.changes(&r.manifest().errors, &error_schema())?)),
            None => Ok((Vec::new(), Vec::new())),
        }
    }

    /// The parts of the answer that a snapshot in the same folder has already.
    pub fn written(&self) -> Written {
        let same = |r: &&Arc<Restored>| !self.changed && self.write.as_ref().is_some_and(|(store, _)| store.folder() == r.folder());
        let Some(restored) = self.restored.as_ref().filter(same) else { return Written::default() };
        let rows = |parts: &[Part]| (parts.to_vec(), parts.iter().map(|p| p.rows as usize).sum());
        Written { changes: rows(&restored.manifest().changes), errors: rows(&restored.manifest().errors) }
    }

    /// Whether states are asked for at the end of an epoch.
    pub fn is_due(&self, epoch: u64, last: u64) -> bool {
        if self.measured && epoch == last {
            return true;
        }
        self.write.as_ref().is_some_and(|(_, every)| epoch <= last && ((epoch + 1).is_multiple_of((*every).max(1)) || epoch == last))
    }

    /// Writes the states of one worker.
    ///
    /// # Errors
    /// With the first that cannot be written.
    pub fn save(&self, states: &States, worker: usize, epoch: u64) -> Result<Vec<SavedState>, SnapshotError> {
        match &self.write {
            Some((store, _)) => states.save(store, &format!("{}/{epoch:012}", self.run), worker, epoch),
            None => Ok(Vec::new()),
        }
    }

    /// Completes a snapshot: what the view has given, then the manifest; older snapshots go.
    ///
    /// # Errors
    /// When an object cannot be written.
    #[expect(clippy::too_many_arguments, reason = "all of it goes into one manifest")]
    pub fn complete(
        &self,
        program: &Program,
        view: &str,
        epoch: u64,
        workers: usize,
        saved: Vec<SavedState>,
        history: &[(u64, String, Updates)],
        (changes, errors): (&Changes, &Changes),
        written: &mut Written,
    ) -> Result<(), SnapshotError> {
        let Some((store, _)) = &self.write else { return Ok(()) };
        let no_view = || SnapshotError::Unfit("there is no view".into());
        let (view, nodes) = program.saved_nodes(view, &States::tracked(None), false).ok_or_else(no_view)?;
        append(store, &format!("{}/changes/{epoch:012}", self.run), changes, &mut written.changes)?;
        append(store, &format!("{}/errors/{epoch:012}", self.run), errors, &mut written.errors)?;
        let mut states: BTreeMap<String, SavedState> = BTreeMap::new();
        for SavedState { key, parts } in saved {
            states.entry(key.clone()).or_insert_with(|| SavedState { key, parts: Vec::new() }).parts.extend(parts);
        }
        let manifest = Manifest {
            version: VERSION,
            epoch,
            workers,
            view,
            nodes: nodes.into_iter().map(|(node, _)| node).collect(),
            states: states.into_values().collect(),
            tables: digests(history, epoch)?,
            changes: written.changes.0.clone(),
            errors: written.errors.0.clone(),
        };
        let text = serde_json::to_vec_pretty(&manifest).map_err(|e| SnapshotError::Unfit(e.to_string()))?;
        store.put(&manifest_path(&self.run, epoch), text)?;
        self.prune(store)
    }

    fn prune(&self, store: &Store) -> Result<(), SnapshotError> {
        let complete = epochs(store, &self.run)?;
        let Some(oldest) = complete.len().checked_sub(KEPT).and_then(|from| complete.get(from)) else { return Ok(()) };
        let epoch_of = |path: &String| path.strip_prefix(&format!("{}/", self.run))?.split('/').next()?.parse::<u64>().ok();
        let mut gone: Vec<String> = store.list(&self.run)?.into_iter().filter(|p| epoch_of(p).is_some_and(|e| e < *oldest)).collect();
        // The manifest goes first: what is half taken away is no snapshot.
        gone.sort_by_key(|path| !path.ends_with("manifest.json"));
        store.delete(&gone)
    }
}

fn same_folder(a: &std::path::Path, b: &std::path::Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Whether tables hold what they held when a snapshot was made.
fn fits(manifest: &Manifest, tables: &Tables) -> Result<(), SnapshotError> {
    if manifest.epoch > tables.epoch {
        let text = format!("it is of epoch {}, and the tables' changes end at epoch {}", manifest.epoch, tables.epoch);
        return Err(SnapshotError::Unfit(text));
    }
    let now = digests(&tables.history, manifest.epoch)?;
    for saved in &manifest.tables {
        if !now.contains(saved) {
            let text = format!("what table \"{}\" held up to epoch {} is not what it held then", saved.name, manifest.epoch);
            return Err(SnapshotError::Unfit(text));
        }
    }
    Ok(())
}

/// What each table's changes up to an epoch come to, whatever their order within an epoch.
fn digests(history: &[(u64, String, Updates)], epoch: u64) -> Result<Vec<SavedTable>, SnapshotError> {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for (at, table, updates) in history.iter().filter(|(at, ..)| *at <= epoch) {
        let sum = sums.entry(table).or_default();
        for (row, hash) in hash_rows(updates.rows.columns(), updates.rows.num_rows())?.into_iter().enumerate() {
            let weighed = (hash ^ at.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(updates.diff(row) as u64 | 1);
            *sum = sum.wrapping_add(weighed);
        }
    }
    Ok(sums.into_iter().map(|(name, sum)| SavedTable { name: name.to_string(), digest: format!("{sum:016x}") }).collect())
}

/// Writes what is not written yet of some changes.
fn append(store: &Store, prefix: &str, changes: &Changes, written: &mut (Vec<Part>, usize)) -> Result<(), SnapshotError> {
    let mut writer = PartWriter::new(store, prefix.to_string());
    let mut before = 0;
    for (epoch, updates) in changes {
        let rows = updates.rows.num_rows();
        if before >= written.1 {
            writer.write(&with_epoch(*epoch, updates)?)?;
        }
        before += rows;
    }
    written.0.extend(writer.end_state()?);
    writer.finish()?;
    written.1 = before;
    Ok(())
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
