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
use crate::sql::arrange::{Accounted, Spilled, is_limited, is_over_limit};
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
    fn work(&mut self, at: usize, epoch: u64, batches: &[Updates]) -> Result<(Option<Updates>, Vec<Updates>), ArrowError> {
        let spilled = match self.divisions.get_mut(at).map(|d| &mut d.place) {
            Some(Place::Disk(spilled, _)) => Some(spilled.take()),
            _ => None,
        };
        if let Some(spilled) = spilled {
            let mut groups = self.fresh()?;
            for rows in spilled.map(|s| s.read()).transpose()?.unwrap_or_default() {
                groups.restore(&rows)?;
            }
            if let Some(division) = self.divisions.get_mut(at) {
                *division = Division::new(groups, epoch);
            }
        }
        let Some(division) = self.divisions.get_mut(at) else { return Ok((None, Vec::new())) };
        let Place::Memory(groups) = &mut division.place else { return Ok((None, Vec::new())) };
        let (changed, late) = (groups.epoch(epoch, batches)?, groups.late());
        division.used = epoch;
        division.measure(batches.iter().map(|u| u.rows.num_rows() as u64).sum());
        Ok((changed, late))
    }

    /// Divides one division into many.
    fn divide(&mut self) -> Result<(), ArrowError> {
        let Some(saved) = self.one().map(Keeper::save).transpose()? else { return Ok(()) };
        let mut parts: Vec<Groups> = (0..DIVISIONS).map(|_| self.fresh()).collect::<Result<_, _>>()?;
        for rows in &saved {
            for (at, picked) in divided(rows, self.shape.keys)? {
                if let Some(groups) = parts.get_mut(at) {
                    groups.restore(&take_rows(rows, &picked)?)?;
                }
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
            if let Place::Memory(groups) = &division.place {
                let (saved, closes) = (groups.save()?, groups.first_closing());
                let spilled = if saved.is_empty() { None } else { Some(Spilled::write(&saved)?) };
                division.place = Place::Disk(spilled, closes);
                self.account();
            }
        }
        Ok(())
    }

    /// Works an epoch through division by division.
    fn work_divided(&mut self, epoch: u64, batches: &[Updates]) -> Result<(Vec<Updates>, Vec<Updates>), ArrowError> {
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
        let (mut changed, mut late) = (Vec::new(), Vec::new());
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
            let (given, came_late) = self.work(at, epoch, &batches)?;
            changed.extend(given);
            late.extend(came_late);
            if is_over_limit() {
                self.page_out()?;
            }
        }
        Ok((changed, late))
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
            1 => {
                let (changed, late) = self.work(0, epoch, batches)?;
                self.late_rows = late;
                changed
            }
            _ => {
                let (changed, late) = self.work_divided(epoch, batches)?;
                self.late_rows = late;
                together(changed)?
            }
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

    fn late(&mut self) -> Vec<Updates> {
        std::mem::take(&mut self.late_rows)
    }

    fn save(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        let mut out = Vec::new();
        for division in &self.divisions {
            match &division.place {
                Place::Memory(groups) => out.extend(groups.save()?),
                Place::Disk(spilled, _) => out.extend(spilled.as_ref().map(Spilled::read).transpose()?.unwrap_or_default()),
            }
        }
        Ok(out)
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
