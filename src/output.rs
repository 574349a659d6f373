//! Standard output, of which the reader may have enough before the end: then nobody is told any more, and that is no failure.

use std::io::{ErrorKind, Write};

use crate::failure::Failure;

/// Writes text to standard output, where somebody reads it.
pub fn tell(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Running(format!("could not write to standard output: {error}").into()))
        }
        _ => Ok(()),
    }
}
