//! Turns the changes of a view `(device, value)` into deltas: the reconfiguration *is* the view's change (D6, D7).
//!
//! Per epoch and device, what the view lost and gained becomes at most one delta, old to new. What the device is known to run
//! is where the next delta starts from, so a refused delta is not built upon. One delta a device is under way at a time; a
//! change that comes meanwhile waits, and only the newest counts.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::error::ArrowError;

use super::envelope::Refusal;
use super::store::Verdict;
use super::{Delta, Value};
use crate::pipeline::{DeltaRule, Param, ParamKind};

/// Makes the deltas of one rule.
pub struct DeltaMaker {
    rule: DeltaRule,
    param: Param,
    devices: BTreeMap<String, Target>,
    /// Deltas that waited for a device's answer.
    made: Vec<Delta>,
}

/// What a device should run, and what it does.
struct Target {
    /// Values that the view holds for the device, with counts; one is right, none means the default.
    rows: Vec<(Option<Value>, i64)>,
    applied: Value,
    spec_epoch: u64,
    under_way: Option<Delta>,
    /// What was asked last, refused or not: it is not asked again until the view changes.
    asked: Option<Value>,
}

/// What an epoch's changes made.
#[derive(Debug, Default)]
pub struct Made {
    /// Deltas to send.
    pub deltas: Vec<Delta>,
    /// Rows that make none.
    pub refused: Vec<RefusedRow>,
}

/// A row of the view that makes no delta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// The device.
    pub device: String,
    /// Why, for a person.
    pub reason: String,
    /// Why, for metrics.
    pub code: &'static str,
}

impl DeltaMaker {
    /// A maker for a rule over its parameter.
    pub fn new(rule: DeltaRule, param: Param) -> Self {
        DeltaMaker { rule, param, devices: BTreeMap::new(), made: Vec::new() }
    }

    /// Takes an epoch's changes; gives the deltas to send.
    ///
    /// # Errors
    /// When the view does not have the columns of the rule, which was checked before.
    pub fn epoch(&mut self, epoch: u64, rows: &RecordBatch, diffs: Option<&Int64Array>) -> Result<Made, ArrowError> {
        let schema = rows.schema();
        let keys = cast(rows.column(schema.index_of(&self.rule.key)?), &DataType::Utf8)?;
        let keys = keys.as_string::<i32>();
        let values = values(&self.param.kind, rows.column(schema.index_of(&self.rule.value)?))?;
        let mut touched: Vec<String> = Vec::new();
        for (row, value) in values.into_iter().enumerate() {
            if keys.is_null(row) {
                continue;
            }
            let device = keys.value(row);
            let target = self.devices.entry(device.to_string()).or_insert_with(|| Target::new(&self.param));
            target.change(value, diffs.map_or(1, |d| d.value(row)));
            touched.push(device.to_string());
        }
        touched.sort();
        touched.dedup();
        let mut made = Made::default();
        for device in touched {
            self.ask(epoch, &device, &mut made);
        }
        made.deltas.extend(self.take_waiting());
        Ok(made)
    }

    /// Deltas that a device's answer has set free.
    pub fn take_waiting(&mut self) -> Vec<Delta> {
        std::mem::take(&mut self.made)
    }

    /// Takes a device's answer; gives the delta that it applied, if it is one of this maker's.
    pub fn answer(&mut self, verdict: &Verdict) -> Option<Delta> {
        let (device, param, acked) = match verdict {
            Verdict::Ack { device, param, .. } => (device, param, true),
            Verdict::Nack { device, param, .. } => (device, param, false),
        };
        // Any parameter's change moves the spec epoch of the device.
        if let (Verdict::Ack { spec_epoch, .. } | Verdict::Nack { spec_epoch, .. }, Some(target)) = (verdict, self.devices.get_mut(device))
        {
            target.spec_epoch = *spec_epoch;
        }
        if *param != self.param.name {
            return None;
        }
        let target = self.devices.get_mut(device)?;
        let delta = target.under_way.take()?;
        if acked {
            target.applied = delta.to.clone();
        }
        // Another parameter's delta came in between: the same wish again, from where the device is now.
        if matches!(verdict, Verdict::Nack { refusal: Refusal::Stale { .. }, .. }) {
            target.asked = None;
        }
        let mut made = Made::default();
        let device = device.clone();
        self.ask(delta.epoch, &device, &mut made);
        self.made.extend(made.deltas);
        acked.then_some(delta)
    }

    /// Asks for what the view wants, unless it is asked already.
    fn ask(&mut self, epoch: u64, device: &str, made: &mut Made) {
        let default = Value::default_of(&self.param);
        let Some(target) = self.devices.get_mut(device) else { return };
        let wanted = match target.wanted() {
            Ok(wanted) => wanted.unwrap_or(default),
            Err((code, reason)) => {
                made.refused.push(RefusedRow { device: device.to_string(), reason, code });
                return;
            }
        };
        if target.under_way.is_some() || wanted == target.applied || target.asked.as_ref() == Some(&wanted) {
            return;
        }
        let delta = Delta {
            device: device.to_string(),
            param: self.param.name.clone(),
            from: target.applied.clone(),
            to: wanted.clone(),
            spec_epoch: target.spec_epoch + 1,
            view: self.rule.from.clone(),
            epoch,
        };
        target.asked = Some(wanted);
        target.under_way = Some(delta.clone());
        made.deltas.push(delta);
    }
}

impl Target {
    fn new(param: &Param) -> Self {
        Target { rows: Vec::new(), applied: Value::default_of(param), spec_epoch: 0, under_way: None, asked: None }
    }

    fn change(&mut self, value: Option<Value>, diff: i64) {
        match self.rows.iter_mut().find(|(v, _)| *v == value) {
            Some((_, count)) => *count += diff,
            None => self.rows.push((value, diff)),
        }
        self.rows.retain(|(_, count)| *count != 0);
        self.asked = None;
    }

    /// The one value that the view holds; none when it holds none.
    fn wanted(&self) -> Result<Option<Value>, (&'static str, String)> {
        match self.rows.as_slice() {
            [] => Ok(None),
            [(Some(value), _)] => Ok(Some(value.clone())),
            [(None, _)] => Err(("no_value", "the view's value is null, or does not fit the parameter".into())),
            many => Err(("ambiguous", format!("the view holds {} values for the device", many.len()))),
        }
    }
}

/// The values of a column as values of the parameter; none where there is no fitting one.
fn values(kind: &ParamKind, column: &ArrayRef) -> Result<Vec<Option<Value>>, ArrowError> {
    Ok(match kind {
        ParamKind::F32 { .. } => {
            let floats = cast(column, &DataType::Float64)?;
            floats.as_primitive::<Float64Type>().iter().map(|v| v.map(|x| x as f32).filter(|x| x.is_finite()).map(Value::F32)).collect()
        }
        ParamKind::I64 { .. } => cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().iter().map(|v| v.map(Value::I64)).collect(),
        ParamKind::Bool { .. } => cast(column, &DataType::Boolean)?.as_boolean().iter().map(|v| v.map(Value::Bool)).collect(),
        ParamKind::Model { .. } => {
            cast(column, &DataType::Utf8)?.as_string::<i32>().iter().map(|v| v.map(|s| Value::Model(s.to_string()))).collect()
        }
    })
}
