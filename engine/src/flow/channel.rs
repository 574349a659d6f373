//! The link in one process: encoded frames through two short queues, counted as they would be on a wire.
//!
//! The same encoder and decoder serve a network transport. Not here: what a frame looks like (`link`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};

use crate::delta::Delta;
use crate::delta::store::Verdict;
use crate::flow::shared::{Ending, Fatal};
use crate::link::{Decoder, Encoder, Frame};
use crate::telemetry::{Counter, Totals};

/// Frames under way in each direction: a few epochs of a few streams.
const QUEUE_FRAMES: usize = 256;

/// What the cloud sends.
pub enum Down {
    /// Deltas for the start of an epoch.
    Deltas {
        /// The epoch.
        apply_at: u64,
        /// The deltas.
        deltas: Vec<Delta>,
    },
    /// An epoch is closed.
    Closed {
        /// The epoch.
        epoch: u64,
        /// The newest epoch whose effects are durable.
        durable: Option<u64>,
    },
}

/// What the edge sends.
pub enum Up {
    /// Rows of a stream.
    Rows {
        /// The stream's number.
        stream: usize,
        /// The rows.
        rows: RecordBatch,
    },
    /// Answers to deltas.
    Acks {
        /// The answers.
        verdicts: Vec<Verdict>,
    },
    /// An epoch is over.
    Seal {
        /// The epoch.
        epoch: u64,
        /// The watermark at its end.
        watermark_us: Option<i64>,
    },
    /// The input has ended.
    End,
}

/// The edge's end of the link.
pub struct EdgePort {
    encoder: Encoder,
    decoder: Decoder,
    up: Sender<Vec<u8>>,
    down: Receiver<Vec<u8>>,
    waiting: VecDeque<Vec<u8>>,
    open: bool,
    totals: Arc<Totals>,
}

/// The cloud's end of the link.
pub struct CloudPort {
    encoder: Encoder,
    decoder: Decoder,
    up: Receiver<Vec<u8>>,
    down: Sender<Vec<u8>>,
    open: bool,
    totals: Arc<Totals>,
    ending: Arc<Ending>,
}

/// The two ends of a link within this process.
pub fn pair(totals: &Arc<Totals>, ending: &Arc<Ending>) -> (EdgePort, CloudPort) {
    let ((up, up_out), (down, down_out)) = (bounded(QUEUE_FRAMES), bounded(QUEUE_FRAMES));
    let edge = EdgePort {
        encoder: Encoder::default(),
        decoder: Decoder::default(),
        up,
        down: down_out,
        waiting: VecDeque::new(),
        open: true,
        totals: totals.clone(),
    };
    let (totals, ending) = (totals.clone(), ending.clone());
    (edge, CloudPort { encoder: Encoder::default(), decoder: Decoder::default(), up: up_out, down, open: true, totals, ending })
}

impl EdgePort {
    /// Announces the streams.
    pub fn hello(&mut self, streams: &[(String, SchemaRef)]) -> Result<(), Fatal> {
        let frame = self.encoder.hello(streams)?;
        self.send(frame)
    }

    /// Sends rows of a stream.
    pub fn rows(&mut self, stream: usize, epoch: u64, rows: &RecordBatch) -> Result<(), Fatal> {
        for frame in self.encoder.rows(stream, epoch, rows)? {
            self.send(frame)?;
        }
        Ok(())
    }

    /// Sends answers to deltas, if there are any.
    pub fn acks(&mut self, epoch: u64, verdicts: &[Verdict]) -> Result<(), Fatal> {
        if verdicts.is_empty() {
            return Ok(());
        }
        let frame = self.encoder.acks(epoch, verdicts)?;
        self.send(frame)
    }

    /// Ends an epoch.
    pub fn seal(&mut self, epoch: u64, watermark_us: Option<i64>) -> Result<(), Fatal> {
        let frame = self.encoder.seal(epoch, watermark_us)?;
        self.send(frame)
    }

    /// Ends the stream.
    pub fn end(&mut self) -> Result<(), Fatal> {
        let frame = self.encoder.end()?;
        self.send(frame)
    }

    /// Whether the cloud may still send.
    pub fn open(&self) -> bool {
        self.open || !self.waiting.is_empty()
    }

    /// Sends, taking in meanwhile what the cloud sends, so that two full queues cannot block each other.
    fn send(&mut self, frame: Vec<u8>) -> Result<(), Fatal> {
        self.totals.add(Counter::BytesUpstream, frame.len() as u64);
        let mut frame = Some(frame);
        while let Some(bytes) = frame.take() {
            if !self.open {
                return self.up.send(bytes).map_err(|_| Fatal::from("the cloud tier hung up"));
            }
            select! {
                send(self.up, bytes.clone()) -> sent => sent.map_err(|_| Fatal::from("the cloud tier hung up"))?,
                recv(self.down) -> got => {
                    match got {
                        Ok(got) => self.waiting.push_back(got),
                        Err(_) => self.open = false,
                    }
                    frame = Some(bytes);
                }
            }
        }
        Ok(())
    }

    /// The next message of the cloud, waiting at most `wait`.
    pub fn receive(&mut self, wait: Duration) -> Result<Option<Down>, Fatal> {
        let bytes = match self.waiting.pop_front() {
            Some(bytes) => bytes,
            None => match self.down.recv_timeout(wait) {
                Ok(bytes) => bytes,
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => {
                    self.open = false;
                    return Ok(None);
                }
            },
        };
        match self.decoder.frame(&bytes)? {
            Frame::Deltas { apply_at, deltas } => Ok(Some(Down::Deltas { apply_at, deltas })),
            Frame::Seal { epoch, mark } => Ok(Some(Down::Closed { epoch, durable: mark.and_then(|m| u64::try_from(m).ok()) })),
            _ => Err("the cloud sent a frame that only an edge may send".into()),
        }
    }
}

impl CloudPort {
    /// The next message of the edge, waiting at most `wait`.
    pub fn receive(&mut self, wait: Duration) -> Result<Option<Up>, Fatal> {
        let bytes = match self.up.recv_timeout(wait) {
            Ok(bytes) => bytes,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                self.open = false;
                return Ok(None);
            }
        };
        match self.decoder.frame(&bytes)? {
            Frame::Hello(streams) => {
                tracing::debug!(streams = streams.len(), "an edge has announced itself");
                Ok(Some(Up::Acks { verdicts: Vec::new() }))
            }
            Frame::Rows { stream, rows, .. } => Ok(Some(Up::Rows { stream, rows })),
            Frame::Acks(verdicts) => Ok(Some(Up::Acks { verdicts })),
            Frame::Seal { epoch, mark } => Ok(Some(Up::Seal { epoch, watermark_us: mark })),
            Frame::End => Ok(Some(Up::End)),
            Frame::Deltas { .. } => Err("an edge sent deltas, which only the cloud may".into()),
        }
    }

    /// Whether the edge may still send.
    pub fn open(&self) -> bool {
        self.open
    }

    /// Sends deltas for the start of an epoch.
    pub fn deltas(&mut self, apply_at: u64, deltas: &[Delta]) -> Result<(), Fatal> {
        let frame = self.encoder.deltas(apply_at, deltas)?;
        self.send(frame)
    }

    /// Reports an epoch closed.
    pub fn closed(&mut self, epoch: u64, durable: Option<u64>) -> Result<(), Fatal> {
        let frame = self.encoder.seal(epoch, durable.and_then(|d| i64::try_from(d).ok()))?;
        self.send(frame)
    }

    fn send(&mut self, frame: Vec<u8>) -> Result<(), Fatal> {
        self.totals.add(Counter::BytesDownstream, frame.len() as u64);
        let done = self.down.send(frame);
        // An edge that ended by itself needs no answer; one that failed has said why.
        if done.is_err() && !self.ending.stopping() {
            return Err("the edge tier hung up".into());
        }
        Ok(())
    }
}
