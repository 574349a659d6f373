//! A model file with its card: what goes in, what comes out, checked when it is loaded.
//!
//! The card is JSON beside the model (`bearing.onnx` has `bearing.card.json`): names of inputs in order, labels in order with
//! the healthy one first. It also tells where the model comes from, which nothing here reads.

use std::path::{Path, PathBuf};

use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::TensorRef;
use serde::Deserialize;

use super::runtime::runtime;

/// A model file may have this many bytes: bounds what a bad path can load.
pub const MODEL_BYTES_MAX: u64 = 512 << 20;

/// What a model says of itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Card {
    /// Input columns, in the order of the input tensor.
    pub inputs: Vec<String>,
    /// Class labels in the order of the output tensor; the first is the healthy one.
    pub labels: Vec<String>,
}

/// A loaded model. One session, so one worker's.
pub struct Model {
    path: PathBuf,
    card: Card,
    session: Session,
}

/// Why a model cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// The model or its card cannot be read.
    #[error("could not read \"{path}\": {cause}")]
    Read {
        /// The file.
        path: String,
        /// What went wrong.
        cause: String,
    },
    /// The runtime does not take the model.
    #[error("could not load model \"{path}\" with {runtime}: {cause}")]
    Load {
        /// The file.
        path: String,
        /// The runtime.
        runtime: String,
        /// What it said.
        cause: String,
    },
    /// The model's shapes are not what its card says.
    #[error("model \"{path}\" {what}")]
    Shape {
        /// The file.
        path: String,
        /// What does not fit.
        what: String,
    },
    /// The input has no such column, or one of another type.
    #[error("model \"{path}\" needs column \"{column}\" as f32")]
    Column {
        /// The file.
        path: String,
        /// The column.
        column: String,
    },
    /// The runtime failed on a batch.
    #[error("model \"{path}\" failed: {cause}")]
    Run {
        /// The file.
        path: String,
        /// What the runtime said.
        cause: String,
    },
    /// A batch that does not fit.
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
}

impl Model {
    /// Loads a model and its card, and runs it once to see that the shapes fit.
    ///
    /// # Errors
    /// When a file cannot be read, the runtime refuses the model, or shapes and card disagree.
    pub fn load(path: &Path) -> Result<Self, InferError> {
        let name = path.display().to_string();
        let size = std::fs::metadata(path).map_err(|e| InferError::Read { path: name.clone(), cause: e.to_string() })?.len();
        if size > MODEL_BYTES_MAX {
            return Err(InferError::Read { path: name, cause: format!("it has {size} bytes, and {MODEL_BYTES_MAX} are allowed") });
        }
        let card = read_card(&path.with_extension("card.json"))?;
        let session = session(path).map_err(|cause| InferError::Load { path: name, runtime: runtime().to_string(), cause })?;
        let mut model = Model { path: path.to_path_buf(), card, session };
        model.check()?;
        Ok(model)
    }

    /// What the model says of itself.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The file, for messages.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Runs the model over `rows` rows of inputs, row by row; gives a probability a label, row by row.
    ///
    /// # Errors
    /// When the runtime fails or gives another shape.
    pub fn run(&mut self, rows: usize, inputs: &[f32]) -> Result<Vec<f32>, InferError> {
        let width = self.card.labels.len();
        let out = call(&mut self.session, [rows, self.card.inputs.len()], inputs)
            .map_err(|cause| InferError::Run { path: self.name(), cause })?;
        if out.len() != rows * width {
            let what = format!("gives {} figures for {rows} rows, but its card names {width} labels", out.len());
            return Err(InferError::Shape { path: self.name(), what });
        }
        Ok(out)
    }

    fn check(&mut self) -> Result<(), InferError> {
        let shape = |what: String| InferError::Shape { path: self.name(), what };
        if self.card.inputs.is_empty() || self.card.labels.len() < 2 {
            return Err(shape("has a card without inputs, or with fewer than two labels".into()));
        }
        if self.session.inputs().len() != 1 || self.session.outputs().len() != 1 {
            let (i, o) = (self.session.inputs().len(), self.session.outputs().len());
            return Err(shape(format!("has {i} inputs and {o} outputs; one of each is supported")));
        }
        let zeros = vec![0.0; 2 * self.card.inputs.len()];
        self.run(2, &zeros).map(|_| ())
    }
}

fn read_card(path: &Path) -> Result<Card, InferError> {
    let fail = |cause: String| InferError::Read { path: path.display().to_string(), cause };
    let text = std::fs::read_to_string(path).map_err(|e| fail(format!("{e}; each model needs its card")))?;
    serde_json::from_str(&text).map_err(|e| fail(e.to_string()))
}

fn session(path: &Path) -> Result<Session, String> {
    let environment = runtime().environment()?;
    let text = |e: ort::Error<SessionBuilder>| e.to_string();
    let mut builder = Session::builder(environment).map_err(|e| e.to_string())?;
    // The graph is optimised only when asked, on either runtime.
    builder = builder.with_optimization_level(GraphOptimizationLevel::All).map_err(text)?;
    if runtime().is_onnx_runtime() {
        // Spinning pools slow everything else on a small machine; one worker has one session.
        builder = builder.with_intra_threads(1).map_err(text)?;
        builder = builder.with_intra_op_spinning(false).map_err(text)?;
    }
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    builder.commit_from_memory(&bytes).map_err(|e| e.to_string())
}

fn call(session: &mut Session, shape: [usize; 2], inputs: &[f32]) -> Result<Vec<f32>, String> {
    let tensor = TensorRef::from_array_view((shape, inputs)).map_err(|e| e.to_string())?;
    let outputs = session.run(ort::inputs![tensor]).map_err(|e| e.to_string())?;
    let (_, first) = outputs.iter().next().ok_or("it gave no output")?;
    let (_, values) = first.try_extract_tensor::<f32>().map_err(|e| e.to_string())?;
    Ok(values.to_vec())
}
