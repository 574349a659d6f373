//! Resolves what hangs on steps and views: deltas, remediations, sinks, KPIs, pins.

use littoral_connectors::config::SinkConfig;
use littoral_connectors::setting::Span;

use super::Problems;
use super::problem::nearest_or_all;
use super::resolve::{Context, typed};
use super::tree::Node;
use super::written;
use crate::pipeline::{Basis, DeltaRule, Kpi, ParamKind, Pipeline, Relation, Remediation, SinkRule, Target, Tier, Unsupported};

/// Adds the rules to a pipeline.
pub fn resolve(context: &Context<'_>, relations: &[String], pipeline: &mut Pipeline, problems: &mut Problems) {
    deltas(context, relations, pipeline, problems);
    remediations(context, relations, pipeline, problems);
    sinks(context, relations, pipeline, problems);
    kpis(context, relations, pipeline, problems);
    for (name, origin, node) in parts(context, "place") {
        let Some(tier) = typed::<Tier>(node, &[], "place", problems) else { continue };
        if pipeline.steps.iter().any(|s| s.name == *name) {
            pipeline.place.insert(name.clone(), tier);
        } else {
            let steps: Vec<&str> = pipeline.steps.iter().map(|s| s.name.as_str()).collect();
            problems.push(origin, format!("place: there is no step \"{name}\""), nearest_or_all(name, &steps));
        }
    }
}

fn parts<'a>(context: &Context<'a>, section: &str) -> &'a [(String, super::tree::Origin, Node)] {
    context.tree.get(section).map(Node::entries).unwrap_or_default()
}

/// Checks that a relation is there.
fn reads(context: &Context<'_>, section: &str, part: &str, key: &str, name: &str, relations: &[String], problems: &mut Problems) -> bool {
    let there = relations.iter().any(|r| r == name);
    if !there {
        let known: Vec<&str> = relations.iter().map(String::as_str).collect();
        let message = format!("{section}, \"{part}\" reads \"{name}\", which is no source, step or view");
        problems.push(&context.origin(section, part, key), message, nearest_or_all(name, &known));
    }
    there
}

fn deltas(context: &Context<'_>, relations: &[String], pipeline: &mut Pipeline, problems: &mut Problems) {
    for (name, origin, node) in parts(context, "deltas") {
        let Some(written) = typed::<written::Delta>(node, &[], &format!("delta rule \"{name}\""), problems) else { continue };
        let there = reads(context, "deltas", name, "from", &written.from, relations, problems);
        let Some(param) = pipeline.params.iter().find(|p| p.name == *name) else {
            if context.part("params", name).is_none() {
                let known: Vec<&str> = pipeline.params.iter().map(|p| p.name.as_str()).collect();
                problems.push(origin, format!("delta rule \"{name}\" sets no parameter of this pipeline"), nearest_or_all(name, &known));
            }
            continue;
        };
        if written.rollout.is_some() {
            let place = context.origin("deltas", name, "rollout").place(context.file);
            pipeline.unsupported.push(Unsupported { path: format!("deltas.{name}.rollout"), place });
        }
        if matches!(param.kind, ParamKind::Model { .. }) {
            pipeline.unsupported.push(Unsupported { path: format!("deltas.{name} of a model"), place: context.place("deltas", name) });
        }
        if there {
            pipeline.deltas.push(DeltaRule { param: name.clone(), from: written.from, key: written.key, value: written.value });
        }
    }
}

fn remediations(context: &Context<'_>, relations: &[String], pipeline: &mut Pipeline, problems: &mut Problems) {
    for (name, _, node) in parts(context, "remediate") {
        let Some(written) = typed::<written::Remediation>(node, &[], &format!("remediation \"{name}\""), problems) else { continue };
        let basis = match (&written.requires, written.acts_on) {
            (Some(text), None) => fresh(text).or_else(|| {
                let at = context.origin("remediate", name, "requires");
                problems.push(
                    &at,
                    format!("remediation \"{name}\": \"{text}\" is not a requirement"),
                    Some("write requires: fresh(30s)".into()),
                );
                None
            }),
            (None, Some(_)) => Some(Basis::Provisional),
            _ => {
                let help = "add requires: fresh(30s) to act only on recent knowledge, or acts_on: provisional to act on whatever is known";
                let message = format!("remediation \"{name}\" must declare exactly one of requires and acts_on");
                problems.push(&context.origin("remediate", name, ""), message, Some(help.into()));
                None
            }
        };
        if !matches!(written.send, SinkConfig::Http(_) | SinkConfig::Json(_)) {
            problems.push(
                &context.origin("remediate", name, "send"),
                format!("remediation \"{name}\" can send to connector http or json"),
                None,
            );
        }
        let there = reads(context, "remediate", name, "on", &written.on, relations, problems);
        if let (Some(basis), true) = (basis, there) {
            pipeline.remediations.push(Remediation {
                name: name.clone(),
                on: written.on,
                basis,
                at_most_once: written.at_most_once,
                send: written.send,
            });
        }
    }
}

/// `fresh(30s)`
fn fresh(text: &str) -> Option<Basis> {
    let inner = text.trim().strip_prefix("fresh(")?.strip_suffix(')')?;
    Span::try_from(inner.trim().to_string()).ok().map(|span| Basis::Fresh(span.0))
}

fn sinks(context: &Context<'_>, relations: &[String], pipeline: &mut Pipeline, problems: &mut Problems) {
    for (name, _, node) in parts(context, "sinks") {
        let Some(connector) = typed::<SinkConfig>(node, &["from"], &format!("sink \"{name}\""), problems) else { continue };
        let from = node.get("from").map(|n| n.json()).and_then(|v| v.as_str().map(str::to_string)).unwrap_or_default();
        if reads(context, "sinks", name, "from", &from, relations, problems) {
            pipeline.sinks.push(SinkRule { name: name.clone(), from, connector });
        }
    }
}

fn kpis(context: &Context<'_>, relations: &[String], pipeline: &mut Pipeline, problems: &mut Problems) {
    for (name, _, node) in parts(context, "kpi") {
        let Some(written) = typed::<written::Kpi>(node, &[], &format!("kpi \"{name}\""), problems) else { continue };
        let target = target(&written.target);
        if target.is_none() {
            let at = context.origin("kpi", name, "target");
            problems.push(
                &at,
                format!("kpi \"{name}\": \"{}\" is not a target", written.target),
                Some("write a comparison and a number, such as \"<= 0.01\"".into()),
            );
        }
        if let (Some(target), true) = (target, reads(context, "kpi", name, "view", &written.view, relations, problems)) {
            pipeline.kpis.push(Kpi { name: name.clone(), view: written.view, target });
        }
    }
}

fn target(text: &str) -> Option<Target> {
    let text = text.trim();
    let signs =
        [("<=", Relation::AtMost), (">=", Relation::AtLeast), ("==", Relation::Equal), ("<", Relation::Less), (">", Relation::More)];
    let (rest, relation) = signs.into_iter().find_map(|(sign, relation)| text.strip_prefix(sign).map(|rest| (rest, relation)))?;
    let value: f64 = rest.trim().parse().ok()?;
    value.is_finite().then_some(Target { relation, value })
}
