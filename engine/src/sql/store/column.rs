//! One column of values by slot. Values of a fixed width lie side by side, texts in a buffer of bytes, all else as arrow's row
//! encoding. Values of a batch are made ready once (`Incoming`), then compared and taken over without a look at their type.
//!
//! Values are equal when their bits are: minus zero is not zero, and a NaN is itself.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, BinaryArray, BooleanArray, StringArray, StructArray, make_array, new_null_array};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};

use super::spans::Spans;

/// A column.
pub struct Column {
    kind: DataType,
    values: Values,
    /// Whether each slot is null; empty as long as none ever was.
    nulls: Vec<bool>,
}

enum Values {
    Eight(Vec<u64>),
    Four(Vec<u32>),
    Narrow(usize, Vec<u8>),
    Text(Spans),
    Struct(Vec<Column>),
    Encoded(RowConverter, Spans),
    Nothing,
}

/// Values of 32 or 64 bits.
pub enum Words<'a> {
    Eight(&'a [u64]),
    Four(&'a [u32]),
}

/// The values of a batch, ready to be compared and taken over.
pub struct Incoming {
    values: Read,
    nulls: Option<NullBuffer>,
}

enum Read {
    Eight(ScalarBuffer<u64>),
    Four(ScalarBuffer<u32>),
    Narrow(Buffer),
    Text(OffsetBuffer<i32>, Buffer),
    Struct(Vec<Incoming>),
    Encoded(Rows),
    Nothing,
}

impl Incoming {
    /// The values, where each is 32 or 64 bits.
    pub fn words(&self) -> Option<Words<'_>> {
        match &self.values {
            Read::Eight(words) => Some(Words::Eight(words)),
            Read::Four(words) => Some(Words::Four(words)),
            _ => None,
        }
    }

    /// Whether any row is null.
    pub fn has_nulls(&self) -> bool {
        self.nulls.is_some()
    }

    /// Whether a row is null.
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|n| n.is_null(row))
    }
}

impl Column {
    /// Whether its values are 32 or 64 bits each.
    pub fn is_words(&self) -> bool {
        matches!(self.values, Values::Eight(_) | Values::Four(_))
    }

    /// An empty column of a type.
    ///
    /// # Errors
    /// When the type has no row encoding.
    pub fn new(kind: &DataType) -> Result<Self, ArrowError> {
        let values = match kind {
            DataType::Null => Values::Nothing,
            DataType::Boolean => Values::Narrow(1, Vec::new()),
            DataType::Utf8 | DataType::Binary => Values::Text(Spans::default()),
            DataType::Struct(fields) => Values::Struct(fields.iter().map(|f| Column::new(f.data_type())).collect::<Result<_, _>>()?),
            _ => match width(kind) {
                Some(8) => Values::Eight(Vec::new()),
                Some(4) => Values::Four(Vec::new()),
                Some(width) => Values::Narrow(width, Vec::new()),
                None => Values::Encoded(RowConverter::new(vec![SortField::new(kind.clone())])?, Spans::default()),
            },
        };
        Ok(Column { kind: kind.clone(), values, nulls: Vec::new() })
    }

    /// Makes the values of a batch ready.
    ///
    /// # Errors
    /// When they are of another type.
    pub fn incoming(&self, array: &ArrayRef) -> Result<Incoming, ArrowError> {
        if array.data_type() != &self.kind {
            return Err(ArrowError::SchemaError(format!("a column of {} is given {}", self.kind, array.data_type())));
        }
        let data = array.to_data();
        let (offset, len) = (data.offset(), data.len());
        let buffer = || data.buffers().first().cloned().unwrap_or_default();
        let values = match &self.values {
            Values::Nothing => Read::Nothing,
            Values::Eight(_) => Read::Eight(ScalarBuffer::new(buffer(), offset, len)),
            Values::Four(_) => Read::Four(ScalarBuffer::new(buffer(), offset, len)),
            Values::Narrow(_, _) if self.kind == DataType::Boolean => {
                Read::Narrow(array.as_boolean().values().iter().map(u8::from).collect::<Vec<u8>>().into())
            }
            Values::Narrow(width, _) => Read::Narrow(buffer().slice_with_length(offset * width, len * width)),
            Values::Text(_) => match &self.kind {
                DataType::Utf8 => Read::Text(array.as_string::<i32>().offsets().clone(), array.as_string::<i32>().values().clone()),
                _ => Read::Text(array.as_binary::<i32>().offsets().clone(), array.as_binary::<i32>().values().clone()),
            },
            Values::Struct(fields) => {
                let columns = array.as_struct().columns();
                Read::Struct(fields.iter().zip(columns).map(|(f, c)| f.incoming(c)).collect::<Result<_, _>>()?)
            }
            Values::Encoded(rows, _) => Read::Encoded(rows.convert_columns(std::slice::from_ref(array))?),
        };
        Ok(Incoming { values, nulls: array.nulls().filter(|n| n.null_count() > 0).cloned() })
    }

    /// Makes room for so many slots.
    pub fn grow(&mut self, slots: usize) {
        match &mut self.values {
            Values::Eight(values) => values.resize(slots, 0),
            Values::Four(values) => values.resize(slots, 0),
            Values::Narrow(width, values) => values.resize(slots * *width, 0),
            Values::Text(spans) | Values::Encoded(_, spans) => spans.grow(slots),
            Values::Struct(fields) => fields.iter_mut().for_each(|f| f.grow(slots)),
            Values::Nothing => {}
        }
        if !self.nulls.is_empty() {
            self.nulls.resize(slots, false);
        }
    }

    /// Takes rows of a batch over into slots that there is room for.
    pub fn put(&mut self, incoming: &Incoming, rows: &[u32], slots: &[u32], room: usize) {
        let places = || rows.iter().map(|r| *r as usize).zip(slots);
        match (&mut self.values, &incoming.values) {
            (Values::Eight(to), Read::Eight(from)) => copy(to, from, places()),
            (Values::Four(to), Read::Four(from)) => copy(to, from, places()),
            (Values::Narrow(width, to), Read::Narrow(from)) => {
                for (row, slot) in places() {
                    let to = to.get_mut(*slot as usize * *width..(*slot as usize + 1) * *width);
                    if let (Some(to), Some(from)) = (to, from.get(row * *width..(row + 1) * *width)) {
                        to.copy_from_slice(from);
                    }
                }
            }
            (Values::Text(to), Read::Text(offsets, bytes)) => places().for_each(|(row, slot)| to.put(*slot, text(offsets, bytes, row))),
            (Values::Encoded(_, to), Read::Encoded(from)) => places().for_each(|(row, slot)| to.put(*slot, from.row(row).data())),
            (Values::Struct(to), Read::Struct(from)) => to.iter_mut().zip(from).for_each(|(to, from)| to.put(from, rows, slots, room)),
            _ => {}
        }
        if incoming.nulls.is_some() && self.nulls.is_empty() {
            self.nulls.resize(room, false);
        }
        if !self.nulls.is_empty() {
            for (row, slot) in places() {
                let null = incoming.nulls.as_ref().is_some_and(|n| n.is_null(row));
                self.nulls.get_mut(*slot as usize).into_iter().for_each(|own| *own = null);
                // What a null hides is nothing: kernels look at it, and might overflow on it.
                match &mut self.values {
                    Values::Eight(values) if null => values.get_mut(*slot as usize).into_iter().for_each(|v| *v = 0),
                    Values::Four(values) if null => values.get_mut(*slot as usize).into_iter().for_each(|v| *v = 0),
                    _ => {}
                }
            }
        }
    }

    /// Whether the value of a slot is that of a row.
    pub fn equal(&self, slot: u32, incoming: &Incoming, row: usize) -> bool {
        let at = slot as usize;
        let null = incoming.nulls.as_ref().is_some_and(|n| n.is_null(row));
        let is_null = self.nulls.get(at).copied().unwrap_or(false);
        if null || is_null {
            return null && is_null;
        }
        match (&self.values, &incoming.values) {
            (Values::Eight(own), Read::Eight(other)) => own.get(at) == other.get(row),
            (Values::Four(own), Read::Four(other)) => own.get(at) == other.get(row),
            (Values::Narrow(width, own), Read::Narrow(other)) => {
                own.get(at * width..(at + 1) * width) == other.get(row * width..(row + 1) * width)
            }
            (Values::Text(own), Read::Text(offsets, bytes)) => own.get(slot) == text(offsets, bytes, row),
            (Values::Encoded(_, own), Read::Encoded(other)) => own.get(slot) == other.row(row).data(),
            (Values::Struct(own), Read::Struct(other)) => own.iter().zip(other).all(|(own, other)| own.equal(slot, other, row)),
            (Values::Nothing, Read::Nothing) => true,
            _ => false,
        }
    }

    /// Leaves those places marked where the value of a slot is that of the row beside it. A column at a time, for slots lie
    /// anywhere: so one wait for memory does not wait for the other.
    pub fn keep_equal(&self, slots: &[u32], incoming: &Incoming, rows: &[u32], same: &mut [bool]) {
        let plain = self.nulls.is_empty() && incoming.nulls.is_none();
        let places = same.iter_mut().zip(slots.iter().zip(rows));
        match (&self.values, &incoming.values) {
            (Values::Eight(own), Read::Eight(other)) if plain => {
                places.for_each(|(same, (slot, row))| *same &= own.get(*slot as usize) == other.get(*row as usize));
            }
            (Values::Four(own), Read::Four(other)) if plain => {
                places.for_each(|(same, (slot, row))| *same &= own.get(*slot as usize) == other.get(*row as usize));
            }
            _ => places.for_each(|(same, (slot, row))| *same = *same && self.equal(*slot, incoming, *row as usize)),
        }
    }

    /// Lets the bytes of a slot go.
    pub fn clear(&mut self, slot: u32) {
        match &mut self.values {
            Values::Text(spans) | Values::Encoded(_, spans) => spans.clear(slot),
            Values::Struct(fields) => fields.iter_mut().for_each(|f| f.clear(slot)),
            _ => {}
        }
    }

    /// The values of some slots; those of the slot that is none are null.
    ///
    /// # Errors
    /// When they are not of the type, which is a defect.
    pub fn take(&self, slots: &[u32]) -> Result<ArrayRef, ArrowError> {
        let nulls = self.nulls_of(slots);
        let fixed = |buffer: Buffer| -> Result<ArrayRef, ArrowError> {
            let data = ArrayData::builder(self.kind.clone()).len(slots.len()).nulls(nulls.clone()).add_buffer(buffer);
            Ok(make_array(data.build()?))
        };
        match &self.values {
            Values::Nothing => Ok(new_null_array(&DataType::Null, slots.len())),
            Values::Eight(values) => fixed(Buffer::from_vec(picked(values, slots))),
            Values::Four(values) => fixed(Buffer::from_vec(picked(values, slots))),
            Values::Narrow(_, values) if self.kind == DataType::Boolean => {
                let bits = BooleanBuffer::collect_bool(slots.len(), |i| {
                    slots.get(i).and_then(|s| values.get(*s as usize)).is_some_and(|v| *v != 0)
                });
                Ok(Arc::new(BooleanArray::new(bits, nulls)))
            }
            Values::Narrow(width, values) => {
                // Aligned for any type, which a vector of bytes need not be.
                let mut out = MutableBuffer::with_capacity(slots.len() * width);
                for slot in slots {
                    match values.get(*slot as usize * width..(*slot as usize + 1) * width) {
                        Some(value) => out.extend_from_slice(value),
                        None => out.extend_zeros(*width),
                    }
                }
                fixed(out.into())
            }
            Values::Text(spans) => {
                let lengths = slots.iter().map(|s| spans.get(*s).len());
                if lengths.clone().sum::<usize>() > i32::MAX as usize {
                    return Err(ArrowError::OffsetOverflowError(i32::MAX as usize));
                }
                let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
                let mut bytes = Vec::with_capacity(offsets.last().map_or(0, |o| *o as usize));
                slots.iter().for_each(|s| bytes.extend_from_slice(spans.get(*s)));
                match &self.kind {
                    DataType::Utf8 => Ok(Arc::new(StringArray::try_new(offsets, bytes.into(), nulls)?)),
                    _ => Ok(Arc::new(BinaryArray::try_new(offsets, bytes.into(), nulls)?)),
                }
            }
            Values::Struct(columns) => {
                let DataType::Struct(fields) = &self.kind else { return Err(ArrowError::SchemaError("no struct".into())) };
                let arrays = columns.iter().map(|c| c.take(slots)).collect::<Result<Vec<_>, _>>()?;
                let whole = StructArray::try_new_with_length(fields.clone(), arrays, nulls, slots.len())?;
                Ok(Arc::new(whole))
            }
            Values::Encoded(rows, spans) => self.decoded(rows, spans, slots),
        }
    }

    fn decoded(&self, rows: &RowConverter, spans: &Spans, slots: &[u32]) -> Result<ArrayRef, ArrowError> {
        let null = rows.convert_columns(&[new_null_array(&self.kind, 1)])?;
        let (null, parser) = (null.row(0), rows.parser());
        // A slot without a row has no bytes, which are no encoding.
        let bytes = |slot: &u32| Some(spans.get(*slot)).filter(|b| !b.is_empty()).unwrap_or(null.data());
        let columns = rows.convert_rows(slots.iter().map(|s| parser.parse(bytes(s))))?;
        let column = columns.into_iter().next().ok_or_else(|| ArrowError::ComputeError("no values".into()))?;
        // Rows do not keep dictionaries.
        if *column.data_type() == self.kind { Ok(column) } else { cast(&column, &self.kind) }
    }

    fn nulls_of(&self, slots: &[u32]) -> Option<NullBuffer> {
        let missing = slots.contains(&super::NOWHERE);
        if self.nulls.is_empty() && !missing {
            return None;
        }
        let valid = |i: usize| slots.get(i).is_some_and(|s| *s != super::NOWHERE && !self.nulls.get(*s as usize).copied().unwrap_or(false));
        Some(NullBuffer::new(BooleanBuffer::collect_bool(slots.len(), valid))).filter(|n| n.null_count() > 0)
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        let values = match &self.values {
            Values::Eight(values) => values.len() * 8,
            Values::Four(values) => values.len() * 4,
            Values::Narrow(_, values) => values.len(),
            Values::Text(spans) | Values::Encoded(_, spans) => spans.bytes(),
            Values::Struct(fields) => fields.iter().map(Column::bytes).sum(),
            Values::Nothing => 0,
        };
        values + self.nulls.len()
    }
}

/// Bytes of a value that is kept as it is. Intervals are left to the row encoding: theirs need not be aligned as a number is.
fn width(kind: &DataType) -> Option<usize> {
    match kind {
        DataType::Interval(_) => None,
        kind => kind.primitive_width(),
    }
}

fn copy<'a, T: Copy>(to: &mut [T], from: &[T], places: impl Iterator<Item = (usize, &'a u32)>) {
    for (row, slot) in places {
        if let (Some(to), Some(from)) = (to.get_mut(*slot as usize), from.get(row)) {
            *to = *from;
        }
    }
}

fn picked<T: Copy + Default>(values: &[T], slots: &[u32]) -> Vec<T> {
    match super::run_of(slots).and_then(|run| values.get(run)) {
        Some(run) => run.to_vec(),
        None => slots.iter().map(|s| values.get(*s as usize).copied().unwrap_or_default()).collect(),
    }
}

fn text<'a>(offsets: &[i32], bytes: &'a [u8], row: usize) -> &'a [u8] {
    match (offsets.get(row), offsets.get(row + 1)) {
        (Some(from), Some(to)) => bytes.get(*from as usize..*to as usize).unwrap_or_default(),
        _ => &[],
    }
}
