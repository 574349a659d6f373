//! `--set PATH=VALUE`: overrides a scalar of the file, checked like the file itself.
//!
//! Where a connector is changed, keys that the file gives and the new connector does not know are dropped: they belong to the
//! old one. Keys from other overrides are kept, and checked.

use serde_json::Value;

use super::Problems;
use super::problem::nearest;
use super::schema::connector_keys;
use super::tree::{Node, Origin, Tree};

/// One override.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    path: Vec<String>,
    value: Value,
    text: String,
}

impl Override {
    /// Reads `a.b.c=value`; the value is a YAML scalar.
    ///
    /// # Errors
    /// When there is no `=`, or a part of the path is empty.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (path, value) = text.split_once('=').ok_or_else(|| format!("\"{text}\" is not PATH=VALUE"))?;
        let path: Vec<String> = path.split('.').map(str::to_string).collect();
        if path.iter().any(String::is_empty) {
            return Err(format!("\"{text}\" has an empty name in its path"));
        }
        Ok(Override { path, value: scalar(value), text: text.to_string() })
    }
}

fn scalar(text: &str) -> Value {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
        _ => Value::String(text.to_string()),
    }
}

/// Puts overrides on the tree.
pub fn apply(tree: &mut Node, overrides: &[Override], schema: &Value, problems: &mut Problems) {
    for one in overrides {
        let origin = Origin::Set(one.text.clone());
        if let Err((message, help)) = set(tree, &one.path, one, &origin) {
            problems.push(&origin, message, help);
        }
    }
    for one in overrides {
        if let [section, name, key] = one.path.as_slice()
            && key == "connector"
        {
            drop_foreign(tree, section, name, &one.value, schema);
        }
    }
}

type Refused = (String, Option<String>);

fn set(node: &mut Node, path: &[String], one: &Override, origin: &Origin) -> Result<(), Refused> {
    let Some((key, rest)) = path.split_first() else {
        if matches!(node.value, Tree::Map(_) | Tree::List(_)) {
            return Err((format!("\"{}\" is {}; only a scalar can be set", one.path.join("."), node.kind()), None));
        }
        *node = Node { origin: origin.clone(), value: Tree::Scalar(one.value.clone()) };
        return Ok(());
    };
    if matches!(node.value, Tree::Null) {
        node.value = Tree::Map(Vec::new());
    }
    match &mut node.value {
        Tree::Map(entries) => {
            // The parts of a pipeline are named in the file; an override cannot add one.
            let depth = one.path.len() - path.len();
            let known = entries.iter().any(|(k, ..)| k == key);
            if !known && depth == 1 && !rest.is_empty() {
                let help = nearest(key, entries.iter().map(|(k, ..)| k.as_str()));
                return Err((format!("there is no \"{key}\" in \"{}\" to set", one.path.first().map_or("", String::as_str)), help));
            }
            if !known {
                entries.push((key.clone(), origin.clone(), Node { origin: origin.clone(), value: Tree::Null }));
            }
            match entries.iter_mut().find(|(k, ..)| k == key) {
                Some((_, _, child)) => set(child, rest, one, origin),
                None => Ok(()),
            }
        }
        Tree::List(items) => {
            let count = items.len();
            let item = key.parse::<usize>().ok().and_then(|i| items.get_mut(i));
            let item = item.ok_or_else(|| (format!("\"{key}\" is not a place in a list of {count}"), None))?;
            set(item, rest, one, origin)
        }
        _ => Err((format!("\"{key}\" has nothing to be set in: what is above it is {}", node.kind()), None)),
    }
}

fn drop_foreign(tree: &mut Node, section: &str, name: &str, connector: &Value, schema: &Value) {
    let Some(keys) = connector.as_str().and_then(|c| connector_keys(schema, section, c)) else { return };
    let Tree::Map(sections) = &mut tree.value else { return };
    let part = sections.iter_mut().find(|(k, ..)| k == section).and_then(|(_, _, node)| match &mut node.value {
        Tree::Map(parts) => parts.iter_mut().find(|(k, ..)| k == name),
        _ => None,
    });
    if let Some((_, _, Node { value: Tree::Map(entries), .. })) = part {
        entries.retain(|(key, origin, _)| matches!(origin, Origin::Set(_)) || keys.contains(key));
    }
}
