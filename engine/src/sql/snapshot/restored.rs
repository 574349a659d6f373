//! A snapshot to go on from: found, checked and read.

use std::collections::{HashMap, HashSet};

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::datatypes::{Int64Type, SchemaRef, UInt64Type};

use super::manifest::{Manifest, Part, SavedState, VERSION};
use super::part::{checked, read};
use super::{SnapshotError, Store};
use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;

/// A complete snapshot.
#[derive(Debug)]
pub struct Restored {
    store: Store,
    manifest: Manifest,
    nodes: HashSet<String>,
    states: HashMap<String, SavedState>,
}

/// The object that makes a snapshot of a run complete.
pub fn manifest_path(run: &str, epoch: u64) -> String {
    format!("{run}/{epoch:012}/manifest.json")
}

/// The epochs of a run that have a complete snapshot, in order.
///
/// # Errors
/// When the store cannot be listed.
pub fn epochs(store: &Store, run: &str) -> Result<Vec<u64>, SnapshotError> {
    let epoch = |path: &String| path.strip_suffix("/manifest.json")?.rsplit('/').next()?.parse().ok();
    Ok(store.list(run)?.iter().filter_map(epoch).collect())
}

impl Restored {
    /// The newest complete snapshot of a run, every part of it checked; none when there is none.
    ///
    /// # Errors
    /// When it is damaged or of another version.
    pub fn newest(store: &Store, run: &str) -> Result<Option<Self>, SnapshotError> {
        let Some(epoch) = epochs(store, run)?.last().copied() else { return Ok(None) };
        let path = manifest_path(run, epoch);
        let text = store.get(&path)?;
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|e| SnapshotError::Damaged { path: path.clone(), why: e.to_string() })?;
        if manifest.version != VERSION {
            return Err(SnapshotError::Unfit(format!("\"{path}\" is of version {}, this program reads {VERSION}", manifest.version)));
        }
        let parts = manifest.states.iter().flat_map(|s| &s.parts).chain(&manifest.changes).chain(&manifest.errors);
        for part in parts {
            checked(store, part)?;
        }
        let nodes = manifest.nodes.iter().map(|n| n.fingerprint.clone()).collect();
        let states = manifest.states.iter().map(|s| (s.key.clone(), s.clone())).collect();
        Ok(Some(Restored { store: store.clone(), manifest, nodes, states }))
    }

    /// What it holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The folder that it is in.
    pub fn folder(&self) -> &str {
        self.store.folder()
    }

    /// Whether it has the state of a node.
    pub fn has(&self, fingerprint: &str) -> bool {
        self.nodes.contains(fingerprint)
    }

    /// The parts of a state; none when it had no rows.
    pub fn parts(&self, key: &str) -> &[Part] {
        self.states.get(key).map_or(&[], |s| &s.parts)
    }

    /// The rows of a part.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, part: &Part) -> Result<Vec<RecordBatch>, SnapshotError> {
        read(&self.store, part)
    }

    /// Changes of epochs from parts with the columns `epoch` and `diff` before the rows' own.
    ///
    /// # Errors
    /// When a part cannot be read.
    pub fn changes(&self, parts: &[Part], schema: &SchemaRef) -> Result<Vec<(u64, Updates)>, SnapshotError> {
        let mut out: Vec<(u64, Updates)> = Vec::new();
        for part in parts {
            for batch in self.read(part)? {
                let bad = || SnapshotError::Damaged { path: part.path.clone(), why: "it does not hold changes".into() };
                let epochs = batch.columns().first().and_then(|c| c.as_primitive_opt::<UInt64Type>()).ok_or_else(bad)?;
                let diffs = batch.columns().get(1).and_then(|c| c.as_primitive_opt::<Int64Type>()).ok_or_else(bad)?;
                let own = batch.columns().iter().skip(2).cloned().collect();
                let rows = crate::sql::render::batch(schema.clone(), own, batch.num_rows()).map_err(|_| bad())?;
                let numbers: Vec<u32> = (0..epochs.len() as u32).collect();
                for same in numbers.chunk_by(|a, b| epochs.value(*a as usize) == epochs.value(*b as usize)) {
                    let Some(first) = same.first() else { continue };
                    let picked = take_rows(&rows, &UInt32Array::from(same.to_vec()))?;
                    let diffs: Vec<i64> = same.iter().map(|i| diffs.value(*i as usize)).collect();
                    out.push((epochs.value(*first as usize), Updates::changes(picked, diffs.into())));
                }
            }
        }
        Ok(out)
    }
}
