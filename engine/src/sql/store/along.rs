//! Going along the rows of a group in their order, from any place on in both directions. A place may be the bytes of some order columns
//! alone: rows that have these begin with them.

use super::Places;

impl Places {
    /// Where a row stands, as bytes that compare as rows do.
    pub fn place(&self, slot: u32) -> &[u8] {
        self.bytes.get(slot)
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.weights.len()
    }

    /// How often the row of a slot is there.
    pub fn weight(&self, slot: u32) -> i64 {
        self.weights.get(slot as usize).copied().unwrap_or(0).max(0)
    }

    /// The slots of a group from a place on.
    pub fn along<'a>(&'a self, group: u32, from: &'a [u8]) -> impl Iterator<Item = u32> + use<'a> {
        self.groups.get(group as usize).into_iter().flat_map(move |g| g.slots.from(move |slot| self.bytes.get(slot) < from))
    }

    /// The slots of a group before a place, the last first.
    pub fn back<'a>(&'a self, group: u32, before: &'a [u8]) -> impl Iterator<Item = u32> + use<'a> {
        self.groups.get(group as usize).into_iter().flat_map(move |g| g.slots.back(move |slot| self.bytes.get(slot) < before))
    }

    /// The last slot of a group whose place begins with some bytes, or is before them.
    pub fn until(&self, group: u32, last: &[u8]) -> Option<u32> {
        let is_before = |slot: u32| {
            let place = self.bytes.get(slot);
            place.get(..last.len()).unwrap_or(place) <= last
        };
        self.groups.get(group as usize)?.slots.back(is_before).next()
    }

    /// The last slot of a group.
    pub fn last(&self, group: u32) -> Option<u32> {
        self.groups.get(group as usize)?.slots.last()
    }

    /// Lets go of the rows of a group before a place.
    pub fn let_go(&mut self, group: u32, before: &[u8]) {
        let Places { bytes, groups, dropped, .. } = self;
        if let Some(group) = groups.get_mut(group as usize) {
            dropped.extend(group.slots.take_before(|slot| bytes.get(slot) < before));
        }
        self.sweep();
    }
}
