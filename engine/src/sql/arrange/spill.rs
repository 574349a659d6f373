//! Where a chunk's run is: in memory, or in the scratch file once memory is over its limit.
//!
//! The limit holds for all state of a process together: arrangements, and groups (`render/groups/paged.rs`).

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use differential_dataflow::lattice::Lattice;
use timely::progress::Timestamp;

use super::chunk::ArrowChunk;
use super::run::Run;
use super::scratch::Spilled;

/// Runs smaller than this stay in memory: they are about to be merged.
const SPILL_ROWS_MIN: usize = 1 << 10;

static MEMORY: AtomicU64 = AtomicU64::new(0);
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Sets the bytes of rows that all state together may hold in memory.
pub fn set_memory_limit(bytes: u64) {
    LIMIT.store(bytes, Ordering::Relaxed);
}

/// Bytes that state holds in memory now.
pub fn memory_bytes() -> u64 {
    MEMORY.load(Ordering::Relaxed)
}

/// Whether memory has a limit.
pub fn is_limited() -> bool {
    LIMIT.load(Ordering::Relaxed) < u64::MAX
}

/// Whether memory is over its limit.
pub fn is_over_limit() -> bool {
    MEMORY.load(Ordering::Relaxed) > LIMIT.load(Ordering::Relaxed)
}

/// Bytes of memory that a state says it holds; what it says last counts while it lives.
#[derive(Debug, Default)]
pub struct Accounted(u64);

impl Accounted {
    /// Says how many bytes it is now.
    pub fn set(&mut self, bytes: u64) {
        MEMORY.fetch_add(bytes, Ordering::Relaxed);
        MEMORY.fetch_sub(self.0, Ordering::Relaxed);
        self.0 = bytes;
    }
}

impl Drop for Accounted {
    fn drop(&mut self) {
        MEMORY.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// A run in memory or on disk.
#[derive(Debug)]
pub enum Place<T> {
    /// In memory.
    Memory(Rc<Run<T>>, Accounted),
    /// On disk; times stay in memory.
    Disk(Spilled, Vec<T>),
}

impl<T: Timestamp + Lattice> Place<T> {
    /// A run in memory.
    pub fn memory(run: Run<T>) -> Self {
        let mut accounted = Accounted::default();
        accounted.set(bytes_of(&run));
        Place::Memory(Rc::new(run), accounted)
    }

    /// Bytes in memory or on disk.
    pub fn bytes(&self) -> u64 {
        match self {
            Place::Memory(_, accounted) => accounted.0,
            Place::Disk(spilled, _) => spilled.bytes(),
        }
    }

    /// The run; none when it cannot be read back, which is told.
    pub fn open(&self) -> Option<Rc<Run<T>>> {
        match self {
            Place::Memory(run, _) => Some(run.clone()),
            Place::Disk(spilled, times) => {
                let run = spilled.read().and_then(|rows| run_of(&rows, times));
                run.map_err(|error| crate::flow::defect::tell("a spilled chunk cannot be read back", &error)).ok().map(Rc::new)
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
    let Some(Place::Memory(run, _)) = chunk.body().map(|b| &b.place).filter(|_| is_over_limit()) else { return chunk };
    if run.len() < SPILL_ROWS_MIN {
        return chunk;
    }
    match rows_of(run).and_then(|rows| Spilled::write(&[rows])) {
        Ok(spilled) => chunk.with_place(Place::Disk(spilled, run.times.clone())),
        Err(error) => {
            tracing::error!(%error, "a chunk cannot be spilled and stays in memory");
            chunk
        }
    }
}

/// A run as rows, hashes and diffs in front.
fn rows_of<T>(run: &Run<T>) -> Result<RecordBatch, ArrowError> {
    let names = ["key", "id", "diff"].map(str::to_string).into_iter().chain((0..run.rows.num_columns()).map(|i| i.to_string()));
    let head: [ArrayRef; 3] = [
        std::sync::Arc::new(UInt64Array::new(run.keys.clone(), None)),
        std::sync::Arc::new(UInt64Array::new(run.ids.clone(), None)),
        std::sync::Arc::new(Int64Array::new(run.diffs.clone(), None)),
    ];
    let columns: Vec<ArrayRef> = head.into_iter().chain(run.rows.columns().iter().cloned()).collect();
    let fields: Vec<Field> = names.zip(&columns).map(|(n, c)| Field::new(n, c.data_type().clone(), true)).collect();
    RecordBatch::try_new(std::sync::Arc::new(Schema::new_with_metadata(fields, names_of(run))), columns)
}

/// The rows' own column names, which need not be unique, by position.
fn names_of<T>(run: &Run<T>) -> std::collections::HashMap<String, String> {
    run.rows.schema().fields().iter().enumerate().map(|(i, f)| (i.to_string(), f.name().clone())).collect()
}

fn run_of<T: Clone>(rows: &[RecordBatch], times: &[T]) -> Result<Run<T>, ArrowError> {
    let broken = || ArrowError::IpcError("a spilled chunk has no rows".into());
    let batch = rows.first().ok_or_else(broken)?;
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
