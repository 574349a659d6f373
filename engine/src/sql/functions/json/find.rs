//! Finds values in JSON text without building the document: what does not lead to the place is only skipped.
//!
//! Of members with one key the last counts, as in Postgres. Text that is no JSON has nothing in it.

use std::borrow::Cow;
use std::fmt;

use serde_json::Deserializer;
use serde_json::value::RawValue;

use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::path::Step;

/// The value at a place; the last of several.
pub fn last<'a>(json: &'a str, steps: &[Step]) -> Option<&'a str> {
    all(json, steps)?.pop()
}

/// All values at such places; none when the text is no JSON.
pub fn all<'a>(json: &'a str, steps: &[Step]) -> Option<Vec<&'a str>> {
    let whole: &RawValue = serde_json::from_str(json).ok()?;
    let mut values = vec![whole.get()];
    for step in steps {
        let mut next = Vec::new();
        for value in values {
            next.extend(children(value, step));
        }
        values = next;
    }
    Some(values)
}

/// What a step leads to.
fn children<'a>(value: &'a str, step: &Step) -> Vec<&'a str> {
    let seed = match (kind(value), step) {
        ("object", Step::Key(key)) => Children { key: Some(key), index: None },
        ("object" | "array", Step::Any) => Children { key: None, index: None },
        ("array", Step::Index(index)) if *index >= 0 => Children { key: None, index: Some(*index as u64) },
        ("array", Step::Index(index)) => {
            let all = read(value, Children { key: None, index: None });
            let at = usize::try_from(index.unsigned_abs()).ok().and_then(|back| all.len().checked_sub(back));
            return at.and_then(|at| all.get(at).copied()).into_iter().collect();
        }
        // A number in braces may be a member's name.
        ("object", Step::Index(index)) => {
            let key = index.to_string();
            return read(value, Children { key: Some(&key), index: None }).pop().into_iter().collect();
        }
        _ => return Vec::new(),
    };
    let one = seed.key.is_some() || seed.index.is_some();
    let mut found = read(value, seed);
    if one { found.pop().into_iter().collect() } else { found }
}

fn read<'a>(value: &'a str, seed: Children<'_>) -> Vec<&'a str> {
    seed.deserialize(&mut Deserializer::from_str(value)).unwrap_or_default()
}

/// Members or elements of one level: all, or those of a key or number.
struct Children<'k> {
    key: Option<&'k str>,
    index: Option<u64>,
}

impl<'de> DeserializeSeed<'de> for Children<'_> {
    type Value = Vec<&'de str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Children<'_> {
    type Value = Vec<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(key) = map.next_key::<Key<'_>>()? {
            match self.key {
                Some(wanted) if wanted != key.0 => drop(map.next_value::<IgnoredAny>()?),
                _ => found.push(map.next_value::<&RawValue>()?.get()),
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let (mut found, mut at) = (Vec::new(), 0);
        while let Some(value) = seq.next_element::<&RawValue>()? {
            if self.index.is_none_or(|wanted| wanted == at) {
                found.push(value.get());
            }
            at += 1;
        }
        Ok(found)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// What kind of value a JSON text is.
pub fn kind(value: &str) -> &'static str {
    match value.bytes().next() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

/// Whether a value is a list or an object.
pub fn is_whole(value: &str) -> bool {
    matches!(kind(value), "object" | "array")
}

/// A string without quotes; none when it is something else.
pub fn string(value: &str) -> Option<String> {
    if kind(value) == "string" { serde_json::from_str(value).ok() } else { None }
}

/// A value as text; null is none.
pub fn text(value: &str) -> Option<String> {
    match kind(value) {
        "string" => string(value),
        "null" => None,
        _ => Some(value.to_string()),
    }
}

/// How many elements or members a value has.
pub fn length(value: &str) -> Option<i64> {
    is_whole(value).then(|| read(value, Children { key: None, index: None }).len() as i64)
}

/// The keys of an object, in order.
pub fn keys(value: &str) -> Option<Vec<String>> {
    if kind(value) != "object" {
        return None;
    }
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
                keys.push(key);
            }
            Ok(keys)
        }
    }
    Deserializer::from_str(value).deserialize_map(Keys).ok()
}

/// The elements of a list.
pub fn elements(value: &str) -> Option<Vec<&str>> {
    (kind(value) == "array").then(|| read(value, Children { key: None, index: None }))
}

#[cfg(test)]
mod tests {
    use super::super::path::steps;
    use super::{all, keys, kind, last, length, text};

    const DOCUMENT: &str = r#" {"a": {"b": [1, 2.50, {"c": "x\"y"}]}, "n": null, "a b": true, "n": 7, "deep": [[1],[2]]} "#;

    fn at(path: &str) -> Option<&'static str> {
        last(DOCUMENT, &steps(path).unwrap_or_default())
    }

    #[test]
    fn values_are_found_as_they_are_written() {
        assert_eq!(at("$.a.b[1]"), Some("2.50"));
        assert_eq!(at("$.a.b[-1].c").and_then(text), Some("x\"y".into()));
        assert_eq!(at("$['a b']"), Some("true"));
        assert_eq!(at("$.n"), Some("7"), "the last of one key counts");
        assert_eq!((at("$.a.b[3]"), at("$.x"), at("$.n.x")), (None, None, None));
        assert_eq!(all(DOCUMENT, &steps("$.deep[*][*]").unwrap_or_default()), Some(vec!["1", "2"]));
        assert_eq!((at("$.a.b").and_then(length), at("$.a").map(kind)), (Some(3), Some("object")));
        assert_eq!(at("$.a").and_then(keys), Some(vec!["b".into()]));
    }

    #[test]
    fn what_is_no_json_has_nothing_in_it() {
        for text in ["", "{", "{\"a\": }", "{\"a\": 1} x", "nothing"] {
            assert_eq!(last(text, &[]), None, "{text}");
        }
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(last(&deep, &steps("$[0]").unwrap_or_default()).map(str::len), Some(deep.len() - 2));
    }
}
