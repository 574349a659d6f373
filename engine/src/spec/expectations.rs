//! Resolves the tests that a pipeline carries: what is given, and what steps and views must hold at the end.

use serde_json::{Map, Value};

use super::Problems;
use super::problem::nearest_or_all;
use super::resolve::{Context, source, typed};
use super::tree::{Node, Origin, Tree};
use super::written;
use crate::pipeline::{Expectation, Expected, Pipeline, TestCase};

/// Adds the tests to a pipeline.
pub fn resolve(context: &Context<'_>, relations: &[String], pipeline: &mut Pipeline, problems: &mut Problems) {
    let Some(Node { value: Tree::List(items), .. }) = context.tree.get("tests") else { return };
    for item in items {
        let Some(written) = typed::<written::Test>(item, &[], "test", problems) else { continue };
        let given = given(context, item, &written, problems);
        for name in written.params.keys().filter(|n| !pipeline.params.iter().any(|p| p.name == **n)) {
            let known: Vec<&str> = pipeline.params.iter().map(|p| p.name.as_str()).collect();
            problems.at(item, format!("test \"{}\" sets \"{name}\", which is no parameter", written.name), nearest_or_all(name, &known));
        }
        let mut expect = Vec::new();
        for (of, value) in &written.expect {
            if !relations.contains(of) {
                let known: Vec<&str> = relations.iter().map(String::as_str).collect();
                problems.at(
                    item,
                    format!("test \"{}\" expects something of \"{of}\", which is no source, step or view", written.name),
                    nearest_or_all(of, &known),
                );
            }
            match expected(value) {
                Some(what) => expect.push(Expectation { of: of.clone(), what }),
                None => {
                    let help = "write a list of rows, { count: 3 }, { count: \">= 1\" } or { contains: [rows] }";
                    problems.at(
                        item,
                        format!("test \"{}\": what is expected of \"{of}\" is not understood", written.name),
                        Some(help.into()),
                    );
                }
            }
        }
        let place = item.origin.place(context.file);
        pipeline.tests.push(TestCase { name: written.name, given, params: written.params, expect, place });
    }
}

/// Sources as the test wants them: the pipeline's own settings, with what is given put over them.
fn given(context: &Context<'_>, test: &Node, written: &written::Test, problems: &mut Problems) -> Vec<crate::pipeline::Source> {
    let mut out = Vec::new();
    for (name, value) in &written.given {
        let Some(own) = context.written.get("sources").and_then(|s| s.get(name)) else {
            let known: Vec<&str> =
                context.tree.get("sources").map(Node::entries).unwrap_or_default().iter().map(|(n, ..)| n.as_str()).collect();
            problems.at(test, format!("test \"{}\" gives \"{name}\", which is no source", written.name), nearest_or_all(name, &known));
            continue;
        };
        let mut settings = own.json();
        match value {
            Value::String(path) => settings = from_path(path, &settings),
            Value::Object(map) => put_over(&mut settings, map),
            _ => problems.at(test, format!("test \"{}\": \"{name}\" must be given as a path or a map", written.name), None),
        }
        out.extend(source(name, &from_json(&settings, &test.origin), problems));
    }
    out
}

/// A file in the place of the source; its ending tells the connector.
fn from_path(path: &str, own: &Value) -> Value {
    let connector = match path.rsplit('.').next() {
        Some("csv") => "csv",
        Some("json" | "ndjson" | "jsonl") => "json",
        Some("wav") => "wav",
        _ => "parquet",
    };
    let mut map = Map::new();
    map.insert("connector".into(), connector.into());
    map.insert("path".into(), path.into());
    let event_time = own.get("event_time").cloned();
    map.extend(event_time.map(|e| ("event_time".to_string(), e)));
    Value::Object(map)
}

fn put_over(settings: &mut Value, given: &Map<String, Value>) {
    let Some(map) = settings.as_object_mut() else { return };
    let changes = given.get("connector").is_some_and(|c| map.get("connector") != Some(c));
    if changes {
        let keep = ["device", "event_time"];
        map.retain(|key, _| keep.contains(&key.as_str()));
    }
    map.extend(given.iter().map(|(k, v)| (k.clone(), v.clone())));
}

fn from_json(value: &Value, origin: &Origin) -> Node {
    let value = match value {
        Value::Null => Tree::Null,
        Value::Array(items) => Tree::List(items.iter().map(|v| from_json(v, origin)).collect()),
        Value::Object(map) => Tree::Map(map.iter().map(|(k, v)| (k.clone(), origin.clone(), from_json(v, origin))).collect()),
        scalar => Tree::Scalar(scalar.clone()),
    };
    Node { origin: origin.clone(), value }
}

fn rows(value: &Value) -> Option<Vec<Map<String, Value>>> {
    value.as_array()?.iter().map(|row| row.as_object().cloned()).collect()
}

fn expected(value: &Value) -> Option<Expected> {
    if value.is_array() {
        return rows(value).map(Expected::Rows);
    }
    let map = value.as_object().filter(|m| m.len() == 1)?;
    if let Some(contains) = map.get("contains") {
        return rows(contains).map(Expected::Contains);
    }
    let count = map.get("count")?;
    if let Some(exact) = count.as_u64() {
        return Some(Expected::Count { at_least: exact, at_most: Some(exact) });
    }
    let text = count.as_str()?.trim();
    let number = |prefix: &str| text.strip_prefix(prefix).and_then(|n| n.trim().parse::<u64>().ok());
    number(">=")
        .map(|n| Expected::Count { at_least: n, at_most: None })
        .or_else(|| number("<=").map(|n| Expected::Count { at_least: 0, at_most: Some(n) }))
}
