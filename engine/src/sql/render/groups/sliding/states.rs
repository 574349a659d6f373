//! Weights and states of aggregates by number, and folds of them: what is left of many slices, by group.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;

use crate::sql::plan::Aggregate;
use crate::sql::render::aggregate::Shape;
use crate::sql::render::groups::accumulate::{Accumulator, accumulator};
use crate::sql::render::groups::saved::numbers_of;

/// A weight and the states of each aggregate, by number.
pub struct States {
    weights: Vec<i64>,
    states: Vec<Box<dyn Accumulator>>,
    /// Columns that the states of each aggregate are.
    widths: Vec<usize>,
}

/// Weights and states, written down: a weight a row, then the columns of the states.
pub struct Written {
    pub weights: ArrayRef,
    pub columns: Vec<ArrayRef>,
}

impl States {
    /// Nothing yet; `keys` are the keys of the output.
    ///
    /// # Errors
    /// When an argument has a type that cannot be kept.
    pub fn new(shape: &Shape, keys: usize, aggregates: &[Aggregate], widths: Vec<usize>) -> Result<Self, ArrowError> {
        let input = |i: usize| shape.prepared.fields().get(shape.keys + i).map_or(DataType::Null, |f| f.data_type().clone());
        let output = |i: usize| shape.schema.fields().get(keys + i).map_or(DataType::Null, |f| f.data_type().clone());
        let state = |(i, a): (usize, &Aggregate)| accumulator(a, &input(i), &output(i), shape.append_only);
        let states = aggregates.iter().enumerate().map(state).collect::<Result<_, _>>()?;
        Ok(States { weights: Vec::new(), states, widths })
    }

    /// Makes room.
    pub fn grow(&mut self, to: usize) {
        self.weights.resize(to, 0);
        self.states.iter_mut().for_each(|s| s.grow(to));
    }

    /// Forgets what stands at a number.
    pub fn clear(&mut self, at: u32) {
        self.weights.get_mut(at as usize).into_iter().for_each(|w| *w = 0);
        self.states.iter_mut().for_each(|s| s.clear(at));
    }

    /// The weight at a number.
    pub fn weight(&self, at: u32) -> i64 {
        self.weights.get(at as usize).copied().unwrap_or(0)
    }

    /// Adds what is written to some numbers.
    ///
    /// # Errors
    /// When it is of other aggregates.
    pub fn merge(&mut self, weights: &ArrayRef, mut columns: &[ArrayRef], to: &[u32]) -> Result<(), ArrowError> {
        let more = weights.as_primitive_opt::<Int64Type>().ok_or_else(|| ArrowError::SchemaError("a weight is a number".into()))?;
        for (at, more) in to.iter().zip(more.values()) {
            self.weights.get_mut(*at as usize).into_iter().for_each(|w| *w += more);
        }
        for (state, width) in self.states.iter_mut().zip(&self.widths) {
            state.merge(columns.split_off(..*width).unwrap_or_default(), to)?;
        }
        Ok(())
    }

    /// Takes rows in that come, each at a number.
    ///
    /// # Errors
    /// When arguments are not of their types.
    pub fn update(&mut self, arguments: &[ArrayRef], at: &[u32]) -> Result<(), ArrowError> {
        for at in at {
            self.weights.get_mut(*at as usize).into_iter().for_each(|w| *w += 1);
        }
        self.states.iter_mut().zip(arguments).try_for_each(|(state, argument)| state.update(argument, None, at))
    }

    /// Ends an epoch that touched some numbers.
    pub fn settle(&mut self, touched: &[u32]) {
        self.states.iter_mut().for_each(|s| s.settle(touched));
        touched
            .iter()
            .filter(|at| self.weights.get(**at as usize) == Some(&0))
            .for_each(|at| self.states.iter_mut().for_each(|s| s.clear(*at)));
    }

    /// What stands at some numbers.
    ///
    /// # Errors
    /// When states cannot be written.
    pub fn written(&self, of: &[u32]) -> Result<Written, ArrowError> {
        let mut columns = Vec::with_capacity(self.widths.iter().sum());
        for state in &self.states {
            columns.extend(state.save(of)?);
        }
        Ok(Written { weights: numbers_of(&self.weights, of), columns })
    }

    /// The aggregates at some numbers, a column each.
    ///
    /// # Errors
    /// When they do not fit the output's types.
    pub fn values(&self, of: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        self.states.iter().map(|s| s.values(of)).collect()
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        self.weights.len() * 8 + self.states.iter().map(|s| s.bytes()).sum::<usize>()
    }
}

/// What is left of some slices, by group.
pub struct Fold {
    pub states: States,
    /// The groups that have something, in the order in which they came.
    pub groups: Vec<u32>,
    has: Vec<bool>,
}

impl Fold {
    /// Of nothing.
    pub fn new(states: States) -> Self {
        Fold { states, groups: Vec::new(), has: Vec::new() }
    }

    /// Adds what is written to groups, of which there are so many.
    ///
    /// # Errors
    /// When it is of other aggregates.
    pub fn take_in(&mut self, written: &Written, groups: &[u32], room: usize) -> Result<(), ArrowError> {
        self.states.grow(room.max(self.has.len()));
        self.has.resize(room.max(self.has.len()), false);
        for group in groups {
            if let Some(has @ false) = self.has.get_mut(*group as usize) {
                *has = true;
                self.groups.push(*group);
            }
        }
        self.states.merge(&written.weights, &written.columns, groups)
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        for group in std::mem::take(&mut self.groups) {
            self.states.clear(group);
            self.has.get_mut(group as usize).into_iter().for_each(|has| *has = false);
        }
    }
}
