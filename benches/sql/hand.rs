//! What one would write by hand, and DataFusion's answer over the whole input.

use std::collections::HashMap;
use std::time::Instant;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use littoral_engine::flow::updates::Updates;
use littoral_engine::sql::script::answer_that_wraps;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::probe::Handle as ProbeHandle;

use crate::differential::each_pair;
use crate::engine::Input;
use crate::workload::{Run, Workload, sum_of};

/// The hours that begin every 36 seconds, by slices of 36 seconds in a hash map. Only its output is of interest.
pub fn hours_by_hand(workload: &Workload) -> Run {
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
pub fn joined_by_hand(workload: &Workload) -> i128 {
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

/// What one would write by hand with timely: a hash map in an operator over the same batches.
pub fn by_hand(workload: &Workload) -> Run {
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

pub fn batch(workload: &Workload) -> Run {
    let batches: Vec<RecordBatch> = workload.epochs.iter().flatten().map(|(_, u)| u.rows.clone()).collect();
    let rows = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let started = Instant::now();
    let answer = answer_that_wraps(workload.sql, &[("t".to_string(), rows)]).unwrap();
    Run { time: started.elapsed(), sum: sum_of(&Updates::insertions(answer)) }
}
