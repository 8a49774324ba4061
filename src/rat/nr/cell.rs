//! What the blocks of one cell add up to.

use super::block::Block;
use super::numerology::{Kind, SYMBOL, SYMBOLS};
use super::sib1::{Known, Reader};
use crate::cell::{CellIdentity, CellKey, Rat};
use crate::l3::nr::{fold, parse_bcch_dl_sch, parse_mib};
use crate::observation::nr::{NrFields, Radio};
use crate::observation::{BroadcastBlock, CarrierError, Fields, FrameName, FrameTiming, Octets};
use crate::rat::{CellReport, MAX_BROADCAST};
use crate::units::{Dbfs, Hz, Nanos, Ppb, Timestamp};
use num_complex::Complex32;
use std::collections::BTreeMap;

/// Standard deviation given for what could not be measured: no oscillator is worse than 100 ppm.
const UNKNOWN_PPB: f64 = 100_000.0;
/// Length of a frame, seconds.
const FRAME: f64 = 10e-3;
/// System frame numbers.
const FRAMES: f64 = 1024.0;
/// A frame rate is told from blocks this far apart, seconds.
const LEAST_SPAN: f64 = 0.1;

/// A block with its place in the whole stream.
#[derive(Clone, Copy, Debug)]
struct Heard {
    block: Block,
    /// Start of its frame, samples of the stream.
    frame: f64,
    /// The block's own first and last sample.
    begin: f64,
    end: f64,
}

/// One cell.
#[derive(Debug)]
pub struct Cell {
    key: CellKey,
    carrier: Hz,
    kind: Kind,
    /// The first block, the best of the present window, and the best of the last one in which it was heard.
    first: Heard,
    now: Option<Heard>,
    latest: Heard,
    begin: f64,
    counts: BTreeMap<&'static str, u64>,
    broadcast: Vec<BroadcastBlock>,
    /// What receives its SIB1, by what that takes; `None` where nothing can.
    sib1: Option<(Known, Option<Box<Reader>>)>,
    said: NrFields,
    identity: Option<CellIdentity>,
    news: bool,
}

impl Cell {
    /// From its first block in a window that begins at sample `first` of a stream of `rate`. `carrier`: where the block stands on the raster.
    pub fn new(block: &Block, carrier: Hz, kind: Kind, first: u64, rate: Hz) -> Cell {
        let heard = place(block, carrier, kind, first, rate);
        let mut cell = Cell {
            key: CellKey { rat: Rat::Nr, center_hz: carrier.round().unsigned_abs(), id: block.pci },
            carrier,
            kind,
            first: heard,
            now: None,
            latest: heard,
            begin: heard.begin,
            counts: BTreeMap::new(),
            broadcast: Vec::new(),
            sib1: None,
            said: NrFields::default(),
            identity: None,
            news: false,
        };
        cell.take(block, first, rate);
        cell
    }

    /// Its key.
    pub fn key(&self) -> CellKey {
        self.key
    }

    /// Where its blocks stand on the raster.
    pub fn carrier(&self) -> Hz {
        self.carrier
    }

    /// What its blocks are like.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether a block is one of its own.
    pub fn is(&self, carrier: Hz, kind: Kind, pci: u16) -> bool {
        self.carrier == carrier && self.kind == kind && self.key.id == pci
    }

    /// Sample after the last one heard of it.
    pub fn last(&self) -> u64 {
        self.now.as_ref().unwrap_or(&self.latest).end.max(0.0) as u64
    }

    /// Something was heard of it since it was last told of.
    pub fn is_news(&self) -> bool {
        self.news
    }

    /// It has been told of.
    pub fn told(&mut self) {
        self.news = false;
    }

    /// Takes a block; of a window the strongest is what its figures rest on.
    pub fn take(&mut self, block: &Block, first: u64, rate: Hz) {
        let heard = place(block, self.carrier, self.kind, first, rate);
        self.begin = self.begin.min(heard.begin);
        if self.now.is_none_or(|now| now.block.rsrp < block.rsrp) {
            self.now = Some(heard);
        }
        self.news = true;
        *self.counts.entry("mib").or_default() += 1;
        self.said.mib = parse_mib(block.message.octets).ok().map(|(mib, _)| mib);
        self.heard("MIB", block.message.stable().to_vec());
    }

    /// Counts a message.
    fn heard(&mut self, name: &str, octets: Vec<u8>) {
        let known = self.broadcast.iter_mut().find(|known| known.name == name && known.octets.0 == octets);
        if let Some(known) = known {
            known.count = known.count.saturating_add(1);
        } else if self.broadcast.len() < MAX_BROADCAST {
            self.broadcast.push(BroadcastBlock { name: name.to_owned(), octets: Octets(octets), count: 1 });
        }
    }

    /// Receives SIB1 in the window in which it was just heard: samples of a stream of `rate` that is tuned to `center`, from sample
    /// `first` on.
    pub fn listen(&mut self, samples: &[Complex32], center: Hz, first: u64, rate: Hz) {
        let (Some(now), Some(mib)) = (self.now, self.said.mib) else { return };
        let message = now.block.message;
        let known = Known {
            pci: self.key.id,
            spacing: self.kind.spacing,
            nominal: self.carrier,
            mib,
            k_ssb: message.k_ssb,
            index: message.index,
        };
        if self.sib1.as_ref().is_none_or(|(last, _)| *last != known) {
            self.sib1 = Some((known, Reader::new(rate, known).map(Box::new)));
        }
        let Some((_, Some(reader))) = &mut self.sib1 else { return };
        // What the cell's clock calls a second.
        let second = rate.0 * (1.0 - now.block.error.0 / self.carrier.0);
        let frame = now.frame - first as f64;
        let (before, after) = (frame / (FRAME * second), (samples.len() as f64 - frame) / (FRAME * second));
        let mut received = Vec::new();
        for apart in -(before.ceil() as i64)..=after.floor() as i64 {
            let number = (i64::from(message.sfn) + apart).rem_euclid(FRAMES as i64) as u16;
            for (slot, into) in reader.slots(number) {
                let at = frame + (apart as f64 * FRAME + into) * second;
                received.extend(reader.take(samples, center, now.block.error, at, slot));
            }
        }
        for block in received {
            *self.counts.entry("sib1").or_default() += 1;
            if let Ok(message) = parse_bcch_dl_sch(&block.octets) {
                fold(&mut self.said, &mut self.identity, &message);
            }
            self.heard("SIB1", block.octets);
        }
    }

    /// The window is over.
    pub fn close(&mut self) {
        if let Some(now) = self.now.take() {
            if self.latest.end > now.end {
                return;
            }
            // The same block of the half frame tells the frame rate; another beam may come another way.
            if self.first.block.message.index != now.block.message.index {
                self.first = now;
            }
            self.latest = now;
        }
    }

    /// Frame rate against nominal and its deviation; `None` where its blocks do not span enough.
    fn rate(&self, rate: Hz) -> Option<(f64, f64)> {
        let span = (self.latest.frame - self.first.frame) / rate.0;
        if span < LEAST_SPAN {
            return None;
        }
        let (then, now) = (&self.first.block, &self.latest.block);
        let told = f64::from(now.message.sfn) - f64::from(then.message.sfn);
        // The frame numbers come round every 10.24 s.
        let frames = told + ((span / FRAME - told) / FRAMES).round() * FRAMES;
        let nominal = frames * FRAME;
        // A cell that was restarted counts anew: then the two do not fit together.
        let error = nominal / span - 1.0;
        let sigma = then.at_sigma.hypot(now.at_sigma) / rate.0 / span;
        (error.abs() < UNKNOWN_PPB * 1e-9).then_some((error, sigma))
    }

    /// What is known of it, in a stream of `rate`.
    pub fn report(&self, rate: Hz) -> CellReport {
        let Heard { block, frame, .. } = self.now.unwrap_or(self.latest);
        let message = block.message;
        let nanos = |samples: f64| Nanos((samples / rate.0 * 1e9).round() as i64);
        let ppb = |hz: f64| Ppb(hz / self.carrier.0 * 1e9);
        let at = frame / rate.0 * 1e9;
        let (frame_rate, rate_sigma) = match self.rate(rate) {
            Some((error, sigma)) => (error * 1e9, sigma * 1e9),
            // Carrier and frames of a transmitter come from one oscillator, but that is not measured here.
            None => (ppb(block.error.0).0, UNKNOWN_PPB),
        };
        let tenth = |level: f64| (level * 10.0).round() / 10.0;
        let radio = Radio {
            scs_khz: self.kind.spacing.khz(),
            k_ssb: message.k_ssb,
            ssb_index: message.index,
            barred: message.barred(),
            ss_rsrp_dbfs: Dbfs(tenth(block.rsrp.0)),
        };
        CellReport {
            key: self.key,
            identity: self.identity.clone(),
            first: nanos(self.begin),
            last: nanos(self.latest.end),
            level: block.rsrp,
            level_sigma: block.rsrp_sigma,
            snr: block.snr,
            carrier: CarrierError { hz: block.error, ppb: ppb(block.error.0), sigma_ppb: ppb(block.error_sigma.0) },
            timing: Some(FrameTiming {
                at_ns: Timestamp(at.floor() as i64),
                at_frac_ns: at - at.floor(),
                sigma_ns: block.at_sigma / rate.0 * 1e9,
                frame: FrameName::Radio { sfn: message.sfn, half: 0 },
                rate_ppb: Ppb(frame_rate),
                rate_sigma_ppb: Ppb(rate_sigma),
            }),
            counts: self.counts.clone(),
            broadcast: self.broadcast.clone(),
            fields: Some(Fields::Nr(Box::new(NrFields { radio: Some(radio), ..self.said.clone() }))),
        }
    }
}

/// Where a block of a window that begins at sample `first` stands in the whole stream.
fn place(block: &Block, carrier: Hz, kind: Kind, first: u64, rate: Hz) -> Heard {
    // A transmitter whose carrier is high is fast: what it sends takes less time.
    let samples = |seconds: f64| seconds * rate.0 * (1.0 - block.error.0 / carrier.0);
    let begin = first as f64 + block.at;
    let length = (SYMBOLS as f64 * SYMBOL) / kind.spacing.hz().0;
    let frame = begin - samples(kind.into_frame(block.message.half, block.message.index));
    Heard { block: *block, frame, begin, end: begin + samples(length) }
}
