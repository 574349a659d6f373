//! Sliding windows that are given once, when a watermark has closed them: rows are kept by slice (`cells.rs`), and a window is
//! put together from its slices (`queue.rs`). Windows that are given at every change stand in `slices.rs`.

mod cells;
mod queue;
mod states;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, StructArray, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::{cast, concat_batches, max, take};
use arrow::datatypes::{DataType, Field, Fields, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;

use self::cells::Cells;
use self::queue::Queue;
use self::states::Fold;
pub use self::states::States;
use super::partial::{Partial, together};
use super::slices::{Late, first_after, floor, put_late};
use crate::flow::updates::Updates;
use crate::sql::plan::{Aggregate, Hop, HopKey};
use crate::sql::render::aggregate::{Closes, Shape};
use crate::sql::render::close::{Keeper, Routing};
use crate::sql::snapshot::Size;
use crate::sql::watermark::{END, Watermarks};
use crate::sql::window::window_type;

/// Sliding windows over slices.
pub struct Sliding {
    /// The windows, and names for the columns of late rows.
    hop: (Hop, SchemaRef),
    /// How many keys groups have beside their window.
    others: usize,
    /// The type of a slice.
    time: DataType,
    schema: SchemaRef,
    partial: Partial,
    /// Whether rows come with states already.
    merging: bool,
    closes: Closes,
    cells: Cells,
    queue: Queue,
    /// The watermark up to which windows were given.
    given: i64,
    late: Late,
}

impl Sliding {
    /// No rows yet.
    ///
    /// # Errors
    /// When a type cannot be kept, or states do not merge, for which there would be no slices.
    pub fn new(hop: Hop, shape: &Shape, aggregates: &[Aggregate], closes: Closes, merging: bool) -> Result<Self, ArrowError> {
        let keys: Vec<DataType> = shape.prepared.fields().iter().take(shape.keys).map(|f| f.data_type().clone()).collect();
        let (time, others) = keys.split_last().ok_or_else(|| ArrowError::SchemaError("a slice is a key".into()))?;
        let partial = Partial::new(&shape.prepared, shape.keys, aggregates, shape.append_only);
        let partial = partial.ok_or_else(|| ArrowError::SchemaError("states of slices merge".into()))?;
        let states = || States::new(shape, hop.keys.len(), aggregates, partial.widths());
        Ok(Sliding {
            others: others.len(),
            time: time.clone(),
            schema: shape.schema.clone(),
            merging,
            closes,
            cells: Cells::new(&keys, states()?)?,
            queue: Queue::new(Fold::new(states()?), Fold::new(states()?)),
            given: i64::MIN,
            late: Late::default(),
            partial,
            hop: (hop, shape.schema.clone()),
        })
    }

    fn take_in(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let (hop, before) = (&self.hop.0, self.given);
        // In some window that is not closed.
        let wanted = |slice: i64| {
            let end = floor(slice, hop).saturating_add(hop.size);
            slice < end && end > before
        };
        if let Some(first) = self.cells.take_in(rows, wanted)? {
            self.queue.changed(first);
        }
        Ok(())
    }

    /// The windows that a watermark closes and that were not given before.
    fn give(&mut self, now: i64) -> Result<Option<Updates>, ArrowError> {
        let (mut out, before, hop) = (Vec::new(), self.given, &self.hop.0);
        self.given = before.max(now);
        let mut start = if before == i64::MIN { i64::MIN } else { first_after(before, hop) };
        while let Some(first) = self.cells.first() {
            start = start.max(first_after(first, hop));
            if now != END && start.saturating_add(hop.size) > now {
                break;
            }
            let fold = self.queue.window(start, hop, &self.cells)?;
            out.extend(rows(start, fold, hop, &self.cells, (&self.time, &self.schema))?);
            let next = start.saturating_add(hop.slide);
            // At the end of time there is no next window.
            self.cells.let_go(if next == start { i64::MAX } else { next });
            start = next;
        }
        match out.first() {
            None => Ok(None),
            Some(first) => Ok(Some(Updates::insertions(concat_batches(&first.schema(), &out)?))),
        }
    }
}

/// The rows of a window, if it has any.
fn rows(
    start: i64,
    fold: &Fold,
    hop: &Hop,
    cells: &Cells,
    (time, schema): (&DataType, &SchemaRef),
) -> Result<Option<RecordBatch>, ArrowError> {
    let groups: Vec<u32> = fold.groups.iter().copied().filter(|g| fold.states.weight(*g) > 0).collect();
    if groups.is_empty() {
        return Ok(None);
    }
    let keys = cells.keys(&groups)?;
    let bound = |t: i64| Arc::new(TimestampMicrosecondArray::from(vec![t]).with_data_type(time.clone())) as ArrayRef;
    let bounds = if let DataType::Struct(fields) = window_type(time) { fields } else { Fields::empty() };
    let ends = vec![bound(start), bound(start.saturating_add(hop.size))];
    let window = RecordBatch::try_from_iter([("window", Arc::new(StructArray::try_new(bounds, ends, None)?) as ArrayRef)])?;
    let mut columns = Vec::with_capacity(schema.fields().len());
    for key in &hop.keys {
        columns.push(match key {
            HopKey::Column(at) => keys.get(*at).cloned().ok_or_else(|| ArrowError::SchemaError("a key is not there".into()))?,
            HopKey::Window(of) => {
                let one = of.evaluate(&window).and_then(|v| v.into_array(1));
                let one = one.map_err(|e| ArrowError::ComputeError(e.strip_backtrace()))?;
                take(&one, &UInt32Array::from(vec![0; groups.len()]), None)?
            }
        });
    }
    columns.extend(fold.states.values(&groups)?);
    let columns = columns.iter().zip(schema.fields()).map(|(c, f)| cast(c, f.data_type())).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(groups.len()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map(Some)
}

impl Keeper for Sliding {
    fn epoch(&mut self, epoch: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        if self.merging {
            batches.iter().try_for_each(|updates| self.take_in(&updates.rows))?;
        } else {
            batches.iter().try_for_each(|updates| put_late(&self.hop.0, updates, &self.closes, epoch, &mut self.late))?;
            for run in together(batches) {
                let reduced = self.partial.always(run)?;
                self.take_in(&reduced.rows)?;
            }
        }
        self.cells.settle();
        let now = self.closes.as_ref().and_then(|(_, closing, watermarks)| closing.passed(watermarks, epoch));
        now.map_or(Ok(None), |now| self.give(now))
    }

    fn moved_by(&self) -> Option<(Watermarks, Vec<String>)> {
        self.closes.as_ref().map(|(_, closing, watermarks)| (watermarks.clone(), closing.tables.clone()))
    }

    fn late(&mut self) -> Result<Option<Updates>, ArrowError> {
        self.late.next(Some((&self.hop.0, self.hop.1.as_ref())), &self.closes)
    }

    fn save<E: From<ArrowError>>(&self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        self.cells.save(&mut |mut columns: Vec<ArrayRef>| {
            let rows = columns.first().map_or(0, |c| c.len());
            columns.push(Arc::new(Int64Array::from(vec![self.given; rows])));
            let field = |(i, c): (usize, &ArrayRef)| Field::new(i.to_string(), c.data_type().clone(), true);
            let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
            out(RecordBatch::try_new(Arc::new(schema), columns)?)
        })
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        // Slices that are kept may be in windows that were given already.
        let (own, given) = (rows.num_columns().saturating_sub(1), rows.columns().last().and_then(|c| c.as_primitive_opt::<Int64Type>()));
        let given = given.ok_or_else(|| ArrowError::SchemaError("rows of slices end with the watermark of their snapshot".into()))?;
        self.given = self.given.max(max(given).unwrap_or(i64::MIN));
        self.take_in(&rows.project(&(0..own).collect::<Vec<_>>())?)
    }

    fn routing(&self) -> Routing {
        Routing::ByKeys(self.others)
    }

    fn given(&self) -> Result<Option<Updates>, ArrowError> {
        Err(ArrowError::ComputeError("windows that were given once and for all are not kept".into()))
    }

    fn size(&self) -> Size {
        let (rows, bytes) = self.cells.size();
        Size { rows: rows as u64, bytes: (bytes + self.queue.bytes()) as u64 }
    }
}
