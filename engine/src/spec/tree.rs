//! YAML as a tree that knows where each part is written. Its size, depth and aliases are limited before anything is built.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::Problems;

/// Levels of nesting.
const DEPTH_MAX: usize = 32;
/// Scalars, lists and maps of a file.
const NODES_MAX: usize = 50_000;
/// Uses of an anchor: pipelines need none, a few do no harm.
const ALIASES_MAX: usize = 100;

/// Where something is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// In the file; lines and columns count from 1.
    File {
        /// The line.
        line: u64,
        /// The column.
        column: u64,
    },
    /// In an override, given as it was typed.
    Set(String),
    /// Nowhere in particular.
    #[default]
    Nowhere,
}

impl Origin {
    /// A key that sorts problems by place.
    pub fn order(&self) -> (u64, u64) {
        match self {
            Origin::File { line, column } => (*line, *column),
            Origin::Set(_) => (u64::MAX, 0),
            Origin::Nowhere => (0, 0),
        }
    }

    /// `file:line`, as other problems name it.
    pub fn place(&self, file: &str) -> String {
        match self {
            Origin::File { line, .. } => format!("{file}:{line}"),
            Origin::Set(text) => format!("--set {text}"),
            Origin::Nowhere => file.to_string(),
        }
    }
}

/// A part of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Where it is written.
    pub origin: Origin,
    /// What it is.
    pub value: Tree,
}

/// What a part of the file is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Tree {
    /// Nothing.
    #[default]
    Null,
    /// A scalar: truth value, number or text.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// Keys with their places, and values, as written.
    Map(Vec<(String, Origin, Node)>),
}

impl Node {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, ..)| k == key).map(|(_, _, node)| node)
    }

    /// Keys and values; none when it is no map.
    pub fn entries(&self) -> &[(String, Origin, Node)] {
        match &self.value {
            Tree::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The part as plain JSON, without some keys.
    pub fn json_without(&self, left_out: &[&str]) -> Value {
        match &self.value {
            Tree::Null => Value::Null,
            Tree::Scalar(value) => value.clone(),
            Tree::List(items) => items.iter().map(|n| n.json_without(&[])).collect(),
            Tree::Map(entries) => {
                let kept = entries.iter().filter(|(k, ..)| !left_out.contains(&k.as_str()));
                Value::Object(kept.map(|(k, _, n)| (k.clone(), n.json_without(&[]))).collect())
            }
        }
    }

    /// The part as plain JSON.
    pub fn json(&self) -> Value {
        self.json_without(&[])
    }

    /// What it is called in a message.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Tree::Null => "nothing",
            Tree::Scalar(Value::Bool(_)) => "a truth value",
            Tree::Scalar(Value::Number(_)) => "a number",
            Tree::Scalar(_) => "text",
            Tree::List(_) => "a list",
            Tree::Map(_) => "a map",
        }
    }

    /// The first scalar beneath whose text a message quotes.
    pub fn quoted_in(&self, message: &str) -> Option<&Node> {
        match &self.value {
            Tree::Scalar(Value::String(text)) if message.contains(&format!("\"{text}\"")) => Some(self),
            Tree::List(items) => items.iter().find_map(|n| n.quoted_in(message)),
            Tree::Map(entries) => entries.iter().find_map(|(_, _, n)| n.quoted_in(message)),
            _ => None,
        }
    }
}

/// Parses the text; what it cannot be is a problem.
pub fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_aliases: ALIASES_MAX,
        },
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(raw) => Some(node(raw)),
        Err(error) => {
            let at = error.location().map(|l| Origin::File { line: l.line(), column: l.column() }).unwrap_or_default();
            let whole = error.to_string();
            let message = whole.lines().next().unwrap_or("the file is not YAML").trim_start_matches("error: ");
            problems.push(&at, format!("could not read the file as YAML: {message}"), None);
            None
        }
    }
}

/// What the parser gives, before positions are put into one place.
enum Raw {
    Null,
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn node(raw: Spanned<Raw>) -> Node {
    let origin = Origin::File { line: raw.referenced.line(), column: raw.referenced.column() };
    let value = match raw.value {
        Raw::Null => Tree::Null,
        Raw::Scalar(value) => Tree::Scalar(value),
        Raw::List(items) => Tree::List(items.into_iter().map(node).collect()),
        Raw::Map(entries) => Tree::Map(
            entries
                .into_iter()
                .map(|(key, value)| (key.value, Origin::File { line: key.referenced.line(), column: key.referenced.column() }, node(value)))
                .collect(),
        ),
    };
    Node { origin, value }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "YAML")
    }
    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }
    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }
    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }
    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element()? {
            out.push(item);
        }
        Ok(Raw::List(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut out = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            out.push(entry);
        }
        Ok(Raw::Map(out))
    }
}
