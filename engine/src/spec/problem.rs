//! What is wrong with a pipeline file, rendered like a compiler does: message, place, the line with a caret, what to do.

use std::fmt;

use super::tree::{Node, Origin};

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, on which thing.
    pub message: String,
    /// Where it is written.
    pub origin: Origin,
    /// What to do.
    pub help: Option<String>,
}

/// The problems of one file.
#[derive(Clone, Debug)]
pub struct Problems {
    /// What is wrong.
    pub list: Vec<Problem>,
    file: String,
    text: String,
}

/// Problems that are told; the rest is only counted.
const SHOWN_MAX: usize = 50;

impl Problems {
    /// No problems yet.
    pub fn new(file: &str, text: &str) -> Self {
        Problems { list: Vec::new(), file: file.to_string(), text: text.to_string() }
    }

    /// A file that cannot be read at all.
    pub fn whole_file(file: &str, message: String) -> Self {
        let mut problems = Problems::new(file, "");
        problems.list.push(Problem { message, origin: Origin::Nowhere, help: None });
        problems
    }

    /// Adds a problem at a node.
    pub fn at(&mut self, node: &Node, message: impl Into<String>, help: Option<String>) {
        self.push(&node.origin, message, help);
    }

    /// Adds a problem at a place.
    pub fn push(&mut self, origin: &Origin, message: impl Into<String>, help: Option<String>) {
        self.list.push(Problem { message: message.into(), origin: origin.clone(), help });
    }

    /// Whether all is well.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The problems in the order of their places, each once.
    pub fn sorted(mut self) -> Self {
        self.list.sort_by(|a, b| (a.origin.order(), &a.message).cmp(&(b.origin.order(), &b.message)));
        self.list.dedup();
        self
    }

    fn excerpt(&self, f: &mut fmt::Formatter<'_>, line: u64, column: u64) -> fmt::Result {
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{margin}--> {}:{line}:{column}", self.file)?;
        let Some(text) = self.text.lines().nth((line as usize).saturating_sub(1)) else { return Ok(()) };
        let shown: String = text.chars().take(160).collect();
        writeln!(f, "{margin} |\n{number} | {shown}")?;
        writeln!(f, "{margin} | {}^", " ".repeat((column as usize).saturating_sub(1).min(160)))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.list.iter().take(SHOWN_MAX) {
            writeln!(f, "error: {}", problem.message)?;
            match &problem.origin {
                Origin::File { line, column } => self.excerpt(f, *line, *column)?,
                Origin::Set(text) => writeln!(f, " --> --set {text}")?,
                Origin::Nowhere => {}
            }
            if let Some(help) = &problem.help {
                writeln!(f, "  = help: {help}")?;
            }
            writeln!(f)?;
        }
        let count = self.list.len();
        write!(f, "{count} problem{} in \"{}\"", if count == 1 { "" } else { "s" }, self.file)
    }
}

impl std::error::Error for Problems {}

/// `did you mean "…"?`, when something is near enough.
pub fn nearest<'a>(name: &str, among: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let scored = among.into_iter().map(|other| (strsim::jaro_winkler(name, other), other));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.7);
    best.map(|(_, other)| format!("did you mean \"{other}\"?"))
}

/// What is near, or else all there is.
pub fn nearest_or_all(name: &str, among: &[&str]) -> Option<String> {
    nearest(name, among.iter().copied()).or_else(|| (!among.is_empty()).then(|| format!("there is {}", among.join(", "))))
}
