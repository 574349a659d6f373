//! Keys by the watermark at which something of theirs is to be let go of. Each stands there once at most, with its earliest.

use std::collections::BTreeSet;

/// Nothing is to be done.
const NEVER: i64 = i64::MAX;
/// About what a place in the order takes.
const PLACE_BYTES: usize = 24;

/// Keys by number and watermark, in microseconds.
#[derive(Default)]
pub struct DueKeys {
    dues: Vec<i64>,
    order: BTreeSet<(i64, u32)>,
}

impl DueKeys {
    /// Makes room for so many keys.
    pub fn grow(&mut self, keys: usize) {
        self.dues.resize(keys, NEVER);
    }

    /// Sees to it that a key is taken at a watermark, at the latest.
    pub fn ask(&mut self, key: u32, at: i64) {
        let Some(due) = self.dues.get_mut(key as usize).filter(|due| at < **due) else { return };
        if *due != NEVER {
            self.order.remove(&(*due, key));
        }
        self.order.insert((at, key));
        *due = at;
    }

    /// Takes the keys that are due.
    pub fn take(&mut self, now: i64) -> Vec<u32> {
        let later = self.order.split_off(&(now.saturating_add(1), 0));
        let due: Vec<u32> = std::mem::replace(&mut self.order, later).into_iter().map(|(_, key)| key).collect();
        due.iter().filter_map(|key| self.dues.get_mut(*key as usize).map(|due| *due = NEVER)).for_each(drop);
        due
    }

    /// Takes a key away.
    pub fn forget(&mut self, key: u32) {
        if let Some(due) = self.dues.get_mut(key as usize).filter(|due| **due != NEVER) {
            self.order.remove(&(*due, key));
            *due = NEVER;
        }
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.dues.len() * size_of::<i64>() + self.order.len() * PLACE_BYTES
    }
}
