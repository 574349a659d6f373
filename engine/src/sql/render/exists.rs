//! Whether a stream has any row: one row without columns while it has. For joins and subqueries without keys.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;

use super::Changes;
use super::close::{Keeper, at_close};
use super::rows::batch;
use crate::flow::exchange::exchange_by;
use crate::flow::updates::Updates;

/// The number of rows that are there.
struct Any(i64);

impl Keeper for Any {
    fn epoch(&mut self, _: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        let before = self.0 > 0;
        self.0 += batches.iter().flat_map(|u| (0..u.rows.num_rows()).map(|row| u.diff(row))).sum::<i64>();
        let diff = i64::from(self.0 > 0) - i64::from(before);
        Ok((diff != 0).then(|| Updates::changes(one_row(), vec![diff].into())))
    }
}

fn one_row() -> RecordBatch {
    let schema = Arc::new(Schema::empty());
    batch(schema.clone(), Vec::new(), 1).unwrap_or_else(|_| RecordBatch::new_empty(schema))
}

/// One row while the stream has any.
pub fn any<'s>(input: Changes<'s>, view: &str) -> Changes<'s> {
    let input = if input.scope().worker().peers() > 1 { exchange_by(input, Vec::new()) } else { input };
    at_close(input, "any", view, Some(Any(0))).0
}
