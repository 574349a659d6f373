//! The states of one aggregate over all groups, a column each: counts and sums; those of integers stand in `wholes.rs`.
//!
//! Counts and sums are kept by adding and taking away. Floats are summed with a compensation (Neumaier 1974), and what is not
//! finite is counted apart, so that an infinity can be taken away again. Extremes stand in `extremes.rs`, values that
//! are taken once in `distinct.rs`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Decimal256Array, Float64Array};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Float64Type, Int64Type, i256};
use arrow::error::ArrowError;

use super::best::Best;
use super::distinct::Distinct;
use super::extremes::{ByBytes, ByNumber, is_number};
use super::partial::float_states;
use super::saved::{column, numbers, numbers_of};
use super::wholes::Wholes;
use crate::sql::plan::{Aggregate, Function};
use crate::sql::store::run_of;

/// States of one aggregate, one a group.
pub trait Accumulator {
    /// Makes room for groups up to a number.
    fn grow(&mut self, groups: usize);
    /// Takes values in; null ones say nothing. `diffs` none means that all are new.
    ///
    /// # Errors
    /// When the values are not of the type that the plan says.
    fn update(&mut self, values: &ArrayRef, diffs: Option<&[i64]>, groups: &[u32]) -> Result<(), ArrowError>;
    /// The values of some groups.
    ///
    /// # Errors
    /// When they do not fit the output's type.
    fn values(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError>;
    /// Takes states in, one a row, in the columns that `partial.rs` gives.
    ///
    /// # Errors
    /// When the columns are others, or states of this kind do not merge.
    fn merge(&mut self, _columns: &[ArrayRef], _groups: &[u32]) -> Result<(), ArrowError> {
        Err(ArrowError::NotYetImplemented("states of this aggregate do not merge".into()))
    }
    /// Ends an epoch for the groups that it touched. Before that a count may be 0 by chance, as rows come in any order.
    fn settle(&mut self, _groups: &[u32]) {}
    /// Forgets a group.
    fn clear(&mut self, group: u32);
    /// The states of some groups, in the columns that `merge` takes where states merge, else such that `restore` takes.
    ///
    /// # Errors
    /// When they cannot be written.
    fn save(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError>;
    /// Takes in the states of some new groups; how many columns it took.
    ///
    /// # Errors
    /// When the columns are not what `save` gives.
    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<usize, ArrowError>;
    /// Bytes that it holds.
    fn bytes(&self) -> usize;
}

/// The states for a call.
///
/// # Errors
/// When values of the type cannot be kept.
pub fn accumulator(call: &Aggregate, input: &DataType, output: &DataType, append_only: bool) -> Result<Box<dyn Accumulator>, ArrowError> {
    let plain: Box<dyn Accumulator> = match call.function {
        Function::Count => Box::new(Counts(Vec::new())),
        Function::Min | Function::Max => {
            let least = call.function == Function::Min;
            match (is_number(input), append_only) {
                (true, true) => Box::new(Best::new(least, input.clone())),
                (true, false) => Box::new(ByNumber::new(least, input.clone())),
                (false, _) => Box::new(ByBytes::new(least, append_only, input)?),
            }
        }
        Function::Sum | Function::Avg if input.is_integer() => Box::new(Wholes::new(output)?),
        Function::Sum | Function::Avg => match input.is_floating() {
            true => Box::new(Floats { mean: call.function == Function::Avg, states: Vec::new() }),
            false => Box::new(Decimals::new(call.function == Function::Avg, input, output)?),
        },
    };
    match call.distinct {
        false => Ok(plain),
        true => Ok(Box::new(Distinct::new(plain, input)?)),
    }
}

/// Calls a function for each value that is there: its row, its group, its diff.
pub fn each(values: &ArrayRef, diffs: Option<&[i64]>, groups: &[u32], mut of: impl FnMut(usize, usize, i64)) {
    let diff = |row: usize| diffs.and_then(|d| d.get(row)).copied().unwrap_or(1);
    match values.nulls().filter(|n| n.null_count() > 0) {
        None => groups.iter().enumerate().for_each(|(row, g)| of(row, *g as usize, diff(row))),
        Some(nulls) => {
            groups.iter().enumerate().filter(|(row, _)| nulls.is_valid(*row)).for_each(|(row, g)| of(row, *g as usize, diff(row)))
        }
    }
}

struct Counts(Vec<i64>);

impl Accumulator for Counts {
    fn grow(&mut self, groups: usize) {
        self.0.resize(groups, 0);
    }
    fn update(&mut self, values: &ArrayRef, diffs: Option<&[i64]>, groups: &[u32]) -> Result<(), ArrowError> {
        let counts = &mut self.0;
        each(values, diffs, groups, |_, group, diff| {
            if let Some(count) = counts.get_mut(group) {
                *count += diff;
            }
        });
        Ok(())
    }
    fn values(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        Ok(numbers_of(&self.0, groups))
    }
    fn merge(&mut self, columns: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        for (group, more) in groups.iter().zip(column::<Int64Type>(columns, 0)?.values()) {
            if let Some(count) = self.0.get_mut(*group as usize) {
                *count += more;
            }
        }
        Ok(())
    }
    fn clear(&mut self, group: u32) {
        if let Some(count) = self.0.get_mut(group as usize) {
            *count = 0;
        }
    }
    fn save(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        Ok(vec![self.values(groups)?])
    }
    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<usize, ArrowError> {
        self.merge(columns, groups).map(|()| 1)
    }
    fn bytes(&self) -> usize {
        self.0.len() * size_of::<i64>()
    }
}

/// Sums and means of the digits of decimals, with how many values they are of; in 256 bits, which no number of values fills.
struct Decimals {
    mean: bool,
    /// Digits behind the point that the output has more than the input.
    more: u32,
    output: DataType,
    states: Vec<(i64, i256)>,
}

impl Decimals {
    fn new(mean: bool, input: &DataType, output: &DataType) -> Result<Self, ArrowError> {
        match (input, output) {
            // Of 128 bits only sums of integers are (`overflow.rs`).
            (DataType::Decimal128(_, from) | DataType::Decimal256(_, from), DataType::Decimal256(_, to) | DataType::Decimal128(_, to))
                if (0..=MORE_DIGITS_MAX).contains(&(i16::from(*to) - i16::from(*from))) =>
            {
                Ok(Decimals { mean, more: u32::from(to.abs_diff(*from)), output: output.clone(), states: Vec::new() })
            }
            _ => Err(ArrowError::SchemaError(format!("a sum or mean of {input} is no {output}"))),
        }
    }

    fn add(&mut self, group: usize, count: i64, more: i256) {
        if let Some(state) = self.states.get_mut(group) {
            *state = (state.0 + count, state.1.wrapping_add(more));
        }
    }
}

impl Accumulator for Decimals {
    fn grow(&mut self, groups: usize) {
        self.states.resize(groups, (0, i256::ZERO));
    }
    fn update(&mut self, values: &ArrayRef, diffs: Option<&[i64]>, groups: &[u32]) -> Result<(), ArrowError> {
        let values = narrow(values)?;
        let digits = column::<Decimal128Type>(std::slice::from_ref(&values), 0)?.values();
        each(&values, diffs, groups, |row, group, diff| {
            if let Some(value) = digits.get(row) {
                self.add(group, diff, times(*value, diff));
            }
        });
        Ok(())
    }
    fn values(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        let up = i256::from_i128(10).wrapping_pow(self.more);
        let value = |(count, sum): &(i64, i256)| match (*count > 0, self.mean) {
            (false, _) => None,
            (true, false) => Some(sum.wrapping_mul(up)),
            (true, true) => sum.wrapping_mul(up).checked_div(i256::from(*count)),
        };
        let states = groups.iter().filter_map(|g| self.states.get(*g as usize));
        let wide = states.map(value).collect::<Decimal256Array>();
        match &self.output {
            DataType::Decimal128(_, scale) => {
                let wide = wide.with_data_type(DataType::Decimal256(76, *scale));
                cast_with_options(&wide, &self.output, &CastOptions { safe: false, ..CastOptions::default() })
            }
            output => Ok(Arc::new(wide.with_data_type(output.clone()))),
        }
    }
    fn merge(&mut self, columns: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        let (counts, sums) = (column::<Int64Type>(columns, 0)?.values(), column::<Decimal256Type>(columns, 1)?.values());
        for ((group, count), sum) in groups.iter().zip(counts).zip(sums) {
            self.add(*group as usize, *count, *sum);
        }
        Ok(())
    }
    fn clear(&mut self, group: u32) {
        if let Some(state) = self.states.get_mut(group as usize) {
            *state = (0, i256::ZERO);
        }
    }
    fn save(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let states = || groups.iter().filter_map(|g| self.states.get(*g as usize));
        Ok(vec![numbers(states().map(|s| s.0)), digits(states().map(|s| s.1))])
    }
    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<usize, ArrowError> {
        self.merge(columns, groups).map(|()| 2)
    }
    fn bytes(&self) -> usize {
        self.states.len() * size_of::<(i64, i256)>()
    }
}

/// Decimals as such of 128 bits; longer ones are constants that 128 bits hold.
pub fn narrow(values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match values.data_type() {
        DataType::Decimal256(_, scale) => {
            let values = values.as_primitive::<Decimal256Type>();
            let short: Decimal128Array = values.iter().map(|v| v.and_then(i256::to_i128)).collect();
            Ok(Arc::new(short.with_data_type(DataType::Decimal128(38, *scale))))
        }
        _ => Ok(values.clone()),
    }
}

/// Digits behind the point that a mean has more than its values.
const MORE_DIGITS_MAX: i16 = 4;

/// A value so many times.
pub fn times(value: i128, diff: i64) -> i256 {
    match diff {
        1 => i256::from_i128(value),
        diff => i256::from_i128(value).wrapping_mul(i256::from(diff)),
    }
}

/// Sums of digits as a column.
pub fn digits(sums: impl Iterator<Item = i256>) -> ArrayRef {
    Arc::new(Decimal256Array::from_iter_values(sums).with_data_type(DIGITS))
}

/// What sums of the digits of decimals are saved as.
pub const DIGITS: DataType = DataType::Decimal256(76, 0);

/// A sum of floats: how many values, the sum with its compensation, and what is not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Float {
    pub count: i64,
    pub sum: f64,
    pub compensation: f64,
    /// NaN, infinity, minus infinity.
    pub special: [i64; 3],
}

impl Float {
    /// Adds a value, or takes it away.
    fn add(&mut self, value: f64, diff: i64) {
        self.take_in(value, diff);
    }

    /// Adds what another sum holds.
    fn merge(&mut self, other: &Float) {
        self.count += other.count;
        self.special.iter_mut().zip(other.special).for_each(|(own, more)| *own += more);
        self.plus(other.sum);
        self.compensation += other.compensation;
    }

    /// What rounding left behind goes with the last value.
    fn settle(&mut self) {
        if self.count == 0 {
            (self.sum, self.compensation) = (0.0, 0.0);
        }
    }

    /// Adds a value to a part of a sum, which may take away more values than it adds.
    pub fn take_in(&mut self, value: f64, diff: i64) {
        self.count += diff;
        if !value.is_finite() {
            let kind = if value.is_nan() { 0 } else { 1 + usize::from(value < 0.0) };
            if let Some(count) = self.special.get_mut(kind) {
                *count += diff;
            }
            return;
        }
        self.plus(value * diff as f64);
    }

    fn plus(&mut self, value: f64) {
        let sum = self.sum + value;
        self.compensation += if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.sum = sum;
    }

    fn total(&self) -> f64 {
        match self.special {
            // A sum beyond the range of floats is infinite, and has no compensation.
            [0, 0, 0] if self.sum.is_infinite() => self.sum,
            [0, 0, 0] => self.sum + self.compensation,
            [0, up, 0] if up > 0 => f64::INFINITY,
            [0, 0, down] if down > 0 => f64::NEG_INFINITY,
            _ => f64::NAN,
        }
    }
}

struct Floats {
    mean: bool,
    states: Vec<Float>,
}

impl Accumulator for Floats {
    fn grow(&mut self, groups: usize) {
        self.states.resize(groups, Float::default());
    }
    fn update(&mut self, values: &ArrayRef, diffs: Option<&[i64]>, groups: &[u32]) -> Result<(), ArrowError> {
        let wide = if values.data_type() == &DataType::Float64 { values.clone() } else { cast(values, &DataType::Float64)? };
        let numbers = wide.as_primitive::<Float64Type>().values();
        let states = &mut self.states;
        each(&wide, diffs, groups, |row, group, diff| {
            if let (Some(state), Some(value)) = (states.get_mut(group), numbers.get(row)) {
                state.add(*value, diff);
            }
        });
        Ok(())
    }
    fn values(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
        let value = |s: &Float| (s.count > 0).then(|| if self.mean { s.total() / s.count as f64 } else { s.total() });
        Ok(Arc::new(groups.iter().filter_map(|g| self.states.get(*g as usize)).map(value).collect::<Float64Array>()))
    }
    fn merge(&mut self, columns: &[ArrayRef], groups: &[u32]) -> Result<(), ArrowError> {
        for (group, more) in groups.iter().zip(float_states(columns)?) {
            if let Some(state) = self.states.get_mut(*group as usize) {
                state.merge(&more);
            }
        }
        Ok(())
    }
    fn settle(&mut self, groups: &[u32]) {
        for group in groups {
            if let Some(state) = self.states.get_mut(*group as usize) {
                state.settle();
            }
        }
    }
    fn clear(&mut self, group: u32) {
        if let Some(state) = self.states.get_mut(group as usize) {
            *state = Float::default();
        }
    }
    fn save(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        if let Some(run) = run_of(groups).and_then(|run| self.states.get(run)) {
            return Ok(Float::columns(run).into());
        }
        let states: Vec<Float> = groups.iter().filter_map(|g| self.states.get(*g as usize)).copied().collect();
        Ok(Float::columns(&states).into())
    }
    fn restore(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<usize, ArrowError> {
        self.merge(columns, groups).map(|()| 6)
    }
    fn bytes(&self) -> usize {
        self.states.len() * size_of::<Float>()
    }
}
