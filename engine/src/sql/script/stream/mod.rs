//! Tables whose rows stay in their file: each run reads them anew, block by block, and holds none of them.
//!
//! A file is read in order, by a thread or by the workers themselves (`read.rs`); the workers take blocks as they come, decode them, and put them in the
//! file's order again (`place.rs`), which says what epoch each row is in; each worker feeds the rows that it has decoded
//! (`feed.rs`). Which tables may stay in their file is said where the script is read (`held.rs`).

mod columns;
mod count;
mod feed;
mod place;
mod reached;
mod read;
mod start;
mod walk;

use arrow::datatypes::SchemaRef;
use littoral_connectors::files::keys::place;
use littoral_connectors::files::table::TableFile;

pub use columns::Columns;
pub use count::count_rows;
pub use feed::{Feeder, History, Input, Sent};
pub use place::Placer;
use reached::Reached;
pub use read::Stream;
pub use start::{Mark, Start};
pub use walk::{Walk, ends_at, sum_of};

/// The rows of a table in a file.
#[derive(Clone, Debug)]
pub struct FileRows {
    /// The file.
    pub file: TableFile,
    /// For each column of the table its place in the file.
    places: Vec<usize>,
    schema: SchemaRef,
    /// The epoch of its first row.
    pub base: u64,
    /// Rows of an epoch; none makes the whole file one epoch.
    pub epoch_rows: Option<u64>,
}

impl FileRows {
    /// Rows of a file whose columns are found by their names.
    ///
    /// # Errors
    /// When the file lacks a column.
    pub fn by_name(file: TableFile, schema: SchemaRef, base: u64, epoch_rows: Option<u64>) -> Result<Self, String> {
        let names = file.columns().fields().iter().map(|f| f.name().as_str());
        let index = |name: &String| place(name, names.clone()).ok_or_else(|| format!("the file has no column \"{name}\""));
        let places = schema.fields().iter().map(|f| index(f.name())).collect::<Result<_, _>>()?;
        Ok(FileRows { file, places, schema, base, epoch_rows })
    }

    /// Rows of a file with all its columns.
    pub fn by_position(file: TableFile, schema: SchemaRef, base: u64, epoch_rows: Option<u64>) -> Self {
        FileRows { places: (0..schema.fields().len()).collect(), file, schema, base, epoch_rows }
    }

    /// The epoch of a row.
    pub fn epoch_of(&self, row: u64) -> u64 {
        self.base + self.epoch_rows.map_or(0, |size| row / size.max(1))
    }

    /// The last epoch of a file of so many rows.
    pub fn last_epoch(&self, rows: u64) -> u64 {
        self.epoch_of(rows.saturating_sub(1))
    }

    /// How many rows there are up to an epoch, if the file has so many.
    pub fn rows_at(&self, epoch: u64) -> u64 {
        let epochs = (epoch + 1).saturating_sub(self.base);
        match self.epoch_rows {
            _ if epochs == 0 => 0,
            Some(size) => epochs.saturating_mul(size),
            None => u64::MAX,
        }
    }

    /// How rows are read of which only some columns are looked at.
    pub fn reading(&self, wanted: impl Fn(usize) -> bool) -> Columns {
        Columns::new(&self.file, &self.places, &self.schema, wanted)
    }
}
