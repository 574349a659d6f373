//! Clocks of zones: what they show at an instant, and when they first show a time. All in microseconds since 1970, of UTC or as shown.

use arrow::datatypes::DataType;
use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

const SECOND: i64 = 1_000_000;
/// No zone is further from UTC, and none moves its clock twice within twice of it.
const FURTHEST: i64 = 15 * 3_600 * SECOND;

/// A zone by its name (`Europe/Berlin`), or by its distance from UTC (`+05:30`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Zone {
    /// By name.
    Named(Tz),
    /// Microseconds ahead of UTC.
    Fixed(i64),
}

/// The instant as a date and time of UTC.
fn of_utc(micros: i64) -> Option<NaiveDateTime> {
    DateTime::<Utc>::from_timestamp_micros(micros).map(|t| t.naive_utc())
}

impl Zone {
    /// The zone of a name.
    pub fn of(name: &str) -> Option<Self> {
        if matches!(name, "Z" | "z" | "UTC" | "utc" | "GMT") {
            return Some(Zone::Fixed(0));
        }
        let (sign, rest) = match (name.strip_prefix('+'), name.strip_prefix('-')) {
            (Some(rest), _) => (1, rest),
            (_, Some(rest)) => (-1, rest),
            _ => return name.parse().ok().map(Zone::Named),
        };
        let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
        let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours < 15 && minutes < 60).then_some(Zone::Fixed(sign * (hours * 60 + minutes) * 60 * SECOND))
    }

    /// The zone of a time's type; none when it is UTC, or says none.
    pub fn of_type(kind: &DataType) -> Option<(Self, String)> {
        let DataType::Timestamp(_, Some(name)) = kind else { return None };
        Zone::of(name).filter(|zone| !zone.is_utc()).map(|zone| (zone, name.to_string()))
    }

    /// Whether it is UTC.
    pub fn is_utc(&self) -> bool {
        *self == Zone::Fixed(0)
    }

    /// How far the clock is ahead of UTC at an instant.
    pub fn ahead(&self, instant: i64) -> i64 {
        match (self, of_utc(instant)) {
            (Zone::Fixed(ahead), _) => *ahead,
            (Zone::Named(zone), Some(time)) => i64::from(zone.offset_from_utc_datetime(&time).fix().local_minus_utc()) * SECOND,
            // Beyond the years that calendars know.
            (Zone::Named(_), None) => 0,
        }
    }

    /// The first instant at which the clock shows a time, or has passed it where it skips it.
    pub fn first(&self, shown: i64) -> i64 {
        let (Zone::Named(zone), Some(time)) = (self, of_utc(shown)) else { return shown.saturating_sub(self.ahead(shown)) };
        let instant = |ahead: chrono_tz::TzOffset| shown.saturating_sub(i64::from(ahead.fix().local_minus_utc()) * SECOND);
        match zone.offset_from_local_datetime(&time) {
            MappedLocalTime::Single(ahead) => instant(ahead),
            MappedLocalTime::Ambiguous(a, b) => instant(a).min(instant(b)),
            MappedLocalTime::None => self.moved(shown.saturating_sub(FURTHEST), shown.saturating_add(FURTHEST)),
        }
    }

    /// The first instant after `from` at which the clock is as far ahead as at `to`: between them it moves once.
    pub fn moved(&self, mut from: i64, mut to: i64) -> i64 {
        let after = self.ahead(to);
        while to - from > 1 {
            let middle = from + (to - from) / 2;
            if self.ahead(middle) == after { to = middle } else { from = middle }
        }
        to
    }
}
