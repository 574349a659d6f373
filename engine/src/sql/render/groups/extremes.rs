//! Least and greatest values of groups: the one best value where rows are never taken away, else all values in order.
//!
//! Values go by the total order of Arrow, in which NaN is the greatest: DataFusion's own answer depends on the order of rows
//! there. Numbers and times are kept as 64 bits that order as the values do; all else as its row encoding.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array, UInt64Array};
use arrow::compute::{SortOptions, cast, take};
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use arrow::error::ArrowError;
use arrow::row::SortField;

use super::accumulate::{Accumulator, each};
use super::saved::{counted_numbers, counted_values, each_list, each_number, missing, numbers};
use crate::sql::store::Places;

/// Whether a type is kept as 64 bits.
pub fn is_number(kind: &DataType) -> bool {
    use DataType::{Date32, Date64, Float32, Float64, Int8, Int16, Int32, Int64, Timestamp, UInt8, UInt16, UInt32, UInt64};
    matches!(kind, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 | Float32 | Float64 | Date32 | Date64 | Timestamp(..))
}

const SIGN: u64 = 1 << 63;

/// 64 bits that order as floats do.
pub fn of_float(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn to_float(key: u64) -> f64 {
    f64::from_bits(if key & SIGN == 0 { !key } else { key & !SIGN })
}

/// 64 bits a value that order as the values do.
///
/// # Errors
/// When they are no numbers or times.
pub fn keys_of(values: &ArrayRef) -> Result<Vec<u64>, ArrowError> {
    Ok(match values.data_type() {
        kind if kind.is_floating() => {
            cast(values, &DataType::Float64)?.as_primitive::<Float64Type>().values().iter().map(|v| of_float(*v)).collect()
        }
        DataType::UInt64 => values.as_primitive::<UInt64Type>().values().to_vec(),
        _ => cast(values, &DataType::Int64)?.as_primitive::<Int64Type>().values().iter().map(|v| (*v as u64) ^ SIGN).collect(),
    })
}

/// The values of such bits.
///
/// # Errors
/// When the type is none of numbers or times.
pub fn values_of(keys: &UInt64Array, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    if kind.is_floating() {
        return cast(&keys.unary::<_, Float64Type>(to_float), kind);
    }
    if kind == &DataType::UInt64 {
        return Ok(Arc::new(keys.clone()));
    }
    let numbers = keys.unary::<_, Int64Type>(|k| (k ^ SIGN) as i64);
    // Dates of 32 bits have no direct way from 64.
    let narrow = if kind == &DataType::Date32 { cast(&numbers, &DataType::Int32)? } else { Arc::new(numbers) };
    cast(&narrow, kind)
}

/// Extremes of numbers and times.
pub struct ByNumber {
    least: bool,
    kind: DataType,
    states: Vec<BTreeMap<u64, i64>>,
}

impl ByNumber {
    /// No groups yet.
    pub fn new(least: bool, kind: DataType) -> Self {
        ByNumber { least, kind, states: Vec::new() }
    }

    fn best(&self, group: u32) -> Option<u64> {
        let all = self.states.get(group as usize)?;
        if self.least { all.first_key_value() } else { all.last_key_value() }.map(|(key, _)| *key)
    }
}

impl Accumulator for ByNumber {
    fn grow(&mut self, groups: usize) {
        self.states.resize(groups, BTreeMap::new());
    }
    fn update(&mut self, values: &ArrayRef, diffs: Option<&[i64]>, groups: &[u32]) -> Result<(), ArrowError> {
        let (keys, states) = (keys_of(values)?, &mut self.states);
        each(values, diffs, groups, |row, group, diff| {
            if let (Some(all), Some(key)) = (states.get_mut(group), keys.get(row)) {
                count(all, *key, diff);
            }
        });
        Ok(())
    }
    fn values(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        values_of(&groups.iter().map(|g| self.best(*g)).collect(), &self.kind)
    }
    fn clear(&mut self, group: u32) {
        self.states.get_mut(group as usize).into_iter().for_each(BTreeMap::clear);
    }
    fn save(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let states = groups.iter().filter_map(|g| self.states.get(*g as usize));
        counted_numbers(states.map(|s| s.iter().map(|(k, count)| (*k, *count))))
    }
    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<usize, ArrowError> {
        each_number(columns, |row, key, more| {
            if let Some(all) = groups.get(row).and_then(|g| self.states.get_mut(*g as usize)) {
                count(all, key, more);
            }
        })?;
        Ok(2)
    }
    fn bytes(&self) -> usize {
        self.states.iter().map(|s| size_of_val(s) + s.len() * size_of::<(u64, i64)>()).sum()
    }
}

/// Adds to how often a value is there.
fn count<K: Ord>(all: &mut BTreeMap<K, i64>, key: K, diff: i64) {
    use std::collections::btree_map::Entry;
    match all.entry(key) {
        Entry::Vacant(new) => drop(new.insert(diff)),
        Entry::Occupied(mut known) => {
            *known.get_mut() += diff;
            if *known.get() == 0 {
                known.remove();
            }
        }
    }
}

/// Extremes of everything else: values in order, the best first; where rows only come, the best alone.
pub struct ByBytes(Places);

impl ByBytes {
    /// No groups yet.
    ///
    /// # Errors
    /// When the type has no row encoding.
    pub fn new(least: bool, append_only: bool, kind: &DataType) -> Result<Self, ArrowError> {
        // Within lists and structs a null is the greatest, as in orders.
        let field = SortField::new_with_options(kind.clone(), SortOptions { descending: !least, nulls_first: !least });
        Ok(ByBytes(Places::new(vec![field], append_only.then_some(1))?))
    }
}

impl Accumulator for ByBytes {
    fn grow(&mut self, groups: usize) {
        self.0.grow(groups);
    }
    fn update(&mut self, values: &ArrayRef, diffs: Option<&[i64]>, groups: &[u32]) -> Result<(), ArrowError> {
        let mut there = Vec::with_capacity(groups.len());
        each(values, diffs, groups, |row, _, _| there.push(row as u32));
        if there.len() == groups.len() {
            return self.0.take_in(
                std::slice::from_ref(values),
                groups,
                |row| diffs.and_then(|d| d.get(row)).copied().unwrap_or(1),
                |_, _, _| (),
            );
        }
        let of: Vec<u32> = there.iter().filter_map(|row| groups.get(*row as usize)).copied().collect();
        let diff = |row: usize| there.get(row).and_then(|row| diffs?.get(*row as usize)).copied().unwrap_or(1);
        self.0.take_in(&[take(values, &UInt32Array::from(there.clone()), None)?], &of, diff, |_, _, _| ())
    }
    fn values(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        let best: Vec<Option<u32>> = groups.iter().map(|g| self.0.first(*g)).collect();
        let values = self.0.columns(best.iter().flatten().copied())?.pop().ok_or_else(|| missing(0))?;
        let mut next = 0..;
        let at: UInt32Array = best.iter().map(|b| b.and_then(|_| next.next())).collect();
        take(&values, &at, None)
    }
    fn settle(&mut self, _: &[u32]) {
        self.0.sweep();
    }
    fn clear(&mut self, group: u32) {
        self.0.clear(group);
    }
    fn save(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let all = self.0.all(groups);
        let values = self.0.columns(all.iter().map(|(_, slot, _)| *slot))?.pop().ok_or_else(|| missing(0))?;
        let lengths = groups.iter().map(|g| self.0.len(*g));
        counted_values(lengths, values, numbers(all.iter().map(|(.., count)| *count)))
    }
    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<usize, ArrowError> {
        each_list(columns, |row, values, counts| {
            let group = groups.get(row).copied().ok_or_else(|| missing(0))?;
            self.0.take_in(&[values], &vec![group; counts.len()], |at| counts.values().get(at).copied().unwrap_or(0), |_, _, _| ())
        })?;
        Ok(2)
    }
    fn bytes(&self) -> usize {
        self.0.size().1
    }
}
