//! Puts the rows of a file in the file's order again, after blocks were decoded by whoever had time: which epoch each row is
//! in, how far the watermark has come, and where in the file an epoch ended that a snapshot is made of.
//!
//! Blocks are placed one after the other. So an epoch is over once a row of the next one is placed, or none is left.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use littoral_connectors::files::table::{Block, BlockDecoder, TableFile, joined, unended};

use super::read::Numbered;
use super::start::{Mark, Start};
use super::{Columns, FileRows, Reached};
use crate::sql::script::durable::Every;
use crate::sql::script::event_time::EventClock;
use crate::sql::watermark::Watermarks;

/// What is made of a block.
#[derive(Default)]
pub struct Placed {
    /// Its rows, as rows of the table, and the epoch at which they come in.
    pub parts: Vec<(u64, RecordBatch)>,
    /// The block, when nothing is left in it.
    pub spent: Option<Block>,
}

/// Puts rows in order.
pub struct Placer {
    table: String,
    rows: FileRows,
    start: Start,
    clock: EventClock,
    watermarks: Watermarks,
    /// Rows that statements add after the file, by epoch: they move the watermark too.
    later: Vec<(u64, RecordBatch)>,
    /// How far snapshots are apart, when there are any.
    every: Option<Every>,
    next: u64,
    /// Text of a row that goes on in the next block, where it begins, and the sum before it.
    open: (Vec<u8>, u64, u32),
    placed: u64,
    /// The epoch of the newest row.
    newest: Option<u64>,
    marks: BTreeMap<u64, Mark>,
    end: Option<Mark>,
}

impl Placer {
    /// Before the first row.
    pub fn new(table: &str, rows: &FileRows, start: Start, clock: EventClock, watermarks: Watermarks, every: Option<Every>) -> Self {
        let (placed, clock) = match &start.skipped {
            Some(mark) => (mark.rows, clock.going_on(mark.newest)),
            None => (0, clock),
        };
        if let (Some(epoch), Some(watermark)) = (start.epoch, clock.watermark()) {
            watermarks.set(table, epoch, watermark);
        }
        Placer {
            table: table.to_string(),
            rows: rows.clone(),
            start,
            clock,
            watermarks,
            later: Vec::new(),
            every,
            next: 0,
            open: (Vec::new(), 0, 0),
            placed,
            newest: None,
            marks: BTreeMap::new(),
            end: None,
        }
    }

    /// The same, with rows that statements add after the file.
    pub fn with_later(self, later: Vec<(u64, RecordBatch)>) -> Self {
        Placer { later, ..self }
    }

    /// Whether places in the file are asked for.
    pub fn is_marked(&self) -> bool {
        self.every.is_some()
    }

    /// The epoch before which all rows are placed.
    pub fn epoch(&self) -> u64 {
        match (&self.end, self.newest) {
            (Some(_), _) => u64::MAX,
            (None, newest) => newest.unwrap_or(self.rows.base).max(self.start.epoch.unwrap_or(0)),
        }
    }

    /// The rows of the file, once all are placed.
    pub fn count(&self) -> Option<u64> {
        self.end.as_ref().map(|_| self.placed)
    }

    /// The last epoch of the file, once all rows are placed.
    pub fn last_epoch(&self) -> Option<u64> {
        self.count().map(|rows| self.rows.last_epoch(rows))
    }

    /// The place at which an epoch ended of which a snapshot is made; those before it are asked for no more.
    pub fn mark(&mut self, epoch: u64) -> Mark {
        self.forget(epoch);
        let found = self.marks.get(&epoch).or(self.end.as_ref()).cloned();
        found.unwrap_or_else(|| self.start.skipped.clone().unwrap_or_default())
    }

    /// Lets go of places at which earlier epochs ended, of which no snapshot will be made any more.
    pub fn forget(&mut self, epoch: u64) {
        self.marks = self.marks.split_off(&epoch);
    }

    /// Whether it is a block's turn.
    pub fn is_next(&self, number: u64) -> bool {
        self.next == number
    }

    /// Places a block's rows.
    ///
    /// # Errors
    /// When the file cannot be read, is broken, or does not fit the table.
    pub fn place(
        &mut self,
        block: Numbered,
        decoded: Result<Option<RecordBatch>, ArrowError>,
        (decoder, columns): (&mut BlockDecoder, &mut Columns),
    ) -> Result<Placed, String> {
        self.next += 1;
        let told = |e: ArrowError, columns: &Columns| columns.file().told(e).to_string();
        let Some(content) = block.block.map_err(|e| told(e, columns))? else {
            return self.finish(block.at, block.crc).map(|()| Placed::default());
        };
        let (mut text, at, crc) = std::mem::take(&mut self.open);
        let goes_on = !text.is_empty();
        let (at, crc) = if goes_on { (at, crc) } else { (block.at, block.crc) };
        let content = joined(&mut text, content);
        // What was decoded began within a row where the block before had not ended.
        let decoded = if goes_on { decoder.decode(&content) } else { decoded };
        let Some(given) = decoded.map_err(|e| told(e, columns))? else {
            if let Block::Text(text) = content {
                self.open = (text, at, crc);
            }
            return Ok(Placed::default());
        };
        let rows = columns.rows(&given)?;
        let parts = self.by_epoch(&rows, (&content, at, crc), columns.file())?;
        Ok(Placed { parts, spent: Some(content) })
    }

    fn by_epoch(&mut self, rows: &RecordBatch, block: (&Block, u64, u32), file: &TableFile) -> Result<Vec<(u64, RecordBatch)>, String> {
        let (mut parts, mut from, mut reached) = (Vec::new(), 0, Reached::start(block.2));
        while from < rows.num_rows() {
            let epoch = self.rows.epoch_of(self.placed);
            if self.newest.is_some_and(|newest| newest < epoch) {
                self.close();
            }
            self.newest = Some(epoch);
            let left = self.rows.epoch_rows.map_or(u64::MAX, |size| size - self.placed % size);
            let count = (rows.num_rows() - from).min(usize::try_from(left).unwrap_or(usize::MAX));
            let part = rows.slice(from, count);
            self.clock.take(&part)?;
            self.placed += count as u64;
            from += count;
            if left == count as u64 && self.every.is_some_and(|every| every.may_be(epoch)) {
                let mark = self.mark_within(from, &mut reached, (block.0, block.1), file)?;
                self.marks.insert(epoch, mark);
            }
            if let Some(at) = self.start.fed_at(epoch) {
                parts.push((at, part));
            }
        }
        Ok(parts)
    }

    /// The place behind so many rows of a block, at which an epoch ends; found from the one before it in the block.
    fn mark_within(&self, rows: usize, reached: &mut Reached, (block, at): (&Block, u64), file: &TableFile) -> Result<Mark, String> {
        let newest = self.clock.closed();
        let Block::Text(text) = block else { return Ok(Mark { rows: self.placed, newest, ..Mark::default() }) };
        reached.go_on(rows, text, file)?;
        Ok(Mark { rows: self.placed, bytes: at + reached.bytes as u64, crc32c: reached.crc32c, newest })
    }

    /// Ends the epoch of the newest row.
    fn close(&mut self) {
        if let (Some(epoch), Some(watermark)) = (self.newest, self.clock.close()) {
            self.watermarks.set(&self.table, epoch.max(self.start.epoch.unwrap_or(0)), watermark);
        }
    }

    /// Ends the file.
    fn finish(&mut self, at: u64, crc32c: u32) -> Result<(), String> {
        if !self.open.0.is_empty() {
            return Err(unended().to_string());
        }
        self.close();
        self.end = Some(Mark { rows: self.placed, bytes: at, crc32c, newest: self.clock.newest() });
        for (epoch, rows) in std::mem::take(&mut self.later) {
            self.clock.take(&rows)?;
            if let Some(watermark) = self.clock.close() {
                self.watermarks.set(&self.table, epoch.max(self.start.epoch.unwrap_or(0)), watermark);
            }
        }
        Ok(())
    }
}
