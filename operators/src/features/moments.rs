//! Time-domain sums of a window, in two passes while it is in the first-level cache: the mean, then all else about it.
//!
//! Sums run in 16 f32 lanes that the compiler keeps in vector registers, folded to f64 each `FOLD` samples, so that the
//! error does not grow with the window. Central sums are about the mean rounded to f32 and corrected in f64, which keeps
//! kurtosis right where an offset dwarfs the signal.

/// Lanes of the accumulators.
const LANES: usize = 16;
/// Samples between two folds to f64; a multiple of `LANES`.
const FOLD: usize = 256;

/// What the time-domain features are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// Samples.
    pub n: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Second to fourth central moment (population).
    pub m2: f64,
    /// See `m2`.
    pub m3: f64,
    /// See `m2`.
    pub m4: f64,
    /// Mean of absolute values.
    pub mean_abs: f64,
    /// Largest absolute value.
    pub peak: f64,
    /// Largest less smallest value.
    pub peak_to_peak: f64,
    /// Sign changes of the samples less their mean.
    pub crossings: f64,
}

impl Moments {
    /// The moments of a window that is not empty.
    pub fn of(window: &[f32]) -> Self {
        let n = window.len() as f64;
        let mean = mean(window);
        let centre = mean as f32;
        let sums = central(window, centre);
        // d is the mean of what was summed: the rest of the mean that f32 could not hold.
        let (d, s2, s3, s4) = (sums.s1 / n, sums.s2 / n, sums.s3 / n, sums.s4 / n);
        Moments {
            n,
            mean: f64::from(centre) + d,
            m2: (s2 - d * d).max(0.0),
            m3: s3 - 3.0 * d * s2 + 2.0 * d * d * d,
            m4: (s4 - 4.0 * d * s3 + 6.0 * d * d * s2 - 3.0 * d * d * d * d).max(0.0),
            mean_abs: sums.abs / n,
            peak: f64::from(sums.max.abs().max(sums.min.abs())),
            peak_to_peak: f64::from(sums.max) - f64::from(sums.min),
            crossings: crossings(window, centre),
        }
    }
}

fn mean(window: &[f32]) -> f64 {
    let shift = window.first().copied().unwrap_or(0.0);
    let mut total = 0.0f64;
    for block in window.chunks(FOLD) {
        let mut lanes = [0.0f32; LANES];
        let (chunks, rest) = block.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane += x - shift;
            }
        }
        total += lanes.iter().map(|&l| f64::from(l)).sum::<f64>();
        total += rest.iter().map(|&x| f64::from(x - shift)).sum::<f64>();
    }
    f64::from(shift) + total / window.len() as f64
}

#[derive(Default)]
struct Sums {
    s1: f64,
    s2: f64,
    s3: f64,
    s4: f64,
    abs: f64,
    max: f32,
    min: f32,
}

fn central(window: &[f32], centre: f32) -> Sums {
    let mut out = Sums { max: f32::NEG_INFINITY, min: f32::INFINITY, ..Sums::default() };
    for block in window.chunks(FOLD) {
        fold(block, centre, &mut out);
    }
    out
}

fn fold(block: &[f32], centre: f32, out: &mut Sums) {
    let (mut s1, mut s2, mut s3, mut s4, mut abs) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
    let (mut max, mut min) = ([f32::NEG_INFINITY; LANES], [f32::INFINITY; LANES]);
    let (chunks, rest) = block.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            let (x, d) = (chunk[i], chunk[i] - centre);
            let d2 = d * d;
            s1[i] += d;
            s2[i] += d2;
            s3[i] += d2 * d;
            s4[i] += d2 * d2;
            abs[i] += x.abs();
            max[i] = if x > max[i] { x } else { max[i] };
            min[i] = if x < min[i] { x } else { min[i] };
        }
    }
    for (i, &x) in rest.iter().enumerate() {
        let (d, lane) = (x - centre, i % LANES);
        s1[lane] += d;
        s2[lane] += d * d;
        s3[lane] += d * d * d;
        s4[lane] += d * d * d * d;
        abs[lane] += x.abs();
        max[lane] = max[lane].max(x);
        min[lane] = min[lane].min(x);
    }
    let total = |lanes: &[f32; LANES]| lanes.iter().map(|&l| f64::from(l)).sum::<f64>();
    out.s1 += total(&s1);
    out.s2 += total(&s2);
    out.s3 += total(&s3);
    out.s4 += total(&s4);
    out.abs += total(&abs);
    out.max = max.iter().fold(out.max, |a, &b| a.max(b));
    out.min = min.iter().fold(out.min, |a, &b| a.min(b));
}

/// Pairs of neighbours of which one is below the mean and the other is not.
fn crossings(window: &[f32], centre: f32) -> f64 {
    let mut count = 0u32;
    for pair in window.windows(2) {
        count += u32::from((pair[0] < centre) != (pair[1] < centre));
    }
    f64::from(count)
}
