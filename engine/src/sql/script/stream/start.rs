//! Places between two rows of a file, and where a run begins to read: at the first row, or behind those that a snapshot has.

use littoral_connectors::files::table::Position;

/// A place in a file between two rows, with all that is needed to go on from there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Rows before it.
    pub rows: u64,
    /// Bytes before it, in a text.
    pub bytes: u64,
    /// CRC-32C of those, but for the header line.
    pub crc32c: u32,
    /// The greatest time that counts for the watermark, in microseconds.
    pub newest: Option<i64>,
}

/// How a run begins to read a file.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The epoch that the run begins with, when it goes on from a snapshot.
    pub epoch: Option<u64>,
    /// Whether rows of epochs up to that one come in at it; else they do not come.
    pub full: bool,
    /// Where to go on, when what stands before need not be read.
    pub skipped: Option<Mark>,
}

impl Start {
    /// The place at which reading begins.
    pub fn from(&self) -> Position {
        self.skipped.as_ref().map_or(Position::default(), |m| Position { rows: m.rows, bytes: m.bytes })
    }

    /// The mark at which reading begins.
    pub fn mark(&self) -> Option<&Mark> {
        self.skipped.as_ref()
    }

    /// The epoch at which rows of an epoch come in.
    pub fn fed_at(&self, epoch: u64) -> Option<u64> {
        match self.epoch {
            Some(begins) if epoch <= begins => self.full.then_some(begins),
            _ => Some(epoch),
        }
    }
}
