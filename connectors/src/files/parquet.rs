//! Parquet recordings: reads the wanted columns of each file in chunks.

use std::fs::File;
use std::path::Path;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::normalise::{Normaliser, source_schema};
use super::replay::{Replay, Track, device_name, matching};
use super::{BadLog, Chunk, FileReader};
use crate::config::FileSource;
use crate::source::{BadReason, DeviceFrom, Source, SourceContext, SourceError};

/// Rows of a chunk.
const CHUNK_ROWS: usize = 8192;
/// The metadata key that tells the sample rate.
const RATE_KEY: &str = "sample_rate_hz";

struct ParquetFile {
    reader: ParquetRecordBatchReader,
    place: String,
    failed: bool,
}

/// Opens the files of a Parquet source.
pub fn open(config: &FileSource, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    let files = matching(context, &config.path)?;
    let (mut schema, mut tracks, mut bad, mut first_error) = (None, Vec::new(), BadLog::default(), None);
    for path in &files {
        match open_one(path, config, context, &mut schema) {
            Ok(track) => tracks.push(track),
            Err(error) => {
                bad.add(&path.display().to_string(), BadReason::Malformed, &chain(&error), 1);
                first_error.get_or_insert(error);
            }
        }
    }
    match (schema, first_error) {
        (Some(schema), _) if !tracks.is_empty() => Ok(Box::new(Replay::new(schema, tracks, context.slice, bad))),
        (_, Some(error)) => Err(error),
        _ => Err(SourceError::Setting(format!("no file of \"{}\" can be read", config.path))),
    }
}

/// An error with its cause in one line.
pub fn chain(error: &SourceError) -> String {
    let cause = std::error::Error::source(error).map(|c| format!(": {c}")).unwrap_or_default();
    format!("{error}{cause}")
}

fn open_one(path: &Path, config: &FileSource, context: &SourceContext, schema: &mut Option<SchemaRef>) -> Result<Track, SourceError> {
    let place = path.display().to_string();
    let fail = |cause: Box<dyn std::error::Error + Send + Sync>| SourceError::Open { path: place.clone(), cause };
    let file = File::open(path).map_err(|e| fail(e.into()))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| fail(e.into()))?;
    let metadata = builder.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
    let number = |key: &str| metadata.iter().find(|kv| kv.key == key).and_then(|kv| kv.value.as_ref()).and_then(|v| v.parse::<f64>().ok());
    let rate = config.sample_rate_hz.or_else(|| number(RATE_KEY));
    if context.time_column.is_none() && rate.is_none() {
        let what = format!("\"{place}\" has no {RATE_KEY} metadata; give the source event_time: {{ column: … }} or sample_rate_hz");
        return Err(SourceError::Setting(what));
    }
    let constants = constants(config, context, number, &place)?;
    let own = own_schema(builder.schema(), config, context, &constants)?;
    let schema = schema.get_or_insert_with(|| own.clone());
    if *schema != own {
        return Err(SourceError::Setting(format!("\"{place}\" has other columns than the files before it")));
    }
    let needed = |f: &Field| schema.column_with_name(f.name()).is_some() || is_key(f.name(), context);
    let roots: Vec<usize> = builder.schema().fields().iter().enumerate().filter(|(_, f)| needed(f)).map(|(i, _)| i).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let reader = builder.with_projection(mask).with_batch_size(CHUNK_ROWS).build().map_err(|e| fail(e.into()))?;
    let normaliser = Normaliser::new(schema.clone(), context, &place, device_name(path), rate, constants);
    Ok(Track::new(&place, Box::new(ParquetFile { reader, place: place.clone(), failed: false }), normaliser))
}

fn constants(
    config: &FileSource,
    context: &SourceContext,
    number: impl Fn(&str) -> Option<f64>,
    place: &str,
) -> Result<Vec<(String, f32)>, SourceError> {
    let wanted = |name: &String| context.wanted.as_ref().is_none_or(|w| w.contains(name));
    let one = |name: &String| match number(name) {
        Some(value) => Ok((name.clone(), value as f32)),
        None => Err(SourceError::Setting(format!("\"{place}\" has no numeric metadata \"{name}\""))),
    };
    config.metadata.iter().filter(|n| wanted(n)).map(one).collect()
}

fn is_key(name: &str, context: &SourceContext) -> bool {
    context.time_column.as_deref() == Some(name) || matches!(&context.device, DeviceFrom::Column(c) if c == name)
}

fn own_schema(file: &Schema, config: &FileSource, context: &SourceContext, constants: &[(String, f32)]) -> Result<SchemaRef, SourceError> {
    let value = |f: &&std::sync::Arc<Field>| !is_key(f.name(), context) && f.name() != "device" && f.name() != "ts";
    let wanted = |name: &str| context.wanted.as_ref().is_none_or(|w| w.iter().any(|c| c == name));
    let typed = |f: &Field| match config.columns.as_ref().and_then(|c| c.get(f.name())) {
        Some(t) => Field::new(f.name(), t.arrow(), f.is_nullable()),
        None => Field::new(f.name(), f.data_type().clone(), f.is_nullable()),
    };
    let named = |f: &&std::sync::Arc<Field>| config.columns.as_ref().is_none_or(|c| c.contains_key(f.name()));
    let mut fields: Vec<Field> = file.fields().iter().filter(value).filter(named).filter(|f| wanted(f.name())).map(|f| typed(f)).collect();
    fields.extend(constants.iter().map(|(name, _)| Field::new(name, DataType::Float32, false)));
    let missing = |name: &String| !fields.iter().any(|f| f.name() == name) && !is_key(name, context);
    let asked = config.columns.iter().flat_map(|c| c.keys()).filter(|n| wanted(n)).chain(context.wanted.iter().flatten());
    if let Some(name) = asked.into_iter().find(|n| missing(n)) {
        let there: Vec<&str> = file.fields().iter().map(|f| f.name().as_str()).collect();
        return Err(SourceError::Setting(format!("there is no column \"{name}\"; the file has {}", there.join(", "))));
    }
    Ok(source_schema(fields))
}

impl FileReader for ParquetFile {
    fn next_chunk(&mut self) -> Option<Chunk> {
        if self.failed {
            return None;
        }
        match self.reader.next()? {
            Ok(rows) => Some(Chunk { rows: Some(rows), bad: BadLog::default() }),
            Err(error) => {
                // The rest of a file that breaks off cannot be found again.
                self.failed = true;
                let mut bad = BadLog::default();
                bad.add(&self.place, BadReason::Malformed, &error.to_string(), 1);
                Some(Chunk { rows: None, bad })
            }
        }
    }
}
