//! What each device of this process runs: parameter values by spec epoch, with what was good before.
//!
//! On the edge it is the truth and `apply` judges; in the cloud it is a replica and `follow` takes what was acknowledged. The
//! history lets a gate in the cloud judge a record by the spec that made it. `save` and `load` keep the newest spec on disk.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float32Array, Int64Array, StringArray, UInt64Array};
use serde::{Deserialize, Serialize};

use super::envelope::{Refusal, check};
use super::{Delta, Value};
use crate::expression::ParamColumns;
use crate::pipeline::{Param, ParamKind};

/// Spec epochs kept of a device. A record still under way was made at most a few epochs ago, and a parameter with a
/// `min_interval` changes far more slowly than epochs pass.
const HISTORY_SPECS_MAX: usize = 64;
/// Bytes of a saved file: 10,000 devices with a dozen parameters are 4 MiB.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// What the devices of one process run.
#[derive(Clone, Debug)]
pub struct SpecStore {
    params: Vec<Param>,
    defaults: Spec,
    devices: BTreeMap<String, Device>,
}

/// What a device runs at one spec epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Spec {
    epoch: u64,
    values: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Device {
    current: Spec,
    /// Older specs, the newest last; the last one is the last-known-good.
    history: VecDeque<Spec>,
    changed_us: Vec<Option<i64>>,
}

/// A device's answer to a delta.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Verdict {
    /// Applied between two records.
    Ack {
        /// The device.
        device: String,
        /// The parameter.
        param: String,
        /// The spec epoch from now on.
        spec_epoch: u64,
    },
    /// Not applied; the device runs what it ran.
    Nack {
        /// The device.
        device: String,
        /// The parameter.
        param: String,
        /// The spec epoch as it stays.
        spec_epoch: u64,
        /// Why.
        refusal: Refusal,
    },
}

/// Why a saved spec cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be read or written.
    #[error("could not keep specs in \"{path}\"")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The file is not what was written.
    #[error("specs in \"{path}\" are damaged: {what}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// A record names a spec epoch that is no longer known.
    #[error("device \"{device}\" has a record of spec epoch {spec_epoch}, which is not among the {HISTORY_SPECS_MAX} newest")]
    Forgotten {
        /// The device.
        device: String,
        /// The spec epoch.
        spec_epoch: u64,
    },
}

impl SpecStore {
    /// Every device at its defaults, spec epoch 0.
    pub fn new(params: &[Param]) -> Self {
        let defaults = Spec { epoch: 0, values: params.iter().map(Value::default_of).collect() };
        SpecStore { params: params.to_vec(), defaults, devices: BTreeMap::new() }
    }

    /// The spec epoch of a device.
    pub fn spec_epoch(&self, device: &str) -> u64 {
        self.devices.get(device).map_or(0, |d| d.current.epoch)
    }

    /// The value that a device has now.
    pub fn value(&self, device: &str, param: &str) -> Option<&Value> {
        let index = self.params.iter().position(|p| p.name == param)?;
        self.devices.get(device).map_or(&self.defaults, |d| &d.current).values.get(index)
    }

    /// Judges a delta by the envelope, and applies it whole or not at all.
    pub fn apply(&mut self, delta: &Delta, now_us: i64) -> Verdict {
        let spec_epoch = self.spec_epoch(&delta.device);
        match self.judge(delta, now_us) {
            Ok(index) => {
                self.set(&delta.device, index, delta.to.clone(), delta.spec_epoch, now_us);
                Verdict::Ack { device: delta.device.clone(), param: delta.param.clone(), spec_epoch: delta.spec_epoch }
            }
            Err(refusal) => Verdict::Nack { device: delta.device.clone(), param: delta.param.clone(), spec_epoch, refusal },
        }
    }

    /// Takes over a delta that a device has acknowledged.
    pub fn follow(&mut self, delta: &Delta) {
        if let Some(index) = self.params.iter().position(|p| p.name == delta.param) {
            self.set(&delta.device, index, delta.to.clone(), delta.spec_epoch, 0);
        }
    }

    fn judge(&self, delta: &Delta, now_us: i64) -> Result<usize, Refusal> {
        let found = self.params.iter().enumerate().find(|(_, p)| p.name == delta.param);
        let (index, param) = found.ok_or_else(|| Refusal::UnknownParam(delta.param.clone()))?;
        let device = self.devices.get(&delta.device);
        let spec = device.map_or(&self.defaults, |d| &d.current);
        let has = spec.values.get(index).unwrap_or(&delta.from);
        if *has != delta.from || spec.epoch + 1 != delta.spec_epoch {
            let (wanted, from) = (delta.spec_epoch.saturating_sub(1), delta.from.to_string());
            return Err(Refusal::Stale { wanted, from, current: spec.epoch, has: has.to_string() });
        }
        let last = device.and_then(|d| d.changed_us.get(index).copied().flatten());
        check(param, has, &delta.to, last, now_us).map(|()| index)
    }

    fn set(&mut self, device: &str, index: usize, value: Value, spec_epoch: u64, now_us: i64) {
        let new =
            || Device { current: self.defaults.clone(), history: VecDeque::new(), changed_us: vec![None; self.defaults.values.len()] };
        let device = self.devices.entry(device.to_string()).or_insert_with(new);
        device.history.push_back(device.current.clone());
        if device.history.len() > HISTORY_SPECS_MAX {
            device.history.pop_front();
        }
        device.current.epoch = spec_epoch;
        if let (Some(slot), Some(changed)) = (device.current.values.get_mut(index), device.changed_us.get_mut(index)) {
            *slot = value;
            *changed = Some(now_us);
        }
    }

    fn spec_at(&self, device: &str, spec_epoch: u64) -> Result<&Spec, StoreError> {
        let forgotten = || StoreError::Forgotten { device: device.to_string(), spec_epoch };
        match self.devices.get(device) {
            None if spec_epoch == 0 => Ok(&self.defaults),
            None => Err(forgotten()),
            Some(d) if d.current.epoch == spec_epoch => Ok(&d.current),
            Some(d) => d.history.iter().rev().find(|s| s.epoch == spec_epoch).ok_or_else(forgotten),
        }
    }

    /// The values of some parameters for each row, by the row's device and spec epoch. Rows of one device come in runs, so
    /// each run is looked up once.
    ///
    /// # Errors
    /// When a row names a spec epoch that is no longer known.
    pub fn columns(&self, devices: &StringArray, spec_epochs: &UInt64Array, params: &[String]) -> Result<ParamColumns, StoreError> {
        let rows = devices.iter().zip(spec_epochs.values());
        let mut specs: Vec<&Spec> = Vec::with_capacity(devices.len());
        let mut last: Option<(&str, u64, &Spec)> = None;
        for (device, &epoch) in rows {
            let device = device.unwrap_or_default();
            let spec = match last {
                Some((d, e, spec)) if d == device && e == epoch => spec,
                _ => self.spec_at(device, epoch)?,
            };
            last = Some((device, epoch, spec));
            specs.push(spec);
        }
        let index = |name: &String| self.params.iter().position(|p| p.name == *name);
        Ok(ParamColumns(params.iter().filter_map(index).filter_map(|i| self.params.get(i).map(|p| column(p, i, &specs))).collect()))
    }

    /// Writes the newest specs: a new file, made durable, then put in the old one's place.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn save(&self, path: &Path) -> Result<(), StoreError> {
        let fail = |cause| StoreError::File { path: path.display().to_string(), cause };
        let body = serde_json::to_string(&self.devices).map_err(|e| fail(e.into()))?;
        let text = format!("{:08x}\n{body}", crc32c::crc32c(body.as_bytes()));
        let new = path.with_extension("new");
        let mut file = std::fs::File::create(&new).map_err(fail)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)?;
        std::fs::rename(&new, path).map_err(fail)?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(folder).and_then(|f| f.sync_all()).map_err(fail)
    }

    /// Reads what `save` wrote; parameters are those of today's pipeline.
    ///
    /// # Errors
    /// When the file cannot be read, or its checksum or content is wrong.
    pub fn load(params: &[Param], path: &Path) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        let fail = |cause| StoreError::File { path: name.clone(), cause };
        let damaged = |what: &str| StoreError::Damaged { path: name.clone(), what: what.to_string() };
        if std::fs::metadata(path).map_err(fail)?.len() > FILE_BYTES_MAX {
            return Err(damaged("it is too large"));
        }
        let text = std::fs::read_to_string(path).map_err(fail)?;
        let (sum, body) = text.split_once('\n').ok_or_else(|| damaged("it has no checksum"))?;
        if u32::from_str_radix(sum, 16) != Ok(crc32c::crc32c(body.as_bytes())) {
            return Err(damaged("the checksum does not fit"));
        }
        let devices: BTreeMap<String, Device> = serde_json::from_str(body).map_err(|e| damaged(&e.to_string()))?;
        if devices.values().any(|d| d.current.values.len() != params.len()) {
            return Err(damaged("it is of a pipeline with other parameters"));
        }
        Ok(SpecStore { devices, ..SpecStore::new(params) })
    }
}

fn column(param: &Param, index: usize, specs: &[&Spec]) -> ArrayRef {
    let values = specs.iter().map(|s| s.values.get(index));
    match &param.kind {
        ParamKind::F32 { default, .. } => {
            Arc::new(Float32Array::from_iter_values(values.map(|v| if let Some(Value::F32(x)) = v { *x } else { *default })))
        }
        ParamKind::I64 { default, .. } => {
            Arc::new(Int64Array::from_iter_values(values.map(|v| if let Some(Value::I64(x)) = v { *x } else { *default })))
        }
        ParamKind::Bool { default } => {
            Arc::new(BooleanArray::from_iter(values.map(|v| Some(if let Some(Value::Bool(x)) = v { *x } else { *default }))))
        }
        ParamKind::Model { .. } => {
            Arc::new(StringArray::from_iter_values(values.map(|v| if let Some(Value::Model(x)) = v { x.as_str() } else { "" })))
        }
    }
}
