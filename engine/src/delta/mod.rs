//! Deltas: what the cloud changes on a device, and how a device decides.
//!
//! `maker` turns a view's changes into deltas; `envelope` is what a device allows; `store` is what each device runs, with
//! its last-known-good. A delta names the value it changes from, so that a gap is refused instead of merged.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::pipeline::{Param, ParamKind};

pub mod envelope;
pub mod maker;
pub mod store;

/// One reconfiguration of one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// The device.
    pub device: String,
    /// The parameter.
    pub param: String,
    /// The value that the device must have.
    pub from: Value,
    /// The value that it shall have.
    pub to: Value,
    /// The device's spec epoch once it is applied.
    pub spec_epoch: u64,
    /// The view whose change this is.
    pub view: String,
    /// The epoch of the change.
    pub epoch: u64,
}

/// A parameter's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A 32-bit float.
    F32(f32),
    /// A 64-bit integer.
    I64(i64),
    /// A truth value.
    Bool(bool),
    /// A model file.
    Model(String),
}

impl Value {
    /// The value that a parameter has before any delta.
    pub fn default_of(param: &Param) -> Value {
        match &param.kind {
            ParamKind::F32 { default, .. } => Value::F32(*default),
            ParamKind::I64 { default, .. } => Value::I64(*default),
            ParamKind::Bool { default } => Value::Bool(*default),
            ParamKind::Model { default } => Value::Model(default.display().to_string()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::F32(v) => write!(f, "{v}"),
            Value::I64(v) => write!(f, "{v}"),
            Value::Bool(v) => write!(f, "{v}"),
            Value::Model(v) => write!(f, "{v}"),
        }
    }
}
