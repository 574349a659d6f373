//! A side of a join by time: its rows by key, those of a key in the order of time. Which of them goes with which of the other side is
//! not said here.

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::sql::store::{Batch, NOWHERE, Ordered, Rows};

/// A row in the order of its key: its time and its slot.
pub type Place = (i64, u32);

/// Rows of a side.
pub struct Side {
    pub rows: Rows,
    order: Vec<Ordered<Place>>,
    /// Keys of which several rows have been of one time, where that is asked for.
    tied: Option<Vec<bool>>,
}

/// Rows of an epoch, with their keys and times.
pub struct Part {
    /// Own columns.
    pub rows: RecordBatch,
    pub diffs: Option<Int64Array>,
    pub keys: Vec<u32>,
    pub times: Vec<i64>,
    pub batch: Batch,
    /// Where each is kept, and whether it is the first to be kept there.
    pub slots: Vec<(u32, bool)>,
}

impl Part {
    /// How often a row comes, or goes.
    pub fn diff(&self, row: usize) -> i64 {
        self.diffs.as_ref().map_or(1, |diffs| diffs.value(row))
    }
}

impl Side {
    /// No rows, of columns of some types, that may go or not; keys with rows of one time are noted or not.
    ///
    /// # Errors
    /// When a type has no row encoding.
    pub fn new(types: &[DataType], retracts: bool, notes_ties: bool) -> Result<Self, ArrowError> {
        Ok(Side { rows: Rows::new(types, retracts)?.linked(), order: Vec::new(), tied: notes_ties.then(Vec::new) })
    }

    /// Makes room for so many keys.
    pub fn grow(&mut self, keys: usize) {
        self.rows.grow(keys);
        self.order.resize(keys, Ordered::default());
        self.tied.iter_mut().for_each(|tied| tied.resize(keys, false));
    }

    /// Takes in what comes, then what goes; how many rows were to go and were not there, and the places that were touched of keys with
    /// several rows of one time. Rows that have gone can be read until they are swept.
    pub fn take_in(&mut self, parts: &mut [Part]) -> (usize, Vec<(u32, Place)>) {
        let (mut changed, mut missing) = (Vec::new(), 0);
        let mut change = |keys: &[u32], times: &[i64], row: usize, slot: u32| {
            changed.extend(keys.get(row).zip(times.get(row)).map(|(key, time)| (*key, (*time, slot))));
        };
        for Part { batch, keys, times, slots, diffs, rows } in parts.iter_mut() {
            slots.resize(rows.num_rows(), (NOWHERE, false));
            self.rows.insert(batch, keys, diffs.as_ref().map(|d| d.values().as_ref()), |row, slot, weight, is_new| {
                slots.get_mut(row).into_iter().for_each(|own| *own = (slot, is_new));
                if weight <= 0 {
                    change(keys, times, row, slot);
                }
            });
        }
        for Part { batch, keys, times, slots, diffs, .. } in parts.iter_mut() {
            let Some(diffs) = diffs else { continue };
            missing += self.rows.retract(batch, keys, diffs.values(), |row, slot, weight| {
                slots.get_mut(row).into_iter().for_each(|own| *own = (slot, weight == 0));
                change(keys, times, row, slot);
            });
        }
        changed.iter().for_each(|(key, place)| self.put(*key, *place));
        changed.retain(|(key, _)| self.is_tied(*key));
        (missing, changed)
    }

    /// Puts a row into the order of its key, or takes it out, as it is there or not.
    fn put(&mut self, key: u32, place: Place) {
        let is_there = self.rows.weight_of(place.1) > 0;
        let Some(order) = self.order.get_mut(key as usize) else { return };
        match order.find(|other| other.cmp(&place)) {
            Ok(_) if !is_there => order.remove(place, |other| other.cmp(&place)),
            Err(at) if is_there => {
                order.insert(at, place);
                if let Some(tied @ false) = self.tied.as_mut().and_then(|tied| tied.get_mut(key as usize)) {
                    *tied = order.from(|other| other.0 < place.0).take_while(|other| other.0 == place.0).nth(1).is_some();
                }
            }
            _ => {}
        }
    }

    /// Whether several rows of a key have been of one time.
    pub fn is_tied(&self, key: u32) -> bool {
        self.tied.as_ref().and_then(|tied| tied.get(key as usize)).is_some_and(|tied| *tied)
    }

    /// Rows of a key from a place on.
    pub fn from(&self, key: u32, place: Place) -> impl Iterator<Item = Place> + '_ {
        self.order.get(key as usize).into_iter().flat_map(move |order| order.from(move |other| other < place))
    }

    /// The first row of a key after a time.
    pub fn after(&self, key: u32, time: i64) -> Option<Place> {
        self.order.get(key as usize)?.from(|other| other.0 <= time).next()
    }

    /// The last row of a key before a time.
    pub fn before(&self, key: u32, time: i64) -> Option<Place> {
        self.order.get(key as usize)?.before(|other| other.0 < time)
    }

    /// The last row of a key that is not after a time.
    pub fn until(&self, key: u32, time: i64) -> Option<Place> {
        self.order.get(key as usize)?.before(|other| other.0 <= time)
    }

    /// The rows of a key from the first on.
    pub fn all(&self, key: u32) -> impl Iterator<Item = Place> + '_ {
        self.order.get(key as usize).into_iter().flat_map(Ordered::iter)
    }

    /// Lets go of the rows of a key before a time; all but one, where that is named.
    pub fn let_go(&mut self, key: u32, time: i64, but: Option<u32>) {
        let Some(order) = self.order.get_mut(key as usize) else { return };
        for place in order.take_before(|other| other.0 < time) {
            match but {
                Some(slot) if slot == place.1 => order.insert((0, 0), place),
                _ => self.rows.let_go(place.1),
            }
        }
    }

    /// Gives up the slots of rows that have gone.
    pub fn sweep(&mut self) {
        self.rows.sweep(|_| ());
        self.rows.take_vacant();
    }

    /// Whether nothing is kept of a key.
    pub fn is_empty(&self, key: u32) -> bool {
        self.rows.is_empty(key)
    }

    /// Forgets a key of which nothing is kept.
    pub fn release(&mut self, key: u32) {
        self.order.get_mut(key as usize).into_iter().for_each(|order| *order = Ordered::default());
        self.tied.iter_mut().filter_map(|tied| tied.get_mut(key as usize)).for_each(|tied| *tied = false);
    }

    /// Rows and bytes.
    pub fn size(&self) -> (usize, usize) {
        let (rows, bytes) = self.rows.size();
        // Each row has a place. It is asked for after every epoch, so the lists are not gone through for the room that they have besides.
        (rows, bytes + rows * size_of::<Place>() + self.order.len() * size_of::<Ordered<Place>>())
    }
}
