//! Why a run stops before its end.

/// Why a run stops.
#[derive(Clone, Debug)]
pub enum Failure {
    /// A table's file cannot be read.
    File {
        /// The table.
        table: String,
        /// The file.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Something else.
    Other(String),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Failure::Other(why)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::File { table, path, cause } => write!(f, "could not read table \"{table}\" from \"{path}\": {cause}"),
            Failure::Other(why) => f.write_str(why),
        }
    }
}
