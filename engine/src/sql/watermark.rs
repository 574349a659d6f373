//! Watermarks as data: what each table's event time has surely passed at the end of each epoch (D1).
//!
//! Whoever feeds a table writes its watermark for an epoch before the epoch's rows go in, so that every worker reads the same
//! at the same epoch, whatever comes when. Watermarks never go back. Those of several tables merge by their minimum; a table
//! that is idle does not count, and when all are, nothing moves. A table that comes back does not take back what has passed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// The end of all time: the input has ended, and everything is closed.
pub const END: i64 = i64::MAX;
/// In place of a watermark: the table is idle from this epoch on, until it has a watermark again.
pub const IDLE: i64 = i64::MIN;

/// The name under which the clock stands among the tables: what `now()` is in each epoch.
pub const NOW: &str = "now()";

/// Watermarks of tables, in microseconds since 1970, by epoch.
#[derive(Clone, Debug, Default)]
pub struct Watermarks(Arc<Mutex<All>>);

/// By epoch: the epoch that it was said of at first, the table, how it stands.
type Said = BTreeMap<u64, Vec<(u64, String, Mark)>>;

#[derive(Debug, Default)]
struct All {
    /// How each table stands, by epoch, in the order in which it was said, with the epoch that it was said of at first.
    said: Said,
    /// How each table stood last.
    latest: HashMap<String, Mark>,
    /// What was found for tables that were asked for together.
    joint: HashMap<Vec<String>, Joint>,
}

/// How a table stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    /// The greatest watermark that it had.
    micros: Option<i64>,
    idle: bool,
}

/// What has passed for some tables together.
#[derive(Debug, Default)]
struct Joint {
    /// How each stands, up to the epoch that was looked at last.
    marks: HashMap<String, Mark>,
    /// The epoch after it.
    next: u64,
    passed: BTreeMap<u64, i64>,
}

impl Watermarks {
    /// Says what a table's watermark is at the end of an epoch, or that it is idle; what says nothing new is left out.
    pub fn set(&self, table: &str, epoch: u64, micros: i64) {
        self.set_in_run(table, epoch, epoch, micros);
    }

    /// The same, in a run that begins with an epoch: what was said before is known there, in the order of its epochs.
    pub fn set_in_run(&self, table: &str, epoch: u64, begins_at: u64, micros: i64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.latest.get(table).copied().unwrap_or_default();
        let mark = match micros {
            IDLE => Mark { idle: true, ..before },
            micros => Mark { micros: before.micros.max(Some(micros)), idle: false },
        };
        if mark != before {
            all.latest.insert(table.to_string(), mark);
            all.said.entry(epoch.max(begins_at)).or_default().push((epoch, table.to_string(), mark));
        }
    }

    /// Forgets how they stood before an epoch that is over on every worker.
    pub fn settle(&self, epoch: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let All { said, joint, .. } = &mut *all;
        for joint in joint.values_mut() {
            joint.look(said, epoch);
            if let Some((&newest, _)) = joint.passed.range(..=epoch).next_back() {
                joint.passed = joint.passed.split_off(&newest);
            }
        }
        // Of each table how it stands now is kept, for those who ask later.
        let mut seen: Vec<String> = Vec::new();
        // What is said of later epochs may be much, and is not looked at.
        let over: Vec<u64> = said.range(..=epoch).map(|(at, _)| *at).collect();
        for at in over.into_iter().rev() {
            let Some(marks) = said.get_mut(&at) else { continue };
            let mut kept: Vec<(u64, String, Mark)> = Vec::new();
            for (first, table, mark) in marks.drain(..).rev() {
                if !seen.contains(&table) {
                    seen.push(table.clone());
                    kept.push((first, table, mark));
                }
            }
            kept.reverse();
            *marks = kept;
            if marks.is_empty() {
                said.remove(&at);
            }
        }
    }

    /// Follows some tables together from now on. Who asks for them only later does not learn what had passed before one of them fell
    /// idle, once that is forgotten.
    pub fn watch(&self, tables: &[String]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).watch(tables);
    }

    /// The watermark over some tables at the end of an epoch; none while one of them has none.
    pub fn at(&self, tables: &[String], epoch: u64) -> Option<i64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.watch(tables);
        let All { said, joint, .. } = &mut *all;
        let joint = joint.get_mut(tables)?;
        joint.look(said, epoch);
        joint.passed.range(..=epoch).next_back().map(|(_, micros)| *micros)
    }

    /// Epochs from `from` up to `to`, not included, in which a watermark moved.
    pub fn moved(&self, tables: &[String], from: u64, to: Option<u64>) -> Vec<u64> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let within = all.said.range(from..).take_while(|(e, _)| to.is_none_or(|to| **e < to));
        within.filter(|(_, marks)| marks.iter().any(|(_, t, _)| tables.contains(t))).map(|(e, _)| *e).collect()
    }
}

impl All {
    fn watch(&mut self, tables: &[String]) {
        if !self.joint.contains_key(tables) {
            let marks = tables.iter().map(|t| (t.clone(), Mark::default())).collect();
            self.joint.insert(tables.to_vec(), Joint { marks, ..Joint::default() });
        }
    }
}

impl Joint {
    /// Takes in what was said up to an epoch. What passes shows at the end of an epoch, once all that is said of it is in.
    fn look(&mut self, said: &Said, epoch: u64) {
        if epoch < self.next {
            return;
        }
        let mut passed = self.passed.last_key_value().map(|(_, micros)| *micros);
        for (at, marks) in said.range(self.next..=epoch) {
            for of_epoch in marks.chunk_by(|a, b| a.0 == b.0) {
                for (_, table, mark) in of_epoch {
                    self.marks.get_mut(table).into_iter().for_each(|own| *own = *mark);
                }
                passed = passed.max(self.together());
            }
            if let Some(micros) = passed {
                self.passed.insert(*at, micros);
            }
        }
        self.next = epoch.saturating_add(1);
    }

    /// The least watermark of the tables that are not idle.
    fn together(&self) -> Option<i64> {
        self.marks.values().filter(|m| !m.idle).map(|m| m.micros).min().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::{IDLE, Watermarks};

    #[test]
    fn tables_merge_by_their_minimum_and_idle_ones_do_not_count() {
        let (marks, both) = (Watermarks::default(), ["a".to_string(), "b".to_string()]);
        let say = |table: &str, epoch: u64, micros: i64| marks.set(table, epoch, micros);
        say("a", 1, 10);
        say("a", 2, 30);
        say("b", 2, 5);
        say("b", 5, IDLE);
        say("a", 6, 40);
        say("b", 7, 20);
        say("a", 8, 60);
        say("b", 8, 50);
        let at = |epoch: u64| marks.at(&both, epoch);
        assert_eq!((at(1), at(2), at(4), at(5), at(6)), (None, Some(5), Some(5), Some(30), Some(40)));
        assert_eq!((at(7), at(8), at(3)), (Some(40), Some(50), Some(5)), "what has passed is not taken back");
        assert_eq!(marks.moved(&both[1..], 3, Some(8)), [5, 7]);
        marks.settle(6);
        assert_eq!((at(6), at(8), marks.at(&both[..1], 8)), (Some(40), Some(50), Some(60)));
        assert_eq!(marks.at(&both[1..], 7), Some(20));
    }

    /// Epochs that are said of in advance are settled one by one, and of each only what is over is let go of.
    #[test]
    fn many_epochs_are_settled_one_by_one() {
        let (marks, table) = (Watermarks::default(), ["a".to_string()]);
        let epochs = 2_000;
        (0..epochs).for_each(|epoch| marks.set("a", epoch, 10 * epoch as i64));
        for epoch in 0..epochs {
            assert_eq!(marks.at(&table, epoch), Some(10 * epoch as i64));
            marks.settle(epoch);
        }
        assert_eq!(marks.at(&["a".into(), "a".into()], epochs), marks.at(&table, epochs), "who asks later knows how it stands");
    }

    #[test]
    fn what_had_passed_before_a_table_fell_idle_is_known_to_who_watches_from_the_start() {
        let (marks, table) = (Watermarks::default(), ["a".to_string()]);
        marks.watch(&table);
        marks.set_in_run("a", 2, 3, 10);
        marks.set_in_run("a", 3, 3, IDLE);
        marks.settle(3);
        assert_eq!(marks.at(&table, 3), Some(10));
    }

    #[test]
    fn a_table_that_never_had_a_watermark_holds_back_until_it_is_idle() {
        let (marks, all) = (Watermarks::default(), ["a", "b", "c"].map(String::from));
        marks.set("a", 0, 10);
        marks.set("c", 0, 70);
        marks.set("b", 3, IDLE);
        // In one epoch one comes back and another falls idle: what came back counts.
        marks.set("b", 4, 1);
        marks.set("a", 4, IDLE);
        marks.set("c", 5, IDLE);
        marks.set("b", 5, IDLE);
        let at = |epoch: u64| marks.at(&all, epoch);
        assert_eq!((at(2), at(3), at(4), at(5)), (None, Some(10), Some(10), Some(10)));
        // One comes back behind in the epoch in which the other moves on: nothing passes in between.
        let (marks, both) = (Watermarks::default(), ["a".to_string(), "b".to_string()]);
        [("a", 1, 10), ("b", 1, IDLE), ("a", 2, 90), ("b", 2, 1)].iter().for_each(|(t, e, micros)| marks.set(t, *e, *micros));
        assert_eq!((marks.at(&both, 1), marks.at(&both, 2)), (Some(10), Some(10)));
        // The same in a run that begins later.
        let marks = Watermarks::default();
        let known = [("a", 1, 10), ("b", 1, IDLE), ("a", 2, 90), ("b", 2, 1)];
        known.iter().for_each(|(t, e, micros)| marks.set_in_run(t, *e, 7, *micros));
        assert_eq!(marks.at(&both, 7), Some(10));
    }
}
