//! Sizes, offset and zone of a window, as they stand in its call.

use arrow::compute::kernels::cast_utils::{IntervalParseConfig, IntervalUnit, parse_interval_month_day_nano_config};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};

use super::calendar::{Calendar, DAY, Length};
use super::zone::Zone;
use super::{WINDOWS_OF_ROW_MAX, micros_of};

/// What a window is told beside its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// Size; or slide or step, and size.
    pub sizes: Vec<Length>,
    /// Microseconds by which windows begin later.
    pub offset: i64,
    /// Whose clock counts.
    pub zone: Option<Zone>,
}

impl Arguments {
    /// Reads constants: so many sizes, then an offset, a zone, or both.
    ///
    /// # Errors
    /// With what is wrong with one.
    pub fn of(constants: &[&ScalarValue], sizes: usize, shape: &str) -> Result<Self> {
        let mut out = Arguments { sizes: Vec::new(), offset: 0, zone: None };
        for (i, value) in constants.iter().enumerate() {
            match (i < sizes, value.try_as_str().flatten()) {
                (true, _) => out.sizes.push(length(value, shape)?),
                (false, Some(name)) => match Zone::of(name) {
                    Some(zone) => out.zone = Some(zone),
                    None => return exec_err!("\"{name}\" is no time zone such as Europe/Berlin or +02:00: {shape}"),
                },
                (false, None) => match micros_of(value) {
                    Some(offset) => out.offset = offset,
                    None => return exec_err!("the offset of a window is an interval without months: {shape}"),
                },
            }
        }
        Ok(out)
    }

    /// The windows on a calendar; none when they have a fixed length.
    pub fn calendar(&self) -> Option<Calendar> {
        let [length, ..] = self.sizes.as_slice() else { return None };
        self.zone.map(|zone| Calendar { length: *length, offset: self.offset, zone })
    }

    /// Whether sizes say months, which only a calendar has.
    pub fn has_months(&self) -> bool {
        self.sizes.iter().any(|s| matches!(s, Length::Months(_)))
    }

    /// The sizes as microseconds.
    pub fn fixed(&self) -> Result<Vec<i64>> {
        let one = |length: &Length| match length {
            Length::Micros(size) => Ok(*size),
            Length::Months(_) if self.zone.is_none() => exec_err!("months have no fixed length"),
            // On a calendar, no window is longer.
            Length::Days(_) | Length::Months(_) => Ok(length.longest()),
        };
        self.sizes.iter().map(one).collect()
    }

    /// Refuses sizes that make no windows of a kind.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn check(&self, name: &str, shape: &str) -> Result<()> {
        let most = WINDOWS_OF_ROW_MAX;
        match (name, self.sizes.as_slice()) {
            ("hop", [slide, _]) if self.zone.is_some() && !slide.is_whole() => {
                plan_err!("the slide of hop is whole days or months where a zone, or months, are given: {shape}")
            }
            ("cumulate", [step, size]) if self.zone.is_some() => {
                let months = matches!(size, Length::Months(_)) || !matches!(step, Length::Months(_));
                match (size.is_whole() && months, size.longest() / step.longest() > most) {
                    (true, false) => Ok(()),
                    (true, true) => plan_err!("a row would be in more than {most} windows: {shape}"),
                    (false, _) => plan_err!("the size of cumulate is whole days or months where a zone, or months, are given: {shape}"),
                }
            }
            ("hop", [_, _]) => match self.fixed()?.as_slice() {
                [slide, size] if size / slide > most => plan_err!("a row would be in more than {most} windows: {shape}"),
                _ => Ok(()),
            },
            ("cumulate", [_, _]) => match self.fixed()?.as_slice() {
                [step, size] if size % step != 0 || size / step > most => {
                    plan_err!("the size of cumulate must be a multiple, up to {most}, of its step: {shape}")
                }
                _ => Ok(()),
            },
            ("session", [Length::Months(_)]) => plan_err!("the gap of session is an interval without months: {shape}"),
            _ => Ok(()),
        }
    }
}

/// A size: months, days, or a length of time, above 0.
fn length(value: &ScalarValue, shape: &str) -> Result<Length> {
    if let ScalarValue::IntervalMonthDayNano(Some(i)) = value
        && (i.months > 0 && (i.days, i.nanoseconds) == (0, 0))
    {
        return Ok(Length::Months(i.months));
    }
    if let ScalarValue::IntervalYearMonth(Some(months @ 1..)) = value {
        return Ok(Length::Months(*months));
    }
    match micros_of(value) {
        Some(size) if size > 0 && size % DAY == 0 && says_days(value) => Ok(Length::Days(i32::try_from(size / DAY).unwrap_or(i32::MAX))),
        Some(size) if size > 0 => Ok(Length::Micros(size)),
        _ => exec_err!("sizes of a window are intervals above 0, in months or without, such as INTERVAL '10' SECOND: {shape}"),
    }
}

fn says_days(value: &ScalarValue) -> bool {
    match value {
        ScalarValue::IntervalMonthDayNano(Some(i)) => i.days > 0 && i.nanoseconds == 0,
        ScalarValue::IntervalDayTime(Some(i)) => i.days > 0 && i.milliseconds == 0,
        _ => false,
    }
}

/// The interval that a text says, such as `5 minutes`.
pub fn interval(text: &str) -> Option<ScalarValue> {
    let spelled = text.chars().any(|c| c.is_ascii_digit()) && text.chars().any(|c| c.is_ascii_alphabetic());
    if !spelled || Zone::of(text).is_some() {
        return None;
    }
    let config = IntervalParseConfig::new(IntervalUnit::Second);
    parse_interval_month_day_nano_config(text, config).ok().map(|i| ScalarValue::IntervalMonthDayNano(Some(i)))
}
