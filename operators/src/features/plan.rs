//! A plan: which columns a features step gives, and how one window is reduced to them.
//!
//! Each kernel runs at most once a window, whoever asks for its figures: the moments, one forward FFT for bands, centroid
//! and every envelope. Computing allocates nothing once the scratch is warm.

use super::envelope::{EnvelopeScratch, EnvelopeSpectrum};
use super::moments::Moments;
use super::settings::{Envelope, Feature};
use super::spectrum::{Spectrum, SpectrumScratch, band_shares, centroid};

/// Figures a step may give: bounds the width of a row.
pub const COLUMNS_MAX: usize = 512;

/// Why features cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum FeatureError {
    /// A setting is out of range.
    #[error("features: {0}")]
    Setting(String),
    /// The input has no such column, or one of another type.
    #[error("features need column \"{column}\" as {wanted}")]
    Column {
        /// The column.
        column: String,
        /// The type.
        wanted: String,
    },
    /// A window of another length than the plan's.
    #[error("features are planned for windows of {planned} samples, but got {got}")]
    Length {
        /// What the plan is for.
        planned: usize,
        /// What came.
        got: usize,
    },
    /// A sample that is not a finite number.
    #[error("sample {0} is not a finite number")]
    NotFinite(usize),
    /// A batch that does not fit.
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
}

/// What to compute of each window, in order.
pub struct FeaturePlan {
    size: usize,
    line_hz: f64,
    columns: Vec<String>,
    parts: Vec<Part>,
    spectrum: Option<Spectrum>,
    shaft_column: Option<String>,
}

enum Part {
    Moment(Feature),
    Bands(usize),
    Centroid,
    Envelope { spectrum: Box<EnvelopeSpectrum>, count: usize, shaft: Shaft },
}

/// What the frequencies of an envelope are multiples of.
enum Shaft {
    One,
    Fixed(f64),
    Column,
}

/// Buffers for one thread.
#[derive(Default)]
pub struct Scratch {
    spectrum: SpectrumScratch,
    envelope: EnvelopeScratch,
}

impl FeaturePlan {
    /// A plan for windows of `window` samples at `sample_rate_hz`.
    ///
    /// # Errors
    /// When nothing is asked for, a column comes twice, or a setting is out of range.
    pub fn new(features: &[Feature], window: usize, sample_rate_hz: f64) -> Result<Self, FeatureError> {
        if window < 4 || !(sample_rate_hz.is_finite() && sample_rate_hz > 0.0) {
            return Err(FeatureError::Setting(format!(
                "a window of {window} samples at {sample_rate_hz} Hz; it needs at least 4 samples and a positive rate"
            )));
        }
        let (mut columns, mut parts, mut shaft_column) = (Vec::new(), Vec::new(), None);
        for feature in features {
            let part = part(feature, window, sample_rate_hz, &mut columns)?;
            if let Feature::Envelope(Envelope { shaft_rpm_column: Some(column), .. }) = feature {
                shaft_column = Some(column.clone());
            }
            parts.push(part);
        }
        if columns.is_empty() || columns.len() > COLUMNS_MAX {
            return Err(FeatureError::Setting(format!("\"compute\" gives {} columns; 1 to {COLUMNS_MAX} are possible", columns.len())));
        }
        if let Some(twice) = columns.iter().enumerate().find(|(i, c)| columns.iter().take(*i).any(|b| b == *c)) {
            return Err(FeatureError::Setting(format!("\"compute\" gives column \"{}\" twice", twice.1)));
        }
        let spectral = parts.iter().any(|p| !matches!(p, Part::Moment(_)));
        let spectrum = spectral.then(|| Spectrum::new(window));
        Ok(FeaturePlan { size: window, line_hz: sample_rate_hz / window as f64, columns, parts, spectrum, shaft_column })
    }

    /// Names of the figures, in order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Samples a window.
    pub fn window(&self) -> usize {
        self.size
    }

    /// The column that holds shaft speed in revolutions a minute, where the plan needs one.
    pub fn shaft_column(&self) -> Option<&str> {
        self.shaft_column.as_deref()
    }

    /// Reduces one window of finite samples to `columns().len()` figures.
    ///
    /// # Errors
    /// When the window's length is not the plan's.
    pub fn compute(&self, window: &[f32], shaft_hz: Option<f64>, scratch: &mut Scratch, out: &mut [f32]) -> Result<(), FeatureError> {
        if window.len() != self.size {
            return Err(FeatureError::Length { planned: self.size, got: window.len() });
        }
        let moments = Moments::of(window);
        if let Some(spectrum) = &self.spectrum {
            spectrum.transform(window, moments.mean, &mut scratch.spectrum);
        }
        let mut rest = out;
        for part in &self.parts {
            let (own, after) = rest.split_at_mut(part.width().min(rest.len()));
            self.compute_part(part, &moments, shaft_hz, scratch, own);
            rest = after;
        }
        Ok(())
    }

    fn compute_part(&self, part: &Part, moments: &Moments, shaft_hz: Option<f64>, scratch: &mut Scratch, out: &mut [f32]) {
        match part {
            Part::Moment(feature) => out.fill(moment(feature, moments) as f32),
            Part::Bands(bands) => band_shares(&scratch.spectrum.power, *bands, out),
            Part::Centroid => out.fill(centroid(&scratch.spectrum.power, self.line_hz)),
            Part::Envelope { spectrum, shaft, .. } => {
                let scale = match shaft {
                    Shaft::One => 1.0,
                    Shaft::Fixed(hz) => *hz,
                    Shaft::Column => shaft_hz.unwrap_or(0.0),
                };
                spectrum.read(&scratch.spectrum.lines, scale, &mut scratch.envelope, out);
            }
        }
    }
}

impl Part {
    fn width(&self) -> usize {
        match self {
            Part::Moment(_) | Part::Centroid => 1,
            Part::Bands(bands) => *bands,
            Part::Envelope { count, .. } => *count,
        }
    }
}

fn part(feature: &Feature, window: usize, rate_hz: f64, columns: &mut Vec<String>) -> Result<Part, FeatureError> {
    Ok(match feature {
        Feature::BandEnergy(bands) => {
            let bands = *bands as usize;
            if bands == 0 || bands > window / 2 {
                return Err(FeatureError::Setting(format!("band_energy of {bands} bands; 1 to {} are possible", window / 2)));
            }
            columns.extend((0..bands).map(|b| format!("band_{b}")));
            Part::Bands(bands)
        }
        Feature::SpectralCentroid => {
            columns.push("spectral_centroid".into());
            Part::Centroid
        }
        Feature::Envelope(envelope) => {
            check_envelope(envelope, rate_hz)?;
            columns.extend(envelope.at.keys().map(|name| format!("env_{name}")));
            let shaft = match (envelope.shaft_hz, &envelope.shaft_rpm_column) {
                (Some(hz), _) => Shaft::Fixed(hz),
                (None, Some(_)) => Shaft::Column,
                (None, None) => Shaft::One,
            };
            Part::Envelope { spectrum: Box::new(EnvelopeSpectrum::new(envelope, window, rate_hz)), count: envelope.at.len(), shaft }
        }
        other => {
            columns.push(moment_name(other).into());
            Part::Moment(other.clone())
        }
    })
}

fn check_envelope(envelope: &Envelope, rate_hz: f64) -> Result<(), FeatureError> {
    let fail = |what: String| Err(FeatureError::Setting(format!("envelope: {what}")));
    if envelope.at.is_empty() {
        return fail("\"at\" names no frequency".into());
    }
    if let Some((name, hz)) = envelope.at.iter().find(|(_, hz)| !(hz.is_finite() && **hz > 0.0)) {
        return fail(format!("frequency \"{name}\" is {hz}; it must be above 0"));
    }
    if let Some((low, high)) = envelope.band_hz
        && !(low >= 0.0 && low < high && high <= rate_hz / 2.0)
    {
        return fail(format!("band {low} to {high} Hz; it must lie within 0 to {} Hz", rate_hz / 2.0));
    }
    if envelope.shaft_hz.is_some_and(|hz| !(hz.is_finite() && hz > 0.0)) {
        return fail("\"shaft_hz\" must be above 0".into());
    }
    if !(0.0..=0.5).contains(&envelope.tolerance) || !(1..=16).contains(&envelope.harmonics) {
        return fail("\"tolerance\" must be 0 to 0.5 and \"harmonics\" 1 to 16".into());
    }
    Ok(())
}

fn moment_name(feature: &Feature) -> &'static str {
    match feature {
        Feature::Mean => "mean",
        Feature::Std => "std",
        Feature::Rms => "rms",
        Feature::Skewness => "skewness",
        Feature::Kurtosis => "kurtosis",
        Feature::CrestFactor => "crest_factor",
        Feature::PeakToPeak => "peak_to_peak",
        Feature::ZeroCrossingRate => "zero_crossing_rate",
        Feature::ShapeFactor => "shape_factor",
        Feature::ImpulseFactor => "impulse_factor",
        Feature::SpectralCentroid => "spectral_centroid",
        Feature::BandEnergy(_) => "band_energy",
        Feature::Envelope(_) => "envelope",
    }
}

/// A ratio, 0 where there is nothing to divide by: a constant window has no shape.
fn ratio(top: f64, bottom: f64) -> f64 {
    if bottom > 0.0 { top / bottom } else { 0.0 }
}

fn moment(feature: &Feature, m: &Moments) -> f64 {
    let rms = (m.m2 + m.mean * m.mean).sqrt();
    match feature {
        Feature::Mean => m.mean,
        Feature::Std => m.m2.sqrt(),
        Feature::Rms => rms,
        Feature::Skewness => ratio(m.m3, m.m2.powf(1.5)),
        Feature::Kurtosis => ratio(m.m4, m.m2 * m.m2),
        Feature::CrestFactor => ratio(m.peak, rms),
        Feature::PeakToPeak => m.peak_to_peak,
        Feature::ZeroCrossingRate => m.crossings / (m.n - 1.0),
        Feature::ShapeFactor => ratio(rms, m.mean_abs),
        Feature::ImpulseFactor => ratio(m.peak, m.mean_abs),
        Feature::SpectralCentroid | Feature::BandEnergy(_) | Feature::Envelope(_) => 0.0,
    }
}
