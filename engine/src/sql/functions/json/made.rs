//! JSON made of values: `to_json(x)`, `json_build_object(key, value, …)`, `json_build_array(value, …)`, `json_valid(text)`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use datafusion::common::{Result, exec_err};
use littoral_connectors::map_keys::text_keys;
use serde_json::value::RawValue;

use super::call::{Call, Given};
use super::is_json;

/// The functions.
pub fn functions() -> [Call; 4] {
    let text = DataType::Utf8;
    [
        Call { name: "to_json", takes: "value", fits: |of| of.len() == 1, gives: text.clone(), json: true, compute: value },
        Call {
            name: "json_build_object",
            takes: "key, value, …",
            fits: |of| of.len().is_multiple_of(2),
            gives: text.clone(),
            json: true,
            compute: objects,
        },
        Call { name: "json_build_array", takes: "value, …", fits: |_| true, gives: text, json: true, compute: arrays },
        Call {
            name: "json_valid",
            takes: "text",
            fits: |of| matches!(of, [t] if t.is_string() || t.is_null()),
            gives: DataType::Boolean,
            json: false,
            compute: valid,
        },
    ]
}

/// Whether a text is JSON.
pub fn is_document(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// A member of an object.
pub fn member(key: &str, value: &str) -> String {
    format!("{}:{value}", serde_json::Value::from(key))
}

fn valid(given: Given<'_>) -> Result<ArrayRef> {
    let [text] = given.columns else { return exec_err!("json_valid takes a text") };
    let text = cast(text, &DataType::Utf8)?;
    Ok(Arc::new(text.as_string::<i32>().iter().map(|t| t.map(is_document)).collect::<BooleanArray>()))
}

/// A value that is null is no document.
fn value(given: Given<'_>) -> Result<ArrayRef> {
    let [value] = given.columns else { return exec_err!("to_json takes a value") };
    let texts = given.json(0)?;
    Ok(Arc::new(texts.into_iter().enumerate().map(|(row, t)| value.is_valid(row).then_some(t)).collect::<StringArray>()))
}

fn arrays(given: Given<'_>) -> Result<ArrayRef> {
    let columns = (0..given.columns.len()).map(|at| given.json(at)).collect::<Result<Vec<_>>>()?;
    let row = |row: usize| format!("[{}]", cells(&columns, row).join(","));
    Ok(Arc::new((0..given.rows).map(|r| Some(row(r))).collect::<StringArray>()))
}

fn objects(given: Given<'_>) -> Result<ArrayRef> {
    let keys = given.columns.iter().step_by(2).map(|k| Ok(cast(k, &DataType::Utf8)?)).collect::<Result<Vec<_>>>()?;
    let columns = (1..given.columns.len()).step_by(2).map(|at| given.json(at)).collect::<Result<Vec<_>>>()?;
    let mut out = Vec::with_capacity(given.rows);
    for row in 0..given.rows {
        let mut members = Vec::with_capacity(keys.len());
        for (key, value) in keys.iter().zip(cells(&columns, row)) {
            if key.is_null(row) {
                return exec_err!("a key of json_build_object is null");
            }
            members.push(member(key.as_string::<i32>().value(row), value));
        }
        out.push(format!("{{{}}}", members.join(",")));
    }
    Ok(Arc::new(StringArray::from(out)))
}

fn cells(columns: &[Vec<String>], row: usize) -> Vec<&str> {
    columns.iter().filter_map(|c| c.get(row)).map(String::as_str).collect()
}

impl Given<'_> {
    /// The values of an argument as JSON, null as `null`: documents as they are, all else written.
    pub fn json(&self, at: usize) -> Result<Vec<String>> {
        let (Some(values), Some(field)) = (self.columns.get(at), self.fields.get(at)) else {
            return exec_err!("argument {at} is not given");
        };
        if is_json(field) { documents(values) } else { written(values) }
    }
}

/// Documents as they are; what turns out to be none is a string.
fn documents(values: &ArrayRef) -> Result<Vec<String>> {
    let texts = cast(values, &DataType::Utf8)?;
    let one = |text: Option<&str>| match text {
        None => "null".to_string(),
        Some(text) if is_document(text) => text.trim().to_string(),
        Some(text) => serde_json::Value::from(text).to_string(),
    };
    Ok(texts.as_string::<i32>().iter().map(one).collect())
}

fn written(values: &ArrayRef) -> Result<Vec<String>> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    writer.write(&text_keys(&RecordBatch::try_from_iter_with_nullable([("v", values.clone(), true)])?)?)?;
    writer.finish()?;
    let bytes = writer.into_inner();
    let text = String::from_utf8_lossy(&bytes);
    let value = |line: &str| line.strip_prefix("{\"v\":").and_then(|l| l.strip_suffix('}')).unwrap_or("null").to_string();
    Ok(text.lines().map(value).collect())
}
