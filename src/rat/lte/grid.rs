//! Subframes of a stream as resource elements.

use super::numerology::{BASE_FFT, BASE_FRAME, BASE_SUBFRAME, CyclicPrefix, SUBFRAMES};
use crate::dsp::ofdm::Ofdm;
use crate::units::Hz;
use num_complex::Complex32;
use std::ops::Range;

/// A stretch of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Stretch<'a> {
    /// The samples.
    pub samples: &'a [Complex32],
    /// Place of the first one in the stream.
    pub first: u64,
}

impl<'a> Stretch<'a> {
    fn window(&self, at: i64, length: usize) -> Option<&'a [Complex32]> {
        let begin = usize::try_from(at.checked_sub_unsigned(self.first)?).ok()?;
        self.samples.get(begin..begin.checked_add(length)?)
    }

    /// Place after the last sample.
    pub fn end(&self) -> f64 {
        (self.first + self.samples.len() as u64) as f64
    }
}

/// Where a cell's frames are in a stream, and its carrier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Start of the frame that counts as number 0, samples.
    pub start: f64,
    /// Samples from one frame to the next.
    pub period: f64,
    /// Carrier minus centre of the stream.
    pub offset: Hz,
}

impl Pace {
    /// A frame lasts what it should, give or take 0.1 %, and stands somewhere: rubbish may have led anywhere.
    pub fn is_sane(&self, frame: f64) -> bool {
        self.start.is_finite() && self.offset.0.is_finite() && (self.period / frame - 1.0).abs() < 1e-3
    }

    /// Start of subframe `subframe` of frame `frame`.
    pub fn subframe(&self, frame: i64, subframe: usize) -> f64 {
        self.start + (frame as f64 + subframe as f64 / SUBFRAMES as f64) * self.period
    }
}

/// Cuts subframes out of a stream whose rate is `scale` times the base rate.
#[derive(Debug)]
pub struct Cutter {
    ofdm: Ofdm,
    scale: usize,
    rate: Hz,
}

/// The resource elements of one subframe, symbol by symbol.
#[derive(Clone, Debug)]
pub struct Grid {
    values: Vec<Complex32>,
    subcarriers: usize,
}

impl Grid {
    /// An empty grid of `subcarriers` by `symbols`.
    pub fn new(subcarriers: usize, symbols: usize) -> Grid {
        Grid { values: vec![Complex32::default(); subcarriers * symbols], subcarriers }
    }

    /// The subcarriers of a symbol, lowest first.
    pub fn symbol(&self, symbol: usize) -> &[Complex32] {
        &self.values[symbol * self.subcarriers..(symbol + 1) * self.subcarriers]
    }

    /// The same to be written.
    pub fn symbol_mut(&mut self, symbol: usize) -> &mut [Complex32] {
        &mut self.values[symbol * self.subcarriers..(symbol + 1) * self.subcarriers]
    }

    /// Subcarriers a symbol.
    pub fn subcarriers(&self) -> usize {
        self.subcarriers
    }
}

impl Cutter {
    /// For streams of `scale` times the base rate.
    pub fn new(scale: usize) -> Cutter {
        let rate = Hz(super::numerology::BASE_RATE.0 * scale as f64);
        Cutter { ofdm: Ofdm::new(BASE_FFT * scale), scale, rate }
    }

    /// Samples of a frame by the nominal rate.
    pub fn frame(&self) -> f64 {
        (BASE_FRAME * self.scale) as f64
    }

    /// Samples a second.
    pub fn rate(&self) -> Hz {
        self.rate
    }

    /// Samples of an FFT.
    pub fn symbol_len(&self) -> usize {
        self.ofdm.symbol_len()
    }

    /// Most subcarriers that a stream of this rate holds.
    pub fn max_subcarriers(&self) -> usize {
        (BASE_FFT * self.scale * 15 / 16).min(1320)
    }

    /// Demodulates symbols `symbols` of a subframe into `grid`; `false` where the stretch does not hold them all.
    pub fn cut(
        &mut self,
        stretch: &Stretch<'_>,
        pace: &Pace,
        (frame, subframe): (i64, usize),
        cp: CyclicPrefix,
        symbols: Range<usize>,
        grid: &mut Grid,
    ) -> bool {
        let start = pace.subframe(frame, subframe);
        let step = pace.offset.0 / self.rate.0;
        let stretched = pace.period / self.frame();
        // A quarter of the prefix before the useful part: what comes early does not spill in.
        let early = (cp.shortest() * self.scale) as f64 / 4.0;
        for symbol in symbols {
            let useful = start + (cp.useful(symbol) * self.scale) as f64 * stretched;
            let at = (useful - early).floor();
            let Some(window) = stretch.window(at as i64, self.ofdm.symbol_len()) else { return false };
            let turns = step * (at - start);
            self.ofdm.demodulate(window, useful - at, turns, step, grid.symbol_mut(symbol));
        }
        true
    }

    /// Frames of which subframe `subframe` lies inside `stretch`.
    pub fn frames(&self, stretch: &Stretch<'_>, pace: &Pace, subframe: usize) -> Range<i64> {
        let length = pace.period / SUBFRAMES as f64;
        let into = pace.start + subframe as f64 * length;
        let first = ((stretch.first as f64 - into) / pace.period).ceil() as i64;
        let last = ((stretch.end() - length - into) / pace.period).floor() as i64;
        first..(last + 1).max(first)
    }

    /// Samples of a subframe by the nominal rate.
    pub fn subframe(&self) -> usize {
        BASE_SUBFRAME * self.scale
    }
}
