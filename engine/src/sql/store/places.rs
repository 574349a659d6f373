//! Rows of groups, each group in order. A row's place is one run of bytes: the row encoding of its order columns, then of what else
//! there is of the row, so that ties have one order, whatever order they came in. Source of the encoding: arrow's row format, which
//! compares as the values do.
//!
//! Where rows only come, rows behind the first ones can never be among them: they are not kept.

use arrow::array::ArrayRef;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};

use super::NOWHERE;
use super::order::Ordered;
use super::spans::Spans;

/// Rows in order, by group.
pub struct Places {
    converter: Option<RowConverter>,
    pub(super) bytes: Spans,
    pub(super) weights: Vec<i64>,
    /// The group of each slot.
    owners: Vec<u32>,
    free: Vec<u32>,
    pub(super) groups: Vec<Group>,
    /// Rows from the front that are kept, where none can go.
    bound: Option<i64>,
    /// Slots that may have lost their row, with their groups, until they are swept.
    emptied: Vec<(u32, u32)>,
    /// Slots that are no longer in their group.
    pub(super) dropped: Vec<u32>,
}

#[derive(Clone, Default)]
pub(super) struct Group {
    pub(super) slots: Ordered,
    /// How many rows there are, where that bounds them.
    weight: i64,
}

/// A row among the first: its slot, its number from 1, and how often it is there from that on.
pub type Given = (u32, u64, i64);

impl Places {
    /// No rows; `fields` are the order columns, then all others. With a bound only so many rows are kept, and none can go.
    ///
    /// # Errors
    /// When a type has no row encoding.
    pub fn new(fields: Vec<SortField>, bound: Option<i64>) -> Result<Self, ArrowError> {
        let converter = if fields.is_empty() { None } else { Some(RowConverter::new(fields)?) };
        Ok(Places {
            converter,
            bytes: Spans::default(),
            weights: Vec::new(),
            owners: Vec::new(),
            free: Vec::new(),
            groups: Vec::new(),
            bound,
            emptied: Vec::new(),
            dropped: Vec::new(),
        })
    }

    /// Takes rows into their groups; `touch` is told each row, its slot, and how often it was there before.
    ///
    /// # Errors
    /// When they have other columns.
    pub fn take_in(
        &mut self,
        columns: &[ArrayRef],
        groups: &[u32],
        diff: impl Fn(usize) -> i64,
        mut touch: impl FnMut(usize, u32, i64),
    ) -> Result<(), ArrowError> {
        if self.weights.len() + groups.len() >= NOWHERE as usize {
            return Err(ArrowError::ComputeError("an order holds more than 4,294,967,294 rows".into()));
        }
        let encoded = self.converter.as_mut().map(|c| c.convert_columns(columns)).transpose()?;
        self.grow(groups.iter().max().map_or(0, |g| *g as usize + 1));
        for (row, group) in groups.iter().enumerate() {
            let place = encoded.as_ref().map(|rows| rows.row(row));
            let of = |slot, before| touch(row, slot, before);
            self.change(*group, place.as_ref().map_or(&[], |place| place.data()), diff(row), of);
        }
        Ok(())
    }

    /// Makes room for so many groups.
    pub fn grow(&mut self, groups: usize) {
        self.groups.resize(self.groups.len().max(groups), Group::default());
    }

    /// The slot of a group's first row.
    pub fn first(&self, group: u32) -> Option<u32> {
        let there = |slot: &u32| self.weights.get(*slot as usize).is_some_and(|w| *w > 0);
        self.groups.get(group as usize)?.slots.iter().find(there)
    }

    /// Forgets a group.
    pub fn clear(&mut self, group: u32) {
        if let Some(group) = self.groups.get_mut(group as usize) {
            self.dropped.extend(std::mem::take(group).slots.iter());
            self.sweep();
        }
    }

    fn change(&mut self, at: u32, place: &[u8], diff: i64, mut touch: impl FnMut(u32, i64)) {
        let Places { bytes, weights, owners, free, groups, .. } = self;
        let Some(group) = groups.get_mut(at as usize) else { return };
        if let (Some(bound), Some(last)) = (self.bound, group.slots.last())
            && group.weight >= bound
            && bytes.get(last) <= place
        {
            return;
        }
        let slot = match group.slots.find(|slot| bytes.get(slot).cmp(place)) {
            Ok(slot) => slot,
            Err(belongs) => {
                let slot = free.pop().unwrap_or(weights.len() as u32);
                if slot as usize == weights.len() {
                    weights.push(0);
                    owners.push(at);
                    bytes.grow(weights.len());
                }
                owners.get_mut(slot as usize).into_iter().for_each(|owner| *owner = at);
                bytes.put(slot, place);
                group.slots.insert(belongs, slot);
                slot
            }
        };
        let Some(weight) = weights.get_mut(slot as usize) else { return };
        touch(slot, *weight);
        *weight += diff;
        match self.bound {
            None if *weight == 0 => self.emptied.push((at, slot)),
            None => {}
            Some(bound) => {
                group.weight += diff;
                let of = |slot: u32| weights.get(slot as usize).copied().unwrap_or(0);
                while let Some(last) = group.slots.last().filter(|last| group.weight - of(*last) >= bound) {
                    group.weight -= of(last);
                    group.slots.pop();
                    self.dropped.push(last);
                }
            }
        }
    }

    /// The rows of a group from `skip` up to `end` are added to others; one by one, with their numbers, or together.
    pub fn given(&self, group: u32, skip: i64, end: i64, numbered: bool, out: &mut Vec<Given>) {
        let mut at = 0i64;
        for slot in self.groups.get(group as usize).into_iter().flat_map(|g| g.slots.iter()) {
            // Rows that were taken away more often than they came are not there.
            let weight = self.weights.get(slot as usize).copied().unwrap_or(0).max(0);
            let (from, to) = (at.max(skip), at.saturating_add(weight).min(end));
            if from < to && numbered {
                out.extend((from..to).map(|n| (slot, n as u64 + 1, 1)));
            } else if from < to {
                out.push((slot, 0, to - from));
            }
            at = at.saturating_add(weight);
            if at >= end {
                break;
            }
        }
    }

    /// Forgets rows that have gone; until then their slots can be read.
    pub fn sweep(&mut self) {
        let Places { bytes, weights, groups, .. } = self;
        for (group, slot) in std::mem::take(&mut self.emptied) {
            // A slot stands here twice when its row went, came and went.
            if let (Some(0), Some(group)) = (weights.get(slot as usize), groups.get_mut(group as usize)) {
                let place = bytes.get(slot);
                group.slots.remove(slot, |other| bytes.get(other).cmp(place));
                self.dropped.push(slot);
            }
        }
        self.dropped.sort_unstable();
        self.dropped.dedup();
        for slot in self.dropped.drain(..) {
            self.weights.get_mut(slot as usize).into_iter().for_each(|w| *w = 0);
            self.bytes.clear(slot);
            self.free.push(slot);
        }
    }

    /// The group of a slot.
    pub fn group_of(&self, slot: u32) -> u32 {
        self.owners.get(slot as usize).copied().unwrap_or(NOWHERE)
    }

    /// Whether a group has no rows.
    pub fn is_empty(&self, group: u32) -> bool {
        self.groups.get(group as usize).is_none_or(|g| g.slots.is_empty())
    }

    /// How many different rows a group has.
    pub fn len(&self, group: u32) -> usize {
        self.groups.get(group as usize).map_or(0, |g| g.slots.iter().count())
    }

    /// Every row of some groups: its group, its slot, how often it is there.
    pub fn all(&self, groups: &[u32]) -> Vec<(u32, u32, i64)> {
        let weight = |slot: u32| self.weights.get(slot as usize).copied().unwrap_or(0);
        let of = |group: &u32| self.groups.get(*group as usize).map(|g| (*group, g));
        groups.iter().filter_map(of).flat_map(|(at, g)| g.slots.iter().map(move |slot| (at, slot, weight(slot)))).collect()
    }

    /// Columns of the rows at some slots: the order columns, then all others.
    ///
    /// # Errors
    /// When what is held is not of the encoding, which is a defect.
    pub fn columns(&self, slots: impl Iterator<Item = u32>) -> Result<Vec<ArrayRef>, ArrowError> {
        let Some(converter) = &self.converter else { return Ok(Vec::new()) };
        let parser = converter.parser();
        converter.convert_rows(slots.map(|slot| parser.parse(self.bytes.get(slot))))
    }

    /// How many rows are held, and bytes.
    pub fn size(&self) -> (usize, usize) {
        let lists: usize = self.groups.iter().map(|g| size_of::<Group>() + g.slots.bytes()).sum();
        (self.weights.len() - self.free.len(), self.bytes.bytes() + self.weights.len() * 12 + self.free.len() * 4 + lists)
    }
}
