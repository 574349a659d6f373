//! Frames: cuts the samples of each key into windows of `size` samples, one every `hop` samples.
//!
//! A frame never spans a gap: where a sample's time is more than half an interval off, or a sample is not a finite number,
//! the frame begun is dropped and counted. What comes out does not depend on how the input was cut into batches.
//! Not here: what is computed of a frame (`features`), which worker holds a key.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

/// Samples a frame may hold: bounds the memory of a key.
pub const FRAME_SAMPLES_MAX: usize = 65_536;
/// Keys a framer may hold: at 2,048 samples of one channel about 2.4 GB.
pub const KEYS_MAX: usize = 100_000;

/// Settings of a framer.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameSettings {
    /// Samples a frame, 2 to `FRAME_SAMPLES_MAX`.
    pub size: usize,
    /// Samples from one frame's start to the next's, 1 to 16 × `size`.
    pub hop: usize,
    /// Key columns, text.
    pub by: Vec<String>,
    /// Sample columns, f32; all f32 columns when empty.
    pub of: Vec<String>,
    /// Columns whose value at a frame's last sample is kept.
    pub keep: Vec<String>,
    /// Time between two samples, in microseconds; learned from each key's first samples when left out.
    pub sample_interval_us: Option<f64>,
}

/// What a push counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameStats {
    /// Frames cut.
    pub frames: u64,
    /// Breaks in the samples of a key.
    pub gaps: u64,
    /// Samples whose time is not after their predecessor's; dropped.
    pub time_back: u64,
    /// Samples that are null or not finite; dropped.
    pub bad_samples: u64,
}

/// Why a framer could not be built or fed.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A setting is out of range.
    #[error("frame {setting} is {value}, but must be {range}")]
    Range {
        /// The setting.
        setting: &'static str,
        /// What it is.
        value: usize,
        /// What it may be.
        range: String,
    },
    /// The input has no such column, or one of another type.
    #[error("frame needs column \"{column}\" as {wanted}")]
    Column {
        /// The column.
        column: String,
        /// The type.
        wanted: &'static str,
    },
    /// More keys than the framer may hold.
    #[error("frame holds {KEYS_MAX} keys already and got another; check the columns of `by`")]
    TooManyKeys,
    /// A batch that does not fit.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

/// Cuts samples into frames.
pub struct Framer {
    settings: FrameSettings,
    by: Vec<usize>,
    time: usize,
    channels: Vec<usize>,
    keep: Vec<usize>,
    output: SchemaRef,
    keys: HashMap<String, KeyState>,
}

/// The samples of one key since its last frame's start.
#[derive(Default)]
struct KeyState {
    times: Vec<i64>,
    channels: Vec<Vec<f32>>,
    /// Samples to pass over before the next frame begins (hop above size).
    skip: usize,
    last_us: Option<i64>,
    interval_us: Option<f64>,
}

/// Frames being collected into one output batch.
#[derive(Default)]
struct Cut {
    last_rows: Vec<u32>,
    starts_us: Vec<i64>,
    channels: Vec<Vec<f32>>,
    stats: FrameStats,
}

impl Framer {
    /// A framer over rows of `input`.
    pub fn new(settings: &FrameSettings, input: &Schema) -> Result<Self, FrameError> {
        check("size", settings.size, 2, FRAME_SAMPLES_MAX)?;
        check("hop", settings.hop, 1, settings.size * 16)?;
        let index = |column: &String, wanted| input.index_of(column).map_err(|_| FrameError::Column { column: column.clone(), wanted });
        let by = typed(input, &settings.by, |t| *t == DataType::Utf8, "text")?;
        let time = index(&"ts".to_string(), "a timestamp in microseconds")?;
        if !matches!(input.field(time).data_type(), DataType::Timestamp(TimeUnit::Microsecond, _)) {
            return Err(FrameError::Column { column: "ts".into(), wanted: "a timestamp in microseconds" });
        }
        let of = match settings.of.is_empty() {
            false => settings.of.clone(),
            true => input.fields().iter().filter(|f| *f.data_type() == DataType::Float32).map(|f| f.name().clone()).collect(),
        };
        if of.is_empty() {
            return Err(FrameError::Column { column: "of".into(), wanted: "at least one f32 column" });
        }
        let channels = typed(input, &of, |t| *t == DataType::Float32, "f32")?;
        let keep: Result<Vec<usize>, _> = settings.keep.iter().map(|c| index(c, "any type")).collect();
        let keep = keep?;
        let output = output_schema(settings, input, &by, time, &channels, &keep);
        Ok(Framer { settings: settings.clone(), by, time, channels, keep, output, keys: HashMap::new() })
    }

    /// Keys, `ts` of a frame's first sample, kept columns, then a fixed-size list a channel.
    pub fn output_schema(&self) -> SchemaRef {
        self.output.clone()
    }

    /// Input columns by which rows must be together.
    pub fn key_columns(&self) -> &[usize] {
        &self.by
    }

    /// Takes rows in event-time order within a key; adds the frames that they complete to `out`.
    pub fn push(&mut self, batch: &RecordBatch, out: &mut Vec<RecordBatch>) -> Result<FrameStats, FrameError> {
        let keys: Vec<&StringArray> = self.by.iter().map(|&i| column(batch, i, "text")).collect::<Result<_, _>>()?;
        let times: &TimestampMicrosecondArray = column(batch, self.time, "a timestamp in microseconds")?;
        let samples: Vec<&Float32Array> = self.channels.iter().map(|&i| column(batch, i, "f32")).collect::<Result<_, _>>()?;
        let mut cut = Cut { channels: vec![Vec::new(); samples.len()], ..Cut::default() };
        let mut start = 0;
        while start < batch.num_rows() {
            let same = |row: usize| keys.iter().all(|k| k.value(row) == k.value(start));
            let end = (start..batch.num_rows()).find(|&row| !same(row)).unwrap_or(batch.num_rows());
            let key: String = keys.iter().map(|k| k.value(start)).collect::<Vec<_>>().join("\u{1f}");
            if !self.keys.contains_key(&key) && self.keys.len() >= KEYS_MAX {
                return Err(FrameError::TooManyKeys);
            }
            let state = self.keys.entry(key).or_default();
            state.channels.resize(samples.len(), Vec::new());
            state.interval_us = state.interval_us.or(self.settings.sample_interval_us);
            state.take_run(start, end, times, &samples, &self.settings, &mut cut);
            start = end;
        }
        if !cut.starts_us.is_empty() {
            out.push(self.build(batch, &mut cut)?);
        }
        Ok(cut.stats)
    }

    fn build(&self, batch: &RecordBatch, cut: &mut Cut) -> Result<RecordBatch, ArrowError> {
        let rows = UInt32Array::from(std::mem::take(&mut cut.last_rows));
        let at_last = |i: &usize| take(batch.column(*i), &rows, None);
        let mut columns: Vec<ArrayRef> = self.by.iter().map(at_last).collect::<Result<_, _>>()?;
        let zone = match self.output.field_with_name("ts")?.data_type() {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => None,
        };
        let starts = TimestampMicrosecondArray::from(std::mem::take(&mut cut.starts_us)).with_timezone_opt(zone);
        columns.push(Arc::new(starts));
        for i in &self.keep {
            columns.push(at_last(i)?);
        }
        for values in cut.channels.drain(..) {
            let item = Arc::new(Field::new("item", DataType::Float32, false));
            columns.push(Arc::new(FixedSizeListArray::try_new(
                item,
                self.settings.size as i32,
                Arc::new(Float32Array::from(values)),
                None,
            )?));
        }
        RecordBatch::try_new(self.output.clone(), columns)
    }
}

impl KeyState {
    fn take_run(
        &mut self,
        start: usize,
        end: usize,
        times: &TimestampMicrosecondArray,
        samples: &[&Float32Array],
        settings: &FrameSettings,
        cut: &mut Cut,
    ) {
        let mut row = start;
        while row < end {
            let good = self.good_until(row, end, times, samples);
            self.append(row, good, times, samples, settings, cut);
            row = good;
            if row < end {
                row += self.skip_or_break(row, times, samples, cut);
            }
        }
    }

    /// The first row from `row` that does not simply follow its predecessor.
    fn good_until(&self, row: usize, end: usize, times: &TimestampMicrosecondArray, samples: &[&Float32Array]) -> usize {
        let (Some(mut last), Some(interval)) = (self.last_us, self.interval_us) else { return row };
        let (low, high) = ((interval * 0.5) as i64, (interval * 1.5).ceil() as i64);
        let steps = times.values().get(row..end).unwrap_or_default();
        let mut good = row;
        for &at in steps {
            let step = at.saturating_sub(last);
            if step < low.max(1) || step > high {
                break;
            }
            last = at;
            good += 1;
        }
        for channel in samples {
            let finite = |i: usize| channel.is_valid(i) && channel.value(i).is_finite();
            good = (row..good).find(|&i| !finite(i)).unwrap_or(good);
        }
        good
    }

    /// Handles one row that does not simply follow: the first of a key, a bad one, or one after a gap. Gives 1 when the
    /// row is used up, 0 when it follows after all.
    fn skip_or_break(&mut self, row: usize, times: &TimestampMicrosecondArray, samples: &[&Float32Array], cut: &mut Cut) -> usize {
        if samples.iter().any(|c| c.is_null(row) || !c.value(row).is_finite()) {
            cut.stats.bad_samples += 1;
            self.restart(None);
            return 1;
        }
        let at = times.value(row);
        let Some(last) = self.last_us else {
            self.begin(row, at, samples);
            return 1;
        };
        let step = at.saturating_sub(last);
        if step <= 0 {
            cut.stats.time_back += 1;
            return 1;
        }
        match self.interval_us {
            None => {
                self.interval_us = Some(step as f64);
                return 0;
            }
            // A much shorter step than the one learned: what was learned was a gap.
            Some(interval) if (step as f64) < interval * 0.5 => self.interval_us = Some(step as f64),
            Some(_) => {}
        }
        cut.stats.gaps += 1;
        self.restart(None);
        self.begin(row, at, samples);
        1
    }

    fn begin(&mut self, row: usize, at: i64, samples: &[&Float32Array]) {
        self.last_us = Some(at);
        self.times.push(at);
        for (buffer, channel) in self.channels.iter_mut().zip(samples) {
            buffer.push(channel.value(row));
        }
    }

    fn restart(&mut self, last_us: Option<i64>) {
        self.times.clear();
        self.channels.iter_mut().for_each(Vec::clear);
        self.skip = 0;
        self.last_us = last_us;
    }

    /// Takes rows that follow each other without a break, cutting frames as they fill up.
    fn append(
        &mut self,
        mut row: usize,
        end: usize,
        times: &TimestampMicrosecondArray,
        samples: &[&Float32Array],
        settings: &FrameSettings,
        cut: &mut Cut,
    ) {
        while row < end {
            if self.skip > 0 {
                let passed = self.skip.min(end - row);
                self.skip -= passed;
                row += passed;
                self.last_us = Some(times.value(row - 1));
                continue;
            }
            let taken = (settings.size - self.times.len()).min(end - row);
            self.times.extend_from_slice(times.values().get(row..row + taken).unwrap_or_default());
            for (buffer, channel) in self.channels.iter_mut().zip(samples) {
                buffer.extend_from_slice(channel.values().get(row..row + taken).unwrap_or_default());
            }
            row += taken;
            self.last_us = Some(times.value(row - 1));
            if self.times.len() == settings.size {
                self.emit(row - 1, settings, cut);
            }
        }
    }

    fn emit(&mut self, last_row: usize, settings: &FrameSettings, cut: &mut Cut) {
        cut.stats.frames += 1;
        cut.last_rows.push(last_row as u32);
        cut.starts_us.extend(self.times.first());
        for (out, buffer) in cut.channels.iter_mut().zip(&self.channels) {
            out.extend_from_slice(buffer);
        }
        let gone = settings.hop.min(settings.size);
        self.skip = settings.hop - gone;
        self.times.drain(..gone);
        for buffer in &mut self.channels {
            buffer.drain(..gone);
        }
    }
}

fn check(setting: &'static str, value: usize, min: usize, max: usize) -> Result<(), FrameError> {
    match (min..=max).contains(&value) {
        true => Ok(()),
        false => Err(FrameError::Range { setting, value, range: format!("{min} to {max}") }),
    }
}

fn typed(input: &Schema, names: &[String], fits: impl Fn(&DataType) -> bool, wanted: &'static str) -> Result<Vec<usize>, FrameError> {
    let one = |name: &String| match input.index_of(name) {
        Ok(i) if fits(input.field(i).data_type()) => Ok(i),
        _ => Err(FrameError::Column { column: name.clone(), wanted }),
    };
    names.iter().map(one).collect()
}

fn column<'a, T: 'static>(batch: &'a RecordBatch, index: usize, wanted: &'static str) -> Result<&'a T, FrameError> {
    let name = || batch.schema().fields().get(index).map(|f| f.name().clone()).unwrap_or_default();
    let found = batch.columns().get(index).and_then(|c| c.as_any().downcast_ref::<T>());
    found.ok_or_else(|| FrameError::Column { column: name(), wanted })
}

fn output_schema(settings: &FrameSettings, input: &Schema, by: &[usize], time: usize, channels: &[usize], keep: &[usize]) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = by.iter().chain([&time]).chain(keep).map(|&i| Arc::new(input.field(i).clone())).collect();
    for &i in channels {
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        fields.push(Arc::new(Field::new(input.field(i).name(), DataType::FixedSizeList(item, settings.size as i32), false)));
    }
    Arc::new(Schema::new(fields))
}
