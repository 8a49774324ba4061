//! What of an LTE carrier may leave a node.

use super::{captures, observed, reader, samples};
use daen::cell::Rat;
use daen::observation::{Fields, Observation};
use daen::radio::sigmf;
use daen::radio::source::StreamInfo;
use daen::rat::CellReport;
use daen::rat::lte::grid::{Cutter, Grid, Pace, Stretch};
use daen::rat::lte::numerology::{CENTRE, CyclicPrefix, Duplex, MAX_SYMBOLS, SUBFRAMES, pss_place, sss_place};
use daen::rat::lte::reference::is_reference;
use daen::rat::lte::{Options, Receiver, pbch};
use daen::sensor::evidence::broadcast::{Snippet, Withheld, broadcast_only};
use daen::synth::channel::Noise;
use daen::synth::gsm::Picos;
use daen::synth::lte::downlink::{Downlink, DownlinkConfig};
use daen::synth::lte::{Cell, Frames};
use daen::units::{Db, Dbfs, Hz, Ppb, SampleIndex, Timestamp};
use num_complex::Complex32;

fn receive(info: &StreamInfo, samples: &[Complex32]) -> Vec<CellReport> {
    let mut receiver = Receiver::new(info, Options::default());
    let mut reports = Vec::new();
    samples.chunks(1 << 16).for_each(|part| receiver.process(part, &mut reports));
    reports.clear();
    receiver.finish(&mut reports);
    reports
}

fn layout(observation: &Observation) -> (CyclicPrefix, Duplex, usize) {
    let radio = observation.fields.as_ref().and_then(Fields::lte).unwrap().radio.unwrap();
    let cp = if radio.extended_cp { CyclicPrefix::Extended } else { CyclicPrefix::Normal };
    (cp, if radio.tdd { Duplex::Tdd } else { Duplex::Fdd }, usize::from(radio.ports))
}

/// Whether an element of a frame is the broadcast's, said in other words than the program's.
fn is_broadcast(pci: u16, (cp, duplex, ports): (CyclicPrefix, Duplex, usize), at: (usize, usize, usize)) -> bool {
    let (subframe, symbol, place) = at;
    let sync = [pss_place(duplex, cp), sss_place(duplex, cp)].contains(&(subframe % 5, symbol));
    let first = subframe % 5 == 0;
    // One port's places are told apart from two ports' in the two symbols that all of them use.
    let reference = first && is_reference(pci, cp, ports, symbol % cp.slot_symbols(), place);
    let mib = subframe == 0 && pbch::elements(pci, cp, CENTRE).contains(&(symbol, place));
    (sync && (5..67).contains(&place)) || reference || mib
}

/// Energy of the broadcast's elements of a snippet and of all others among the 72, and of what lies between symbols, by what was observed
/// before anything was cut.
fn energies(snippet: &Snippet, observation: &Observation) -> (f64, f64, f64) {
    let mut cutter = Cutter::new(1);
    let timing = observation.timing.unwrap();
    let start = ((timing.at_ns - snippet.info.start).as_secs_f64() + timing.at_frac_ns * 1e-9) * 1.92e6;
    let rate = if timing.rate_sigma_ppb.0 < 1000.0 { timing.rate_ppb } else { observation.carrier.ppb };
    let pace = Pace { start, period: 19_200.0 / (1.0 + rate.0 * 1e-9), offset: observation.carrier.hz };
    let layout = layout(observation);
    let stretch = Stretch { samples: &snippet.samples, first: 0 };
    let mut grid = Grid::new(CENTRE, MAX_SYMBOLS);
    let (mut kept, mut others) = (0.0, 0.0);
    for subframe in 0..SUBFRAMES {
        for frame in cutter.frames(&stretch, &pace, subframe) {
            if !cutter.cut(&stretch, &pace, (frame, subframe), layout.0, 0..layout.0.symbols(), &mut grid) {
                continue;
            }
            for symbol in 0..layout.0.symbols() {
                for (place, value) in grid.symbol(symbol).iter().enumerate() {
                    let energy = f64::from(value.norm_sqr());
                    let of = is_broadcast(observation.cell.id, layout, (subframe, symbol, place));
                    *(if of { &mut kept } else { &mut others }) += energy;
                }
            }
        }
    }
    let mut inside = vec![false; snippet.samples.len()];
    snippet.kept.iter().cloned().flatten().for_each(|index| inside[index] = true);
    let between = snippet.samples.iter().zip(&inside).filter(|(_, inside)| !**inside);
    (kept, others, between.map(|(sample, _)| f64::from(sample.norm_sqr())).sum())
}

/// The strongest cell of samples is cut out and nothing else is left; whether a receiver finds it again, and then it is the same.
fn check(name: &str, info: &StreamInfo, samples: &[Complex32]) -> bool {
    let reports = receive(info, samples);
    let before = reports.iter().max_by(|a, b| a.snr.0.total_cmp(&b.snr.0)).unwrap();
    let observation = observed(before, info);
    let snippet = broadcast_only(info, samples.len() as u64, &mut reader(samples), &observation).unwrap();
    let (kept, others, between) = energies(&snippet, &observation);
    println!("{name}: energy {kept:.3e}, elsewhere {others:.3e}, between symbols {between:.3e}");
    assert!(kept > 0.0 && others < 1e-4 * kept, "{name}: {others} beside {kept}");
    assert_eq!(between, 0.0, "{name}");
    let after = receive(&snippet.info, &snippet.samples);
    println!(
        "{name}: {} {:.1} dB {:?} of {} cells; after {:?}",
        before.key,
        before.snr.0,
        before.counts,
        reports.len(),
        after.iter().map(|report| (report.key, report.carrier.hz.0, &report.counts)).collect::<Vec<_>>()
    );
    for report in &after {
        assert!(report.broadcast.iter().all(|block| block.name == "MIB"), "{name}: {:?}", report.broadcast);
    }
    let Some(found) = after.iter().find(|report| report.key == before.key) else { return false };
    // The recording's own errors are in it still.
    let apart = (found.carrier.hz.0 - before.carrier.hz.0).abs();
    assert!(apart < 100.0, "{name}: {:?} {:?}", found.carrier, before.carrier);
    let message = |report: &CellReport, name: &str| {
        let octets = report.broadcast.iter().filter(|block| block.name == name).map(|block| block.octets.clone());
        octets.collect::<Vec<_>>()
    };
    assert_eq!(message(found, "MIB"), message(before, "MIB"), "{name}");
    true
}

fn cell(cell: Cell, rate: f64, offset: f64, seed: u64) -> (StreamInfo, Vec<Complex32>) {
    let carrier = Hz(1_842.5e6);
    let start = Timestamp(1_795_000_000_000_000_000);
    let info = StreamInfo { stream: "x".into(), center: Hz(carrier.0 + offset), sample_rate: Hz(rate), start };
    let noise = cell.noise(Dbfs(-20.0), Db(25.0));
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
        assert!(check(&format!("synthetic {n}"), &info, &samples), "it is found again");
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
    let (kept, others, between) = energies(&snippet, &observation);
    assert!(others < 1e-4 * kept && between == 0.0, "{others} beside {kept}");

    let far = StreamInfo { center: Hz(1_846.0e6), ..info.clone() };
    let refused = broadcast_only(&far, samples.len() as u64, &mut reader(&samples), &observation);
    assert_eq!(refused.unwrap_err(), Withheld::OutOfBand);
    let mut vague = observation.clone();
    vague.timing.as_mut().unwrap().sigma_ns = 2_000.0;
    let refused = broadcast_only(&info, samples.len() as u64, &mut reader(&samples), &vague);
    assert_eq!(refused.unwrap_err(), Withheld::Uncertain);
    assert_eq!(observation.cell.rat, Rat::Lte);
}

const RECORDINGS: [&str; 5] = ["enb-leg50", "enb-leg100x2", "b40-tdd-2360M-19M2", "b3-1815M3-19M2", "b3-1860M-1M92"];

#[test]
fn of_real_recordings_nothing_but_the_broadcast_is_left_and_the_cell_is_found_in_it_with_its_mib() {
    for name in RECORDINGS {
        let path = captures().join(format!("lte/{name}.sigmf-meta"));
        if !path.is_file() {
            println!("skipped: the recording lte/{name} is not there (DAEN_CAPTURES)");
            return;
        }
        let mut recording = sigmf::describe(&path, sigmf::Overrides::default()).unwrap().open().unwrap();
        let (info, samples) = samples(&mut recording, 1.0);
        assert!(check(name, &info, &samples), "{name} is not found again");
    }
}
