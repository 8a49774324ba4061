//! What of an LTE carrier may leave a node.

use super::{captures, observed, reader, samples};
use daen::cell::Rat;
use daen::observation::lte::LteFields;
use daen::observation::{Fields, FrameName, Observation};
use daen::radio::sigmf;
use daen::radio::source::StreamInfo;
use daen::rat::CellReport;
use daen::rat::lte::channel::Channel;
use daen::rat::lte::control::{Control, Layout};
use daen::rat::lte::dci::Assignment;
use daen::rat::lte::grid::{Cutter, Grid, Pace, Stretch};
use daen::rat::lte::numerology::{BLOCK, CENTRE, CyclicPrefix, Duplex, MAX_SYMBOLS, SUBFRAMES, pss_place, sss_place};
use daen::rat::lte::reference::{Reference, is_reference};
use daen::rat::lte::system_information::downlink_symbols;
use daen::rat::lte::{Options, Receiver, pbch, shared};
use daen::sensor::evidence::broadcast::{Snippet, Withheld, broadcast_only};
use daen::synth::channel::Noise;
use daen::synth::gsm::Picos;
use daen::synth::lte::downlink::{Downlink, DownlinkConfig};
use daen::synth::lte::{Cell, Frames};
use daen::units::{Db, Dbfs, Hz, Ppb, SampleIndex, Timestamp};
use num_complex::Complex32;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub fn receive(info: &StreamInfo, samples: &[Complex32]) -> Vec<CellReport> {
    let mut receiver = Receiver::new(info, Options::default());
    let mut reports = Vec::new();
    samples.chunks(1 << 16).for_each(|part| receiver.process(part, &mut reports));
    reports.clear();
    receiver.finish(&mut reports);
    reports
}

fn fields(observation: &Observation) -> &LteFields {
    observation.fields.as_ref().and_then(Fields::lte).unwrap()
}

/// A cell in samples, by what was observed before anything was cut.
pub struct Followed<'a> {
    observation: &'a Observation,
    cutter: Cutter,
    stretch: Stretch<'a>,
    pace: Pace,
    pub layout: Layout,
    duplex: Duplex,
}

/// Elements that are not empty, by frame number and subframe.
pub type Elements = BTreeMap<(u16, usize), BTreeSet<(usize, usize)>>;

impl<'a> Followed<'a> {
    pub fn new(info: &StreamInfo, samples: &'a [Complex32], observation: &'a Observation) -> Followed<'a> {
        let cutter = Cutter::new((info.sample_rate.0 / 1.92e6).round() as usize);
        let timing = observation.timing.unwrap();
        let start = ((timing.at_ns - info.start).as_secs_f64() + timing.at_frac_ns * 1e-9) * info.sample_rate.0;
        let rate = if timing.rate_sigma_ppb.0 < 1000.0 { timing.rate_ppb } else { observation.carrier.ppb };
        let pace = Pace { start, period: cutter.frame() / (1.0 + rate.0 * 1e-9), offset: observation.carrier.hz };
        let (radio, mib) = (fields(observation).radio.unwrap(), fields(observation).mib.unwrap());
        let told = usize::from(mib.prb);
        let layout = Layout {
            pci: observation.cell.id,
            cp: if radio.extended_cp { CyclicPrefix::Extended } else { CyclicPrefix::Normal },
            blocks: if told * BLOCK <= cutter.max_subcarriers() { told } else { CENTRE / BLOCK },
            ports: usize::from(radio.ports),
            phich_extended: mib.phich_extended,
            phich_sixths: usize::from(mib.phich_ng_sixths),
        };
        let duplex = if radio.tdd { Duplex::Tdd } else { Duplex::Fdd };
        Followed { observation, cutter, stretch: Stretch { samples, first: 0 }, pace, layout, duplex }
    }

    /// Calls `f` with each subframe: its frame's number, its own and its elements.
    pub fn each(&mut self, mut f: impl FnMut((u16, usize), &Grid)) {
        let FrameName::Radio { sfn, .. } = self.observation.timing.unwrap().frame else { panic!("a radio frame") };
        let mut grid = Grid::new(self.layout.blocks * BLOCK, MAX_SYMBOLS);
        for subframe in 0..SUBFRAMES {
            for frame in self.cutter.frames(&self.stretch, &self.pace, subframe) {
                let (cp, place) = (self.layout.cp, (frame, subframe));
                if self.cutter.cut(&self.stretch, &self.pace, place, cp, 0..cp.symbols(), &mut grid) {
                    f(((i64::from(sfn) + frame).rem_euclid(1024) as u16, subframe), &grid);
                }
            }
        }
    }

    /// Whether an element of a frame is the same in every frame or the MIB's, said in other words than the program's.
    fn is_basic(&self, (subframe, symbol, place): (usize, usize, usize)) -> bool {
        let Layout { pci, cp, blocks, ports, .. } = self.layout;
        let edge = (blocks * BLOCK - CENTRE) / 2;
        let sync = [pss_place(self.duplex, cp), sss_place(self.duplex, cp)].contains(&(subframe % 5, symbol));
        // One port's places are told apart from two ports' in the two symbols that all of them use.
        let reference = subframe % 5 == 0 && is_reference(pci, cp, ports, symbol % cp.slot_symbols(), place);
        let mib = subframe == 0 && place >= edge && pbch::elements(pci, cp, CENTRE).contains(&(symbol, place - edge));
        (sync && (edge + 5..edge + 67).contains(&place)) || reference || mib
    }

    /// What is left beyond those; everything else is 80 dB below them.
    pub fn beyond(&mut self) -> Elements {
        let symbols = self.layout.cp.symbols();
        let basic: BTreeSet<(usize, usize, usize)> = (0..SUBFRAMES)
            .flat_map(|subframe| (0..symbols).map(move |symbol| (subframe, symbol)))
            .flat_map(|(subframe, symbol)| (0..self.layout.blocks * BLOCK).map(move |k| (subframe, symbol, k)))
            .filter(|at| self.is_basic(*at))
            .collect();
        let mut all = BTreeMap::new();
        let (mut kept, mut count) = (0.0, 0.0);
        self.each(|at, grid| {
            for symbol in 0..symbols {
                for (k, value) in grid.symbol(symbol).iter().enumerate() {
                    let energy = f64::from(value.norm_sqr());
                    if basic.contains(&(at.1, symbol, k)) {
                        (kept, count) = (kept + energy, count + 1.0);
                    } else if energy > 0.0 {
                        all.entry(at).or_insert_with(Vec::new).push((energy, (symbol, k)));
                    }
                }
            }
        });
        let least = kept / count * 1e-8;
        assert!(least > 0.0);
        let silent = all.values().flatten().filter(|(energy, _)| *energy < least);
        println!(
            "silent elements below {:.1e}",
            silent.map(|(energy, _)| energy).fold(0.0, |a, b| b.max(a)) / least * 1e-8
        );
        let loud = |elements: Vec<(f64, (usize, usize))>| -> BTreeSet<(usize, usize)> {
            elements.into_iter().filter(|(energy, _)| *energy >= least).map(|(_, at)| at).collect()
        };
        all.into_iter().map(|(at, elements)| (at, loud(elements))).filter(|(_, loud)| !loud.is_empty()).collect()
    }

    /// What is left of a subframe besides reference signals and PCFICH: of the control region, and of what follows it, of which there are
    /// only whole resource blocks of a slot; those.
    pub fn parts(&self, at: (u16, usize), left: &BTreeSet<(usize, usize)>, grid: &Grid) -> (usize, [Vec<usize>; 2]) {
        let Layout { pci, cp, blocks, ports, .. } = self.layout;
        let slot = cp.slot_symbols();
        let mut channel = Channel::new(ports, blocks * BLOCK, MAX_SYMBOLS);
        channel.estimate(grid, &Reference::new(pci, cp, blocks), at.1, 4, ports, None);
        let format = Control::new(self.layout).formats((grid, &channel), at.1)[0];
        let special = self.duplex == Duplex::Tdd && at.1 % 5 == 1;
        let region = self.layout.symbols(format, special);
        let indicator: Vec<_> =
            self.layout.indicator().into_iter().flat_map(|first| self.layout.elements(0, first)).collect();
        let told = |symbol: usize, k: usize| {
            is_reference(pci, cp, ports, symbol % slot, k) || indicator.contains(&(symbol, k))
        };
        let rest = left.iter().copied().filter(|(symbol, k)| !told(*symbol, *k));
        let (control, data): (Vec<_>, Vec<_>) = rest.partition(|(symbol, _)| *symbol < region);
        let of_slot = |n: usize| -> Vec<usize> {
            let touched = data.iter().filter(|(symbol, _)| symbol / slot == n).map(|(_, k)| k / BLOCK);
            touched.collect::<BTreeSet<usize>>().into_iter().collect()
        };
        let assignment = Assignment { blocks: [0, 1].map(of_slot), bits: 0, version: None };
        let tdd = fields(self.observation).sib1.as_ref().and_then(|sib1| sib1.tdd);
        let whole = tdd.map_or(cp.symbols(), |tdd| {
            downlink_symbols(cp, (tdd.subframe_assignment, tdd.special_subframe_patterns), at.1)
        });
        let expected = shared::elements(&self.layout, (self.duplex, at.1), region..whole, &assignment);
        assert_eq!(data.into_iter().collect::<BTreeSet<_>>(), expected.into_iter().collect(), "{at:?}: whole blocks");
        (control.len(), assignment.blocks)
    }
}

/// What lies between symbols.
fn between(snippet: &Snippet) -> f64 {
    let mut inside = vec![false; snippet.samples.len()];
    snippet.kept.iter().cloned().flatten().for_each(|index| inside[index] = true);
    let between = snippet.samples.iter().zip(&inside).filter(|(_, inside)| !**inside);
    between.map(|(sample, _)| f64::from(sample.norm_sqr())).sum()
}

/// Messages of a name that a cell was heard to send.
pub fn messages(report: &CellReport, name: &str) -> BTreeSet<String> {
    report.broadcast.iter().filter(|block| block.name == name).map(|block| block.octets.to_string()).collect()
}

/// What became of the strongest cell of samples.
pub struct Cut {
    pub observation: Observation,
    pub before: CellReport,
    pub snippet: Snippet,
    /// As it is found again.
    pub after: Option<CellReport>,
    /// What is left of it beyond what every cell has.
    pub beyond: Elements,
}

/// The strongest cell of samples is cut out and nothing is left but what it says to everybody; what a receiver makes of that.
pub fn check(name: &str, info: &StreamInfo, samples: &[Complex32]) -> Cut {
    let mut reports = receive(info, samples);
    reports.sort_by(|a, b| a.snr.0.total_cmp(&b.snr.0));
    let before = reports.pop().unwrap();
    let observation = observed(&before, info);
    let snippet = broadcast_only(info, samples.len() as u64, &mut reader(samples), &observation).unwrap();
    assert_eq!(between(&snippet), 0.0, "{name}");
    let mut followed = Followed::new(&snippet.info, &snippet.samples, &observation);
    let beyond = followed.beyond();
    let mut subframes = BTreeMap::new();
    followed.each(|at, grid| {
        beyond.contains_key(&at).then(|| subframes.insert(at, grid.clone()));
    });
    for (at, left) in &beyond {
        let (control, blocks) = followed.parts(*at, left, &subframes[at]);
        // One message or two, in four or eight elements of 36.
        assert!(control % 144 == 0 && (144..=4 * 144).contains(&control), "{name} {at:?}: {control} of the PDCCH");
        assert!(!blocks.concat().is_empty(), "{name} {at:?}: a message that announces nothing");
    }
    let after = receive(&snippet.info, &snippet.samples);
    println!(
        "{name}: {} {:.1} dB {:?} at {} Msps; after {:?} at {} Msps, {} subframes with system information",
        before.key,
        before.snr.0,
        before.counts,
        info.sample_rate.0 * 1e-6,
        after.iter().map(|report| (report.key, report.carrier.hz.0, &report.counts)).collect::<Vec<_>>(),
        snippet.info.sample_rate.0 * 1e-6,
        beyond.len(),
    );
    for report in &after {
        for message in &report.broadcast {
            let known = messages(&before, &message.name).contains(&message.octets.to_string());
            assert!(known, "{name}: {message:?}");
        }
    }
    let after = after.into_iter().find(|report| report.key == before.key);
    if let Some(found) = &after {
        // The recording's own errors are in it still.
        let apart = (found.carrier.hz.0 - before.carrier.hz.0).abs();
        assert!(apart < 100.0, "{name}: {:?} {:?}", found.carrier, before.carrier);
        assert_eq!(messages(found, "MIB"), messages(&before, "MIB"), "{name}");
    }
    Cut { observation, before, snippet, after, beyond }
}

pub fn cell(cell: Cell, rate: f64, offset: f64, seed: u64) -> (StreamInfo, Vec<Complex32>) {
    cell_at(cell, rate, offset, seed, Db(25.0))
}

/// Half a second of a cell that has `snr` in an element, its carrier `offset` below the centre.
pub fn cell_at(cell: Cell, rate: f64, offset: f64, seed: u64, snr: Db) -> (StreamInfo, Vec<Complex32>) {
    let carrier = Hz(1_842.5e6);
    let start = Timestamp(1_795_000_000_000_000_000);
    let info = StreamInfo { stream: "x".into(), center: Hz(carrier.0 + offset), sample_rate: Hz(rate), start };
    let noise = cell.noise(Dbfs(-20.0), snr);
    let config = DownlinkConfig {
        frame_number: 77,
        start: Picos(3_456_789_012),
        clock_error: Ppb(700.0),
        ..DownlinkConfig::new(cell, carrier, Dbfs(-20.0))
    };
    let mut samples = vec![Complex32::default(); (rate * 0.5) as usize];
    Downlink::new(&info, Ppb(0.0), config).unwrap().add_to(SampleIndex(0), &mut samples);
    Noise::new(seed, noise, info.sample_rate).add_to(SampleIndex(0), &mut samples);
    (info, samples)
}

#[test]
fn of_a_cell_with_users_nothing_is_left_but_synchronisation_reference_and_mib() {
    let crowded = |pci, blocks| Cell { load: 1.0, ..Cell::new(pci, blocks) };
    for (n, (sent, rate)) in [
        (crowded(137, 6), 1.92e6),
        (Cell { ports: 2, ..crowded(301, 25) }, 7.68e6),
        (Cell { ports: 2, frames: Frames::Type2 { assignment: 1, special: 7 }, ..crowded(42, 15) }, 5e6),
        (Cell { ports: 4, cp: CyclicPrefix::Extended, ..crowded(77, 6) }, 2e6),
    ]
    .into_iter()
    .enumerate()
    {
        let (info, samples) = cell(sent, rate, 0.0, n as u64);
        let cut = check(&format!("synthetic {n}"), &info, &samples);
        assert!(cut.after.is_some() && cut.beyond.is_empty(), "it is found again, and nothing else: {:?}", cut.beyond);
    }
}

#[test]
fn a_carrier_beside_the_centre_of_a_wide_stream_is_cut_out_too_and_one_outside_is_withheld() {
    let (info, samples) = cell(Cell { load: 0.7, ..Cell::new(211, 6) }, 7.68e6, 1.5e6, 9);
    // The receiver wants its carrier at the centre: it gets the stream shifted, the cutter gets it as it is.
    let turn = std::f64::consts::TAU * 1.5e6 / 7.68e6;
    let shifted: Vec<Complex32> = samples
        .iter()
        .enumerate()
        .map(|(n, sample)| {
            let (im, re) = (turn * n as f64).rem_euclid(std::f64::consts::TAU).sin_cos();
            sample * Complex32::new(re as f32, im as f32)
        })
        .collect();
    let tuned = StreamInfo { center: Hz(1_842.5e6), ..info.clone() };
    let before = receive(&tuned, &shifted).pop().unwrap();
    let observation = observed(&before, &tuned);
    let snippet = broadcast_only(&info, samples.len() as u64, &mut reader(&samples), &observation).unwrap();
    let after = receive(&snippet.info, &snippet.samples);
    assert_eq!(after.len(), 1);
    assert_eq!((after[0].key, &after[0].broadcast[0].octets), (before.key, &before.broadcast[0].octets));
    assert_eq!(between(&snippet), 0.0);
    assert_eq!(Followed::new(&snippet.info, &snippet.samples, &observation).beyond(), Elements::new());

    let far = StreamInfo { center: Hz(1_846.0e6), ..info.clone() };
    let refused = broadcast_only(&far, samples.len() as u64, &mut reader(&samples), &observation);
    assert_eq!(refused.unwrap_err(), Withheld::OutOfBand);
    let mut vague = observation.clone();
    vague.timing.as_mut().unwrap().sigma_ns = 2_000.0;
    let refused = broadcast_only(&info, samples.len() as u64, &mut reader(&samples), &vague);
    assert_eq!(refused.unwrap_err(), Withheld::Uncertain);
    assert_eq!(observation.cell.rat, Rat::Lte);
}

/// Recordings, and whether they hold their strongest cell as a whole.
const RECORDINGS: [(&str, bool); 8] = [
    ("enb-leg50", true),
    ("enb-leg100x2", true),
    ("enb-warn25", true),
    ("b40-tdd-2360M-19M2", true),
    ("b3-1815M3-19M2", true),
    ("b3-1852M5-19M2", true),
    ("b20-806M-19M2-clipped", true),
    ("b3-1860M-1M92", false),
];

#[test]
fn of_real_recordings_nothing_but_the_broadcast_is_left_and_the_cell_is_found_in_it_with_what_it_says() {
    let Some(root) = captures::captures() else { return };
    let truth = captures::truth(&root, "lte/");
    for (name, whole) in RECORDINGS {
        let path = root.join(format!("lte/{name}.sigmf-meta"));
        let mut recording = sigmf::describe(&path, sigmf::Overrides::default()).unwrap().open().unwrap();
        let (info, samples) = samples(&mut recording, 1.0);
        let cut = check(name, &info, &samples);
        let after = cut.after.expect(name);
        assert_eq!(cut.beyond.is_empty(), !whole, "{name}");
        assert_eq!(messages(&after, "SIB1"), messages(&cut.before, "SIB1"), "{name}");
        // What other decoders read in the whole recording: SIB1 is in what is left of it, and one message at least.
        let cell = &truth[&format!("lte/{name}")];
        let told = |kind: &str| -> BTreeSet<String> {
            let lists = [&cell["si"], &cell["cells"][0]["si"]];
            let all = lists.into_iter().filter_map(Value::as_array).flatten();
            all.filter(|si| si["kind"] == kind).map(|si| si["hex"].as_str().unwrap().to_owned()).collect()
        };
        assert!(told("SIB1").is_subset(&messages(&after, "SIB1")), "{name}");
        let (si, told) = (messages(&after, "SI"), told("SI"));
        println!("{name}: SIB1 {:?}, {} of {} other messages", messages(&after, "SIB1"), si.len(), told.len());
        assert!(told.is_empty() || told.intersection(&si).next().is_some(), "{name}: {si:?}");
    }
}
