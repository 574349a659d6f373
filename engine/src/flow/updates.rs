//! The container that every stream of a dataflow carries: Arrow rows, each with a diff.
//!
//! All rows of one container stand at the epoch of its stamp. A stream that can only append leaves `diffs` out, which
//! means +1 for every row. Not here: how containers are hashed to workers (`exchange.rs`).

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::Schema;
use std::sync::Arc;
use timely::Accountable;

/// Rows with diffs.
#[derive(Clone, Debug)]
pub struct Updates {
    /// The rows.
    pub rows: RecordBatch,
    /// One diff a row, never null and never 0; none means +1 for every row.
    pub diffs: Option<Int64Array>,
}

impl Updates {
    /// Rows that are all new.
    pub fn insertions(rows: RecordBatch) -> Self {
        Updates { rows, diffs: None }
    }

    /// Rows with a diff each.
    pub fn changes(rows: RecordBatch, diffs: Int64Array) -> Self {
        debug_assert_eq!(rows.num_rows(), arrow::array::Array::len(&diffs));
        Updates { rows, diffs: Some(diffs) }
    }

    /// The diff of a row.
    pub fn diff(&self, row: usize) -> i64 {
        self.diffs.as_ref().map_or(1, |d| d.value(row))
    }
}

impl Default for Updates {
    fn default() -> Self {
        Updates::insertions(RecordBatch::new_empty(Arc::new(Schema::empty())))
    }
}

impl Accountable for Updates {
    fn record_count(&self) -> i64 {
        self.rows.num_rows() as i64
    }
}

/// Needed where streams cross processes. Tiers run in one process each for now, so nothing is ever serialised.
impl timely::dataflow::channels::ContainerBytes for Updates {
    fn from_bytes(_: timely::bytes::arc::Bytes) -> Self {
        Updates::default()
    }
    fn length_in_bytes(&self) -> usize {
        0
    }
    fn into_bytes<W: std::io::Write>(&self, _: &mut W) {}
}
