//! Runs a row query over batches: expressions on whole columns, row by row only where a row has an error.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion_common::{DFSchema, DataFusionError};
use datafusion_physical_expr::PhysicalExpr;

use super::checked::physical as compiled;
use super::logical::{param_column, to_logical};
use super::{RowQuery, Scalar};
use crate::pipeline::{Param, ParamKind};

/// Values of the parameters that a query reads, one array each, one value a row, in the order of `params_used`.
#[derive(Clone, Debug, Default)]
pub struct ParamColumns(pub Vec<ArrayRef>);

/// A query ready to run.
pub struct RowProgram {
    filter: Option<Arc<dyn PhysicalExpr>>,
    project: Vec<Arc<dyn PhysicalExpr>>,
    params: Vec<String>,
    extended: SchemaRef,
    output: SchemaRef,
}

/// What a batch gave.
#[derive(Debug)]
pub struct Outcome {
    /// The rows that came through.
    pub rows: RecordBatch,
    /// Why each of the other rows failed: not those that the filter took out.
    pub errors: Vec<String>,
}

/// Why a query cannot be compiled or run.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// Its text does not parse or does not fit the input.
    #[error("{0}")]
    Sql(String),
    /// It says something that a device cannot run.
    #[error("{0} is not supported in a step; a view in the cloud can have it")]
    Unsupported(String),
    /// It reads a parameter that the pipeline does not have.
    #[error("there is no parameter \"{0}\"")]
    NoParam(String),
    /// It cannot be built over its input.
    #[error("could not build the query: {0}")]
    Build(String),
    /// A batch that does not fit.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

/// The Arrow type of a parameter's values.
pub fn param_type(kind: &ParamKind) -> DataType {
    match kind {
        ParamKind::F32 { .. } => DataType::Float32,
        ParamKind::I64 { .. } => DataType::Int64,
        ParamKind::Bool { .. } => DataType::Boolean,
        ParamKind::Model { .. } => DataType::Utf8,
    }
}

impl RowProgram {
    /// A program over rows of `input`.
    ///
    /// # Errors
    /// When the query names a column or parameter that is not there, or does not type.
    pub fn new(query: &RowQuery, input: &Schema, params: &[Param]) -> Result<Self, QueryError> {
        let mut used = Vec::new();
        query.filter.iter().chain(query.project.iter().map(|(_, s)| s)).for_each(|s| s.params(&mut used));
        let mut fields: Vec<Arc<Field>> = input.fields().iter().cloned().collect();
        for name in &used {
            let param = params.iter().find(|p| p.name == *name).ok_or_else(|| QueryError::NoParam(name.clone()))?;
            fields.push(Arc::new(Field::new(param_column(name), param_type(&param.kind), false)));
        }
        let extended = Arc::new(Schema::new(fields));
        let frame = DFSchema::try_from(extended.as_ref().clone()).map_err(build)?;
        let physical = |s: &Scalar| {
            let expr = to_logical(s).map_err(QueryError::Unsupported)?;
            compiled(&expr, &frame).map_err(build)
        };
        let filter = query.filter.as_ref().map(physical).transpose()?;
        let project: Vec<_> = query.project.iter().map(|(_, s)| physical(s)).collect::<Result<_, _>>()?;
        let mut fields = Vec::with_capacity(project.len());
        for ((name, _), expr) in query.project.iter().zip(&project) {
            let (t, nullable) = (expr.data_type(&extended).map_err(build)?, expr.nullable(&extended).map_err(build)?);
            fields.push(Field::new(name, t, nullable));
        }
        Ok(RowProgram { filter, project, params: used, extended, output: Arc::new(Schema::new(fields)) })
    }

    /// The columns of what comes out.
    pub fn output_schema(&self) -> SchemaRef {
        self.output.clone()
    }

    /// Parameters that the query reads, in the order of `ParamColumns`.
    pub fn params_used(&self) -> &[String] {
        &self.params
    }

    /// Whether it can take rows out.
    pub fn filters(&self) -> bool {
        self.filter.is_some()
    }

    /// Runs the query over a batch.
    ///
    /// # Errors
    /// When the batch or the parameters do not fit; an error in a row is part of the outcome.
    pub fn apply(&self, batch: &RecordBatch, params: &ParamColumns) -> Result<Outcome, QueryError> {
        let columns = batch.columns().iter().chain(&params.0).cloned().collect();
        let extended = RecordBatch::try_new(self.extended.clone(), columns)?;
        if let Ok(rows) = self.evaluate(&extended) {
            return Ok(Outcome { rows, errors: Vec::new() });
        }
        let (mut good, mut errors) = (Vec::new(), Vec::new());
        for row in 0..extended.num_rows() {
            match self.evaluate(&extended.slice(row, 1)) {
                Ok(rows) => good.push(rows),
                Err(error) => errors.push(error.to_string()),
            }
        }
        Ok(Outcome { rows: concat_batches(&self.output, &good)?, errors })
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
        let rows = batch.num_rows();
        let kept = match &self.filter {
            None => batch.clone(),
            Some(filter) => {
                let keep = filter.evaluate(batch)?.into_array(rows)?;
                filter_record_batch(batch, keep.as_boolean())?
            }
        };
        let columns: Vec<ArrayRef> =
            self.project.iter().map(|e| e.evaluate(&kept)?.into_array(kept.num_rows())).collect::<Result<_, _>>()?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
        debug_assert!(columns.iter().all(|c| c.len() == kept.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.output.clone(), columns, &options)?)
    }
}

fn build(error: DataFusionError) -> QueryError {
    QueryError::Build(error.strip_backtrace())
}
