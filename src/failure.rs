//! How a command fails: what was given is wrong (exit code 2), or the run itself failed (exit code 1).
//!
//! Only `main` prints, once, the whole chain.

use std::error::Error;
use std::process::ExitCode;

/// Why a command did not do what it was asked.
pub enum Failure {
    /// What was given is wrong; the text is complete, with place and hint. Exit code 2.
    Given(String),
    /// It failed while running. Exit code 1.
    Running(Box<dyn Error + Send + Sync>),
}

impl Failure {
    /// Prints the failure on standard error and gives its exit code.
    pub fn report(&self) -> ExitCode {
        match self {
            Failure::Given(text) => {
                eprintln!("{}", text.trim_end());
                ExitCode::from(2)
            }
            Failure::Running(error) => {
                eprintln!("error: {error}");
                let mut cause = error.source();
                while let Some(e) = cause {
                    eprintln!("  caused by: {e}");
                    cause = e.source();
                }
                ExitCode::from(1)
            }
        }
    }
}

/// A file that cannot be written, as a failure that names it.
pub fn writing(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.display().to_string();
    move |error| Failure::Given(format!("error: could not write \"{path}\"\n  caused by: {error}"))
}
