//! Deltas over random view histories: devices never leave their envelope, and what cloud and device think stays one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use littoral_engine::delta::maker::DeltaMaker;
use littoral_engine::delta::store::{SpecStore, Verdict};
use littoral_engine::delta::{Delta, Value};
use littoral_engine::pipeline::{DeltaRule, Param, ParamKind};
use proptest::prelude::*;

fn param() -> Param {
    let kind = ParamKind::F32 { default: 0.8, min: 0.3, max: 0.99, max_step: Some(0.1) };
    Param { name: "threshold".into(), kind, min_interval: Some(Duration::from_secs(2)), fallback_after: None }
}

fn maker() -> DeltaMaker {
    DeltaMaker::new(DeltaRule { param: "threshold".into(), from: "v".into(), key: "device".into(), value: "value".into() }, param())
}

fn changes(rows: &[(String, Option<f64>, i64)]) -> (RecordBatch, Int64Array) {
    let schema = Schema::new(vec![Field::new("device", DataType::Utf8, true), Field::new("value", DataType::Float64, true)]);
    let devices: StringArray = rows.iter().map(|r| Some(r.0.clone())).collect();
    let values: Float64Array = rows.iter().map(|r| r.1).collect();
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(devices), Arc::new(values)]).unwrap();
    (batch, rows.iter().map(|r| r.2).collect())
}

fn delta(from: f32, to: f32, spec_epoch: u64) -> Delta {
    Delta {
        device: "d".into(),
        param: "threshold".into(),
        from: Value::F32(from),
        to: Value::F32(to),
        spec_epoch,
        view: "v".into(),
        epoch: 0,
    }
}

fn code(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ack { .. } => "ack",
        Verdict::Nack { refusal, .. } => refusal.code(),
    }
}

#[test]
fn a_device_refuses_what_its_envelope_does_not_allow_and_keeps_what_it_has() {
    let mut store = SpecStore::new(&[param()]);
    let second = 1_000_000;
    assert_eq!(code(&store.apply(&delta(0.8, 0.7, 1), 10 * second)), "ack");
    assert_eq!(code(&store.apply(&delta(0.7, 0.65, 2), 11 * second)), "too_soon");
    assert_eq!(code(&store.apply(&delta(0.7, 0.5, 2), 20 * second)), "step_too_large");
    assert_eq!(code(&store.apply(&delta(0.7, 0.1, 2), 20 * second)), "out_of_range");
    assert_eq!(code(&store.apply(&delta(0.7, f32::NAN, 2), 20 * second)), "wrong_type");
    assert_eq!(code(&store.apply(&delta(0.8, 0.75, 2), 20 * second)), "stale");
    assert_eq!(code(&store.apply(&delta(0.7, 0.65, 3), 20 * second)), "stale");
    assert_eq!(store.value("d", "threshold"), Some(&Value::F32(0.7)));
    assert_eq!(store.spec_epoch("d"), 1);
}

#[test]
fn two_values_for_a_device_make_no_delta_and_are_told() {
    let mut maker = maker();
    let (rows, diffs) = changes(&[("d".into(), Some(0.75), 1), ("d".into(), Some(0.7), 1)]);
    let made = maker.epoch(0, &rows, Some(&diffs)).unwrap();
    assert!(made.deltas.is_empty());
    assert_eq!(made.refused[0].code, "ambiguous");
    let (rows, diffs) = changes(&[("d".into(), Some(0.75), -1)]);
    assert_eq!(maker.epoch(1, &rows, Some(&diffs)).unwrap().deltas[0].to, Value::F32(0.7));
}

#[test]
fn saved_specs_come_back_and_damage_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("specs");
    let mut store = SpecStore::new(&[param()]);
    store.apply(&delta(0.8, 0.75, 1), 0);
    store.save(&path).unwrap();
    let loaded = SpecStore::load(&[param()], &path).unwrap();
    assert_eq!((loaded.spec_epoch("d"), loaded.value("d", "threshold")), (1, Some(&Value::F32(0.75))));
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(SpecStore::load(&[param()], &path).unwrap_err().to_string().contains("damaged"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_a_view_asks_for_the_device_stays_within_its_envelope(
        wishes in prop::collection::vec((0u8..3, prop::option::of(0.0f64..1.2)), 1..60)
    ) {
        let (mut maker, mut device, mut replica) = (maker(), SpecStore::new(&[param()]), SpecStore::new(&[param()]));
        let mut view: BTreeMap<String, Option<f64>> = BTreeMap::new();
        for (epoch, (which, value)) in wishes.into_iter().enumerate() {
            let name = format!("d{which}");
            let mut rows = Vec::new();
            if let Some(old) = view.insert(name.clone(), value) {
                rows.push((name.clone(), old, -1));
            }
            rows.push((name.clone(), value, 1));
            let (batch, diffs) = changes(&rows);
            let mut deltas = maker.epoch(epoch as u64, &batch, Some(&diffs)).unwrap().deltas;
            while let Some(one) = deltas.pop() {
                let before = device.value(&one.device, "threshold").cloned();
                prop_assert_eq!(Some(&one.from), before.as_ref(), "a delta starts from what the device has");
                let verdict = device.apply(&one, epoch as i64 * 700_000);
                if matches!(verdict, Verdict::Nack { .. }) {
                    prop_assert_eq!(device.value(&one.device, "threshold"), before.as_ref());
                }
                if let Some(applied) = maker.answer(&verdict) {
                    replica.follow(&applied);
                }
                deltas.extend(maker.take_waiting());
            }
            let Some(Value::F32(now)) = device.value(&name, "threshold") else { panic!("a float") };
            prop_assert!((0.3..=0.99).contains(now));
            prop_assert_eq!(device.value(&name, "threshold"), replica.value(&name, "threshold"));
            prop_assert_eq!(device.spec_epoch(&name), replica.spec_epoch(&name));
        }
    }
}
