//! The state of an aggregation: groups by row-encoded key, and for each aggregate one state a group.
//!
//! Count, sum and mean are kept by adding and taking away; least and greatest by an ordered multiset of values, or by the one
//! best value where rows are never taken away; distinct by a multiset. Floats are summed with a compensation (Neumaier 1974),
//! and what is not finite is counted apart, so that an infinity can be taken away again. Least and greatest go by the total
//! order of Arrow, in which NaN is the greatest: DataFusion's own answer depends on the order of rows there.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, SchemaRef, UInt64Type};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};

use super::aggregate::{Closes, Shape};
use super::close::Keeper;
use super::rows::keep_where;
use crate::flow::updates::Updates;
use crate::sql::closing::Closing;
use crate::sql::plan::{Aggregate, Function};
use crate::sql::watermark::END;

/// Groups with their aggregates.
pub struct Groups {
    keys: usize,
    converter: Option<RowConverter>,
    index: HashMap<Vec<u8>, usize>,
    encoded: Vec<Vec<u8>>,
    weights: Vec<i64>,
    /// Whether it is known when a group is closed.
    registered: Vec<bool>,
    free: Vec<usize>,
    states: Vec<Column>,
    schema: SchemaRef,
    global_new: bool,
    closes: Closes,
    /// Groups by the watermark that closes them.
    closing: BTreeMap<i64, Vec<Vec<u8>>>,
    late: Vec<Updates>,
}

/// The states of one aggregate, one a group.
struct Column {
    function: Function,
    distinct: bool,
    append_only: bool,
    /// How arguments are turned into bytes, where values are kept.
    values: Option<RowConverter>,
    input: DataType,
    output: DataType,
    states: Vec<State>,
}

/// What an aggregate knows of a group.
#[derive(Clone, Debug, Default)]
struct State {
    /// Values that are not null.
    count: i64,
    /// Their sum as an integer (integers, and the digits of decimals).
    integer: i128,
    /// Their sum as a float with its compensation.
    float: (f64, f64),
    /// NaN, infinity, minus infinity.
    special: [i64; 3],
    /// Values with their counts, in order.
    values: BTreeMap<Vec<u8>, i64>,
}

impl Groups {
    /// No groups yet.
    pub fn new(shape: &Shape, aggregates: &[Aggregate], closes: Closes) -> Result<Self, ArrowError> {
        let (prepared, keys, schema, append_only) = (&shape.prepared, shape.keys, shape.schema.clone(), shape.append_only);
        let fields: Vec<SortField> = prepared.fields().iter().take(keys).map(|f| SortField::new(f.data_type().clone())).collect();
        let converter = if keys > 0 { Some(RowConverter::new(fields)?) } else { None };
        let mut states = Vec::new();
        for (i, aggregate) in aggregates.iter().enumerate() {
            let (input, output) = (prepared.field(keys + i).data_type().clone(), schema.field(keys + i).data_type().clone());
            let keeps = aggregate.distinct || matches!(aggregate.function, Function::Min | Function::Max);
            let values = if keeps { Some(RowConverter::new(vec![SortField::new(input.clone())])?) } else { None };
            states.push(Column {
                function: aggregate.function,
                distinct: aggregate.distinct,
                append_only,
                values,
                input,
                output,
                states: Vec::new(),
            });
        }
        Ok(Groups {
            keys,
            converter,
            index: HashMap::new(),
            encoded: Vec::new(),
            weights: Vec::new(),
            registered: Vec::new(),
            free: Vec::new(),
            states,
            schema,
            global_new: false,
            closes,
            closing: BTreeMap::new(),
            late: Vec::new(),
        })
    }

    /// Opens the one group of an aggregation without keys.
    pub fn open_global(&mut self) {
        let group = self.group_of(Vec::new());
        if let Some(weight) = self.weights.get_mut(group) {
            *weight += 1;
        }
        self.global_new = true;
    }

    fn work_through(&mut self, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        let mut touched: Vec<usize> = Vec::new();
        let mut assigned = Vec::with_capacity(batches.len());
        for updates in batches {
            let groups = self.assign(&updates.rows)?;
            touched.extend(&groups);
            assigned.push(groups);
        }
        let global_new = std::mem::take(&mut self.global_new);
        if global_new {
            touched.push(0);
        }
        touched.sort_unstable();
        touched.dedup();
        let lived: Vec<usize> =
            touched.iter().copied().filter(|&g| !(global_new && g == 0) && self.weights.get(g).is_some_and(|w| *w > 0)).collect();
        let before = self.rows(&lived)?;
        for (updates, groups) in batches.iter().zip(&assigned) {
            self.add(updates, groups)?;
        }
        let live: Vec<usize> = touched.iter().copied().filter(|&g| self.weights.get(g).is_some_and(|w| *w > 0)).collect();
        let after = self.rows(&live)?;
        for group in touched {
            if self.weights.get(group).is_some_and(|w| *w == 0) {
                self.release(group);
            }
        }
        self.difference(before, after)
    }

    /// Rows whose groups are still there to be changed; the others are late.
    fn in_time(&mut self, updates: &Updates, key: usize, closing: &Closing, before: Option<i64>) -> Result<Updates, ArrowError> {
        let Some(column) = updates.rows.columns().get(key) else { return Ok(updates.clone()) };
        let times = closing.times(column).ok_or_else(|| ArrowError::SchemaError("a closing column holds no times".into()))?;
        let before = before.unwrap_or(i64::MIN);
        let late = |row: usize| times.is_valid(row) && times.value(row) <= before;
        let in_time = match (0..times.len()).any(late) {
            false => updates.clone(),
            true => {
                let keep: BooleanArray = (0..times.len()).map(|row| Some(!late(row))).collect();
                let part = |mask: &BooleanArray| keep_where(updates, mask).map_err(|e| ArrowError::ComputeError(e.strip_backtrace()));
                self.late.push(part(&arrow::compute::not(&keep)?)?);
                part(&keep)?
            }
        };
        // Remember when each group is closed.
        let Some(times) = in_time.rows.columns().get(key).and_then(|c| closing.times(c)) else { return Ok(in_time) };
        let groups = self.assign(&in_time.rows)?;
        for (row, group) in groups.into_iter().enumerate().filter(|(row, _)| times.is_valid(*row)) {
            if let (Some(registered @ false), Some(encoded)) = (self.registered.get_mut(group), self.encoded.get(group)) {
                *registered = true;
                self.closing.entry(times.value(row)).or_default().push(encoded.clone());
            }
        }
        Ok(in_time)
    }

    /// Lets go of groups that nothing can change any more; their rows stay as they are.
    fn let_go(&mut self, now: i64) {
        let open = if now == END { BTreeMap::new() } else { self.closing.split_off(&now.saturating_add(1)) };
        for key in std::mem::replace(&mut self.closing, open).into_values().flatten() {
            if let Some(group) = self.index.get(&key).copied() {
                if let Some(weight) = self.weights.get_mut(group) {
                    *weight = 0;
                }
                self.release(group);
            }
        }
    }

    fn group_of(&mut self, key: Vec<u8>) -> usize {
        if let Some(group) = self.index.get(&key) {
            return *group;
        }
        let group = self.free.pop().unwrap_or(self.encoded.len());
        if group == self.encoded.len() {
            self.encoded.push(key.clone());
            self.weights.push(0);
            self.registered.push(false);
            self.states.iter_mut().for_each(|c| c.states.push(State::default()));
        } else if let Some(slot) = self.encoded.get_mut(group) {
            slot.clone_from(&key);
            if let Some(registered) = self.registered.get_mut(group) {
                *registered = false;
            }
        }
        self.index.insert(key, group);
        group
    }

    fn release(&mut self, group: usize) {
        if let Some(key) = self.encoded.get_mut(group).map(std::mem::take) {
            self.index.remove(&key);
        }
        for column in &mut self.states {
            if let Some(state) = column.states.get_mut(group) {
                *state = State::default();
            }
        }
        self.free.push(group);
    }

    /// The group of each row.
    fn assign(&mut self, rows: &RecordBatch) -> Result<Vec<usize>, ArrowError> {
        let Some(converter) = self.converter.as_mut() else {
            let group = self.group_of(Vec::new());
            return Ok(vec![group; rows.num_rows()]);
        };
        let keys: Vec<ArrayRef> = rows.columns().iter().take(self.keys).map(normal_zero).collect::<Result<_, _>>()?;
        let encoded = converter.convert_columns(&keys)?;
        Ok(encoded
            .iter()
            .map(|row| match self.index.get(row.data()) {
                Some(group) => *group,
                None => self.group_of(row.data().to_vec()),
            })
            .collect())
    }

    fn add(&mut self, updates: &Updates, groups: &[usize]) -> Result<(), ArrowError> {
        for (row, &group) in groups.iter().enumerate() {
            if let Some(weight) = self.weights.get_mut(group) {
                *weight += updates.diff(row);
            }
        }
        for (column, argument) in self.states.iter_mut().zip(updates.rows.columns().iter().skip(self.keys)) {
            column.add(argument, updates, groups)?;
        }
        Ok(())
    }

    /// Rows of some groups as they stand.
    fn rows(&self, groups: &[usize]) -> Result<RecordBatch, ArrowError> {
        let mut columns = match &self.converter {
            None => Vec::new(),
            Some(converter) => {
                let parser = converter.parser();
                converter.convert_rows(groups.iter().filter_map(|&g| self.encoded.get(g)).map(|key| parser.parse(key)))?
            }
        };
        for column in &self.states {
            columns.push(column.values_of(groups)?);
        }
        let columns: Vec<ArrayRef> =
            columns.iter().zip(self.schema.fields()).map(|(c, f)| cast(c, f.data_type())).collect::<Result<_, _>>()?;
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &RecordBatchOptions::new().with_row_count(Some(groups.len())))
    }

    /// Retractions of rows before, insertions of rows after, without those that are in both.
    fn difference(&self, before: RecordBatch, after: RecordBatch) -> Result<Option<Updates>, ArrowError> {
        if before.num_rows() == 0 && after.num_rows() == 0 {
            return Ok(None);
        }
        if before.num_rows() == 0 {
            return Ok(Some(Updates::insertions(after)));
        }
        let fields = self.schema.fields().iter().map(|f| SortField::new(f.data_type().clone())).collect();
        let converter = RowConverter::new(fields)?;
        let (old, new) = (converter.convert_columns(before.columns())?, converter.convert_columns(after.columns())?);
        let old_rows: std::collections::HashSet<&[u8]> = old.iter().map(|r| r.data()).collect();
        let new_rows: std::collections::HashSet<&[u8]> = new.iter().map(|r| r.data()).collect();
        let gone: arrow::array::BooleanArray = old.iter().map(|r| Some(!new_rows.contains(r.data()))).collect();
        let come: arrow::array::BooleanArray = new.iter().map(|r| Some(!old_rows.contains(r.data()))).collect();
        let gone = arrow::compute::filter_record_batch(&before, &gone)?;
        let come = arrow::compute::filter_record_batch(&after, &come)?;
        let diffs: Int64Array = std::iter::repeat_n(-1, gone.num_rows()).chain(std::iter::repeat_n(1, come.num_rows())).collect();
        let rows = arrow::compute::concat_batches(&self.schema, [&gone, &come])?;
        Ok(Some(Updates::changes(rows, diffs)).filter(|u| u.rows.num_rows() > 0))
    }
}

impl Keeper for Groups {
    fn epoch(&mut self, epoch: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        let Some((key, closing, watermarks)) = self.closes.clone() else { return self.work_through(batches) };
        let before = epoch.checked_sub(1).and_then(|e| watermarks.at(&closing.tables, e));
        let in_time: Vec<Updates> = batches.iter().map(|u| self.in_time(u, key, &closing, before)).collect::<Result<_, _>>()?;
        let changed = self.work_through(&in_time)?;
        if let Some(now) = watermarks.at(&closing.tables, epoch) {
            self.let_go(now);
        }
        Ok(changed)
    }

    fn late(&mut self) -> Vec<Updates> {
        std::mem::take(&mut self.late)
    }

    fn begins_with_rows(&self) -> bool {
        self.global_new
    }
}

/// Minus zero and zero are one group.
pub fn normal_zero(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match column.data_type() {
        DataType::Float64 => {
            std::sync::Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(|v| if v == 0.0 { 0.0 } else { v }))
        }
        DataType::Float32 => {
            use arrow::datatypes::Float32Type;
            std::sync::Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float32Type>(|v| if v == 0.0 { 0.0 } else { v }))
        }
        _ => column.clone(),
    })
}

impl Column {
    fn add(&mut self, argument: &ArrayRef, updates: &Updates, groups: &[usize]) -> Result<(), ArrowError> {
        if let Some(converter) = self.values.as_mut() {
            let encoded = converter.convert_columns(std::slice::from_ref(argument))?;
            for (row, &group) in groups.iter().enumerate().filter(|(row, _)| argument.is_valid(*row)) {
                if let Some(state) = self.states.get_mut(group) {
                    state.keep(encoded.row(row).data(), updates.diff(row));
                    if self.append_only && !self.distinct {
                        state.keep_best(self.function == Function::Min);
                    }
                }
            }
            return Ok(());
        }
        match self.function {
            Function::Count => self.each(argument, updates, groups, |state, _, diff| state.count += diff),
            _ if self.is_float() => {
                let values = cast(argument, &DataType::Float64)?;
                let values = values.as_primitive::<Float64Type>();
                self.each(argument, updates, groups, |state, row, diff| state.add_float(values.value(row), diff));
            }
            _ => {
                let values = integers(argument)?;
                self.each(argument, updates, groups, |state, row, diff| {
                    state.count += diff;
                    state.integer = state.integer.wrapping_add(values.get(row).copied().unwrap_or_default().wrapping_mul(i128::from(diff)));
                });
            }
        }
        Ok(())
    }

    fn is_float(&self) -> bool {
        self.input.is_floating()
    }

    fn each(&mut self, argument: &ArrayRef, updates: &Updates, groups: &[usize], mut change: impl FnMut(&mut State, usize, i64)) {
        for (row, &group) in groups.iter().enumerate().filter(|(row, _)| argument.is_valid(*row)) {
            if let Some(state) = self.states.get_mut(group) {
                change(state, row, updates.diff(row));
            }
        }
    }

    fn values_of(&self, groups: &[usize]) -> Result<ArrayRef, ArrowError> {
        let states = || groups.iter().filter_map(|&g| self.states.get(g));
        match (self.function, &self.values) {
            (Function::Min | Function::Max, Some(converter)) => {
                let parser = converter.parser();
                let best = |s: &State| {
                    if self.function == Function::Min { s.values.first_key_value() } else { s.values.last_key_value() }
                        .map(|(k, _)| k.clone())
                };
                let each: Vec<ArrayRef> = states()
                    .map(|s| match best(s) {
                        Some(bytes) => converter.convert_rows([parser.parse(&bytes)]).map(|c| c.into_iter().next()),
                        None => Ok(None),
                    })
                    .map(|c| Ok(c?.unwrap_or_else(|| arrow::array::new_null_array(&self.input, 1))))
                    .collect::<Result<_, ArrowError>>()?;
                match each.is_empty() {
                    true => Ok(arrow::array::new_empty_array(&self.input)),
                    false => concat(&each.iter().map(|a| a.as_ref()).collect::<Vec<_>>()),
                }
            }
            (function, Some(converter)) => {
                let folded: Vec<State> = states().map(|s| self.fold(s, converter)).collect::<Result<_, _>>()?;
                self.finish(function, folded.iter())
            }
            (function, None) => self.finish(function, states()),
        }
    }

    /// The state over distinct values.
    fn fold(&self, state: &State, converter: &RowConverter) -> Result<State, ArrowError> {
        let mut out = State::default();
        let parser = converter.parser();
        let values = converter.convert_rows(state.values.keys().map(|k| parser.parse(k)))?;
        let Some(values) = values.first() else { return Ok(out) };
        if self.function == Function::Count {
            out.count = values.len() as i64;
        } else if self.is_float() {
            let values = cast(values, &DataType::Float64)?;
            values.as_primitive::<Float64Type>().iter().flatten().for_each(|v| out.add_float(v, 1));
        } else {
            out.count = values.len() as i64;
            out.integer = integers(values)?.into_iter().fold(0, i128::wrapping_add);
        }
        Ok(out)
    }

    fn finish<'a>(&self, function: Function, states: impl Iterator<Item = &'a State>) -> Result<ArrayRef, ArrowError> {
        use std::sync::Arc;
        let array: ArrayRef = match (function, &self.output) {
            (Function::Count, _) => Arc::new(Int64Array::from_iter_values(states.map(|s| s.count))),
            (Function::Sum, DataType::Decimal128(p, s)) => {
                Arc::new(states.map(|s| (s.count > 0).then_some(s.integer)).collect::<Decimal128Array>().with_precision_and_scale(*p, *s)?)
            }
            (Function::Avg, DataType::Decimal128(p, scale)) => {
                let from = if let DataType::Decimal128(_, s) = self.input { s } else { 0 };
                let up = 10i128.pow((i32::from(*scale) - i32::from(from)).clamp(0, 38) as u32);
                let mean = |s: &State| (s.count > 0).then(|| s.integer.wrapping_mul(up) / i128::from(s.count));
                Arc::new(states.map(mean).collect::<Decimal128Array>().with_precision_and_scale(*p, *scale)?)
            }
            (Function::Sum, DataType::UInt64) => {
                Arc::new(states.map(|s| (s.count > 0).then_some(s.integer as u64)).collect::<UInt64Array>())
            }
            (Function::Sum, DataType::Int64) => Arc::new(states.map(|s| (s.count > 0).then_some(s.integer as i64)).collect::<Int64Array>()),
            (Function::Avg, _) if self.is_float() => {
                Arc::new(states.map(|s| (s.count > 0).then(|| s.float_sum() / s.count as f64)).collect::<Float64Array>())
            }
            (Function::Avg, _) => {
                Arc::new(states.map(|s| (s.count > 0).then(|| s.integer as f64 / s.count as f64)).collect::<Float64Array>())
            }
            (_, _) => Arc::new(states.map(|s| (s.count > 0).then(|| s.float_sum())).collect::<Float64Array>()),
        };
        cast(&array, &self.output)
    }
}

/// The values of an exact column: integers, the digits of decimals.
fn integers(column: &ArrayRef) -> Result<Vec<i128>, ArrowError> {
    Ok(match column.data_type() {
        DataType::Decimal128(..) => column.as_primitive::<Decimal128Type>().values().to_vec(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().values().iter().map(|v| i128::from(*v)).collect(),
        _ => cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().values().iter().map(|v| i128::from(*v)).collect(),
    })
}

impl State {
    fn add_float(&mut self, value: f64, diff: i64) {
        self.count += diff;
        if !value.is_finite() {
            let kind = if value.is_nan() {
                0
            } else if value > 0.0 {
                1
            } else {
                2
            };
            self.special[kind] += diff;
            return;
        }
        let value = value * diff as f64;
        let sum = self.float.0 + value;
        self.float.1 += if self.float.0.abs() >= value.abs() { (self.float.0 - sum) + value } else { (value - sum) + self.float.0 };
        self.float.0 = sum;
        if self.count == 0 {
            self.float = (0.0, 0.0);
        }
    }

    fn float_sum(&self) -> f64 {
        match self.special {
            [0, 0, 0] => self.float.0 + self.float.1,
            [0, up, 0] if up > 0 => f64::INFINITY,
            [0, 0, down] if down > 0 => f64::NEG_INFINITY,
            _ => f64::NAN,
        }
    }

    fn keep(&mut self, value: &[u8], diff: i64) {
        match self.values.get_mut(value) {
            Some(count) => {
                *count += diff;
                if *count == 0 {
                    self.values.remove(value);
                }
            }
            None => {
                self.values.insert(value.to_vec(), diff);
            }
        }
    }

    /// Where rows are never taken away only the best value counts.
    fn keep_best(&mut self, least: bool) {
        while self.values.len() > 1 {
            let _ = if least { self.values.pop_last() } else { self.values.pop_first() };
        }
    }
}
