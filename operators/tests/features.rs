//! Features against their slow twin in f64, over random windows, offsets and lengths.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use littoral_operators::features::{Envelope, Feature, FeaturePlan, Scratch, scalar};
use proptest::prelude::*;

fn compute(features: &[Feature], window: &[f32], rate: f64) -> Vec<f32> {
    let plan = FeaturePlan::new(features, window.len(), rate).unwrap();
    let mut out = vec![0.0; plan.columns().len()];
    plan.compute(window, None, &mut Scratch::default(), &mut out).unwrap();
    out
}

fn close(got: f32, want: f64, tolerance: f64) -> bool {
    (f64::from(got) - want).abs() <= tolerance * want.abs().max(1e-3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn moments_equal_their_twin_up_to_an_offset_of_ten_thousand_sigma(
        noise in prop::collection::vec(-1.0f32..1.0, 64..3000), offset in prop::sample::select(vec![0.0f32, 1.0, 100.0, 6000.0])
    ) {
        let window: Vec<f32> = noise.iter().map(|x| x + offset).collect();
        let got = compute(&[Feature::Mean, Feature::Std, Feature::Skewness, Feature::Kurtosis, Feature::Rms], &window, 1000.0);
        let (mean, m2, m3, m4) = scalar::central_moments(&window);
        prop_assert!((f64::from(got[0]) - mean).abs() <= 1e-5 * mean.abs().max(m2.sqrt()), "mean {} {}", got[0], mean);
        prop_assert!(close(got[1], m2.sqrt(), 1e-5), "std {} {}", got[1], m2.sqrt());
        prop_assert!((f64::from(got[2]) - m3 / m2.powf(1.5)).abs() < 1e-4, "skewness {} {}", got[2], m3 / m2.powf(1.5));
        prop_assert!(close(got[3], m4 / (m2 * m2), 2e-5), "kurtosis {} {}", got[3], m4 / (m2 * m2));
        prop_assert!(close(got[4], (m2 + mean * mean).sqrt(), 1e-5));
    }

    #[test]
    fn bands_and_centroid_equal_a_plain_transform(noise in prop::collection::vec(-1.0f32..1.0, 64..200), bands in 1u32..8) {
        let window = &noise[..noise.len() / 2 * 2];
        let got = compute(&[Feature::BandEnergy(bands), Feature::SpectralCentroid], window, 1000.0);
        let power = scalar::hann_power(window);
        let (lines, total) = (&power[1..], power[1..].iter().sum::<f64>());
        for (b, share) in got.iter().enumerate().take(bands as usize) {
            let range = b * lines.len() / bands as usize..(b + 1) * lines.len() / bands as usize;
            let want = lines[range].iter().sum::<f64>() / total;
            prop_assert!((f64::from(*share) - want).abs() < 1e-4, "band {b}: {share} {want}");
        }
        let centroid = lines.iter().enumerate().map(|(i, p)| p * (i + 1) as f64).sum::<f64>() / total * 1000.0 / window.len() as f64;
        prop_assert!(close(got[bands as usize], centroid, 1e-3));
    }
}

#[test]
fn a_constant_window_gives_zeros_and_never_nan() {
    let all = [Feature::Std, Feature::Skewness, Feature::Kurtosis, Feature::BandEnergy(4), Feature::SpectralCentroid, envelope(100.0)];
    let got = compute(&all, &[5.0; 256], 1000.0);
    assert!(got.iter().all(|x| x.is_finite()), "{got:?}");
    assert_eq!(compute(&[Feature::CrestFactor, Feature::ShapeFactor], &[0.0; 256], 1000.0), [0.0, 0.0]);
}

fn envelope(hz: f64) -> Feature {
    Feature::Envelope(Envelope {
        band_hz: None,
        at: [("f".to_string(), hz)].into(),
        shaft_hz: None,
        shaft_rpm_column: None,
        tolerance: 0.02,
        harmonics: 1,
    })
}

#[test]
fn the_envelope_stands_out_at_the_rate_of_the_impacts_and_nowhere_else() {
    // Impacts 107 times a second that each ring at 3 kHz.
    let window: Vec<f32> = (0..2048)
        .map(|i| {
            let t = f64::from(i) / 12_000.0;
            let since = t % (1.0 / 107.0);
            ((-since * 800.0).exp() * (2.0 * std::f64::consts::PI * 3000.0 * since).sin()) as f32
        })
        .collect();
    let at = compute(&[envelope(107.0)], &window, 12_000.0)[0];
    let off = compute(&[envelope(160.0)], &window, 12_000.0)[0];
    assert!(at > 10.0 && at > 4.0 * off, "{at} {off}");
}
