//! Partial aggregation: the rows of a batch become one row a group, with the states of the aggregates as columns.
//!
//! It needs no memory of its own and can run before rows are sent to the worker that keeps their group. The columns are the
//! keys, the weight (how many rows), and for each aggregate:
//! a count, the number of values; a sum of integers or decimals, or a mean, that number and the sum of the digits; a sum of floats, what
//! `Float` holds; an extreme, 64 bits that order as the values do. `Accumulator::merge` takes them in. Not here: values
//! taken once, extremes of rows that go, and extremes of texts, whose rows are taken in one by one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, UInt32Array, UInt64Array};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Decimal128Type, Field, Float64Type, Int64Type, Schema, SchemaRef, UInt64Type};
use arrow::error::ArrowError;

use super::accumulate::Float;
use super::codes::{Coder, Local, bounds};
use super::extremes::{is_number, of_float};
use crate::flow::updates::Updates;
use crate::sql::plan::{Aggregate, Function};

/// What is kept of an aggregate.
#[derive(Clone, Copy)]
enum Kind {
    Count,
    Sum,
    Float,
    Least,
    Greatest,
}

impl Kind {
    /// None for aggregates whose states do not merge.
    fn of(call: &Aggregate, input: &DataType, append_only: bool) -> Option<Kind> {
        match call.function {
            _ if call.distinct => None,
            Function::Count => Some(Kind::Count),
            Function::Sum | Function::Avg if input.is_floating() => Some(Kind::Float),
            Function::Sum | Function::Avg => Some(Kind::Sum),
            Function::Min | Function::Max if !append_only || !is_number(input) => None,
            Function::Min => Some(Kind::Least),
            Function::Max => Some(Kind::Greatest),
        }
    }

    fn types(self) -> &'static [DataType] {
        use DataType::{Decimal128, Float64, Int64, UInt64};
        match self {
            Kind::Count => &[Int64],
            Kind::Sum => &[Int64, Decimal128(38, 0)],
            Kind::Float => &[Int64, Float64, Float64, Int64, Int64, Int64],
            Kind::Least | Kind::Greatest => &[UInt64],
        }
    }
}

/// Whether the states of an aggregate merge.
pub fn merges(call: &Aggregate, input: &DataType, append_only: bool) -> bool {
    Kind::of(call, input, append_only).is_some()
}

/// Aggregates batches.
pub struct Partial {
    keys: usize,
    kinds: Vec<Kind>,
    schema: SchemaRef,
    coder: Coder,
}

impl Partial {
    /// For rows of keys and arguments; none when the states of an aggregate do not merge.
    pub fn new(prepared: &Schema, keys: usize, aggregates: &[Aggregate], append_only: bool) -> Option<Self> {
        let kind = |(i, a): (usize, &Aggregate)| Kind::of(a, prepared.field(keys + i).data_type(), append_only);
        let kinds: Vec<Kind> = aggregates.iter().enumerate().map(kind).collect::<Option<_>>()?;
        let states = kinds.iter().flat_map(|k| k.types()).map(|t| Field::new("state", t.clone(), true));
        let weight = std::iter::once(Field::new("weight", DataType::Int64, false));
        let fields: Vec<Field> = prepared.fields().iter().take(keys).map(|f| f.as_ref().clone()).chain(weight).chain(states).collect();
        Some(Partial { keys, kinds, schema: Arc::new(Schema::new(fields)), coder: Coder::default() })
    }

    /// How many columns the states of each aggregate are.
    pub fn widths(&self) -> Vec<usize> {
        self.kinds.iter().map(|k| k.types().len()).collect()
    }

    /// One row a group; none when that would save little.
    ///
    /// # Errors
    /// When the columns are not those of the plan.
    pub fn reduced(&mut self, updates: &Updates) -> Result<Option<Updates>, ArrowError> {
        let keys: Vec<ArrayRef> = updates.rows.columns().iter().take(self.keys).cloned().collect();
        let local = self.coder.groups(&keys, updates.rows.num_rows());
        local.map(|local| self.states(updates, local)).transpose()
    }

    /// Rows with states, of any batch.
    ///
    /// # Errors
    /// When the columns are not those of the plan.
    pub fn always(&mut self, updates: &Updates) -> Result<Updates, ArrowError> {
        match self.reduced(updates)? {
            Some(reduced) => Ok(reduced),
            None => self.states(updates, Local::rows(updates.rows.num_rows())),
        }
    }

    fn states(&mut self, updates: &Updates, local: Local) -> Result<Updates, ArrowError> {
        let diffs = updates.diffs.as_ref().map(|d| d.values().as_ref());
        let of = Rows { diffs, groups: &local.groups, count: local.first.len() };
        let first = UInt32Array::from(local.first.clone());
        let weight: ArrayRef = Arc::new(of.counts(None));
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for key in updates.rows.columns().iter().take(self.keys) {
            columns.push(take(key, &first, None)?);
        }
        columns.push(weight.clone());
        for (kind, argument) in self.kinds.iter().zip(updates.rows.columns().iter().skip(self.keys)) {
            of.state(*kind, argument, &weight, &mut columns)?;
        }
        self.coder.take_back(local);
        Ok(Updates::insertions(RecordBatch::try_new(self.schema.clone(), columns)?))
    }
}

/// Rows with their groups.
struct Rows<'a> {
    diffs: Option<&'a [i64]>,
    groups: &'a [u32],
    count: usize,
}

impl Rows<'_> {
    fn state(&self, kind: Kind, argument: &ArrayRef, weight: &ArrayRef, out: &mut Vec<ArrayRef>) -> Result<(), ArrowError> {
        let nulls = argument.logical_nulls().filter(|n| n.null_count() > 0);
        let count = || if nulls.is_some() { Arc::new(self.counts(nulls.as_ref())) as ArrayRef } else { weight.clone() };
        match kind {
            Kind::Count => out.push(count()),
            Kind::Sum => {
                out.push(count());
                let sums = match argument.data_type() {
                    DataType::Decimal128(..) => self.sums(argument.as_primitive::<Decimal128Type>().values(), nulls.as_ref()),
                    DataType::UInt64 => self.sums(argument.as_primitive::<UInt64Type>().values(), nulls.as_ref()),
                    _ => self.narrow_sums(cast(argument, &DataType::Int64)?.as_primitive::<Int64Type>().values(), nulls.as_ref()),
                };
                out.push(Arc::new(Decimal128Array::from_iter_values(sums).with_precision_and_scale(38, 0)?));
            }
            Kind::Float => self.floats(cast(argument, &DataType::Float64)?.as_primitive::<Float64Type>().values(), nulls.as_ref(), out),
            Kind::Least => out.push(self.extremes(argument, nulls.as_ref(), true)?),
            Kind::Greatest => out.push(self.extremes(argument, nulls.as_ref(), false)?),
        }
        Ok(())
    }

    /// Adds up something of each row that is there.
    fn fold<S: Clone, V: Copy>(&self, start: S, values: &[V], nulls: Option<&NullBuffer>, add: impl Fn(&mut S, V, i64)) -> Vec<S> {
        let mut states = vec![start; self.count];
        let rows = self.groups.iter().zip(values);
        match (nulls, self.diffs) {
            (None, None) => rows.for_each(|(group, value)| {
                if let Some(state) = states.get_mut(*group as usize) {
                    add(state, *value, 1);
                }
            }),
            (None, Some(diffs)) => rows.zip(diffs).for_each(|((group, value), diff)| {
                if let Some(state) = states.get_mut(*group as usize) {
                    add(state, *value, *diff);
                }
            }),
            (Some(nulls), _) => rows.enumerate().filter(|(row, _)| nulls.is_valid(*row)).for_each(|(row, (group, value))| {
                if let Some(state) = states.get_mut(*group as usize) {
                    add(state, *value, self.diffs.and_then(|d| d.get(row)).copied().unwrap_or(1));
                }
            }),
        }
        states
    }

    fn counts(&self, nulls: Option<&NullBuffer>) -> Int64Array {
        // The groups stand in for values, which a count does not look at.
        self.fold(0i64, self.groups, nulls, |count, _, diff| *count += diff).into()
    }

    fn sums<V: Copy + Into<i128>>(&self, values: &[V], nulls: Option<&NullBuffer>) -> Vec<i128> {
        self.fold(0i128, values, nulls, |sum, value, diff| *sum = sum.wrapping_add(value.into().wrapping_mul(i128::from(diff))))
    }

    /// Sums of 64 bits where the batch cannot go beyond them.
    fn narrow_sums(&self, values: &[i64], nulls: Option<&NullBuffer>) -> Vec<i128> {
        let size = |of: &[i64]| bounds(of).map_or(0, |(least, most)| u128::from(least.unsigned_abs().max(most.unsigned_abs())));
        let bound = size(values).saturating_mul(self.diffs.map_or(1, size)).saturating_mul(values.len() as u128);
        match bound <= i64::MAX as u128 {
            true => self.fold(0i64, values, nulls, |sum, v, diff| *sum += v * diff).into_iter().map(i128::from).collect(),
            false => self.sums(values, nulls),
        }
    }

    fn floats(&self, values: &[f64], nulls: Option<&NullBuffer>, out: &mut Vec<ArrayRef>) {
        let states = self.fold(Float::default(), values, nulls, Float::take_in);
        out.extend(Float::columns(&states));
    }

    fn extremes(&self, argument: &ArrayRef, nulls: Option<&NullBuffer>, least: bool) -> Result<ArrayRef, ArrowError> {
        const SIGN: i64 = i64::MIN;
        let of = |values: &[i64]| match least {
            true => self.fold(i64::MAX, values, nulls, |state, value, _| *state = value.min(*state)),
            false => self.fold(i64::MIN, values, nulls, |state, value, _| *state = value.max(*state)),
        };
        let states = match argument.data_type() {
            kind if kind.is_floating() => {
                let wide = cast(argument, &DataType::Float64)?;
                of(&wide.as_primitive::<Float64Type>().values().iter().map(|v| of_float(*v) as i64 ^ SIGN).collect::<Vec<_>>())
            }
            DataType::UInt64 => of(&argument.as_primitive::<UInt64Type>().values().iter().map(|v| *v as i64 ^ SIGN).collect::<Vec<_>>()),
            _ => of(cast(argument, &DataType::Int64)?.as_primitive::<Int64Type>().values()),
        };
        let there = nulls.map(|n| NullBuffer::from_iter(self.counts(Some(n)).values().iter().map(|c| *c > 0)));
        let keys: Vec<u64> = states.into_iter().map(|s| (s ^ SIGN) as u64).collect();
        Ok(Arc::new(UInt64Array::new(keys.into(), there)))
    }
}

/// The columns of floats' states, apart from each other.
pub fn float_states(columns: &[ArrayRef]) -> Result<Vec<Float>, ArrowError> {
    let missing = || ArrowError::SchemaError("the states of a sum of floats are six columns".into());
    let integers = |i: usize| columns.get(i).and_then(|c| c.as_primitive_opt::<Int64Type>()).ok_or_else(missing);
    let floats = |i: usize| columns.get(i).and_then(|c| c.as_primitive_opt::<Float64Type>()).ok_or_else(missing);
    let (count, sum, rest) = (integers(0)?, floats(1)?, floats(2)?);
    let (nan, up, down) = (integers(3)?, integers(4)?, integers(5)?);
    let state = |row: usize| Float {
        count: count.value(row),
        sum: sum.value(row),
        compensation: rest.value(row),
        special: [nan.value(row), up.value(row), down.value(row)],
    };
    Ok((0..count.len()).map(state).collect())
}

impl Float {
    /// States as columns.
    pub fn columns(states: &[Float]) -> [ArrayRef; 6] {
        let integers = |of: fn(&Float) -> i64| Arc::new(Int64Array::from_iter_values(states.iter().map(of))) as ArrayRef;
        let floats = |of: fn(&Float) -> f64| Arc::new(Float64Array::from_iter_values(states.iter().map(of))) as ArrayRef;
        let [nan, up, down] = [|s: &Float| s.special[0], |s: &Float| s.special[1], |s: &Float| s.special[2]];
        [integers(|s| s.count), floats(|s| s.sum), floats(|s| s.compensation), integers(nan), integers(up), integers(down)]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::render::groups::accumulate::accumulator;

    #[test]
    fn states_of_floats_are_read_back() {
        let states = [Float { count: 3, sum: 1.5, compensation: -0.25, special: [1, 0, 2] }, Float::default()];
        assert_eq!(float_states(&Float::columns(&states)).unwrap(), states);
    }

    /// Values taken in one by one, and as what is left of a batch, give the same.
    #[test]
    fn merged_states_are_those_of_the_rows() {
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values((0..1_000).map(|i| i % 7)));
        let whole: ArrayRef = Arc::new(Int64Array::from_iter((0..1_000i64).map(|i| (i % 5 != 0).then_some(i * i - 9_000))));
        let floats: ArrayRef = Arc::new(Float64Array::from_iter((0..1_000).map(|i| (i % 3 != 0).then_some(f64::from(i) - 0.5))));
        let far: ArrayRef = Arc::new(Int64Array::from_iter_values((0..1_000).map(|i| i64::MAX - i)));
        for values in [whole, floats, far] {
            for function in [Function::Count, Function::Sum, Function::Avg, Function::Min, Function::Max] {
                let call = Aggregate { function, argument: None, filter: None, distinct: false };
                let kind = values.data_type().clone();
                let output = match function {
                    Function::Count => DataType::Int64,
                    Function::Avg => DataType::Float64,
                    Function::Sum if kind.is_integer() => DataType::Decimal128(38, 0),
                    _ => kind.clone(),
                };
                let rows = RecordBatch::try_from_iter([("k", keys.clone()), ("v", values.clone())]).unwrap();
                let reduced = Partial::new(&rows.schema(), 1, std::slice::from_ref(&call), true).unwrap();
                let reduced = { reduced }.reduced(&Updates::insertions(rows)).unwrap().unwrap().rows;
                let (mut one, mut many) =
                    (accumulator(&call, &kind, &output, true).unwrap(), accumulator(&call, &kind, &output, true).unwrap());
                one.grow(7);
                many.grow(7);
                one.update(&values, None, &(0..1_000).map(|i| i % 7).collect::<Vec<u32>>()).unwrap();
                many.merge(&reduced.columns()[2..], &(0..7).collect::<Vec<u32>>()).unwrap();
                let all: Vec<u32> = (0..7).collect();
                assert_eq!(one.values(&all).unwrap().as_ref(), many.values(&all).unwrap().as_ref(), "{function:?} of {kind}");
            }
        }
    }
}
