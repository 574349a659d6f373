//! What a join by time gives: rows of the left as they are kept, or as they come, with rows of the right or nulls.

use arrow::array::{ArrayRef, UInt32Array, new_null_array};
use arrow::error::ArrowError;

use super::side::Part;
use super::state::Nearby;
use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;
use crate::sql::render::join::{Given, PAIRS};
use crate::sql::render::rows::batch;
use crate::sql::store::NOWHERE;

/// Own columns of rows of the left by number: of a slot, or of a place in a batch.
type Picked<'a> = &'a dyn Fn(&[u32]) -> Result<Vec<ArrayRef>, ArrowError>;

/// Slots of both sides, and how often the pair comes or goes.
#[derive(Default)]
pub struct Pairs {
    left: Vec<u32>,
    right: Vec<u32>,
    diffs: Vec<i64>,
}

impl Pairs {
    /// How many they are.
    pub fn len(&self) -> usize {
        self.diffs.len()
    }

    /// Adds a pair.
    pub fn add(&mut self, left: u32, right: u32, diff: i64) {
        self.left.push(left);
        self.right.push(right);
        self.diffs.push(diff);
    }
}

impl Nearby {
    /// Gives pairs of rows that are kept.
    pub(super) fn give_pairs(&self, pairs: Pairs, out: &mut Given) -> Result<(), ArrowError> {
        let [left, _] = &self.sides;
        out.looked_at += pairs.len();
        for from in (0..pairs.len()).step_by(PAIRS) {
            let some = from..(from + PAIRS).min(pairs.len());
            let of = |of: &[u32]| of.get(some.clone()).unwrap_or_default().to_vec();
            let diffs = pairs.diffs.get(some.clone()).unwrap_or_default();
            self.give(&of(&pairs.left), &of(&pairs.right), diffs, &|slots| left.rows.take(slots), out)?;
        }
        Ok(())
    }

    /// Gives rows of the left that come or go.
    pub(super) fn give_part(&self, part: &Part, out: &mut Given) -> Result<(), ArrowError> {
        let count = part.rows.num_rows();
        out.looked_at += count;
        let others: Vec<u32> = part.slots.iter().map(|(slot, _)| self.others.get(*slot as usize).copied().unwrap_or(NOWHERE)).collect();
        let picked = |rows: &[u32]| match rows.len() == count {
            true => Ok(part.rows.columns().to_vec()),
            false => take_rows(&part.rows, &UInt32Array::from(rows.to_vec())).map(|rows| rows.columns().to_vec()),
        };
        for from in (0..count).step_by(PAIRS) {
            let some = from..(from + PAIRS).min(count);
            let rows: Vec<u32> = some.clone().map(|row| row as u32).collect();
            let diffs: Vec<i64> = some.clone().map(|row| part.diff(row)).collect();
            self.give(&rows, others.get(some).unwrap_or_default(), &diffs, &picked, out)?;
        }
        Ok(())
    }

    /// Gives rows of the left that go with none: a key or the time is null.
    pub(super) fn give_loose(&self, loose: &[Updates], out: &mut Given) -> Result<(), ArrowError> {
        for updates in loose.iter().filter(|_| self.shape.outer) {
            let own: Vec<ArrayRef> = updates.rows.columns().get(self.shape.keys.len()..).unwrap_or_default().to_vec();
            let rows: Vec<u32> = (0..updates.rows.num_rows() as u32).collect();
            let diffs: Vec<i64> = (0..rows.len()).map(|row| updates.diff(row)).collect();
            self.give(&rows, &vec![NOWHERE; rows.len()], &diffs, &|_| Ok(own.clone()), out)?;
        }
        Ok(())
    }

    /// Gives rows of the left, which are picked by number, with slots of the right.
    fn give(&self, left: &[u32], right: &[u32], diffs: &[i64], picked: Picked<'_>, out: &mut Given) -> Result<(), ArrowError> {
        let is_given = |other: &u32| self.shape.outer || *other != NOWHERE;
        if !right.iter().all(is_given) {
            let given = || right.iter().map(is_given);
            let of = |of: &[u32]| of.iter().zip(given()).filter(|(_, given)| *given).map(|(at, _)| *at).collect::<Vec<u32>>();
            let diffs: Vec<i64> = diffs.iter().zip(given()).filter(|(_, given)| *given).map(|(diff, _)| *diff).collect();
            return self.give(&of(left), &of(right), &diffs, picked, out);
        }
        if left.is_empty() {
            return Ok(());
        }
        match self.columns(left, right, picked) {
            // More than 2 GiB of text, which a column does not hold.
            Err(ArrowError::OffsetOverflowError(_)) if left.len() > 1 => {
                let middle = left.len() / 2;
                let (left, right, diffs) = (left.split_at(middle), right.split_at(middle), diffs.split_at(middle));
                self.give(left.0, right.0, diffs.0, picked, out)?;
                self.give(left.1, right.1, diffs.1, picked, out)
            }
            columns => {
                let rows = batch(self.shape.schema.clone(), columns?, left.len());
                let rows = rows.map_err(|e| ArrowError::ComputeError(e.strip_backtrace()))?;
                let once = diffs.iter().all(|diff| *diff == 1);
                out.rows.push(Updates { rows, diffs: (!once).then(|| diffs.to_vec().into()) });
                Ok(())
            }
        }
    }

    fn columns(&self, left: &[u32], right: &[u32], picked: Picked<'_>) -> Result<Vec<ArrayRef>, ArrowError> {
        let ([_, others], [left_width, right_width]) = (&self.sides, self.shape.widths);
        let mut columns = picked(left)?;
        columns.truncate(left_width);
        if right.iter().all(|slot| *slot == NOWHERE) {
            let nulls = self.shape.schema.fields().iter().skip(left_width).map(|f| new_null_array(f.data_type(), right.len()));
            columns.extend(nulls);
            return Ok(columns);
        }
        let mut own = others.rows.take(right)?;
        own.truncate(right_width);
        columns.append(&mut own);
        Ok(columns)
    }
}
