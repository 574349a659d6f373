//! Groups that are computed anew hold all their rows; once a watermark has closed a group they are let go.
//!
//! An arrangement forgets a row when it is taken away. So rows pass by here on their way into it and are noted by what closes them;
//! an epoch after their group was closed they are taken away again. What that changes in the groups' rows is not told:
//! those stay. Rows that come after that are late. The rows are held twice until then,
//! here without spilling.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use super::close::{ByClosing, Keeper, Routing, at_close};
use super::groups::in_time;
use super::rows::Split;
use super::{Changes, Renderer};
use crate::flow::gather::merge;
use crate::flow::updates::Updates;
use crate::sql::closing::Closing;
use crate::sql::snapshot::Size;
use crate::sql::watermark::{END, Watermarks};

/// The key that closes groups, and what says when.
pub type Closes = (usize, Closing, Watermarks);

/// Rows of groups that are not closed.
struct Open {
    rows: ByClosing,
    closing: Closing,
    watermarks: Watermarks,
    schema: SchemaRef,
    late: Vec<Updates>,
    told: Told,
}

/// How late rows are told: some of the columns, under names of their own.
struct Told {
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl Told {
    /// Keys have the names that they are given with; a column of such a name is the key itself, and is told once.
    fn new(rows: &SchemaRef, keys: usize, given: &SchemaRef) -> Self {
        let names: Vec<&String> = given.fields().iter().take(keys).map(|f| f.name()).collect();
        let of = |i: usize, f: &Field| match names.get(i) {
            Some(name) => Some((i, f.clone().with_name(*name))),
            None => Some((i, f.clone())).filter(|(_, f)| !names.contains(&f.name())),
        };
        let (columns, fields): (Vec<usize>, Vec<Field>) = rows.fields().iter().enumerate().filter_map(|(i, f)| of(i, f)).unzip();
        Told { columns, schema: Arc::new(Schema::new(fields)) }
    }

    fn of(&self, updates: Updates) -> Result<Updates, ArrowError> {
        let columns = updates.rows.project(&self.columns)?.columns().to_vec();
        Ok(Updates { rows: RecordBatch::try_new(self.schema.clone(), columns)?, diffs: updates.diffs })
    }
}

impl Keeper for Open {
    fn epoch(&mut self, epoch: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        let before = self.closing.passed_before(&self.watermarks, epoch).unwrap_or(i64::MIN);
        let mut out: Vec<Updates> = self.rows.closed(before).into_iter().map(taken_away).collect();
        for updates in batches {
            for (closes, part) in self.rows.parts(updates)? {
                if closes <= before {
                    self.late.push(part);
                    continue;
                }
                out.push(part.clone());
                // What no watermark closes is not let go of.
                if closes < END {
                    self.rows.add(closes, part)?;
                }
            }
        }
        if out.is_empty() { Ok(None) } else { merge(&out, &self.schema).map(|u| Some(u).filter(|u| u.rows.num_rows() > 0)) }
    }

    fn moved_by(&self) -> Option<(Watermarks, Vec<String>)> {
        Some((self.watermarks.clone(), self.closing.tables.clone()))
    }

    fn late(&mut self) -> Result<Option<Updates>, ArrowError> {
        self.late.pop().map(|late| self.told.of(late)).transpose()
    }

    fn save<E: From<ArrowError>>(&self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        self.rows.save(out)
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        self.rows.restore(rows)
    }

    fn routing(&self) -> Routing {
        Routing::Any
    }

    fn given(&self) -> Result<Option<Updates>, ArrowError> {
        Err(ArrowError::ComputeError("rows of closed groups are not kept".into()))
    }

    fn size(&self) -> Size {
        self.rows.size()
    }
}

/// Changes that undo others.
fn taken_away(updates: Updates) -> Updates {
    let diffs: Int64Array = (0..updates.rows.num_rows()).map(|row| -updates.diff(row)).collect();
    Updates { rows: updates.rows, diffs: Some(diffs) }
}

impl<'s> Renderer<'s> {
    /// Rows on their way into groups, taken away again when their group was closed; and those that are late.
    pub(super) fn while_open(
        &self,
        input: Changes<'s>,
        view: &str,
        closes: &Closes,
        (schema, keys, given): (&SchemaRef, usize, &SchemaRef),
    ) -> Split<'s> {
        let (key, closing, watermarks) = closes.clone();
        let (rows, told) = (ByClosing::new(key, closing.clone(), schema.clone()), Told::new(schema, keys, given));
        let open = Open { rows, closing, watermarks, schema: schema.clone(), late: Vec::new(), told };
        at_close(input, "open", view, Some(open), &self.place())
    }
}

/// Changes of groups but for those of closed ones.
pub fn of_open<'s>(input: Changes<'s>, closes: Closes) -> Changes<'s> {
    let closes = Some(closes);
    input.unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, "of open groups", move |_, _| {
        move |input, output| {
            input.for_each_stamp(|cap, data| {
                let Some(epoch) = cap.least().copied() else { return };
                let mut session = output.session_with_builder(&cap);
                for updates in data {
                    // What would be late has changed because its rows were taken away.
                    match in_time(updates, &closes, epoch, &mut Vec::new()) {
                        Ok(mut updates) if updates.rows.num_rows() > 0 => session.give_container(&mut updates),
                        Ok(_) => {}
                        Err(error) => crate::flow::defect::tell("groups have no times", &error),
                    }
                }
            });
        }
    })
}
