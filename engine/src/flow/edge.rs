//! The edge tier in this process: sources in, steps, and what crosses the cut out over the link, an epoch at a time.
//!
//! The driver runs on the first worker. Between two epochs, when no record is under way, it applies the deltas that are
//! due; so a delta takes effect between two records, and every record of an epoch ran under one spec (D8, §5). The gate:
//! epoch *e* begins only after the cloud has closed *e - loop_epochs*, which bounds what is in flight and makes the loop
//! deterministic. Not here: how a frame looks on the wire (`link`), what an envelope allows (`delta`).

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use timely::container::NoopBuilder;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::probe::Handle as ProbeHandle;
use timely::worker::Worker;

use crate::clock::{Mark, mark};
use crate::delta::Delta;
use crate::delta::store::Verdict;
use crate::flow::channel::{Down, EdgePort};
use crate::flow::gather::{Outbox, gather};
use crate::flow::intake::{Intake, Next, source_context};
use crate::flow::render::render_steps;
use crate::flow::shared::{Fatal, Shared};
use crate::flow::stamp::stamp;
use crate::flow::updates::Updates;
use crate::fragment::{Fragment, Outlet};
use crate::telemetry::Counter;
use littoral_connectors::setting::Pace;
use littoral_connectors::source::Slice;

/// How long the driver waits before it looks again whether the run is over.
const LOOK: Duration = Duration::from_millis(20);

/// A source's input into the dataflow.
type Input = timely::dataflow::operators::core::input::Handle<u64, NoopBuilder<Updates>>;

/// What the edge tier is started with.
pub struct EdgeTier {
    /// Its part of the graph.
    pub fragment: Fragment,
    /// Where relative source paths start.
    pub folder: PathBuf,
    /// What its threads share.
    pub shared: Arc<Shared>,
}

/// A dataflow of the edge's steps, on one worker.
struct Flow {
    inputs: HashMap<String, Input>,
    outlets: Vec<(Outlet, SchemaRef, Outbox)>,
    probe: ProbeHandle<u64>,
}

/// Builds the dataflow on this worker; the first worker also drives it until the input ends.
pub fn run_worker(
    worker: &mut Worker,
    tier: &EdgeTier,
    schemas: &HashMap<String, SchemaRef>,
    port: Option<(EdgePort, Vec<Intake>)>,
) -> Result<(), Fatal> {
    let flow = build(worker, tier, schemas)?;
    match port {
        None => {
            let Flow { inputs, .. } = flow;
            drop(inputs);
            Ok(())
        }
        Some((port, intakes)) => Driver::new(worker, tier, flow, port, intakes).drive(),
    }
}

/// Opens the sources of a fragment, in order.
pub fn open_sources(tier: &EdgeTier) -> Result<Vec<Intake>, Fatal> {
    let open = |source| {
        let context = source_context(source, &tier.folder, tier.fragment.run.epoch);
        Intake::start(source, &context, &tier.shared).map_err(Fatal::from)
    };
    tier.fragment.sources.iter().map(open).collect()
}

fn build(worker: &mut Worker, tier: &EdgeTier, schemas: &HashMap<String, SchemaRef>) -> Result<Flow, Fatal> {
    worker.dataflow::<u64, _, _>(|scope| {
        let (mut inputs, mut streams) = (HashMap::new(), HashMap::new());
        for source in &tier.fragment.sources {
            let schema = schemas.get(&source.name).ok_or_else(|| format!("source \"{}\" was not opened", source.name))?;
            let schema = if source.stamped { crate::flow::stamp::stamped_schema(schema) } else { schema.clone() };
            let mut input = Input::new_with_builder();
            streams.insert(source.name.clone(), (input.to_stream(scope), schema));
            inputs.insert(source.name.clone(), input);
        }
        render_steps(&tier.fragment.steps, &tier.fragment.params, &tier.shared, &mut streams)?;
        let probe = ProbeHandle::new();
        let mut outlets = Vec::new();
        for outlet in &tier.fragment.outlets {
            let (stream, schema) =
                streams.get(&outlet.stream).ok_or_else(|| format!("there is no stream \"{}\" to send", outlet.stream))?;
            let (outbox, done) = gather(stream.clone(), &format!("outlet {}", outlet.stream));
            done.probe_with(&probe);
            outlets.push((outlet.clone(), schema.clone(), outbox));
        }
        for (stream, _) in streams.into_values() {
            stream.probe_with(&probe);
        }
        Ok(Flow { inputs, outlets, probe })
    })
}

/// Drives the edge on the first worker.
struct Driver<'a> {
    worker: &'a mut Worker,
    tier: &'a EdgeTier,
    flow: Flow,
    port: EdgePort,
    intakes: Vec<Intake>,
    /// Deltas that wait for their epoch.
    due: VecDeque<(u64, Vec<Delta>)>,
    /// Epochs that the cloud has closed.
    closed: u64,
    /// Slices of each epoch that are not yet durable: (epoch, intake, slice).
    open_slices: VecDeque<(u64, usize, u64)>,
    started: Mark,
    now_us: i64,
}

impl<'a> Driver<'a> {
    fn new(worker: &'a mut Worker, tier: &'a EdgeTier, flow: Flow, port: EdgePort, intakes: Vec<Intake>) -> Self {
        let (due, open_slices) = (VecDeque::new(), VecDeque::new());
        Driver { worker, tier, flow, port, intakes, due, closed: 0, open_slices, started: mark(), now_us: 0 }
    }

    fn drive(mut self) -> Result<(), Fatal> {
        let streams: Vec<(String, SchemaRef)> = self.flow.outlets.iter().map(|(o, s, _)| (o.stream.clone(), projected(o, s))).collect();
        self.port.hello(&streams)?;
        let mut epoch = 0;
        while !self.stopping() && self.gate(epoch)? {
            let verdicts = self.apply_due(epoch)?;
            let slices = match self.collect() {
                Some(slices) => slices,
                None => break,
            };
            self.port.acks(epoch, &verdicts)?;
            self.run_epoch(epoch, slices)?;
            epoch += 1;
        }
        self.finish(epoch)
    }

    fn stopping(&self) -> bool {
        self.tier.shared.ending.stopping()
    }

    /// Waits until the cloud is at most `loop_epochs` behind; false when the run ends first.
    fn gate(&mut self, epoch: u64) -> Result<bool, Fatal> {
        while self.closed + self.tier.fragment.run.loop_epochs < epoch {
            if self.stopping() {
                return Ok(false);
            }
            self.receive(LOOK)?;
        }
        Ok(true)
    }

    /// Takes what the cloud has sent; false when nothing came in time.
    fn receive(&mut self, wait: Duration) -> Result<bool, Fatal> {
        match self.port.receive(wait)? {
            None => return Ok(false),
            Some(Down::Deltas { apply_at, deltas }) => self.due.push_back((apply_at, deltas)),
            Some(Down::Closed { epoch, durable }) => {
                self.closed = epoch + 1;
                self.commit(durable);
            }
        }
        Ok(true)
    }

    /// Tells sources what is durable.
    fn commit(&mut self, durable: Option<u64>) {
        let mut newest: HashMap<usize, u64> = HashMap::new();
        while let Some(&(epoch, intake, slice)) = self.open_slices.front() {
            if durable.is_none_or(|d| epoch > d) {
                break;
            }
            newest.insert(intake, slice);
            self.open_slices.pop_front();
        }
        for (intake, slice) in newest {
            if let Some(intake) = self.intakes.get(intake) {
                intake.commit(slice);
            }
        }
    }

    /// Applies the deltas that are due, between two records.
    fn apply_due(&mut self, epoch: u64) -> Result<Vec<Verdict>, Fatal> {
        let mut verdicts = Vec::new();
        let mut specs = self.tier.shared.specs.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        while self.due.front().is_some_and(|(at, _)| *at <= epoch) {
            for delta in self.due.pop_front().map(|(_, d)| d).unwrap_or_default() {
                let verdict = specs.apply(&delta, self.now_us);
                match &verdict {
                    Verdict::Ack { .. } => self.tier.shared.totals.add(Counter::DeltasApplied, 1),
                    Verdict::Nack { refusal, .. } => {
                        tracing::info!(device = delta.device, param = delta.param, reason = %refusal, "delta refused");
                        self.tier.shared.totals.add_refusal(refusal.code());
                    }
                }
                verdicts.push(verdict);
            }
        }
        Ok(verdicts)
    }

    /// One slice of every source that has one; none when all have ended or the run is over.
    fn collect(&mut self) -> Option<Vec<(usize, Slice)>> {
        let began = mark();
        let mut slices = Vec::new();
        loop {
            for index in 0..self.intakes.len() {
                if !slices.iter().any(|(taken, _)| *taken == index) {
                    self.take(index, &mut slices);
                }
            }
            if self.stopping() {
                return None;
            }
            let replays_ready =
                self.intakes.iter().enumerate().all(|(i, n)| n.pace.is_none() || n.ended() || slices.iter().any(|(t, _)| *t == i));
            let live = self.intakes.iter().any(|n| n.pace.is_none() && !n.ended());
            if self.intakes.iter().all(Intake::ended) && slices.is_empty() {
                return None;
            }
            let waited = began.elapsed() >= self.tier.fragment.run.epoch;
            if replays_ready && !slices.is_empty() && (!live || waited || slices.len() == self.intakes.len()) {
                return Some(slices);
            }
        }
    }

    /// Takes a slice of one source, if it has one soon; a replayed slice waits until it is due.
    fn take(&mut self, index: usize, slices: &mut Vec<(usize, Slice)>) {
        let Some(intake) = self.intakes.get_mut(index) else { return };
        if let Next::Slice(slice) = intake.next(LOOK) {
            let wait = match (intake.pace, slice.due) {
                (Some(Pace::Factor(factor)), Some(due)) => due.div_f64(factor),
                _ => Duration::ZERO,
            };
            while self.started.elapsed() < wait && !self.tier.shared.ending.stopping() {
                std::thread::sleep((wait.saturating_sub(self.started.elapsed())).min(LOOK));
            }
            slices.push((index, slice));
        }
    }

    fn run_epoch(&mut self, epoch: u64, slices: Vec<(usize, Slice)>) -> Result<(), Fatal> {
        let _span = tracing::debug_span!("edge epoch", epoch).entered();
        for (index, slice) in slices {
            self.feed(epoch, index, slice)?;
        }
        for input in self.flow.inputs.values_mut() {
            input.advance_to(epoch + 1);
        }
        while self.flow.probe.less_than(&(epoch + 1)) && !self.tier.shared.ending.failed() {
            self.worker.step_or_park(Some(Duration::from_millis(1)));
        }
        // What a worker did wrong was told before the epoch passed: nothing of it is sent.
        if self.tier.shared.ending.failed() {
            return Ok(());
        }
        for stream in 0..self.flow.outlets.len() {
            self.send(epoch, stream)?;
        }
        let watermark = self.intakes.iter_mut().filter(|i| !i.ended()).map(Intake::advance_watermark).min().flatten();
        self.now_us = self.now_us.max(watermark.unwrap_or(self.now_us));
        self.port.seal(epoch, watermark)
    }

    fn feed(&mut self, epoch: u64, index: usize, slice: Slice) -> Result<(), Fatal> {
        let shared = &self.tier.shared;
        let (Some(intake), Some(source)) = (self.intakes.get_mut(index), self.tier.fragment.sources.get(index)) else { return Ok(()) };
        intake.count(&slice, shared);
        self.open_slices.push_back((epoch, index, slice.id));
        let Some(input) = self.flow.inputs.get_mut(&intake.name) else { return Ok(()) };
        for rows in slice.batches {
            let rows = match source.stamped {
                true => stamp(&rows, &shared.specs.read().unwrap_or_else(std::sync::PoisonError::into_inner))?,
                false => rows,
            };
            input.send_batch(&mut Updates::insertions(rows));
        }
        Ok(())
    }

    fn send(&mut self, epoch: u64, stream: usize) -> Result<(), Fatal> {
        let Some((outlet, schema, outbox)) = self.flow.outlets.get(stream) else { return Ok(()) };
        let Some(updates) = outbox.take(epoch, schema)? else { return Ok(()) };
        let rows = match &outlet.columns {
            None => updates.rows,
            Some(_) => {
                let wanted = projected(outlet, schema);
                let indices: Result<Vec<usize>, _> = wanted.fields().iter().map(|f| schema.index_of(f.name())).collect();
                updates.rows.project(&indices?)?
            }
        };
        self.port.rows(stream, epoch, &rows)
    }

    /// Ends the stream, then stays until the cloud has closed the last epoch, so that commits and totals are complete.
    fn finish(mut self, epochs: u64) -> Result<(), Fatal> {
        self.flow.inputs.clear();
        if self.tier.shared.ending.failed() {
            return Ok(());
        }
        self.port.end()?;
        while self.closed < epochs && !self.tier.shared.ending.failed() {
            self.receive(LOOK)?;
        }
        // The cloud reports what the closing of its sinks made durable, then hangs up.
        while self.port.open() && !self.tier.shared.ending.failed() {
            self.receive(LOOK)?;
        }
        Ok(())
    }
}

/// The columns of a stream that cross the link.
pub fn projected(outlet: &Outlet, schema: &SchemaRef) -> SchemaRef {
    match &outlet.columns {
        None => schema.clone(),
        Some(columns) => {
            let fields: Vec<_> = schema.fields().iter().filter(|f| columns.contains(f.name())).cloned().collect();
            Arc::new(arrow::datatypes::Schema::new(fields))
        }
    }
}
