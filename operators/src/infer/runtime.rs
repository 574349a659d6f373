//! Which program runs models: ONNX Runtime when its library is found, else tract, which is part of this binary.
//!
//! The choice is made at the first use and holds for the process. `ORT_DYLIB_PATH` names the library; without it the
//! loader's own search path is tried.

use std::fmt;
use std::sync::OnceLock;

use ort::environment::Environment;

/// The oldest ONNX Runtime this build can call, as its minor version.
const MINOR_MIN: u32 = 24;
/// What the library is called where no path names it.
const LIBRARY: &str = "libonnxruntime.so";

/// The chosen runtime.
pub struct Runtime {
    kind: Kind,
    environment: Result<Environment, String>,
}

enum Kind {
    OnnxRuntime { path: String, minor: u32 },
    PureRust,
}

/// The runtime of this process.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let chosen = choose();
        tracing::info!(runtime = %chosen, "model runtime chosen");
        chosen
    })
}

fn choose() -> Runtime {
    let path = std::env::var("ORT_DYLIB_PATH").unwrap_or_else(|_| LIBRARY.to_string());
    match ort::util::probe(&path) {
        Some(minor) if minor >= MINOR_MIN => {
            let environment = ort::init_from(&path).map_err(|e| e.to_string()).and_then(|b| b.build().map_err(|e| e.to_string()));
            Runtime { kind: Kind::OnnxRuntime { path, minor }, environment }
        }
        found => {
            if let Some(minor) = found {
                tracing::warn!(path, minor, needed = MINOR_MIN, "this ONNX Runtime is too old, using the pure-Rust runtime");
            }
            ort::set_api(ort_tract::api());
            Runtime { kind: Kind::PureRust, environment: ort::init().build().map_err(|e| e.to_string()) }
        }
    }
}

impl Runtime {
    /// Whether it is ONNX Runtime, which takes thread and spinning options.
    pub fn is_onnx_runtime(&self) -> bool {
        matches!(self.kind, Kind::OnnxRuntime { .. })
    }

    /// The environment that sessions are made in.
    pub(super) fn environment(&self) -> Result<&Environment, String> {
        self.environment.as_ref().map_err(Clone::clone)
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::OnnxRuntime { path, minor } => write!(f, "ONNX Runtime 1.{minor} ({path})"),
            Kind::PureRust => write!(f, "pure Rust (tract)"),
        }
    }
}
