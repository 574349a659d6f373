//! The state of an aggregation: an index of groups, a weight for each, and a column of states for each aggregate.
//!
//! An epoch is worked through at once: rows of the touched groups before it, all updates, rows after it; what differs goes
//! out. Groups that a watermark closes are let go, and rows that would have changed them are late.

mod accumulate;
mod extremes;
mod index;
mod paged;
mod saved;

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{cast, concat, or, take};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;

use self::accumulate::{Accumulator, accumulator};
use self::index::Index;
pub use self::paged::Paged;
use self::saved::{SAVED_GROUPS, column, numbers};
use super::aggregate::{Closes, Shape};
use super::close::{Keeper, Routing};
use super::rows::keep_where;
use crate::flow::updates::Updates;
use crate::sql::closing::Closing;
use crate::sql::plan::Aggregate;
use crate::sql::snapshot::Size;
use crate::sql::watermark::END;

/// Groups with their aggregates.
pub struct Groups {
    keys: usize,
    index: Index,
    /// Rows of each group.
    weights: Vec<i64>,
    /// The last epoch, counted from 1, in which each group was touched.
    touched: Vec<u32>,
    /// Whether it is known when a group is closed.
    registered: Vec<bool>,
    round: u32,
    states: Vec<Box<dyn Accumulator>>,
    schema: SchemaRef,
    /// The one group of an aggregation without keys is to have its first row.
    global_new: bool,
    closes: Closes,
    /// Groups by the watermark that closes them.
    closing: BTreeMap<i64, Vec<Box<[u8]>>>,
    late: Vec<Updates>,
}

impl Groups {
    /// No groups yet.
    ///
    /// # Errors
    /// When a key or an argument has a type that cannot be kept.
    pub fn new(shape: &Shape, aggregates: &[Aggregate], closes: Closes) -> Result<Self, ArrowError> {
        let kind = |i: usize| shape.prepared.field(i).data_type();
        let index = Index::new(&(0..shape.keys).map(|i| kind(i).clone()).collect::<Vec<_>>())?;
        let state = |(i, a): (usize, &Aggregate)| {
            accumulator(a, kind(shape.keys + i), shape.schema.field(shape.keys + i).data_type(), shape.append_only)
        };
        Ok(Groups {
            keys: shape.keys,
            index,
            weights: Vec::new(),
            touched: Vec::new(),
            registered: Vec::new(),
            round: 0,
            states: aggregates.iter().enumerate().map(state).collect::<Result<_, _>>()?,
            schema: shape.schema.clone(),
            global_new: false,
            closes,
            closing: BTreeMap::new(),
            late: Vec::new(),
        })
    }

    /// Opens the one group of an aggregation without keys, which has a row even when nothing ever comes.
    pub fn open_global(&mut self) {
        let group = self.index.group(&[]);
        self.grow();
        if let Some(weight) = self.weights.get_mut(group as usize) {
            *weight += 1;
        }
        self.global_new = true;
    }

    fn grow(&mut self) {
        let groups = self.index.len();
        self.weights.resize(groups, 0);
        self.touched.resize(groups, 0);
        self.registered.resize(groups, false);
        self.states.iter_mut().for_each(|s| s.grow(groups));
    }

    fn assign(&mut self, rows: &RecordBatch) -> Result<Vec<u32>, ArrowError> {
        let keys: Vec<ArrayRef> = rows.columns().iter().take(self.keys).cloned().collect();
        let groups = self.index.assign(&keys, rows.num_rows())?;
        self.grow();
        Ok(groups)
    }

    fn weight(&self, group: u32) -> i64 {
        self.weights.get(group as usize).copied().unwrap_or(0)
    }

    fn work_through(&mut self, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        self.round = self.round.wrapping_add(1);
        let (mut touched, mut assigned) = (Vec::new(), Vec::with_capacity(batches.len()));
        let global_new = std::mem::take(&mut self.global_new);
        if global_new {
            touched.push(0);
            self.touched.iter_mut().take(1).for_each(|t| *t = self.round);
        }
        for updates in batches {
            let groups = self.assign(&updates.rows)?;
            for &group in &groups {
                if let Some(last) = self.touched.get_mut(group as usize).filter(|last| **last != self.round) {
                    *last = self.round;
                    touched.push(group);
                }
            }
            assigned.push(groups);
        }
        let lived: Vec<u32> = touched.iter().copied().filter(|g| self.weight(*g) > 0 && !(global_new && *g == 0)).collect();
        let before = self.values(&lived)?;
        for (updates, groups) in batches.iter().zip(&assigned) {
            self.add(updates, groups)?;
        }
        let live: Vec<u32> = touched.iter().copied().filter(|g| self.weight(*g) > 0).collect();
        let changes = self.changes(&lived, &before, &live)?;
        for group in touched {
            if self.weight(group) == 0 {
                self.release(group);
            }
        }
        Ok(changes)
    }

    fn add(&mut self, updates: &Updates, groups: &[u32]) -> Result<(), ArrowError> {
        for (row, &group) in groups.iter().enumerate() {
            if let Some(weight) = self.weights.get_mut(group as usize) {
                *weight += updates.diff(row);
            }
        }
        let diffs = updates.diffs.as_ref().map(|d| d.values().as_ref());
        for (state, argument) in self.states.iter_mut().zip(updates.rows.columns().iter().skip(self.keys)) {
            state.update(argument, diffs, groups)?;
        }
        Ok(())
    }

    /// The aggregates of some groups, a column each.
    fn values(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        self.states.iter().map(|s| s.values(groups)).collect()
    }

    /// Retractions of rows before, insertions of rows after; groups whose row stays as it is are left out.
    fn changes(&self, lived: &[u32], before: &[ArrayRef], live: &[u32]) -> Result<Option<Updates>, ArrowError> {
        let after = self.values(live)?;
        // Where the groups that lived stand among those that live; both are in the order of being touched.
        let mut at = 0;
        let place: Vec<Option<u32>> = lived
            .iter()
            .map(|g| {
                while live.get(at).is_some_and(|l| l != g) && self.weight(*g) > 0 {
                    at += 1;
                }
                (self.weight(*g) > 0).then_some(at as u32)
            })
            .collect();
        let same = self.unchanged(before, &after, &place)?;
        let mut stays = vec![false; live.len()];
        for (was, now) in place.iter().enumerate().filter(|(was, _)| same.value(*was)) {
            if let Some(slot) = now.and_then(|n| stays.get_mut(n as usize)) {
                *slot = true;
            }
            debug_assert!(was < lived.len());
        }
        let gone: Vec<u32> = (0..lived.len() as u32).filter(|i| !same.value(*i as usize)).collect();
        let come: Vec<u32> = (0..live.len() as u32).filter(|i| stays.get(*i as usize) == Some(&false)).collect();
        if gone.is_empty() && come.is_empty() {
            return Ok(None);
        }
        let diffs = (!gone.is_empty())
            .then(|| std::iter::repeat_n(-1, gone.len()).chain(std::iter::repeat_n(1, come.len())).collect::<Int64Array>());
        let group = |of: &[u32], at: &[u32]| at.iter().filter_map(|i| of.get(*i as usize).copied()).collect::<Vec<u32>>();
        let groups: Vec<u32> = group(lived, &gone).into_iter().chain(group(live, &come)).collect();
        let (gone, come) = (UInt32Array::from(gone), UInt32Array::from(come));
        let both = |(was, is): (&ArrayRef, &ArrayRef)| concat(&[&take(was, &gone, None)?, &take(is, &come, None)?]);
        let values: Vec<ArrayRef> = before.iter().zip(&after).map(both).collect::<Result<_, _>>()?;
        Ok(Some(Updates { rows: self.rows(&groups, &values)?, diffs }))
    }

    /// For each group that lived whether it lives with the same values.
    fn unchanged(&self, before: &[ArrayRef], after: &[ArrayRef], place: &[Option<u32>]) -> Result<BooleanArray, ArrowError> {
        let now: UInt32Array = place.iter().copied().collect();
        let mut changed: BooleanArray = place.iter().map(|p| Some(p.is_none())).collect();
        for (was, is) in before.iter().zip(after) {
            let is = take(is, &now, None)?;
            changed = or(&changed, &distinct(was, &is)?)?;
        }
        arrow::compute::not(&changed)
    }

    fn rows(&self, groups: &[u32], values: &[ArrayRef]) -> Result<RecordBatch, ArrowError> {
        let columns = self.index.columns(groups)?;
        let columns = columns.iter().chain(values).zip(self.schema.fields());
        let columns: Vec<ArrayRef> = columns.map(|(c, f)| cast(c, f.data_type())).collect::<Result<_, _>>()?;
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &RecordBatchOptions::new().with_row_count(Some(groups.len())))
    }

    /// Rows whose groups are still there to be changed; the others are late.
    fn in_time(&mut self, updates: &Updates, key: usize, closing: &Closing, before: Option<i64>) -> Result<Updates, ArrowError> {
        let Some(column) = updates.rows.columns().get(key) else { return Ok(updates.clone()) };
        let no_times = || ArrowError::SchemaError("a closing column holds no times".into());
        let times = closing.times(column).ok_or_else(no_times)?;
        let before = before.unwrap_or(i64::MIN);
        let late = |row: usize| times.is_valid(row) && times.value(row) <= before;
        let in_time = match (0..times.len()).any(late) {
            false => updates.clone(),
            true => {
                let keep: BooleanArray = (0..times.len()).map(|row| Some(!late(row))).collect();
                let part = |mask: &BooleanArray| keep_where(updates, mask).map_err(|e| ArrowError::ComputeError(e.strip_backtrace()));
                self.late.push(part(&arrow::compute::not(&keep)?)?);
                part(&keep)?
            }
        };
        let groups = self.assign(&in_time.rows)?;
        self.register(&in_time.rows, key, closing, &groups)?;
        Ok(in_time)
    }

    /// Notes when groups are closed.
    fn register(&mut self, rows: &RecordBatch, key: usize, closing: &Closing, groups: &[u32]) -> Result<(), ArrowError> {
        let times = rows.columns().get(key).and_then(|c| closing.times(c));
        let times = times.ok_or_else(|| ArrowError::SchemaError("a closing column holds no times".into()))?;
        for (row, group) in groups.iter().enumerate().filter(|(row, _)| times.is_valid(*row)) {
            if let Some(registered @ false) = self.registered.get_mut(*group as usize) {
                *registered = true;
                self.closing.entry(times.value(row)).or_default().push(self.index.key(*group).into());
            }
        }
        Ok(())
    }

    /// Some groups as rows: keys, weights, states.
    fn saved(&self, groups: &[u32]) -> Result<RecordBatch, ArrowError> {
        let mut columns = self.index.columns(groups)?;
        columns.push(numbers(groups.iter().map(|g| self.weight(*g))));
        for state in &self.states {
            columns.extend(state.save(groups)?);
        }
        let field = |(i, c): (usize, &ArrayRef)| Field::new(i.to_string(), c.data_type().clone(), true);
        let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
        RecordBatch::try_new(std::sync::Arc::new(schema), columns)
    }

    /// Lets go of groups that nothing can change any more; their rows stay as they are.
    fn let_go(&mut self, now: i64) {
        let open = if now == END { BTreeMap::new() } else { self.closing.split_off(&now.saturating_add(1)) };
        for key in std::mem::replace(&mut self.closing, open).into_values().flatten() {
            if let Some(group) = self.index.find(&key) {
                self.release(group);
            }
        }
    }

    /// The watermark that closes the first of the groups.
    fn first_closing(&self) -> Option<i64> {
        self.closing.first_key_value().map(|(closes, _)| *closes)
    }

    fn release(&mut self, group: u32) {
        self.index.release(group);
        self.states.iter_mut().for_each(|s| s.clear(group));
        if let Some(weight) = self.weights.get_mut(group as usize) {
            *weight = 0;
        }
        if let Some(registered) = self.registered.get_mut(group as usize) {
            *registered = false;
        }
    }
}

impl Keeper for Groups {
    fn epoch(&mut self, epoch: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        let Some((key, closing, watermarks)) = self.closes.clone() else { return self.work_through(batches) };
        let before = epoch.checked_sub(1).and_then(|e| watermarks.at(&closing.tables, e));
        let in_time: Vec<Updates> = batches.iter().map(|u| self.in_time(u, key, &closing, before)).collect::<Result<_, _>>()?;
        let changed = self.work_through(&in_time)?;
        if let Some(now) = watermarks.at(&closing.tables, epoch) {
            self.let_go(now);
        }
        Ok(changed)
    }

    fn late(&mut self) -> Vec<Updates> {
        std::mem::take(&mut self.late)
    }

    fn begins_with_rows(&self) -> bool {
        self.global_new
    }

    fn save(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        self.index.live().chunks(SAVED_GROUPS).map(|groups| self.saved(groups)).collect()
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        // What was saved has had its first row.
        self.global_new = false;
        let groups = self.assign(rows)?;
        let mut rest = rows.columns().get(self.keys..).unwrap_or_default();
        let weights = column::<Int64Type>(rest, 0)?;
        for (group, weight) in groups.iter().zip(weights.values()) {
            if let Some(slot) = self.weights.get_mut(*group as usize) {
                *slot = *weight;
            }
        }
        rest = rest.get(1..).unwrap_or_default();
        for state in &mut self.states {
            let taken = state.restore(&groups, rest)?;
            rest = rest.get(taken..).unwrap_or_default();
        }
        match self.closes.clone() {
            Some((key, closing, _)) => self.register(rows, key, &closing, &groups),
            None => Ok(()),
        }
    }

    fn routing(&self) -> Routing {
        Routing::ByKeys(self.keys)
    }

    fn given(&self) -> Result<Option<Updates>, ArrowError> {
        let live: Vec<u32> = self.index.live().into_iter().filter(|g| self.weight(*g) > 0).collect();
        if live.is_empty() {
            return Ok(None);
        }
        Ok(Some(Updates::insertions(self.rows(&live, &self.values(&live)?)?)))
    }

    fn size(&self) -> Size {
        let bytes = self.index.bytes() + self.weights.len() * 13 + self.states.iter().map(|s| s.bytes()).sum::<usize>();
        Size { rows: self.index.live().len() as u64, bytes: bytes as u64 }
    }
}

/// Minus zero and zero are one value of a key.
pub fn normal_zero(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => {
            std::sync::Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(|v| if v == 0.0 { 0.0 } else { v }))
        }
        DataType::Float32 => {
            std::sync::Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float32Type>(|v| if v == 0.0 { 0.0 } else { v }))
        }
        _ => column.clone(),
    }
}
