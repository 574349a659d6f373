//! Assigns each step to a tier and cuts the graph in two fragments.
//!
//! Pins win. What is left goes by a `Planner`; `ReduceAtEdge` is the default rule, and a planner by measured cost fills
//! the same interface. The edge's part is always closed upwards: what an edge step reads is at the edge too.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::{DataType, Schema};

use crate::fragment::{Fragment, FragmentOp, FragmentStep, Outlet};
use crate::graph::{Graph, Problem};
use crate::pipeline::{Pipeline, Tier};

/// Proposes a tier for each step that is not pinned.
pub trait Planner {
    /// A tier for each step by name, with the reason in a few words.
    fn propose(&self, graph: &Graph) -> BTreeMap<String, (Tier, &'static str)>;
}

/// Steps that reduce bytes and gates sit at the edge, and so does all that they read; the rest goes to the cloud.
pub struct ReduceAtEdge;

/// Where each step runs, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Tier and reason by step.
    pub tiers: BTreeMap<String, (Tier, &'static str)>,
}

impl Planner for ReduceAtEdge {
    fn propose(&self, graph: &Graph) -> BTreeMap<String, (Tier, &'static str)> {
        let mut tiers: BTreeMap<String, (Tier, &'static str)> = BTreeMap::new();
        for step in graph.steps.iter().rev() {
            let needed = graph.steps.iter().any(|s| s.from == step.name && tiers.get(&s.name).is_some_and(|t| t.0 == Tier::Edge));
            let verdict = match reduces(graph, step) {
                Some(reason) => (Tier::Edge, reason),
                None if needed => (Tier::Edge, "feeds a step at the edge"),
                None => (Tier::Cloud, "does not reduce bytes"),
            };
            tiers.insert(step.name.clone(), verdict);
        }
        tiers
    }
}

fn reduces(graph: &Graph, step: &FragmentStep) -> Option<&'static str> {
    match &step.op {
        FragmentOp::Query(query) if query.filter.is_some() => Some("is a gate"),
        FragmentOp::Frame(frame) if frame.hop > frame.size => Some("reduces bytes"),
        FragmentOp::Features(_) | FragmentOp::Query(_) => {
            let (before, after) = (graph.schemas.get(&step.from)?, graph.schemas.get(&step.name)?);
            (row_bytes(after) < row_bytes(before)).then_some("reduces bytes")
        }
        FragmentOp::Frame(_) | FragmentOp::Infer(_) => None,
    }
}

/// Bytes of a row, text counted as 16.
fn row_bytes(schema: &Schema) -> usize {
    let width = |t: &DataType| match t {
        DataType::FixedSizeList(item, n) => item.data_type().primitive_width().unwrap_or(16) * (*n).max(0) as usize,
        other => other.primitive_width().unwrap_or(16),
    };
    schema.fields().iter().map(|f| width(f.data_type())).sum()
}

impl Placement {
    /// Places the steps of a graph: pins first, then the planner's proposal.
    pub fn of(graph: &Graph, planner: &dyn Planner) -> Result<Self, Vec<Problem>> {
        let mut tiers = planner.propose(graph);
        for (step, tier) in &graph.pipeline.place {
            tiers.insert(step.clone(), (*tier, "pinned"));
        }
        let mut problems = Vec::new();
        for step in &graph.steps {
            let above = tiers.get(&step.from).copied();
            let own = tiers.get(&step.name).copied();
            if let (Some((Tier::Cloud, reason)), Some((Tier::Edge, own_reason))) = (above, own) {
                if own_reason == "pinned" && reason == "pinned" {
                    let help = format!("pin \"{}\" to edge too, or \"{}\" to cloud", step.from, step.name);
                    let message =
                        format!("step \"{}\" is pinned to the edge but reads \"{}\", which is in the cloud", step.name, step.from);
                    problems.push(Problem::rule(message, help));
                } else if own_reason == "pinned" {
                    lift(graph, &step.from, &mut tiers);
                } else {
                    tiers.insert(step.name.clone(), (Tier::Cloud, "reads a step in the cloud"));
                }
            }
        }
        if problems.is_empty() { Ok(Placement { tiers }) } else { Err(problems) }
    }

    /// The tier of a source, step or view.
    pub fn tier(&self, graph: &Graph, name: &str) -> Tier {
        match self.tiers.get(name) {
            Some((tier, _)) => *tier,
            None if graph.sources.iter().any(|s| s.name == name) => Tier::Edge,
            None => Tier::Cloud,
        }
    }

    /// Cuts the graph. `captured` relations are needed in the cloud whole, whoever else reads them.
    pub fn cut(&self, graph: &Graph, captured: &[String]) -> Cut {
        let at = |tier: Tier| -> Vec<FragmentStep> { graph.steps.iter().filter(|s| self.tier(graph, &s.name) == tier).cloned().collect() };
        let outlets = self.outlets(graph, captured);
        let fragment = |sources, steps, outlets| fragment(&graph.pipeline, sources, steps, outlets);
        Cut { edge: fragment(graph.sources.clone(), at(Tier::Edge), outlets), cloud: fragment(Vec::new(), at(Tier::Cloud), Vec::new()) }
    }

    fn outlets(&self, graph: &Graph, captured: &[String]) -> Vec<Outlet> {
        let edge_streams = graph.schemas.keys().filter(|name| self.tier(graph, name) == Tier::Edge);
        edge_streams.filter_map(|stream| self.outlet(graph, stream, captured)).collect()
    }

    /// What crosses of one stream: the columns that somebody in the cloud reads.
    fn outlet(&self, graph: &Graph, stream: &str, captured: &[String]) -> Option<Outlet> {
        let whole = captured.iter().any(|c| c == stream)
            || graph.pipeline.sinks.iter().any(|s| s.from == stream)
            || graph.pipeline.remediations.iter().any(|r| r.on == stream)
            || graph.steps.iter().any(|s| s.from == stream && self.tier(graph, &s.name) == Tier::Cloud);
        let all = Some(Outlet { stream: stream.to_string(), columns: None });
        if whole {
            return all;
        }
        let used: BTreeSet<String> = graph.program.columns_used(stream)?.into_iter().collect();
        let schema = graph.schemas.get(stream)?;
        let columns: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).filter(|n| used.contains(n)).collect();
        // A view that counts rows reads no column; one must still cross to carry the count.
        match columns.is_empty() {
            true => Some(Outlet { stream: stream.to_string(), columns: Some(vec!["device".into()]) }),
            false => Some(Outlet { stream: stream.to_string(), columns: Some(columns) }),
        }
    }
}

/// A pinned edge step pulls what it reads to the edge.
fn lift(graph: &Graph, name: &str, tiers: &mut BTreeMap<String, (Tier, &'static str)>) {
    let mut next = Some(name.to_string());
    while let Some(step) = next.and_then(|n| graph.steps.iter().find(|s| s.name == n)) {
        tiers.insert(step.name.clone(), (Tier::Edge, "feeds a step at the edge"));
        next = Some(step.from.clone());
    }
}

/// The two fragments of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// What devices run.
    pub edge: Fragment,
    /// Steps that run in the cloud, before the views.
    pub cloud: Fragment,
}

fn fragment(
    pipeline: &Pipeline,
    sources: Vec<crate::fragment::FragmentSource>,
    steps: Vec<FragmentStep>,
    outlets: Vec<Outlet>,
) -> Fragment {
    Fragment { pipeline: pipeline.name.clone(), run: pipeline.run, params: pipeline.params.clone(), sources, steps, outlets }
}
