//! What makes a run last: snapshots written at sealed epochs, and the one that it goes on from.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use littoral_connectors::setting::Span;

use super::digests::{fits, start};
use super::job::Changes;
use super::stream::Start;
use super::tables::{FileTable, Tables};
use super::workers::Shared;
use super::writing::{Writing, Written};
use crate::clock::Mark;
use crate::sql::Program;
use crate::sql::render::error_schema;
use crate::sql::snapshot::{Difference, Restored, SavedTable, SnapshotError, States, Store, epochs};

/// Snapshots to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// Where to.
    pub folder: PathBuf,
    /// How far apart.
    pub every: Every,
}

/// How far snapshots are apart; one at the end of the input is always written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// So many epochs, at least one.
    Epochs(u64),
    /// The first epoch that is over so long after the one before was begun.
    Time(Duration),
}

impl Every {
    /// Whether the end of an epoch is such a place, as far as its number tells.
    pub fn may_be(self, epoch: u64) -> bool {
        match self {
            Every::Epochs(count) => (epoch + 1).is_multiple_of(count.max(1)),
            Every::Time(_) => true,
        }
    }
}

impl FromStr for Every {
    type Err = String;
    /// A number of epochs, or a span of time: `10`, `500ms`, `1s`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
            let count = text.parse().ok().filter(|count| *count > 0);
            return count.map(Every::Epochs).ok_or_else(|| "a number of epochs is 1 or more".to_string());
        }
        Span::try_from(text.to_string()).map(|span| Every::Time(span.0))
    }
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
    write: Option<(Store, Every)>,
    restored: Option<Arc<Restored>>,
    /// Whether the view is another than the snapshot's, so that it begins with all its rows.
    changed: bool,
    /// Whether sizes of states are asked for at the end.
    measured: bool,
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
            let manifest = restored.manifest();
            // Where files are read, it is seen at their end whether there are so many epochs.
            if manifest.epoch > tables.epoch && tables.files().all(|f| f.held) {
                return Err(too_far(manifest.epoch, tables.epoch));
            }
            fits(&manifest.tables, manifest.epoch, tables)?;
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

    /// What the snapshot that a run goes on from has taken in of the tables, and its epoch.
    pub fn saved_tables(&self) -> Option<(&[SavedTable], u64)> {
        self.restored.as_ref().map(|r| (r.manifest().tables.as_slice(), r.manifest().epoch))
    }

    /// How a table's file is begun to be read; `full` says whether all its rows are wanted.
    pub fn start(&self, own: &FileTable<'_>, full: bool) -> Start {
        let manifest = self.restored.as_ref().map(|r| r.manifest());
        manifest.map(|m| start(&m.tables, m.epoch, own, full)).unwrap_or_default()
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

    /// The snapshot that a run goes on from in the folder that it writes to: it has the changes up to there.
    fn continued(&self) -> Option<&Arc<Restored>> {
        let (store, _) = self.write.as_ref()?;
        self.restored.as_ref().filter(|r| !self.changed && store.folder() == r.folder())
    }

    /// Whether the changes up to the snapshot that a run goes on from are written already.
    pub fn has_written(&self) -> bool {
        self.continued().is_some()
    }

    /// How far snapshots are apart, when any are written.
    pub fn every(&self) -> Option<Every> {
        self.write.as_ref().map(|(_, every)| *every)
    }

    /// Whether states are asked for at the end of an epoch; `last` is known once all input is, `before` is when they were asked
    /// for before.
    pub fn is_due(&self, epoch: u64, last: Option<u64>, before: Mark) -> bool {
        if self.measured && Some(epoch) == last {
            return true;
        }
        let within = last.is_none_or(|last| epoch <= last) && self.begins_at() != Some(epoch);
        let now = |every| match every {
            Every::Time(span) => before.elapsed() >= span,
            Every::Epochs(_) => every.may_be(epoch),
        };
        within && self.every().is_some_and(|every| Some(epoch) == last || now(every))
    }

    /// What writes the snapshots of a run, when any are written.
    ///
    /// # Errors
    /// When the view is not there, or no thread can be had.
    pub fn writing(&self, program: &Program, view: &str, shared: &Arc<Shared>) -> Result<Option<Writing>, SnapshotError> {
        let Some((store, _)) = &self.write else { return Ok(None) };
        let no_view = || SnapshotError::Unfit("there is no view".into());
        let (view, nodes) = program.saved_nodes(view, &States::tracked(None), false).ok_or_else(no_view)?;
        let (changes, errors) = match self.continued() {
            Some(restored) => (restored.manifest().changes.clone(), restored.manifest().errors.clone()),
            None => (Vec::new(), Vec::new()),
        };
        let nodes = nodes.into_iter().map(|(node, _)| node).collect();
        let written = Written { store: store.clone(), run: self.run.clone(), view, nodes, changes, errors };
        let started = Writing::start(written, shared.clone());
        started.map(Some).map_err(|e| SnapshotError::Unfit(e.to_string()))
    }
}

/// Why a run cannot go on from a snapshot that is ahead of its input.
pub fn too_far(epoch: u64, last: u64) -> SnapshotError {
    SnapshotError::Unfit(format!("it is of epoch {epoch}, and the tables' changes end at epoch {last}"))
}

fn same_folder(a: &std::path::Path, b: &std::path::Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_epochs_or_time_apart() {
        assert_eq!("3".parse(), Ok(Every::Epochs(3)));
        assert_eq!("250ms".parse(), Ok(Every::Time(Duration::from_millis(250))));
        for wrong in ["0", "", "-1", "soon", "99999999999999999999", "1 fortnight"] {
            assert!(wrong.parse::<Every>().is_err(), "{wrong}");
        }
    }
}
