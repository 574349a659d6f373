//! One side of a join: its rows by key, or only how many each key has where a join asks no more of it; and, where partners are
//! decided by more than the key, how many each row has.

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::dues::Dues;
use crate::sql::store::{Batch, NOWHERE, Rows};

/// What a side keeps.
pub struct Side {
    /// The rows; none where only their number is asked for.
    pub rows: Option<Rows>,
    /// How many rows each group has, each as often as it is there.
    counts: Vec<i64>,
    /// Groups whose count came to 0.
    vacant: Vec<u32>,
    /// When rows are let go of, where their time tells.
    dues: Option<Dues>,
    /// Partners of each row, by slot, each as often as it is there; none where the key alone decides.
    hits: Option<Vec<i64>>,
    /// Rows whose weight or partners change in this epoch, as they were before.
    touched: Vec<Before>,
    /// The epoch, counted from 1, in which each slot was touched last.
    seen: Vec<u32>,
}

/// A row before an epoch.
#[derive(Clone, Copy)]
pub struct Before {
    /// Where it is.
    pub slot: u32,
    /// How often it was there.
    pub weight: i64,
    /// How many partners it had.
    pub hits: i64,
}

/// A batch of one side with the groups of its rows.
pub struct Taken {
    /// The side's own columns.
    pub rows: RecordBatch,
    /// One diff a row; none means +1.
    pub diffs: Option<Int64Array>,
    /// The group of each row.
    pub groups: Vec<u32>,
    /// Ready to be stored; none where only numbers are kept.
    pub batch: Option<Batch>,
    /// The slot that each row has opened, where partners of rows are counted.
    pub slots: Vec<u32>,
    /// The watermark that passes the time of each row, where that decides how long it stays.
    pub times: Option<TimestampMicrosecondArray>,
}

impl Taken {
    /// The diff of a row.
    pub fn diff(&self, row: usize) -> i64 {
        self.diffs.as_ref().map_or(1, |d| d.value(row))
    }

    /// The watermark that passes the time of a row.
    fn time(&self, row: usize) -> i64 {
        self.times.as_ref().filter(|t| t.is_valid(row)).map_or(i64::MAX, |t| t.value(row))
    }

    fn diffs(&self) -> Option<&[i64]> {
        self.diffs.as_ref().map(|d| d.values().as_ref())
    }
}

impl Side {
    /// Nothing yet: of rows with columns of some types, which may go or not, each with its partners or not, and due or not.
    ///
    /// # Errors
    /// When a type has no row encoding.
    pub fn new(types: Option<&[DataType]>, retracts: bool, counts_hits: bool, dues: Option<Dues>) -> Result<Self, ArrowError> {
        let rows = types.map(|t| Rows::new(t, retracts)).transpose()?;
        let rows = if dues.is_some() { rows.map(Rows::linked) } else { rows };
        let hits = counts_hits.then(Vec::new);
        Ok(Side { rows, counts: Vec::new(), vacant: Vec::new(), dues, hits, touched: Vec::new(), seen: Vec::new() })
    }

    /// Makes room for so many groups.
    pub fn grow(&mut self, groups: usize) {
        match &mut self.rows {
            Some(rows) => rows.grow(groups),
            None => self.counts.resize(groups, 0),
        }
    }

    /// How many rows a group has.
    pub fn weight(&self, group: u32) -> i64 {
        match &self.rows {
            Some(rows) => rows.weight(group),
            None => self.counts.get(group as usize).copied().unwrap_or(0),
        }
    }

    /// Whether nothing is kept of a group.
    pub fn is_empty(&self, group: u32) -> bool {
        match &self.rows {
            Some(rows) => rows.is_empty(group),
            None => self.weight(group) == 0,
        }
    }

    /// Whether partners of rows are counted.
    pub fn counts_hits(&self) -> bool {
        self.hits.is_some()
    }

    /// Rows of a batch that are ready to be taken in.
    ///
    /// # Errors
    /// When they are of other types.
    pub fn batch(&self, columns: &[ArrayRef], rows: usize) -> Result<Option<Batch>, ArrowError> {
        self.rows.as_ref().map(|own| own.batch(columns, rows)).transpose()
    }

    /// Takes in what comes; rows that go follow when all have come.
    pub fn insert(&mut self, taken: &mut Taken, round: u32) {
        if self.rows.is_none() {
            for (row, group) in taken.groups.iter().enumerate() {
                if let Some(count) = self.counts.get_mut(*group as usize) {
                    *count += taken.diff(row);
                    if *count == 0 {
                        self.vacant.push(*group);
                    }
                }
            }
            return;
        }
        let Side { rows: Some(rows), dues, hits, touched, seen, .. } = self else { return };
        let mut slots = if hits.is_some() { vec![NOWHERE; taken.groups.len()] } else { Vec::new() };
        let Some(batch) = &taken.batch else { return };
        if dues.is_none() && hits.is_none() {
            return rows.insert(batch, &taken.groups, taken.diffs(), |_, _, _, _| ());
        }
        rows.insert(batch, &taken.groups, taken.diffs(), |row, slot, weight, new| {
            if new {
                slots.get_mut(row).into_iter().for_each(|own| *own = slot);
                dues.iter_mut().for_each(|dues| dues.note(slot, taken.time(row)));
            }
            if let Some(hits) = hits {
                touch(hits, touched, seen, round, (slot, weight, new));
            }
        });
        taken.slots = slots;
    }

    /// Takes away what goes; how many rows were not there, and should have been.
    ///
    /// What a row that goes has given is taken back also when the row itself was let go of: its partners are all there as long as it
    /// is not late. So it is owed for the rest of the epoch, and let go of again.
    pub fn retract(&mut self, taken: &mut Taken, round: u32) -> usize {
        let Side { rows: Some(rows), dues, hits, touched, seen, .. } = self else { return 0 };
        let mut slots = std::mem::take(&mut taken.slots);
        let (batch, diffs) = (taken.batch.as_ref(), taken.diffs().unwrap_or_default());
        let Some(batch) = batch else { return 0 };
        if dues.is_none() && hits.is_none() {
            return rows.retract_and_sweep(batch, &taken.groups, diffs);
        }
        let mut let_go = 0;
        let missing = rows.retract(batch, &taken.groups, diffs, |row, slot, weight| {
            let new = weight == 0;
            if let Some(dues) = dues.as_mut().filter(|_| weight <= 0) {
                dues.note(slot, taken.time(row));
                let_go += usize::from(dues.is_past(taken.time(row)));
                slots.get_mut(row).into_iter().filter(|_| new).for_each(|own| *own = slot);
            }
            if let Some(hits) = hits {
                touch(hits, touched, seen, round, (slot, weight, new));
            }
        });
        taken.slots = slots;
        missing.saturating_sub(let_go)
    }

    /// Tells what the watermark was before an epoch.
    pub fn begin(&mut self, passed: Option<i64>) {
        self.dues.iter_mut().for_each(|dues| dues.begin(passed));
    }

    /// Lets go of rows that are due; they are swept later.
    pub fn let_go(&mut self, passed: Option<i64>) {
        let (Some(rows), Some(dues)) = (&mut self.rows, &mut self.dues) else { return };
        passed.into_iter().for_each(|now| dues.take(now, |slot| rows.let_go(slot)));
        dues.tidy(|slot| rows.weight_of(slot) != 0);
    }

    /// Adds to the partners of a row.
    pub fn hit(&mut self, slot: u32, more: i64, round: u32) {
        let weight = self.rows.as_ref().map_or(0, |r| r.weight_of(slot));
        let Some(hits) = &mut self.hits else { return };
        touch(hits, &mut self.touched, &mut self.seen, round, (slot, weight, false));
        if let Some(own) = hits.get_mut(slot as usize) {
            *own += more;
        }
    }

    /// Partners of a row.
    pub fn hits_of(&self, slot: u32) -> i64 {
        self.hits.as_ref().and_then(|h| h.get(slot as usize)).copied().unwrap_or(0)
    }

    /// Rows whose weight or partners have changed, as they were before the epoch.
    pub fn take_touched(&mut self) -> Vec<Before> {
        std::mem::take(&mut self.touched)
    }

    /// Lets go of rows that have gone; groups that have lost their last one, some of which may have rows again.
    pub fn sweep(&mut self) -> Vec<u32> {
        let hits = &mut self.hits;
        if let Some(rows) = &mut self.rows {
            rows.sweep(|slot| {
                if let Some(own) = hits.as_mut().and_then(|h| h.get_mut(slot as usize)) {
                    *own = 0;
                }
            });
            return rows.take_vacant();
        }
        std::mem::take(&mut self.vacant)
    }

    /// Lets go of all rows of a group.
    pub fn release(&mut self, group: u32) {
        match &mut self.rows {
            Some(rows) => rows.release(group),
            None => self.counts.get_mut(group as usize).into_iter().for_each(|c| *c = 0),
        }
    }

    /// Takes in rows that were saved, each with how many partners it had where those are counted.
    pub fn restore(&mut self, taken: &mut Taken, partners: Option<&Int64Array>, round: u32) {
        let (Some(rows), Some(batch), Some(hits), Some(partners)) = (&mut self.rows, &taken.batch, &mut self.hits, partners) else {
            self.insert(taken, round);
            self.retract(taken, round);
            return;
        };
        let (diffs, dues) = (taken.diffs(), &mut self.dues);
        let mut put = |row: usize, slot: u32| {
            dues.iter_mut().for_each(|dues| dues.note(slot, taken.time(row)));
            if hits.len() <= slot as usize {
                hits.resize(slot as usize + 1, 0);
            }
            // Equal rows have the same partners, and may share a slot.
            let count = if partners.len() > row { partners.value(row) } else { 0 };
            hits.get_mut(slot as usize).into_iter().for_each(|own| *own = count);
        };
        rows.insert(batch, &taken.groups, diffs, |row, slot, _, _| put(row, slot));
        rows.retract(batch, &taken.groups, diffs.unwrap_or_default(), |row, slot, _| put(row, slot));
    }

    /// Rows, or groups where only their number is kept, and bytes.
    pub fn size(&self) -> (usize, usize) {
        let more = self.hits.as_ref().map_or(0, |h| h.len() * 12) + self.dues.as_ref().map_or(0, Dues::bytes);
        match &self.rows {
            Some(rows) => (rows.size().0, rows.size().1 + more),
            None => (self.counts.len(), self.counts.len() * 8),
        }
    }
}

fn touch(hits: &mut Vec<i64>, touched: &mut Vec<Before>, seen: &mut Vec<u32>, round: u32, (slot, weight, new): (u32, i64, bool)) {
    let at = slot as usize;
    if hits.len() <= at {
        hits.resize(at + 1, 0);
    }
    if seen.len() <= at {
        seen.resize(at + 1, 0);
    }
    let (Some(hits), Some(seen)) = (hits.get_mut(at), seen.get_mut(at)) else { return };
    if new {
        *hits = 0;
    }
    if *seen != round {
        *seen = round;
        touched.push(Before { slot, weight, hits: *hits });
    }
}
