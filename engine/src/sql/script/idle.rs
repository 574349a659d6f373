//! When tables are idle: a table that was given no rows for some epochs, or for some time of the clock, does not hold back what closes
//! by it and other tables. Found from the history, so that a run that is restored finds the same.

use super::options::Idle;
use crate::flow::gather::merge;
use crate::flow::updates::Updates;
use crate::sql::watermark::IDLE;

/// What is known of a table.
pub struct Seen<'a> {
    /// Its name.
    pub name: &'a str,
    /// For how long it counts without rows.
    pub idle: Idle,
    /// The epoch that it is there from.
    pub since: u64,
}

/// Epochs from which a table is idle, as marks among watermarks; again where a watermark was said at an epoch that gave it no row.
pub fn marks(
    table: &Seen<'_>,
    history: &[(u64, String, Updates)],
    clock: &[(u64, i64)],
    last: u64,
    said: &[u64],
) -> Result<Vec<(String, u64, i64)>, String> {
    let mut active = vec![table.since];
    for (epoch, _, updates) in history.iter().filter(|(_, name, _)| name == table.name) {
        // What takes a row away and puts it back gives no row.
        let net = merge(std::slice::from_ref(updates), &updates.rows.schema()).map_err(|e| e.to_string())?;
        if (0..net.rows.num_rows()).any(|row| net.diff(row) > 0) {
            active.push(*epoch);
        }
    }
    active.sort_unstable();
    active.dedup();
    let reading = |epoch: u64| clock.iter().filter(|(at, _)| *at <= epoch).map(|(_, micros)| *micros).max();
    let mut out = Vec::new();
    for (i, from) in active.iter().enumerate() {
        let until = active.get(i + 1).map_or(last, |next| next.saturating_sub(1));
        let first = match table.idle {
            Idle::Epochs(epochs) => Some(from.saturating_add(epochs)).filter(|first| *first <= until),
            Idle::Micros(micros) => reading(*from)
                .and_then(|then| (*from..=until).find(|epoch| reading(*epoch).is_some_and(|now| now.saturating_sub(then) >= micros))),
        };
        let again = said.iter().copied().filter(|epoch| first.is_some_and(|first| *epoch > first) && *epoch <= until);
        out.extend(first.into_iter().chain(again).map(|epoch| (table.name.to_string(), epoch, IDLE)));
    }
    Ok(out)
}
