//! Groups that need not fit into memory: once memory is over its limit they are divided by the hash of their keys, and the
//! divisions that have not been used longest go to disk. What an epoch touches comes back, division by division.
//!
//! As long as memory lasts there is one division and nothing is done here.

use arrow::array::{Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::error::ArrowError;

use super::{Groups, Partial, States};
use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;
use crate::sql::arrange::{Accounted, Spilled, Spilling, is_limited, is_over_limit};
use crate::sql::plan::Aggregate;
use crate::sql::render::aggregate::{Closes, Shape};
use crate::sql::render::close::{Keeper, Routing};
use crate::sql::render::divisions::{BYTES_MIN, DIVISIONS, divided};
use crate::sql::snapshot::Size;
use crate::sql::watermark::{END, Watermarks};

/// Groups in divisions.
pub struct Paged {
    shape: Shape,
    aggregates: Vec<Aggregate>,
    closes: Closes,
    /// Whether rows come with states already.
    merged: bool,
    divisions: Vec<Division>,
    memory: Accounted,
    epoch: u64,
    late_rows: Vec<Updates>,
}

/// The groups of some hashes.
struct Division {
    place: Place,
    /// The epoch in which it was last used.
    used: u64,
    bytes: u64,
    rows: u64,
    /// Changes taken in since it was measured.
    since: u64,
}

impl Division {
    fn new(groups: Groups, used: u64) -> Self {
        let Size { rows, bytes } = groups.size();
        Division { place: Place::Memory(Box::new(groups)), used, bytes, rows, since: 0 }
    }

    /// Measures again once an eighth may have changed: measuring looks at every group.
    fn measure(&mut self, taken: u64) {
        self.since += taken;
        if let Place::Memory(groups) = &self.place
            && is_limited()
            && self.since > self.rows / 8
        {
            Size { rows: self.rows, bytes: self.bytes } = groups.size();
            self.since = 0;
        }
    }

    /// Moves it to disk, if it is not there.
    fn page_out(&mut self) -> Result<(), ArrowError> {
        let Place::Memory(groups) = &self.place else { return Ok(()) };
        let mut spilling = Spilling::default();
        groups.save(&mut |rows| spilling.add(&rows))?;
        self.place = Place::Disk(spilling.end()?, groups.first_closing());
        Ok(())
    }
}

enum Place {
    Memory(Box<Groups>),
    /// What was saved, and the watermark that closes the first of its groups.
    Disk(Option<Spilled>, Option<i64>),
}

impl Paged {
    /// No groups yet.
    ///
    /// # Errors
    /// When a key or an argument has a type that cannot be kept.
    pub fn new(shape: Shape, aggregates: &[Aggregate], closes: Closes, merged: bool) -> Result<Self, ArrowError> {
        let groups = Groups::new(&shape, aggregates, closes.clone(), states(&shape, aggregates, merged))?;
        let divisions = vec![Division::new(groups, 0)];
        Ok(Paged {
            shape,
            aggregates: aggregates.to_vec(),
            closes,
            merged,
            divisions,
            memory: Accounted::default(),
            epoch: 0,
            late_rows: Vec::new(),
        })
    }

    /// Opens the one group of an aggregation without keys.
    pub fn open_global(&mut self) {
        if let Some(Place::Memory(groups)) = self.divisions.first_mut().map(|d| &mut d.place) {
            groups.open_global();
        }
    }

    fn fresh(&self) -> Result<Groups, ArrowError> {
        Groups::new(&self.shape, &self.aggregates, self.closes.clone(), states(&self.shape, &self.aggregates, self.merged))
    }

    /// The watermark of an epoch.
    fn watermark(&self, epoch: u64) -> Option<i64> {
        self.closes.as_ref().and_then(|(_, closing, watermarks)| closing.passed(watermarks, epoch))
    }

    fn one(&self) -> Option<&Groups> {
        match self.divisions.as_slice() {
            [Division { place: Place::Memory(groups), .. }] => Some(groups),
            _ => None,
        }
    }

    /// Works an epoch through in one division; groups on disk come back first.
    fn work(&mut self, at: usize, epoch: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        let at_many = self.divisions.len() > 1;
        let spilled = match self.divisions.get_mut(at).map(|d| &mut d.place) {
            Some(Place::Disk(spilled, _)) => Some(spilled.take()),
            _ => None,
        };
        if let Some(spilled) = spilled {
            let mut groups = self.fresh()?;
            spilled.map_or(Ok(()), |s| s.each(&mut |rows| groups.restore(&rows)))?;
            if let Some(division) = self.divisions.get_mut(at) {
                *division = Division::new(groups, epoch);
            }
        }
        let Some(division) = self.divisions.get_mut(at) else { return Ok(None) };
        let Place::Memory(groups) = &mut division.place else { return Ok(None) };
        let changed = groups.epoch(epoch, batches)?;
        // Of one division late rows are asked for as they are.
        while at_many && let Some(late) = groups.late()? {
            self.late_rows.push(late);
        }
        division.used = epoch;
        division.measure(batches.iter().map(|u| u.rows.num_rows() as u64).sum());
        Ok(changed)
    }

    /// Divides one division into many.
    fn divide(&mut self) -> Result<(), ArrowError> {
        let Some(whole) = self.one() else { return Ok(()) };
        let mut parts: Vec<Groups> = (0..DIVISIONS).map(|_| self.fresh()).collect::<Result<_, _>>()?;
        whole.save(&mut |rows| {
            for (at, picked) in divided(&rows, self.shape.keys)? {
                let own = take_rows(&rows, &picked)?;
                parts.get_mut(at).into_iter().try_for_each(|groups| groups.restore(&own))?;
            }
            Ok::<_, ArrowError>(())
        })?;
        if let [Division { place: Place::Memory(groups), .. }] = self.divisions.as_mut_slice() {
            while let Some(late) = groups.late()? {
                self.late_rows.push(late);
            }
        }
        self.divisions = parts.into_iter().map(|groups| Division::new(groups, self.epoch)).collect();
        Ok(())
    }

    fn account(&mut self) {
        let held = self.divisions.iter().filter(|d| matches!(d.place, Place::Memory(_))).map(|d| d.bytes).sum();
        self.memory.set(held);
    }

    /// Moves divisions to disk until memory is within its limit, those first that have not been used longest.
    fn page_out(&mut self) -> Result<(), ArrowError> {
        self.account();
        let mut order: Vec<(u64, usize)> = self.divisions.iter().enumerate().map(|(at, d)| (d.used, at)).collect();
        order.sort_unstable();
        for (_, at) in order {
            if !is_over_limit() {
                break;
            }
            let Some(division) = self.divisions.get_mut(at) else { break };
            division.page_out()?;
            self.account();
        }
        Ok(())
    }

    /// Works an epoch through division by division.
    fn work_divided(&mut self, epoch: u64, batches: &[Updates]) -> Result<Vec<Updates>, ArrowError> {
        let mut of: Vec<Vec<Updates>> = vec![Vec::new(); self.divisions.len()];
        for updates in batches {
            for (at, picked) in divided(&updates.rows, self.shape.keys)? {
                let diffs = updates.diffs.as_ref().map(|d| picked.values().iter().map(|row| d.value(*row as usize)).collect());
                if let Some(list) = of.get_mut(at) {
                    list.push(Updates { rows: take_rows(&updates.rows, &picked)?, diffs });
                }
            }
        }
        let now = self.watermark(epoch);
        let mut changed = Vec::new();
        for (at, batches) in of.into_iter().enumerate() {
            let due = match self.divisions.get(at).map(|d| &d.place) {
                // At the end groups without a time are given too.
                Some(Place::Disk(..)) if self.shape.once && now == Some(END) => true,
                Some(Place::Disk(_, closes)) => closes.zip(now).is_some_and(|(closes, now)| closes <= now),
                _ => now.is_some(),
            };
            if batches.is_empty() && !due {
                continue;
            }
            changed.extend(self.work(at, epoch, &batches)?);
            if is_over_limit() {
                self.page_out()?;
            }
        }
        Ok(changed)
    }
}

fn states(shape: &Shape, aggregates: &[Aggregate], merged: bool) -> States {
    match Partial::new(&shape.prepared, shape.keys, aggregates, shape.append_only) {
        Some(partial) if merged => States::Merged(partial.widths()),
        partial => States::OfRows(partial),
    }
}

/// Changes of disjoint groups as one batch.
fn together(parts: Vec<Updates>) -> Result<Option<Updates>, ArrowError> {
    let Some(first) = parts.first() else { return Ok(None) };
    if parts.len() == 1 {
        return Ok(parts.into_iter().next());
    }
    let rows = concat_batches(&first.rows.schema(), parts.iter().map(|u| &u.rows))?;
    let changing = parts.iter().any(|u| u.diffs.is_some());
    let diffs = changing.then(|| parts.iter().flat_map(|u| (0..u.rows.num_rows()).map(|row| u.diff(row))).collect::<Int64Array>());
    Ok(Some(Updates { rows, diffs }))
}

impl Keeper for Paged {
    fn epoch(&mut self, epoch: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        self.epoch = epoch;
        self.late_rows.clear();
        let changed = match self.divisions.len() {
            1 => self.work(0, epoch, batches)?,
            _ => together(self.work_divided(epoch, batches)?)?,
        };
        self.account();
        if is_over_limit() {
            // Windows come as slices, which do not say alone which windows they are in.
            let divisible = self.shape.keys > 0 && self.shape.hop.is_none();
            if self.divisions.len() == 1 && divisible && self.divisions.iter().any(|d| d.bytes >= BYTES_MIN) {
                self.divide()?;
            }
            if self.divisions.len() > 1 {
                self.page_out()?;
            }
        }
        Ok(changed)
    }

    fn begins_with_rows(&self) -> bool {
        self.one().is_some_and(Keeper::begins_with_rows)
    }

    fn moved_by(&self) -> Option<(Watermarks, Vec<String>)> {
        self.one().and_then(Keeper::moved_by)
    }

    fn late(&mut self) -> Result<Option<Updates>, ArrowError> {
        match (self.late_rows.pop(), self.divisions.as_mut_slice()) {
            (None, [Division { place: Place::Memory(groups), .. }]) => groups.late(),
            (late, _) => Ok(late),
        }
    }

    fn save<E: From<ArrowError>>(&self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        self.divisions.iter().try_for_each(|division| match &division.place {
            Place::Memory(groups) => groups.save(out),
            // What is on disk goes out as it was written there, batch by batch.
            Place::Disk(spilled, _) => spilled.as_ref().map_or(Ok(()), |s| s.each(out)),
        })
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        match self.divisions.first_mut().map(|d| &mut d.place) {
            Some(Place::Memory(groups)) => groups.restore(rows),
            _ => Err(ArrowError::ComputeError("groups are filled before they are divided".into())),
        }
    }

    fn routing(&self) -> Routing {
        self.one().map_or(Routing::Any, Keeper::routing)
    }

    fn given(&self) -> Result<Option<Updates>, ArrowError> {
        // Asked before the first epoch, when nothing is divided yet.
        self.one().map_or(Ok(None), Keeper::given)
    }

    fn size(&self) -> Size {
        let of = |division: &Division| match &division.place {
            Place::Memory(groups) => groups.size(),
            Place::Disk(spilled, _) => Size { rows: division.rows, bytes: spilled.as_ref().map_or(0, Spilled::bytes) },
        };
        self.divisions.iter().map(of).fold(Size::default(), |a, b| Size { rows: a.rows + b.rows, bytes: a.bytes + b.bytes })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::{Arc, PoisonError};

    use arrow::array::{Array, ArrayRef, AsArray};
    use arrow::datatypes::{DataType, Decimal128Type, Field, Int64Type, Schema};

    use super::*;
    use crate::flow::hash::ALONE;
    use crate::sql::plan::Function;
    use crate::sql::render::close::SAVED_ROWS;
    use crate::sql::render::groups::accumulate::Accumulator;

    const GROUPS: i64 = 50_000;

    fn rows() -> RecordBatch {
        let column = |of: fn(i64) -> i64| Arc::new(Int64Array::from_iter_values((0..GROUPS).map(of))) as ArrayRef;
        RecordBatch::try_from_iter_with_nullable([("k", column(|i| i * 7), true), ("v", column(|i| i + 1), true)]).unwrap()
    }

    fn paged() -> Paged {
        let prepared = rows().schema();
        let sum = Field::new("s", DataType::Decimal128(30, 0), true);
        let fields = vec![Field::new("k", DataType::Int64, true), sum];
        let shape = Shape { prepared, keys: 1, schema: Arc::new(Schema::new(fields)), append_only: false, hop: None, once: false };
        let sum = Aggregate { function: Function::Sum, argument: None, filter: None, distinct: false };
        let mut paged = Paged::new(shape, &[sum], None, false).unwrap();
        paged.epoch(0, &[Updates::insertions(rows())]).unwrap();
        paged
    }

    /// Tells how often it was asked for states.
    struct Asked(Rc<Cell<usize>>);

    impl Accumulator for Asked {
        fn grow(&mut self, _: usize) {}
        fn update(&mut self, _: &ArrayRef, _: Option<&[i64]>, _: &[u32]) -> Result<(), ArrowError> {
            Ok(())
        }
        fn values(&self, groups: &[u32]) -> Result<ArrayRef, ArrowError> {
            Ok(Arc::new(Int64Array::from(vec![0; groups.len()])))
        }
        fn clear(&mut self, _: u32) {}
        fn save(&self, _: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
            self.0.set(self.0.get() + 1);
            Ok(Vec::new())
        }
        fn restore(&mut self, _: &[u32], _: &[ArrayRef]) -> Result<usize, ArrowError> {
            Ok(0)
        }
        fn bytes(&self) -> usize {
            0
        }
    }

    /// What waits to be written has a limit, so no piece is made before the one before it was taken.
    #[test]
    fn a_piece_is_made_when_the_one_before_it_was_taken() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut paged, asked) = (paged(), Rc::new(Cell::new(0)));
        if let Place::Memory(groups) = &mut paged.divisions[0].place {
            groups.states.push(Box::new(Asked(asked.clone())));
        }
        let mut taken = 0;
        let refused = paged.save(&mut |_| {
            taken += 1;
            assert_eq!(asked.get(), taken);
            if taken == 2 { Err(ArrowError::ComputeError("enough".into())) } else { Ok(()) }
        });
        assert!(refused.is_err());
        assert_eq!((taken, asked.get()), (2, 2));
    }

    /// Groups in memory and on disk go out in pieces of bounded size.
    #[test]
    fn groups_are_saved_piece_by_piece() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut paged = paged();
        for step in ["whole", "divided", "on disk"] {
            match step {
                "divided" => paged.divide().unwrap(),
                "on disk" => paged.divisions.iter_mut().step_by(2).for_each(|d| d.page_out().unwrap()),
                _ => {}
            }
            let (mut groups, mut sum, mut pieces) = (0, 0, 0);
            paged
                .save(&mut |rows| {
                    assert!(rows.num_rows() <= SAVED_ROWS);
                    (groups, pieces) = (groups + rows.num_rows() as i64, pieces + 1);
                    sum += rows.columns().last().unwrap().as_primitive::<Decimal128Type>().values().iter().sum::<i128>();
                    Ok::<_, ArrowError>(())
                })
                .unwrap();
            assert_eq!((groups, sum), (GROUPS, i128::from(GROUPS * (GROUPS + 1) / 2)), "{step}");
            assert!(pieces > 6, "{step}: {pieces} pieces");
        }
    }

    /// Groups that do not stand one after the other are saved as they are.
    #[test]
    fn groups_with_gaps_between_them_are_saved() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut paged = paged();
        let odd = take_rows(&rows(), &arrow::array::UInt32Array::from_iter_values((0..GROUPS as u32).step_by(2))).unwrap();
        let gone = Int64Array::from(vec![-1; odd.num_rows()]);
        paged.epoch(1, &[Updates::changes(odd, gone)]).unwrap();
        let mut again = super::tests::paged().fresh().unwrap();
        let mut keys = 0;
        paged
            .save(&mut |rows| {
                keys += rows.column(0).as_primitive::<Int64Type>().values().iter().filter(|k| *k % 2 == 1).count();
                again.restore(&rows)
            })
            .unwrap();
        assert_eq!((keys as i64, again.size().rows as i64), (GROUPS / 2, GROUPS / 2));
        let given = again.given().unwrap().unwrap().rows;
        let (keys, sums) =
            (given.column(0).as_primitive::<Int64Type>().values(), given.column(1).as_primitive::<Decimal128Type>().values());
        assert!(keys.iter().zip(sums).all(|(k, s)| i128::from(k / 7 + 1) == *s) && given.column(0).null_count() == 0);
    }
}
