//! The samples of a stream as the receiver wants them: at a multiple of 1.92 Msps, and only the stretches that somebody asked for.
//!
//! A stretch to be searched is kept whole. While known cells are followed, what none of their subframes needs is neither resampled
//! nor copied.

use super::grid::{Cutter, Stretch};
use super::numerology::{BASE_FFT, BASE_FRAME, BASE_RATE};
use super::search::{Candidate, MAX_HALF_FRAMES, Searcher};
use crate::dsp::resample::Resampler;
use crate::units::Hz;
use num_complex::Complex32;
use std::ops::Range;

/// Samples searched at the base rate: a block of the correlator more than the half-frames that are summed.
const SEARCHED: usize = MAX_HALF_FRAMES * BASE_FRAME / 2 + BASE_FRAME / 10;
/// The highest rate worked at, in units of the base rate: 30.72 Msps holds the widest carrier.
const MAX_SCALE: usize = 16;

/// The stream at the rate worked at, and what works on it.
#[derive(Debug)]
pub struct Intake {
    /// Cuts symbols out of the stream.
    pub cutter: Cutter,
    scale: usize,
    /// Present where the stream's own rate does not fit.
    resampler: Option<Resampler>,
    raw: Vec<Complex32>,
    /// Place of `raw[0]` in the stream as it comes.
    raw_first: u64,
    samples: Vec<Complex32>,
    /// Place of `samples[0]`, at the rate worked at.
    first: u64,
    /// Place of the sample to be made next.
    made: u64,
    /// What is to be taken next.
    goal: Range<u64>,
    decimator: Option<Resampler>,
    narrow: Vec<Complex32>,
    searcher: Searcher,
}

impl Intake {
    /// Takes a stream of `rate`, first of all `window` samples at the base rate; `None` where it is too slow to hold six resource blocks.
    pub fn new(rate: Hz, window: u64) -> Option<Intake> {
        let fits = (rate.0 / BASE_RATE.0 + 1e-9).floor();
        if fits < 1.0 {
            return None;
        }
        let scale = (fits as usize).min(MAX_SCALE);
        let own = Hz(BASE_RATE.0 * scale as f64);
        Some(Intake {
            cutter: Cutter::new(scale),
            scale,
            resampler: ((rate.0 - own.0).abs() > 1e-6).then(|| Resampler::new(rate, own)),
            raw: Vec::new(),
            raw_first: 0,
            samples: Vec::new(),
            first: 0,
            made: 0,
            goal: 0..window * scale as u64,
            decimator: (scale > 1).then(|| Resampler::new(own, BASE_RATE)),
            narrow: Vec::new(),
            searcher: Searcher::new(),
        })
    }

    /// The rate worked at in units of the base rate.
    pub fn scale(&self) -> u64 {
        self.scale as u64
    }

    /// Place of the sample to be made next.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Lets go of what lies before `kept`; `goal` is taken next, what lies before it being skipped where nothing is kept.
    pub fn keep(&mut self, kept: u64, goal: Range<u64>) {
        let past = kept.saturating_sub(self.first).min(self.samples.len() as u64);
        self.samples.drain(..past as usize);
        self.first += past;
        self.goal = goal;
    }

    /// Takes samples until what is to be taken is there; how many it took, and whether it is.
    pub fn fill(&mut self, samples: &[Complex32]) -> (usize, bool) {
        let Some(resampler) = &self.resampler else {
            let mut taken = 0;
            if self.samples.is_empty() {
                taken = self.goal.start.saturating_sub(self.made).min(samples.len() as u64) as usize;
                self.made += taken as u64;
                self.first = self.made;
            }
            self.samples.reserve_exact(left(&self.goal, self.made));
            let more = self.goal.end.saturating_sub(self.made).min((samples.len() - taken) as u64) as usize;
            self.samples.extend_from_slice(&samples[taken..taken + more]);
            self.made += more as u64;
            return (taken + more, self.made >= self.goal.end);
        };
        // A bounded piece at a time: what there is no room for waits in `raw`.
        let taken = samples.len().min(1 << 16);
        self.raw.extend_from_slice(&samples[..taken]);
        let reach = resampler.reach() as f64 + 1.0;
        let there = |place: u64| place as f64 * resampler.ratio() - self.raw_first as f64;
        if self.samples.is_empty() {
            // No further than there are samples.
            let last = ((self.raw_first as f64 + self.raw.len() as f64 - reach) / resampler.ratio()).floor().max(0.0);
            self.made = self.made.max(self.goal.start.min(last as u64));
            self.first = self.made;
        }
        self.samples.reserve_exact(left(&self.goal, self.made));
        while self.made < self.goal.end && there(self.made) + reach <= self.raw.len() as f64 {
            if self.samples.is_empty() && self.made < self.goal.start {
                self.first = self.made + 1;
            } else {
                self.samples.push(resampler.at(&self.raw, there(self.made)));
            }
            self.made += 1;
        }
        let past = ((there(self.made) - reach).floor().max(0.0) as usize).min(self.raw.len());
        self.raw.drain(..past);
        self.raw_first += past as u64;
        (taken, self.made >= self.goal.end)
    }

    /// Candidates in the first 80 ms of what is there.
    pub fn search(&mut self, offsets: (i32, i32), carrier: Hz) -> Vec<Candidate> {
        let count = SEARCHED.min(self.samples.len() / self.scale);
        let Some(decimator) = &self.decimator else {
            return self.searcher.search(&self.samples[..count], offsets, carrier);
        };
        self.narrow.clear();
        self.narrow.extend((0..count).map(|n| decimator.at(&self.samples, (n * self.scale) as f64)));
        self.searcher.search(&self.narrow, offsets, carrier)
    }

    /// What is there.
    pub fn stretch(&self) -> Stretch<'_> {
        Stretch { samples: &self.samples, first: self.first }
    }

    /// The same, with what cuts it.
    pub fn view(&mut self) -> (&mut Cutter, Stretch<'_>) {
        (&mut self.cutter, Stretch { samples: &self.samples, first: self.first })
    }
}

/// How much is still to be taken. Room is made for that and no more: a window at 19.2 Msps is 25 MB.
fn left(goal: &Range<u64>, made: u64) -> usize {
    usize::try_from(goal.end.saturating_sub(made.max(goal.start))).unwrap_or(0)
}

const _: () = assert!(BASE_FRAME / 10 >= BASE_FFT + 128);
