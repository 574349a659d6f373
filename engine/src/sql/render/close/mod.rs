//! Operators that work an epoch through once it is complete: input waits until the frontier has passed its epoch.
//!
//! A state that watermarks close also works through epochs in which only a watermark moved: it holds a capability for the
//! oldest epoch that is not complete. Rows that came too late for it go to a second stream, as rows of the view's late rows.

mod dated;
mod due_keys;
mod kept;
mod line;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

pub use self::dated::ByClosing;
pub use self::due_keys::DueKeys;
pub use self::kept::{Pieces, Routing, SAVED_ROWS, numbered, own_rows};
use self::kept::{keep, told};
use super::Changes;
use super::rows::Split;
use crate::flow::updates::Updates;
use crate::sql::snapshot::{Place, Size};
use crate::sql::watermark::Watermarks;

/// State that takes in epochs in order.
pub trait Keeper {
    /// Works through one epoch; gives what changed, if anything.
    ///
    /// # Errors
    /// When rows do not have the columns of the plan.
    fn epoch(&mut self, epoch: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError>;

    /// Whether there is something to say at the first epoch even if no rows come.
    fn begins_with_rows(&self) -> bool {
        false
    }

    /// The watermarks that give it something to do when they move.
    fn moved_by(&self) -> Option<(Watermarks, Vec<String>)> {
        None
    }

    /// Some of the rows of the last epoch that came too late, until there are none.
    ///
    /// # Errors
    /// When they do not have the columns of the plan.
    fn late(&mut self) -> Result<Option<Updates>, ArrowError> {
        Ok(None)
    }

    /// Hands over all it holds, as rows that `restore` takes, a bounded number at a time: a piece is made when the one before it
    /// was taken.
    ///
    /// # Errors
    /// When it cannot be written as columns, or is not taken.
    fn save<E: From<ArrowError>>(&self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E>;

    /// Takes in some of the rows that were saved.
    ///
    /// # Errors
    /// When they are not of its columns.
    fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError>;

    /// Which worker each saved row belongs to.
    fn routing(&self) -> Routing;

    /// All rows that it has given and not taken back.
    ///
    /// # Errors
    /// When it cannot say.
    fn given(&self) -> Result<Option<Updates>, ArrowError>;

    /// How much it holds.
    fn size(&self) -> Size;
}

/// The columns of a collection of late rows.
pub fn late_schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![text("view"), text("row"), Field::new("diff", DataType::Int64, false)]))
}

/// Late rows as rows of a collection, which only come: the view, each row as a JSON object, and how often it came, or went if that
/// is below 0.
pub fn late_rows(view: &str, updates: &Updates) -> Result<Updates, ArrowError> {
    let lines = StringArray::from(self::line::lines(&updates.rows));
    let views = StringArray::from(vec![view; updates.rows.num_rows()]);
    let diffs: Int64Array = (0..updates.rows.num_rows()).map(|row| Some(updates.diff(row))).collect();
    Ok(Updates::insertions(RecordBatch::try_new(late_schema(), vec![Arc::new(views), Arc::new(lines), Arc::new(diffs)])?))
}

/// Gives the rows of the last epoch that came too late, as rows of a collection.
fn tell_late(state: &mut impl Keeper, view: &str, give: &mut dyn FnMut(&mut Updates)) {
    let mut next = || state.late()?.map(|updates| late_rows(view, &updates)).transpose();
    loop {
        match next() {
            Ok(Some(mut rows)) => give(&mut rows),
            Ok(None) => return,
            Err(error) => return crate::flow::defect::tell("late rows cannot be told", &error),
        }
    }
}

/// Epochs that wait, with the capability of each.
type Waiting = BTreeMap<u64, (Capability<u64>, Capability<u64>, Vec<Updates>)>;

/// Epochs that are over and are worked through without rows: those in which a watermark moved, and the first if it is wanted.
fn add_moved(
    (row, late): &(Capability<u64>, Capability<u64>),
    moved_by: Option<&(Watermarks, Vec<String>)>,
    first: &mut bool,
    frontier: Option<u64>,
    waiting: &mut Waiting,
) {
    let from = *row.time();
    let mut epochs = moved_by.map(|(w, tables)| w.moved(tables, from, frontier)).unwrap_or_default();
    if *first && frontier.is_none_or(|f| f > from) {
        epochs.push(from);
        *first = false;
    }
    for epoch in epochs {
        waiting.entry(epoch).or_insert_with(|| (row.delayed(&epoch), late.delayed(&epoch), Vec::new()));
    }
}

/// Runs a state over a stream; gives its changes, and rows that came too late. A state that could not be made was told, and
/// gives nothing.
pub fn at_close<'s>(input: Changes<'s>, kind: &str, view: &str, state: Option<impl Keeper + 'static>, at: &Place) -> Split<'s> {
    let view = view.to_string();
    let (index, peers) = (input.scope().worker().index(), input.scope().worker().peers());
    let state = state.map(|state| keep(state, at, index, peers));
    let begins_at = at.begins_at().unwrap_or(0);
    let mut given = state.as_ref().filter(|_| at.gives).and_then(|s| told(s.borrow().given(), at).flatten());
    let mut builder = OperatorBuilder::new(format!("{kind} {view}"), input.scope());
    let mut input = builder.new_input(input, Pipeline);
    let (rows, row_stream) = builder.new_output();
    let (late, late_stream) = builder.new_output();
    let mut rows = OutputBuilder::<_, NoopBuilder<Updates>>::from(rows);
    let mut late = OutputBuilder::<_, NoopBuilder<Updates>>::from(late);
    builder.build(move |mut capabilities| {
        let own = (capabilities.pop(), capabilities.pop());
        let moved_by = state.as_ref().and_then(|s| s.borrow().moved_by());
        let begins = state.as_ref().is_some_and(|s| s.borrow().begins_with_rows());
        // Held only by a state that watermarks move, or until the first epoch is over.
        let mut held = match own {
            (Some(late), Some(row)) if moved_by.is_some() || begins || given.is_some() => {
                Some((row.delayed(&begins_at), late.delayed(&begins_at)))
            }
            _ => None,
        };
        let mut first = begins;
        let mut waiting: Waiting = BTreeMap::new();
        move |frontiers| {
            input.for_each_stamp(|cap, data| {
                if let Some(&time) = cap.least() {
                    let entry = waiting.entry(time).or_insert_with(|| (cap.delayed(&time, 0), cap.delayed(&time, 1), Vec::new()));
                    entry.2.extend(data.map(std::mem::take));
                }
            });
            let Some(state) = state.as_ref() else { return };
            let mut state = state.borrow_mut();
            if let (Some(mut updates), Some((row, _))) = (given.take(), &held) {
                rows.activate().session_with_builder(row).give_container(&mut updates);
            }
            let frontier = frontiers.first().and_then(|f| f.frontier().first().copied());
            if let Some(held) = &held {
                add_moved(held, moved_by.as_ref(), &mut first, frontier, &mut waiting);
            }
            let (mut rows, mut late_out) = (rows.activate(), late.activate());
            while waiting.first_key_value().is_some_and(|(time, _)| frontier.is_none_or(|f| *time < f)) {
                let Some((epoch, (row_cap, late_cap, batches))) = waiting.pop_first() else { break };
                match state.epoch(epoch, &batches) {
                    Ok(Some(mut updates)) => rows.session_with_builder(&row_cap).give_container(&mut updates),
                    Ok(None) => {}
                    Err(error) => crate::flow::defect::tell("an epoch cannot be worked through", &error),
                }
                tell_late(&mut *state, &view, &mut |rows| late_out.session_with_builder(&late_cap).give_container(rows));
            }
            held = match (held.take(), frontier) {
                (Some((row, late)), Some(frontier)) if moved_by.is_some() => {
                    // Inputs may still be on their way to the epoch that the run begins with.
                    let to = frontier.max(*row.time());
                    Some((row.delayed(&to), late.delayed(&to)))
                }
                (kept, Some(_)) if first => kept,
                _ => None,
            };
        }
    });
    (row_stream, late_stream)
}
