//! The state of a join by time, and an epoch's way through it.
//!
//! What comes to the right and goes there is taken in first. Between it and the next row of the right stand the rows of the left whose
//! other may now be another: what they gave is taken back where that is so. Then rows of the left come and go, each with its other.
//!
//! Once a watermark has passed, rows of both sides before it are late. So rows of the left before it have found their other for good,
//! and are let go of; of the right the newest before it stays, as those of the left that are to come may be nearest to it. The other
//! way round, rows of the left stay until one of the right has followed them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::compute::{cast, not};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};

use super::pairs::Pairs;
use super::side::{Part, Place, Side};
use super::spans::Span;
use crate::flow::updates::Updates;
use crate::sql::closing::Closing;
use crate::sql::render::aggregate::Closes;
use crate::sql::render::close::DueKeys;
use crate::sql::render::join::{Given, PAIRS, SidesShape, of, of_mut, with_null};
use crate::sql::render::rows::keep_where;
use crate::sql::store::{Index, NOWHERE};
use crate::sql::watermark::Watermarks;

/// What a join by time is.
#[derive(Clone)]
pub struct Shape {
    /// Of each key, the first columns of each side's layout, whether null equals null.
    pub keys: Vec<bool>,
    /// The time of each side among its own columns.
    pub times: [usize; 2],
    /// How many of those are given.
    pub widths: [usize; 2],
    /// Whether the newest of those before is meant, and not the oldest of those after.
    pub newest: bool,
    /// Whether a row of the same time is none.
    pub strict: bool,
    /// Whether rows of the left without such a row are given.
    pub outer: bool,
    /// The layout of each side: keys, then its own columns.
    pub layouts: [SchemaRef; 2],
    /// Whether rows of each side may go.
    pub retracts: [bool; 2],
    /// Columns of the output.
    pub schema: SchemaRef,
    /// What closes times of both sides, where those stand among own columns, and what says when.
    pub closes: Option<(Closing, [usize; 2], Watermarks)>,
}

impl SidesShape for Shape {
    fn keys(&self) -> usize {
        self.keys.len()
    }

    fn own(&self, side: usize) -> Range<usize> {
        self.keys()..self.keys() + of(&self.widths, side)
    }

    fn late_by(&self, side: usize) -> Closes {
        let (closing, held, watermarks) = self.closes.clone()?;
        Some((self.keys() + of(&held, side), closing, watermarks))
    }
}

/// Rows of both sides, and which goes with which.
pub struct Nearby {
    pub(super) shape: Shape,
    pub(super) index: Index,
    pub(super) sides: [Side; 2],
    /// By slot of the left the slot of the right that goes with it.
    pub(super) others: Vec<u32>,
    /// Whether it is still to be found what goes with which.
    pub(super) is_restored: bool,
    /// Columns of the right, to tell which of several rows of a time is the first; and those that were found so far, by key and time.
    order: RowConverter,
    pub(super) firsts: HashMap<u32, BTreeMap<i64, u32>>,
    pub(super) dues: DueKeys,
}

/// What is to be done next.
enum Step {
    Right,
    Spans(Vec<Span>),
    Left(usize),
    Done,
}

/// An epoch on its way.
pub struct Epoch {
    number: u64,
    parts: [Vec<Part>; 2],
    /// Rows of the left with a key or time that is null.
    loose: Vec<Updates>,
    step: Step,
}

impl Nearby {
    /// Nothing on either side.
    ///
    /// # Errors
    /// When a type has no row encoding.
    pub(super) fn empty(shape: Shape) -> Result<Self, ArrowError> {
        let kinds = |side: usize| of(&shape.layouts, side).fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
        let (left, right) = (kinds(0), kinds(1));
        let own = |kinds: &[DataType]| kinds.get(shape.keys()..).unwrap_or_default().to_vec();
        let [left_goes, right_goes] = shape.retracts;
        Ok(Nearby {
            index: Index::new(left.get(..shape.keys()).unwrap_or_default())?,
            sides: [Side::new(&own(&left), left_goes, false)?, Side::new(&own(&right), right_goes, true)?],
            others: Vec::new(),
            is_restored: false,
            order: RowConverter::new(own(&right).into_iter().map(SortField::new).collect())?,
            firsts: HashMap::new(),
            dues: DueKeys::default(),
            shape,
        })
    }

    /// Takes an epoch's rows up; nothing is kept of them yet.
    pub(super) fn take_up(&mut self, number: u64, left: &[Updates], right: &[Updates]) -> Result<Epoch, ArrowError> {
        let (left, loose) = self.parts(0, left)?;
        let (right, _) = self.parts(1, right)?;
        Ok(Epoch { number, parts: [left, right], loose, step: Step::Right })
    }

    /// The rows of a side; and apart from them those with a key or a time that is null.
    fn parts(&mut self, side: usize, batches: &[Updates]) -> Result<(Vec<Part>, Vec<Updates>), ArrowError> {
        let time = self.shape.keys() + of(&self.shape.times, side);
        let known = self.shape.keys.iter().enumerate().filter(|(_, null_equal)| !**null_equal).map(|(at, _)| at).chain([time]);
        let known: Vec<usize> = known.collect();
        let (mut parts, mut loose) = (Vec::with_capacity(batches.len()), Vec::new());
        let some =
            |updates: &Updates, mask: &BooleanArray| keep_where(updates, mask).map_err(|e| ArrowError::ComputeError(e.strip_backtrace()));
        for updates in batches {
            let mut updates = updates.clone();
            if let Some(null) = with_null(&updates.rows, known.iter().copied()) {
                loose.push(some(&updates, &null)?);
                updates = some(&updates, &not(&null)?)?;
            }
            if updates.rows.num_rows() > 0 {
                parts.push(self.part(side, updates)?);
            }
        }
        Ok((parts, loose))
    }

    /// Rows with their keys and times.
    pub(super) fn part(&mut self, side: usize, updates: Updates) -> Result<Part, ArrowError> {
        let count = updates.rows.num_rows();
        let keys = self.index.assign(updates.rows.columns(), count)?;
        let rows = updates.rows.project(&(self.shape.keys()..updates.rows.num_columns()).collect::<Vec<_>>())?;
        let times = rows.columns().get(*of(&self.shape.times, side)).and_then(numbers);
        let times = times.ok_or_else(|| ArrowError::SchemaError("a join by time has no times".into()))?;
        let batch = of(&self.sides, side).rows.batch(rows.columns(), count)?;
        Ok(Part { rows, diffs: updates.diffs, keys, times, batch, slots: Vec::new() })
    }

    pub(super) fn grow(&mut self) {
        let keys = self.index.len();
        self.sides.iter_mut().for_each(|side| side.grow(keys));
        self.dues.grow(keys);
    }

    /// Takes in rows of a side; how many were to go and were not there.
    pub(super) fn take_in(&mut self, side: usize, parts: &mut [Part]) -> Result<usize, ArrowError> {
        self.grow();
        let (missing, tied) = of_mut(&mut self.sides, side).take_in(parts);
        self.compare(tied)?;
        Ok(missing)
    }

    /// The row of the right that goes with a time of the left, or none.
    pub(super) fn other(&mut self, key: u32, time: i64) -> Result<u32, ArrowError> {
        let [_, right] = &self.sides;
        let found = match (self.shape.newest, self.shape.strict) {
            (true, false) => right.until(key, time),
            (true, true) => right.before(key, time),
            (false, false) => right.from(key, (time, 0)).next(),
            (false, true) => right.after(key, time),
        };
        match found {
            Some((at, _)) if right.is_tied(key) => self.first(key, at),
            found => Ok(found.map_or(NOWHERE, |(_, slot)| slot)),
        }
    }

    /// Finds what goes with rows of the left that are kept anew.
    pub(super) fn find_new(&mut self, parts: &[Part]) -> Result<(), ArrowError> {
        for part in parts {
            for ((slot, _), (key, time)) in part.slots.iter().zip(part.keys.iter().zip(&part.times)).filter(|(slot, _)| slot.1) {
                self.find(*key, (*time, *slot))?;
            }
        }
        Ok(())
    }

    /// Finds what goes with a row of the left.
    pub(super) fn find(&mut self, key: u32, (time, slot): Place) -> Result<(), ArrowError> {
        let other = self.other(key, time)?;
        self.others.resize(self.others.len().max(slot as usize + 1), NOWHERE);
        self.others.get_mut(slot as usize).into_iter().for_each(|own| *own = other);
        Ok(())
    }

    /// Of several rows of the right at a time the one whose columns are the first in their order.
    pub(super) fn first(&mut self, key: u32, at: i64) -> Result<u32, ArrowError> {
        if let Some(known) = self.known_first(key, at) {
            return Ok(known);
        }
        let [_, right] = &self.sides;
        let slots: Vec<u32> = right.from(key, (at, 0)).take_while(|place| place.0 == at).map(|place| place.1).collect();
        let first = self.least(&slots)?;
        if slots.len() > 1 {
            self.firsts.entry(key).or_default().insert(at, first);
        }
        Ok(first)
    }

    fn known_first(&self, key: u32, at: i64) -> Option<u32> {
        self.firsts.get(&key)?.get(&at).copied()
    }

    fn least(&self, slots: &[u32]) -> Result<u32, ArrowError> {
        if let [one] = slots {
            return Ok(*one);
        }
        let [_, right] = &self.sides;
        let rows = self.order.convert_columns(&right.rows.take(slots)?)?;
        Ok(slots.iter().zip(rows.iter()).min_by(|a, b| a.1.cmp(&b.1)).map_or(NOWHERE, |(slot, _)| *slot))
    }

    /// Holds what has come to the right against the first rows of its times; where such a one has gone, another is to be found.
    fn compare(&mut self, mut tied: Vec<(u32, Place)>) -> Result<(), ArrowError> {
        tied.retain(|(key, place)| self.known_first(*key, place.0).is_some());
        tied.sort_unstable();
        tied.dedup();
        for of_time in tied.chunk_by(|a, b| (a.0, a.1.0) == (b.0, b.1.0)) {
            let Some((key, (at, _))) = of_time.first().copied() else { continue };
            let Some(known) = self.known_first(key, at) else { continue };
            let [_, right] = &self.sides;
            let is_there = |slot: &u32| right.rows.weight_of(*slot) > 0;
            let slots: Vec<u32> = std::iter::once(known).chain(of_time.iter().map(|(_, place)| place.1)).filter(is_there).collect();
            let first = if slots.first() == Some(&known) { Some(self.least(&slots)?) } else { None };
            let Some(firsts) = self.firsts.get_mut(&key) else { continue };
            match first {
                Some(first) => firsts.insert(at, first),
                None => firsts.remove(&at),
            };
        }
        Ok(())
    }

    /// Goes on with an epoch; whether it is done.
    pub(super) fn work(&mut self, epoch: &mut Epoch, out: &mut Given, enough: usize) -> Result<bool, ArrowError> {
        loop {
            let [left, right] = &mut epoch.parts;
            match &mut epoch.step {
                Step::Right => {
                    out.missing += self.take_in(1, right)?;
                    self.give_loose(&epoch.loose, out)?;
                    let mut spans = self.spans(right);
                    spans.reverse();
                    epoch.step = Step::Spans(spans);
                }
                Step::Spans(spans) => {
                    let mut pairs = Pairs::default();
                    while let Some(span) = spans.last_mut().filter(|_| pairs.len() < PAIRS) {
                        if self.go_through(span, &mut pairs, PAIRS)? {
                            spans.pop();
                        }
                    }
                    let is_through = spans.is_empty();
                    self.give_pairs(pairs, out)?;
                    if is_through {
                        out.missing += self.take_in(0, left)?;
                        self.find_new(left)?;
                        epoch.step = Step::Left(0);
                    }
                    if out.looked_at >= enough {
                        return Ok(false);
                    }
                }
                Step::Left(at) => match left.get(*at) {
                    Some(part) => {
                        *at += 1;
                        self.give_part(part, out)?;
                        if out.looked_at >= enough {
                            return Ok(false);
                        }
                    }
                    None => {
                        self.end(epoch.number, &epoch.parts)?;
                        epoch.step = Step::Done;
                    }
                },
                Step::Done => return Ok(true),
            }
        }
    }

    /// Bytes beside those of the sides.
    pub(super) fn bytes(&self) -> usize {
        self.index.bytes() + self.others.len() * 4 + self.dues.bytes()
    }
}

/// Times as numbers in the same order. Of floats NaN is the greatest, as it is where they are compared, and there is one zero.
fn numbers(times: &ArrayRef) -> Option<Vec<i64>> {
    match times.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let wide = cast(times, &DataType::Float64).ok()?;
            let number = |time: &f64| {
                let bits = (time + 0.0).to_bits().cast_signed();
                // The other bits of what is below zero are turned, as their order is.
                bits ^ (((bits >> 63).cast_unsigned()) >> 1).cast_signed()
            };
            Some(wide.as_primitive_opt::<Float64Type>()?.values().iter().map(number).collect())
        }
        DataType::Decimal128(..) => {
            let number = |time: &i128| i64::try_from(*time).unwrap_or(i64::MAX);
            Some(times.as_primitive_opt::<Decimal128Type>()?.values().iter().map(number).collect())
        }
        _ => Some(cast(times, &DataType::Int64).ok()?.as_primitive_opt::<Int64Type>()?.values().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array};

    #[test]
    fn floats_are_in_the_order_in_which_they_compare() {
        let floats = [f64::NEG_INFINITY, -1e300, -1.5, -f64::MIN_POSITIVE, -0.0, 0.0, f64::MIN_POSITIVE, 2.0, f64::INFINITY, f64::NAN];
        let numbers = super::numbers(&(Arc::new(Float64Array::from(floats.to_vec())) as ArrayRef)).unwrap_or_default();
        assert_eq!(numbers.len(), floats.len());
        assert!(
            numbers.windows(2).enumerate().all(|(at, pair)| if at == 4 { pair[0] == pair[1] } else { pair[0] < pair[1] }),
            "{numbers:?}"
        );
    }
}
