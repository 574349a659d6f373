//! When tables are idle: a table that was given no row with a time for some epochs, or for some time of the clock, does not hold back what
//! closes by it and other tables. Found from the history, so that a run that is restored finds the same.

use arrow::array::Array;

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
    /// The column of its event time: a row without one says nothing of when it is.
    pub time: usize,
    /// The epoch that it is there from.
    pub since: u64,
}

/// What the clock had read at most by each epoch, in the order of epochs.
pub struct Clock(Vec<(u64, i64)>);

impl Clock {
    /// Of readings in any order.
    pub fn new(readings: &[(u64, i64)]) -> Self {
        let mut all = readings.to_vec();
        all.sort_unstable();
        let mut most = i64::MIN;
        for (_, micros) in &mut all {
            most = most.max(*micros);
            *micros = most;
        }
        Clock(all)
    }

    /// What it had read at most by an epoch.
    fn at(&self, epoch: u64) -> Option<i64> {
        let behind = self.0.partition_point(|(at, _)| *at <= epoch);
        behind.checked_sub(1).and_then(|last| self.0.get(last)).map(|(_, micros)| *micros)
    }

    /// The first epoch with a reading that is late enough.
    fn first(&self, is_late: impl Fn(i64) -> bool) -> Option<u64> {
        self.0.get(self.0.partition_point(|(_, micros)| !is_late(*micros))).map(|(epoch, _)| *epoch)
    }
}

/// Epochs from which a table is idle, as marks among watermarks; again where a watermark was said at an epoch that gave it no row.
pub fn marks(
    table: &Seen<'_>,
    history: &[(u64, String, Updates)],
    clock: &Clock,
    last: u64,
    said: &[u64],
) -> Result<Vec<(String, u64, i64)>, String> {
    let mut active = vec![table.since];
    for (epoch, _, updates) in history.iter().filter(|(_, name, _)| name == table.name) {
        // What takes a row away and puts it back gives no row.
        let net = merge(std::slice::from_ref(updates), &updates.rows.schema()).map_err(|e| e.to_string())?;
        let is_timed = |row: usize| net.rows.columns().get(table.time).is_some_and(|times| times.is_valid(row));
        if (0..net.rows.num_rows()).any(|row| net.diff(row) > 0 && is_timed(row)) {
            active.push(*epoch);
        }
    }
    active.sort_unstable();
    active.dedup();
    let mut said = said.to_vec();
    said.sort_unstable();
    let mut out = Vec::new();
    for (i, from) in active.iter().enumerate() {
        let until = active.get(i + 1).map_or(last, |next| next.saturating_sub(1));
        let first = match table.idle {
            Idle::Epochs(epochs) => Some(from.saturating_add(epochs)).filter(|first| *first <= until),
            Idle::Micros(micros) => clock
                .at(*from)
                .and_then(|then| clock.first(|now| now.saturating_sub(then) >= micros))
                .map(|epoch| epoch.max(*from))
                .filter(|epoch| *epoch <= until),
        };
        let behind = first.map_or(said.len(), |first| said.partition_point(|epoch| *epoch <= first));
        let again = said.iter().skip(behind).copied().take_while(|epoch| *epoch <= until);
        out.extend(first.into_iter().chain(again).map(|epoch| (table.name.to_string(), epoch, IDLE)));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::super::options::Idle;
    use super::{Clock, Seen, marks};
    use crate::flow::updates::Updates;
    use crate::sql::watermark::IDLE;

    /// Idle again wherever something was said after it fell idle and before it had rows: as by looking at every pair.
    #[test]
    fn a_table_is_idle_again_where_a_watermark_was_said() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let row = Updates::insertions(RecordBatch::try_from_iter([("v", column)]).unwrap_or_else(|_| unreachable!()));
        let (active, said, last) = ([3, 4, 9, 20], [31, 1, 2, 7, 8, 5, 10, 12, 12, 15, 19, 30], 30);
        let history: Vec<_> = active.iter().map(|epoch| (*epoch, "t".to_string(), row.clone())).collect();
        let found = marks(&Seen { name: "t", idle: Idle::Epochs(2), time: 0, since: 0 }, &history, &Clock::new(&[]), last, &said);
        // Idle from 2, 6, 11 and 22 on.
        let expected = [2, 6, 7, 8, 11, 12, 12, 15, 19, 22, 30].map(|epoch| ("t".to_string(), epoch, IDLE));
        assert_eq!(found, Ok(expected.to_vec()));
    }

    #[test]
    fn the_clock_is_read_as_over_all_readings() {
        // Files that begin together have their epochs side by side, and a clock may have been set ahead.
        let readings = [(0, 10), (1, 12), (2, 30), (0, 11), (1, 25), (5, 29), (6, 40), (6, 38)];
        let clock = Clock::new(&readings);
        let most = |epoch: u64| readings.iter().filter(|(at, _)| *at <= epoch).map(|(_, micros)| *micros).max();
        for epoch in 0..8 {
            assert_eq!(clock.at(epoch), most(epoch));
        }
        for micros in 0..45 {
            assert_eq!(clock.first(|now| now >= micros), (0..8).find(|epoch| most(*epoch) >= Some(micros)));
        }
        assert_eq!(Clock::new(&[]).at(3), None);
    }
}
