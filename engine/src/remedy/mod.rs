//! Remediation: a row that a view gains triggers an action, once.
//!
//! The key of an action is made of the pipeline, the rule and the row without its times, so the same finding never acts
//! twice while the ledger remembers it, however often its newest time moves. Freshness is judged against event time, before anything is sent; a stale row is counted and not acted on.
//! Not here: what a web hook is (`littoral_connectors::http`); sending is an `Actuator`'s.

pub mod actuators;

use std::collections::{HashMap, HashSet, VecDeque};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::json::LineDelimitedWriter;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::flow::updates::Updates;
use crate::pipeline::{Basis, Remediation};

/// Keys that a rule remembers; the oldest are forgotten first.
const LEDGER_KEYS_MAX: usize = 100_000;
/// Tries of an action that may be repeated.
const ATTEMPTS: u32 = 4;

/// One action.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Action {
    /// The rule.
    pub remediation: String,
    /// The same for the same row: a receiver can drop what it has done already.
    pub idempotency_key: String,
    /// The epoch in which the view gained the row.
    pub epoch: u64,
    /// The row.
    pub row: Map<String, Value>,
}

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActOutcome {
    /// Carried out.
    Done,
    /// Not carried out.
    Failed(String),
    /// It may have been carried out.
    Unknown(String),
}

/// Carries actions out.
pub trait Actuator: Send {
    /// Carries one out, trying at most `attempts` times.
    fn act(&mut self, action: &Action, attempts: u32) -> ActOutcome;

    /// Makes what was done durable.
    fn finish(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// One rule at work.
pub struct Remedies {
    rule: Remediation,
    pipeline: String,
    actuator: Box<dyn Actuator>,
    /// Columns that tell when, which do not make a row another one.
    times: Vec<String>,
    done: HashSet<String>,
    order: VecDeque<String>,
}

/// How many actions an epoch led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acted {
    /// Carried out.
    pub done: u64,
    /// Stale, refused, failed or unknown.
    pub failed: u64,
}

impl Remedies {
    /// A rule with what carries its actions out.
    pub fn new(pipeline: &str, rule: Remediation, actuator: Box<dyn Actuator>) -> Self {
        Remedies { rule, pipeline: pipeline.to_string(), actuator, times: Vec::new(), done: HashSet::new(), order: VecDeque::new() }
    }

    /// Acts on the rows that the rule's view gained in an epoch.
    ///
    /// # Errors
    /// When the rows have no form in JSON.
    pub fn epoch(&mut self, epoch: u64, now_us: Option<i64>, changes: &HashMap<String, Updates>) -> Result<Acted, ArrowError> {
        let mut acted = Acted::default();
        let Some(updates) = changes.get(&self.rule.on) else { return Ok(acted) };
        let mut writer = LineDelimitedWriter::new(Vec::new());
        writer.write(&updates.rows)?;
        writer.finish()?;
        let bytes = writer.into_inner();
        let times = newest_times(&updates.rows)?;
        let timed = |f: &&std::sync::Arc<arrow::datatypes::Field>| matches!(f.data_type(), DataType::Timestamp(..));
        self.times = updates.rows.schema().fields().iter().filter(timed).map(|f| f.name().clone()).collect();
        for (row, line) in bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).enumerate() {
            if updates.diff(row) <= 0 {
                continue;
            }
            let Ok(Value::Object(content)) = serde_json::from_slice(line) else { continue };
            self.act(epoch, now_us, times.get(row).copied().flatten(), content, &mut acted);
        }
        Ok(acted)
    }

    fn act(&mut self, epoch: u64, now_us: Option<i64>, at_us: Option<i64>, row: Map<String, Value>, acted: &mut Acted) {
        let name = self.rule.name.clone();
        let known: Map<String, Value> =
            row.iter().filter(|(column, _)| !self.times.contains(column)).map(|(k, v)| (k.clone(), v.clone())).collect();
        let known = Value::Object(known).to_string();
        let content = [self.pipeline.as_bytes(), name.as_bytes(), known.as_bytes()].join(&0x1f);
        let key = format!("{name}-{:016x}", fingerprint(&content));
        if self.done.contains(&key) {
            return;
        }
        if let (Basis::Fresh(limit), Some(now), Some(at)) = (self.rule.basis, now_us, at_us) {
            let age_us = now.saturating_sub(at);
            if age_us > i64::try_from(limit.as_micros()).unwrap_or(i64::MAX) {
                tracing::warn!(remediation = name, age_ms = age_us / 1000, "not acted: what is known is too old");
                acted.failed += 1;
                return;
            }
        }
        self.remember(key.clone());
        let action = Action { remediation: name.clone(), idempotency_key: key, epoch, row };
        let attempts = if self.rule.at_most_once { 1 } else { ATTEMPTS };
        match self.actuator.act(&action, attempts) {
            ActOutcome::Done => acted.done += 1,
            ActOutcome::Failed(why) => {
                tracing::error!(remediation = name, key = action.idempotency_key, why, "action failed");
                acted.failed += 1;
            }
            ActOutcome::Unknown(why) => {
                tracing::error!(remediation = name, key = action.idempotency_key, why, "outcome of the action is unknown");
                acted.failed += 1;
            }
        }
    }

    fn remember(&mut self, key: String) {
        if self.order.len() >= LEDGER_KEYS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.done.remove(&oldest);
        }
        self.order.push_back(key.clone());
        self.done.insert(key);
    }

    /// Ends the rule.
    ///
    /// # Errors
    /// When what was done cannot be made durable.
    pub fn finish(&mut self) -> Result<Acted, String> {
        self.actuator.finish().map(|()| Acted::default())
    }
}

/// FNV-1a with a last mix: the same on every machine and in every version.
fn fingerprint(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    hash ^ (hash >> 29)
}

/// The newest timestamp of each row.
fn newest_times(rows: &RecordBatch) -> Result<Vec<Option<i64>>, ArrowError> {
    let mut newest = vec![None; rows.num_rows()];
    for column in rows.columns().iter().filter(|c| matches!(c.data_type(), DataType::Timestamp(..))) {
        let us = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        let us = us.as_primitive::<TimestampMicrosecondType>();
        for (row, slot) in newest.iter_mut().enumerate() {
            let value = us.is_valid(row).then(|| us.value(row));
            *slot = (*slot).max(value);
        }
    }
    Ok(newest)
}
