//! Where rows come from: tables, views, the working table of a recursive query, constants.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, concat};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, TableScan, Values};

use super::recursive::OwnResult;
use super::temporal::filtered;
use super::{Lowering, Refused, column, physical, project};
use crate::sql::plan::{Node, Plan};

impl Lowering<'_> {
    /// The columns that the scan gives and its filters read; the filters; then only what the scan gives.
    pub(super) fn table_scan(&mut self, scan: &TableScan, schema: SchemaRef) -> Result<Plan, Refused> {
        if scan.fetch.is_some() {
            return Err("a table read with LIMIT".into());
        }
        let name = match scan.source.downcast_ref::<OwnResult>() {
            None => scan.table_name.table().to_string(),
            Some(own) if self.working.contains(&own.name) => own.name.clone(),
            Some(own) => return Err(format!("\"{}\", the result of a WITH RECURSIVE, outside of its step", own.name)),
        };
        let table = scan.source.schema();
        let given = scan.projection.clone().unwrap_or_else(|| (0..table.fields().len()).collect());
        let mut read = given.clone();
        // In the order of the table: a set of references has none, and one query is to have one plan.
        let others: Result<BTreeSet<usize>, _> = scan.filters.iter().flat_map(Expr::column_refs).map(|c| table.index_of(&c.name)).collect();
        read.extend(others.map_err(|e| e.to_string())?.into_iter().filter(|index| !given.contains(index)));
        let fields: Vec<Field> = read.iter().map(|&i| table.field(i).clone().with_nullable(true)).collect();
        let wide = Arc::new(Schema::new(fields));
        let frame = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &wide).map_err(|e| e.strip_backtrace())?;
        let append_only = !self.working.contains(&name) && (self.append_only)(&name);
        let mut plan = Plan { append_only, node: Node::Input { name, columns: read.clone() }, schema: wide.clone() };
        for predicate in &scan.filters {
            plan = filtered(plan, predicate, &frame)?;
        }
        if read.len() == given.len() {
            return Ok(Plan { schema, ..plan });
        }
        let columns = (0..given.len()).map(|i| column(&wide, i)).collect();
        Ok(project(plan, columns, schema))
    }
}

/// Rows written in the query.
pub(super) fn values(values: &Values, schema: SchemaRef) -> Result<Plan, Refused> {
    let nothing = DFSchema::empty();
    let one = one_row();
    let cell = |expr: &Expr, i: usize| -> Result<ArrayRef, Refused> {
        let value = physical(expr, &nothing)?.evaluate(&one).and_then(|v| v.into_array(1)).map_err(|e| e.strip_backtrace())?;
        cast(&value, schema.field(i).data_type()).map_err(|e| e.to_string())
    };
    let mut columns = Vec::new();
    for i in 0..schema.fields().len() {
        let cells: Vec<ArrayRef> = values.values.iter().filter_map(|r| r.get(i)).map(|e| cell(e, i)).collect::<Result<_, _>>()?;
        columns.push(concat(&cells.iter().map(|c| c.as_ref()).collect::<Vec<_>>()).map_err(|e| e.to_string())?);
    }
    constant(columns, values.values.len(), schema)
}

/// No rows, or one row without columns.
pub(super) fn empty(one: bool, schema: SchemaRef) -> Result<Plan, Refused> {
    match one {
        true => constant(Vec::new(), 1, Arc::new(Schema::empty())),
        false => Ok(Plan { node: Node::Values { rows: RecordBatch::new_empty(schema.clone()) }, schema, append_only: true }),
    }
}

fn constant(columns: Vec<ArrayRef>, rows: usize, schema: SchemaRef) -> Result<Plan, Refused> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let rows = RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|e| e.to_string())?;
    Ok(Plan { node: Node::Values { rows }, schema, append_only: true })
}

fn one_row() -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)
        .unwrap_or_else(|_| RecordBatch::new_empty(Arc::new(Schema::empty())))
}
