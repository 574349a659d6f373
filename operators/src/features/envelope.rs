//! The envelope spectrum of a band: demodulates a resonance, then reads how strongly it repeats at given frequencies.
//!
//! The band's lines are moved to zero and transformed back at the band's own, lower rate: the magnitude of that analytic
//! signal is the envelope, whatever the shift. Its spectrum keeps the window's resolution.

use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

use super::settings::Envelope;

/// An envelope spectrum of one band and window length.
pub struct EnvelopeSpectrum {
    first: usize,
    lines: usize,
    inverse: Arc<dyn Fft<f32>>,
    forward: Arc<dyn RealToComplex<f32>>,
    line_hz: f64,
    targets: Vec<f64>,
    tolerance: f64,
    harmonics: u32,
}

/// Buffers of an envelope spectrum.
#[derive(Default)]
pub struct EnvelopeScratch {
    analytic: Vec<Complex32>,
    work: Vec<Complex32>,
    envelope: Vec<f32>,
    spectrum: Vec<Complex32>,
    amplitude: Vec<f32>,
}

impl EnvelopeSpectrum {
    /// Over windows of `size` samples at `rate_hz`.
    pub fn new(settings: &Envelope, size: usize, rate_hz: f64) -> Self {
        let line_hz = rate_hz / size as f64;
        let (low, high) = settings.band_hz.unwrap_or((0.0, rate_hz / 2.0));
        let first = ((low / line_hz).ceil() as usize).max(1);
        let last = ((high / line_hz).floor() as usize).min(size / 2);
        let lines = (last + 1).saturating_sub(first).max(2);
        let points = lines.next_power_of_two().max(4);
        EnvelopeSpectrum {
            first,
            lines,
            inverse: FftPlanner::new().plan_fft_inverse(points),
            forward: RealFftPlanner::<f32>::new().plan_fft_forward(points),
            line_hz,
            targets: settings.at.values().copied().collect(),
            tolerance: settings.tolerance,
            harmonics: settings.harmonics.max(1),
        }
    }

    /// The figure of each target frequency; `scale_hz` multiplies the targets (shaft speed, or 1).
    pub fn read(&self, spectrum: &[Complex32], scale_hz: f64, scratch: &mut EnvelopeScratch, out: &mut [f32]) {
        self.amplitudes(spectrum, scratch);
        let lines = scratch.amplitude.get(1..).unwrap_or_default();
        let mean = lines.iter().map(|&a| f64::from(a)).sum::<f64>() / lines.len().max(1) as f64;
        for (value, target) in out.iter_mut().zip(&self.targets) {
            let sum: f64 = (1..=self.harmonics).map(|h| self.strongest(&scratch.amplitude, target * scale_hz * f64::from(h))).sum();
            *value = if mean > 0.0 { (sum / f64::from(self.harmonics) / mean) as f32 } else { 0.0 };
        }
    }

    fn amplitudes(&self, spectrum: &[Complex32], s: &mut EnvelopeScratch) {
        s.analytic.clear();
        s.analytic.extend(spectrum.iter().skip(self.first).take(self.lines).map(|x| x * 2.0));
        s.analytic.resize(self.inverse.len(), Complex32::default());
        s.work.resize(self.inverse.get_inplace_scratch_len(), Complex32::default());
        self.inverse.process_with_scratch(&mut s.analytic, &mut s.work);
        s.envelope.clear();
        s.envelope.extend(s.analytic.iter().map(|x| x.norm()));
        let mean = s.envelope.iter().map(|&e| f64::from(e)).sum::<f64>() / s.envelope.len() as f64;
        s.envelope.iter_mut().for_each(|e| *e -= mean as f32);
        s.spectrum.resize(self.inverse.len() / 2 + 1, Complex32::default());
        s.work.resize(self.forward.get_scratch_len(), Complex32::default());
        // Lengths are right by construction; the transform has no other error.
        let done = self.forward.process_with_scratch(&mut s.envelope, &mut s.spectrum, &mut s.work);
        debug_assert!(done.is_ok());
        s.amplitude.clear();
        s.amplitude.extend(s.spectrum.iter().map(|x| x.norm()));
    }

    /// The largest line within the tolerance around a frequency, at least the lines on both sides of it.
    fn strongest(&self, amplitude: &[f32], hz: f64) -> f64 {
        let from = ((hz * (1.0 - self.tolerance) / self.line_hz).floor() as usize).max(1);
        let to = (hz * (1.0 + self.tolerance) / self.line_hz).ceil() as usize;
        let near = amplitude.get(from..=to.min(amplitude.len().saturating_sub(1))).unwrap_or_default();
        near.iter().fold(0.0f64, |best, &a| best.max(f64::from(a)))
    }
}
