//! Sums of integers, one a group, with how many values they are of: given as decimals, which have room for any (`sql/overflow.rs`),
//! or as means.
//!
//! Sixteen bytes a group: a count and the low half of a sum. High halves are looked up by group, and there are none as long as
//! no sum leaves 64 bits, which is nearly always.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Int64Type, UInt64Type};
use arrow::error::ArrowError;

use super::accumulate::{Accumulator, each};
use super::saved::{column, numbers};

/// The sums.
pub struct Wholes {
    /// Decimals without a fraction, or floats for means.
    output: DataType,
    /// The count and the low half of the sum.
    states: Vec<(i64, i64)>,
    /// What a sum is more than its low half, in units of 2^64.
    high: HashMap<u32, i64>,
}

impl Wholes {
    /// No groups yet.
    ///
    /// # Errors
    /// When they are to be given as anything else.
    pub fn new(output: &DataType) -> Result<Self, ArrowError> {
        match output {
            DataType::Decimal128(_, 0) | DataType::Float64 => {
                Ok(Wholes { output: output.clone(), states: Vec::new(), high: HashMap::new() })
            }
            other => Err(ArrowError::SchemaError(format!("a sum or mean of integers is no {other}"))),
        }
    }

    fn add(&mut self, group: usize, count: i64, more: i128) {
        let Some((counts, low)) = self.states.get_mut(group) else { return };
        *counts += count;
        let sum = i128::from(*low).wrapping_add(more);
        *low = sum as i64;
        if sum != i128::from(*low) {
            let high = self.high.entry(group as u32).or_default();
            *high = high.wrapping_add(((sum - i128::from(*low)) >> 64) as i64);
            if *high == 0 {
                self.high.remove(&(group as u32));
            }
        }
    }

    fn each<N: Copy + Into<i128>>(&mut self, values: &[N], array: &ArrayRef, diffs: Option<&[i64]>, groups: &[u32]) {
        each(array, diffs, groups, |row, group, diff| {
            if let Some(value) = values.get(row) {
                self.add(group, diff, (*value).into().wrapping_mul(i128::from(diff)));
            }
        });
    }

    fn sums(&self, groups: &[u32]) -> Vec<i128> {
        let low = |group: &u32| i128::from(self.states.get(*group as usize).map_or(0, |s| s.1));
        match self.high.is_empty() {
            true => groups.iter().map(low).collect(),
            false => groups.iter().map(|g| low(g) + (i128::from(self.high.get(g).copied().unwrap_or(0)) << 64)).collect(),
        }
    }

    fn count(&self, group: u32) -> i64 {
        self.states.get(group as usize).map_or(0, |s| s.0)
    }
}

impl Accumulator for Wholes {
    fn grow(&mut self, groups: usize) {
        self.states.resize(groups, (0, 0));
    }
    fn update(&mut self, values: &ArrayRef, diffs: Option<&[i64]>, groups: &[u32]) -> Result<(), ArrowError> {
        match values.data_type() {
            DataType::UInt64 => self.each(values.as_primitive::<UInt64Type>().values(), values, diffs, groups),
            DataType::Int64 => self.each(values.as_primitive::<Int64Type>().values(), values, diffs, groups),
            _ => {
                let wide = cast(values, &DataType::Int64)?;
                self.each(wide.as_primitive::<Int64Type>().values(), &wide, diffs, groups);
            }
        }
        Ok(())
    }
    fn values(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        let nulls = match groups.iter().any(|g| self.count(*g) <= 0) {
            true => Some(NullBuffer::from_iter(groups.iter().map(|g| self.count(*g) > 0))),
            false => None,
        };
        let sums = self.sums(groups);
        Ok(match &self.output {
            DataType::Float64 => {
                let means = sums.iter().zip(groups).map(|(sum, group)| *sum as f64 / self.count(*group) as f64);
                Arc::new(Float64Array::new(means.collect(), nulls))
            }
            output => Arc::new(Decimal128Array::new(sums.into(), nulls).with_data_type(output.clone())),
        })
    }
    fn merge(&mut self, columns: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        let (counts, sums) = (column::<Int64Type>(columns, 0)?.values(), column::<Decimal128Type>(columns, 1)?.values());
        for ((group, count), sum) in groups.iter().zip(counts).zip(sums) {
            self.add(*group as usize, *count, *sum);
        }
        Ok(())
    }
    fn clear(&mut self, group: u32) {
        if let Some(state) = self.states.get_mut(group as usize) {
            *state = (0, 0);
        }
        self.high.remove(&group);
    }
    fn save(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let sums = Decimal128Array::from(self.sums(groups)).with_precision_and_scale(38, 0)?;
        Ok(vec![numbers(groups.iter().map(|g| self.count(*g))), Arc::new(sums)])
    }
    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<usize, ArrowError> {
        self.merge(columns, groups).map(|()| 2)
    }
    fn bytes(&self) -> usize {
        self.states.len() * size_of::<(i64, i64)>() + self.high.len() * size_of::<(u32, i64)>()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::{Int64Array, UInt64Array};

    use super::*;

    /// Sums beyond 64 bits, both ways and back, in rows as in states.
    #[test]
    fn sums_are_exact_beyond_their_type() {
        let far: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, i64::MAX, i64::MIN, -1, 7, i64::MIN]));
        let (diffs, groups) = ([3, 1, 1, 1, -1, 5], [0, 0, 1, 1, 2, 1]);
        let mut sums = Wholes::new(&DataType::Decimal128(30, 0)).unwrap();
        sums.grow(3);
        sums.update(&far, Some(&diffs), &groups).unwrap();
        let max = i128::from(i64::MAX);
        let expected = [4 * max, 6 * i128::from(i64::MIN) - 1, -7];
        assert_eq!(sums.sums(&[0, 1, 2]), expected);
        let mut again = Wholes::new(&DataType::Decimal128(30, 0)).unwrap();
        again.grow(3);
        again.restore(&[2, 1, 0], &sums.save(&[2, 1, 0]).unwrap()).unwrap();
        assert_eq!(again.sums(&[0, 1, 2]), expected);
        again.update(&far, Some(&diffs.map(|d| -d)), &groups).unwrap();
        assert_eq!((again.sums(&[0, 1, 2]), again.high.len()), (vec![0; 3], 0));
        let unsigned: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 1]));
        again.update(&unsigned, None, &[0, 0]).unwrap();
        assert_eq!(again.values(&[0]).unwrap().as_primitive::<Decimal128Type>().value(0), 1 << 64);
    }
}
