//! What is wrong with a pipeline that parsed: a step that does not fit its input, SQL that does not compile, a rule
//! that names a column which is not there. Rendered like the problems of the file itself.

use std::error::Error;
use std::fmt;

use crate::pipeline::Step;
use crate::sql::SqlProblem;

/// One problem, complete for a reader.
#[derive(Debug)]
pub enum Problem {
    /// In the pipeline file.
    File {
        /// What is wrong, on which thing.
        message: String,
        /// `file:line`, where it is known.
        place: Option<String>,
        /// What to do.
        help: Option<String>,
    },
    /// In a SQL file.
    Sql(SqlProblem),
}

impl Problem {
    /// A step that cannot be built, with the whole chain of causes.
    pub fn step(step: &Step, error: &dyn Error) -> Self {
        Problem::File { message: format!("step \"{}\": {}", step.name, innermost(error)), place: Some(step.place.clone()), help: None }
    }

    /// A rule that does not fit what it names.
    pub fn rule(message: String, help: impl Into<Option<String>>) -> Self {
        Problem::File { message, place: None, help: help.into() }
    }
}

/// The chain of an error in one line, without the links that only repeat the step's name.
fn innermost(error: &dyn Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(e) = cause {
        let text = e.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        cause = e.source();
    }
    if parts.len() > 1 && parts[0].ends_with("failed") {
        parts.remove(0);
    }
    parts.join(": ")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Sql(problem) => write!(f, "{problem}"),
            Problem::File { message, place, help } => {
                write!(f, "error: {message}")?;
                if let Some(place) = place {
                    write!(f, "\n  --> {place}")?;
                }
                if let Some(help) = help {
                    write!(f, "\n  = help: {help}")?;
                }
                Ok(())
            }
        }
    }
}
