//! Rows by the watermark that closes them: what waits to be given, or to be let go of.
//!
//! What came and went of the rows that are closed together is put together when it has become more than what is left, so that a
//! row that is replaced again and again is not held again and again. Rows without a time are closed by the end.

use std::collections::BTreeMap;

use arrow::array::{Array, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::Pieces;
use crate::flow::gather::merge;
use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;
use crate::sql::arrange::{from_diffs, with_diffs};
use crate::sql::closing::Closing;
use crate::sql::snapshot::Size;
use crate::sql::watermark::END;

/// Rows that are held as they come before they are put together for the first time.
const ROWS_MIN: usize = 1_024;

/// Rows by the watermark that closes them.
pub struct ByClosing {
    column: usize,
    closing: Closing,
    schema: SchemaRef,
    rows: BTreeMap<i64, Together>,
}

/// Rows that are closed together.
#[derive(Default)]
struct Together {
    parts: Vec<Updates>,
    rows: usize,
    /// Rows at which they are put together next.
    room: usize,
}

impl ByClosing {
    /// No rows yet; `column` says what closes them.
    pub fn new(column: usize, closing: Closing, schema: SchemaRef) -> Self {
        ByClosing { column, closing, schema, rows: BTreeMap::new() }
    }

    /// Rows, apart by the watermark that closes them.
    ///
    /// # Errors
    /// When the column holds no times.
    pub fn parts(&self, updates: &Updates) -> Result<Vec<(i64, Updates)>, ArrowError> {
        by_closing(updates, self.column, &self.closing)
    }

    /// Holds rows that a watermark closes together.
    ///
    /// # Errors
    /// When they are of other columns.
    pub fn add(&mut self, closes: i64, part: Updates) -> Result<(), ArrowError> {
        let held = self.rows.entry(closes).or_default();
        held.rows += part.rows.num_rows();
        held.parts.push(part);
        if held.rows > held.room.max(ROWS_MIN) {
            let left = merge(&held.parts, &self.schema)?;
            held.rows = left.rows.num_rows();
            held.room = 2 * held.rows;
            held.parts = vec![left];
        }
        Ok(())
    }

    /// Takes out what a watermark closes.
    pub fn closed(&mut self, watermark: i64) -> Vec<Updates> {
        let open = match watermark {
            END => BTreeMap::new(),
            watermark => self.rows.split_off(&watermark.saturating_add(1)),
        };
        std::mem::replace(&mut self.rows, open).into_values().flat_map(|held| held.parts).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Updates> {
        self.rows.values().flat_map(|held| &held.parts)
    }

    /// Hands over all rows, as `restore` takes them.
    ///
    /// # Errors
    /// When they cannot be written as columns, or are not taken.
    pub fn save<E: From<ArrowError>>(&self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        let mut pieces = Pieces::default();
        for updates in self.all() {
            let diffs = (0..updates.rows.num_rows()).map(|row| updates.diff(row)).collect();
            pieces.add(&with_diffs(&updates.rows, diffs)?, out)?;
        }
        pieces.end(out)
    }

    /// Takes in rows that were saved.
    ///
    /// # Errors
    /// When they are not of its columns.
    pub fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        self.parts(&from_diffs(rows)?)?.into_iter().try_for_each(|(closes, part)| self.add(closes, part))
    }

    /// How much it holds.
    pub fn size(&self) -> Size {
        let bytes = |u: &Updates| u.rows.columns().iter().map(|c| c.to_data().get_slice_memory_size().unwrap_or(0) as u64).sum::<u64>();
        Size { rows: self.all().map(|u| u.rows.num_rows() as u64).sum(), bytes: self.all().map(bytes).sum() }
    }
}

/// Rows by the watermark that closes them; rows without a time are closed by the end.
fn by_closing(updates: &Updates, column: usize, closing: &Closing) -> Result<Vec<(i64, Updates)>, ArrowError> {
    let times = updates.rows.columns().get(column).and_then(|c| closing.times(c));
    let times = times.ok_or_else(|| ArrowError::SchemaError("a closing column holds no times".into()))?;
    let mut order: Vec<(i64, u32)> =
        (0..times.len()).map(|row| (if times.is_valid(row) { times.value(row) } else { END }, row as u32)).collect();
    order.sort_unstable();
    let parts = order.chunk_by(|a, b| a.0 == b.0);
    parts
        .map(|part| {
            let rows = take_rows(&updates.rows, &UInt32Array::from_iter_values(part.iter().map(|p| p.1)))?;
            let diffs = updates.diffs.as_ref().map(|d| part.iter().map(|p| d.value(p.1 as usize)).collect::<Int64Array>());
            Ok((part.first().map_or(END, |p| p.0), Updates { rows, diffs }))
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, TimestampMicrosecondArray};

    use super::*;

    /// A row that is replaced again and again is not held again and again.
    #[test]
    fn what_went_is_not_held() {
        let row = |t: i64| RecordBatch::try_from_iter([("t", Arc::new(TimestampMicrosecondArray::from(vec![t])) as ArrayRef)]).unwrap();
        let mut held = ByClosing::new(0, Closing::of_table("t"), row(0).schema());
        held.add(7, Updates::insertions(row(0))).unwrap();
        for t in 0..10_000 {
            held.add(7, Updates::changes(row(t), vec![-1].into())).unwrap();
            held.add(7, Updates::insertions(row(t + 1))).unwrap();
            assert!(held.size().rows <= ROWS_MIN as u64 + 1);
        }
        assert!(held.closed(6).is_empty());
        let left = merge(&held.closed(7), &row(0).schema()).unwrap();
        assert_eq!((left.rows, left.diffs.map_or(1, |d| d.value(0)), held.size().rows), (row(10_000), 1, 0));
    }
}
