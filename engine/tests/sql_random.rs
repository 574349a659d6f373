//! The random oracle: random tables, changes and queries, each made from one seed, held at every epoch against DataFusion's batch.
//!
//! `LITTORAL_ORACLE_CASES` sets the number of cases, `LITTORAL_ORACLE_SEED` the first seed. Eight seeds in a row share a history. A
//! failing case is made smaller and printed as a script, which then goes to `random/kept.rs`; with `LITTORAL_ORACLE_SHRINK=0` it is
//! printed as it is.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

#[path = "random/mod.rs"]
mod random;

use littoral_engine::sql::arrange::{set_memory_limit, spilled_bytes};
use random::check::{Pair, Verdict, check, check_as, check_kept, check_pair};
use random::history::{History, history};
use random::kept::KEPT;
use random::query::random_query;
use random::shrink::{Failing, shrink, smallest};
use random::{by_time, correlated, derived, floats, intervals, large, merged, modelled, over, sessions, watermark};

/// Seeds that share a history.
const SHARE: u64 = 8;

/// Failing cases after which the rest is not run.
const ENOUGH: usize = 12;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// Counts of what became of the cases.
#[derive(Default)]
struct Tally {
    cases: usize,
    clean: usize,
    no_batch: BTreeMap<String, usize>,
    batch_fails: BTreeMap<String, usize>,
    refused: BTreeMap<String, usize>,
    failures: Vec<String>,
}

impl Tally {
    fn count(table: &mut BTreeMap<String, usize>, message: &str) {
        let short: String = message.lines().next().unwrap_or_default().chars().filter(|c| !c.is_ascii_digit()).take(110).collect();
        *table.entry(short).or_default() += 1;
    }

    /// Counts what became of a case, but for what is wrong: why that is.
    fn wrong(&mut self, verdict: Verdict) -> Option<String> {
        match verdict {
            Verdict::Clean => self.clean += 1,
            Verdict::NoBatch(why) => Tally::count(&mut self.no_batch, &why),
            Verdict::BatchFails(why) => Tally::count(&mut self.batch_fails, &why),
            Verdict::Refused(why) => Tally::count(&mut self.refused, &why),
            Verdict::Wrong(why) => return Some(why),
        }
        None
    }

    /// Takes in what became of a case; what is wrong is made smaller and printed.
    fn take(&mut self, seed: u64, own: &History, query: &str, verdict: Verdict, check: impl Fn(&History) -> Verdict) {
        self.cases += 1;
        match self.wrong(verdict) {
            None => {}
            Some(why) => {
                let own = own.clone();
                let (own, why) = if number("LITTORAL_ORACLE_SHRINK", 1) > 0 { smallest(own, why, check) } else { (own, why) };
                let text = format!("-- seed {seed}, case {}\n{}{query};\n{why}", self.cases, own.script(false));
                println!("{text}\n");
                self.failures.push(text);
            }
        }
    }

    /// Says what became of all cases.
    fn end(&self) {
        self.print();
        assert!(self.failures.is_empty(), "{} cases are wrong; they stand above", self.failures.len());
        let refused: usize = self.refused.values().sum();
        assert!(refused * 3 <= self.cases.max(30), "{refused} of {} queries are refused", self.cases);
    }

    fn print(&self) {
        let total = |t: &BTreeMap<String, usize>| t.values().sum::<usize>();
        println!("{} clean, {} wrong", self.clean, self.failures.len());
        for (name, table) in
            [("no plan in the batch", &self.no_batch), ("the batch fails on data", &self.batch_fails), ("refused", &self.refused)]
        {
            println!("{} {name}", total(table));
            let mut rows: Vec<(&String, &usize)> = table.iter().collect();
            rows.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
            rows.iter().take(25).for_each(|(message, n)| println!("  {n:6}  {message}"));
        }
    }
}

#[test]
fn random_queries_equal_the_batch_at_every_epoch() {
    let (first, cases) = (number("LITTORAL_ORACLE_SEED", 0), number("LITTORAL_ORACLE_CASES", 60));
    let shrinks = number("LITTORAL_ORACLE_SHRINK", 1) > 0;
    let mut tally = Tally::default();
    let mut seed = first;
    while seed < first + cases && tally.failures.len() < ENOUGH {
        let end = (seed / SHARE * SHARE + SHARE).min(first + cases);
        let own = history(seed / SHARE, false);
        let queries: Vec<_> = (seed..end).map(|s| random_query(s, &own.tables)).collect();
        let texts: Vec<String> = queries.iter().map(ToString::to_string).collect();
        let workers = [(1, 2), (2, 1), (4, 1), (1, 4)][(seed / SHARE % 4) as usize];
        for (i, verdict) in check(&own, &texts, workers).into_iter().enumerate() {
            match tally.wrong(verdict) {
                None => {}
                Some(why) => {
                    let mut case = Failing { history: own.clone(), query: queries[i].clone(), why };
                    if shrinks {
                        case = shrink(case, workers);
                    }
                    let text = format!("-- seed {}, workers {workers:?}\n{}{}", seed + i as u64, case.script(), case.why);
                    println!("{text}\n");
                    tally.failures.push(text);
                }
            }
        }
        if seed / 1000 != end / 1000 {
            println!("{} of {cases}", end - first);
        }
        seed = end;
    }
    tally.print();
    assert!(tally.failures.is_empty(), "{} cases are wrong; they stand above", tally.failures.len());
    let refused: usize = tally.refused.values().sum();
    assert!(refused * 10 <= cases as usize, "{refused} of {cases} queries are refused");
}

/// Checks a history and a case for each five cases; `case` gives a query's text and its check.
fn with_own<C: Fn(&History) -> Verdict>(own: impl Fn(u64) -> History, case: impl Fn(u64, &History) -> Option<(String, C)>) {
    let mut tally = Tally::default();
    for seed in seeds(5) {
        let own = own(seed);
        let Some((query, check)) = case(seed, &own) else { continue };
        tally.take(seed, &own, &query, check(&own), check);
        if tally.failures.len() >= ENOUGH {
            break;
        }
    }
    tally.end();
}

/// The same over histories whose tables have times, with watermarks or without.
fn with_times<C: Fn(&History) -> Verdict>(watermarks: bool, case: impl Fn(u64, &History) -> Option<(String, C)>) {
    let own = |seed| {
        let mut own = history(seed, true);
        own.tables.iter_mut().filter(|_| !watermarks).for_each(|t| t.watermark = None);
        own
    };
    with_own(own, case);
}

/// Checks questions that the batch is asked in another form, several over one history, which is one for so many cases.
fn with_pairs(share: u64, cases: impl Fn(u64) -> (History, Vec<Pair>)) {
    let mut tally = Tally::default();
    for seed in seeds(share) {
        let (own, pairs) = cases(seed);
        let workers = [(1, 2), (2, 1), (4, 1), (1, 4)][(seed % 4) as usize];
        let (engine, batch): (Vec<String>, Vec<String>) = pairs.iter().map(|p| (p.engine.clone(), p.batch.clone())).unzip();
        for (pair, verdict) in pairs.iter().zip(check_as(&own, &engine, &batch, workers)) {
            let text = format!("{};\n-- for the batch: {}", pair.engine, pair.batch);
            tally.take(seed, &own, &text, verdict, |history| check_pair(pair, history, workers));
        }
        if tally.failures.len() >= ENOUGH {
            break;
        }
    }
    tally.end();
}

/// Seeds of histories, one for so many cases.
fn seeds(share: u64) -> std::ops::Range<u64> {
    let first = number("LITTORAL_ORACLE_SEED", 0);
    first..first + number("LITTORAL_ORACLE_CASES", 60).div_ceil(share)
}

#[test]
fn windows_with_watermarks_equal_a_model_of_what_is_late() {
    with_times(true, |seed, own| {
        let case = watermark::random_case(seed, own);
        let workers = [1, 2, 4][(seed % 3) as usize];
        Some((case.engine_query(), move |history: &History| watermark::check(&case, history, workers)))
    });
}

#[test]
fn sessions_with_watermarks_equal_a_model_of_what_is_late() {
    with_own(sessions::history, |seed, own| {
        let case = watermark::of_sessions(seed, own);
        let workers = [1, 2, 4][(seed % 3) as usize];
        Some((case.engine_query(), move |history: &History| watermark::check(&case, history, workers)))
    });
}

#[test]
fn joins_by_time_equal_their_meaning() {
    with_times(false, |seed, own| {
        let case = by_time::random_case(seed, own)?;
        let workers = [1, 2, 4][(seed % 3) as usize];
        Some((case.engine_query(), move |history: &History| modelled::check(&case, history, workers)))
    });
}

#[test]
fn joins_by_time_equal_a_model_of_what_is_late() {
    with_times(true, |seed, own| {
        let case = by_time::random_case(seed, own)?;
        let workers = [1, 2, 4][(seed % 3) as usize];
        Some((case.engine_query(), move |history: &History| modelled::check_late(&case, history, workers)))
    });
}

#[test]
fn calls_over_partitions_equal_the_batch() {
    with_times(false, |seed, own| {
        let case = over::random_case(seed, own);
        let workers = [1, 2, 4][(seed % 3) as usize];
        Some((case.engine_query(), move |history: &History| modelled::check(&case, history, workers)))
    });
}

#[test]
fn calls_over_partitions_equal_a_model_of_what_is_late() {
    with_times(true, |seed, own| {
        let case = over::random_case(seed, own);
        let workers = [1, 2, 4][(seed % 3) as usize];
        Some((case.engine_query(), move |history: &History| modelled::check_late(&case, history, workers)))
    });
}

#[test]
fn joins_within_an_interval_equal_a_model_of_what_is_late() {
    with_times(true, |seed, own| {
        let case = intervals::random_case(seed, own);
        let workers = [1, 2, 4][(seed % 3) as usize];
        Some((case.engine_query(), move |history: &History| modelled::check_late(&case, history, workers)))
    });
}

#[test]
fn windows_and_joins_of_derived_rows_equal_the_batch() {
    with_own(derived::in_time, |seed, _| {
        let case = derived::random_case(seed);
        let workers = [1, 2, 4][(seed % 3) as usize];
        Some((case.engine_query(), move |history: &History| derived::check(&case, history, workers)))
    });
}

#[test]
fn correlated_subqueries_equal_counts_of_their_rows() {
    with_pairs(40, correlated::cases);
}

#[test]
fn merged_columns_equal_coalesce() {
    with_pairs(40, merged::cases);
}

#[test]
fn aggregates_of_odd_floats_equal_the_batch() {
    with_pairs(40, floats::cases);
}

#[test]
fn large_groups_equal_the_batch() {
    set_memory_limit(large::MEMORY);
    let before = spilled_bytes();
    with_pairs(40, large::cases);
    assert!(spilled_bytes() > before || number("LITTORAL_ORACLE_CASES", 60) < 300, "nothing was spilled");
}

#[test]
fn cases_that_were_wrong_once_stay_right() {
    for kept in KEPT {
        assert_eq!(check_kept(kept), Verdict::Clean, "{}:\n{}\n{}", kept.what, kept.history, kept.query);
    }
}
