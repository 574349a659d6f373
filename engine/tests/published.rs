//! The published query sets: NEXMark q0–q22 and TPC-H q1–q22 as views, each equal to DataFusion's batch answer over the same
//! rows, with one, two and four workers, and however the rows are cut into epochs.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use littoral_engine::flow::updates::Updates;
use littoral_engine::sql::script::{Every, RestoreOptions, ScriptOptions, SnapshotOptions, batch_answer, run};

#[path = "compare/mod.rs"]
mod compare;
#[path = "../../queries/nexmark/gen/nexmark.rs"]
#[allow(dead_code)]
mod nexmark;
#[path = "../../queries/tpch/gen/tpch.rs"]
#[allow(dead_code)]
mod tpch;

type Feed = (String, Arc<arrow::datatypes::Schema>, Vec<Updates>);

fn query(set: &str, number: usize) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../queries/{set}/q{number}.sql"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What each table holds at the end, from what each epoch changed.
fn whole(feeds: &[Feed]) -> Vec<(String, RecordBatch)> {
    feeds
        .iter()
        .map(|(name, schema, epochs)| {
            let all = littoral_engine::flow::gather::merge(epochs, schema).unwrap();
            let rows = (0..all.rows.num_rows() as u32).flat_map(|r| std::iter::repeat_n(r, all.diff(r as usize).max(0) as usize));
            (name.clone(), take_record_batch(&all.rows, &UInt32Array::from_iter_values(rows)).unwrap())
        })
        .collect()
}

fn check(set: &str, numbers: impl Iterator<Item = usize>, feeds: &[Feed], workers: &[usize]) {
    let tables = whole(feeds);
    let mut wrong = Vec::new();
    for number in numbers {
        let text = query(set, number);
        let expected = compare::text(&batch_answer(&text, &tables).unwrap_or_else(|e| panic!("{set} q{number} as a batch: {e}")));
        if expected.is_empty() {
            wrong.push(format!("q{number}: the batch answer has no rows, so that nothing is compared"));
        }
        for &workers in workers {
            let options = ScriptOptions { feeds: feeds.to_vec(), workers, ..ScriptOptions::default() };
            match run(&format!("q{number}.sql"), &text, &options) {
                Err(error) => wrong.push(format!("q{number}: {error}")),
                Ok(answers) => {
                    let answer = answers.last().unwrap();
                    let got = compare::text(&answer.rows);
                    if got != expected {
                        let first = got.iter().zip(&expected).find(|(a, b)| a != b);
                        wrong.push(format!("q{number} with {workers} workers: {} rows for {}; {first:?}", got.len(), expected.len()));
                    }
                    if answer.errors.num_rows() > 0 {
                        wrong.push(format!("q{number} with {workers} workers: {} rows in the error collection", answer.errors.num_rows()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn side_input() -> Feed {
    let keys: Int64Array = (0..10_000).collect::<Vec<i64>>().into();
    let values = StringArray::from_iter_values((0..10_000).map(|i| format!("value {i}")));
    let rows = RecordBatch::try_from_iter([("key", Arc::new(keys) as ArrayRef), ("value", Arc::new(values))]).unwrap();
    ("side_input".into(), rows.schema(), vec![Updates::insertions(rows)])
}

/// Events of a few epochs of unequal size.
fn events() -> Vec<Feed> {
    let mut generator = nexmark::Generator::new(7, 100);
    let batches: Vec<_> = [2_000, 1, 3_000, 50, 1_949].map(|n| generator.next_batch(n).unwrap()).into();
    let feed = |name: &str, of: fn(&nexmark::Batch) -> &RecordBatch| {
        let epochs = batches.iter().map(|b| Updates::insertions(of(b).clone())).collect();
        (name.to_string(), of(&batches[0]).schema(), epochs)
    };
    vec![feed("person", |b| &b.person), feed("auction", |b| &b.auction), feed("bid", |b| &b.bid), side_input()]
}

#[test]
fn nexmark_equals_the_batch_answer() {
    check("nexmark", 0..=22, &events(), &[1, 2, 4]);
}

/// Tables loaded in an order that is not theirs, with rows that are taken away again later.
fn warehouse() -> Vec<Feed> {
    let mut out = Vec::new();
    for (name, rows) in tpch::tables(42, 0.0005).unwrap() {
        let n = rows.num_rows() as u32;
        // A fixed shuffle: odd rows first, backwards; every seventh row comes early, goes, and comes again.
        let order: Vec<u32> = (0..n).rev().filter(|i| i % 2 == 1).chain((0..n).filter(|i| i % 2 == 0)).collect();
        let part = |of: Vec<u32>| take_record_batch(&rows, &UInt32Array::from(of)).unwrap();
        let again: Vec<u32> = order.iter().copied().filter(|i| i % 7 == 0).collect();
        let (third, half) = (order.len() / 3, order.len() / 2);
        let mixed = concat_batches(&rows.schema(), [&part(again.clone()), &part(order[third..half].to_vec())]).unwrap();
        let diffs: Int64Array = std::iter::repeat_n(-1, again.len()).chain(std::iter::repeat_n(1, half - third)).collect();
        let inserted = |of: &[u32]| Updates::insertions(part(of.to_vec()));
        let epochs = vec![inserted(&again), inserted(&order[..third]), Updates::changes(mixed, diffs), inserted(&order[half..])];
        out.push((name.to_string(), rows.schema(), epochs));
    }
    out
}

#[test]
fn tpch_equals_the_batch_answer() {
    check("tpch", 1..=22, &warehouse(), &[1, 2, 4]);
}

/// What a run gave: its rows, and its changes epoch by epoch, as text.
fn given(set: &str, number: usize, options: &ScriptOptions) -> (Vec<String>, Vec<(u64, Vec<String>)>) {
    let answers = run(&format!("q{number}.sql"), &query(set, number), options).unwrap_or_else(|e| panic!("{set} q{number}: {e}"));
    let answer = answers.last().unwrap();
    let line = |(epoch, updates): &(u64, Updates)| {
        let mut lines = compare::text(&updates.rows);
        lines.push(format!("{:?}", (0..updates.rows.num_rows()).map(|r| updates.diff(r)).sum::<i64>()));
        (*epoch, lines)
    };
    (compare::text(&answer.rows), answer.changes.iter().map(line).collect())
}

/// A run with two workers is stopped after three snapshots; one with three workers goes on from the last of them. All that it
/// gives, epoch by epoch, equals a run that never stopped.
fn check_restored(set: &str, numbers: impl Iterator<Item = usize>, feeds: &[Feed]) {
    for number in numbers {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_path_buf();
        let short = feeds.iter().map(|(name, schema, epochs)| (name.clone(), schema.clone(), epochs[..epochs.len().min(3)].to_vec()));
        let snapshots = Some(SnapshotOptions { folder: at.clone(), every: Every::Epochs(1) });
        let stopped = ScriptOptions { feeds: short.collect(), workers: 2, snapshots, ..ScriptOptions::default() };
        given(set, number, &stopped);
        assert_eq!(
            std::fs::read_dir(at.join("answer-1"))
                .unwrap()
                .filter(|e| { e.as_ref().unwrap().path().join("manifest.json").exists() })
                .count(),
            3,
            "{set} q{number}: snapshots"
        );
        let restore = Some(RestoreOptions { folder: at, changed_plan: false });
        let restored = ScriptOptions { feeds: feeds.to_vec(), workers: 3, restore, ..ScriptOptions::default() };
        let whole = ScriptOptions { feeds: feeds.to_vec(), workers: 1, ..ScriptOptions::default() };
        let (restored, whole) = (given(set, number, &restored), given(set, number, &whole));
        assert!(restored == whole, "{set} q{number}:\nrestored {:?}\nwhole {:?}", restored, whole);
    }
}

#[test]
fn nexmark_goes_on_from_a_snapshot_with_another_number_of_workers() {
    check_restored("nexmark", 0..=22, &events());
}

#[test]
fn tpch_goes_on_from_a_snapshot_with_another_number_of_workers() {
    check_restored("tpch", 1..=22, &warehouse());
}
