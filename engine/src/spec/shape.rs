//! Holds the tree against the JSON Schema: every unknown key, wrong type and missing key, each at its place.

use serde_json::Value;

use super::Problems;
use super::problem::nearest_or_all;
use super::schema::{properties, tag_of};
use super::tree::{Node, Tree};

/// Adds every problem of the tree's shape.
pub fn check(tree: &Node, schema: &Value, problems: &mut Problems) {
    Walk { root: schema, problems }.node(tree, schema, "the file");
}

struct Walk<'a> {
    root: &'a Value,
    problems: &'a mut Problems,
}

impl<'a> Walk<'a> {
    fn node(&mut self, node: &Node, schema: &'a Value, what: &str) {
        let schema = self.deref(schema);
        if let Some(choices) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
            return self.choice(node, choices, what);
        }
        if let Some(values) = strings(schema) {
            return self.one_of(node, &values, what);
        }
        match &node.value {
            Tree::Map(_) if allows(schema, "object") => self.map(node, schema, what),
            Tree::List(items) if allows(schema, "array") => {
                if let Some(each) = schema.get("items") {
                    items.iter().for_each(|item| self.node(item, each, what));
                }
                for (item, own) in items.iter().zip(schema.get("prefixItems").and_then(Value::as_array).into_iter().flatten()) {
                    self.node(item, own, what);
                }
            }
            Tree::Scalar(value) => self.scalar(node, value, schema, what),
            Tree::Null if allows(schema, "null") || schema.get("type").is_none() => {}
            _ => self.wrong(node, schema, what),
        }
    }

    fn deref(&self, schema: &'a Value) -> &'a Value {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
        target.and_then(|pointer| self.root.pointer(pointer)).map_or(schema, |found| self.deref(found))
    }

    fn wrong(&mut self, node: &Node, schema: &Value, what: &str) {
        let wanted = schema.get("description").and_then(Value::as_str).filter(|d| d.len() < 80);
        self.problems.at(node, format!("{what} must be {}, but is {}", expected(schema), node.kind()), wanted.map(str::to_string));
    }

    fn scalar(&mut self, node: &Node, value: &Value, schema: &Value, what: &str) {
        let fits = match value {
            Value::Bool(_) => allows(schema, "boolean"),
            Value::Number(n) if allows(schema, "integer") => {
                let least = schema.get("minimum").and_then(Value::as_f64).unwrap_or(f64::NEG_INFINITY);
                (n.is_i64() || n.is_u64()) && n.as_f64().is_some_and(|v| v >= least)
            }
            Value::Number(_) => allows(schema, "number"),
            _ => allows(schema, "string"),
        };
        if !fits {
            self.wrong(node, schema, what);
        }
    }

    fn one_of(&mut self, node: &Node, values: &[&str], what: &str) {
        match &node.value {
            Tree::Scalar(Value::String(text)) if values.contains(&text.as_str()) => {}
            Tree::Scalar(Value::String(text)) => {
                self.problems.at(node, format!("{what}: \"{text}\" is not known"), nearest_or_all(text, values));
            }
            _ => self.problems.at(node, format!("{what} must be one of {}, but is {}", values.join(", "), node.kind()), None),
        }
    }

    fn choice(&mut self, node: &Node, choices: &'a [Value], what: &str) {
        let choices: Vec<&'a Value> = choices.iter().map(|c| self.deref(c)).collect();
        if matches!(node.value, Tree::Null) && choices.iter().any(|c| allows(c, "null")) {
            return;
        }
        let solid: Vec<&'a Value> = choices.iter().copied().filter(|c| c.get("type").and_then(Value::as_str) != Some("null")).collect();
        if solid.iter().any(|c| tag_of(c).is_some()) {
            return self.tagged(node, &solid, what);
        }
        if let [only] = solid.as_slice() {
            return self.node(node, only, what);
        }
        let names: Vec<&str> = solid.iter().flat_map(|c| strings(c).unwrap_or_default()).collect();
        let maps: Vec<&'a Value> = solid.iter().copied().filter(|c| properties(c).is_some()).collect();
        match &node.value {
            Tree::Map(entries) => match entries.first() {
                Some((key, ..)) if maps.iter().any(|m| properties(m).is_some_and(|p| p.contains_key(key))) => {
                    if let Some(branch) = maps.iter().find(|m| properties(m).is_some_and(|p| p.contains_key(key))) {
                        self.map(node, branch, what);
                    }
                }
                Some((key, origin, _)) => {
                    let known: Vec<&str> = maps.iter().filter_map(|m| properties(m)).flat_map(|p| p.keys().map(String::as_str)).collect();
                    self.problems.push(origin, format!("{what}: \"{key}\" is not known"), nearest_or_all(key, &known));
                }
                None => self.problems.at(node, format!("{what} is empty"), None),
            },
            _ => {
                let known: Vec<&str> =
                    names.into_iter().chain(maps.iter().filter_map(|m| properties(m)).flat_map(|p| p.keys().map(String::as_str))).collect();
                self.one_of(node, &known, what);
            }
        }
    }

    fn tagged(&mut self, node: &Node, choices: &[&'a Value], what: &str) {
        let known: Vec<&str> = choices.iter().filter_map(|c| tag_of(c)).collect();
        let Tree::Map(_) = &node.value else {
            return self.problems.at(node, format!("{what} must be a map with a connector, but is {}", node.kind()), None);
        };
        let Some(tag) = node.get("connector") else {
            return self.problems.at(node, format!("{what} has no connector"), Some(format!("add connector: one of {}", known.join(", "))));
        };
        match &tag.value {
            Tree::Scalar(Value::String(name)) => match choices.iter().find(|c| tag_of(c) == Some(name)) {
                Some(branch) => self.map(node, branch, what),
                None => self.problems.at(tag, format!("{what}: connector \"{name}\" is not known"), nearest_or_all(name, &known)),
            },
            _ => self.problems.at(tag, format!("{what}: connector must be one of {}", known.join(", ")), None),
        }
    }

    fn map(&mut self, node: &Node, schema: &'a Value, what: &str) {
        let named = properties(schema);
        let rest = schema.get("additionalProperties");
        for (index, (key, origin, value)) in node.entries().iter().enumerate() {
            if node.entries().iter().take(index).any(|(k, ..)| k == key) {
                self.problems.push(origin, format!("{what} has key \"{key}\" twice"), None);
            }
            let label = if what == "the file" { format!("\"{key}\"") } else { format!("{what}, \"{key}\"") };
            match (named.and_then(|p| p.get(key)), rest) {
                (Some(own), _) => self.node(value, own, &label),
                (None, Some(Value::Bool(false))) => {
                    let known: Vec<&str> = named.map(|p| p.keys().map(String::as_str).collect()).unwrap_or_default();
                    self.problems.push(origin, format!("{what} has no key \"{key}\""), nearest_or_all(key, &known));
                }
                (None, Some(own @ Value::Object(_))) => self.node(value, own, &label),
                (None, _) => {}
            }
        }
        for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if node.get(key).is_none() {
                self.problems.at(node, format!("{what} lacks the key \"{key}\""), None);
            }
        }
    }
}

/// The texts that a schema allows, when it allows only texts of a list.
fn strings(schema: &Value) -> Option<Vec<&str>> {
    if let Some(one) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![one]);
    }
    schema.get("enum").and_then(Value::as_array).map(|all| all.iter().filter_map(Value::as_str).collect())
}

fn allows(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        None => true,
        Some(Value::String(one)) => one == kind || (kind == "integer" && one == "integer"),
        Some(Value::Array(many)) => many.iter().any(|t| t.as_str() == Some(kind)),
        Some(_) => false,
    }
}

fn expected(schema: &Value) -> String {
    let name = |t: &str| match t {
        "object" => "a map".to_string(),
        "array" => "a list".to_string(),
        "string" => "text".to_string(),
        "integer" => "a whole number of 0 or more".to_string(),
        "number" => "a number".to_string(),
        "boolean" => "true or false".to_string(),
        other => other.to_string(),
    };
    match schema.get("type") {
        Some(Value::String(one)) => name(one),
        Some(Value::Array(many)) => {
            many.iter().filter_map(Value::as_str).filter(|t| *t != "null").map(name).collect::<Vec<_>>().join(" or ")
        }
        _ => "something else".into(),
    }
}
