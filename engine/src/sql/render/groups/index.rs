//! Which group a row belongs to: keys by hash to small numbers, which index the states of a group.
//!
//! Keys are kept as arrow's row encoding. Numbers of groups that are let go are used again.

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use hashbrown::HashTable;

use super::zero_behind_nulls;
use crate::flow::hash::hash_bytes;

/// Groups by key.
pub struct Index {
    converter: Option<RowConverter>,
    /// Hash and number of each group: what does not match is seen without a look at its key.
    table: HashTable<(u64, u32)>,
    keys: Keys,
    free: Vec<u32>,
}

/// The keys of groups by their numbers; those of free numbers mean nothing.
struct Keys {
    count: u32,
    /// The length of each key, when all have one: they then lie in `flat`, one after the other.
    length: Option<usize>,
    flat: Vec<u8>,
    boxed: Vec<Box<[u8]>>,
}

impl Keys {
    fn get(&self, group: u32) -> &[u8] {
        match self.length {
            Some(length) => self.flat.get(group as usize * length..(group as usize + 1) * length).unwrap_or_default(),
            None => self.boxed.get(group as usize).map_or(&[], |k| k),
        }
    }

    fn set(&mut self, group: u32, key: &[u8]) {
        let new = group == self.count;
        self.count += u32::from(new);
        match (self.length, new) {
            (Some(_), true) => self.flat.extend_from_slice(key),
            (Some(length), false) => {
                if let Some(slot) = self.flat.get_mut(group as usize * length..(group as usize + 1) * length) {
                    slot.copy_from_slice(key);
                }
            }
            (None, true) => self.boxed.push(key.into()),
            (None, false) => {
                if let Some(slot) = self.boxed.get_mut(group as usize) {
                    *slot = key.into();
                }
            }
        }
    }
}

impl Index {
    /// An index by columns of some types.
    ///
    /// # Errors
    /// When a type has no row encoding.
    pub fn new(types: &[DataType]) -> Result<Self, ArrowError> {
        let fields = types.iter().map(|t| SortField::new(t.clone())).collect();
        let converter = if types.is_empty() { None } else { Some(RowConverter::new(fields)?) };
        // A null takes as many bytes as a value of a fixed width does.
        let length = match &converter {
            Some(converter) if types.iter().all(DataType::is_primitive) => {
                let nulls: Vec<ArrayRef> = types.iter().map(|t| new_null_array(t, 1)).collect();
                Some(converter.convert_columns(&nulls)?.row(0).data().len())
            }
            _ => None,
        };
        let keys = Keys { count: 0, length, flat: Vec::new(), boxed: Vec::new() };
        Ok(Index { converter, table: HashTable::new(), keys, free: Vec::new() })
    }

    /// Numbers given so far, free ones too.
    pub fn len(&self) -> usize {
        self.keys.count as usize
    }

    /// The numbers of all groups that are there, in order.
    pub fn live(&self) -> Vec<u32> {
        let mut live: Vec<u32> = self.table.iter().map(|(_, group)| *group).collect();
        live.sort_unstable();
        live
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.table.capacity() * size_of::<(u64, u32)>() + self.keys.flat.len() + self.keys.boxed.iter().map(|k| k.len() + 16).sum::<usize>()
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
        self.table.find(hash, |(h, g)| *h == hash && self.keys.get(*g) == key).map(|(_, g)| *g)
    }

    /// The key of a group.
    pub fn key(&self, group: u32) -> &[u8] {
        self.keys.get(group)
    }

    /// Lets a group go.
    pub fn release(&mut self, group: u32) {
        let hash = hash_bytes(0, self.keys.get(group));
        if let Ok(entry) = self.table.find_entry(hash, |(_, g)| *g == group) {
            entry.remove();
            self.free.push(group);
        }
    }

    /// Key columns of some groups.
    ///
    /// # Errors
    /// When keys cannot be decoded, which is a defect.
    pub fn columns(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let Some(converter) = &self.converter else { return Ok(Vec::new()) };
        let parser = converter.parser();
        let columns = converter.convert_rows(groups.iter().map(|g| parser.parse(self.key(*g))))?;
        Ok(columns.into_iter().map(zero_behind_nulls).collect())
    }
}

fn find_or_add(table: &mut HashTable<(u64, u32)>, keys: &mut Keys, free: &mut Vec<u32>, key: &[u8]) -> u32 {
    let hash = hash_bytes(0, key);
    if let Some((_, group)) = table.find(hash, |(h, g)| *h == hash && keys.get(*g) == key) {
        return *group;
    }
    let group = free.pop().unwrap_or(keys.count);
    keys.set(group, key);
    table.insert_unique(hash, (hash, group), |(h, _)| *h);
    group
}
