//! Features of a window: the kernels against their scalar twin and one bare forward transform, in one run.
//! Results are compared before anything is timed.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use littoral_operators::features::{Envelope, Feature, FeaturePlan, Scratch, scalar};
use realfft::RealFftPlanner;

const SIZE: usize = 2048;

fn window() -> Vec<f32> {
    let mut state = 1u32;
    (0..SIZE)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (i as f32 * 0.31).sin() + (state >> 8) as f32 / (1 << 24) as f32
        })
        .collect()
}

fn features(c: &mut Criterion) {
    let window = window();
    let time = [
        Feature::Mean,
        Feature::Std,
        Feature::Rms,
        Feature::Skewness,
        Feature::Kurtosis,
        Feature::CrestFactor,
        Feature::PeakToPeak,
        Feature::ShapeFactor,
        Feature::ImpulseFactor,
    ];
    let at = [("a".to_string(), 107.0), ("b".to_string(), 160.0)].into();
    let envelope = Envelope { band_hz: Some((2000.0, 6000.0)), at, shaft_hz: None, shaft_rpm_column: None, tolerance: 0.02, harmonics: 1 };
    let all: Vec<Feature> = time.iter().cloned().chain([Feature::BandEnergy(6), Feature::Envelope(envelope)]).collect();
    let (nine, seventeen) = (FeaturePlan::new(&time, SIZE, 12_000.0).unwrap(), FeaturePlan::new(&all, SIZE, 12_000.0).unwrap());
    let (mut scratch, mut out) = (Scratch::default(), vec![0.0; 17]);
    nine.compute(&window, None, &mut scratch, &mut out).unwrap();
    let (_, m2, _, m4) = scalar::central_moments(&window);
    assert!((f64::from(out[4]) - m4 / (m2 * m2)).abs() < 1e-4, "kurtosis equals its twin");

    let mut group = c.benchmark_group("window of 2048");
    group.throughput(Throughput::Elements(SIZE as u64));
    group.bench_function("nine time-domain features", |b| b.iter(|| nine.compute(black_box(&window), None, &mut scratch, &mut out)));
    group.bench_function("scalar twin of the moments", |b| b.iter(|| scalar::central_moments(black_box(&window))));
    group.bench_function("all seventeen features", |b| b.iter(|| seventeen.compute(black_box(&window), None, &mut scratch, &mut out)));
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(SIZE);
    let (mut input, mut lines) = (fft.make_input_vec(), fft.make_output_vec());
    group.bench_function("one bare transform", |b| {
        b.iter(|| {
            input.copy_from_slice(&window);
            fft.process(black_box(&mut input), &mut lines).is_ok()
        })
    });
    group.finish();
}

criterion_group!(benches, features);
criterion_main!(benches);
