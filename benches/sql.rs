//! Incremental SQL against what else could do it, in one run: stock differential dataflow, a timely operator written by hand,
//! DataFusion as a batch. Outputs are compared before a time is printed; systems take turns; medians and the range are shown.
//!
//! `cargo bench --bench sql` runs all; `-- --test` a small size, once, as CI does.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMicrosecondType};
use differential_dataflow::input::Input as _;
use littoral_engine::flow::updates::Updates;
use littoral_engine::sql::catalog::Catalog;
use littoral_engine::sql::script::batch_answer;
use littoral_engine::sql::{InputTable, Program};
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::probe::Handle as ProbeHandle;

/// The allocator of the `littoral` program, for every system alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Input = timely::dataflow::operators::core::input::Handle<u64, NoopBuilder<Updates>>;
/// Changes of tables, by epoch.
type Epochs = Vec<Vec<(usize, Updates)>>;

/// Rows per second of work, and a sum over the output that equal outputs share.
struct Run {
    time: Duration,
    sum: i128,
}

struct Workload {
    name: &'static str,
    sql: &'static str,
    tables: Vec<(&'static str, SchemaRef, bool)>,
    epochs: Epochs,
    /// Epochs at the front that only fill the tables, and are not timed.
    filling: usize,
    rows: usize,
}

/// A pseudo-random sequence (SplitMix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: u64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % below) as i64
    }
}

fn pairs(rows: &[(i64, i64)]) -> RecordBatch {
    let column = |of: fn(&(i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    RecordBatch::try_from_iter([("k", column(|r| r.0)), ("v", column(|r| r.1))]).unwrap()
}

/// A table of pairs that is filled, and then changes: half of each epoch's updates are new rows, half take old ones away.
fn changelog(seed: u64, keys: u64, filled: usize, epochs: usize, updates: usize) -> Vec<Updates> {
    let mut draw = Draw(seed);
    let mut rows: Vec<(i64, i64)> = (0..filled).map(|_| (draw.next(keys), draw.next(1000))).collect();
    let mut out = vec![Updates::insertions(pairs(&rows))];
    for _ in 0..epochs {
        let mut changed: Vec<((i64, i64), i64)> = Vec::new();
        for _ in 0..updates / 2 {
            let gone = draw.next(rows.len() as u64) as usize;
            changed.push((rows.swap_remove(gone), -1));
            let new = (draw.next(keys), draw.next(1000));
            changed.push((new, 1));
            rows.push(new);
        }
        let (changed, diffs): (Vec<(i64, i64)>, Vec<i64>) = changed.into_iter().unzip();
        out.push(Updates::changes(pairs(&changed), diffs.into()));
    }
    out
}

fn sum_of(updates: &Updates) -> i128 {
    let rows = updates.rows.num_rows();
    let mut total = 0i128;
    for column in updates.rows.columns() {
        if let Some(values) = column.as_primitive_opt::<Int64Type>() {
            total +=
                (0..rows).filter(|r| values.is_valid(*r)).map(|r| i128::from(values.value(r)) * i128::from(updates.diff(r))).sum::<i128>();
        }
    }
    total + (0..rows).map(|r| i128::from(updates.diff(r))).sum::<i128>()
}

fn littoral(workload: &Workload) -> Run {
    littoral_on(workload, 1)
}

/// The rows of an epoch that one of several workers feeds.
fn share(updates: Updates, index: usize, peers: usize) -> Updates {
    let rows = updates.rows.num_rows();
    let (from, to) = (rows * index / peers, rows * (index + 1) / peers);
    Updates { rows: updates.rows.slice(from, to - from), diffs: updates.diffs.map(|d| d.slice(from, to - from)) }
}

/// The engine with some workers, each of which feeds its share of every epoch.
fn littoral_on(workload: &Workload, workers: usize) -> Run {
    let (mut catalog, mut program) = (Catalog::new(), Program::new(Vec::new()));
    for (name, schema, append_only) in &workload.tables {
        catalog.add_table(name, schema.clone());
        program.add_input(InputTable { name: (*name).to_string(), schema: schema.clone(), append_only: *append_only, event_time: None });
    }
    let plan = catalog.plan_query(workload.sql).and_then(|p| catalog.optimise(p)).unwrap();
    program.add_plan(&mut catalog, "v", &plan, false).unwrap();
    let names: Vec<String> = workload.tables.iter().map(|t| t.0.to_string()).collect();
    let (epochs, filling, program) = (workload.epochs.clone(), workload.filling, Arc::new(program));
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
            view.unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, "sum", move |_, _| {
                move |input, _output| {
                    input.for_each_stamp(|_, data| data.for_each(|u| seen.set(seen.get() + sum_of(u))));
                }
            })
            .probe_with(&probe);
            (inputs, probe)
        });
        let mut started = Instant::now();
        for (epoch, changes) in epochs.clone().into_iter().enumerate() {
            if epoch == filling {
                started = Instant::now();
            }
            for (table, updates) in changes {
                inputs[table].send_batch(&mut share(updates, index, peers));
            }
            inputs.iter_mut().for_each(|i| i.advance_to(epoch as u64 + 1));
            // A worker that waits for the other does not keep it from its core.
            let wait = (peers > 1).then(|| Duration::from_micros(100)).or(Some(Duration::ZERO));
            worker.step_or_park_while(wait, || probe.less_than(&(epoch as u64 + 1)));
        }
        let time = started.elapsed();
        drop(inputs);
        (time, total.get())
    });
    let runs: Vec<(Duration, i128)> = guards.unwrap().join().into_iter().map(Result::unwrap).collect();
    Run { time: runs.iter().map(|r| r.0).max().unwrap(), sum: runs.iter().map(|r| r.1).sum() }
}

fn each_pair(updates: &Updates, mut of: impl FnMut(u64, u64, i64)) {
    let (k, v) = (updates.rows.column(0).as_primitive::<Int64Type>(), updates.rows.column(1).as_primitive::<Int64Type>());
    (0..updates.rows.num_rows()).for_each(|r| of(k.value(r) as u64, v.value(r) as u64, updates.diff(r)));
}

/// Stock differential dataflow over pairs of u64, the best case of its row storage.
fn differential(workload: &Workload, join: bool) -> Run {
    let (epochs, filling, tables) = (workload.epochs.clone(), workload.filling, workload.tables.len());
    timely::execute_directly(move |worker| {
        let total = std::rc::Rc::new(std::cell::Cell::new(0i128));
        let seen = total.clone();
        let probe = ProbeHandle::new();
        let mut inputs = worker.dataflow::<u64, _, _>(|scope| {
            let (mut inputs, mut collections) = (Vec::new(), Vec::new());
            for _ in 0..tables {
                let (input, collection) = scope.new_collection::<(u64, u64), i64>();
                inputs.push(input);
                collections.push(collection);
            }
            if join {
                let right = collections.pop().unwrap();
                let left = collections.pop().unwrap();
                left.arrange_by_key()
                    .join_core(right.arrange_by_key(), |k, a, b| Some((*k, *a, *b)))
                    .inspect(move |((k, a, b), _, d)| seen.set(seen.get() + (i128::from(k + a + b) + 1) * i128::from(*d)))
                    .inner
                    .probe_with(&probe);
            } else {
                collections
                    .pop()
                    .unwrap()
                    .explode(|(k, v)| Some((k, (1i64, v as i64))))
                    .count()
                    .inspect(move |((k, (n, s)), _, d)| seen.set(seen.get() + (i128::from(*k) + i128::from(n + s) + 1) * *d as i128))
                    .inner
                    .probe_with(&probe);
            }
            inputs
        });
        let mut started = Instant::now();
        for (epoch, changes) in epochs.into_iter().enumerate() {
            if epoch == filling {
                started = Instant::now();
            }
            for (table, updates) in changes {
                each_pair(&updates, |k, v, d| inputs[table].update((k, v), d));
            }
            inputs.iter_mut().for_each(|i| {
                i.advance_to(epoch as u64 + 1);
                i.flush();
            });
            worker.step_while(|| probe.less_than(&(epoch as u64 + 1)));
        }
        let time = started.elapsed();
        drop(inputs);
        Run { time, sum: total.get() }
    })
}

const TUMBLE: &str = "SELECT k, tumble_start(ts, INTERVAL '60' SECOND) AS w, count(*) AS n, sum(v) AS s, min(v) AS lo, max(v) AS hi FROM t GROUP BY k, tumble_start(ts, INTERVAL '60' SECOND)";

const TUMBLE_HOUR: &str = "SELECT k, tumble_start(ts, INTERVAL '3600' SECOND) AS w, count(*) AS n, sum(v) AS s, min(v) AS lo, max(v) AS hi FROM t GROUP BY k, tumble_start(ts, INTERVAL '3600' SECOND)";
const HOP_HOUR: &str = "SELECT k, hop(ts, INTERVAL '36' SECOND, INTERVAL '3600' SECOND)['start'] AS w, count(*) AS n, sum(v) AS s, min(v) AS lo, max(v) AS hi FROM t GROUP BY k, hop(ts, INTERVAL '36' SECOND, INTERVAL '3600' SECOND)";

fn readings(name: &'static str, sql: &'static str, keys: u64, rows: usize, batch: usize) -> Workload {
    let mut draw = Draw(1);
    let mut epochs: Epochs = Vec::new();
    for from in (0..rows).step_by(batch) {
        let n = batch.min(rows - from);
        let k = Int64Array::from_iter_values((0..n).map(|_| draw.next(keys)));
        let ts = TimestampMicrosecondArray::from_iter_values((0..n).map(|i| (from + i) as i64 * 1_000));
        let v = Int64Array::from_iter_values((0..n).map(|_| draw.next(10_000)));
        let columns = [("k", Arc::new(k) as ArrayRef), ("ts", Arc::new(ts)), ("v", Arc::new(v))];
        epochs.push(vec![(0, Updates::insertions(RecordBatch::try_from_iter(columns).unwrap()))]);
    }
    let schema = epochs[0][0].1.rows.schema();
    Workload { name, sql, tables: vec![("t", schema, true)], epochs, filling: 0, rows }
}

/// The hours that begin every 36 seconds, by slices of 36 seconds in a hash map. Only its output is of interest.
fn hours_by_hand(workload: &Workload) -> Run {
    let started = Instant::now();
    let mut slices = HashMap::<(i64, i64), (i64, i64, i64, i64)>::new();
    let none = (0, 0, i64::MAX, i64::MIN);
    let with = |a: &mut (i64, i64, i64, i64), b: (i64, i64, i64, i64)| *a = (a.0 + b.0, a.1 + b.1, a.2.min(b.2), a.3.max(b.3));
    for (_, u) in workload.epochs.iter().flatten() {
        let (k, v) = (u.rows.column(0).as_primitive::<Int64Type>(), u.rows.column(2).as_primitive::<Int64Type>());
        let ts = u.rows.column(1).as_primitive::<TimestampMicrosecondType>();
        for row in 0..u.rows.num_rows() {
            let v = v.value(row);
            with(slices.entry((k.value(row), ts.value(row).div_euclid(36_000_000))).or_insert(none), (1, v, v, v));
        }
    }
    let mut hours = HashMap::<(i64, i64), (i64, i64, i64, i64)>::new();
    for ((k, slice), state) in slices {
        (0..100).for_each(|back| with(hours.entry((k, slice - back)).or_insert(none), state));
    }
    let sum = hours.iter().map(|((k, _), g)| i128::from(k + g.0 + g.1 + g.2 + g.3) + 1).sum();
    Run { time: started.elapsed(), sum }
}

/// What the join of two tables, grouped by its key, holds at the end.
fn joined_by_hand(workload: &Workload) -> i128 {
    let mut keys: [HashMap<u64, (i128, i128)>; 2] = Default::default();
    for (table, updates) in workload.epochs.iter().flatten() {
        each_pair(updates, |k, v, d| {
            let state = keys[*table].entry(k).or_default();
            *state = (state.0 + i128::from(d), state.1 + i128::from(v) * i128::from(d));
        });
    }
    let rows = keys[0].iter().filter_map(|(k, a)| keys[1].get(k).map(|b| (*k, a.0 * b.0, a.0 * b.1)));
    rows.filter(|(_, n, _)| *n > 0).map(|(k, n, s)| i128::from(k) + n + s + 1).sum()
}

/// What an epoch costs, by how much it changes and by how much the view holds.
fn slope(small: bool) {
    let sql = "SELECT a.k, count(*) AS n, sum(b.v) AS s FROM a JOIN b ON a.k = b.k GROUP BY a.k";
    let (sizes, epochs, rounds) = if small { ([500u64, 1_000], 3, 1) } else { ([100_000, 1_000_000], 30, 3) };
    println!("epochs of a join, grouped, by changes on each side; outputs as by hand:");
    for keys in sizes {
        for changes in if small { [10, 20, 40] } else { [1_000, 2_000, 4_000] } {
            let (a, b) = (changelog(5, keys, keys as usize, epochs, changes), changelog(6, keys, keys as usize, epochs, changes));
            let schema = pairs(&[]).schema();
            let epochs_of = a.into_iter().zip(b).map(|(a, b)| vec![(0, a), (1, b)]).collect();
            let tables = vec![("a", schema.clone(), false), ("b", schema, false)];
            let workload = Workload { name: "slope", sql, tables, epochs: epochs_of, filling: 1, rows: epochs * changes * 2 };
            let by_hand = joined_by_hand(&workload);
            let mut times: Vec<f64> = (0..rounds)
                .map(|_| {
                    let run = littoral(&workload);
                    assert_eq!(run.sum, by_hand, "slope: outputs differ");
                    run.time.as_secs_f64() * 1e3 / epochs as f64
                })
                .collect();
            times.sort_by(f64::total_cmp);
            let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
            println!("  {keys:>9} keys, {changes:>5} changes: {median:8.2} ms an epoch ({:.2} to {most:.2})", times[0]);
        }
    }
}

/// What one would write by hand with timely: a hash map in an operator over the same batches.
fn by_hand(workload: &Workload) -> Run {
    let started = Instant::now();
    let epochs = workload.epochs.clone();
    let groups = timely::execute_directly(move |worker| {
        let groups = std::rc::Rc::new(std::cell::RefCell::new(HashMap::<(i64, i64), (i64, i64, i64, i64)>::new()));
        let inner = groups.clone();
        let probe = ProbeHandle::new();
        let mut input = worker.dataflow::<u64, _, _>(|scope| {
            let mut input = Input::new_with_builder();
            let stream = input.to_stream(scope);
            stream
                .unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, "tumble", move |_, _| {
                    move |input, _output| {
                        input.for_each_stamp(|_, data| {
                            let mut groups = inner.borrow_mut();
                            for u in data {
                                let (k, v) = (u.rows.column(0).as_primitive::<Int64Type>(), u.rows.column(2).as_primitive::<Int64Type>());
                                let ts = u.rows.column(1).as_primitive::<TimestampMicrosecondType>();
                                for row in 0..u.rows.num_rows() {
                                    let v = v.value(row);
                                    let g = groups.entry((k.value(row), ts.value(row).div_euclid(60_000_000))).or_insert((
                                        0,
                                        0,
                                        i64::MAX,
                                        i64::MIN,
                                    ));
                                    *g = (g.0 + 1, g.1 + v, g.2.min(v), g.3.max(v));
                                }
                            }
                        });
                    }
                })
                .probe_with(&probe);
            input
        });
        for (epoch, changes) in epochs.into_iter().enumerate() {
            for (_, mut updates) in changes {
                input.send_batch(&mut updates);
            }
            input.advance_to(epoch as u64 + 1);
            worker.step_while(|| probe.less_than(&(epoch as u64 + 1)));
        }
        drop(input);
        groups.take()
    });
    let sum = groups.iter().map(|((k, _), g)| i128::from(k + g.0 + g.1 + g.2 + g.3) + 1).sum();
    Run { time: started.elapsed(), sum }
}

fn batch(workload: &Workload) -> Run {
    let batches: Vec<RecordBatch> = workload.epochs.iter().flatten().map(|(_, u)| u.rows.clone()).collect();
    let rows = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let started = Instant::now();
    let answer = batch_answer(workload.sql, &[("t".to_string(), rows)]).unwrap();
    Run { time: started.elapsed(), sum: sum_of(&Updates::insertions(answer)) }
}

/// A name, and what runs a workload.
type System<'a> = (&'a str, &'a dyn Fn(&Workload) -> Run);

/// Runs systems in turns; prints medians, ranges, and ratios to the first.
fn compare(workload: &Workload, rounds: usize, systems: &[System<'_>]) {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); systems.len()];
    let mut sums: Vec<i128> = Vec::new();
    for _ in 0..rounds {
        for (times, (_, system)) in times.iter_mut().zip(systems) {
            let run = system(workload);
            times.push(run.time.as_secs_f64());
            sums.push(run.sum);
        }
    }
    assert!(sums.iter().all(|s| *s == sums[0]), "{}: outputs differ: {sums:?}", workload.name);
    println!("{}: {} rows timed, outputs equal", workload.name, workload.rows);
    let mut first = None;
    for (times, (name, _)) in times.iter_mut().zip(systems) {
        times.sort_by(f64::total_cmp);
        let (median, n) = (times[times.len() / 2], workload.rows as f64 / 1e6);
        let ratio = *first.get_or_insert(median) / median;
        println!(
            "  {name:<28} {:8.2} M rows/s ({:.2} to {:.2}), {:.2} of the first",
            n / median,
            n / times[times.len() - 1],
            n / times[0],
            ratio
        );
    }
}

fn main() {
    // A word chooses the workloads whose names hold it.
    let word = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let compare = |workload: &Workload, rounds: usize, systems: &[System<'_>]| {
        if workload.name.contains(&word) {
            compare(workload, rounds, systems);
        }
    };
    let small = std::env::args().any(|a| a == "--test");
    let (rounds, epochs, updates, filled) = if small { (1, 3, 1_000, 2_000) } else { (5, 20, 100_000, 200_000) };
    let table = |seed: u64, keys: u64| changelog(seed, keys, filled, epochs, updates);
    let schema = pairs(&[]).schema();
    let epochs_of = |tables: Vec<Vec<Updates>>| -> Epochs {
        (0..=epochs).map(|e| tables.iter().enumerate().map(|(t, epochs)| (t, epochs[e].clone())).collect()).collect()
    };
    let keys = filled as u64;
    let join = Workload {
        name: "join of two changelogs",
        sql: "SELECT a.k, a.v, b.v AS w FROM a JOIN b ON a.k = b.k",
        tables: vec![("a", schema.clone(), false), ("b", schema.clone(), false)],
        epochs: epochs_of(vec![table(1, keys), table(2, keys)]),
        filling: 1,
        rows: 2 * epochs * updates,
    };
    compare(&join, rounds, &[("littoral", &littoral), ("stock differential", &|w| differential(w, true))]);
    let reduce = Workload {
        name: "count and sum of a changelog",
        sql: "SELECT k, count(*) AS n, sum(v) AS s FROM a GROUP BY k",
        tables: vec![("a", schema, false)],
        epochs: epochs_of(vec![table(3, keys)]),
        filling: 1,
        rows: epochs * updates,
    };
    compare(&reduce, rounds, &[("littoral", &littoral), ("stock differential", &|w| differential(w, false))]);
    let (rows, batch_rows) = if small { (20_000, 8_192) } else { (10_000_000, 131_072) };
    let windows = |name, sql, keys| readings(name, sql, keys, rows, batch_rows);
    let tumbling = windows("tumbling window, rows only come", TUMBLE, 1_000);
    let two: System<'_> = ("littoral, two workers", &|w| littoral_on(w, 2));
    compare(&tumbling, rounds, &[("littoral", &littoral), ("timely by hand", &by_hand), ("DataFusion batch", &batch)]);
    let merged: Vec<Vec<(usize, Updates)>> = tumbling.epochs.chunks(8).map(|c| c.iter().flatten().cloned().collect()).collect();
    let wide = Workload { name: "tumbling window, a million rows an epoch", epochs: merged, ..tumbling };
    compare(&wide, rounds, &[("littoral", &littoral), two]);
    drop(wide);
    compare(
        &windows("hours of 100 keys, tumbling", TUMBLE_HOUR, 100),
        rounds,
        &[("littoral", &littoral), two, ("DataFusion batch", &batch)],
    );
    let hop = windows("hours of 100 keys, one every 36 seconds", HOP_HOUR, 100);
    compare(&hop, rounds, &[("littoral", &littoral), two, ("slices by hand, once", &hours_by_hand)]);
    if "slope".contains(&word) {
        slope(small);
    }
}
