//! Runs one physical plan of DataFusion over one batch after another.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{Result, plan_err};
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::runtime::Runtime;

use super::Compute;

/// A physical plan with the place where its input is handed in.
pub struct Runner {
    plan: Arc<dyn ExecutionPlan>,
    handed: Arc<Handed>,
    context: Arc<TaskContext>,
    runtime: Runtime,
    schema: SchemaRef,
}

/// The batch that a scan gives.
struct Handed {
    schema: SchemaRef,
    batch: Mutex<RecordBatch>,
}

impl fmt::Debug for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handed")
    }
}

impl PartitionStream for Handed {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let schema = batch.schema();
        match MemoryStream::try_new(vec![batch], schema.clone(), None) {
            Ok(stream) => Box::pin(stream),
            Err(_) => Box::pin(datafusion::physical_plan::EmptyRecordBatchStream::new(schema)),
        }
    }
}

/// Whether rows are sorted somewhere in a plan: of rows that compare alike another may then be the first each time.
fn is_sorted_again(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<SortExec>().is_some() || plan.children().into_iter().any(is_sorted_again)
}

impl Runner {
    /// Plans a computation.
    ///
    /// # Errors
    /// When DataFusion cannot plan it.
    pub fn new(compute: &Compute) -> Result<Self> {
        let schema = compute.handed();
        let handed = Arc::new(Handed { schema: schema.clone(), batch: Mutex::new(RecordBatch::new_empty(schema.clone())) });
        let table = StreamingTable::try_new(schema, vec![handed.clone() as Arc<dyn PartitionStream>])?;
        let order = compute.order();
        let in_order = !order.is_empty();
        let table = table.with_sort_order(order);
        let scan = LogicalPlanBuilder::scan("handed", provider_as_source(Arc::new(table)), None)?;
        let logical = compute.over(scan)?;
        let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let state = session.state();
        let plan = runtime.block_on(state.query_planner().create_physical_plan(&logical, &state))?;
        if in_order && is_sorted_again(&plan) {
            return plan_err!("rows that are in order would be sorted again");
        }
        Ok(Runner { schema: plan.schema(), plan, handed, context: session.task_ctx(), runtime })
    }

    /// Columns of what the computation gives, the tag first.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// What the computation gives for a batch.
    ///
    /// # Errors
    /// With what fails on a row.
    pub fn run(&self, batch: RecordBatch) -> Result<RecordBatch> {
        *self.handed.batch.lock().unwrap_or_else(PoisonError::into_inner) = batch;
        let plan = datafusion::physical_plan::execution_plan::reset_plan_states(self.plan.clone())?;
        let batches = self.runtime.block_on(collect(plan, self.context.clone()))?;
        *self.handed.batch.lock().unwrap_or_else(PoisonError::into_inner) = RecordBatch::new_empty(self.handed.schema.clone());
        Ok(concat_batches(&self.schema, &batches)?)
    }
}
