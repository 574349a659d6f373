//! The Prometheus endpoint: the totals of a run under the names that `telemetry` gives them.

use std::net::SocketAddr;

use littoral_engine::telemetry::{COUNTERS, Totals};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::failure::Failure;

/// A running endpoint; it ends with the process.
pub struct MetricsEndpoint;

impl MetricsEndpoint {
    /// Listens at a loopback address.
    pub fn start(address: SocketAddr) -> Result<Self, Failure> {
        if !address.ip().is_loopback() {
            return Err(Failure::Given(format!(
                "error: metrics address \"{address}\" is not loopback\n  = help: use 127.0.0.1 and a port; the endpoint has no access control"
            )));
        }
        PrometheusBuilder::new()
            .with_http_listener(address)
            .install()
            .map_err(|e| Failure::Given(format!("error: could not serve metrics at \"{address}\"\n  caused by: {e}")))?;
        for (_, _, name, help) in COUNTERS {
            metrics::describe_counter!(name, help);
        }
        metrics::describe_gauge!("littoral_state_bytes", "bytes that an operator of a view holds");
        metrics::describe_gauge!("littoral_state_rows", "rows, groups or values that an operator of a view holds");
        Ok(MetricsEndpoint)
    }

    /// Brings the endpoint up to the totals.
    pub fn publish(&self, totals: &Totals) {
        for (counter, _, name, _) in COUNTERS {
            metrics::counter!(name).absolute(totals.get(counter));
        }
        for ((at, reason), count) in totals.bad() {
            metrics::counter!("littoral_bad_records_by_reason_total", "at" => at, "reason" => reason).absolute(count);
        }
        for (code, count) in totals.refusals() {
            metrics::counter!("littoral_refused_deltas_by_reason_total", "reason" => code).absolute(count);
        }
        for ((view, operator), held) in totals.held() {
            let labels = [("view", view), ("operator", operator)];
            metrics::gauge!("littoral_state_bytes", &labels).set(held.bytes as f64);
            metrics::gauge!("littoral_state_rows", &labels).set(held.rows as f64);
        }
        for (name, kpi) in totals.kpi() {
            if let Some(value) = kpi.value {
                metrics::gauge!("littoral_kpi", "kpi" => name).set(value);
            }
        }
    }
}
