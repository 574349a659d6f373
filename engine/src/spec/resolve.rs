//! Binds the names of a pipeline file: sources, steps in order, parameters with their envelopes, views.
//!
//! What hangs on steps and views (deltas, sinks, …) is in `rules`, tests are in `expectations`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use littoral_connectors::config::SourceConfig;
use littoral_connectors::source::DeviceFrom;
use serde::de::DeserializeOwned;

use super::problem::{nearest, nearest_or_all};
use super::tree::{Node, Origin};
use super::written::{self, ParamType};
use super::{Problems, expectations, rules};
use crate::pipeline::{Features, Frame, Infer, Param, ParamKind, Pipeline, RunSettings, Source, SqlFile, Step, StepOp, Unsupported};

/// Epoch length when nothing is set.
const EPOCH: Duration = Duration::from_millis(100);
/// Epochs of the loop when nothing is set.
const LOOP_EPOCHS: u64 = 2;
/// Bytes of a SQL file.
const SQL_BYTES_MAX: u64 = 1 << 20;

/// What resolving works on.
pub struct Context<'a> {
    /// The whole file, overrides put on it.
    pub tree: &'a Node,
    /// The file as it is written: what tests build upon.
    pub written: &'a Node,
    /// Where relative paths start.
    pub folder: &'a Path,
    /// The file's name, for places.
    pub file: &'a str,
}

impl Context<'_> {
    /// The part of a name in a section.
    pub fn part(&self, section: &str, name: &str) -> Option<&Node> {
        self.tree.get(section).and_then(|s| s.get(name))
    }

    /// Where a key of a part is written, or else the part.
    pub fn origin(&self, section: &str, name: &str, key: &str) -> Origin {
        let part = self.part(section, name);
        part.and_then(|p| p.get(key)).or(part).map(|n| n.origin.clone()).unwrap_or_default()
    }

    /// `file:line` of a part.
    pub fn place(&self, section: &str, name: &str) -> String {
        self.origin(section, name, "").place(self.file)
    }
}

/// A part as its typed settings; what does not fit is a problem at the scalar that it quotes.
pub fn typed<T: DeserializeOwned>(node: &Node, left_out: &[&str], what: &str, problems: &mut Problems) -> Option<T> {
    match serde_json::from_value(node.json_without(left_out)) {
        Ok(value) => Some(value),
        Err(error) => {
            let message = error.to_string();
            problems.at(node.quoted_in(&message).unwrap_or(node), format!("{what}: {message}"), None);
            None
        }
    }
}

/// Resolves a tree whose shape is right.
pub fn resolve(tree: &Node, written: &Node, folder: &Path, file: &str, problems: &mut Problems) -> Option<Pipeline> {
    let context = Context { tree, written, folder, file };
    let sources = sources(&context, problems);
    let parts = |key: &str| tree.get(key).map(Node::entries).unwrap_or_default();
    let mut params = Vec::new();
    for (name, _, node) in parts("params") {
        if let Some(written) = typed::<written::Param>(node, &[], &format!("param \"{name}\""), problems) {
            params.extend(param(&context, name, &written, problems));
        }
    }
    let views = views(&context, problems);
    let view_names: Vec<String> = views.iter().flat_map(|v| view_names(&v.text)).collect();
    let mut steps = Vec::new();
    for (name, _, node) in parts("steps") {
        if let Some(written) = typed::<written::Step>(node, &[], &format!("step \"{name}\""), problems) {
            steps.extend(step(&context, name, &written, &params, problems));
        }
    }
    unique(&context, &sources, &view_names, problems);
    let steps = in_order(&context, steps, &sources, problems);
    let run = run_settings(&context, problems);
    let mut unsupported = Vec::new();
    for param in params.iter().filter(|p| p.fallback_after.is_some()) {
        unsupported.push(Unsupported {
            path: format!("params.{}.fallback_after", param.name),
            place: context.origin("params", &param.name, "fallback_after").place(file),
        });
    }
    let relations: Vec<String> =
        sources.iter().map(|s| s.name.clone()).chain(parts("steps").iter().map(|(n, ..)| n.clone())).chain(view_names).collect();
    let mut pipeline = Pipeline {
        name: tree.get("pipeline").map(|n| n.json()).and_then(|v| v.as_str().map(str::to_string)).unwrap_or_default(),
        folder: folder.to_path_buf(),
        run,
        sources,
        steps,
        params,
        views,
        deltas: Vec::new(),
        remediations: Vec::new(),
        sinks: Vec::new(),
        kpis: Vec::new(),
        place: BTreeMap::new(),
        tests: Vec::new(),
        unsupported,
    };
    rules::resolve(&context, &relations, &mut pipeline, problems);
    expectations::resolve(&context, &relations, &mut pipeline, problems);
    Some(pipeline)
}

fn run_settings(context: &Context<'_>, problems: &mut Problems) -> RunSettings {
    let written = context.tree.get("run").and_then(|n| typed::<written::Run>(n, &[], "run", problems)).unwrap_or_default();
    let epoch = written.epoch.map_or(EPOCH, |s| s.0);
    let loop_epochs = written.loop_epochs.unwrap_or(LOOP_EPOCHS);
    let at = |key: &str| context.tree.get("run").and_then(|r| r.get(key)).map(|n| n.origin.clone()).unwrap_or_default();
    if !(Duration::from_millis(1)..=Duration::from_secs(3600)).contains(&epoch) {
        problems.push(&at("epoch"), "run: epoch must be 1ms to 1h", None);
    }
    if !(1..=1000).contains(&loop_epochs) {
        problems.push(&at("loop"), "run: loop must be 1 to 1000 epochs", None);
    }
    RunSettings { epoch, loop_epochs }
}

fn sources(context: &Context<'_>, problems: &mut Problems) -> Vec<Source> {
    let parts = context.tree.get("sources").map(Node::entries).unwrap_or_default();
    if parts.is_empty() {
        problems.push(&Origin::Nowhere, "the pipeline has no source", None);
    }
    parts.iter().filter_map(|(name, _, node)| source(name, node, problems)).collect()
}

/// A source of a part.
pub fn source(name: &str, node: &Node, problems: &mut Problems) -> Option<Source> {
    let what = format!("source \"{name}\"");
    let connector: SourceConfig = typed(node, &["device", "event_time"], &what, problems)?;
    let device = match node.get("device") {
        None => default_device(&connector),
        Some(part) => device(part, typed(part, &[], &what, problems)?, &what, problems)?,
    };
    let event_time = match node.get("event_time") {
        None => written::EventTime::default(),
        Some(part) => typed(part, &[], &what, problems)?,
    };
    Some(Source {
        name: name.to_string(),
        connector,
        device,
        time_column: event_time.column,
        lateness: event_time.lateness.map_or(Duration::ZERO, |s| s.0),
    })
}

fn default_device(connector: &SourceConfig) -> DeviceFrom {
    match connector {
        SourceConfig::Kafka(_) => DeviceFrom::Column("device".into()),
        _ => DeviceFrom::FileName,
    }
}

fn device(node: &Node, written: written::Device, what: &str, problems: &mut Problems) -> Option<DeviceFrom> {
    match (written.from, written.column, written.fixed) {
        (Some(_), None, None) => Some(DeviceFrom::FileName),
        (None, Some(column), None) => Some(DeviceFrom::Column(column)),
        (None, None, Some(name)) => Some(DeviceFrom::Fixed(name)),
        _ => {
            problems.at(node, format!("{what}: device needs exactly one of from, column, fixed"), None);
            None
        }
    }
}

fn param(context: &Context<'_>, name: &str, written: &written::Param, problems: &mut Problems) -> Option<Param> {
    let at = |key: &str| context.origin("params", name, key);
    let mut fail = |key: &str, message: String, help: Option<&str>| {
        problems.push(&at(key), format!("param \"{name}\": {message}"), help.map(str::to_string));
        None
    };
    let bounds = (written.min, written.max);
    let kind = match written.kind {
        ParamType::F32 | ParamType::I64 => {
            let (Some(min), Some(max)) = bounds else {
                return fail("", "its envelope has no range".into(), Some("add min and max: a device must know what it may be told"));
            };
            let Some(default) = written.default.as_f64() else { return fail("default", "default must be a number".into(), None) };
            if min > max || !(min..=max).contains(&default) {
                return fail("default", format!("default {default} must lie within {min} to {max}"), None);
            }
            if written.max_step.is_some_and(|s| s <= 0.0 || s.is_nan()) {
                return fail("max_step", "max_step must be above 0".into(), None);
            }
            number_kind(written.kind, default, min, max, written.max_step)
        }
        ParamType::Bool => match written.default.as_bool() {
            Some(default) => ParamKind::Bool { default },
            None => return fail("default", "default must be true or false".into(), None),
        },
        ParamType::Model => match written.default.as_str().map(|p| context.folder.join(p)) {
            Some(path) if path.is_file() => ParamKind::Model { default: path },
            Some(path) => {
                return fail(
                    "default",
                    format!("there is no model file \"{}\"", path.display()),
                    Some("correct the path; it starts at the pipeline file's folder"),
                );
            }
            None => return fail("default", "default must be the path of a model".into(), None),
        },
    };
    let (min_interval, fallback_after) = (written.min_interval.map(|s| s.0), written.fallback_after.map(|s| s.0));
    Some(Param { name: name.to_string(), kind, min_interval, fallback_after })
}

fn number_kind(kind: ParamType, default: f64, min: f64, max: f64, step: Option<f64>) -> ParamKind {
    match kind {
        ParamType::I64 => ParamKind::I64 { default: default as i64, min: min as i64, max: max as i64, max_step: step.map(|s| s as i64) },
        _ => ParamKind::F32 { default: default as f32, min: min as f32, max: max as f32, max_step: step.map(|s| s as f32) },
    }
}

fn views(context: &Context<'_>, problems: &mut Problems) -> Vec<SqlFile> {
    let mut out = Vec::new();
    let Some(node) = context.tree.get("views") else { return out };
    let super::tree::Tree::List(items) = &node.value else { return out };
    for item in items {
        let Some(path) = item.json().as_str().map(|p| context.folder.join(p)) else { continue };
        let large = std::fs::metadata(&path).is_ok_and(|m| m.len() > SQL_BYTES_MAX);
        match std::fs::read_to_string(&path) {
            _ if large => problems.at(item, format!("view file \"{}\" is larger than {SQL_BYTES_MAX} bytes", path.display()), None),
            Ok(text) => out.push(SqlFile { path, text }),
            Err(error) => problems.at(item, format!("could not read view file \"{}\": {error}", path.display()), None),
        }
    }
    out
}

/// Names in `CREATE [OR REPLACE] [MATERIALIZED] VIEW name`, comments and quoted text left out.
fn view_names(sql: &str) -> Vec<String> {
    let words = words(sql);
    let is = |i: usize, word: &str| words.get(i).is_some_and(|w: &String| w.eq_ignore_ascii_case(word));
    let mut names = Vec::new();
    for i in 0..words.len() {
        if is(i, "create") {
            let at = (i + 1..i + 5).find(|&j| is(j, "view"));
            if let Some(name) = at.and_then(|j| words.get(if is(j + 1, "if") { j + 4 } else { j + 1 })) {
                names.push(name.to_lowercase());
            }
        }
    }
    names
}

/// The words of a SQL text, without comments and quoted text.
fn words(sql: &str) -> Vec<String> {
    let (mut out, mut word, mut rest) = (Vec::new(), String::new(), sql);
    while let Some(c) = rest.chars().next() {
        let skip = match c {
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |i| i + 2),
            '\'' => rest.get(1..).and_then(|r| r.find('\'')).map_or(rest.len(), |i| i + 2),
            _ => c.len_utf8(),
        };
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
        } else if !word.is_empty() {
            out.push(std::mem::take(&mut word));
        }
        rest = rest.get(skip..).unwrap_or_default();
    }
    out.extend((!word.is_empty()).then_some(word));
    out
}

fn step(context: &Context<'_>, name: &str, written: &written::Step, params: &[Param], problems: &mut Problems) -> Option<Step> {
    let at = |key: &str| context.origin("steps", name, key);
    let verbs = [written.frame.is_some(), written.features.is_some(), written.infer.is_some(), written.sql.is_some()];
    if verbs.iter().filter(|v| **v).count() != 1 {
        problems.push(&at(""), format!("step \"{name}\" needs exactly one of frame, features, infer, sql"), None);
        return None;
    }
    let from = written.from.clone().or_else(|| written.sql.as_deref().and_then(table_of));
    let Some(from) = from else {
        problems.push(&at(""), format!("step \"{name}\" does not say what it reads"), Some("add from: a source or step".into()));
        return None;
    };
    let op = if let Some(frame) = &written.frame {
        StepOp::Frame(frame_settings(frame))
    } else if let Some(features) = &written.features {
        let rate = features.sample_rate_hz.unwrap_or(12_000.0);
        StepOp::Features(Features { of: features.of.clone(), sample_rate_hz: rate, compute: features.compute.clone() })
    } else if let Some(infer) = &written.infer {
        StepOp::Infer(infer_settings(context, name, infer, params, problems)?)
    } else {
        StepOp::Sql(written.sql.clone().unwrap_or_default())
    };
    Some(Step { name: name.to_string(), from, op, place: context.place("steps", name) })
}

fn frame_settings(frame: &written::Frame) -> Frame {
    let by = frame.by.clone().unwrap_or_else(|| vec!["device".into()]);
    Frame { size: frame.size, hop: frame.hop.unwrap_or(frame.size), by, of: frame.of.clone(), keep: frame.keep.clone() }
}

fn infer_settings(context: &Context<'_>, name: &str, infer: &written::Infer, params: &[Param], problems: &mut Problems) -> Option<Infer> {
    let outputs = infer.outputs.iter().map(|(n, o)| (n.clone(), *o)).collect();
    let make = |model: PathBuf, param: Option<String>| Infer { model, param, inputs: infer.inputs.clone(), outputs };
    if let Some(param) = params.iter().find(|p| p.name == infer.model) {
        return match &param.kind {
            ParamKind::Model { default } => Some(make(default.clone(), Some(param.name.clone()))),
            _ => {
                problems.push(
                    &context.origin("steps", name, "infer"),
                    format!("step \"{name}\": param \"{}\" is not of type model", param.name),
                    None,
                );
                None
            }
        };
    }
    let path = context.folder.join(&infer.model);
    if path.is_file() {
        return Some(make(path, None));
    }
    // A model parameter that is itself broken has told so already.
    if context.part("params", &infer.model).is_none() {
        let names: Vec<&str> = params.iter().map(|p| p.name.as_str()).collect();
        let message = format!("step \"{name}\": there is no parameter and no model file \"{}\"", infer.model);
        problems.push(&context.origin("steps", name, "infer"), message, nearest(&infer.model, names));
    }
    None
}

/// The table of a step's query: the word after FROM.
fn table_of(sql: &str) -> Option<String> {
    let words = words(sql);
    let from = words.iter().position(|w| w.eq_ignore_ascii_case("from"))?;
    words.get(from + 1).map(|w| w.to_lowercase())
}

fn unique(context: &Context<'_>, sources: &[Source], views: &[String], problems: &mut Problems) {
    let mut seen: BTreeSet<&str> = sources.iter().map(|s| s.name.as_str()).collect();
    let steps = context.tree.get("steps").map(Node::entries).unwrap_or_default();
    for (name, origin, _) in steps {
        if !seen.insert(name) {
            problems.push(
                origin,
                format!("there are two things named \"{name}\""),
                Some("sources, steps and views share one space of names".into()),
            );
        }
    }
    for name in views {
        if !seen.insert(name) {
            let at = context.tree.get("views").map(|n| n.origin.clone()).unwrap_or_default();
            problems.push(
                &at,
                format!("there are two things named \"{name}\""),
                Some("sources, steps and views share one space of names".into()),
            );
        }
    }
}

/// Steps such that each comes after what it reads; missing inputs and cycles are problems.
fn in_order(context: &Context<'_>, mut steps: Vec<Step>, sources: &[Source], problems: &mut Problems) -> Vec<Step> {
    let written: Vec<String> = context.tree.get("steps").map(Node::entries).unwrap_or_default().iter().map(|(n, ..)| n.clone()).collect();
    let known: Vec<&str> = sources.iter().map(|s| s.name.as_str()).chain(written.iter().map(String::as_str)).collect();
    steps.retain(|step| {
        let there = known.contains(&step.from.as_str());
        if !there {
            let at = context.part("steps", &step.name).and_then(|p| p.get("from").or(p.get("sql"))).map(|n| n.origin.clone());
            let message = format!("step \"{}\" reads \"{}\", which is no source or step", step.name, step.from);
            problems.push(&at.unwrap_or_default(), message, nearest_or_all(&step.from, &known));
        }
        there
    });
    let mut done: Vec<Step> = Vec::new();
    while !steps.is_empty() {
        let broken = |from: &String| written.contains(from) && !steps.iter().any(|s| s.name == *from);
        let ready = |s: &Step| sources.iter().any(|n| n.name == s.from) || done.iter().any(|d| d.name == s.from) || broken(&s.from);
        match steps.iter().position(ready) {
            Some(index) => done.push(steps.remove(index)),
            None => {
                let names: Vec<&str> = steps.iter().map(|s| s.name.as_str()).collect();
                let origin = context.origin("steps", names.first().copied().unwrap_or_default(), "from");
                problems.push(&origin, format!("steps read each other in a cycle: {}", cycle(&steps)), None);
                break;
            }
        }
    }
    done
}

/// One cycle among steps that all wait for each other.
fn cycle(steps: &[Step]) -> String {
    let mut path: Vec<&str> = Vec::new();
    let mut at = steps.first();
    while let Some(step) = at {
        if let Some(start) = path.iter().position(|n| *n == step.name) {
            let mut round: Vec<&str> = path.split_off(start);
            round.reverse();
            round.push(round.first().copied().unwrap_or_default());
            return round.join(" -> ");
        }
        path.push(&step.name);
        at = steps.iter().find(|s| s.name == step.from);
    }
    path.join(" -> ")
}
