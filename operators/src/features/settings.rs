//! What a features step may be asked for, as typed settings. The definitions are in `docs/features.md`.

use serde::{Deserialize, Serialize};

/// One entry of `compute:`; each gives one or more f32 columns named after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Arithmetic mean.
    Mean,
    /// Standard deviation (population).
    Std,
    /// Root mean square.
    Rms,
    /// Third standardised moment.
    Skewness,
    /// Fourth standardised moment (3 for a Gaussian).
    Kurtosis,
    /// Peak over rms.
    CrestFactor,
    /// Largest less smallest.
    PeakToPeak,
    /// Sign changes a sample.
    ZeroCrossingRate,
    /// Rms over mean of absolute values.
    ShapeFactor,
    /// Peak over mean of absolute values.
    ImpulseFactor,
    /// Energy in this many equal bands up to half the sample rate: columns `band_0` onwards.
    BandEnergy(u32),
    /// Centre of mass of the spectrum, in Hz.
    SpectralCentroid,
    /// Envelope spectrum at given frequencies: columns `env_NAME`.
    Envelope(Envelope),
}

/// The envelope spectrum of a band, read at named frequencies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The band that is demodulated, in Hz: low and high edge. The whole spectrum above 0 when left out.
    #[serde(default)]
    pub band_hz: Option<(f64, f64)>,
    /// Named frequencies in Hz, or as multiples of shaft speed when `shaft_hz` or `shaft_rpm_column` is given.
    pub at: std::collections::BTreeMap<String, f64>,
    /// Shaft speed in Hz; makes `at` multiples of it.
    #[serde(default)]
    pub shaft_hz: Option<f64>,
    /// A column with the shaft speed in revolutions a minute; makes `at` multiples of it.
    #[serde(default)]
    pub shaft_rpm_column: Option<String>,
    /// Relative width around each frequency in which the largest line is taken; 0.02 by default.
    #[serde(default = "default_tolerance")]
    pub tolerance: f64,
    /// Harmonics that are summed, from the first; 1 by default.
    #[serde(default = "default_harmonics")]
    pub harmonics: u32,
}

fn default_tolerance() -> f64 {
    0.02
}

fn default_harmonics() -> u32 {
    1
}
