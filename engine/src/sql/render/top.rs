//! ORDER BY … LIMIT, and ROW_NUMBER() … <= n: the first rows of each group, kept in order, so that a change costs what the
//! window of first rows holds and not what the group does.
//!
//! A row's place is the row encoding of its order columns, then of the row itself, so that ties have one order, whatever
//! order they came in. Source of the encoding: arrow's row format, which compares as the values do.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, UInt64Array};
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};

use super::close::{Keeper, Routing, at_close};
use super::rows::batch;
use super::{Changes, Renderer, rows};
use crate::flow::exchange::exchange_by;
use crate::flow::updates::Updates;
use crate::sql::arrange::{from_diffs, with_diffs};
use crate::sql::plan::Top;
use crate::sql::snapshot::Size;

/// Rows that are written together.
const SAVED_ROWS: usize = 1 << 13;

/// Groups with their rows in order.
struct TopRows {
    keys: usize,
    order: usize,
    key_rows: RowConverter,
    order_rows: RowConverter,
    all_rows: RowConverter,
    groups: HashMap<Vec<u8>, BTreeMap<Place, i64>>,
    skip: usize,
    fetch: usize,
    number: bool,
    schema: SchemaRef,
}

/// Where a row stands: its order columns, then the row itself.
type Place = (Vec<u8>, Vec<u8>);
/// A row that is given: the row, its number, how often.
type Given = (Vec<u8>, u64, i64);

impl<'s> Renderer<'s> {
    /// Renders a top-n.
    pub(super) fn top(&mut self, view: &str, top: &Top, schema: &SchemaRef) -> Option<Changes<'s>> {
        let input = self.plan(view, &top.input)?;
        let before: Vec<_> = top.keys.iter().cloned().chain(top.order.iter().map(|(e, _)| e.clone())).collect();
        let (columns, layout) = super::join::layout(&before, &top.input);
        let split = rows::project(input, view, columns, layout.clone());
        let input = self.keep_errors(split);
        let input = rows::normal_keys(input, &layout, top.keys.len());
        let input = if self.scope.worker().peers() > 1 { exchange_by(input, (0..top.keys.len()).collect()) } else { input };
        let state = TopRows::new(top, &layout, schema.clone());
        let state = state.map_err(|error| tracing::error!(%error, "the first rows cannot be kept")).ok();
        Some(at_close(input, "top", view, state, &self.giving_place()).0)
    }
}

impl TopRows {
    fn new(top: &Top, layout: &SchemaRef, schema: SchemaRef) -> Result<Self, ArrowError> {
        let (keys, order) = (top.keys.len(), top.order.len());
        let kind = |i: usize| layout.field(i).data_type().clone();
        let options = |i: usize| top.order.get(i).map_or(SortOptions::default(), |(_, o)| *o);
        Ok(TopRows {
            keys,
            order,
            key_rows: RowConverter::new((0..keys).map(|i| SortField::new(kind(i))).collect())?,
            order_rows: RowConverter::new((0..order).map(|i| SortField::new_with_options(kind(keys + i), options(i))).collect())?,
            all_rows: RowConverter::new((keys + order..layout.fields().len()).map(|i| SortField::new(kind(i))).collect())?,
            groups: HashMap::new(),
            skip: top.skip,
            fetch: top.fetch.unwrap_or(usize::MAX),
            number: top.number,
            schema,
        })
    }

    /// The rows of a group that are given.
    fn given(&self, key: &[u8]) -> Vec<Given> {
        let mut out = Vec::new();
        let (mut at, end) = (0usize, self.skip.saturating_add(self.fetch));
        for ((_, row), count) in self.groups.get(key).into_iter().flatten() {
            let count = usize::try_from(*count).unwrap_or(0);
            let (from, to) = (at.max(self.skip), (at + count).min(end));
            if from < to && self.number {
                out.extend((from..to).map(|n| (row.clone(), n as u64 + 1, 1)));
            } else if from < to {
                out.push((row.clone(), 0, (to - from) as i64));
            }
            at += count;
            if at >= end {
                break;
            }
        }
        out
    }

    fn take_in(&mut self, updates: &Updates, touched: &mut HashMap<Vec<u8>, Vec<Given>>) -> Result<(), ArrowError> {
        let columns = updates.rows.columns();
        let part = |from: usize, n: usize| columns.iter().skip(from).take(n).cloned().collect::<Vec<ArrayRef>>();
        let n = updates.rows.num_rows();
        let keys = encode(&mut self.key_rows, &part(0, self.keys), n)?;
        let order = encode(&mut self.order_rows, &part(self.keys, self.order), n)?;
        let all = encode(&mut self.all_rows, &part(self.keys + self.order, usize::MAX), n)?;
        for (row, ((key, order), all)) in keys.into_iter().zip(order).zip(all).enumerate() {
            if !touched.contains_key(&key) {
                touched.insert(key.clone(), self.given(&key));
            }
            let group = self.groups.entry(key).or_default();
            let place = (order, all);
            let count = group.entry(place.clone()).or_insert(0);
            *count += updates.diff(row);
            if *count == 0 {
                group.remove(&place);
            }
        }
        Ok(())
    }

    fn rows(&self, given: &[(&Vec<u8>, u64, i64)]) -> Result<Updates, ArrowError> {
        let mut columns = decoded(&self.all_rows, self.all_rows_are_empty(), given.iter().map(|g| g.0.as_slice()))?;
        if self.number {
            columns.push(Arc::new(UInt64Array::from_iter_values(given.iter().map(|g| g.1))));
        }
        let columns: Vec<ArrayRef> =
            columns.iter().zip(self.schema.fields()).map(|(c, f)| cast(c, f.data_type())).collect::<Result<_, _>>()?;
        let rows: RecordBatch =
            batch(self.schema.clone(), columns, given.len()).map_err(|e| ArrowError::ComputeError(e.strip_backtrace()))?;
        Ok(Updates::changes(rows, Int64Array::from_iter_values(given.iter().map(|g| g.2))))
    }

    /// Rows with their keys and order columns in front, and how often they are there behind.
    fn saved(&self, rows: &[(&[u8], &Place, i64)]) -> Result<RecordBatch, ArrowError> {
        let mut columns = decoded(&self.key_rows, self.keys == 0, rows.iter().map(|r| r.0))?;
        columns.extend(decoded(&self.order_rows, self.order == 0, rows.iter().map(|r| r.1.0.as_slice()))?);
        columns.extend(decoded(&self.all_rows, self.all_rows_are_empty(), rows.iter().map(|r| r.1.1.as_slice()))?);
        let field = |(i, c): (usize, &ArrayRef)| Field::new(i.to_string(), c.data_type().clone(), true);
        let schema = Arc::new(Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>()));
        let rows_alone = batch(schema, columns, rows.len()).map_err(|e| ArrowError::ComputeError(e.strip_backtrace()))?;
        with_diffs(&rows_alone, rows.iter().map(|r| r.2).collect::<Vec<i64>>().into())
    }

    fn all_rows_are_empty(&self) -> bool {
        self.schema.fields().len() == usize::from(self.number)
    }
}

/// Columns from encodings; none when there are no columns.
fn decoded<'a>(converter: &RowConverter, none: bool, rows: impl Iterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>, ArrowError> {
    if none {
        return Ok(Vec::new());
    }
    let parser = converter.parser();
    let columns = converter.convert_rows(rows.map(|r| parser.parse(r)))?;
    Ok(columns.into_iter().map(super::groups::zero_behind_nulls).collect())
}

/// One encoding a row; empty ones when there are no columns.
fn encode(converter: &mut RowConverter, columns: &[ArrayRef], rows: usize) -> Result<Vec<Vec<u8>>, ArrowError> {
    if columns.is_empty() {
        return Ok(vec![Vec::new(); rows]);
    }
    debug_assert!(columns.iter().all(|c| c.len() == rows));
    Ok(converter.convert_columns(columns)?.iter().map(|r| r.data().to_vec()).collect())
}

impl Keeper for TopRows {
    fn epoch(&mut self, _: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        let mut before: HashMap<Vec<u8>, Vec<Given>> = HashMap::new();
        for updates in batches {
            self.take_in(updates, &mut before)?;
        }
        let mut sums: BTreeMap<(Vec<u8>, u64), i64> = BTreeMap::new();
        for (key, before) in before {
            before.into_iter().for_each(|(row, n, count)| *sums.entry((row, n)).or_default() -= count);
            self.given(&key).into_iter().for_each(|(row, n, count)| *sums.entry((row, n)).or_default() += count);
            if self.groups.get(&key).is_some_and(BTreeMap::is_empty) {
                self.groups.remove(&key);
            }
        }
        let changed: Vec<(&Vec<u8>, u64, i64)> = sums.iter().filter(|(_, sum)| **sum != 0).map(|((row, n), sum)| (row, *n, *sum)).collect();
        if changed.is_empty() { Ok(None) } else { self.rows(&changed).map(Some) }
    }

    fn save(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        let all: Vec<(&[u8], &Place, i64)> =
            self.groups.iter().flat_map(|(key, rows)| rows.iter().map(|(place, count)| (key.as_slice(), place, *count))).collect();
        all.chunks(SAVED_ROWS).map(|rows| self.saved(rows)).collect()
    }

    fn restore(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        self.take_in(&from_diffs(rows)?, &mut HashMap::new())
    }

    fn routing(&self) -> Routing {
        Routing::ByKeys(self.keys)
    }

    fn given(&self) -> Result<Option<Updates>, ArrowError> {
        let given: Vec<Given> = self.groups.keys().flat_map(|key| self.given(key)).collect();
        let rows: Vec<(&Vec<u8>, u64, i64)> = given.iter().map(|(row, number, count)| (row, *number, *count)).collect();
        if rows.is_empty() { Ok(None) } else { self.rows(&rows).map(Some) }
    }

    fn size(&self) -> Size {
        let of = |rows: &BTreeMap<Place, i64>| rows.keys().map(|(order, row)| (order.len() + row.len() + 56) as u64).sum::<u64>();
        Size {
            rows: self.groups.values().map(|g| g.len() as u64).sum(),
            bytes: self.groups.iter().map(|(key, rows)| key.len() as u64 + of(rows)).sum(),
        }
    }
}
