//! A hash table from one value of 64 bits to a number, open to looking many up at once.
//!
//! Entries lie side by side and are probed in order. In a table beyond the nearest cache, looking up a block reads the first entry
//! of each of its values before any is looked at, so that the waits for memory overlap; a general table, in which each look decides
//! where to look next, cannot.

use super::NOWHERE;
use crate::flow::hash::hash_word;

/// Values that are looked up together.
pub const BLOCK: usize = 512;
/// Entries of a table that is not waited for: 128 KiB. Up to there it has room to spare, as a value that is not at its home costs
/// more than the memory.
const NEAR: usize = 1 << 13;
/// Entries of an empty table.
const ENTRIES_MIN: usize = 1 << 6;

/// A value and its number; no number means no entry.
#[derive(Clone, Copy)]
struct Entry {
    word: u64,
    number: u32,
}

const NO_ENTRY: Entry = Entry { word: 0, number: NOWHERE };

/// Numbers by value.
pub struct Words {
    entries: Vec<Entry>,
    len: usize,
}

impl Words {
    /// An empty table.
    pub fn new() -> Self {
        Words { entries: vec![NO_ENTRY; ENTRIES_MIN], len: 0 }
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.entries.len() * size_of::<Entry>()
    }

    /// The place where a value's entry is looked for first: the highest bits of its hash, which are mixed best.
    fn home(&self, word: u64) -> usize {
        (hash_word(word) >> (u64::BITS - self.entries.len().trailing_zeros())) as usize
    }

    fn at(&self, place: usize) -> Entry {
        self.entries.get(place).copied().unwrap_or(NO_ENTRY)
    }

    /// The place of a value, or of the entry that it would get.
    fn probe(&self, word: u64) -> (usize, Entry) {
        let mut place = self.home(word);
        loop {
            let entry = self.at(place);
            if entry.number == NOWHERE || entry.word == word {
                return (place, entry);
            }
            place = (place + 1) & (self.entries.len() - 1);
        }
    }

    /// The number of a value; none is `NOWHERE`.
    pub(super) fn get(&self, word: u64) -> u32 {
        self.probe(word).1.number
    }

    /// The numbers of up to a block of values; those that are not there get what a function gives for them.
    pub fn numbers_of(&mut self, words: &[u64], out: &mut Vec<u32>, mut new: impl FnMut(usize) -> u32) {
        if self.entries.len() <= NEAR {
            out.extend(words.iter().enumerate().map(|(at, word)| self.number_of(*word, || new(at))));
            return;
        }
        let mut first = [NO_ENTRY; BLOCK];
        for (first, word) in first.iter_mut().zip(words) {
            *first = self.at(self.home(*word));
        }
        for (at, (word, first)) in words.iter().zip(first).enumerate() {
            // What was read may have been overtaken only where it was empty or another's.
            if first.number != NOWHERE && first.word == *word {
                out.push(first.number);
                continue;
            }
            out.push(self.number_of(*word, || new(at)));
        }
    }

    /// The number of a value; if it is not there, it gets what a function gives.
    pub(super) fn number_of(&mut self, word: u64, new: impl FnOnce() -> u32) -> u32 {
        let (place, entry) = self.probe(word);
        if entry.number != NOWHERE {
            return entry.number;
        }
        let number = new();
        self.insert_at(place, Entry { word, number });
        number
    }

    fn insert_at(&mut self, place: usize, entry: Entry) {
        if let Some(slot) = self.entries.get_mut(place) {
            *slot = entry;
            self.len += 1;
        }
        let spare = if self.entries.len() < NEAR { 8 } else { 2 };
        if self.len * spare > self.entries.len() {
            let wide = vec![NO_ENTRY; self.entries.len() * 2];
            let before = std::mem::replace(&mut self.entries, wide);
            for entry in before.into_iter().filter(|e| e.number != NOWHERE) {
                let (place, _) = self.probe(entry.word);
                self.entries.get_mut(place).into_iter().for_each(|slot| *slot = entry);
            }
        }
    }

    /// Takes a value away. Entries behind it that were pushed away from their home move up.
    pub fn remove(&mut self, word: u64) {
        let (mut hole, entry) = self.probe(word);
        if entry.number == NOWHERE {
            return;
        }
        self.len -= 1;
        let mask = self.entries.len() - 1;
        let mut place = hole;
        loop {
            place = (place + 1) & mask;
            let entry = self.at(place);
            if entry.number == NOWHERE {
                break;
            }
            // It may move up if its home is not between the hole and where it is.
            let from_home = place.wrapping_sub(self.home(entry.word)) & mask;
            if from_home >= place.wrapping_sub(hole) & mask {
                self.entries.get_mut(hole).into_iter().for_each(|slot| *slot = entry);
                hole = place;
            }
        }
        self.entries.get_mut(hole).into_iter().for_each(|slot| *slot = NO_ENTRY);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::flow::hash::ALONE;
    use std::collections::HashMap;
    use std::sync::PoisonError;

    /// A long random history against the standard library's map.
    #[test]
    fn values_are_found_as_in_a_map() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut table, mut map, mut next) = (Words::new(), HashMap::new(), 0u32);
        let mut state = 7u64;
        for _ in 0..2_000 {
            let words: Vec<u64> = (0..40)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 33) % 500
                })
                .collect();
            let mut out = Vec::new();
            table.numbers_of(&words, &mut out, |_| {
                next += 1;
                next
            });
            for (word, number) in words.iter().zip(&out) {
                assert_eq!(map.entry(*word).or_insert(*number), number);
            }
            for word in words.iter().step_by(3) {
                table.remove(*word);
                map.remove(word);
            }
            assert_eq!(table.len, map.len());
        }
    }
}
