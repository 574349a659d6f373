//! What a join keeps, as rows of a snapshot: for each side its keys, its own columns, how often each row is there, and how
//! many partners it has where those are counted.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;

use super::divided::Divided;
use super::sides::Sides;
use super::state::{Given, JoinState, Shape, Work, of, of_mut};
use crate::flow::updates::Updates;
use crate::sql::render::close::{SAVED_ROWS, numbered};
use crate::sql::snapshot::{Handover, Size, SnapshotError, State};

/// One side of a join, for snapshots.
pub struct SavedSide<S: Sides> {
    pub state: Rc<RefCell<Divided<S>>>,
    pub side: usize,
}

impl<S: Sides> State for SavedSide<S> {
    fn save(&mut self, _: u64, out: &mut Handover) -> Result<(), SnapshotError> {
        self.state.borrow().save(self.side, &mut |rows| out.write(&rows))
    }

    // It holds one version only.
    fn settle(&mut self, _: u64) {}

    fn size(&self) -> Size {
        let (rows, bytes) = self.state.borrow().size(self.side);
        Size { rows, bytes }
    }
}

impl Sides for JoinState {
    type Shape = Shape;
    type Work = Work;

    fn new(shape: Shape) -> Result<Self, ArrowError> {
        Self::empty(shape)
    }

    fn begin(&mut self, epoch: u64, left: &[Updates], right: &[Updates]) -> Result<Work, ArrowError> {
        self.take_up(epoch, left, right)
    }

    fn go_on(&mut self, work: &mut Work, out: &mut Given, enough: usize) -> Result<bool, ArrowError> {
        self.work(work, out, enough)
    }

    fn pass(&mut self, epoch: u64) -> Result<(), ArrowError> {
        self.let_go_of_closed(epoch);
        Ok(())
    }

    // The index is of both sides; it counts with the left.
    fn size(&self, side: usize) -> (usize, usize) {
        let (rows, bytes) = of(&self.sides, side).size();
        (rows, bytes + if side == 0 { self.index.bytes() } else { 0 })
    }

    fn save<E: From<ArrowError>>(&self, side: usize, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        let own = of(&self.sides, side);
        match &own.rows {
            Some(rows) => {
                let all: Vec<(u32, i64)> = rows.all().map(|s| (s.slot, s.weight)).collect();
                for part in all.chunks(SAVED_ROWS) {
                    let slots: Vec<u32> = part.iter().map(|p| p.0).collect();
                    let groups: Vec<u32> = slots.iter().map(|s| rows.group_of(*s)).collect();
                    let mut columns = self.index.columns(&groups)?;
                    columns.extend(rows.take(&slots)?);
                    columns.push(Arc::new(part.iter().map(|p| Some(p.1)).collect::<Int64Array>()));
                    if own.counts_hits() {
                        columns.push(Arc::new(slots.iter().map(|s| Some(own.hits_of(*s))).collect::<Int64Array>()));
                    }
                    out(numbered(columns)?)?;
                }
            }
            None => {
                let groups: Vec<u32> = self.index.live().into_iter().filter(|g| own.weight(*g) != 0).collect();
                for part in groups.chunks(SAVED_ROWS) {
                    let mut columns = self.index.columns(part)?;
                    columns.push(Arc::new(part.iter().map(|g| Some(own.weight(*g))).collect::<Int64Array>()));
                    out(numbered(columns)?)?;
                }
            }
        }
        Ok(())
    }

    fn restore(&mut self, side: usize, saved: &RecordBatch) -> Result<(), ArrowError> {
        let bad = || ArrowError::SchemaError("saved rows of a join are not those of its plan".into());
        let by_hits = of(&self.sides, side).counts_hits();
        let own = saved.num_columns().checked_sub(1 + usize::from(by_hits)).ok_or_else(bad)?;
        let numbers = |at: usize| saved.columns().get(at).and_then(|c| c.as_primitive_opt::<Int64Type>().cloned()).ok_or_else(bad);
        let (weights, hits) = (numbers(own)?, if by_hits { Some(numbers(own + 1)?) } else { None });
        let rows = saved.project(&(0..own).collect::<Vec<_>>())?;
        self.round = self.round.wrapping_add(1).max(1);
        let mut taken = self.take(side, &Updates::changes(rows, weights))?;
        self.grow();
        let round = self.round;
        of_mut(&mut self.sides, side).restore(&mut taken, hits.as_ref(), round);
        Ok(())
    }

    fn given(&mut self) -> Result<Vec<Updates>, ArrowError> {
        let mut out = Given::default();
        self.give_all_pairs(&mut out)?;
        self.give_all(0, &mut out)?;
        self.give_all(1, &mut out)?;
        Ok(out.rows)
    }
}
