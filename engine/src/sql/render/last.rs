//! EMIT FINAL: rows are held back until the watermark has closed them, and then given once.

use std::collections::BTreeMap;

use arrow::array::{Array, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::close::{Keeper, Pieces, Routing, at_close};
use super::{Changes, Renderer};
use crate::flow::gather::merge;
use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;
use crate::sql::arrange::{from_diffs, with_diffs};
use crate::sql::closing::Closing;
use crate::sql::snapshot::Size;
use crate::sql::watermark::{END, Watermarks};

/// Rows by the watermark that closes them.
struct Held {
    column: usize,
    closing: Closing,
    watermarks: Watermarks,
    schema: SchemaRef,
    rows: BTreeMap<i64, Vec<Updates>>,
    late: Vec<Updates>,
}

impl Keeper for Held {
    fn epoch(&mut self, epoch: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        let before = self.closing.passed_before(&self.watermarks, epoch).unwrap_or(i64::MIN);
        let now = self.closing.passed(&self.watermarks, epoch).unwrap_or(i64::MIN);
        for updates in batches {
            for (closes, part) in by_closing(updates, self.column, &self.closing)? {
                if closes <= before {
                    self.late.push(part);
                } else {
                    self.rows.entry(closes).or_default().push(part);
                }
            }
        }
        let open = match now {
            END => BTreeMap::new(),
            now => self.rows.split_off(&now.saturating_add(1)),
        };
        let closed: Vec<Updates> = std::mem::replace(&mut self.rows, open).into_values().flatten().collect();
        if closed.is_empty() { Ok(None) } else { merge(&closed, &self.schema).map(|u| Some(u).filter(|u| u.rows.num_rows() > 0)) }
    }

    fn moved_by(&self) -> Option<(Watermarks, Vec<String>)> {
        Some((self.watermarks.clone(), self.closing.tables.clone()))
    }

    fn late(&mut self) -> Result<Option<Updates>, ArrowError> {
        Ok(self.late.pop())
    }

    fn save<E: From<ArrowError>>(&self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        let mut pieces = Pieces::default();
        for updates in self.rows.values().flatten() {
            let diffs = (0..updates.rows.num_rows()).map(|row| updates.diff(row)).collect();
            pieces.add(&with_diffs(&updates.rows, diffs)?, out)?;
        }
        pieces.end(out)
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        for (closes, part) in by_closing(&from_diffs(rows)?, self.column, &self.closing)? {
            self.rows.entry(closes).or_default().push(part);
        }
        Ok(())
    }

    fn routing(&self) -> Routing {
        Routing::Any
    }

    fn given(&self) -> Result<Option<Updates>, ArrowError> {
        Err(ArrowError::ComputeError("rows that were given once and for all are not kept".into()))
    }

    fn size(&self) -> Size {
        let all = || self.rows.values().flatten();
        let bytes = |u: &Updates| u.rows.columns().iter().map(|c| c.to_data().get_slice_memory_size().unwrap_or(0) as u64).sum::<u64>();
        Size { rows: all().map(|u| u.rows.num_rows() as u64).sum(), bytes: all().map(bytes).sum() }
    }
}

/// Rows by the watermark that closes them; rows without a time are closed by the end.
pub fn by_closing(updates: &Updates, column: usize, closing: &Closing) -> Result<Vec<(i64, Updates)>, ArrowError> {
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

impl<'s> Renderer<'s> {
    /// Holds rows back until they are closed.
    pub(super) fn last(&mut self, view: &str, input: Changes<'s>, column: usize, closing: &Closing, schema: SchemaRef) -> Changes<'s> {
        let held =
            Held { column, closing: closing.clone(), watermarks: self.watermarks.clone(), schema, rows: BTreeMap::new(), late: Vec::new() };
        let split = at_close(input, "final", view, Some(held), &self.place());
        self.keep_late(split)
    }
}
