//! Least and greatest values of groups: the one best value where rows are never taken away, else all values in order.
//!
//! Values go by the total order of Arrow, in which NaN is the greatest: DataFusion's own answer depends on the order of rows
//! there. Numbers and times are kept as 64 bits that order as the values do; all else as its row encoding.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, UInt64Array, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};

use super::accumulate::{Accumulator, each};
use super::saved::{counted_bytes, counted_numbers, each_bytes, each_number};

/// Whether a type is kept as 64 bits.
pub fn is_number(kind: &DataType) -> bool {
    use DataType::{Date32, Date64, Float32, Float64, Int8, Int16, Int32, Int64, Timestamp, UInt8, UInt16, UInt32, UInt64};
    matches!(kind, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 | Float32 | Float64 | Date32 | Date64 | Timestamp(..))
}

/// The values of one group.
#[derive(Clone)]
enum Values<K> {
    /// None yet, where rows only come.
    None,
    /// The best, where rows only come.
    Best(K),
    /// All, in order, with how often each is there.
    All(BTreeMap<K, i64>),
}

impl<K: Ord + Clone> Values<K> {
    fn empty(append_only: bool) -> Self {
        if append_only { Values::None } else { Values::All(BTreeMap::new()) }
    }

    fn take_in(&mut self, least: bool, key: impl Into<K>, diff: i64) {
        match self {
            Values::None => *self = Values::Best(key.into()),
            Values::Best(best) => {
                let key = key.into();
                if if least { key < *best } else { key > *best } {
                    *best = key;
                }
            }
            Values::All(all) => {
                let key = key.into();
                let count = all.entry(key.clone()).or_insert(0);
                *count += diff;
                if *count == 0 {
                    all.remove(&key);
                }
            }
        }
    }

    /// Each value with how often it is there.
    fn all(&self) -> impl Iterator<Item = (&K, i64)> {
        let (best, all) = match self {
            Values::None => (None, None),
            Values::Best(best) => (Some((best, 1)), None),
            Values::All(all) => (None, Some(all.iter().map(|(k, count)| (k, *count)))),
        };
        best.into_iter().chain(all.into_iter().flatten())
    }

    fn best(&self, least: bool) -> Option<&K> {
        match self {
            Values::None => None,
            Values::Best(best) => Some(best),
            Values::All(all) if least => all.first_key_value().map(|(k, _)| k),
            Values::All(all) => all.last_key_value().map(|(k, _)| k),
        }
    }
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
        Ok(counted_numbers(states.map(|s| s.iter().map(|(k, count)| (*k, *count)))))
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

/// Extremes of everything else.
pub struct ByBytes {
    least: bool,
    append_only: bool,
    rows: RowConverter,
    kind: DataType,
    states: Vec<Values<Box<[u8]>>>,
}

impl ByBytes {
    /// No groups yet.
    ///
    /// # Errors
    /// When the type has no row encoding.
    pub fn new(least: bool, append_only: bool, kind: &DataType) -> Result<Self, ArrowError> {
        let rows = RowConverter::new(vec![SortField::new(kind.clone())])?;
        Ok(ByBytes { least, append_only, rows, kind: kind.clone(), states: Vec::new() })
    }
}

impl Accumulator for ByBytes {
    fn grow(&mut self, groups: usize) {
        self.states.resize(groups, Values::empty(self.append_only));
    }
    fn update(&mut self, values: &ArrayRef, diffs: Option<&[i64]>, groups: &[u32]) -> Result<(), ArrowError> {
        let encoded = self.rows.convert_columns(std::slice::from_ref(values))?;
        let (least, states) = (self.least, &mut self.states);
        each(values, diffs, groups, |row, group, diff| {
            if let Some(state) = states.get_mut(group) {
                state.take_in(least, encoded.row(row).data(), diff);
            }
        });
        Ok(())
    }
    fn values(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        // A null's own encoding stands for groups without a value.
        let null = self.rows.convert_columns(&[new_null_array(&self.kind, 1)])?;
        let null = null.row(0);
        let parser = self.rows.parser();
        let best = groups.iter().filter_map(|g| self.states.get(*g as usize)).map(|s| s.best(self.least));
        let columns = self.rows.convert_rows(best.map(|b| parser.parse(b.map_or(null.data(), |b| b))))?;
        columns.into_iter().next().ok_or_else(|| ArrowError::ComputeError("no values".into()))
    }
    fn clear(&mut self, group: u32) {
        if let Some(state) = self.states.get_mut(group as usize) {
            *state = Values::empty(self.append_only);
        }
    }
    fn save(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let states = groups.iter().filter_map(|g| self.states.get(*g as usize));
        Ok(counted_bytes(states.map(|s| s.all().map(|(k, count)| (&**k, count)))))
    }
    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<usize, ArrowError> {
        each_bytes(columns, |row, key, count| {
            if let Some(state) = groups.get(row).and_then(|g| self.states.get_mut(*g as usize)) {
                state.take_in(self.least, key, count);
            }
        })?;
        Ok(2)
    }
    fn bytes(&self) -> usize {
        let one = |s: &Values<Box<[u8]>>| s.all().map(|(k, _)| k.len() + size_of::<(Box<[u8]>, i64)>()).sum::<usize>();
        self.states.iter().map(|s| size_of_val(s) + one(s)).sum()
    }
}
