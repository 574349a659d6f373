//! The scratch file of a process: rows that do not fit into memory, compressed, at places that are used again once freed.
//!
//! The file is made nameless right after it is opened, so that nothing is left behind whatever ends the process. What is in
//! it is Arrow IPC of this process only (D16), as zstd.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

/// Level of compression: the fastest that still halves most rows.
const ZSTD_LEVEL: i32 = 1;

static SPILLED: AtomicU64 = AtomicU64::new(0);
static SCRATCH: OnceLock<Mutex<Scratch>> = OnceLock::new();

/// Bytes written to disk so far, compressed.
pub fn spilled_bytes() -> u64 {
    SPILLED.load(Ordering::Relaxed)
}

/// The file, with what is free in it.
struct Scratch {
    file: File,
    end: u64,
    /// Free places before the end: where they begin, and how long they are; no two touch.
    free: BTreeMap<u64, u64>,
}

impl Scratch {
    /// The first place that is long enough.
    fn take(&mut self, len: u64) -> u64 {
        let found = self.free.iter().find(|(_, free)| **free >= len).map(|(at, free)| (*at, *free));
        match found {
            Some((at, free)) => {
                self.free.remove(&at);
                if free > len {
                    self.free.insert(at + len, free - len);
                }
                at
            }
            None => {
                self.end += len;
                self.end - len
            }
        }
    }

    fn give_back(&mut self, at: u64, len: u64) {
        let (mut at, mut len) = (at, len);
        if let Some(after) = self.free.remove(&(at + len)) {
            len += after;
        }
        if let Some((before, free)) = self.free.range(..at).next_back().map(|(b, f)| (*b, *f)).filter(|(b, f)| b + f == at) {
            self.free.remove(&before);
            (at, len) = (before, len + free);
        }
        match at + len == self.end {
            true => self.end = at,
            false => {
                self.free.insert(at, len);
            }
        }
    }
}

/// Rows of one schema on their way to the scratch file, compressed as they come.
#[derive(Default)]
pub struct Spilling(Option<StreamWriter<zstd::Encoder<'static, Vec<u8>>>>);

impl Spilling {
    /// Adds rows.
    ///
    /// # Errors
    /// When they cannot be encoded.
    pub fn add(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        match &mut self.0 {
            Some(writer) => writer.write(rows),
            None => {
                let writer = StreamWriter::try_new(zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?, &rows.schema())?;
                self.0.insert(writer).write(rows)
            }
        }
    }

    /// Writes them; none when none came.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn end(self) -> Result<Option<Spilled>, ArrowError> {
        let Some(writer) = self.0 else { return Ok(None) };
        Spilled::of(&writer.into_inner()?.finish()?).map(Some)
    }
}

/// Rows in the scratch file; their place is free again once this is dropped.
#[derive(Debug)]
pub struct Spilled {
    at: u64,
    len: usize,
}

impl Spilled {
    /// Writes rows of one schema.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(rows: &[RecordBatch]) -> Result<Self, ArrowError> {
        let mut spilling = Spilling::default();
        rows.iter().try_for_each(|batch| spilling.add(batch))?;
        spilling.end()?.ok_or_else(|| ArrowError::IpcError("no rows to spill".into()))
    }

    fn of(bytes: &[u8]) -> Result<Self, ArrowError> {
        let mut scratch = scratch()?.lock().unwrap_or_else(PoisonError::into_inner);
        let at = scratch.take(bytes.len() as u64);
        // Should writing fail, the place is free again.
        let spilled = Spilled { at, len: bytes.len() };
        let written = scratch.file.write_all_at(bytes, at);
        drop(scratch);
        written?;
        SPILLED.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(spilled)
    }

    /// The rows.
    ///
    /// # Errors
    /// When they cannot be read back.
    pub fn read(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        let mut all = Vec::new();
        self.each(&mut |rows| {
            all.push(rows);
            Ok::<_, ArrowError>(())
        })?;
        Ok(all)
    }

    /// Hands the rows over as they were written, batch by batch: only one is there as rows.
    ///
    /// # Errors
    /// When they cannot be read back, or are not taken.
    pub fn each<E: From<ArrowError>>(&self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        let bytes = self.bytes_of_file()?;
        let decoder = zstd::Decoder::new(bytes.as_slice()).map_err(ArrowError::from)?;
        StreamReader::try_new(decoder, None)?.try_for_each(|rows| out(rows?))
    }

    fn bytes_of_file(&self) -> Result<Vec<u8>, ArrowError> {
        let mut bytes = vec![0; self.len];
        scratch()?.lock().unwrap_or_else(PoisonError::into_inner).file.read_exact_at(&mut bytes, self.at)?;
        Ok(bytes)
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.len as u64
    }
}

impl Drop for Spilled {
    fn drop(&mut self) {
        if let Some(scratch) = SCRATCH.get() {
            scratch.lock().unwrap_or_else(PoisonError::into_inner).give_back(self.at, self.len as u64);
        }
    }
}

fn scratch() -> Result<&'static Mutex<Scratch>, ArrowError> {
    if let Some(scratch) = SCRATCH.get() {
        return Ok(scratch);
    }
    static OPENED: AtomicU64 = AtomicU64::new(0);
    let number = OPENED.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("littoral-spill-{}-{number}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(SCRATCH.get_or_init(|| Mutex::new(Scratch { file, end: 0, free: BTreeMap::new() })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn freed_places_are_used_again_and_the_file_shrinks_to_what_is_held() {
        let mut scratch = Scratch { file: tempfile::tempfile().unwrap(), end: 0, free: BTreeMap::new() };
        let places: Vec<u64> = [10, 20, 30].map(|len| scratch.take(len)).to_vec();
        assert_eq!(places, [0, 10, 30]);
        scratch.give_back(10, 20);
        assert_eq!((scratch.take(5), scratch.take(15), scratch.end), (10, 15, 60));
        scratch.give_back(0, 10);
        scratch.give_back(15, 15);
        scratch.give_back(10, 5);
        assert_eq!(scratch.free, BTreeMap::from([(0, 30)]), "neighbours are one place");
        scratch.give_back(30, 30);
        assert_eq!((scratch.end, scratch.free.len()), (0, 0));
    }
}
