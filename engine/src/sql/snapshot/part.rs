//! Parts: objects with rows of one state of one worker, as Arrow IPC streams under zstd.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use super::handover::bytes_of;
use super::manifest::Part;
use super::{SnapshotError, Store};

/// Level of compression: state is written often and read seldom, so the fastest.
const ZSTD_LEVEL: i32 = 1;
/// Bytes of rows of a part, before compression: so much is held twice while it is written or read.
const PART_BYTES: usize = 32 << 20;
/// Bytes of parts after which an object is written: few objects, as each is flushed to disk, and none is too great to hold.
const OBJECT_BYTES: usize = 64 << 20;

/// A part that is being written: its rows so far, and their bytes before compression.
type Open = (StreamWriter<zstd::Encoder<'static, Vec<u8>>>, u64, usize);

/// Writes the parts of a worker's states, one after the other, into as few objects as can be.
pub struct PartWriter {
    store: Store,
    prefix: String,
    object: Vec<u8>,
    objects: usize,
    open: Option<Open>,
    parts: Vec<Part>,
}

impl PartWriter {
    /// Objects whose names begin with a prefix.
    pub fn new(store: &Store, prefix: String) -> Self {
        PartWriter { store: store.clone(), prefix, object: Vec::new(), objects: 0, open: None, parts: Vec::new() }
    }

    /// Adds rows to the open state, all of one schema.
    ///
    /// # Errors
    /// When a part cannot be written.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), SnapshotError> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let (mut writer, count, bytes) = match self.open.take() {
            Some(open) => open,
            None => (StreamWriter::try_new(zstd::Encoder::new(Vec::new(), ZSTD_LEVEL).map_err(ArrowError::from)?, &rows.schema())?, 0, 0),
        };
        writer.write(rows)?;
        let size = bytes_of(rows);
        self.open = Some((writer, count + rows.num_rows() as u64, bytes + size));
        if bytes + size >= PART_BYTES { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), SnapshotError> {
        let Some((writer, rows, _)) = self.open.take() else { return Ok(()) };
        let bytes = writer.into_inner()?.finish().map_err(ArrowError::from)?;
        let (path, offset) = (format!("{}-{}.arrow", self.prefix, self.objects), self.object.len() as u64);
        self.parts.push(Part { path, offset, rows, bytes: bytes.len() as u64, crc32c: crc32c::crc32c(&bytes) });
        self.object.extend(bytes);
        if self.object.len() >= OBJECT_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), SnapshotError> {
        if !self.object.is_empty() {
            self.store.put(&format!("{}-{}.arrow", self.prefix, self.objects), std::mem::take(&mut self.object))?;
            self.objects += 1;
        }
        Ok(())
    }

    /// Ends the open state; its parts, which are there once the writer is finished.
    ///
    /// # Errors
    /// When a part cannot be written.
    pub fn end_state(&mut self) -> Result<Vec<Part>, SnapshotError> {
        self.close()?;
        Ok(std::mem::take(&mut self.parts))
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<(), SnapshotError> {
        debug_assert!(self.open.is_none() && self.parts.is_empty());
        self.flush()
    }
}

/// The rows of a part, checked against its manifest.
///
/// # Errors
/// When it is not there or not what was written.
pub fn read(store: &Store, part: &Part) -> Result<Vec<RecordBatch>, SnapshotError> {
    let bytes = checked(store, part)?;
    let damaged = |why: String| SnapshotError::Damaged { path: part.path.clone(), why };
    let decoder = zstd::Decoder::new(bytes.as_slice()).map_err(|e| damaged(e.to_string()))?;
    let reader = StreamReader::try_new(decoder, None).map_err(|e| damaged(e.to_string()))?;
    let rows = reader.collect::<Result<Vec<RecordBatch>, ArrowError>>().map_err(|e| damaged(e.to_string()))?;
    let count: u64 = rows.iter().map(|r| r.num_rows() as u64).sum();
    if count != part.rows {
        return Err(damaged(format!("it holds {count} rows, and {} were written", part.rows)));
    }
    Ok(rows)
}

/// The bytes of a part.
///
/// # Errors
/// When they are not those that were written.
pub fn checked(store: &Store, part: &Part) -> Result<Vec<u8>, SnapshotError> {
    let bytes = store.get_range(&part.path, part.offset, part.bytes)?;
    let damaged = |why: &str| SnapshotError::Damaged { path: part.path.clone(), why: why.into() };
    if bytes.len() as u64 != part.bytes {
        return Err(damaged("its length is not what was written"));
    }
    if crc32c::crc32c(&bytes) != part.crc32c {
        return Err(damaged("its checksum is not what was written"));
    }
    Ok(bytes)
}
