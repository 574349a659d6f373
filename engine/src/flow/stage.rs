//! A stage: one step of a fragment, ready to turn batches into batches. The same on both tiers (D8).
//!
//! The dispatch is once a batch. Counting is here, so that no operator needs to know of telemetry.
//! Not here: which worker a batch goes to (`exchange`), when it is stamped with an epoch (`edge`, `cloud`).

use std::sync::RwLock;

use arrow::array::{Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use littoral_connectors::source::BadReason;
use littoral_operators::features::{FeatureError, FeaturePlan, FeatureStep};
use littoral_operators::frame::{FrameError, FrameSettings, Framer};
use littoral_operators::infer::{InferError, InferStep, Model};

use crate::delta::store::SpecStore;
use crate::expression::{ParamColumns, QueryError, RowProgram};
use crate::flow::stamp::{SPEC_EPOCH, stamp, stamped_schema};
use crate::fragment::{FragmentOp, FragmentStep};
use crate::pipeline::{Features, Frame, Infer, Param};
use crate::telemetry::{Counter, Totals};

/// One step, ready to run.
pub struct Stage {
    name: String,
    stamps: bool,
    input: SchemaRef,
    output: SchemaRef,
    work: Work,
}

enum Work {
    Frame(Framer),
    Features(FeatureStep),
    Infer(Box<InferStep>),
    Query(RowProgram),
}

/// Why a stage could not be built, or failed on a batch for good.
#[derive(Debug, thiserror::Error)]
#[error("step \"{step}\" failed")]
pub struct StageError {
    /// The step.
    pub step: String,
    /// What its operator said.
    #[source]
    pub cause: StageCause,
}

/// What went wrong inside a stage.
#[derive(Debug, thiserror::Error)]
pub enum StageCause {
    /// In `frame`.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// In `features`.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// In `infer`.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// In a query.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A batch that does not fit.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    /// The input has no such column, or one of another type.
    #[error("{0}")]
    Input(String),
}

/// What stages of one tier share.
pub struct StageContext<'a> {
    /// What each device runs.
    pub specs: &'a RwLock<SpecStore>,
    /// What is counted.
    pub totals: &'a Totals,
}

impl Stage {
    /// Builds a step's stage over rows of `input`.
    pub fn new(step: &FragmentStep, input: &Schema, params: &[Param]) -> Result<Self, StageError> {
        let fail = |cause| StageError { step: step.name.clone(), cause };
        let (work, output) = build(&step.op, input, params).map_err(fail)?;
        let output = if step.stamps { stamped_schema(&output) } else { output };
        Ok(Stage { name: step.name.clone(), stamps: step.stamps, input: input.clone().into(), output, work })
    }

    /// The columns of what comes out.
    pub fn output_schema(&self) -> SchemaRef {
        self.output.clone()
    }

    /// The columns of what goes in.
    pub fn input_schema(&self) -> SchemaRef {
        self.input.clone()
    }

    /// The step's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Columns by which rows must be together on one worker; none when any worker will do.
    pub fn keys(&self) -> Vec<usize> {
        match &self.work {
            Work::Frame(framer) => framer.key_columns().to_vec(),
            _ => Vec::new(),
        }
    }

    /// Turns one batch into batches.
    pub fn apply(&mut self, batch: &RecordBatch, context: &StageContext<'_>, out: &mut Vec<RecordBatch>) -> Result<(), StageError> {
        let from = out.len();
        let done = self.work.apply(&self.name, batch, context, out).and_then(|()| {
            if self.stamps {
                let specs = context.specs.read().unwrap_or_else(std::sync::PoisonError::into_inner);
                for batch in &mut out[from..] {
                    *batch = stamp(batch, &specs)?;
                }
            }
            Ok(())
        });
        done.map_err(|cause| StageError { step: self.name.clone(), cause })
    }
}

fn build(op: &FragmentOp, input: &Schema, params: &[Param]) -> Result<(Work, SchemaRef), StageCause> {
    Ok(match op {
        FragmentOp::Frame(frame) => {
            let framer = Framer::new(&frame_settings(frame, input), input)?;
            let schema = framer.output_schema();
            (Work::Frame(framer), schema)
        }
        FragmentOp::Features(features) => {
            let step = feature_step(features, input)?;
            let schema = step.output_schema();
            (Work::Features(step), schema)
        }
        FragmentOp::Infer(infer) => {
            let step = infer_step(infer, input)?;
            let schema = step.output_schema();
            (Work::Infer(Box::new(step)), schema)
        }
        FragmentOp::Query(query) => {
            let program = RowProgram::new(query, input, params)?;
            let schema = program.output_schema();
            (Work::Query(program), schema)
        }
    })
}

/// A frame keeps the spec epoch of its last sample, when its samples have one.
fn frame_settings(frame: &Frame, input: &Schema) -> FrameSettings {
    let tagged = input.column_with_name(SPEC_EPOCH).is_some();
    let mut keep: Vec<String> = tagged.then(|| SPEC_EPOCH.to_string()).into_iter().collect();
    keep.extend(frame.keep.iter().filter(|k| *k != SPEC_EPOCH).cloned());
    FrameSettings { size: frame.size, hop: frame.hop, by: frame.by.clone(), of: frame.of.clone(), keep, sample_interval_us: None }
}

fn feature_step(features: &Features, input: &Schema) -> Result<FeatureStep, StageCause> {
    use arrow::datatypes::DataType::FixedSizeList;
    let field = input
        .field_with_name(&features.of)
        .map_err(|_| StageCause::Input(format!("there is no column \"{}\" in its input", features.of)))?;
    let FixedSizeList(_, size) = field.data_type() else {
        return Err(StageCause::Input(format!("column \"{}\" is not framed; put a frame step before", features.of)));
    };
    let plan = FeaturePlan::new(&features.compute, *size as usize, features.sample_rate_hz)?;
    Ok(FeatureStep::new(plan, &features.of, input)?)
}

fn infer_step(infer: &Infer, input: &Schema) -> Result<InferStep, StageCause> {
    let model = Model::load(&infer.model)?;
    Ok(InferStep::new(model, &infer.inputs, &infer.outputs, input)?)
}

impl Work {
    fn apply(&mut self, name: &str, batch: &RecordBatch, context: &StageContext<'_>, out: &mut Vec<RecordBatch>) -> Result<(), StageCause> {
        match self {
            Work::Frame(framer) => {
                let stats = framer.push(batch, out)?;
                context.totals.add(Counter::Frames, stats.frames);
                context.totals.add_bad(name, BadReason::NotFinite, stats.bad_samples);
                context.totals.add_bad(name, BadReason::TimeBack, stats.time_back);
            }
            Work::Features(step) => out.push(step.apply(batch)?),
            Work::Infer(step) => out.push(step.apply(batch)?),
            Work::Query(program) => out.push(query(program, batch, context)?),
        }
        Ok(())
    }
}

fn query(program: &RowProgram, batch: &RecordBatch, context: &StageContext<'_>) -> Result<RecordBatch, StageCause> {
    let params = param_columns(program, batch, context)?;
    let outcome = program.apply(batch, &params)?;
    context.totals.add(Counter::RowErrors, outcome.errors.len() as u64);
    if program.filters() {
        context.totals.add(Counter::Exceptions, outcome.rows.num_rows() as u64);
    }
    Ok(outcome.rows)
}

/// The parameters a query reads, a value a row: what the row's device ran when it made the row.
fn param_columns(program: &RowProgram, batch: &RecordBatch, context: &StageContext<'_>) -> Result<ParamColumns, StageCause> {
    if program.params_used().is_empty() {
        return Ok(ParamColumns::default());
    }
    let missing = |what: &str| StageCause::Input(format!("its query reads a parameter, but its input has no column \"{what}\""));
    let devices = batch.column_by_name("device").and_then(|c| c.as_any().downcast_ref::<StringArray>());
    let epochs = batch.column_by_name(SPEC_EPOCH).and_then(|c| c.as_any().downcast_ref::<UInt64Array>());
    let devices = devices.ok_or_else(|| missing("device"))?;
    let epochs = epochs.ok_or_else(|| missing(SPEC_EPOCH))?;
    debug_assert_eq!(devices.len(), epochs.len());
    let specs = context.specs.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    specs.columns(devices, epochs, program.params_used()).map_err(|e| StageCause::Input(e.to_string()))
}
