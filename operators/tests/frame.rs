//! Frames against a naive twin; what comes out must not depend on how the input was cut.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use littoral_operators::frame::{FrameSettings, FrameStats, Framer};
use proptest::prelude::*;

fn schema() -> Schema {
    let ts = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Schema::new(vec![Field::new("device", DataType::Utf8, false), Field::new("ts", ts, false), Field::new("x", DataType::Float32, true)])
}

fn batch(rows: &[(u8, i64, f32)]) -> RecordBatch {
    let devices: StringArray = rows.iter().map(|r| Some(format!("d{}", r.0))).collect();
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.1)).with_timezone("UTC");
    let values: Float32Array = rows.iter().map(|r| Some(r.2)).collect();
    RecordBatch::try_new(Arc::new(schema()), vec![Arc::new(devices), Arc::new(times), Arc::new(values)]).unwrap()
}

fn settings(size: usize, hop: usize) -> FrameSettings {
    FrameSettings { size, hop, by: vec!["device".into()], of: vec!["x".into()], keep: vec![], sample_interval_us: None }
}

/// Frames as (device, start, samples), sorted.
fn frames(size: usize, hop: usize, batches: &[RecordBatch]) -> (Vec<(String, i64, Vec<u32>)>, FrameStats) {
    let mut framer = Framer::new(&settings(size, hop), &schema()).unwrap();
    let (mut out, mut total) = (Vec::new(), FrameStats::default());
    for b in batches {
        let s = framer.push(b, &mut out).unwrap();
        total = FrameStats {
            frames: total.frames + s.frames,
            gaps: total.gaps + s.gaps,
            time_back: total.time_back + s.time_back,
            bad_samples: total.bad_samples + s.bad_samples,
        };
    }
    let mut rows = Vec::new();
    for b in &out {
        let list = b.column(2).as_fixed_size_list();
        for r in 0..b.num_rows() {
            let values = list.value(r).as_primitive::<arrow::datatypes::Float32Type>().values().iter().map(|v| v.to_bits()).collect();
            rows.push((
                b.column(0).as_string::<i32>().value(r).to_string(),
                b.column(1).as_primitive::<arrow::datatypes::TimestampMicrosecondType>().value(r),
                values,
            ));
        }
    }
    rows.sort();
    (rows, total)
}

#[test]
fn frames_overlap_by_size_less_hop() {
    let rows: Vec<_> = (0..10).map(|i| (0, i * 100, i as f32)).collect();
    let (got, stats) = frames(4, 2, &[batch(&rows)]);
    assert_eq!(got.iter().map(|f| f.1).collect::<Vec<_>>(), [0, 200, 400, 600]);
    assert_eq!(stats, FrameStats { frames: 4, ..FrameStats::default() });
}

#[test]
fn a_gap_breaks_a_frame_and_is_counted() {
    let rows: Vec<_> = (0..10).map(|i| (0, if i < 6 { i * 100 } else { i * 100 + 5000 }, i as f32)).collect();
    let (got, stats) = frames(4, 4, &[batch(&rows)]);
    assert_eq!((got.len(), stats.gaps), (2, 1));
    assert_eq!(got[1].1, 5600);
}

#[test]
fn bad_samples_and_time_going_back_are_counted_and_dropped() {
    let mut rows: Vec<_> = (0..20).map(|i| (0, i * 100, i as f32)).collect();
    rows[9].2 = f32::NAN;
    rows.insert(15, (0, 300, 1.0));
    let (got, stats) = frames(4, 4, &[batch(&rows)]);
    assert_eq!((stats.bad_samples, stats.time_back), (1, 1));
    assert_eq!(got.iter().map(|f| f.1).collect::<Vec<_>>(), [0, 400, 1000, 1400]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn the_cut_into_batches_does_not_show(
        steps in prop::collection::vec((0u8..3, prop::sample::select(vec![100i64, 100, 100, 100, 100, 99, 101, 900, -50]), 0u8..20), 1..300),
        size in 2usize..9, hop in 1usize..12, cuts in prop::collection::vec(1usize..40, 1..20)
    ) {
        let mut clock = [0i64; 3];
        let rows: Vec<(u8, i64, f32)> = steps.iter().map(|&(d, step, v)| {
            clock[d as usize] += step;
            (d, clock[d as usize], if v == 0 { f32::INFINITY } else { f32::from(v) })
        }).collect();
        let whole = frames(size, hop, &[batch(&rows)]);
        let mut parts = Vec::new();
        let (mut at, mut i) = (0, 0);
        while at < rows.len() {
            let end = (at + cuts[i % cuts.len()]).min(rows.len());
            parts.push(batch(&rows[at..end]));
            at = end;
            i += 1;
        }
        prop_assert_eq!(whole, frames(size, hop, &parts));
    }
}
