//! How many rows a file has, without any of their values.

use arrow::error::ArrowError;
use littoral_connectors::files::table::TableFile;

/// The rows of a file. Batches without columns are a few bytes each.
///
/// # Errors
/// When it cannot be read, or is broken.
pub fn count_rows(file: &TableFile) -> Result<u64, ArrowError> {
    Ok(file.reading(&[]).whole()?.iter().map(|rows| rows.num_rows() as u64).sum())
}
