//! The device program's work: one fragment, its sources and steps, rows out as lines of JSON.
//!
//! The steps are the engine's own stages, so a device gives the same rows to the bit as the same step in the cloud.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use littoral_connectors::written::to_lines;
use littoral_engine::clock::mark;
use littoral_engine::delta::store::SpecStore;
use littoral_engine::flow::intake::{Intake, Next, source_context};
use littoral_engine::flow::shared::{Ending, Fatal, Shared};
use littoral_engine::flow::stage::{Stage, StageContext};
use littoral_engine::flow::stamp::{stamp, stamped_schema};
use littoral_engine::fragment::Fragment;
use littoral_engine::telemetry::Totals;

/// Bytes of a fragment file.
const FRAGMENT_BYTES_MAX: u64 = 16 << 20;
/// How long a source is waited for.
const WAIT: Duration = Duration::from_millis(50);

/// Why the device program stopped.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// The fragment cannot be read or is not one.
    #[error("could not read fragment \"{path}\": {cause}")]
    Fragment {
        /// The file.
        path: String,
        /// What is wrong.
        cause: String,
    },
    /// It failed while running.
    #[error("the fragment failed")]
    Running(#[source] Fatal),
}

/// Runs a fragment to the end of its sources, or for some time; gives the totals.
///
/// # Errors
/// When the fragment cannot be read, or a source or step fails for good.
pub fn run(
    path: &Path,
    folder: &Path,
    limit: Option<Duration>,
    out: &mut dyn Write,
) -> Result<serde_json::Map<String, serde_json::Value>, EdgeError> {
    let fragment = read(path)?;
    let totals = Arc::new(Totals::default());
    let shared = Arc::new(Shared {
        specs: RwLock::new(SpecStore::new(&fragment.params)),
        totals: totals.clone(),
        ending: Arc::new(Ending::default()),
    });
    work(&fragment, folder, limit, &shared, out).map_err(EdgeError::Running)?;
    match shared.ending.take_failure() {
        Some(failure) => Err(EdgeError::Running(failure)),
        None => Ok(totals.to_json()),
    }
}

fn read(path: &Path) -> Result<Fragment, EdgeError> {
    let fail = |cause: String| EdgeError::Fragment { path: path.display().to_string(), cause };
    if std::fs::metadata(path).map_err(|e| fail(e.to_string()))?.len() > FRAGMENT_BYTES_MAX {
        return Err(fail(format!("it is larger than {FRAGMENT_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
    serde_json::from_str(&text).map_err(|e| fail(e.to_string()))
}

fn work(fragment: &Fragment, folder: &Path, limit: Option<Duration>, shared: &Arc<Shared>, out: &mut dyn Write) -> Result<(), Fatal> {
    let (started, mut intakes) = (mark(), Vec::new());
    let mut schemas: HashMap<String, SchemaRef> = HashMap::new();
    for source in &fragment.sources {
        let intake = Intake::start(source, &source_context(source, folder, fragment.run.epoch), shared)?;
        let schema = if source.stamped { stamped_schema(&intake.schema) } else { intake.schema.clone() };
        schemas.insert(source.name.clone(), schema);
        intakes.push((intake, source.stamped));
    }
    let mut stages = Vec::new();
    for step in &fragment.steps {
        let input = schemas
            .get(&step.from)
            .ok_or_else(|| format!("step \"{}\" reads \"{}\", which is not in the fragment", step.name, step.from))?;
        let stage = Stage::new(step, input, &fragment.params)?;
        schemas.insert(step.name.clone(), stage.output_schema());
        stages.push((step.from.clone(), stage));
    }
    while intakes.iter().any(|(i, _)| !i.ended()) && !shared.ending.stopping() && limit.is_none_or(|l| started.elapsed() < l) {
        for (intake, stamped) in &mut intakes {
            let Next::Slice(slice) = intake.next(WAIT) else { continue };
            intake.count(&slice, shared);
            let mut rows: HashMap<String, Vec<RecordBatch>> = HashMap::new();
            let specs = shared.specs.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            let batches: Result<Vec<_>, _> = slice.batches.into_iter().map(|b| if *stamped { stamp(&b, &specs) } else { Ok(b) }).collect();
            drop(specs);
            rows.insert(intake.name.clone(), batches?);
            pass(&mut stages, &mut rows, shared)?;
            emit(fragment, &rows, out)?;
            intake.commit(slice.id);
            intake.advance_watermark();
        }
    }
    Ok(())
}

/// Takes rows through every step, each after what it reads.
fn pass(stages: &mut [(String, Stage)], rows: &mut HashMap<String, Vec<RecordBatch>>, shared: &Shared) -> Result<(), Fatal> {
    for (from, stage) in stages {
        let mut given = Vec::new();
        for batch in rows.get(from).into_iter().flatten() {
            stage.apply(batch, &StageContext { specs: &shared.specs, totals: &shared.totals }, &mut given)?;
        }
        rows.insert(stage.name().to_string(), given);
    }
    Ok(())
}

/// Writes the rows that leave the fragment.
fn emit(fragment: &Fragment, rows: &HashMap<String, Vec<RecordBatch>>, out: &mut dyn Write) -> Result<(), Fatal> {
    for outlet in &fragment.outlets {
        for batch in rows.get(&outlet.stream).into_iter().flatten().filter(|b| b.num_rows() > 0) {
            let kept = |name: &String| outlet.columns.as_ref().is_none_or(|c| c.contains(name));
            let indices: Vec<usize> = batch.schema().fields().iter().enumerate().filter(|(_, f)| kept(f.name())).map(|(i, _)| i).collect();
            out.write_all(&to_lines(&batch.project(&indices)?)?)?;
        }
    }
    Ok(out.flush()?)
}
