//! What a snapshot holds: one JSON object a snapshot, written last.

use serde::{Deserialize, Serialize};

/// The layout that this version reads and writes.
pub const VERSION: u32 = 2;

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The layout.
    pub version: u32,
    /// The sealed epoch.
    pub epoch: u64,
    /// How many workers wrote it.
    pub workers: usize,
    /// The view that is answered, and the fingerprint of its plan.
    pub view: SavedNode,
    /// All nodes that have state.
    pub nodes: Vec<SavedNode>,
    /// What they keep.
    pub states: Vec<SavedState>,
    /// What the tables held.
    pub tables: Vec<SavedTable>,
    /// What the view changed in each epoch: columns `epoch` and `diff`, and the view's.
    pub changes: Vec<Part>,
    /// The same of the error collection.
    pub errors: Vec<Part>,
}

/// A node of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedNode {
    /// The view that it is part of.
    pub view: String,
    /// What it does, as `EXPLAIN` says it.
    pub title: String,
    /// What its plan and all beneath it come to, in hexadecimal digits.
    pub fingerprint: String,
}

/// One state of a node, over all workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedState {
    /// The fingerprint of its node, and which of the node's states it is.
    pub key: String,
    /// Where its rows are.
    pub parts: Vec<Part>,
}

/// Rows in an object, which may hold several parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The object.
    pub path: String,
    /// Where it begins in the object.
    pub offset: u64,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
    /// CRC-32C of its bytes.
    pub crc32c: u32,
}

/// A table as far as the snapshot has taken it in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedTable {
    /// Its name.
    pub name: String,
    /// What all its changes up to the epoch come to, in hexadecimal digits.
    pub digest: String,
}
