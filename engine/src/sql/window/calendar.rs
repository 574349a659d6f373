//! Windows that follow the clock of a zone. Whole days and months begin when the clock first shows their midnight, and are as long as
//! the zone makes them; shorter windows begin whenever the clock shows a multiple of their size, and one that the clock skips or
//! repeats is cut. So every instant is in one window, however the clock moves.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, Utc};

use super::zone::Zone;

/// Microseconds of a day.
pub const DAY: i64 = 86_400_000_000;
/// Where weeks are counted from, which begin on Mondays: 1970-01-01 was a Thursday.
pub const FIRST_MONDAY: i64 = 4 * DAY;

/// A length on a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Length {
    /// Whole months.
    Months(i32),
    /// Whole days.
    Days(i32),
    /// Microseconds.
    Micros(i64),
}

/// Windows that follow each other, of one length, from 1970 on and moved by an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Calendar {
    /// How long they are.
    pub length: Length,
    /// Microseconds by which they begin later.
    pub offset: i64,
    /// Whose clock counts.
    pub zone: Zone,
}

impl Length {
    /// A time as shown with some of these lengths after it.
    fn after(self, shown: i64, times: i64) -> i64 {
        match self {
            Length::Micros(size) => shown.saturating_add(size.saturating_mul(times)),
            Length::Days(days) => shown.saturating_add(i64::from(days).saturating_mul(DAY).saturating_mul(times)),
            Length::Months(months) => months_after(shown, i64::from(months).saturating_mul(times)),
        }
    }

    /// The greatest time that is a multiple of the length and not after a time.
    fn floor(self, shown: i64) -> i64 {
        match self {
            Length::Micros(size) => shown.div_euclid(size).saturating_mul(size),
            Length::Days(_) => shown.div_euclid(self.longest()).saturating_mul(self.longest()),
            Length::Months(months) => {
                let Some(time) = DateTime::<Utc>::from_timestamp_micros(shown) else { return shown };
                let number = (i64::from(time.year()) - 1970) * 12 + i64::from(time.month0());
                months_after(0, number.div_euclid(i64::from(months)) * i64::from(months))
            }
        }
    }

    /// The most microseconds that it may be, on a clock that does not move.
    pub fn longest(self) -> i64 {
        match self {
            Length::Micros(size) => size,
            Length::Days(days) => i64::from(days).saturating_mul(DAY),
            Length::Months(months) => i64::from(months).saturating_mul(31 * DAY),
        }
    }

    /// Whether it is whole days or months.
    pub fn is_whole(self) -> bool {
        !matches!(self, Length::Micros(_))
    }
}

fn months_after(shown: i64, months: i64) -> i64 {
    let count = u32::try_from(months.unsigned_abs()).unwrap_or(u32::MAX);
    let day = DateTime::<Utc>::from_timestamp_micros(shown).map(|t| (t.date_naive(), t.time()));
    let moved = day.and_then(|(day, time): (NaiveDate, NaiveTime)| {
        let day = if months < 0 { day.checked_sub_months(Months::new(count)) } else { day.checked_add_months(Months::new(count)) };
        day.map(|d| d.and_time(time).and_utc().timestamp_micros())
    });
    moved.unwrap_or(if months < 0 { i64::MIN } else { i64::MAX })
}

impl Calendar {
    /// The window that an instant is in.
    pub fn window(&self, instant: i64) -> (i64, i64) {
        if self.length.is_whole() {
            let (_, start, end) = self.whole(instant);
            return (start, end);
        }
        (self.begins(instant), self.ends(instant))
    }

    /// The end of the window that begins at an instant.
    pub fn end(&self, start: i64) -> i64 {
        self.window(start).1
    }

    /// The time as shown at which the window of an instant begins, and its bounds.
    fn whole(&self, instant: i64) -> (i64, i64, i64) {
        let shown = instant.saturating_add(self.zone.ahead(instant));
        let mut first = self.multiple(shown);
        // A clock may go back over midnight: the day goes on until the next begins for the first time.
        for _ in 0..2 {
            let (start, end) = (self.zone.first(first), self.zone.first(self.length.after(first, 1)));
            if instant < start {
                first = self.length.after(first, -1);
            } else if instant >= end {
                first = self.length.after(first, 1);
            } else {
                return (first, start, end);
            }
        }
        (first, self.zone.first(first), self.zone.first(self.length.after(first, 1)))
    }

    /// The greatest time that begins a window and is not after a time, both as shown.
    fn multiple(&self, shown: i64) -> i64 {
        self.length.floor(shown.saturating_sub(self.offset)).saturating_add(self.offset)
    }

    /// The last instant up to this one at which the clock showed a multiple.
    fn begins(&self, instant: i64) -> i64 {
        let ahead = self.zone.ahead(instant);
        let start = self.multiple(instant.saturating_add(ahead)).saturating_sub(ahead);
        let before = self.zone.ahead(start);
        if before == ahead {
            return start;
        }
        let moved = self.zone.moved(start, instant);
        let (left, reached) = (moved.saturating_add(before), moved.saturating_add(ahead));
        // A multiple that the clock skips counts as shown when it does.
        if reached > left && self.multiple(reached) >= left { moved } else { self.begins(moved.saturating_sub(1)) }
    }

    /// The first instant after this one at which the clock shows a multiple.
    fn ends(&self, instant: i64) -> i64 {
        let ahead = self.zone.ahead(instant);
        let next = self.length.after(self.multiple(instant.saturating_add(ahead)), 1);
        let end = next.saturating_sub(ahead);
        let after = self.zone.ahead(end);
        if after == ahead {
            return end;
        }
        let moved = self.zone.moved(instant, end);
        let reached = moved.saturating_add(after);
        if after > ahead && reached >= next || self.multiple(reached) == reached { moved } else { self.ends(moved) }
    }

    /// The windows of a length that begin where these do and that an instant is in, in order; none when they are more than so many.
    pub fn hops(&self, size: Length, instant: i64, most: usize, out: &mut Vec<(i64, i64)>) -> Option<()> {
        let from = out.len();
        let (mut first, ..) = self.whole(instant);
        loop {
            let (start, end) = (self.zone.first(first), self.zone.first(size.after(first, 1)));
            if end <= instant || out.len() - from > most {
                break;
            }
            out.push((start, end));
            first = self.length.after(first, -1);
        }
        if out.len() - from > most {
            return None;
        }
        out.get_mut(from..).map(<[_]>::reverse)
    }

    /// The windows that begin with the window of an instant, end when the clock has gone a step further each, and that it is in.
    pub fn cumulated(&self, step: Length, instant: i64, most: usize, out: &mut Vec<(i64, i64)>) -> Option<()> {
        let (first, start, end) = self.whole(instant);
        let from = out.len();
        // Steps that are surely over: a clock moves by a few hours at most.
        let mut k = match step {
            Length::Micros(size) => (instant.saturating_sub(start).saturating_sub(DAY / 4) / size).max(0),
            _ => 0,
        };
        let mut before = start;
        while before < end {
            k += 1;
            let until = self.zone.first(step.after(first, k)).min(end);
            // Steps that the clock skips end together.
            if until > instant && until > before {
                out.push((start, until));
            }
            before = before.max(until);
            if out.len() - from > most {
                return None;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Calendar, Length};
    use crate::sql::window::zone::Zone;

    const HOUR: i64 = 3_600_000_000;

    fn at(text: &str) -> i64 {
        chrono::DateTime::parse_from_rfc3339(text).map(|t| t.timestamp_micros()).unwrap_or_default()
    }

    fn calendar(length: Length, zone: &str) -> Calendar {
        Calendar { length, offset: 0, zone: Zone::of(zone).unwrap_or(Zone::Fixed(0)) }
    }

    /// Windows as hours from a start, until an end: they follow each other without a gap, and each instant in one gives it.
    fn hours(calendar: &Calendar, from: &str, to: &str) -> Vec<f64> {
        let (mut instant, mut out) = (calendar.window(at(from)).0, Vec::new());
        while instant < at(to) {
            let (start, end) = calendar.window(instant);
            assert_eq!(start, instant, "windows follow each other");
            for inside in [start + 1, start + (end - start) / 3, start + (end - start) / 2, end - 1] {
                assert_eq!(calendar.window(inside), (start, end));
            }
            out.push((end - start) as f64 / HOUR as f64);
            instant = end;
        }
        out
    }

    #[test]
    fn days_and_months_are_as_long_as_the_zone_makes_them() {
        let berlin = calendar(Length::Days(1), "Europe/Berlin");
        assert_eq!(berlin.window(at("2024-03-31T12:00:00Z")), (at("2024-03-30T23:00:00Z"), at("2024-03-31T22:00:00Z")));
        assert_eq!(hours(&berlin, "2024-03-30T12:00:00Z", "2024-04-01T12:00:00Z"), [24.0, 23.0, 24.0]);
        assert_eq!(hours(&berlin, "2024-10-26T12:00:00Z", "2024-10-28T12:00:00Z"), [24.0, 25.0, 24.0]);
        let month = calendar(Length::Months(1), "Europe/Berlin");
        assert_eq!(month.window(at("2024-03-15T00:00:00Z")), (at("2024-02-29T23:00:00Z"), at("2024-03-31T22:00:00Z")));
        assert_eq!(month.window(at("1969-12-31T22:00:00Z")), (at("1969-11-30T23:00:00Z"), at("1969-12-31T23:00:00Z")));
        // Havana's clock goes back from one to midnight, Beirut's skips midnight, St. John's went back over it.
        assert_eq!(hours(&calendar(Length::Days(1), "America/Havana"), "2024-11-03T12:00:00Z", "2024-11-04T12:00:00Z"), [25.0, 24.0]);
        assert_eq!(hours(&calendar(Length::Days(1), "Asia/Beirut"), "2021-03-28T12:00:00Z", "2021-03-29T12:00:00Z"), [23.0, 24.0]);
        let days = hours(&calendar(Length::Days(1), "America/St_Johns"), "2010-11-06T12:00:00Z", "2010-11-08T12:00:00Z");
        assert_eq!(days.iter().sum::<f64>(), 73.0);
    }

    #[test]
    fn shorter_windows_begin_when_the_clock_shows_a_multiple() {
        let six = calendar(Length::Micros(6 * HOUR), "Europe/Berlin");
        assert_eq!(hours(&six, "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z"), [5.0, 6.0, 6.0, 6.0]);
        assert_eq!(hours(&six, "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z"), [7.0, 6.0, 6.0, 6.0]);
        let one = calendar(Length::Micros(HOUR), "Europe/Berlin");
        assert_eq!(hours(&one, "2024-10-26T22:00:00Z", "2024-10-27T04:00:00Z"), [1.0; 6]);
        let two = calendar(Length::Micros(2 * HOUR), "Europe/Berlin");
        assert_eq!(hours(&two, "2024-10-26T22:00:00Z", "2024-10-27T05:00:00Z"), [2.0, 1.0, 2.0, 2.0]);
        let half = calendar(Length::Micros(HOUR / 2), "Asia/Kolkata");
        assert_eq!(half.window(at("2024-01-01T00:10:00Z")), (at("2024-01-01T00:00:00Z"), at("2024-01-01T00:30:00Z")));
        assert_eq!(calendar(Length::Micros(HOUR), "+05:30").window(at("2024-01-01T00:10:00Z")).0, at("2023-12-31T23:30:00Z"));
        let odd = calendar(Length::Micros(HOUR * 3 / 4), "Australia/Lord_Howe");
        let all: f64 = hours(&odd, "2024-04-06T00:00:00Z", "2024-04-07T00:00:00Z").iter().sum();
        assert!((24.0..25.5).contains(&all));
    }

    #[test]
    fn sliding_and_growing_windows_keep_to_local_days() {
        let (daily, mut out) = (calendar(Length::Days(1), "Europe/Berlin"), Vec::new());
        assert!(daily.hops(Length::Days(2), at("2024-03-31T12:00:00Z"), 10, &mut out).is_some());
        let day = |text: &str| at(text);
        assert_eq!(
            out,
            [(day("2024-03-29T23:00:00Z"), day("2024-03-31T22:00:00Z")), (day("2024-03-30T23:00:00Z"), day("2024-04-01T22:00:00Z")),]
        );
        out.clear();
        assert!(daily.cumulated(Length::Micros(6 * HOUR), at("2024-03-31T12:00:00Z"), 10, &mut out).is_some());
        assert_eq!(
            out,
            [(day("2024-03-30T23:00:00Z"), day("2024-03-31T16:00:00Z")), (day("2024-03-30T23:00:00Z"), day("2024-03-31T22:00:00Z")),]
        );
        out.clear();
        assert!(daily.cumulated(Length::Micros(HOUR), at("2024-03-30T23:30:00Z"), 30, &mut out).is_some());
        assert_eq!(out.len(), 23, "the hour that is skipped ends no window");
        assert!(daily.hops(Length::Days(100), at("2024-03-31T12:00:00Z"), 10, &mut out).is_none());
    }

    #[test]
    fn the_ends_of_time_stop_nothing() {
        let lengths = [Length::Days(1), Length::Months(1), Length::Micros(HOUR), Length::Days(i32::MAX), Length::Months(i32::MAX)];
        for (length, zone) in lengths.iter().flat_map(|l| ["Europe/Berlin", "+14:00", "UTC"].map(|z| (*l, z))) {
            for instant in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX, at("-9999-01-01T00:00:00Z")] {
                let windows = calendar(length, zone);
                windows.window(instant);
                windows.end(instant);
                let (mut hops, mut growing) = (Vec::new(), Vec::new());
                windows.hops(length, instant, 5, &mut hops);
                windows.cumulated(length, instant, 5, &mut growing);
            }
        }
    }

    #[test]
    fn zones_are_named_or_counted() {
        assert_eq!((Zone::of("+05:30"), Zone::of("-03")), (Some(Zone::Fixed(11 * HOUR / 2)), Some(Zone::Fixed(-3 * HOUR))));
        assert!(Zone::of("UTC").is_some_and(|z| z.is_utc()) && Zone::of("Europe/Berlin").is_some());
        assert!(Zone::of("Mars/Base").is_none() && Zone::of("+99:00").is_none() && Zone::of("").is_none());
    }
}
