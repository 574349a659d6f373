//! Runs a feature plan over many windows: a framed column of a batch, or a plain slice of samples.
//!
//! Windows are independent, so they are shared out over threads by rayon once there are enough of them; each window is
//! computed the same way whichever thread has it, so the split does not show in the result.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rayon::prelude::*;

use super::plan::{FeatureError, FeaturePlan, Scratch};

/// Windows below which threads cost more than they bring.
const PARALLEL_WINDOWS_MIN: usize = 64;

/// A features step over batches of one schema.
pub struct FeatureStep {
    plan: FeaturePlan,
    of: usize,
    kept: Vec<usize>,
    shaft: Option<usize>,
    output: SchemaRef,
}

impl FeatureStep {
    /// A step that reads the framed column `of`; framed columns do not come out, all others do, then the figures.
    ///
    /// # Errors
    /// When the column is not there, or not framed at the plan's length.
    pub fn new(plan: FeaturePlan, of: &str, input: &Schema) -> Result<Self, FeatureError> {
        let missing = |column: &str, wanted: String| FeatureError::Column { column: column.into(), wanted };
        let index = input.index_of(of).map_err(|_| missing(of, "a framed f32 column".into()))?;
        let framed = |t: &DataType| matches!(t, DataType::FixedSizeList(item, _) if *item.data_type() == DataType::Float32);
        match input.field(index).data_type() {
            t @ DataType::FixedSizeList(_, n) if framed(t) && *n as usize == plan.window() => {}
            _ => return Err(missing(of, format!("frames of {} f32 samples", plan.window()))),
        }
        let shaft = plan
            .shaft_column()
            .map(|c| input.index_of(c).map_err(|_| missing(c, "f32, the shaft speed in rpm; keep it in the frame step".into())))
            .transpose()?;
        if let Some(i) = shaft
            && *input.field(i).data_type() != DataType::Float32
        {
            return Err(missing(input.field(i).name(), "f32".into()));
        }
        let kept: Vec<usize> = (0..input.fields().len()).filter(|&i| !framed(input.field(i).data_type())).collect();
        let mut fields: Vec<Arc<Field>> = kept.iter().map(|&i| Arc::new(input.field(i).clone())).collect();
        fields.extend(plan.columns().iter().map(|c| Arc::new(Field::new(c, DataType::Float32, false))));
        Ok(FeatureStep { plan, of: index, kept, shaft, output: Arc::new(Schema::new(fields)) })
    }

    /// The columns of what comes out.
    pub fn output_schema(&self) -> SchemaRef {
        self.output.clone()
    }

    /// Reduces each framed row to its figures.
    ///
    /// # Errors
    /// When the batch does not have the schema that the step was made for.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, FeatureError> {
        let wrong = || FeatureError::Column { column: "of".into(), wanted: "a framed f32 column".into() };
        let frames = batch.columns().get(self.of).and_then(|c| c.as_any().downcast_ref::<FixedSizeListArray>()).ok_or_else(wrong)?;
        let values = frames.values().as_any().downcast_ref::<Float32Array>().ok_or_else(wrong)?;
        let size = self.plan.window();
        let samples = values.values().get(frames.value_offset(0) as usize..).unwrap_or_default();
        let shaft = self.shaft.and_then(|i| batch.columns().get(i)).and_then(|c| c.as_any().downcast_ref::<Float32Array>());
        let shaft_hz = |row: usize| shaft.map(|s| f64::from(s.value(row)) / 60.0);
        let window = |row: usize| samples.get(row * size..(row + 1) * size).unwrap_or_default();
        let figures = compute_all(&self.plan, frames.len(), window, shaft_hz)?;
        let mut columns: Vec<ArrayRef> = self.kept.iter().filter_map(|&i| batch.columns().get(i).cloned()).collect();
        columns.extend(transpose(&figures, self.plan.columns().len()));
        Ok(RecordBatch::try_new(self.output.clone(), columns)?)
    }
}

/// Where windows of a slice begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Samples a window.
    pub size: usize,
    /// Samples from one window's start to the next's.
    pub hop: usize,
}

/// Reduces a slice of samples to one row of figures a window, without copying the samples, over all cores.
///
/// The batch has the column `start` (index of a window's first sample), then the plan's columns. Samples after the last
/// whole window are left.
///
/// ```
/// use littoral_operators::features::{Feature, FeaturePlan, Window, process_sensor_batch};
///
/// let samples: Vec<f32> = (0..4096).map(|i| (i as f32 * 0.3).sin()).collect();
/// let plan = FeaturePlan::new(&[Feature::Rms, Feature::Kurtosis], 1024, 12_000.0)?;
/// let rows = process_sensor_batch(&samples, Window { size: 1024, hop: 512 }, &plan)?;
/// assert_eq!(rows.num_rows(), 7);
/// assert_eq!(rows.schema().field(1).name(), "rms");
/// # Ok::<(), littoral_operators::features::FeatureError>(())
/// ```
///
/// # Errors
/// When the window is not the plan's, the hop is 0, or a sample is not a finite number.
pub fn process_sensor_batch(samples: &[f32], window: Window, plan: &FeaturePlan) -> Result<RecordBatch, FeatureError> {
    if window.hop == 0 {
        return Err(FeatureError::Setting("a hop of 0 samples; it must be at least 1".into()));
    }
    if window.size != plan.window() {
        return Err(FeatureError::Length { planned: plan.window(), got: window.size });
    }
    if let Some(bad) = samples.iter().position(|x| !x.is_finite()) {
        return Err(FeatureError::NotFinite(bad));
    }
    let count = (samples.len() + window.hop).saturating_sub(window.size) / window.hop;
    let at = |row: usize| samples.get(row * window.hop..row * window.hop + window.size).unwrap_or_default();
    let figures = compute_all(plan, count, at, |_| None)?;
    let starts: UInt64Array = (0..count as u64).map(|row| row * window.hop as u64).collect();
    let mut columns: Vec<ArrayRef> = vec![Arc::new(starts)];
    columns.extend(transpose(&figures, plan.columns().len()));
    let mut fields = vec![Field::new("start", DataType::UInt64, false)];
    fields.extend(plan.columns().iter().map(|c| Field::new(c, DataType::Float32, false)));
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Figures of all windows, row by row.
fn compute_all<'a>(
    plan: &FeaturePlan,
    rows: usize,
    window: impl Fn(usize) -> &'a [f32] + Sync,
    shaft_hz: impl Fn(usize) -> Option<f64> + Sync,
) -> Result<Vec<f32>, FeatureError> {
    let width = plan.columns().len();
    let mut figures = vec![0.0f32; rows * width];
    let one = |scratch: &mut Scratch, (row, out): (usize, &mut [f32])| plan.compute(window(row), shaft_hz(row), scratch, out);
    match rows < PARALLEL_WINDOWS_MIN {
        true => {
            let mut scratch = Scratch::default();
            figures.chunks_exact_mut(width).enumerate().try_for_each(|item| one(&mut scratch, item))?;
        }
        false => figures.par_chunks_exact_mut(width).enumerate().try_for_each_init(Scratch::default, one)?,
    }
    Ok(figures)
}

fn transpose(figures: &[f32], width: usize) -> Vec<ArrayRef> {
    let column = |c: usize| -> ArrayRef { Arc::new(Float32Array::from_iter_values(figures.iter().skip(c).step_by(width).copied())) };
    (0..width).map(column).collect()
}
