//! Slices of partitions: rows whose answers are asked for, and around them rows that they look at. Many slices are computed together,
//! told apart by their tag. What a slice gave before the epoch is taken back, what it gives now is given; where both are the same,
//! nothing is left.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, Scalar, UInt32Array};
use arrow::compute::kernels::numeric::{add, div, sub};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{cast, filter, is_not_null};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::regions::Region;
use super::state::{Changed, Framed};
use crate::flow::updates::Updates;
use crate::sql::plan::{Answer, Own, Total, TotalOf};
use crate::sql::render::groups::zero_behind_nulls;
use crate::sql::render::rows::batch;
use crate::sql::store::NOWHERE;

/// Rows of slices from which on they are computed.
pub const MANY: usize = 1 << 16;

/// Slices on their way, row by row.
#[derive(Default)]
pub struct Slices {
    slots: Vec<u32>,
    groups: Vec<u32>,
    tags: Vec<u32>,
    /// What an answer counts; 0 where none is asked for.
    diffs: Vec<i64>,
    /// The row before a slice's own: its slot, of which the totals are handed.
    carried: Vec<u32>,
    /// The same with each row before them.
    filled: Vec<u32>,
    tag: u32,
    out: Vec<Updates>,
}

/// Totals with the slots that they are kept with.
pub struct Kept {
    pub totals: Vec<ArrayRef>,
    pub rows: Vec<u32>,
    pub slots: Vec<u32>,
}

impl Framed {
    /// Cuts the slice of a region: as it is, and where something has changed as it was.
    pub(super) fn cut(&self, region: &Region, changed: Option<&Changed>, slices: &mut Slices) {
        let none = Changed::default();
        let changes = changed.unwrap_or(&none);
        let reach = &self.over.reach;
        let before = reach.before.max(usize::from(!self.over.totals.is_empty()));
        let mut first = self.rows_before(region.group, self.places.place(region.first), before, changes).pop().unwrap_or(region.first);
        let mut last = self.rows_after(region.group, region.last, reach.after, None, changes).pop().unwrap_or(region.last);
        let [from, until] = &region.context;
        if let Some(slot) = from.as_ref().and_then(|place| self.places.along(region.group, place).next()) {
            first = if self.is_until(slot, first) { slot } else { first };
        }
        if let Some(slot) = until.as_ref().and_then(|place| self.places.until(region.group, place)) {
            last = if self.is_until(last, slot) { slot } else { last };
        }
        if changed.is_some() {
            let was = |slot: u32| changes.before.get(&slot).copied().unwrap_or_else(|| self.places.weight(slot));
            self.view(region, [first, last], -1, was, slices);
        }
        self.view(region, [first, last], 1, |slot| self.places.weight(slot), slices);
    }

    /// The rows of a slice, each as often as it is there.
    fn view(&self, region: &Region, [first, last]: [u32; 2], diff: i64, weight: impl Fn(u32) -> i64, slices: &mut Slices) {
        let start = slices.slots.len();
        let (mut own, mut is_own, mut is_behind) = (0usize, false, false);
        let mut from = start;
        for slot in self.places.along(region.group, self.places.place(first)) {
            if slot == region.first {
                (is_own, from) = (true, slices.slots.len());
            }
            for _ in 0..weight(slot) {
                slices.slots.push(slot);
                slices.diffs.push(if is_own { diff } else { 0 });
                own += usize::from(is_own);
            }
            if slot == region.last {
                (is_own, is_behind) = (false, true);
            }
            if is_behind && slot == last {
                break;
            }
        }
        if own == 0 {
            slices.slots.truncate(start);
            slices.diffs.truncate(start);
            return;
        }
        let base = slices.slots.get(start..from).and_then(<[u32]>::last).copied().unwrap_or(NOWHERE);
        let rows = slices.slots.len();
        slices.filled.resize(from, base);
        slices.filled.resize(rows, NOWHERE);
        slices.carried.resize(from, NOWHERE);
        if from > start {
            slices.carried.last_mut().into_iter().for_each(|slot| *slot = base);
        }
        slices.carried.resize(rows, NOWHERE);
        slices.groups.resize(rows, region.group);
        slices.tags.resize(rows, slices.tag);
        slices.tag += 1;
    }

    /// What each row adds to a total.
    fn added(&self, slices: &Slices, of: TotalOf, columns: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
        let column = |at: usize| {
            let place = self.over.handed.get(at).and_then(|place| columns.get(*place));
            place.ok_or_else(|| ArrowError::SchemaError("a total is of no column".into()))
        };
        let ones = |is_one: &dyn Fn(usize) -> bool| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values((0..slices.slots.len()).map(|row| i64::from(is_one(row)))))
        };
        Ok(match of {
            TotalOf::Rows => ones(&|_| true),
            TotalOf::Peers => ones(&|row| self.begins_place(slices, row)),
            TotalOf::Known(at) => cast(&is_not_null(column(at)?)?, &DataType::Int64)?,
            TotalOf::Value(at) | TotalOf::First(at) => column(at)?.clone(),
        })
    }

    /// What is handed for totals: what each of a slice's own rows adds, and before them what is carried.
    fn with_carried(&self, slices: &Slices, columns: &[ArrayRef]) -> Result<Vec<ArrayRef>, ArrowError> {
        let own = slices.mask();
        let fills = |of: TotalOf| matches!(of, TotalOf::First(_));
        let filled = if self.over.totals.iter().any(|t| fills(t.of)) { self.totals.take(&slices.filled)? } else { Vec::new() };
        let carried = self.totals.take(&slices.carried)?;
        let one = |(at, total): (usize, &Total)| {
            let before = if fills(total.of) { filled.get(at) } else { carried.get(at) };
            let before = before.ok_or_else(|| ArrowError::SchemaError("a total is not kept".into()))?;
            zip(&own, &cast(&self.added(slices, total.of, columns)?, &total.kind)?, before)
        };
        self.over.totals.iter().enumerate().map(one).collect()
    }

    /// Whether a row is the first of its slice at its place in the order.
    fn begins_place(&self, slices: &Slices, row: usize) -> bool {
        let Some(before) = row.checked_sub(1).filter(|before| slices.tags.get(*before) == slices.tags.get(row)) else { return true };
        let head = |row: usize| slices.slots.get(row).map(|slot| self.head_of(*slot));
        head(before) != head(row)
    }

    /// Computed columns as answers.
    fn answer(&self, answer: Answer, calls: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
        let call = |at: usize| calls.get(at).ok_or_else(|| ArrowError::SchemaError("an answer is not computed".into()));
        match answer {
            Answer::Call(at) => Ok(call(at)?.clone()),
            Answer::Rank { all, peers } => add(&sub(call(all)?, call(peers)?)?, &Scalar::new(Int64Array::from(vec![1]))),
            Answer::Mean { sum, count } => div(call(sum)?, &cast(call(count)?, &DataType::Float64)?),
        }
    }
}

impl Slices {
    /// How many rows wait.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    fn mask(&self) -> BooleanArray {
        self.diffs.iter().map(|diff| Some(*diff != 0)).collect()
    }

    /// What was given and taken back.
    pub fn end(self) -> Vec<Updates> {
        self.out
    }

    /// Computes what waits; the totals up to each row, as they are now.
    ///
    /// # Errors
    /// When the computation fails, which is a defect: what may fail of a row was computed before.
    pub fn compute(&mut self, of: &Framed) -> Result<Kept, ArrowError> {
        let rows = self.slots.len();
        let columns: Vec<ArrayRef> = of.places.columns(self.slots.iter().copied())?.into_iter().map(zero_behind_nulls).collect();
        let mut handed: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(self.tags.clone()))];
        handed.extend(of.over.handed.iter().filter_map(|at| columns.get(*at)).cloned());
        handed.extend(of.with_carried(self, &columns)?);
        let schema = of.over.compute.handed();
        let typed = |(c, f): (&ArrayRef, &Arc<arrow::datatypes::Field>)| cast(c, f.data_type());
        let typed: Vec<ArrayRef> = handed.iter().zip(schema.fields()).map(typed).collect::<Result<_, _>>()?;
        let given = of.runner.run(RecordBatch::try_new(schema, typed)?).map_err(|e| ArrowError::ComputeError(e.strip_backtrace()))?;
        if given.num_rows() != rows {
            return Err(ArrowError::ComputeError(format!("{} answers for {rows} rows of slices", given.num_rows())));
        }
        let calls = given.columns().get(handed.len()..).unwrap_or_default();
        self.give(of, &columns, calls)?;
        let kept = self.kept(of, calls)?;
        let (tag, out) = (self.tag, std::mem::take(&mut self.out));
        *self = Slices { tag, out, ..Slices::default() };
        Ok(kept)
    }

    fn give(&mut self, of: &Framed, columns: &[ArrayRef], calls: &[ArrayRef]) -> Result<(), ArrowError> {
        let mask = self.mask();
        let is_by_key = of.over.own.iter().any(|own| matches!(own, Own::Key(_)));
        let keys = if is_by_key { of.index.columns(&self.groups)? } else { Vec::new() };
        let own = |own: &Own| match own {
            Own::Key(at) => keys.get(*at),
            Own::Place(at) => columns.get(*at),
        };
        let mut wide: Vec<ArrayRef> = of.over.own.iter().filter_map(own).cloned().collect();
        for answer in &of.over.answers {
            wide.push(of.answer(*answer, calls)?);
        }
        let one = |(c, f): (&ArrayRef, &Arc<arrow::datatypes::Field>)| filter(&cast(c, f.data_type())?, &mask);
        let asked: Vec<ArrayRef> = wide.iter().zip(of.schema.fields()).map(one).collect::<Result<_, _>>()?;
        let diffs: Vec<i64> = self.diffs.iter().copied().filter(|diff| *diff != 0).collect();
        let rows = batch(of.schema.clone(), asked, diffs.len()).map_err(|e| ArrowError::ComputeError(e.strip_backtrace()))?;
        self.out.push(Updates::changes(rows, Int64Array::from(diffs)));
        Ok(())
    }

    /// The totals up to the last row of each slot.
    fn kept(&self, of: &Framed, calls: &[ArrayRef]) -> Result<Kept, ArrowError> {
        let totals = of.over.totals.iter().zip(calls).map(|(total, c)| cast(c, &total.kind)).collect::<Result<_, _>>()?;
        let is_now = |row: &usize| self.diffs.get(*row).is_some_and(|diff| *diff > 0);
        // Of several rows of a slot the last is put there last.
        let rows: Vec<usize> = (0..self.slots.len()).filter(is_now).collect();
        let slots = rows.iter().filter_map(|row| self.slots.get(*row)).copied().collect();
        Ok(Kept { totals, rows: rows.into_iter().map(|row| row as u32).collect(), slots })
    }
}
