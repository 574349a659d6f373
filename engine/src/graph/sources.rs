//! Opens the sources of a pipeline to learn their columns, and finds which of them anybody reads.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use arrow::datatypes::SchemaRef;
use littoral_connectors::open::source_schema;

use super::Problem;
use crate::flow::intake::source_context;
use crate::flow::stamp::stamped_schema;
use crate::fragment::FragmentSource;
use crate::pipeline::{Pipeline, Source, StepOp};

/// Sources, and schemas by name.
type Opened = (Vec<FragmentSource>, BTreeMap<String, SchemaRef>);

/// Sources with the columns that somebody reads, and the schemas that the steps after them see.
pub fn open_all(pipeline: &Pipeline) -> Result<Opened, Vec<Problem>> {
    let (mut sources, mut schemas, mut problems) = (Vec::new(), BTreeMap::new(), Vec::new());
    for source in &pipeline.sources {
        let fragment = FragmentSource::new(source, wanted(pipeline, source), stamped(pipeline, source));
        let context = source_context(&fragment, &pipeline.folder, pipeline.run.epoch);
        match source_schema(&fragment.connector, &context) {
            Ok(schema) => {
                let schema = if fragment.stamped { stamped_schema(&schema) } else { schema };
                schemas.insert(source.name.clone(), schema);
                sources.push(fragment);
            }
            Err(error) => problems.push(problem(source, &error)),
        }
    }
    if problems.is_empty() { Ok((sources, schemas)) } else { Err(problems) }
}

fn problem(source: &Source, error: &dyn Error) -> Problem {
    let cause = error.source().map(|c| format!(": {c}")).unwrap_or_default();
    Problem::rule(format!("source \"{}\": {error}{cause}", source.name), None)
}

/// Whether somebody other than a frame step at the edge reads the source, so that its own rows need the tag.
fn stamped(pipeline: &Pipeline, source: &Source) -> bool {
    let framed_at_edge = |name: &str| pipeline.place.get(name) != Some(&crate::pipeline::Tier::Cloud);
    let by_step =
        pipeline.steps.iter().filter(|s| s.from == source.name).any(|s| !matches!(s.op, StepOp::Frame(_)) || !framed_at_edge(&s.name));
    by_step || outside_readers(pipeline, source)
}

/// A sink or SQL file that names the source. A name in SQL that only looks like it costs a column, no more.
fn outside_readers(pipeline: &Pipeline, source: &Source) -> bool {
    pipeline.sinks.iter().any(|s| s.from == source.name) || pipeline.views.iter().any(|v| v.text.contains(&source.name))
}

/// The value columns that frame steps read; none, meaning all, when anything else reads the source.
fn wanted(pipeline: &Pipeline, source: &Source) -> Option<Vec<String>> {
    if outside_readers(pipeline, source) {
        return None;
    }
    let mut columns = BTreeSet::new();
    for step in pipeline.steps.iter().filter(|s| s.from == source.name) {
        match &step.op {
            StepOp::Frame(frame) if !frame.of.is_empty() => {
                columns.extend(frame.of.iter().chain(&frame.keep).chain(&frame.by).cloned());
            }
            _ => return None,
        }
    }
    columns.remove("device");
    columns.remove("ts");
    Some(columns.into_iter().collect())
}
