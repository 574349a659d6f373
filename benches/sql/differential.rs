//! Stock differential dataflow over the same changes.

use std::time::Instant;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use differential_dataflow::input::Input as _;
use littoral_engine::flow::updates::Updates;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::probe::Handle as ProbeHandle;

use crate::workload::{Run, Workload};

pub fn each_pair(updates: &Updates, mut of: impl FnMut(u64, u64, i64)) {
    let (k, v) = (updates.rows.column(0).as_primitive::<Int64Type>(), updates.rows.column(1).as_primitive::<Int64Type>());
    (0..updates.rows.num_rows()).for_each(|r| of(k.value(r) as u64, v.value(r) as u64, updates.diff(r)));
}

/// Stock differential dataflow over pairs of u64, the best case of its row storage.
pub fn differential(workload: &Workload, join: bool) -> Run {
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
