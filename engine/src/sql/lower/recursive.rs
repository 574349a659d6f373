//! WITH RECURSIVE: what a step may do with its own result. It must be such that more of the result never means less of the step, and
//! with UNION ALL that what is new can be taken by itself: then the rounds of an iteration come to the one least fixed point.

use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, RecursiveQuery, TableProviderFilterPushDown, TableSource};

use super::{Lowering, Refused};
use crate::sql::plan::{JoinKind, Node, Plan};

/// What the step of a recursive query reads: its result so far.
pub struct OwnResult {
    /// Which query's, as it was written; the plan's name of it is in lower case.
    pub name: String,
    /// Its columns.
    pub schema: SchemaRef,
}

impl TableSource for OwnResult {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }
}

impl Lowering<'_> {
    /// A query that reads its own result.
    pub(super) fn recursive(&mut self, query: &RecursiveQuery, schema: SchemaRef) -> Result<Plan, Refused> {
        let first = self.plan(&query.static_term)?;
        self.working.push(query.name.clone());
        let step = self.plan(&query.recursive_term);
        self.working.pop();
        let (step, name, distinct) = (step?, query.name.clone(), query.is_distinct);
        if let Some(what) = refused(&step, &name, distinct) {
            return Err(format!("WITH RECURSIVE whose step {what} its own result"));
        }
        let node = Node::Recursive { name, first: Box::new(first), step: Box::new(step), distinct };
        Ok(Plan { node, schema, append_only: false })
    }
}

/// What a step does with its own result that it may not.
fn refused(step: &Plan, name: &str, distinct: bool) -> Option<&'static str> {
    let reads = |p: &Plan| {
        let mut names = Vec::new();
        p.reads(&mut names);
        names.iter().any(|n| n == name)
    };
    if !reads(step) {
        return None;
    }
    let own = match &step.node {
        // Each row counts once in the end anyway.
        Node::Aggregate { aggregates, .. } if aggregates.is_empty() && distinct => None,
        Node::Aggregate { .. } | Node::Group { .. } | Node::Over(_) | Node::Sessions(_) => Some("aggregates, or computes over,"),
        Node::Top(_) => Some("orders or limits"),
        Node::AsOf(_) => Some("asks for the nearest in time of"),
        Node::Final { .. } | Node::Temporal { .. } => Some("waits for time in"),
        Node::Recursive { .. } => Some("has a WITH RECURSIVE over"),
        Node::Join(join) => {
            let (left, right) = (reads(&join.left), reads(&join.right));
            match join.kind {
                JoinKind::Inner if left && right && !distinct => Some("(of UNION ALL) joins two readings of"),
                JoinKind::Inner => None,
                JoinKind::Semi if right && !distinct => Some("(of UNION ALL) looks for partners in"),
                JoinKind::Semi => None,
                JoinKind::Left | JoinKind::Anti | JoinKind::Mark if !right => None,
                JoinKind::Left | JoinKind::Anti | JoinKind::Full => Some("asks what is not in"),
                JoinKind::Mark => Some("asks, beside other conditions, what is in"),
            }
        }
        _ => None,
    };
    own.or_else(|| step.inputs().iter().find_map(|p| refused(p, name, distinct)))
}
