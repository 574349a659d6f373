//! Outer joins of the batch, with what holds of their inputs kept from what is above.
//!
//! DataFusion 55 takes a column that is a constant of one input, or equal to another column, for the same above an outer join, which
//! fills that side with nulls: an order by it was left out, and a window over the rows had another answer.

use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr, PlanProperties};

/// The first rule over a physical plan: what requires an order finds none above an outer join.
#[derive(Debug)]
pub struct OuterJoinsApart;

impl PhysicalOptimizerRule for OuterJoinsApart {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let one = |node: Arc<dyn ExecutionPlan>| match kind(node.as_ref()) {
            Some(JoinType::Left | JoinType::Right | JoinType::Full) => Ok(Transformed::yes(Arc::new(Apart::over(node)) as _)),
            _ => Ok(Transformed::no(node)),
        };
        plan.transform_up(one).map(|done| done.data)
    }

    fn name(&self) -> &'static str {
        "outer_joins_apart"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn kind(node: &dyn ExecutionPlan) -> Option<JoinType> {
    let hash = node.downcast_ref::<HashJoinExec>().map(|join| *join.join_type());
    let nested = node.downcast_ref::<NestedLoopJoinExec>().map(|join| *join.join_type());
    hash.or(nested).or_else(|| node.downcast_ref::<SortMergeJoinExec>().map(|join| join.join_type()))
}

/// Rows as they come, of which nothing is known.
#[derive(Debug)]
struct Apart {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl Apart {
    fn over(input: Arc<dyn ExecutionPlan>) -> Apart {
        let nothing = EquivalenceProperties::new(input.schema());
        let (partitioning, emission) = (input.output_partitioning().clone(), input.pipeline_behavior());
        let properties = Arc::new(PlanProperties::new(nothing, partitioning, emission, input.boundedness()));
        Apart { input, properties }
    }
}

impl DisplayAs for Apart {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Apart")
    }
}

impl ExecutionPlan for Apart {
    fn name(&self) -> &'static str {
        "Apart"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(&self, _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Apart::over(children.swap_remove(0))))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }
}
