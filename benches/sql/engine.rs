//! The engine, fed by one worker or several.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use littoral_engine::flow::updates::Updates;
use littoral_engine::sql::catalog::Catalog;
use littoral_engine::sql::{END, InputTable, Program};
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::probe::Handle as ProbeHandle;

use crate::workload::{Run, Workload, sum_of};

/// A table's input.
pub type Input = timely::dataflow::operators::core::input::Handle<u64, NoopBuilder<Updates>>;

pub fn littoral(workload: &Workload) -> Run {
    littoral_on(workload, 1)
}

/// The rows of an epoch that one of several workers feeds.
pub fn share(updates: Updates, index: usize, peers: usize) -> Updates {
    let rows = updates.rows.num_rows();
    let (from, to) = (rows * index / peers, rows * (index + 1) / peers);
    Updates { rows: updates.rows.slice(from, to - from), diffs: updates.diffs.map(|d| d.slice(from, to - from)) }
}

/// The engine with some workers, each of which feeds its share of every epoch.
pub fn littoral_on(workload: &Workload, workers: usize) -> Run {
    let (mut catalog, mut program) = (Catalog::new(), Program::new(Vec::new()));
    for (name, schema, append_only) in &workload.tables {
        catalog.add_table(name, schema.clone());
        program.add_input(InputTable {
            name: (*name).to_string(),
            schema: schema.clone(),
            append_only: *append_only,
            event_time: workload.closes.then_some(1),
        });
    }
    let plan = catalog.plan_query(workload.sql).and_then(|p| catalog.optimise(p)).unwrap();
    program.add_plan(&mut catalog, "v", &plan, workload.closes).unwrap();
    let names: Vec<String> = workload.tables.iter().map(|t| t.0.to_string()).collect();
    let (epochs, filling, closes, program) = (workload.epochs.clone(), workload.filling, workload.closes, Arc::new(program));
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (index, peers) = (worker.index(), worker.peers());
        let total = std::rc::Rc::new(std::cell::Cell::new(0i128));
        let seen = total.clone();
        let (mut inputs, probe) = worker.dataflow::<u64, _, _>(|scope| {
            let (mut inputs, mut streams): (Vec<Input>, HashMap<_, _>) = (Vec::new(), HashMap::new());
            for name in &names {
                let mut input = Input::new_with_builder();
                streams.insert(name.clone(), input.to_stream(scope));
                inputs.push(input);
            }
            let mut rendered = program.render(scope, streams, &["v".to_string()]);
            let probe = ProbeHandle::new();
            let view = rendered.views.remove("v").unwrap();
            each(view, move |u| seen.set(seen.get() + sum_of(u))).probe_with(&probe);
            (inputs, probe)
        });
        let mut started = Instant::now();
        // A worker that waits for the other does not keep it from its core.
        let wait = (peers > 1).then(|| Duration::from_micros(100)).or(Some(Duration::ZERO));
        for (epoch, changes) in epochs.clone().into_iter().enumerate() {
            if epoch == filling {
                worker.step_or_park_while(wait, || probe.less_than(&(epoch as u64)));
                started = Instant::now();
            }
            if let (true, Some((_, updates))) = (closes, changes.last()) {
                program.watermarks.set("t", epoch as u64, latest(updates));
            }
            for (table, updates) in changes {
                inputs[table].send_batch(&mut share(updates, index, peers));
            }
            inputs.iter_mut().for_each(|i| i.advance_to(epoch as u64 + 1));
            // Rows of the next epoch come in meanwhile, as they do in a run from files; those of the one after it wait.
            worker.step_or_park_while(wait, || probe.less_than(&(epoch as u64)));
        }
        worker.step_or_park_while(wait, || probe.less_than(&(epochs.len() as u64)));
        if closes {
            program.watermarks.set("t", epochs.len() as u64, END);
            inputs.iter_mut().for_each(|i| i.advance_to(epochs.len() as u64 + 1));
            worker.step_or_park_while(wait, || probe.less_than(&(epochs.len() as u64 + 1)));
        }
        let time = started.elapsed();
        drop(inputs);
        (time, total.get())
    });
    let runs: Vec<(Duration, i128)> = guards.unwrap().join().into_iter().map(Result::unwrap).collect();
    Run { time: runs.iter().map(|r| r.0).max().unwrap(), sum: runs.iter().map(|r| r.1).sum() }
}

/// As many engines as there are workers, each with one worker and all rows: what the machine gives to those who share nothing.
pub fn side_by_side(workload: &Workload, engines: u32) -> Run {
    let runs: Vec<Run> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..engines).map(|_| scope.spawn(|| littoral(workload))).collect();
        all.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert!(runs.iter().all(|run| run.sum == runs[0].sum));
    Run { time: runs.iter().map(|run| run.time).max().unwrap() / engines, sum: runs[0].sum }
}

/// The time of the last row; rows are in the order of their times.
fn latest(updates: &Updates) -> i64 {
    let times = updates.rows.column(1).as_primitive::<TimestampMicrosecondType>();
    times.values().last().copied().unwrap_or(i64::MIN)
}

/// Calls a function for all that a view gives; a stream of nothing that ends when it has.
pub fn each<'s>(view: Stream<'s, u64, Updates>, mut of: impl FnMut(&Updates) + 'static) -> Stream<'s, u64, Updates> {
    view.unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, "each", move |_, _| {
        move |input, _output| input.for_each_stamp(|_, data| data.for_each(|u| of(u)))
    })
}
