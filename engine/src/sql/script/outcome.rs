//! What came out of a run, summed up and put in order.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use datafusion::common::DFSchema;
use datafusion::logical_expr::SortExpr;

use super::job::Changes;
use crate::expression::physical;

/// The rows that all changes come to, in the order of their row encoding.
pub fn sum(changes: &Changes, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let rows = concat_batches(schema, changes.iter().map(|(_, u)| &u.rows))?;
    let diffs: Int64Array = changes.iter().flat_map(|(_, u)| (0..u.rows.num_rows()).map(|r| u.diff(r))).collect();
    let fields = rows.columns().iter().map(|c| SortField::new(c.data_type().clone())).collect();
    let keys = RowConverter::new(fields)?.convert_columns(rows.columns())?;
    let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
    order.sort_by(|&a, &b| keys.row(a as usize).cmp(&keys.row(b as usize)));
    let mut kept: Vec<u32> = Vec::new();
    for group in order.chunk_by(|&a, &b| keys.row(a as usize) == keys.row(b as usize)) {
        let count: i64 = group.iter().map(|&r| diffs.value(r as usize)).sum();
        kept.extend(group.first().into_iter().flat_map(|&r| std::iter::repeat_n(r, count.max(0) as usize)));
    }
    take_record_batch(&rows, &UInt32Array::from(kept))
}

/// Rows in an order, cut to a number.
pub fn order(rows: RecordBatch, sort: &[SortExpr]) -> datafusion::common::Result<RecordBatch> {
    if sort.is_empty() {
        return Ok(rows);
    }
    let frame = DFSchema::try_from(rows.schema().as_ref().clone())?;
    let mut columns = Vec::new();
    for one in sort {
        let plain = unqualified(one.expr.clone())?;
        let expr = physical(&plain, &frame)?;
        let values: ArrayRef = expr.evaluate(&rows)?.into_array(rows.num_rows())?;
        columns.push(SortColumn { values, options: Some(SortOptions { descending: !one.asc, nulls_first: one.nulls_first }) });
    }
    // A stable order: rows that are equal by the query stay in the order of their encoding.
    columns.push(SortColumn { values: Arc::new(Int64Array::from_iter_values(0..rows.num_rows() as i64)), options: None });
    Ok(take_record_batch(&rows, &lexsort_to_indices(&columns, None)?)?)
}

/// An expression whose columns are named without their table.
fn unqualified(expr: datafusion::logical_expr::Expr) -> datafusion::common::Result<datafusion::logical_expr::Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    use datafusion::logical_expr::Expr;
    let change = |e: Expr| match e {
        Expr::Column(c) => Ok(Transformed::yes(Expr::Column(datafusion::common::Column::new_unqualified(c.name)))),
        other => Ok(Transformed::no(other)),
    };
    expr.transform(change).map(|t| t.data)
}
