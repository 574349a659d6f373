//! Writes rows as JSON values, one message a row, with an idempotent producer.
//!
//! `flush` returns once the broker has every message; the first failure of any is its error.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::Schema;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use crate::config::KafkaSink;
use crate::sink::{Sink, SinkError};
use crate::written::to_lines;

/// How long a flush may take before it is an error.
const FLUSH_WAIT: Duration = Duration::from_secs(30);
/// How long to wait for room in the producer's queue, and how often.
const QUEUE_WAIT: Duration = Duration::from_millis(20);
const QUEUE_TRIES: u32 = 1500;

#[derive(Default)]
struct Reports {
    failed: AtomicU64,
    first: Mutex<Option<KafkaError>>,
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();
    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failed.fetch_add(1, Ordering::Relaxed);
            self.first.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert_with(|| error.clone());
        }
    }
}

/// A topic being written.
pub struct Topic {
    producer: ThreadedProducer<Reports>,
    topic: String,
    attempt: String,
    key: Option<usize>,
}

/// Opens a topic for rows of a schema.
///
/// # Errors
/// When the key column is not there, or the client cannot be made.
pub fn open_sink(config: &KafkaSink, schema: &Schema) -> Result<Box<dyn Sink>, SinkError> {
    let key = config.key.as_ref().map(|name| schema.index_of(name)).transpose();
    let key = key.map_err(|_| {
        SinkError::Setting(format!("kafka: there is no column \"{}\" for the key", config.key.as_deref().unwrap_or_default()))
    })?;
    let attempt = format!("could not write topic \"{}\" on broker \"{}\"", config.topic, config.brokers);
    let producer = ClientConfig::new()
        .set("bootstrap.servers", &config.brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", "20000")
        .set("linger.ms", "5")
        .create_with_context(Reports::default())
        .map_err(|e| SinkError::Remote { attempt: attempt.clone(), cause: Box::new(e) })?;
    Ok(Box::new(Topic { producer, topic: config.topic.clone(), attempt, key }))
}

impl Sink for Topic {
    fn write(&mut self, _epoch: u64, rows: &RecordBatch) -> Result<(), SinkError> {
        let bytes = to_lines(rows)?;
        let options = FormatOptions::default();
        let keys = self
            .key
            .and_then(|i| rows.columns().get(i))
            .map(|c| ArrayFormatter::try_new(c.as_ref(), &options).map(|f| (c, f)))
            .transpose()?;
        for (row, value) in bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).enumerate() {
            let key = keys.as_ref().filter(|(c, _)| c.is_valid(row)).map(|(_, f)| f.value(row).to_string());
            self.send(key.as_deref(), value)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.producer.flush(FLUSH_WAIT).map_err(|e| self.failed(e))?;
        let reports = self.producer.context();
        if reports.failed.load(Ordering::Relaxed) > 0 {
            let first = reports.first.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
            return Err(self.failed(first.unwrap_or(KafkaError::MessageProduction(RDKafkaErrorCode::Fail))));
        }
        Ok(())
    }

    fn close(mut self: Box<Self>) -> Result<(), SinkError> {
        self.flush()
    }
}

impl Topic {
    fn send(&self, key: Option<&str>, value: &[u8]) -> Result<(), SinkError> {
        let mut record = BaseRecord::<str, [u8]>::to(&self.topic).payload(value);
        record.key = key;
        for _ in 0..QUEUE_TRIES {
            record = match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => back,
                Err((error, _)) => return Err(self.failed(error)),
            };
            std::thread::sleep(QUEUE_WAIT);
        }
        Err(self.failed(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)))
    }

    fn failed(&self, cause: KafkaError) -> SinkError {
        SinkError::Remote { attempt: self.attempt.clone(), cause: Box::new(cause) }
    }
}
