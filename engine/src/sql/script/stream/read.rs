//! Reads a file block by block. One worker has a thread that reads ahead of it. Several read a text themselves, whoever wants the
//! next block: a thread more than there are cores waits for one of them while they wait for it, and a block is decoded by the
//! core that has just read it. Blocks of Parquet, which are decoded as they are read, always come from a thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};

use arrow::error::ArrowError;
use crossbeam_channel::{Receiver, Sender, bounded};
use littoral_connectors::files::table::{Block, Blocks};

use super::{Columns, Placer, Start};
use crate::flow::work::guard;
use crate::sql::script::workers::{Bell, Shared, lock};

/// Blocks of a file that a thread reads ahead: one to take next and one that is being read meanwhile, for each worker. A block is
/// 256 KiB of text, or one row where that is longer, at most 64 MiB; or 16,384 rows of Parquet.
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

/// Who reads a file.
enum Source {
    /// A thread, into buffers that come back to it.
    Thread { queue: Receiver<Numbered>, spent: Sender<Vec<u8>> },
    /// The workers.
    Workers(Mutex<Reading>),
}

/// A file that is being read for a run.
pub struct Stream {
    /// Its table.
    pub table: String,
    /// How its rows are read.
    pub columns: Columns,
    source: Source,
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
    ) -> Result<(Self, Option<JoinHandle<()>>), ArrowError> {
        let blocks = columns.file().blocks(start.from())?;
        let workers = shared.workers();
        let sums = placer.is_marked();
        let crc = start.mark().filter(|_| sums).map_or(0, |mark| mark.crc32c);
        let reading = Reading { blocks, number: 0, sums, crc, ended: false };
        let (source, thread) = match workers > 1 && columns.file().is_text() {
            true => (Source::Workers(Mutex::new(reading)), None),
            false => {
                let (send, queue) = bounded(BLOCKS_AHEAD * workers);
                // A buffer for each block that is read, waits or is being decoded.
                let (spent, buffers) = bounded(BLOCKS_AHEAD * workers + workers + 1);
                let (shared, reads) = (shared.clone(), format!("the thread that reads table \"{table}\""));
                let work = move || guard(&reads, shared.as_ref(), || read(reading, &send, &buffers, &shared.bell));
                (Source::Thread { queue, spent }, Some(Builder::new().name(format!("read {table}")).spawn(work)?))
            }
        };
        let epoch = AtomicU64::new(placer.epoch());
        Ok((Stream { table: table.to_string(), columns, source, placer: Mutex::new(placer), epoch }, thread))
    }

    /// The next block, when there is one, and none any more behind the end; buffers that are spent are read into again.
    pub fn take(&self, buffers: &mut Vec<Vec<u8>>) -> Option<Numbered> {
        match &self.source {
            Source::Thread { queue, spent } => {
                // Where there is no room for one, it is let go.
                buffers.drain(..).for_each(|text| spent.try_send(text).unwrap_or_default());
                queue.try_recv().ok()
            }
            Source::Workers(reading) => lock(reading).next(buffers.pop().unwrap_or_default()),
        }
    }

    /// The epoch before which all rows are placed: that of the newest row, and none once there are no more.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Works with what puts rows in their order.
    pub fn with_placer<T>(&self, work: impl FnOnce(&mut Placer) -> T) -> T {
        let mut placer = lock(&self.placer);
        let done = work(&mut placer);
        self.epoch.store(placer.epoch(), Ordering::SeqCst);
        done
    }
}

/// A file as far as it is read.
struct Reading {
    blocks: Blocks,
    number: u64,
    /// Whether bytes are summed up, and their sum.
    sums: bool,
    crc: u32,
    /// Behind the end, or an error.
    ended: bool,
}

impl Reading {
    /// The next block, or the end, or what is wrong; none behind these.
    fn next(&mut self, buffer: Vec<u8>) -> Option<Numbered> {
        if self.ended {
            return None;
        }
        let (at, block, before) = (self.blocks.at(), self.blocks.next(buffer), self.crc);
        match &block {
            Ok(Some(Block::Text(text))) if self.sums => self.crc = crc32c::crc32c_append(self.crc, text),
            Ok(Some(_)) => {}
            _ => self.ended = true,
        }
        self.number += 1;
        Some(Numbered { number: self.number - 1, at, crc: before, block })
    }
}

/// Reads until the end, an error, or until nobody takes blocks any more.
fn read(mut reading: Reading, send: &Sender<Numbered>, buffers: &Receiver<Vec<u8>>, bell: &Bell) {
    while let Some(block) = reading.next(buffers.try_recv().unwrap_or_default()) {
        if send.send(block).is_err() {
            return;
        }
        bell.ring();
    }
}
