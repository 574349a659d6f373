//! The rows of a relation as a test sees them at the end: every change of every epoch, summed up.

use std::collections::BTreeMap;

use arrow::error::ArrowError;
use arrow::json::LineDelimitedWriter;
use serde_json::{Map, Value};

use crate::flow::updates::Updates;

/// Rows as JSON with their counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Captured {
    rows: BTreeMap<String, i64>,
}

impl Captured {
    /// Adds an epoch's changes.
    pub fn add(&mut self, updates: &Updates) -> Result<(), ArrowError> {
        let mut writer = LineDelimitedWriter::new(Vec::new());
        writer.write(&updates.rows)?;
        writer.finish()?;
        let text = String::from_utf8(writer.into_inner()).map_err(|e| ArrowError::JsonError(e.to_string()))?;
        for (row, line) in text.lines().enumerate() {
            *self.rows.entry(line.to_string()).or_default() += updates.diff(row);
        }
        self.rows.retain(|_, count| *count != 0);
        Ok(())
    }

    /// The rows, each as often as it stands.
    pub fn rows(&self) -> Vec<Map<String, Value>> {
        let mut out = Vec::new();
        for (line, count) in &self.rows {
            if let Ok(Value::Object(row)) = serde_json::from_str(line) {
                out.extend((0..(*count).max(0)).map(|_| row.clone()));
            }
        }
        out
    }
}
