//! Littoral's side of the peers bench: it draws the input files, and runs NEXMark views within this process.
//!
//! `benches/peers/run` builds and calls it; see the README beside that. Timing starts with the first row fed and ends when the
//! last epoch is through; drawing events in memory is not timed, reading and decoding a file is.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod decode;
mod engine;
mod generate;
#[path = "../../../queries/nexmark/gen/nexmark.rs"]
#[allow(dead_code)]
mod nexmark;

use std::path::PathBuf;

/// The allocator of the `littoral` program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "peers window FOLDER ROWS
    writes window-ROWS.ndjson and the answer, window-ROWS.csv
peers nexmark FOLDER EVENTS RATE
    writes person.ndjson, auction.ndjson, bid.ndjson and side_input.ndjson
peers decode FILE own|arrow
    reads and decodes readings, and drops them; prints the same as run
peers run VIEW FILE.sql EVENTS RATE [--from FOLDER] [--answer FILE.csv]
    runs a view over events drawn in memory, or over files of a folder; prints seconds, CPU seconds and rows as JSON";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |text: &str| text.replace('_', "").parse::<usize>().unwrap_or_else(|_| panic!("{text} is no number"));
    match words.as_slice() {
        ["window", folder, rows] => generate::window(&PathBuf::from(folder), number(rows)),
        ["nexmark", folder, events, rate] => generate::events(&PathBuf::from(folder), number(events), number(rate) as u64),
        ["decode", file, by] => decode::decode(&PathBuf::from(file), by).print(),
        ["run", view, sql, events, rate, rest @ ..] => {
            let option = |name: &str| rest.iter().position(|w| *w == name).and_then(|i| rest.get(i + 1)).map(PathBuf::from);
            let feeds = match option("--from") {
                Some(folder) => engine::Feeds::Files(folder),
                None => engine::Feeds::Drawn { events: number(events), rate: number(rate) as u64 },
            };
            let run = engine::run(view, &PathBuf::from(sql), feeds, option("--answer"));
            run.print();
        }
        _ => println!("{USAGE}"),
    }
}
