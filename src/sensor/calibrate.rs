//! What `daen calibrate` measures: pure functions of recordings and observations.

use super::clock_error::Reference;
use super::receive::{Hearing, Surroundings};
use crate::cell::CellKey;
use crate::dsp::spectrum::Welch;
use crate::observation::{Clock, ClockError, ClockSource, Observation};
use crate::radio::calibration::Imbalance;
use crate::radio::source::{Event, IqBlock, IqSource, SourceError};
use crate::rat;
use crate::rules::Engine;
use crate::units::{Db, Dbfs, Dbm, Hz, Nanos, Timestamp};
use std::collections::BTreeMap;

/// Samples read at once.
const BLOCK: usize = 1 << 16;
/// Bins of the spectrum in which a known source is looked for.
const BINS: usize = 4096;
/// A source is taken to be where it is said to be within this part of the sample rate, and to be no wider than that to each side.
const SOURCE_PART: f64 = 0.02;
/// A source that stands out of the noise by less than this is not measured.
const LEAST_SNR: Db = Db(20.0);
/// Observations of two receivers that may be compared.
const TOGETHER: Nanos = Nanos::from_secs(60);
/// Parts that a recording is cut into, by which the uncertainty of an imbalance is told, and samples that each needs.
const PARTS: usize = 16;
const LEAST_OF_PART: u64 = 62_500;
/// An imbalance that is less certain is none: signals of the recording that do not turn are taken for it. A tenth of the usual ones.
const CERTAIN: (f64, f64) = (0.05, 0.3);
/// Standard deviation over median absolute deviation; of a median over that of a mean.
const OF_MAD: f64 = 1.4826;
const OF_MEDIAN: f64 = 1.2533;

/// Sums over one part of a recording.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: u64,
    i: f64,
    q: f64,
    ii: f64,
    qq: f64,
    iq: f64,
}

impl Moments {
    fn add(&mut self, i: f64, q: f64) {
        self.count += 1;
        self.i += i;
        self.q += q;
        self.ii += i * i;
        self.qq += q * q;
        self.iq += i * q;
    }

    fn and(self, other: Moments) -> Moments {
        Moments {
            count: self.count + other.count,
            i: self.i + other.i,
            q: self.q + other.q,
            ii: self.ii + other.ii,
            qq: self.qq + other.qq,
            iq: self.iq + other.iq,
        }
    }

    /// Of round signals, whose I and Q are alike and independent, what is left is the receiver's own doing.
    fn imbalance(&self) -> Imbalance {
        let count = self.count as f64;
        let (i, q) = (self.i / count, self.q / count);
        let (ii, qq, iq) = (self.ii / count - i * i, self.qq / count - q * q, self.iq / count - i * q);
        Imbalance {
            dc_i: i,
            dc_q: q,
            gain_db: Db::from_ratio(qq / ii),
            phase_deg: (iq / (ii * qq).sqrt()).clamp(-1.0, 1.0).asin().to_degrees(),
        }
    }
}

/// The imbalance of the receiver that made a recording of many signals, or of noise, with one standard deviation of each figure. `None`
/// where it is shorter than a million samples, or its parts disagree: signals that do not turn, such as a carrier at the centre.
///
/// # Errors
/// The source's.
pub fn imbalance(source: &mut dyn IqSource) -> Result<Option<(Imbalance, Imbalance)>, SourceError> {
    // Parts are taken in turn, block by block, so that each sees all of the recording.
    let mut parts = [Moments::default(); PARTS];
    let mut block = IqBlock::default();
    let mut number = 0;
    loop {
        match source.read(BLOCK / PARTS, &mut block)? {
            Event::Samples => {
                let part = &mut parts[number % PARTS];
                block.samples.iter().for_each(|sample| part.add(f64::from(sample.re), f64::from(sample.im)));
                number += 1;
            }
            Event::Stream(_) => {}
            Event::End => break,
        }
    }
    if parts.iter().any(|part| part.count < LEAST_OF_PART / 2 || part.ii == 0.0 || part.qq == 0.0)
        || parts.iter().map(|part| part.count).sum::<u64>() < LEAST_OF_PART * PARTS as u64
    {
        return Ok(None);
    }
    let all = parts.iter().copied().reduce(Moments::and).unwrap_or_default().imbalance();
    let each = parts.map(|part| part.imbalance());
    let sigma = |of: fn(&Imbalance) -> f64| {
        let mean = each.iter().map(of).sum::<f64>() / PARTS as f64;
        let squares = each.iter().map(|one| (of(one) - mean).powi(2)).sum::<f64>();
        (squares / (PARTS * (PARTS - 1)) as f64).sqrt()
    };
    let sigma = Imbalance {
        dc_i: sigma(|one| one.dc_i),
        dc_q: sigma(|one| one.dc_q),
        gain_db: Db(sigma(|one| one.gain_db.0)),
        phase_deg: sigma(|one| one.phase_deg),
    };
    let certain = sigma.gain_db.0 <= CERTAIN.0 && sigma.phase_deg <= CERTAIN.1;
    Ok(certain.then_some((all, sigma)))
}

/// Listens to all of `source` and gives the clock's error by the cells that the engine's register licenses, with their number.
/// `None` where fewer than three were heard.
///
/// # Errors
/// The source's.
pub fn frequency(
    source: &mut dyn IqSource,
    engine: &mut Engine,
) -> Result<(Option<ClockError>, BTreeMap<CellKey, Observation>), SourceError> {
    let clock = Clock { source: ClockSource::Recording, sigma_ns: None, locked: false, since_ns: None };
    let around = Surroundings { clock, position: None, lost_samples: 0 };
    let mut licensed = BTreeMap::new();
    let mut reference = Reference::default();
    let mut newest = Timestamp(0);
    let mut hearing: Option<Hearing> = None;
    let mut block = IqBlock::default();
    let mut take = |judged: Vec<super::receive::Judged>, engine: &Engine| {
        for judged in judged {
            newest = newest.max(judged.observation.at_ns);
            if engine.is_licensed(&judged.observation) {
                reference.add(&judged.observation);
                licensed.insert(judged.observation.cell, judged.observation);
            }
        }
    };
    loop {
        match source.read(BLOCK, &mut block)? {
            Event::Samples => {
                if let Some(hearing) = &mut hearing {
                    hearing.process(&block.samples, block.clipped);
                    take(hearing.judged(around, engine), engine);
                }
            }
            event => {
                if let Some(ended) = hearing.take() {
                    take(ended.finish(around, engine), engine);
                }
                match event {
                    Event::Stream(info) => hearing = Some(Hearing::new(info, rat::Options::default())),
                    _ => return Ok((reference.error(newest), licensed)),
                }
            }
        }
    }
}

/// The clock's error by observations, all of them of licensed cells.
pub fn frequency_of(observations: &[Observation]) -> Option<ClockError> {
    let mut reference = Reference::default();
    let newest = observations.iter().map(|observation| observation.at_ns).max()?;
    observations.iter().for_each(|observation| reference.add(observation));
    reference.error(newest)
}

/// Level of a known source as a receiver shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shown {
    /// The level.
    pub level: Dbfs,
    /// How far above the noise next to it.
    pub snr: Db,
}

/// The power of a source at `at` (absolute, 2 % of the rate to each side) in the first stream of `source`, without the noise that is
/// there too. `None` where nothing stands out by 20 dB.
///
/// # Errors
/// The source's.
pub fn known_source(source: &mut dyn IqSource, at: Hz) -> Result<Option<Shown>, SourceError> {
    let mut welch = Welch::new(BINS);
    let mut stream = None;
    let mut block = IqBlock::default();
    loop {
        match source.read(BLOCK, &mut block)? {
            Event::Samples => welch.process(&block.samples),
            Event::Stream(info) if stream.is_none() => stream = Some(info),
            _ => break,
        }
    }
    let (Some(info), Some(spectrum)) = (stream, welch.take()) else { return Ok(None) };
    let middle = (at - info.center).0 / info.sample_rate.0;
    let inside = |bin: &usize| ((*bin as f64 / BINS as f64 - 0.5) - middle).abs() <= SOURCE_PART;
    if middle.abs() > 0.5 - SOURCE_PART {
        return Ok(None);
    }
    let (bins, power) = (0..BINS)
        .filter(inside)
        .fold((0.0, 0.0), |(bins, power), bin| (bins + 1.0, power + f64::from(spectrum.mean[bin])));
    let noise = bins * f64::from(spectrum.percentile(0.5));
    let snr = Db::from_ratio((power - noise).max(0.0) / noise.max(f64::MIN_POSITIVE));
    let level = Dbfs(Db::from_ratio((power - noise).max(f64::MIN_POSITIVE)).0);
    Ok((snr >= LEAST_SNR).then_some(Shown { level, snr }))
}

/// A level at full scale, by carrier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transferred {
    /// The carrier.
    pub hz: Hz,
    /// What 0 dBFS means.
    pub dbm_at_full_scale: Dbm,
    /// One standard deviation.
    pub sigma: Db,
    /// Pairs of observations.
    pub pairs: usize,
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// What another, calibrated receiver at the same antenna makes of ours: for each carrier with three pairs or more of observations of
/// the same cell within a minute.
pub fn transfer(ours: &[Observation], reference: &[Observation]) -> Vec<Transferred> {
    let mut by_cell: BTreeMap<CellKey, Vec<&Observation>> = BTreeMap::new();
    for observation in reference.iter().filter(|observation| observation.level.dbm.is_some()) {
        by_cell.entry(observation.cell).or_default().push(observation);
    }
    let mut by_carrier: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for observation in ours {
        let apart = |other: &&&Observation| (other.at_ns.0 - observation.at_ns.0).abs();
        let nearest = by_cell.get(&observation.cell).and_then(|list| list.iter().min_by_key(apart));
        let Some(other) = nearest.filter(|other| apart(other) <= TOGETHER.0) else { continue };
        let Some(dbm) = other.level.dbm else { continue };
        let pair = (dbm.0 - observation.level.dbfs.0, other.level.sigma_db.0);
        by_carrier.entry(observation.cell.center_hz).or_default().push(pair);
    }
    let measured = by_carrier.into_iter().filter(|(_, pairs)| pairs.len() >= 3).filter_map(|(hz, pairs)| {
        let middle = median(pairs.iter().map(|pair| pair.0).collect())?;
        let spread = OF_MAD * median(pairs.iter().map(|pair| (pair.0 - middle).abs()).collect())?;
        // The standard's own error is the same in every pair: it does not average out.
        let standard = median(pairs.iter().map(|pair| pair.1).collect())?;
        let sigma = Db(standard.hypot(OF_MEDIAN * spread / (pairs.len() as f64).sqrt()));
        Some(Transferred { hz: Hz(hz as f64), dbm_at_full_scale: Dbm(middle), sigma, pairs: pairs.len() })
    });
    measured.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Rat;
    use crate::observation::{CarrierError, Level, ReceiverState};
    use crate::radio::source::StreamInfo;
    use crate::units::{Ppb, SampleIndex};
    use num_complex::Complex32;
    use rand::SeedableRng;
    use rand_distr::{Distribution, Normal};

    /// A tone of `level` 100 kHz above the centre, in noise of `noise` dBFS in the whole band.
    struct Tone {
        level: f64,
        noise: f64,
        left: usize,
        begun: bool,
        rng: rand_chacha::ChaCha8Rng,
    }

    impl IqSource for Tone {
        fn read(&mut self, max: usize, block: &mut IqBlock) -> Result<Event, SourceError> {
            block.samples.clear();
            if !std::mem::replace(&mut self.begun, true) {
                let info = StreamInfo {
                    stream: "tone".to_owned(),
                    center: Hz(942e6),
                    sample_rate: Hz(1e6),
                    start: Timestamp(0),
                };
                return Ok(Event::Stream(info));
            }
            if self.left == 0 {
                return Ok(Event::End);
            }
            let (amplitude, sigma) = (10f64.powf(self.level / 20.0), 10f64.powf(self.noise / 20.0) / 2f64.sqrt());
            let normal = Normal::new(0.0, sigma).unwrap();
            block.first = SampleIndex(0);
            for n in 0..max.min(self.left) {
                let phase = std::f64::consts::TAU * 0.1 * n as f64;
                let (i, q) = (normal.sample(&mut self.rng), normal.sample(&mut self.rng));
                block
                    .samples
                    .push(Complex32::new((amplitude * phase.cos() + i) as f32, (amplitude * phase.sin() + q) as f32));
            }
            self.left -= block.samples.len();
            Ok(Event::Samples)
        }
        fn total_samples(&self) -> Option<u64> {
            None
        }
    }

    fn tone(level: f64, noise: f64) -> Tone {
        Tone { level, noise, left: 1 << 20, begun: false, rng: rand_chacha::ChaCha8Rng::seed_from_u64(1) }
    }

    #[test]
    fn the_level_of_a_known_source_is_measured_without_the_noise_and_not_where_there_is_none() {
        for (level, noise) in [(-3.0, -60.0), (-40.0, -55.0), (-70.0, -77.0)] {
            let shown = known_source(&mut tone(level, noise), Hz(942.1e6)).unwrap().unwrap();
            assert!((shown.level.0 - level).abs() < 0.1, "{level} dBFS in {noise}: {shown:?}");
        }
        assert_eq!(known_source(&mut tone(-40.0, -55.0), Hz(941.8e6)).unwrap(), None, "the source is elsewhere");
        assert_eq!(known_source(&mut tone(-80.0, -60.0), Hz(942.1e6)).unwrap(), None, "below the noise");
        assert_eq!(known_source(&mut tone(-3.0, -60.0), Hz(943.0e6)).unwrap(), None, "outside of the recording");
    }

    fn heard(center_hz: u64, second: i64, dbfs: f64, dbm: Option<f64>) -> Observation {
        let at_ns = Timestamp(0) + Nanos::from_secs(second);
        Observation {
            at_ns,
            first_ns: at_ns,
            clock: Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None },
            position: None,
            cell: CellKey { rat: Rat::Gsm, center_hz, id: 1 },
            identity: None,
            level: Level { dbfs: Dbfs(dbfs), dbm: dbm.map(Dbm), sigma_db: Db(0.7) },
            snr_db: Db(20.0),
            carrier: CarrierError { hz: Hz(0.0), ppb: Ppb(-700.0), sigma_ppb: Ppb(5.0) },
            timing: None,
            bearing: None,
            broadcast: vec![],
            fields: None,
            content_sha256: None,
            receiver: ReceiverState::default(),
        }
    }

    #[test]
    fn a_transfer_standard_gives_each_carrier_its_level_and_keeps_its_own_uncertainty() {
        let reference: Vec<_> = (0..10)
            .flat_map(|s| {
                [heard(935_000_000, s * 60, -20.0, Some(-80.0 - s as f64)), heard(948_000_000, s * 60, -20.0, None)]
            })
            .collect();
        let mut ours: Vec<_> = (0..10).map(|s| heard(935_000_000, s * 60 + 5, -30.0 - s as f64, None)).collect();
        ours.extend((0..10).map(|s| heard(948_000_000, s * 60, -30.0, None)));
        ours.push(heard(935_000_000, 100_000, 0.0, None));
        let points = transfer(&ours, &reference);
        assert_eq!(points.len(), 1, "{points:?}");
        assert_eq!((points[0].hz, points[0].dbm_at_full_scale, points[0].pairs), (Hz(935e6), Dbm(-50.0), 10));
        assert!((points[0].sigma.0 - 0.7).abs() < 1e-9, "{points:?}");
    }

    #[test]
    fn observations_of_three_cells_tell_the_clock_and_of_two_do_not() {
        let of = |cells: u64| -> Vec<Observation> {
            (0..cells).map(|n| heard(935_000_000 + n * 200_000, 0, -40.0, None)).collect()
        };
        assert_eq!(frequency_of(&of(2)), None);
        assert_eq!(frequency_of(&of(3)).unwrap().ppb, Ppb(700.0));
        assert_eq!(frequency_of(&[]), None);
    }
}
