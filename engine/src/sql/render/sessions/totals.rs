//! Aggregates of sessions over rows that only come: of a session its ends and the states of its aggregates are kept, and no row.
//!
//! A row puts its time into the sessions within reach of it: into none, which makes one; into one; or into two, which become one.
//! So a row costs what it changes, as in a group. Sessions that go are not known here: `rows.rs` keeps those.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray};
use arrow::compute::{cast, concat};
use arrow::datatypes::{Field, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::keys::{Closes, InTime, Keys, times_of};
use crate::flow::updates::Updates;
use crate::sql::plan::Aggregate;
use crate::sql::render::aggregate::Shape;
use crate::sql::render::close::{Keeper, Routing, SAVED_ROWS};
use crate::sql::render::groups::{NumberedStates, Partial, column, numbers};
use crate::sql::snapshot::Size;
use crate::sql::store::NOWHERE;
use crate::sql::watermark::Watermarks;

/// The number of states that stay empty.
const NOTHING: u32 = 0;

/// Sessions with their aggregates.
pub struct SessionTotals {
    keys: Keys,
    width: usize,
    gap: i64,
    /// The sessions of each key in the order of time.
    sessions: Vec<Vec<Session>>,
    count: usize,
    states: NumberedStates,
    room: u32,
    free: Vec<u32>,
    /// Where states that were of a session of its own belong since an epoch joined it to another, for the length of the epoch.
    joined: Vec<u32>,
    round: u32,
    /// Whether a session is given once only, when it is closed.
    once: bool,
    /// Keys, first and last time, aggregates.
    schema: SchemaRef,
    late: Vec<Updates>,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    first: i64,
    last: i64,
    /// The number of its states.
    at: u32,
    /// The epoch, counted from 1, that touched it last, and that in which its first row came.
    touched: u32,
    born: u32,
}

/// A session as it is told: its key, its first and last time, the number of its states.
type Told = (u32, i64, i64, u32);

/// What an epoch does to sessions.
#[derive(Default)]
struct Changed {
    /// Keys that are touched, some of them several times.
    keys: Vec<u32>,
    /// Sessions that were there, as they were.
    before: Vec<Told>,
    /// Numbers that were of sessions of their own.
    joined: Vec<u32>,
}

impl SessionTotals {
    /// No sessions. The shape's prepared columns are keys, the time, arguments; those of its output keys, first and last time,
    /// aggregates.
    ///
    /// # Errors
    /// When a column has a type that cannot be kept, or states do not merge.
    pub fn new(shape: &Shape, aggregates: &[Aggregate], gap: i64, closes: Closes) -> Result<Self, ArrowError> {
        let width = shape.keys - 1;
        let kinds: Vec<_> = shape.prepared.fields().iter().take(width).map(|f| f.data_type().clone()).collect();
        let partial = Partial::new(&shape.prepared, shape.keys, aggregates, shape.append_only);
        let partial = partial.ok_or_else(|| ArrowError::SchemaError("states of sessions merge".into()))?;
        let mut states = NumberedStates::new(shape, width + 2, aggregates, partial.widths())?;
        states.grow(1);
        Ok(SessionTotals {
            keys: Keys::new(&kinds, gap, closes)?,
            width,
            gap,
            sessions: Vec::new(),
            count: 0,
            states,
            room: 1,
            free: Vec::new(),
            joined: Vec::new(),
            round: 0,
            once: shape.once,
            schema: shape.schema.clone(),
            late: Vec::new(),
        })
    }

    /// The number of the states that each row goes into.
    fn place(&mut self, part: &InTime, changed: &mut Changed) -> Vec<u32> {
        self.sessions.resize(self.keys.len(), Vec::new());
        part.keys.iter().zip(&part.times).map(|(key, time)| self.place_one(*key, *time, changed)).collect()
    }

    fn place_one(&mut self, key: u32, time: i64, changed: &mut Changed) -> u32 {
        let (gap, round) = (self.gap, self.round);
        let Some(sessions) = self.sessions.get_mut(key as usize) else { return NOTHING };
        let from = sessions.partition_point(|s| s.last <= time.saturating_sub(gap));
        let count = sessions.get(from..).unwrap_or_default().iter().take_while(|s| s.first < time.saturating_add(gap)).count();
        for session in sessions.iter_mut().skip(from).take(count).filter(|s| s.touched != round) {
            session.touched = round;
            changed.keys.push(key);
            changed.before.push((key, session.first, session.last, session.at));
        }
        match sessions.get_mut(from..from + count) {
            Some([one]) => {
                (one.first, one.last) = (one.first.min(time), one.last.max(time));
                one.at
            }
            Some([one, other]) => {
                (one.last, one.born) = (other.last, one.born.min(other.born));
                let (kept, gone) = (one.at, other.at);
                sessions.remove(from + 1);
                self.count -= 1;
                self.joined.get_mut(gone as usize).into_iter().for_each(|to| *to = kept);
                changed.joined.push(gone);
                kept
            }
            _ => {
                let at = self.free.pop().unwrap_or(self.room);
                self.room = self.room.max(at + 1);
                self.joined.resize(self.room as usize, NOWHERE);
                sessions.insert(from, Session { first: time, last: time, at, touched: round, born: round });
                self.count += 1;
                changed.keys.push(key);
                at
            }
        }
    }

    /// Where the states of a number belong now.
    fn now_at(&self, mut at: u32) -> u32 {
        while let Some(&to) = self.joined.get(at as usize).filter(|to| **to != NOWHERE) {
            at = to;
        }
        at
    }

    /// Takes out sessions that were over before any of their rows came; the numbers of their states.
    fn late(&mut self, keys: &[u32], before: Option<i64>) -> Vec<u32> {
        let Some(before) = before else { return Vec::new() };
        let (gap, round, mut late) = (self.gap, self.round, Vec::new());
        for key in keys {
            if let Some(sessions) = self.sessions.get_mut(*key as usize) {
                let is_late = |s: &mut Session| s.born == round && s.last.saturating_add(gap) <= before;
                late.extend(sessions.extract_if(.., is_late).map(|s| s.at));
            }
        }
        self.count -= late.len();
        late.sort_unstable();
        late
    }

    /// Takes rows into the states of their sessions; those of late sessions are told.
    fn take_in(&mut self, parts: &[InTime], places: Vec<Vec<u32>>, late: &[u32]) -> Result<(), ArrowError> {
        self.states.grow(self.room as usize);
        for (part, places) in parts.iter().zip(places) {
            let places: Vec<u32> = places.into_iter().map(|at| self.now_at(at)).collect();
            let in_time: BooleanArray = places.iter().map(|at| Some(late.binary_search(at).is_err())).collect();
            if !in_time.has_false() {
                self.states.update(part.columns(self.width), &places)?;
                continue;
            }
            self.late.push(part.only(&arrow::compute::not(&in_time)?)?.updates);
            let places: Vec<u32> = in_time.values().set_indices().filter_map(|row| places.get(row).copied()).collect();
            self.states.update(part.only(&in_time)?.columns(self.width), &places)?;
        }
        Ok(())
    }

    /// Puts the states of sessions that were joined to others into theirs, and lets their numbers go.
    fn join(&mut self, gone: &[u32]) -> Result<(), ArrowError> {
        let with_states: Vec<u32> = gone.iter().copied().filter(|at| self.states.weight(*at) != 0).collect();
        let to: Vec<u32> = with_states.iter().map(|at| self.now_at(*at)).collect();
        let written = self.states.written(&with_states)?;
        self.states.merge(&written.weights, &written.columns, &to)?;
        for at in gone {
            self.states.clear(*at);
            self.free.push(*at);
            self.joined.get_mut(*at as usize).into_iter().for_each(|to| *to = NOWHERE);
        }
        Ok(())
    }

    /// Sessions as rows; `values` are their aggregates.
    fn told(&self, sessions: &[Told], values: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
        let mut columns = self.keys.columns(&sessions.iter().map(|s| s.0).collect::<Vec<_>>())?;
        columns.push(times(sessions.iter().map(|s| s.1)));
        columns.push(times(sessions.iter().map(|s| s.2)));
        columns.extend(values);
        let columns = columns.iter().zip(self.schema.fields()).map(|(c, f)| cast(c, f.data_type())).collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &RecordBatchOptions::new().with_row_count(Some(sessions.len())))
    }

    fn values(&self, sessions: &[Told]) -> Result<Vec<ArrayRef>, ArrowError> {
        self.states.values(&sessions.iter().map(|s| s.3).collect::<Vec<_>>())
    }

    /// Sessions before and after an epoch.
    fn changes(&self, before: &[Told], values: &[ArrayRef], after: &[Told]) -> Result<Option<Updates>, ArrowError> {
        if after.is_empty() && before.is_empty() {
            return Ok(None);
        }
        let values = values.iter().zip(&self.values(after)?).map(|(was, is)| concat(&[was, is])).collect::<Result<Vec<_>, _>>()?;
        let rows = self.told(&[before, after].concat(), values)?;
        let diffs = std::iter::repeat_n(-1, before.len()).chain(std::iter::repeat_n(1, after.len())).collect::<Int64Array>();
        Ok(Some(Updates { rows, diffs: Some(diffs).filter(|_| !before.is_empty()) }))
    }

    /// Lets go of what a watermark has closed, and gives it where it was not given before.
    fn let_go(&mut self, now: i64) -> Result<Option<Updates>, ArrowError> {
        let mut closed: Vec<Told> = Vec::new();
        for key in self.keys.due(now) {
            let Some(sessions) = self.sessions.get_mut(key as usize) else { continue };
            let count = sessions.iter().take_while(|s| s.last.saturating_add(self.gap) <= now).count();
            closed.extend(sessions.drain(..count).map(|s| (key, s.first, s.last, s.at)));
            if let Some((_, _, last, _)) = closed.last().filter(|_| count > 0) {
                self.keys.close(key, last.saturating_add(self.gap));
            }
            match sessions.first() {
                None if self.keys.is_over(key, now) => {}
                first => {
                    self.keys.wait(key, first.map(|s| s.last.saturating_add(self.gap)));
                    continue;
                }
            }
            // The columns of a key are needed until its sessions are given.
            closed.push((key, 0, 0, NOTHING));
        }
        let (over, closed): (Vec<Told>, Vec<Told>) = closed.into_iter().partition(|s| s.3 == NOTHING);
        let rows = if self.once && !closed.is_empty() { Some(self.told(&closed, self.values(&closed)?)?) } else { None };
        self.count -= closed.len();
        for (.., at) in closed {
            self.states.clear(at);
            self.free.push(at);
        }
        over.into_iter().for_each(|(key, ..)| self.keys.release(key));
        Ok(rows.map(Updates::insertions))
    }

    fn wait(&mut self, key: u32) {
        let first = self.sessions.get(key as usize).and_then(|sessions| sessions.first());
        if self.keys.wait(key, first.map(|s| s.last.saturating_add(self.gap))) {
            self.keys.release(key);
        }
    }

    /// Some sessions with until when their keys are closed, and their states; a key without sessions has empty ones.
    fn saved(&self, sessions: &[Told]) -> Result<RecordBatch, ArrowError> {
        let keys: Vec<u32> = sessions.iter().map(|s| s.0).collect();
        let mut columns = self.keys.columns(&keys)?;
        columns.push(numbers(keys.iter().map(|key| self.keys.floor(*key))));
        columns.push(times(sessions.iter().map(|s| s.1)));
        columns.push(times(sessions.iter().map(|s| s.2)));
        let written = self.states.written(&sessions.iter().map(|s| s.3).collect::<Vec<_>>())?;
        columns.push(written.weights);
        columns.extend(written.columns);
        let field = |(i, c): (usize, &ArrayRef)| Field::new(i.to_string(), c.data_type().clone(), true);
        let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
        RecordBatch::try_new(Arc::new(schema), columns)
    }

    fn all(&self) -> impl Iterator<Item = Told> + '_ {
        let of = |key: u32| self.sessions.get(key as usize).into_iter().flatten().map(move |s| (key, s.first, s.last, s.at));
        self.keys.live().into_iter().flat_map(of)
    }
}

fn times(of: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(of))
}

impl Keeper for SessionTotals {
    fn epoch(&mut self, epoch: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        self.round = self.round.wrapping_add(1);
        let before = self.keys.passed_before(epoch);
        let (mut parts, mut places, mut changed) = (Vec::new(), Vec::new(), Changed::default());
        for updates in batches {
            let (part, late) = self.keys.in_time(updates, before)?;
            places.push(self.place(&part, &mut changed));
            parts.push(part);
            if let Some(part) = late {
                changed.keys.extend(&part.keys);
                self.late.push(part.updates);
            }
        }
        changed.keys.sort_unstable();
        changed.keys.dedup();
        let late = self.late(&changed.keys, before);
        let values = if self.once { Vec::new() } else { self.values(&changed.before)? };
        self.take_in(&parts, places, &late)?;
        self.join(&changed.joined)?;
        self.free.extend(late);
        let round = self.round;
        let mut after: Vec<Told> = Vec::with_capacity(changed.keys.len());
        for key in &changed.keys {
            let touched = self.sessions.get(*key as usize).into_iter().flatten().filter(|s| s.touched == round);
            after.extend(touched.map(|s| (*key, s.first, s.last, s.at)));
        }
        self.states.settle(&after.iter().map(|s| s.3).collect::<Vec<_>>());
        let given = if self.once { None } else { self.changes(&changed.before, &values, &after)? };
        changed.keys.iter().for_each(|key| self.wait(*key));
        let closed = self.keys.passed(epoch).map(|now| self.let_go(now)).transpose()?.flatten();
        Ok(given.or(closed))
    }

    fn moved_by(&self) -> Option<(Watermarks, Vec<String>)> {
        self.keys.closes.as_ref().map(|(closing, watermarks)| (watermarks.clone(), closing.tables.clone()))
    }

    fn late(&mut self) -> Result<Option<Updates>, ArrowError> {
        Ok(self.late.pop())
    }

    fn save<E: From<ArrowError>>(&self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        let is_empty = |key: &u32| self.sessions.get(*key as usize).is_none_or(Vec::is_empty);
        let empty = self.keys.live().into_iter().filter(is_empty).map(|key| (key, 0, 0, NOTHING));
        let all: Vec<Told> = self.all().chain(empty).collect();
        all.chunks(SAVED_ROWS).try_for_each(|sessions| out(self.saved(sessions)?))
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let keys = self.keys.assign(rows.columns(), rows.num_rows(), None)?;
        self.sessions.resize(self.keys.len(), Vec::new());
        let rest = rows.columns().get(self.width..).unwrap_or_default();
        let (floors, firsts, lasts) = (column::<Int64Type>(rest, 0)?.values(), times_of(rest, 1)?, times_of(rest, 2)?);
        let weights = column::<Int64Type>(rest, 3)?;
        let mut to = Vec::with_capacity(keys.len());
        for (row, key) in keys.iter().enumerate() {
            let ends = (floors.get(row), firsts.get(row), lasts.get(row), self.sessions.get_mut(*key as usize));
            let (Some(floor), Some(first), Some(last), Some(sessions)) = ends else { continue };
            self.keys.close(*key, *floor);
            if weights.value(row) == 0 {
                to.push(NOTHING);
                continue;
            }
            let (place, at) = (sessions.partition_point(|s| s.first < *first), self.room);
            sessions.insert(place, Session { first: *first, last: *last, at, touched: 0, born: 0 });
            (self.room, self.count) = (self.room + 1, self.count + 1);
            to.push(at);
        }
        self.joined.resize(self.room as usize, NOWHERE);
        self.states.grow(self.room as usize);
        let states = rest.get(4..).unwrap_or_default();
        self.states.merge(rest.get(3).ok_or_else(|| ArrowError::SchemaError("sessions have weights".into()))?, states, &to)?;
        keys.into_iter().for_each(|key| self.wait(key));
        Ok(())
    }

    fn routing(&self) -> Routing {
        Routing::ByKeys(self.width)
    }

    fn given(&self) -> Result<Option<Updates>, ArrowError> {
        let all: Vec<Told> = self.all().collect();
        if all.is_empty() { Ok(None) } else { Ok(Some(Updates::insertions(self.told(&all, self.values(&all)?)?))) }
    }

    fn size(&self) -> Size {
        let sessions: usize = self.sessions.iter().map(|s| s.capacity() * size_of::<Session>() + size_of::<Vec<Session>>()).sum();
        let bytes = self.keys.bytes() + sessions + self.states.bytes() + self.joined.len() * 4;
        Size { rows: self.count as u64, bytes: bytes as u64 }
    }
}
