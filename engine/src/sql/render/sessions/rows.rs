//! Rows with the session that each is in, kept change by change.
//!
//! The rows of a key stand in the order of time. What an epoch changes is told as the difference of the sessions within reach of its
//! rows, before and after. A session that a watermark has closed is let go of with its rows; rows that came too late
//! for every session that is open are late, as are those that would have been in one that is closed.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::columns::{instants, times, times_of, with_rows};
use super::keys::{Closes, InTime, Keys};
use crate::flow::updates::Updates;
use crate::sql::render::close::{Keeper, Routing, SAVED_ROWS, numbered};
use crate::sql::render::groups::{column, numbers};
use crate::sql::snapshot::Size;
use crate::sql::store::{NOWHERE, Rows};
use crate::sql::watermark::Watermarks;

/// Rows in sessions.
pub struct SessionRows {
    keys: Keys,
    width: usize,
    gap: i64,
    rows: Rows,
    /// The rows of each key in the order of time: the time and the slot.
    order: Vec<Vec<(i64, u32)>>,
    /// The columns of rows, then the first and the last time of their session.
    schema: SchemaRef,
    late: Vec<Updates>,
}

/// A key that an epoch touches, and when its rows come or go: spans of time in order, none within two gaps of the next.
struct Touched {
    key: u32,
    spans: Vec<(i64, i64)>,
    goes: bool,
}

/// A row in a session: its slot, the first and the last time, and how often it is there.
type Given = (u32, i64, i64, i64);

impl SessionRows {
    /// No rows. `layout` has the key columns, the time, and what is given on; `schema` the latter, and two times.
    ///
    /// # Errors
    /// When a column has a type that cannot be kept.
    pub fn new(
        (layout, width): (&SchemaRef, usize),
        schema: SchemaRef,
        gap: i64,
        append_only: bool,
        closes: Closes,
    ) -> Result<Self, ArrowError> {
        let kinds = |range: Range<usize>| range.map(|i| layout.field(i).data_type().clone()).collect::<Vec<_>>();
        Ok(SessionRows {
            keys: Keys::new(&kinds(0..width), gap, closes)?,
            width,
            gap,
            rows: Rows::new(&kinds(width + 1..layout.fields().len()), !append_only)?.linked(),
            order: Vec::new(),
            schema,
            late: Vec::new(),
        })
    }

    fn grow(&mut self) {
        let keys = self.keys.len();
        self.rows.grow(keys);
        self.order.resize(keys, Vec::new());
    }

    /// The keys of rows, with the times that they are touched at.
    fn touched(&self, parts: &[InTime]) -> Vec<Touched> {
        let of = |part: &InTime, row: usize| Some((*part.keys.get(row)?, *part.times.get(row)?, part.updates.diff(row) < 0));
        let mut rows: Vec<(u32, i64, bool)> = parts.iter().flat_map(|p| (0..p.keys.len()).filter_map(move |row| of(p, row))).collect();
        rows.sort_unstable();
        let one = |of_key: &[(u32, i64, bool)]| {
            let key = of_key.first()?.0;
            let near = |a: &(u32, i64, bool), b: &(u32, i64, bool)| b.1.saturating_sub(a.1) <= self.gap.saturating_mul(2);
            let spans = of_key.chunk_by(near).filter_map(|span| Some((span.first()?.1, span.last()?.1))).collect();
            Some(Touched { key, spans, goes: of_key.iter().any(|row| row.2) })
        };
        rows.chunk_by(|a, b| a.0 == b.0).filter_map(one).collect()
    }

    /// Takes rows in, and takes others away; the slots of those that were not there.
    fn take_in(&mut self, parts: &[InTime]) -> Result<Vec<u32>, ArrowError> {
        let batches = parts.iter().map(|p| self.rows.batch(p.columns(self.width), p.keys.len())).collect::<Result<Vec<_>, _>>()?;
        let SessionRows { rows, order, .. } = self;
        let mut added: Vec<(u32, i64, u32)> = Vec::new();
        for (part, batch) in parts.iter().zip(&batches) {
            rows.insert(batch, &part.keys, part.diffs(), |row, slot, _, is_new| {
                if let (true, Some(key), Some(time)) = (is_new, part.keys.get(row), part.times.get(row)) {
                    added.push((*key, *time, slot));
                }
            });
        }
        added.sort_unstable();
        for of_key in added.chunk_by(|a, b| a.0 == b.0) {
            let Some(order) = of_key.first().and_then(|(key, ..)| order.get_mut(*key as usize)) else { continue };
            let is_behind = order.last().is_none_or(|(last, _)| of_key.first().is_some_and(|(_, time, _)| last <= time));
            order.extend(of_key.iter().map(|(_, time, slot)| (*time, *slot)));
            if !is_behind {
                order.sort_by_key(|(time, _)| *time);
            }
        }
        let mut missing = Vec::new();
        for (part, batch) in parts.iter().zip(&batches) {
            if let Some(diffs) = part.diffs() {
                rows.retract(batch, &part.keys, diffs, |_, slot, before| missing.extend((before <= 0).then_some(slot)));
            }
        }
        missing.sort_unstable();
        missing.dedup();
        Ok(missing)
    }

    /// The sessions of a key within reach of what touches it, as places in its order.
    fn within_reach(&self, touched: &Touched) -> Vec<Range<usize>> {
        let Some(order) = self.order.get(touched.key as usize) else { return Vec::new() };
        let of_one = |at: usize| match order.get(at.wrapping_sub(1)..at + 1) {
            Some([(before, _), (time, _)]) => time.saturating_sub(*before) < self.gap,
            _ => false,
        };
        let mut out: Vec<Range<usize>> = Vec::new();
        for (from, to) in &touched.spans {
            let known = out.last().map_or(0, |last| last.end);
            let mut start = order.partition_point(|(time, _)| *time <= from.saturating_sub(self.gap)).max(known);
            let mut end = order.partition_point(|(time, _)| *time < to.saturating_add(self.gap));
            if start >= end {
                continue;
            }
            // Sessions are taken whole, so what is known ends where one begins.
            while start > known && of_one(start) {
                start -= 1;
            }
            while of_one(end) {
                end += 1;
            }
            for at in (start + 1..end).filter(|at| !of_one(*at)).chain(std::iter::once(end)) {
                out.push(start..at);
                start = at;
            }
        }
        out
    }

    /// Adds the rows of a session.
    fn give(&self, key: u32, session: Range<usize>, sign: i64, given: &mut Vec<Given>) {
        let Some(rows @ [(first, _), ..]) = self.order.get(key as usize).and_then(|order| order.get(session)) else { return };
        let last = rows.last().map_or(*first, |(last, _)| *last);
        given.extend(rows.iter().map(|(_, slot)| (*slot, *first, last, sign * self.rows.weight_of(*slot))));
    }

    /// The first and the last time of a session.
    fn ends(&self, key: u32, session: Range<usize>) -> Option<(i64, i64)> {
        let rows = self.order.get(key as usize)?.get(session)?;
        Some((rows.first()?.0, rows.last()?.0))
    }

    /// Whether a session was over before the epoch, and none of those that were open is within its reach: rows that come while others
    /// of their session go are not late.
    fn is_late(&self, (first, last): (i64, i64), before: Option<i64>, open: &[(i64, i64)]) -> bool {
        let is_near = |other: &(i64, i64)| first.saturating_sub(other.1) < self.gap && other.0.saturating_sub(last) < self.gap;
        before.is_some_and(|before| last.saturating_add(self.gap) <= before) && !open.iter().any(is_near)
    }

    /// Drops the rows of a key that are not there any more.
    fn keep_present(&mut self, key: u32) {
        let rows = &self.rows;
        self.order.get_mut(key as usize).into_iter().for_each(|order| order.retain(|(_, slot)| rows.weight_of(*slot) > 0));
    }

    /// Tells rows as late, and forgets them.
    fn tell_late(&mut self, slots: &[u32]) -> Result<(), ArrowError> {
        if slots.is_empty() {
            return Ok(());
        }
        let columns = self.rows.take(slots)?;
        let fields = self.schema.fields().iter().take(columns.len()).cloned().collect::<Vec<_>>();
        let rows = with_rows(Arc::new(Schema::new(fields)), columns, slots.len())?;
        let diffs = slots.iter().map(|slot| self.rows.weight_of(*slot)).collect::<Vec<i64>>();
        self.late.push(Updates::changes(rows, diffs.into()));
        slots.iter().for_each(|slot| self.rows.let_go(*slot));
        Ok(())
    }

    /// What is given of each row, summed, as rows.
    fn changes(&self, mut given: Vec<Given>) -> Result<Option<Updates>, ArrowError> {
        given.sort_unstable();
        let mut sums: Vec<Given> = Vec::with_capacity(given.len());
        for (slot, first, last, count) in given {
            match sums.last_mut() {
                Some(sum) if (sum.0, sum.1, sum.2) == (slot, first, last) => sum.3 += count,
                _ => sums.push((slot, first, last, count)),
            }
        }
        sums.retain(|sum| sum.3 != 0);
        if sums.is_empty() {
            return Ok(None);
        }
        let mut columns = self.rows.take(&sums.iter().map(|sum| sum.0).collect::<Vec<_>>())?;
        columns.push(instants(sums.iter().map(|sum| sum.1), &self.schema, columns.len())?);
        columns.push(instants(sums.iter().map(|sum| sum.2), &self.schema, columns.len())?);
        let rows = with_rows(self.schema.clone(), columns, sums.len())?;
        let diffs: Int64Array = sums.iter().map(|sum| Some(sum.3)).collect();
        Ok(Some(Updates { rows, diffs: Some(diffs).filter(|d| d.values().iter().any(|diff| *diff != 1)) }))
    }

    /// Lets go of what a watermark has closed.
    fn let_go(&mut self, now: i64) {
        let (due, mut over) = (self.keys.due(now), Vec::new());
        for key in due {
            let Some(order) = self.order.get_mut(key as usize) else { continue };
            let mut kept = 0;
            while let Some((end, stop)) = first_end(order, kept, self.gap).filter(|(end, _)| *end <= now) {
                self.keys.close(key, end);
                kept = stop;
            }
            order.drain(..kept).for_each(|(_, slot)| self.rows.let_go(slot));
            match first_end(order, 0, self.gap) {
                None if self.keys.is_over(key, now) => over.push(key),
                first => {
                    self.keys.wait(key, first.map(|(end, _)| end));
                }
            }
        }
        self.rows.sweep(|_| ());
        for key in over {
            self.keys.release(key);
            self.order.get_mut(key as usize).into_iter().for_each(|order| *order = Vec::new());
        }
    }

    /// Some rows, with their keys, until when those are closed, their times and how often they are there; a key without rows has
    /// one that is not there.
    fn saved(&self, rows: &[(u32, i64, u32)]) -> Result<RecordBatch, ArrowError> {
        let keys: Vec<u32> = rows.iter().map(|row| row.0).collect();
        let slots: Vec<u32> = rows.iter().map(|row| row.2).collect();
        let mut columns = self.keys.columns(&keys)?;
        columns.push(numbers(keys.iter().map(|key| self.keys.floor(*key))));
        columns.push(times(rows.iter().map(|row| row.1)));
        columns.push(numbers(slots.iter().map(|slot| self.rows.weight_of(*slot))));
        columns.extend(self.rows.take(&slots)?);
        numbered(columns)
    }
}

/// When the session that begins at a place ends, and the place after it.
fn first_end(order: &[(i64, u32)], from: usize, gap: i64) -> Option<(i64, usize)> {
    let rest = order.get(from..).filter(|rest| !rest.is_empty())?;
    let more = rest.windows(2).take_while(|pair| matches!(pair, [(a, _), (b, _)] if b.saturating_sub(*a) < gap)).count();
    Some((rest.get(more)?.0.saturating_add(gap), from + more + 1))
}

impl Keeper for SessionRows {
    fn epoch(&mut self, epoch: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        let before = self.keys.passed_before(epoch);
        let (mut parts, mut closed) = (Vec::with_capacity(batches.len()), Vec::new());
        for updates in batches {
            let (part, late) = self.keys.in_time(updates, before)?;
            parts.push(part);
            closed.extend(late);
        }
        self.grow();
        let touched = self.touched(&parts);
        let (mut given, mut open) = (Vec::new(), Vec::with_capacity(touched.len()));
        for t in &touched {
            let sessions = self.within_reach(t);
            open.push(sessions.iter().filter_map(|session| self.ends(t.key, session.clone())).collect::<Vec<_>>());
            sessions.into_iter().for_each(|session| self.give(t.key, session, -1, &mut given));
        }
        let missing = self.take_in(&parts)?;
        let missing: Vec<u32> = missing.into_iter().filter(|slot| self.rows.weight_of(*slot) < 0).collect();
        let mut late = Vec::new();
        for (t, open) in touched.iter().zip(&open) {
            if t.goes {
                self.keep_present(t.key);
            }
            for session in self.within_reach(t) {
                if self.ends(t.key, session.clone()).is_some_and(|ends| self.is_late(ends, before, open)) {
                    let rows = self.order.get(t.key as usize).and_then(|order| order.get(session)).unwrap_or_default();
                    late.push((t.key, rows.iter().map(|(_, slot)| *slot).collect::<Vec<u32>>()));
                } else {
                    self.give(t.key, session, 1, &mut given);
                }
            }
        }
        let changed = self.changes(given)?;
        self.tell_late(&missing)?;
        let (of_late, late): (Vec<u32>, Vec<Vec<u32>>) = late.into_iter().unzip();
        self.tell_late(&late.concat())?;
        // Sessions of a key stand together.
        of_late.chunk_by(|a, b| a == b).filter_map(|keys| keys.first()).for_each(|key| self.keep_present(*key));
        self.rows.sweep(|_| ());
        self.rows.take_vacant();
        let other: Vec<usize> = (self.width + 1..self.width + 1 + self.schema.fields().len() - 2).collect();
        for part in &closed {
            self.late.push(Updates { rows: part.updates.rows.project(&other)?, diffs: part.updates.diffs.clone() });
        }
        let mut asked: Vec<u32> = touched.iter().map(|t| t.key).chain(closed.into_iter().flat_map(|part| part.keys)).collect();
        asked.sort_unstable();
        asked.dedup();
        for key in asked {
            let first = self.order.get(key as usize).and_then(|order| first_end(order, 0, self.gap));
            if self.keys.wait(key, first.map(|(end, _)| end)) {
                self.keys.release(key);
            }
        }
        if let Some(now) = self.keys.passed(epoch) {
            self.let_go(now);
        }
        Ok(changed)
    }

    fn moved_by(&self) -> Option<(Watermarks, Vec<String>)> {
        self.keys.closes.as_ref().map(|(closing, watermarks)| (watermarks.clone(), closing.tables.clone()))
    }

    fn late(&mut self) -> Result<Option<Updates>, ArrowError> {
        Ok(self.late.pop())
    }

    fn save<E: From<ArrowError>>(&self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        let mut rows: Vec<(u32, i64, u32)> = Vec::with_capacity(SAVED_ROWS);
        for key in self.keys.live() {
            let order = self.order.get(key as usize).map(Vec::as_slice).filter(|order| !order.is_empty()).unwrap_or(&[(0, NOWHERE)]);
            for (time, slot) in order {
                rows.push((key, *time, *slot));
                if rows.len() == SAVED_ROWS {
                    out(self.saved(&rows)?)?;
                    rows.clear();
                }
            }
        }
        if rows.is_empty() { Ok(()) } else { out(self.saved(&rows)?) }
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let keys = self.keys.assign(rows.columns(), rows.num_rows(), None)?;
        self.grow();
        let rest = rows.columns().get(self.width..).unwrap_or_default();
        let (floors, weights) = (column::<Int64Type>(rest, 0)?, column::<Int64Type>(rest, 2)?.clone());
        keys.iter().zip(floors.values()).for_each(|(key, floor)| self.keys.close(*key, *floor));
        // As it came: keys, the time, columns.
        let picked: Vec<usize> = (0..self.width).chain([self.width + 1]).chain(self.width + 3..rows.num_columns()).collect();
        let updates = Updates::changes(rows.project(&picked)?, weights);
        self.take_in(&[InTime { updates, keys: keys.clone(), times: times_of(rest, 1)? }])?;
        for key in keys {
            let first = self.order.get(key as usize).and_then(|order| first_end(order, 0, self.gap));
            self.keys.wait(key, first.map(|(end, _)| end));
        }
        Ok(())
    }

    fn routing(&self) -> Routing {
        Routing::ByKeys(self.width)
    }

    fn given(&self) -> Result<Option<Updates>, ArrowError> {
        let mut given = Vec::new();
        for key in self.keys.live() {
            let all = Touched { key, spans: vec![(i64::MIN, i64::MAX)], goes: false };
            self.within_reach(&all).into_iter().for_each(|session| self.give(key, session, 1, &mut given));
        }
        self.changes(given)
    }

    fn size(&self) -> Size {
        let (rows, bytes) = self.rows.size();
        let order: usize = self.order.iter().map(|order| order.capacity() * size_of::<(i64, u32)>() + size_of::<Vec<(i64, u32)>>()).sum();
        let bytes = bytes + order + self.keys.bytes();
        Size { rows: rows as u64, bytes: bytes as u64 }
    }
}
