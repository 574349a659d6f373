//! Columns by the names that a file has for them: the one that is equal, else the only one that is equal but for upper and lower
//! case. SQL folds names that are not quoted, so that a column `orderId` is `orderid`, while files keep what was written.
//!
//! What a file of JSON has is seen by its first objects; not here: reading their values (`ndjson`).

use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use serde::de::IgnoredAny;
use serde_json::Deserializer;

/// Objects of a text whose keys are looked at, and bytes at most.
const OBJECTS: usize = 10_000;
const BYTES: u64 = 4 << 20;

/// The place of a name among others; none when there is none like it, or several that differ in case alone.
pub fn place<'a>(name: &str, among: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
    let lower = name.to_lowercase();
    let mut like = among.clone().enumerate().filter(|(_, other)| other.to_lowercase() == lower).map(|(place, _)| place);
    among.clone().position(|other| other == name).or_else(|| like.next().filter(|_| like.next().is_none()))
}

/// Columns with the names that the objects of a text have for them; one that the first objects do not have keeps its own. No more
/// objects are looked at once each column has a key that is equal.
pub fn as_written(columns: &SchemaRef, text: impl Read) -> SchemaRef {
    let mut keys = BTreeSet::new();
    let objects = Deserializer::from_reader(text.take(BYTES)).into_iter::<HashMap<String, IgnoredAny>>();
    // What is broken is told where it is decoded.
    for object in objects.map_while(Result::ok).take(OBJECTS) {
        keys.extend(object.into_keys());
        if columns.fields().iter().all(|field| keys.contains(field.name())) {
            return columns.clone();
        }
    }
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let field = |field: &Arc<Field>| match place(field.name(), keys.iter().copied()).and_then(|place| keys.get(place)) {
        Some(key) => field.as_ref().clone().with_name(*key),
        None => field.as_ref().clone(),
    };
    let fields: Vec<Field> = columns.fields().iter().map(field).collect();
    let distinct: BTreeSet<&String> = fields.iter().map(Field::name).collect();
    // Two columns of one key: only one of them has it.
    if distinct.len() < fields.len() { columns.clone() } else { Arc::new(Schema::new(fields)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};

    use super::{as_written, place};

    #[test]
    fn an_equal_name_goes_before_a_like_one_and_of_several_like_ones_none_is_taken() {
        let among = ["orderId", "ORDERID", "name", "Name", "city"];
        let found = |name: &str| place(name, among.iter().copied());
        assert_eq!(found("orderId"), Some(0));
        assert_eq!(found("orderid"), None);
        assert_eq!(found("name"), Some(2));
        assert_eq!(found("CITY"), Some(4));
        assert_eq!(found("street"), None);
    }

    #[test]
    fn keys_of_all_first_objects_count() {
        let columns = Arc::new(Schema::new(["orderid", "username", "b"].map(|n| Field::new(n, DataType::Utf8, true)).to_vec()));
        let text = "{\"orderId\":1,\"x\":{\"b\":[]}}\n\n{\"orderId\":2,\"userName\":\"y\"} {\"broken";
        let names = |text: &str| as_written(&columns, text.as_bytes()).fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
        assert_eq!(names(text), ["orderId", "userName", "b"]);
        assert_eq!(names("[1]"), ["orderid", "username", "b"]);
        // An equal key that comes later goes before a like one.
        assert_eq!(names("{\"orderId\":1,\"b\":1} {\"orderid\":1,\"username\":2}"), ["orderid", "username", "b"]);
    }
}
