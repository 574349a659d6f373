//! Runs a pipeline: both tiers in this process, joined by the link, each with its own timely workers.
//!
//! `Running` is what the caller holds: totals to show, a way to stop, and the outcome at the end.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;

use arrow::datatypes::SchemaRef;
use crossbeam_channel::{Receiver, bounded};
use timely::worker::Worker;

use crate::clock::mark;
use crate::delta::maker::DeltaMaker;
use crate::delta::store::SpecStore;
use crate::flow::captured::Captured;
use crate::flow::channel::{CloudPort, EdgePort, pair};
use crate::flow::cloud::{self, CloudTier};
use crate::flow::edge::{self, EdgeTier, projected};
use crate::flow::effects::{Effects, KpiWatch, OpenSink, diff_schema};
use crate::flow::intake::Intake;
use crate::flow::shared::{Ending, Fatal, Shared};
use crate::flow::work::work_to_the_end;
use crate::graph::Graph;
use crate::pipeline::{Pipeline, SqlFile};
use crate::placement::Cut;
use crate::remedy::Remedies;
use crate::remedy::actuators::{ActionFile, Hook};
use crate::sql::stack::deep;
use crate::sql::{InputTable, Program};
use crate::telemetry::Totals;
use littoral_connectors::config::SinkConfig;
use littoral_connectors::http::Webhook;
use littoral_connectors::open::open_sink;

/// How a pipeline is run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Timely workers of each tier.
    pub workers: usize,
    /// Relations whose rows at the end are handed out.
    pub captured: Vec<String>,
    /// Whether sinks and remediations do anything outside the process.
    pub effects: bool,
}

/// A pipeline under way.
pub struct Running {
    name: String,
    totals: Arc<Totals>,
    ending: Arc<Ending>,
    threads: Vec<JoinHandle<()>>,
    captured: Receiver<BTreeMap<String, Captured>>,
}

/// What a run leaves.
#[derive(Debug, Default)]
pub struct RunOutcome {
    /// The rows of the captured relations at the end.
    pub captured: BTreeMap<String, Captured>,
}

/// The two tiers about to start.
struct Tiers {
    edge: EdgeTier,
    cloud: CloudTier,
    schemas: HashMap<String, SchemaRef>,
}

impl Running {
    /// Opens sources and sinks and starts both tiers.
    ///
    /// # Errors
    /// When a source or sink cannot be opened.
    pub fn start(graph: Graph, cut: Cut, options: RunOptions) -> Result<Running, Fatal> {
        let (totals, ending) = (Arc::new(Totals::default()), Arc::new(Ending::default()));
        let tiers = tiers(&graph, cut, &options, &totals, &ending)?;
        let (capture_out, captured) = bounded(1);
        let mut effects = effects(&graph, &tiers.cloud, &options, &totals)?;
        effects.capture_out = Some(capture_out);
        let intakes = edge::open_sources(&tiers.edge)?;
        let (edge_port, cloud_port) = pair(&totals, &ending);
        let Tiers { edge, cloud, schemas } = tiers;
        let workers = options.workers.max(1);
        let threads = vec![start_edge(edge, schemas, edge_port, intakes, workers)?, start_cloud(cloud, cloud_port, effects, workers)?];
        Ok(Running { name: graph.pipeline.name.clone(), totals, ending, threads, captured })
    }

    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is counted.
    pub fn totals(&self) -> &Arc<Totals> {
        &self.totals
    }

    /// A way to stop from elsewhere.
    pub fn ending(&self) -> Arc<Ending> {
        self.ending.clone()
    }

    /// Asks the run to finish the epoch at hand and stop.
    pub fn stop(&self) {
        self.ending.stop();
    }

    /// Whether both tiers have ended.
    pub fn finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// With the first failure of either tier.
    pub fn join(self) -> Result<RunOutcome, Fatal> {
        for thread in self.threads {
            if thread.join().is_err() {
                self.ending.fail("a worker panicked; this is a defect, please report it");
            }
        }
        match self.ending.take_failure() {
            Some(failure) => Err(failure),
            None => Ok(RunOutcome { captured: self.captured.try_recv().unwrap_or_default() }),
        }
    }
}

fn tiers(graph: &Graph, cut: Cut, options: &RunOptions, totals: &Arc<Totals>, ending: &Arc<Ending>) -> Result<Tiers, Fatal> {
    let shared =
        || Arc::new(Shared { specs: RwLock::new(SpecStore::new(&graph.pipeline.params)), totals: totals.clone(), ending: ending.clone() });
    let inlets: Vec<(String, SchemaRef)> =
        cut.edge.outlets.iter().filter_map(|o| graph.schemas.get(&o.stream).map(|s| (o.stream.clone(), projected(o, s)))).collect();
    let program = pruned_program(graph, &inlets, &cut)?;
    let watched = watched(&graph.pipeline, options);
    let schemas = graph.schemas.iter().map(|(n, s)| (n.clone(), s.clone())).collect();
    Ok(Tiers {
        edge: EdgeTier { fragment: cut.edge, folder: graph.pipeline.folder.clone(), shared: shared() },
        cloud: CloudTier { fragment: cut.cloud, inlets, program, watched, shared: shared() },
        schemas,
    })
}

/// The views once more, over the columns that cross the cut.
fn pruned_program(graph: &Graph, inlets: &[(String, SchemaRef)], cut: &Cut) -> Result<Program, Fatal> {
    let in_cloud = cut.cloud.steps.iter().filter_map(|s| graph.schemas.get(&s.name).map(|schema| (s.name.clone(), schema.clone())));
    let tables: Vec<InputTable> = inlets
        .iter()
        .cloned()
        .chain(in_cloud)
        .map(|(name, schema)| InputTable { name, schema, append_only: true, event_time: None })
        .collect();
    let files: &[SqlFile] = &graph.pipeline.views;
    Program::compile(files, &tables)
        .map_err(|problems| problems.into_iter().next().map_or_else(|| "views do not compile".into(), Fatal::from))
}

/// Steps and views that the cloud's driver reads.
fn watched(pipeline: &Pipeline, options: &RunOptions) -> Vec<String> {
    let mut names: Vec<String> = pipeline.sinks.iter().filter(|_| options.effects).map(|s| s.from.clone()).collect();
    names.extend(pipeline.deltas.iter().map(|d| d.from.clone()));
    names.extend(pipeline.remediations.iter().map(|r| r.on.clone()));
    names.extend(pipeline.kpis.iter().map(|k| k.view.clone()));
    names.extend(options.captured.iter().cloned());
    names.sort();
    names.dedup();
    names
}

fn effects(graph: &Graph, cloud: &CloudTier, options: &RunOptions, totals: &Arc<Totals>) -> Result<Effects, Fatal> {
    let pipeline = &graph.pipeline;
    let mut effects = Effects {
        sinks: Vec::new(),
        deltas: Vec::new(),
        remedies: Vec::new(),
        kpis: pipeline.kpis.iter().map(|k| KpiWatch { kpi: k.clone(), values: Vec::new() }).collect(),
        captured: options.captured.iter().map(|name| (name.clone(), Captured::default())).collect(),
        capture_out: None,
        totals: totals.clone(),
        flushed: mark(),
        epochs: (None, None),
    };
    for rule in &pipeline.deltas {
        if let Some(param) = pipeline.params.iter().find(|p| p.name == rule.param) {
            effects.deltas.push((rule.from.clone(), DeltaMaker::new(rule.clone(), param.clone())));
        }
    }
    if options.effects {
        for sink in &pipeline.sinks {
            let schema = cloud_schema(graph, cloud, &sink.from).ok_or_else(|| format!("sink \"{}\" has nothing to read", sink.name))?;
            let changing = graph.views().iter().any(|v| v.name == sink.from && !v.append_only);
            let schema = if changing { diff_schema(&schema) } else { schema.as_ref().clone() };
            let opened = open_sink(&sink.connector, &schema).map_err(|e| sink_error(&sink.name, e))?;
            effects.sinks.push(OpenSink { name: sink.name.clone(), from: sink.from.clone(), sink: opened, changing });
        }
        for rule in &pipeline.remediations {
            effects.remedies.push(Remedies::new(&pipeline.name, rule.clone(), actuator(&rule.name, &rule.send)?));
        }
    }
    Ok(effects)
}

fn cloud_schema(graph: &Graph, cloud: &CloudTier, name: &str) -> Option<SchemaRef> {
    let inlet = cloud.inlets.iter().find(|(n, _)| n == name).map(|(_, s)| s.clone());
    inlet.or_else(|| cloud.program.schema(name)).or_else(|| graph.schema_of(name))
}

fn sink_error(name: &str, error: littoral_connectors::sink::SinkError) -> Fatal {
    tracing::error!(sink = name, "sink cannot be opened");
    Box::new(error)
}

fn actuator(name: &str, send: &SinkConfig) -> Result<Box<dyn crate::remedy::Actuator>, Fatal> {
    match send {
        SinkConfig::Http(settings) => Ok(Box::new(Hook(Webhook::new(settings)?))),
        SinkConfig::Json(file) => {
            Ok(Box::new(ActionFile::create(&file.path).map_err(|e| format!("could not write \"{}\": {e}", file.path.display()))?))
        }
        _ => Err(format!("remediation \"{name}\" can send to connector http or json").into()),
    }
}

fn start_edge(
    tier: EdgeTier,
    schemas: HashMap<String, SchemaRef>,
    port: EdgePort,
    intakes: Vec<Intake>,
    workers: usize,
) -> Result<JoinHandle<()>, Fatal> {
    let schemas: HashMap<String, SchemaRef> = intakes.iter().map(|i| (i.name.clone(), i.schema.clone())).chain(schemas).collect();
    let (tier, schemas, hands) = (Arc::new(tier), Arc::new(schemas), Arc::new(Mutex::new(Some((port, intakes)))));
    let ending = tier.shared.ending.clone();
    spawn("edge", move || {
        let done = timely::execute(timely::Config::process(workers), move |worker| {
            let hands = if worker.index() == 0 { hands.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() } else { None };
            at_work(worker, &tier.shared.ending, |worker| edge::run_worker(worker, &tier, &schemas, hands));
        });
        settle(done, &ending);
    })
}

fn start_cloud(tier: CloudTier, port: CloudPort, effects: Effects, workers: usize) -> Result<JoinHandle<()>, Fatal> {
    let (tier, hands) = (Arc::new(tier), Arc::new(Mutex::new(Some((port, effects)))));
    let ending = tier.shared.ending.clone();
    spawn("cloud", move || {
        let done = timely::execute(timely::Config::process(workers), move |worker| {
            let hands = if worker.index() == 0 { hands.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() } else { None };
            at_work(worker, &tier.shared.ending, |worker| deep(|| cloud::run_worker(worker, &tier, hands)));
        });
        settle(done, &ending);
    })
}

/// The work of a worker of a tier; what it fails of, the run does.
fn at_work(worker: &mut Worker, ending: &Arc<Ending>, work: impl FnOnce(&mut Worker) -> Result<(), Fatal>) {
    work_to_the_end(worker, ending, |worker| work(worker).unwrap_or_else(|error| ending.fail(error)));
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Fatal> {
    Ok(std::thread::Builder::new().name(name.to_string()).spawn(work)?)
}

/// Waits for a tier's workers; a panic of one fails the run.
fn settle(workers: Result<timely::communication::WorkerGuards<()>, String>, ending: &Ending) {
    match workers {
        Err(error) => ending.fail(error),
        Ok(guards) => {
            for done in guards.join() {
                if let Err(error) = done {
                    ending.fail(format!("a worker panicked: {error}"));
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
