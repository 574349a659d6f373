//! The rows of groups, each with how often it is there: found by group, added, and taken away again.
//!
//! The rows of a group are a list through their slots. Taking a row away looks for it in the list of its group by hash and then
//! by value; the rows of a group with many are also in a table, so that a change costs the same there. Equal rows of a large
//! group share a slot; those of a small one need not.

mod ahead;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use hashbrown::HashTable;

use self::ahead::AHEAD;
use super::NOWHERE;
use super::columns::{Columns, Incoming};
use crate::flow::hash::hash_rows;

/// Rows from which on a group has a table: a shorter list is walked as fast.
const LARGE_ROWS: u32 = 24;

/// Rows by group.
pub struct Rows {
    columns: Columns,
    slots: Vec<Slot>,
    free: Vec<u32>,
    groups: Vec<Head>,
    large: HashTable<u32>,
    /// Whether rows may go: without that, nothing is looked for.
    retracts: bool,
    /// Whether every list is linked both ways, for rows that are let go of by slot.
    linked: bool,
    /// Slots whose rows are taken away more often than they came.
    negative: usize,
    /// Slots whose rows have gone, until they are swept, each with the one before it in its list if that is known.
    emptied: Vec<(u32, u32)>,
    /// Groups that have lost their last row, until they are taken.
    vacant: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Slot {
    hash: u64,
    weight: i64,
    next: u32,
    /// Only of large groups, or of all where lists are linked both ways.
    before: u32,
    group: u32,
}

#[derive(Clone, Copy)]
struct Head {
    first: u32,
    rows: u32,
    weight: i64,
    large: bool,
}

const NO_SLOT: Slot = Slot { hash: 0, weight: 0, next: NOWHERE, before: NOWHERE, group: NOWHERE };
const NO_ROWS: Head = Head { first: NOWHERE, rows: 0, weight: 0, large: false };

/// A row that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where.
    pub slot: u32,
    /// How often.
    pub weight: i64,
}

/// The rows of a batch, ready to be taken in.
pub struct Batch {
    incoming: Incoming,
    hashes: Vec<u64>,
}

impl Rows {
    /// No rows, of columns of some types.
    ///
    /// # Errors
    /// When a type has no row encoding.
    pub fn new(types: &[DataType], retracts: bool) -> Result<Self, ArrowError> {
        Ok(Rows {
            columns: Columns::new(types)?,
            slots: Vec::new(),
            free: Vec::new(),
            groups: Vec::new(),
            large: HashTable::new(),
            retracts,
            linked: false,
            negative: 0,
            emptied: Vec::new(),
            vacant: Vec::new(),
        })
    }

    /// The same, for rows that are also let go of by slot.
    pub fn linked(self) -> Self {
        Rows { linked: true, ..self }
    }

    /// Makes the rows of a batch ready.
    ///
    /// # Errors
    /// When they are of other types.
    pub fn batch(&self, columns: &[ArrayRef], rows: usize) -> Result<Batch, ArrowError> {
        if self.slots.len() + rows >= NOWHERE as usize {
            return Err(ArrowError::ComputeError("a side of a join holds more than 4,294,967,294 rows".into()));
        }
        let hashes = if self.retracts { hash_rows(columns, rows)? } else { Vec::new() };
        Ok(Batch { incoming: self.columns.incoming(columns)?, hashes })
    }

    /// Makes room for so many groups.
    pub fn grow(&mut self, groups: usize) {
        self.groups.resize(groups, NO_ROWS);
    }

    /// How many rows a group has, each as often as it is there.
    pub fn weight(&self, group: u32) -> i64 {
        self.groups.get(group as usize).map_or(0, |g| g.weight)
    }

    /// Whether a group has no rows, not even of weight 0.
    pub fn is_empty(&self, group: u32) -> bool {
        self.groups.get(group as usize).is_none_or(|g| g.rows == 0)
    }

    /// The group of a slot.
    pub fn group_of(&self, slot: u32) -> u32 {
        self.slots.get(slot as usize).map_or(NOWHERE, |s| s.group)
    }

    /// How often the row of a slot is there.
    pub fn weight_of(&self, slot: u32) -> i64 {
        self.slots.get(slot as usize).map_or(0, |s| s.weight)
    }

    /// The slot of a group's first row, or none.
    pub fn first(&self, group: u32) -> u32 {
        self.groups.get(group as usize).map_or(NOWHERE, |g| g.first)
    }

    /// The row of a slot, and those of its group that come after it; rows of weight 0 are on their way out.
    pub fn from(&self, slot: u32) -> impl Iterator<Item = Stored> + '_ {
        let mut at = slot;
        std::iter::from_fn(move || {
            let found = self.slots.get(at as usize)?;
            let stored = Stored { slot: at, weight: found.weight };
            at = found.next;
            Some(stored)
        })
    }

    /// Every row that is there.
    pub fn all(&self) -> impl Iterator<Item = Stored> + '_ {
        let stored =
            |(slot, s): (usize, &Slot)| (s.group != NOWHERE && s.weight != 0).then_some(Stored { slot: slot as u32, weight: s.weight });
        self.slots.iter().enumerate().filter_map(stored)
    }

    /// Takes in the rows of a batch that come; `touch` is told each row, its slot, its weight before, and whether it is new.
    pub fn insert(&mut self, batch: &Batch, groups: &[u32], diffs: Option<&[i64]>, mut touch: impl FnMut(usize, u32, i64, bool)) {
        let (mut rows, mut slots) = (Vec::with_capacity(groups.len()), Vec::with_capacity(groups.len()));
        for (row, &group) in groups.iter().enumerate() {
            if row % AHEAD == 0 {
                self.look_ahead(groups.get(row..).unwrap_or_default().iter().copied());
                let free = self.free.iter().rev().take(AHEAD).filter_map(|s| self.slots.get(*s as usize));
                std::hint::black_box(free.fold(0, |all, slot| all ^ slot.group));
            }
            let diff = diffs.and_then(|d| d.get(row)).copied().unwrap_or(1);
            if diff <= 0 {
                continue;
            }
            let mut known = None;
            if self.merges(group) {
                self.put(batch, &mut rows, &mut slots);
                known = self.find(batch, row, group, |s| s.weight != 0);
            }
            let (slot, new) = match known {
                Some(slot) => (slot, false),
                None => (self.add(batch, row, group), true),
            };
            if new {
                rows.push(row as u32);
                slots.push(slot);
            }
            touch(row, slot, self.weight_of(slot), new);
            self.change(slot, NOWHERE, diff);
        }
        self.put(batch, &mut rows, &mut slots);
    }

    fn put(&mut self, batch: &Batch, rows: &mut Vec<u32>, slots: &mut Vec<u32>) {
        self.columns.grow(self.slots.len());
        self.columns.put(&batch.incoming, rows, slots, self.slots.len());
        rows.clear();
        slots.clear();
    }

    /// Takes away the rows of a batch that go; `touch` is told each row, its slot and its weight before. How many were not there: they
    /// are kept with a weight below 0, so that sums stay right.
    pub fn retract(&mut self, batch: &Batch, groups: &[u32], diffs: &[i64], mut touch: impl FnMut(usize, u32, i64)) -> usize {
        let going: Vec<u32> = diffs.iter().zip(0..).filter(|(d, _)| **d < 0).map(|(_, row)| row).collect();
        going.chunks(AHEAD).map(|part| self.retract_part(batch, groups, diffs, part, &mut touch)).sum()
    }

    /// The same, where nobody looks at rows that have gone: their slots are let go of at once.
    pub fn retract_and_sweep(&mut self, batch: &Batch, groups: &[u32], diffs: &[i64]) -> usize {
        let going: Vec<u32> = diffs.iter().zip(0..).filter(|(d, _)| **d < 0).map(|(_, row)| row).collect();
        let mut missing = 0;
        for part in going.chunks(AHEAD) {
            missing += self.retract_part(batch, groups, diffs, part, &mut |_, _, _| ());
            self.sweep(|_| ());
        }
        missing
    }

    fn retract_part(
        &mut self,
        batch: &Batch,
        groups: &[u32],
        diffs: &[i64],
        going: &[u32],
        touch: &mut impl FnMut(usize, u32, i64),
    ) -> usize {
        let (slots, before): (Vec<u32>, Vec<u32>) = self.candidates(batch, groups, going).into_iter().unzip();
        let mut same: Vec<bool> = slots.iter().map(|s| *s != NOWHERE).collect();
        self.columns.keep_equal(&slots, &batch.incoming, going, &mut same);
        let mut missing = 0;
        for (at, row) in going.iter().map(|row| *row as usize).enumerate() {
            let (Some(&group), Some(mut left)) = (groups.get(row), diffs.get(row).map(|d| -d)) else { continue };
            let slot = slots.get(at).copied().filter(|slot| same.get(at) == Some(&true) && self.weight_of(*slot) > 0);
            let mut next = slot.zip(before.get(at).copied());
            while left > 0 {
                let found = next.take().or_else(|| self.find(batch, row, group, |s| s.weight > 0).map(|slot| (slot, NOWHERE)));
                let ((slot, before), part) = match found {
                    Some(found) => (found, left.min(self.weight_of(found.0))),
                    None => {
                        missing += 1;
                        ((self.owed(batch, row, group), NOWHERE), left)
                    }
                };
                touch(row, slot, self.weight_of(slot));
                self.change(slot, before, -part);
                left -= part;
            }
        }
        missing
    }

    /// The slot of a row that goes and is not there.
    fn owed(&mut self, batch: &Batch, row: usize, group: u32) -> u32 {
        self.find(batch, row, group, |s| s.weight < 0).unwrap_or_else(|| {
            let slot = self.add(batch, row, group);
            self.put(batch, &mut vec![row as u32], &mut vec![slot]);
            slot
        })
    }

    /// Lets go of slots whose rows have gone; their numbers are used again.
    pub fn sweep(&mut self, mut gone: impl FnMut(u32)) {
        let emptied = std::mem::take(&mut self.emptied);
        for part in emptied.chunks(AHEAD) {
            let block: [Slot; AHEAD] = self.block(part.iter().map(|e| e.0));
            self.look_ahead(block.iter().zip(part).map(|(s, _)| s.group));
            for &(slot, before) in part {
                if self.slots.get(slot as usize).is_some_and(|s| s.weight == 0 && s.group != NOWHERE) {
                    gone(slot);
                    self.unlink(slot, before);
                }
            }
        }
    }

    /// Groups that have lost their last row since this was asked; some may have rows again.
    pub fn take_vacant(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.vacant)
    }

    /// Lets go of the row of a slot; it is there until the next sweep.
    pub fn let_go(&mut self, slot: u32) {
        if let Some(weight) = Some(self.weight_of(slot)).filter(|w| *w != 0 && self.group_of(slot) != NOWHERE) {
            self.change(slot, NOWHERE, -weight);
        }
    }

    /// Lets go of all rows of a group.
    pub fn release(&mut self, group: u32) {
        let slots: Vec<u32> = self.from(self.first(group)).map(|s| s.slot).collect();
        for slot in slots {
            let weight = self.weight_of(slot);
            self.change(slot, NOWHERE, -weight);
        }
        self.sweep(|_| ());
    }

    /// The columns of some rows; the slot that is none is a row of nulls.
    ///
    /// # Errors
    /// When values are not of their type, which is a defect.
    pub fn take(&self, slots: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        self.columns.take(slots)
    }

    /// How many rows are there, and the bytes that they and their places take.
    pub fn size(&self) -> (usize, usize) {
        let places = self.slots.len() * size_of::<Slot>() + self.groups.len() * size_of::<Head>() + self.large.capacity() * 5;
        (self.slots.len() - self.free.len(), places + self.columns.bytes())
    }

    /// Whether a row that comes to a group may be one that is there.
    fn merges(&self, group: u32) -> bool {
        self.negative > 0 || self.retracts && self.groups.get(group as usize).is_some_and(|g| g.large)
    }

    fn find(&self, batch: &Batch, row: usize, group: u32, wanted: impl Fn(&Slot) -> bool) -> Option<u32> {
        let hash = *batch.hashes.get(row)?;
        let fits = |slot: u32, s: &Slot| s.hash == hash && wanted(s) && self.columns.equal(slot, &batch.incoming, row);
        let head = self.groups.get(group as usize)?;
        if head.large {
            let known = |slot: &u32| self.slots.get(*slot as usize).is_some_and(|s| s.group == group && fits(*slot, s));
            return self.large.find(mixed(hash, group), known).copied();
        }
        let mut at = head.first;
        while let Some(s) = self.slots.get(at as usize) {
            if fits(at, s) {
                return Some(at);
            }
            at = s.next;
        }
        None
    }

    fn add(&mut self, batch: &Batch, row: usize, group: u32) -> u32 {
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        let hash = batch.hashes.get(row).copied().unwrap_or(0);
        let Some(head) = self.groups.get_mut(group as usize) else { return NOWHERE };
        let made = Slot { hash, weight: 0, next: head.first, before: NOWHERE, group };
        let next = std::mem::replace(&mut head.first, slot);
        head.rows += 1;
        let grows = self.retracts && !head.large && head.rows >= LARGE_ROWS;
        head.large |= grows;
        let large = head.large;
        match self.slots.get_mut(slot as usize) {
            Some(free) => *free = made,
            None => self.slots.push(made),
        }
        if grows {
            let all: Vec<u32> = self.from(slot).map(|s| s.slot).collect();
            all.iter().for_each(|slot| self.enter(*slot));
            all.windows(2).for_each(|pair| {
                if let [before, next] = pair {
                    self.slots.get_mut(*next as usize).into_iter().for_each(|s| s.before = *before);
                }
            });
        } else if large || self.linked {
            if large {
                self.enter(slot);
            }
            self.slots.get_mut(next as usize).into_iter().for_each(|s| s.before = slot);
        }
        slot
    }

    /// The slot before another in a list; none for the first.
    fn before(&self, first: u32, slot: u32) -> u32 {
        let (mut before, mut at) = (NOWHERE, first);
        while at != slot
            && let Some(s) = self.slots.get(at as usize)
        {
            (before, at) = (at, s.next);
        }
        before
    }

    fn enter(&mut self, slot: u32) {
        let slots = &self.slots;
        let hash = |slot: &u32| slots.get(*slot as usize).map_or(0, |s| mixed(s.hash, s.group));
        self.large.insert_unique(hash(&slot), slot, hash);
    }

    /// Adds to the weight of a slot, which may follow another in its list.
    fn change(&mut self, slot: u32, before: u32, diff: i64) {
        let Some(s) = self.slots.get_mut(slot as usize) else { return };
        let was = s.weight;
        s.weight += diff;
        if s.weight == 0 {
            self.emptied.push((slot, before));
        }
        self.negative = self.negative + usize::from(s.weight < 0) - usize::from(was < 0);
        if let Some(head) = self.groups.get_mut(s.group as usize) {
            head.weight += diff;
        }
    }

    fn unlink(&mut self, slot: u32, before: u32) {
        let Some(s) = self.slots.get(slot as usize).copied() else { return };
        let before = match self.groups.get(s.group as usize) {
            Some(head) if head.large || self.linked => {
                if head.large
                    && let Ok(entry) = self.large.find_entry(mixed(s.hash, s.group), |other| *other == slot)
                {
                    entry.remove();
                }
                self.slots.get_mut(s.next as usize).into_iter().for_each(|next| next.before = s.before);
                s.before
            }
            Some(head) if head.first == slot => NOWHERE,
            Some(_) if self.slots.get(before as usize).is_some_and(|b| b.next == slot && b.group == s.group) => before,
            // A short list is walked.
            Some(head) => self.before(head.first, slot),
            None => NOWHERE,
        };
        if let Some(before) = self.slots.get_mut(before as usize) {
            before.next = s.next;
        }
        if let Some(head) = self.groups.get_mut(s.group as usize) {
            if head.first == slot {
                head.first = s.next;
            }
            head.rows -= 1;
            if head.rows == 0 {
                head.large = false;
                self.vacant.push(s.group);
            }
        }
        if let Some(s) = self.slots.get_mut(slot as usize) {
            s.group = NOWHERE;
        }
        self.columns.clear(slot);
        self.free.push(slot);
    }
}

/// A hash of a row within its group: equal rows of many groups would meet otherwise.
fn mixed(hash: u64, group: u32) -> u64 {
    (hash ^ u64::from(group).wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(29)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::flow::hash::ALONE;
    use arrow::array::{Array, AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;
    use std::collections::BTreeMap;
    use std::sync::{Arc, PoisonError};

    fn draw(state: &mut u64, below: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % below
    }

    /// What a group holds, by value.
    fn held(rows: &Rows, group: u32) -> BTreeMap<(Option<i64>, String), i64> {
        let stored: Vec<Stored> = rows.from(rows.first(group)).filter(|s| s.weight != 0).collect();
        let columns = rows.take(&stored.iter().map(|s| s.slot).collect::<Vec<_>>()).unwrap();
        let (numbers, texts) = (columns[0].as_primitive::<Int64Type>(), columns[1].as_string::<i32>());
        let mut out = BTreeMap::new();
        for (at, s) in stored.iter().enumerate() {
            let number = numbers.is_valid(at).then(|| numbers.value(at));
            *out.entry((number, texts.value(at).to_string())).or_insert(0) += s.weight;
        }
        out
    }

    /// Random histories, with a group of many rows among small ones and equal rows in all, against a map.
    #[test]
    fn rows_come_and_go_as_in_a_map() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = 3;
        for (swept_at_once, linked) in [(false, false), (true, false), (false, true)] {
            let mut rows = Rows::new(&[DataType::Int64, DataType::Utf8], true).unwrap();
            if linked {
                rows = rows.linked();
            }
            rows.grow(8);
            let mut model: Vec<BTreeMap<(Option<i64>, String), i64>> = vec![BTreeMap::new(); 8];
            for _ in 0..300 {
                let (mut values, mut groups, mut diffs) = (Vec::new(), Vec::new(), Vec::new());
                for _ in 0..draw(&mut state, 60) {
                    let group = draw(&mut state, 16).saturating_sub(8) as u32;
                    let number = draw(&mut state, if group == 0 { 200 } else { 3 }) as i64;
                    values.push(((number != 1).then_some(number), format!("{}", number % 7)));
                    groups.push(group);
                    diffs.push(1 + draw(&mut state, 2) as i64);
                }
                for (group, held) in model.iter().enumerate() {
                    for (value, count) in held.iter().filter(|_| draw(&mut state, 3) == 0).collect::<Vec<_>>() {
                        values.push(value.clone());
                        groups.push(group as u32);
                        diffs.push(-(1 + draw(&mut state, *count as u64) as i64));
                    }
                }
                let columns: [ArrayRef; 2] = [
                    Arc::new(values.iter().map(|v| v.0).collect::<Int64Array>()),
                    Arc::new(StringArray::from_iter_values(values.iter().map(|v| &v.1))),
                ];
                let batch = rows.batch(&columns, values.len()).unwrap();
                rows.insert(&batch, &groups, Some(&diffs), |_, _, _, _| ());
                let missing = match swept_at_once {
                    true => rows.retract_and_sweep(&batch, &groups, &diffs),
                    false => rows.retract(&batch, &groups, &diffs, |_, _, _| ()),
                };
                assert_eq!(missing, 0);
                rows.sweep(|_| ());
                for ((value, group), diff) in values.into_iter().zip(&groups).zip(&diffs) {
                    *model[*group as usize].entry(value).or_insert(0) += diff;
                }
                for stored in rows.all().filter(|_| linked && draw(&mut state, 20) == 0).collect::<Vec<_>>() {
                    let group = rows.group_of(stored.slot);
                    let before = held(&rows, group);
                    rows.let_go(stored.slot);
                    rows.sweep(|_| ());
                    let after = held(&rows, group);
                    let gone: i64 = before.values().sum::<i64>() - after.values().sum::<i64>();
                    assert_eq!(gone, stored.weight, "one slot goes");
                    model[group as usize] = after;
                }
                for (group, wanted) in model.iter_mut().enumerate() {
                    wanted.retain(|_, count| *count != 0);
                    assert_eq!(&held(&rows, group as u32), wanted, "group {group}");
                    assert_eq!(rows.weight(group as u32), wanted.values().sum::<i64>());
                    assert_eq!(rows.is_empty(group as u32), wanted.is_empty());
                }
            }
        }
    }

    #[test]
    fn rows_that_go_before_they_come_are_owed() {
        let mut rows = Rows::new(&[DataType::Int64], true).unwrap();
        rows.grow(1);
        let one: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![7]))];
        let batch = rows.batch(&one, 1).unwrap();
        assert_eq!(rows.retract(&batch, &[0], &[-2], |_, _, _| ()), 1);
        assert_eq!(rows.weight(0), -2);
        rows.insert(&batch, &[0], Some(&[2]), |_, _, _, _| ());
        rows.sweep(|_| ());
        assert!(rows.is_empty(0));
    }
}
