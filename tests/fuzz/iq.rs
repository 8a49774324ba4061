//! Samples into the receivers: a clean cell of each standard, bent by what the fuzzer says, and samples of its own.

#![no_main]

use daen::radio::source::StreamInfo;
use daen::rat::lte::acquire::acquire;
use daen::rat::lte::cell;
use daen::rat::lte::grid::{Cutter, Pace, Stretch};
use daen::rat::lte::nb_iot::Recogniser;
use daen::rat::lte::numerology::{CyclicPrefix, Duplex};
use daen::rat::lte::search::Searcher;
use daen::rat::{gsm, lte};
use daen::synth::gsm::Picos;
use daen::synth::gsm::beacon::{Beacon, BeaconConfig, Program};
use daen::synth::gsm::broadcast::{Broadcast, Schedule};
use daen::synth::lte::Cell;
use daen::synth::lte::downlink::{Downlink, DownlinkConfig};
use daen::units::{Dbfs, Hz, Ppb, SampleIndex, Timestamp};
use libfuzzer_sys::fuzz_target;
use num_complex::Complex32;
use std::cell::RefCell;
use std::sync::LazyLock;

const CARRIER: Hz = Hz(945.2e6);

fn stream(rate: f64) -> StreamInfo {
    StreamInfo { stream: "fuzz".to_owned(), center: CARRIER, sample_rate: Hz(rate), start: Timestamp(0) }
}

/// 40 ms of an LTE cell.
static LTE: LazyLock<Vec<Complex32>> = LazyLock::new(|| {
    let cell = Cell { ports: 2, load: 0.5, sib1: vec![0x40; 18], ..Cell::new(77, 6) };
    let config = DownlinkConfig::new(cell, CARRIER, Dbfs(-20.0));
    let mut samples = vec![Complex32::default(); 1920 * 40];
    Downlink::new(&stream(1.92e6), Ppb(0.0), config).expect("in range").add_to(SampleIndex(0), &mut samples);
    samples
});

/// 60 ms of a GSM beacon.
static GSM: LazyLock<Vec<Complex32>> = LazyLock::new(|| {
    let config = BeaconConfig {
        program: Program::constant(Broadcast::new(10, &Schedule::default())),
        frame_number: 1234,
        start: Picos(0),
        carrier: CARRIER,
        carrier_offset: Hz(0.0),
        clock_error: Ppb(350.0),
        level: Dbfs(-20.0),
        phase_turns: 0.0,
    };
    let mut samples = vec![Complex32::default(); 60_000];
    Beacon::new(&stream(1e6), Ppb(0.0), config).expect("in range").add_to(SampleIndex(0), &mut samples);
    samples
});

/// Six octets bend a stretch: where, how long, how, by how much.
fn bend(samples: &mut [Complex32], order: &[u8]) {
    let number = |at: usize| usize::from(order[at]) << 8 | usize::from(order[at + 1]);
    let first = number(0) * samples.len() >> 16;
    let length = (1usize << (order[2] % 16)).min(samples.len() - first);
    let amount = f32::from(order[4]) - 128.0;
    let wild = [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE][usize::from(order[5] % 4)];
    for (n, sample) in samples[first..first + length].iter_mut().enumerate() {
        match order[3] % 7 {
            0 => *sample = Complex32::default(),
            1 => *sample *= amount,
            2 => *sample = Complex32::new(amount, f32::from(order[5])),
            3 => *sample = Complex32::new(wild, amount),
            4 => *sample *= Complex32::from_polar(1.0, amount * 1e-3 * n as f32),
            5 => *sample = sample.conj(),
            _ => *sample += Complex32::new(((n * 31 + number(4)) % 255) as f32 - 127.0, amount) * 1e-3,
        }
    }
}

/// A cell that is known, followed from where `orders` says that its frames begin.
fn follow(samples: &[Complex32], &[early, turned, longer]: &[u8; 3]) {
    let around = |octet: u8| f64::from(octet as i8) / 128.0;
    let mut cutter = Cutter::new(1);
    let pace = Pace {
        start: 8.0 * around(early),
        period: cutter.frame() * (1.0 + 1e-4 * around(longer)),
        offset: Hz(2e3 * around(turned)),
    };
    let stretch = Stretch { samples, first: 0 };
    let Some(acquired) = acquire(&mut cutter, &stretch, (77, CyclicPrefix::Normal), CARRIER, pace, &mut []) else {
        return;
    };
    let of = (77, Duplex::Fdd, CyclicPrefix::Normal);
    let Some(mut cell) = cell::Cell::new(&acquired, of, &cutter, &stretch, Vec::new()) else { return };
    cell.follow(&mut cutter, &stretch);
    cell.carrier_and_line(cutter.rate());
    cell.signal();
}

thread_local! {
    static SEARCHER: RefCell<Searcher> = RefCell::new(Searcher::new());
}

// The first octet says which part of the receivers, so that most inputs cost little: what is known already is followed, a search goes over
// three offsets of a few half-frames, and only one input in 32 goes through everything.
fuzz_target!(|data: &[u8]| {
    let Some((&[kind, block], orders)) = data.split_first_chunk::<2>() else { return };
    let own = || orders.chunks_exact(2).map(|iq| Complex32::new(iq[0] as i8 as f32, iq[1] as i8 as f32) / 128.0);
    let block = 1 + usize::from(block) * 257;
    let bent = |clean: &[Complex32]| {
        let mut samples = clean.to_vec();
        orders.chunks_exact(6).take(64).for_each(|order| bend(&mut samples, order));
        samples
    };
    let mut reports = Vec::new();
    match kind % 32 {
        0..8 => {
            let mut receiver = gsm::Receiver::new(&stream(1e6), gsm::Options::default());
            bent(&GSM[..20_000]).chunks(block).for_each(|part| receiver.process(part, &mut reports));
            receiver.finish(&mut reports);
        }
        8..20 => {
            let Some((place, _)) = orders.split_first_chunk::<3>() else { return };
            follow(&bent(&LTE), place);
        }
        20..26 => {
            // The PSS is there as often as the orders leave it.
            let samples: Vec<Complex32> = own().chain(bent(&LTE[..2 * 9_600 + 2_048])).take(3 * 9_600).collect();
            SEARCHER.with_borrow_mut(|searcher| searcher.search(&samples, (-1, 1), CARRIER));
        }
        26..30 => {
            let samples: Vec<Complex32> = own().chain(LTE[..19_200].iter().copied()).collect();
            let mut recogniser = Recogniser::new(Hz(1.92e6));
            samples.chunks(block).for_each(|part| recogniser.process(part));
            recogniser.finish();
        }
        30 => {
            let options = lte::Options { max_offset: Hz(7.5e3), ..lte::Options::default() };
            let mut receiver = lte::Receiver::new(&stream(1.92e6), options);
            bent(&LTE).chunks(block).for_each(|part| receiver.process(part, &mut reports));
            receiver.finish(&mut reports);
        }
        _ => {
            // Long enough for the carriers beside the centre to be looked for.
            let samples: Vec<Complex32> = own().cycle().take(120_000).collect();
            let mut receiver = lte::carriers::Carriers::new(&stream(3.84e6), lte::Options::default());
            samples.chunks(block).for_each(|part| receiver.process(part, &mut reports));
            receiver.finish(&mut reports);
        }
    }
});
