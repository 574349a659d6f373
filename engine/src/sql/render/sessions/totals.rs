//! Aggregates of sessions over rows that only come: of a session its ends and the states of its aggregates are kept, and no row.
//!
//! A row puts its time into the sessions within reach of it: into none, which makes one; into one; or into two, which become one.
//! So a row costs a search among the open sessions of its key. Sessions that go are not known here: `rows.rs` keeps those.

use std::cmp::Ordering;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::error::ArrowError;

use super::columns::{instants, times, times_of, with_rows};
use super::keys::{Closes, InTime, Keys};
use crate::flow::updates::Updates;
use crate::sql::plan::Aggregate;
use crate::sql::render::aggregate::Shape;
use crate::sql::render::close::{Keeper, Routing, SAVED_ROWS, numbered};
use crate::sql::render::groups::{NumberedStates, Partial, column, numbers};
use crate::sql::snapshot::Size;
use crate::sql::store::{NOWHERE, Ordered};
use crate::sql::watermark::Watermarks;

/// The number of states that stay empty.
const NOTHING: u32 = 0;

/// Sessions with their aggregates.
pub struct SessionTotals {
    keys: Keys,
    width: usize,
    gap: i64,
    /// The numbers of the sessions of each key, in the order of time.
    of_key: Vec<Ordered>,
    /// Sessions by number.
    sessions: Vec<Session>,
    count: usize,
    states: NumberedStates,
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

#[derive(Clone, Copy, Debug, Default)]
struct Session {
    first: i64,
    last: i64,
    key: u32,
    /// The epoch, counted from 1, that touched it last.
    touched: u32,
}

/// A session as it is told: its key, its first and last time, the number of its states.
type Told = (u32, i64, i64, u32);

/// What an epoch does to sessions.
#[derive(Default)]
struct Changed {
    /// Keys that are touched, some of them several times.
    keys: Vec<u32>,
    /// Numbers of sessions that are touched, also of such as were joined to others.
    touched: Vec<u32>,
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
            of_key: Vec::new(),
            sessions: vec![Session::default()],
            count: 0,
            states,
            free: Vec::new(),
            joined: vec![NOWHERE],
            round: 0,
            once: shape.once,
            schema: shape.schema.clone(),
            late: Vec::new(),
        })
    }

    /// The number of the states that each row goes into.
    fn place(&mut self, part: &InTime, changed: &mut Changed) -> Vec<u32> {
        self.of_key.resize(self.keys.len(), Ordered::default());
        part.keys.iter().zip(&part.times).map(|(key, time)| self.place_one(*key, *time, changed)).collect()
    }

    fn place_one(&mut self, key: u32, time: i64, changed: &mut Changed) -> u32 {
        let SessionTotals { of_key, sessions, joined, gap, round, .. } = self;
        let Some(ordered) = of_key.get_mut(key as usize) else { return NOTHING };
        let ends = |at: u32| sessions.get(at as usize).map_or((0, 0), |s| (s.first, s.last));
        let (from, to) = (time.saturating_sub(*gap), time.saturating_add(*gap));
        // Of what begins until then one session is within reach at most, and one of what begins later.
        let until = ordered.find(|at| match ends(at) {
            (_, last) if last <= from => Ordering::Less,
            (first, _) if first > time => Ordering::Greater,
            _ => Ordering::Equal,
        });
        let later = ordered.find(|at| match ends(at).0 {
            first if first <= time => Ordering::Less,
            first if first >= to => Ordering::Greater,
            _ => Ordering::Equal,
        });
        for at in [until, later].into_iter().flatten() {
            if let Some(session) = sessions.get_mut(at as usize).filter(|s| s.touched != *round) {
                session.touched = *round;
                changed.keys.push(key);
                changed.touched.push(at);
                changed.before.push((key, session.first, session.last, at));
            }
        }
        match (until, later) {
            (Ok(at), Err(_)) => {
                sessions.get_mut(at as usize).into_iter().for_each(|s| s.last = s.last.max(time));
                at
            }
            (Err(_), Ok(at)) => {
                sessions.get_mut(at as usize).into_iter().for_each(|s| s.first = time);
                at
            }
            (Ok(at), Ok(gone)) => {
                let other = sessions.get(gone as usize).copied().unwrap_or_default();
                ordered.remove(gone, |n| sessions.get(n as usize).map_or(0, |s| s.first).cmp(&other.first));
                sessions.get_mut(at as usize).into_iter().for_each(|s| s.last = other.last);
                joined.get_mut(gone as usize).into_iter().for_each(|to| *to = at);
                changed.joined.push(gone);
                self.count -= 1;
                at
            }
            (Err(place), Err(_)) => {
                let at = self.free.pop().unwrap_or(sessions.len() as u32);
                let new = at as usize == sessions.len();
                if new {
                    sessions.push(Session::default());
                    joined.push(NOWHERE);
                }
                let session = Session { first: time, last: time, key, touched: *round };
                sessions.get_mut(at as usize).into_iter().for_each(|s| *s = session);
                ordered.insert(place, at);
                changed.keys.push(key);
                changed.touched.push(at);
                self.count += 1;
                at
            }
        }
    }

    /// The number of a key's first session, and when that ends.
    fn first(&self, key: u32) -> Option<(u32, i64)> {
        let at = self.of_key.get(key as usize)?.iter().next()?;
        self.sessions.get(at as usize).map(|s| (at, s.last.saturating_add(self.gap)))
    }

    /// Takes a session out of those of its key.
    fn remove(&mut self, at: u32) {
        let Some(session) = self.sessions.get(at as usize) else { return };
        let sessions = &self.sessions;
        if let Some(ordered) = self.of_key.get_mut(session.key as usize) {
            ordered.remove(at, |n| sessions.get(n as usize).map_or(0, |s| s.first).cmp(&session.first));
        }
        self.count -= 1;
    }

    /// Where the states of a number belong now.
    fn now_at(&self, mut at: u32) -> u32 {
        while let Some(&to) = self.joined.get(at as usize).filter(|to| **to != NOWHERE) {
            at = to;
        }
        at
    }

    /// Takes out sessions that were over before any of their rows came; the numbers of their states, in order.
    fn late(&mut self, touched: &mut Vec<u32>, before: Option<i64>) -> Vec<u32> {
        // What was joined to others is no session any more.
        touched.retain(|at| self.joined.get(*at as usize) == Some(&NOWHERE));
        let Some(before) = before else { return Vec::new() };
        // One that was there would have been closed, and rows only make it longer.
        let is_late = |s: &Session| s.last.saturating_add(self.gap) <= before;
        let mut late: Vec<u32> = touched.extract_if(.., |at| self.sessions.get(*at as usize).is_some_and(is_late)).collect();
        late.iter().for_each(|at| self.remove(*at));
        late.sort_unstable();
        late
    }

    /// Takes rows into the states of their sessions; those of late sessions are told.
    fn take_in(&mut self, parts: &[InTime], places: Vec<Vec<u32>>, late: &[u32]) -> Result<(), ArrowError> {
        self.states.grow(self.sessions.len());
        for (part, places) in parts.iter().zip(places) {
            let places: Vec<u32> = places.into_iter().map(|at| self.now_at(at)).collect();
            if late.is_empty() {
                self.states.update(part.columns(self.width), &places)?;
                continue;
            }
            let in_time: BooleanArray = places.iter().map(|at| Some(late.binary_search(at).is_err())).collect();
            if in_time.has_false() {
                self.late.push(part.only(&arrow::compute::not(&in_time)?)?.updates);
            }
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
        columns.push(instants(sessions.iter().map(|s| s.1), &self.schema, self.width)?);
        columns.push(instants(sessions.iter().map(|s| s.2), &self.schema, self.width + 1)?);
        columns.extend(values);
        with_rows(self.schema.clone(), columns, sessions.len())
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
        let (mut closed, mut over): (Vec<Told>, Vec<u32>) = (Vec::new(), Vec::new());
        for key in self.keys.due(now) {
            while let Some((at, end)) = self.first(key).filter(|(_, end)| *end <= now) {
                closed.extend(self.told_as(at));
                self.remove(at);
                self.keys.close(key, end);
            }
            match self.first(key) {
                None if self.keys.is_over(key, now) => over.push(key),
                first => {
                    self.keys.wait(key, first.map(|(_, end)| end));
                }
            }
        }
        // In the order in which they end.
        closed.sort_unstable_by_key(|s| (s.2, s.0));
        let rows = if self.once && !closed.is_empty() { Some(self.told(&closed, self.values(&closed)?)?) } else { None };
        for (.., at) in closed {
            self.states.clear(at);
            self.free.push(at);
        }
        // The columns of a key were needed until its sessions were given.
        for key in over {
            self.keys.release(key);
            self.of_key.get_mut(key as usize).into_iter().for_each(|ordered| *ordered = Ordered::default());
        }
        Ok(rows.map(Updates::insertions))
    }

    fn wait(&mut self, key: u32) {
        if self.keys.wait(key, self.first(key).map(|(_, end)| end)) {
            self.keys.release(key);
        }
    }

    fn told_as(&self, at: u32) -> Option<Told> {
        self.sessions.get(at as usize).map(|s| (s.key, s.first, s.last, at))
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
        numbered(columns)
    }

    fn all(&self) -> impl Iterator<Item = Told> + '_ {
        let of = |key: u32| self.of_key.get(key as usize).into_iter().flat_map(Ordered::iter);
        self.keys.live().into_iter().flat_map(of).filter_map(|at| self.told_as(at))
    }
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
        let late = self.late(&mut changed.touched, before);
        let values = if self.once { Vec::new() } else { self.values(&changed.before)? };
        self.take_in(&parts, places, &late)?;
        self.join(&changed.joined)?;
        self.free.extend(late);
        let after: Vec<Told> = changed.touched.iter().filter_map(|at| self.told_as(*at)).collect();
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
        let is_empty = |key: &u32| self.of_key.get(*key as usize).is_none_or(Ordered::is_empty);
        let empty = self.keys.live().into_iter().filter(is_empty).map(|key| (key, 0, 0, NOTHING));
        let all: Vec<Told> = self.all().chain(empty).collect();
        all.chunks(SAVED_ROWS).try_for_each(|sessions| out(self.saved(sessions)?))
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let keys = self.keys.assign(rows.columns(), rows.num_rows(), None)?;
        self.of_key.resize(self.keys.len(), Ordered::default());
        let rest = rows.columns().get(self.width..).unwrap_or_default();
        let (floors, firsts, lasts) = (column::<Int64Type>(rest, 0)?.values(), times_of(rest, 1)?, times_of(rest, 2)?);
        let weights = column::<Int64Type>(rest, 3)?;
        let mut to = Vec::with_capacity(keys.len());
        for (row, key) in keys.iter().enumerate() {
            let (Some(floor), Some(first), Some(last)) = (floors.get(row), firsts.get(row), lasts.get(row)) else { continue };
            self.keys.close(*key, *floor);
            if weights.value(row) == 0 {
                to.push(NOTHING);
                continue;
            }
            let (at, sessions) = (self.sessions.len() as u32, &self.sessions);
            if let Some(ordered) = self.of_key.get_mut(*key as usize)
                && let Err(place) = ordered.find(|n| sessions.get(n as usize).map_or(0, |s| s.first).cmp(first))
            {
                ordered.insert(place, at);
                self.sessions.push(Session { first: *first, last: *last, key: *key, touched: 0 });
                self.count += 1;
            }
            to.push(at);
        }
        self.joined.resize(self.sessions.len(), NOWHERE);
        self.states.grow(self.sessions.len());
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
        let lists: usize = self.of_key.iter().map(|of| of.bytes() + size_of::<Ordered>()).sum();
        let sessions = self.sessions.len() * size_of::<Session>() + self.joined.len() * 4;
        let bytes = self.keys.bytes() + lists + sessions + self.states.bytes();
        Size { rows: self.count as u64, bytes: bytes as u64 }
    }
}
