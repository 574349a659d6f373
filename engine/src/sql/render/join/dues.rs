//! When the rows of a side are let go of, where their time and a watermark tell: a due time a slot, and slots by due time.
//!
//! Due times are rounded up to a grain, so that there are few of them. A slot that has gone stays listed, and may have been given to
//! another row since: so it counts only what is noted with the slot itself when its due time has come.

use std::collections::BTreeMap;

use crate::sql::watermark::END;

/// Into how many parts the bounds of a join are divided for it, and the least part in microseconds.
const GRAINS: i64 = 64;
const GRAIN_MIN: i64 = 1_000_000 / GRAINS;

/// Listed slots that may be beyond two a slot, before those that no longer count are left out.
const LISTED_MIN: usize = 1 << 10;

/// The due time of slots that have none.
const NONE: i64 = i64::MIN;

/// Due times of slots.
pub struct Dues {
    /// Microseconds from a row's time until nothing can meet it.
    after: i64,
    grain: i64,
    /// By slot.
    dues: Vec<i64>,
    slots: BTreeMap<i64, Vec<u32>>,
    listed: usize,
    /// The watermark before the epoch.
    passed: Option<i64>,
}

impl Dues {
    /// Rows that are due some microseconds after their time, in a join whose bounds have some extent.
    pub fn new(after: i64, extent: i64) -> Self {
        let grain = (extent / GRAINS).max(GRAIN_MIN);
        Dues { after, grain, dues: Vec::new(), slots: BTreeMap::new(), listed: 0, passed: None }
    }

    /// The watermark at which a row is let go of, given the one that passes its time.
    fn due(&self, closes: i64) -> i64 {
        let least = closes.saturating_add(self.after);
        least.saturating_add((-least.rem_euclid(self.grain)).rem_euclid(self.grain))
    }

    /// Notes when a slot's row is let go of.
    pub fn note(&mut self, slot: u32, closes: i64) {
        let (due, at) = (self.due(closes), slot as usize);
        if self.dues.len() <= at {
            self.dues.resize(at + 1, NONE);
        }
        let Some(own) = self.dues.get_mut(at).filter(|own| **own != due) else { return };
        *own = due;
        self.slots.entry(due).or_default().push(slot);
        self.listed += 1;
    }

    /// Tells what the watermark was before an epoch.
    pub fn begin(&mut self, passed: Option<i64>) {
        self.passed = passed;
    }

    /// Whether a row may have been let go of before the epoch.
    pub fn is_past(&self, closes: i64) -> bool {
        self.passed.is_some_and(|passed| self.due(closes) <= passed)
    }

    /// Gives the slots that are due, each once; some may be free.
    pub fn take(&mut self, now: i64, mut of: impl FnMut(u32)) {
        let open = if now == END { BTreeMap::new() } else { self.slots.split_off(&now.saturating_add(1)) };
        for (due, slots) in std::mem::replace(&mut self.slots, open) {
            self.listed -= slots.len();
            for slot in slots {
                if let Some(own) = self.dues.get_mut(slot as usize).filter(|own| **own == due) {
                    *own = NONE;
                    of(slot);
                }
            }
        }
    }

    /// Leaves out what is listed in vain once that is much: rows that come and go would be listed again and again.
    pub fn tidy(&mut self, is_there: impl Fn(u32) -> bool) {
        if self.listed <= 2 * self.dues.len() + LISTED_MIN {
            return;
        }
        self.slots.clear();
        self.listed = 0;
        for (due, slot) in self.dues.iter_mut().zip(0..) {
            if *due != NONE && is_there(slot) {
                self.slots.entry(*due).or_default().push(slot);
                self.listed += 1;
            } else {
                *due = NONE;
            }
        }
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.dues.len() * size_of::<i64>() + self.listed * size_of::<u32>() + self.slots.len() * size_of::<(i64, Vec<u32>)>()
    }
}

#[cfg(test)]
mod tests {
    use super::{Dues, END, GRAIN_MIN, LISTED_MIN};

    fn taken(dues: &mut Dues, now: i64) -> Vec<u32> {
        let mut out = Vec::new();
        dues.take(now, |slot| out.push(slot));
        out
    }

    #[test]
    fn a_slot_is_due_a_grain_after_its_time_at_most_and_never_before() {
        for (closes, after) in [(0, 0), (1, 0), (GRAIN_MIN + 1, 0), (1, 5), (-7, 3), (10 * GRAIN_MIN, -4), (-GRAIN_MIN, 0)] {
            let mut dues = Dues::new(after, 0);
            dues.note(3, closes);
            assert!(taken(&mut dues, closes + after - 1).is_empty(), "{closes} {after}");
            assert_eq!(taken(&mut dues, closes + after + GRAIN_MIN - 1), [3], "{closes} {after}");
        }
    }

    #[test]
    fn a_slot_that_was_given_to_another_row_is_due_with_that() {
        let mut dues = Dues::new(0, 0);
        dues.note(0, 0);
        dues.note(0, 10 * GRAIN_MIN);
        dues.note(1, i64::MAX);
        assert!(taken(&mut dues, 9 * GRAIN_MIN).is_empty());
        assert_eq!(taken(&mut dues, 10 * GRAIN_MIN), [0]);
        assert_eq!(taken(&mut dues, END), [1]);
    }

    #[test]
    fn what_is_listed_in_vain_is_left_out() {
        let mut dues = Dues::new(0, 0);
        for round in 0..10 * LISTED_MIN as i64 {
            dues.note(0, round % 2 * GRAIN_MIN);
            dues.tidy(|_| true);
            assert!(dues.listed <= LISTED_MIN + 3);
        }
        assert_eq!(taken(&mut dues, GRAIN_MIN), [0]);
        dues.note(0, 5);
        assert_eq!(dues.listed, 1);
    }
}
