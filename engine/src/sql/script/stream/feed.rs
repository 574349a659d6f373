//! What one worker feeds: its share of the files, and on the first worker the changes that statements made.
//!
//! Rows of an epoch go in once all rows of the epochs before it are placed, in every file: then it is known how far watermarks
//! were at their end, which says which rows are late. An input moves on as far as the run's limit lets it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use littoral_connectors::files::table::{Block, BlockDecoder};
use timely::container::NoopBuilder;

use super::Columns;
use super::read::{Numbered, Stream};
use crate::flow::updates::Updates;
use crate::sql::script::failure::Failure;
use crate::sql::script::workers::Shared;

/// The input of a table on one worker.
pub type Input = timely::dataflow::operators::core::input::Handle<u64, NoopBuilder<Updates>>;

/// Decoded blocks of a file that wait on one worker for their turn: the others may be slower with those before. The first worker is
/// for as long as eight blocks of 256 KiB take to decode when it writes what an epoch gave. Measured together with the next, a window
/// of 20 million rows on two workers: 1.13 s with two and four blocks, 0.96 s with eight and sixteen.
const DECODED_AHEAD: usize = 8;
/// Blocks that a worker sends without every other worker having had a round to take in what was sent to it. So what waits on
/// a worker is at most so many blocks of each other one.
const BLOCKS_AHEAD: usize = 16;

/// Changes that statements made, in the order of their epochs.
pub type History = Vec<(u64, String, Updates)>;

/// Whether a turn sent anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Rows, or there is more to do at once.
    Some,
    /// Nothing: there is nothing to do until something changes.
    None,
}

/// One worker's share of one file.
struct Hand {
    stream: Arc<Stream>,
    decoder: BlockDecoder,
    columns: Columns,
    decoded: VecDeque<(Numbered, Result<Option<RecordBatch>, ArrowError>)>,
    placed: VecDeque<(u64, RecordBatch)>,
    /// Buffers of blocks in which nothing is left.
    spent: Vec<Vec<u8>>,
}

/// What one worker feeds.
pub struct Feeder {
    inputs: HashMap<String, Input>,
    hands: Vec<Hand>,
    /// Changes that statements made, on the first worker, and the first that is still to be sent.
    history: Option<(Arc<History>, usize)>,
    /// Blocks sent since all other workers had a round, and how many each had had then.
    ahead: usize,
    rounds: Vec<u64>,
    worker: usize,
}

impl Feeder {
    /// Feeds inputs from files, and from the history if there is one.
    pub fn new(inputs: HashMap<String, Input>, streams: &[Arc<Stream>], history: Option<Arc<History>>, worker: usize) -> Self {
        let hand = |stream: &Arc<Stream>| Hand {
            decoder: stream.columns.file().decoder(),
            columns: stream.columns.clone(),
            stream: stream.clone(),
            decoded: VecDeque::new(),
            placed: VecDeque::new(),
            spent: Vec::new(),
        };
        Feeder { inputs, hands: streams.iter().map(hand).collect(), history: history.map(|h| (h, 0)), ahead: 0, rounds: Vec::new(), worker }
    }

    /// Begins at an epoch. When that is a snapshot's, changes up to it come in there for tables that are wanted whole.
    pub fn begin(&mut self, epoch: Option<u64>, full: &BTreeSet<String>) {
        let Some(epoch) = epoch else { return };
        self.inputs.values_mut().for_each(|input| input.advance_to(epoch));
        let Some((history, sent)) = &mut self.history else { return };
        *sent = history.partition_point(|(at, ..)| *at <= epoch);
        for (_, table, updates) in history.iter().take(*sent).filter(|(_, table, _)| full.contains(table)) {
            if let Some(input) = self.inputs.get_mut(table) {
                input.send_batch(&mut updates.clone());
            }
        }
    }

    /// Sends what may be sent, takes a block if there is room, and moves inputs on.
    ///
    /// # Errors
    /// When a file cannot be read or does not fit its table.
    pub fn turn(&mut self, shared: &Shared) -> Result<Sent, Failure> {
        let limit = shared.limit();
        let mut sent = Sent::None;
        if self.has_room(shared) {
            for hand in &mut self.hands {
                if hand.work(limit, shared)? {
                    sent = Sent::Some;
                }
            }
        }
        let gate = self.hands.iter().map(|h| h.stream.epoch()).min().unwrap_or(u64::MAX).min(limit);
        let before = self.send(gate);
        self.ahead += before;
        self.advance(limit);
        Ok(if before > 0 { Sent::Some } else { sent })
    }

    /// Whether the other workers keep up.
    fn has_room(&mut self, shared: &Shared) -> bool {
        let now = shared.rounds();
        let others = |(worker, (now, before)): (usize, (&u64, &u64))| worker == self.worker || now > before;
        if self.rounds.is_empty() || now.iter().zip(&self.rounds).enumerate().all(others) {
            self.rounds = now;
            self.ahead = 0;
        }
        self.ahead < BLOCKS_AHEAD || self.rounds.len() == 1
    }

    /// Sends rows of epochs up to one; how many batches.
    fn send(&mut self, gate: u64) -> usize {
        let mut batches = 0;
        for hand in &mut self.hands {
            let Some(input) = self.inputs.get_mut(&hand.stream.table) else { continue };
            while let Some((epoch, rows)) = hand.placed.pop_front_if(|(epoch, _)| *epoch <= gate) {
                forward(input, epoch);
                input.send_batch(&mut Updates::insertions(rows));
                batches += 1;
            }
        }
        let Some((history, sent)) = &mut self.history else { return batches };
        while let Some((epoch, table, updates)) = history.get(*sent).filter(|(epoch, ..)| *epoch <= gate) {
            if let Some(input) = self.inputs.get_mut(table) {
                forward(input, *epoch);
                input.send_batch(&mut updates.clone());
            }
            *sent += 1;
            batches += 1;
        }
        batches
    }

    /// Moves inputs on: those of files to the rows that come next, all to where statements may still change tables.
    fn advance(&mut self, limit: u64) {
        let next = |hand: &Hand| hand.placed.front().map_or(u64::MAX, |(epoch, _)| *epoch).min(hand.stream.epoch());
        let statements = self.history.as_ref().and_then(|(history, sent)| history.get(*sent)).map_or(limit, |(epoch, ..)| *epoch);
        for (table, input) in &mut self.inputs {
            let of_file = self.hands.iter().find(|h| h.stream.table == *table).map_or(limit, next);
            let to = of_file.min(statements).min(limit);
            if to > *input.time() {
                input.advance_to(to);
            }
        }
    }
}

/// Moves an input to the epoch of rows that are sent next.
fn forward(input: &mut Input, epoch: u64) {
    debug_assert!(*input.time() <= epoch, "rows of an epoch that is over");
    if epoch > *input.time() {
        input.advance_to(epoch);
    }
}

impl Hand {
    /// Places blocks whose turn it is, and decodes another where there is room; whether anything was done.
    ///
    /// What waits is placed first, as others may wait for it.
    fn work(&mut self, gate: u64, shared: &Shared) -> Result<bool, Failure> {
        let mut worked = self.place(gate, shared)?;
        if self.decoded.len() < DECODED_AHEAD
            && let Some(block) = self.stream.take(&mut self.spent)
        {
            let rows = match &block.block {
                Ok(Some(block)) => self.decoder.decode(block),
                _ => Ok(None),
            };
            self.decoded.push_back((block, rows));
            self.place(gate, shared)?;
            worked = true;
        }
        Ok(worked)
    }

    /// Places blocks whose turn it is, until rows are there that may not be sent yet; whether there were any.
    fn place(&mut self, gate: u64, shared: &Shared) -> Result<bool, Failure> {
        let mut worked = false;
        let stream = self.stream.clone();
        while self.placed.back().is_none_or(|(epoch, _)| *epoch <= gate)
            && let Some((block, rows)) = self.decoded.pop_front_if(|(block, _)| stream.with_placer(|p| p.is_next(block.number)))
        {
            let work = (&mut self.decoder, &mut self.columns);
            let placed = stream.with_placer(|placer| placer.place(block, rows, work)).map_err(|cause| self.failure(cause))?;
            if let Some(Block::Text(text)) = placed.spent {
                self.spent.push(text);
            }
            self.placed.extend(placed.parts);
            shared.bell.ring();
            worked = true;
        }
        Ok(worked)
    }

    fn failure(&self, cause: String) -> Failure {
        Failure::File { table: self.stream.table.clone(), path: self.columns.file().path().display().to_string(), cause }
    }
}
