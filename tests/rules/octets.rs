//! From octets on: SYSTEM INFORMATION of stations and real recordings through the decoder, then the rules.

use crate::support::*;
use daen::cell::{CellKey, Rat, gsm_downlink};
use daen::l3::gsm::{fold, name, parse};
use daen::observation::Tier::{A, B, C};
use daen::observation::gsm::GsmFields;
use daen::observation::{BroadcastBlock, Clock, ClockSource, Fields, Finding, Observation, Octets, Tier};
use daen::radio::sigmf::{Overrides, describe};
use daen::radio::source::{Event, IqBlock, IqSource, StreamInfo};
use daen::rat::{gsm, lte};
use daen::rules::{Config, Engine, Format, Register};
use daen::sensor::observe::{Context, observe};
use daen::synth::si::{CellParameters, preset};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What a node knows after a cell's whole schedule came four times.
fn decoded(cell: &CellParameters, arfcn: u16, bsic: u16, at_s: i64) -> Observation {
    let mut fields = GsmFields::default();
    let mut identity = None;
    let mut broadcast: Vec<BroadcastBlock> = Vec::new();
    for (tc, blocks) in cell.schedule().unwrap().norm.iter().enumerate() {
        for octets in blocks {
            let message = parse(octets).unwrap();
            fold(&mut fields, &mut identity, &message);
            fields.schedule[tc] = Some(message.si_type());
            let octets_of_block = Octets(octets.to_vec());
            if !broadcast.iter().any(|known| known.octets == octets_of_block) {
                let name = name(octets).unwrap().to_owned();
                broadcast.push(BroadcastBlock { name, octets: octets_of_block, count: 4 });
            }
        }
    }
    let mut observation = public("520-03", arfcn, bsic, 1, 1).at_the_border().heard(at_s);
    observation.cell = CellKey { rat: Rat::Gsm, center_hz: gsm_downlink(arfcn, false).unwrap().0 as u64, id: bsic };
    observation.identity = identity;
    observation.fields = Some(Fields::Gsm(fields));
    observation.broadcast = broadcast;
    observation
}

fn verdicts(findings: &[Finding]) -> BTreeSet<(&str, Tier)> {
    findings.iter().map(|f| (f.rule.as_str(), f.tier)).collect()
}

#[test]
fn stations_with_stack_defaults_are_named_from_their_octets() {
    let (openbts, yate, osmo) = (preset::openbts(), preset::yatebts(51), preset::osmo_bsc());
    for (station, score) in [
        (openbts, "OpenBTS: 10 of 10 defaults"),
        (yate, "YateBTS: 9 of 9 defaults"),
        (osmo, "osmo-bsc: 9 of 9 defaults"),
    ] {
        let findings = judge_anew(None, [decoded(&station.cell, station.arfcn, u16::from(station.bsic), 0)]);
        let fingerprint = findings.iter().find(|f| f.rule == "SI-13").unwrap();
        assert_eq!((fingerprint.tier, fingerprint.evidence[0].value.as_str()), (A, score));
        assert!(verdicts(&findings).contains(&("ID-01", A)), "001-01 is a test network");
    }
}

#[test]
fn a_blaster_among_licensed_cells_is_found_and_they_are_not() {
    let licensed =
        |n: u16| preset::licensed(plmn("520-03"), 5001, 100 + n, 30 + 2 * n, 2, &[30, 32, 34, 36], &[(3600, 6)]);
    let rows: Vec<String> =
        (0..4).map(|n| format!("TH-{n},gsm,520-03,{},5001,{},{},licensed,", 30 + 2 * n, 100 + n, 16 + n)).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let mut engine = Engine::new(Config::default(), Some(register(&rows)));
    let mut findings = Vec::new();
    let mut quiet = Vec::new();
    for s in 0..60 {
        for n in 0..4 {
            engine.judge(&decoded(&licensed(n), 30 + 2 * n, 16 + n, s), &mut quiet);
        }
        if s >= 20 {
            let lac = 9000 + ((s - 20) / 15) as u16;
            engine.judge(&decoded(&preset::blaster(plmn("520-03"), lac, 7, 40), 40, 9, s), &mut findings);
        }
    }
    assert_eq!(quiet, [], "licensed cells raise nothing");
    let found = verdicts(&findings);
    let first: BTreeSet<&str> = findings
        .iter()
        .filter(|f| f.observation.at_ns.0 <= (T0 + 21) * 1_000_000_000)
        .map(|f| f.rule.as_str())
        .collect();
    assert!(
        first.is_superset(&BTreeSet::from(["ID-05", "ID-08", "SI-01", "SI-08", "RS-01", "RS-03", "RS-04"])),
        "{first:?}"
    );
    for expected in
        [("ID-05", B), ("ID-08", B), ("ID-11", A), ("SI-01", B), ("SI-08", A), ("RS-01", B), ("RS-03", B), ("RS-04", B)]
    {
        assert!(found.contains(&expected), "{expected:?} is not in {found:?}");
    }
}

// ---------------------------------------------------------------- recordings

/// A recording of the captures folder; `None`, said aloud, where it is absent.
fn capture(name: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    let folders = [Some(beside), std::env::var_os("DAEN_CAPTURES").map(PathBuf::from)];
    let found = folders.into_iter().flatten().map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: {name} is not there; set DAEN_CAPTURES to the folder of recordings");
    }
    found
}

/// The findings of a recording through both receivers and the engine, and the last observation.
fn judged(path: &std::path::Path, rules: Config, register: Option<Register>) -> (Vec<Finding>, Option<Observation>) {
    let mut recording = describe(path, Overrides::default()).unwrap().open().unwrap();
    let mut engine = Engine::new(rules, register);
    let (mut findings, mut last, mut block) = (Vec::new(), None, IqBlock::default());
    let mut stream: Option<(StreamInfo, gsm::Receiver, lte::Receiver)> = None;
    loop {
        let event = recording.read(1 << 16, &mut block).unwrap();
        let mut reports = Vec::new();
        let Some((info, gsm, lte)) = stream.as_mut() else {
            let Event::Stream(info) = event else { panic!("a stream comes first") };
            let lte = lte::Receiver::new(&info, lte::Options::default());
            stream = Some((info.clone(), gsm::Receiver::new(&info, gsm::Options::default()), lte));
            continue;
        };
        match event {
            Event::Samples => {
                gsm.process(&block.samples, &mut reports);
                lte.process(&block.samples, &mut reports);
            }
            Event::End => {
                gsm.finish(&mut reports);
                lte.finish(&mut reports);
            }
            Event::Stream(_) => panic!("the recording has one segment"),
        }
        let clock = Clock { source: ClockSource::Recording, sigma_ns: None, locked: false, since_ns: None };
        let context = Context { stream: info, clock, position: None, samples: 0, clipped: 0, lost_samples: 0 };
        for report in &reports {
            let observation = observe(report, &context);
            engine.judge(&observation, &mut findings);
            last = Some(observation);
        }
        if event == Event::End {
            return (findings, last);
        }
    }
}

fn of_recording(path: &std::path::Path, register: Option<Register>) -> (Vec<Finding>, Option<Observation>) {
    judged(path, Config::default(), register)
}

/// Recordings of public cells: everything of GSM and LTE but those of a software eNodeB.
const PUBLIC: [&str; 16] = [
    "gsm/bcch-953M6-500k",
    "gsm/beacon-941M0-500k",
    "gsm/no-cell-937M-4M",
    "gsm/vodafone-arfcn725-1M",
    "gsm/wideband-941M-4M",
    "lte/b20-796M-1M92",
    "lte/b20-806M-19M2-clipped",
    "lte/b20-816M-1M92",
    "lte/b3-1815M3-19M2",
    "lte/b3-1852M5-19M2",
    "lte/b3-1860M-1M92",
    "lte/b40-tdd-2360M-19M2",
    "lte/b41-2565M-1M92",
    "lte/b41-2645M-1M92",
    "lte/noise-1M92",
    "lte/nothing-826M-1M92",
];

#[test]
fn public_cells_of_all_real_recordings_raise_nothing_but_context() {
    // As a node there would judge (its countries configured, one copy enough, since the recordings are short), and as a user without settings.
    let there = config("countries = [\"206\", \"262\", \"272\", \"460\"]\ncopies = 1");
    for name in PUBLIC {
        let Some(path) = capture(&format!("{name}.sigmf-meta")) else { continue };
        for (whose, rules) in [("there", there.clone()), ("anywhere", Config::default())] {
            let (findings, _) = judged(&path, rules, None);
            println!("{name}, {whose}: {:?}", verdicts(&findings));
            assert!(findings.iter().all(|f| f.tier == C), "{name}, {whose}: {:?}", verdicts(&findings));
        }
    }
}

#[test]
fn a_software_enodebs_test_networks_are_named_and_its_warning_is_told() {
    for name in ["lte/enb-leg50", "lte/enb-leg100x2", "lte/enb-warn25"] {
        let Some(path) = capture(&format!("{name}.sigmf-meta")) else { continue };
        let (findings, _) = judged(&path, Config::default(), None);
        println!("{name}: {:?}", verdicts(&findings));
        assert!(verdicts(&findings).contains(&("ID-01", A)), "001 is a test country: {:?}", verdicts(&findings));
        let warned = findings.iter().find(|f| f.rule == "PG-11");
        assert_eq!(warned.map(|f| f.tier), (name == "lte/enb-warn25").then_some(C), "no siblings to hold it against");
    }
}

#[test]
fn the_real_vodafone_recording_is_no_alert_in_the_register_and_context_without_it() {
    let Some(path) = capture("gsm/vodafone-arfcn725-1M.sigmf-meta") else { return };
    let rows = include_str!("../data/register/vodafone-recording.csv");
    let (licence, _) = Register::load(rows.as_bytes(), Format::Detect).unwrap();
    let (findings, last) = of_recording(&path, Some(licence));
    let Some(Fields::Gsm(fields)) = last.unwrap().fields else { panic!("the cell was not decoded") };
    let offset = fields.si3_rest.unwrap().selection.unwrap();
    assert_eq!(
        (offset.cell_reselect_offset, offset.penalty_time),
        (40, 31),
        "80 dB, subtracted: what makes this cell hard"
    );
    assert!(findings.iter().all(|f| f.tier == C), "{:?}", verdicts(&findings));
    eprintln!("in the register: {:?}", verdicts(&findings));
    let (findings, _) = of_recording(&path, None);
    eprintln!("without: {:?}", verdicts(&findings));
    assert!(findings.iter().all(|f| f.tier == C), "{:?}", verdicts(&findings));
    assert!(verdicts(&findings).contains(&("ID-01", C)));
}

#[test]
fn short_real_recordings_give_no_findings() {
    for name in ["gsm/bcch-953M6-500k", "gsm/beacon-941M0-500k", "gsm/wideband-941M-4M", "gsm/no-cell-937M-4M"] {
        let Some(path) = capture(&format!("{name}.sigmf-meta")) else { continue };
        assert_eq!(of_recording(&path, None).0, [], "{name}");
    }
}
