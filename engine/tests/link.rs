//! The link: every batch comes back bit-exact; hostile bytes give an error, never a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use littoral_engine::link::{Decoder, Encoder, Frame};
use proptest::prelude::*;

fn schema() -> SchemaRef {
    let ts = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let list = DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, false)), 3);
    Arc::new(Schema::new(vec![
        Field::new("device", DataType::Utf8, true),
        Field::new("ts", ts, false),
        Field::new("n", DataType::Int64, true),
        Field::new("u", DataType::UInt64, false),
        Field::new("small", DataType::Int16, true),
        Field::new("f", DataType::Float32, true),
        Field::new("d", DataType::Float64, true),
        Field::new("ok", DataType::Boolean, true),
        Field::new("frame", list, false),
    ]))
}

type Row = (Option<String>, i64, Option<i64>, u64, Option<i16>, Option<u32>, Option<u64>, Option<bool>, [u32; 3]);

fn batch(rows: &[Row]) -> RecordBatch {
    let values: Float32Array = rows.iter().flat_map(|r| r.8).map(|b| Some(f32::from_bits(b))).collect::<Vec<_>>().into();
    let values = Float32Array::new(values.values().clone(), None);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|r| r.0.clone()).collect::<StringArray>()),
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.1)).with_timezone("UTC")),
        Arc::new(rows.iter().map(|r| r.2).collect::<Int64Array>()),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| r.3))),
        Arc::new(rows.iter().map(|r| r.4).collect::<Int16Array>()),
        Arc::new(rows.iter().map(|r| r.5.map(f32::from_bits)).collect::<Float32Array>()),
        Arc::new(rows.iter().map(|r| r.6.map(f64::from_bits)).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|r| r.7).collect::<BooleanArray>()),
        Arc::new(FixedSizeListArray::new(Arc::new(Field::new("item", DataType::Float32, false)), 3, Arc::new(values), None)),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

/// A batch in which NaN equals NaN of the same bits.
fn bits(batch: &RecordBatch) -> Vec<String> {
    (0..batch.num_rows())
        .map(|row| {
            let float = |v: f64| v.to_bits();
            let f = batch.column(5).as_primitive::<arrow::datatypes::Float32Type>();
            let d = batch.column(6).as_primitive::<arrow::datatypes::Float64Type>();
            let frame = batch.column(8).as_fixed_size_list().value(row);
            let frame: Vec<u32> = frame.as_primitive::<arrow::datatypes::Float32Type>().values().iter().map(|v| v.to_bits()).collect();
            let plain = batch.project(&[0, 1, 2, 3, 4, 7]).unwrap().slice(row, 1);
            format!(
                "{plain:?} {:?} {:?} {frame:?}",
                f.is_valid(row).then(|| f.value(row).to_bits()),
                d.is_valid(row).then(|| float(d.value(row)))
            )
        })
        .collect()
}

fn row() -> impl Strategy<Value = Row> {
    let text = prop::option::of(prop_oneof!["[a-c]{0,2}", "\\PC{0,8}"]);
    (
        text,
        any::<i64>(),
        any::<Option<i64>>(),
        any::<u64>(),
        any::<Option<i16>>(),
        any::<Option<u32>>(),
        any::<Option<u64>>(),
        any::<Option<bool>>(),
        any::<[u32; 3]>(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn batches_come_back_to_the_bit(batches in prop::collection::vec(prop::collection::vec(row(), 0..40), 1..5)) {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        decoder.frame(&encoder.hello(&[("s".into(), schema())]).unwrap()).unwrap();
        for (epoch, rows) in batches.iter().enumerate() {
            let sent = batch(rows);
            for frame in encoder.rows(0, epoch as u64, &sent).unwrap() {
                match decoder.frame(&frame).unwrap() {
                    Frame::Rows { rows, epoch: at, .. } => {
                        prop_assert_eq!(at, epoch as u64);
                        prop_assert_eq!(bits(&sent), bits(&rows));
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }

    #[test]
    fn damaged_frames_are_refused(rows in prop::collection::vec(row(), 1..20), at in any::<prop::sample::Index>(), flip in 1u8..=255, cut in any::<prop::sample::Index>()) {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        decoder.frame(&encoder.hello(&[("s".into(), schema())]).unwrap()).unwrap();
        let frame = encoder.rows(0, 0, &batch(&rows)).unwrap().remove(0);
        let mut damaged = frame.clone();
        let index = at.index(damaged.len());
        damaged[index] ^= flip;
        prop_assert!(decoder.frame(&damaged).is_err());
        prop_assert!(decoder.frame(&frame[..cut.index(frame.len())]).is_err());
    }

    #[test]
    fn any_body_behind_a_right_checksum_gives_an_answer_or_an_error(body in prop::collection::vec(any::<u8>(), 0..200), kind in 0u8..8, zstd in any::<bool>()) {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        decoder.frame(&encoder.hello(&[("s".into(), schema())]).unwrap()).unwrap();
        let mut frame = vec![0xC1, kind | if zstd { 0x80 } else { 0 }, 1, 0, 0];
        let mut varint = |mut v: usize| {
            while v >= 128 {
                frame.push(v as u8 | 128);
                v >>= 7;
            }
            frame.push(v as u8);
        };
        varint(body.len());
        varint(body.len());
        frame.extend(&body);
        let sum = crc32c::crc32c(&frame);
        frame.extend(sum.to_le_bytes());
        let _ = decoder.frame(&frame);
    }
}

#[test]
fn frames_out_of_order_are_refused() {
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    let hello = encoder.hello(&[("s".into(), schema())]).unwrap();
    let seal = encoder.seal(0, None).unwrap();
    assert!(decoder.frame(&seal).unwrap_err().to_string().contains("sequence number 1, but 0 is next"));
    decoder.frame(&hello).unwrap();
    decoder.frame(&seal).unwrap();
    assert!(decoder.frame(&seal).is_err());
}

#[test]
fn alerts_take_few_bytes() {
    let ts = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let schema = Arc::new(Schema::new(vec![
        Field::new("device", DataType::Utf8, false),
        Field::new("ts", ts, false),
        Field::new("spec_epoch", DataType::UInt64, false),
        Field::new("fault", DataType::Utf8, false),
        Field::new("score", DataType::Float32, false),
    ]));
    let (mut encoder, mut bytes) = (Encoder::default(), 0);
    encoder.hello(&[("alerts".into(), schema.clone())]).unwrap();
    for epoch in 0..10i64 {
        let columns: Vec<ArrayRef> = vec![
            Arc::new((0..30).map(|i| Some(format!("motor-{i:03}"))).collect::<StringArray>()),
            Arc::new(TimestampMicrosecondArray::from_iter_values((0..30).map(|i| epoch * 85_333 + i)).with_timezone("UTC")),
            Arc::new(UInt64Array::from_iter_values((0..30).map(|_| 1))),
            Arc::new((0..30).map(|_| Some("outer_race")).collect::<StringArray>()),
            Arc::new(Float32Array::from_iter_values((0..30).map(|i| 0.8 + (i as f32 * 12.9898 + epoch as f32).sin().abs() * 0.2))),
        ];
        bytes += encoder
            .rows(0, epoch as u64, &RecordBatch::try_new(schema.clone(), columns).unwrap())
            .unwrap()
            .iter()
            .map(Vec::len)
            .sum::<usize>();
    }
    assert!(bytes < 300 * 16, "{bytes} bytes for 300 alerts");
}
