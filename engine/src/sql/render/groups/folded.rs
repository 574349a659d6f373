//! Slices of a batch that the same windows take in, as one: a batch of a few slices is in a hundred windows, and nearly all of those
//! hold all of it. So the slices of each key are folded once for all windows that follow each other and hold the same of them.
//!
//! Not here: which windows those are (`spread.rs`).

use std::ops::Range;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::error::ArrowError;

use super::sliding::States;
use crate::sql::store::NOWHERE;

/// Windows that follow each other and take in the same rows, by their places in the order of slices.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    pub windows: Range<usize>,
    pub rows: Range<usize>,
}

/// What is folded.
pub struct Folded {
    /// A row of the batch that has the keys of each.
    pub of: Vec<u32>,
    /// What stands in each run.
    pub runs: Vec<Range<usize>>,
    /// A weight and states of each.
    pub columns: Vec<ArrayRef>,
}

/// Folds rows of states.
pub struct Folder {
    states: States,
    /// What a number's rows are folded to, within a run.
    place: Vec<u32>,
}

impl Folder {
    /// With states to work with.
    pub fn new(states: States) -> Self {
        Folder { states, place: Vec::new() }
    }

    /// The rows of each run, those of one number as one; none where to fold is dearer than what it saves. `columns` are a weight and
    /// states, `order` is of rows by slice, `numbers` tells keys apart.
    ///
    /// # Errors
    /// When the columns are of other aggregates.
    pub fn fold(&mut self, columns: &[ArrayRef], numbers: &[u32], order: &[u32], runs: &[Run]) -> Result<Option<Folded>, ArrowError> {
        let cells = |rows: &dyn Fn(usize, &Run) -> usize| runs.iter().enumerate().map(|(at, run)| run.windows.len() * rows(at, run)).sum();
        let plain: usize = cells(&|_, run| run.rows.len());
        // Each run has one at least.
        if runs.iter().map(|run| run.rows.len()).sum::<usize>() + cells(&|_, run| run.rows.len().min(1)) >= plain {
            return Ok(None);
        }
        let mut out = Folded { of: Vec::new(), runs: Vec::with_capacity(runs.len()), columns: Vec::new() };
        let (mut from, mut to) = (Vec::new(), Vec::new());
        self.place.resize(numbers.iter().max().map_or(0, |most| *most as usize + 1).max(self.place.len()), NOWHERE);
        for run in runs {
            let first = out.of.len();
            for row in order.get(run.rows.clone()).unwrap_or_default() {
                let Some(place) = numbers.get(*row as usize).and_then(|n| self.place.get_mut(*n as usize)) else { continue };
                if *place == NOWHERE {
                    *place = out.of.len() as u32;
                    out.of.push(*row);
                }
                from.push(*row);
                to.push(*place);
            }
            for row in out.of.get(first..).unwrap_or_default() {
                let place = numbers.get(*row as usize).and_then(|n| self.place.get_mut(*n as usize));
                place.into_iter().for_each(|place| *place = NOWHERE);
            }
            out.runs.push(first..out.of.len());
        }
        if from.len() + cells(&|at, _| out.runs.get(at).map_or(0, Range::len)) >= plain {
            return Ok(None);
        }
        let from = UInt32Array::from(from);
        let taken = columns.iter().map(|c| take(c, &from, None)).collect::<Result<Vec<_>, _>>()?;
        let Some((weights, states)) = taken.split_first() else { return Ok(None) };
        self.states.grow(out.of.len());
        self.states.merge(weights, states, &to)?;
        let all: Vec<u32> = (0..out.of.len() as u32).collect();
        let written = self.states.written(&all)?;
        all.into_iter().for_each(|at| self.states.clear(at));
        out.columns = std::iter::once(written.weights).chain(written.columns).collect();
        Ok(Some(out))
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        self.states.bytes() + self.place.len() * size_of::<u32>()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::*;
    use crate::sql::plan::{Aggregate, Function};
    use crate::sql::render::aggregate::Shape;

    /// Rows of one number are one within a run, and runs know nothing of each other, nor of the batch before.
    #[test]
    fn rows_of_a_number_are_one_within_a_run() {
        let field = |name: &str| Field::new(name, DataType::Int64, true);
        let prepared = Arc::new(Schema::new(vec![field("k"), field("slice"), field("n")]));
        let schema = Arc::new(Schema::new(vec![field("k"), field("w"), field("n")]));
        let shape = Shape { prepared, keys: 2, schema, append_only: true, hop: None, once: false };
        let count = Aggregate { function: Function::Count, argument: None, filter: None, distinct: false };
        let mut folder = Folder::new(States::new(&shape, 2, &[count], vec![1]).unwrap());
        let numbers = |of: &[i64]| Arc::new(Int64Array::from(of.to_vec())) as ArrayRef;
        let (weights, states) = (numbers(&[1, 2, 4, 8]), numbers(&[10, 20, 40, 80]));
        let runs = [Run { windows: 0..5, rows: 0..2 }, Run { windows: 5..15, rows: 0..4 }, Run { windows: 15..20, rows: 2..4 }];
        for _ in 0..2 {
            // The rows with keys 7 and 3, of two slices.
            let folded = folder.fold(&[weights.clone(), states.clone()], &[7, 3, 7, 3], &[1, 0, 2, 3], &runs).unwrap().unwrap();
            assert_eq!((folded.of, folded.runs), (vec![1, 0, 1, 0, 2, 3], vec![0..2, 2..4, 4..6]));
            let sums = |at: usize| folded.columns[at].as_primitive::<Int64Type>().values().to_vec();
            assert_eq!((sums(0), sums(1)), (vec![2, 1, 10, 5, 4, 8], vec![20, 10, 100, 50, 40, 80]));
        }
        let alone = [Run { windows: 0..1, rows: 0..2 }, Run { windows: 1..2, rows: 2..4 }];
        assert!(folder.fold(&[weights, states], &[7, 3, 7, 3], &[0, 1, 2, 3], &alone).unwrap().is_none());
    }
}
