//! What each stage of a sample's journey costs: `cargo bench --bench stages`.
//!
//! Figures are per sample of the stream (or per block), so they can be held against a rate: 1 Msample/s of "items" is real
//! time at 1 Msps. The signal comes from the crate's own test transmitter, made before the clock starts.

// The observations of a day come from the rules' own tests.
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../rules/border.rs"]
mod border;
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../rules/lte_support.rs"]
mod lte_support;
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../rules/support.rs"]
mod support;

use daen::cell::{CellKey, Rat};
use daen::dsp::channelizer::Channelizer;
use daen::dsp::spectrum::Welch;
use daen::locate::problem::{Arrival, Clock, Late, Problem};
use daen::locate::{Enu, METRES_PER_NS, locate};
use daen::observation::Observation;
use daen::radio::source::StreamInfo;
use daen::rat::gsm::coding::{BURST_BITS, Place, XcchDecoder, encode_xcch};
use daen::rat::gsm::{Options, Receiver};
use daen::rat::lte;
use daen::rat::lte::watch::Watch;
use daen::rat::nr;
use daen::rat::{self, CellReport, Receivers};
use daen::rules::{Config, Engine};
use daen::synth::channel::Noise;
use daen::synth::gsm::Picos;
use daen::synth::gsm::beacon::{Beacon, BeaconConfig, Program};
use daen::synth::gsm::broadcast::{Broadcast, Schedule};
use daen::synth::lte::downlink::{Downlink, DownlinkConfig};
use daen::synth::lte::{Cell, Format, Grant};
use daen::units::{Db, Dbfs, Hz, Nanos, Ppb, SampleIndex, Timestamp};
use divan::Bencher;
use divan::counter::ItemsCount;
use num_complex::Complex32;
use rustfft::FftPlanner;

fn main() {
    divan::main();
}

/// A SYSTEM INFORMATION TYPE 3 header with arbitrary content behind it: what is decoded, not what it says, takes the time.
const MESSAGE: [u8; 23] = [
    0x49, 0x06, 0x1b, 0x2b, 0xd9, 0x62, 0xf2, 0x20, 0x01, 0x3e, 0xc8, 0x03, 0x0a, 0x65, 0x65, 0x10, 0x00, 0x00, 0x2b,
    0x2b, 0x2b, 0x2b, 0x2b,
];

fn stream(rate: f64) -> StreamInfo {
    StreamInfo { stream: "bench".to_owned(), center: Hz(945e6), sample_rate: Hz(rate), start: Timestamp(0) }
}

/// `seconds` of one beacon at 20 dB over noise.
fn signal(rate: f64, seconds: f64) -> Vec<Complex32> {
    let mut schedule = Schedule::default();
    schedule.norm.iter_mut().for_each(|messages| messages.push(MESSAGE));
    let config = BeaconConfig {
        program: Program::constant(Broadcast::new(10, &schedule)),
        frame_number: 1234,
        start: Picos(-123_456_789),
        carrier: Hz(945.2e6),
        carrier_offset: Hz(0.0),
        clock_error: Ppb(350.0),
        level: Dbfs(-20.0),
        phase_turns: 0.0,
    };
    let mut samples = vec![Complex32::default(); (rate * seconds) as usize];
    let mut beacon = Beacon::new(&stream(rate), Ppb(0.0), config).expect("all values are in range");
    beacon.add_to(SampleIndex(0), &mut samples);
    Noise::new(1, Dbfs(-40.0), Hz(rate)).add_to(SampleIndex(0), &mut samples);
    samples
}

/// Five seconds with one beacon, found and followed; the argument is the rate in Msps.
#[divan::bench(args = [1.0, 2.0, 4.0], sample_count = 5, sample_size = 1)]
fn receive_one_beacon(bencher: Bencher, msps: f64) {
    let rate = msps * 1e6;
    let samples = signal(rate, 5.0);
    bencher.counter(ItemsCount::new(samples.len())).bench_local(|| {
        let mut receiver = Receiver::new(&stream(rate), Options::default());
        let mut reports = Vec::new();
        for block in samples.chunks(65_536) {
            receiver.process(block, &mut reports);
        }
        receiver.finish(&mut reports);
        reports.len()
    });
}

/// A stretch that no cache holds: 256 MB of noise, in a table of it over and over.
fn long_noise() -> Vec<Complex32> {
    let mut samples = vec![Complex32::default(); 32_000_000];
    Noise::new(3, Dbfs(-30.0), Hz(20e6)).add_to(SampleIndex(0), &mut samples);
    samples
}

/// Welch's spectrum, Hann, half overlap, from memory; the argument is the number of bins.
#[divan::bench(args = [1024, 2048, 4096, 8192], sample_count = 5, sample_size = 1)]
fn spectrum(bencher: Bencher, bins: usize) {
    let samples = long_noise();
    let mut welch = Welch::new(bins);
    bencher.counter(ItemsCount::new(samples.len())).bench_local(|| {
        samples.chunks(65_536).for_each(|block| welch.process(block));
        welch.take()
    });
}

/// What it cannot do without: the transforms of its segments, twice as many as samples.
#[divan::bench(args = [1024, 2048, 4096, 8192], sample_count = 5, sample_size = 1)]
fn spectrum_transforms_alone(bencher: Bencher, bins: usize) {
    let forward = FftPlanner::new().plan_fft_forward(bins);
    let mut scratch = vec![Complex32::default(); forward.get_inplace_scratch_len()];
    let mut segment = vec![Complex32::new(1e-3, 0.0); bins];
    bencher.counter(ItemsCount::new(32_000_000usize)).bench_local(|| {
        for _ in 0..2 * 32_000_000 / bins {
            forward.process_with_scratch(&mut segment, &mut scratch);
            segment[0] = Complex32::new(1e-3, 0.0);
        }
        segment[1]
    });
}

/// 20 Msps split into all of its 99 GSM channels.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn channelise_20_msps(bencher: Bencher) {
    let samples = &long_noise()[..20_000_000];
    let mut bank = Channelizer::new(Hz(20e6), 50, Hz(144e3), Hz(192e3));
    let bins: Vec<i32> = (-49..50).map(|n| bank.bin(Hz(f64::from(n) * 200e3))).collect();
    let mut out = vec![Complex32::default(); bank.hop_len()];
    bencher.counter(ItemsCount::new(samples.len())).bench_local(|| {
        let mut rest = samples;
        while !rest.is_empty() {
            let (taken, complete) = bank.push(rest);
            rest = &rest[taken..];
            if complete {
                bins.iter().for_each(|bin| bank.extract(*bin, &mut out));
            }
        }
        out[0]
    });
}

/// Seconds of the 30 beacons, and of them for finding them.
const WATCHED: (f64, f64) = (2.5, 1.0);

/// 20 Msps with 99 GSM channels watched and 30 beacons followed; a second and a half once they are found. Half a core is 40 M/s.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn watch_and_follow_20_msps(bencher: Bencher) {
    let rate = 20e6;
    let mut schedule = Schedule::default();
    schedule.norm.iter_mut().for_each(|messages| messages.push(MESSAGE));
    let mut samples = vec![Complex32::default(); (rate * WATCHED.0) as usize];
    for n in 0..30 {
        let config = BeaconConfig {
            program: Program::constant(Broadcast::new(10 + n as u8, &schedule)),
            frame_number: 1234 + 777 * n,
            start: Picos(-123_456_789 - 31_415_926 * i64::from(n)),
            carrier: Hz(936.4e6 + 600e3 * f64::from(n)),
            carrier_offset: Hz(0.0),
            clock_error: Ppb(350.0),
            level: Dbfs(-30.0),
            phase_turns: 0.0,
        };
        Beacon::new(&stream(rate), Ppb(0.0), config).expect("in range").add_to(SampleIndex(0), &mut samples);
    }
    Noise::new(1, Dbfs(-33.0), Hz(rate)).add_to(SampleIndex(0), &mut samples);
    let (before, after) = samples.split_at((rate * WATCHED.1) as usize);
    bencher
        .counter(ItemsCount::new(after.len()))
        .with_inputs(|| {
            let mut receiver = Receiver::new(&stream(rate), Options::default());
            let mut reports = Vec::new();
            before.chunks(65_536).for_each(|block| receiver.process(block, &mut reports));
            let mut carriers: Vec<u64> = reports.iter().map(|report| report.key.center_hz).collect();
            carriers.sort_unstable();
            carriers.dedup();
            assert_eq!(carriers.len(), 30, "all beacons are found");
            receiver
        })
        .bench_local_refs(|receiver| {
            let mut reports = Vec::new();
            after.chunks(65_536).for_each(|block| receiver.process(block, &mut reports));
            reports.len()
        });
}

/// A receiver for 20 Msps made, given a few samples and ended, as happens after every hole: what the ring must hold meanwhile.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn begin_and_end_20_msps(bencher: Bencher) {
    let samples = signal(20e6, 0.005);
    let options = rat::Options {
        only: Some(Rat::Gsm),
        gsm: Options { live: true, ..Options::default() },
        watch_lte: true,
        ..rat::Options::default()
    };
    bencher.bench_local(|| {
        let mut receivers = Receivers::new(&stream(20e6), options.clone());
        let mut reports = Vec::new();
        receivers.process(&samples, &mut reports);
        receivers.finish(&mut reports)
    });
}

/// The first 400 ms at 20 Msps, in which every channel is searched; noise, so that nothing is found.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn search_gsm_20_msps(bencher: Bencher) {
    let samples = &long_noise()[..8_000_000];
    bencher.counter(ItemsCount::new(samples.len())).bench_local(|| {
        let mut receiver = Receiver::new(&stream(20e6), Options::default());
        let mut reports = Vec::new();
        samples.chunks(65_536).for_each(|block| receiver.process(block, &mut reports));
        reports.len()
    });
}

/// The forward half of the channeliser alone, every hop of one second at 4 Msps.
#[divan::bench(sample_count = 10)]
fn channelise(bencher: Bencher) {
    let samples = signal(4e6, 1.0);
    let mut bank = Channelizer::new(Hz(4e6), 10, Hz(144e3), Hz(192e3));
    bencher.counter(ItemsCount::new(samples.len())).bench_local(|| {
        let (mut rest, mut hops) = (samples.as_slice(), 0u32);
        while !rest.is_empty() {
            let (taken, complete) = bank.push(rest);
            rest = &rest[taken..];
            hops += u32::from(complete);
        }
        hops
    });
}

/// One block of four bursts to octets: de-interleaving, Viterbi, Fire code.
#[divan::bench]
fn decode_block(bencher: Bencher) {
    let bursts = encode_xcch(&MESSAGE).map(|burst| burst.map(|bit| if bit == 0 { 4.0f32 } else { -4.0 }));
    let mut decoder = XcchDecoder::new(false);
    bencher
        .counter(ItemsCount::new(1usize))
        .with_inputs(|| bursts)
        .bench_local_refs(|bursts: &mut [[f32; BURST_BITS]; 4]| decoder.decode(bursts, Place::BcchNorm));
}

/// A day of a node among 120 GSM and LTE cells of both countries, a round every 20 minutes.
fn day() -> (border::Border, Vec<Observation>) {
    let mut border = border::Border::new(1, border::Registers::Both, 1200);
    let mut heard = Vec::new();
    while border.now < border::DAY {
        if let border::Step::Heard(observations) = border.step() {
            heard.extend(observations);
        }
    }
    (border, heard)
}

/// All rules on each observation of a day; one core.
#[divan::bench(sample_count = 10)]
fn judge(bencher: Bencher) {
    let (border, heard) = day();
    bencher
        .counter(ItemsCount::new(heard.len()))
        .with_inputs(|| Engine::new(Config::default(), border.register()))
        .bench_local_values(|mut engine| {
            let mut findings = Vec::new();
            heard.iter().for_each(|observation| engine.judge(observation, &mut findings));
            findings.len()
        });
}

/// The same observations to JSON: what telling them costs.
#[divan::bench(sample_count = 10)]
fn tell(bencher: Bencher) {
    let (_, heard) = day();
    bencher.counter(ItemsCount::new(heard.len())).bench_local(|| {
        let octets = |observation| serde_json::to_string(observation).map_or(0, |json| json.len());
        heard.iter().map(octets).sum::<usize>()
    });
}

/// A transmitter heard by six nodes on clocks that know the time, each reading off by some tens of nanoseconds.
fn heard_by_six(number: usize, late: Option<Late>) -> Problem {
    let mut problem = Problem { late, ..Problem::default() };
    for clock in 0..6 {
        // Evenly round it and not quite, at 3 to 10 km; errors that look random and are the same in every run.
        let mixed = |k: usize| ((number * 31 + clock * 17 + k) * 2_654_435_761 % 4096) as f64 / 4096.0;
        let (sin, cos) = ((clock as f64 + 0.6 * mixed(1)) / 6.0 * std::f64::consts::TAU).sin_cos();
        let range = 3000.0 + 7000.0 * mixed(2);
        let node = Enu { east_m: range * sin, north_m: range * cos, up_m: 0.0 };
        let excess = if late.is_some() && mixed(3) < 0.3 { 1000.0 * mixed(4) } else { 0.0 };
        let at_ns = range / METRES_PER_NS + 300.0 * (mixed(5) - 0.5) + excess;
        problem.clocks.push(Clock { offset_sigma_ns: Some(1e-3), rate_sigma_ppb: 0.0 });
        problem.arrivals.push(Arrival { node, clock, at_ns, elapsed_s: 0.0, sigma_ns: 100.0 });
    }
    problem
}

/// A thousand transmitters of six nodes each, once; by plain least squares (the baseline), and with paths that may be late.
#[divan::bench(args = [false, true], sample_count = 10, sample_size = 1)]
fn place_a_thousand_emitters(bencher: Bencher, late: bool) {
    let late = late.then_some(Late { share: 0.3, mean_ns: 500.0 });
    let problems: Vec<Problem> = (0..1000).map(|number| heard_by_six(number, late)).collect();
    bencher
        .counter(ItemsCount::new(problems.len()))
        .bench_local(|| problems.iter().filter(|problem| locate(problem).is_ok()).count());
}

/// Samples of an LTE window of 160 ms at 1.92 Msps, and what the first one holds beyond.
const LTE_WINDOW: usize = 164 * 1920;

/// One window of noise, in which everything is searched and nothing found; the argument is the reach in kHz. Stream seconds a CPU
/// second: items over 1.92 million.
#[divan::bench(args = [140.0, 7.0], sample_count = 5, sample_size = 1)]
fn lte_search(bencher: Bencher, reach_khz: f64) {
    let mut samples = vec![Complex32::default(); LTE_WINDOW];
    Noise::new(2, Dbfs(-30.0), Hz(1.92e6)).add_to(SampleIndex(0), &mut samples);
    let options = lte::Options { max_offset: Hz(reach_khz * 1e3), ..lte::Options::default() };
    bencher.counter(ItemsCount::new(samples.len())).bench_local(|| {
        let mut receiver = lte::Receiver::new(&stream(1.92e6), options.clone());
        let mut reports = Vec::new();
        receiver.process(&samples, &mut reports);
        reports.len()
    });
}

/// The first window of NR's search in noise of 20 Msps, around all raster entries; the argument is the centre, MHz. Stream seconds a CPU
/// second: items over 20 million.
#[divan::bench(args = [1842.5, 3500.0], sample_count = 3, sample_size = 1)]
fn nr_search(bencher: Bencher, center_mhz: f64) {
    let mut samples = vec![Complex32::default(); 410_000];
    Noise::new(2, Dbfs(-30.0), Hz(20e6)).add_to(SampleIndex(0), &mut samples);
    let info = StreamInfo { center: Hz(center_mhz * 1e6), ..stream(20e6) };
    bencher.counter(ItemsCount::new(samples.len())).bench_local(|| {
        let mut receiver = nr::Receiver::new(&info, nr::Options::default());
        let mut reports = Vec::new();
        receiver.process(&samples, &mut reports);
        reports.len()
    });
}

/// What the search over +-140 kHz cannot do without: the transforms of four half-frames, three PSS and 39 offsets.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn lte_search_transforms_alone(bencher: Bencher) {
    let mut planner = FftPlanner::new();
    let (forward, inverse) = (planner.plan_fft_forward(2048), planner.plan_fft_inverse(2048));
    let mut scratch = vec![Complex32::default(); 4 * 2048];
    let mut block = vec![Complex32::new(1e-3, 0.0); 2048];
    bencher.counter(ItemsCount::new(LTE_WINDOW)).bench_local(|| {
        for _ in 0..4 * 5 {
            forward.process_with_scratch(&mut block, &mut scratch);
            for _ in 0..3 * 39 {
                inverse.process_with_scratch(&mut block, &mut scratch);
                block[0] = Complex32::new(1e-3, 0.0);
            }
        }
        block[1]
    });
}

/// What a cell sends beside its MIB.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    Mib,
    Sib1,
    /// SIB1 and the two messages that it schedules.
    All,
}

/// A cell, at 20 dB an element, of `blocks` resource blocks.
fn lte_signal(rate: f64, blocks: usize, ports: usize, says: Says, millis: usize) -> Vec<Complex32> {
    let messages: serde_json::Value =
        serde_json::from_str(include_str!("../data/lte-synth/messages.json")).expect("the file is JSON");
    let octets = |value: &serde_json::Value| hex::decode(value.as_str().unwrap_or("")).unwrap_or_default();
    let plain = Cell { ports, load: 0.5, ..Cell::new(77, blocks) };
    let grant = Grant { format: Format::Distributed { second_gap: false }, ..plain.grant };
    let sib1 = if says == Says::Mib { Vec::new() } else { octets(&messages["fdd"]) };
    let others = if says == Says::All { &[0, 1][..] } else { &[] };
    let others = others.iter().map(|&at: &usize| octets(&messages["si"][at]));
    let cell = Cell { sib1, messages: others.collect(), grant, ..plain };
    let mut samples = vec![Complex32::default(); (rate * 1e-3) as usize * millis];
    let config = DownlinkConfig::new(cell.clone(), Hz(945e6), Dbfs(-20.0));
    let mut downlink = Downlink::new(&stream(rate), Ppb(0.0), config).expect("all values are in range");
    downlink.add_to(SampleIndex(0), &mut samples);
    Noise::new(1, cell.noise(Dbfs(-20.0), Db(20.0)), Hz(rate)).add_to(SampleIndex(0), &mut samples);
    samples
}

/// A cell that is known is followed; the search is over and what it broadcasts has come. Arguments: rate in Msps, resource blocks, ports,
/// what it sends. Of 50 blocks 1.92 Msps hold the MIB alone: six blocks with SIB1 less that is what SIB1 costs.
#[divan::bench(
    args = [
        (1.92, 50, 1, Says::Mib),
        (1.92, 6, 1, Says::Sib1),
        (1.92, 6, 1, Says::All),
        (23.04, 100, 2, Says::Sib1),
        (23.04, 100, 2, Says::All),
    ],
    sample_count = 5,
    sample_size = 1
)]
fn lte_follow(bencher: Bencher, (msps, blocks, ports, says): (f64, usize, usize, Says)) {
    let (rate, known) = (msps * 1e6, 640);
    let samples = lte_signal(rate, blocks, ports, says, known + 640);
    let (before, after) = samples.split_at((rate * 1e-3) as usize * known);
    let never = lte::Options { search_interval: Nanos::from_secs(1_000), ..lte::Options::default() };
    bencher
        .counter(ItemsCount::new(after.len()))
        .with_inputs(|| {
            let mut receiver = lte::Receiver::new(&stream(rate), never.clone());
            let mut reports = Vec::new();
            receiver.process(before, &mut reports);
            assert_eq!(reports.last().map(|report| report.key.id), Some(77), "the cell is known");
            receiver
        })
        .bench_local_refs(|receiver| {
            let mut reports = Vec::new();
            receiver.process(after, &mut reports);
            reports.len()
        });
}

/// Cells of 50 blocks on as many carriers of a stream of 20 Msps, known from a stretch of it and followed: MIB, carrier and timing.
#[divan::bench(args = [1, 3], sample_count = 5, sample_size = 1)]
fn lte_watch(bencher: Bencher, carriers: usize) {
    let (rate, known) = (20e6, 640);
    let never = lte::Options { search_interval: Nanos::from_secs(1_000), ..lte::Options::default() };
    let (mut receiver, mut found) = (lte::Receiver::new(&stream(1.92e6), never.clone()), Vec::new());
    receiver.process(&lte_signal(1.92e6, 50, 1, Says::Mib, 340), &mut found);
    let found = found.pop().expect("the cell is known");
    let mut samples = vec![Complex32::default(); (rate * 1e-3) as usize * 2 * known];
    let keys: Vec<CellKey> =
        (0..carriers).map(|n| CellKey { center_hz: 939_000_000 + 6_000_000 * n as u64, ..found.key }).collect();
    for key in &keys {
        let config = DownlinkConfig::new(Cell { load: 0.5, ..Cell::new(key.id, 50) }, key.carrier(), Dbfs(-25.0));
        let mut downlink = Downlink::new(&stream(rate), Ppb(0.0), config).expect("all values are in range");
        downlink.add_to(SampleIndex(0), &mut samples);
    }
    Noise::new(1, Dbfs(-45.0), Hz(rate)).add_to(SampleIndex(0), &mut samples);
    let (before, after) = samples.split_at(samples.len() / 2);
    bencher
        .counter(ItemsCount::new(after.len()))
        .with_inputs(|| {
            let mut watch = Watch::new(&stream(rate), never.clone());
            for &key in &keys {
                watch.learn(&CellReport { key, ..found.clone() }, Nanos(0));
            }
            let mut reports = Vec::new();
            watch.process(before, &mut reports);
            assert!(keys.iter().all(|key| reports.iter().any(|report| report.key == *key)), "all are followed");
            watch
        })
        .bench_local_refs(|watch| {
            let mut reports = Vec::new();
            watch.process(after, &mut reports);
            reports.len()
        });
}

/// The transforms that following 64 frames cannot do without: seven symbols of each; the argument is the length.
#[divan::bench(args = [128, 1536], sample_count = 5)]
fn lte_follow_transforms_alone(bencher: Bencher, length: usize) {
    let forward = FftPlanner::new().plan_fft_forward(length);
    let mut scratch = vec![Complex32::default(); forward.get_inplace_scratch_len()];
    let mut symbol = vec![Complex32::new(1e-3, 0.0); length];
    bencher.counter(ItemsCount::new(640 * 15 * length)).bench_local(|| {
        for _ in 0..64 * 7 {
            forward.process_with_scratch(&mut symbol, &mut scratch);
            symbol[0] = Complex32::new(1e-3, 0.0);
        }
        symbol[1]
    });
}
