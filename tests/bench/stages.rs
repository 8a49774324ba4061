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

use daen::dsp::channelizer::Channelizer;
use daen::observation::Observation;
use daen::radio::source::StreamInfo;
use daen::rat::gsm::coding::{BURST_BITS, Place, XcchDecoder, encode_xcch};
use daen::rat::gsm::{Options, Receiver};
use daen::rules::{Config, Engine};
use daen::synth::channel::Noise;
use daen::synth::gsm::Picos;
use daen::synth::gsm::beacon::{Beacon, BeaconConfig, Program};
use daen::synth::gsm::broadcast::{Broadcast, Schedule};
use daen::units::{Dbfs, Hz, Ppb, SampleIndex, Timestamp};
use divan::Bencher;
use divan::counter::ItemsCount;
use num_complex::Complex32;

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
