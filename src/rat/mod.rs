//! Receivers, one per standard: samples in, [`CellReport`]s out.

pub mod gsm;
pub mod lte;
pub mod nr;

use crate::cell::{CellIdentity, CellKey, Rat};
use crate::l3;
use crate::observation::{BroadcastBlock, CarrierError, Fields, FrameTiming};
use crate::radio::source::StreamInfo;
use crate::units::{Db, Dbfs, Nanos};
use num_complex::Complex32;
use std::collections::BTreeMap;

/// What a receiver knows of one cell at one instant of its stream. Times count from the stream's sample 0.
#[derive(Clone, Debug, PartialEq)]
pub struct CellReport {
    /// What was heard.
    pub key: CellKey,
    /// What it said it is.
    pub identity: Option<CellIdentity>,
    /// Start of the first burst or symbol that belongs to the cell.
    pub first: Nanos,
    /// End of the last one.
    pub last: Nanos,
    /// Power of the cell's own signal.
    pub level: Dbfs,
    /// One standard deviation of `level` over the observed stretch.
    pub level_sigma: Db,
    /// Signal to noise in the standard's reference bandwidth.
    pub snr: Db,
    /// Carrier error.
    pub carrier: CarrierError,
    /// Frame timing; `at_ns` here counts from the stream's sample 0 by the nominal sample rate.
    pub timing: Option<FrameTiming>,
    /// Counters by name, such as `sch`, `bcch`, `bcch_failed`.
    pub counts: BTreeMap<&'static str, u64>,
    /// Distinct broadcast messages, at most [`MAX_BROADCAST`].
    pub broadcast: Vec<BroadcastBlock>,
    /// What they say.
    pub fields: Option<Fields>,
}

/// Distinct broadcast messages kept a cell; wire contract, `broadcast`.
pub const MAX_BROADCAST: usize = 32;

/// Samples after which receivers tell what they have to report: 8 ms at 2 Msps.
const SLICE: u64 = 1 << 14;

/// What the receivers are asked to do.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// GSM.
    pub gsm: gsm::Options,
    /// LTE.
    pub lte: lte::Options,
    /// NR.
    pub nr: nr::Options,
    /// The one standard to receive; `None`: all.
    pub only: Option<Rat>,
    /// LTE cells that [`Receivers::learn`] is told of are followed, though the stream is not searched for them.
    pub watch_lte: bool,
}

/// Every receiver on one stream. A standard whose narrowest carrier does not fit into the stream is passed over by its receiver.
///
/// Reports come at fixed places of the stream and in an order that does not depend on how it is cut into blocks.
#[derive(Debug)]
pub struct Receivers {
    gsm: Option<gsm::Receiver>,
    lte: Option<lte::carriers::Carriers>,
    watch: Option<lte::watch::Watch>,
    nr: Option<nr::Receiver>,
    at: u64,
    waiting: Vec<CellReport>,
}

impl Receivers {
    /// Receivers for one stream; a gap or a retune makes a new stream and new receivers.
    pub fn new(stream: &StreamInfo, options: Options) -> Receivers {
        let wanted = |rat: Rat| options.only.is_none_or(|only| only == rat);
        Receivers {
            watch: options.watch_lte.then(|| lte::watch::Watch::new(stream, options.lte.clone())),
            gsm: wanted(Rat::Gsm).then(|| gsm::Receiver::new(stream, options.gsm)),
            lte: wanted(Rat::Lte).then(|| lte::carriers::Carriers::new(stream, options.lte)),
            nr: wanted(Rat::Nr).then(|| nr::Receiver::new(stream, options.nr)),
            at: 0,
            waiting: Vec::new(),
        }
    }

    /// Takes the next samples of the stream. Appends a report when a cell is confirmed, when what it broadcasts changes, and at
    /// each standard's own interval.
    pub fn process(&mut self, mut samples: &[Complex32], reports: &mut Vec<CellReport>) {
        while !samples.is_empty() {
            let left = usize::try_from(SLICE - self.at % SLICE).unwrap_or(usize::MAX);
            let (now, later) = samples.split_at(left.min(samples.len()));
            if let Some(gsm) = &mut self.gsm {
                gsm.process(now, &mut self.waiting);
            }
            if let Some(lte) = &mut self.lte {
                lte.process(now, &mut self.waiting);
            }
            if let Some(watch) = &mut self.watch {
                watch.process(now, &mut self.waiting);
            }
            if let Some(nr) = &mut self.nr {
                nr.process(now, &mut self.waiting);
            }
            self.at += now.len() as u64;
            if self.at.is_multiple_of(SLICE) {
                self.tell(reports);
            }
            samples = later;
        }
    }

    /// The stream has ended: appends what still waits, and then the final report of every cell, GSM first. Returns how many
    /// of the reports are final.
    pub fn finish(&mut self, reports: &mut Vec<CellReport>) -> usize {
        self.tell(reports);
        let before = reports.len();
        if let Some(gsm) = &mut self.gsm {
            gsm.finish(reports);
        }
        if let Some(lte) = &mut self.lte {
            lte.finish(reports);
        }
        if let Some(watch) = &mut self.watch {
            watch.finish(reports);
        }
        if let Some(nr) = &mut self.nr {
            nr.finish(reports);
        }
        reports.len() - before
    }

    /// Takes over what was heard in a stretch of the stream that was searched elsewhere and began `since` after it; whether it is old
    /// news by now, see [`lte::watch::Watch::learn`].
    pub fn learn(&mut self, report: &CellReport, since: Nanos) -> bool {
        self.watch.as_mut().is_some_and(|watch| watch.learn(report, since))
    }

    fn tell(&mut self, reports: &mut Vec<CellReport>) {
        self.waiting.sort_by_key(|report| (report.last, report.key));
        reports.append(&mut self.waiting);
    }
}

/// Names of GSM's messages whose content stays the same while a cell's configuration does.
///
/// All SYSTEM INFORMATION that describes the cell; not SI7, SI8 (parts of SI4's rest octets that may rotate), SI9 (schedule of
/// other messages) or messages that are kept as octets only.
const STABLE: [&str; 8] = ["SI1", "SI13", "SI2", "SI2bis", "SI2quater", "SI2ter", "SI3", "SI4"];

/// What of a broadcast message describes the cell and not the moment; `None` where nothing does.
///
/// GSM: the octets of messages that describe the cell. LTE: the MIB as reported, without its frame number, and of SIB1 and
/// SystemInformation what [`l3::lte::stable`] leaves. NR: the MIB as reported, without its frame number, and what [`l3::nr::stable`] leaves
/// of SIB1.
pub fn stable_octets(rat: Rat, block: &BroadcastBlock) -> Option<Vec<u8>> {
    let octets = &block.octets.0;
    match (rat, block.name.as_str()) {
        (Rat::Gsm, name) if STABLE.contains(&name) => Some(octets.clone()),
        (Rat::Lte, "MIB") => Some(octets.clone()),
        (Rat::Lte, "SIB1" | "SI") => l3::lte::stable(octets),
        (Rat::Nr, "MIB") => Some(octets.clone()),
        (Rat::Nr, "SIB1") => l3::nr::stable(octets),
        _ => None,
    }
}
