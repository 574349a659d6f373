//! Groups that are computed anew hold all their rows; once a watermark has closed a group they are let go.
//!
//! An arrangement forgets a row when it is taken away. So rows pass by here on their way into it and are noted by what closes them;
//! an epoch after their group was closed they are taken away again. What that changes in the groups' rows is not told:
//! those stay. Rows that come after that are late. The rows are held twice until then, here
//! without spilling.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use super::close::{Keeper, Pieces, Routing, at_close};
use super::last::by_closing;
use super::rows::{Split, keep_where};
use super::{Changes, Renderer};
use crate::flow::gather::merge;
use crate::flow::updates::Updates;
use crate::sql::arrange::{from_diffs, with_diffs};
use crate::sql::closing::Closing;
use crate::sql::snapshot::Size;
use crate::sql::watermark::{END, Watermarks};

/// The key that closes groups, and what says when.
pub type Closes = (usize, Closing, Watermarks);

/// Rows of groups that are not closed, by the watermark that closes them.
struct Open {
    closes: Closes,
    schema: SchemaRef,
    rows: BTreeMap<i64, Noted>,
    late: Vec<Updates>,
    told: Told,
}

/// Rows that are closed together: what came and went is put together when it has become more than what is left.
#[derive(Default)]
struct Noted {
    parts: Vec<Updates>,
    rows: usize,
    /// Rows at which they are put together next.
    room: usize,
}

/// Rows that are noted as they come before they are put together for the first time.
const ROWS_MIN: usize = 1_024;

impl Noted {
    fn add(&mut self, part: Updates, schema: &SchemaRef) -> Result<(), ArrowError> {
        self.rows += part.rows.num_rows();
        self.parts.push(part);
        if self.rows > self.room.max(ROWS_MIN) {
            let left = merge(&self.parts, schema)?;
            self.rows = left.rows.num_rows();
            self.room = 2 * self.rows;
            self.parts = vec![left];
        }
        Ok(())
    }
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
        let (key, closing, watermarks) = &self.closes;
        let before = closing.passed_before(watermarks, epoch).unwrap_or(i64::MIN);
        let open = self.rows.split_off(&before.saturating_add(1));
        let mut out: Vec<Updates> = std::mem::replace(&mut self.rows, open).into_values().flat_map(|n| n.parts).map(taken_away).collect();
        for updates in batches {
            for (closes, part) in by_closing(updates, *key, closing)? {
                if closes <= before {
                    self.late.push(part);
                    continue;
                }
                out.push(part.clone());
                // What no watermark closes is not let go of.
                if closes < END {
                    self.rows.entry(closes).or_default().add(part, &self.schema)?;
                }
            }
        }
        if out.is_empty() { Ok(None) } else { merge(&out, &self.schema).map(|u| Some(u).filter(|u| u.rows.num_rows() > 0)) }
    }

    fn moved_by(&self) -> Option<(Watermarks, Vec<String>)> {
        Some((self.closes.2.clone(), self.closes.1.tables.clone()))
    }

    fn late(&mut self) -> Result<Option<Updates>, ArrowError> {
        self.late.pop().map(|late| self.told.of(late)).transpose()
    }

    fn save<E: From<ArrowError>>(&self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        let mut pieces = Pieces::default();
        for updates in self.rows.values().flat_map(|n| &n.parts) {
            let diffs = (0..updates.rows.num_rows()).map(|row| updates.diff(row)).collect();
            pieces.add(&with_diffs(&updates.rows, diffs)?, out)?;
        }
        pieces.end(out)
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        for (closes, part) in by_closing(&from_diffs(rows)?, self.closes.0, &self.closes.1)? {
            self.rows.entry(closes).or_default().add(part, &self.schema)?;
        }
        Ok(())
    }

    fn routing(&self) -> Routing {
        Routing::Any
    }

    fn given(&self) -> Result<Option<Updates>, ArrowError> {
        Err(ArrowError::ComputeError("rows of closed groups are not kept".into()))
    }

    fn size(&self) -> Size {
        let all = || self.rows.values().flat_map(|n| &n.parts);
        let bytes = |u: &Updates| u.rows.columns().iter().map(|c| c.to_data().get_slice_memory_size().unwrap_or(0) as u64).sum::<u64>();
        Size { rows: all().map(|u| u.rows.num_rows() as u64).sum(), bytes: all().map(bytes).sum() }
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
        let told = Told::new(schema, keys, given);
        let open = Open { closes: closes.clone(), schema: schema.clone(), rows: BTreeMap::new(), late: Vec::new(), told };
        at_close(input, "open", view, Some(open), &self.place())
    }
}

/// Changes of groups but for those of closed ones.
pub fn of_open<'s>(input: Changes<'s>, (key, closing, watermarks): Closes) -> Changes<'s> {
    input.unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, "of open groups", move |_, _| {
        move |input, output| {
            input.for_each_stamp(|cap, data| {
                let before = cap.least().and_then(|epoch| closing.passed_before(&watermarks, *epoch));
                let mut session = output.session_with_builder(&cap);
                for updates in data {
                    let kept = match before {
                        Some(before) => open(updates, key, &closing, before),
                        None => Ok(std::mem::take(updates)),
                    };
                    match kept {
                        Ok(mut updates) if updates.rows.num_rows() > 0 => session.give_container(&mut updates),
                        Ok(_) => {}
                        Err(error) => crate::flow::defect::tell("groups have no times", &error),
                    }
                }
            });
        }
    })
}

fn open(updates: &Updates, key: usize, closing: &Closing, before: i64) -> Result<Updates, ArrowError> {
    let times = super::groups::closing_times(closing, updates, key)?;
    let is_open = times.iter().map(|closes| Some(closes.is_none_or(|closes| closes > before))).collect();
    keep_where(updates, &is_open).map_err(|e| ArrowError::ComputeError(e.strip_backtrace()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    /// A row that is replaced again and again is not noted again and again.
    #[test]
    fn what_went_is_not_noted() {
        let row = |v: i64| RecordBatch::try_from_iter([("v", Arc::new(Int64Array::from(vec![v])) as ArrayRef)]).unwrap();
        let schema = row(0).schema();
        let mut noted = Noted::default();
        noted.add(Updates::insertions(row(0)), &schema).unwrap();
        for v in 0..10_000 {
            noted.add(Updates::changes(row(v), vec![-1].into()), &schema).unwrap();
            noted.add(Updates::insertions(row(v + 1)), &schema).unwrap();
            assert!(noted.rows <= ROWS_MIN + 1);
        }
        let left = merge(&noted.parts, &schema).unwrap();
        assert_eq!((left.rows, left.diffs.map_or(1, |d| d.value(0))), (row(10_000), 1));
    }
}
