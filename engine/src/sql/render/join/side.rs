//! One side of a join: its rows by key, or only how many each key has where a join asks no more of it; and, where partners are
//! decided by more than the key, how many each row has.

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::sql::store::{Batch, NOWHERE, Rows};

/// What a side keeps.
pub struct Side {
    /// The rows; none where only their number is asked for.
    pub rows: Option<Rows>,
    /// How many rows each group has, each as often as it is there.
    counts: Vec<i64>,
    /// Groups whose count came to 0.
    vacant: Vec<u32>,
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
}

impl Taken {
    /// The diff of a row.
    pub fn diff(&self, row: usize) -> i64 {
        self.diffs.as_ref().map_or(1, |d| d.value(row))
    }

    fn diffs(&self) -> Option<&[i64]> {
        self.diffs.as_ref().map(|d| d.values().as_ref())
    }
}

impl Side {
    /// Nothing yet: of rows with columns of some types, which may go or not, each with its partners or not.
    ///
    /// # Errors
    /// When a type has no row encoding.
    pub fn new(types: Option<&[DataType]>, retracts: bool, counts_hits: bool) -> Result<Self, ArrowError> {
        let rows = types.map(|t| Rows::new(t, retracts)).transpose()?;
        Ok(Side { rows, counts: Vec::new(), vacant: Vec::new(), hits: counts_hits.then(Vec::new), touched: Vec::new(), seen: Vec::new() })
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
        let Side { rows: Some(rows), hits, touched, seen, .. } = self else { return };
        let Some(batch) = &taken.batch else { return };
        let diffs = taken.diffs.as_ref().map(|d| d.values().as_ref());
        match hits {
            None => rows.insert(batch, &taken.groups, diffs, |_, _, _, _| ()),
            Some(hits) => {
                taken.slots = vec![NOWHERE; taken.groups.len()];
                let slots = &mut taken.slots;
                rows.insert(batch, &taken.groups, diffs, |row, slot, weight, new| {
                    if new && let Some(own) = slots.get_mut(row) {
                        *own = slot;
                    }
                    touch(hits, touched, seen, round, (slot, weight, new));
                });
            }
        }
    }

    /// Takes away what goes; how many rows were not there.
    pub fn retract(&mut self, taken: &Taken, round: u32) -> usize {
        let (Some(rows), Some(batch), Some(diffs)) = (&mut self.rows, &taken.batch, taken.diffs()) else { return 0 };
        let (touched, seen) = (&mut self.touched, &mut self.seen);
        match &mut self.hits {
            None => rows.retract_and_sweep(batch, &taken.groups, diffs),
            Some(hits) => rows.retract(batch, &taken.groups, diffs, |_, slot, weight| {
                touch(hits, touched, seen, round, (slot, weight, false));
            }),
        }
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
        let diffs = taken.diffs.as_ref().map(|d| d.values().as_ref());
        let mut put = |row: usize, slot: u32| {
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
        let more = self.hits.as_ref().map_or(0, |h| h.len() * 12);
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
