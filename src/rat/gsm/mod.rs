//! GSM broadcast receiver: every beacon inside one stream, found without being told its channel.
//!
//! The stream is split into narrow ones on the 200 kHz raster ([`crate::dsp::channelizer`]). In each, [`acquire`] looks for an
//! FCCH and the SCH behind it; [`beacon`] then follows the TDMA frames of timeslot 0, equalises their bursts ([`burst`],
//! [`equalizer`]), decodes blocks ([`coding`]) and reads SYSTEM INFORMATION ([`system_information`]). A quarter of a second of
//! every stream under search is kept, so that blocks before the first FCCH count.
//!
//! All decisions are taken at hops of the channeliser: reports do not depend on how the stream is cut into blocks.
//!
//! ## References
//! - 3GPP TS 45.002, 45.003, 45.004 and 44.018, Release 17

pub mod acquire;
pub mod beacon;
pub mod burst;
pub mod coding;
pub mod equalizer;
pub mod pulse;
pub mod regression;
pub mod system_information;

use crate::cell::{CellKey, Rat, gsm_arfcn};
use crate::dsp::channelizer::Channelizer;
use crate::observation::{CarrierError, FrameName, FrameTiming};
use crate::radio::source::StreamInfo;
use crate::rat::CellReport;
use crate::units::{Db, Dbfs, Hz, Nanos, Ppb, SampleIndex, Timestamp};
use acquire::{Acquirer, Search};
use beacon::{Beacon, MEMORY, Progress, Workshop};
use burst::{Cutter, History, SYMBOL_RATE};
use num_complex::Complex32;
use pulse::Pulse;

/// The raster of GSM carriers; TS 45.005 clause 2.
const RASTER: u64 = 200_000;
/// A carrier is received where this much to either side lies inside the stream: 90 % of the power.
const HALF_CHANNEL: Hz = Hz(78e3);
/// Slowest narrow stream; the modulation at any offset searched fits twice into 200 kHz to either side.
const NARROW_RATE: Hz = Hz(400e3);
/// Bandwidth that signal-to-noise ratios refer to; wire contract.
const SNR_BANDWIDTH: Hz = Hz(200e3);
/// Filter of a burst, -6 dB.
const BURST_HALF: Hz = Hz(105e3);
/// What is kept of a narrow stream: one 51-multiframe and a little.
const KEPT: Nanos = Nanos::from_millis(260);
/// The same where a stream goes on and its blocks come again: an FCCH, the frame behind it, and the search's lag.
const KEPT_IN_TURNS: Nanos = Nanos::from_millis(20);
/// Search at the start of a stream: eight FCCHs.
const FIRST_SEARCH: Nanos = Nanos::from_millis(400);
/// Later searches of a channel: two FCCHs at least.
const SEARCH: Nanos = Nanos::from_millis(115);
/// From one of them to the next.
const SEARCH_EVERY: Nanos = Nanos::from_secs(4);
/// The same while a beacon that was followed is not where it should be.
const SEARCH_SILENT: Nanos = Nanos::from_millis(300);
/// A rise of a channel's power that starts a search at once.
const RISE: f32 = 1.6;
/// Beacons followed on one carrier: the licensed one, a clone, an echo.
const MAX_BEACONS: usize = 4;
/// Cells remembered that are no longer followed; the least recently heard goes.
const MAX_PAST: usize = 256;
/// Channels of a live stream searched at the same time: a sixth of a core, and eight times what is due on average of a hundred.
const AT_ONCE: usize = 24;
/// The first search of each of them: four FCCHs at least.
const FIRST_IN_TURNS: Nanos = Nanos::from_millis(230);
/// In streams shorter than this an FCCH may be missing: eleven frames and a burst.
const SHORT: Nanos = Nanos::from_millis(60);

/// What a receiver is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Count CCCH blocks by class (paging, access grant, dummy, other). Off by default: nothing but the count survives.
    pub count_ccch: bool,
    /// How often an unchanged cell is reported.
    pub report_interval: Nanos,
    /// Nominal carriers to receive, hertz; `None`: all that lie in the stream.
    pub carriers: Option<Vec<u64>>,
    /// The stream does not wait for its receiver, as that of a device: what costs more than the signal lasts would make the next hole.
    /// A stream that ends within 60 ms is then not searched without a frequency burst, and many channels are searched in turns
    /// instead of all from the first sample on.
    pub live: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { count_ccch: false, report_interval: Nanos::from_secs(1), carriers: None, live: false }
    }
}

/// A beacon of which nothing but its tone was received: no synchronisation burst, so no identity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unread {
    /// Nominal carrier, hertz.
    pub center_hz: u64,
    /// Received minus nominal.
    pub error: Hz,
}

/// One carrier of the raster.
#[derive(Debug)]
struct Channel {
    center_hz: u64,
    bin: i32,
    /// Carrier minus centre of the narrow stream.
    residual: Hz,
    history: History,
    /// The narrow stream is being made.
    active: bool,
    search: Search,
    /// Carrier offset from the centre of the narrow stream of an FCCH seen beyond doubt.
    tone: Option<Hz>,
    /// Narrow samples: when the last search began, until when it is on, and when the next one begins.
    search_begun: u64,
    search_until: u64,
    search_next: u64,
    /// Mean power, quick and slow.
    power: (f32, f32),
    beacons: Vec<Beacon>,
}

/// Receives every GSM beacon inside one stream.
#[derive(Debug)]
pub struct Receiver {
    options: Options,
    /// The channels are searched in turns.
    turns: bool,
    bank: Channelizer,
    narrow_rate: f64,
    shop: Workshop,
    acquirer: Acquirer,
    channels: Vec<Channel>,
    past: Vec<(usize, Beacon)>,
    evicted: u64,
    unread: Vec<Unread>,
    hop: Vec<Complex32>,
    hops: u64,
    next_report: u64,
}

impl Receiver {
    /// A receiver for one stream; a gap or a retune makes a new stream and a new receiver.
    pub fn new(stream: &StreamInfo, options: Options) -> Receiver {
        let rate = stream.sample_rate;
        let decimation = ((rate.0 / NARROW_RATE.0) as usize).max(1);
        // The filter may be as wide as the narrow rate allows: what folds back lies outside the burst filter.
        let narrow = rate.0 / decimation as f64;
        let bank = Channelizer::new(rate, decimation, Hz(0.36 * narrow), Hz(0.48 * narrow));
        let cutter = Cutter::new(Hz(narrow), BURST_HALF);
        let pulse = Pulse::new(&cutter.prototype());
        let wanted = |hz: &u64| options.carriers.as_ref().is_none_or(|carriers| carriers.contains(hz));
        let carriers: Vec<u64> = carriers(stream).filter(wanted).collect();
        let turns = options.live && carriers.len() > AT_ONCE;
        let samples = |span: Nanos| (span.as_secs_f64() * narrow) as u64;
        let keep = samples(if turns { KEPT_IN_TURNS } else { KEPT }) as usize;
        let first_search = if turns { 0 } else { samples(FIRST_SEARCH) };
        let channels: Vec<Channel> = carriers
            .into_iter()
            .enumerate()
            .map(|(i, center_hz)| {
                let offset = Hz(center_hz as f64) - stream.center;
                let bin = bank.bin(offset);
                Channel {
                    center_hz,
                    bin,
                    residual: Hz(offset.0 - f64::from(bin) * bank.bin_width().0),
                    history: History::new(keep, SampleIndex(0)),
                    active: true,
                    search: Search::new(0),
                    tone: None,
                    search_begun: 0,
                    search_until: first_search,
                    // Later searches take turns.
                    search_next: if turns { 0 } else { first_search + (i as u64 * 7919) % samples(SEARCH_EVERY) },
                    power: (0.0, 0.0),
                    beacons: Vec::new(),
                }
            })
            .collect();
        Receiver {
            hop: vec![Complex32::default(); bank.hop_len()],
            narrow_rate: narrow,
            shop: Workshop::new(Hz(narrow), cutter, pulse.clone(), options.count_ccch),
            acquirer: Acquirer::new(Hz(narrow), pulse),
            next_report: (options.report_interval.as_secs_f64() * narrow) as u64,
            options,
            turns,
            bank,
            channels,
            past: Vec::new(),
            evicted: 0,
            unread: Vec::new(),
            hops: 0,
        }
    }

    /// Takes the next samples of the stream. Appends a report when a cell is confirmed, when what it broadcasts changes, and
    /// every `report_interval` of the stream. The reports do not depend on how the stream is cut into blocks.
    pub fn process(&mut self, mut samples: &[Complex32], reports: &mut Vec<CellReport>) {
        while !samples.is_empty() {
            let (taken, complete) = self.bank.push(samples);
            samples = &samples[taken..];
            if complete {
                self.hop(false, reports);
            }
        }
    }

    /// The stream has ended: appends the final report of every cell, by ascending [`CellKey`] and time.
    pub fn finish(&mut self, reports: &mut Vec<CellReport>) {
        // Zeros until the last sample has come out of the filters: it may stand in the overlap of one more hop.
        let zeros = [Complex32::default(); 64];
        let mut superseded = Vec::new();
        for last in [false, true] {
            while !self.bank.push(&zeros).1 {}
            self.hop(last, &mut superseded);
        }
        let mut cells: Vec<(usize, Beacon)> = std::mem::take(&mut self.past);
        for (index, channel) in self.channels.iter_mut().enumerate() {
            cells.extend(channel.beacons.drain(..).map(|beacon| (index, beacon)));
        }
        let mut last: Vec<CellReport> = cells
            .iter()
            .filter(|(_, beacon)| beacon.confirmed())
            .map(|(index, beacon)| self.report(*index, beacon))
            .collect();
        last.sort_by_key(|report| (report.key, report.first));
        self.unread = self
            .channels
            .iter()
            .filter(|channel| last.iter().all(|report| report.key.center_hz != channel.center_hz))
            .filter_map(|channel| {
                let error = channel.tone? - channel.residual;
                Some(Unread { center_hz: channel.center_hz, error })
            })
            .collect();
        reports.append(&mut last);
    }

    /// Carriers on which an FCCH was heard and no cell could be read; complete once the stream is finished.
    pub fn unread(&self) -> &[Unread] {
        &self.unread
    }

    /// Cells that were forgotten because too many had been heard.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// One hop of every narrow stream that is being made.
    fn hop(&mut self, last: bool, reports: &mut Vec<CellReport>) {
        let length = self.bank.hop_len() as u64;
        let now = (self.hops + 1) * length;
        let samples = |span: Nanos, rate: f64| (span.as_secs_f64() * rate) as u64;
        let report_due = now >= self.next_report;
        if report_due {
            self.next_report += samples(self.options.report_interval, self.narrow_rate);
        }
        let most = if self.turns { AT_ONCE } else { usize::MAX };
        let mut searched = self.channels.iter().filter(|channel| now < channel.search_until).count();
        for index in 0..self.channels.len() {
            let channel = &mut self.channels[index];
            let power = self.bank.power(channel.bin, HALF_CHANNEL);
            let rose = channel.follow_power(power, self.hops);
            let idle = now >= channel.search_until;
            if idle && rose {
                channel.search_next = now;
            }
            let silent = channel.beacons.iter().any(Beacon::is_silent);
            let due = now >= channel.search_next
                || (silent && now >= channel.search_begun + samples(SEARCH_SILENT, self.narrow_rate));
            let begins = due && (!idle || searched < most);
            if begins {
                searched += usize::from(idle);
                let first = self.turns && channel.search_begun == 0;
                channel.search_begun = now;
                channel.search_until = now + samples(if first { FIRST_IN_TURNS } else { SEARCH }, self.narrow_rate);
                channel.search_next = now + samples(SEARCH_EVERY, self.narrow_rate);
            }
            let searching = now < channel.search_until || last;
            let active = searching || !channel.beacons.is_empty();
            if active && !channel.active {
                channel.history.restart(SampleIndex(now - length));
            }
            if begins {
                // What is already there of the stream is searched as well: a beacon that jumped has been missed for a while.
                channel.search = Search::new(if channel.active { 0 } else { now - length });
            }
            channel.active = active;
            if !active {
                continue;
            }
            self.bank.extract(channel.bin, &mut self.hop);
            channel.history.append(&self.hop);
            if searching {
                self.search(index, last);
            }
            self.follow(index, last, report_due, reports);
        }
        self.hops += 1;
    }

    /// Looks for new beacons on one channel.
    fn search(&mut self, index: usize, last: bool) {
        let channel = &mut self.channels[index];
        let short = last
            && !self.options.live
            && channel.beacons.is_empty()
            && self.hops * (self.bank.hop_len() as u64) < (SHORT.as_secs_f64() * self.narrow_rate) as u64;
        let mut found = Vec::new();
        while let Some(acquisition) = self.acquirer.next_beacon(
            &channel.history,
            &mut channel.search,
            &mut self.shop.cutter,
            &mut self.shop.equalizer,
            last,
        ) {
            found.push(acquisition);
        }
        channel.tone = channel.search.tone().or(channel.tone);
        if short && found.is_empty() {
            found = self.acquirer.find_sch(&channel.history, 2, &mut self.shop.cutter, &mut self.shop.equalizer);
        }
        for acquisition in found {
            let known = channel.beacons.iter().any(|beacon| beacon.is(&acquisition, &self.shop));
            if known || channel.beacons.len() == MAX_BEACONS {
                continue;
            }
            let jumped = |beacon: &Beacon| beacon.is_silent() && beacon.bsic == acquisition.info.bsic;
            if let Some(beacon) = channel.beacons.iter_mut().find(|beacon| jumped(beacon)) {
                beacon.resume(&acquisition, &channel.history, &mut self.shop);
                continue;
            }
            let again = self.past.iter().position(|(at, beacon)| *at == index && beacon.is(&acquisition, &self.shop));
            let beacon = match again {
                Some(at) => {
                    let mut beacon = self.past.remove(at).1;
                    beacon.resume(&acquisition, &channel.history, &mut self.shop);
                    beacon
                }
                None => Beacon::new(&acquisition, &channel.history, &mut self.shop),
            };
            channel.beacons.push(beacon);
        }
    }

    /// Lets every beacon of a channel take what came, and reports.
    fn follow(&mut self, index: usize, last: bool, report_due: bool, reports: &mut Vec<CellReport>) {
        let mut at = 0;
        while at < self.channels[index].beacons.len() {
            let channel = &mut self.channels[index];
            let beacon = &mut channel.beacons[at];
            let was_confirmed = beacon.confirmed();
            let progress = beacon.advance(&channel.history, last, &mut self.shop);
            let changed = std::mem::take(&mut beacon.changed) || !was_confirmed;
            let confirmed = beacon.confirmed();
            if confirmed && (changed || report_due) {
                reports.push(self.report(index, &self.channels[index].beacons[at]));
            }
            match progress {
                Progress::Following => at += 1,
                Progress::Lost => {
                    let beacon = self.channels[index].beacons.remove(at);
                    if confirmed {
                        self.remember(index, beacon);
                    }
                }
            }
        }
    }

    fn remember(&mut self, index: usize, beacon: Beacon) {
        if self.past.len() == MAX_PAST {
            let oldest = (0..self.past.len())
                .min_by(|&a, &b| {
                    let end = |i: usize| self.past[i].1.heard().1;
                    end(a).total_cmp(&end(b))
                })
                .unwrap_or(0);
            self.past.remove(oldest);
            self.evicted += 1;
        }
        self.past.push((index, beacon));
    }

    fn report(&self, index: usize, beacon: &Beacon) -> CellReport {
        let channel = &self.channels[index];
        let nanos = |narrow: f64| Nanos((narrow / self.narrow_rate * 1e9).round() as i64);
        let (first, last) = beacon.heard();
        let nominal = channel.center_hz as f64;
        let error = Hz(beacon.offset.mean) - channel.residual;
        let ppb = |hz: f64| Ppb(hz / nominal * 1e9);
        let power = beacon.power.mean.max(1e-16);
        let snr = power / (beacon.noise_density.mean * SNR_BANDWIDTH.0).max(1e-20);
        // With fewer than two tones the scatter is unknown: the bound for one tone of 140 symbols.
        let single = SYMBOL_RATE * (6.0 / (140f64.powi(3) * 4.0 * 9.87 * snr * SNR_BANDWIDTH.0 / SYMBOL_RATE)).sqrt();
        let sigma = if beacon.offset.count > 2 { beacon.offset.sigma(MEMORY) } else { single };
        let (line, number) = beacon.timing();
        let at = line.start / self.narrow_rate * 1e9;
        // One synchronisation burst: the bound for 148 symbols of GMSK, rms bandwidth 49.8 kHz.
        let energy = 148.0 * snr * SNR_BANDWIDTH.0 / SYMBOL_RATE;
        let bound = 1e9 / (8.0 * 9.87 * energy).sqrt() / 49.8e3;
        let level = Dbfs(10.0 * power.log10());
        CellReport {
            key: CellKey { rat: Rat::Gsm, center_hz: channel.center_hz, id: u16::from(beacon.bsic) },
            identity: beacon.information.identity(),
            first: nanos(first),
            last: nanos(last),
            level,
            level_sigma: Db(4.343 * beacon.power.variance.sqrt() / power),
            snr: Db::from_ratio(snr),
            carrier: CarrierError { hz: error, ppb: ppb(error.0), sigma_ppb: ppb(sigma) },
            timing: Some(FrameTiming {
                at_ns: Timestamp(at.floor() as i64),
                at_frac_ns: at - at.floor(),
                sigma_ns: line.sigma.map_or(bound, |sigma| sigma / self.narrow_rate * 1e9),
                frame: FrameName::Gsm { frame_number: number },
                rate_ppb: Ppb(-line.rate * 1e9),
                rate_sigma_ppb: Ppb(line.rate_sigma.map_or(UNKNOWN_RATE_PPB, |sigma| sigma * 1e9)),
            }),
            counts: beacon.counts(self.options.count_ccch),
            broadcast: beacon.information.broadcast(),
            fields: beacon.information.fields(),
        }
    }
}

/// Standard deviation given for a frame rate that could not be measured: no oscillator is worse than 100 ppm.
const UNKNOWN_RATE_PPB: f64 = 100_000.0;

/// Carriers of the raster that lie inside a stream and in a GSM downlink band.
fn carriers(stream: &StreamInfo) -> impl Iterator<Item = u64> {
    let half = stream.sample_rate.0 / 2.0 - HALF_CHANNEL.0;
    let first = ((stream.center.0 - half) / RASTER as f64).ceil().max(0.0) as u64;
    let last = ((stream.center.0 + half) / RASTER as f64).floor().max(0.0) as u64;
    (first..=last).map(|step| step * RASTER).filter(move |&hz| half > 0.0 && gsm_arfcn(hz).is_some())
}

impl Channel {
    /// Follows the power of the channel; says whether it rose.
    fn follow_power(&mut self, power: f32, hops: u64) -> bool {
        let (quick, slow) = &mut self.power;
        if hops == 0 {
            (*quick, *slow) = (power, power);
            return false;
        }
        *quick += (power - *quick) / 32.0;
        let rose = *quick > RISE * *slow;
        *slow += (power - *slow) / 1024.0;
        if rose {
            *slow = *quick;
        }
        rose
    }
}
