//! The keys of sessions: until when the sessions of each are closed, and when there is something to close.
//!
//! Of a key whose sessions are closed the end of the last one stays for a gap longer: a row before it would have been in that
//! session, or in one before it, and is late. A key without sessions whose end a watermark has passed by a gap is let go of;
//! when it comes back, rows more than a gap behind the watermark are late from then on, as a session may have been there.

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::not;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::columns::times_of;
use crate::flow::updates::Updates;
use crate::sql::closing::Closing;
use crate::sql::render::close::DueKeys;
use crate::sql::render::rows::keep_where;
use crate::sql::store::Index;
use crate::sql::watermark::{END, Watermarks};

/// No session of the key was let go of.
const OPEN: i64 = i64::MIN;

/// What closes sessions, and what says when.
pub type Closes = Option<(Closing, Watermarks)>;

/// Keys by number. Times are in microseconds.
pub struct Keys {
    index: Index,
    width: usize,
    gap: i64,
    pub closes: Closes,
    known: Vec<Key>,
    /// When there is something to close, or to let go of.
    dues: DueKeys,
}

#[derive(Clone, Copy)]
struct Key {
    /// Rows before it are late.
    floor: i64,
    is_new: bool,
}

const NEW: Key = Key { floor: OPEN, is_new: true };

/// Rows of a batch that are not before what is closed: keys, the time, and other columns.
pub struct InTime {
    pub updates: Updates,
    pub keys: Vec<u32>,
    pub times: Vec<i64>,
}

impl Keys {
    /// No keys, of so many columns of some types.
    ///
    /// # Errors
    /// When a type has no row encoding.
    pub fn new(types: &[DataType], gap: i64, closes: Closes) -> Result<Self, ArrowError> {
        Ok(Keys { index: Index::new(types)?, width: types.len(), gap, closes, known: Vec::new(), dues: DueKeys::default() })
    }

    /// Numbers given so far.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// All keys that are there.
    pub fn live(&self) -> Vec<u32> {
        self.index.live()
    }

    /// The columns of some keys.
    ///
    /// # Errors
    /// When values are not of their type, which is a defect.
    pub fn columns(&self, keys: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        if self.width == 0 { Ok(Vec::new()) } else { self.index.columns(keys) }
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        self.index.bytes() + self.known.len() * size_of::<Key>() + self.dues.bytes()
    }

    /// The watermark at the end of an epoch.
    pub fn passed(&self, epoch: u64) -> Option<i64> {
        self.closes.as_ref().and_then(|(closing, watermarks)| closing.passed(watermarks, epoch))
    }

    /// The watermark before an epoch.
    pub fn passed_before(&self, epoch: u64) -> Option<i64> {
        self.closes.as_ref().and_then(|(closing, watermarks)| closing.passed_before(watermarks, epoch))
    }

    /// The number of each row's key.
    ///
    /// # Errors
    /// When the columns are not of the types.
    pub fn assign(&mut self, columns: &[ArrayRef], rows: usize, before: Option<i64>) -> Result<Vec<u32>, ArrowError> {
        let keys = self.index.assign(columns.get(..self.width).unwrap_or_default(), rows)?;
        self.known.resize(self.index.len(), NEW);
        self.dues.grow(self.index.len());
        let floor = before.map_or(OPEN, |before| before.saturating_sub(self.gap));
        for key in &keys {
            if let Some(known @ Key { is_new: true, .. }) = self.known.get_mut(*key as usize) {
                *known = Key { floor, is_new: false };
            }
        }
        Ok(keys)
    }

    /// The rows of a batch, keys first and then the time, that are not late by what is closed; and those that are, with their keys.
    ///
    /// # Errors
    /// When the columns are others.
    pub fn in_time(&mut self, updates: &Updates, before: Option<i64>) -> Result<(InTime, Option<InTime>), ArrowError> {
        let rows = &updates.rows;
        let keys = self.assign(rows.columns(), rows.num_rows(), before)?;
        let times = times_of(rows.columns(), self.width)?;
        let all = InTime { updates: updates.clone(), keys, times };
        if before.is_none() || all.keys.iter().zip(&all.times).all(|(key, time)| *time >= self.floor(*key)) {
            return Ok((all, None));
        }
        let keep: BooleanArray = all.keys.iter().zip(&all.times).map(|(key, time)| Some(*time >= self.floor(*key))).collect();
        Ok((all.only(&keep)?, Some(all.only(&not(&keep)?)?)))
    }

    /// The end of the last closed session of a key.
    pub fn floor(&self, key: u32) -> i64 {
        self.known.get(key as usize).map_or(OPEN, |known| known.floor)
    }

    /// Says that a key has nothing before a time any more.
    pub fn close(&mut self, key: u32, end: i64) {
        self.known.get_mut(key as usize).into_iter().for_each(|known| known.floor = known.floor.max(end));
    }

    /// Sees to it that a key is asked for once its first session has ended; one without sessions, once it may be let go of. Whether
    /// that is at once.
    pub fn wait(&mut self, key: u32, first_end: Option<i64>) -> bool {
        let Some(known) = self.known.get(key as usize) else { return false };
        let due = match first_end {
            None if self.closes.is_none() || known.floor == OPEN => return true,
            None => known.floor.saturating_add(self.gap),
            Some(_) if self.closes.is_none() => return false,
            Some(end) => end,
        };
        self.dues.ask(key, due);
        false
    }

    /// Keys of which something has ended, or that may be let go of.
    pub fn due(&mut self, now: i64) -> Vec<u32> {
        let due = self.dues.take(now);
        if now == END { self.live() } else { due }
    }

    /// Whether a key without sessions may be let go of.
    pub fn is_over(&self, key: u32, now: i64) -> bool {
        now == END || self.floor(key).saturating_add(self.gap) <= now
    }

    /// Lets go of a key.
    pub fn release(&mut self, key: u32) {
        self.index.release(key);
        self.dues.forget(key);
        self.known.get_mut(key as usize).into_iter().for_each(|known| *known = NEW);
    }
}

impl InTime {
    /// Some of the rows.
    ///
    /// # Errors
    /// Never for a mask of its length.
    pub fn only(&self, keep: &BooleanArray) -> Result<Self, ArrowError> {
        let updates = keep_where(&self.updates, keep).map_err(|e| ArrowError::ComputeError(e.strip_backtrace()))?;
        let keys = keep.values().set_indices().filter_map(|at| self.keys.get(at).copied()).collect();
        let times = keep.values().set_indices().filter_map(|at| self.times.get(at).copied()).collect();
        Ok(InTime { updates, keys, times })
    }

    /// The columns behind the time, which stands behind so many keys.
    pub fn columns(&self, width: usize) -> &[ArrayRef] {
        self.updates.rows.columns().get(width + 1..).unwrap_or_default()
    }

    /// How often each row comes; none where each comes once.
    pub fn diffs(&self) -> Option<&[i64]> {
        self.updates.diffs.as_ref().map(|diffs| diffs.values().as_ref())
    }
}
