//! A join whose state need not fit into memory: once memory is over its limit both sides are divided by the hash of their keys,
//! and the divisions that have not been used longest go to disk. An epoch goes through the divisions that it touches, one after
//! the other, as a hash join does whose tables do not fit (Kitsuregawa et al., 1983).
//!
//! As long as memory lasts there is one division and nothing is done here. A join without keys is one group and stays whole.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::sides::{Shape, Sides};
use super::state::{Given, of, of_mut};
use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;
use crate::sql::arrange::{Accounted, Spilled, Spilling, is_over_limit};
use crate::sql::render::divisions::{BYTES_MIN, DIVISIONS, divided};
use crate::sql::render::groups::in_time;

/// The state of a join, in divisions.
pub struct Divided<S: Sides> {
    shape: S::Shape,
    divisions: Vec<Division<S>>,
    memory: Accounted,
    /// The last epoch.
    epoch: u64,
}

struct Division<S> {
    place: Place<S>,
    /// The epoch in which it was last used.
    used: u64,
}

enum Place<S> {
    Memory(Box<S>),
    /// The rows of each side, and how many they are.
    Disk([(Option<Spilled>, u64); 2]),
}

/// A division's number, and rows of both sides for it.
type Part = (usize, [Vec<Updates>; 2]);

/// An epoch on its way through the divisions.
pub struct Epoch<S: Sides> {
    /// Those that are to come, the next one last.
    queue: Vec<Part>,
    now: Option<(usize, S::Work)>,
}

impl<S: Sides> Divided<S> {
    /// Nothing on either side.
    ///
    /// # Errors
    /// When a type has no row encoding.
    pub fn new(shape: S::Shape) -> Result<Self, ArrowError> {
        let state = S::new(shape.clone())?;
        let divisions = vec![Division { place: Place::Memory(Box::new(state)), used: 0 }];
        Ok(Divided { shape, divisions, memory: Accounted::default(), epoch: 0 })
    }

    /// Takes an epoch's rows up; those that came too late are put to others of their kind.
    ///
    /// # Errors
    /// When a column's type cannot be hashed.
    pub fn begin(&mut self, epoch: u64, left: &[Updates], right: &[Updates], late: &mut Vec<Updates>) -> Result<Epoch<S>, ArrowError> {
        self.epoch = epoch;
        let mut timely = |side: usize, batches: &[Updates]| {
            let (late_by, own, mut came_late) = (self.shape.late_by(side), self.shape.own(side), Vec::new());
            let timely = batches.iter().map(|u| in_time(u, &late_by, epoch, &mut came_late)).collect::<Result<Vec<_>, _>>()?;
            for Updates { rows, diffs } in came_late {
                late.push(Updates { rows: rows.project(&own.clone().collect::<Vec<_>>())?, diffs });
            }
            Ok::<_, ArrowError>(timely)
        };
        let all: [Vec<Updates>; 2] = [timely(0, left)?, timely(1, right)?];
        let queue = if self.divisions.len() == 1 { vec![(0, all)] } else { self.sorted_out(&all)? };
        Ok(Epoch { queue, now: None })
    }

    /// Goes on with an epoch until it is done or enough is given for once; whether it is done.
    ///
    /// # Errors
    /// When rows cannot be put together, or the disk fails.
    pub fn go_on(&mut self, epoch: &mut Epoch<S>, out: &mut Given, enough: usize) -> Result<bool, ArrowError> {
        loop {
            let (at, mut work) = match epoch.now.take() {
                Some(now) => now,
                None => match epoch.queue.pop() {
                    Some((at, [left, right])) => {
                        let now = self.epoch;
                        (at, self.state(at)?.begin(now, &left, &right)?)
                    }
                    None => {
                        self.let_go()?;
                        return self.make_room().map(|()| true);
                    }
                },
            };
            if !self.state(at)?.go_on(&mut work, out, enough)? {
                epoch.now = Some((at, work));
                return Ok(false);
            }
            self.make_room()?;
        }
    }

    /// Lets go of what the epoch has closed in divisions that it does not touch; those on disk wait until they are read.
    /// One that is left with no rows begins anew: its places would be of use only to rows that come to it.
    fn let_go(&mut self) -> Result<(), ArrowError> {
        let rows = |state: &S| state.size(0).0 + state.size(1).0;
        for division in self.divisions.iter_mut().filter(|d| d.used != self.epoch) {
            if let Place::Memory(state) = &mut division.place {
                let held = rows(state);
                state.pass(self.epoch)?;
                if held > 0 && rows(state) == 0 {
                    **state = S::new(self.shape.clone())?;
                }
            }
        }
        Ok(())
    }

    /// The state of a division, read back if it is on disk.
    fn state(&mut self, at: usize) -> Result<&mut S, ArrowError> {
        let missing = || ArrowError::ComputeError("a division of a join is not there".into());
        let division = self.divisions.get_mut(at).ok_or_else(missing)?;
        division.used = self.epoch;
        if let Place::Disk(sides) = &division.place {
            let mut state = S::new(self.shape.clone())?;
            for (side, spilled) in sides.iter().enumerate() {
                if let Some(spilled) = &spilled.0 {
                    spilled.each(&mut |rows| state.restore(side, &rows))?;
                }
            }
            division.place = Place::Memory(Box::new(state));
        }
        match &mut division.place {
            Place::Memory(state) => Ok(state),
            Place::Disk(_) => Err(missing()),
        }
    }

    /// The rows of each division that has any.
    fn sorted_out(&self, all: &[Vec<Updates>; 2]) -> Result<Vec<Part>, ArrowError> {
        let mut of: Vec<[Vec<Updates>; 2]> = (0..self.divisions.len()).map(|_| Default::default()).collect();
        for (side, batches) in all.iter().enumerate() {
            for updates in batches {
                for (at, rows) in divided(&updates.rows, self.shape.keys())? {
                    let diffs = updates.diffs.as_ref().map(|d| rows.values().iter().map(|row| d.value(*row as usize)).collect());
                    let part = Updates { rows: take_rows(&updates.rows, &rows)?, diffs };
                    of.get_mut(at).into_iter().for_each(|sides| of_mut(sides, side).push(part.clone()));
                }
            }
        }
        Ok(of.into_iter().enumerate().filter(|(_, [left, right])| !(left.is_empty() && right.is_empty())).collect())
    }

    /// Says how much memory is held, and moves divisions to disk until that is within the limit.
    fn make_room(&mut self) -> Result<(), ArrowError> {
        self.account();
        if !is_over_limit() {
            return Ok(());
        }
        if self.divisions.len() == 1 && self.shape.keys() > 0 && self.bytes() >= BYTES_MIN {
            self.divide()?;
        }
        if self.divisions.len() == 1 {
            return Ok(());
        }
        let mut order: Vec<(u64, usize)> = self.divisions.iter().enumerate().map(|(at, d)| (d.used, at)).collect();
        order.sort_unstable();
        for (_, at) in order {
            if !is_over_limit() {
                break;
            }
            let Some(division) = self.divisions.get_mut(at) else { break };
            if let Place::Memory(state) = &division.place {
                let spilled = [written(state.as_ref(), 0)?, written(state.as_ref(), 1)?];
                division.place = Place::Disk(spilled);
                self.account();
            }
        }
        Ok(())
    }

    /// Divides one division into many.
    fn divide(&mut self) -> Result<(), ArrowError> {
        let fresh = || S::new(self.shape.clone()).map(Box::new);
        let mut parts: Vec<Box<S>> = (0..DIVISIONS).map(|_| fresh()).collect::<Result<_, _>>()?;
        let keys = self.shape.keys();
        for side in 0..2 {
            self.save(side, &mut |rows| {
                for (at, picked) in divided(&rows, keys)? {
                    let own = take_rows(&rows, &picked)?;
                    parts.get_mut(at).into_iter().try_for_each(|state| state.restore(side, &own))?;
                }
                Ok::<_, ArrowError>(())
            })?;
        }
        self.divisions = parts.into_iter().map(|state| Division { place: Place::Memory(state), used: self.epoch }).collect();
        self.account();
        Ok(())
    }

    fn account(&mut self) {
        let bytes = self.bytes();
        self.memory.set(bytes);
    }

    /// Bytes of memory.
    fn bytes(&self) -> u64 {
        let of = |d: &Division<S>| if let Place::Memory(state) = &d.place { state.size(0).1 + state.size(1).1 } else { 0 };
        self.divisions.iter().map(|d| of(d) as u64).sum()
    }

    /// Hands a side over, some rows at a time.
    ///
    /// # Errors
    /// When it cannot be read, written, or taken.
    pub fn save<E: From<ArrowError>>(&self, side: usize, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        for division in &self.divisions {
            match &division.place {
                Place::Memory(state) => state.save(side, out)?,
                Place::Disk(sides) => {
                    // As it was written there, batch by batch.
                    of(sides, side).0.as_ref().map_or(Ok(()), |spilled| spilled.each(out))?;
                }
            }
        }
        Ok(())
    }

    /// Takes in some rows of a side that were saved, before the first epoch.
    ///
    /// # Errors
    /// When they are not of its columns.
    pub fn restore(&mut self, side: usize, saved: &RecordBatch) -> Result<(), ArrowError> {
        self.state(0)?.restore(side, saved)
    }

    /// All rows that the join has given and not taken back, before the first epoch.
    ///
    /// # Errors
    /// When rows cannot be put together, which is a defect.
    pub fn given(&mut self) -> Result<Vec<Updates>, ArrowError> {
        self.state(0)?.given()
    }

    /// Rows and bytes of a side, in memory and on disk.
    pub fn size(&self, side: usize) -> (u64, u64) {
        let of_one = |division: &Division<S>| match &division.place {
            Place::Memory(state) => {
                let (rows, bytes) = state.size(side);
                (rows as u64, bytes as u64)
            }
            Place::Disk(sides) => {
                let (spilled, rows) = of(sides, side);
                (*rows, spilled.as_ref().map_or(0, Spilled::bytes))
            }
        };
        self.divisions.iter().map(of_one).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    }
}

fn written(state: &impl Sides, side: usize) -> Result<(Option<Spilled>, u64), ArrowError> {
    let (mut spilling, mut rows) = (Spilling::default(), 0);
    state.save(side, &mut |saved| {
        rows += saved.num_rows() as u64;
        spilling.add(&saved)
    })?;
    Ok((spilling.end()?, rows))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, PoisonError};

    use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::{Field, Schema, SchemaRef};

    use super::*;
    use crate::flow::hash::ALONE;
    use crate::sql::closing::Closing;
    use crate::sql::plan::JoinKind;
    use crate::sql::render::close::SAVED_ROWS;
    use crate::sql::render::join::state::JoinState;
    use crate::sql::watermark::Watermarks;
    use crate::sql::within::Within;

    const ROWS: i64 = 40_000;

    /// A key, the row's own time, and a text.
    fn rows(from: i64, count: i64, second: i64) -> RecordBatch {
        let keys = Int64Array::from_iter_values(from..from + count);
        let times = TimestampMicrosecondArray::from_iter_values((0..count).map(|_| second * 1_000_000));
        let texts = StringArray::from_iter_values((from..from + count).map(|i| format!("a row that takes some room, number {i}")));
        let columns = [("k", Arc::new(keys) as ArrayRef, true), ("ts", Arc::new(times), true), ("s", Arc::new(texts), true)];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    fn divided(watermarks: &Watermarks) -> Divided<JoinState> {
        let layout = rows(0, 1, 0).schema();
        let own: Vec<Field> = layout.fields().iter().skip(1).map(|f| f.as_ref().clone()).collect();
        let both: SchemaRef = Arc::new(Schema::new([own.clone(), own].concat()));
        let within = Within { columns: [0, 0], least: -1_000_000, greatest: 1_000_000, closing: Closing::of_table("t") };
        let shape = super::super::state::Shape {
            kind: JoinKind::Inner,
            keys: 1,
            null_equal: false,
            residual: None,
            layouts: [layout.clone(), layout],
            retracts: [false, false],
            pairs: both.clone(),
            schema: both,
            closes: None,
            within: Some((within, watermarks.clone())),
        };
        Divided::new(shape).unwrap()
    }

    fn work(join: &mut Divided<JoinState>, epoch: u64, left: RecordBatch) {
        let mut out = Given::default();
        let mut work = join.begin(epoch, &[Updates::insertions(left)], &[], &mut Vec::new()).unwrap();
        while !join.go_on(&mut work, &mut out, usize::MAX).unwrap() {}
    }

    /// What a watermark closes goes in divisions to which nothing comes any more.
    #[test]
    fn a_division_that_an_epoch_does_not_touch_gives_its_memory_back() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let watermarks = Watermarks::default();
        let mut join = divided(&watermarks);
        watermarks.set("t", 0, 0);
        work(&mut join, 0, rows(0, ROWS, 1));
        join.divide().unwrap();
        let (held, before) = (join.size(0).0, join.bytes());
        watermarks.set("t", 1, 3_600_000_000);
        work(&mut join, 1, rows(0, 1, 3_601));
        assert_eq!((held, join.size(0).0), (ROWS as u64, 1));
        assert!(join.bytes() < before / 2, "{} bytes of {before}", join.bytes());
    }

    /// What is in memory and on disk goes out in pieces of bounded size.
    #[test]
    fn a_side_is_saved_piece_by_piece() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut join = divided(&Watermarks::default());
        work(&mut join, 0, rows(0, ROWS, 1));
        for step in ["whole", "on disk"] {
            if let ("on disk", Place::Memory(state)) = (step, &join.divisions[0].place) {
                join.divisions[0].place = Place::Disk([written(state.as_ref(), 0).unwrap(), written(state.as_ref(), 1).unwrap()]);
            }
            let (mut all, mut pieces) = (0, 0);
            let refused = join.save(0, &mut |rows| {
                assert!(rows.num_rows() <= SAVED_ROWS);
                (all, pieces) = (all + rows.num_rows() as i64, pieces + 1);
                Ok::<_, ArrowError>(())
            });
            assert!(refused.is_ok() && pieces > 4, "{step}: {pieces} pieces");
            assert_eq!((all, join.size(0).0), (ROWS, ROWS as u64), "{step}");
        }
    }
}
