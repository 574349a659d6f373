//! Kafka against a real broker (`scripts/kafka start`); says visibly when there is none, and fails then in CI.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::explicit_write)]

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Float32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use littoral_connectors::config::{ColumnType, KafkaSink, KafkaSource, KafkaStart, SinkConfig, SourceConfig, ValueFormat};
use littoral_connectors::open::{open_sink, open_source};
use littoral_connectors::source::{BadReason, DeviceFrom, Polled, Slice, Source, SourceContext};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

fn broker() -> Option<String> {
    match std::env::var("LITTORAL_KAFKA") {
        Ok(address) => Some(address),
        Err(_) if std::env::var_os("CI").is_some() => panic!("CI needs a broker: scripts/kafka start, then set LITTORAL_KAFKA"),
        Err(_) => {
            // Straight to the terminal: what a test that passes prints is not shown.
            writeln!(std::io::stderr(), "SKIPPED: no broker; scripts/kafka start prints what to set").unwrap();
            None
        }
    }
}

/// A topic of its own for each test; the broker makes it at the first write.
fn topic(name: &str) -> String {
    format!("{name}-{}-{:?}", std::process::id(), std::thread::current().id()).replace(['(', ')'], "")
}

fn write(broker: &str, topic: &str, rows: &[(String, f32)]) {
    let schema = Schema::new(vec![Field::new("device", DataType::Utf8, false), Field::new("x", DataType::Float32, false)]);
    let config =
        SinkConfig::Kafka(KafkaSink { brokers: broker.into(), topic: topic.into(), key: Some("device".into()), format: ValueFormat::Json });
    let mut sink = open_sink(&config, &schema).unwrap();
    let devices: StringArray = rows.iter().map(|r| Some(r.0.as_str())).collect();
    let values: Float32Array = rows.iter().map(|r| Some(r.1)).collect();
    sink.write(0, &RecordBatch::try_new(Arc::new(schema), vec![Arc::new(devices), Arc::new(values)]).unwrap()).unwrap();
    sink.close().unwrap();
}

fn settings(broker: &str, topic: &str, group: Option<&str>) -> (SourceConfig, SourceContext) {
    let config = SourceConfig::Kafka(KafkaSource {
        brokers: broker.into(),
        topic: topic.into(),
        group: group.map(str::to_string),
        partitions: Some(vec![0]),
        start: KafkaStart::Earliest,
        until_end: true,
        columns: [("x".to_string(), ColumnType::F32)].into(),
    });
    let context = SourceContext {
        folder: ".".into(),
        device: DeviceFrom::Column("device".into()),
        time_column: None,
        slice: Duration::from_millis(100),
        wanted: None,
        now_micros: || 0,
    };
    (config, context)
}

fn open(broker: &str, topic: &str, group: Option<&str>) -> Box<dyn Source> {
    let (config, context) = settings(broker, topic, group);
    open_source(&config, &context).unwrap()
}

/// All slices until the end, within a time.
fn read(source: &mut dyn Source) -> Vec<Slice> {
    let mut slices = Vec::new();
    for _ in 0..400 {
        match source.poll(Duration::from_millis(100)).unwrap() {
            Polled::Slice(slice) => slices.push(slice),
            Polled::Idle => {}
            Polled::End => return slices,
        }
    }
    panic!("the topic did not end within 40 s");
}

fn count(slices: &[Slice]) -> usize {
    slices.iter().flat_map(|s| &s.batches).map(RecordBatch::num_rows).sum()
}

#[test]
fn what_is_written_is_read() {
    let Some(broker) = broker() else { return };
    let topic = topic("round");
    write(&broker, &topic, &(0..1000).map(|i| (format!("d{}", i % 7), i as f32)).collect::<Vec<_>>());
    let slices = read(open(&broker, &topic, None).as_mut());
    assert_eq!(count(&slices), 1000);
    let values =
        |b: &RecordBatch| b.column_by_name("x").unwrap().as_any().downcast_ref::<Float32Array>().unwrap().values().iter().sum::<f32>();
    assert_eq!(slices.iter().flat_map(|s| &s.batches).map(values).sum::<f32>(), 499_500.0);
}

#[test]
fn a_bad_value_is_counted_with_its_offset() {
    let Some(broker) = broker() else { return };
    let topic = topic("bad");
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &broker).create().unwrap();
    for value in [
        "{\"device\":\"a\",\"x\":1}",
        "not json",
        "{\"device\":\"a\",\"x\":{}}",
        "{\"x\":2}",
        "{\"device\":\"a\"}",
        "{\"device\":\"a\",\"x\":null}",
        "{\"device\":\"a\",\"x\":3}",
    ] {
        producer.send(BaseRecord::<str, str>::to(&topic).payload(value)).unwrap();
    }
    producer.flush(Duration::from_secs(20)).unwrap();
    let slices = read(open(&broker, &topic, None).as_mut());
    assert_eq!(count(&slices), 2);
    let bad: Vec<_> = slices.iter().flat_map(|s| &s.bad).map(|b| (b.reason, b.place.clone())).collect();
    assert!(bad.contains(&(BadReason::Malformed, format!("{topic}[0]@1"))), "{bad:?}");
    let missing: u64 = slices.iter().flat_map(|s| &s.bad).filter(|b| b.reason == BadReason::Missing).map(|b| b.count).sum();
    assert_eq!(missing, 3, "a record without a device, one without a value, one whose value is null: {bad:?}");
    assert!(bad.iter().any(|b| b.0 == BadReason::WrongType) && bad.iter().any(|b| b.0 == BadReason::Missing), "{bad:?}");
}

#[test]
fn a_group_resumes_after_what_was_committed_and_reads_again_what_was_not() {
    let Some(broker) = broker() else { return };
    let topic = topic("resume");
    write(&broker, &topic, &[("a".into(), 1.0), ("a".into(), 2.0)]);
    let mut first = open(&broker, &topic, Some(&topic));
    assert_eq!(count(&read(first.as_mut())), 2);
    drop(first);
    // Nothing was committed: the next reader sees all of it again.
    let mut second = open(&broker, &topic, Some(&topic));
    let slices = read(second.as_mut());
    assert_eq!(count(&slices), 2);
    second.commit(slices.last().unwrap().id).unwrap();
    drop(second);
    write(&broker, &topic, &[("a".into(), 3.0)]);
    let mut third = open(&broker, &topic, Some(&topic));
    assert_eq!(count(&read(third.as_mut())), 1);
}

#[test]
fn a_member_of_a_group_is_given_its_partitions() {
    let Some(broker) = broker() else { return };
    let topic = topic("group");
    write(&broker, &topic, &[("a".into(), 1.0), ("b".into(), 2.0), ("c".into(), 3.0)]);
    let (config, context) = settings(&broker, &topic, Some(&topic));
    let SourceConfig::Kafka(mut config) = config else { panic!("a Kafka source") };
    config.partitions = None;
    let mut source = open_source(&SourceConfig::Kafka(config), &context).unwrap();
    let slices = read(source.as_mut());
    assert_eq!(count(&slices), 3);
    source.commit(slices.last().unwrap().id).unwrap();
}

#[test]
fn a_broker_that_is_not_there_is_told_by_name() {
    let (config, context) = settings("127.0.0.1:1", "nowhere", None);
    let error = open_source(&config, &context).err().unwrap();
    assert!(error.to_string().contains("\"nowhere\" on broker \"127.0.0.1:1\""), "{error}");
}
