//! The JSON Schema of a pipeline file, generated from the types of its settings.

use littoral_connectors::config::{SinkConfig, SourceConfig};
use schemars::{Schema, SchemaGenerator, json_schema as json};
use serde_json::{Map, Value};

use super::written::{Device, EventTime, File};

/// A scalar of any type.
pub fn any_scalar(_: &mut SchemaGenerator) -> Schema {
    json!({ "type": ["string", "number", "boolean"] })
}

/// A map of anything.
pub fn any_map(_: &mut SchemaGenerator) -> Schema {
    json!({ "type": "object" })
}

/// The schema that editors and `check` use.
pub fn json_schema() -> Value {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let file = generator.subschema_for::<File>();
    let source = generator.subschema_for::<SourceConfig>();
    let sink = generator.subschema_for::<SinkConfig>();
    let device = generator.subschema_for::<Device>();
    let event_time = generator.subschema_for::<EventTime>();
    let mut definitions = Value::Object(generator.take_definitions(true));
    let own = |schema: &Schema| name_of(schema).and_then(|n| definitions.get(n)).cloned().unwrap_or_default();
    let sources = with_shared(own(&source), &[("device", device.to_value()), ("event_time", event_time.to_value())], &[], &definitions);
    let text = serde_json::json!({ "type": "string", "description": "the step or view that it takes" });
    let sinks = with_shared(own(&sink), &[("from", text)], &["from"], &definitions);
    let mut root = own(&file);
    if let Some(definitions) = definitions.as_object_mut() {
        definitions.insert("NamedSource".into(), sources);
        definitions.insert("NamedSink".into(), sinks);
    }
    let map_of = |name: &str| serde_json::json!({ "type": "object", "additionalProperties": { "$ref": format!("#/$defs/{name}") } });
    if let Some(properties) = root.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("sources".into(), map_of("NamedSource"));
        properties.insert("sinks".into(), map_of("NamedSink"));
    }
    if let Some(root) = root.as_object_mut() {
        root.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        root.insert("title".into(), "Littoral pipeline".into());
        root.insert("required".into(), serde_json::json!(["pipeline", "sources"]));
        root.insert("$defs".into(), definitions);
    }
    root
}

fn name_of(schema: &Schema) -> Option<&str> {
    schema.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next())
}

/// Each connector's own keys, and those that all share.
fn with_shared(mut tagged: Value, shared: &[(&str, Value)], required: &[&str], definitions: &Value) -> Value {
    for branch in tagged.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
        inline(branch, definitions);
        if let Some(properties) = branch.get_mut("properties").and_then(Value::as_object_mut) {
            properties.extend(shared.iter().map(|(k, v)| (k.to_string(), v.clone())));
        }
        if let Some(list) = branch.get_mut("required").and_then(Value::as_array_mut) {
            list.extend(required.iter().map(|r| Value::from(*r)));
        }
    }
    tagged
}

/// A branch refers to its connector's settings beside its tag; here they become one map of keys.
fn inline(branch: &mut Value, definitions: &Value) {
    let Some(branch) = branch.as_object_mut() else { return };
    let Some(target) =
        branch.remove("$ref").and_then(|r| r.as_str().and_then(|r| r.rsplit('/').next()).and_then(|n| definitions.get(n)).cloned())
    else {
        return;
    };
    let mut properties = branch.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    properties.extend(target.get("properties").and_then(Value::as_object).cloned().unwrap_or_default());
    let mut required = branch.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    required.extend(target.get("required").and_then(Value::as_array).cloned().unwrap_or_default());
    branch.insert("properties".into(), Value::Object(properties));
    branch.insert("required".into(), Value::Array(required));
    branch.insert("additionalProperties".into(), Value::Bool(false));
}

/// The keys that a connector of a section knows.
pub fn connector_keys(schema: &Value, section: &str, connector: &str) -> Option<Vec<String>> {
    let name = if section == "sources" { "NamedSource" } else { "NamedSink" };
    let branches = schema.get("$defs")?.get(name)?.get("oneOf")?.as_array()?;
    let branch = branches.iter().find(|b| tag_of(b) == Some(connector))?;
    Some(branch.get("properties")?.as_object()?.keys().cloned().collect())
}

/// The connector that a branch is for.
pub fn tag_of(branch: &Value) -> Option<&str> {
    branch.get("properties")?.get("connector")?.get("const")?.as_str()
}

/// The properties of a schema.
pub fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}
