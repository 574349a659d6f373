//! What is wrong with SQL, with the line it is on.

use std::fmt;

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
