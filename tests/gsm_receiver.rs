//! The GSM receiver against real recordings (truth from other decoders) and against synthetic beacons.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

#[path = "support/captures.rs"]
mod captures;

use captures::capture;
use daen::observation::{Fields, FrameName, gsm::SiType};
use daen::radio::sigmf;
use daen::radio::source::{Event, IqBlock, IqSource, StreamInfo};
use daen::rat::CellReport;
use daen::rat::gsm::{Options, Receiver};
use daen::synth::channel::Noise;
use daen::synth::gsm::Picos;
use daen::synth::gsm::beacon::{Beacon, BeaconConfig, Program};
use daen::synth::gsm::broadcast::{Broadcast, Schedule};
use daen::units::{Db, Dbfs, Hz, Ppb, SampleIndex, Timestamp};
use num_complex::Complex32;

const CARRIER: Hz = Hz(945e6);
const BSIC: u8 = 0o35;
/// Seconds of a TDMA frame; TS 45.002 clause 4.3.1.
const FRAME: f64 = 1250.0 / (1_625_000.0 / 6.0);

/// Final reports of every stream of a recording, read `block` samples at a time.
fn receive(path: &std::path::Path, block: usize) -> Vec<CellReport> {
    let mut source = sigmf::describe(path, sigmf::Overrides::default()).unwrap().open().unwrap();
    let (mut iq, mut last, mut receiver) = (IqBlock::default(), Vec::new(), None::<Receiver>);
    loop {
        let event = source.read(block, &mut iq).unwrap();
        if !matches!(event, Event::Samples)
            && let Some(mut receiver) = receiver.take()
        {
            let mut reports = Vec::new();
            receiver.finish(&mut reports);
            last.append(&mut reports);
        }
        match event {
            Event::Stream(info) => receiver = Some(Receiver::new(&info, Options::default())),
            Event::Samples => receiver.as_mut().unwrap().process(&iq.samples, &mut Vec::new()),
            Event::End => return last,
        }
    }
}

fn stream(rate: f64) -> StreamInfo {
    StreamInfo { stream: "test".into(), center: CARRIER, sample_rate: Hz(rate), start: Timestamp(0) }
}

fn finish(info: &StreamInfo, samples: &[Complex32], block: usize) -> (Vec<CellReport>, Vec<CellReport>) {
    let mut receiver = Receiver::new(info, Options::default());
    let (mut live, mut last) = (Vec::new(), Vec::new());
    samples.chunks(block).for_each(|part| receiver.process(part, &mut live));
    receiver.finish(&mut last);
    (live, last)
}

struct Air {
    info: StreamInfo,
    samples: Vec<Complex32>,
}

impl Air {
    fn new(rate: f64, seconds: f64) -> Air {
        Air { info: stream(rate), samples: vec![Complex32::default(); (rate * seconds) as usize] }
    }

    fn beacon(mut self, change: impl FnOnce(&mut BeaconConfig)) -> Air {
        let mut config = BeaconConfig {
            program: Program::constant(Broadcast::new(BSIC, &schedule())),
            frame_number: 1000,
            start: Picos(123_456_789),
            carrier: CARRIER,
            carrier_offset: Hz(0.0),
            clock_error: Ppb(0.0),
            level: Dbfs(-20.0),
            phase_turns: 0.1,
        };
        change(&mut config);
        let mut beacon = Beacon::new(&self.info, Ppb(0.0), config).unwrap();
        for (i, part) in self.samples.chunks_mut(65_536).enumerate() {
            beacon.add_to(SampleIndex(65_536 * i as u64), part);
        }
        self
    }

    /// Noise at a signal-to-noise ratio in 200 kHz of a beacon at -20 dBFS.
    fn snr(mut self, seed: u64, snr: Db) -> Air {
        Noise::new(seed, Dbfs(-20.0) - snr, self.info.sample_rate).add_to(SampleIndex(0), &mut self.samples);
        self
    }

    fn receive(&self) -> Vec<CellReport> {
        finish(&self.info, &self.samples, 65_536).1
    }
}

/// SI3 of the recording gsm/bcch-953M6-500k (truth.json) at every TC.
fn schedule() -> Schedule {
    let mut si3 = [0; 23];
    hex::decode_to_slice("49061b3b2d72f2203aa8d0033c546506b900008020420b", &mut si3).unwrap();
    Schedule { norm: std::array::from_fn(|_| vec![si3]), ..Schedule::default() }
}

#[test]
fn the_two_short_recordings_give_all_twelve_blocks() {
    for (name, bsic, frame_number, carrier_error) in
        [("gsm/bcch-953M6-500k", 56, 857_127, 8690.0), ("gsm/beacon-941M0-500k", 32, 675_026, 8470.0)]
    {
        let Some(path) = capture(name) else { return };
        let cells = receive(&path, 4096);
        let [cell] = &cells[..] else { panic!("{name}: {cells:?}") };
        assert_eq!(cell.key.id, bsic);
        assert_eq!((cell.counts["blocks"], cell.counts["blocks_failed"], cell.counts["sch"]), (6, 0, 4), "{name}");
        assert_eq!(cell.timing.unwrap().frame, FrameName::Gsm { frame_number });
        assert!((cell.carrier.hz.0 - carrier_error).abs() < 40.0, "{name}: {:?}", cell.carrier);
    }
}

#[test]
fn the_short_recording_with_a_bcch_says_who_it_is() {
    let Some(path) = capture("gsm/bcch-953M6-500k") else { return };
    let cells = receive(&path, 4096);
    let identity = cells[0].identity.as_ref().unwrap();
    assert_eq!(identity.plmns, ["272-02".parse().unwrap()]);
    assert_eq!((identity.area, identity.cell_id), (Some(15016), Some(15149)));
    let octets: Vec<String> =
        cells[0].broadcast.iter().map(|block| format!("{} {}", block.name, block.octets)).collect();
    assert_eq!(octets, ["SI3 49061b3b2d72f2203aa8d0033c546506b900008020420b"]);
}

#[test]
fn three_beacons_are_found_in_twenty_milliseconds_of_four_megasamples() {
    let Some(path) = capture("gsm/wideband-941M-4M") else { return };
    let found: Vec<(u64, u16, FrameName)> =
        receive(&path, 4096).iter().map(|cell| (cell.key.center_hz, cell.key.id, cell.timing.unwrap().frame)).collect();
    let at = |frame_number| FrameName::Gsm { frame_number };
    assert_eq!(found, [(939_400_000, 33, at(112_425)), (939_800_000, 38, at(614_683)), (941_000_000, 32, at(614_683))]);
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let Some(path) = capture("gsm/no-cell-937M-4M") else { return };
    assert_eq!(receive(&path, 4096), []);
}

#[test]
fn the_long_recording_gives_every_type_of_system_information() {
    let Some(path) = capture("gsm/vodafone-arfcn725-1M") else { return };
    let cells = receive(&path, 65_536);
    let [cell] = &cells[..] else { panic!("{cells:?}") };
    let Some(Fields::Gsm(fields)) = &cell.fields else { panic!("no fields") };
    use SiType::{Si1, Si2, Si2quater, Si2ter, Si3, Si4, Si13};
    assert_eq!(fields.si_types, [Si1, Si2, Si2ter, Si2quater, Si3, Si4, Si13]);
    assert_eq!(fields.cell_allocation.as_deref(), Some(&[725][..]));
    assert_eq!(fields.neighbours_si2.as_deref(), Some(&[730, 733, 734, 741, 746][..]));
    assert_eq!(fields.neighbours_si2ter.as_deref(), Some(&[4, 6, 8, 10, 12, 53, 61, 63, 65, 67, 69, 75][..]));
    assert_eq!(fields.control_channel.unwrap().t3212, 10);
    let reselection = fields.si3_rest.as_ref().unwrap().selection.unwrap();
    assert_eq!((reselection.cell_reselect_offset_db(), reselection.penalty_time), (Db(80.0), 31));
    let identity = cell.identity.as_ref().unwrap();
    assert_eq!(
        (identity.plmns[0].to_string(), identity.area, identity.cell_id),
        ("262-02".into(), Some(318), Some(11225))
    );
    assert_eq!(cell.key.id, 48);
}

#[test]
fn reports_do_not_depend_on_the_size_of_blocks() {
    let air = Air::new(1e6, 2.3).beacon(|_| {}).snr(1, Db(6.0));
    let whole = finish(&air.info, &air.samples, usize::MAX);
    assert!(!whole.0.is_empty() && !whole.1.is_empty());
    for block in [997, 16_384, 1_000_003] {
        assert_eq!(finish(&air.info, &air.samples, block), whole, "{block}");
    }
}

/// Every window of 20 ms at 10 dB that holds a whole synchronisation burst, with or without an FCCH before it.
#[test]
fn forty_kilohertz_of_offset_are_no_obstacle_in_any_window_with_a_synchronisation_burst() {
    let mut tried = 0;
    for (case, offset) in [-40e3, -21e3, 0.0, 33e3, 40e3].into_iter().cycle().take(30).enumerate() {
        let start = -(case as f64) * 7.3e-3 - 1e-4;
        let holds_sch = (0..200).any(|frame| {
            let from = start + f64::from(frame) * FRAME;
            let t3 = (1000 + frame) % 51;
            t3 % 10 == 1 && from >= 0.0 && from + 148.0 / 1250.0 * FRAME <= 0.02
        });
        if !holds_sch {
            continue;
        }
        let air = Air::new(1e6, 0.02).beacon(|config| {
            config.start = Picos::from_secs_f64(start);
            config.carrier_offset = Hz(offset);
        });
        let cells = air.snr(case as u64, Db(10.0)).receive();
        let [cell] = &cells[..] else { panic!("case {case}, offset {offset}: {} cells", cells.len()) };
        assert_eq!((cell.key.center_hz, cell.key.id), (945_000_000, u16::from(BSIC)));
        // 20 Hz is four standard deviations of one FCCH at 10 dB; a lone synchronisation burst gives 100.
        assert!((cell.carrier.hz.0 - offset).abs() < 150.0, "{offset}: {:?}", cell.carrier);
        tried += 1;
    }
    assert!(tried >= 8, "only {tried} windows held a synchronisation burst");
}

#[test]
fn a_receiver_in_real_time_does_without_the_search_of_a_short_stream_for_training_alone() {
    // The stream begins 0.1 ms before a synchronisation burst and ends before the next frequency burst.
    let air = Air::new(1e6, 0.02).beacon(|_| {}).snr(1, Db(20.0));
    let cells = |live| {
        let mut receiver = Receiver::new(&air.info, Options { live, ..Options::default() });
        let mut reports = Vec::new();
        receiver.process(&air.samples, &mut reports);
        receiver.finish(&mut reports);
        reports.len()
    };
    assert_eq!((cells(false), cells(true)), (1, 0));
}

/// More channels than a live receiver searches at the same time.
#[test]
fn the_channels_of_a_wide_live_stream_take_turns_and_none_of_them_is_forgotten() {
    const WIDE: f64 = 8e6;
    let steps = [-18, -10, 0, 9, 18];
    let hz = |step: i32| CARRIER + Hz(200e3 * f64::from(step));
    let mut air = Air::new(WIDE, 3.5);
    for (n, step) in steps.into_iter().enumerate() {
        air = air.beacon(|config| {
            config.carrier = hz(step);
            config.frame_number = 1000 + 321 * n as u32;
            config.start = Picos::from_secs_f64(-0.0123 * n as f64);
        });
    }
    // One comes on when every channel has been searched and few are.
    let late = hz(15);
    let begin = (1.9 * WIDE) as usize;
    let mut one = Air::new(WIDE, 1.6).beacon(|config| config.carrier = late);
    air.samples[begin..].iter_mut().zip(one.samples.drain(..)).for_each(|(sample, more)| *sample += more);
    let air = air.snr(1, Db(12.0));
    let mut receiver = Receiver::new(&air.info, Options { live: true, ..Options::default() });
    let mut first = std::collections::BTreeMap::new();
    for (n, part) in air.samples.chunks(80_000).enumerate() {
        let mut reports = Vec::new();
        receiver.process(part, &mut reports);
        for report in reports {
            first.entry(report.key.center_hz).or_insert(n as f64 * 0.01);
        }
    }
    let mut last = Vec::new();
    receiver.finish(&mut last);
    let found = |wanted: Hz| first.get(&(wanted.0 as u64)).copied();
    for step in steps {
        // 39 channels in two turns of 230 ms, and what a beacon needs to be confirmed.
        assert!(found(hz(step)).is_some_and(|at| at < 0.7), "{step}: {first:?}");
    }
    assert!(found(late).is_some_and(|at| (1.9..2.3).contains(&at)), "{first:?}");
    assert_eq!(last.len(), 6);
    assert!(last.iter().all(|cell| cell.counts["bcch"] > 0 && cell.counts["blocks_failed"] == 0), "{last:?}");
}

#[test]
fn level_noise_carrier_and_timing_come_out_as_they_went_in() {
    let (offset, clock_error) = (Hz(1234.0), Ppb(800.0));
    let air = Air::new(1e6, 3.0).beacon(|config| {
        config.carrier_offset = offset;
        config.clock_error = clock_error;
    });
    let cells = air.snr(3, Db(12.0)).receive();
    let cell = &cells[0];
    assert!((cell.level - Dbfs(-20.0)).0.abs() < 0.2, "{:?}", cell.level);
    assert!((cell.snr - Db(12.0)).0.abs() < 0.4, "{:?}", cell.snr);
    let expected = offset.0 / CARRIER.0 * 1e9 + clock_error.0;
    assert!((cell.carrier.ppb.0 - expected).abs() < 5.0 * cell.carrier.sigma_ppb.0.max(1.0), "{:?}", cell.carrier);
    let timing = cell.timing.unwrap();
    let FrameName::Gsm { frame_number } = timing.frame else { panic!("{timing:?}") };
    let frames = f64::from(frame_number - 1000);
    let start = 123_456.789 + frames * FRAME * 1e9 / (1.0 + clock_error.0 * 1e-9);
    let error = timing.at_ns.0 as f64 + timing.at_frac_ns - start;
    assert!(error.abs() < 5.0 * timing.sigma_ns && timing.sigma_ns < 60.0, "{error} ns: {timing:?}");
    assert!((timing.rate_ppb.0 - clock_error.0).abs() < 5.0 * timing.rate_sigma_ppb.0, "{timing:?}");
}

/// A clone that drowns the licensed cell on its own carrier: both are reported, with their own timing.
#[test]
fn a_stronger_beacon_on_the_same_carrier_is_a_second_cell() {
    let mut air = Air::new(1e6, 2.5).beacon(|_| {});
    let takeover = air.samples.len() / 2;
    let before = air.samples[..takeover].to_vec();
    air = air.beacon(|config| {
        config.program = Program::constant(Broadcast::new(0o71, &schedule()));
        config.start = Picos(17_000_000_000);
        config.frame_number = 2_000_000;
        config.level = Dbfs(-5.0);
        config.carrier_offset = Hz(900.0);
    });
    air.samples[..takeover].copy_from_slice(&before);
    let cells = air.snr(4, Db(30.0)).receive();
    let bsics: Vec<u16> = cells.iter().map(|cell| cell.key.id).collect();
    assert_eq!(bsics, [u16::from(BSIC), 0o71]);
    assert!(cells[1].first.as_secs_f64() > 1.2 && cells[0].last.as_secs_f64() < 1.4);
}

#[test]
fn a_beacon_whose_frames_jump_stays_one_cell() {
    let first = Air::new(1e6, 1.0).beacon(|_| {}).snr(5, Db(20.0));
    let second = Air::new(1e6, 1.2).beacon(|config| config.start = Picos(2_000_111_000)).snr(6, Db(20.0));
    let samples = [&first.samples[..], &second.samples[..]].concat();
    let cells = finish(&first.info, &samples, 65_536).1;
    assert_eq!(cells.len(), 1);
    assert!(cells[0].counts["sch"] > 35, "{:?}", cells[0].counts);
    assert!(cells[0].last.as_secs_f64() > 2.1);
}

/// Blocks other than SYSTEM INFORMATION are counted and nothing else: a paging message with an identity leaves no trace in any
/// report. (The decoder itself is tested in `tests/gsm_coding.rs`.)
#[test]
fn nothing_of_a_paging_message_leaves_the_receiver() {
    // PAGING REQUEST TYPE 1 with a mobile identity, TS 44.018 clause 9.1.22; the identity is made up.
    let mut paging = [0x2b; 23];
    paging[..12].copy_from_slice(&[0x31, 0x06, 0x21, 0x00, 0x08, 0x59, 0x02, 0x30, 0x67, 0x45, 0x23, 0xf1]);
    let mut with_paging = schedule();
    // The place of BCCH Ext belongs to the CCCH here.
    with_paging.ext = std::array::from_fn(|_| vec![paging]);
    let air =
        Air::new(1e6, 2.0).beacon(|config| config.program = Program::constant(Broadcast::new(BSIC, &with_paging)));
    let air = air.snr(7, Db(20.0));
    let (live, last) = finish(&air.info, &air.samples, 65_536);
    assert!(last[0].counts["blocks"] > 60, "{:?}", last[0].counts);
    let all = format!("{live:?}{last:?}").to_lowercase();
    for trace in ["5902306745", "0623", "210008", "[49, 6, 33", "89, 2, 48", "paging"] {
        assert!(!all.contains(trace), "{trace}");
    }
    assert!(last.iter().flat_map(|cell| &cell.broadcast).all(|block| block.name == "SI3"));
}

#[test]
fn rubbish_is_received_as_nothing() {
    let info = stream(1e6);
    let wild = [f32::MAX, f32::MIN_POSITIVE, -1e30, 0.0, f32::INFINITY, f32::NAN];
    let samples: Vec<Complex32> =
        (0..120_000).map(|i| Complex32::new(wild[i % wild.len()], wild[(i / 7) % wild.len()])).collect();
    assert_eq!(finish(&info, &samples, 4096), (vec![], vec![]));
    // A steady carrier in the FCCH's place is none.
    let tone: Vec<Complex32> =
        (0..400_000).map(|i| Complex32::from_polar(0.5, (i % 1_200) as f32 * 67_500.0 * 6.283_185_5 / 1e6)).collect();
    assert_eq!(finish(&info, &tone, 4096), (vec![], vec![]));
    // A stream outside every GSM band, and one narrower than a channel.
    let elsewhere = StreamInfo { center: Hz(2.6e9), ..stream(1e6) };
    assert_eq!(finish(&elsewhere, &tone, 4096), (vec![], vec![]));
    assert_eq!(finish(&stream(100e3), &tone, 4096), (vec![], vec![]));
}

/// Detection limits: a loss of half a decibel is a diff. The long table is made by `make acceptance`.
#[test]
fn sensitivity_in_white_noise() {
    let long = std::env::var_os("DAEN_ACCEPTANCE").is_some();
    let (seeds, seconds) = if long { (8, 5.0) } else { (2, 1.5) };
    let mut table = String::from("SNR dB  blocks  SCH\n");
    let mut rates = Vec::new();
    for snr in [0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0] {
        let (mut blocks, mut failed, mut sch, mut sch_failed) = (0, 0, 0, 0);
        for seed in 0..seeds {
            let air = Air::new(1e6, seconds).beacon(|config| config.frame_number = 1000 + 377 * seed as u32);
            for cell in air.snr(seed, Db(snr)).receive() {
                blocks += cell.counts["blocks"];
                failed += cell.counts["blocks_failed"];
                sch += cell.counts["sch"];
                sch_failed += cell.counts["sch_failed"];
            }
        }
        let share = |good: u64, bad: u64| 100.0 * good as f64 / (good + bad).max(1) as f64;
        rates.push((snr, share(blocks, failed)));
        table += &format!("{snr:>6.1}  {:>5.1}%  {:>5.1}%\n", share(blocks, failed), share(sch, sch_failed));
    }
    let at = |wanted: f64| rates.iter().find(|(snr, _)| *snr == wanted).unwrap().1;
    // The goals of the receiver: half of the blocks at 1.5 dB, 99 % at 4 dB.
    assert!(at(1.5) >= 50.0 && at(4.0) >= 99.0, "\n{table}");
    if long {
        println!("{table}");
    } else {
        insta::assert_snapshot!(table);
    }
}
