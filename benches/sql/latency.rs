//! How long a change takes to show, at half of the rate that the view keeps up with, and with a snapshot each second.
//!
//! Open loop: rows are due at fixed instants, whether the engine is ready or not, and a row's latency is measured from the
//! instant at which it was due to the end of the epoch that it is in. One worker; a second thread writes the snapshots.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, TimestampMicrosecondArray};
use crossbeam_channel::{Receiver, Sender, bounded};
use littoral_engine::flow::updates::Updates;
use littoral_engine::sql::catalog::Catalog;
use littoral_engine::sql::snapshot::{Handover, PartWriter, Piece, States, Store, Waiting};
use littoral_engine::sql::{InputTable, Program};
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::probe::Handle as ProbeHandle;

use crate::engine::{Input, littoral};
use crate::workload::{Workload, changelog, pairs, readings, sum_of};

/// Between two instants at which rows are due.
const TICK: Duration = Duration::from_millis(1);
/// Ticks that one epoch takes in at most.
const EPOCH_TICKS: usize = 64;
/// An epoch that takes longer is looked at: whether the worker worked, or had no core.
const LONG: Duration = Duration::from_millis(3);
/// Between two snapshots.
const SNAPSHOT: Duration = Duration::from_secs(1);

/// What is due at each instant.
type Due<'a> = dyn Fn(usize, u64) -> Updates + 'a;

/// Measures both workloads.
pub fn latency(small: bool, window: &'static str) {
    let seconds = if small { 2 } else { 10 };
    println!("latency at half of peak, {seconds} s, a snapshot each second:");
    let (keys, filled) = if small { (1_000, 1_000) } else { (200_000, 200_000) };
    let sql = "SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k";
    let tables = || vec![("t", pairs(&[]).schema(), false)];
    let peak_of = |table: Vec<Updates>, updates: usize| {
        let epochs = table.into_iter().map(|u| vec![(0, u)]).collect();
        let peak = Workload { name: "peak", sql, tables: tables(), epochs, filling: 1, rows: 20 * updates, closes: false };
        peak.rows as f64 / littoral(&peak).time.as_secs_f64()
    };
    let updates = if small { 1_000 } else { 100_000 };
    let rate = rate_of(small, peak_of(changelog(3, keys, filled, 20, updates), updates));
    let ticks = seconds * 1_000;
    let table = changelog(3, keys, filled, ticks, rate);
    // The first are the rows that the table is filled with.
    let due = |tick: usize, _: u64| table[tick + 1].clone();
    open_loop("count and sum of a changelog", sql, (pairs(&[]).schema(), false), (table[0].clone(), &due), ticks, rate);
    drop(table);
    let rows = if small { 20_000 } else { 10_000_000 };
    let peak = readings("peak", window, 1_000, rows, 131_072.min(rows));
    let rate = rate_of(small, rows as f64 / littoral(&peak).time.as_secs_f64());
    let ring: Vec<&Updates> = peak.epochs.iter().map(|e| &e[0].1).filter(|u| u.rows.num_rows() >= rate).collect();
    let due = |tick: usize, micros: u64| {
        let rows = ring[tick % ring.len()].rows.slice(0, rate);
        // Event time goes with the clock.
        let ts = TimestampMicrosecondArray::from_value(micros as i64, rate);
        let columns = vec![rows.column(0).clone(), Arc::new(ts) as ArrayRef, rows.column(2).clone()];
        Updates::insertions(arrow::array::RecordBatch::try_new(rows.schema(), columns).unwrap())
    };
    let schema = peak.tables[0].1.clone();
    open_loop("tumbling window of 1,000 keys, given as it changes", window, (schema.clone(), true), (due(0, 0), &due), ticks, rate);
}

/// Epochs that took long.
#[derive(Default)]
struct Long {
    epochs: u32,
    took: Duration,
    at_work: Duration,
    queued: Duration,
}

impl Long {
    /// Looks at an epoch that took some time, before which the worker had had a core for some, and waited for one.
    fn see(&mut self, took: Duration, (worked, queued): (Duration, Duration)) {
        if took < LONG {
            return;
        }
        let now = at_work();
        self.epochs += 1;
        self.took += took;
        self.at_work += now.0.saturating_sub(worked);
        self.queued += now.1.saturating_sub(queued);
    }

    fn print(&self) {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "    {} epochs took longer than {LONG:?}: {:.1} ms, of which the worker had a core for {:.1} and waited for one for {:.1}",
            self.epochs,
            ms(self.took),
            ms(self.at_work),
            ms(self.queued)
        );
    }
}

/// How long this thread has had a core, and how long it has waited for one, where the system tells (Linux).
fn at_work() -> (Duration, Duration) {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let mut nanos = text.split_whitespace().map_while(|n| n.parse().ok()).map(Duration::from_nanos);
    (nanos.next().unwrap_or_default(), nanos.next().unwrap_or_default())
}

/// Rows that are due at each instant.
fn rate_of(small: bool, peak: f64) -> usize {
    if small { 100 } else { (peak / 2.0 * TICK.as_secs_f64()) as usize }
}

/// A program of one view, `v`, over one table.
fn compiled(sql: &str, (schema, append_only): (arrow::datatypes::SchemaRef, bool)) -> Program {
    let (mut catalog, mut program) = (Catalog::new(), Program::new(Vec::new()));
    catalog.add_table("t", schema.clone());
    let event_time = append_only.then_some(1);
    program.add_input(InputTable { name: "t".into(), schema, append_only, event_time });
    let plan = catalog.plan_query(sql).and_then(|p| catalog.optimise(p)).unwrap();
    program.add_plan(&mut catalog, "v", &plan, false).unwrap();
    program
}

fn open_loop(
    name: &str,
    sql: &str,
    table: (arrow::datatypes::SchemaRef, bool),
    (mut filled, due): (Updates, &Due<'_>),
    ticks: usize,
    rate: usize,
) {
    let append_only = table.1;
    let program = compiled(sql, table);
    let folder = tempfile::tempdir().unwrap();
    let writer = Writer::start(folder.path());
    let alloc = timely::communication::Allocator::Thread(timely::communication::allocator::Thread::default());
    let mut worker = timely::worker::Worker::new(timely::WorkerConfig::default(), alloc, Some(Instant::now()));
    let (states, probe) = (States::tracked(None), ProbeHandle::new());
    let changed = std::rc::Rc::new(std::cell::Cell::new(0usize));
    let seen = changed.clone();
    let mut input = worker.dataflow::<u64, _, _>(|scope| {
        let mut input = Input::new_with_builder();
        let streams = HashMap::from([("t".to_string(), input.to_stream(scope))]);
        let mut rendered = program.render_with(scope, streams, &["v".to_string()], &states, &Default::default());
        let view = rendered.views.remove("v").unwrap();
        crate::engine::each(view, move |u| {
            std::hint::black_box(sum_of(u));
            seen.set(seen.get() + u.rows.num_rows());
        })
        .probe_with(&probe);
        input
    });
    input.send_batch(&mut filled);
    input.advance_to(1);
    worker.step_while(|| probe.less_than(&1));
    let first = Instant::now() + TICK;
    let at = |tick: usize| first + TICK * tick as u32;
    let (mut stood, mut long) = (Duration::ZERO, Long::default());
    let (mut done, mut epoch, mut latencies, mut last) = (0usize, 1u64, Vec::with_capacity(ticks), first);
    while done < ticks {
        let passed = Instant::now().saturating_duration_since(first).as_micros() / TICK.as_micros();
        let until = ticks.min(passed as usize).min(done + EPOCH_TICKS);
        if until <= done {
            std::hint::spin_loop();
            continue;
        }
        if append_only {
            program.watermarks.set("t", epoch, (at(until - 1) - first).as_micros() as i64);
        }
        let (begun, had) = (Instant::now(), at_work());
        (done..until).for_each(|tick| input.send_batch(&mut due(tick, (at(tick) - first).as_micros() as u64)));
        input.advance_to(epoch + 1);
        worker.step_while(|| probe.less_than(&(epoch + 1)));
        let now = Instant::now();
        latencies.extend((done..until).map(|tick| now.saturating_duration_since(at(tick)).as_secs_f64() * 1e3));
        program.watermarks.settle(epoch);
        states.settle(epoch);
        if last.elapsed() >= SNAPSHOT && writer.is_idle() {
            last = Instant::now();
            writer.snapshot(epoch, &states);
            stood = stood.max(last.elapsed());
        }
        long.see(begun.elapsed(), had);
        (done, epoch) = (until, epoch + 1);
    }
    drop(input);
    while worker.step() {}
    let (snapshots, bytes) = writer.end();
    latencies.sort_by(f64::total_cmp);
    print(name, rate, epoch - 1, changed.get(), (snapshots, bytes, stood), &latencies);
    long.print();
}

/// Prints what a run took; latencies in order.
fn print(name: &str, rate: usize, epochs: u64, changed: usize, (snapshots, bytes, stood): (u32, u64, Duration), latencies: &[f64]) {
    let of = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    println!(
        "  {name}: {:.2} M rows/s, {epochs} epochs, {changed} changes given, {snapshots} snapshots of {:.1} MB, handed over in at most {:.1} ms: p50 {:.2}, p99 {:.2}, p99.9 {:.2}, most {:.2} ms",
        rate as f64 / TICK.as_secs_f64() / 1e6,
        bytes as f64 / 1e6 / f64::from(snapshots.max(1)),
        stood.as_secs_f64() * 1e3,
        of(0.5),
        of(0.99),
        of(0.999),
        of(1.0)
    );
}

/// What the thread that writes is told.
enum Told {
    Piece(Piece),
    End,
}

impl From<Piece> for Told {
    fn from(piece: Piece) -> Self {
        Told::Piece(piece)
    }
}

/// A thread that writes states as they are handed over, and flushes them to the disk.
struct Writer {
    tell: Sender<Told>,
    waiting: Waiting,
    busy: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<u32>,
}

impl Writer {
    fn start(folder: &std::path::Path) -> Self {
        let (tell, told) = bounded(1024);
        let (busy, bytes, waiting) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Waiting::default());
        let (store, idle, sum, room) = (Store::open(folder).unwrap(), busy.clone(), bytes.clone(), waiting.clone());
        let work = move || write(&store, &told, &idle, &sum, &room);
        let thread = std::thread::Builder::new().name("snapshots".into()).spawn(work).unwrap();
        Writer { tell, waiting, busy, bytes, thread }
    }

    fn is_idle(&self) -> bool {
        !self.busy.load(Ordering::SeqCst)
    }

    fn snapshot(&self, epoch: u64, states: &States) {
        self.busy.store(true, Ordering::SeqCst);
        states.hand_over(epoch, &mut Handover::new(0, self.tell.clone(), self.waiting.clone())).unwrap();
        self.tell.send(Told::End).unwrap();
    }

    fn end(self) -> (u32, u64) {
        drop(self.tell);
        (self.thread.join().unwrap(), self.bytes.load(Ordering::SeqCst))
    }
}

fn write(store: &Store, told: &Receiver<Told>, busy: &AtomicBool, bytes: &AtomicU64, waiting: &Waiting) -> u32 {
    let (mut number, mut parts) = (0, None);
    for message in told {
        match message {
            Told::Piece(piece) => {
                let parts: &mut PartWriter = parts.get_or_insert_with(|| PartWriter::new(store, format!("{number}/worker-0")));
                match &piece.rows {
                    Some(rows) => {
                        parts.write(rows).unwrap();
                        waiting.give_back(rows);
                    }
                    // A state begins, which may have other columns.
                    None => _ = bytes.fetch_add(parts.end_state().unwrap().iter().map(|p| p.bytes).sum(), Ordering::SeqCst),
                }
            }
            Told::End => {
                if let Some(mut parts) = parts.take() {
                    let ended = parts.end_state().unwrap();
                    bytes.fetch_add(ended.iter().map(|p| p.bytes).sum(), Ordering::SeqCst);
                    parts.finish().unwrap();
                    store.put(&format!("{number}/manifest"), Vec::new()).unwrap();
                }
                number += 1;
                busy.store(false, Ordering::SeqCst);
            }
        }
    }
    number
}
