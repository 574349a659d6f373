//! What joins and groups keep, in columns: values by slot (`column`), keys by number (`index`), rows of a group (`rows`),
//! or in an order (`places`).
//!
//! A slot is a place that is used again once its row has gone, so that a store is as large as the most rows it ever held,
//! and a row is found, read and overwritten where it lies. Time is an epoch after the other here: nothing is versioned.
//! Not here: what joins and aggregates do with it (`render`), arrangements of differential dataflow (`arrange`).

mod along;
mod column;
mod columns;
mod hashed;
mod index;
mod order;
mod places;
mod rows;
mod spans;
mod words;

pub use columns::Columns;
pub use index::{Dated, Index};
pub use order::Ordered;
pub use places::{Given, Places};
pub use rows::{Batch, Rows};
pub use words::{BLOCK, Words};

/// Where some slots stand, if each is the one after the one before it: they are then read at once.
pub fn run_of(slots: &[u32]) -> Option<std::ops::Range<usize>> {
    let first = *slots.first().filter(|first| **first != NOWHERE)?;
    let follow = slots.iter().zip(first..).all(|(slot, next)| *slot == next);
    follow.then(|| first as usize..first as usize + slots.len())
}

/// The slot that is none.
pub const NOWHERE: u32 = u32::MAX;
