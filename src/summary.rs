//! What `run` shows: one block that renews itself on a terminal, one JSON object a line otherwise.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use littoral_engine::telemetry::{Counter, Totals};
use serde_json::Value;

use crate::output::tell;

/// The summary of a run.
pub struct Summary {
    bar: Option<ProgressBar>,
    pipeline: String,
    last: (Duration, u64),
}

impl Summary {
    /// A summary for a terminal, or for a pipe.
    pub fn new(terminal: bool, pipeline: &str) -> Self {
        let bar = terminal.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Summary { bar, pipeline: pipeline.to_string(), last: (Duration::ZERO, 0) }
    }

    /// Shows the totals as they stand.
    pub fn show(&mut self, totals: &Totals, elapsed: Duration, final_one: bool) {
        match &self.bar {
            // A run has its sinks: it goes on when nobody reads how it fares.
            None => drop(tell(&format!("{}\n", json_line(totals, elapsed, final_one)))),
            Some(bar) => {
                let text = self.text(totals, elapsed);
                match final_one {
                    true => bar.finish_with_message(text),
                    false => {
                        bar.set_message(text);
                        bar.tick();
                    }
                }
            }
        }
        self.last = (elapsed, totals.get(Counter::RecordsIn));
    }

    fn text(&self, totals: &Totals, elapsed: Duration) -> String {
        let get = |c| totals.get(c);
        let span = (elapsed.saturating_sub(self.last.0)).as_secs_f64().max(1e-3);
        let rate = (get(Counter::RecordsIn).saturating_sub(self.last.1)) as f64 / span;
        let (raw, up) = (get(Counter::BytesRaw), get(Counter::BytesUpstream));
        let ratio = if up > 0 { raw as f64 / up as f64 } else { 0.0 };
        let kpi: Vec<String> = totals.kpi().iter().map(|(name, k)| kpi_text(name, k)).collect();
        format!(
            "{}  {:.0} s\n  records {} ({rate:.0}/s)  bad {}  late {}\n  frames {}  exceptions {}  row errors {}\n  raw {}  upstream {}  (1/{ratio:.0})\n  deltas applied {}  refused {}\n  remediations {}  failed {}\n  kpi {}",
            self.pipeline,
            elapsed.as_secs_f64(),
            get(Counter::RecordsIn),
            get(Counter::RecordsBad),
            get(Counter::RecordsLate),
            get(Counter::Frames),
            get(Counter::Exceptions),
            get(Counter::RowErrors),
            bytes(raw),
            bytes(up),
            get(Counter::DeltasApplied),
            get(Counter::DeltasRefused),
            get(Counter::Remediations),
            get(Counter::RemediationsFailed),
            if kpi.is_empty() { "none".into() } else { kpi.join("  ") },
        )
    }
}

fn kpi_text(name: &str, kpi: &littoral_engine::telemetry::KpiValue) -> String {
    let verdict = match kpi.met {
        Some(true) => "met",
        Some(false) => "missed",
        None => "no value",
    };
    format!("{name} {} (target {}, {verdict})", kpi.value.map_or("-".into(), |v| format!("{v:.4}")), kpi.target)
}

fn json_line(totals: &Totals, elapsed: Duration, final_one: bool) -> Value {
    let mut map = totals.to_json();
    map.insert("elapsed_s".into(), Value::from((elapsed.as_secs_f64() * 1000.0).round() / 1000.0));
    if final_one {
        map.insert("final".into(), Value::Bool(true));
    }
    Value::Object(map)
}

fn bytes(n: u64) -> String {
    let n = n as f64;
    match n {
        n if n >= 1e9 => format!("{:.2} GB", n / 1e9),
        n if n >= 1e6 => format!("{:.2} MB", n / 1e6),
        n if n >= 1e3 => format!("{:.1} kB", n / 1e3),
        _ => format!("{n:.0} B"),
    }
}
