//! What a calibration makes of what was measured.

use super::{Calibration, Factor, Frequency, Imbalance, LevelPoint, LevelTable, day};
use crate::observation::{ClockError, Delay};
use crate::units::{Db, Dbm, Hz, Ppb, Timestamp};
use num_complex::Complex32;
use std::collections::BTreeMap;

/// How far from the calibration's temperature a receiver is taken to be where nobody measures it, one standard deviation. Chosen: a
/// sealed enclosure in the sun against a laboratory.
const UNKNOWN_KELVIN: f64 = 15.0;
/// What a kelvin does to a clock whose coefficient is not known. Chosen: a TCXO of 1 ppm over 40 K, doubled.
const PPB_PER_KELVIN: f64 = 50.0;
/// Rates that are the same.
const SAME_RATE: f64 = 1e-6;
/// 0 dBm in 50 ohms, in dB over a microvolt.
const DBUV_OF_0_DBM: f64 = 106.99;
const NANOS_OF_YEAR: f64 = 365.25 * 86_400e9;

/// How a receiver was set when it measured.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Gain elements by name.
    pub gains: &'a BTreeMap<String, Db>,
    /// Receive port, where it was chosen.
    pub antenna: Option<&'a str>,
    /// Temperature of the device, where it is known, degrees Celsius.
    pub celsius: Option<f64>,
}

/// A level at full scale, with what it is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FullScale {
    /// Level at the antenna port that shows as 0 dBFS.
    pub dbm: Dbm,
    /// One standard deviation.
    pub sigma: Db,
}

fn hypot(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// Between two values of equal trustworthiness: weights sum to 1; in the middle the interpolation itself may be wrong by `sigma`.
fn between((a, a_sigma): (f64, f64), (b, b_sigma): (f64, f64), part: f64, sigma: f64) -> (f64, f64) {
    let value = a + (b - a) * part;
    (value, hypot(&[a_sigma + (b_sigma - a_sigma) * part, sigma * 4.0 * part * (1.0 - part)]))
}

/// The value at `at` of what was measured at ascending places; outside of them the nearest, with `sigma` more.
fn interpolate(points: &[(f64, f64, f64)], at: f64, sigma: f64) -> Option<(f64, f64)> {
    let next = points.partition_point(|point| point.0 < at);
    let value = |point: &(f64, f64, f64)| (point.1, point.2);
    match (next.checked_sub(1).map(|index| &points[index]), points.get(next)) {
        (_, Some(after)) if after.0 == at => Some(value(after)),
        (Some(before), Some(after)) => {
            Some(between(value(before), value(after), (at - before.0) / (after.0 - before.0), sigma))
        }
        (Some(only), None) | (None, Some(only)) => Some((only.1, hypot(&[only.2, sigma]))),
        (None, None) => None,
    }
}

fn factor_at(factors: &[Factor], at: Hz) -> Option<(f64, f64)> {
    let points: Vec<_> = factors.iter().map(|factor| (factor.hz.0, factor.db.0, factor.sigma_db.0)).collect();
    interpolate(&points, at.0, 0.0)
}

impl LevelTable {
    /// At one setting of the gains, over frequency.
    fn over_frequency(&self, gains: &BTreeMap<String, Db>, at: Hz) -> Option<(f64, f64)> {
        let mut points: Vec<(f64, f64, f64)> = self
            .points
            .iter()
            .filter(|point| point.gains == *gains)
            .map(|point| (point.hz.0, point.dbm_at_full_scale.0, point.sigma_db.0))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        interpolate(&points, at.0, self.interpolation_sigma_db.0)
    }

    /// At this setting, or between the two nearest that differ from it in one and the same element. `None`: not covered; a gain is
    /// not extrapolated.
    fn full_scale(&self, gains: &BTreeMap<String, Db>, at: Hz) -> Option<(f64, f64)> {
        if let Some(exact) = self.over_frequency(gains, at) {
            return Some(exact);
        }
        gains.iter().find_map(|(name, wanted)| {
            let alike = |point: &&LevelPoint| {
                point.gains.len() == gains.len()
                    && point.gains.iter().all(|(other, gain)| other == name || gains.get(other) == Some(gain))
            };
            let measured = || self.points.iter().filter(alike).filter_map(|point| point.gains.get(name));
            let below = measured().filter(|gain| gain.0 < wanted.0).map(|gain| gain.0).reduce(f64::max)?;
            let above = measured().filter(|gain| gain.0 > wanted.0).map(|gain| gain.0).reduce(f64::min)?;
            let with = |gain: f64| {
                let mut gains = gains.clone();
                gains.insert(name.clone(), Db(gain));
                self.over_frequency(&gains, at)
            };
            let part = (wanted.0 - below) / (above - below);
            Some(between(with(below)?, with(above)?, part, self.interpolation_sigma_db.0))
        })
    }
}

impl Calibration {
    /// What 0 dBFS means at the antenna port; `None` where no table covers frequency, port and gains.
    pub fn full_scale(&self, setting: Setting<'_>, at: Hz) -> Option<FullScale> {
        let port = |table: &&LevelTable| match (&table.antenna, setting.antenna) {
            (Some(measured), Some(used)) => measured == used,
            _ => true,
        };
        let mut tables = self.level.iter().filter(port);
        let (dbm, sigma, table) = tables.find_map(|table| {
            let inside = (table.low_hz.0..=table.high_hz.0).contains(&at.0);
            let (dbm, sigma) = inside.then(|| table.full_scale(setting.gains, at)).flatten()?;
            Some((dbm, sigma, table))
        })?;
        let (loss, loss_sigma) = factor_at(&self.path.loss, at).unwrap_or((0.0, 0.0));
        let (warm, warm_sigma) = match setting.celsius {
            Some(celsius) => ((celsius - table.celsius) * table.db_per_celsius, 0.0),
            None => (0.0, UNKNOWN_KELVIN * table.db_per_celsius.abs()),
        };
        Some(FullScale { dbm: Dbm(dbm + loss + warm), sigma: Db(hypot(&[sigma, loss_sigma, warm_sigma])) })
    }

    /// From the antenna port to the time stamp at a sample rate; `None` where the rate was not measured.
    pub fn delay(&self, rate: Hz) -> Option<Delay> {
        let same = |other: Hz| ((other.0 - rate.0) / rate.0).abs() < SAME_RATE;
        let device = self.delay.iter().find(|delay| same(delay.rate_hz))?;
        Some(Delay {
            ns: device.ns + self.path.delay_ns,
            sigma_ns: hypot(&[device.sigma_ns, self.path.delay_sigma_ns]),
        })
    }

    /// The sample clock's error at `now`, as far as the newest measurement tells it.
    pub fn clock_error(&self, now: Timestamp, celsius: Option<f64>) -> Option<ClockError> {
        self.frequency.as_ref().map(|frequency| frequency.at(now, celsius))
    }

    /// Field strength at the antenna, dB over a microvolt a metre in 50 ohms, and its standard deviation; `None` without an antenna
    /// factor.
    pub fn field_strength(&self, level: Dbm, sigma: Db, at: Hz) -> Option<(f64, Db)> {
        let (factor, factor_sigma) = factor_at(&self.path.antenna_factor, at)?;
        Some((level.0 + DBUV_OF_0_DBM + factor, Db(hypot(&[sigma.0, factor_sigma]))))
    }
}

impl Frequency {
    fn at(&self, now: Timestamp, celsius: Option<f64>) -> ClockError {
        let years = day(&self.date).map_or(0.0, |then| (now.0 as f64 - then.0 as f64).abs() / NANOS_OF_YEAR);
        let aged = self.ageing_ppb_per_year.0 * years;
        let (warm, warm_sigma) = match (celsius.zip(self.celsius), self.ppb_per_celsius) {
            (Some((now, then)), Some(slope)) => ((now - then) * slope, 0.0),
            (Some((now, then)), None) => (0.0, (now - then).abs() * PPB_PER_KELVIN),
            (None, slope) => (0.0, UNKNOWN_KELVIN * slope.map_or(PPB_PER_KELVIN, f64::abs)),
        };
        ClockError { ppb: Ppb(self.ppb.0 + warm), sigma_ppb: Ppb(hypot(&[self.sigma_ppb.0, aged, warm_sigma])) }
    }
}

/// Takes imbalance and direct current out of samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correction {
    dc: Complex32,
    /// Q is this much of what is received as Q, less this much of I.
    of_q: f32,
    of_i: f32,
}

impl From<Imbalance> for Correction {
    fn from(iq: Imbalance) -> Correction {
        // Received: I' = I + dc_i and Q' = g (Q cos p + I sin p) + dc_q.
        let (sin, cos) = iq.phase_deg.to_radians().sin_cos();
        let gain = 10f64.powf(iq.gain_db.0 / 20.0);
        Correction {
            dc: Complex32::new(iq.dc_i as f32, iq.dc_q as f32),
            of_q: (1.0 / (gain * cos)) as f32,
            of_i: (sin / cos) as f32,
        }
    }
}

impl Correction {
    /// Corrects in place.
    pub fn apply(&self, samples: &mut [Complex32]) {
        for sample in samples {
            let raw = *sample - self.dc;
            *sample = Complex32::new(raw.re, raw.im * self.of_q - raw.re * self.of_i);
        }
    }
}
