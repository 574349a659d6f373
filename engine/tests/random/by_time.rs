//! Joins by time against their meaning: for each row of the left the newest time of the right that is not after it, which the batch
//! finds with a join by inequality and a maximum. Which of several rows of one time it is, is not asked.

use super::check::{Feeds, States, Verdict, compare, run_script, states_of};
use super::dice::Dice;
use super::history::{History, Kind};

/// The engine's query and the batch's; none when no two columns go together.
pub fn random_case(seed: u64, history: &History) -> Option<(String, String)> {
    let mut dice = Dice::new(seed, 4);
    let mut pairs = Vec::new();
    for l in &history.tables {
        for r in &history.tables {
            let fits =
                |a: &(String, Kind, String), b: &(String, Kind, String)| a.1 == b.1 && a.1 != Kind::Double && a.0 != "ts" && b.0 != "ts";
            for (a, b) in l.columns.iter().flat_map(|a| r.columns.iter().map(move |b| (a, b))).filter(|(a, b)| fits(a, b)) {
                pairs.push((l.name.clone(), a.0.clone(), r.name.clone(), b.0.clone()));
            }
        }
    }
    if pairs.is_empty() {
        return None;
    }
    let (l, a, r, b) = dice.pick(&pairs);
    let engine = format!(
        "SELECT a.{a} AS c0, a.ts AS c1, b.ts AS c2, count(*) AS c3 FROM {l} AS a \
         ASOF JOIN {r} AS b MATCH_CONDITION (a.ts >= b.ts) ON a.{a} = b.{b} GROUP BY a.{a}, a.ts, b.ts"
    );
    let batch = format!(
        "SELECT a.{a} AS c0, a.ts AS c1, max(b.ts) AS c2, a.n AS c3 FROM (SELECT {a}, ts, count(*) AS n FROM {l} GROUP BY {a}, ts) AS a \
         LEFT JOIN {r} AS b ON a.{a} = b.{b} AND a.ts >= b.ts GROUP BY a.{a}, a.ts, a.n"
    );
    Some((engine, batch))
}

/// What becomes of a case.
pub fn check((engine, batch): &(String, String), history: &History, workers: usize) -> Verdict {
    let states: States = match states_of(history) {
        Ok(states) => states,
        Err(error) => return Verdict::NoBatch(format!("history: {error}")),
    };
    match run_script(&format!("{}{engine};\n", history.script(false)), &Feeds::new(), workers) {
        Ok(answers) => compare(&answers[0], batch, &states),
        Err(stopped) => Verdict::Wrong(stopped.message),
    }
}
