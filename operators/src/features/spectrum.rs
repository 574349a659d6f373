//! The spectrum of a window: one forward FFT of the mean-free samples, shared by bands, centroid and envelope.
//!
//! The Hann window is applied to the spectrum, where it is a sum of three neighbours, so that the envelope can have the
//! plain spectrum from the same transform.

use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};

/// A forward transform of one window length.
pub struct Spectrum {
    fft: Arc<dyn RealToComplex<f32>>,
    size: usize,
}

/// Buffers of a transform, reused from window to window.
#[derive(Default)]
pub struct SpectrumScratch {
    input: Vec<f32>,
    work: Vec<Complex32>,
    /// Lines 0 to size/2 of the mean-free samples.
    pub lines: Vec<Complex32>,
    /// Power of the Hann-windowed spectrum, lines 0 to size/2.
    pub power: Vec<f32>,
}

impl Spectrum {
    /// A transform for windows of `size` samples.
    pub fn new(size: usize) -> Self {
        Spectrum { fft: RealFftPlanner::<f32>::new().plan_fft_forward(size), size }
    }

    /// Transforms a window; `lines` and `power` hold the result.
    pub fn transform(&self, window: &[f32], mean: f64, scratch: &mut SpectrumScratch) {
        let mean = mean as f32;
        scratch.input.clear();
        scratch.input.extend(window.iter().map(|x| x - mean));
        scratch.lines.resize(self.size / 2 + 1, Complex32::default());
        scratch.work.resize(self.fft.get_scratch_len(), Complex32::default());
        // Lengths are right by construction; the transform has no other error.
        let done = self.fft.process_with_scratch(&mut scratch.input, &mut scratch.lines, &mut scratch.work);
        debug_assert!(done.is_ok());
        hann_power(&scratch.lines, self.size, &mut scratch.power);
    }
}

/// Power of the spectrum as if the samples had been under a periodic Hann window: X[k]/2 - (X[k-1] + X[k+1])/4.
fn hann_power(lines: &[Complex32], size: usize, power: &mut Vec<f32>) {
    power.clear();
    let last = lines.len() - 1;
    for k in 0..=last {
        // Beyond the ends the spectrum of real samples mirrors into its conjugate.
        let before = if k == 0 { lines[1].conj() } else { lines[k - 1] };
        let after = if k < last { lines[k + 1] } else { lines[size - k - 1].conj() };
        power.push((lines[k] * 0.5 - (before + after) * 0.25).norm_sqr());
    }
}

/// Share of the power in each of `bands` equal bands of lines 1 to size/2; zeros when there is no power.
pub fn band_shares(power: &[f32], bands: usize, out: &mut [f32]) {
    let lines = power.get(1..).unwrap_or_default();
    let total: f64 = lines.iter().map(|&p| f64::from(p)).sum();
    for (band, share) in out.iter_mut().enumerate().take(bands) {
        let (from, to) = (band * lines.len() / bands, (band + 1) * lines.len() / bands);
        let part: f64 = lines.get(from..to).unwrap_or_default().iter().map(|&p| f64::from(p)).sum();
        *share = if total > 0.0 { (part / total) as f32 } else { 0.0 };
    }
}

/// Centre of mass of the power over lines 1 to size/2, in Hz; 0 when there is no power.
pub fn centroid(power: &[f32], line_hz: f64) -> f32 {
    let (mut mass, mut moment) = (0.0f64, 0.0f64);
    for (k, &p) in power.iter().enumerate().skip(1) {
        mass += f64::from(p);
        moment += f64::from(p) * k as f64;
    }
    if mass > 0.0 { (moment / mass * line_hz) as f32 } else { 0.0 }
}
