//! Which text is JSON: what functions of JSON give, and columns and casts of the types JSON and JSONB.
//!
//! It is told by the field's extension type, `arrow.json` (Arrow's canonical extension types), so that a document that is put into
//! another is part of it, and other text is a string. Where DataFusion forgets it (`CASE`, `coalesce`, aggregates), it is text.

use arrow::datatypes::Field;

const EXTENSION: &str = "ARROW:extension:name";
const JSON: &str = "arrow.json";

/// The field, which is JSON.
pub fn as_json(field: Field) -> Field {
    field.with_metadata([(EXTENSION.to_string(), JSON.to_string())].into())
}

/// Whether a field is JSON.
pub fn is_json(field: &Field) -> bool {
    field.metadata().get(EXTENSION).is_some_and(|name| name == JSON)
}
