//! Where a chunk's run is: in memory, or compressed in a file of the scratch folder once memory is over its limit.
//!
//! A limit holds for all arrangements of a process together. The file is made nameless right after it is opened, so that
//! nothing is left behind whatever ends the process. Rows are Arrow IPC of this process only (D16), as zstd.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use differential_dataflow::lattice::Lattice;
use timely::progress::Timestamp;

use super::chunk::ArrowChunk;
use super::run::Run;

/// Level of compression: the fastest that still halves most rows.
const ZSTD_LEVEL: i32 = 1;
/// Runs smaller than this stay in memory: they are about to be merged.
const SPILL_ROWS_MIN: usize = 1 << 10;

static MEMORY: AtomicU64 = AtomicU64::new(0);
static SPILLED: AtomicU64 = AtomicU64::new(0);
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);
static SCRATCH: OnceLock<Mutex<File>> = OnceLock::new();

/// Sets the bytes of rows that all arrangements together may hold in memory.
pub fn set_memory_limit(bytes: u64) {
    LIMIT.store(bytes, Ordering::Relaxed);
}

/// Bytes that arrangements hold in memory now.
pub fn memory_bytes() -> u64 {
    MEMORY.load(Ordering::Relaxed)
}

/// Bytes written to disk so far, compressed.
pub fn spilled_bytes() -> u64 {
    SPILLED.load(Ordering::Relaxed)
}

/// A run in memory or on disk.
#[derive(Debug)]
pub enum Place<T> {
    /// In memory.
    Memory(Held<T>),
    /// On disk: place and length in the scratch file; times stay in memory.
    Disk { offset: u64, len: usize, times: Vec<T> },
}

/// A run whose bytes are counted while it lives.
#[derive(Debug)]
pub struct Held<T> {
    run: Rc<Run<T>>,
    bytes: u64,
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        MEMORY.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl<T: Timestamp + Lattice> Place<T> {
    /// A run in memory.
    pub fn memory(run: Run<T>) -> Self {
        let bytes = bytes_of(&run);
        MEMORY.fetch_add(bytes, Ordering::Relaxed);
        Place::Memory(Held { run: Rc::new(run), bytes })
    }

    /// Bytes in memory or on disk.
    pub fn bytes(&self) -> u64 {
        match self {
            Place::Memory(held) => held.bytes,
            Place::Disk { len, .. } => *len as u64,
        }
    }

    /// The run; none when it cannot be read back, which is told.
    pub fn open(&self) -> Option<Rc<Run<T>>> {
        match self {
            Place::Memory(held) => Some(held.run.clone()),
            Place::Disk { offset, len, times } => {
                let run = read(*offset, *len, times);
                run.map_err(|error| tracing::error!(%error, "a spilled chunk cannot be read back")).ok().map(Rc::new)
            }
        }
    }
}

/// Bytes of the values themselves: slices count for what they show.
fn bytes_of<T>(run: &Run<T>) -> u64 {
    let rows: usize = run.rows.columns().iter().map(|c| c.to_data().get_slice_memory_size().unwrap_or(0)).sum();
    (rows + run.times.len() * (24 + size_of::<T>())) as u64
}

/// The chunk, moved to disk when memory is over its limit.
pub fn settle_in_memory_or_disk<T: Timestamp + Lattice>(chunk: ArrowChunk<T>) -> ArrowChunk<T> {
    let over = MEMORY.load(Ordering::Relaxed) > LIMIT.load(Ordering::Relaxed);
    let Some(Place::Memory(held)) = chunk.body().map(|b| &b.place).filter(|_| over) else { return chunk };
    if held.run.len() < SPILL_ROWS_MIN {
        return chunk;
    }
    match write(&held.run) {
        Ok((offset, len)) => {
            SPILLED.fetch_add(len as u64, Ordering::Relaxed);
            chunk.with_place(Place::Disk { offset, len, times: held.run.times.clone() })
        }
        Err(error) => {
            tracing::error!(%error, "a chunk cannot be spilled and stays in memory");
            chunk
        }
    }
}

fn scratch() -> Result<&'static Mutex<File>, ArrowError> {
    if let Some(file) = SCRATCH.get() {
        return Ok(file);
    }
    let path = std::env::temp_dir().join(format!("littoral-spill-{}", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(SCRATCH.get_or_init(|| Mutex::new(file)))
}

fn write<T>(run: &Run<T>) -> Result<(u64, usize), ArrowError> {
    let names = ["key", "id", "diff"].map(str::to_string).into_iter().chain((0..run.rows.num_columns()).map(|i| i.to_string()));
    let head: [ArrayRef; 3] = [
        std::sync::Arc::new(UInt64Array::new(run.keys.clone(), None)),
        std::sync::Arc::new(UInt64Array::new(run.ids.clone(), None)),
        std::sync::Arc::new(Int64Array::new(run.diffs.clone(), None)),
    ];
    let columns: Vec<ArrayRef> = head.into_iter().chain(run.rows.columns().iter().cloned()).collect();
    let fields: Vec<Field> = names.zip(&columns).map(|(n, c)| Field::new(n, c.data_type().clone(), true)).collect();
    let schema = std::sync::Arc::new(Schema::new_with_metadata(fields, names_of(run)));
    let batch = RecordBatch::try_new(schema.clone(), columns)?;
    let mut writer = StreamWriter::try_new(zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?, &schema)?;
    writer.write(&batch)?;
    let bytes = writer.into_inner()?.finish()?;
    let mut file = scratch()?.lock().unwrap_or_else(PoisonError::into_inner);
    let offset = file.seek(SeekFrom::End(0))?;
    file.write_all(&bytes)?;
    Ok((offset, bytes.len()))
}

/// The rows' own column names, which need not be unique, by position.
fn names_of<T>(run: &Run<T>) -> std::collections::HashMap<String, String> {
    run.rows.schema().fields().iter().enumerate().map(|(i, f)| (i.to_string(), f.name().clone())).collect()
}

fn read<T: Clone>(offset: u64, len: usize, times: &[T]) -> Result<Run<T>, ArrowError> {
    let mut bytes = vec![0; len];
    scratch()?.lock().unwrap_or_else(PoisonError::into_inner).read_exact_at(&mut bytes, offset)?;
    let mut reader = StreamReader::try_new(zstd::Decoder::new(bytes.as_slice())?, None)?;
    let broken = || ArrowError::IpcError("a spilled chunk has no rows".into());
    let batch = reader.next().ok_or_else(broken)??;
    let names = batch.schema().metadata().clone();
    let numbers = |i: usize| batch.columns().get(i).map(|c| c.to_data());
    let (keys, ids) = (numbers(0).map(UInt64Array::from), numbers(1).map(UInt64Array::from));
    let (Some(keys), Some(ids), Some(diffs)) = (keys, ids, numbers(2).map(Int64Array::from)) else { return Err(broken()) };
    let columns = batch.columns().iter().skip(3).cloned().collect::<Vec<_>>();
    let name = |i: usize| names.get(&i.to_string()).cloned().unwrap_or_default();
    let field = |(i, c): (usize, &ArrayRef)| Field::new(name(i), DataType::clone(c.data_type()), true);
    let schema = std::sync::Arc::new(Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let rows = RecordBatch::try_new_with_options(schema, columns, &options)?;
    Ok(Run { keys: keys.values().clone(), ids: ids.values().clone(), times: times.to_vec(), diffs: diffs.values().clone(), rows })
}
