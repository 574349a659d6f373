//! Sources give every row once, in the same order, however they are sliced.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, TimestampMicrosecondType};
use littoral_connectors::config::SourceConfig;
use littoral_connectors::open::open_source;
use littoral_connectors::simulator::truth;
use littoral_connectors::source::{BadReason, DeviceFrom, Polled, Slice, SourceContext};
use proptest::prelude::*;

fn context(folder: &std::path::Path, slice_ms: u64) -> SourceContext {
    SourceContext {
        folder: folder.into(),
        device: DeviceFrom::FileName,
        time_column: None,
        slice: Duration::from_millis(slice_ms),
        wanted: None,
        now_micros: || 0,
    }
}

fn read(config: &str, context: &SourceContext) -> Vec<Slice> {
    let config: SourceConfig = serde_json::from_str(config).unwrap();
    let mut source = open_source(&config, context).unwrap();
    let mut slices = Vec::new();
    for _ in 0..100_000 {
        match source.poll(Duration::from_millis(10)).unwrap() {
            Polled::Slice(slice) => slices.push(slice),
            Polled::Idle => {}
            Polled::End => return slices,
        }
    }
    panic!("the source does not end");
}

/// (device, time, bits of the sample) of every row, in the order in which a device gives them.
fn rows(slices: &[Slice]) -> Vec<(String, i64, u32)> {
    let of = |b: &RecordBatch| -> Vec<(String, i64, u32)> {
        let (devices, times, values) = (
            b.column(0).as_string::<i32>(),
            b.column(1).as_primitive::<TimestampMicrosecondType>(),
            b.column(2).as_primitive::<Float32Type>(),
        );
        (0..b.num_rows()).map(|i| (devices.value(i).to_string(), times.value(i), values.value(i).to_bits())).collect()
    };
    let mut all: Vec<_> = slices.iter().flat_map(|s| &s.batches).flat_map(of).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn slices_of_files_hold_every_row_once(lengths in prop::collection::vec(0usize..400, 1..4), slice_ms in 1u64..2000) {
        let folder = tempfile::tempdir().unwrap();
        let mut expected = 0;
        for (i, length) in lengths.iter().enumerate() {
            let lines: String = (0..*length).map(|n| format!("{}.5\n", n * 7 % 13)).collect();
            std::fs::write(folder.path().join(format!("d{i}.csv")), format!("x\n{lines}")).unwrap();
            expected += length;
        }
        let config = r#"{"connector":"csv","path":"*.csv","sample_rate_hz":100,"columns":{"x":"f32"}}"#;
        let (one, other) = (read(config, &context(folder.path(), slice_ms)), read(config, &context(folder.path(), 250)));
        prop_assert_eq!(rows(&one).len(), expected);
        prop_assert_eq!(rows(&one), rows(&other));
        for slice in &one {
            let times: Vec<i64> = slice.batches.iter().flat_map(|b| b.column(1).as_primitive::<TimestampMicrosecondType>().values().to_vec()).collect();
            let span = times.iter().max().unwrap_or(&0) - times.iter().min().unwrap_or(&0);
            prop_assert!(span < slice_ms as i64 * 1000, "a slice spans {span} us");
        }
    }

    #[test]
    fn broken_lines_never_stop_a_file(mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..30)) {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes: Vec<u8> = (0..200).flat_map(|n| format!("{{\"x\":{n}.25}}\n").into_bytes()).collect();
        for (at, byte) in mutations {
            let index = at.index(bytes.len());
            bytes[index] = byte;
        }
        std::fs::write(folder.path().join("a.ndjson"), bytes).unwrap();
        let slices = read(r#"{"connector":"json","path":"a.ndjson","sample_rate_hz":10,"columns":{"x":"f32"}}"#, &context(folder.path(), 100));
        let bad: u64 = slices.iter().flat_map(|s| &s.bad).map(|b| b.count).sum();
        prop_assert!(rows(&slices).len() as u64 + bad >= 100);
    }
}

#[test]
fn the_simulator_gives_the_same_signal_however_it_is_sliced() {
    let folder = tempfile::tempdir().unwrap();
    let config = r#"{"connector":"simulator","devices":3,"duration":"2s","faulty":0.5,"seed":5}"#;
    let whole = rows(&read(config, &context(folder.path(), 2000)));
    assert_eq!(whole.len(), 3 * 24_000);
    assert_eq!(whole, rows(&read(config, &context(folder.path(), 37))));
    assert_ne!(whole, rows(&read(&config.replace("\"seed\":5", "\"seed\":6"), &context(folder.path(), 2000))));
    let SourceConfig::Simulator(settings) = serde_json::from_str(config).unwrap() else { panic!("a simulator") };
    assert_eq!(truth(&settings).iter().filter(|(_, fault)| *fault != "normal").count(), 1);
}

#[test]
fn a_wav_that_breaks_off_gives_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let spec = hound::WavSpec { channels: 2, sample_rate: 1000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    (0..2000i16).for_each(|i| writer.write_sample(i * 8).unwrap());
    writer.finalize().unwrap();
    let whole = read(r#"{"connector":"wav","path":"a.wav"}"#, &context(folder.path(), 100));
    assert_eq!(rows(&whole).len(), 1000);
    assert_eq!(f32::from_bits(rows(&whole)[1].2), 16.0 / 32768.0);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let cut = read(r#"{"connector":"wav","path":"a.wav"}"#, &context(folder.path(), 100));
    let got = rows(&cut).len();
    assert!((400..600).contains(&got), "{got}");
    assert!(cut.iter().flat_map(|s| &s.bad).any(|b| b.reason == BadReason::Malformed));
}
