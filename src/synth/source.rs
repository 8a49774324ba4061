//! Transmissions and noise together as a source of samples, which receivers take like a recording or a device.

use super::channel::{Noise, clip, quantise};
use super::gsm::beacon::Beacon;
use super::lte::downlink::Downlink;
use crate::radio::source::{Event, IqBlock, IqSource, SourceError, StreamInfo};
use crate::units::SampleIndex;
use num_complex::Complex32;

/// A stretch of a stream during which a transmitter is on air.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnAir {
    /// The first sample.
    pub from: SampleIndex,
    /// The first sample after it; `None`: to the end of the stream.
    pub to: Option<SampleIndex>,
}

/// What is sent.
#[derive(Clone, Debug)]
pub enum Waveform {
    /// A GSM beacon.
    Gsm(Box<Beacon>),
    /// An LTE cell's downlink.
    Lte(Box<Downlink>),
}

impl Waveform {
    fn add_to(&mut self, first: SampleIndex, out: &mut [Complex32]) {
        match self {
            Waveform::Gsm(beacon) => beacon.add_to(first, out),
            Waveform::Lte(downlink) => downlink.add_to(first, out),
        }
    }
}

/// A signal and when it is on air; outside it is silent at once.
#[derive(Clone, Debug)]
pub struct Transmission {
    /// The signal.
    pub waveform: Waveform,
    /// Stretches that do not overlap.
    pub on: Vec<OnAir>,
}

impl Transmission {
    /// A beacon that is always on.
    pub fn constant(beacon: Beacon) -> Transmission {
        Transmission { waveform: Waveform::Gsm(Box::new(beacon)), on: vec![OnAir { from: SampleIndex(0), to: None }] }
    }
}

/// One stream of synthetic samples. Deterministic: the samples depend neither on the sizes read nor on the time of reading.
#[derive(Clone, Debug)]
pub struct SynthSource {
    /// What the stream is.
    pub info: StreamInfo,
    /// What is on air.
    pub transmissions: Vec<Transmission>,
    /// The receiver's noise, if any.
    pub noise: Option<Noise>,
    /// Rounds to this many bits; `None`: only limits to full scale.
    pub bits: Option<u8>,
    /// Ends after so many samples; `None`: never.
    pub length: Option<u64>,
    /// Position of the next sample; `None` before the stream was announced.
    at: Option<u64>,
}

impl SynthSource {
    /// A source that has not been read from.
    pub fn new(info: StreamInfo, transmissions: Vec<Transmission>, noise: Option<Noise>) -> SynthSource {
        SynthSource { info, transmissions, noise, bits: None, length: None, at: None }
    }

    /// The samples from `first` on, to `out`, whatever was read before. Returns how many touched full scale.
    pub fn fill(&mut self, first: SampleIndex, out: &mut [Complex32]) -> u32 {
        out.fill(Complex32::default());
        let end = first.0.saturating_add(out.len() as u64);
        for Transmission { waveform, on } in &mut self.transmissions {
            for on in on {
                let (from, to) = (on.from.0.max(first.0), on.to.map_or(end, |to| to.0.min(end)));
                if from < to {
                    let within = (from - first.0) as usize..(to - first.0) as usize;
                    waveform.add_to(SampleIndex(from), &mut out[within]);
                }
            }
        }
        if let Some(noise) = &mut self.noise {
            noise.add_to(first, out);
        }
        match self.bits {
            Some(bits) => quantise(out, bits),
            None => clip(out),
        }
    }
}

impl IqSource for SynthSource {
    fn read(&mut self, max: usize, block: &mut IqBlock) -> Result<Event, SourceError> {
        block.samples.clear();
        block.clipped = 0;
        let Some(at) = self.at else {
            self.at = Some(0);
            block.first = SampleIndex(0);
            return Ok(Event::Stream(self.info.clone()));
        };
        block.first = SampleIndex(at);
        let left = self.length.map_or(u64::MAX, |length| length.saturating_sub(at));
        let count = (max as u64).min(left);
        if left == 0 {
            return Ok(Event::End);
        }
        block.samples.resize(count as usize, Complex32::default());
        block.clipped = self.fill(block.first, &mut block.samples);
        self.at = Some(at + count);
        Ok(Event::Samples)
    }

    fn total_samples(&self) -> Option<u64> {
        self.length
    }
}
