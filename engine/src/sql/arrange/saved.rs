//! What an arrangement holds, as rows with a diff: written for a snapshot, window by window, so that rows on disk do not all
//! come into memory; and read back as a stream.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arrow::error::ArrowError;
use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::trace::TraceReader;
use differential_dataflow::trace::chunk::{Chunk, ChunkSpine};
use timely::container::NoopBuilder;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::generic::operator::source;
use timely::dataflow::{Scope, Stream};
use timely::progress::Antichain;
use timely::progress::frontier::AntichainRef;

use super::chunk::{ArrowChunk, gather_runs};
use super::run::Run;
use super::window::{Batch, Opened, place, window_end};
use crate::flow::updates::Updates;
use crate::sql::snapshot::{Handover, Place, Size, SnapshotError, State};

/// Updates of each batch that are looked at together.
const WINDOW_ROWS: usize = 1 << 15;

/// A reader of an arrangement.
pub struct Saved(pub TraceAgent<ChunkSpine<ArrowChunk<u64>>>);

impl Saved {
    fn batches(&self) -> Vec<Batch<u64>> {
        let mut batches = Vec::new();
        self.0.map_spans(|span| batches.extend(span.inner.clone()));
        batches
    }
}

impl State for Saved {
    fn is_at(&mut self, epoch: u64) -> bool {
        let mut upper = Antichain::new();
        self.0.read_upper(&mut upper);
        !upper.less_equal(&epoch)
    }

    fn save(&mut self, epoch: u64, out: &mut Handover) -> Result<(), SnapshotError> {
        let batches = self.batches();
        let mut from = Some(0);
        while let Some(start) = from {
            let end = window_end(&batches, start, WINDOW_ROWS);
            let (mut opened, mut found) = (Opened::default(), Vec::new());
            opened.all(&batches, start, end, &mut found);
            found.retain(|(_, at)| opened.update(*at).is_some_and(|(time, _)| *time <= epoch));
            if !found.is_empty() {
                out.write(&window(&opened, &found)?)?;
            }
            from = end;
        }
        Ok(())
    }

    fn settle(&mut self, epoch: u64) {
        self.0.set_logical_compaction(AntichainRef::new(&[epoch]));
        self.0.set_physical_compaction(AntichainRef::new(&[epoch]));
    }

    fn size(&self) -> Size {
        let chunks = |b: &Batch<u64>| b.chunks.iter().fold((0, 0), |(rows, bytes), c| (rows + c.len() as u64, bytes + c.bytes()));
        let (rows, bytes) = self.batches().iter().map(chunks).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        Size { rows, bytes }
    }
}

/// The rows of some updates, equal ones added up, with their diffs as a last column.
fn window(opened: &Opened<u64>, found: &[(u64, u64)]) -> Result<RecordBatch, ArrowError> {
    let picked: Vec<(usize, usize)> = found.iter().map(|(_, at)| place(*at)).collect();
    let rows = gather_runs(&opened.0, &picked)?;
    let diffs: Vec<i64> = found.iter().filter_map(|(_, at)| opened.update(*at).map(|(_, diff)| diff)).collect();
    let run = Run::sorted(&rows, found.iter().map(|f| f.0).collect(), vec![(); found.len()], &diffs)?;
    with_diffs(&run.rows, Int64Array::new(run.diffs, None))
}

/// Rows with their diffs as a last column.
pub fn with_diffs(rows: &RecordBatch, diffs: Int64Array) -> Result<RecordBatch, ArrowError> {
    let diff = Arc::new(Field::new("diff", DataType::Int64, false));
    let fields: Vec<_> = rows.schema().fields().iter().cloned().chain(std::iter::once(diff)).collect();
    let columns = rows.columns().iter().cloned().chain(std::iter::once(Arc::new(diffs) as ArrayRef)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Rows from a batch whose last column is their diffs.
pub fn from_diffs(batch: &RecordBatch) -> Result<Updates, ArrowError> {
    let no_diffs = || ArrowError::SchemaError("saved rows have no diffs".into());
    let width = batch.num_columns().checked_sub(1).ok_or_else(no_diffs)?;
    let diffs = batch.columns().last().and_then(|c| c.as_primitive_opt::<Int64Type>()).ok_or_else(no_diffs)?;
    let rows = batch.project(&(0..width).collect::<Vec<_>>())?;
    debug_assert_eq!(rows.num_rows(), diffs.len());
    Ok(Updates::changes(rows, diffs.clone()))
}

/// A stream together with what was saved at its place, which comes in at the epoch that the run begins with. Each worker
/// reads some of the parts, whoever wrote them; an exchange brings the rows to where they belong now.
pub fn with_saved<'s>(stream: Stream<'s, u64, Updates>, from: &Place) -> Stream<'s, u64, Updates> {
    let Some(epoch) = from.begins_at().filter(|_| from.kept) else { return stream };
    let scope = stream.scope();
    let (index, peers) = (scope.worker().index(), scope.worker().peers());
    let parts = from.parts().into_iter().filter(|(number, _)| number % peers == index).map(|(_, part)| part);
    let saved = read(scope, parts.collect::<Vec<_>>(), from.clone(), epoch);
    stream.concat(saved)
}

/// Reads parts, one each time it is scheduled.
fn read(scope: Scope<'_, u64>, parts: Vec<crate::sql::snapshot::Part>, from: Place, epoch: u64) -> Stream<'_, u64, Updates> {
    source::<_, NoopBuilder<Updates>, _, _>(scope, "saved", move |cap, info| {
        let (mut cap, mut parts) = (Some(cap.delayed(&epoch)), parts.into_iter());
        let activator = scope.activator_for(info.address);
        move |output| {
            let Some(held) = &cap else { return };
            let Some(part) = parts.next() else {
                cap = None;
                return;
            };
            let mut session = output.session_with_builder(held);
            for batch in from.read(&part) {
                match from_diffs(&batch) {
                    Ok(mut updates) => session.give_container(&mut updates),
                    Err(error) => from.failed(&error.into()),
                }
            }
            activator.activate();
        }
    })
}
