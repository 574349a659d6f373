//! The end of an epoch of a join by time: what has gone is forgotten, and what a watermark has closed is let go of.

use arrow::error::ArrowError;

use super::side::{Part, Place, Side};
use super::state::Nearby;
use crate::sql::render::join::of;
use crate::sql::watermark::END;

impl Nearby {
    /// Forgets what has gone, and lets go of what a watermark has closed.
    pub(super) fn end(&mut self, epoch: u64, parts: &[Vec<Part>; 2]) -> Result<(), ArrowError> {
        let mut touched: Vec<u32> = parts.iter().flatten().flat_map(|part| part.keys.iter().copied()).collect();
        touched.sort_unstable();
        touched.dedup();
        self.tidy(&touched);
        let now = self.shape.closes.as_ref().and_then(|(closing, _, watermarks)| closing.passed(watermarks, epoch));
        let Some(now) = now else { return Ok(()) };
        let due = self.dues.take(now);
        let due = if now == END { self.index.live() } else { due };
        for key in &due {
            self.let_go(*key, now)?;
        }
        self.tidy(&due);
        Ok(())
    }

    /// Lets go of the rows of a key that nothing can change any more, and that nothing that comes can be nearest to.
    fn let_go(&mut self, key: u32, now: i64) -> Result<(), ArrowError> {
        let last = of(&self.sides, 1).before(key, now);
        self.let_go_of_rows(key, now, last)?;
        // Of those before it at most one is left.
        if let Some(firsts) = self.firsts.get_mut(&key) {
            *firsts = firsts.split_off(&now);
        }
        Ok(())
    }

    fn let_go_of_rows(&mut self, key: u32, now: i64, last: Option<Place>) -> Result<(), ArrowError> {
        if now == END {
            self.sides.iter_mut().for_each(|side| side.let_go(key, END, None));
        } else if self.shape.newest {
            let first = last.map(|(at, slot)| if of(&self.sides, 1).is_tied(key) { self.first(key, at) } else { Ok(slot) }).transpose()?;
            let [left, right] = &mut self.sides;
            left.let_go(key, now, None);
            right.let_go(key, now, first);
        } else if let Some((last, _)) = last {
            let [left, right] = &mut self.sides;
            left.let_go(key, if self.shape.strict { last } else { last.saturating_add(1) }, None);
            right.let_go(key, now, None);
        }
        Ok(())
    }

    /// Sweeps; keys without rows are forgotten, others wait for the next of their rows that can be let go of.
    pub(super) fn tidy(&mut self, keys: &[u32]) {
        self.sides.iter_mut().for_each(Side::sweep);
        for key in keys {
            let [left, right] = &mut self.sides;
            if left.is_empty(*key) && right.is_empty(*key) {
                left.release(*key);
                right.release(*key);
                self.dues.forget(*key);
                self.firsts.remove(key);
                self.index.release(*key);
            } else if self.shape.closes.is_some() {
                let next = match self.shape.newest {
                    true => left.all(*key).next().into_iter().chain(right.all(*key).nth(1)).min(),
                    false => right.all(*key).next(),
                };
                next.into_iter().for_each(|(time, _)| self.dues.ask(*key, time.saturating_add(1)));
            }
        }
    }
}
