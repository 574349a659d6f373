//! Runs a NEXMark query on DBSP with one worker, over events drawn in memory; prints seconds, CPU seconds and rows as JSON.
//!
//! `littoral-peer-dbsp QUERY EVENTS RATE [ANSWER.csv]`; with a file the rows at the end are written to it.
//! `littoral-peer-dbsp queries` says which queries there are. Drawing events is not timed.
#![allow(clippy::unwrap_used)]

mod circuits;
mod model;
#[path = "../../../../queries/nexmark/gen/nexmark.rs"]
#[allow(dead_code)]
mod nexmark;

use std::collections::HashMap;
use std::io::Write;
use std::time::Instant;

use circuits::{Tables, Take, build};
use dbsp::mimalloc::MiMalloc;
use dbsp::utils::Tup2;
use dbsp::{Runtime, ZSetHandle};
use model::{Auction, Bid, Person};
use nexmark::Generator;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The seed and the events of a step are those of Littoral's side.
const SEED: u64 = 7;
const STEP: usize = 40_000;

/// Which queries are written, and which tables each reads: p, a, b.
const QUERIES: [(&str, &str); 14] = [
    ("q0", "b"),
    ("q1", "b"),
    ("q2", "b"),
    ("q3", "pa"),
    ("q4", "ab"),
    ("q5", "b"),
    ("q7", "b"),
    ("q8", "pa"),
    ("q9", "ab"),
    ("q12", "b"),
    ("q17", "b"),
    ("q18", "b"),
    ("q20", "ab"),
    ("q22", "b"),
];

type Handles = (ZSetHandle<Person>, ZSetHandle<Auction>, ZSetHandle<Bid>);

/// Rows of one step.
#[derive(Default)]
struct Step {
    persons: Vec<Tup2<Person, i64>>,
    auctions: Vec<Tup2<Auction, i64>>,
    bids: Vec<Tup2<Bid, i64>>,
}

fn drawn(events: usize, rate: u64, tables: &str) -> Vec<Step> {
    let mut generator = Generator::new(SEED, rate);
    let mut steps = Vec::new();
    let mut left = events;
    while left > 0 {
        let n = left.min(STEP);
        left -= n;
        let batch = generator.next_batch(n).unwrap();
        let mut step = Step::default();
        if tables.contains('p') {
            step.persons = model::persons(&batch).into_iter().map(|row| Tup2(row, 1)).collect();
        }
        if tables.contains('a') {
            step.auctions = model::auctions(&batch).into_iter().map(|row| Tup2(row, 1)).collect();
        }
        if tables.contains('b') {
            step.bids = model::bids(&batch).into_iter().map(|row| Tup2(row, 1)).collect();
        }
        steps.push(step);
    }
    steps
}

fn run(query: &str, steps: Vec<Step>, answer: Option<&str>) {
    let name = query.to_string();
    let (mut circuit, (handles, mut take)) = Runtime::init_circuit(1, move |circuit| {
        let (persons, person) = circuit.add_input_zset::<Person>();
        let (auctions, auction) = circuit.add_input_zset::<Auction>();
        let (bids, bid) = circuit.add_input_zset::<Bid>();
        let take = build(&name, &Tables { persons, auctions, bids }).unwrap();
        Ok::<(Handles, Take), anyhow::Error>(((person, auction, bid), take))
    })
    .unwrap();
    let mut lines: HashMap<String, i64> = HashMap::new();
    let (mut rows, started, cpu) = (0, Instant::now(), cpu_seconds());
    for mut step in steps {
        handles.0.append(&mut step.persons);
        handles.1.append(&mut step.auctions);
        handles.2.append(&mut step.bids);
        circuit.transaction().unwrap();
        let mut keep = |line: String, weight: i64| *lines.entry(line).or_default() += weight;
        rows += take(answer.is_some().then_some(&mut keep));
    }
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    circuit.kill().unwrap();
    if let Some(path) = answer {
        let mut out = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
        for (line, weight) in lines {
            assert!(weight >= 0, "a row is taken away that never came: {line}");
            (0..weight).for_each(|_| writeln!(out, "{line}").unwrap());
        }
        out.flush().unwrap();
    }
    println!("{{\"seconds\": {seconds:.6}, \"cpu\": {cpu:.3}, \"rows\": {rows}}}");
}

/// CPU time of this process, of all its threads.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        [query, events, rate, answer @ ..] => {
            let tables = QUERIES.iter().find(|(name, _)| name == query).unwrap_or_else(|| panic!("there is no {query}")).1;
            run(query, drawn(events.parse().unwrap(), rate.parse().unwrap(), tables), answer.first().copied());
        }
        _ => QUERIES.iter().for_each(|(name, _)| println!("{name}")),
    }
}
