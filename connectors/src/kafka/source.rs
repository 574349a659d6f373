//! Reads a topic of JSON objects: one poll drains what has arrived, up to a limit, into one slice.
//!
//! Offsets are committed when the engine says that a slice is durable, never before, so a crash reads records again rather
//! than losing them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::config::{ColumnType, KafkaSource, KafkaStart};
use crate::files::BadLog;
use crate::files::normalise::Normaliser;
use crate::files::replay::value_bytes;
use crate::open::message_schema;
use crate::source::{BadReason, DeviceFrom, Polled, Slice, Source, SourceContext, SourceError};

/// Records of one slice.
const SLICE_RECORDS_MAX: usize = 16_384;
/// Bytes of values of one slice.
const SLICE_BYTES_MAX: usize = 16 << 20;
/// How long metadata may take.
const METADATA_WAIT: Duration = Duration::from_secs(10);
/// The column that carries a record's own Kafka time while it is decoded.
const MESSAGE_TIME: &str = "__message_time_us";

/// A topic being read.
pub struct Topic {
    consumer: BaseConsumer,
    topic: String,
    group: bool,
    schema: SchemaRef,
    decode: SchemaRef,
    normaliser: Normaliser,
    time_from_message: bool,
    /// End offsets by partition, where reading ends there.
    until: Option<BTreeMap<i32, i64>>,
    read_to: BTreeMap<i32, i64>,
    /// Offsets that each slice not yet durable read up to.
    open: VecDeque<(u64, BTreeMap<i32, i64>)>,
    next: u64,
}

/// One record taken from the broker.
struct Taken {
    place: String,
    value: Vec<u8>,
    time_us: Option<i64>,
}

/// Opens a topic.
///
/// # Errors
/// When the broker does not answer, or the topic is not there.
pub fn open_source(config: &KafkaSource, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    let attempt = |what: &str| format!("could not {what} topic \"{}\" on broker \"{}\"", config.topic, config.brokers);
    let broker = |what: &str, cause: KafkaError| SourceError::Broker { attempt: attempt(what), cause: Box::new(cause) };
    let consumer: BaseConsumer = client(config).create().map_err(|e| broker("open", e))?;
    let metadata = consumer.fetch_metadata(Some(&config.topic), METADATA_WAIT).map_err(|e| broker("find", e))?;
    let partitions: Vec<i32> = metadata.topics().iter().flat_map(|t| t.partitions().iter().map(|p| p.id())).collect();
    if partitions.is_empty() {
        let cause = "it does not exist; create the topic, or correct `topic`".into();
        return Err(SourceError::Broker { attempt: attempt("read"), cause });
    }
    let chosen = config.partitions.clone().unwrap_or(partitions);
    match &config.partitions {
        None if config.group.is_some() => consumer.subscribe(&[&config.topic]).map_err(|e| broker("join the group on", e))?,
        _ => assign(&consumer, config, &chosen).map_err(|e| broker("assign partitions of", e))?,
    }
    let until = config.until_end.then(|| ends(&consumer, &config.topic, &chosen)).transpose().map_err(|e| broker("find the end of", e))?;
    Ok(Box::new(topic(config, context, consumer, until)))
}

fn client(config: &KafkaSource) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &config.brokers);
    // A group is needed even to read assigned partitions; nothing is committed to this one.
    client.set("group.id", config.group.as_deref().unwrap_or("littoral-unnamed"));
    client.set("enable.auto.commit", "false");
    client.set("enable.auto.offset.store", "false");
    client.set("auto.offset.reset", if config.start == KafkaStart::Earliest { "earliest" } else { "latest" });
    client.set("queued.max.messages.kbytes", "65536");
    client
}

fn assign(consumer: &BaseConsumer, config: &KafkaSource, partitions: &[i32]) -> Result<(), KafkaError> {
    let mut list = TopicPartitionList::new();
    let start = if config.start == KafkaStart::Earliest { Offset::Beginning } else { Offset::End };
    let from = if config.group.is_some() { Offset::Stored } else { start };
    for partition in partitions {
        list.add_partition_offset(&config.topic, *partition, from)?;
    }
    consumer.assign(&list)
}

fn ends(consumer: &BaseConsumer, topic: &str, partitions: &[i32]) -> Result<BTreeMap<i32, i64>, KafkaError> {
    partitions
        .iter()
        .map(|p| consumer.fetch_watermarks(topic, *p, METADATA_WAIT).map(|(low, high)| (*p, if high > low { high } else { 0 })))
        .collect()
}

fn topic(config: &KafkaSource, context: &SourceContext, consumer: BaseConsumer, until: Option<BTreeMap<i32, i64>>) -> Topic {
    let schema = message_schema(&config.columns, context);
    let mut context = context.clone();
    let time_from_message = context.time_column.is_none() && !config.columns.contains_key("ts");
    if context.time_column.is_none() {
        context.time_column = Some(if time_from_message { MESSAGE_TIME.into() } else { "ts".into() });
    }
    let place = format!("topic {}", config.topic);
    let normaliser = Normaliser::new(schema.clone(), &context, &place, config.topic.clone(), None, Vec::new());
    Topic {
        consumer,
        topic: config.topic.clone(),
        group: config.group.is_some(),
        decode: decode_schema(config, &context),
        schema,
        normaliser,
        time_from_message,
        until,
        read_to: BTreeMap::new(),
        open: VecDeque::new(),
        next: 0,
    }
}

/// Times are decoded as text or number and cast later, so that one bad time is one bad record.
fn decode_schema(config: &KafkaSource, context: &SourceContext) -> SchemaRef {
    let mut fields: Vec<Field> = config
        .columns
        .iter()
        .map(|(name, t)| Field::new(name, if *t == ColumnType::Timestamp { DataType::Utf8 } else { t.arrow() }, true))
        .collect();
    let mut text = |name: &str| {
        if name != MESSAGE_TIME && !fields.iter().any(|f| f.name() == name) {
            fields.push(Field::new(name, DataType::Utf8, true));
        }
    };
    if let DeviceFrom::Column(name) = &context.device {
        text(name);
    }
    if let Some(name) = &context.time_column {
        text(name);
    }
    Arc::new(Schema::new(fields))
}

impl Source for Topic {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled, SourceError> {
        if self.at_end() {
            return Ok(Polled::End);
        }
        let taken = self.drain(wait)?;
        if taken.is_empty() {
            return Ok(Polled::Idle);
        }
        let mut bad = BadLog::default();
        let mut slice = Slice { id: self.next, ..Slice::default() };
        if let Some(rows) = self.rows(&taken, &mut bad) {
            let rows = self.normaliser.apply(&rows, &mut bad)?;
            slice.raw_bytes = value_bytes(&rows);
            slice.batches.push(rows);
        }
        slice.bad = bad.0;
        self.open.push_back((self.next, self.read_to.clone()));
        self.next += 1;
        Ok(Polled::Slice(slice))
    }

    fn commit(&mut self, slice: u64) -> Result<(), SourceError> {
        let mut newest = None;
        while self.open.front().is_some_and(|(id, _)| *id <= slice) {
            newest = self.open.pop_front();
        }
        let (Some((_, offsets)), true) = (newest, self.group) else { return Ok(()) };
        let mut list = TopicPartitionList::new();
        for (partition, next) in offsets {
            if let Err(error) = list.add_partition_offset(&self.topic, partition, Offset::Offset(next)) {
                tracing::warn!(topic = self.topic, partition, %error, "offset not committed");
            }
        }
        // A partition that went to another member of the group is not ours to commit; it is read again there.
        if let Err(error) = self.consumer.commit(&list, CommitMode::Sync) {
            tracing::warn!(topic = self.topic, %error, "offsets not committed");
        }
        Ok(())
    }
}

impl Topic {
    fn at_end(&self) -> bool {
        let read = |partition: &i32| self.read_to.get(partition).copied().unwrap_or(0);
        self.until.as_ref().is_some_and(|until| until.iter().all(|(partition, end)| read(partition) >= *end))
    }

    fn drain(&mut self, wait: Duration) -> Result<Vec<Taken>, SourceError> {
        let (mut taken, mut bytes, mut wait) = (Vec::new(), 0, wait);
        while taken.len() < SLICE_RECORDS_MAX && bytes < SLICE_BYTES_MAX {
            let Some(message) = self.consumer.poll(wait) else { break };
            wait = Duration::ZERO;
            match message {
                Ok(message) => {
                    let record = take(&message);
                    bytes += record.value.len();
                    let offset = self.read_to.entry(message.partition()).or_default();
                    *offset = message.offset() + 1;
                    taken.push(record);
                }
                Err(KafkaError::MessageConsumptionFatal(code)) => {
                    let attempt = format!("could not read topic \"{}\"", self.topic);
                    return Err(SourceError::Broker { attempt, cause: code.to_string().into() });
                }
                Err(error) => {
                    tracing::warn!(topic = self.topic, %error, "the broker reports a passing error");
                    break;
                }
            }
        }
        if self.group && self.until.is_some() {
            self.skip_finished();
        }
        Ok(taken)
    }

    /// A partition whose committed offset is at its end gives no record; its position tells that it is done.
    fn skip_finished(&mut self) {
        if let Ok(positions) = self.consumer.committed(Duration::from_millis(200)) {
            for element in positions.elements() {
                if let Offset::Offset(offset) = element.offset() {
                    let read = self.read_to.entry(element.partition()).or_default();
                    *read = (*read).max(offset);
                }
            }
        }
    }

    fn rows(&self, taken: &[Taken], bad: &mut BadLog) -> Option<RecordBatch> {
        let all: Vec<u8> = taken.iter().flat_map(|t| t.value.iter().copied().chain([b'\n'])).collect();
        let plain = taken.iter().all(|t| !t.value.is_empty());
        let (rows, kept): (RecordBatch, Vec<&Taken>) = match self.decode_lines(&all) {
            Some(rows) if plain && rows.num_rows() == taken.len() => (rows, taken.iter().collect()),
            _ => self.decode_each(taken, bad)?,
        };
        if !self.time_from_message {
            return Some(rows);
        }
        let times: TimestampMicrosecondArray = kept.iter().map(|t| t.time_us).collect();
        let mut fields: Vec<Arc<Field>> = rows.schema().fields().iter().cloned().collect();
        let times = times.with_timezone("UTC");
        fields.push(Arc::new(Field::new(MESSAGE_TIME, arrow::array::Array::data_type(&times).clone(), true)));
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        columns.push(Arc::new(times));
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).ok()
    }

    fn decode_lines(&self, bytes: &[u8]) -> Option<RecordBatch> {
        let reader = arrow::json::ReaderBuilder::new(self.decode.clone()).with_coerce_primitive(true).build(bytes).ok()?;
        let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().ok()?;
        concat_batches(&self.decode, &batches).ok()
    }

    fn decode_each<'a>(&self, taken: &'a [Taken], bad: &mut BadLog) -> Option<(RecordBatch, Vec<&'a Taken>)> {
        let (mut good, mut kept) = (Vec::new(), Vec::new());
        for record in taken {
            match self.decode_lines(&record.value) {
                Some(rows) if rows.num_rows() == 1 => {
                    good.push(rows);
                    kept.push(record);
                }
                _ => {
                    let object = serde_json::from_slice::<serde_json::Value>(&record.value).is_ok_and(|v| v.is_object());
                    let reason = if object { BadReason::WrongType } else { BadReason::Malformed };
                    bad.add(&record.place, reason, "a value that does not fit the columns", 1);
                }
            }
        }
        concat_batches(&self.decode, &good).ok().map(|rows| (rows, kept))
    }
}

fn take(message: &BorrowedMessage<'_>) -> Taken {
    Taken {
        place: format!("{}[{}]@{}", message.topic(), message.partition(), message.offset()),
        value: message.payload().map(<[u8]>::to_vec).unwrap_or_default(),
        time_us: message.timestamp().to_millis().map(|ms| ms.saturating_mul(1000)),
    }
}
