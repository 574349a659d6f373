//! Incremental SQL against what else could do it, in one run: stock differential dataflow, a timely operator written by hand,
//! DataFusion as a batch. Outputs are compared before a time is printed; systems take turns; medians and the range are shown.
//!
//! `cargo bench --bench sql` runs all; `-- --test` a small size, once, as CI does.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod compare;
mod differential;
mod engine;
mod files;
mod hand;
mod latency;
mod slope;
mod workload;

use compare::{System, compare};
use differential::differential;
use engine::{littoral, littoral_on, side_by_side};
use files::files;
use hand::{batch, by_hand, hours_by_hand};
use latency::latency;
use littoral_engine::flow::updates::Updates;
use slope::slope;
use workload::{Epochs, Workload, changelog, pairs, readings};

/// The allocator of the `littoral` program, for every system alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TUMBLE: &str = "SELECT k, tumble_start(ts, INTERVAL '60' SECOND) AS w, count(*) AS n, sum(v) AS s, min(v) AS lo, max(v) AS hi FROM t GROUP BY k, tumble_start(ts, INTERVAL '60' SECOND)";

const TUMBLE_HOUR: &str = "SELECT k, tumble_start(ts, INTERVAL '3600' SECOND) AS w, count(*) AS n, sum(v) AS s, min(v) AS lo, max(v) AS hi FROM t GROUP BY k, tumble_start(ts, INTERVAL '3600' SECOND)";
const HOP_HOUR: &str = "SELECT k, hop(ts, INTERVAL '36' SECOND, INTERVAL '3600' SECOND)['start'] AS w, count(*) AS n, sum(v) AS s, min(v) AS lo, max(v) AS hi FROM t GROUP BY k, hop(ts, INTERVAL '36' SECOND, INTERVAL '3600' SECOND)";

fn main() {
    // A word chooses the workloads whose names hold it.
    let word = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let compare = |workload: &Workload, rounds: usize, systems: &[System<'_>]| {
        workload.name.contains(&word).then(|| compare(workload, rounds, systems))
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
        closes: false,
    };
    compare(&join, rounds, &[("littoral", &littoral), ("stock differential", &|w| differential(w, true))]);
    let reduce = Workload {
        name: "count and sum of a changelog",
        sql: "SELECT k, count(*) AS n, sum(v) AS s FROM a GROUP BY k",
        tables: vec![("a", schema, false)],
        epochs: epochs_of(vec![table(3, keys)]),
        filling: 1,
        rows: epochs * updates,
        closes: false,
    };
    compare(&reduce, rounds, &[("littoral", &littoral), ("stock differential", &|w| differential(w, false))]);
    let (rows, batch_rows) = if small { (20_000, 8_192) } else { (10_000_000, 131_072) };
    let windows = |name, sql, keys| readings(name, sql, keys, rows, batch_rows);
    let tumbling = windows("tumbling window, rows only come", TUMBLE, 1_000);
    let two: System<'_> = ("littoral, two workers", &|w| littoral_on(w, 2));
    let apart: System<'_> = ("two engines that share nothing", &|w| side_by_side(w, 2));
    compare(&tumbling, rounds, &[("littoral", &littoral), ("timely by hand", &by_hand), ("DataFusion batch", &batch)]);
    let merged: Vec<Vec<(usize, Updates)>> = tumbling.epochs.chunks(8).map(|c| c.iter().flatten().cloned().collect()).collect();
    let wide = Workload { name: "tumbling window, a million rows an epoch", epochs: merged, ..tumbling };
    compare(&wide, rounds, &[("littoral", &littoral), two, apart]);
    drop(wide);
    for closes in [false, true] {
        let names = if closes {
            ["hours of 100 keys, given once closed", "hours of 100 keys, one every 36 seconds, given once closed"]
        } else {
            ["hours of 100 keys, given as they change", "hours of 100 keys, one every 36 seconds, given as they change"]
        };
        let tumbling = Workload { closes, ..windows(names[0], TUMBLE_HOUR, 100) };
        let one = compare(&tumbling, rounds, &[("littoral", &littoral), two, apart, ("DataFusion batch", &batch)]);
        let hop = Workload { closes, ..windows(names[1], HOP_HOUR, 100) };
        let hundred = compare(&hop, rounds, &[("littoral", &littoral), two, apart, ("slices by hand, once", &hours_by_hand)]);
        if let (Some(one), Some(hundred)) = (one, hundred) {
            println!("  100 slides cost {:.2} times one", hundred / one);
        }
    }
    if "window from ndjson to csv".contains(&word) {
        files(rounds, if small { 20_000 } else { 4_000_000 });
    }
    if "slope".contains(&word) {
        slope(small);
    }
    if "latency".contains(&word) {
        latency(small, TUMBLE);
    }
}
