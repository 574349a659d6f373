//! The committed bearing model through the infer step; both runtimes, where an ONNX Runtime library is named.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float32Type, Schema};
use littoral_operators::infer::{InferStep, Model, Output, runtime};

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../queries/bearing-health/bearing.onnx")
}

fn inputs(rows: usize, value: impl Fn(usize, usize) -> f32) -> RecordBatch {
    let names = Model::load(&model()).unwrap().card().inputs.clone();
    let columns: Vec<ArrayRef> =
        (0..names.len()).map(|c| Arc::new(Float32Array::from_iter_values((0..rows).map(|r| value(r, c)))) as ArrayRef).collect();
    let fields: Vec<Field> = names.iter().map(|n| Field::new(n, DataType::Float32, false)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn outputs() -> [(String, Output); 2] {
    [("fault".into(), Output::Label), ("score".into(), Output::F32)]
}

#[test]
fn every_row_gets_a_label_and_a_score_whatever_the_batch() {
    println!("model runtime: {}", runtime());
    let batch = inputs(1300, |r, c| 0.01 + (r * 31 + c * 7) as f32 % 17.0 / 17.0);
    let mut step = InferStep::new(Model::load(&model()).unwrap(), &[], &outputs(), &batch.schema()).unwrap();
    let whole = step.apply(&batch).unwrap();
    assert_eq!((whole.num_rows(), whole.schema()), (1300, step.output_schema()));
    let scores = whole.column_by_name("score").unwrap().as_primitive::<Float32Type>();
    assert!(scores.values().iter().all(|s| (0.0..=1.0).contains(s)));
    let one = step.apply(&batch.slice(1200, 1)).unwrap();
    assert!((one.column_by_name("score").unwrap().as_primitive::<Float32Type>().value(0) - scores.value(1200)).abs() < 1e-6);
}

#[test]
fn a_row_that_cannot_be_judged_passes_every_gate_as_unknown() {
    let batch = inputs(3, |r, _| if r == 1 { f32::NAN } else { 1.0 });
    let mut step = InferStep::new(Model::load(&model()).unwrap(), &[], &outputs(), &batch.schema()).unwrap();
    let out = step.apply(&batch).unwrap();
    assert_eq!(out.column_by_name("fault").unwrap().as_string::<i32>().value(1), "unknown");
    assert_eq!(out.column_by_name("score").unwrap().as_primitive::<Float32Type>().value(1), 1.0);
    assert_ne!(out.column_by_name("fault").unwrap().as_string::<i32>().value(0), "unknown");
}

#[test]
fn what_does_not_fit_is_told_when_it_is_loaded() {
    let empty = Schema::new(vec![Field::new("rms", DataType::Float32, false)]);
    let error = InferStep::new(Model::load(&model()).unwrap(), &[], &outputs(), &empty).err().unwrap();
    assert!(error.to_string().contains("needs column \"band_0\" as f32"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let (path, card) = (folder.path().join("m.onnx"), folder.path().join("m.card.json"));
    assert!(Model::load(&path).err().unwrap().to_string().contains("could not read"));
    std::fs::copy(model(), &path).unwrap();
    assert!(Model::load(&path).err().unwrap().to_string().contains("each model needs its card"));
    std::fs::write(&card, r#"{"inputs":["a"],"labels":["x","y","z","w"]}"#).unwrap();
    assert!(Model::load(&path).is_err(), "a card with another number of inputs");
    std::fs::write(&path, b"not a model").unwrap();
    assert!(Model::load(&path).err().unwrap().to_string().contains("could not load model"));
}
