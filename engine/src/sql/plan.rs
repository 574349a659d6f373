//! The plan of a view: few node kinds, each with its columns and whether its output can only grow (D4).
//!
//! Everything that rendering needs is here: expressions are compiled, keys are found. Each kind is rendered in its own file.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::PhysicalExpr;

/// A node with its output.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it does.
    pub node: Node,
    /// Its columns.
    pub schema: SchemaRef,
    /// Whether its output can only grow.
    pub append_only: bool,
}

/// What a node does.
#[derive(Clone, Debug)]
pub enum Node {
    /// Columns of a table or view.
    Input { name: String, columns: Vec<usize> },
    /// Rows for which the predicate is true.
    Filter { input: Box<Plan>, predicate: Arc<dyn PhysicalExpr> },
    /// An expression a column.
    Project { input: Box<Plan>, columns: Vec<Arc<dyn PhysicalExpr>> },
    /// Pairs of rows with equal keys; null equals nothing. All columns of the left, then of the right.
    Join { left: Box<Plan>, right: Box<Plan>, keys: Vec<(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)> },
    /// One row a group: its keys, then its aggregates.
    Aggregate { input: Box<Plan>, keys: Vec<Arc<dyn PhysicalExpr>>, aggregates: Vec<Aggregate> },
    /// Rows of all inputs.
    Union { inputs: Vec<Plan> },
}

/// One aggregate of a group.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// The function.
    pub function: Function,
    /// Its argument; none for `count(*)`.
    pub argument: Option<Arc<dyn PhysicalExpr>>,
    /// Only rows for which this is true.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// Each value once.
    pub distinct: bool,
}

/// The aggregate functions that are kept up to date change by change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Rows, or values that are not null.
    Count,
    /// Total.
    Sum,
    /// Mean.
    Avg,
    /// Least.
    Min,
    /// Greatest.
    Max,
}

impl Plan {
    /// Names of the tables and views that the plan reads.
    pub fn reads(&self, out: &mut Vec<String>) {
        match &self.node {
            Node::Input { name, .. } if !out.contains(name) => out.push(name.clone()),
            Node::Input { .. } => {}
            Node::Filter { input, .. } | Node::Project { input, .. } | Node::Aggregate { input, .. } => input.reads(out),
            Node::Join { left, right, .. } => [left, right].iter().for_each(|p| p.reads(out)),
            Node::Union { inputs } => inputs.iter().for_each(|p| p.reads(out)),
        }
    }

    /// Column indices of one table that the plan reads.
    pub fn columns_of(&self, table: &str, out: &mut Vec<usize>) {
        match &self.node {
            Node::Input { name, columns } if name == table => out.extend(columns),
            Node::Input { .. } => {}
            Node::Filter { input, .. } | Node::Project { input, .. } | Node::Aggregate { input, .. } => input.columns_of(table, out),
            Node::Join { left, right, .. } => [left, right].iter().for_each(|p| p.columns_of(table, out)),
            Node::Union { inputs } => inputs.iter().for_each(|p| p.columns_of(table, out)),
        }
    }
}
