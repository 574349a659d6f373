//! Slots in the order of what stands at them. A short list is one; a long one is cut into parts, so that a change moves the
//! slots of one part only. What the order is, the caller says with each call.

use std::cmp::Ordering;

/// Slots of a part at most: moving them costs about what finding the place in it does.
const PART_SLOTS_MAX: usize = 512;

/// Slots in order.
#[derive(Clone, Debug)]
pub enum Ordered {
    /// One part.
    Few(Vec<u32>),
    /// None of them is empty.
    Many(Vec<Vec<u32>>),
}

impl Default for Ordered {
    fn default() -> Self {
        Ordered::Few(Vec::new())
    }
}

impl Ordered {
    fn parts(&self) -> &[Vec<u32>] {
        match self {
            Ordered::Few(slots) => std::slice::from_ref(slots),
            Ordered::Many(parts) => parts,
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.parts().iter().flatten().copied()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.parts().iter().all(Vec::is_empty)
    }

    /// The last.
    pub fn last(&self) -> Option<u32> {
        self.parts().last().and_then(|p| p.last()).copied()
    }

    /// The slot that is equal, or the part and the place in it where such a one belongs.
    pub fn find(&self, against: impl Fn(u32) -> Ordering) -> Result<u32, (usize, usize)> {
        let parts = self.parts();
        let before = |part: &Vec<u32>| part.last().is_some_and(|slot| against(*slot) == Ordering::Less);
        let part = parts.partition_point(before).min(parts.len().saturating_sub(1));
        let slots = parts.get(part).map_or(&[][..], Vec::as_slice);
        match slots.binary_search_by(|slot| against(*slot)) {
            Ok(at) => slots.get(at).copied().ok_or((part, at)),
            Err(at) => Err((part, at)),
        }
    }

    /// Puts a slot where `find` said.
    pub fn insert(&mut self, (part, at): (usize, usize), slot: u32) {
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
    pub fn remove(&mut self, slot: u32, against: impl Fn(u32) -> Ordering) {
        let before = |part: &Vec<u32>| part.last().is_some_and(|slot| against(*slot) == Ordering::Less);
        let out_of = |slots: &mut Vec<u32>| {
            if let Ok(at) = slots.binary_search_by(|s| against(*s))
                && slots.get(at) == Some(&slot)
            {
                slots.remove(at);
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
    pub fn pop(&mut self) -> Option<u32> {
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
        let outer = if let Ordered::Many(parts) = self { parts.capacity() * size_of::<Vec<u32>>() } else { 0 };
        outer + self.parts().iter().map(|p| p.capacity() * 4).sum::<usize>()
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
        while let Some(last) = ordered.pop() {
            assert_eq!(Some(last), model.pop_last());
        }
        assert!(model.is_empty() && ordered.is_empty());
    }
}
