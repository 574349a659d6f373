//! CSV and NDJSON of pipelines: reads blocks of lines and decodes each in bulk; only a block with an error is decoded line by line.
//!
//! A line that does not decode is counted with its number and reason; the lines around it are kept.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::blocks::BYTE_ORDER_MARK;
use super::ndjson::Decoder;
use super::normalise::{Normaliser, source_schema};
use super::replay::{Replay, Track, device_name, matching};
use super::{BadLog, Chunk, FileReader};
use crate::config::{ColumnType, FileSource};
use crate::source::{BadReason, DeviceFrom, Source, SourceContext, SourceError};

/// Lines decoded at once.
const BLOCK_LINES: usize = 4096;
/// Bytes of one line; a longer one is skipped and counted.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Lines from which types are inferred.
const INFER_LINES: usize = 1000;

/// Which of the two text formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// Comma-separated values with a header line.
    Csv,
    /// One JSON object a line.
    Json,
}

struct LineFile {
    text: Text,
    input: BufReader<File>,
    schema: SchemaRef,
    json: Decoder,
    place: String,
    line: u64,
    ended: bool,
}

/// Opens the files of a text source.
pub fn open(text: Text, config: &FileSource, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    let files = matching(context, &config.path)?;
    let (mut schema, mut tracks) = (None, Vec::new());
    for path in &files {
        tracks.push(open_one(text, path, config, context, &mut schema)?);
    }
    let schema = schema.unwrap_or_else(|| source_schema([]));
    Ok(Box::new(Replay::new(schema, tracks, context.slice, BadLog::default())))
}

fn open_one(
    text: Text,
    path: &Path,
    config: &FileSource,
    context: &SourceContext,
    schema: &mut Option<SchemaRef>,
) -> Result<Track, SourceError> {
    let place = path.display().to_string();
    let fail = |cause: Box<dyn std::error::Error + Send + Sync>| SourceError::Open { path: place.clone(), cause };
    let file = || File::open(path).map_err(|e| fail(e.into()));
    let found = match (text, &config.columns) {
        // A JSON object names its values, so what is set needs no look at the file.
        (Text::Json, Some(_)) => Schema::empty(),
        _ => infer(text, file()?).map_err(|e| fail(e.into()))?,
    };
    let own = decode_schema(&found, text, config, context);
    if context.time_column.is_none() && config.sample_rate_hz.is_none() && own.column_with_name("ts").is_none() {
        return Err(SourceError::Setting(format!(
            "\"{place}\" has no times; give the source event_time: {{ column: … }} or sample_rate_hz"
        )));
    }
    if let Some(missing) = needed(config, context).into_iter().find(|n| text == Text::Csv && own.column_with_name(n).is_none()) {
        let there: Vec<&str> = found.fields().iter().map(|f| f.name().as_str()).collect();
        return Err(SourceError::Setting(format!("\"{place}\" has no column \"{missing}\"; it has {}", there.join(", "))));
    }
    let schema = schema.get_or_insert_with(|| values_schema(&own, context)).clone();
    let mut input = BufReader::new(file()?);
    let mut line = 0;
    if text == Text::Csv {
        let mut header = Vec::new();
        input.read_until(b'\n', &mut header).map_err(|e| fail(e.into()))?;
        line = 1;
    }
    let mut context = context.clone();
    if context.time_column.is_none() && config.sample_rate_hz.is_none() {
        context.time_column = Some("ts".into());
    }
    let normaliser = Normaliser::new(schema, &context, &place, device_name(path), config.sample_rate_hz, Vec::new());
    let file = LineFile { text, input, json: Decoder::new(own.clone()), schema: own, place: place.clone(), line, ended: false };
    Ok(Track::new(&place, Box::new(file), normaliser))
}

fn infer(text: Text, file: File) -> Result<Schema, ArrowError> {
    match text {
        Text::Csv => Format::default().with_header(true).infer_schema(file, Some(INFER_LINES)).map(|(s, _)| s),
        Text::Json => {
            // Broken lines must not keep the good ones from telling their types.
            let lines = BufReader::new(file).lines().map_while(Result::ok).take(INFER_LINES);
            let values: Vec<serde_json::Value> = lines
                .filter_map(|l| serde_json::from_str::<serde_json::Value>(l.trim_start_matches('\u{feff}')).ok())
                .filter(|v| v.is_object())
                .collect();
            let all = arrow::json::reader::infer_json_schema_from_iterator(values.iter().map(Ok));
            // Where lines contradict each other the first one tells; the others are bad records then.
            all.or_else(|_| arrow::json::reader::infer_json_schema_from_iterator(values.first().map(Ok).into_iter()))
        }
    }
}

fn needed(config: &FileSource, context: &SourceContext) -> Vec<String> {
    let mut names: Vec<String> = config.columns.iter().flat_map(|c| c.keys().cloned()).collect();
    names.extend(context.time_column.clone());
    names.extend(match &context.device {
        DeviceFrom::Column(c) => Some(c.clone()),
        _ => None,
    });
    names
}

/// The types that lines are decoded to: as set, else as found; times as text, so that one bad time is one bad row.
fn decode_schema(found: &Schema, text: Text, config: &FileSource, context: &SourceContext) -> SchemaRef {
    let key = |name: &str| needed(config, context).iter().any(|n| n == name);
    let typed = |f: &Field| {
        let data_type = match config.columns.as_ref().and_then(|c| c.get(f.name())) {
            Some(ColumnType::Timestamp) => f.data_type().clone(),
            Some(t) => t.arrow(),
            None if matches!(f.data_type(), DataType::Timestamp(..) | DataType::Date32) => DataType::Utf8,
            None => f.data_type().clone(),
        };
        Field::new(f.name(), data_type, true)
    };
    let mut fields: Vec<Field> = match (text, &config.columns) {
        // CSV is positional: all columns are decoded, unwanted ones dropped later.
        (Text::Csv, _) | (_, None) => found.fields().iter().map(|f| typed(f)).collect(),
        (Text::Json, Some(_)) => found.fields().iter().filter(|f| key(f.name())).map(|f| typed(f)).collect(),
    };
    if text == Text::Json {
        let absent = config.columns.iter().flatten().filter(|(n, _)| found.column_with_name(n).is_none());
        fields.extend(absent.map(|(n, t)| Field::new(n, if *t == ColumnType::Timestamp { DataType::Utf8 } else { t.arrow() }, true)));
        let keys: Vec<String> = needed(config, context).into_iter().filter(|n| !fields.iter().any(|f| f.name() == n)).collect();
        fields.extend(keys.iter().map(|n| Field::new(n, DataType::Utf8, true)));
    }
    Arc::new(Schema::new(fields))
}

fn values_schema(own: &Schema, context: &SourceContext) -> SchemaRef {
    let key = |name: &str| {
        context.time_column.as_deref() == Some(name)
            || name == "ts"
            || name == "device"
            || matches!(&context.device, DeviceFrom::Column(c) if c == name)
    };
    let wanted = |name: &str| context.wanted.as_ref().is_none_or(|w| w.iter().any(|c| c == name));
    source_schema(own.fields().iter().filter(|f| !key(f.name()) && wanted(f.name())).map(|f| f.as_ref().clone()))
}

impl FileReader for LineFile {
    fn next_chunk(&mut self) -> Option<Chunk> {
        if self.ended {
            return None;
        }
        let mut bad = BadLog::default();
        let (first, lines) = (self.line + 1, self.read_block(&mut bad));
        if lines.is_empty() && self.ended && bad.0.is_empty() {
            return None;
        }
        let whole: Vec<u8> = lines.iter().flat_map(|(_, l)| l.iter().copied().chain([b'\n'])).collect();
        let rows = match self.decode(&whole) {
            Ok(rows) if rows.num_rows() == lines.len() => Some(rows),
            _ => self.decode_each(&lines, &mut bad),
        };
        tracing::trace!(place = self.place, first, lines = lines.len(), "block");
        Some(Chunk { rows, bad })
    }
}

impl LineFile {
    /// Lines that are not empty, with their numbers.
    fn read_block(&mut self, bad: &mut BadLog) -> Vec<(u64, Vec<u8>)> {
        let mut lines = Vec::with_capacity(BLOCK_LINES);
        while lines.len() < BLOCK_LINES {
            let mut line = Vec::new();
            let read = (&mut self.input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            match read {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(_) => {}
                Err(error) => {
                    bad.add(&self.place, BadReason::Malformed, &error.to_string(), 1);
                    self.ended = true;
                    break;
                }
            }
            self.line += 1;
            if self.line == 1 && self.text == Text::Json && line.starts_with(BYTE_ORDER_MARK) {
                line.drain(..BYTE_ORDER_MARK.len());
            }
            if line.last() != Some(&b'\n') && line.len() as u64 == LINE_BYTES_MAX {
                bad.add(&format!("{}:{}", self.place, self.line), BadReason::Malformed, "a line of more than 1 MiB", 1);
                self.skip_line();
                continue;
            }
            while line.last().is_some_and(|b| *b == b'\n' || *b == b'\r') {
                line.pop();
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                lines.push((self.line, line));
            }
        }
        lines
    }

    fn skip_line(&mut self) {
        loop {
            let (found, used) = match self.input.fill_buf() {
                Ok([]) | Err(_) => return,
                Ok(buffer) => match buffer.iter().position(|b| *b == b'\n') {
                    Some(at) => (true, at + 1),
                    None => (false, buffer.len()),
                },
            };
            self.input.consume(used);
            if found {
                return;
            }
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<RecordBatch, ArrowError> {
        match self.text {
            Text::Csv => csv(&self.schema, bytes),
            Text::Json => self.json.decode(bytes)?.ok_or_else(|| ArrowError::JsonError("not one record a line".into())),
        }
    }

    fn decode_each(&mut self, lines: &[(u64, Vec<u8>)], bad: &mut BadLog) -> Option<RecordBatch> {
        let mut good = Vec::new();
        for (number, line) in lines {
            match self.decode(line) {
                Ok(rows) if rows.num_rows() == 1 => good.push(rows),
                other => {
                    let detail = other.err().map_or("not one record".into(), |e| e.to_string());
                    bad.add(&format!("{}:{number}", self.place), self.reason(line), &detail, 1);
                }
            }
        }
        concat_batches(&self.schema, &good).ok()
    }

    fn reason(&self, line: &[u8]) -> BadReason {
        let well_formed = match self.text {
            Text::Json => serde_json::from_slice::<serde_json::Value>(line).is_ok_and(|v| v.is_object()),
            Text::Csv => line.split(|b| *b == b',').count() == self.schema.fields().len(),
        };
        if well_formed { BadReason::WrongType } else { BadReason::Malformed }
    }
}

fn csv(schema: &SchemaRef, bytes: &[u8]) -> Result<RecordBatch, ArrowError> {
    let reader = arrow::csv::ReaderBuilder::new(schema.clone()).with_batch_size(BLOCK_LINES).build(bytes)?;
    concat_batches(schema, &reader.collect::<Result<Vec<RecordBatch>, ArrowError>>()?)
}
