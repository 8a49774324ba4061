//! One stream: its receivers, what they report, and what rules say of it.

use crate::observation::{Clock, Finding, Observation, Position};
use crate::radio::source::StreamInfo;
use crate::rat::{self, CellReport, Receivers};
use crate::rules::Engine;
use crate::sensor::instrument::Instrument;
use crate::sensor::lab::Kept;
use crate::sensor::observe::{Context, observe};
use crate::units::{Nanos, Timestamp};
use num_complex::Complex32;
use std::sync::Arc;

/// What surrounds a stream while it is received.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// The clock that stamped the stream.
    pub clock: Clock,
    /// Where the antenna stands.
    pub position: Option<Position>,
    /// Samples known to be lost.
    pub lost_samples: u64,
}

impl Surroundings {
    /// For what is heard in a stream, or a stretch of one, of so many samples, of which `clipped` touched full scale.
    pub fn context<'a>(&self, stream: &'a StreamInfo, samples: u64, clipped: u64) -> Context<'a> {
        let Surroundings { clock, position, lost_samples } = *self;
        Context { stream, clock, position, samples, clipped, lost_samples }
    }
}

/// A report, what it amounts to, and what the rules say of it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// As the receiver gave it.
    pub report: CellReport,
    /// What the hub may be told.
    pub observation: Observation,
    /// What the rules found in it.
    pub findings: Vec<Finding>,
    /// It is the stream's last word on the cell.
    pub last: bool,
}

/// One stream through all receivers, observation and rules: what node and `daen replay` have in common.
#[derive(Debug)]
pub struct Hearing {
    info: StreamInfo,
    receivers: Receivers,
    instrument: Option<Arc<Instrument>>,
    samples: u64,
    clipped: u64,
    reports: Vec<CellReport>,
}

impl Hearing {
    /// For one stream; a gap or a retune makes a new one.
    pub fn new(info: StreamInfo, options: rat::Options) -> Hearing {
        let receivers = Receivers::new(&info, options);
        Hearing { info, receivers, instrument: None, samples: 0, clipped: 0, reports: Vec::new() }
    }

    /// And what is known of the receiver that the stream comes from.
    pub fn of(self, instrument: Arc<Instrument>) -> Hearing {
        instrument.begin();
        Hearing { instrument: Some(instrument), ..self }
    }

    /// What is received.
    pub fn info(&self) -> &StreamInfo {
        &self.info
    }

    /// The time of the newest sample.
    pub fn now(&self) -> Timestamp {
        self.info.start + Nanos((self.samples as f64 / self.info.sample_rate.0 * 1e9) as i64)
    }

    /// Samples taken.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// How many of them touched full scale.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// Takes the next block, of which `clipped` samples touched full scale.
    pub fn process(&mut self, samples: &[Complex32], clipped: u32) {
        self.samples += samples.len() as u64;
        self.clipped += u64::from(clipped);
        self.receivers.process(samples, &mut self.reports);
    }

    /// Takes over what was found in a stretch of this stream, and takes out of it what is old news by now.
    pub fn learn(&mut self, kept: &mut Kept) {
        let of_this = (&kept.info.stream, kept.info.center, kept.info.sample_rate)
            == (&self.info.stream, self.info.center, self.info.sample_rate);
        if of_this && kept.info.start >= self.info.start {
            let since = kept.info.start - self.info.start;
            kept.reports.retain(|report| !self.receivers.learn(report, since));
        }
    }

    /// Whether there is something to be judged.
    pub fn has_news(&self) -> bool {
        !self.reports.is_empty()
    }

    /// What the blocks have brought since the last call, told and judged.
    ///
    /// It does not depend on the sizes of the blocks, but for the share of clipped samples so far.
    pub fn judged(&mut self, around: Surroundings, engine: &mut Engine) -> Vec<Judged> {
        self.judge(0, around, engine)
    }

    /// The stream has ended: the last word on every cell.
    pub fn finish(mut self, around: Surroundings, engine: &mut Engine) -> Vec<Judged> {
        let last = self.receivers.finish(&mut self.reports);
        self.judge(last, around, engine)
    }

    /// Turns the reports that wait into observations and judges them; the last `last` of them are final.
    fn judge(&mut self, last: usize, around: Surroundings, engine: &mut Engine) -> Vec<Judged> {
        let live = self.reports.len().saturating_sub(last);
        let context = around.context(&self.info, self.samples, self.clipped);
        let judged = self.reports.drain(..).enumerate().map(|(n, report)| {
            let mut observation = observe(&report, &context);
            if let Some(instrument) = &self.instrument {
                instrument.apply(&mut observation, &self.info);
                if engine.is_licensed(&observation) {
                    instrument.learn(&observation);
                }
            }
            let mut findings = Vec::new();
            engine.judge(&observation, &mut findings);
            Judged { report, observation, findings, last: n >= live }
        });
        judged.collect()
    }
}
