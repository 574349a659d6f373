//! This machine's own CPU, memory, disk, network and load: a real live source everywhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, SchemaRef};
use sysinfo::{Disks, Networks, System};

use crate::config::HostSource;
use crate::files::normalise::source_schema;
use crate::source::{Polled, Slice, Source, SourceContext, SourceError};

/// The figures of a reading: shares are 0 to 1, `cpu` is in percent.
const COLUMNS: [&str; 6] = ["cpu", "memory_used_share", "disk_used_share", "load_1", "net_rx_bytes_s", "net_tx_bytes_s"];

/// The machine being read.
pub struct Host {
    schema: SchemaRef,
    name: String,
    interval: Duration,
    due: Instant,
    read: Instant,
    next: u64,
    now_micros: fn() -> i64,
    system: System,
    disks: Disks,
    networks: Networks,
}

/// The columns of a reading.
pub fn schema() -> SchemaRef {
    source_schema(COLUMNS.map(|c| Field::new(c, DataType::Float64, false)))
}

/// Opens this machine.
pub fn open(settings: &HostSource, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    let interval = settings.interval.0;
    if interval < Duration::from_millis(100) || interval > Duration::from_secs(3600) {
        return Err(SourceError::Setting(format!("host: interval is {interval:?}, but must be 100ms to 1h")));
    }
    let mut system = System::new();
    system.refresh_cpu_usage();
    let now = Instant::now();
    Ok(Box::new(Host {
        schema: schema(),
        name: System::host_name().unwrap_or_else(|| "localhost".into()),
        interval,
        due: now + interval,
        read: now,
        next: 0,
        now_micros: context.now_micros,
        system,
        disks: Disks::new_with_refreshed_list(),
        networks: Networks::new_with_refreshed_list(),
    }))
}

impl Source for Host {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled, SourceError> {
        let left = self.due.saturating_duration_since(Instant::now());
        if left > wait {
            std::thread::sleep(wait);
            return Ok(Polled::Idle);
        }
        std::thread::sleep(left);
        self.due += self.interval;
        let values = self.figures();
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![self.name.clone()])),
            Arc::new(TimestampMicrosecondArray::from(vec![(self.now_micros)()]).with_timezone("UTC")),
        ];
        columns.extend(values.map(|v| -> ArrayRef { Arc::new(Float64Array::from(vec![v])) }));
        let batch = RecordBatch::try_new(self.schema.clone(), columns)?;
        let slice = Slice { id: self.next, raw_bytes: 8 * COLUMNS.len() as u64, batches: vec![batch], ..Slice::default() };
        self.next += 1;
        Ok(Polled::Slice(slice))
    }
}

impl Host {
    fn figures(&mut self) -> [f64; COLUMNS.len()] {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.disks.refresh(false);
        self.networks.refresh(false);
        let seconds = self.read.elapsed().as_secs_f64().max(1e-3);
        self.read = Instant::now();
        let share = |used: u64, total: u64| if total > 0 { used as f64 / total as f64 } else { 0.0 };
        let space: u64 = self.disks.iter().map(sysinfo::Disk::total_space).max().unwrap_or(0);
        let largest = self.disks.iter().find(|d| d.total_space() == space);
        let disk = largest.map_or(0.0, |d| 1.0 - share(d.available_space(), d.total_space()));
        let (rx, tx) = self.networks.iter().fold((0, 0), |(rx, tx), (_, n)| (rx + n.received(), tx + n.transmitted()));
        [
            f64::from(self.system.global_cpu_usage()),
            share(self.system.used_memory(), self.system.total_memory()),
            disk,
            System::load_average().one,
            rx as f64 / seconds,
            tx as f64 / seconds,
        ]
    }
}
