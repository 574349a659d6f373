//! Each value of a group once: a state above the one of a plain aggregate, which is told when a value comes for the first time
//! or goes for the last.
//!
//! A value of a group is a pair, found by its columns in one index over all groups; the pairs of a group are a list, so that
//! they can be written and let go together.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, UInt32Array};
use arrow::compute::{filter, take};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::accumulate::Accumulator;
use super::saved::{counted_values, each_list, missing, numbers};
use crate::sql::orders::normal_zero;
use crate::sql::store::{Index, NOWHERE};

/// The values of groups, with how often each is there.
pub struct Distinct {
    inner: Box<dyn Accumulator>,
    /// Pairs by group and value.
    index: Index,
    pairs: Vec<Pair>,
    /// The first pair of each group.
    heads: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Pair {
    count: i64,
    group: u32,
    before: u32,
    next: u32,
}

const NO_PAIR: Pair = Pair { count: 0, group: NOWHERE, before: NOWHERE, next: NOWHERE };

impl Distinct {
    /// No values, of a type.
    ///
    /// # Errors
    /// When the type cannot be kept.
    pub fn new(inner: Box<dyn Accumulator>, kind: &DataType) -> Result<Self, ArrowError> {
        Ok(Distinct { inner, index: Index::new(&[DataType::UInt32, kind.clone()])?, pairs: Vec::new(), heads: Vec::new() })
    }

    /// The pair of each value, which is not null.
    fn assign(&mut self, values: &ArrayRef, groups: &UInt32Array) -> Result<Vec<u32>, ArrowError> {
        let pairs = self.index.assign(&[Arc::new(groups.clone()), values.clone()], values.len())?;
        self.pairs.resize(self.index.len(), NO_PAIR);
        for (pair, group) in pairs.iter().zip(groups.values()) {
            let Some(head) = self.heads.get_mut(*group as usize) else { continue };
            let Some(new) = self.pairs.get_mut(*pair as usize).filter(|p| p.group == NOWHERE) else { continue };
            *new = Pair { count: 0, group: *group, before: NOWHERE, next: *head };
            let next = std::mem::replace(head, *pair);
            self.pairs.get_mut(next as usize).into_iter().for_each(|p| p.before = *pair);
        }
        Ok(pairs)
    }

    fn release(&mut self, pair: u32) {
        let Some(gone) = self.pairs.get_mut(pair as usize).map(|p| std::mem::replace(p, NO_PAIR)) else { return };
        match self.pairs.get_mut(gone.before as usize) {
            Some(before) => before.next = gone.next,
            None => self.heads.get_mut(gone.group as usize).into_iter().for_each(|head| *head = gone.next),
        }
        self.pairs.get_mut(gone.next as usize).into_iter().for_each(|next| next.before = gone.before);
        self.index.release(pair);
    }

    /// The pairs of a group.
    fn of(&self, group: u32) -> impl Iterator<Item = u32> + '_ {
        let mut at = self.heads.get(group as usize).copied().unwrap_or(NOWHERE);
        std::iter::from_fn(move || {
            let pair = at;
            at = self.pairs.get(pair as usize)?.next;
            Some(pair)
        })
    }
}

impl Accumulator for Distinct {
    fn grow(&mut self, groups: usize) {
        self.heads.resize(groups, NOWHERE);
        self.inner.grow(groups);
    }
    fn update(&mut self, values: &ArrayRef, diffs: Option<&[i64]>, groups: &[u32]) -> Result<(), ArrowError> {
        let (mut values, mut of) = (normal_zero(values), UInt32Array::from(groups.to_vec()));
        let mut diffs = diffs.map(|d| Int64Array::from(d.to_vec()));
        if let Some(nulls) = values.logical_nulls().filter(|n| n.null_count() > 0) {
            let there = BooleanArray::new(nulls.into_inner(), None);
            values = filter(&values, &there)?;
            of = filter(&of, &there)?.as_primitive().clone();
            diffs = diffs.map(|d| Ok::<_, ArrowError>(filter(&d, &there)?.as_primitive().clone())).transpose()?;
        }
        let (mut told, mut changes, mut gone): (Vec<u32>, Vec<i64>, Vec<u32>) = (Vec::new(), Vec::new(), Vec::new());
        for (row, pair) in self.assign(&values, &of)?.into_iter().enumerate() {
            let Some(known) = self.pairs.get_mut(pair as usize) else { continue };
            let before = known.count;
            known.count += diffs.as_ref().and_then(|d| d.values().get(row)).copied().unwrap_or(1);
            if known.count == 0 {
                gone.push(pair);
            }
            let change = i64::from(known.count > 0) - i64::from(before > 0);
            if change != 0 {
                told.push(row as u32);
                changes.push(change);
            }
        }
        let told = UInt32Array::from(told);
        let of: UInt32Array = take(&of, &told, None)?.as_primitive().clone();
        self.inner.update(&take(&values, &told, None)?, Some(&changes), of.values())?;
        // A value may have come again after it went.
        for pair in gone {
            if self.pairs.get(pair as usize).is_some_and(|p| p.count == 0 && p.group != NOWHERE) {
                self.release(pair);
            }
        }
        Ok(())
    }
    fn values(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        self.inner.values(groups)
    }
    fn settle(&mut self, groups: &[u32]) {
        self.inner.settle(groups);
    }
    fn clear(&mut self, group: u32) {
        self.inner.clear(group);
        let pairs: Vec<u32> = self.of(group).collect();
        pairs.into_iter().for_each(|pair| self.release(pair));
    }
    fn save(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let pairs: Vec<u32> = groups.iter().flat_map(|g| self.of(*g)).collect();
        let values = self.index.columns(&pairs)?.pop().ok_or_else(|| missing(0))?;
        let counts = numbers(pairs.iter().filter_map(|p| self.pairs.get(*p as usize)).map(|p| p.count));
        let mut columns = counted_values(groups.iter().map(|g| self.of(*g).count()), values, counts)?;
        columns.extend(self.inner.save(groups)?);
        Ok(columns)
    }
    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<usize, ArrowError> {
        each_list(columns, |row, values, counts| {
            let group = groups.get(row).copied().ok_or_else(|| missing(0))?;
            let pairs = self.assign(&values, &UInt32Array::from(vec![group; values.len()]))?;
            for (pair, count) in pairs.iter().zip(counts.values()) {
                self.pairs.get_mut(*pair as usize).into_iter().for_each(|p| p.count += count);
            }
            Ok(())
        })?;
        Ok(2 + self.inner.restore(groups, columns.get(2..).unwrap_or_default())?)
    }
    fn bytes(&self) -> usize {
        self.inner.bytes() + self.index.bytes() + self.pairs.len() * size_of::<Pair>() + self.heads.len() * 4
    }
}
