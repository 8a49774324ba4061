//! NB-IoT cells, recognised by their synchronisation signals and not decoded.
//!
//! The NPSS sends one short sequence in eleven symbols of every frame. One symbol of it is matched over the whole band in steps of
//! 15 kHz, and the powers of the eleven are summed over the frames; what stands out is a place to look at. There the signs of the
//! eleven symbols give the carrier, and the NSSS beside them the cell's identity. A cell is recognised by the NSSS alone: of 4032
//! hypotheses none reaches [`LEAST_SHARE`] in noise, and LTE's own signals, whose frames repeat as well, do not either
//! (`tests/lte_nb_iot.rs`, which also finds three carriers in a real recording). Measured there too: how weak a carrier may be.
//!
//! Standalone, guard band and in-band carriers look alike here. Within a band wider than 1.92 MHz the search goes over it piece by
//! piece.
//!
//! ## References
//! - 3GPP TS 36.211 Release 17, clauses 10.2.7 (NPSS, NSSS) and 10.2.8 (symbols)

use super::numerology::{BASE_FFT, BASE_FRAME, BASE_RATE, BASE_SUBFRAME, CyclicPrefix};
use crate::dsp::correlator::Correlator;
use crate::dsp::resample::Resampler;
use crate::units::Hz;
use num_complex::Complex32;
use std::f64::consts::{PI, TAU};

/// Subcarriers of a carrier.
pub const SUBCARRIERS: usize = 12;
/// Symbols of a subframe that hold a synchronisation signal: the first three are left to LTE; clauses 10.2.7.1.2 and 10.2.7.2.2.
pub const SYMBOLS: usize = 11;
/// Subcarriers of the NPSS.
const PRIMARY: usize = 11;
/// Its root index; clause 10.2.7.1.1.
const ROOT: f64 = 5.0;
/// S(l) for the last eleven symbols with normal prefix; TS 36.211 table 10.2.7.1.1-1.
const COVER: [f32; SYMBOLS] = [1.0, 1.0, 1.0, 1.0, -1.0, -1.0, 1.0, 1.0, 1.0, -1.0, 1.0];
/// Values of the NSSS.
pub const SECONDARY: usize = SUBCARRIERS * SYMBOLS;
/// Physical cell identities.
pub const IDENTITIES: u16 = 504;
/// Row of the 128 by 128 Sylvester-Hadamard matrix that is b_q; TS 36.211 table 10.2.7.2.1-1.
const HADAMARD_ROWS: [u32; 4] = [0, 31, 63, 127];
/// Frames looked at; every other one holds an NSSS.
const FRAMES: usize = 8;
/// Frames in which the NPSS is looked for.
const FIRST_FRAMES: usize = 4;
/// Samples looked at, at the base rate.
const NEEDED: usize = FRAMES * BASE_FRAME + BLOCK_FFT;
const BLOCK_FFT: usize = 2048;
const HOP: usize = 1920;
/// Bins of 937.5 Hz from one offset to the next, a subcarrier.
const GRID_BINS: i32 = 16;
/// Steps of the grid to either side of a piece's middle: 0.7 MHz.
const REACH: i32 = 47;
/// From the middle of a piece to the next, Hz.
const PIECE: f64 = 1.3e6;
/// Places looked at in a piece.
const MAX_PLACES: usize = 8;
/// Least sum of the NPSS that is a place to look at, standard deviations over the mean of its row.
const LEAST_SIGMAS: f32 = 6.0;
/// Least share of the energy that the NSSS must explain. In noise a hypothesis explains 1/132 of each occasion on average,
/// exponentially distributed: two occasions reach this with a chance of 6e-13.
pub const LEAST_SHARE: f32 = 0.12;

/// Frames with an NSSS that a cell is recognised by at least.
const LEAST_OCCASIONS: usize = 2;

/// An NB-IoT cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recognised {
    /// Narrowband physical cell identity.
    pub pci: u16,
    /// Carrier minus centre of the stream.
    pub offset: Hz,
    /// Share of the energy that its NSSS explains.
    pub share: f32,
}

/// The NPSS of one symbol before its sign, d_l(n); TS 36.211 clause 10.2.7.1.1.
pub fn npss() -> [Complex32; PRIMARY] {
    std::array::from_fn(|n| {
        let (im, re) = (-PI * ROOT * (n * (n + 1)) as f64 / PRIMARY as f64).sin_cos();
        Complex32::new(re as f32, im as f32)
    })
}

/// The NSSS of cell `pci` in frame `number`, in the order of mapping; TS 36.211 clause 10.2.7.2.1.
pub fn nsss(pci: u16, number: u16) -> [Complex32; SECONDARY] {
    let root = f64::from(pci % 126 + 3);
    let row = HADAMARD_ROWS[usize::from(pci / 126) % HADAMARD_ROWS.len()];
    // theta_f: a quarter of a turn a value for each of four frames in turn.
    let shift = f64::from(number / 2 % 4) * 33.0 / 132.0;
    std::array::from_fn(|n| {
        let (primed, m) = ((n % 131) as f64, (n % 128) as u32);
        let sign = if (row & m).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
        let turns = shift * n as f64 + root * primed * (primed + 1.0) / (2.0 * 131.0);
        let (im, re) = (-TAU * turns.fract()).sin_cos();
        Complex32::new((sign * re) as f32, (sign * im) as f32)
    })
}

/// Collects the beginning of a stream and looks for NB-IoT in it.
#[derive(Debug)]
pub struct Recogniser {
    rate: Hz,
    needed: usize,
    samples: Vec<Complex32>,
}

impl Recogniser {
    /// For a stream of `rate`; nothing is ever recognised below 1.92 Msps.
    pub fn new(rate: Hz) -> Recogniser {
        let usable = rate.0.is_finite() && rate.0 >= BASE_RATE.0 - 1e-6;
        let needed = if usable { (NEEDED as f64 * rate.0 / BASE_RATE.0).ceil() as usize + 64 } else { 0 };
        Recogniser { rate, needed, samples: Vec::new() }
    }

    /// Takes the next samples; those after the first 84 ms are not looked at.
    pub fn process(&mut self, samples: &[Complex32]) {
        let room = self.needed - self.samples.len();
        self.samples.extend_from_slice(&samples[..samples.len().min(room)]);
    }

    /// The cells, by ascending offset and identity.
    pub fn finish(&self) -> Vec<Recognised> {
        let ratio = self.rate.0 / BASE_RATE.0;
        let mut found: Vec<Recognised> = Vec::new();
        if self.needed == 0 || (self.samples.len() as f64) < (2 * BASE_FRAME + BLOCK_FFT) as f64 * ratio {
            return found;
        }
        let resampler = (ratio > 1.0 + 1e-9).then(|| Resampler::new(self.rate, BASE_RATE));
        let beside = ((self.rate.0 / 2.0 - BASE_RATE.0 / 2.0) / PIECE).ceil() as i32;
        let mut finder = Finder::new();
        for piece in -beside..=beside {
            let middle = Hz(f64::from(piece) * PIECE);
            let count = ((self.samples.len() as f64 / ratio) as usize).min(NEEDED);
            let narrow: Vec<Complex32> = match &resampler {
                None => self.samples[..count].to_vec(),
                Some(resampler) => {
                    let step = -middle.0 / self.rate.0;
                    let shifted: Vec<Complex32> =
                        (self.samples.iter().enumerate()).map(|(n, sample)| sample * unit(step * n as f64)).collect();
                    (0..count).map(|n| resampler.at(&shifted, n as f64 * ratio)).collect()
                }
            };
            for cell in finder.find(&narrow) {
                let cell = Recognised { offset: middle + cell.offset, ..cell };
                let same = |other: &Recognised| (other.offset.0 - cell.offset.0).abs() < 90e3;
                match found.iter_mut().find(|other| same(other)) {
                    Some(other) if other.share < cell.share => *other = cell,
                    Some(_) => {}
                    None => found.push(cell),
                }
            }
        }
        found.sort_by(|a, b| a.offset.0.total_cmp(&b.offset.0).then(a.pci.cmp(&b.pci)));
        found
    }
}

/// Looks at one piece of a band.
struct Finder {
    correlator: Correlator,
    /// One symbol of the NPSS without prefix.
    template: Vec<Complex32>,
    block: Vec<Complex32>,
    sums: Vec<f32>,
    /// By identity and frame modulo 8 over two.
    secondary: Vec<[Complex32; SECONDARY]>,
}

/// A place where an NPSS may be: its carrier, and where the useful part of its first symbol begins.
#[derive(Clone, Copy)]
struct Place {
    offset: f64,
    at: usize,
    sigmas: f32,
}

impl Finder {
    fn new() -> Finder {
        let template: Vec<Complex32> =
            (0..BASE_FFT).map(|n| npss().iter().zip(0..).map(|(value, k)| value * subcarrier(k, n)).sum()).collect();
        let all = (0..IDENTITIES).flat_map(|pci| (0..4).map(move |frame| nsss(pci, 2 * frame)));
        Finder {
            correlator: Correlator::new(std::slice::from_ref(&template), BLOCK_FFT, HOP),
            template,
            block: vec![Complex32::default(); BLOCK_FFT],
            sums: vec![0.0; BASE_FRAME],
            secondary: all.collect(),
        }
    }

    fn find(&mut self, samples: &[Complex32]) -> Vec<Recognised> {
        let mut found: Vec<Recognised> = Vec::new();
        for mut place in self.places(samples) {
            for _ in 0..2 {
                place.offset += self.carrier_error(samples, &place);
            }
            let Some((pci, share)) = self.identify(samples, &place) else { continue };
            let cell = Recognised { pci, offset: Hz(place.offset), share };
            if share >= LEAST_SHARE && found.iter().all(|other| (other.offset.0 - cell.offset.0).abs() > 90e3) {
                found.push(cell);
            }
        }
        found
    }

    /// Where the NPSS may be, the likeliest first.
    fn places(&mut self, samples: &[Complex32]) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        let frames = ((samples.len() - BASE_FFT) / BASE_FRAME).min(FIRST_FRAMES);
        for step in -REACH..=REACH {
            self.sums.fill(0.0);
            for first in (0..frames * BASE_FRAME).step_by(HOP) {
                let part = &samples[first..samples.len().min(first + BLOCK_FFT)];
                self.block[..part.len()].copy_from_slice(part);
                self.block[part.len()..].fill(Complex32::default());
                self.correlator.load(&self.block);
                self.correlator.accumulate(0, step * GRID_BINS, first % BASE_FRAME, &mut self.sums);
            }
            let sum = |at: usize| (0..SYMBOLS).map(|l| self.sums[(at + after_first(l)) % BASE_FRAME]).sum::<f32>();
            let all: Vec<f32> = (0..BASE_FRAME).map(sum).collect();
            let mean = all.iter().sum::<f32>() / BASE_FRAME as f32;
            let sigma = (all.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / BASE_FRAME as f32).sqrt();
            let offset = f64::from(step * GRID_BINS) * BASE_RATE.0 / BLOCK_FFT as f64;
            let best = (0..BASE_FRAME).max_by(|&a, &b| all[a].total_cmp(&all[b])).unwrap_or(0);
            let sigmas = (all[best] - mean) / sigma;
            if sigmas > LEAST_SIGMAS {
                places.push(Place { offset, at: best, sigmas });
            }
        }
        places.sort_by(|a, b| b.sigmas.total_cmp(&a.sigmas));
        places.truncate(MAX_PLACES);
        places
    }

    /// How far the carrier is from where `place` has it, by the turn from each symbol of the NPSS to the next.
    fn carrier_error(&self, samples: &[Complex32], place: &Place) -> f64 {
        let mut turn = Complex32::default();
        for frame in 0..FRAMES {
            let mut before = None;
            for (l, sign) in COVER.iter().enumerate() {
                let at = place.at + frame * BASE_FRAME + after_first(l);
                let Some(part) = samples.get(at..at + BASE_FFT) else { continue };
                let matched: Complex32 = (part.iter().zip(&self.template).zip(at..))
                    .map(|((sample, known), n)| sample * known.conj() * unit(-place.offset / BASE_RATE.0 * n as f64))
                    .sum::<Complex32>()
                    * *sign;
                if let Some(before) = before.replace(matched) {
                    turn += matched * before.conj();
                }
            }
        }
        // Ten steps of a symbol and its prefix, of which one in seven is a sample longer.
        let step = after_first(SYMBOLS - 1) as f64 / (SYMBOLS - 1) as f64;
        f64::from(turn.arg()) / TAU * BASE_RATE.0 / step
    }

    /// The identity whose NSSS explains most, and its share of the energy.
    fn identify(&self, samples: &[Complex32], place: &Place) -> Option<(u16, f32)> {
        // The NSSS stands four subframes after the NPSS, in every other frame, which may be the even or the odd ones seen.
        let received: Vec<Option<[Complex32; SECONDARY]>> = (0..FRAMES)
            .map(|frame| self.receive(samples, place, place.at + frame * BASE_FRAME + 4 * BASE_SUBFRAME))
            .collect();
        let mut best: Option<(u16, f32)> = None;
        for parity in 0..2 {
            let seen: Vec<(usize, &[Complex32; SECONDARY])> = (received.iter().enumerate())
                .filter(|(frame, _)| frame % 2 == parity)
                .filter_map(|(frame, values)| Some((frame / 2, values.as_ref()?)))
                .collect();
            if seen.len() < LEAST_OCCASIONS {
                continue;
            }
            for pci in 0..IDENTITIES {
                for first in 0..4 {
                    let shares = seen.iter().map(|(turn, values)| {
                        let known = &self.secondary[usize::from(pci) * 4 + (first + turn) % 4];
                        let sum: Complex32 = values.iter().zip(known).map(|(value, known)| value * known.conj()).sum();
                        sum.norm_sqr() / SECONDARY as f32
                    });
                    let share = shares.sum::<f32>() / seen.len() as f32;
                    if best.is_none_or(|(_, most)| share > most) {
                        best = Some((pci, share));
                    }
                }
            }
        }
        best
    }

    /// The subframe whose symbol 3 begins at `at`, its energy being one.
    fn receive(&self, samples: &[Complex32], place: &Place, at: usize) -> Option<[Complex32; SECONDARY]> {
        let mut values = [Complex32::default(); SECONDARY];
        for l in 0..SYMBOLS {
            let first = at + after_first(l);
            let part = samples.get(first..first + BASE_FFT)?;
            let turned: Vec<Complex32> = (part.iter().zip(first..))
                .map(|(sample, n)| sample * unit(-place.offset / BASE_RATE.0 * n as f64))
                .collect();
            for (k, value) in values[l * SUBCARRIERS..(l + 1) * SUBCARRIERS].iter_mut().enumerate() {
                *value = turned.iter().enumerate().map(|(n, sample)| sample * subcarrier(k, n).conj()).sum();
            }
        }
        let energy: f32 = values.iter().map(Complex32::norm_sqr).sum();
        let scale = 1.0 / energy.max(1e-20).sqrt();
        values.iter_mut().for_each(|value| *value *= scale);
        energy.is_finite().then_some(values)
    }
}

/// Sample `n` of the useful part of subcarrier `k`, of unit magnitude over root 128; they lie half a subcarrier beside the carrier; TS 36.211
/// clause 10.2.8.
fn subcarrier(k: usize, n: usize) -> Complex32 {
    let turns = (k as f64 - SUBCARRIERS as f64 / 2.0 + 0.5) * n as f64 / BASE_FFT as f64;
    unit(turns) / (BASE_FFT as f32).sqrt()
}

/// Samples from the first symbol of a synchronisation signal to its symbol `l`.
fn after_first(l: usize) -> usize {
    CyclicPrefix::Normal.useful(3 + l) - CyclicPrefix::Normal.useful(3)
}

fn unit(turns: f64) -> Complex32 {
    let (im, re) = (TAU * turns.fract()).sin_cos();
    Complex32::new(re as f32, im as f32)
}
