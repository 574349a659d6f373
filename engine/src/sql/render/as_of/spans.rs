//! Which rows of the left what comes to the right, or goes there, concerns: those between it and the next row of the right.

use arrow::error::ArrowError;

use super::pairs::Pairs;
use super::side::{Part, Place};
use super::state::Nearby;
use crate::sql::render::join::of;

/// Rows of the left whose other may have changed: those of a key from a place on, before a time.
pub struct Span {
    key: u32,
    from: Place,
    until: Option<i64>,
}

impl Nearby {
    /// The rows of the left that may be nearest to what has come to the right, or has gone.
    pub(super) fn spans(&self, parts: &[Part]) -> Vec<Span> {
        let all = parts.iter().flat_map(|part| part.keys.iter().copied().zip(part.times.iter().copied()));
        let mut touched: Vec<(u32, i64)> = all.filter(|(key, _)| !of(&self.sides, 0).is_empty(*key)).collect();
        touched.sort_unstable();
        touched.dedup();
        let mut spans: Vec<Span> = Vec::new();
        for (key, time) in touched {
            let Some((mut from, until)) = self.reach(key, time) else { continue };
            if let Some(last) = spans.last().filter(|last| last.key == key) {
                let Some(done) = last.until else { continue };
                from = from.max(done);
            }
            if until.is_none_or(|until| from < until) {
                spans.push(Span { key, from: (from, 0), until });
            }
        }
        spans
    }

    /// Times of the left, from one on and before another, that no row of the right is nearer to than to one of a time.
    fn reach(&self, key: u32, time: i64) -> Option<(i64, Option<i64>)> {
        let [_, right] = &self.sides;
        let strict = i64::from(self.shape.strict);
        if self.shape.newest {
            return Some((time.checked_add(strict)?, right.after(key, time).and_then(|next| next.0.checked_add(strict))));
        }
        let from = right.before(key, time).map_or(i64::MIN, |last| last.0 + 1 - strict);
        Some((from, time.checked_add(1 - strict)))
    }

    /// Gives rows of the left of a span the row that now goes with them; whether it is through.
    pub(super) fn go_through(&mut self, span: &mut Span, pairs: &mut Pairs, enough: usize) -> Result<bool, ArrowError> {
        let is_within = |place: &Place| span.until.is_none_or(|until| place.0 < until);
        let [left, _] = &self.sides;
        let Some((time, _)) = left.from(span.key, span.from).next().filter(is_within) else { return Ok(true) };
        // No row of the right is between those of a span.
        let now = self.other(span.key, time)?;
        let Nearby { sides: [left, _], others, .. } = self;
        for (count, (time, slot)) in left.from(span.key, span.from).take_while(is_within).enumerate() {
            if count >= enough {
                span.from = (time, slot);
                return Ok(false);
            }
            if let Some(other) = others.get_mut(slot as usize).filter(|other| **other != now) {
                let before = std::mem::replace(other, now);
                let weight = left.rows.weight_of(slot);
                pairs.add(slot, before, -weight);
                pairs.add(slot, now, weight);
            }
        }
        Ok(true)
    }
}
