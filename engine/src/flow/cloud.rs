//! The cloud tier in this process: frames in from the link, steps and views, then what an epoch's changes lead to.
//!
//! The driver runs on the first worker. It closes one epoch after the other: all rows of the epoch in, the frontier past
//! it, then sinks, deltas, remediations and KPIs by what each view gained and lost. So every view is read only at a closed
//! epoch (D1). Not here: SQL (`sql`), what a delta is (`delta`), whether an action may run (`remedy`).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use timely::container::NoopBuilder;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::probe::Handle as ProbeHandle;
use timely::worker::Worker;

use crate::clock::now_micros;
use crate::flow::channel::{CloudPort, Up};
use crate::flow::effects::Effects;
use crate::flow::gather::{Outbox, gather};
use crate::flow::held::HeldStates;
use crate::flow::render::render_steps;
use crate::flow::shared::{Fatal, Shared};
use crate::flow::updates::Updates;
use crate::fragment::Fragment;
use crate::sql::{NOW, Program};
use crate::telemetry::Counter;

/// How long the driver waits for a frame before it looks again whether the run is over.
const LOOK: Duration = Duration::from_millis(20);

/// An inlet's input into the dataflow.
type Input = timely::dataflow::operators::core::input::Handle<u64, NoopBuilder<Updates>>;

/// What the cloud tier is started with.
pub struct CloudTier {
    /// Its steps.
    pub fragment: Fragment,
    /// The streams that come over the link, with their columns, in the order in which the edge numbers them.
    pub inlets: Vec<(String, SchemaRef)>,
    /// The views, compiled over the inlets and the steps.
    pub program: Program,
    /// Steps and views whose changes are read here.
    pub watched: Vec<String>,
    /// What its threads share.
    pub shared: Arc<Shared>,
}

struct Flow {
    inputs: Vec<Input>,
    watched: Vec<(String, SchemaRef, Outbox)>,
    probe: ProbeHandle<u64>,
    held: HeldStates,
}

/// Builds the dataflow on this worker; the first worker also drives it until the edge has ended.
pub fn run_worker(worker: &mut Worker, tier: &CloudTier, port: Option<(CloudPort, Effects)>) -> Result<(), Fatal> {
    let flow = build(worker, tier)?;
    if let Some((port, effects)) = port {
        return Driver { worker, tier, flow, port, effects }.drive();
    }
    let Flow { inputs, probe, mut held, .. } = flow;
    drop(inputs);
    while !tier.shared.ending.failed() && worker.step_or_park(Some(LOOK)) {
        held.turn(&probe);
    }
    held.tell();
    Ok(())
}

fn build(worker: &mut Worker, tier: &CloudTier) -> Result<Flow, Fatal> {
    let index = worker.index();
    worker.dataflow::<u64, _, _>(|scope| {
        let (mut inputs, mut streams) = (Vec::new(), HashMap::new());
        for (name, schema) in &tier.inlets {
            let mut input = Input::new_with_builder();
            streams.insert(name.clone(), (input.to_stream(scope), schema.clone()));
            inputs.push(input);
        }
        render_steps(&tier.fragment.steps, &tier.fragment.params, &tier.shared, &mut streams)?;
        let tables = streams.iter().map(|(name, (stream, _))| (name.clone(), stream.clone())).collect();
        let views: Vec<String> = tier.watched.iter().filter(|w| !streams.contains_key(*w)).cloned().collect();
        let held = HeldStates::new(&tier.program, &views, tier.shared.totals.clone(), index);
        let rendered = tier.program.render_with(scope, tables, &views, held.states(), &BTreeSet::new());
        let probe = ProbeHandle::new();
        let totals = tier.shared.totals.clone();
        rendered.errors.count_into(move |rows| totals.add(Counter::RowErrors, rows)).probe_with(&probe);
        let mut watched = Vec::new();
        for name in &tier.watched {
            let found = match streams.get(name) {
                Some(typed) => Some(typed.clone()),
                None => rendered.views.get(name).cloned().zip(tier.program.schema(name)),
            };
            let (stream, schema) = found.ok_or_else(|| format!("there is no step or view \"{name}\" in the cloud"))?;
            let (outbox, done) = gather(stream, &format!("watch {name}"));
            done.probe_with(&probe);
            watched.push((name.clone(), schema, outbox));
        }
        for (stream, _) in streams.into_values() {
            stream.probe_with(&probe);
        }
        Ok(Flow { inputs, watched, probe, held })
    })
}

/// Drives the cloud on the first worker.
struct Driver<'a> {
    worker: &'a mut Worker,
    tier: &'a CloudTier,
    flow: Flow,
    port: CloudPort,
    effects: Effects,
}

impl Driver<'_> {
    fn drive(mut self) -> Result<(), Fatal> {
        loop {
            if self.tier.shared.ending.failed() {
                return Ok(());
            }
            match self.port.receive(LOOK)? {
                None if self.port.open() => self.effects.idle()?,
                None => return Err("the edge tier hung up before its input ended".into()),
                Some(Up::Rows { stream, rows, .. }) => self.feed(stream, rows),
                Some(Up::Acks { verdicts }) => self.effects.verdicts(&verdicts, &self.tier.shared),
                Some(Up::Seal { epoch, watermark_us }) => self.close(epoch, watermark_us)?,
                Some(Up::End) => return self.finish(),
            }
        }
    }

    fn feed(&mut self, stream: usize, rows: arrow::array::RecordBatch) {
        if let Some(input) = self.flow.inputs.get_mut(stream) {
            input.send_batch(&mut Updates::insertions(rows));
        }
    }

    /// Brings every view to the end of an epoch, then carries out what its changes lead to.
    fn close(&mut self, epoch: u64, watermark_us: Option<i64>) -> Result<(), Fatal> {
        let _span = tracing::debug_span!("cloud epoch", epoch).entered();
        // Before the epoch is over on any worker, so that all read one clock.
        self.tier.program.watermarks.set(NOW, epoch, now_micros());
        for input in &mut self.flow.inputs {
            input.advance_to(epoch + 1);
        }
        while self.flow.probe.less_than(&(epoch + 1)) && !self.tier.shared.ending.failed() {
            self.worker.step_or_park(Some(Duration::from_millis(1)));
        }
        // What a worker did wrong was told before the epoch passed: nothing of it goes out, and none of it is acknowledged.
        if self.tier.shared.ending.failed() {
            return Ok(());
        }
        self.tier.program.watermarks.settle(epoch);
        self.flow.held.turn(&self.flow.probe);
        let mut changes = HashMap::new();
        for (name, schema, outbox) in &self.flow.watched {
            if let Some(updates) = outbox.take(epoch, schema)? {
                changes.insert(name.clone(), updates);
            }
        }
        let deltas = self.effects.carry_out(epoch, watermark_us, &changes)?;
        if !deltas.is_empty() {
            self.port.deltas(epoch + self.tier.fragment.run.loop_epochs, &deltas)?;
        }
        self.tier.shared.totals.add(Counter::Epochs, 1);
        let durable = self.effects.durable();
        self.port.closed(epoch, durable)
    }

    fn finish(mut self) -> Result<(), Fatal> {
        self.flow.inputs.clear();
        self.flow.held.tell();
        let last = self.effects.finish()?;
        match last {
            Some(epoch) => self.port.closed(epoch, Some(epoch)),
            None => Ok(()),
        }
    }
}
