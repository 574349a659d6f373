//! Which rows of a partition what has come or gone concerns: those that look at it.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;

use super::state::{Changed, Framed};

/// Rows of a partition whose answers may change, from one slot to another, both of them too.
pub struct Region {
    pub group: u32,
    pub first: u32,
    pub last: u32,
    /// Places up to which its first and its last row look by value.
    pub context: [Option<Box<[u8]>>; 2],
}

impl Framed {
    /// The regions of changes, which are in order; none reaches into another.
    pub(super) fn regions(&self, changed: &Changed) -> Result<Vec<Region>, ArrowError> {
        let slots: Vec<u32> = changed.rows.iter().map(|(_, slot)| *slot).collect();
        let [before, after] = self.over.reach.range.unwrap_or_default();
        let (least, greatest) = (self.bounds(&slots, -after)?, self.bounds(&slots, before)?);
        let mut regions: Vec<Region> = Vec::new();
        for (at, &(group, slot)) in changed.rows.iter().enumerate() {
            let next = changed.rows.get(at + 1).filter(|(other, _)| *other == group).map(|(_, slot)| *slot);
            let known = regions.last().filter(|region| region.group == group).map(|region| region.last);
            if known.is_some() && self.over.reach.onward {
                continue;
            }
            let last = self.last_of(group, slot, next, greatest.get(at).map(|place| &**place), changed);
            if known.is_some_and(|known| self.is_until(slot, known)) {
                regions.last_mut().filter(|region| !self.is_until(last, region.last)).into_iter().for_each(|region| region.last = last);
                continue;
            }
            let first = self.first_of(group, slot, least.get(at).map(|place| &**place), changed);
            match regions.last_mut().filter(|region| region.group == group && self.is_until(first, region.last)) {
                Some(region) => region.last = last,
                None => regions.push(Region { group, first, last, context: [None, None] }),
            }
        }
        self.with_context(regions)
    }

    /// The regions with what their rows look at by value.
    fn with_context(&self, mut regions: Vec<Region>) -> Result<Vec<Region>, ArrowError> {
        let ends = |end: fn(&Region) -> u32| regions.iter().map(end).collect::<Vec<u32>>();
        let [behind, ahead] = self.over.reach.range.unwrap_or_default();
        let (from, until) = (self.bounds(&ends(|r| r.first), -behind)?, self.bounds(&ends(|r| r.last), ahead)?);
        for (region, (from, until)) in regions.iter_mut().zip(from.into_iter().zip(until)) {
            region.context = [Some(from), Some(until)];
        }
        Ok(regions)
    }

    /// All rows of a group, which look at no others.
    pub(super) fn whole(&self, group: u32) -> Option<Region> {
        let first = self.places.along(group, &[]).next()?;
        Some(Region { group, first, last: self.places.last(group)?, context: [None, None] })
    }

    /// Whether a slot is not behind another.
    pub(super) fn is_until(&self, slot: u32, other: u32) -> bool {
        self.places.place(slot) <= self.places.place(other)
    }

    /// The first row that looks at a slot.
    fn first_of(&self, group: u32, slot: u32, least: Option<&[u8]>, changed: &Changed) -> u32 {
        let by_rows = self.rows_before(group, self.places.place(slot), self.over.reach.after, changed).pop().unwrap_or(slot);
        let by_value = least.and_then(|least| self.places.along(group, least).next());
        let first = by_value.filter(|by_value| self.is_until(*by_value, by_rows)).unwrap_or(by_rows);
        match self.over.reach.peers {
            true => self.places.along(group, self.head_of(first)).next().unwrap_or(first),
            false => first,
        }
    }

    /// The last row that looks at a slot. At the next of those that have changed it is not looked further.
    fn last_of(&self, group: u32, slot: u32, next: Option<u32>, greatest: Option<&[u8]>, changed: &Changed) -> u32 {
        if self.over.reach.onward {
            return self.places.last(group).unwrap_or(slot);
        }
        let by_rows = self.rows_after(group, slot, self.over.reach.before, next, changed).pop().unwrap_or(slot);
        let by_value = greatest.and_then(|greatest| self.places.until(group, greatest));
        let last = by_value.filter(|by_value| self.is_until(by_rows, *by_value)).unwrap_or(by_rows);
        match self.over.reach.peers {
            true => self.places.until(group, self.head_of(last)).unwrap_or(last),
            false => last,
        }
    }

    /// Slots before a place that have so many rows, as before the epoch and as now; the nearest first.
    pub(super) fn rows_before(&self, group: u32, place: &[u8], rows: usize, changed: &Changed) -> Vec<u32> {
        let all = if rows == 0 { None } else { Some(self.places.back(group, place)) };
        self.so_many(all.into_iter().flatten(), rows, None, changed)
    }

    /// Slots after one, alike; up to a slot at most.
    pub(super) fn rows_after(&self, group: u32, slot: u32, rows: usize, until: Option<u32>, changed: &Changed) -> Vec<u32> {
        let all = if rows == 0 { None } else { Some(self.places.along(group, self.places.place(slot)).skip(1)) };
        self.so_many(all.into_iter().flatten(), rows, until, changed)
    }

    fn so_many(&self, slots: impl Iterator<Item = u32>, rows: usize, until: Option<u32>, changed: &Changed) -> Vec<u32> {
        let (rows, mut old, mut new, mut out) = (i64::try_from(rows).unwrap_or(i64::MAX), 0i64, 0i64, Vec::new());
        for slot in slots {
            let now = self.places.weight(slot);
            new = new.saturating_add(now);
            old = old.saturating_add(changed.before.get(&slot).copied().unwrap_or(now));
            out.push(slot);
            if old.min(new) >= rows || until == Some(slot) {
                break;
            }
        }
        out
    }

    /// The first order column of slots, as a number; null where it is.
    pub(super) fn values(&self, slots: &[u32]) -> Result<Int64Array, ArrowError> {
        let columns = self.places.columns(slots.iter().copied())?;
        let first = columns.first().ok_or_else(|| ArrowError::SchemaError("an order has no columns".into()))?;
        let narrow = if first.data_type() == &DataType::Date32 { cast(first, &DataType::Int32)? } else { first.clone() };
        Ok(cast(&narrow, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    }

    /// The places so far along the order from slots, by the value of its one column; nothing where calls do not look by value.
    pub(super) fn bounds(&self, slots: &[u32], along: i64) -> Result<Vec<Box<[u8]>>, ArrowError> {
        if self.over.reach.range.is_none() {
            return Ok(Vec::new());
        }
        let descends = self.over.order.first().is_some_and(|o| o.descending);
        let by = if descends { along.saturating_neg() } else { along };
        self.at_values(&self.values(slots)?.unary(|value: i64| value.saturating_add(by)))
    }

    /// The places of values of the first order column. What is beyond its type is at its end.
    pub(super) fn at_values(&self, values: &Int64Array) -> Result<Vec<Box<[u8]>>, ArrowError> {
        let Some((converter, _)) = &self.first else { return Ok(Vec::new()) };
        let kind = self.over.input.schema.field(self.over.keys).data_type();
        let (least, greatest) = match kind {
            DataType::Int8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
            DataType::Int16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
            DataType::Int32 | DataType::Date32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
            DataType::UInt8 => (0, i64::from(u8::MAX)),
            DataType::UInt16 => (0, i64::from(u16::MAX)),
            DataType::UInt32 => (0, i64::from(u32::MAX)),
            _ => (i64::MIN, i64::MAX),
        };
        let within: Int64Array = values.unary(|value| value.clamp(least, greatest));
        let narrow = if kind == &DataType::Date32 { cast(&within, &DataType::Int32)? } else { Arc::new(within) };
        Ok(converter.convert_columns(&[cast(&narrow, kind)?])?.iter().map(|row| row.data().into()).collect())
    }
}
