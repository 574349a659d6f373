//! Gives the rows of a file the columns every source has: `device`, `ts`, then values; takes out rows that are not usable.
//!
//! Not usable: a sample that is not a finite number, a time that is missing or before that of its device's
//! last row in the same file, a missing device. Each is counted with its reason. A chunk without any of these is passed on without copying.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float32Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

use super::BadLog;
use crate::config::ColumnType;
use crate::source::{BadReason, DeviceFrom, SourceContext};

/// Devices of one file whose last time is remembered; rows of further ones are not held against it.
const DEVICES_MAX: usize = 100_000;

/// The type of `ts`.
pub fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The schema of a source with these value columns.
pub fn source_schema(values: impl IntoIterator<Item = Field>) -> SchemaRef {
    let mut fields = vec![Field::new("device", DataType::Utf8, false), Field::new("ts", time_type(), false)];
    fields.extend(values);
    Arc::new(Schema::new(fields))
}

impl ColumnType {
    /// The Arrow type.
    pub fn arrow(self) -> DataType {
        match self {
            ColumnType::F32 => DataType::Float32,
            ColumnType::F64 => DataType::Float64,
            ColumnType::I64 => DataType::Int64,
            ColumnType::Bool => DataType::Boolean,
            ColumnType::String => DataType::Utf8,
            ColumnType::Timestamp => time_type(),
        }
    }
}

/// How the rows of one file become rows of the source.
pub struct Normaliser {
    schema: SchemaRef,
    device: DeviceFrom,
    file_device: String,
    time_column: Option<String>,
    interval_us: Option<f64>,
    constants: Vec<(String, f32)>,
    place: String,
    next_row: u64,
    last_us: HashMap<String, i64>,
}

impl Normaliser {
    /// For one file; `sample_rate_hz` makes times where no column holds them.
    pub fn new(
        schema: SchemaRef,
        context: &SourceContext,
        place: &str,
        device: String,
        sample_rate_hz: Option<f64>,
        constants: Vec<(String, f32)>,
    ) -> Self {
        Normaliser {
            schema,
            device: context.device.clone(),
            file_device: device,
            time_column: context.time_column.clone(),
            interval_us: sample_rate_hz.map(|hz| 1e6 / hz),
            constants,
            place: place.to_string(),
            next_row: 0,
            last_us: HashMap::new(),
        }
    }

    /// The rows of the source; bad ones are added to `bad`.
    pub fn apply(&mut self, rows: &RecordBatch, bad: &mut BadLog) -> Result<RecordBatch, ArrowError> {
        let n = rows.num_rows();
        let times = self.times(rows)?;
        let devices = self.devices(rows)?;
        let mut columns: Vec<ArrayRef> = vec![Arc::new(devices), Arc::new(times)];
        for field in self.schema.fields().iter().skip(2) {
            columns.push(self.value_column(rows, field, n)?);
        }
        let keep = self.usable(&columns, rows, bad);
        // Unusable rows may hold nulls where none are allowed, so they go before the schema is put on.
        let loose: Vec<Field> = self.schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        let all = RecordBatch::try_new(Arc::new(Schema::new(loose)), columns)?;
        let kept = match keep {
            None => all,
            Some(keep) => filter_record_batch(&all, &keep)?,
        };
        RecordBatch::try_new(self.schema.clone(), kept.columns().to_vec())
    }

    fn value_column(&self, rows: &RecordBatch, field: &Field, n: usize) -> Result<ArrayRef, ArrowError> {
        if let Some((_, value)) = self.constants.iter().find(|(name, _)| name == field.name()) {
            return Ok(Arc::new(Float32Array::from(vec![*value; n])));
        }
        match rows.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
            Some(column) => cast(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), n)),
        }
    }

    fn times(&mut self, rows: &RecordBatch) -> Result<TimestampMicrosecondArray, ArrowError> {
        let n = rows.num_rows();
        let column = match (&self.time_column, self.interval_us) {
            (Some(name), _) => rows.column_by_name(name).cloned().unwrap_or_else(|| new_null_array(&time_type(), n)),
            (None, Some(interval)) => {
                let first = self.next_row;
                self.next_row += n as u64;
                let at = |i: u64| (i as f64 * interval).round() as i64;
                return Ok(TimestampMicrosecondArray::from_iter_values((first..first + n as u64).map(at)).with_timezone("UTC"));
            }
            (None, None) => new_null_array(&time_type(), n),
        };
        let column = if column.data_type().is_integer() { cast(&column, &DataType::Int64)? } else { column };
        let column = cast(&column, &time_type())?;
        column
            .as_any()
            .downcast_ref::<TimestampMicrosecondArray>()
            .cloned()
            .ok_or_else(|| ArrowError::CastError("the time column cannot be read as a time".into()))
    }

    fn devices(&self, rows: &RecordBatch) -> Result<StringArray, ArrowError> {
        let n = rows.num_rows();
        let constant = |name: &str| StringArray::from_iter_values(std::iter::repeat_n(name, n));
        match &self.device {
            DeviceFrom::FileName => Ok(constant(&self.file_device)),
            DeviceFrom::Fixed(name) => Ok(constant(name)),
            DeviceFrom::Column(name) => {
                let column = rows.column_by_name(name).cloned().unwrap_or_else(|| new_null_array(&DataType::Utf8, n));
                let column = cast(&column, &DataType::Utf8)?;
                column
                    .as_any()
                    .downcast_ref::<StringArray>()
                    .cloned()
                    .ok_or_else(|| ArrowError::CastError(format!("column \"{name}\" is not text")))
            }
        }
    }

    /// Which rows to keep; none when all of them.
    fn usable(&mut self, columns: &[ArrayRef], rows: &RecordBatch, bad: &mut BadLog) -> Option<BooleanArray> {
        let n = rows.num_rows();
        let mut keep = vec![true; n];
        let mut drop_all = |reason, detail: &str, which: &dyn Fn(usize) -> bool, keep: &mut [bool]| {
            let mut count = 0;
            for (i, k) in keep.iter_mut().enumerate() {
                if *k && which(i) {
                    *k = false;
                    count += 1;
                }
            }
            bad.add(&self.place, reason, detail, count);
        };
        let [devices, times, values @ ..] = columns else { return None };
        if devices.null_count() > 0 {
            drop_all(BadReason::Missing, "no device", &|i| devices.is_null(i), &mut keep);
        }
        if times.null_count() > 0 {
            drop_all(BadReason::Missing, "no time, or one that cannot be read", &|i| times.is_null(i), &mut keep);
        }
        for (column, field) in values.iter().zip(self.schema.fields().iter().skip(2)) {
            if !field.is_nullable() && column.null_count() > 0 {
                drop_all(BadReason::Missing, "a column without a value", &|i| column.is_null(i), &mut keep);
            }
            if let Some(samples) = column.as_any().downcast_ref::<Float32Array>() {
                let finite = |i: usize| samples.is_null(i) || samples.value(i).is_finite();
                if !samples.values().iter().all(|x| x.is_finite()) {
                    drop_all(BadReason::NotFinite, "a sample that is not a finite number", &|i| !finite(i), &mut keep);
                }
            }
        }
        let back = self.time_back(devices, times, &mut keep);
        bad.add(&self.place, BadReason::TimeBack, "a time before its predecessor's", back);
        keep.iter().any(|k| !k).then(|| BooleanArray::from(keep))
    }

    /// Drops rows whose time is before that of their device's last row kept.
    fn time_back(&mut self, devices: &ArrayRef, times: &ArrayRef, keep: &mut [bool]) -> u64 {
        let Some(times) = times.as_any().downcast_ref::<TimestampMicrosecondArray>() else { return 0 };
        let Some(devices) = devices.as_any().downcast_ref::<StringArray>() else { return 0 };
        let (mut count, mut run, mut last) = (0, None, None);
        for (row, (at, keep)) in times.values().iter().zip(keep).enumerate() {
            if !*keep {
                continue;
            }
            // Rows of one device come in runs, so the map is asked once a run.
            let device = devices.value(row);
            if run != Some(device) {
                self.remember(run, last);
                (run, last) = (Some(device), self.last_us.get(device).copied());
            }
            if last.is_some_and(|last| *at < last) {
                *keep = false;
                count += 1;
            } else {
                last = Some(*at);
            }
        }
        self.remember(run, last);
        count
    }

    fn remember(&mut self, device: Option<&str>, last: Option<i64>) {
        let (Some(device), Some(last)) = (device, last) else { return };
        if let Some(slot) = self.last_us.get_mut(device) {
            *slot = last;
        } else if self.last_us.len() < DEVICES_MAX {
            self.last_us.insert(device.to_string(), last);
        }
    }
}
