//! Files of tables: what a source loads when it is made.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::SchemaRef;
use littoral_connectors::files::plain;

use super::options::{FileOptions, Format};
use super::tables::columns::Columns;
use super::{Script, batch, debezium};

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
        let rows = match file.format {
            Format::Csv => plain::read_as(&file.path, "csv", given.clone()).map_err(|e| e.to_string())?,
            Format::Json => plain::read_as(&file.path, "json", given.clone()).map_err(|e| e.to_string())?,
            Format::Lines => vec![lines(&file.path, &given)?],
            _ => plain::read(&file.path).map_err(|e| e.to_string())?,
        };
        let rows: Vec<RecordBatch> = rows.iter().map(|r| batch::by_names(r, &given)).collect::<Result<_, _>>()?;
        let rows = concat_batches(&given, &rows).map_err(|e| e.to_string())?;
        let rows = columns.filled(rows, schema, self.tables.around()).map_err(|e| format!("a computed column of \"{name}\": {e}"))?;
        self.tables.load(name, rows)
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
