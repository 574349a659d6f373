//! Runs a model over batches: gathers its input columns row by row, adds its output columns.
//!
//! A row whose figures are not finite, going in or coming out, gets the label `unknown` and the score 1: it passes every
//! gate and is seen, rather than vanishing.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::{InferError, Model, Output};

/// Rows of one call: above this a larger call is not faster, and the pure-Rust runtime gets slower.
const ROWS_MAX: usize = 512;
/// The label of a row that the model could not judge.
pub const UNKNOWN: &str = "unknown";

/// An infer step over batches of one schema.
pub struct InferStep {
    model: Model,
    inputs: Vec<usize>,
    outputs: Vec<Output>,
    output: SchemaRef,
}

impl InferStep {
    /// A step that reads `inputs`, or the columns that the card names when that is empty, and adds `outputs`.
    ///
    /// # Errors
    /// When an input column is missing or not f32, or the card names another number of inputs.
    pub fn new(model: Model, inputs: &[String], outputs: &[(String, Output)], input: &Schema) -> Result<Self, InferError> {
        let names = if inputs.is_empty() { model.card().inputs.clone() } else { inputs.to_vec() };
        if names.len() != model.card().inputs.len() {
            let what = format!("takes {} inputs, but {} are given", model.card().inputs.len(), names.len());
            return Err(InferError::Shape { path: model.name(), what });
        }
        let find = |name: &String| match input.index_of(name) {
            Ok(i) if *input.field(i).data_type() == DataType::Float32 => Ok(i),
            _ => Err(InferError::Column { path: model.name(), column: name.clone() }),
        };
        let indices: Vec<usize> = names.iter().map(find).collect::<Result<_, _>>()?;
        let mut fields: Vec<Arc<Field>> = input.fields().iter().cloned().collect();
        for (name, output) in outputs {
            let data_type = if *output == Output::Label { DataType::Utf8 } else { DataType::Float32 };
            fields.push(Arc::new(Field::new(name, data_type, false)));
        }
        let outputs = outputs.iter().map(|(_, o)| *o).collect();
        Ok(InferStep { model, inputs: indices, outputs, output: Arc::new(Schema::new(fields)) })
    }

    /// The columns of what comes out.
    pub fn output_schema(&self) -> SchemaRef {
        self.output.clone()
    }

    /// Runs the model over a batch.
    ///
    /// # Errors
    /// When the runtime fails, or the batch does not have the schema that the step was made for.
    pub fn apply(&mut self, batch: &RecordBatch) -> Result<RecordBatch, InferError> {
        let rows = self.gather(batch)?;
        let width = self.inputs.len();
        let mut probabilities = Vec::with_capacity(batch.num_rows() * self.model.card().labels.len());
        for chunk in rows.chunks(ROWS_MAX * width) {
            probabilities.extend(self.model.run(chunk.len() / width, chunk)?);
        }
        let labels = self.model.card().labels.len();
        let judged: Vec<bool> =
            rows.chunks(width).zip(probabilities.chunks(labels)).map(|(i, o)| i.iter().chain(o).all(|x| x.is_finite())).collect();
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        columns.extend(self.outputs.iter().map(|output| self.column(*output, &probabilities, &judged)));
        Ok(RecordBatch::try_new(self.output.clone(), columns)?)
    }

    /// The input columns, row by row, as the model's tensor wants them.
    fn gather(&self, batch: &RecordBatch) -> Result<Vec<f32>, InferError> {
        let column = |&i: &usize| {
            let found = batch.columns().get(i).and_then(|c| c.as_any().downcast_ref::<Float32Array>());
            found.ok_or_else(|| InferError::Column { path: self.model.name(), column: format!("number {i}") })
        };
        let columns: Vec<&Float32Array> = self.inputs.iter().map(column).collect::<Result<_, _>>()?;
        let mut rows = vec![0.0f32; batch.num_rows() * columns.len()];
        for (at, column) in columns.iter().enumerate() {
            for (value, slot) in column.iter().zip(rows.iter_mut().skip(at).step_by(columns.len())) {
                *slot = value.unwrap_or(f32::NAN);
            }
        }
        Ok(rows)
    }

    fn column(&self, output: Output, probabilities: &[f32], judged: &[bool]) -> ArrayRef {
        let labels = &self.model.card().labels;
        let rows = probabilities.chunks(labels.len()).zip(judged);
        match output {
            Output::F32 => Arc::new(Float32Array::from_iter_values(rows.map(|(p, ok)| match (ok, p.first()) {
                (true, Some(healthy)) => (1.0 - healthy).clamp(0.0, 1.0),
                _ => 1.0,
            }))),
            Output::Label => {
                let best = |p: &[f32]| p.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).and_then(|(i, _)| labels.get(i));
                Arc::new(StringArray::from_iter_values(rows.map(|(p, ok)| match (ok, best(p)) {
                    (true, Some(label)) => label.as_str(),
                    _ => UNKNOWN,
                })))
            }
        }
    }
}
