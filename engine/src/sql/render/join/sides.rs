//! What the operator of joins wants of a state of two sides that lies in memory: it takes in epochs in order, and can be saved and
//! divided by the hash of its keys (`divided.rs`).

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::state::Given;
use crate::flow::updates::Updates;
use crate::sql::render::aggregate::Closes;

/// What a state is of.
pub trait Shape: Clone {
    /// How many columns of each side's layout are keys.
    fn keys(&self) -> usize;

    /// Which columns of a side's layout late rows are told with.
    fn own(&self, side: usize) -> Range<usize>;

    /// What tells whether rows of a side come too late: rows that they would meet have then been let go of.
    fn late_by(&self, side: usize) -> Closes;
}

/// A state of two sides; the left is side 0.
pub trait Sides: Sized {
    /// What it is of.
    type Shape: Shape;
    /// An epoch on its way.
    type Work;

    /// Nothing on either side.
    ///
    /// # Errors
    /// When a type has no row encoding.
    fn new(shape: Self::Shape) -> Result<Self, ArrowError>;

    /// Takes an epoch's rows up, none of them late.
    ///
    /// # Errors
    /// When rows are not of the layout.
    fn begin(&mut self, epoch: u64, left: &[Updates], right: &[Updates]) -> Result<Self::Work, ArrowError>;

    /// Goes on with an epoch until it is done or enough is given for once; whether it is done.
    ///
    /// # Errors
    /// When rows cannot be put together, which is a defect.
    fn go_on(&mut self, work: &mut Self::Work, out: &mut Given, enough: usize) -> Result<bool, ArrowError>;

    /// Lets go of what an epoch without rows for this state has closed.
    ///
    /// # Errors
    /// When rows cannot be compared, which is a defect.
    fn pass(&mut self, epoch: u64) -> Result<(), ArrowError>;

    /// Hands a side over, some rows at a time: keys, own columns, and what else is kept of each.
    ///
    /// # Errors
    /// When it cannot be written, or taken.
    fn save<E: From<ArrowError>>(&self, side: usize, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E>;

    /// Takes in some rows of a side that were saved, before the first epoch or between two.
    ///
    /// # Errors
    /// When they are not of its columns.
    fn restore(&mut self, side: usize, saved: &RecordBatch) -> Result<(), ArrowError>;

    /// All rows that it has given and not taken back.
    ///
    /// # Errors
    /// When rows cannot be put together, which is a defect.
    fn given(&mut self) -> Result<Vec<Updates>, ArrowError>;

    /// Rows and bytes of a side.
    fn size(&self, side: usize) -> (usize, usize);
}
