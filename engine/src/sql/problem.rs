//! What is wrong with SQL, with the line it is on; and DataFusion's own errors in words for people.

use std::fmt;

use datafusion::common::{DataFusionError, SchemaError};

/// What is said of a subquery that nothing has taken apart.
pub const SUBQUERY: &str = "a subquery in this place, or one that reads the query around it like this, is not supported yet";

/// One problem of a SQL file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SqlProblem {
    /// What is wrong.
    pub message: String,
    /// The file, for messages.
    pub file: String,
    /// Line from 1.
    pub line: u64,
    /// Column from 1.
    pub column: u64,
    /// The line itself.
    pub excerpt: String,
}

impl SqlProblem {
    /// A problem at a place of a text.
    pub fn at(message: impl Into<String>, file: &str, text: &str, line: u64, column: u64) -> Self {
        let excerpt = text.lines().nth((line as usize).saturating_sub(1)).unwrap_or_default().chars().take(160).collect();
        SqlProblem { message: message.into(), file: file.to_string(), line, column, excerpt }
    }
}

impl fmt::Display for SqlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "error: {}", self.message)?;
        writeln!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.excerpt)?;
        write!(f, "{margin} | {}^", " ".repeat((self.column as usize).saturating_sub(1)))
    }
}

/// What an error of planning says, without words about DataFusion's inside.
pub fn said(error: &DataFusionError) -> String {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => said(inner),
        DataFusionError::Shared(inner) => said(inner),
        DataFusionError::Collection(errors) => errors.first().map(said).unwrap_or_default(),
        DataFusionError::SchemaError(problem, _) => match problem.as_ref() {
            SchemaError::AmbiguousReference { field } if field.relation.is_none() => {
                format!("column \"{}\" is ambiguous: write its table in front", field.name)
            }
            SchemaError::AmbiguousReference { field } => twice(&field.name),
            SchemaError::DuplicateUnqualifiedField { name } | SchemaError::DuplicateQualifiedField { name, .. } => twice(name),
            _ => error.strip_backtrace(),
        },
        DataFusionError::Plan(message) if message.starts_with("Projections require unique expression names") => {
            let named = message.split_once('"').map_or("", |(_, rest)| rest);
            twice(named.split("\" at position").next().unwrap_or_default())
        }
        DataFusionError::Plan(message) | DataFusionError::Execution(message) => message.clone(),
        DataFusionError::NotImplemented(message) => missing(message),
        other => other.strip_backtrace(),
    }
}

fn twice(name: &str) -> String {
    // The alias; not the type of a cast.
    let name = name.rsplit_once(" AS ").filter(|(_, alias)| !alias.contains(')')).map_or(name, |(_, alias)| alias);
    format!("two columns have the name \"{name}\"; give one another with AS")
}

/// The name of what is not there: what follows it is how the parser keeps it.
fn missing(message: &str) -> String {
    const SUBQUERIES: [&str; 4] = ["OuterReferenceColumn", "ScalarSubquery", "Exists", "InSubquery"];
    if SUBQUERIES.iter().any(|kind| message.starts_with(&format!("Physical plan does not support logical expression {kind}"))) {
        return SUBQUERY.into();
    }
    let cut = |text: &str| text.split(['{', '(']).next().unwrap_or(text).trim().trim_end_matches(':').to_string();
    let name = match message.split_once("Unsupported ast node") {
        Some((_, rest)) => cut(rest.split_once(' ').map_or(rest, |(_, rest)| rest).trim_start_matches("sqltorel: ")),
        None if message.contains(" { ") => cut(message),
        None => message.to_string(),
    };
    unsupported(name.trim_end_matches('.'))
}

/// What is not supported, said once: parts that refuse say so of some things themselves, or what they need.
pub fn unsupported(what: &str) -> String {
    const TOLD: [&str; 6] = ["not supported", "not implemented", "nsupported", "not yet supported", "requires", "was not provided"];
    match TOLD.iter().any(|words| what.contains(words)) {
        true => what.to_string(),
        false => format!("{what} is not supported yet"),
    }
}
