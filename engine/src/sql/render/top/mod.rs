//! ORDER BY … LIMIT, and ROW_NUMBER() … <= n: the first rows of each group, kept in order (`store::Places`), so that a change costs
//! what the window of first rows holds and not what the group does.
//!
//! What an epoch changes is told as the difference of the first rows of each group that it touched, before and after.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt64Array};
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::SortField;
use datafusion::physical_expr::expressions::Column;

use super::close::{Keeper, Routing, SAVED_ROWS, at_close};
use super::groups::zero_behind_nulls;
use super::rows::batch;
use super::{Changes, Renderer, rows};
use crate::flow::exchange::exchange_by;
use crate::flow::updates::Updates;
use crate::sql::arrange::{from_diffs, with_diffs};
use crate::sql::plan::{Expression, Top};
use crate::sql::snapshot::Size;
use crate::sql::store::{Given, Index, Places};

/// Groups with their rows in order.
struct TopRows {
    keys: usize,
    /// Where each column of a row is kept.
    kept: Vec<Kept>,
    index: Index,
    places: Places,
    /// Whether the epoch has touched a group, by group.
    is_touched: Vec<bool>,
    skip: i64,
    end: i64,
    number: bool,
    schema: SchemaRef,
}

/// Where a column of a row is kept: once, though keys and order may be columns of the row too.
#[derive(Clone, Copy)]
enum Kept {
    /// With the keys of its group.
    Key(usize),
    /// In its place, at this column.
    Place(usize),
}

/// Where the columns of rows are kept, and those that are neither keys nor in the order. Keys of floats have one zero, and say
/// not which it was.
fn kept(top: &Top) -> (Vec<Kept>, Vec<usize>) {
    let is = |e: &Expression, at: usize| e.downcast_ref::<Column>().is_some_and(|c| c.index() == at);
    let fields = top.input.schema.fields();
    let mut others = Vec::new();
    let one = |at: usize| {
        if let Some(place) = top.order.iter().position(|(e, _)| is(e, at)) {
            return Kept::Place(place);
        }
        let exact = fields.get(at).is_some_and(|f| !f.data_type().is_floating() && !f.data_type().is_nested());
        match top.keys.iter().position(|e| is(e, at)).filter(|_| exact) {
            Some(key) => Kept::Key(key),
            None => {
                others.push(at);
                Kept::Place(top.order.len() + others.len() - 1)
            }
        }
    };
    let kept = (0..fields.len()).map(one).collect();
    (kept, others)
}

/// The first rows that groups had before an epoch touched them.
#[derive(Default)]
struct Touched {
    groups: Vec<u32>,
    before: Vec<Given>,
}

impl<'s> Renderer<'s> {
    /// Renders a top-n.
    pub(super) fn top(&mut self, view: &str, top: &Top, schema: &SchemaRef) -> Option<Changes<'s>> {
        let input = self.plan(view, &top.input)?;
        let (kept, others) = kept(top);
        let mut columns: Vec<_> = top.keys.iter().cloned().chain(top.order.iter().map(|(e, _)| e.clone())).collect();
        columns.extend(others.into_iter().map(|at| crate::sql::lower::column(&top.input.schema, at)));
        let field = |(i, e): (usize, &Expression)| e.data_type(&top.input.schema).map(|kind| Field::new(format!("column {i}"), kind, true));
        let fields = columns.iter().enumerate().map(field).collect::<Result<Vec<_>, _>>();
        let fields = fields.map_err(|error| crate::flow::defect::tell("an order has no type", &error)).ok()?;
        let layout: SchemaRef = Arc::new(Schema::new(fields));
        let split = rows::project(input, view, columns, layout.clone());
        let input = self.keep_errors(split);
        let input = rows::normal_keys(input, &layout, top.keys.len());
        let input = if self.scope.worker().peers() > 1 { exchange_by(input, (0..top.keys.len()).collect()) } else { input };
        let state = TopRows::new(top, kept, &layout, schema.clone());
        let state = state.map_err(|error| crate::flow::defect::tell("the first rows cannot be kept", &error)).ok();
        Some(at_close(input, "top", view, state, &self.giving_place()).0)
    }
}

impl TopRows {
    fn new(top: &Top, kept: Vec<Kept>, layout: &SchemaRef, schema: SchemaRef) -> Result<Self, ArrowError> {
        let kind = |i: usize| layout.field(i).data_type().clone();
        let keys = top.keys.len();
        let options = |i: usize| top.order.get(i).map_or(SortOptions::default(), |(_, o)| *o);
        let fields = (keys..layout.fields().len()).map(|i| SortField::new_with_options(kind(i), options(i - keys))).collect();
        let skip = i64::try_from(top.skip).unwrap_or(i64::MAX);
        let fetch = top.fetch.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        let end = fetch.map_or(i64::MAX, |n| skip.saturating_add(n));
        Ok(TopRows {
            keys,
            kept,
            index: Index::new(&(0..keys).map(kind).collect::<Vec<_>>())?,
            places: Places::new(fields, Some(end).filter(|_| top.input.append_only))?,
            is_touched: Vec::new(),
            skip,
            end,
            number: top.number,
            schema,
        })
    }

    /// Takes rows in; of each group that is touched the first rows before that are told once.
    fn take_in(&mut self, updates: &Updates, touched: &mut Touched) -> Result<(), ArrowError> {
        let rows = updates.rows.num_rows();
        let groups = self.index.assign(updates.rows.columns(), rows)?;
        self.is_touched.resize(self.index.len(), false);
        for group in &groups {
            if let Some(is_touched @ false) = self.is_touched.get_mut(*group as usize) {
                *is_touched = true;
                touched.groups.push(*group);
                self.places.given(*group, self.skip, self.end, self.number, &mut touched.before);
            }
        }
        let columns = updates.rows.columns().get(self.keys..).unwrap_or_default();
        self.places.take_in(columns, &groups, |row| updates.diff(row), |_, _, _| ())
    }

    /// Rows that are given.
    fn rows(&self, given: &[Given]) -> Result<Updates, ArrowError> {
        let places: Vec<ArrayRef> = self.places.columns(given.iter().map(|g| g.0))?.into_iter().map(zero_behind_nulls).collect();
        let keys = match self.kept.iter().any(|kept| matches!(kept, Kept::Key(_))) {
            true => self.index.columns(&given.iter().map(|g| self.places.group_of(g.0)).collect::<Vec<_>>())?,
            false => Vec::new(),
        };
        let one = |kept: &Kept| match kept {
            Kept::Key(at) => keys.get(*at),
            Kept::Place(at) => places.get(*at),
        };
        let mut columns: Vec<ArrayRef> = self.kept.iter().filter_map(one).cloned().collect();
        if self.number {
            columns.push(Arc::new(UInt64Array::from_iter_values(given.iter().map(|g| g.1))));
        }
        let columns = columns.iter().zip(self.schema.fields()).map(|(c, f)| cast(c, f.data_type())).collect::<Result<_, _>>()?;
        let rows = batch(self.schema.clone(), columns, given.len());
        let rows = rows.map_err(|e| ArrowError::ComputeError(e.strip_backtrace()))?;
        Ok(Updates::changes(rows, Int64Array::from_iter_values(given.iter().map(|g| g.2))))
    }

    /// Rows with their keys and order columns in front, and how often they are there behind.
    fn saved(&self, rows: &[(u32, u32, i64)]) -> Result<RecordBatch, ArrowError> {
        let groups: Vec<u32> = rows.iter().map(|r| r.0).collect();
        let mut columns = if self.keys == 0 { Vec::new() } else { self.index.columns(&groups)? };
        columns.extend(self.places.columns(rows.iter().map(|r| r.1))?.into_iter().map(zero_behind_nulls));
        let field = |(i, c): (usize, &ArrayRef)| Field::new(i.to_string(), c.data_type().clone(), true);
        let schema = Arc::new(Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>()));
        let rows_alone = batch(schema, columns, rows.len()).map_err(|e| ArrowError::ComputeError(e.strip_backtrace()))?;
        with_diffs(&rows_alone, rows.iter().map(|r| r.2).collect::<Vec<i64>>().into())
    }

    fn let_go(&mut self, groups: &[u32]) {
        self.places.sweep();
        for group in groups {
            self.is_touched.get_mut(*group as usize).into_iter().for_each(|is_touched| *is_touched = false);
        }
        groups.iter().filter(|g| self.places.is_empty(**g)).for_each(|g| self.index.release(*g));
    }
}

/// The sums of what is given of each row under each number, where they are not 0.
fn summed(mut given: Vec<Given>) -> Vec<Given> {
    given.sort_unstable_by_key(|g| (g.0, g.1));
    let mut sums: Vec<Given> = Vec::with_capacity(given.len());
    for (slot, number, count) in given {
        match sums.last_mut() {
            Some(last) if (last.0, last.1) == (slot, number) => last.2 += count,
            _ => sums.push((slot, number, count)),
        }
    }
    sums.retain(|g| g.2 != 0);
    sums
}

impl Keeper for TopRows {
    fn epoch(&mut self, _: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        let mut touched = Touched::default();
        for updates in batches {
            self.take_in(updates, &mut touched)?;
        }
        let mut given = touched.before;
        given.iter_mut().for_each(|g| g.2 = -g.2);
        for group in &touched.groups {
            self.places.given(*group, self.skip, self.end, self.number, &mut given);
        }
        let changed = summed(given);
        let rows = if changed.is_empty() { None } else { Some(self.rows(&changed)?) };
        self.let_go(&touched.groups);
        Ok(rows)
    }

    fn save<E: From<ArrowError>>(&self, out: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        for groups in self.index.live().chunks(SAVED_ROWS) {
            for rows in self.places.all(groups).chunks(SAVED_ROWS) {
                out(self.saved(rows)?)?;
            }
        }
        Ok(())
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let updates = from_diffs(rows)?;
        let groups = self.index.assign(updates.rows.columns(), updates.rows.num_rows())?;
        self.places.take_in(updates.rows.columns().get(self.keys..).unwrap_or_default(), &groups, |row| updates.diff(row), |_, _, _| ())?;
        self.let_go(&groups);
        Ok(())
    }

    fn routing(&self) -> Routing {
        Routing::ByKeys(self.keys)
    }

    fn given(&self) -> Result<Option<Updates>, ArrowError> {
        let mut given = Vec::new();
        self.index.live().iter().for_each(|g| self.places.given(*g, self.skip, self.end, self.number, &mut given));
        if given.is_empty() { Ok(None) } else { self.rows(&given).map(Some) }
    }

    fn size(&self) -> Size {
        let (rows, bytes) = self.places.size();
        Size { rows: rows as u64, bytes: (bytes + self.index.bytes()) as u64 }
    }
}
