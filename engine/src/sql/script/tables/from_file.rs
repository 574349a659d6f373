//! Rows of files. They stay in their file when nothing needs them as a whole; else they are loaded, as changes of the history.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::error::ArrowError;
use littoral_connectors::files::table::TableFile;

use super::{Tables, replacement};
use crate::flow::updates::Updates;
use crate::sql::script::event_time::EventClock;
use crate::sql::script::stream::{FileRows, count_rows};

/// The file of a table whose rows have no key.
#[derive(Clone)]
pub struct OwnFile {
    rows: FileRows,
    /// Whether its rows are held, as changes of the history.
    pub held: bool,
    /// How many changes of the history they are.
    changes: usize,
    /// How many rows there are, once they were counted.
    count: Option<u64>,
}

/// The file of a table, for a run.
pub struct FileTable<'a> {
    /// The table.
    pub table: &'a String,
    /// Its rows.
    pub rows: &'a FileRows,
    /// Its event time before the first of them.
    pub clock: &'a EventClock,
    /// The column of that.
    pub event_time: Option<usize>,
    /// Whether the rows are held, as changes of the history.
    pub held: bool,
}

/// Whether the next change of a table is one of its file; there is then one less of those.
pub fn passes(of_files: &mut HashMap<String, usize>, table: &str) -> bool {
    let left = of_files.get_mut(table).filter(|left| **left > 0);
    left.map(|left| *left -= 1).is_some()
}

impl Tables {
    /// Files of tables whose rows have no key.
    pub fn files(&self) -> impl Iterator<Item = FileTable<'_>> {
        self.tables.iter().filter_map(|(table, t)| {
            let file = t.file.as_ref()?;
            Some(FileTable { table, rows: &file.rows, clock: &t.clock, event_time: t.clock.column(), held: file.held })
        })
    }

    /// Changes that statements made: those of the history but for rows of files without a key.
    pub fn statements(&self) -> impl Iterator<Item = &(u64, String, Updates)> {
        let mut of_files = self.loaded();
        self.history.iter().filter(move |(_, table, _)| !passes(&mut of_files, table))
    }

    /// How many of the first changes of each table are rows of its file, which has no key.
    pub fn loaded(&self) -> HashMap<String, usize> {
        self.tables.iter().filter_map(|(table, t)| Some((table.clone(), t.file.as_ref()?.changes))).collect()
    }

    /// Gives a table the rows of a file; they stay there when nothing needs them as a whole.
    ///
    /// # Errors
    /// When the file has not the table's columns, or cannot be read where it is loaded.
    pub fn attach(&mut self, name: &str, file: TableFile, found_by_name: bool, held: bool) -> Result<(), String> {
        let table = self.tables.get_mut(name).ok_or_else(|| format!("there is no table \"{name}\""))?;
        let (schema, size) = (table.schema.clone(), self.epoch_rows.map(|rows| rows as u64));
        // When a table is idle is found from its history.
        let held = held || table.idle.is_some();
        let rows = match found_by_name {
            true => FileRows::by_name(file, schema, self.base, size)?,
            false => FileRows::by_position(file, schema, self.base, size),
        };
        let (keyed, before) = (!table.key.is_empty(), self.history.len());
        if held || keyed {
            let mut columns = rows.reading(|_| true);
            let whole = columns.file().whole();
            let whole = whole.map_err(|e| format!("could not read table \"{name}\" from \"{}\": {e}", columns.file().path().display()))?;
            let whole: Vec<RecordBatch> = whole.iter().map(|batch| columns.rows(batch)).collect::<Result<_, _>>()?;
            self.load(name, &whole)?;
        } else {
            self.clock.push((self.base, self.now()));
            self.epoch = self.epoch.max(self.base);
        }
        let changes = self.history.len() - before;
        if let Some(table) = self.tables.get_mut(name).filter(|_| !keyed) {
            table.file = Some(OwnFile { rows, held, changes, count: None });
        }
        Ok(())
    }

    /// Makes sure that it is known in which epoch each file ends that stays where it is, but for those of some tables.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn count_files(&mut self, but: impl Fn(&str) -> bool) -> Result<(), String> {
        for (name, table) in &mut self.tables {
            let Some(file) = table.file.as_mut().filter(|f| !f.held && f.rows.epoch_rows.is_some() && !but(name)) else { continue };
            if file.count.is_none() {
                let fail = |e: ArrowError| format!("could not read table \"{name}\": {e}");
                file.count = Some(count_rows(&file.rows.file).map_err(fail)?);
            }
            self.epoch = self.epoch.max(file.rows.last_epoch(file.count.unwrap_or(0)));
        }
        Ok(())
    }

    /// Notes how many rows a file has.
    pub fn counted(&mut self, name: &str, rows: u64) {
        if let Some(file) = self.tables.get_mut(name).and_then(|t| t.file.as_mut()) {
            file.count = Some(rows);
            self.epoch = self.epoch.max(file.rows.last_epoch(rows));
        }
    }

    /// Puts rows into a table: at one epoch, or at as many as there are of `epoch_rows` rows.
    ///
    /// # Errors
    /// When they are not of its columns.
    pub fn load(&mut self, name: &str, batches: &[RecordBatch]) -> Result<(), String> {
        let table = self.tables.get_mut(name).ok_or_else(|| format!("there is no table \"{name}\""))?;
        let rows = concat_batches(&table.schema, batches).map_err(|e| e.to_string())?;
        let (keyed, versions) = (!table.key.is_empty(), table.versions.clone());
        if !keyed {
            table.rows.add(&rows)?;
        }
        let size = self.epoch_rows.unwrap_or(usize::MAX).clamp(1, rows.num_rows().max(1));
        for (number, from) in (0..rows.num_rows().max(1)).step_by(size).enumerate() {
            let part = rows.slice(from, size.min(rows.num_rows() - from));
            let epoch = self.base + number as u64;
            match keyed {
                true => self.put(name, &part, epoch)?,
                false => {
                    self.advance(name, &part, epoch)?;
                    self.history.push((epoch, name.to_string(), Updates::insertions(part.clone())));
                }
            }
            if let Some(versions) = &versions {
                self.put(versions, &self.timed(versions, &part)?, epoch)?;
            }
            self.clock.push((epoch, self.now()));
            self.epoch = self.epoch.max(epoch);
        }
        Ok(())
    }

    /// Puts rows into a table with a key at an epoch: of several rows with one key the last one counts.
    fn put(&mut self, name: &str, rows: &RecordBatch, epoch: u64) -> Result<(), String> {
        let table = self.tables.get_mut(name).ok_or_else(|| format!("there is no table \"{name}\""))?;
        let come = table.newest_by_key(rows)?;
        let gone = table.rows.with_keys_of(&come)?;
        table.rows.take_away(&gone)?;
        table.rows.add(&come)?;
        self.history.push((epoch, name.to_string(), replacement(&gone, &come)?));
        self.advance(name, &come, epoch)
    }
}
