//! Times as text: `2024-01-01T00:00:00.123Z` digit by digit, all else by the parser that arrow-json uses.

use arrow::array::timezone::Tz;
use arrow::array::types::ArrowTimestampType;
use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::datatypes::TimeUnit;

use super::cursor::Cursor;
use super::digits::{are_values, leading};

/// Reads times of one column.
pub struct Times {
    zone: Tz,
    /// Whether a time that names no zone is in UTC.
    utc: bool,
    /// The date that was read last and its number: times that follow each other often share it.
    last: (u64, u64, i64),
}

/// `0000-00-`, `00T00:00` and `:00` as the lowest bytes of words.
const DATE: u64 = u64::from_le_bytes(*b"0000-00-");
const HOUR: u64 = u64::from_le_bytes(*b"00T00:00");
const SECOND: u64 = u64::from_le_bytes([b':', b'0', b'0', 0, 0, 0, 0, 0]);
const LOW_24: u64 = 0xFF_FFFF;
/// Where marks stand, and not digits.
const DATE_MARKS: u64 = u64::from_le_bytes([0, 0, 0, 0, 0xFF, 0, 0, 0xFF]);
const HOUR_MARKS: u64 = u64::from_le_bytes([0, 0, 0xFF, 0, 0, 0xFF, 0, 0]);
/// A blank stands for the T too.
const BLANK: u64 = ((b' ' ^ b'T') as u64) << 16;

const NANOS: [i64; 9] = [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10];

impl Times {
    /// Times of a column in a zone; none when the zone is not known.
    pub fn new(zone: Option<&str>) -> Option<Self> {
        Some(Times { zone: zone.unwrap_or("+00:00").parse().ok()?, utc: zone.is_none(), last: (0, 0, 0) })
    }

    /// The time whose opening quote was passed by, in the unit of a type.
    #[inline]
    pub fn value<P: ArrowTimestampType>(&mut self, cursor: &mut Cursor<'_>) -> Option<i64> {
        if let Some((seconds, nanos, length)) = self.plain(cursor) {
            cursor.skip(length);
            return in_unit(P::UNIT, seconds, nanos);
        }
        let (raw, escaped) = cursor.quoted()?;
        let text = std::str::from_utf8(raw).ok().filter(|_| !escaped)?;
        let time = string_to_datetime(&self.zone, text).ok()?;
        match P::UNIT {
            TimeUnit::Second => Some(time.timestamp()),
            TimeUnit::Millisecond => Some(time.timestamp_millis()),
            TimeUnit::Microsecond => Some(time.timestamp_micros()),
            TimeUnit::Nanosecond => time.timestamp_nanos_opt(),
        }
    }

    /// Seconds, nanoseconds, and how many bytes they and the closing quote took.
    #[inline]
    fn plain(&mut self, cursor: &Cursor<'_>) -> Option<(i64, i64, usize)> {
        let (date, hour, second) = (cursor.word(0) ^ DATE, cursor.word(8) ^ HOUR, cursor.word(16) ^ SECOND);
        let marks = (date & DATE_MARKS) | (second & 0xFF);
        let mark = hour & HOUR_MARKS;
        let digits = are_values(date) && are_values(hour & !HOUR_MARKS) && are_values(second & LOW_24);
        if marks != 0 || (mark != 0 && mark != BLANK) || !digits {
            return None;
        }
        let two = |word: u64, at: u32| ((word >> (8 * at)) & 0xFF) * 10 + ((word >> (8 * at + 8)) & 0xFF);
        let days = self.days(date, hour & 0xFFFF, || (two(date, 0) * 100 + two(date, 2), two(date, 5), two(hour, 0)))?;
        let (hours, minutes, seconds) = (two(hour, 3), two(hour, 6), two(second, 1));
        if hours > 23 || minutes > 59 || seconds > 59 {
            return None;
        }
        let (mut end, mut nanos) = (19, 0);
        if cursor.byte(end) == b'.' {
            let (digits, value) = leading(cursor.word(end + 1));
            end += 1 + digits;
            // A ninth digit is left to the other parser.
            if digits == 0 || cursor.byte(end).is_ascii_digit() {
                return None;
            }
            nanos = value as i64 * NANOS.get(digits)?;
        }
        match cursor.byte(end) {
            b'Z' | b'z' => end += 1,
            _ if !self.utc => return None,
            _ => {}
        }
        let of_day = (hours * 3_600 + minutes * 60 + seconds) as i64;
        (cursor.byte(end) == b'"').then_some((days * 86_400 + of_day, nanos, end + 1))
    }

    /// The day of a date since 1970.
    #[inline]
    fn days(&mut self, date: u64, day: u64, parts: impl FnOnce() -> (u64, u64, u64)) -> Option<i64> {
        // The date of nothing is not a date, so what is there at first matches none.
        if (date, day) != (self.last.0, self.last.1) {
            let (year, month, of_month) = parts();
            self.last = (date, day, days(year as i64, month as i64, of_month as i64)?);
        }
        (self.last.0 != 0).then_some(self.last.2)
    }
}

#[inline]
fn in_unit(unit: TimeUnit, seconds: i64, nanos: i64) -> Option<i64> {
    match unit {
        TimeUnit::Second => Some(seconds),
        TimeUnit::Millisecond => Some(seconds * 1_000 + nanos / 1_000_000),
        TimeUnit::Microsecond => Some(seconds * 1_000_000 + nanos / 1_000),
        TimeUnit::Nanosecond => seconds.checked_mul(1_000_000_000)?.checked_add(nanos),
    }
}

/// Days since 1970 of a date of the years 0 to 9999; none when there is no such day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if day < 1 || day > length {
        return None;
    }
    // Years begin in March here, so that the leap day is the last one.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_era = years.rem_euclid(400);
    let of_year = (153 * months + 2) / 5 + day - 1;
    Some(years.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::days;

    #[test]
    fn dates_are_counted_from_1970() {
        for (date, number) in
            [((1970, 1, 1), 0), ((1969, 12, 31), -1), ((2000, 2, 29), 11_016), ((2024, 1, 1), 19_723), ((0, 1, 1), -719_528)]
        {
            assert_eq!(days(date.0, date.1, date.2), Some(number), "{date:?}");
        }
        assert_eq!(days(2023, 2, 29), None);
        assert_eq!(days(1900, 2, 29), None);
        assert_eq!(days(2024, 13, 1), None);
    }
}
