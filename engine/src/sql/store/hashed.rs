//! Numbers of keys by their hash, many looked up at once (`words.rs`). A hash has one number; the keys of one hash that are not
//! equal, which happens next to never, stand in a table beside it.

use hashbrown::HashTable;

use super::words::Words;

/// Numbers by hash.
pub struct Hashed {
    /// One key of each hash.
    words: Words,
    /// Hash and number of all others.
    others: HashTable<(u64, u32)>,
}

impl Hashed {
    /// An empty table.
    pub fn new() -> Self {
        Hashed { words: Words::new(), others: HashTable::new() }
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.words.bytes() + self.others.capacity() * (size_of::<(u64, u32)>() + 1)
    }

    /// A number for each of up to a block of hashes: that of the one key of the hash that is looked at first, which need not be the
    /// key that is looked for. What is not there gets what a function gives.
    pub fn numbers_of(&mut self, hashes: &[u64], out: &mut Vec<u32>, new: impl FnMut(usize) -> u32) {
        self.words.numbers_of(hashes, out, new);
    }

    /// The number of a key among those of its hash that are not looked at first.
    pub fn other(&self, hash: u64, equal: impl Fn(u32) -> bool) -> Option<u32> {
        if self.others.is_empty() {
            return None;
        }
        self.others.find(hash, |(h, number)| *h == hash && equal(*number)).map(|(_, number)| *number)
    }

    /// Adds a key whose hash another has already.
    pub fn add_other(&mut self, hash: u64, number: u32) {
        self.others.insert_unique(hash, (hash, number), |(h, _)| *h);
    }

    /// Takes a key away; one that has its hash takes its place.
    pub fn remove(&mut self, hash: u64, number: u32) {
        let of_words = self.words.get(hash) == number;
        if of_words {
            self.words.remove(hash);
        }
        if let Ok(entry) = self.others.find_entry(hash, |(h, n)| *h == hash && (of_words || *n == number)) {
            let ((_, other), _) = entry.remove();
            if of_words {
                self.words.number_of(hash, || other);
            }
        }
    }
}
