//! The state of a join, and an epoch's way through it.
//!
//! What an epoch gives is ΔL ⋈ R and L' ⋈ ΔR, where R stands as before the epoch and L' as after it; and, for joins that
//! ask which rows have a partner, the difference of those rows. Where the key alone decides that, it is a matter of how many
//! rows a group of the other side has; else each row counts its partners. Not here: how pairs are put together (`pairs.rs`),
//! rows without partner (`alone.rs`), when an epoch is complete (`operator.rs`).

use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;

use std::collections::BTreeMap;
use std::ops::Range;

use super::dues::Dues;
use super::side::{Side, Taken};
use crate::flow::updates::Updates;
use crate::sql::plan::{Expression, JoinKind};
use crate::sql::render::aggregate::Closes;
use crate::sql::render::groups::{closing_times, no_times};
use crate::sql::render::rows::keep_where;
use crate::sql::store::{Dated, Index};
use crate::sql::watermark::{END, Watermarks};
use crate::sql::within::Within;

/// Groups without rows that may stay: so many, and one in so many of all.
const EMPTY_MIN: usize = 1 << 10;
const EMPTY_SHARE: usize = 4;

/// What a join is.
#[derive(Clone)]
pub struct Shape {
    /// Which rows it gives.
    pub kind: JoinKind,
    /// How many columns of each side's layout are keys.
    pub keys: usize,
    /// Whether null equals null in them.
    pub null_equal: bool,
    /// What else must hold, over the columns of pairs.
    pub residual: Option<Expression>,
    /// The layout of each side: keys, then its own columns.
    pub layouts: [SchemaRef; 2],
    /// Whether rows of each side may go.
    pub retracts: [bool; 2],
    /// Columns of a pair: the left's own, then the right's.
    pub pairs: SchemaRef,
    /// Columns of the output.
    pub schema: SchemaRef,
    /// The key that watermarks close.
    pub closes: Closes,
    /// Bounds between times of both sides, with watermarks.
    pub within: Option<(Within, Watermarks)>,
}

/// Groups of both sides.
pub struct JoinState {
    pub(super) shape: Shape,
    pub(super) index: Index,
    pub(super) sides: [Side; 2],
    pub(super) round: u32,
    /// For each side, the round in which a group's rows last began or ceased to have partners.
    pub(super) turned: [Vec<u32>; 2],
    /// Changes of a group's number of rows, put together here.
    sums: Vec<i64>,
    /// Groups that have lost their last row; some may have rows again.
    empty: Vec<u32>,
    /// Groups by the watermark that closes them, and whether each is among those.
    closing: BTreeMap<i64, Vec<Dated>>,
    registered: Vec<bool>,
}

/// What is given, until it is taken.
#[derive(Default)]
pub struct Given {
    /// Rows.
    pub rows: Vec<Updates>,
    /// Pairs on which the further condition fails, with why.
    pub errors: Vec<(String, i64)>,
    /// Rows so far, also those looked at in vain.
    pub looked_at: usize,
    /// Rows that came too late.
    pub late: Vec<Updates>,
    /// Rows that were to go and were not there.
    pub missing: usize,
}

/// An epoch on its way.
pub struct Work {
    epoch: u64,
    pub(super) taken: [Vec<Taken>; 2],
    /// Rows with a null key or time, which have no partner.
    pub(super) loose: [Vec<Updates>; 2],
    /// For each side, groups whose rows begin or cease to have partners, and whether they had.
    pub(super) turning: [Vec<(u32, bool)>; 2],
    phase: Phase,
    pub(super) at: Cursor,
}

/// How far the rows of a batch have been looked up.
#[derive(Default)]
pub struct Cursor {
    pub batch: usize,
    /// The first row that is not looked up yet.
    pub row: usize,
    /// Rows that are, with the slot of the partner that each goes on from.
    pub lists: Vec<(u32, u32)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Before,
    Left,
    Right,
    After,
    Done,
}

impl Shape {
    /// Whether pairs are given.
    pub fn gives_pairs(&self) -> bool {
        matches!(self.kind, JoinKind::Inner | JoinKind::Left | JoinKind::Full)
    }

    /// Whether it matters which rows of a side have a partner.
    pub fn asks_for_partners(&self, side: usize) -> bool {
        match self.kind {
            JoinKind::Inner => false,
            JoinKind::Full => true,
            _ => side == 0,
        }
    }

    /// When rows of a side are let go of one by one.
    fn dues(&self, side: usize) -> Option<Dues> {
        let (within, _) = self.within.as_ref()?;
        Some(Dues::new(within.partners_until(side), within.extent()))
    }

    fn own_types(&self, side: usize) -> Vec<DataType> {
        let fields = self.layouts.get(side).map(|l| l.fields().iter().skip(self.keys));
        fields.into_iter().flatten().map(|f| f.data_type().clone()).collect()
    }
}

impl super::sides::Shape for Shape {
    fn keys(&self) -> usize {
        self.keys
    }

    fn own(&self, side: usize) -> Range<usize> {
        self.keys..of(&self.layouts, side).fields().len()
    }

    fn late_by(&self, side: usize) -> Closes {
        let Some((within, watermarks)) = &self.within else { return self.closes.clone() };
        Some((self.keys + of(&within.columns, side), within.closing.clone(), watermarks.clone()))
    }
}

impl JoinState {
    /// Nothing on either side.
    ///
    /// # Errors
    /// When a type has no row encoding.
    pub(super) fn empty(shape: Shape) -> Result<Self, ArrowError> {
        let [left, _] = &shape.layouts;
        let key_types: Vec<DataType> = left.fields().iter().take(shape.keys).map(|f| f.data_type().clone()).collect();
        let by_row = shape.residual.is_some();
        let side = |side: usize, retracts: bool| {
            // Where the key decides, and rows of the other side alone are given, their number is enough.
            let rows = shape.gives_pairs() || by_row || side == 0;
            Side::new(rows.then(|| shape.own_types(side)).as_deref(), retracts, by_row && shape.asks_for_partners(side), shape.dues(side))
        };
        let [left_goes, right_goes] = shape.retracts;
        let sides = [side(0, left_goes)?, side(1, right_goes)?];
        let index = Index::new(&key_types)?;
        Ok(JoinState {
            shape,
            index,
            sides,
            round: 0,
            turned: Default::default(),
            sums: Vec::new(),
            empty: Vec::new(),
            closing: BTreeMap::new(),
            registered: Vec::new(),
        })
    }

    /// Takes an epoch's rows up; nothing is kept of them yet.
    ///
    /// # Errors
    /// When rows are not of the layout.
    pub(super) fn take_up(&mut self, epoch: u64, left: &[Updates], right: &[Updates]) -> Result<Work, ArrowError> {
        self.round = self.round.wrapping_add(1).max(1);
        if let Some((within, watermarks)) = &self.shape.within {
            let passed = within.closing.passed_before(watermarks, epoch);
            self.sides.iter_mut().for_each(|side| side.begin(passed));
        }
        let (left, loose_left) = self.taken(0, left)?;
        let (right, loose_right) = self.taken(1, right)?;
        self.grow();
        let taken = [left, right];
        let [of_left, of_right] = &taken;
        let turning = [self.turning(0, of_right), self.turning(1, of_left)];
        Ok(Work { epoch, taken, loose: [loose_left, loose_right], turning, phase: Phase::Before, at: Cursor::default() })
    }

    /// Goes on with an epoch until it is done or enough is given for once; whether it is done.
    ///
    /// # Errors
    /// When rows cannot be put together, which is a defect.
    pub(super) fn work(&mut self, work: &mut Work, out: &mut Given, enough: usize) -> Result<bool, ArrowError> {
        while work.phase != Phase::Done {
            match work.phase {
                Phase::Before => {
                    self.give_turning(work, false, out)?;
                    self.take_in(work, 0, out);
                    work.phase = Phase::Left;
                }
                Phase::Left => {
                    if !self.probe(work, 0, out, enough)? {
                        return Ok(false);
                    }
                    self.take_in(work, 1, out);
                    (work.phase, work.at) = (Phase::Right, Cursor::default());
                }
                Phase::Right => {
                    if !self.probe(work, 1, out, enough)? {
                        return Ok(false);
                    }
                    work.phase = Phase::After;
                }
                Phase::After => {
                    self.give_turning(work, true, out)?;
                    self.give_others(work, out)?;
                    self.give_touched(out)?;
                    self.let_go_of_closed(work.epoch);
                    work.phase = Phase::Done;
                }
                Phase::Done => {}
            }
        }
        Ok(true)
    }

    fn taken(&mut self, side: usize, batches: &[Updates]) -> Result<(Vec<Taken>, Vec<Updates>), ArrowError> {
        let (mut taken, mut loose) = (Vec::with_capacity(batches.len()), Vec::new());
        let plain = |e: datafusion::common::DataFusionError| ArrowError::ComputeError(e.strip_backtrace());
        for updates in batches {
            let known = match self.without_partner(side, updates) {
                None => updates.clone(),
                Some(null) => {
                    loose.push(keep_where(updates, &null).map_err(plain)?);
                    keep_where(updates, &arrow::compute::not(&null)?).map_err(plain)?
                }
            };
            if known.rows.num_rows() > 0 {
                taken.push(self.take(side, &known)?);
            }
        }
        Ok((taken, loose))
    }

    pub(super) fn take(&mut self, side: usize, updates: &Updates) -> Result<Taken, ArrowError> {
        let rows = updates.rows.num_rows();
        let groups = self.index.assign(updates.rows.columns(), rows)?;
        self.register(updates, &groups)?;
        let own: Vec<usize> = (self.shape.keys..updates.rows.num_columns()).collect();
        let own = updates.rows.project(&own)?;
        let batch = of(&self.sides, side).batch(own.columns(), rows)?;
        let closing = self.shape.within.as_ref().map(|(within, _)| (*of(&within.columns, side), &within.closing));
        let times = closing.map(|(at, closing)| own.columns().get(at).and_then(|c| closing.times(c)).ok_or_else(no_times)).transpose()?;
        Ok(Taken { rows: own, diffs: updates.diffs.clone(), groups, batch, slots: Vec::new(), times })
    }

    /// Notes when groups are closed.
    fn register(&mut self, updates: &Updates, groups: &[u32]) -> Result<(), ArrowError> {
        let Some((key, closing, _)) = &self.shape.closes else { return Ok(()) };
        let times = closing_times(closing, updates, *key)?;
        self.registered.resize(self.index.len(), false);
        for (row, group) in groups.iter().enumerate().filter(|(row, _)| times.is_valid(*row)) {
            if let Some(registered @ false) = self.registered.get_mut(*group as usize) {
                *registered = true;
                self.closing.entry(times.value(row)).or_default().push(self.index.dated(*group));
            }
        }
        Ok(())
    }

    /// Lets go of groups that nothing can change any more.
    fn let_go(&mut self, epoch: u64) {
        let Some((_, closing, watermarks)) = &self.shape.closes else { return };
        let Some(now) = closing.passed(watermarks, epoch) else { return };
        let open = if now == END { BTreeMap::new() } else { self.closing.split_off(&now.saturating_add(1)) };
        for dated in std::mem::replace(&mut self.closing, open).into_values().flatten() {
            if let Some(group) = self.index.still(dated) {
                self.sides.iter_mut().for_each(|side| side.release(group));
                self.release(group);
            }
        }
    }

    /// Lets go of what an epoch has closed.
    pub(super) fn let_go_of_closed(&mut self, epoch: u64) {
        self.let_go_by_row(epoch);
        self.sweep();
        self.let_go(epoch);
    }

    /// Lets go of rows that nothing can meet any more.
    fn let_go_by_row(&mut self, epoch: u64) {
        let Some((within, watermarks)) = &self.shape.within else { return };
        let passed = within.closing.passed(watermarks, epoch);
        self.sides.iter_mut().for_each(|side| side.let_go(passed));
    }

    fn release(&mut self, group: u32) {
        self.index.release(group);
        self.registered.get_mut(group as usize).into_iter().for_each(|r| *r = false);
    }

    pub(super) fn grow(&mut self) {
        let groups = self.index.len();
        self.sides.iter_mut().for_each(|s| s.grow(groups));
        self.turned.iter_mut().for_each(|t| t.resize(groups, 0));
        self.sums.resize(groups, 0);
    }

    /// Which rows have no partner because a key, or the time that a partner's is held against, is null; none when there are no such.
    fn without_partner(&self, side: usize, updates: &Updates) -> Option<BooleanArray> {
        let keys = if self.shape.null_equal { 0 } else { self.shape.keys };
        let time = self.shape.within.as_ref().map(|(within, _)| self.shape.keys + of(&within.columns, side));
        with_null(&updates.rows, (0..keys).chain(time))
    }

    /// Groups of a side whose rows begin or cease to have partners by what comes to the other side, and whether they had.
    fn turning(&mut self, side: usize, others: &[Taken]) -> Vec<(u32, bool)> {
        let other = of(&self.sides, 1 - side);
        if !self.shape.asks_for_partners(side) || self.shape.residual.is_some() {
            return Vec::new();
        }
        let mut groups = Vec::new();
        for taken in others {
            for (row, &group) in taken.groups.iter().enumerate() {
                if let Some(sum) = self.sums.get_mut(group as usize) {
                    *sum += taken.diff(row);
                    groups.push(group);
                }
            }
        }
        groups.sort_unstable();
        groups.dedup();
        let (sums, turned) = (&mut self.sums, of_mut(&mut self.turned, side));
        let turns = |group: u32| {
            let (before, change) = (other.weight(group), sums.get_mut(group as usize).map_or(0, std::mem::take));
            let (had, has) = (before > 0, before + change > 0);
            if had != has {
                turned.get_mut(group as usize).into_iter().for_each(|t| *t = self.round);
            }
            (had != has).then_some((group, had))
        };
        groups.into_iter().filter_map(turns).collect()
    }

    /// Takes in a side's rows: all that come, then all that go.
    fn take_in(&mut self, work: &mut Work, side: usize, out: &mut Given) {
        let own = of_mut(&mut self.sides, side);
        for taken in of_mut(&mut work.taken, side) {
            own.insert(taken, self.round);
        }
        for taken in of_mut(&mut work.taken, side) {
            out.missing += own.retract(taken, self.round);
        }
    }

    /// Lets go of what has gone. Groups without rows stay until they are many: keys that go often come again.
    fn sweep(&mut self) {
        for side in &mut self.sides {
            self.empty.extend(side.sweep());
        }
        if self.empty.len() > EMPTY_MIN + self.index.len() / EMPTY_SHARE {
            let mut empty = std::mem::take(&mut self.empty);
            empty.sort_unstable();
            empty.dedup();
            for group in empty {
                if self.sides.iter().all(|side| side.is_empty(group)) {
                    self.release(group);
                }
            }
        }
    }
}

/// Rows of which some column is null; none when there are no such.
pub fn with_null(rows: &RecordBatch, columns: impl Iterator<Item = usize>) -> Option<BooleanArray> {
    let nulls: Vec<_> = columns.filter_map(|at| rows.columns().get(at)?.logical_nulls()).filter(|n| n.null_count() > 0).collect();
    if nulls.is_empty() {
        return None;
    }
    Some((0..rows.num_rows()).map(|row| Some(nulls.iter().any(|n| n.is_null(row)))).collect())
}

/// What is of one side, the left being 0.
pub fn of<T>([left, right]: &[T; 2], side: usize) -> &T {
    if side == 0 { left } else { right }
}

/// What is of one side, the left being 0.
pub fn of_mut<T>([left, right]: &mut [T; 2], side: usize) -> &mut T {
    if side == 0 { left } else { right }
}
