//! Slots in the order of what stands at them, or slots with what they are ordered by. A short list is one; a long one is cut into
//! parts, so that a change moves the slots of one part only. What the order is, the caller says with each call.

use std::cmp::Ordering;

/// Slots of a part at most: moving them costs about what finding the place in it does.
const PART_SLOTS_MAX: usize = 512;

/// Room of a list that is not given back.
const ROOM_MIN: usize = 8;

/// Slots in order.
#[derive(Clone, Debug)]
pub enum Ordered<T = u32> {
    /// One part.
    Few(Vec<T>),
    /// None of them is empty.
    Many(Vec<Vec<T>>),
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Ordered::Few(Vec::new())
    }
}

impl<T: Copy + PartialEq> Ordered<T> {
    fn parts(&self) -> &[Vec<T>] {
        match self {
            Ordered::Few(slots) => std::slice::from_ref(slots),
            Ordered::Many(parts) => parts,
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.parts().iter().flatten().copied()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.parts().iter().all(Vec::is_empty)
    }

    /// The last.
    pub fn last(&self) -> Option<T> {
        self.parts().last().and_then(|p| p.last()).copied()
    }

    /// The last of those at the front for which something holds.
    pub fn before(&self, is_before: impl Fn(T) -> bool) -> Option<T> {
        self.back(is_before).next()
    }

    /// Those at the front for which something holds, from the last to the first.
    pub fn back(&self, is_before: impl Fn(T) -> bool) -> impl Iterator<Item = T> + '_ {
        let holds = |slot: &T| is_before(*slot);
        let parts = self.parts();
        let whole = parts.partition_point(|p| p.first().is_some_and(holds)).saturating_sub(1);
        let last = parts.get(whole).and_then(|p| p.get(..p.partition_point(holds))).unwrap_or_default();
        let others = parts.get(..whole).unwrap_or_default().iter().rev().flat_map(|p| p.iter().rev());
        last.iter().rev().chain(others).copied()
    }

    /// Those behind the ones at the front for which something holds.
    pub fn from(&self, is_before: impl Fn(T) -> bool) -> impl Iterator<Item = T> + '_ {
        let holds = |slot: &T| is_before(*slot);
        let parts = self.parts();
        let part = parts.partition_point(|p| p.last().is_some_and(holds));
        let at = parts.get(part).map_or(0, |p| p.partition_point(holds));
        parts.get(part..).unwrap_or_default().iter().flatten().skip(at).copied()
    }

    /// Takes those at the front away for which something holds.
    pub fn take_before(&mut self, is_before: impl Fn(T) -> bool) -> Vec<T> {
        let holds = |slot: &T| is_before(*slot);
        let out_of = |slots: &mut Vec<T>| {
            let taken = slots.drain(..slots.partition_point(holds)).collect::<Vec<T>>();
            shrink(slots);
            taken
        };
        match self {
            Ordered::Few(slots) => out_of(slots),
            Ordered::Many(parts) => {
                let whole = parts.partition_point(|p| p.last().is_some_and(holds));
                let mut taken = parts.drain(..whole).flatten().collect::<Vec<T>>();
                taken.extend(parts.first_mut().map(out_of).unwrap_or_default());
                if parts.is_empty() {
                    *self = Ordered::default();
                }
                taken
            }
        }
    }

    /// The slot that is equal, or the part and the place in it where such a one belongs.
    pub fn find(&self, against: impl Fn(T) -> Ordering) -> Result<T, (usize, usize)> {
        let parts = self.parts();
        let before = |part: &Vec<T>| part.last().is_some_and(|slot| against(*slot) == Ordering::Less);
        let part = parts.partition_point(before).min(parts.len().saturating_sub(1));
        let slots = parts.get(part).map_or(&[][..], Vec::as_slice);
        match slots.binary_search_by(|slot| against(*slot)) {
            Ok(at) => slots.get(at).copied().ok_or((part, at)),
            Err(at) => Err((part, at)),
        }
    }

    /// Puts a slot where `find` said.
    pub fn insert(&mut self, (part, at): (usize, usize), slot: T) {
        if let Ordered::Few(slots) = self
            && slots.len() >= PART_SLOTS_MAX
        {
            *self = Ordered::Many(vec![std::mem::take(slots)]);
        }
        match self {
            Ordered::Few(slots) => slots.insert(at, slot),
            Ordered::Many(parts) => {
                let Some(slots) = parts.get_mut(part) else { return };
                slots.insert(at, slot);
                if slots.len() > PART_SLOTS_MAX {
                    let rest = slots.split_off(PART_SLOTS_MAX / 2);
                    parts.insert(part + 1, rest);
                }
            }
        }
    }

    /// Takes a slot away; `against` is the order of what stands at it.
    pub fn remove(&mut self, slot: T, against: impl Fn(T) -> Ordering) {
        let before = |part: &Vec<T>| part.last().is_some_and(|slot| against(*slot) == Ordering::Less);
        let out_of = |slots: &mut Vec<T>| {
            if let Ok(at) = slots.binary_search_by(|s| against(*s))
                && slots.get(at) == Some(&slot)
            {
                slots.remove(at);
                shrink(slots);
            }
        };
        match self {
            Ordered::Few(slots) => out_of(slots),
            Ordered::Many(parts) => {
                let part = parts.partition_point(before);
                if let Some(slots) = parts.get_mut(part) {
                    out_of(slots);
                    if slots.is_empty() {
                        parts.remove(part);
                    }
                }
                if parts.is_empty() {
                    *self = Ordered::default();
                }
            }
        }
    }

    /// Takes the last away.
    pub fn pop(&mut self) -> Option<T> {
        match self {
            Ordered::Few(slots) => slots.pop(),
            Ordered::Many(parts) => {
                let last = parts.last_mut()?.pop();
                if parts.last().is_some_and(Vec::is_empty) {
                    parts.pop();
                }
                if parts.is_empty() {
                    *self = Ordered::default();
                }
                last
            }
        }
    }

    /// Bytes that it holds beside itself.
    pub fn bytes(&self) -> usize {
        let outer = if let Ordered::Many(parts) = self { parts.capacity() * size_of::<Vec<T>>() } else { 0 };
        outer + self.parts().iter().map(|p| p.capacity() * size_of::<T>()).sum::<usize>()
    }
}

/// Gives room back that is not used any more: there are many lists, and most have been longer.
fn shrink<T>(slots: &mut Vec<T>) {
    if slots.capacity() > ROOM_MIN && slots.len() < slots.capacity() / 4 {
        slots.shrink_to(slots.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_stay_in_order_over_many_parts() {
        // The slot is what it stands for.
        let (mut ordered, mut model) = (Ordered::default(), std::collections::BTreeSet::new());
        let mut next = 7u32;
        for step in 0..20_000u32 {
            next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = (next >> 8) % 6_000;
            if step % 5 == 4 || step > 15_000 {
                ordered.remove(value, |slot| slot.cmp(&value));
                model.remove(&value);
            } else if let Err(at) = ordered.find(|slot| slot.cmp(&value)) {
                ordered.insert(at, value);
                assert!(model.insert(value));
            }
        }
        assert!(ordered.iter().eq(model.iter().copied()));
        for value in (0..6_100).step_by(7) {
            assert_eq!(ordered.before(|slot| slot < value), model.range(..value).next_back().copied());
            assert!(ordered.back(|slot| slot < value).take(600).eq(model.range(..value).rev().take(600).copied()));
            assert!(ordered.from(|slot| slot < value).take(600).eq(model.range(value..).take(600).copied()));
        }
        for value in (0..2_000).step_by(171) {
            let rest = model.split_off(&value);
            assert!(ordered.take_before(|slot| slot < value).into_iter().eq(std::mem::replace(&mut model, rest)));
        }
        while let Some(last) = ordered.pop() {
            assert_eq!(Some(last), model.pop_last());
        }
        assert!(model.is_empty() && ordered.is_empty());
    }
}
