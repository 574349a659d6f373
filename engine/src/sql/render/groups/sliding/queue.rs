//! The slices of a window as a queue: those of the next window begin later and end later.
//!
//! The front of the queue is folded from its end backwards, once for many windows; the back as slices come. A window is one
//! fold of the front and the back. So a slice is folded twice, whatever the number of windows that it is in (two stacks;
//! Tangwongsan et al., *Low-latency sliding-window aggregation in worst-case constant time*, 2017).

use std::collections::BTreeMap;

use arrow::error::ArrowError;

use super::cells::Cells;
use super::states::{Fold, Written};
use crate::sql::plan::Hop;

/// The slices of the last window, folded.
pub struct Queue {
    /// Where the front ends and the back begins.
    middle: i64,
    /// Where the back ends, as the last window did.
    end: i64,
    /// For each start of a window before the middle, what stands from there up to the middle.
    front: BTreeMap<i64, (Vec<u32>, Written)>,
    back: Fold,
    /// Where a window is put together.
    window: Fold,
}

impl Queue {
    /// An empty queue, with two empty folds to work with.
    pub fn new(back: Fold, window: Fold) -> Self {
        Queue { middle: i64::MIN, end: i64::MIN, front: BTreeMap::new(), back, window }
    }

    /// Says that rows came to a slice; what is folded of it already is folded anew.
    pub fn changed(&mut self, slice: i64) {
        if slice < self.end {
            self.middle = i64::MIN;
        }
    }

    /// What is left of the window that starts at a time, by group. Windows are asked for in order.
    ///
    /// # Errors
    /// When states cannot be written.
    pub fn window(&mut self, start: i64, hop: &Hop, cells: &Cells) -> Result<&Fold, ArrowError> {
        let end = start.saturating_add(hop.size);
        if start >= self.middle || !self.front.contains_key(&start) {
            self.fill(start, end, hop, cells)?;
        } else {
            cells.fold(self.end, end, &mut self.back)?;
        }
        self.end = end;
        self.window.clear();
        if let Some((groups, front)) = self.front.remove(&start) {
            self.window.take_in(&front, &groups, cells.room())?;
        }
        let back = self.back.states.written(&self.back.groups)?;
        self.window.take_in(&back, &self.back.groups, cells.room())?;
        Ok(&self.window)
    }

    /// Folds all slices of a window into the front: for it, and for all windows that start within it.
    fn fill(&mut self, start: i64, end: i64, hop: &Hop, cells: &Cells) -> Result<(), ArrowError> {
        self.back.clear();
        self.front.clear();
        let starts = (0i64..).map(|k| start.saturating_add(k.saturating_mul(hop.slide))).take_while(|s| *s < end);
        let mut until = end;
        for from in starts.collect::<Vec<_>>().into_iter().rev() {
            cells.fold(from, until, &mut self.back)?;
            let written = self.back.states.written(&self.back.groups)?;
            self.front.insert(from, (self.back.groups.clone(), written));
            until = from;
        }
        self.back.clear();
        self.middle = end;
        Ok(())
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        let folded = |(groups, w): &(Vec<u32>, Written)| {
            groups.len() * 4 + w.columns.iter().chain([&w.weights]).map(|c| c.get_array_memory_size()).sum::<usize>()
        };
        self.front.values().map(folded).sum::<usize>() + self.back.states.bytes() + self.window.states.bytes()
    }
}
