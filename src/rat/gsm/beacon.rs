//! One beacon being followed: its frames are predicted, its SYSTEM INFORMATION is read, and it is measured as it goes.
//!
//! The frame number of every burst is known once one SCH was read, so that each burst of timeslot 0 is cut where it must be.
//! FCCH bursts give carrier, level and noise; synchronisation bursts give timing (their content is known beforehand: they serve
//! as 142 known bits even where they can no longer be decoded) and keep a channel template; normal bursts are equalised with
//! that template, scaled and turned, unless their own training contradicts it.
//!
//! ## References
//! - 3GPP TS 45.002 Release 17, clause 7 table 3 (51-multiframe) and clause 6.3.1.3 (TC)

mod bursts;

use super::acquire::Acquisition;
use super::burst::{BURST_BITS, Cutter, FRAME_SYMBOLS, History, PEAK, SYMBOL_RATE, normal_training, sch_training};
use super::coding::{HYPERFRAME, SchDecoder, XcchDecoder};
use super::equalizer::{Channel, Equalizer, Training};
use super::pulse::Pulse;
use super::regression::{Line, Regression};
use super::system_information::SystemInformation;
use crate::units::Hz;
use num_complex::Complex32;
use std::collections::BTreeMap;

/// Consecutive synchronisation bursts without a trace of the beacon after which it counts as gone: 3 s.
const LOST_AFTER: u32 = 65;
/// Consecutive synchronisation bursts without a trace after which it is looked for anew: samples may have been lost.
const SILENT_AFTER: u32 = 2;
/// Symbols that two estimates of one frame start may lie apart.
const SAME_FRAME: f64 = 3.0;

/// What every beacon of a receiver shares: filters, decoders and scratch.
#[derive(Debug)]
pub struct Workshop {
    /// Cuts bursts.
    pub cutter: Cutter,
    /// Makes soft decisions.
    pub equalizer: Equalizer,
    /// Decodes blocks.
    xcch: XcchDecoder,
    sch: SchDecoder,
    sch_training: Training,
    normal_training: [Training; 8],
    pulse: Pulse,
    rate: f64,
    noise_bandwidth: f64,
}

impl Workshop {
    /// For narrow streams of `rate`; `count_ccch` as in the receiver's options.
    pub fn new(rate: Hz, cutter: Cutter, pulse: Pulse, count_ccch: bool) -> Workshop {
        Workshop {
            noise_bandwidth: cutter.noise_bandwidth().0,
            cutter,
            equalizer: Equalizer::default(),
            xcch: XcchDecoder::new(count_ccch),
            sch: SchDecoder::new(),
            sch_training: sch_training(),
            normal_training: normal_training(),
            pulse,
            rate: rate.0,
        }
    }

    /// Narrow samples a symbol.
    pub fn step(&self) -> f64 {
        self.rate / SYMBOL_RATE
    }
}

/// Mean and scatter of a quantity, newer values weighing more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Running {
    /// Values taken.
    pub count: u32,
    /// Mean.
    pub mean: f64,
    /// Variance of single values.
    pub variance: f64,
}

impl Running {
    /// Takes a value; the memory is the last `span` values.
    fn take(&mut self, value: f64, span: u32) {
        self.count = self.count.saturating_add(1);
        let weight = 1.0 / f64::from(self.count.min(span));
        let away = value - self.mean;
        self.mean += weight * away;
        self.variance = (1.0 - weight) * (self.variance + weight * away * away);
    }

    /// Standard deviation of the mean.
    pub fn sigma(&self, span: u32) -> f64 {
        (self.variance / f64::from(self.count.clamp(1, span))).sqrt()
    }
}

/// Values that carrier, level and noise are averaged over: FCCH bursts of 3 s.
pub const MEMORY: u32 = 64;

/// Counters of one beacon.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Bursts in which the FCCH tone was found.
    pub fcch: u64,
    /// Synchronisation bursts decoded as predicted.
    pub sch: u64,
    /// Synchronisation bursts not decoded.
    pub sch_failed: u64,
    /// Blocks of timeslot 0 that passed the Fire code, whatever they held.
    pub blocks: u64,
    /// Blocks that failed it.
    pub blocks_failed: u64,
    /// SYSTEM INFORMATION on the BCCH.
    pub bcch: u64,
    /// Other blocks by class; zero unless counting was asked for.
    pub ccch: [u64; 4],
}

/// One beacon.
#[derive(Debug)]
pub struct Beacon {
    /// Base station identity code.
    pub bsic: u8,
    /// Frame number of frame 0 of this beacon's own count.
    frame_number: u32,
    /// Frame starts, narrow samples by own frame count.
    timing: Regression,
    /// Received carrier minus centre of the narrow stream, hertz.
    pub offset: Running,
    /// Power over full scale.
    pub power: Running,
    /// Noise density, power a hertz.
    pub noise_density: Running,
    template: Channel,
    template_weight: f32,
    noise: f32,
    next: i64,
    silent: u32,
    certain: bool,
    /// Soft decisions of the block being received, and which of its bursts are there.
    block: [[f32; 114]; 4],
    have: u8,
    combined: Option<bool>,
    /// Counters.
    pub counts: Counts,
    /// What it broadcasts.
    pub information: SystemInformation,
    /// Start of the first burst and end of the last one in which it was heard, narrow samples.
    heard: (f64, f64),
    /// Something new is to be reported.
    pub changed: bool,
}

/// How far a beacon got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is being followed.
    Following,
    /// Not heard for a while.
    Lost,
}

impl Beacon {
    /// Begins to follow what was acquired, from the start of `history`: blocks before the first FCCH count too.
    pub fn new(acquisition: &Acquisition, history: &History, shop: &mut Workshop) -> Beacon {
        let mut timing = Regression::new(FRAME_SYMBOLS * shop.step());
        timing.take(0, acquisition.start);
        let mut offset = Running::default();
        offset.take(acquisition.offset.0, MEMORY);
        let mut beacon = Beacon {
            bsic: acquisition.info.bsic,
            frame_number: acquisition.info.frame_number,
            timing,
            offset,
            power: Running::default(),
            noise_density: Running::default(),
            template: acquisition.estimate.channel,
            template_weight: 0.0,
            noise: acquisition.estimate.noise,
            next: 0,
            silent: 0,
            certain: acquisition.certain,
            block: [[0.0; 114]; 4],
            have: 0,
            combined: None,
            counts: Counts::default(),
            information: SystemInformation::default(),
            heard: (acquisition.start, acquisition.start),
            changed: false,
        };
        beacon.learn_template(&acquisition.estimate.channel);
        beacon.look_back(0, 0.0, history, shop);
        beacon
    }

    /// Frame number of own frame count `frame`.
    fn number(&self, frame: i64) -> u32 {
        (i64::from(self.frame_number) + frame).rem_euclid(i64::from(HYPERFRAME)) as u32
    }

    /// Predicted start of a frame, narrow samples.
    fn start(&self, frame: i64) -> f64 {
        self.timing.at(frame)
    }

    /// Timing over the synchronisation bursts measured, the last frame it rests on, and that frame's number.
    pub fn timing(&self) -> (Line, u32) {
        let line = self.timing.line();
        (line, self.number(line.at))
    }

    /// Start of the first burst and end of the last one in which it was heard, narrow samples.
    pub fn heard(&self) -> (f64, f64) {
        self.heard
    }

    /// It was followed but is not where it should be any more.
    pub fn is_silent(&self) -> bool {
        self.silent >= SILENT_AFTER
    }

    /// Two synchronisation bursts agree, or one was good enough alone.
    pub fn confirmed(&self) -> bool {
        self.counts.sch >= 2 || (self.certain && self.counts.sch >= 1)
    }

    /// Follows again from an acquisition of the same cell, whose timing or frame number may have jumped.
    pub fn resume(&mut self, acquisition: &Acquisition, history: &History, shop: &mut Workshop) {
        let hyperframe = i64::from(HYPERFRAME);
        let ahead = i64::from(acquisition.info.frame_number) - i64::from(self.number(self.next));
        let frame = self.next + (ahead + hyperframe / 2).rem_euclid(hyperframe) - hyperframe / 2;
        self.timing = Regression::new(FRAME_SYMBOLS * shop.step());
        self.timing.take(frame, acquisition.start);
        self.silent = 0;
        self.have = 0;
        self.look_back(frame, self.heard.1, history, shop);
    }

    /// `acquisition` is this beacon again.
    pub fn is(&self, acquisition: &Acquisition, shop: &Workshop) -> bool {
        let frames = ((acquisition.start - self.start(0)) / (FRAME_SYMBOLS * shop.step())).round() as i64;
        acquisition.info.bsic == self.bsic
            && self.number(frames) == acquisition.info.frame_number
            && (self.start(frames) - acquisition.start).abs() < SAME_FRAME * shop.step()
    }

    /// Measures the synchronisation bursts before the one acquired in `frame`, backwards and not before narrow sample `not_before`, so that the
    /// clock rates are known when the blocks between them are cut.
    fn look_back(&mut self, mut frame: i64, not_before: f64, history: &History, shop: &mut Workshop) {
        let margin = shop.cutter.reach() + 4.0 * shop.step();
        let oldest = not_before.max(history.first() as f64 + margin);
        while self.start(frame - 1) > oldest {
            frame -= 1;
            if self.number(frame) % 51 % 10 == 1 {
                self.measure_sch(frame, history, shop);
            }
        }
        self.next = frame;
    }

    /// Processes every frame that `history` holds; `last`: nothing more will come.
    pub fn advance(&mut self, history: &History, last: bool, shop: &mut Workshop) -> Progress {
        // A burst cut wide by the slack of the search, and the filter's reach.
        let needed = |start: f64, shop: &Workshop| start + 156.0 * shop.step() + shop.cutter.reach();
        while needed(self.start(self.next), shop) <= history.end() as f64 {
            self.frame(self.next, history, shop);
            self.next += 1;
        }
        if last && self.start(self.next) + 148.0 * shop.step() + shop.cutter.reach() <= history.end() as f64 {
            self.frame(self.next, history, shop);
            self.next += 1;
        }
        if self.silent > LOST_AFTER { Progress::Lost } else { Progress::Following }
    }

    fn frame(&mut self, frame: i64, history: &History, shop: &mut Workshop) {
        let number = self.number(frame);
        let t3 = number % 51;
        match (t3, t3 % 10) {
            (50, _) => {}
            (_, 0) => self.measure_fcch(frame, history, shop),
            (_, 1) => self.read_sch(frame, history, shop),
            _ => {
                // Blocks begin at 2, 6, 12, 16, 22 .. 46.
                let place_in_ten = t3 % 10;
                let burst = ((place_in_ten - 2) % 4) as usize;
                let first = t3 - burst as u32;
                // In a combined configuration (CCCH_CONF 1) what follows frame 19 are dedicated channels: never touched.
                if first >= 22 && self.combined == Some(true) {
                    return;
                }
                if burst == 0 {
                    self.have = 0;
                }
                if self.read_normal(frame, burst, history, shop) {
                    self.have |= 1 << burst;
                }
                if burst == 3 {
                    self.finish_block(frame, number, first, shop);
                }
            }
        }
    }

    /// Cuts the burst of timeslot 0, `slack` symbols early.
    fn cut(&self, frame: i64, slack: usize, history: &History, shop: &mut Workshop, out: &mut [Complex32]) -> bool {
        let step = shop.step() * (1.0 + self.timing.line().rate);
        let start = self.start(frame) + (0.5 - PEAK as f64 - slack as f64) * step;
        shop.cutter.cut(history, start, step, Hz(self.offset.mean), out)
    }

    fn touch(&mut self, frame: i64, shop: &Workshop) {
        let start = self.start(frame);
        self.heard = (self.heard.0.min(start), self.heard.1.max(start + BURST_BITS as f64 * shop.step()));
    }

    /// Counters by name, for reports.
    pub fn counts(&self, count_ccch: bool) -> BTreeMap<&'static str, u64> {
        let c = &self.counts;
        let mut counts = BTreeMap::from([
            ("fcch", c.fcch),
            ("sch", c.sch),
            ("sch_failed", c.sch_failed),
            ("blocks", c.blocks),
            ("blocks_failed", c.blocks_failed),
            ("bcch", c.bcch),
        ]);
        if self.information.malformed() > 0 {
            counts.insert("bcch_malformed", self.information.malformed());
        }
        if count_ccch {
            let names = ["ccch_paging", "ccch_access_grant", "ccch_dummy", "ccch_other"];
            counts.extend(names.into_iter().zip(c.ccch));
        }
        counts
    }
}
