//! Partial aggregation: the rows of some batches become one row a group, with the states of the aggregates as columns.
//!
//! It needs no memory of its own and can run before rows are sent to the worker that keeps their group. The columns are the
//! keys, the weight (how many rows), and for each aggregate:
//! a count, the number of values; a sum or mean of integers, that number and the sum; of decimals, that number and the sum of the digits; a sum of floats, what
//! `Float` holds; an extreme, 64 bits that order as the values do. `Accumulator::merge` takes them in. Not here: values
//! taken once, extremes of rows that go, and extremes of texts, whose rows are taken in one by one.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, UInt32Array, UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Decimal128Type, Field, Float64Type, Int64Type, Schema, SchemaRef, UInt64Type, i256};
use arrow::error::ArrowError;

use super::accumulate::{DIGITS, Float, digits, narrow, times};
use super::codes::{Coder, Local, bounds_of};
use super::extremes::{is_number, of_float};
use crate::flow::updates::Updates;
use crate::sql::plan::{Aggregate, Function};

/// What is kept of an aggregate.
#[derive(Clone, Copy)]
enum Kind {
    Count,
    Sum,
    /// Of decimals.
    Digits,
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
            Function::Sum | Function::Avg if input.is_integer() => Some(Kind::Sum),
            Function::Sum | Function::Avg => Some(Kind::Digits),
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
            Kind::Digits => &[Int64, DIGITS],
            Kind::Float => &[Int64, Float64, Float64, Int64, Int64, Int64],
            Kind::Least | Kind::Greatest => &[UInt64],
        }
    }
}

/// Whether the states of an aggregate merge.
pub fn merges(call: &Aggregate, input: &DataType, append_only: bool) -> bool {
    Kind::of(call, input, append_only).is_some()
}

/// Rows of batches that are aggregated together: enough that groups are few beside them, and their groups still lie in the cache.
const TOGETHER_ROWS: usize = 1 << 17;

/// Batches in runs that are aggregated together.
pub fn together(batches: &[Updates]) -> impl Iterator<Item = &[Updates]> {
    let mut rows = 0;
    batches.chunk_by(move |one, next| {
        rows += one.rows.num_rows();
        let fits = rows + next.rows.num_rows() <= TOGETHER_ROWS;
        if !fits {
            rows = 0;
        }
        fits
    })
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
    pub fn reduced(&mut self, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        let keys: Vec<&[ArrayRef]> = batches.iter().map(|b| b.rows.columns().get(..self.keys).unwrap_or_default()).collect();
        let local = self.coder.groups(&keys, rows_of(batches));
        local.map(|local| self.states(batches, local)).transpose()
    }

    /// Rows with states, of any batches.
    ///
    /// # Errors
    /// When the columns are not those of the plan.
    pub fn always(&mut self, batches: &[Updates]) -> Result<Updates, ArrowError> {
        match self.reduced(batches)? {
            Some(reduced) => Ok(reduced),
            None => self.states(batches, Local::rows(rows_of(batches))),
        }
    }

    fn states(&mut self, batches: &[Updates], local: Local) -> Result<Updates, ArrowError> {
        let of = Rows::new(batches, &local);
        let firsts = of.firsts(&local.first);
        let weight: ArrayRef = Arc::new(of.counts(&[]));
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for at in 0..self.keys {
            let parts = batches.iter().zip(&firsts).map(|(b, rows)| take(b.rows.column(at), rows, None));
            columns.push(together_again(parts.collect::<Result<_, _>>()?)?);
        }
        columns.push(weight.clone());
        for (at, kind) in (self.keys..).zip(&self.kinds) {
            of.state(*kind, &batches.iter().map(|b| b.rows.column(at)).collect::<Vec<_>>(), &weight, &mut columns)?;
        }
        self.coder.take_back(local);
        Ok(Updates::insertions(RecordBatch::try_new(self.schema.clone(), columns)?))
    }
}

fn rows_of(batches: &[Updates]) -> usize {
    batches.iter().map(|b| b.rows.num_rows()).sum()
}

/// Parts of a column as one.
fn together_again(mut parts: Vec<ArrayRef>) -> Result<ArrayRef, ArrowError> {
    match parts.len() {
        1 => Ok(parts.remove(0)),
        _ => concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>()),
    }
}

/// Nulls of an argument in each batch; none at all where no batch has any.
type Nulls = [Option<NullBuffer>];

/// Rows of batches with their groups.
struct Rows<'a> {
    parts: Vec<Part<'a>>,
    count: usize,
}

/// Rows of one batch.
struct Part<'a> {
    groups: &'a [u32],
    diffs: Option<&'a [i64]>,
}

impl<'a> Rows<'a> {
    fn new(batches: &'a [Updates], local: &'a Local) -> Self {
        let mut rest = local.groups.as_slice();
        let part = |b: &'a Updates| {
            let groups = rest.split_off(..b.rows.num_rows()).unwrap_or_default();
            Part { groups, diffs: b.diffs.as_ref().map(|d| d.values().as_ref()) }
        };
        Rows { parts: batches.iter().map(part).collect(), count: local.first.len() }
    }

    /// Rows that are counted through all batches, batch by batch.
    fn firsts(&self, mut rows: &[u32]) -> Vec<UInt32Array> {
        let mut before = 0;
        let part = |part: &Part| {
            let end = before + part.groups.len() as u32;
            let own = rows.split_off(..rows.partition_point(|row| *row < end)).unwrap_or_default();
            let own = own.iter().map(|row| row - before).collect();
            before = end;
            own
        };
        self.parts.iter().map(part).collect()
    }

    fn state(&self, kind: Kind, argument: &[&ArrayRef], weight: &ArrayRef, out: &mut Vec<ArrayRef>) -> Result<(), ArrowError> {
        let mut nulls: Vec<_> = argument.iter().map(|a| a.logical_nulls().filter(|n| n.null_count() > 0)).collect();
        if nulls.iter().all(Option::is_none) {
            nulls.clear();
        }
        let count = || if nulls.is_empty() { weight.clone() } else { Arc::new(self.counts(&nulls)) as ArrayRef };
        match (kind, argument.first().map(|a| a.data_type())) {
            (Kind::Count, _) => out.push(count()),
            (Kind::Sum, of) => {
                out.push(count());
                let sums = match of {
                    Some(DataType::UInt64) => self.sums(&values::<UInt64Type>(argument), &nulls),
                    _ => self.narrow_sums(&values::<Int64Type>(&refs(&all_cast(argument, &DataType::Int64)?)), &nulls),
                };
                out.push(Arc::new(Decimal128Array::from_iter_values(sums).with_precision_and_scale(38, 0)?));
            }
            (Kind::Digits, _) => {
                out.push(count());
                let add = |sum: &mut i256, value, diff| *sum = sum.wrapping_add(times(value, diff));
                let short = argument.iter().map(|a| narrow(a)).collect::<Result<Vec<_>, _>>()?;
                out.push(digits(self.fold(i256::ZERO, &values::<Decimal128Type>(&refs(&short)), &nulls, add).into_iter()));
            }
            (Kind::Float, _) => {
                let wide = all_cast(argument, &DataType::Float64)?;
                let states = self.fold(Float::default(), &values::<Float64Type>(&refs(&wide)), &nulls, Float::take_in);
                out.extend(Float::columns(&states));
            }
            (Kind::Least, _) => out.push(self.extremes(argument, &nulls, true)?),
            (Kind::Greatest, _) => out.push(self.extremes(argument, &nulls, false)?),
        }
        Ok(())
    }

    /// Adds up something of each row that is there.
    fn fold<S: Clone, V: Copy>(&self, start: S, values: &[impl AsRef<[V]>], nulls: &Nulls, add: impl Fn(&mut S, V, i64)) -> Vec<S> {
        let mut states = vec![start; self.count];
        for (at, (part, values)) in self.parts.iter().zip(values).enumerate() {
            let rows = part.groups.iter().zip(values.as_ref());
            match (nulls.get(at).and_then(Option::as_ref), part.diffs) {
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
                (Some(nulls), diffs) => rows.enumerate().filter(|(row, _)| nulls.is_valid(*row)).for_each(|(row, (group, value))| {
                    if let Some(state) = states.get_mut(*group as usize) {
                        add(state, *value, diffs.and_then(|d| d.get(row)).copied().unwrap_or(1));
                    }
                }),
            }
        }
        states
    }

    fn counts(&self, nulls: &Nulls) -> Int64Array {
        // The groups stand in for values, which a count does not look at.
        let groups: Vec<&[u32]> = self.parts.iter().map(|p| p.groups).collect();
        self.fold(0i64, &groups, nulls, |count, _, diff| *count += diff).into()
    }

    fn sums<V: Copy + Into<i128>>(&self, values: &[impl AsRef<[V]>], nulls: &Nulls) -> Vec<i128> {
        self.fold(0i128, values, nulls, |sum, value, diff| *sum = sum.wrapping_add(value.into().wrapping_mul(i128::from(diff))))
    }

    /// Sums of 64 bits where the batches cannot go beyond them.
    fn narrow_sums(&self, values: &[impl AsRef<[i64]>], nulls: &Nulls) -> Vec<i128> {
        let size = |(least, most): (i64, i64)| u128::from(least.unsigned_abs().max(most.unsigned_abs()));
        let diffs: Vec<&[i64]> = self.parts.iter().filter_map(|p| p.diffs).collect();
        // Rows without diffs count once.
        let times = bounds_of(&diffs).map_or(1, size).max(1);
        let rows = values.iter().map(|v| v.as_ref().len() as u128).sum();
        match bounds_of(values).map_or(0, size).saturating_mul(times).saturating_mul(rows) <= i64::MAX as u128 {
            true => self.fold(0i64, values, nulls, |sum, v, diff| *sum += v * diff).into_iter().map(i128::from).collect(),
            false => self.sums(values, nulls),
        }
    }

    fn extremes(&self, argument: &[&ArrayRef], nulls: &Nulls, least: bool) -> Result<ArrayRef, ArrowError> {
        const SIGN: i64 = i64::MIN;
        let states = match argument.first().map(|a| a.data_type()) {
            Some(kind) if kind.is_floating() => {
                let wide = all_cast(argument, &DataType::Float64)?;
                self.extreme(&values::<Float64Type>(&refs(&wide)), nulls, least, |v| of_float(v) as i64 ^ SIGN)
            }
            Some(DataType::UInt64) => self.extreme(&values::<UInt64Type>(argument), nulls, least, |v| v as i64 ^ SIGN),
            _ => self.extreme(&values::<Int64Type>(&refs(&all_cast(argument, &DataType::Int64)?)), nulls, least, |v| v),
        };
        let there = (!nulls.is_empty()).then(|| NullBuffer::from_iter(self.counts(nulls).values().iter().map(|c| *c > 0)));
        let keys: Vec<u64> = states.into_iter().map(|s| (s ^ SIGN) as u64).collect();
        Ok(Arc::new(UInt64Array::new(keys.into(), there)))
    }

    /// The least or greatest of numbers that order as the values do.
    fn extreme<V: Copy>(&self, values: &[impl AsRef<[V]>], nulls: &Nulls, least: bool, number: impl Fn(V) -> i64) -> Vec<i64> {
        match least {
            true => self.fold(i64::MAX, values, nulls, |state, value, _| *state = number(value).min(*state)),
            false => self.fold(i64::MIN, values, nulls, |state, value, _| *state = number(value).max(*state)),
        }
    }
}

fn all_cast(argument: &[&ArrayRef], to: &DataType) -> Result<Vec<ArrayRef>, ArrowError> {
    argument.iter().map(|a| cast(a, to)).collect()
}

fn refs(arrays: &[ArrayRef]) -> Vec<&ArrayRef> {
    arrays.iter().collect()
}

fn values<'a, T: ArrowPrimitiveType>(arrays: &[&'a ArrayRef]) -> Vec<&'a [T::Native]> {
    arrays.iter().map(|a| a.as_primitive::<T>().values().as_ref()).collect()
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
                let parts = [(0, 300), (300, 1), (301, 699)].map(|(from, len)| Updates::insertions(rows.slice(from, len)));
                let reduced = { reduced }.reduced(&parts).unwrap().unwrap().rows;
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
