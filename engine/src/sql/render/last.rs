//! EMIT FINAL: rows are held back until the watermark has closed them, and then given once.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::close::{ByClosing, Keeper, Routing, at_close};
use super::{Changes, Renderer};
use crate::flow::gather::merge;
use crate::flow::updates::Updates;
use crate::sql::closing::Closing;
use crate::sql::snapshot::Size;
use crate::sql::watermark::Watermarks;

/// Rows that are held back.
struct Held {
    rows: ByClosing,
    closing: Closing,
    watermarks: Watermarks,
    schema: SchemaRef,
    late: Vec<Updates>,
}

impl Keeper for Held {
    fn epoch(&mut self, epoch: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        let before = self.closing.passed_before(&self.watermarks, epoch).unwrap_or(i64::MIN);
        let now = self.closing.passed(&self.watermarks, epoch).unwrap_or(i64::MIN);
        for updates in batches {
            for (closes, part) in self.rows.parts(updates)? {
                if closes <= before {
                    self.late.push(part);
                } else {
                    self.rows.add(closes, part)?;
                }
            }
        }
        let closed = self.rows.closed(now);
        if closed.is_empty() { Ok(None) } else { merge(&closed, &self.schema).map(|u| Some(u).filter(|u| u.rows.num_rows() > 0)) }
    }

    fn moved_by(&self) -> Option<(Watermarks, Vec<String>)> {
        Some((self.watermarks.clone(), self.closing.tables.clone()))
    }

    fn late(&mut self) -> Result<Option<Updates>, ArrowError> {
        Ok(self.late.pop())
    }

    fn save<E: From<ArrowError>>(&self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        self.rows.save(out)
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        self.rows.restore(rows)
    }

    fn routing(&self) -> Routing {
        Routing::Any
    }

    fn given(&self) -> Result<Option<Updates>, ArrowError> {
        Err(ArrowError::ComputeError("rows that were given once and for all are not kept".into()))
    }

    fn size(&self) -> Size {
        self.rows.size()
    }
}

impl<'s> Renderer<'s> {
    /// Holds rows back until they are closed.
    pub(super) fn last(&mut self, view: &str, input: Changes<'s>, column: usize, closing: &Closing, schema: SchemaRef) -> Changes<'s> {
        let rows = ByClosing::new(column, closing.clone(), schema.clone());
        let held = Held { rows, closing: closing.clone(), watermarks: self.watermarks.clone(), schema, late: Vec::new() };
        let split = at_close(input, "final", view, Some(held), &self.place());
        self.keep_late(split)
    }
}
