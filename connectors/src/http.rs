//! Web hooks: a POST of JSON with an idempotency key, for remediations and as a sink.
//!
//! What became of a request is told apart: delivered, refused, not sent, or unknown, when the request went out and no
//! answer came back. Only what is safe to send again is sent again.

use std::time::Duration;

use arrow::array::RecordBatch;
use serde_json::Value;

use crate::config::HttpSink;
use crate::sink::{Sink, SinkError};
use crate::written::to_lines;

/// How long to wait for an answer when nothing is set.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Tries of one row by the sink.
const ATTEMPTS: u32 = 5;
/// The first pause between two tries; each next one doubles.
const BACKOFF: Duration = Duration::from_millis(100);

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// The server took it.
    Delivered,
    /// The server answered that it does not take it.
    Refused(u16),
    /// No connection was made.
    NotSent(String),
    /// The request went out, and no answer came back.
    Unknown(String),
}

/// A URL to POST to.
pub struct Webhook {
    url: String,
    agent: ureq::Agent,
}

impl Webhook {
    /// A web hook.
    ///
    /// # Errors
    /// When the URL is not `http://` or `https://`.
    pub fn new(config: &HttpSink) -> Result<Self, SinkError> {
        if !config.url.starts_with("http://") && !config.url.starts_with("https://") {
            return Err(SinkError::Setting(format!("http: \"{}\" is not an http:// or https:// address", config.url)));
        }
        let timeout = config.timeout.map_or(TIMEOUT, |t| t.0);
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .timeout_connect(Some(timeout))
            .http_status_as_error(false)
            // A redirected POST would arrive elsewhere, as a GET and without its body: it is not delivered.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .new_agent();
        Ok(Webhook { url: config.url.clone(), agent })
    }

    /// Posts a body once, or, when `attempts` is above one, again while the server is not there or busy.
    pub fn post(&self, key: &str, body: &Value, attempts: u32) -> Outcome {
        let mut pause = BACKOFF;
        let mut outcome = self.post_once(key, body);
        for _ in 1..attempts {
            let again = matches!(&outcome, Outcome::NotSent(_) | Outcome::Unknown(_) | Outcome::Refused(429 | 500..=599));
            if !again {
                break;
            }
            std::thread::sleep(pause);
            pause *= 2;
            outcome = self.post_once(key, body);
        }
        outcome
    }

    fn post_once(&self, key: &str, body: &Value) -> Outcome {
        let request = self.agent.post(&self.url).header("Idempotency-Key", key).header("Content-Type", "application/json");
        match request.send(body.to_string()) {
            Ok(answer) if answer.status().is_success() => Outcome::Delivered,
            Ok(answer) => Outcome::Refused(answer.status().as_u16()),
            Err(error @ (ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::BadUri(_))) => {
                Outcome::NotSent(error.to_string())
            }
            Err(ureq::Error::Io(e)) if e.kind() == std::io::ErrorKind::ConnectionRefused => Outcome::NotSent(e.to_string()),
            Err(error) => Outcome::Unknown(error.to_string()),
        }
    }
}

/// A sink that posts each row.
struct Rows {
    hook: Webhook,
    url: String,
    /// The epoch of the last write, and how many of its rows were written.
    written: (u64, u64),
}

/// The idempotency key of a row: its place among all rows of its epoch, and what it says (FNV-1a), so that two sinks with one
/// address, or two writes of one epoch, never share a key for different rows.
fn key(epoch: u64, place: u64, line: &[u8]) -> String {
    let hash = line.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    format!("{epoch}-{place}-{hash:016x}")
}

/// Opens a web hook as a sink.
///
/// # Errors
/// When the URL is not one.
pub fn open_sink(config: &HttpSink) -> Result<Box<dyn Sink>, SinkError> {
    Ok(Box::new(Rows { hook: Webhook::new(config)?, url: config.url.clone(), written: (0, 0) }))
}

impl Sink for Rows {
    fn write(&mut self, epoch: u64, rows: &RecordBatch) -> Result<(), SinkError> {
        let bytes = to_lines(rows)?;
        if self.written.0 != epoch {
            self.written = (epoch, 0);
        }
        for line in bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            let body: Value = serde_json::from_slice(line).unwrap_or(Value::Null);
            let key = key(epoch, self.written.1, line);
            self.written.1 += 1;
            match self.hook.post(&key, &body, ATTEMPTS) {
                Outcome::Delivered => {}
                other => {
                    let attempt = format!("could not post to \"{}\"", self.url);
                    return Err(SinkError::Remote { attempt, cause: format!("{other:?}").into() });
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}
