//! Checks what hangs on steps and views: deltas, remediations, KPIs, sinks. Each must find the columns it needs.

use arrow::datatypes::{DataType, Schema};

use super::{Graph, Problem};
use crate::pipeline::{Basis, ParamKind};

/// Every problem of the graph's rules.
pub fn check(graph: &Graph) -> Vec<Problem> {
    let mut problems = Vec::new();
    deltas(graph, &mut problems);
    remediations(graph, &mut problems);
    kpis(graph, &mut problems);
    for sink in &graph.pipeline.sinks {
        relation(graph, &format!("sink \"{}\"", sink.name), &sink.from, &mut problems);
    }
    problems
}

/// The schema of a named relation, or a problem that names the nearest one.
fn relation(graph: &Graph, who: &str, name: &str, problems: &mut Vec<Problem>) -> Option<Schema> {
    let found = graph.schema_of(name).map(|s| s.as_ref().clone());
    if found.is_none() {
        let near = nearest(name, graph.relations().iter().map(String::as_str));
        problems.push(Problem::rule(format!("{who} reads \"{name}\", which is no source, step or view"), near));
    }
    found
}

fn nearest<'a>(name: &str, among: impl Iterator<Item = &'a str>) -> Option<String> {
    among
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(score, _)| *score > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| format!("did you mean \"{other}\"?"))
}

fn column(schema: &Schema, who: &str, view: &str, name: &str, problems: &mut Vec<Problem>) -> Option<DataType> {
    let found = schema.field_with_name(name).ok().map(|f| f.data_type().clone());
    if found.is_none() {
        let near = nearest(name, schema.fields().iter().map(|f| f.name().as_str()));
        problems.push(Problem::rule(format!("{who}: view \"{view}\" has no column \"{name}\""), near));
    }
    found
}

fn deltas(graph: &Graph, problems: &mut Vec<Problem>) {
    for rule in &graph.pipeline.deltas {
        let who = format!("delta rule \"{}\"", rule.param);
        let Some(schema) = relation(graph, &who, &rule.from, problems) else { continue };
        if let Some(key) = column(&schema, &who, &rule.from, &rule.key, problems)
            && !matches!(key, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
        {
            problems.push(Problem::rule(format!("{who}: its key \"{}\" is {key}, not text", rule.key), None));
        }
        let Some(value) = column(&schema, &who, &rule.from, &rule.value, problems) else { continue };
        let param = graph.pipeline.params.iter().find(|p| p.name == rule.param);
        if param.is_some_and(|p| !fits(&p.kind, &value)) {
            let help = format!("CAST \"{}\" in the view", rule.value);
            problems.push(Problem::rule(format!("{who}: its value \"{}\" is {value}, which does not fit the parameter", rule.value), help));
        }
    }
}

fn fits(kind: &ParamKind, value: &DataType) -> bool {
    match kind {
        ParamKind::F32 { .. } => value.is_numeric(),
        ParamKind::I64 { .. } => value.is_integer(),
        ParamKind::Bool { .. } => *value == DataType::Boolean,
        ParamKind::Model { .. } => matches!(value, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

fn remediations(graph: &Graph, problems: &mut Vec<Problem>) {
    for rule in &graph.pipeline.remediations {
        let who = format!("remediation \"{}\"", rule.name);
        let Some(schema) = relation(graph, &who, &rule.on, problems) else { continue };
        let timed = schema.fields().iter().any(|f| matches!(f.data_type(), DataType::Timestamp(..)));
        if matches!(rule.basis, Basis::Fresh(_)) && !timed {
            let help = "let the view tell the newest event time, for example max(ts) AS ts, or say acts_on: provisional".to_string();
            problems.push(Problem::rule(format!("{who} requires freshness, but view \"{}\" has no timestamp column", rule.on), help));
        }
    }
}

fn kpis(graph: &Graph, problems: &mut Vec<Problem>) {
    for kpi in &graph.pipeline.kpis {
        let who = format!("kpi \"{}\"", kpi.name);
        let Some(schema) = relation(graph, &who, &kpi.view, problems) else { continue };
        if schema.fields().len() != 1 || !schema.field(0).data_type().is_numeric() {
            problems.push(Problem::rule(format!("{who}: view \"{}\" must have one numeric column", kpi.view), None));
        }
    }
}
