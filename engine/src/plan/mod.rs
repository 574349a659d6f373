//! What `littoral plan` tells: the graph, where it is cut, every stream's columns and whether it can only grow.
//!
//! One report, three renderings: text here, JSON by serde, a drawing in `svg`. Decides nothing.

use std::fmt::Write as _;

use arrow::datatypes::SchemaRef;
use serde::Serialize;

use crate::graph::Graph;
use crate::pipeline::Tier;
use crate::placement::{Cut, Placement};

mod svg;

pub use svg::draw;

/// The plan of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanReport {
    /// The pipeline's name.
    pub pipeline: String,
    /// Every node, each after what it reads.
    pub nodes: Vec<PlanNode>,
    /// Streams that cross from edge to cloud.
    pub cut: Vec<CutStream>,
}

/// A node of the graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanNode {
    /// Its name.
    pub name: String,
    /// `source`, `frame`, `features`, `infer`, `sql`, `view`, `sink`, `delta`, `remediation` or `kpi`.
    pub kind: &'static str,
    /// Where it runs.
    pub tier: Tier,
    /// Why there.
    pub reason: &'static str,
    /// What it reads.
    pub reads: Vec<String>,
    /// Whether its output can only grow; none for what has no output stream.
    pub append_only: Option<bool>,
    /// Its columns.
    pub columns: Vec<PlanColumn>,
}

/// A column of a stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanColumn {
    /// Its name.
    pub name: String,
    /// Its Arrow type.
    pub data_type: String,
    /// Whether it may be null.
    pub nullable: bool,
}

/// A stream that crosses the cut.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CutStream {
    /// The source or step.
    pub stream: String,
    /// The columns that cross.
    pub columns: Vec<String>,
}

impl PlanReport {
    /// The report of a placed graph.
    pub fn new(graph: &Graph, placement: &Placement, cut: &Cut) -> Self {
        let mut nodes = Vec::new();
        streams(graph, placement, &mut nodes);
        attachments(graph, &mut nodes);
        let names = |stream: &str, columns: &Option<Vec<String>>| match (columns, graph.schemas.get(stream)) {
            (Some(columns), _) => columns.clone(),
            (None, Some(schema)) => schema.fields().iter().map(|f| f.name().clone()).collect(),
            (None, None) => Vec::new(),
        };
        let cut = cut.edge.outlets.iter().map(|o| CutStream { stream: o.stream.clone(), columns: names(&o.stream, &o.columns) }).collect();
        PlanReport { pipeline: graph.pipeline.name.clone(), nodes, cut }
    }

    /// The report as text for a terminal.
    pub fn to_text(&self) -> String {
        let mut out = format!("pipeline {}\n", self.pipeline);
        for tier in [Tier::Edge, Tier::Cloud] {
            let _ = writeln!(out, "\n{} tier", if tier == Tier::Edge { "edge" } else { "cloud" });
            for node in self.nodes.iter().filter(|n| n.tier == tier) {
                node_text(&mut out, node);
            }
            if tier == Tier::Edge {
                out.push_str("\ncut: what crosses from edge to cloud\n");
                for stream in &self.cut {
                    let _ = writeln!(out, "  {} ({})", stream.stream, stream.columns.join(", "));
                }
            }
        }
        out
    }
}

fn node_text(out: &mut String, node: &PlanNode) {
    let reads = if node.reads.is_empty() { String::new() } else { format!(" <- {}", node.reads.join(", ")) };
    let growth = match node.append_only {
        Some(true) => ", append-only",
        Some(false) => ", changing",
        None => "",
    };
    let _ = writeln!(out, "  {} [{}{growth}]{reads}  ({})", node.name, node.kind, node.reason);
    if !node.columns.is_empty() {
        let columns: Vec<String> =
            node.columns.iter().map(|c| format!("{} {}{}", c.name, c.data_type, if c.nullable { "?" } else { "" })).collect();
        let _ = writeln!(out, "      {}", columns.join(", "));
    }
}

fn columns(schema: &SchemaRef) -> Vec<PlanColumn> {
    let column =
        |f: &arrow::datatypes::FieldRef| PlanColumn { name: f.name().clone(), data_type: short(f.data_type()), nullable: f.is_nullable() };
    schema.fields().iter().map(column).collect()
}

/// Arrow's own name of a type, the long ones shortened.
fn short(data_type: &arrow::datatypes::DataType) -> String {
    use arrow::datatypes::DataType;
    match data_type {
        DataType::FixedSizeList(item, n) => format!("[{}; {n}]", item.data_type()),
        DataType::Timestamp(unit, zone) => format!("Timestamp({unit:?}{})", zone.as_ref().map(|z| format!(", {z}")).unwrap_or_default()),
        other => other.to_string(),
    }
}

fn streams(graph: &Graph, placement: &Placement, nodes: &mut Vec<PlanNode>) {
    let schema_of = |name: &str| graph.schema_of(name).map(|s| columns(&s)).unwrap_or_default();
    for source in &graph.sources {
        nodes.push(PlanNode {
            name: source.name.clone(),
            kind: "source",
            tier: Tier::Edge,
            reason: "sources are at the edge",
            reads: Vec::new(),
            append_only: Some(true),
            columns: schema_of(&source.name),
        });
    }
    for step in &graph.steps {
        let (tier, reason) = placement.tiers.get(&step.name).copied().unwrap_or((Tier::Cloud, "not placed"));
        nodes.push(PlanNode {
            name: step.name.clone(),
            kind: step.op.verb(),
            tier,
            reason,
            reads: vec![step.from.clone()],
            append_only: Some(true),
            columns: schema_of(&step.name),
        });
    }
    for view in graph.views() {
        nodes.push(PlanNode {
            name: view.name,
            kind: "view",
            tier: Tier::Cloud,
            reason: "views are in the cloud",
            reads: view.reads,
            append_only: Some(view.append_only),
            columns: columns(&view.schema),
        });
    }
}

fn attachments(graph: &Graph, nodes: &mut Vec<PlanNode>) {
    let p = &graph.pipeline;
    let node = |name: &str, kind, reason, reads: &str| PlanNode {
        name: name.to_string(),
        kind,
        tier: Tier::Cloud,
        reason,
        reads: vec![reads.to_string()],
        append_only: None,
        columns: Vec::new(),
    };
    nodes.extend(p.sinks.iter().map(|s| node(&s.name, "sink", "sinks are in the cloud", &s.from)));
    nodes.extend(p.deltas.iter().map(|d| node(&d.param, "delta", "goes back to the edge", &d.from)));
    nodes.extend(p.remediations.iter().map(|r| node(&r.name, "remediation", "acts from the cloud", &r.on)));
    nodes.extend(p.kpis.iter().map(|k| node(&k.name, "kpi", "reads a view", &k.view)));
}
