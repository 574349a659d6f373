//! Reading ahead: slots and groups lie anywhere in memory, so many are read at a time, and the waits for them overlap.

use super::{Batch, NO_SLOT, Rows, Slot, mixed};
use crate::sql::store::NOWHERE;

/// Places in memory that are read ahead: few enough that they are still near when they are used.
pub const AHEAD: usize = 512;

/// Lists that are walked one by one: reading ahead costs more.
const FEW: usize = 64;

impl Rows {
    /// Reads the heads of the next groups. They lie anywhere in memory, and nothing waits for one of them here, so that their
    /// waits overlap; the work that follows then finds them near.
    pub(super) fn look_ahead(&self, groups: impl Iterator<Item = u32>) {
        let heads = groups.take(AHEAD).filter_map(|g| self.groups.get(g as usize));
        std::hint::black_box(heads.fold(0, |all, head| all ^ head.first));
    }

    /// For each of some rows the first slot of its group with its hash, and the slot before that in the group's list.
    pub(super) fn candidates(&self, batch: &Batch, groups: &[u32], going: &[u32]) -> Vec<(u32, u32)> {
        let hash = |at: u32| going.get(at as usize).and_then(|row| batch.hashes.get(*row as usize)).copied();
        let mut found = vec![(NOWHERE, NOWHERE); going.len()];
        // The row's place, the slot to look at, and the one before it.
        let mut lists: Vec<(u32, u32, u32)> = Vec::with_capacity(going.len());
        for (at, row) in (0..).zip(going) {
            let Some(&group) = groups.get(*row as usize) else { continue };
            match self.groups.get(group as usize) {
                Some(head) if head.large => {
                    let fits = |slot: &u32| self.slots.get(*slot as usize).is_some_and(|s| s.group == group && Some(s.hash) == hash(at));
                    let known = self.large.find(mixed(hash(at).unwrap_or(0), group), fits);
                    found.get_mut(at as usize).into_iter().for_each(|f| f.0 = known.copied().unwrap_or(NOWHERE));
                }
                Some(head) if head.first != NOWHERE => lists.push((at, head.first, NOWHERE)),
                _ => {}
            }
        }
        while !lists.is_empty() {
            let mut left = 0;
            for from in (0..lists.len()).step_by(AHEAD) {
                let block: [Slot; AHEAD] = self.block(lists.get(from..).unwrap_or_default().iter().map(|l| l.1));
                for (place, s) in (from..lists.len()).zip(&block) {
                    let Some((at, slot, before)) = lists.get(place).copied() else { break };
                    if hash(at) == Some(s.hash) {
                        found.get_mut(at as usize).into_iter().for_each(|f| *f = (slot, before));
                    } else if s.next != NOWHERE
                        && let Some(list) = lists.get_mut(left)
                    {
                        *list = (at, s.next, slot);
                        left += 1;
                    }
                }
            }
            lists.truncate(left);
        }
        found
    }

    /// Goes a step on with each of some lists: calls a function for its row, and leaves those that go on.
    pub fn step<C: Copy>(&self, lists: &mut Vec<(C, u32)>, mut of: impl FnMut(C, u32, i64)) {
        if lists.len() < FEW {
            lists.retain_mut(|(carried, slot)| {
                let Some(s) = self.slots.get(*slot as usize) else { return false };
                if s.weight != 0 {
                    of(*carried, *slot, s.weight);
                }
                *slot = s.next;
                *slot != NOWHERE
            });
            return;
        }
        let mut left = 0;
        for from in (0..lists.len()).step_by(AHEAD) {
            let block: [Slot; AHEAD] = self.block(lists.get(from..).unwrap_or_default().iter().map(|l| l.1));
            for (at, found) in (from..lists.len()).zip(&block) {
                let Some((carried, slot)) = lists.get(at).copied() else { break };
                if found.weight != 0 {
                    of(carried, slot, found.weight);
                }
                if found.next != NOWHERE
                    && let Some(list) = lists.get_mut(left)
                {
                    *list = (carried, found.next);
                    left += 1;
                }
            }
        }
        lists.truncate(left);
    }

    /// Copies of the next slots. They lie anywhere in memory; nothing is decided by one of them here, so that the waits for
    /// them overlap.
    pub(super) fn block(&self, slots: impl Iterator<Item = u32>) -> [Slot; AHEAD] {
        let mut out = [NO_SLOT; AHEAD];
        for (out, slot) in out.iter_mut().zip(slots) {
            *out = self.slots.get(slot as usize).copied().unwrap_or(NO_SLOT);
        }
        out
    }
}
