//! What is done to rows before they reach their groups: late ones are set apart, and with several workers each aggregates its
//! own rows of an epoch first, so that one row a group is sent and not all.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::{concat_batches, min, not};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;

use super::partial::{Partial, together};
use super::slices::{Late, put_late};
use crate::flow::updates::Updates;
use crate::sql::closing::Closing;
use crate::sql::plan::Hop;
use crate::sql::render::aggregate::Closes;
use crate::sql::render::close::{Keeper, Routing};
use crate::sql::render::rows::keep_where;
use crate::sql::snapshot::Size;

/// Rows whose groups are still there to be changed; the others are late, and are put to those.
pub fn in_time(updates: &Updates, closes: &Closes, epoch: u64, late: &mut Vec<Updates>) -> Result<Updates, ArrowError> {
    let Some((key, closing, watermarks)) = closes else { return Ok(updates.clone()) };
    let Some(before) = closing.passed_before(watermarks, epoch) else { return Ok(updates.clone()) };
    let Some(column) = updates.rows.columns().get(*key) else { return Ok(updates.clone()) };
    // What closes a row does not fall as its time rises, so the least time tells whether all rows are in time.
    if let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        let least: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![min(times)]).with_data_type(column.data_type().clone()));
        let closes = closing.times(&least).ok_or_else(no_times)?;
        if closes.is_null(0) || closes.value(0) > before {
            return Ok(updates.clone());
        }
    }
    let times = closing.times(column).ok_or_else(no_times)?;
    if min(&times).is_none_or(|least| least > before) {
        return Ok(updates.clone());
    }
    let keep: BooleanArray = (0..times.len()).map(|row| Some(times.is_null(row) || times.value(row) > before)).collect();
    let part = |mask: &BooleanArray| keep_where(updates, mask).map_err(|e| ArrowError::ComputeError(e.strip_backtrace()));
    late.push(part(&not(&keep)?)?);
    part(&keep)
}

/// A key that watermarks close is always a time, or holds one.
pub fn no_times() -> ArrowError {
    ArrowError::SchemaError("a closing column holds no times".into())
}

/// Aggregates each epoch's rows of one worker; holds nothing between epochs.
pub struct Early {
    /// Sliding windows, and names for the columns of late rows.
    hop: Option<(Hop, SchemaRef)>,
    partial: Partial,
    closes: Closes,
    late: Late,
}

impl Early {
    /// Aggregates with some partial aggregation.
    pub fn new(partial: Partial, closes: Closes, hop: Option<(Hop, SchemaRef)>) -> Self {
        Early { hop, partial, closes, late: Late::default() }
    }
}

impl Keeper for Early {
    fn epoch(&mut self, epoch: u64, batches: &[Updates]) -> Result<Option<Updates>, ArrowError> {
        let in_time: Vec<Updates> = match &self.hop {
            None => batches.iter().map(|updates| in_time(updates, &self.closes, epoch, &mut self.late.rows)).collect::<Result<_, _>>()?,
            Some((hop, _)) => {
                batches.iter().try_for_each(|updates| put_late(hop, updates, &self.closes, epoch, &mut self.late))?;
                batches.to_vec()
            }
        };
        let reduced = together(&in_time).map(|run| Ok(self.partial.always(run)?.rows)).collect::<Result<Vec<_>, ArrowError>>()?;
        let Some(first) = reduced.first() else { return Ok(None) };
        Ok(Some(Updates::insertions(concat_batches(&first.schema(), &reduced)?)))
    }

    fn late(&mut self) -> Result<Option<Updates>, ArrowError> {
        self.late.next(self.hop.as_ref().map(|(hop, names)| (hop, names.as_ref())), &self.closes)
    }

    fn save<E: From<ArrowError>>(&self, _: &mut dyn FnMut(RecordBatch) -> Result<(), E>) -> Result<(), E> {
        Ok(())
    }

    fn restore(&mut self, _: &RecordBatch) -> Result<(), ArrowError> {
        Ok(())
    }

    fn routing(&self) -> Routing {
        Routing::Any
    }

    fn given(&self) -> Result<Option<Updates>, ArrowError> {
        Ok(None)
    }

    fn size(&self) -> Size {
        Size::default()
    }
}

/// The watermark that closes each row's group.
pub fn closing_times(closing: &Closing, updates: &Updates, key: usize) -> Result<TimestampMicrosecondArray, ArrowError> {
    updates.rows.columns().get(key).and_then(|c| closing.times(c)).ok_or_else(no_times)
}
