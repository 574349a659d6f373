//! Arrangements against what they stand for: a multiset of rows by time. And unequal rows behind equal hashes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use differential_dataflow::trace::chunk::{Chunk, is_graded, merge_chains, settle_all};
use proptest::prelude::*;
use timely::container::NoopBuilder;
use timely::dataflow::operators::core::input::Handle as Input;
use timely::progress::Antichain;

use super::chunk::ArrowChunk;
use super::run::Run;
use super::{Saved, arrange};
use crate::flow::hash::{ALONE, COLLIDE, hash_rows};
use crate::flow::updates::Updates;
use crate::sql::script::{ScriptOptions, batch_answer, run};
use crate::sql::snapshot::State;

/// A row, its time, its diff.
type Update = (i64, Option<String>, u64, i64);

fn update() -> impl Strategy<Value = Update> {
    (0..6i64, prop::option::of("[ab]{0,2}"), 0..4u64, prop_oneof![Just(1i64), Just(1), Just(-1), Just(2)])
}

fn chunk(updates: &[Update]) -> ArrowChunk<u64> {
    let keys = Arc::new(Int64Array::from_iter_values(updates.iter().map(|u| u.0))) as ArrayRef;
    let texts = Arc::new(updates.iter().map(|u| u.1.clone()).collect::<StringArray>()) as ArrayRef;
    // As in plans, every column may be null.
    let rows = RecordBatch::try_from_iter_with_nullable([("k", keys.clone(), true), ("s", texts, true)]).unwrap();
    let hashes = hash_rows(&[keys], updates.len()).unwrap();
    let diffs: Vec<i64> = updates.iter().map(|u| u.3).collect();
    ArrowChunk::of(Run::sorted(&rows, hashes, updates.iter().map(|u| u.2).collect(), &diffs).unwrap())
}

fn sums(updates: impl Iterator<Item = Update>) -> BTreeMap<(i64, Option<String>, u64), i64> {
    let mut out = BTreeMap::new();
    updates.for_each(|(k, s, t, d)| *out.entry((k, s, t)).or_default() += d);
    out.retain(|_, d| *d != 0);
    out
}

fn read(chunks: &[ArrowChunk<u64>]) -> Vec<Update> {
    let mut out = Vec::new();
    for run in chunks.iter().filter_map(ArrowChunk::open) {
        let (k, s) = (run.rows.column(0).as_primitive::<Int64Type>(), run.rows.column(1).as_string::<i32>());
        out.extend((0..run.len()).map(|i| (k.value(i), s.is_valid(i).then(|| s.value(i).to_string()), run.times[i], run.diffs[i])));
    }
    out
}

fn chain(chunk: ArrowChunk<u64>) -> Vec<ArrowChunk<u64>> {
    if chunk.len() == 0 { Vec::new() } else { vec![chunk] }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn merging_and_advancing_keep_the_sums(a in prop::collection::vec(update(), 0..60), b in prop::collection::vec(update(), 0..60), mask in prop_oneof![Just(u64::MAX), Just(1), Just(0)], frontier in 0..5u64) {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        COLLIDE.store(mask, Ordering::Relaxed);
        let mut merged = VecDeque::new();
        merge_chains(chain(chunk(&a)), chain(chunk(&b)), &mut merged);
        let merged = settle_all(merged);
        COLLIDE.store(u64::MAX, Ordering::Relaxed);
        prop_assert!(is_graded(&merged));
        let expected = sums(a.iter().chain(&b).cloned());
        prop_assert_eq!(sums(read(&merged).into_iter()), expected.clone());
        prop_assert_eq!(read(&merged).len(), expected.len(), "equal rows at one time are one");

        // Advanced a chunk at a time, as a trace does it, times are moved and equal rows are added up.
        let (mut input, mut out) = (VecDeque::from(merged), VecDeque::new());
        let until = Antichain::from_elem(frontier);
        ArrowChunk::advance(&mut input, until.borrow(), false, &mut out);
        ArrowChunk::advance(&mut input, until.borrow(), true, &mut out);
        let advanced: Vec<_> = out.into();
        let moved = sums(a.iter().chain(&b).cloned().map(|(k, s, t, d)| (k, s, t.max(frontier), d)));
        prop_assert_eq!(sums(read(&advanced).into_iter()), moved.clone());
        prop_assert_eq!(read(&advanced).len(), moved.len());

        let (mut input, mut keep, mut ship, mut residual) = (VecDeque::from(advanced), VecDeque::new(), VecDeque::new(), Antichain::new());
        while !input.is_empty() {
            ArrowChunk::extract(&mut input, Antichain::from_elem(frontier + 1).borrow(), &mut residual, &mut keep, &mut ship);
        }
        let (keep, ship): (Vec<_>, Vec<_>) = (keep.into(), ship.into());
        prop_assert!(read(&keep).iter().all(|u| u.2 > frontier) && read(&ship).iter().all(|u| u.2 <= frontier));
        prop_assert_eq!(read(&keep).len() + read(&ship).len(), moved.len());
    }
}

#[test]
fn unequal_rows_behind_one_hash_are_kept_apart() {
    const QUERIES: [&str; 5] = [
        "SELECT t.k, t.v, u.w FROM t JOIN u ON t.k = u.k",
        "SELECT t.k, u.w FROM t FULL JOIN u ON t.k = u.k AND t.v < u.w",
        "SELECT k, stddev(v) AS s, count(*) AS n FROM t GROUP BY k",
        "SELECT k, v, rank() OVER (PARTITION BY k ORDER BY v) AS r FROM t",
        "WITH RECURSIVE r(a, b) AS (SELECT k, w FROM u UNION SELECT r.a, u.w FROM r JOIN u ON r.b = u.k) SELECT a, b FROM r",
    ];
    let tables = "CREATE TABLE t (k BIGINT, v BIGINT); CREATE TABLE u (k BIGINT, w BIGINT);
        INSERT INTO t VALUES (1, 1), (1, 2), (2, 5), (3, 7), (3, 7); INSERT INTO u VALUES (1, 2), (2, 3), (3, 1), (4, 4);
        DELETE FROM t WHERE v = 2; UPDATE u SET w = 9 WHERE k = 2;";
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    COLLIDE.store(0, Ordering::Relaxed);
    let given: Vec<_> = QUERIES
        .iter()
        .map(|query| run("test.sql", &format!("{tables}\n{query};\nSELECT * FROM t; SELECT * FROM u;"), &ScriptOptions::default()).unwrap())
        .collect();
    COLLIDE.store(u64::MAX, Ordering::Relaxed);
    for (query, answers) in QUERIES.iter().zip(given) {
        let [answer, t, u] = answers.as_slice() else { panic!("three answers") };
        let expected = batch_answer(query, &[("t".into(), t.rows.clone()), ("u".into(), u.rows.clone())]).unwrap();
        let lines = |rows: &RecordBatch| {
            let text = arrow::util::pretty::pretty_format_batches(std::slice::from_ref(rows)).unwrap().to_string();
            let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
            lines.sort();
            lines
        };
        assert_eq!(lines(&answer.rows), lines(&expected), "{query}");
    }
}

/// A state beside the way to a view may be behind; that it is not is known before it is saved.
#[test]
fn a_state_knows_whether_all_rows_of_an_epoch_are_in_it() {
    timely::execute_directly(|worker| {
        let (mut input, mut state) = worker.dataflow::<u64, _, _>(|scope| {
            let mut input = Input::<u64, NoopBuilder<Updates>>::new_with_builder();
            let state = Saved(arrange(input.to_stream(scope), 1, "state").trace);
            (input, state)
        });
        let column = Arc::new(Int64Array::from(vec![1])) as ArrayRef;
        input.send_batch(&mut Updates::insertions(RecordBatch::try_from_iter([("k", column)]).unwrap()));
        input.advance_to(1);
        assert!(!state.is_at(0), "nothing was done yet");
        while !state.is_at(0) {
            worker.step();
        }
        assert!(!state.is_at(1));
        assert_eq!(state.size().rows, 1);
    });
}
