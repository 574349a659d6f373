//! The pipeline file: YAML as written to a resolved pipeline, with every problem at once and at its place.
//!
//! `tree` is the YAML with positions; `overrides` puts `--set` on it; `written` are the typed settings, which also give the
//! JSON Schema; `shape` holds the tree against that schema; `resolve` binds names. Not here: types of columns (`graph`).

mod expectations;
mod overrides;
mod problem;
mod resolve;
mod rules;
mod schema;
mod shape;
mod tree;
mod written;

use std::path::Path;

pub use overrides::Override;
pub use problem::{Problem, Problems};
pub use schema::json_schema;

use crate::pipeline::Pipeline;

/// Bytes of a pipeline file.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// Loads and resolves a pipeline file.
///
/// # Errors
/// With every problem that can be told at once.
pub fn load(path: &Path, overrides: &[Override]) -> Result<Pipeline, Problems> {
    let name = path.display().to_string();
    let fail = |message: String| Problems::whole_file(&name, message);
    let size = std::fs::metadata(path).map_err(|e| fail(format!("could not read \"{name}\": {e}")))?.len();
    if size > FILE_BYTES_MAX {
        return Err(fail(format!("\"{name}\" has {size} bytes, and {FILE_BYTES_MAX} are allowed")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| fail(format!("could not read \"{name}\": {e}")))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    load_text(&text, &name, folder, overrides)
}

/// Resolves the text of a pipeline file; relative paths start at `folder`.
///
/// # Errors
/// As `load`.
pub fn load_text(text: &str, name: &str, folder: &Path, overrides: &[Override]) -> Result<Pipeline, Problems> {
    let mut problems = Problems::new(name, text);
    let Some(mut tree) = tree::parse(text, &mut problems) else { return Err(problems.sorted()) };
    let schema = json_schema();
    let written = tree.clone();
    overrides::apply(&mut tree, overrides, &schema, &mut problems);
    shape::check(&tree, &schema, &mut problems);
    if !problems.is_empty() {
        return Err(problems.sorted());
    }
    let pipeline = resolve::resolve(&tree, &written, folder, name, &mut problems);
    match pipeline {
        Some(pipeline) if problems.is_empty() => Ok(pipeline),
        _ => Err(problems.sorted()),
    }
}
