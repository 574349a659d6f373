//! Settings with a unit: what YAML says as text, held as a checked value.
//!
//! Each type is valid once it is held. Not here: which setting belongs to which connector (`config.rs`).

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A span of time as written in a pipeline file: `250ms`, `5s`, `10m`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

impl Span {
    /// The span in whole microseconds, saturating at `i64::MAX`.
    pub fn as_micros(self) -> i64 {
        i64::try_from(self.0.as_micros()).unwrap_or(i64::MAX)
    }
}

impl TryFrom<String> for Span {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        humantime::parse_duration(&text)
            .map(Span)
            .map_err(|e| format!("\"{text}\" is not a duration ({e}); write a number and a unit, such as 250ms, 5s, 10m, 7d"))
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        humantime::format_duration(span.0).to_string()
    }
}

impl schemars::JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "a duration: 250ms, 5s, 10m, 7d" })
    }
}

/// How fast a recording is replayed: `unpaced`, `recorded`, or a factor such as `10x`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Pace {
    /// As fast as the graph takes it.
    #[default]
    Unpaced,
    /// A multiple of the recorded pace; `recorded` is 1.
    Factor(f64),
}

impl TryFrom<String> for Pace {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let factor = |t: &str| t.strip_suffix('x').and_then(|n| n.parse::<f64>().ok());
        match text.as_str() {
            "unpaced" => Ok(Pace::Unpaced),
            "recorded" => Ok(Pace::Factor(1.0)),
            t => match factor(t) {
                Some(f) if f.is_finite() && f > 0.0 => Ok(Pace::Factor(f)),
                _ => Err(format!("\"{text}\" is not a pace; write unpaced, recorded, or a factor such as 10x")),
            },
        }
    }
}

impl From<Pace> for String {
    fn from(pace: Pace) -> String {
        match pace {
            Pace::Unpaced => "unpaced".into(),
            Pace::Factor(1.0) => "recorded".into(),
            Pace::Factor(f) => format!("{f}x"),
        }
    }
}

impl schemars::JsonSchema for Pace {
    fn schema_name() -> Cow<'static, str> {
        "Pace".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "unpaced, recorded, or a factor such as 10x" })
    }
}
