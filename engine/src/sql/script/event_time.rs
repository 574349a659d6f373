//! Event time of a table: how far its newest row is, and the watermark that stays behind it.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{cast, max};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};

/// Event time of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTime {
    /// The column.
    pub column: usize,
    /// How far the watermark stays behind the newest row, in microseconds.
    pub lateness: i64,
    /// How far a row may be ahead of the newest one and still move the watermark, in microseconds.
    pub jump: Option<i64>,
}

/// The newest time of a table, as its rows come.
#[derive(Clone, Debug, Default)]
pub struct EventClock {
    event_time: Option<EventTime>,
    /// The greatest time that counts for the watermark, in microseconds.
    newest: Option<i64>,
    /// The greatest of those that came since it was last closed.
    open: Option<i64>,
}

impl EventClock {
    /// Before any row; a table without event time has no watermark.
    pub fn new(event_time: Option<EventTime>) -> Self {
        EventClock { event_time, ..EventClock::default() }
    }

    /// The same, going on from where another stood.
    pub fn going_on(self, newest: Option<i64>) -> Self {
        EventClock { newest, ..self }
    }

    /// The greatest time that counts so far.
    pub fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// The column.
    pub fn column(&self) -> Option<usize> {
        self.event_time.as_ref().map(|e| e.column)
    }

    /// How far a row may be ahead.
    pub fn jump(&self) -> Option<i64> {
        self.event_time.as_ref().and_then(|e| e.jump)
    }

    /// Takes in rows of the open epoch. How far they may jump ahead is measured from where the epoch began.
    ///
    /// # Errors
    /// When the column is no time, which was checked before.
    pub fn take(&mut self, rows: &RecordBatch) -> Result<(), String> {
        let Some(event_time) = &self.event_time else { return Ok(()) };
        let column = rows.columns().get(event_time.column).ok_or("there is no column of event time")?;
        let micros = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None)).map_err(|e| e.to_string())?;
        let times = micros.as_primitive::<TimestampMicrosecondType>();
        let most = match (event_time.jump, self.newest) {
            (Some(jump), Some(newest)) => times.iter().flatten().filter(|t| *t <= newest.saturating_add(jump)).max(),
            _ => max(times),
        };
        self.open = self.open.max(most);
        Ok(())
    }

    /// Ends the epoch; the watermark, once there is one.
    pub fn close(&mut self) -> Option<i64> {
        self.newest = self.newest.max(self.open.take());
        self.watermark()
    }

    /// The greatest time that would count if the epoch ended now.
    pub fn closed(&self) -> Option<i64> {
        self.newest.max(self.open)
    }

    /// The watermark.
    pub fn watermark(&self) -> Option<i64> {
        Some(self.newest?.saturating_sub(self.event_time.as_ref()?.lateness))
    }
}
