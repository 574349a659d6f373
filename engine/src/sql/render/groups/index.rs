//! Which group a row belongs to: keys by hash to small numbers, which index the states of a group.
//!
//! Keys are kept as arrow's row encoding. Numbers of groups that are let go are used again.

use arrow::array::ArrayRef;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use hashbrown::HashTable;

use crate::flow::hash::hash_bytes;

/// Groups by key.
pub struct Index {
    converter: Option<RowConverter>,
    table: HashTable<u32>,
    /// Of each group its key and the hash of it; an empty key for numbers that are free.
    keys: Vec<(u64, Box<[u8]>)>,
    free: Vec<u32>,
}

impl Index {
    /// An index by columns of some types.
    ///
    /// # Errors
    /// When a type has no row encoding.
    pub fn new(types: Vec<SortField>) -> Result<Self, ArrowError> {
        let converter = if types.is_empty() { None } else { Some(RowConverter::new(types)?) };
        Ok(Index { converter, table: HashTable::new(), keys: Vec::new(), free: Vec::new() })
    }

    /// Numbers given so far, free ones too.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The group of each row of some key columns; new groups are made.
    ///
    /// # Errors
    /// When the columns are not of the types.
    pub fn assign(&mut self, columns: &[ArrayRef], rows: usize) -> Result<Vec<u32>, ArrowError> {
        let Some(converter) = &self.converter else { return Ok(vec![self.group(&[]); rows]) };
        let encoded = converter.convert_columns(columns)?;
        let mut out: Vec<u32> = Vec::with_capacity(rows);
        let mut last: Option<(usize, u32)> = None;
        for row in 0..rows {
            let encoded_row = encoded.row(row);
            // Neighbours are often of one group.
            let group = match last {
                Some((before, group)) if encoded.row(before) == encoded_row => group,
                _ => find_or_add(&mut self.table, &mut self.keys, &mut self.free, encoded_row.data()),
            };
            last = Some((row, group));
            out.push(group);
        }
        Ok(out)
    }

    /// The group of a key; a new one is made.
    pub fn group(&mut self, key: &[u8]) -> u32 {
        find_or_add(&mut self.table, &mut self.keys, &mut self.free, key)
    }

    /// The group of a key that is there.
    pub fn find(&self, key: &[u8]) -> Option<u32> {
        let hash = hash_bytes(0, key);
        self.table.find(hash, |g| self.keys.get(*g as usize).is_some_and(|k| k.0 == hash && &*k.1 == key)).copied()
    }

    /// The key of a group.
    pub fn key(&self, group: u32) -> &[u8] {
        self.keys.get(group as usize).map_or(&[], |k| &k.1)
    }

    /// Lets a group go.
    pub fn release(&mut self, group: u32) {
        let Some((hash, _)) = self.keys.get(group as usize) else { return };
        if let Ok(entry) = self.table.find_entry(*hash, |g| *g == group) {
            entry.remove();
            self.free.push(group);
        }
        if let Some(key) = self.keys.get_mut(group as usize) {
            key.1 = Box::default();
        }
    }

    /// Key columns of some groups.
    ///
    /// # Errors
    /// When keys cannot be decoded, which is a defect.
    pub fn columns(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let Some(converter) = &self.converter else { return Ok(Vec::new()) };
        let parser = converter.parser();
        converter.convert_rows(groups.iter().map(|g| parser.parse(self.key(*g))))
    }
}

fn find_or_add(table: &mut HashTable<u32>, keys: &mut Vec<(u64, Box<[u8]>)>, free: &mut Vec<u32>, key: &[u8]) -> u32 {
    let hash = hash_bytes(0, key);
    if let Some(group) = table.find(hash, |g| keys.get(*g as usize).is_some_and(|k| k.0 == hash && &*k.1 == key)) {
        return *group;
    }
    let group = free.pop().unwrap_or(keys.len() as u32);
    match keys.get_mut(group as usize) {
        Some(slot) => *slot = (hash, key.into()),
        None => keys.push((hash, key.into())),
    }
    table.insert_unique(hash, group, |g| keys.get(*g as usize).map_or(0, |k| k.0));
    group
}
