//! The envelope of a parameter: what a device allows, whoever asks (D15). Type, range, step and rate.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Value;
use crate::pipeline::{Param, ParamKind};

/// Why a device does not take a delta.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The device has no such parameter.
    #[error("the device has no parameter \"{0}\"")]
    UnknownParam(String),
    /// The value is of another type, or not a finite number.
    #[error("the value {0} is not of the parameter's type")]
    WrongType(String),
    /// The value lies outside the range.
    #[error("{value} is outside {min} to {max}")]
    OutOfRange {
        /// What was asked.
        value: String,
        /// The least allowed.
        min: String,
        /// The most allowed.
        max: String,
    },
    /// The change is too large.
    #[error("the step from {from} to {to} is larger than {max_step}")]
    StepTooLarge {
        /// What it is.
        from: String,
        /// What was asked.
        to: String,
        /// The largest change allowed.
        max_step: String,
    },
    /// The last change was too recent.
    #[error("the last change is {since_ms} ms old; changes may come each {min_interval_ms} ms")]
    TooSoon {
        /// Time since the last change.
        since_ms: i64,
        /// The least time between two.
        min_interval_ms: u64,
    },
    /// The delta was made for another state of the device.
    #[error("the delta is for spec epoch {wanted} from {from}; the device is at {current} with {has}")]
    Stale {
        /// The spec epoch before the delta, as it was made.
        wanted: u64,
        /// The value it was made from.
        from: String,
        /// The device's spec epoch.
        current: u64,
        /// The device's value.
        has: String,
    },
}

impl Refusal {
    /// A stable code, for metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::UnknownParam(_) => "unknown_param",
            Refusal::WrongType(_) => "wrong_type",
            Refusal::OutOfRange { .. } => "out_of_range",
            Refusal::StepTooLarge { .. } => "step_too_large",
            Refusal::TooSoon { .. } => "too_soon",
            Refusal::Stale { .. } => "stale",
        }
    }
}

/// Whether a parameter may go from `current` to `proposed` at `now_us`.
///
/// # Errors
/// With the first reason why not.
pub fn check(param: &Param, current: &Value, proposed: &Value, last_change_us: Option<i64>, now_us: i64) -> Result<(), Refusal> {
    match (&param.kind, current, proposed) {
        (ParamKind::F32 { min, max, max_step, .. }, Value::F32(from), Value::F32(to)) => {
            if !to.is_finite() {
                return Err(Refusal::WrongType(to.to_string()));
            }
            // The step is judged in f64 with the rounding of f32, so that 0.8 to 0.7 is a step of 0.1.
            let step = (f64::from(*to) - f64::from(*from)).abs();
            let slack = f64::from(f32::EPSILON) * f64::from(from.abs().max(to.abs()));
            range(to, min, max)?;
            step_within(step, max_step.map(f64::from), slack, proposed, current)?;
        }
        (ParamKind::I64 { min, max, max_step, .. }, Value::I64(from), Value::I64(to)) => {
            range(to, min, max)?;
            step_within(to.abs_diff(*from) as f64, max_step.map(|s| s as f64), 0.0, proposed, current)?;
        }
        (ParamKind::Bool { .. }, Value::Bool(_), Value::Bool(_)) | (ParamKind::Model { .. }, Value::Model(_), Value::Model(_)) => {}
        _ => return Err(Refusal::WrongType(proposed.to_string())),
    }
    rate(param.min_interval, last_change_us, now_us)
}

fn range<T: PartialOrd + ToString>(value: &T, min: &T, max: &T) -> Result<(), Refusal> {
    match value >= min && value <= max {
        true => Ok(()),
        false => Err(Refusal::OutOfRange { value: value.to_string(), min: min.to_string(), max: max.to_string() }),
    }
}

fn step_within(step: f64, max_step: Option<f64>, slack: f64, to: &Value, from: &Value) -> Result<(), Refusal> {
    match max_step {
        Some(max) if step > max + slack => {
            Err(Refusal::StepTooLarge { from: from.to_string(), to: to.to_string(), max_step: (max as f32).to_string() })
        }
        _ => Ok(()),
    }
}

fn rate(min_interval: Option<Duration>, last_change_us: Option<i64>, now_us: i64) -> Result<(), Refusal> {
    let (Some(interval), Some(last)) = (min_interval, last_change_us) else { return Ok(()) };
    let since_us = now_us.saturating_sub(last);
    match since_us >= i64::try_from(interval.as_micros()).unwrap_or(i64::MAX) {
        true => Ok(()),
        false => Err(Refusal::TooSoon { since_ms: since_us / 1000, min_interval_ms: interval.as_millis() as u64 }),
    }
}
