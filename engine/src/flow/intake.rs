//! Reads one source on a thread of its own, and hands its slices to the edge's driver through a short queue.
//!
//! The queue is the back-pressure: a source reads at most `QUEUE_SLICES` ahead. Pacing is the driver's (`edge`), as all
//! sources of a fragment share one clock. Commits travel the other way, after the slice is durable.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use littoral_connectors::config::SourceConfig;
use littoral_connectors::open::open_source;
use littoral_connectors::setting::Pace;
use littoral_connectors::source::{Polled, Slice, Source, SourceContext, SourceError};

use crate::flow::shared::Shared;
use crate::fragment::FragmentSource;
use crate::telemetry::Counter;

/// Slices a source may read ahead of the driver: one being worked on, one ready.
const QUEUE_SLICES: usize = 2;
/// How long a source may wait for data before it looks whether the run is over.
const POLL_WAIT: Duration = Duration::from_millis(50);

/// A source being read.
pub struct Intake {
    /// The source's name.
    pub name: String,
    /// The columns of its rows.
    pub schema: SchemaRef,
    /// How fast it is replayed; none for a live source.
    pub pace: Option<Pace>,
    slices: Receiver<Slice>,
    commits: Sender<u64>,
    thread: Option<std::thread::JoinHandle<()>>,
    lateness_us: i64,
    newest_us: Option<i64>,
    watermark_us: Option<i64>,
    ended: bool,
}

/// What the driver got.
pub enum Next {
    /// A slice.
    Slice(Slice),
    /// Nothing in time.
    Idle,
    /// The source has ended.
    Ended,
}

/// How a source is opened, from its part of a fragment.
pub fn source_context(source: &FragmentSource, folder: &std::path::Path, slice: Duration) -> SourceContext {
    SourceContext {
        folder: folder.to_path_buf(),
        device: source.device.clone(),
        time_column: source.time_column.clone(),
        slice,
        wanted: source.wanted.clone(),
        now_micros: crate::clock::now_micros,
    }
}

impl Intake {
    /// Opens a source and begins to read it.
    pub fn start(source: &FragmentSource, context: &SourceContext, shared: &Arc<Shared>) -> Result<Self, SourceError> {
        let reader = open_source(&source.connector, context)?;
        let schema = reader.schema();
        let (slice_in, slices) = bounded(QUEUE_SLICES);
        // At most one commit an epoch is sent, and the driver is at most a few epochs ahead.
        let (commits, commit_out) = unbounded();
        let shared = shared.clone();
        let thread = std::thread::Builder::new()
            .name(format!("source-{}", source.name))
            .spawn(move || read(reader, slice_in, &commit_out, &shared))
            .map_err(|e| SourceError::Open { path: source.name.clone(), cause: Box::new(e) })?;
        Ok(Intake {
            name: source.name.clone(),
            schema,
            pace: pace(&source.connector),
            slices,
            commits,
            thread: Some(thread),
            lateness_us: i64::try_from(source.lateness.as_micros()).unwrap_or(i64::MAX),
            newest_us: None,
            watermark_us: None,
            ended: false,
        })
    }

    /// The next slice, waiting at most `wait`.
    pub fn next(&mut self, wait: Duration) -> Next {
        if self.ended {
            return Next::Ended;
        }
        match self.slices.recv_timeout(wait) {
            Ok(slice) => Next::Slice(slice),
            Err(RecvTimeoutError::Timeout) => Next::Idle,
            Err(RecvTimeoutError::Disconnected) => {
                self.ended = true;
                Next::Ended
            }
        }
    }

    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// All slices up to `slice` are durable.
    pub fn commit(&self, slice: u64) {
        // A reader that is gone has nothing left to forget.
        let _ = self.commits.send(slice);
    }

    /// Counts a slice's records, bad ones and late ones, and notes its newest time.
    pub fn count(&mut self, slice: &Slice, shared: &Shared) {
        let rows: usize = slice.batches.iter().map(RecordBatch::num_rows).sum();
        let bad: u64 = slice.bad.iter().map(|b| b.count).sum();
        shared.totals.add(Counter::RecordsIn, rows as u64 + bad);
        shared.totals.add(Counter::BytesRaw, slice.raw_bytes);
        for record in &slice.bad {
            shared.totals.add_bad(&self.name, record.reason, record.count);
            tracing::warn!(
                source = self.name,
                place = record.place,
                reason = record.reason.as_str(),
                count = record.count,
                detail = record.detail,
                "bad record"
            );
        }
        for batch in &slice.batches {
            let late = self.observe(batch);
            shared.totals.add(Counter::RecordsLate, late);
        }
    }

    /// Closes the epoch: the watermark moves to the newest time less the lateness.
    pub fn advance_watermark(&mut self) -> Option<i64> {
        let candidate = self.newest_us.map(|t| t.saturating_sub(self.lateness_us));
        self.watermark_us = self.watermark_us.max(candidate);
        self.watermark_us
    }

    /// Rows behind the watermark that the last epoch ended with.
    fn observe(&mut self, batch: &RecordBatch) -> u64 {
        let Some(times) = batch.column_by_name("ts").and_then(|c| c.as_any().downcast_ref::<TimestampMicrosecondArray>()) else {
            return 0;
        };
        if times.is_empty() || times.null_count() > 0 {
            return 0;
        }
        self.newest_us = self.newest_us.max(arrow::compute::max(times));
        match (self.watermark_us, arrow::compute::min(times)) {
            (Some(mark), Some(oldest)) if oldest < mark => times.values().iter().filter(|&&t| t < mark).count() as u64,
            _ => 0,
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        // The reader ends when it finds the queue closed.
        let (_, closed) = bounded(0);
        self.slices = closed;
        let (gone, _) = unbounded();
        self.commits = gone;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read(mut source: Box<dyn Source>, slices: Sender<Slice>, commits: &Receiver<u64>, shared: &Shared) {
    while !shared.ending.stopping() {
        if let Err(error) = serve_commits(source.as_mut(), commits) {
            return shared.ending.fail(error);
        }
        match source.poll(POLL_WAIT) {
            Ok(Polled::Slice(slice)) => {
                if slices.send(slice).is_err() {
                    break;
                }
            }
            Ok(Polled::Idle) => {}
            Ok(Polled::End) => break,
            Err(error) => return shared.ending.fail(error),
        }
    }
    // The driver sees the end now; commits of what is still under way may follow.
    drop(slices);
    for slice in commits.iter() {
        if let Err(error) = source.commit(slice) {
            return shared.ending.fail(error);
        }
    }
}

fn serve_commits(source: &mut dyn Source, commits: &Receiver<u64>) -> Result<(), SourceError> {
    match commits.try_iter().last() {
        Some(slice) => source.commit(slice),
        None => Ok(()),
    }
}

fn pace(connector: &SourceConfig) -> Option<Pace> {
    match connector {
        SourceConfig::Parquet(f) | SourceConfig::Csv(f) | SourceConfig::Json(f) | SourceConfig::Wav(f) => Some(f.pace),
        SourceConfig::Simulator(s) => Some(s.pace),
        SourceConfig::Host(_) | SourceConfig::Kafka(_) => None,
    }
}
