//! Which files a script reads and writes: a sink has its file for itself, as it would overwrite what others read or write.
//!
//! Only what a sink was given before a table was made may be read back; then it is given no more.

use std::path::{Path, PathBuf};

use super::Script;
use super::options::To;

/// A file by its one name, though it may not be there yet.
fn real(path: &Path) -> PathBuf {
    let folder = path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let made = || Some(folder?.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(made).unwrap_or_else(|| path.to_path_buf())
}

impl Script {
    /// Notes that a table reads a file.
    pub(super) fn reads_file(&mut self, table: &str, path: &Path) -> Result<(), String> {
        let file = real(path);
        if let Some((sink, _)) = self.sinks.iter().find(|(_, sink)| !sink.begun && sink.to.path().is_some_and(|path| real(path) == file)) {
            let path = path.display();
            return Err(format!(
                "the file \"{path}\" of table \"{table}\" is written by sink \"{sink}\": give one of them another path, or make the table once the sink was written"
            ));
        }
        self.read_files.insert(table.to_string(), file);
        Ok(())
    }

    /// Refuses a sink whose file a table reads, or another sink writes.
    pub(super) fn writes_file(&self, sink: &str, to: &To) -> Result<(), String> {
        let Some(path) = to.path() else { return Ok(()) };
        let file = real(path);
        let reader = self.read_files.iter().find(|(_, read)| **read == file).map(|(table, _)| format!("read by table \"{table}\""));
        let writer = self.sinks.iter().find(|(name, other)| *name != sink && other.to.path().is_some_and(|path| real(path) == file));
        match reader.or_else(|| writer.map(|(other, _)| format!("written by sink \"{other}\""))) {
            Some(who) => Err(format!("the file \"{}\" of sink \"{sink}\" is {who}: give the sink another path", path.display())),
            None => Ok(()),
        }
    }
}
