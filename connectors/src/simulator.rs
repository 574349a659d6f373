//! A fleet of simulated motors: rolling-element bearings, some of which develop a fault.
//!
//! The model (McFadden & Smith 1984; Antoni & Randall 2003): a localised fault makes an impact each time a rolling element
//! passes it, with a little slip; each impact rings a resonance of the housing; an inner-race fault is loaded once a shaft
//! turn, a ball fault once a cage turn. Beneath lie shaft harmonics and coloured noise. The same settings give the same
//! samples to the bit, however they are cut into slices. Truth about the fleet is told by `truth`, never in the data.

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, SchemaRef};

use crate::config::SimulatorSource;
use crate::files::normalise::source_schema;
use crate::source::{Polled, Slice, Source, SourceContext, SourceError};

/// Multiples of shaft speed of an SKF 6205: outer race, inner race, ball (two strikes a spin), cage.
const BPFO: f64 = 3.585;
const BPFI: f64 = 5.415;
const BALL: f64 = 4.714;
const CAGE: f64 = 0.398;
/// Motors a fleet may have.
const DEVICES_MAX: u32 = 10_000;
/// The fault kinds, in the order in which they are dealt out.
const FAULTS: [Fault; 3] = [Fault::InnerRace, Fault::Ball, Fault::OuterRace];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    InnerRace,
    Ball,
    OuterRace,
}

impl Fault {
    fn label(self) -> &'static str {
        match self {
            Fault::None => "normal",
            Fault::InnerRace => "inner_race",
            Fault::Ball => "ball",
            Fault::OuterRace => "outer_race",
        }
    }
}

/// Every motor of a fleet with the fault that it develops.
pub fn truth(settings: &SimulatorSource) -> Vec<(String, &'static str)> {
    (0..settings.devices).map(|d| (device_name(d), fault_of(settings, d).label())).collect()
}

fn device_name(device: u32) -> String {
    format!("motor-{device:03}")
}

/// Faulty motors are spread evenly over the fleet.
fn fault_of(settings: &SimulatorSource, device: u32) -> Fault {
    let share = |d: u32| (f64::from(d) * settings.faulty).floor() as usize;
    let (before, after) = (share(device), share(device + 1));
    if after > before { FAULTS[before % FAULTS.len()] } else { Fault::None }
}

/// A fleet being played.
pub struct Simulator {
    motors: Vec<Motor>,
    schema: SchemaRef,
    columns: Vec<&'static str>,
    rate_hz: f64,
    total: Option<u64>,
    slice_us: f64,
    played: u64,
    next: u64,
}

/// Opens a fleet.
pub fn open(settings: &SimulatorSource, context: &SourceContext) -> Result<Box<dyn Source>, SourceError> {
    let fail = |what: String| Err(SourceError::Setting(format!("simulator: {what}")));
    if settings.devices == 0 || settings.devices > DEVICES_MAX {
        return fail(format!("devices is {}, but must be 1 to {DEVICES_MAX}", settings.devices));
    }
    if !(100.0..=200_000.0).contains(&settings.sample_rate_hz) {
        return fail(format!("sample_rate_hz is {}, but must be 100 to 200000", settings.sample_rate_hz));
    }
    if !(0.0..=1.0).contains(&settings.faulty) {
        return fail(format!("faulty is {}, but must be 0 to 1", settings.faulty));
    }
    let all = ["de", "rpm"];
    let wanted = |c: &&str| context.wanted.as_ref().map_or(*c == "de", |w| w.iter().any(|n| n == c));
    if let Some(unknown) = context.wanted.iter().flatten().find(|n| !all.contains(&n.as_str())) {
        return fail(format!("there is no column \"{unknown}\"; it has de, rpm"));
    }
    let columns: Vec<&'static str> = all.into_iter().filter(wanted).collect();
    Ok(Box::new(Simulator {
        motors: (0..settings.devices).map(|d| Motor::new(settings, d)).collect(),
        schema: source_schema(columns.iter().map(|c| Field::new(*c, DataType::Float32, false))),
        columns,
        rate_hz: settings.sample_rate_hz,
        total: settings.duration.map(|d| (d.0.as_secs_f64() * settings.sample_rate_hz) as u64),
        slice_us: context.slice.as_micros() as f64,
        played: 0,
        next: 0,
    }))
}

impl Source for Simulator {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn poll(&mut self, _wait: Duration) -> Result<Polled, SourceError> {
        let until = (self.slice_us * (self.next + 1) as f64 * self.rate_hz / 1e6).ceil() as u64;
        let until = self.total.map_or(until, |total| until.min(total));
        let count = until.saturating_sub(self.played) as usize;
        if self.total.is_some_and(|total| self.played >= total) {
            return Ok(Polled::End);
        }
        let interval = 1e6 / self.rate_hz;
        let times: ArrayRef = Arc::new(
            TimestampMicrosecondArray::from_iter_values((self.played..until).map(|i| (i as f64 * interval).round() as i64))
                .with_timezone("UTC"),
        );
        let mut slice =
            Slice { id: self.next, due: Some(Duration::from_micros((self.slice_us * self.next as f64) as u64)), ..Slice::default() };
        for motor in &mut self.motors {
            let samples: ArrayRef = Arc::new(Float32Array::from(motor.play(count)));
            let mut columns: Vec<ArrayRef> =
                vec![Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&motor.name, count))), times.clone()];
            for column in &self.columns {
                columns.push(match *column {
                    "de" => samples.clone(),
                    _ => Arc::new(Float32Array::from(vec![(motor.shaft_hz * 60.0) as f32; count])),
                });
            }
            slice.raw_bytes += 4 * count as u64 * self.columns.len() as u64;
            slice.batches.push(RecordBatch::try_new(self.schema.clone(), columns)?);
        }
        self.played = until;
        self.next += 1;
        Ok(Polled::Slice(slice))
    }
}

/// One motor: its signal, a sample at a time.
struct Motor {
    name: String,
    fault: Fault,
    shaft_hz: f64,
    rate_hz: f64,
    onset_s: f64,
    growth_s: f64,
    at: u64,
    random: Random,
    next_impact_s: f64,
    /// Resonances that impacts ring, and the poles that colour the noise.
    rings: Vec<Resonance>,
    colour: Vec<Resonance>,
    noise: f64,
}

/// A two-pole resonator: x[n] = a·x[n-1] - b·x[n-2] + input.
struct Resonance {
    a: f64,
    b: f64,
    gain: f64,
    state: (f64, f64),
}

impl Resonance {
    fn new(hz: f64, damping: f64, gain: f64, rate_hz: f64) -> Self {
        let radius = (-damping * TAU * hz / rate_hz).exp();
        let angle = TAU * hz / rate_hz;
        Resonance {
            a: 2.0 * radius * angle.cos(),
            b: radius * radius,
            gain: gain * (1.0 - radius * radius) * angle.sin(),
            state: (0.0, 0.0),
        }
    }

    fn step(&mut self, input: f64) -> f64 {
        let x = self.a * self.state.0 - self.b * self.state.1 + input * self.gain;
        self.state = (x, self.state.0);
        x
    }
}

impl Motor {
    fn new(settings: &SimulatorSource, device: u32) -> Self {
        let mut random = Random::new(settings.seed, u64::from(device));
        let rate = settings.sample_rate_hz;
        let shaft_hz = 28.9 + 1.0 * random.uniform();
        let fault = fault_of(settings, device);
        Motor {
            name: device_name(device),
            fault,
            shaft_hz,
            rate_hz: rate,
            onset_s: settings.onset.map_or(0.0, |s| s.0.as_secs_f64()),
            growth_s: settings.growth.map_or(0.0, |s| s.0.as_secs_f64()),
            at: 0,
            next_impact_s: random.uniform() * 0.01,
            noise: 0.9 + 0.2 * random.uniform(),
            rings: rings(fault, rate),
            colour: COLOUR.iter().map(|&(hz, damping, gain)| Resonance::new(hz, damping, gain, rate)).collect(),
            random,
        }
    }

    fn play(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.sample() as f32).collect()
    }

    fn sample(&mut self) -> f64 {
        let t = self.at as f64 / self.rate_hz;
        self.at += 1;
        let strike = if self.fault == Fault::None { 0.0 } else { self.strike(t) };
        let ring: f64 = self.rings.iter_mut().map(|r| r.step(strike)).sum();
        let white = self.random.normal();
        let noise: f64 = self.colour.iter_mut().map(|c| c.step(white)).sum();
        let shaft = TAU * self.shaft_hz * t;
        let tones: f64 = TONES.iter().map(|&(multiple, level)| level * (multiple * shaft).sin()).sum();
        0.012 + tones + self.noise * noise + ring
    }

    /// The strength of an impact at this sample, mostly none.
    fn strike(&mut self, t: f64) -> f64 {
        if t < self.next_impact_s {
            return 0.0;
        }
        let (multiple, slip) = match self.fault {
            Fault::InnerRace => (BPFI, 0.005),
            Fault::Ball => (BALL, 0.01),
            _ => (BPFO, 0.005),
        };
        let period = 1.0 / (multiple * self.shaft_hz);
        self.next_impact_s += period * (1.0 + slip * self.random.normal());
        let grown = if t < self.onset_s {
            0.0
        } else if self.growth_s > 0.0 {
            ((t - self.onset_s) / self.growth_s).min(1.0)
        } else {
            1.0
        };
        let load = match self.fault {
            Fault::InnerRace => 0.55 + 0.45 * (TAU * self.shaft_hz * t).cos(),
            Fault::Ball => 0.65 + 0.35 * (TAU * CAGE * self.shaft_hz * t).cos(),
            _ => 1.0,
        };
        grown * load * (1.0 + 0.1 * self.random.normal())
    }
}

/// Multiples of shaft speed and levels in g of a motor's steady tones: imbalance and misalignment.
const TONES: [(f64, f64); 2] = [(1.0, 0.012), (2.0, 0.008)];

/// Frequency in Hz, damping ratio and gain of the resonances that colour the noise of a healthy motor.
const COLOUR: [(f64, f64, f64); 5] =
    [(110.0, 0.45, 0.19), (1150.0, 0.075, 0.18), (2100.0, 0.056, 0.12), (3280.0, 0.16, 0.063), (4410.0, 0.078, 0.092)];

/// The resonances that a fault rings: which ones depends on the path from the fault to the housing.
fn rings(fault: Fault, rate_hz: f64) -> Vec<Resonance> {
    let table: &[(f64, f64, f64)] = match fault {
        Fault::None => &[],
        Fault::InnerRace => &[(1350.0, 0.05, 14.0), (2750.0, 0.04, 26.0), (3550.0, 0.04, 22.0)],
        Fault::Ball => &[(1250.0, 0.05, 5.0), (3350.0, 0.03, 10.0)],
        Fault::OuterRace => &[(2850.0, 0.03, 30.0), (3450.0, 0.03, 34.0)],
    };
    table.iter().map(|&(hz, damping, gain)| Resonance::new(hz, damping, gain, rate_hz)).collect()
}

/// SplitMix64 (Steele, Lea, Flood 2014) with a Box-Muller normal: small, fast, and the same everywhere.
struct Random {
    state: u64,
    spare: Option<f64>,
}

impl Random {
    fn new(seed: u64, stream: u64) -> Self {
        let mut random = Random { state: seed ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03), spare: None };
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let angle = TAU * self.uniform();
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }
}
