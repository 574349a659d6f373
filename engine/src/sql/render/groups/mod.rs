//! The state of an aggregation: an index of groups, a weight for each, and a column of states for each aggregate.
//!
//! An epoch is worked through at once: rows of the touched groups before it, all updates, rows after it; what differs goes
//! out. Groups that a watermark closes are let go, and rows that would have changed them are late.

mod accumulate;
mod best;
mod codes;
mod distinct;
mod early;
mod extremes;
mod folded;
mod paged;
mod partial;
mod saved;
mod slices;
mod sliding;
mod spread;
mod wholes;

use std::collections::BTreeMap;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{and, cast, concat, take};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;

use self::accumulate::{Accumulator, accumulator};
pub use self::early::Early;
pub use self::early::{closing_times, in_time, no_times};

pub use self::paged::Paged;
use self::partial::together;
pub use self::partial::{Partial, merges};
use self::saved::numbers_of;
pub use self::saved::{column, numbers};
use self::slices::{Late, key_types, put_late};
pub use self::sliding::{Sliding, States as NumberedStates};
use self::spread::Spread;
use super::aggregate::{Closes, Shape};
use super::close::{Keeper, Routing, SAVED_ROWS};
use crate::flow::updates::Updates;
use crate::sql::arrange::equal_columns;
use crate::sql::plan::{Aggregate, HopKey};
use crate::sql::snapshot::Size;
use crate::sql::store::{Dated, Index};
use crate::sql::watermark::{END, Watermarks};

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
    /// Columns that the states of each aggregate are, where states merge.
    widths: Vec<usize>,
    /// What makes one row a group of a batch, where states merge.
    partial: Option<Partial>,
    /// Whether rows come with states already.
    merging: bool,
    /// Sliding windows.
    hop: Option<Spread>,
    schema: SchemaRef,
    /// The one group of an aggregation without keys is to have its first row.
    global_new: bool,
    closes: Closes,
    /// Whether a group is given once only, when it is closed.
    once: bool,
    /// Groups by the watermark that closes them.
    closing: BTreeMap<i64, Vec<Dated>>,
    late: Late,
}

/// How rows come.
pub enum States {
    /// As they are; a batch may be aggregated first.
    OfRows(Option<Partial>),
    /// Aggregated by another, with so many columns for each aggregate.
    Merged(Vec<usize>),
}

/// Rows of an epoch, each with its group.
struct Batch {
    groups: Vec<u32>,
    /// Arguments; or a weight and states.
    columns: Vec<ArrayRef>,
    /// One diff a row; none means +1.
    diffs: Option<Int64Array>,
    merged: bool,
}

impl Batch {
    /// The groups that rows were taken from, or from which as many came as went.
    fn lessened(&self) -> Vec<u32> {
        let weights = if self.merged { self.columns.first().and_then(|c| c.as_primitive_opt::<Int64Type>()) } else { self.diffs.as_ref() };
        let Some(weights) = weights else { return Vec::new() };
        self.groups.iter().zip(weights.values()).filter(|(_, weight)| **weight <= 0).map(|(group, _)| *group).collect()
    }
}

impl Groups {
    /// No groups yet.
    ///
    /// # Errors
    /// When a key or an argument has a type that cannot be kept.
    pub fn new(shape: &Shape, aggregates: &[Aggregate], closes: Closes, states: States) -> Result<Self, ArrowError> {
        let kind = |i: usize| shape.prepared.field(i).data_type();
        let types = match &shape.hop {
            None => (0..shape.keys).map(|i| kind(i).clone()).collect(),
            Some(hop) => key_types(hop, &shape.prepared)?,
        };
        let (index, keys) = (Index::new(&types)?, types.len());
        let state =
            |(i, a): (usize, &Aggregate)| accumulator(a, kind(shape.keys + i), shape.schema.field(keys + i).data_type(), shape.append_only);
        let (partial, merging) = match states {
            States::OfRows(partial) => (partial.map(|p| (p.widths(), Some(p))), false),
            States::Merged(widths) => (Some((widths, None)), true),
        };
        let (widths, partial) = partial.unwrap_or_default();
        let folds = |widths: &[usize]| sliding::States::new(shape, keys, aggregates, widths.to_vec());
        Ok(Groups {
            keys,
            index,
            weights: Vec::new(),
            touched: Vec::new(),
            registered: Vec::new(),
            round: 0,
            states: aggregates.iter().enumerate().map(state).collect::<Result<_, _>>()?,
            hop: shape.hop.clone().map(|hop| Spread::new(hop, &shape.prepared, folds(&widths)?)).transpose()?,
            widths,
            partial,
            merging,
            schema: shape.schema.clone(),
            global_new: false,
            closes,
            once: shape.once,
            closing: BTreeMap::new(),
            late: Late::default(),
        })
    }

    /// Opens the one group of an aggregation without keys, which has a row even when nothing ever comes.
    pub fn open_global(&mut self) {
        let Ok(group) = self.index.the_one() else { return };
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
        let groups = self.index.assign(rows.columns(), rows.num_rows())?;
        self.grow();
        Ok(groups)
    }

    fn weight(&self, group: u32) -> i64 {
        self.weights.get(group as usize).copied().unwrap_or(0)
    }

    fn work_through(&mut self, batches: &[Batch]) -> Result<Option<Updates>, ArrowError> {
        self.round = self.round.wrapping_add(1);
        let mut touched = Vec::new();
        let global_new = std::mem::take(&mut self.global_new);
        if global_new {
            touched.push(0);
            self.touched.iter_mut().take(1).for_each(|t| *t = self.round);
        }
        for batch in batches {
            for &group in &batch.groups {
                if let Some(last) = self.touched.get_mut(group as usize).filter(|last| **last != self.round) {
                    *last = self.round;
                    touched.push(group);
                }
            }
        }
        let lived: Vec<u32> = touched.iter().copied().filter(|g| self.weight(*g) > 0 && !(global_new && *g == 0)).collect();
        let before = self.values(&lived)?;
        batches.iter().try_for_each(|batch| self.take_in(batch))?;
        self.states.iter_mut().for_each(|s| s.settle(&touched));
        let live: Vec<u32> = touched.iter().copied().filter(|g| self.weight(*g) > 0).collect();
        let changes = self.changes(&lived, &before, &live)?;
        for group in touched {
            if self.weight(group) == 0 {
                self.release(group);
            }
        }
        Ok(changes)
    }

    fn take_in(&mut self, Batch { groups, columns, diffs, merged }: &Batch) -> Result<(), ArrowError> {
        if *merged {
            return self.merge(columns, groups);
        }
        let diffs = diffs.as_ref().map(|d| d.values().as_ref());
        for (row, &group) in groups.iter().enumerate() {
            if let Some(weight) = self.weights.get_mut(group as usize) {
                *weight += diffs.and_then(|d| d.get(row)).copied().unwrap_or(1);
            }
        }
        self.states.iter_mut().zip(columns).try_for_each(|(state, argument)| state.update(argument, diffs, groups))
    }

    /// Takes in rows of states.
    fn merge(&mut self, mut columns: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        let missing = || ArrowError::SchemaError("rows of states have a weight".into());
        let weights = columns.split_off_first().and_then(|c| c.as_primitive_opt::<Int64Type>()).ok_or_else(missing)?;
        for (group, more) in groups.iter().zip(weights.values()) {
            if let Some(weight) = self.weights.get_mut(*group as usize) {
                *weight += more;
            }
        }
        for (state, width) in self.states.iter_mut().zip(&self.widths) {
            state.merge(columns.split_off(..*width).unwrap_or_default(), groups)?;
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
        let (mut gone, mut come): (Vec<u32>, Vec<u32>) = ((0..lived.len() as u32).collect(), (0..live.len() as u32).collect());
        // Mostly none: a group that counts its rows changes with each.
        if same.has_true() {
            let mut stays = vec![false; live.len()];
            for now in place.iter().enumerate().filter(|(was, _)| same.value(*was)).map(|(_, now)| *now) {
                now.and_then(|n| stays.get_mut(n as usize)).into_iter().for_each(|slot| *slot = true);
            }
            gone.retain(|i| !same.value(*i as usize));
            come.retain(|i| stays.get(*i as usize) == Some(&false));
        }
        if gone.is_empty() && come.is_empty() {
            return Ok(None);
        }
        let diffs = (!gone.is_empty())
            .then(|| std::iter::repeat_n(-1, gone.len()).chain(std::iter::repeat_n(1, come.len())).collect::<Int64Array>());
        let group = |of: &[u32], at: &[u32]| at.iter().filter_map(|i| of.get(*i as usize).copied()).collect::<Vec<u32>>();
        let groups: Vec<u32> = group(lived, &gone).into_iter().chain(group(live, &come)).collect();
        let (gone, come) = (UInt32Array::from(gone), UInt32Array::from(come));
        let of = |all: &ArrayRef, at: &UInt32Array| if at.len() == all.len() { Ok(all.clone()) } else { take(all, at, None) };
        let both = |(was, is): (&ArrayRef, &ArrayRef)| concat(&[&of(was, &gone)?, &of(is, &come)?]);
        let values: Vec<ArrayRef> = before.iter().zip(&after).map(both).collect::<Result<_, _>>()?;
        Ok(Some(Updates { rows: self.rows(&groups, &values)?, diffs }))
    }

    /// For each group that lived whether it lives with the same values.
    fn unchanged(&self, before: &[ArrayRef], after: &[ArrayRef], place: &[Option<u32>]) -> Result<BooleanArray, ArrowError> {
        let now: UInt32Array = place.iter().copied().collect();
        let mut same: BooleanArray = place.iter().map(|p| Some(p.is_some())).collect();
        for (was, is) in before.iter().zip(after) {
            if same.true_count() == 0 {
                break;
            }
            same = and(&same, &equal_columns(was, &take(is, &now, None)?, not_distinct)?)?;
        }
        Ok(same)
    }

    fn rows(&self, groups: &[u32], values: &[ArrayRef]) -> Result<RecordBatch, ArrowError> {
        let columns = self.index.columns(groups)?;
        let columns = columns.iter().chain(values).zip(self.schema.fields());
        let columns: Vec<ArrayRef> = columns.map(|(c, f)| cast(c, f.data_type())).collect::<Result<_, _>>()?;
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &RecordBatchOptions::new().with_row_count(Some(groups.len())))
    }

    /// Notes when the groups of rows are closed.
    fn register(&mut self, updates: &Updates, groups: &[u32]) -> Result<(), ArrowError> {
        let Some((key, closing, _)) = &self.closes else { return Ok(()) };
        let times = closing_times(closing, updates, *key)?;
        let known = groups.iter().enumerate().filter(|(row, _)| times.is_valid(*row));
        self.close_at(known.map(|(row, group)| (*group, times.value(row))));
        Ok(())
    }

    /// Notes the watermarks that close groups.
    fn close_at(&mut self, closes: impl Iterator<Item = (u32, i64)>) {
        for (group, closes) in closes {
            if let Some(registered @ false) = self.registered.get_mut(group as usize) {
                *registered = true;
                self.closing.entry(closes).or_default().push(self.index.dated(group));
            }
        }
    }

    /// Some groups as rows: keys, weights, states.
    fn saved(&self, groups: &[u32]) -> Result<RecordBatch, ArrowError> {
        let mut columns = self.index.columns(groups)?;
        columns.push(numbers_of(&self.weights, groups));
        for state in &self.states {
            columns.extend(state.save(groups)?);
        }
        let field = |(i, c): (usize, &ArrayRef)| Field::new(i.to_string(), c.data_type().clone(), true);
        let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
        RecordBatch::try_new(std::sync::Arc::new(schema), columns)
    }

    /// Batches with their groups, as one row a group where that saves much.
    fn grouped(&mut self, epoch: u64, batches: &[Updates]) -> Result<Vec<Batch>, ArrowError> {
        if self.hop.is_some() {
            return self.spread(epoch, batches);
        }
        let mut out = Vec::with_capacity(batches.len());
        if self.merging {
            batches.iter().try_for_each(|updates| self.assigned(updates, true).map(|batch| out.push(batch)))?;
            return Ok(out);
        }
        let in_time =
            batches.iter().map(|updates| in_time(updates, &self.closes, epoch, &mut self.late.rows)).collect::<Result<Vec<_>, _>>()?;
        for run in together(&in_time) {
            match self.partial.as_mut().map(|p| p.reduced(run)).transpose()?.flatten() {
                Some(reduced) => out.push(self.assigned(&reduced, true)?),
                None => run.iter().try_for_each(|updates| self.assigned(updates, false).map(|batch| out.push(batch)))?,
            }
        }
        Ok(out)
    }

    fn assigned(&mut self, updates: &Updates, merged: bool) -> Result<Batch, ArrowError> {
        let groups = self.assign(&updates.rows)?;
        self.register(updates, &groups)?;
        let columns = updates.rows.columns().get(self.keys..).unwrap_or_default().to_vec();
        Ok(Batch { groups, columns, diffs: updates.diffs.clone(), merged })
    }

    /// Slices with the groups of their windows.
    fn spread(&mut self, epoch: u64, batches: &[Updates]) -> Result<Vec<Batch>, ArrowError> {
        let missing = || ArrowError::SchemaError("no sliding windows".into());
        let spread = self.hop.as_mut().ok_or_else(missing)?;
        let mut reduced = Vec::with_capacity(batches.len());
        match &mut self.partial {
            Some(partial) => {
                batches.iter().try_for_each(|updates| put_late(spread.hop(), updates, &self.closes, epoch, &mut self.late))?;
                together(batches).try_for_each(|run| partial.always(run).map(|slices| reduced.push(slices)))?;
            }
            None => reduced.extend_from_slice(batches),
        }
        let mut out = Vec::with_capacity(reduced.len());
        for slices in &reduced {
            let cells = self.hop.as_mut().ok_or_else(missing)?.cells(&slices.rows, &self.closes, epoch, &mut self.index)?;
            self.grow();
            self.close_at(cells.found.into_iter());
            out.push(Batch { groups: cells.groups, columns: cells.columns, diffs: None, merged: true });
        }
        Ok(out)
    }

    /// Takes an epoch in, and gives the groups that its watermark closes.
    fn give_closed(&mut self, epoch: u64, batches: &[Batch]) -> Result<Option<Updates>, ArrowError> {
        let mut gone: Vec<u32> = Vec::new();
        for batch in batches {
            self.take_in(batch)?;
            gone.extend(batch.lessened());
        }
        // Not before all batches are in: until then a count may be 0 by chance.
        for batch in batches.iter().filter(|batch| batch.merged || batch.diffs.is_some()) {
            self.states.iter_mut().for_each(|s| s.settle(&batch.groups));
        }
        gone.sort_unstable();
        gone.dedup();
        gone.into_iter().filter(|g| self.weight(*g) == 0).collect::<Vec<_>>().into_iter().for_each(|g| self.release(g));
        let Some(now) = self.closes.as_ref().and_then(|(_, closing, watermarks)| closing.passed(watermarks, epoch)) else {
            return Ok(None);
        };
        // Groups without a time are closed by the end.
        let closed = if now == END { self.index.live() } else { self.closed(now) };
        let given: Vec<u32> = closed.iter().copied().filter(|g| self.weight(*g) > 0).collect();
        let rows = if given.is_empty() { None } else { Some(Updates::insertions(self.rows(&given, &self.values(&given)?)?)) };
        closed.into_iter().for_each(|group| self.release(group));
        Ok(rows)
    }

    /// Groups that nothing can change any more, which are not noted as such any more.
    fn closed(&mut self, now: i64) -> Vec<u32> {
        let open = if now == END { BTreeMap::new() } else { self.closing.split_off(&now.saturating_add(1)) };
        let closed = std::mem::replace(&mut self.closing, open).into_values().flatten();
        closed.filter_map(|dated| self.index.still(dated)).collect()
    }

    /// Lets go of groups that nothing can change any more; their rows stay as they are.
    fn let_go(&mut self, now: i64) {
        for group in self.closed(now) {
            self.release(group);
        }
        self.hop.iter_mut().for_each(|spread| spread.let_go(now));
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
        let taken = self.grouped(epoch, batches)?;
        if self.once {
            return self.give_closed(epoch, &taken);
        }
        let changed = self.work_through(&taken)?;
        if let Some(now) = self.closes.as_ref().and_then(|(_, closing, watermarks)| closing.passed(watermarks, epoch)) {
            self.let_go(now);
        }
        Ok(changed)
    }

    fn late(&mut self) -> Result<Option<Updates>, ArrowError> {
        self.late.next(self.hop.as_ref().map(|spread| (spread.hop(), self.schema.as_ref())), &self.closes)
    }

    fn begins_with_rows(&self) -> bool {
        self.global_new
    }

    fn moved_by(&self) -> Option<(Watermarks, Vec<String>)> {
        self.closes.as_ref().filter(|_| self.once).map(|(_, closing, watermarks)| (watermarks.clone(), closing.tables.clone()))
    }

    fn save<E: From<ArrowError>>(&self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        self.index.live().chunks(SAVED_ROWS).try_for_each(|groups| out(self.saved(groups)?))
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
        self.register(&Updates::insertions(rows.clone()), &groups)
    }

    fn routing(&self) -> Routing {
        let Some(hop) = self.hop.as_ref().map(Spread::hop) else { return Routing::ByKeys(self.keys) };
        // Windows are where the keys beside their slices are sent, in the order of those.
        let mut columns: Vec<(usize, usize)> = Vec::new();
        for (place, key) in hop.keys.iter().enumerate() {
            if let HopKey::Column(at) = key {
                columns.push((*at, place));
            }
        }
        columns.sort_unstable();
        Routing::ByColumns(columns.into_iter().map(|(_, place)| place).collect())
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
        let bytes = bytes + self.hop.as_ref().map_or(0, Spread::bytes);
        Size { rows: self.index.count() as u64, bytes: bytes as u64 }
    }
}

/// Decoded columns with zeros behind their nulls: the row encoding leaves the least number there, on which kernels overflow that
/// look at what a null hides.
pub fn zero_behind_nulls(column: ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, zone) if column.null_count() > 0 => {
            let times: TimestampMicrosecondArray = column.as_primitive::<TimestampMicrosecondType>().iter().collect();
            std::sync::Arc::new(times.with_timezone_opt(zone.clone()))
        }
        DataType::Int64 if column.null_count() > 0 => {
            std::sync::Arc::new(column.as_primitive::<Int64Type>().iter().collect::<Int64Array>())
        }
        _ => column,
    }
}
