//! What carries actions out: a file of records, or a web hook.

use std::io::Write;
use std::path::Path;

use super::{ActOutcome, Action, Actuator};

/// Writes each action as a line of JSON.
pub struct ActionFile {
    file: std::fs::File,
}

impl ActionFile {
    /// A file made anew.
    ///
    /// # Errors
    /// When it or its folder cannot be made.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(ActionFile { file: std::fs::File::create(path)? })
    }
}

impl Actuator for ActionFile {
    fn act(&mut self, action: &Action, _attempts: u32) -> ActOutcome {
        let line = match serde_json::to_string(action) {
            Ok(line) => line + "\n",
            Err(error) => return ActOutcome::Failed(error.to_string()),
        };
        match self.file.write_all(line.as_bytes()) {
            Ok(()) => ActOutcome::Done,
            Err(error) => ActOutcome::Failed(error.to_string()),
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        self.file.sync_all().map_err(|e| e.to_string())
    }
}

/// Posts each action to a web hook.
#[cfg(feature = "sql")]
pub struct Hook(pub littoral_connectors::http::Webhook);

#[cfg(feature = "sql")]
impl Actuator for Hook {
    fn act(&mut self, action: &Action, attempts: u32) -> ActOutcome {
        use littoral_connectors::http::Outcome;
        let body = serde_json::to_value(action).unwrap_or_default();
        match self.0.post(&action.idempotency_key, &body, attempts) {
            Outcome::Delivered => ActOutcome::Done,
            Outcome::Refused(status) => ActOutcome::Failed(format!("the server answered {status}")),
            Outcome::NotSent(why) => ActOutcome::Failed(why),
            Outcome::Unknown(why) => ActOutcome::Unknown(why),
        }
    }
}
