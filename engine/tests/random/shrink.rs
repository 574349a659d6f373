//! Makes a failing case smaller: fewer epochs, statements and rows, then a simpler query, as long as it still fails.

use super::check::{Verdict, check};
use super::history::History;
use super::tree::Sql;

/// Tries that one case may take.
const TRIES: usize = 250;

/// A case that fails.
pub struct Failing {
    /// What happens to the tables.
    pub history: History,
    /// The query.
    pub query: Sql,
    /// Why.
    pub why: String,
}

impl Failing {
    /// The case as a script that shows it.
    pub fn script(&self) -> String {
        format!("{}{};\n", self.history.script(false), self.query)
    }
}

/// The smallest case found.
pub fn shrink(mut case: Failing, workers: (usize, usize)) -> Failing {
    let mut tries = 0;
    let mut fails = |history: &History, query: &Sql| {
        tries += 1;
        if tries > TRIES {
            return None;
        }
        match check(history, &[query.to_string()], workers).remove(0) {
            Verdict::Wrong(why) => Some(why),
            _ => None,
        }
    };
    loop {
        let smaller = case.query.simpler().into_iter().find_map(|q| fails(&case.history, &q).map(|why| (q, why)));
        if let Some((query, why)) = smaller {
            case = Failing { query, why, history: case.history };
            continue;
        }
        let smaller = case.history.smaller().into_iter().find_map(|h| fails(&h, &case.query).map(|why| (h, why)));
        match smaller {
            Some((history, why)) => case = Failing { history, why, query: case.query },
            None => return case,
        }
    }
}

/// The smallest history found that still fails a check.
pub fn smallest(mut history: History, mut why: String, check: impl Fn(&History) -> Verdict) -> (History, String) {
    let mut tries = 0;
    loop {
        let fails = |h: History| {
            tries += 1;
            match check(&h) {
                Verdict::Wrong(why) if tries <= TRIES => Some((h, why)),
                _ => None,
            }
        };
        match history.smaller().into_iter().find_map(fails) {
            Some((smaller, its)) => (history, why) = (smaller, its),
            None => return (history, why),
        }
    }
}
