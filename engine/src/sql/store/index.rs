//! Which group a row belongs to: keys by hash to small numbers, which index the states of a group.
//!
//! Numbers of groups that are let go are used again; a generation tells a number's groups apart.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::NOWHERE;
use super::column::Words as Values;
use super::columns::{Columns, Incoming};
use super::hashed::Hashed;
use super::words::{BLOCK, Words};
use crate::flow::hash::hash_rows;

/// Groups by key.
pub struct Index {
    keys: Columns,
    width: usize,
    table: Table,
    groups: Vec<Group>,
    free: Vec<u32>,
}

/// Groups by key.
enum Table {
    /// Keys that are one value of 32 or 64 bits; and the group of the null key, if there is one.
    Words(Words, u32),
    /// All other keys.
    Hashes(Hashed),
}

#[derive(Clone, Copy, Default)]
struct Group {
    /// The key, where it is one value; else its hash.
    mark: u64,
    generation: u32,
    live: bool,
}

/// A group whose number may have been given to another since.
pub type Dated = (u32, u32);

impl Index {
    /// An index by columns of some types.
    ///
    /// # Errors
    /// When a type has no row encoding.
    pub fn new(types: &[DataType]) -> Result<Self, ArrowError> {
        let keys = Columns::new(types)?;
        let table = if keys.is_one_of_words() { Table::Words(Words::new(), NOWHERE) } else { Table::Hashes(Hashed::new()) };
        Ok(Index { keys, width: types.len(), table, groups: Vec::new(), free: Vec::new() })
    }

    /// Numbers given so far, free ones too.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// The numbers of all groups that are there, in order.
    pub fn live(&self) -> Vec<u32> {
        let mut live = Vec::with_capacity(self.count());
        live.extend(self.groups.iter().zip(0u32..).filter(|(group, _)| group.live).map(|(_, number)| number));
        live
    }

    /// How many groups are there.
    pub fn count(&self) -> usize {
        self.groups.len() - self.free.len()
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        let table = match &self.table {
            Table::Words(words, _) => words.bytes(),
            Table::Hashes(table) => table.bytes(),
        };
        table + self.groups.len() * size_of::<Group>() + self.keys.bytes()
    }

    /// The group of each row of some key columns; new groups are made.
    ///
    /// # Errors
    /// When the columns are not of the types.
    pub fn assign(&mut self, columns: &[ArrayRef], rows: usize) -> Result<Vec<u32>, ArrowError> {
        if self.groups.len() + rows >= NOWHERE as usize {
            return Err(ArrowError::ComputeError("a state holds more than 4,294,967,294 groups".into()));
        }
        let columns = columns.get(..self.width).unwrap_or(columns);
        let incoming = self.keys.incoming(columns)?;
        let Index { keys, table, groups, free, .. } = self;
        let mut numbers = Numbers { keys, groups, free, incoming: &incoming };
        match table {
            Table::Words(words, null) => Ok(by_words(words, null, &mut numbers, rows)),
            Table::Hashes(table) => Ok(by_hashes(table, &mut numbers, &hash_rows(columns, rows)?)),
        }
    }

    /// The one group of rows without keys.
    pub fn the_one(&mut self) -> Result<u32, ArrowError> {
        Ok(self.assign(&[], 1)?.first().copied().unwrap_or(0))
    }

    /// A group, to be looked for later.
    pub fn dated(&self, group: u32) -> Dated {
        (group, self.groups.get(group as usize).map_or(0, |g| g.generation))
    }

    /// The group that was meant, if it is still there.
    pub fn still(&self, (group, generation): Dated) -> Option<u32> {
        self.groups.get(group as usize).filter(|g| g.generation == generation).map(|_| group)
    }

    /// Lets a group go.
    pub fn release(&mut self, group: u32) {
        let Some(known) = self.groups.get_mut(group as usize).filter(|g| g.live) else { return };
        match &mut self.table {
            Table::Words(_, null) if *null == group => *null = NOWHERE,
            Table::Words(words, _) => words.remove(known.mark),
            Table::Hashes(table) => table.remove(known.mark, group),
        }
        (known.live, known.generation) = (false, known.generation.wrapping_add(1));
        self.keys.clear(group);
        self.free.push(group);
    }

    /// Key columns of some groups.
    ///
    /// # Errors
    /// When values are not of their type, which is a defect.
    pub fn columns(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        self.keys.take(groups)
    }
}

/// Gives new groups their numbers.
struct Numbers<'a> {
    keys: &'a mut Columns,
    groups: &'a mut Vec<Group>,
    free: &'a mut Vec<u32>,
    incoming: &'a Incoming,
}

impl Numbers<'_> {
    /// The number of a new group, with a row's key.
    fn next(&mut self, mark: u64, row: usize) -> u32 {
        let group = self.free.pop().unwrap_or(self.groups.len() as u32);
        if group as usize == self.groups.len() {
            self.groups.push(Group::default());
            self.keys.grow(self.groups.len());
        }
        if let Some(known) = self.groups.get_mut(group as usize) {
            (known.mark, known.live) = (mark, true);
        }
        self.keys.put(self.incoming, &[row as u32], &[group], self.groups.len());
        group
    }
}

fn by_words(words: &mut Words, null: &mut u32, numbers: &mut Numbers<'_>, rows: usize) -> Vec<u32> {
    let mut out = Vec::with_capacity(rows);
    let Some(column) = numbers.incoming.first() else { return out };
    let (mut block, mut found) = (Vec::with_capacity(BLOCK), Vec::new());
    for from in (0..rows).step_by(BLOCK) {
        block.clear();
        match column.words() {
            Some(Values::Eight(all)) => block.extend(all.iter().skip(from).take(BLOCK)),
            Some(Values::Four(all)) => block.extend(all.iter().skip(from).take(BLOCK).map(|w| u64::from(*w))),
            None => {}
        }
        if !column.has_nulls() {
            words.numbers_of(&block, &mut out, |at| numbers.next(block.get(at).copied().unwrap_or(0), from + at));
            continue;
        }
        // Those that are not null are looked up together.
        let there: Vec<usize> = (0..block.len()).filter(|at| !column.is_null(from + at)).collect();
        let words_there: Vec<u64> = there.iter().filter_map(|at| block.get(*at)).copied().collect();
        found.clear();
        words.numbers_of(&words_there, &mut found, |i| {
            let (word, at) = (words_there.get(i).copied().unwrap_or(0), there.get(i).copied().unwrap_or(0));
            numbers.next(word, from + at)
        });
        let mut next = found.iter().copied();
        for row in from..from + block.len() {
            if column.is_null(row) && *null == NOWHERE {
                *null = numbers.next(0, row);
            }
            out.push(if column.is_null(row) { *null } else { next.next().unwrap_or(NOWHERE) });
        }
    }
    out
}

fn by_hashes(table: &mut Hashed, numbers: &mut Numbers<'_>, hashes: &[u64]) -> Vec<u32> {
    let mut out = Vec::with_capacity(hashes.len());
    let (incoming, mut rows, mut same) = (numbers.incoming, Vec::with_capacity(BLOCK), Vec::with_capacity(BLOCK));
    for block in hashes.chunks(BLOCK) {
        let from = out.len();
        table.numbers_of(block, &mut out, |at| numbers.next(block.get(at).copied().unwrap_or(0), from + at));
        rows.clear();
        rows.extend(from as u32..(from + block.len()) as u32);
        same.clear();
        same.resize(block.len(), true);
        numbers.keys.keep_equal(out.get(from..).unwrap_or_default(), incoming, &rows, &mut same);
        for at in (0..block.len()).filter(|at| same.get(*at) == Some(&false)) {
            let (hash, row) = (block.get(at).copied().unwrap_or(0), from + at);
            let known = table.other(hash, |number| numbers.keys.equal(number, incoming, row));
            let number = known.unwrap_or_else(|| {
                let number = numbers.next(hash, row);
                table.add_other(hash, number);
                number
            });
            out.get_mut(row).into_iter().for_each(|slot| *slot = number);
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;
    use std::sync::atomic::Ordering;
    use std::sync::{Arc, PoisonError};

    use arrow::array::{Int64Array, StringArray};

    use super::*;
    use crate::flow::hash::{ALONE, COLLIDE};

    /// A long random history of keys that come and go, against a map; also where few hashes are shared by all keys.
    #[test]
    fn keys_keep_their_numbers_until_they_go() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        for mask in [u64::MAX, 3, 0] {
            COLLIDE.store(mask, Ordering::SeqCst);
            let mut index = Index::new(&[DataType::Int64, DataType::Utf8]).unwrap();
            let (mut map, mut state) = (HashMap::new(), 7u64);
            let mut next = |below: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) % below
            };
            for _ in 0..300 {
                let keys: Vec<(i64, String)> = (0..40).map(|_| (next(20) as i64, format!("k{}", next(10)))).collect();
                let numbers: ArrayRef = Arc::new(Int64Array::from_iter(keys.iter().map(|k| (k.0 != 0).then_some(k.0))));
                let texts: ArrayRef = Arc::new(StringArray::from_iter_values(keys.iter().map(|k| &k.1)));
                let given = index.assign(&[numbers, texts], keys.len()).unwrap();
                for (key, group) in keys.iter().zip(&given) {
                    assert_eq!(map.entry(key.clone()).or_insert(*group), group, "{key:?}");
                }
                let mut all: Vec<u32> = map.values().copied().collect();
                all.sort_unstable();
                assert_eq!(index.live(), all);
                for key in keys.iter().filter(|_| next(3) == 0) {
                    if let Some(group) = map.remove(key) {
                        index.release(group);
                    }
                }
            }
        }
        COLLIDE.store(u64::MAX, Ordering::SeqCst);
    }
}
