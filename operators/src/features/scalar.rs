//! The slow twin of the kernels: each definition of `docs/features.md` spelled out in f64. The oracle of the tests.

use std::f64::consts::PI;

/// Mean, then the central moments of order 2 to 4.
pub fn central_moments(x: &[f32]) -> (f64, f64, f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let m = |p: i32| x.iter().map(|&v| (f64::from(v) - mean).powi(p)).sum::<f64>() / n;
    (mean, m(2), m(3), m(4))
}

/// Real and imaginary part of line `k` of the discrete Fourier transform.
pub fn line(x: &[f64], k: usize) -> (f64, f64) {
    let n = x.len();
    x.iter().enumerate().fold((0.0, 0.0), |(re, im), (i, v)| {
        let angle = -2.0 * PI * ((i * k) % n) as f64 / n as f64;
        (re + v * angle.cos(), im + v * angle.sin())
    })
}

/// Power of lines 0 to n/2 of the mean-free samples under a periodic Hann window.
pub fn hann_power(x: &[f32]) -> Vec<f64> {
    let (mean, ..) = central_moments(x);
    let n = x.len();
    let windowed: Vec<f64> =
        x.iter().enumerate().map(|(i, &v)| (f64::from(v) - mean) * 0.5 * (1.0 - (2.0 * PI * i as f64 / n as f64).cos())).collect();
    (0..=n / 2).map(|k| line(&windowed, k)).map(|(re, im)| re * re + im * im).collect()
}
