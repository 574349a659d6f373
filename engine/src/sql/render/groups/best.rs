//! The least or greatest value of groups whose rows are never taken away: one value a group, as 64 bits that order as the
//! values do. Where rows go, all values are kept (`extremes.rs`).

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, UInt64Array};
use arrow::datatypes::{DataType, UInt64Type};
use arrow::error::ArrowError;

use super::accumulate::{Accumulator, each};
use super::extremes::{keys_of, values_of};
use super::saved::column;

/// The best value of each group.
pub struct Best {
    least: bool,
    kind: DataType,
    keys: Vec<u64>,
    /// Whether a group has a value.
    some: Vec<bool>,
}

impl Best {
    /// No groups yet.
    pub fn new(least: bool, kind: DataType) -> Self {
        Best { least, kind, keys: Vec::new(), some: Vec::new() }
    }

    /// Takes keys in, where they are not null.
    fn take_in(&mut self, keys: &[u64], of: &ArrayRef, groups: &[u32]) {
        let (least, own, some) = (self.least, &mut self.keys, &mut self.some);
        each(of, None, groups, |row, group, _| {
            if let (Some(best), Some(some), Some(key)) = (own.get_mut(group), some.get_mut(group), keys.get(row)) {
                let better = if least { key < best } else { key > best };
                if better || !*some {
                    (*best, *some) = (*key, true);
                }
            }
        });
    }

    fn states(&self, groups: &[u32]) -> UInt64Array {
        let some = |g: &u32| self.some.get(*g as usize) == Some(&true);
        let nulls = if groups.iter().all(some) { None } else { Some(groups.iter().map(some).collect()) };
        UInt64Array::new(groups.iter().map(|g| self.keys.get(*g as usize).copied().unwrap_or(0)).collect(), nulls)
    }
}

impl Accumulator for Best {
    fn grow(&mut self, groups: usize) {
        self.keys.resize(groups, 0);
        self.some.resize(groups, false);
    }
    fn update(&mut self, values: &ArrayRef, _: Option<&[i64]>, groups: &[u32]) -> Result<(), ArrowError> {
        self.take_in(&keys_of(values)?, values, groups);
        Ok(())
    }
    fn values(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        values_of(&self.states(groups), &self.kind)
    }
    fn merge(&mut self, columns: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        let states = column::<UInt64Type>(columns, 0)?;
        let of: ArrayRef = Arc::new(states.clone());
        self.take_in(of.as_primitive::<UInt64Type>().values(), &of, groups);
        Ok(())
    }
    fn clear(&mut self, group: u32) {
        self.some.get_mut(group as usize).into_iter().for_each(|some| *some = false);
    }
    fn save(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        Ok(vec![Arc::new(self.states(groups))])
    }
    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<usize, ArrowError> {
        self.merge(columns, groups).map(|()| 1)
    }
    fn bytes(&self) -> usize {
        self.keys.len() * 8 + self.some.len()
    }
}
