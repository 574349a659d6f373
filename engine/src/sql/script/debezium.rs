//! Changes as Debezium writes them: a JSON object a line with `before`, `after` and `op`, bare or in an envelope's `payload`.
//!
//! Operations are c (create), r (read, a snapshot's row), u (update), d (delete) and t (truncate: all rows go). Tombstones, which are
//! empty values, say nothing. With a primary key a row takes the place of the one with its key, so that `before` may be left out of an
//! update, and be only the key in a delete. Without one `before` must be a row that is there.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::json::writer::{LineDelimited, WriterBuilder};
use arrow::row::OwnedRow;
use littoral_connectors::files::keys::as_written;
use littoral_connectors::files::ndjson::Decoder;
use littoral_connectors::map_keys::text_keys;
use serde_json::value::RawValue;

use super::batch::conform;
use super::files::LINE_BYTES_MAX;
use super::tables::encoded;
use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;

/// Members of an object by their keys; of several with one key the last.
type Members<'a> = HashMap<String, &'a RawValue>;

/// What a line does: rows by their number among all images.
struct Step {
    line: usize,
    gone: Option<usize>,
    come: Option<usize>,
    all_go: bool,
    /// Whether a row takes the place of one that is not told.
    unseen: bool,
}

/// What the changes of a file do to an empty table, in epochs of so many changes, or in one.
///
/// # Errors
/// With the line that is no change, takes away what is not there, or has a row that does not fit the columns.
pub fn read(path: &Path, schema: &SchemaRef, key: &[String], per_epoch: Option<usize>) -> Result<Vec<Updates>, String> {
    let (steps, images) = steps(path)?;
    // A row that goes may be told by its key alone.
    let loose: Vec<_> = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    let rows = decode(&images, &Arc::new(Schema::new(loose))).map_err(|e| format!("\"{}\": {e}", path.display()))?;
    let full = encoded(&rows)?;
    let keys: Vec<usize> = key.iter().filter_map(|k| schema.index_of(k).ok()).collect();
    let keys = if keys.is_empty() { full.clone() } else { encoded(&rows.project(&keys).map_err(|e| e.to_string())?)? };
    let mut table =
        Replay { keyed: !key.is_empty(), full: &full, keys: &keys, now: HashMap::new(), net: HashMap::new(), order: Vec::new() };
    let mut epochs = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        table.step(step).map_err(|what| format!("\"{}\" line {}: {what}", path.display(), step.line))?;
        if per_epoch.is_some_and(|n| (number + 1) % n.max(1) == 0) {
            epochs.push(table.epoch(&rows, schema)?);
        }
    }
    if !table.order.is_empty() || epochs.is_empty() {
        epochs.push(table.epoch(&rows, schema)?);
    }
    Ok(epochs)
}

/// A table as its changes go by.
struct Replay<'a> {
    keyed: bool,
    full: &'a [OwnedRow],
    keys: &'a [OwnedRow],
    /// By key, or by the whole row: an image of the row, and how often it is there.
    now: HashMap<&'a OwnedRow, (usize, i64)>,
    /// Of the open epoch: how often each row came, less how often it went.
    net: HashMap<&'a OwnedRow, (usize, i64)>,
    order: Vec<&'a OwnedRow>,
}

impl<'a> Replay<'a> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        if step.all_go {
            let rows: Vec<(usize, i64)> = self.now.drain().map(|(_, row)| row).collect();
            rows.into_iter().for_each(|(image, times)| self.count(image, -times));
        }
        if step.unseen && !self.keyed {
            return Err("an update without \"before\" needs a PRIMARY KEY of the table".into());
        }
        if let Some(gone) = step.gone {
            self.take(gone, step.come.is_some())?;
        }
        if let Some(come) = step.come {
            if self.keyed {
                self.take(come, true)?;
            }
            if let Some(key) = self.keys.get(come) {
                let row = self.now.entry(key).or_insert((come, 0));
                *row = (come, row.1 + 1);
                self.count(come, 1);
            }
        }
        Ok(())
    }

    /// Takes the row away that an image is of; of an update it need not be there when there is a key.
    fn take(&mut self, image: usize, update: bool) -> Result<(), String> {
        let Some(key) = self.keys.get(image) else { return Ok(()) };
        match self.now.get_mut(key) {
            Some((there, times)) => {
                let there = *there;
                *times -= 1;
                if *times == 0 {
                    self.now.remove(key);
                }
                self.count(there, -1);
                Ok(())
            }
            None if update && self.keyed => Ok(()),
            None => Err("it takes a row away that is not there; give the table its PRIMARY KEY if \"before\" is not the whole row".into()),
        }
    }

    fn count(&mut self, image: usize, diff: i64) {
        let Some(row) = self.full.get(image) else { return };
        let order = &mut self.order;
        let (_, net) = self.net.entry(row).or_insert_with(|| {
            order.push(row);
            (image, 0)
        });
        *net += diff;
    }

    /// What the open epoch comes to.
    fn epoch(&mut self, rows: &RecordBatch, schema: &SchemaRef) -> Result<Updates, String> {
        let (mut picked, mut diffs) = (Vec::new(), Vec::new());
        for row in std::mem::take(&mut self.order) {
            if let Some((image, net)) = self.net.remove(row).filter(|(_, net)| *net != 0) {
                picked.push(image as u32);
                diffs.push(net);
            }
        }
        let rows = take_rows(rows, &UInt32Array::from(picked)).map_err(|e| e.to_string())?;
        let rows = conform(&rows, schema)?;
        Ok(if diffs.iter().all(|d| *d == 1) { Updates::insertions(rows) } else { Updates::changes(rows, diffs.into()) })
    }
}

/// The lines of a file as steps, and all the rows that they tell of.
fn steps(path: &Path) -> Result<(Vec<Step>, Vec<String>), String> {
    let file = std::fs::File::open(path).map_err(|e| format!("could not read \"{}\": {e}", path.display()))?;
    let (mut steps, mut images) = (Vec::new(), Vec::new());
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let at = |what: String| format!("\"{}\" line {}: {what}", path.display(), number + 1);
        let line = line.map_err(|e| at(e.to_string()))?;
        if line.len() > LINE_BYTES_MAX {
            return Err(at(format!("more than {LINE_BYTES_MAX} bytes")));
        }
        let line = if number == 0 { line.trim_start_matches('\u{feff}') } else { &line };
        if line.trim().is_empty() {
            continue;
        }
        let Some(change) = members(line).map_err(|e| at(e.to_string()))? else { continue };
        let op = change.get("op").and_then(|op| serde_json::from_str::<String>(op.get()).ok()).ok_or_else(|| at("no \"op\"".into()))?;
        let mut image = |name: &str| {
            let image = change.get(name).map(|image| image.get()).filter(|image| image.starts_with('{'))?;
            images.push(image.to_string());
            Some(images.len() - 1)
        };
        let (gone, come) = match op.as_str() {
            "c" | "r" => (None, Some(image("after").ok_or_else(|| at("no \"after\"".into()))?)),
            "u" => (image("before"), Some(image("after").ok_or_else(|| at("no \"after\"".into()))?)),
            "d" => (Some(image("before").ok_or_else(|| at("no \"before\"".into()))?), None),
            "t" => (None, None),
            other => return Err(at(format!("\"op\" is \"{other}\", and should be one of c, r, u, d, t"))),
        };
        steps.push(Step { line: number + 1, gone, come, all_go: op == "t", unseen: op == "u" && gone.is_none() });
    }
    Ok((steps, images))
}

/// The members of a change, as they are written: a number that went through a float may be another one. None of a tombstone.
fn members(line: &str) -> serde_json::Result<Option<Members<'_>>> {
    let Some(whole) = serde_json::from_str::<Option<Members<'_>>>(line)? else { return Ok(None) };
    match whole.get("payload") {
        Some(payload) => serde_json::from_str(payload.get()),
        None => Ok(Some(whole)),
    }
}

fn decode(rows: &[String], schema: &SchemaRef) -> Result<RecordBatch, String> {
    let text: String = rows.iter().flat_map(|r| [r.as_str(), "\n"]).collect();
    let rows = Decoder::new(as_written(schema, text.as_bytes())).decode(text.as_bytes()).map_err(|e| e.to_string())?;
    let rows = rows.ok_or_else(|| "a row has no end".to_string())?;
    RecordBatch::try_new(schema.clone(), rows.columns().to_vec()).map_err(|e| e.to_string())
}

/// Writes an epoch's rows with diffs. With a key a row that takes another's place is one line, an update; without one, or where nothing
/// takes its place, a line for each time a row goes or comes.
///
/// # Errors
/// When a row cannot be written as JSON, two rows have one key, or the file cannot be written.
pub fn write(out: &mut impl Write, rows: &RecordBatch, diff: impl Fn(usize) -> i64, key: &[usize]) -> Result<(), String> {
    // A row is told whole, nulls too: a reader may know its columns from nowhere else.
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    let rows = &text_keys(rows).map_err(|e| e.to_string())?;
    writer.write(rows).and_then(|()| writer.finish()).map_err(|e| e.to_string())?;
    let text = String::from_utf8(writer.into_inner()).map_err(|e| e.to_string())?;
    let lines: Vec<&str> = text.lines().collect();
    let before = replaced(rows, &diff, key)?;
    let line = |row: Option<usize>| row.and_then(|r| lines.get(r)).copied().unwrap_or("null");
    let mut tell = |before: Option<usize>, after: Option<usize>, op: &str| {
        writeln!(out, "{{\"before\":{},\"after\":{},\"op\":\"{op}\"}}", line(before), line(after)).map_err(|e| e.to_string())
    };
    // What goes stands before what comes, so that a reader that keeps keys never has one twice.
    for row in 0..lines.len() {
        let gone = if before.values().any(|b| *b == row) { 0 } else { (-diff(row)).max(0) };
        (0..gone).try_for_each(|_| tell(Some(row), None, "d"))?;
    }
    for row in 0..lines.len() {
        match before.get(&row) {
            Some(old) => tell(Some(*old), Some(row), "u")?,
            None => (0..diff(row).max(0)).try_for_each(|_| tell(None, Some(row), "c"))?,
        }
    }
    Ok(())
}

/// Rows that come in place of rows that go, by their number.
fn replaced(rows: &RecordBatch, diff: &impl Fn(usize) -> i64, key: &[usize]) -> Result<HashMap<usize, usize>, String> {
    let mut out = HashMap::new();
    if key.is_empty() {
        return Ok(out);
    }
    let keys = encoded(&rows.project(key).map_err(|e| e.to_string())?)?;
    let (mut gone, mut come): (HashMap<&OwnedRow, usize>, HashMap<&OwnedRow, usize>) = Default::default();
    for (row, key) in keys.iter().enumerate() {
        let side = if diff(row) < 0 { &mut gone } else { &mut come };
        if diff(row).abs() > 1 || diff(row) != 0 && side.insert(key, row).is_some() {
            return Err("two rows have one key of the sink's PRIMARY KEY".into());
        }
    }
    out.extend(come.into_iter().filter_map(|(key, row)| gone.get(key).map(|old| (row, *old))));
    Ok(out)
}
