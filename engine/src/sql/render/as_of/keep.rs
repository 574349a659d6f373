//! A join by time as the operator of joins knows it: its epochs, and what is saved of it, or goes to disk. What goes with which is not
//! saved, but found again.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;

use super::pairs::Pairs;
use super::side::Place;
use super::state::{Epoch, Nearby, Shape};
use crate::flow::updates::Updates;
use crate::sql::render::close::{SAVED_ROWS, numbered};
use crate::sql::render::join::{Given, Sides, of};
use crate::sql::store::NOWHERE;

impl Nearby {
    /// Every row of the left by key.
    fn all(&self) -> Vec<(u32, Place)> {
        let [left, _] = &self.sides;
        self.index.live().into_iter().flat_map(|key| left.all(key).map(move |place| (key, place))).collect()
    }

    /// Finds what goes with which, after rows were restored.
    fn find_others(&mut self) -> Result<(), ArrowError> {
        if !std::mem::take(&mut self.is_restored) {
            return Ok(());
        }
        for (key, place) in self.all() {
            self.find(key, place)?;
        }
        let live = self.index.live();
        self.tidy(&live);
        Ok(())
    }
}

impl Sides for Nearby {
    type Shape = Shape;
    type Work = Epoch;

    fn new(shape: Shape) -> Result<Self, ArrowError> {
        Self::empty(shape)
    }

    fn begin(&mut self, epoch: u64, left: &[Updates], right: &[Updates]) -> Result<Epoch, ArrowError> {
        self.find_others()?;
        self.take_up(epoch, left, right)
    }

    fn go_on(&mut self, epoch: &mut Epoch, out: &mut Given, enough: usize) -> Result<bool, ArrowError> {
        self.work(epoch, out, enough)
    }

    fn pass(&mut self, epoch: u64) -> Result<(), ArrowError> {
        self.find_others()?;
        self.end(epoch, &Default::default())
    }

    fn save<E: From<ArrowError>>(&self, side: usize, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        let own = of(&self.sides, side);
        let all: Vec<(u32, i64)> = own.rows.all().map(|stored| (stored.slot, stored.weight)).collect();
        for part in all.chunks(SAVED_ROWS) {
            let slots: Vec<u32> = part.iter().map(|row| row.0).collect();
            let keys: Vec<u32> = slots.iter().map(|slot| own.rows.group_of(*slot)).collect();
            let mut columns = self.index.columns(&keys)?;
            columns.extend(own.rows.take(&slots)?);
            columns.push(Arc::new(Int64Array::from_iter_values(part.iter().map(|row| row.1))));
            out(numbered(columns)?)?;
        }
        Ok(())
    }

    fn restore(&mut self, side: usize, saved: &RecordBatch) -> Result<(), ArrowError> {
        let weights = saved.columns().last().and_then(|c| c.as_primitive_opt::<Int64Type>()).cloned();
        let weights = weights.ok_or_else(|| ArrowError::SchemaError("saved rows of a join by time are not those of its plan".into()))?;
        let rows = saved.project(&(0..saved.num_columns() - 1).collect::<Vec<_>>())?;
        let part = self.part(side, Updates::changes(rows, weights))?;
        self.take_in(side, &mut [part])?;
        self.is_restored = true;
        Ok(())
    }

    fn given(&mut self) -> Result<Vec<Updates>, ArrowError> {
        self.find_others()?;
        let (mut pairs, mut out) = (Pairs::default(), Given::default());
        let [left, _] = &self.sides;
        for (_, (_, slot)) in self.all() {
            pairs.add(slot, self.others.get(slot as usize).copied().unwrap_or(NOWHERE), left.rows.weight_of(slot));
        }
        self.give_pairs(pairs, &mut out)?;
        Ok(out.rows)
    }

    fn size(&self, side: usize) -> (usize, usize) {
        let (rows, bytes) = of(&self.sides, side).size();
        (rows, bytes + if side == 0 { self.bytes() } else { 0 })
    }
}
