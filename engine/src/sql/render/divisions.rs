//! How a state that does not fit into memory is divided: by the hash of its keys. Groups (`groups/paged.rs`) and joins
//! (`join/divided.rs`) keep what is in each division, and which are on disk.

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::error::ArrowError;

use crate::flow::hash::hash_rows;

/// Divisions, once there are several: each then holds a small part of what did not fit.
pub const DIVISIONS: usize = 64;
/// State smaller than this is not divided: others hold the memory.
pub const BYTES_MIN: u64 = 1 << 20;

/// The rows of each division that has any; the first columns are the keys. Workers are told apart by the high bits of the hash.
///
/// # Errors
/// When a column's type cannot be hashed.
pub fn divided(rows: &RecordBatch, keys: usize) -> Result<Vec<(usize, UInt32Array)>, ArrowError> {
    let keys: Vec<ArrayRef> = rows.columns().iter().take(keys).cloned().collect();
    let mut of: Vec<Vec<u32>> = vec![Vec::new(); DIVISIONS];
    for (row, hash) in hash_rows(&keys, rows.num_rows())?.into_iter().enumerate() {
        of.get_mut(hash as usize % DIVISIONS).into_iter().for_each(|list| list.push(row as u32));
    }
    Ok(of.into_iter().map(UInt32Array::from).enumerate().filter(|(_, list)| !list.is_empty()).collect())
}
