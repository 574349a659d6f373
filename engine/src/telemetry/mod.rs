//! What a run counts, under which names. Adding a figure is a line in `COUNTERS`.
//!
//! Both tiers add to one set of totals; the summary, the JSON lines and the metrics endpoint all read it, so that they
//! cannot disagree. Not here: the endpoint itself (the CLI's).

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use littoral_connectors::source::BadReason;

/// A figure that only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// Records read from sources.
    RecordsIn,
    /// Records that could not be used.
    RecordsBad,
    /// Records behind their source's watermark.
    RecordsLate,
    /// Frames cut.
    Frames,
    /// Rows that left a step that gates.
    Exceptions,
    /// Bytes of sensor values read.
    BytesRaw,
    /// Bytes sent from edge to cloud, as on the wire.
    BytesUpstream,
    /// Bytes sent from cloud to edge, as on the wire.
    BytesDownstream,
    /// Deltas that devices applied.
    DeltasApplied,
    /// Deltas that devices or the maker of deltas refused.
    DeltasRefused,
    /// Actions carried out.
    Remediations,
    /// Actions that were refused, failed or have an unknown outcome.
    RemediationsFailed,
    /// Rows that a scalar error took out of a step or view.
    RowErrors,
    /// Rows written to sinks.
    RowsOut,
    /// Epochs that the cloud closed.
    Epochs,
}

/// Each counter with its key in the JSON line, its name as a metric, and what it is.
pub const COUNTERS: [(Counter, &str, &str, &str); 15] = [
    (Counter::RecordsIn, "records_in", "littoral_records_in_total", "records read from sources"),
    (Counter::RecordsBad, "records_bad", "littoral_records_bad_total", "records that could not be used"),
    (Counter::RecordsLate, "records_late", "littoral_records_late_total", "records behind their source's watermark"),
    (Counter::Frames, "frames", "littoral_frames_total", "frames cut"),
    (Counter::Exceptions, "exceptions", "littoral_exceptions_total", "rows that left a gate"),
    (Counter::BytesRaw, "bytes_raw", "littoral_raw_bytes_total", "bytes of sensor values read"),
    (Counter::BytesUpstream, "bytes_upstream", "littoral_upstream_bytes_total", "bytes sent from edge to cloud"),
    (Counter::BytesDownstream, "bytes_downstream", "littoral_downstream_bytes_total", "bytes sent from cloud to edge"),
    (Counter::DeltasApplied, "deltas_applied", "littoral_deltas_applied_total", "deltas that devices applied"),
    (Counter::DeltasRefused, "deltas_refused", "littoral_deltas_refused_total", "deltas that were refused"),
    (Counter::Remediations, "remediations", "littoral_remediations_total", "actions carried out"),
    (Counter::RemediationsFailed, "remediations_failed", "littoral_remediations_failed_total", "actions refused, failed or unknown"),
    (Counter::RowErrors, "row_errors", "littoral_row_errors_total", "rows lost to a scalar error"),
    (Counter::RowsOut, "rows_out", "littoral_sink_rows_total", "rows written to sinks"),
    (Counter::Epochs, "epochs", "littoral_epochs_total", "epochs closed"),
];

/// A key performance indicator as it stands.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct KpiValue {
    /// The only value of its view; none before the view has a row.
    pub value: Option<f64>,
    /// What was asked, as written.
    pub target: String,
    /// Whether it holds; none without a value.
    pub met: Option<bool>,
}

/// How much the state of an operator holds, over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Held {
    /// Rows, groups or values.
    pub rows: u64,
    /// Bytes of memory, or of the disk where rows are spilled.
    pub bytes: u64,
}

/// A view, and what one of its operators does.
pub type Operator = (String, String);

/// The totals of one run, shared by its threads.
#[derive(Debug, Default)]
pub struct Totals {
    counters: [AtomicU64; COUNTERS.len()],
    bad: Mutex<BTreeMap<(String, &'static str), u64>>,
    refusals: Mutex<BTreeMap<&'static str, u64>>,
    kpi: Mutex<BTreeMap<String, KpiValue>>,
    held: Mutex<BTreeMap<Operator, BTreeMap<usize, Held>>>,
}

impl Totals {
    /// Adds to a counter.
    pub fn add(&self, counter: Counter, by: u64) {
        self.counters[counter as usize].fetch_add(by, Ordering::Relaxed);
    }

    /// A counter's value.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters[counter as usize].load(Ordering::Relaxed)
    }

    /// Counts bad records of a source or step by reason.
    pub fn add_bad(&self, at: &str, reason: BadReason, by: u64) {
        if by > 0 {
            self.add(Counter::RecordsBad, by);
            *lock(&self.bad).entry((at.to_string(), reason.as_str())).or_default() += by;
        }
    }

    /// Counts a refused delta by the refusal's code.
    pub fn add_refusal(&self, code: &'static str) {
        self.add(Counter::DeltasRefused, 1);
        *lock(&self.refusals).entry(code).or_default() += 1;
    }

    /// Notes a KPI's new value.
    pub fn set_kpi(&self, name: &str, value: KpiValue) {
        lock(&self.kpi).insert(name.to_string(), value);
    }

    /// KPIs by name.
    pub fn kpi(&self) -> BTreeMap<String, KpiValue> {
        lock(&self.kpi).clone()
    }

    /// Notes what an operator holds on a worker.
    pub fn set_held(&self, operator: Operator, worker: usize, held: Held) {
        lock(&self.held).entry(operator).or_default().insert(worker, held);
    }

    /// What each operator held when it was last looked at.
    pub fn held(&self) -> BTreeMap<Operator, Held> {
        let sum =
            |of: &BTreeMap<usize, Held>| of.values().fold(Held::default(), |a, b| Held { rows: a.rows + b.rows, bytes: a.bytes + b.bytes });
        lock(&self.held).iter().map(|(operator, workers)| (operator.clone(), sum(workers))).collect()
    }

    /// Bad records by (source or step, reason).
    pub fn bad(&self) -> BTreeMap<(String, &'static str), u64> {
        lock(&self.bad).clone()
    }

    /// Refused deltas by code.
    pub fn refusals(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.refusals).clone()
    }

    /// The totals as the JSON line of a run, without `final` and `elapsed_s`.
    pub fn to_json(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut map = serde_json::Map::new();
        for (counter, key, ..) in COUNTERS {
            map.insert(key.into(), self.get(counter).into());
        }
        let bad = self.bad().into_iter().map(|((at, reason), n)| (format!("{at}.{reason}"), n.into())).collect();
        map.insert("bad".into(), serde_json::Value::Object(bad));
        let refusals = self.refusals().into_iter().map(|(code, n)| (code.to_string(), n.into())).collect();
        map.insert("refusals".into(), serde_json::Value::Object(refusals));
        let mut state: BTreeMap<String, BTreeMap<String, Held>> = BTreeMap::new();
        for ((view, operator), held) in self.held() {
            state.entry(view).or_default().insert(operator, held);
        }
        map.insert("state".into(), serde_json::to_value(state).unwrap_or_default());
        map.insert("kpi".into(), serde_json::to_value(self.kpi()).unwrap_or_default());
        map
    }
}

/// A poisoned lock only means that another thread panicked while adding; the figures still stand.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_stands_at_its_own_index() {
        for (index, (counter, ..)) in COUNTERS.iter().enumerate() {
            assert_eq!(*counter as usize, index);
        }
    }
}
