//! Changes as Debezium writes them: a JSON object a line with `before`, `after` and `op`, bare or in an envelope's `payload`.
//!
//! Operations are c (create), r (read, a snapshot's row), u (update) and d (delete). Tombstones (empty values) say nothing.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::json::ReaderBuilder;
use arrow::json::writer::{LineDelimited, WriterBuilder};
use serde_json::Value;

/// Bytes of one line.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Rows that the file's changes take away from an empty table and put into it, together.
///
/// # Errors
/// With the line that is no change, or a row that does not fit the columns.
pub fn read(path: &Path, schema: &SchemaRef) -> Result<(RecordBatch, RecordBatch), String> {
    let file = std::fs::File::open(path).map_err(|e| format!("could not read \"{}\": {e}", path.display()))?;
    let (mut net, mut order): (std::collections::HashMap<String, i64>, Vec<String>) = Default::default();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let at = |what: String| format!("\"{}\" line {}: {what}", path.display(), number + 1);
        let line = line.map_err(|e| at(e.to_string()))?;
        if line.trim().is_empty() || line.trim() == "null" {
            continue;
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(at(format!("more than {LINE_BYTES_MAX} bytes")));
        }
        let change: Value = serde_json::from_str(&line).map_err(|e| at(e.to_string()))?;
        let change = change.get("payload").unwrap_or(&change);
        let op = change.get("op").and_then(Value::as_str).ok_or_else(|| at("no \"op\"".into()))?;
        let image = |name: &str| change.get(name).filter(|v| v.is_object()).map(Value::to_string);
        let (gone, come) = match op {
            "c" | "r" => (None, Some(image("after").ok_or_else(|| at("no \"after\"".into()))?)),
            "u" => (Some(image("before").ok_or_else(|| at("no \"before\"".into()))?), image("after")),
            "d" => (Some(image("before").ok_or_else(|| at("no \"before\"".into()))?), None),
            other => return Err(at(format!("\"op\" is \"{other}\", and should be one of c, r, u, d"))),
        };
        for (row, diff) in gone.into_iter().map(|r| (r, -1)).chain(come.into_iter().map(|r| (r, 1))) {
            if !net.contains_key(&row) {
                order.push(row.clone());
            }
            *net.entry(row).or_default() += diff;
        }
    }
    let rows = |sign: i64| {
        let wanted =
            order.iter().flat_map(|r| std::iter::repeat_n(r, usize::try_from(net.get(r).copied().unwrap_or(0) * sign).unwrap_or(0)));
        decode(wanted, schema).map_err(|e| format!("\"{}\": {e}", path.display()))
    };
    Ok((rows(-1)?, rows(1)?))
}

fn decode<'a>(rows: impl Iterator<Item = &'a String>, schema: &SchemaRef) -> Result<RecordBatch, String> {
    let text: String = rows.flat_map(|r| [r.as_str(), "\n"]).collect();
    let reader = ReaderBuilder::new(schema.clone()).build(text.as_bytes()).map_err(|e| e.to_string())?;
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    concat_batches(schema, &batches).map_err(|e| e.to_string())
}

/// Writes rows with diffs: a line for each time a row goes or comes.
///
/// # Errors
/// When a row cannot be written as JSON, or the file cannot be written.
pub fn write(out: &mut impl Write, rows: &RecordBatch, diff: impl Fn(usize) -> i64) -> Result<(), String> {
    // A row is told whole, nulls too: a reader may know its columns from nowhere else.
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    writer.write(rows).and_then(|()| writer.finish()).map_err(|e| e.to_string())?;
    let text = String::from_utf8(writer.into_inner()).map_err(|e| e.to_string())?;
    let lines: Vec<&str> = text.lines().collect();
    // What goes stands before what comes, so that a reader that keeps keys never has one twice.
    for sign in [-1, 1] {
        for (row, line) in lines.iter().enumerate() {
            for _ in 0..(diff(row) * sign).max(0) {
                let told = match sign {
                    -1 => writeln!(out, "{{\"before\":{line},\"after\":null,\"op\":\"d\"}}"),
                    _ => writeln!(out, "{{\"before\":null,\"after\":{line},\"op\":\"c\"}}"),
                };
                told.map_err(|e| e.to_string())?;
            }
        }
    }
    Ok(())
}
