//! WAV recordings: the channels are columns `ch0`, `ch1`, …, integers scaled to ±1, times from the sample rate.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use hound::{SampleFormat, WavReader};

use super::normalise::{Normaliser, source_schema};
use super::replay::{Replay, Track, device_name, matching};
use super::{BadLog, Chunk, FileReader};
use crate::config::FileSource;
use crate::source::{BadReason, Source, SourceContext, SourceError};

/// Samples of each channel in a chunk.
const CHUNK_ROWS: usize = 8192;

struct WavFile {
    reader: WavReader<BufReader<File>>,
    schema: SchemaRef,
    place: String,
    ended: bool,
}

/// Opens the files of a WAV source.
pub fn open(config: &FileSource, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    let (mut schema, mut tracks, mut bad, mut first_error) = (None, Vec::new(), BadLog::default(), None);
    for path in &matching(context, &config.path)? {
        match open_one(path, config, context, &mut schema) {
            Ok(track) => tracks.push(track),
            Err(error) => {
                bad.add(&path.display().to_string(), BadReason::Malformed, &super::parquet::chain(&error), 1);
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

fn open_one(path: &Path, config: &FileSource, context: &SourceContext, schema: &mut Option<SchemaRef>) -> Result<Track, SourceError> {
    let place = path.display().to_string();
    let reader = WavReader::open(path).map_err(|e| SourceError::Open { path: place.clone(), cause: Box::new(e) })?;
    let spec = reader.spec();
    let fields: Vec<Field> = (0..spec.channels).map(|c| Field::new(format!("ch{c}"), DataType::Float32, false)).collect();
    let own = Arc::new(Schema::new(fields.clone()));
    let wanted = |f: &Field| context.wanted.as_ref().is_none_or(|w| w.contains(f.name()));
    let found = source_schema(fields.into_iter().filter(wanted));
    let schema = schema.get_or_insert_with(|| found.clone());
    if *schema != found {
        return Err(SourceError::Setting(format!("\"{place}\" has {} channels, other than the files before it", spec.channels)));
    }
    let rate = config.sample_rate_hz.unwrap_or(f64::from(spec.sample_rate));
    let normaliser = Normaliser::new(schema.clone(), context, &place, device_name(path), Some(rate), Vec::new());
    Ok(Track::new(&place, Box::new(WavFile { reader, schema: own, place: place.clone(), ended: false }), normaliser))
}

impl FileReader for WavFile {
    fn next_chunk(&mut self) -> Option<Chunk> {
        if self.ended {
            return None;
        }
        let spec = self.reader.spec();
        let channels = usize::from(spec.channels).max(1);
        let count = CHUNK_ROWS * channels;
        let (samples, error) = match spec.sample_format {
            SampleFormat::Float => collect(self.reader.samples::<f32>().take(count)),
            SampleFormat::Int => {
                let scale = 1.0 / (1u64 << (spec.bits_per_sample - 1)) as f32;
                let (ints, error) = collect(self.reader.samples::<i32>().take(count));
                (ints.into_iter().map(|i| i as f32 * scale).collect(), error)
            }
        };
        self.ended = samples.len() < count;
        let mut bad = BadLog::default();
        if let Some(error) = error {
            bad.add(&self.place, BadReason::Malformed, &error, 1);
        }
        let rows = samples.len() / channels;
        let column = |c: usize| -> ArrayRef {
            Arc::new(Float32Array::from_iter_values(samples.iter().skip(c).step_by(channels).take(rows).copied()))
        };
        let rows = RecordBatch::try_new(self.schema.clone(), (0..channels).map(column).collect()).ok();
        Some(Chunk { rows, bad })
    }
}

/// Samples up to the first that cannot be read, and why it cannot.
fn collect<S>(samples: impl Iterator<Item = Result<S, hound::Error>>) -> (Vec<S>, Option<String>) {
    let mut good = Vec::new();
    for sample in samples {
        match sample {
            Ok(sample) => good.push(sample),
            Err(error) => return (good, Some(error.to_string())),
        }
    }
    (good, None)
}
