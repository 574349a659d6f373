//! What the changes of an epoch lead to: rows into sinks, deltas, remediations, KPIs, and what a test captures.
//!
//! Called once an epoch, after every view stands at it. Sinks are made durable at least each `FLUSH_EVERY`; only then is
//! an epoch reported durable, and only then do sources forget it (D10).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use littoral_connectors::sink::Sink;

use crate::clock::{Mark, mark};
use crate::delta::Delta;
use crate::delta::maker::DeltaMaker;
use crate::delta::store::Verdict;
use crate::flow::captured::Captured;
use crate::flow::shared::{Fatal, Shared};
use crate::flow::updates::Updates;
use crate::pipeline::{Kpi, Relation, Target};
use crate::remedy::Remedies;
use crate::telemetry::{Counter, KpiValue, Totals};

/// The longest time for which rows taken by a sink may not be durable.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Everything that hangs on steps and views.
pub struct Effects {
    /// Sinks by the step or view that they take.
    pub sinks: Vec<OpenSink>,
    /// Views that reconfigure devices.
    pub deltas: Vec<(String, DeltaMaker)>,
    /// Views whose new rows trigger actions.
    pub remedies: Vec<Remedies>,
    /// Figures to hold against targets.
    pub kpis: Vec<KpiWatch>,
    /// What a test looks at.
    pub captured: BTreeMap<String, Captured>,
    /// Where the captured rows go at the end.
    pub capture_out: Option<crossbeam_channel::Sender<BTreeMap<String, Captured>>>,
    /// What is counted.
    pub totals: Arc<Totals>,
    /// When sinks were last made durable.
    pub flushed: Mark,
    /// The newest epoch closed, and the newest durable one.
    pub epochs: (Option<u64>, Option<u64>),
}

/// A sink and what it takes.
pub struct OpenSink {
    /// Its name.
    pub name: String,
    /// The step or view.
    pub from: String,
    /// The sink.
    pub sink: Box<dyn Sink>,
    /// Whether rows carry a `diff` column, as the relation can lose rows.
    pub changing: bool,
}

/// A KPI as it stands.
pub struct KpiWatch {
    /// What is watched.
    pub kpi: Kpi,
    /// Values of the view's rows with their counts.
    pub values: Vec<(f64, i64)>,
}

impl Effects {
    /// Carries out an epoch's changes; gives the deltas that they make.
    pub fn carry_out(&mut self, epoch: u64, watermark_us: Option<i64>, changes: &HashMap<String, Updates>) -> Result<Vec<Delta>, Fatal> {
        for sink in &mut self.sinks {
            if let Some(updates) = changes.get(&sink.from) {
                self.totals.add(Counter::RowsOut, updates.rows.num_rows() as u64);
                sink.write(epoch, updates)?;
            }
        }
        for (name, captured) in &mut self.captured {
            if let Some(updates) = changes.get(name) {
                captured.add(updates)?;
            }
        }
        for watch in &mut self.kpis {
            if let Some(updates) = changes.get(&watch.kpi.view) {
                watch.update(updates)?;
                self.totals.set_kpi(&watch.kpi.name, watch.value());
            }
        }
        for remedies in &mut self.remedies {
            let outcome = remedies.epoch(epoch, watermark_us, changes)?;
            self.totals.add(Counter::Remediations, outcome.done);
            self.totals.add(Counter::RemediationsFailed, outcome.failed);
        }
        let deltas = self.make_deltas(epoch, changes)?;
        self.epochs.0 = Some(epoch);
        self.idle()?;
        Ok(deltas)
    }

    fn make_deltas(&mut self, epoch: u64, changes: &HashMap<String, Updates>) -> Result<Vec<Delta>, Fatal> {
        let mut deltas = Vec::new();
        for (view, maker) in &mut self.deltas {
            let Some(updates) = changes.get(view) else {
                deltas.extend(maker.take_waiting());
                continue;
            };
            let made = maker.epoch(epoch, &updates.rows, updates.diffs.as_ref())?;
            for refused in &made.refused {
                tracing::warn!(view, device = refused.device, reason = refused.reason.as_str(), "a row of the view makes no delta");
                self.totals.add_refusal(refused.code);
            }
            deltas.extend(made.deltas);
        }
        Ok(deltas)
    }

    /// Takes the devices' answers to deltas: what they run is what the cloud takes them to run.
    pub fn verdicts(&mut self, verdicts: &[Verdict], shared: &Shared) {
        let mut specs = shared.specs.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        for verdict in verdicts {
            for (_, maker) in &mut self.deltas {
                if let Some(applied) = maker.answer(verdict) {
                    // The device has checked it already; the replica only follows.
                    specs.follow(&applied);
                }
            }
        }
    }

    /// Makes sinks durable when it is time.
    pub fn idle(&mut self) -> Result<(), Fatal> {
        if self.flushed.elapsed() >= FLUSH_EVERY {
            self.flush()?;
        }
        Ok(())
    }

    /// The newest epoch whose effects are durable.
    pub fn durable(&self) -> Option<u64> {
        self.epochs.1
    }

    fn flush(&mut self) -> Result<(), Fatal> {
        for sink in &mut self.sinks {
            sink.sink.flush().map_err(|e| sink_failed(&sink.name, e))?;
        }
        self.flushed = mark();
        self.epochs.1 = self.epochs.0;
        Ok(())
    }

    /// Closes sinks and hands out what was captured; gives the last epoch, now durable.
    pub fn finish(&mut self) -> Result<Option<u64>, Fatal> {
        self.flush()?;
        for sink in self.sinks.drain(..) {
            sink.sink.close().map_err(|e| sink_failed(&sink.name, e))?;
        }
        for remedies in &mut self.remedies {
            let outcome = remedies.finish()?;
            self.totals.add(Counter::Remediations, outcome.done);
            self.totals.add(Counter::RemediationsFailed, outcome.failed);
        }
        if let Some(out) = self.capture_out.take() {
            let _ = out.send(std::mem::take(&mut self.captured));
        }
        Ok(self.epochs.1)
    }
}

fn sink_failed(name: &str, error: littoral_connectors::sink::SinkError) -> Fatal {
    tracing::error!(sink = name, "sink failed");
    Box::new(error)
}

impl OpenSink {
    fn write(&mut self, epoch: u64, updates: &Updates) -> Result<(), Fatal> {
        let rows = if self.changing { with_diff(updates)? } else { updates.rows.clone() };
        self.sink.write(epoch, &rows).map_err(|e| sink_failed(&self.name, e))
    }
}

/// Rows with their diff as a last column.
pub fn with_diff(updates: &Updates) -> Result<RecordBatch, ArrowError> {
    let diffs = updates.diffs.clone().unwrap_or_else(|| Int64Array::from(vec![1; updates.rows.num_rows()]));
    let mut columns: Vec<ArrayRef> = updates.rows.columns().to_vec();
    columns.push(Arc::new(diffs));
    RecordBatch::try_new(Arc::new(diff_schema(&updates.rows.schema())), columns)
}

/// A schema with the column `diff` at its end.
pub fn diff_schema(schema: &Schema) -> Schema {
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("diff", DataType::Int64, false)));
    Schema::new(fields)
}

impl KpiWatch {
    fn update(&mut self, updates: &Updates) -> Result<(), Fatal> {
        let values = cast(updates.rows.column(0), &DataType::Float64)?;
        let Some(values) = values.as_any().downcast_ref::<Float64Array>() else { return Ok(()) };
        for (row, value) in values.iter().enumerate() {
            let Some(value) = value else { continue };
            let diff = updates.diff(row);
            match self.values.iter_mut().find(|(v, _)| v.to_bits() == value.to_bits()) {
                Some((_, count)) => *count += diff,
                None => self.values.push((value, diff)),
            }
        }
        self.values.retain(|(_, count)| *count != 0);
        Ok(())
    }

    fn value(&self) -> KpiValue {
        let value = self.values.first().map(|(v, _)| *v);
        KpiValue { value, target: target_text(&self.kpi.target), met: value.map(|v| holds(&self.kpi.target, v)) }
    }
}

fn target_text(target: &Target) -> String {
    let relation = match target.relation {
        Relation::Less => "<",
        Relation::AtMost => "<=",
        Relation::More => ">",
        Relation::AtLeast => ">=",
        Relation::Equal => "==",
    };
    format!("{relation} {}", target.value)
}

fn holds(target: &Target, value: f64) -> bool {
    match target.relation {
        Relation::Less => value < target.value,
        Relation::AtMost => value <= target.value,
        Relation::More => value > target.value,
        Relation::AtLeast => value >= target.value,
        Relation::Equal => value == target.value,
    }
}
