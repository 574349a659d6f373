//! Lists: where each ends, and one column of all their values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, GenericListArray, OffsetSizeTrait};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::FieldRef;

use super::column::{Column, column};
use super::cursor::Cursor;
use super::nulls::Nulls;

/// A column of lists.
pub struct List<O> {
    field: FieldRef,
    offsets: Vec<O>,
    held: usize,
    values: Box<dyn Column>,
    nulls: Nulls,
}

impl<O: OffsetSizeTrait> List<O> {
    /// No lists yet; none when their values are of a type that is left to arrow-json.
    pub fn new(field: &FieldRef) -> Option<Self> {
        let values = column(field.data_type())?;
        Some(List { field: field.clone(), offsets: vec![O::zero()], held: 0, values, nulls: Nulls::default() })
    }

    fn end(&mut self) -> Option<()> {
        self.offsets.push(O::from_usize(self.held)?);
        Some(())
    }
}

impl<O: OffsetSizeTrait> Column for List<O> {
    fn value(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        if cursor.peek()? != b'[' {
            cursor.literal(b"null")?;
            return self.null();
        }
        cursor.skip(1);
        cursor.space();
        if cursor.peek()? == b']' {
            cursor.skip(1);
            return self.end();
        }
        loop {
            self.values.value(cursor)?;
            self.held += 1;
            cursor.space();
            match cursor.take()? {
                b',' => cursor.space(),
                b']' => return self.end(),
                _ => return None,
            }
        }
    }

    fn null(&mut self) -> Option<()> {
        self.nulls.add(self.offsets.len() - 1);
        self.end()
    }

    fn finish(&mut self, rows_next: usize) -> Option<ArrayRef> {
        let rows = self.offsets.len() - 1;
        let offsets = std::mem::replace(&mut self.offsets, Vec::with_capacity(rows_next + 1));
        self.offsets.push(O::zero());
        let values = self.values.finish(std::mem::take(&mut self.held))?;
        debug_assert_eq!(values.len(), offsets.last().map_or(0, |o| o.as_usize()));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let array = GenericListArray::<O>::try_new(self.field.clone(), offsets, values, self.nulls.finish(rows)).ok()?;
        Some(Arc::new(array))
    }
}
