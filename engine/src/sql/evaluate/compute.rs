//! What is computed: an operator of DataFusion's logical algebra over a handed batch.

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result, UnnestOptions};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, SortExpr, col};

/// The column of a round that numbers its groups, or of a batch that carries its diffs.
pub const TAG: &str = "tag";

/// An operator over columns `c0`, `c1`, … of a batch.
#[derive(Clone, Debug)]
pub enum Compute {
    /// Aggregates of each group; gives the groups' keys, the first columns, before them.
    Aggregate {
        /// Columns of the input.
        input: SchemaRef,
        /// The calls.
        calls: Vec<Expr>,
        /// Number of key columns.
        keys: usize,
    },
    /// Window functions; gives the input's columns before them.
    Window {
        /// Columns of the input.
        input: SchemaRef,
        /// The calls.
        calls: Vec<Expr>,
        /// How the batch is ordered: by its tag, then by its first columns. None where it is not.
        order: Option<Vec<SortOptions>>,
    },
    /// A row for each element of lists; gives some columns of the input and the elements.
    Unnest {
        /// Columns of the input.
        input: SchemaRef,
        /// Which are lists to take apart, or structs.
        columns: Vec<usize>,
        /// What to do with nulls.
        options: UnnestOptions,
    },
}

/// The name of a column by its place.
pub fn column_name(index: usize) -> String {
    format!("c{index}")
}

/// The expression with columns by their place in a schema.
pub fn columns_by_number(expr: &Expr, schema: &DFSchema) -> Result<Expr> {
    let numbered = expr.clone().transform(|e| match &e {
        Expr::Column(c) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(column_name(schema.index_of_column(c)?))))),
        _ => Ok(Transformed::no(e)),
    })?;
    Ok(numbered.data)
}

/// Calls under names of their own: those of two may have become the same when their arguments were simplified.
fn named(calls: &[Expr]) -> Vec<Expr> {
    calls.iter().enumerate().map(|(i, call)| call.clone().alias(format!("call {i}"))).collect()
}

impl Compute {
    /// Columns of the batch that is handed in: the tag and the input's.
    pub fn handed(&self) -> SchemaRef {
        let (Compute::Aggregate { input, .. } | Compute::Window { input, .. } | Compute::Unnest { input, .. }) = self;
        let tag = match self {
            Compute::Unnest { .. } => DataType::Int64,
            _ => DataType::UInt32,
        };
        let columns = input.fields().iter().enumerate().map(|(i, f)| f.as_ref().clone().with_name(column_name(i)).with_nullable(true));
        let fields: Vec<Field> = std::iter::once(Field::new(TAG, tag, false)).chain(columns).collect();
        std::sync::Arc::new(Schema::new(fields))
    }

    /// How the batch is ordered; by nothing where that is not known.
    pub fn order(&self) -> Vec<SortExpr> {
        let Compute::Window { order: Some(order), .. } = self else { return Vec::new() };
        let columns = order.iter().enumerate().map(|(i, o)| col(column_name(i)).sort(!o.descending, o.nulls_first));
        std::iter::once(col(TAG).sort(true, true)).chain(columns).collect()
    }

    /// The operator over a scan of the handed batch. Its first column is the tag.
    ///
    /// # Errors
    /// When DataFusion does not take it.
    pub fn over(&self, scan: LogicalPlanBuilder) -> Result<LogicalPlan> {
        match self {
            Compute::Aggregate { calls, .. } => scan.aggregate(vec![col(TAG)], named(calls))?.build(),
            Compute::Window { calls, .. } => scan.window(named(calls))?.build(),
            Compute::Unnest { columns, options, .. } => {
                let columns = columns.iter().map(|i| Column::new_unqualified(column_name(*i))).collect();
                scan.unnest_columns_with_options(columns, options.clone())?.build()
            }
        }
    }
}
