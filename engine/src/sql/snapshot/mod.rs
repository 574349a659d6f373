//! Snapshots: every state of a dataflow at a sealed epoch, in an object store, to go on from with any number of workers (D12).
//!
//! Each worker hands over what it keeps as Arrow, a thread writes it, the manifest last, so a snapshot is there whole or not at all. A
//! state is named by the fingerprint of the plan that it belongs to: where a plan has changed, what is equal is kept and
//! the rest is filled anew from what stands before it. Not here: how a state is rendered (`render`), when to snapshot
//! (whoever drives the epochs).

mod difference;
mod fingerprint;
mod handover;
mod manifest;
mod part;
mod restored;
mod states;
mod store;

pub use difference::Difference;
pub use fingerprint::{Fingerprint, fingerprint, of_text};
pub use handover::{Handover, Piece, Waiting};
pub use manifest::{Manifest, Part, SavedClock, SavedFile, SavedNode, SavedState, SavedTable, VERSION};
pub use part::PartWriter;
pub use restored::{Restored, epochs, manifest_path};
pub use states::{Place, Size, State, States, size_of};
pub use store::Store;

use arrow::error::ArrowError;

/// Why a snapshot could not be written or gone on from.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The store does not do what it is asked.
    #[error("could not {attempted} \"{path}\": {cause}")]
    Store {
        /// What was attempted.
        attempted: &'static str,
        /// On which object.
        path: String,
        /// What went wrong.
        cause: String,
    },
    /// An object is not what was written.
    #[error("snapshot part \"{path}\" is damaged: {why}; take the folder of its epoch away to go on from the one before")]
    Damaged {
        /// The object.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is nothing to go on from.
    #[error("there is no complete snapshot in \"{0}\"")]
    None(String),
    /// There is something that would be mixed with what is to be written.
    #[error("there are snapshots in \"{0}\" already: go on from them with --restore, or give another folder")]
    Exists(String),
    /// The snapshot is of something else.
    #[error("the snapshot does not fit: {0}")]
    Unfit(String),
    /// State cannot be written as Arrow, or read.
    #[error("state cannot be written or read: {0}")]
    Arrow(#[from] ArrowError),
}
