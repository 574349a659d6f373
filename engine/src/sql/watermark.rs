//! Watermarks as data: what each table's event time has surely passed at the end of each epoch (D1).
//!
//! Whoever feeds a table writes its watermark for an epoch before the epoch's rows go in, so that every worker reads the same
//! at the same epoch, whatever comes when. Watermarks never go back. Those of several tables merge by their minimum; a table
//! that is idle does not count.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// The end of all time: the input has ended, and everything is closed.
pub const END: i64 = i64::MAX;

/// The name under which the clock stands among the tables: what `now()` is in each epoch.
pub const NOW: &str = "now()";

/// Watermarks of tables, in microseconds since 1970, by epoch.
#[derive(Clone, Debug, Default)]
pub struct Watermarks(Arc<Mutex<HashMap<String, BTreeMap<u64, i64>>>>);

impl Watermarks {
    /// Says what a table's watermark is at the end of an epoch; one that would go back is left out.
    pub fn set(&self, table: &str, epoch: u64, micros: i64) {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_table = tables.entry(table.to_string()).or_default();
        if of_table.range(..=epoch).next_back().is_none_or(|(_, before)| *before < micros) {
            of_table.insert(epoch, micros);
        }
    }

    /// Forgets how they stood before an epoch that is over on every worker.
    pub fn settle(&self, epoch: u64) {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for of_table in tables.values_mut() {
            if let Some((&newest, _)) = of_table.range(..=epoch).next_back() {
                *of_table = of_table.split_off(&newest);
            }
        }
    }

    /// The watermark over some tables at the end of an epoch; none while one of them has none.
    pub fn at(&self, tables: &[String], epoch: u64) -> Option<i64> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |table: &String| all.get(table)?.range(..=epoch).next_back().map(|(_, micros)| *micros);
        tables.iter().map(of).min().flatten()
    }

    /// Epochs from `from` up to `to`, not included, in which a watermark moved.
    pub fn moved(&self, tables: &[String], from: u64, to: Option<u64>) -> Vec<u64> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut epochs: Vec<u64> = tables
            .iter()
            .filter_map(|t| all.get(t))
            .flat_map(|m| m.range(from..).map(|(e, _)| *e).take_while(|e| to.is_none_or(|to| *e < to)))
            .collect();
        epochs.sort_unstable();
        epochs.dedup();
        epochs
    }
}
