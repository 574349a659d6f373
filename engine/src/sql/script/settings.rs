//! `SET`: the clock, and settings of other engines that change no answer here. All others are refused by name.

use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::sql::sqlparser::ast::{Expr, Set, Value};

use super::{Script, batch};
use crate::sql::Functions;

/// Settings that say how other engines run a query, not what it gives.
const NOTHING: [&str; 13] = [
    "parallelism",
    "parallelism.default",
    "pipeline.name",
    "pipeline.max-parallelism",
    "execution.checkpointing.interval",
    "table.exec.resource.default-parallelism",
    "sql-client.execution.result-mode",
    "sql-client.execution.max-table-result.rows",
    "streaming_parallelism",
    "streaming_max_parallelism",
    "batch_parallelism",
    "client_encoding",
    "application_name",
];
/// Settings of a time zone: times are kept in UTC.
const ZONES: [&str; 3] = ["timezone", "table.local-time-zone", "time_zone"];

impl Script {
    /// Carries out a `SET`.
    pub(super) fn set(&mut self, set: &Set) -> Result<(), String> {
        let (name, value) = match set {
            Set::SingleAssignment { scope: None, hivevar: false, variable, values } => match values.as_slice() {
                [value] => (plain(&variable.to_string()), value),
                _ => return Err(format!("SET {variable} to several values is not supported yet")),
            },
            Set::SetTimeZone { local: false, value } => ("timezone".to_string(), value),
            other => return Err(format!("{other} is not supported yet")),
        };
        if name == "now" {
            return self.set_now(value);
        }
        let said = match value {
            Expr::Value(value) => value.value.clone().into_string().unwrap_or_else(|| value.to_string()),
            other => other.to_string(),
        };
        let is_utc = ["utc", "etc/utc", "gmt", "+00:00"].contains(&said.to_lowercase().as_str());
        let mini_batch = name.starts_with("table.exec.mini-batch.");
        let streaming = name == "execution.runtime-mode" && said.eq_ignore_ascii_case("streaming");
        let schema = name == "search_path" && said.eq_ignore_ascii_case("public");
        match name.as_str() {
            name if NOTHING.contains(&name) || mini_batch || streaming || schema => Ok(()),
            name if ZONES.contains(&name) && is_utc => Ok(()),
            name if ZONES.contains(&name) => {
                Err(format!("SET {name} = {said} is not supported yet: times are kept in UTC; give a window its zone as an argument"))
            }
            "updating_ttl" | "table.exec.state.ttl" => {
                Err(format!("SET {name} is not supported yet: state is let go by watermarks, not by age"))
            }
            name => Err(format!("SET {name} is not supported yet; SET now = TIMESTAMP '…' is")),
        }
    }

    /// `SET now = TIMESTAMP '…'`: the clock from here on.
    fn set_now(&mut self, value: &Expr) -> Result<(), String> {
        let text = format!("SELECT arrow_cast(CAST({value} AS TIMESTAMP), 'Timestamp(Microsecond, None)')");
        let rows = batch::answer_with(&text, &[], Some(self.tables.now()), &Functions::default())?;
        let times = rows.columns().first().and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        let moment = times.filter(|t| t.len() == 1 && t.is_valid(0)).map(|t| t.value(0)).ok_or("SET now needs one time")?;
        self.tables.set_now(moment)
    }
}

/// The name of a setting: quotes are only around it.
fn plain(name: &str) -> String {
    let text = Value::SingleQuotedString(String::new()).to_string();
    name.trim_matches(|c: char| text.contains(c) || c == '"' || c == '`').to_lowercase()
}
