//! Conditions on the clock: each row is there from one moment to another. A row that is not there yet waits; one that is has
//! its retraction scheduled when it comes. A retraction goes the same way as its row, so that the two meet wherever they are.
//!
//! The clock is data like watermarks (`watermark.rs`): one reading an epoch, the same for every worker.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;

use super::close::{Keeper, Pieces, Routing, at_close};
use super::{Changes, Renderer, rows};
use crate::flow::gather::merge;
use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;
use crate::sql::arrange::{from_diffs, with_diffs};
use crate::sql::plan::{Bound, Plan};
use crate::sql::snapshot::Size;
use crate::sql::watermark::{NOW, Watermarks};

/// Rows that change when the clock moves: what is added to the output, by the moment.
struct Scheduled {
    width: usize,
    from: Vec<Bound>,
    until: Vec<Bound>,
    clock: Watermarks,
    schema: SchemaRef,
    due: BTreeMap<i64, Vec<Updates>>,
    now: i64,
}

impl<'s> Renderer<'s> {
    /// Renders a condition on the clock.
    pub(super) fn temporal(&mut self, view: &str, input: &Plan, (from, until): (&[Bound], &[Bound])) -> Option<Changes<'s>> {
        let stream = self.plan(view, input)?;
        let time = DataType::Timestamp(TimeUnit::Microsecond, None);
        let own = input.schema.fields().iter().enumerate();
        let mut columns: Vec<crate::sql::plan::Expression> = own
            .map(|(i, f)| Arc::new(datafusion::physical_expr::expressions::Column::new(f.name(), i)) as crate::sql::plan::Expression)
            .collect();
        columns.extend(from.iter().chain(until).map(|b| b.time.clone()));
        let bounds = (0..from.len() + until.len()).map(|i| Arc::new(Field::new(format!("bound {i}"), time.clone(), true)));
        let wide = Arc::new(Schema::new(input.schema.fields().iter().cloned().chain(bounds).collect::<Vec<_>>()));
        let split = rows::project(stream, view, columns, wide);
        let stream = self.keep_errors(split);
        let scheduled = Scheduled {
            width: input.schema.fields().len(),
            from: from.to_vec(),
            until: until.to_vec(),
            clock: self.watermarks.clone(),
            schema: input.schema.clone(),
            due: BTreeMap::new(),
            now: i64::MIN,
        };
        Some(at_close(stream, "temporal", view, Some(scheduled), &self.place()).0)
    }
}

impl Scheduled {
    /// When each row is there: first moment, and the first at which it is not any more; nothing for rows without a time.
    fn spans(&self, updates: &Updates) -> Result<Vec<Option<(i64, i64)>>, ArrowError> {
        let bound = |i: usize| {
            let column = updates.rows.columns().get(self.width + i).and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
            column.ok_or_else(|| ArrowError::SchemaError("a bound of a row is no time".into()))
        };
        let mut spans = vec![Some((i64::MIN, i64::MAX)); updates.rows.num_rows()];
        for (i, of) in self.from.iter().chain(&self.until).enumerate() {
            let (times, begins) = (bound(i)?, i < self.from.len());
            for (row, span) in spans.iter_mut().enumerate() {
                let moment = times.is_valid(row).then(|| of.moment(times.value(row)));
                *span = span.zip(moment).map(|((from, until), m)| if begins { (from.max(m), until) } else { (from, until.min(m)) });
            }
        }
        Ok(spans)
    }

    /// Schedules rows; what the clock has passed already is due at once.
    fn schedule(&mut self, updates: &Updates) -> Result<(), ArrowError> {
        let mut moments: BTreeMap<i64, (Vec<u32>, Vec<i64>)> = BTreeMap::new();
        for (row, span) in self.spans(updates)?.into_iter().enumerate() {
            let Some((from, until)) = span.filter(|(from, until)| from < until && *until > self.now) else { continue };
            let mut at = |moment: i64, diff: i64| {
                let (rows, diffs) = moments.entry(moment).or_default();
                rows.push(row as u32);
                diffs.push(diff);
            };
            at(from.max(self.now), updates.diff(row));
            if until < i64::MAX {
                at(until, -updates.diff(row));
            }
        }
        let own: Vec<usize> = (0..self.width).collect();
        let rows = updates.rows.project(&own)?;
        for (moment, (picked, diffs)) in moments {
            self.due.entry(moment).or_default().push(Updates::changes(take_rows(&rows, &UInt32Array::from(picked))?, diffs.into()));
        }
        Ok(())
    }
}

impl Keeper for Scheduled {
    fn epoch(&mut self, epoch: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        self.now = self.now.max(self.clock.at(&[NOW.to_string()], epoch).unwrap_or(i64::MIN));
        batches.iter().try_for_each(|updates| self.schedule(updates))?;
        let later = self.due.split_off(&self.now.saturating_add(1));
        let due: Vec<Updates> = std::mem::replace(&mut self.due, later).into_values().flatten().collect();
        if due.is_empty() { Ok(None) } else { merge(&due, &self.schema).map(|u| Some(u).filter(|u| u.rows.num_rows() > 0)) }
    }

    fn moved_by(&self) -> Option<(Watermarks, Vec<String>)> {
        Some((self.clock.clone(), vec![NOW.to_string()]))
    }

    fn save<E: From<ArrowError>>(&self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        let one = |(moment, updates): (&i64, &Updates)| {
            let rows = updates.rows.num_rows();
            let moments: Arc<dyn Array> = Arc::new(Int64Array::from(vec![*moment; rows]));
            let field = Arc::new(Field::new("moment", DataType::Int64, false));
            let fields = std::iter::once(field).chain(updates.rows.schema().fields().iter().cloned()).collect::<Vec<_>>();
            let columns = std::iter::once(moments).chain(updates.rows.columns().iter().cloned()).collect();
            let whole = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
            with_diffs(&whole, (0..rows).map(|row| updates.diff(row)).collect())
        };
        let mut pieces = Pieces::default();
        for due in self.due.iter().flat_map(|(moment, all)| all.iter().map(move |u| (moment, u))) {
            pieces.add(&one(due)?, out)?;
        }
        pieces.end(out)
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let Updates { rows, diffs } = from_diffs(rows)?;
        let moments = rows.columns().first().and_then(|c| c.as_primitive_opt::<arrow::datatypes::Int64Type>());
        let moments = moments.ok_or_else(|| ArrowError::SchemaError("scheduled rows have no moments".into()))?;
        let own = rows.project(&(1..rows.num_columns()).collect::<Vec<_>>())?;
        let numbers: Vec<u32> = (0..moments.len() as u32).collect();
        for same in numbers.chunk_by(|a, b| moments.value(*a as usize) == moments.value(*b as usize)) {
            let Some(first) = same.first() else { continue };
            let picked = take_rows(&own, &UInt32Array::from(same.to_vec()))?;
            let diffs = diffs.as_ref().map(|d| same.iter().map(|row| d.value(*row as usize)).collect());
            self.due.entry(moments.value(*first as usize)).or_default().push(Updates { rows: picked, diffs });
        }
        Ok(())
    }

    fn routing(&self) -> Routing {
        Routing::Any
    }

    fn given(&self) -> Result<Option<Updates>, ArrowError> {
        Err(ArrowError::ComputeError("rows that are there for good are not kept".into()))
    }

    fn size(&self) -> Size {
        let all = || self.due.values().flatten();
        let bytes = |u: &Updates| u.rows.columns().iter().map(|c| c.to_data().get_slice_memory_size().unwrap_or(0) as u64).sum::<u64>();
        Size { rows: all().map(|u| u.rows.num_rows() as u64).sum(), bytes: all().map(bytes).sum() }
    }
}
