//! Pairs of a join: looks up the partners of a batch's rows, and puts both together, a bounded number at a time.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{filter_record_batch, prep_null_mask_filter, take};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;

use super::side::Taken;
use super::state::{Cursor, Given, JoinState, Work, of, of_mut};
use crate::flow::updates::Updates;
use crate::sql::plan::Expression;
use crate::sql::render::rows::guarded;
use crate::sql::store::NOWHERE;

/// Pairs that are put together at once: enough that work a batch costs little a row, few enough to stay near.
pub const PAIRS: usize = 1 << 14;

/// Rows of a batch with their partners.
#[derive(Default)]
struct Pairs {
    rows: Vec<u32>,
    slots: Vec<u32>,
    diffs: Vec<i64>,
}

impl Pairs {
    /// Two parts, where all together are more than 2 GiB of text, which a column does not hold.
    fn halves(&self) -> [Pairs; 2] {
        let middle = self.rows.len() / 2;
        let (rows, slots, diffs) = (self.rows.split_at(middle), self.slots.split_at(middle), self.diffs.split_at(middle));
        let part = |rows: &[u32], slots: &[u32], diffs: &[i64]| Pairs { rows: rows.to_vec(), slots: slots.to_vec(), diffs: diffs.to_vec() };
        [part(rows.0, slots.0, diffs.0), part(rows.1, slots.1, diffs.1)]
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.slots.clear();
        self.diffs.clear();
    }
}

/// Rows, and which of them fulfil the further condition; none when there is none.
type Fitting = (RecordBatch, Option<BooleanArray>);

impl JoinState {
    /// Looks up the partners of the rows that come to a side; whether all are.
    pub(super) fn probe(&mut self, work: &mut Work, side: usize, out: &mut Given, enough: usize) -> Result<bool, ArrowError> {
        if !self.shape.gives_pairs() && self.shape.residual.is_none() {
            return Ok(true);
        }
        let Work { taken, at, .. } = work;
        let mut pairs = Pairs::default();
        while let Some(taken) = of(taken, side).get(at.batch) {
            if out.looked_at >= enough {
                return Ok(false);
            }
            let ended = self.look_up(taken, side, at, &mut pairs);
            out.looked_at += pairs.rows.len();
            self.give_pairs(taken, side, &pairs, out)?;
            if ended {
                *at = Cursor { batch: at.batch + 1, ..Cursor::default() };
            }
        }
        Ok(true)
    }

    /// Gives all pairs as they stand.
    pub(super) fn give_all_pairs(&self, out: &mut Given) -> Result<(), ArrowError> {
        let [left, _] = &self.sides;
        let Some(rows) = left.rows.as_ref().filter(|_| self.shape.gives_pairs()) else { return Ok(()) };
        let all: Vec<(u32, i64)> = rows.all().map(|s| (s.slot, s.weight)).collect();
        for part in all.chunks(PAIRS) {
            let slots: Vec<u32> = part.iter().map(|p| p.0).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(slots.len()));
            let own: Vec<Arc<Field>> = self.shape.pairs.fields().iter().take(self.left_width()).cloned().collect();
            let taken = Taken {
                rows: RecordBatch::try_new_with_options(Arc::new(Schema::new(own)), rows.take(&slots)?, &options)?,
                diffs: Some(part.iter().map(|p| p.1).collect::<Vec<i64>>().into()),
                groups: slots.iter().map(|s| rows.group_of(*s)).collect(),
                batch: None,
                slots: Vec::new(),
                times: None,
            };
            let (mut at, mut pairs) = (Cursor::default(), Pairs::default());
            let mut ended = false;
            while !ended {
                ended = self.look_up(&taken, 0, &mut at, &mut pairs);
                // What fails was told when the pairs first met.
                self.give_stored(&taken, &pairs, out)?;
            }
        }
        Ok(())
    }

    fn give_stored(&self, taken: &Taken, pairs: &Pairs, out: &mut Given) -> Result<(), ArrowError> {
        let put = match self.put_together(taken, 0, pairs, &mut Vec::new()) {
            Err(ArrowError::OffsetOverflowError(_)) if pairs.rows.len() > 1 => {
                return pairs.halves().iter().try_for_each(|half| self.give_stored(taken, half, out));
            }
            put => put?,
        };
        out.rows.extend(put.map(|(rows, fits)| changes(rows, &pairs.diffs, fits.as_ref())).transpose()?.flatten());
        Ok(())
    }

    fn left_width(&self) -> usize {
        let [left, _] = &self.shape.layouts;
        left.fields().len() - self.shape.keys
    }

    /// Fills up pairs from where the last ones ended; whether the batch is done.
    fn look_up(&self, taken: &Taken, side: usize, at: &mut Cursor, pairs: &mut Pairs) -> bool {
        pairs.clear();
        let Some(others) = &of(&self.sides, 1 - side).rows else { return true };
        while pairs.rows.len() < PAIRS {
            if at.lists.is_empty() {
                let groups = taken.groups.get(at.row..).unwrap_or_default();
                let groups = groups.get(..PAIRS).unwrap_or(groups);
                if groups.is_empty() {
                    return true;
                }
                let lists = groups.iter().zip(at.row as u32..).map(|(group, row)| (row, others.first(*group)));
                at.lists.extend(lists.filter(|(_, first)| *first != NOWHERE));
                at.row += groups.len();
            }
            // All rows go a step at a time: lists lie anywhere in memory, and so their waits overlap.
            others.step(&mut at.lists, |row, slot, weight| {
                pairs.rows.push(row);
                pairs.slots.push(slot);
                pairs.diffs.push(weight * taken.diff(row as usize));
            });
        }
        false
    }

    fn give_pairs(&mut self, taken: &Taken, side: usize, pairs: &Pairs, out: &mut Given) -> Result<(), ArrowError> {
        let put = match self.put_together(taken, side, pairs, &mut out.errors) {
            Err(ArrowError::OffsetOverflowError(_)) if pairs.rows.len() > 1 => {
                return pairs.halves().iter().try_for_each(|half| self.give_pairs(taken, side, half, out));
            }
            put => put?,
        };
        let Some((rows, fits)) = put else { return Ok(()) };
        self.count_hits(taken, side, pairs, fits.as_ref());
        if self.shape.gives_pairs() {
            out.rows.extend(changes(rows, &pairs.diffs, fits.as_ref())?);
        }
        Ok(())
    }

    /// Pairs as rows, and which of them fit, where more than the key decides; none when there are none.
    fn put_together(
        &self,
        taken: &Taken,
        side: usize,
        pairs: &Pairs,
        errors: &mut Vec<(String, i64)>,
    ) -> Result<Option<Fitting>, ArrowError> {
        let Some(others) = of(&self.sides, 1 - side).rows.as_ref().filter(|_| !pairs.rows.is_empty()) else { return Ok(None) };
        let (mine, theirs) = (picked(&taken.rows, &pairs.rows)?, others.take(&pairs.slots)?);
        let columns = if side == 0 { [mine, theirs] } else { [theirs, mine] }.concat();
        let options = RecordBatchOptions::new().with_row_count(Some(pairs.rows.len()));
        let rows = RecordBatch::try_new_with_options(self.shape.pairs.clone(), columns, &options)?;
        let fits = self.shape.residual.as_ref().map(|r| fitting(r, &rows, &pairs.diffs, errors));
        Ok(Some((rows, fits)))
    }

    /// Adds to the partners of both rows of each pair that fits.
    fn count_hits(&mut self, taken: &Taken, side: usize, pairs: &Pairs, fits: Option<&BooleanArray>) {
        let round = self.round;
        let fitting = |i: &usize| fits.is_none_or(|f| f.value(*i));
        if of(&self.sides, side).counts_hits() {
            for i in (0..pairs.rows.len()).filter(fitting) {
                let (Some(row), Some(other)) = (pairs.rows.get(i), pairs.slots.get(i)) else { continue };
                let slot = taken.slots.get(*row as usize).copied().unwrap_or(NOWHERE);
                let weight = of(&self.sides, 1 - side).rows.as_ref().map_or(0, |r| r.weight_of(*other));
                if slot != NOWHERE {
                    of_mut(&mut self.sides, side).hit(slot, weight, round);
                }
            }
        }
        let others = of_mut(&mut self.sides, 1 - side);
        if others.counts_hits() {
            for i in (0..pairs.rows.len()).filter(fitting) {
                if let (Some(row), Some(slot)) = (pairs.rows.get(i), pairs.slots.get(i)) {
                    others.hit(*slot, taken.diff(*row as usize), round);
                }
            }
        }
    }
}

/// Rows with diffs, less those that do not fit; none when nothing is left.
pub fn changes(rows: RecordBatch, diffs: &[i64], fits: Option<&BooleanArray>) -> Result<Option<Updates>, ArrowError> {
    let (rows, diffs): (RecordBatch, Vec<i64>) = match fits.filter(|f| f.true_count() < f.len()) {
        None => (rows, diffs.to_vec()),
        Some(fits) => {
            let kept = diffs.iter().enumerate().filter(|(i, _)| fits.value(*i)).map(|(_, d)| *d).collect();
            (filter_record_batch(&rows, fits)?, kept)
        }
    };
    if rows.num_rows() == 0 {
        return Ok(None);
    }
    let new = diffs.iter().all(|d| *d == 1);
    Ok(Some(if new { Updates::insertions(rows) } else { Updates::changes(rows, Int64Array::from(diffs)) }))
}

/// Which pairs fulfil a condition; those on which it fails are told, with their diffs.
fn fitting(condition: &Expression, rows: &RecordBatch, diffs: &[i64], errors: &mut Vec<(String, i64)>) -> BooleanArray {
    let of = |rows: &RecordBatch| {
        let value = guarded(|| condition.evaluate(rows)?.into_array(rows.num_rows()))?;
        let fits = value.as_boolean();
        let known = if fits.null_count() > 0 { prep_null_mask_filter(fits) } else { fits.clone() };
        Ok::<_, datafusion::common::DataFusionError>(known)
    };
    if let Ok(fits) = of(rows) {
        return fits;
    }
    let one = |row: usize| match of(&rows.slice(row, 1)) {
        Ok(fits) => fits.value(0),
        Err(error) => {
            errors.push((error.strip_backtrace(), diffs.get(row).copied().unwrap_or(0)));
            false
        }
    };
    (0..rows.num_rows()).map(one).map(Some).collect()
}

/// Rows of a batch by index, without a copy where they follow each other.
fn picked(rows: &RecordBatch, indices: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
    let first = indices.first().copied().unwrap_or(0);
    if indices.iter().zip(first..).all(|(index, expected)| *index == expected) {
        return Ok(rows.slice(first as usize, indices.len()).columns().to_vec());
    }
    let indices = UInt32Array::from(indices.to_vec());
    rows.columns().iter().map(|c| take(c, &indices, None)).collect()
}
