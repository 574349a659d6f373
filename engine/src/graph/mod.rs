//! The typed graph of a pipeline: sources, steps, views and what hangs on them, with the columns of every edge.
//!
//! Built once from a resolved pipeline by opening its sources, loading its models and compiling its SQL, so that a
//! pipeline which passes can only fail on data. `placement` assigns tiers; `plan` prints it. Only where SQL is planned.

use std::collections::{BTreeMap, HashMap};

use arrow::datatypes::SchemaRef;

use crate::expression::RowQuery;
use crate::flow::stage::Stage;
use crate::flow::stamp::{SPEC_EPOCH, stamped_schema};
use crate::fragment::{FragmentOp, FragmentSource, FragmentStep};
use crate::pipeline::{Pipeline, Step, StepOp};
use crate::sql::{InputTable, Program};

mod attach;
mod problem;
mod sources;

pub use problem::Problem;

/// A pipeline with every name bound and every stream typed.
pub struct Graph {
    /// What it was made from.
    pub pipeline: Pipeline,
    /// Sources with the columns that somebody reads.
    pub sources: Vec<FragmentSource>,
    /// Steps, queries compiled, each after what it reads.
    pub steps: Vec<FragmentStep>,
    /// Columns of every source and step, as the steps after it see them.
    pub schemas: BTreeMap<String, SchemaRef>,
    /// The views, compiled over all sources and steps.
    pub program: Program,
}

/// How a view stands in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewInfo {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub schema: SchemaRef,
    /// Whether it can only grow.
    pub append_only: bool,
    /// Sources, steps and views that it reads.
    pub reads: Vec<String>,
}

impl Graph {
    /// Types a pipeline; every problem of steps, or else of views and what hangs on them, at once.
    pub fn build(pipeline: Pipeline) -> Result<Self, Vec<Problem>> {
        let (sources, mut schemas) = sources::open_all(&pipeline)?;
        let steps = type_steps(&pipeline, &sources, &mut schemas)?;
        let tables: Vec<InputTable> = schemas
            .iter()
            .map(|(name, schema)| InputTable { name: name.clone(), schema: schema.clone(), append_only: true, event_time: None })
            .collect();
        let program = Program::compile(&pipeline.views, &tables).map_err(|all| all.into_iter().map(Problem::Sql).collect::<Vec<_>>())?;
        let graph = Graph { pipeline, sources, steps, schemas, program };
        let problems = attach::check(&graph);
        if problems.is_empty() { Ok(graph) } else { Err(problems) }
    }

    /// The views, in the order in which they are defined.
    pub fn views(&self) -> Vec<ViewInfo> {
        self.program
            .views()
            .map(|(name, schema, append_only)| ViewInfo { name: name.to_string(), schema, append_only, reads: self.program.reads(name) })
            .collect()
    }

    /// The columns of a source, step or view.
    pub fn schema_of(&self, name: &str) -> Option<SchemaRef> {
        self.schemas.get(name).cloned().or_else(|| self.program.views().find(|(n, ..)| *n == name).map(|(_, s, _)| s))
    }

    /// Names of all sources, steps and views.
    pub fn relations(&self) -> Vec<String> {
        self.schemas.keys().cloned().chain(self.program.views().map(|(n, ..)| n.to_string())).collect()
    }
}

/// Compiles and types the steps in order; a step after a broken one is left out of the count of problems.
fn type_steps(
    pipeline: &Pipeline,
    sources: &[FragmentSource],
    schemas: &mut BTreeMap<String, SchemaRef>,
) -> Result<Vec<FragmentStep>, Vec<Problem>> {
    let unstamped: HashMap<&str, bool> = sources.iter().map(|s| (s.name.as_str(), !s.stamped)).collect();
    let (mut steps, mut problems) = (Vec::new(), Vec::new());
    for step in &pipeline.steps {
        let Some(input) = schemas.get(&step.from).cloned() else { continue };
        let stamps = unstamped.get(step.from.as_str()).copied().unwrap_or(false);
        match type_step(pipeline, step, &input, stamps) {
            Ok((typed, schema)) => {
                schemas.insert(step.name.clone(), schema);
                steps.push(typed);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(steps) } else { Err(problems) }
}

fn type_step(pipeline: &Pipeline, step: &Step, input: &SchemaRef, stamps: bool) -> Result<(FragmentStep, SchemaRef), Problem> {
    let op = match &step.op {
        StepOp::Frame(frame) => FragmentOp::Frame(frame.clone()),
        StepOp::Features(features) => FragmentOp::Features(features.clone()),
        StepOp::Infer(infer) => FragmentOp::Infer(infer.clone()),
        StepOp::Sql(text) => FragmentOp::Query(compile_query(pipeline, step, text, input)?),
    };
    let typed = FragmentStep { name: step.name.clone(), from: step.from.clone(), op, stamps };
    let stage = Stage::new(&typed, input, &pipeline.params).map_err(|error| Problem::step(step, &error))?;
    let schema = if stamps { stamped_schema(&stage.output_schema()) } else { stage.output_schema() };
    Ok((typed, schema))
}

/// A step's query; the spec epoch of a row goes with it even when the query does not name it.
fn compile_query(pipeline: &Pipeline, step: &Step, text: &str, input: &SchemaRef) -> Result<RowQuery, Problem> {
    let mut query = crate::expression::compile(text, &step.from, input, &pipeline.params).map_err(|error| Problem::step(step, &error))?;
    if input.column_with_name(SPEC_EPOCH).is_some() {
        query.carry(SPEC_EPOCH);
    }
    Ok(query)
}
