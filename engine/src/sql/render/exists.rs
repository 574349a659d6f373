//! Whether a stream has any row: one row without columns while it has. For joins and subqueries without keys.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, Schema};
use arrow::error::ArrowError;

use super::Changes;
use super::close::{Keeper, Routing, at_close};
use super::rows::batch;
use crate::flow::exchange::exchange_by;
use crate::flow::updates::Updates;
use crate::sql::snapshot::{Place, Size};

/// The number of rows that are there.
struct Any(i64);

impl Keeper for Any {
    fn epoch(&mut self, _: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        let before = self.0 > 0;
        self.0 += batches.iter().flat_map(|u| (0..u.rows.num_rows()).map(|row| u.diff(row))).sum::<i64>();
        let diff = i64::from(self.0 > 0) - i64::from(before);
        Ok((diff != 0).then(|| Updates::changes(one_row(), vec![diff].into())))
    }

    fn save<E: From<ArrowError>>(&self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        let count: ArrayRef = Arc::new(Int64Array::from(vec![self.0]));
        if self.0 == 0 { Ok(()) } else { out(RecordBatch::try_from_iter([("rows", count)])?) }
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let counts = rows.columns().first().and_then(|c| c.as_primitive_opt::<Int64Type>());
        let counts = counts.ok_or_else(|| ArrowError::SchemaError("a saved count of rows is not there".into()))?;
        self.0 += counts.values().iter().sum::<i64>();
        Ok(())
    }

    fn routing(&self) -> Routing {
        Routing::ByKeys(0)
    }

    fn given(&self) -> Result<Option<Updates>, ArrowError> {
        Ok((self.0 > 0).then(|| Updates::insertions(one_row())))
    }

    fn size(&self) -> Size {
        Size { rows: 1, bytes: 8 }
    }
}

fn one_row() -> RecordBatch {
    let schema = Arc::new(Schema::empty());
    batch(schema.clone(), Vec::new(), 1).unwrap_or_else(|_| RecordBatch::new_empty(schema))
}

/// One row while the stream has any.
pub fn any<'s>(input: Changes<'s>, view: &str, at: &Place) -> Changes<'s> {
    let input = if input.scope().worker().peers() > 1 { exchange_by(input, Vec::new()) } else { input };
    at_close(input, "any", view, Some(Any(0)), at).0
}
