//! Which groups a batch of slices changes: a slice is in many windows, and each window with a row's keys is a group.
//!
//! Groups of windows are looked up by place, not by hash: rows are numbered by the keys beside their slice, and each window has
//! the group of each number. This only remembers what `store::Index` says, so all of it may be forgotten at any time, and is
//! when it would be mostly empty. A row without a time is in no window.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Schema, TimestampMicrosecondType};
use arrow::error::ArrowError;

use super::early::no_times;
use super::folded::{Folder, Run};
use super::slices::{others_of, plain, window_column};
use super::sliding::States;
use crate::sql::plan::{Hop, HopKey};
use crate::sql::render::aggregate::Closes;
use crate::sql::store::{Dated, Index, NOWHERE};
use crate::sql::window::hop;

/// Places remembered, empty ones too, for each group that there is, and beside that.
const PLACES_SHARE: usize = 8;
const PLACES_MIN: usize = 1 << 16;

/// Remembers the groups of windows.
pub struct Spread {
    hop: Hop,
    /// The types of the keys beside the slice.
    kinds: Vec<DataType>,
    numbers: Index,
    folder: Folder,
    windows: BTreeMap<i64, Window>,
    /// Places of all windows.
    places: usize,
}

/// The groups of one window, by number.
struct Window {
    closes: Option<i64>,
    groups: Vec<Option<Dated>>,
}

/// What a batch changes.
pub struct Cells {
    /// A weight and states for each window that something is in.
    pub columns: Vec<ArrayRef>,
    /// The group of each.
    pub groups: Vec<u32>,
    /// Groups that may be new, and the watermarks that close them.
    pub found: Vec<(u32, i64)>,
}

/// Cells by what they take in.
#[derive(Default)]
struct Found {
    /// What a cell takes in.
    items: Vec<u32>,
    /// The row of the batch that has its keys.
    rows: Vec<u32>,
    groups: Vec<u32>,
    unknown: Vec<Unknown>,
    closes: Vec<(u32, i64)>,
}

/// The slices of a batch and the windows that they are in, both in order.
struct Listed {
    /// Rows by slice.
    order: Vec<u32>,
    slices: Vec<Slice>,
    starts: Vec<i64>,
    /// Keys of the window; nulls in the place of those of the row.
    keys: Vec<ArrayRef>,
    closes: Closing,
}

/// The watermark that closes a group.
enum Closing {
    Never,
    OfRow(TimestampMicrosecondArray),
    OfWindow(TimestampMicrosecondArray),
}

impl Closing {
    fn at(&self, row: usize, window: usize) -> Option<i64> {
        match self {
            Closing::Never => None,
            Closing::OfRow(times) => times.is_valid(row).then(|| times.value(row)),
            Closing::OfWindow(times) => times.is_valid(window).then(|| times.value(window)),
        }
    }
}

/// Rows of one slice, by their places in the order of slices, and the windows that it is in.
struct Slice {
    rows: Range<usize>,
    windows: Range<usize>,
}

impl Listed {
    /// Windows that take in the same slices.
    fn runs(&self) -> Vec<Run> {
        let (mut runs, mut from, mut to) = (Vec::<Run>::new(), 0, 0);
        for window in 0..self.starts.len() {
            while self.slices.get(to).is_some_and(|s| s.windows.start <= window) {
                to += 1;
            }
            while self.slices.get(from).is_some_and(|s| s.windows.end <= window) {
                from += 1;
            }
            let rows = |slice: Option<&Slice>| slice.map(|s| s.rows.clone()).unwrap_or_default();
            let rows = rows(self.slices.get(from)).start..rows(to.checked_sub(1).and_then(|last| self.slices.get(last))).end;
            match runs.last_mut().filter(|run| run.rows == rows) {
                Some(run) => run.windows.end = window + 1,
                None => runs.push(Run { windows: window..window + 1, rows }),
            }
        }
        runs
    }
}

/// A place in `Found` of which the group is not remembered, and its window.
struct Unknown {
    cell: usize,
    window: u32,
}

impl Spread {
    /// Remembers nothing yet, of rows of keys, slice, a weight and states.
    ///
    /// # Errors
    /// When a key has a type that cannot be kept.
    pub fn new(hop: Hop, slices: &Schema, states: States) -> Result<Self, ArrowError> {
        let kinds: Vec<DataType> = slices.fields().iter().take(others_of(&hop)).map(|f| f.data_type().clone()).collect();
        Ok(Spread { numbers: Index::new(&kinds)?, folder: Folder::new(states), kinds, hop, windows: BTreeMap::new(), places: 0 })
    }

    /// The windows that are taken in.
    pub fn hop(&self) -> &Hop {
        &self.hop
    }

    /// The groups of each row's windows, but for those that were closed before the epoch, and what they take in.
    ///
    /// # Errors
    /// When the columns are not those of the plan.
    pub fn cells(&mut self, rows: &RecordBatch, closes: &Closes, epoch: u64, index: &mut Index) -> Result<Cells, ArrowError> {
        let columns = rows.columns();
        let listed = self.listed(columns, closes)?;
        let before = closes.as_ref().and_then(|(_, closing, watermarks)| closing.passed_before(watermarks, epoch));
        let numbers = self.numbers.assign(columns.get(..self.kinds.len()).unwrap_or_default(), rows.num_rows())?;
        let runs = listed.runs();
        let states = columns.get(self.kinds.len() + 1..).unwrap_or_default();
        let folded = self.folder.fold(states, &numbers, &listed.order, &runs)?;
        let mut found = Found::default();
        for (at, run) in runs.iter().enumerate() {
            let own = folded.as_ref().and_then(|folded| folded.runs.get(at).cloned());
            let (items, of) = match (&folded, own) {
                (Some(folded), Some(own)) => (own.clone(), folded.of.get(own)),
                _ => (run.rows.clone(), listed.order.get(run.rows.clone())),
            };
            let taken: Vec<(u32, u32)> = items.map(|item| item as u32).zip(of.unwrap_or_default().iter().copied()).collect();
            for window in run.windows.clone() {
                self.cells_of(window, &taken, &listed, (&numbers, before), index, &mut found);
            }
        }
        if !found.unknown.is_empty() {
            self.look_up(columns, &listed, index, &mut found)?;
            self.remember(&listed, &numbers, index, &found)?;
        }
        // What is not folded are the rows themselves.
        let (states, items) = match folded.as_ref() {
            Some(folded) => (folded.columns.as_slice(), found.items),
            None => (states, found.rows),
        };
        let items = UInt32Array::from(items);
        let columns = states.iter().map(|c| take(c, &items, None)).collect::<Result<_, _>>()?;
        Ok(Cells { columns, groups: found.groups, found: found.closes })
    }

    /// The cells of one window, which takes in some items with the keys of some rows.
    fn cells_of(
        &self,
        window: usize,
        taken: &[(u32, u32)],
        listed: &Listed,
        (numbers, before): (&[u32], Option<i64>),
        index: &Index,
        found: &mut Found,
    ) {
        let known = listed.starts.get(window).and_then(|start| self.windows.get(start)).map_or(&[][..], |w| w.groups.as_slice());
        for (item, row) in taken {
            if before.is_some_and(|before| listed.closes.at(*row as usize, window).is_some_and(|closes| closes <= before)) {
                continue;
            }
            let remembered = numbers.get(*row as usize).and_then(|n| *known.get(*n as usize)?);
            let group = remembered.and_then(|dated| index.still(dated));
            if group.is_none() {
                found.unknown.push(Unknown { cell: found.rows.len(), window: window as u32 });
            }
            found.items.push(*item);
            found.rows.push(*row);
            found.groups.push(group.unwrap_or(NOWHERE));
        }
    }

    /// What a batch is made of.
    fn listed(&self, columns: &[ArrayRef], closes: &Closes) -> Result<Listed, ArrowError> {
        let missing = || ArrowError::SchemaError("rows of slices hold the start of each".into());
        let column = columns.get(self.kinds.len()).ok_or_else(missing)?;
        let times = column.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(missing)?;
        let mut order: Vec<u32> = (0..times.len() as u32).filter(|row| times.is_valid(*row as usize)).collect();
        let time = |row: u32| times.value(row as usize);
        order.sort_by_key(|row| time(*row));
        let (mut bounds, mut own, mut slices, mut from) = (Vec::<(i64, i64)>::new(), Vec::new(), Vec::new(), 0);
        for rows in order.chunk_by(|a, b| time(*a) == time(*b)) {
            let within = from..from + rows.len();
            from = within.end;
            own.clear();
            rows.first().into_iter().for_each(|row| hop(time(*row), self.hop.slide, self.hop.size, self.hop.offset, &mut own));
            // Between windows that do not overlap there are slices in none.
            let Some(first) = own.first() else { continue };
            // Windows of a slice follow each other, and those of a later one do not begin earlier.
            let first = bounds.partition_point(|bound| bound < first);
            let last = bounds.last().copied();
            bounds.extend(own.iter().filter(|bound| last.is_none_or(|last| **bound > last)));
            slices.push(Slice { rows: within, windows: first..first + own.len() });
        }
        let (starts, ends): (Vec<i64>, Vec<i64>) = bounds.into_iter().unzip();
        let window = window_column(column.data_type(), starts.clone(), ends)?;
        let key = |key: &HopKey| match key {
            HopKey::Column(_) => Ok(new_null_array(&DataType::Null, starts.len())),
            HopKey::Window(expr) => expr.evaluate(&window).and_then(|v| v.into_array(starts.len())).map_err(plain),
        };
        let keys = self.hop.keys.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let closes = match closes {
            None => Closing::Never,
            Some((key, closing, _)) => match self.hop.keys.get(*key) {
                Some(HopKey::Column(at)) => Closing::OfRow(columns.get(*at).and_then(|c| closing.times(c)).ok_or_else(no_times)?),
                _ => Closing::OfWindow(keys.get(*key).and_then(|c| closing.times(c)).ok_or_else(no_times)?),
            },
        };
        Ok(Listed { order, slices, starts, keys, closes })
    }

    /// Finds groups by their keys; new ones are made.
    fn look_up(&self, columns: &[ArrayRef], listed: &Listed, index: &mut Index, out: &mut Found) -> Result<(), ArrowError> {
        let rows: UInt32Array = out.unknown.iter().filter_map(|u| out.rows.get(u.cell).copied()).collect();
        let windows = UInt32Array::from_iter_values(out.unknown.iter().map(|u| u.window));
        let mut keys = Vec::with_capacity(self.hop.keys.len());
        for (key, of_window) in self.hop.keys.iter().zip(&listed.keys) {
            keys.push(match key {
                HopKey::Column(at) => {
                    take(columns.get(*at).ok_or_else(|| ArrowError::SchemaError("a key is not there".into()))?, &rows, None)?
                }
                HopKey::Window(_) => take(of_window, &windows, None)?,
            });
        }
        let groups = index.assign(&keys, rows.len())?;
        for ((cell, row), group) in out.unknown.iter().zip(rows.values()).zip(groups) {
            out.groups.get_mut(cell.cell).into_iter().for_each(|g| *g = group);
            out.closes.extend(listed.closes.at(*row as usize, cell.window as usize).map(|closes| (group, closes)));
        }
        Ok(())
    }

    /// Remembers groups that were looked up; forgets all where most places would be empty.
    fn remember(&mut self, listed: &Listed, numbers: &[u32], index: &Index, out: &Found) -> Result<(), ArrowError> {
        let most = PLACES_SHARE * index.count() + PLACES_MIN;
        if self.numbers.len() > most {
            return self.forget();
        }
        for Unknown { cell, window } in &out.unknown {
            let (Some(row), Some(group)) = (out.rows.get(*cell), out.groups.get(*cell)) else { continue };
            let (Some(number), Some(start)) = (numbers.get(*row as usize), listed.starts.get(*window as usize)) else { continue };
            let closes = match &listed.closes {
                Closing::OfWindow(_) => listed.closes.at(0, *window as usize),
                _ => None,
            };
            let own = self.windows.entry(*start).or_insert_with(|| Window { closes, groups: Vec::new() });
            let more = (*number as usize + 1).saturating_sub(own.groups.len());
            if self.places + more > most {
                return self.forget();
            }
            self.places += more;
            own.groups.resize(own.groups.len() + more, None);
            own.groups.get_mut(*number as usize).into_iter().for_each(|g| *g = Some(index.dated(*group)));
        }
        Ok(())
    }

    fn forget(&mut self) -> Result<(), ArrowError> {
        (self.windows, self.places, self.numbers) = (BTreeMap::new(), 0, Index::new(&self.kinds)?);
        Ok(())
    }

    /// Forgets windows that a watermark has closed.
    pub fn let_go(&mut self, now: i64) {
        while let Some(first) = self.windows.first_entry().filter(|w| w.get().closes.is_some_and(|closes| closes <= now)) {
            self.places -= first.remove().groups.len();
        }
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.numbers.bytes() + self.folder.bytes() + self.places * size_of::<Option<Dated>>()
    }
}
