//! Slices of groups: a cell holds what is left of the rows that a group has in a slice.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use arrow::error::ArrowError;

use super::states::{Fold, States};
use crate::sql::render::close::SAVED_ROWS;
use crate::sql::store::{Index, NOWHERE};

/// Cells by slice.
pub struct Cells {
    /// Groups by their keys beside the slice.
    groups: Index,
    /// How many cells each group has.
    cells_of: Vec<u32>,
    /// Cells by those keys and the slice.
    index: Index,
    /// The group of each cell, or none if it is free.
    group_of: Vec<u32>,
    states: States,
    slices: BTreeMap<i64, Vec<u32>>,
    /// How many keys there are beside the slice.
    others: usize,
    /// Cells that this epoch touched.
    touched: Vec<u32>,
}

impl Cells {
    /// None yet; the last key is the slice.
    ///
    /// # Errors
    /// When a key has a type that cannot be kept.
    pub fn new(keys: &[DataType], states: States) -> Result<Self, ArrowError> {
        let others = keys.len().saturating_sub(1);
        let groups = Index::new(keys.get(..others).unwrap_or_default())?;
        Ok(Cells {
            groups,
            cells_of: Vec::new(),
            index: Index::new(keys)?,
            group_of: Vec::new(),
            states,
            slices: BTreeMap::new(),
            others,
            touched: Vec::new(),
        })
    }

    /// Takes in rows of keys, slice, weight and states, where a slice is wanted; the first slice that came.
    ///
    /// # Errors
    /// When rows are others.
    pub fn take_in(&mut self, rows: &RecordBatch, wanted: impl Fn(i64) -> bool) -> Result<Option<i64>, ArrowError> {
        let missing = || ArrowError::SchemaError("rows of slices hold the start of each, a weight and states".into());
        let slices =
            |of: &RecordBatch| of.columns().get(self.others).and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>().cloned());
        let keep: BooleanArray = slices(rows).ok_or_else(missing)?.iter().map(|s| Some(s.is_some_and(&wanted))).collect();
        let rows = if keep.true_count() == rows.num_rows() { rows.clone() } else { filter_record_batch(rows, &keep)? };
        let slices = slices(&rows).ok_or_else(missing)?;
        let groups = self.groups.assign(rows.columns(), rows.num_rows())?;
        let cells = self.index.assign(rows.columns(), rows.num_rows())?;
        self.group_of.resize(self.index.len(), NOWHERE);
        self.cells_of.resize(self.groups.len(), 0);
        self.states.grow(self.index.len());
        for ((cell, group), slice) in cells.iter().zip(&groups).zip(slices.values()) {
            if let Some(own @ &mut NOWHERE) = self.group_of.get_mut(*cell as usize) {
                *own = *group;
                self.cells_of.get_mut(*group as usize).into_iter().for_each(|n| *n += 1);
                self.slices.entry(*slice).or_default().push(*cell);
            }
        }
        let rest = rows.columns().get(self.others + 1..).unwrap_or_default();
        let (weights, columns) = rest.split_first().ok_or_else(missing)?;
        self.states.merge(weights, columns, &cells)?;
        self.touched.extend(cells);
        Ok(slices.values().iter().copied().min())
    }

    /// Ends an epoch: where no row is left of what it touched, nothing is left of those that were. Before, there may be none by chance.
    pub fn settle(&mut self) {
        self.states.settle(&std::mem::take(&mut self.touched));
    }

    /// The first slice.
    pub fn first(&self) -> Option<i64> {
        self.slices.keys().next().copied()
    }

    /// Folds the slices from one time up to another into others.
    ///
    /// # Errors
    /// When states cannot be written.
    pub fn fold(&self, from: i64, to: i64, into: &mut Fold) -> Result<(), ArrowError> {
        for cells in self.slices.range(from..to.max(from)).map(|(_, cells)| cells) {
            let groups: Vec<u32> = cells.iter().filter_map(|c| self.group_of.get(*c as usize)).copied().collect();
            into.take_in(&self.states.written(cells)?, &groups, self.groups.len())?;
        }
        Ok(())
    }

    /// Lets go of slices before a time.
    pub fn let_go(&mut self, before: i64) {
        let kept = self.slices.split_off(&before);
        for cell in std::mem::replace(&mut self.slices, kept).into_values().flatten() {
            self.states.clear(cell);
            self.index.release(cell);
            let Some(group) = self.group_of.get_mut(cell as usize).map(|g| std::mem::replace(g, NOWHERE)) else { continue };
            let Some(cells) = self.cells_of.get_mut(group as usize) else { continue };
            *cells -= 1;
            if *cells == 0 {
                self.groups.release(group);
            }
        }
    }

    /// How many numbers of groups were given.
    pub fn room(&self) -> usize {
        self.groups.len()
    }

    /// The keys of some groups, beside the slice.
    ///
    /// # Errors
    /// When values are not of their type, which is a defect.
    pub fn keys(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        self.groups.columns(groups)
    }

    /// Hands over all cells, some at a time, as columns that `take_in` takes.
    ///
    /// # Errors
    /// When states cannot be written, or are not taken.
    pub fn save<E: From<ArrowError>>(&self, out: &mut dyn FnMut(Vec<ArrayRef>) -> Result<(), E>) -> Result<(), E> {
        self.index.live().chunks(SAVED_ROWS).try_for_each(|cells| {
            let written = self.states.written(cells)?;
            out(self.index.columns(cells)?.into_iter().chain([written.weights]).chain(written.columns).collect())
        })
    }

    /// How many cells there are, and bytes.
    pub fn size(&self) -> (usize, usize) {
        let places = self.group_of.len() * 4 + self.cells_of.len() * 4 + self.slices.values().map(|c| c.len() * 4 + 32).sum::<usize>();
        (self.index.count(), self.index.bytes() + self.groups.bytes() + self.states.bytes() + places)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, TimestampMicrosecondArray};
    use arrow::datatypes::{Field, Float64Type, Schema, TimeUnit};

    use super::*;
    use crate::flow::updates::Updates;
    use crate::sql::plan::{Aggregate, Function};
    use crate::sql::render::aggregate::Shape;
    use crate::sql::render::groups::partial::Partial;

    /// A row that goes before it comes leaves a cell that seems empty, and is not; one that is empty when the epoch ends begins anew.
    #[test]
    fn a_cell_is_empty_only_when_an_epoch_ends() {
        let time = DataType::Timestamp(TimeUnit::Microsecond, None);
        let fields = vec![Field::new("slice", time.clone(), true), Field::new("v", DataType::Float64, true)];
        let schema = Arc::new(Schema::new(fields));
        let shape = Shape { prepared: schema.clone(), keys: 1, schema: schema.clone(), append_only: false, hop: None, once: true };
        let sum = [Aggregate { function: Function::Sum, argument: None, filter: None, distinct: false }];
        let mut partial = Partial::new(&schema, 1, &sum, false).unwrap();
        let states = States::new(&shape, 1, &sum, partial.widths()).unwrap();
        let mut cells = Cells::new(&[time], states).unwrap();
        let mut take_in = |cells: &mut Cells, values: &[(Option<f64>, i64)]| {
            let slices = Arc::new(TimestampMicrosecondArray::from(vec![0; values.len()])) as ArrayRef;
            let column = Arc::new(values.iter().map(|v| v.0).collect::<Float64Array>()) as ArrayRef;
            let rows = RecordBatch::try_new(schema.clone(), vec![slices, column]).unwrap();
            let updates = Updates::changes(rows, values.iter().map(|v| v.1).collect::<Int64Array>());
            cells.take_in(&partial.always(&[updates]).unwrap().rows, |_| true).unwrap();
        };
        let total = |cells: &Cells| cells.states.values(&[0]).unwrap()[0].as_primitive::<Float64Type>().iter().next().unwrap();
        take_in(&mut cells, &[(Some(5.0), 1)]);
        cells.settle();
        take_in(&mut cells, &[(Some(7.0), -1)]);
        take_in(&mut cells, &[(Some(7.0), 1)]);
        cells.settle();
        assert_eq!(total(&cells), Some(5.0));
        // Beyond the range of floats, and then nothing of it is left: at first no row, then one without a value.
        for left in [None, Some((None, 1))] {
            take_in(&mut cells, &[(Some(f64::MAX), 1), (Some(f64::MAX), 1)]);
            cells.settle();
            take_in(&mut cells, &[(Some(f64::MAX), -2), (Some(5.0), -1)].into_iter().chain(left).collect::<Vec<_>>());
            cells.settle();
            take_in(&mut cells, &[(Some(5.0), 1)]);
            cells.settle();
            assert_eq!(total(&cells), Some(5.0));
        }
    }
}
