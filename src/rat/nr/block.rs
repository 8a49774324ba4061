//! One synchronisation block, from the place of its PSS to its message and its measurements.
//!
//! The block is cut out of the stream at twice the samples of its bandwidth. The halves of the PSS refine place and carrier; the SSS tells
//! the cell, and with the PSS, two symbols before it, carrier and place once more; with both the block is demodulated again. The reference
//! signal of PBCH that fits tells the number of the block, SSS and reference signal together the channel, smoothed over subcarriers, and
//! PBCH is decoded. What it says makes the whole block known: level, noise, carrier and timing are measured from all of it.
//!
//! Each symbol of NR starts with its own phase: an element at the frequency f has phase zero where the useful part of its symbol begins
//! (TS 38.211 clause 5.4). Seen from a receiver that stands at f all the time, symbols are turned against each other by f times their
//! distance. That is undone before any two of them are compared.

use super::numerology::{CENTRE, Kind, PREFIX, SUBCARRIERS, SYMBOL, SYMBOLS, Spacing};
use super::pbch::{self, Message, Pbch};
use super::search::{Peak, mix, template};
use super::sync::{FIRST, GROUPS, IDENTITIES, LENGTH, pss, reference, sss};
use crate::dsp::ofdm::Ofdm;
use crate::dsp::resample::Resampler;
use crate::units::{Db, Dbfs, Hz};
use num_complex::Complex32;
use std::f64::consts::TAU;

/// Samples of a symbol without its prefix at the rate that a block is read at.
const FFT: usize = 512;
/// Samples before the useful part at which a symbol is cut, a quarter of the prefix: what comes early does not spill in.
const EARLY: f64 = PREFIX * FFT as f64 / 4.0;
/// Least match of the SSS: energy in it over the mean that noise gives to one sequence. The best of 336 reaches it in one of nine peaks of
/// noise, which then cost an attempt at a message.
const LEAST_SSS: f32 = 8.0;
/// Hypotheses of the reference signal that are decoded, the best first.
const TRIED: usize = 2;
/// Deviation of the weights by which the channel is smoothed over subcarriers: echoes 2 us late keep three quarters of their amplitude at
/// 15 kHz, those 1 us late at 30 kHz.
const SMOOTH: f32 = 4.0;
/// The weights end here.
const REACH: usize = 12;
/// Bins of the impulse response a sample.
const FINER: usize = 8;

/// The elements of a block, symbol by symbol.
type Grid = [[Complex32; SUBCARRIERS]; SYMBOLS];

/// A block that was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// Physical cell identity.
    pub pci: u16,
    /// What it says.
    pub message: Message,
    /// Match of the decoded word, standard deviations of chance.
    pub matched: f32,
    /// Where its first prefix begins, samples of the stream after the first one given.
    pub at: f64,
    /// One standard deviation of `at`, noise alone.
    pub at_sigma: f64,
    /// Carrier minus nominal.
    pub error: Hz,
    /// One standard deviation of `error`: noise, and what the phases of the symbols stray.
    pub error_sigma: Hz,
    /// SS-RSRP: power of one element of the SSS; TS 38.215 clause 5.1.1.
    pub rsrp: Dbfs,
    /// One standard deviation of `rsrp`, noise alone.
    pub rsrp_sigma: Db,
    /// Power of an element over noise and interference in it.
    pub snr: Db,
}

/// Reads blocks of one spacing out of streams of one rate.
#[derive(Debug)]
pub struct Reader {
    rate: Hz,
    spacing: Spacing,
    resampler: Resampler,
    ofdm: Ofdm,
    templates: [Vec<Complex32>; 3],
    primary: [[f32; LENGTH]; 3],
    secondary: Vec<[f32; LENGTH]>,
    mixed: Vec<Complex32>,
    narrow: Vec<Complex32>,
    grid: Box<Grid>,
    pbch: Pbch,
    soft: Vec<f32>,
    pilots: Vec<(usize, Complex32)>,
}

/// Where a block is in the narrow samples.
#[derive(Clone, Copy, Debug)]
struct Fit {
    /// Start of the useful part of its first symbol.
    at: f64,
    /// Carrier minus nominal.
    error: f64,
}

/// Channel and noise of an element.
struct Channel {
    gains: [Complex32; SUBCARRIERS],
    noise: f32,
}

impl Reader {
    /// For streams of `rate`.
    pub fn new(rate: Hz, spacing: Spacing) -> Reader {
        Reader {
            rate,
            spacing,
            resampler: Resampler::new(rate, Hz(spacing.hz().0 * FFT as f64)),
            ofdm: Ofdm::new(FFT),
            templates: [0, 1, 2].map(|n_id_2| template(n_id_2, FFT)),
            primary: [0, 1, 2].map(pss),
            secondary: (0..IDENTITIES).map(sss).collect(),
            mixed: Vec::new(),
            narrow: Vec::new(),
            grid: Box::new([[Complex32::default(); SUBCARRIERS]; SYMBOLS]),
            pbch: Pbch::new(),
            soft: vec![0.0; pbch::SENT],
            pilots: Vec::new(),
        }
    }

    /// Reads the block of a peak in `samples` of a stream tuned to `center`; `nominal`: its place on the raster. `None` where there is
    /// none, it is not there whole, or its message does not stand the tests.
    pub fn read(&mut self, samples: &[Complex32], center: Hz, nominal: Hz, kind: Kind, peak: &Peak) -> Option<Block> {
        let origin = self.cut(samples, center, nominal, peak)?;
        let ratio = self.resampler.ratio();
        let mut fit = Fit { at: (peak.at - origin as f64) / ratio, error: peak.error.0 };
        self.refine(peak.n_id_2, &mut fit);
        self.demodulate(nominal, fit)?;
        let pci = self.identify(peak.n_id_2)?;
        self.align(pci, &mut fit);
        self.demodulate(nominal, fit)?;
        let (message, matched) = self.decode(pci, kind, nominal)?;
        let block = self.measure(pci, message, &mut fit);
        let at = origin as f64 + (fit.at - PREFIX * FFT as f64) * ratio;
        Some(Block { matched, at, at_sigma: block.at_sigma * ratio, ..block })
    }

    /// Brings what may be the block to the rate that it is read at, turned to its nominal place; the sample of the stream at which the
    /// narrow ones begin.
    fn cut(&mut self, samples: &[Complex32], center: Hz, nominal: Hz, peak: &Peak) -> Option<usize> {
        let ratio = self.resampler.ratio();
        let margin = 16.0 * ratio + self.resampler.reach() as f64;
        let begin = (peak.at - PREFIX * FFT as f64 * ratio - margin).max(0.0).floor() as usize;
        let length = ((SYMBOLS as f64 * SYMBOL * FFT as f64) * ratio + 2.0 * margin).ceil() as usize;
        let part = samples.get(begin..samples.len().min(begin + length))?;
        mix(part, (center.0 - nominal.0) / self.rate.0, &mut self.mixed);
        let count = (part.len() as f64 / ratio) as usize;
        self.narrow.clear();
        self.narrow.extend((0..count).map(|n| self.resampler.at(&self.mixed, n as f64 * ratio)));
        Some(begin)
    }

    /// Refines place and carrier from the two halves of the PSS.
    fn refine(&self, n_id_2: u16, fit: &mut Fit) {
        let own = self.spacing.hz().0 * FFT as f64;
        let template = &self.templates[usize::from(n_id_2)];
        for reach in [4i64, 2] {
            let step = -TAU * fit.error / own;
            let place = fit.at.round() as i64;
            let mut best = (-1.0f32, place, Complex32::default());
            for at in place - reach..=place + reach {
                let Some(part) = usize::try_from(at).ok().and_then(|at| self.narrow.get(at..at + FFT)) else {
                    continue;
                };
                let mut halves = [Complex32::default(); 2];
                for (n, (value, expected)) in part.iter().zip(template).enumerate() {
                    let turn = Complex32::from_polar(1.0, (step * n as f64) as f32);
                    halves[n / (FFT / 2)] += value * expected.conj() * turn;
                }
                let power = (halves[0] + halves[1]).norm_sqr();
                if power > best.0 {
                    best = (power, at, halves[1] * halves[0].conj());
                }
            }
            fit.at = best.1 as f64;
            // The centres of the halves are half a symbol apart.
            fit.error += f64::from(best.2.arg()) / TAU * self.spacing.hz().0 * 2.0;
        }
    }

    /// Fills the grid; `None` where the block is not there whole.
    fn demodulate(&mut self, nominal: Hz, fit: Fit) -> Option<()> {
        let step = fit.error / (self.spacing.hz().0 * FFT as f64);
        for (l, symbol) in self.grid.iter_mut().enumerate() {
            let useful = fit.at + l as f64 * SYMBOL * FFT as f64 * (1.0 - fit.error / nominal.0);
            let at = (useful - EARLY).floor();
            // The first symbol may miss the quarter of a prefix where a recording begins.
            let begin = usize::try_from(at as i64).ok()?;
            let window = self.narrow.get(begin..begin + FFT)?;
            let turns = step * (at - fit.at);
            self.ofdm.demodulate_from(window, useful - at, (turns, step), -(CENTRE as i64), symbol);
            let phase = (nominal.0 * l as f64 * SYMBOL / self.spacing.hz().0).fract() * TAU;
            let turn = Complex32::from_polar(1.0, phase as f32);
            symbol.iter_mut().for_each(|value| *value *= turn);
        }
        Some(())
    }

    /// The 127 middle elements of a symbol, each times a sign.
    fn middle(&self, l: usize, signs: &[f32; LENGTH]) -> [Complex32; LENGTH] {
        let mut values = [Complex32::default(); LENGTH];
        values.copy_from_slice(&self.grid[l][FIRST..FIRST + LENGTH]);
        values.iter_mut().zip(signs).for_each(|(value, sign)| *value *= sign);
        values
    }

    /// The cell whose SSS fits best to the channel that the PSS saw.
    fn identify(&self, n_id_2: u16) -> Option<u16> {
        let primary = self.middle(0, &self.primary[usize::from(n_id_2)]);
        let mut equalised = [Complex32::default(); LENGTH];
        for (n, value) in equalised.iter_mut().enumerate() {
            let near: Complex32 = primary[n.saturating_sub(3)..LENGTH.min(n + 4)].iter().sum();
            *value = self.grid[2][FIRST + n] * near.conj();
        }
        let energy: f32 = equalised.iter().map(Complex32::norm_sqr).sum();
        let matched = |n_id_1: u16| {
            let signs = &self.secondary[usize::from(3 * n_id_1 + n_id_2)];
            equalised.iter().zip(signs).map(|(value, sign)| value * sign).sum::<Complex32>().norm_sqr()
        };
        let best = (0..GROUPS).map(|n_id_1| (matched(n_id_1), n_id_1)).max_by(|a, b| a.0.total_cmp(&b.0))?;
        (best.0 > LEAST_SSS * energy).then_some(3 * best.1 + n_id_2)
    }

    /// Refines place and carrier by PSS and SSS together.
    fn align(&self, pci: u16, fit: &mut Fit) {
        let first = self.middle(0, &self.primary[usize::from(pci % 3)]);
        let second = self.middle(2, &self.secondary[usize::from(pci)]);
        let turn: Complex32 = first.iter().zip(&second).map(|(a, b)| a.conj() * b).sum();
        fit.error += f64::from(turn.arg()) / TAU * self.spacing.hz().0 / (2.0 * SYMBOL);
        let slope: Complex32 =
            [&first, &second].iter().flat_map(|part| part.windows(2)).map(|w| w[0].conj() * w[1]).sum();
        fit.at -= f64::from(slope.arg()) / TAU * FFT as f64;
    }

    /// Reads the message under the hypotheses that the reference signal makes likely.
    fn decode(&mut self, pci: u16, kind: Kind, nominal: Hz) -> Option<(Message, f32)> {
        let mut likely: Vec<(f32, u8)> = (0..8).map(|i_bar| (self.likeness(pci, i_bar), i_bar)).collect();
        likely.sort_by(|a, b| b.0.total_cmp(&a.0));
        for &(_, i_bar) in &likely[..TRIED] {
            let channel = self.channel(pci, i_bar);
            let scale = 2.0 * std::f32::consts::SQRT_2 / channel.noise;
            for ((l, k), soft) in pbch::elements(pci).zip(self.soft.chunks_exact_mut(2)) {
                let value = self.grid[l][k] * channel.gains[k].conj() * scale;
                (soft[0], soft[1]) = (value.re, value.im);
            }
            for &most in pbch::most_blocks(kind, nominal) {
                if let Some(found) = self.pbch.decode(&self.soft, pci, i_bar, most) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// How well the channel goes on from each reference element to the next if the signal is that of `i_bar`.
    fn likeness(&self, pci: u16, i_bar: u8) -> f32 {
        let known = reference(pci, i_bar);
        let mut last: Option<((usize, usize), Complex32)> = None;
        let mut sum = Complex32::default();
        for ((l, k), known) in pbch::references(pci).zip(known) {
            let value = self.grid[l][k] * known.conj();
            if let Some(((m, j), before)) = last
                && m == l
                && k - j == 4
            {
                sum += before.conj() * value;
            }
            last = Some(((l, k), value));
        }
        sum.re
    }

    /// The channel by SSS and reference signal.
    fn channel(&mut self, pci: u16, i_bar: u8) -> Channel {
        let known = reference(pci, i_bar);
        let secondary = self.middle(2, &self.secondary[usize::from(pci)]);
        self.pilots.clear();
        self.pilots.extend(pbch::references(pci).zip(&known).map(|((l, k), r)| (k, self.grid[l][k] * r.conj())));
        self.pilots.extend(secondary.iter().enumerate().map(|(n, value)| (FIRST + n, *value)));
        smooth(&self.pilots)
    }

    /// Measures a block of which everything is known.
    fn measure(&mut self, pci: u16, message: Message, fit: &mut Fit) -> Block {
        let mut known = vec![[Complex32::default(); SUBCARRIERS]; SYMBOLS];
        let i_bar = self.likely(pci, &message);
        pbch::references(pci).zip(reference(pci, i_bar)).for_each(|((l, k), value)| known[l][k] = value);
        pbch::elements(pci).zip(self.pbch.encode(pci, &message)).for_each(|((l, k), value)| known[l][k] = value);
        for n in 0..LENGTH {
            known[0][FIRST + n] = Complex32::new(self.primary[usize::from(pci % 3)][n], 0.0);
            known[2][FIRST + n] = Complex32::new(self.secondary[usize::from(pci)][n], 0.0);
        }
        self.pilots.clear();
        for (l, known) in known.iter_mut().enumerate() {
            known.iter_mut().zip(&self.grid[l]).for_each(|(known, value)| *known = value * known.conj());
            // The PSS may be sent 3 dB stronger; TS 38.213 clause 4.1.
            let sent = (0..SUBCARRIERS).filter(|&k| l > 0 && is_sent(l, k));
            self.pilots.extend(sent.map(|k| (k, known[k])));
        }
        let seen = known;
        let channel = smooth(&self.pilots);
        let power: f32 = (0..LENGTH).map(|n| channel.gains[FIRST + n].norm_sqr()).sum::<f32>() / LENGTH as f32;
        let snr = f64::from(power / channel.noise);

        // A straight line through the phases of the four symbols.
        let (mut weights, mut places, mut phases) = ([0.0f64; SYMBOLS], 0.0, 0.0);
        let mut turned = [0.0f64; SYMBOLS];
        for l in 0..SYMBOLS {
            let (mut sum, mut energy) = (Complex32::default(), 0.0f32);
            for k in (0..SUBCARRIERS).filter(|&k| is_sent(l, k)) {
                sum += channel.gains[k].conj() * seen[l][k];
                energy += channel.gains[k].norm_sqr();
            }
            (turned[l], weights[l]) = (f64::from(sum.arg()), 2.0 * f64::from(energy / channel.noise));
            places += weights[l] * l as f64;
            phases += weights[l] * turned[l];
        }
        let whole: f64 = weights.iter().sum();
        let (middle, mean) = (places / whole, phases / whole);
        let (mut product, mut square) = (0.0, 0.0);
        for l in 0..SYMBOLS {
            let apart = l as f64 - middle;
            product += weights[l] * apart * (turned[l] - mean);
            square += weights[l] * apart * apart;
        }
        let hertz = self.spacing.hz().0 / SYMBOL / TAU;
        let slope = product / square;
        fit.error += slope * hertz;
        // Transmitters' phase noise from symbol to symbol may exceed that of reception: then the line tells how little it is sure of.
        let strayed = (0..SYMBOLS).map(|l| weights[l] * (turned[l] - mean - slope * (l as f64 - middle)).powi(2));
        let excess = (strayed.sum::<f64>() / (SYMBOLS - 2) as f64).max(1.0);

        // The greatest value of the impulse response.
        let late = self.delay(&channel.gains);
        fit.at += late;
        let spread = (SUBCARRIERS * SUBCARRIERS) as f64 / 12.0;
        let elements = (2 * SUBCARRIERS + 96 + LENGTH) as f64;
        let at_sigma = FFT as f64 / TAU / (2.0 * snr * elements * spread).sqrt();
        let rsrp_sigma = Db(10.0 / std::f64::consts::LN_10 * (2.0 / (snr * elements)).sqrt());
        Block {
            pci,
            message,
            matched: 0.0,
            at: 0.0,
            at_sigma,
            error: Hz(fit.error),
            error_sigma: Hz(hertz * (excess / square).sqrt()),
            // A full-scale sine gives the root of the transform's length.
            rsrp: Dbfs(Db::from_ratio(f64::from(power) / FFT as f64).0),
            rsrp_sigma,
            snr: Db::from_ratio(snr),
        }
    }

    /// The number of the reference signal that goes with a message: with four blocks a half frame it tells the half.
    fn likely(&self, pci: u16, message: &Message) -> u8 {
        let other = message.index % 4 + 4 * message.half;
        let better = self.likeness(pci, other) > self.likeness(pci, message.index);
        if better { other } else { message.index }
    }

    /// Where the strongest path stands behind the place that was assumed, narrow samples.
    fn delay(&self, gains: &[Complex32; SUBCARRIERS]) -> f64 {
        let power = |at: f64| -> f64 {
            let step = TAU * at / FFT as f64;
            let mut sum = num_complex::Complex64::default();
            for (k, gain) in gains.iter().enumerate() {
                let turn = num_complex::Complex64::from_polar(1.0, step * (k as f64 - CENTRE as f64));
                sum += num_complex::Complex64::new(f64::from(gain.re), f64::from(gain.im)) * turn;
            }
            sum.norm_sqr()
        };
        let span = (EARLY * 2.0) as i64 * FINER as i64;
        let place = |n: i64| n as f64 / FINER as f64;
        let best = (-span..=span).max_by(|&a, &b| power(place(a)).total_cmp(&power(place(b)))).unwrap_or(0);
        let [before, here, after] = [best - 1, best, best + 1].map(|n| power(place(n)));
        let curve = before - 2.0 * here + after;
        let aside = if curve < 0.0 { 0.5 * (before - after) / curve } else { 0.0 };
        (best as f64 + aside.clamp(-1.0, 1.0)) / FINER as f64
    }
}

/// Whether a block sends anything in an element; TS 38.211 table 7.4.3.1-1.
fn is_sent(l: usize, k: usize) -> bool {
    let middle = (FIRST..FIRST + LENGTH).contains(&k);
    match l {
        0 => middle,
        2 => middle || !(48..192).contains(&k),
        _ => true,
    }
}

/// The channel at each subcarrier from what was seen at some, and the noise that is left.
fn smooth(pilots: &[(usize, Complex32)]) -> Channel {
    let mut sums = [(Complex32::default(), 0.0f32); SUBCARRIERS];
    for &(k, value) in pilots {
        sums[k].0 += value;
        sums[k].1 += 1.0;
    }
    let weights: [f32; REACH + 1] = std::array::from_fn(|n| (-0.5 * (n as f32 / SMOOTH).powi(2)).exp());
    let mut gains = [Complex32::default(); SUBCARRIERS];
    // Variance of each gain and its dependence on a pilot at its own place, in units of the noise.
    let mut shares = [(0.0f32, 0.0f32); SUBCARRIERS];
    for k in 0..SUBCARRIERS {
        let (mut sum, mut weight, mut squares) = (Complex32::default(), 0.0, 0.0);
        for (j, &(value, count)) in sums.iter().enumerate().take(k + REACH + 1).skip(k.saturating_sub(REACH)) {
            let w = weights[j.abs_diff(k)];
            sum += value * w;
            weight += w * count;
            squares += w * w * count;
        }
        gains[k] = sum / weight.max(1e-9);
        shares[k] = (squares / (weight * weight).max(1e-9), 1.0 / weight.max(1e-9));
    }
    let (mut left, mut degrees) = (0.0f32, 0.0f32);
    for &(k, value) in pilots {
        left += (value - gains[k]).norm_sqr();
        degrees += 1.0 + shares[k].0 - 2.0 * shares[k].1;
    }
    Channel { gains, noise: (left / degrees.max(1.0)).max(1e-20) }
}
