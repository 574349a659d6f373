//! The end of an epoch of calls OVER partitions: what a watermark has passed is let go of, but for what rows to come look at.

use arrow::array::{AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;

use super::state::{Changed, Framed};
use crate::sql::watermark::END;

impl Framed {
    /// Forgets groups without rows, and lets go of rows; `groups` have changed.
    pub(super) fn let_go(&mut self, mut groups: Vec<u32>, moved: Option<i64>) -> Result<(), ArrowError> {
        if self.over.closing.is_some() {
            groups.extend(moved.map(|now| if now == END { self.index.live() } else { self.dues.take(now) }).into_iter().flatten());
            groups.sort_unstable();
            groups.dedup();
            let passed = match moved {
                Some(now) if now != END => self.at_values(&self.unit(now))?.pop(),
                _ => None,
            };
            for group in &groups {
                match &passed {
                    Some(passed) => self.let_go_before(*group, passed)?,
                    None if moved.is_some() => self.places.clear(*group),
                    None => {}
                }
            }
            self.ask(&groups, passed.as_deref().unwrap_or_default(), moved)?;
        }
        for group in groups {
            if self.places.is_empty(group) {
                self.dues.forget(group);
                self.index.release(group);
            }
        }
        Ok(())
    }

    /// Lets go of the rows of a group but for those from a place on, those before it whose answers may still change, and what all of
    /// these look at.
    fn let_go_before(&mut self, group: u32, passed: &[u8]) -> Result<(), ArrowError> {
        let reach = self.over.reach;
        let [behind, ahead] = reach.range.unwrap_or_default();
        let mut open = self.earlier(group, passed, reach.after, ahead)?;
        let first = self.places.along(group, &open).next().filter(|_| reach.peers && open != passed);
        if let Some(first) = first {
            open = self.head_of(first).to_vec();
        }
        let carried = usize::from(!self.over.totals.is_empty());
        let kept = self.earlier(group, &open, reach.before.max(carried), behind)?;
        self.places.let_go(group, &kept);
        Ok(())
    }

    /// The place of the first of so many rows before a place, or of those so far before it by value; itself if there are none.
    fn earlier(&self, group: u32, place: &[u8], rows: usize, by: i64) -> Result<Vec<u8>, ArrowError> {
        let by_rows = self.rows_before(group, place, rows, &Changed::default()).pop();
        let by_value = match &self.first {
            // A place begins with the one column that is looked at by value.
            Some((first, width)) if by > 0 => {
                let value = first.convert_rows([first.parser().parse(place.get(..*width).unwrap_or(place))])?;
                let value = value.first().map(|value| cast(value, &DataType::Int64)).transpose()?;
                let least = value.and_then(|v| v.as_primitive_opt::<Int64Type>().map(|v| v.unary(|v: i64| v.saturating_sub(by))));
                let least = least.map(|least: Int64Array| self.at_values(&least)).transpose()?.and_then(|mut least| least.pop());
                least.and_then(|least| self.places.along(group, &least).next())
            }
            _ => None,
        };
        let first = by_rows.into_iter().chain(by_value).map(|slot| self.places.place(slot)).min();
        Ok(first.filter(|first| *first < place).unwrap_or(place).to_vec())
    }

    /// Groups wait for the next of their rows that a watermark passes; and for the first of all to be looked at by value no more.
    fn ask(&mut self, groups: &[u32], passed: &[u8], moved: Option<i64>) -> Result<(), ArrowError> {
        let mut waits: Vec<(u32, u32, i64)> = Vec::with_capacity(groups.len());
        for group in groups {
            waits.extend(self.places.along(*group, passed).next().map(|slot| (*group, slot, 1)));
            if let Some([behind, ahead]) = self.over.reach.range {
                let far = self.micros(behind.saturating_add(ahead)).saturating_add(1);
                waits.extend(self.places.along(*group, &[]).next().map(|slot| (*group, slot, far)));
            }
        }
        let columns = self.places.columns(waits.iter().map(|(_, slot, _)| *slot))?;
        let times = columns.first().map(|times| cast(times, &DataType::Timestamp(TimeUnit::Microsecond, None))).transpose()?;
        let times = times.as_ref().and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        for ((group, _, after), time) in waits.iter().zip(times.into_iter().flatten()) {
            // What is kept beyond that, for its totals or as one of so many rows, waits for rows to come.
            let due = time.map(|time| time.saturating_add(*after)).filter(|due| moved.is_none_or(|now| *due > now));
            due.into_iter().for_each(|due| self.dues.ask(*group, due));
        }
        Ok(())
    }

    fn time_unit(&self) -> TimeUnit {
        match self.over.input.schema.field(self.over.keys).data_type() {
            DataType::Timestamp(unit, _) => *unit,
            _ => TimeUnit::Microsecond,
        }
    }

    /// A length of time in the units of the order column as microseconds, not less.
    fn micros(&self, length: i64) -> i64 {
        match self.time_unit() {
            TimeUnit::Second => length.saturating_mul(1_000_000),
            TimeUnit::Millisecond => length.saturating_mul(1_000),
            TimeUnit::Microsecond => length,
            TimeUnit::Nanosecond => length / 1_000 + 1,
        }
    }

    /// A watermark in the units of the order column: times before it have been passed.
    fn unit(&self, now: i64) -> Int64Array {
        let up = |by: i64| now.div_euclid(by) + i64::from(now.rem_euclid(by) > 0);
        Int64Array::from(vec![match self.time_unit() {
            TimeUnit::Second => up(1_000_000),
            TimeUnit::Millisecond => up(1_000),
            TimeUnit::Microsecond => now,
            TimeUnit::Nanosecond => now.saturating_mul(1_000),
        }])
    }
}
