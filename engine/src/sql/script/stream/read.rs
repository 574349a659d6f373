//! Reads a file on a thread of its own, a few blocks ahead of the workers that decode them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use arrow::error::ArrowError;
use crossbeam_channel::{Receiver, Sender, bounded};
use littoral_connectors::files::table::{Block, Blocks};

use super::{Columns, Placer, Start};
use crate::flow::work::guard;
use crate::sql::script::workers::{Bell, Shared};

/// Blocks of a file that wait for each worker: one to take next and one that is being read meanwhile. A block is 1 MiB of text,
/// or one row where that is longer, at most 64 MiB; or 16,384 rows of Parquet.
const BLOCKS_AHEAD: usize = 2;

/// A block with its number in the file.
pub struct Numbered {
    /// From nought on.
    pub number: u64,
    /// The byte of the file at which it begins, where it is text.
    pub at: u64,
    /// CRC-32C of the text before it, if somebody asks for it.
    pub crc: u32,
    /// Its rows; none behind the last.
    pub block: Result<Option<Block>, ArrowError>,
}

/// A file that is being read for a run.
pub struct Stream {
    /// Its table.
    pub table: String,
    /// How its rows are read.
    pub columns: Columns,
    queue: Receiver<Numbered>,
    spent: Sender<Vec<u8>>,
    placer: Mutex<Placer>,
    epoch: AtomicU64,
}

impl Stream {
    /// Begins to read a file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(
        table: &str,
        columns: Columns,
        start: &Start,
        placer: Placer,
        shared: &Arc<Shared>,
    ) -> Result<(Self, JoinHandle<()>), ArrowError> {
        let blocks = columns.file().blocks(start.from())?;
        let workers = shared.workers();
        let (send, queue) = bounded(BLOCKS_AHEAD * workers);
        // A buffer for each block that is read, waits or is being decoded.
        let (spent, buffers) = bounded(BLOCKS_AHEAD * workers + workers + 1);
        let crc = start.mark().filter(|_| placer.is_marked()).map(|mark| mark.crc32c);
        let sums = placer.is_marked();
        let (shared, name) = (shared.clone(), format!("read {table}"));
        let reads = format!("the thread that reads table \"{table}\"");
        let work = move || guard(&reads, shared.as_ref(), || read(blocks, &send, &buffers, (sums, crc.unwrap_or(0)), &shared.bell));
        let thread = Builder::new().name(name).spawn(work)?;
        let epoch = AtomicU64::new(placer.epoch());
        Ok((Stream { table: table.to_string(), columns, queue, spent, placer: Mutex::new(placer), epoch }, thread))
    }

    /// The next block, when there is one.
    pub fn take(&self) -> Option<Numbered> {
        self.queue.try_recv().ok()
    }

    /// Gives the memory of a block back.
    pub fn give_back(&self, block: Block) {
        if let Block::Text(text) = block {
            // Where there is no room for it, it is let go.
            self.spent.try_send(text).unwrap_or_default();
        }
    }

    /// The epoch before which all rows are placed: that of the newest row, and none once there are no more.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Works with what puts rows in their order.
    pub fn with_placer<T>(&self, work: impl FnOnce(&mut Placer) -> T) -> T {
        let mut placer = self.placer.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut placer);
        self.epoch.store(placer.epoch(), Ordering::SeqCst);
        done
    }
}

/// Reads until the end, an error, or until nobody takes blocks any more.
fn read(mut blocks: Blocks, send: &Sender<Numbered>, buffers: &Receiver<Vec<u8>>, (sums, mut crc): (bool, u32), bell: &Bell) {
    for number in 0.. {
        let at = blocks.at();
        let block = blocks.next(buffers.try_recv().unwrap_or_default());
        let more = matches!(block, Ok(Some(_)));
        let before = crc;
        if let (true, Ok(Some(Block::Text(text)))) = (sums, &block) {
            crc = crc32c::crc32c_append(crc, text);
        }
        if send.send(Numbered { number, at, crc: before, block }).is_err() {
            return;
        }
        bell.ring();
        if !more {
            return;
        }
    }
}
