//! Files of tables: what a source loads when it is made.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use littoral_connectors::files::table::{TableFile, TableFormat};

use super::options::{FileOptions, Format};
use super::stream::FileRows;
use super::tables::columns::Columns;
use super::{Script, debezium};

/// Bytes of one line.
pub const LINE_BYTES_MAX: usize = 16 << 20;

impl Script {
    /// Loads a source's file.
    pub(super) fn load_file(&mut self, name: &str, file: &FileOptions, columns: &Columns, schema: &SchemaRef) -> Result<(), String> {
        let given = columns.given(schema);
        if file.format == Format::Debezium {
            let key = self.tables.key(name);
            let changes = debezium::read(&file.path, &given, &key, self.options.epoch_rows)?;
            let mut epochs = Vec::with_capacity(changes.len());
            for mut updates in changes {
                updates.rows = columns.filled(updates.rows, schema, self.tables.around())?;
                epochs.push(updates);
            }
            let grows = epochs.iter().all(|u| u.diffs.is_none()) && key.is_empty() && !self.changed.contains(name);
            self.program.set_append_only(name, grows);
            return self.tables.load_changes(name, &epochs);
        }
        let format = match file.format {
            Format::Csv => TableFormat::Csv,
            Format::Json => TableFormat::Json,
            Format::Lines => {
                let rows = self.filled(name, columns, lines(&file.path, &given)?, schema)?;
                return self.tables.load(name, &[rows]);
            }
            _ => TableFormat::Parquet,
        };
        // Other engines tell a table that is written by what the script does with it.
        let hint = if file.path.exists() { "" } else { "; a table that is written is of type = 'sink'" };
        let unread = |e: ArrowError| format!("could not read \"{}\": {e}{hint}", file.path.display());
        let found = TableFile::known(&file.path, format, &given).map_err(unread)?;
        if columns.computed.is_empty() {
            return self.attach_file(name, found, true);
        }
        // Computed columns are worked out over whole rows.
        let mut reading = FileRows::by_name(found, given, 0, None)?.reading(|_| true);
        let mut rows = Vec::new();
        for batch in reading.file().whole().map_err(unread)? {
            rows.push(self.filled(name, columns, reading.rows(&batch)?, schema)?);
        }
        self.tables.load(name, &rows)
    }

    /// Gives a table the rows of a file.
    pub(super) fn attach_file(&mut self, name: &str, file: TableFile, found_by_name: bool) -> Result<(), String> {
        let file = match self.options.block_bytes {
            Some(bytes) => file.in_blocks_of(bytes),
            None => file,
        };
        self.tables.attach(name, file, found_by_name, self.held.contains(name))
    }

    fn filled(&self, name: &str, columns: &Columns, rows: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, String> {
        columns.filled(rows, schema, self.tables.around()).map_err(|e| format!("a computed column of \"{name}\": {e}"))
    }
}

/// A file's lines as a table of one column of text.
fn lines(path: &Path, schema: &SchemaRef) -> Result<RecordBatch, String> {
    let [field] = schema.fields().as_ref() else { return Err("a table whose rows are lines has one column of its own".into()) };
    let file = std::fs::File::open(path).map_err(|e| format!("could not read \"{}\": {e}", path.display()))?;
    let mut lines = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let at = |what: String| format!("\"{}\" line {}: {what}", path.display(), number + 1);
        let line = line.map_err(|e| at(e.to_string()))?;
        if line.len() > LINE_BYTES_MAX {
            return Err(at(format!("more than {LINE_BYTES_MAX} bytes")));
        }
        lines.push(line);
    }
    let lines: ArrayRef = Arc::new(StringArray::from(lines));
    let column = cast(&lines, field.data_type()).map_err(|e| e.to_string())?;
    RecordBatch::try_new(schema.clone(), vec![column]).map_err(|e| e.to_string())
}
