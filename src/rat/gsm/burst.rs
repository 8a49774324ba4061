//! Bursts: what is known of them beforehand, and how one is cut out of a narrow stream at symbol spacing.
//!
//! ## References
//! - 3GPP TS 45.002 Release 17: multiplexing and multiple access (bursts, clause 5.2)
//! - 3GPP TS 45.004 Release 17: modulation

use super::equalizer::{TAPS, Training};
use crate::dsp::channelizer::bessel_i0;
use crate::units::{Hz, SampleIndex};
use multiversion::multiversion;
use num_complex::Complex32;
use std::f64::consts::PI;

/// Symbols a second; TS 45.004 clause 2.1: 1625/6 ksymb/s.
pub const SYMBOL_RATE: f64 = 1_625_000.0 / 6.0;
/// Symbols of a TDMA frame; TS 45.002 clause 4.3.2: 8 timeslots of 156.25.
pub const FRAME_SYMBOLS: f64 = 1250.0;
/// Bits of a burst with its tails, without the guard period; TS 45.002 clause 5.2.
pub const BURST_BITS: usize = 148;
/// Frequency of an FCCH burst above the carrier: a quarter of the symbol rate; TS 45.002 clause 5.2.4.
pub const FCCH_TONE: Hz = Hz(SYMBOL_RATE / 4.0);

/// First bit of the training sequence of a normal burst; TS 45.002 clause 5.2.3.
pub const TSC_START: usize = 61;
/// First bit of the extended training sequence of a synchronisation burst; TS 45.002 clause 5.2.5.
pub const ETS_START: usize = 42;

/// Training sequences of normal bursts, first bit first; TS 45.002 table 5.2.3a. On the BCCH and CCCH the code is the BCC.
pub const TSC: [&[u8; 26]; 8] = [
    b"00100101110000100010010111",
    b"00101101110111100010110111",
    b"01000011101110100100001110",
    b"01000111101101000100011110",
    b"00011010111001000001101011",
    b"01001110101100000100111010",
    b"10100111110110001010011111",
    b"11101111000100101110111100",
];

/// Extended training sequence of the synchronisation burst; TS 45.002 clause 5.2.5.
pub const ETS: &[u8; 64] = b"1011100101100010000001000000111100101101010001010111011000011011";

/// Training of the synchronisation burst.
pub fn sch_training() -> Training {
    Training::new(ETS_START, ETS)
}

/// Training of normal bursts by training sequence code.
pub fn normal_training() -> [Training; 8] {
    TSC.map(|bits| Training::new(TSC_START, bits))
}

/// Samples of one burst: bit `n` has its main pulse at `n + PEAK`, so that `TAPS` taps hold what precedes and follows it.
pub const PEAK: usize = 1;
/// Length of a cut burst: every sample that one of its bits reaches.
pub const CUT: usize = BURST_BITS + TAPS - 1;

/// The recent past of a narrow stream, contiguous in memory.
#[derive(Debug)]
pub struct History {
    samples: Vec<Complex32>,
    first: u64,
    keep: usize,
}

impl History {
    /// Keeps at least the last `keep` samples; the first sample appended stands at `first`.
    pub fn new(keep: usize, first: SampleIndex) -> History {
        History { samples: Vec::with_capacity(2 * keep + 1024), first: first.0, keep }
    }

    /// Appends samples; what is older than needed goes.
    pub fn append(&mut self, samples: &[Complex32]) {
        if self.samples.len() + samples.len() > self.samples.capacity() {
            let drop = self.samples.len().saturating_sub(self.keep);
            self.samples.drain(..drop);
            self.first += drop as u64;
        }
        self.samples.extend_from_slice(samples);
    }

    /// Forgets everything; the next sample appended stands at `first`.
    pub fn restart(&mut self, first: SampleIndex) {
        self.samples.clear();
        self.first = first.0;
    }

    /// The oldest sample kept.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// One past the newest sample.
    pub fn end(&self) -> u64 {
        self.first + self.samples.len() as u64
    }

    /// The samples `from..to`, where all of them are kept.
    pub fn slice(&self, from: i64, to: i64) -> Option<&[Complex32]> {
        let from = usize::try_from(from - self.first as i64).ok()?;
        let to = usize::try_from(to - self.first as i64).ok()?;
        self.samples.get(from..to)
    }
}

/// Phases of the interpolating filter between two samples.
const PHASES: usize = 128;
/// Most samples that a filter spans: 24 at 400 ksps, twice that at 800.
const MAX_SPAN: usize = 64;
/// Most narrow samples that a cut touches: 800 ksps are 2.96 samples a symbol.
const MAX_INPUT: usize = 700;

/// Cuts bursts: mixes the carrier to zero, filters to the channel and samples once a symbol, all in one pass.
#[derive(Debug)]
pub struct Cutter {
    rate: f64,
    span: usize,
    /// `PHASES + 1` filters of `span` taps, every tap twice: once for I, once for Q.
    taps: Vec<f32>,
    mixed: Vec<f32>,
}

impl Cutter {
    /// For a narrow stream of `rate`, which must be 250 to 800 ksps. The filter passes `half` to either side of the carrier at -6 dB.
    pub fn new(rate: Hz, half: Hz) -> Cutter {
        // Kaiser 50 dB: transition = 2.93 * rate / span; 60 symbols-rate kHz wide wherever the rate allows it.
        let span = ((2.93 * rate.0 / 55e3) as usize + 1).next_multiple_of(4).min(MAX_SPAN);
        let beta = 4.55;
        let mut taps = Vec::with_capacity((PHASES + 1) * span * 2);
        for phase in 0..=PHASES {
            let shift = phase as f64 / PHASES as f64;
            let row: Vec<f64> = (0..span)
                .map(|t| {
                    // Tap t weighs the sample at floor(time) + t + 1 - span/2.
                    let x = t as f64 + 1.0 - span as f64 / 2.0 - shift;
                    let edge = 2.0 * x / (span as f64);
                    let window = if edge.abs() < 1.0 {
                        bessel_i0(beta * (1.0 - edge * edge).sqrt()) / bessel_i0(beta)
                    } else {
                        0.0
                    };
                    let turn = 2.0 * half.0 / rate.0;
                    let sinc = if x.abs() < 1e-9 { turn } else { (PI * turn * x).sin() / (PI * x) };
                    sinc * window
                })
                .collect();
            let gain: f64 = row.iter().sum();
            taps.extend(row.iter().flat_map(|tap| [(tap / gain) as f32; 2]));
        }
        Cutter { rate: rate.0, span, taps, mixed: vec![0.0; 2 * MAX_INPUT] }
    }

    /// Equivalent noise bandwidth of the filter.
    pub fn noise_bandwidth(&self) -> Hz {
        let sum: f64 = self.taps[..2 * self.span].iter().step_by(2).map(|tap| f64::from(*tap).powi(2)).sum();
        Hz(sum * self.rate)
    }

    /// The filter as `(offset in symbols, weight)`.
    pub fn prototype(&self) -> Vec<(f64, f64)> {
        let symbols = SYMBOL_RATE / self.rate;
        let taps = self.taps[..2 * self.span].iter().step_by(2).enumerate();
        taps.map(|(t, tap)| ((t as f64 + 1.0 - self.span as f64 / 2.0) * symbols, f64::from(*tap))).collect()
    }

    /// Narrow samples before and after the sampled instants that a cut needs.
    pub fn reach(&self) -> f64 {
        self.span as f64 / 2.0 + 1.0
    }

    /// Samples `history` at `start + k * step` for each `out[k]`, `offset` mixed to zero and the carrier's quarter turn a symbol taken out.
    ///
    /// `start` and `step` in narrow samples. The mixer's phase refers to sample 0 of the stream, so that bursts are coherent. `false` where the history does not hold
    /// every sample needed.
    pub fn cut(&mut self, history: &History, start: f64, step: f64, offset: Hz, out: &mut [Complex32]) -> bool {
        let last = start + step * (out.len() as f64 - 1.0);
        let from = start.floor() as i64 + 1 - self.span as i64 / 2;
        let to = last.floor() as i64 + 2 + self.span as i64 / 2;
        let Some(input) = history.slice(from, to) else { return false };
        if input.len() > MAX_INPUT {
            return false;
        }
        let turn = -offset.0 / self.rate;
        mix(input, (turn * from as f64).rem_euclid(1.0), turn, &mut self.mixed);
        let width = 2 * self.span;
        for (k, out) in out.iter_mut().enumerate() {
            let at = start + step * k as f64 - from as f64 + 1.0 - self.span as f64 / 2.0;
            let whole = at.floor();
            let phase = ((at - whole) * PHASES as f64 + 0.5) as usize;
            let taps = &self.taps[phase * width..(phase + 1) * width];
            let begin = 2 * whole as usize;
            let sum = dot(taps, &self.mixed[begin..begin + width]);
            // Multiply by j^-k.
            *out = match k & 3 {
                0 => sum,
                1 => Complex32::new(sum.im, -sum.re),
                2 => -sum,
                _ => Complex32::new(-sum.im, sum.re),
            };
        }
        true
    }
}

/// `input[n] * exp(j 2 pi (start + n turn))` as interleaved I and Q.
fn mix(input: &[Complex32], start: f64, turn: f64, out: &mut [f32]) {
    let phasor = |turns: f64| {
        let (sin, cos) = (2.0 * PI * turns).sin_cos();
        Complex32::new(cos as f32, sin as f32)
    };
    let step = phasor(turn);
    // The phasor is started afresh every 64 samples: rounding does not add up.
    for (i, (input, out)) in input.chunks(64).zip(out.chunks_mut(128)).enumerate() {
        let mut rotor = phasor((start + turn * (64 * i) as f64).rem_euclid(1.0));
        for (sample, out) in input.iter().zip(out.chunks_exact_mut(2)) {
            let mixed = sample * rotor;
            out[0] = mixed.re;
            out[1] = mixed.im;
            rotor *= step;
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn dot(taps: &[f32], samples: &[f32]) -> Complex32 {
    let mut sums = [0f32; 8];
    for (taps, samples) in taps.chunks_exact(8).zip(samples.chunks_exact(8)) {
        for lane in 0..8 {
            sums[lane] += taps[lane] * samples[lane];
        }
    }
    Complex32::new(sums[0] + sums[2] + sums[4] + sums[6], sums[1] + sums[3] + sums[5] + sums[7])
}
