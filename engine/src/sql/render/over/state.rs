//! The state of calls OVER partitions, and an epoch's way through it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};

use super::slices::{Kept, MANY, Slices};
use crate::flow::gather::merge;
use crate::flow::updates::Updates;
use crate::sql::arrange::{from_diffs, with_diffs};
use crate::sql::evaluate::Runner;
use crate::sql::plan::{Over, Own};
use crate::sql::render::aggregate::Closes;
use crate::sql::render::close::{DueKeys, Keeper, Routing, SAVED_ROWS, numbered};
use crate::sql::render::groups::{in_time, zero_behind_nulls};
use crate::sql::snapshot::Size;
use crate::sql::store::{Columns, Index, Places};
use crate::sql::watermark::Watermarks;

/// Rows of partitions in their order, and the totals up to each.
pub struct Framed {
    pub(super) over: Over,
    pub(super) schema: SchemaRef,
    pub(super) index: Index,
    pub(super) places: Places,
    /// Totals by slot, up to the last of its rows.
    pub(super) totals: Columns,
    pub(super) runner: Runner,
    /// The first order column as bytes of places, where it is looked at by value; and how many these are.
    pub(super) first: Option<(RowConverter, usize)>,
    /// All order columns, where it is asked which rows are peers; and how many bytes of a place they are, by slot.
    order: Option<RowConverter>,
    heads: Vec<u32>,
    pub(super) dues: DueKeys,
    closes: Closes,
    late: Vec<Updates>,
}

/// What an epoch changes: rows by group in their order, and how often the rows of slots were there before.
#[derive(Default)]
pub struct Changed {
    pub rows: Vec<(u32, u32)>,
    pub before: HashMap<u32, i64>,
}

impl Framed {
    /// No rows.
    ///
    /// # Errors
    /// When a type has no row encoding, or the computation has no plan.
    pub fn new(over: &Over, schema: SchemaRef, watermarks: Watermarks) -> Result<Self, ArrowError> {
        let kinds: Vec<_> = over.input.schema.fields().iter().map(|f| f.data_type().clone()).collect();
        let (keys, kept) = kinds.split_at(over.keys.min(kinds.len()));
        let options = |at: usize| over.order.get(at).copied().unwrap_or_default();
        let fields: Vec<SortField> =
            kept.iter().enumerate().map(|(at, kind)| SortField::new_with_options(kind.clone(), options(at))).collect();
        let by_value = over.reach.range.is_some() || over.closing.is_some();
        let first = fields.first().zip(kept.first()).filter(|_| by_value).map(|(field, kind)| by_bytes(field, kind)).transpose()?;
        let order = fields.get(..over.order.len()).filter(|_| over.reach.peers).map(<[SortField]>::to_vec);
        let totals: Vec<_> = over.totals.iter().map(|t| t.kind.clone()).collect();
        // It was planned once before, when the view was made.
        let runner = Runner::new(&over.compute).map_err(|e| ArrowError::ComputeError(e.strip_backtrace()))?;
        Ok(Framed {
            index: Index::new(keys)?,
            places: Places::new(fields, None)?,
            totals: Columns::new(&totals)?,
            runner,
            first,
            order: order.map(RowConverter::new).transpose()?,
            heads: Vec::new(),
            dues: DueKeys::default(),
            closes: over.closing.clone().map(|closing| (over.keys, closing, watermarks)),
            late: Vec::new(),
            over: over.clone(),
            schema,
        })
    }

    /// The part of a row's place that its order columns are.
    pub(super) fn head_of(&self, slot: u32) -> &[u8] {
        let place = self.places.place(slot);
        self.heads.get(slot as usize).and_then(|head| place.get(..*head as usize)).unwrap_or(place)
    }

    /// Takes rows in; `changed` are their slots, and how often they were there before.
    fn take_in(&mut self, updates: &Updates, changed: &mut Vec<(u32, u32, i64)>) -> Result<(), ArrowError> {
        let rows = updates.rows.num_rows();
        let groups = self.index.assign(updates.rows.columns(), rows)?;
        self.dues.grow(self.index.len());
        let columns = updates.rows.columns().get(self.over.keys..).unwrap_or_default();
        let order = columns.get(..self.over.order.len()).unwrap_or_default();
        let order = self.order.as_ref().map(|converter| converter.convert_columns(order)).transpose()?;
        let heads = &mut self.heads;
        let touch = |row: usize, slot: u32, before| {
            changed.extend(groups.get(row).map(|group| (*group, slot, before)));
            if let Some(order) = &order {
                heads.resize(heads.len().max(slot as usize + 1), 0);
                heads.get_mut(slot as usize).into_iter().for_each(|head| *head = order.row(row).data().len() as u32);
            }
        };
        self.places.take_in(columns, &groups, |row| updates.diff(row), touch)
    }

    /// The rows that are there more or less often than before.
    fn changed(&self, touched: Vec<(u32, u32, i64)>) -> Changed {
        let mut changed = Changed::default();
        for (group, slot, before) in touched {
            changed.before.entry(slot).or_insert_with(|| {
                changed.rows.push((group, slot));
                before.max(0)
            });
        }
        let Changed { rows, before } = &mut changed;
        rows.retain(|(_, slot)| before.get(slot).is_some_and(|before| *before != self.places.weight(*slot)));
        let place = |slot: &u32| self.places.place(*slot);
        rows.sort_unstable_by(|(group, slot), (other, beside)| group.cmp(other).then_with(|| place(slot).cmp(place(beside))));
        changed
    }

    /// Works through changes; `moved` is the watermark that has passed.
    fn work(&mut self, touched: Vec<(u32, u32, i64)>, moved: Option<i64>) -> Result<Option<Updates>, ArrowError> {
        let mut groups: Vec<u32> = touched.iter().map(|(group, ..)| *group).collect();
        groups.sort_unstable();
        groups.dedup();
        let changed = self.changed(touched);
        let regions = self.regions(&changed)?;
        let mut slices = Slices::default();
        for region in &regions {
            self.cut(region, Some(&changed), &mut slices);
            if slices.len() >= MANY {
                let kept = slices.compute(self)?;
                self.keep_totals(&kept)?;
            }
        }
        if slices.len() > 0 {
            let kept = slices.compute(self)?;
            self.keep_totals(&kept)?;
        }
        let out = slices.end();
        self.places.sweep();
        self.let_go(groups, moved)?;
        if out.is_empty() {
            return Ok(None);
        }
        merge(&out, &self.schema).map(|updates| Some(updates).filter(|u| u.rows.num_rows() > 0))
    }

    /// The rows of groups with their totals, and how often they are there.
    fn saved(&self, rows: &[(u32, u32, i64)]) -> Result<RecordBatch, ArrowError> {
        let slots: Vec<u32> = rows.iter().map(|r| r.1).collect();
        let mut columns = self.index.columns(&rows.iter().map(|r| r.0).collect::<Vec<_>>())?;
        columns.extend(self.places.columns(slots.iter().copied())?.into_iter().map(zero_behind_nulls));
        columns.extend(self.totals.take(&slots)?);
        with_diffs(&numbered(columns)?, rows.iter().map(|r| r.2).collect::<Vec<i64>>().into())
    }

    /// Late rows with the columns that they came with.
    fn told(&self, late: &Updates) -> Result<Updates, ArrowError> {
        let at = |own: &Own| match own {
            Own::Key(at) => *at,
            Own::Place(at) => self.over.keys + at,
        };
        let columns = late.rows.project(&self.over.own.iter().map(at).collect::<Vec<_>>())?.columns().to_vec();
        let fields: Vec<_> = self.schema.fields().iter().take(columns.len()).cloned().collect();
        Ok(Updates { rows: RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?, diffs: late.diffs.clone() })
    }

    fn keep_totals(&mut self, kept: &Kept) -> Result<(), ArrowError> {
        let incoming = self.totals.incoming(&kept.totals)?;
        let room = self.places.slots();
        self.totals.grow(room);
        self.totals.put(&incoming, &kept.rows, &kept.slots, room);
        Ok(())
    }
}

/// Values of a type of fixed width as bytes of places, and how many these are.
fn by_bytes(field: &SortField, kind: &DataType) -> Result<(RowConverter, usize), ArrowError> {
    let converter = RowConverter::new(vec![field.clone()])?;
    let width = converter.convert_columns(&[new_null_array(kind, 1)])?.row(0).data().len();
    Ok((converter, width))
}

impl Keeper for Framed {
    fn epoch(&mut self, epoch: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        let mut touched = Vec::new();
        for updates in batches {
            let updates = in_time(updates, &self.closes, epoch, &mut self.late)?;
            self.take_in(&updates, &mut touched)?;
        }
        let moved = self.closes.as_ref().and_then(|(_, closing, watermarks)| closing.passed(watermarks, epoch));
        self.work(touched, moved)
    }

    fn moved_by(&self) -> Option<(Watermarks, Vec<String>)> {
        self.closes.as_ref().map(|(_, closing, watermarks)| (watermarks.clone(), closing.tables.clone()))
    }

    fn late(&mut self) -> Result<Option<Updates>, ArrowError> {
        self.late.pop().map(|late| self.told(&late)).transpose()
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
        let width = self.over.input.schema.fields().len();
        let totals = updates.rows.columns().get(width..).unwrap_or_default().to_vec();
        let mut touched = Vec::new();
        let own = updates.rows.project(&(0..width).collect::<Vec<_>>())?;
        self.take_in(&Updates { rows: own, diffs: updates.diffs }, &mut touched)?;
        let slots: Vec<u32> = touched.iter().map(|(_, slot, _)| *slot).collect();
        self.keep_totals(&Kept { totals, rows: (0..slots.len() as u32).collect(), slots })?;
        self.places.sweep();
        self.let_go(touched.iter().map(|(group, ..)| *group).collect(), None)
    }

    fn routing(&self) -> Routing {
        Routing::ByKeys(self.over.keys)
    }

    fn given(&self) -> Result<Option<Updates>, ArrowError> {
        let mut slices = Slices::default();
        for group in self.index.live() {
            if let Some(region) = self.whole(group) {
                self.cut(&region, None, &mut slices);
            }
            if slices.len() >= MANY {
                slices.compute(self)?;
            }
        }
        if slices.len() > 0 {
            slices.compute(self)?;
        }
        let out = slices.end();
        if out.is_empty() { Ok(None) } else { merge(&out, &self.schema).map(Some) }
    }

    fn size(&self) -> Size {
        let (rows, bytes) = self.places.size();
        Size {
            rows: rows as u64,
            bytes: (bytes + self.totals.bytes() + self.index.bytes() + self.dues.bytes() + self.heads.len() * 4) as u64,
        }
    }
}
