//! Several columns by slot: the keys of groups, the rows of a side.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::column::{Column, Incoming as Values};

/// Columns.
pub struct Columns(Vec<Column>);

/// The rows of a batch, ready to be compared and taken over.
pub struct Incoming(Vec<Values>);

impl Incoming {
    /// The first column.
    pub fn first(&self) -> Option<&Values> {
        self.0.first()
    }
}

impl Columns {
    /// Empty columns of some types.
    ///
    /// # Errors
    /// When a type has no row encoding.
    pub fn new(types: &[DataType]) -> Result<Self, ArrowError> {
        Ok(Columns(types.iter().map(Column::new).collect::<Result<_, _>>()?))
    }

    /// Whether there is one column, of values of 32 or 64 bits.
    pub fn is_one_of_words(&self) -> bool {
        matches!(self.0.as_slice(), [one] if one.is_words())
    }

    /// Makes the rows of a batch ready.
    ///
    /// # Errors
    /// When they are of other types.
    pub fn incoming(&self, columns: &[ArrayRef]) -> Result<Incoming, ArrowError> {
        if columns.len() < self.0.len() {
            return Err(ArrowError::SchemaError(format!("{} columns are kept, {} are given", self.0.len(), columns.len())));
        }
        Ok(Incoming(self.0.iter().zip(columns).map(|(own, given)| own.incoming(given)).collect::<Result<_, _>>()?))
    }

    /// Makes room for so many slots.
    pub fn grow(&mut self, slots: usize) {
        self.0.iter_mut().for_each(|c| c.grow(slots));
    }

    /// Takes rows over into slots, of which there is room for so many.
    pub fn put(&mut self, incoming: &Incoming, rows: &[u32], slots: &[u32], room: usize) {
        self.0.iter_mut().zip(&incoming.0).for_each(|(own, given)| own.put(given, rows, slots, room));
    }

    /// Whether a slot holds a row.
    pub fn equal(&self, slot: u32, incoming: &Incoming, row: usize) -> bool {
        self.0.iter().zip(&incoming.0).all(|(own, given)| own.equal(slot, given, row))
    }

    /// Leaves those places marked where a slot holds the row beside it.
    pub fn keep_equal(&self, slots: &[u32], incoming: &Incoming, rows: &[u32], same: &mut [bool]) {
        self.0.iter().zip(&incoming.0).for_each(|(own, given)| own.keep_equal(slots, given, rows, same));
    }

    /// Lets what a slot holds go.
    pub fn clear(&mut self, slot: u32) {
        self.0.iter_mut().for_each(|c| c.clear(slot));
    }

    /// The rows of some slots; the slot that is none is a row of nulls.
    ///
    /// # Errors
    /// When values are not of their type, which is a defect.
    pub fn take(&self, slots: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        self.0.iter().map(|c| c.take(slots)).collect()
    }

    /// Bytes that they hold.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(Column::bytes).sum()
    }
}
