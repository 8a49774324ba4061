//! System information of LTE cells in what may leave a node.

use super::lte::{Cut, Followed, cell, cell_at, check, messages, receive};
use super::{observed, reader};
use daen::observation::envelope::iq::{Ask, MAX_WHOLE, unpack};
use daen::observation::{Evidence, Finding, Octets, SCHEMA, Tier};
use daen::radio::source::StreamInfo;
use daen::rat::lte::channel::Channel;
use daen::rat::lte::control::{CCE_GROUPS, COMMON_CCES, Control, Layout, Place, Region};
use daen::rat::lte::dci::length_1a;
use daen::rat::lte::numerology::{BLOCK, CyclicPrefix, Duplex, MAX_SYMBOLS};
use daen::rat::lte::reference::{Reference, is_reference};
use daen::sensor::evidence::broadcast::broadcast_only;
use daen::sensor::evidence::ring::Ring;
use daen::sensor::evidence::send::prepare;
use daen::synth::lte::{Cell, Format, Frames, Grant};
use daen::units::{Db, Hz, Nanos, SampleIndex};
use num_complex::Complex32;
use serde_json::Value;
use std::collections::BTreeSet;

/// P-RNTI; TS 36.321 table 7.1-1.
const PAGES: u16 = 0xfffe;

/// A cell that says who it is and what it schedules (tests/data/lte-synth), with as many users as it can have, and pages.
fn crowded(pci: u16, blocks: usize, frames: Frames) -> Cell {
    let told: Value = serde_json::from_str(include_str!("../data/lte-synth/messages.json")).unwrap();
    let octets = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    let sib1 = match frames {
        Frames::Type1 => &told["fdd"],
        Frames::Type2 { assignment, special } => &told["tdd"][usize::from(assignment)][usize::from(special)],
    };
    let messages = vec![octets(&told["si"][0]), octets(&told["si"][1])];
    Cell { frames, sib1: octets(sib1), messages, load: 1.0, pages: true, ..Cell::new(pci, blocks) }
}

/// Pages in samples: how many subframes announce one.
fn pages(info: &StreamInfo, samples: &[Complex32], cut: &Cut) -> usize {
    let mut followed = Followed::new(info, samples, &cut.observation);
    let layout = followed.layout;
    let Layout { pci, cp, blocks, ports, .. } = layout;
    let reference = Reference::new(pci, cp, blocks);
    let mut channel = Channel::new(ports, blocks * BLOCK, MAX_SYMBOLS);
    let (mut control, mut found) = (Control::new(layout), 0);
    followed.each(|(_, subframe), grid| {
        channel.estimate(grid, &reference, subframe, cp.symbols(), ports, None);
        let place = Place { subframe, special: false };
        let lengths = [length_1a(Duplex::Fdd, blocks)];
        found += usize::from(control.search((grid, &channel), place, (&[3], &[1]), PAGES, &lengths).is_some());
    });
    found
}

#[test]
fn of_a_cell_with_users_and_pages_its_system_information_is_left_and_no_other_element() {
    let grant = Grant { format: Format::Localized, aggregation: 8, blocks: 6 };
    let (info, samples) = cell(Cell { grant, ..crowded(137, 25, Frames::Type1) }, 7.68e6, 0.0, 21);
    let cut = check("25 blocks", &info, &samples);
    let after = cut.after.as_ref().unwrap();
    for name in ["MIB", "SIB1", "SI"] {
        assert_eq!(messages(after, name), messages(&cut.before, name));
    }
    assert_eq!((messages(after, "SIB1").len(), messages(after, "SI").len()), (1, 2));

    let mut followed = Followed::new(&cut.snippet.info, &cut.snippet.samples, &cut.observation);
    let layout = followed.layout;
    let region = Region::new(&layout, 3, 1, false);
    let candidates = (region.order.len() / CCE_GROUPS).min(COMMON_CCES) / 8;
    let mut subframes = BTreeSet::new();
    followed.each(|at, _| {
        // Windows of 20 ms: the first message every 8 frames, the second every 16; each is sent four times.
        let sib1 = at.0 % 2 == 0 && at.1 == 5;
        let message = at.1 < 4 && (at.0 % 8 == 0 || at.0 % 16 == 2);
        (sib1 || message).then(|| subframes.insert(at));
    });
    let found: BTreeSet<(u16, usize)> = cut.beyond.keys().copied().collect();
    // The snippet may begin or end within one.
    assert!(found.is_subset(&subframes) && subframes.difference(&found).count() <= 1, "{subframes:?} {found:?}");
    assert!(subframes.len() > 40);
    let mut same = 0;
    for (at, left) in &cut.beyond {
        let slot = layout.cp.slot_symbols();
        let reference = |symbol: usize, k: usize| is_reference(layout.pci, layout.cp, 1, symbol % slot, k);
        let indicator = layout.indicator().into_iter().flat_map(|first| layout.elements(0, first));
        let told: BTreeSet<(usize, usize)> = indicator.collect();
        let control = left.iter().copied().filter(|at| at.0 < 3 && !reference(at.0, at.1) && !told.contains(at));
        let first = usize::from(at.0) % candidates * 8;
        let groups = region.elements.chunks_exact(4).zip(&region.order);
        let of_message = groups.filter(|(_, place)| (first..first + 8).contains(&(*place / CCE_GROUPS)));
        let expected: BTreeSet<(usize, usize)> = of_message.flat_map(|(group, _)| group).copied().collect();
        assert_eq!(control.collect::<BTreeSet<_>>(), expected, "{at:?}");
        let data = left.iter().filter(|at| at.0 >= 3 && !reference(at.0, at.1));
        assert!(data.map(|at| at.1).all(|k| k < 6 * BLOCK), "{at:?}: the first six blocks are granted");
        // Pages in the same control region.
        same += usize::from(at.0 % 4 > 1);
    }
    let (before, after) = (pages(&info, &samples, &cut), pages(&cut.snippet.info, &cut.snippet.samples, &cut));
    println!("{before} pages before, {after} after; {same} subframes have one beside system information");
    assert!(before > 300 && same > 10);
    assert_eq!(after, 0, "pages are gone");
}

#[test]
fn what_is_left_of_a_cell_is_the_same_whether_it_has_users_or_not() {
    let spread = |aggregation| Grant { format: Format::Distributed { second_gap: true }, aggregation, blocks: 4 };
    let compact = Grant { format: Format::Compact { second_gap: false }, aggregation: 4, blocks: 6 };
    for (n, (sent, rate)) in [
        (Cell { ports: 2, grant: spread(4), ..crowded(301, 50, Frames::Type1) }, 15.36e6),
        (Cell { ports: 2, grant: compact, ..crowded(42, 15, Frames::Type2 { assignment: 1, special: 7 }) }, 5e6),
        (Cell { ports: 4, cp: CyclicPrefix::Extended, ..crowded(77, 6, Frames::Type1) }, 2e6),
    ]
    .into_iter()
    .enumerate()
    {
        let (info, samples) = cell(sent.clone(), rate, 0.0, 30 + n as u64);
        let cut = check(&format!("crowded {n}"), &info, &samples);
        let after = cut.after.as_ref().unwrap();
        assert_eq!(messages(after, "SIB1"), messages(&cut.before, "SIB1"));
        assert!(messages(after, "SIB1").len() == 1 && !messages(after, "SI").is_empty(), "{n}");
        assert!(cut.beyond.len() > 20, "{n}");

        // The same air without users and pages, cut by what was observed with them.
        let (_, quiet) = cell(Cell { load: 0.0, pages: false, ..sent }, rate, 0.0, 30 + n as u64);
        let other = broadcast_only(&info, quiet.len() as u64, &mut reader(&quiet), &cut.observation).unwrap();
        assert_eq!(other.kept, cut.snippet.kept, "{n}");
        let energy = |samples: &[Complex32]| samples.iter().map(|sample| f64::from(sample.norm_sqr())).sum::<f64>();
        let apart: Vec<Complex32> = other.samples.iter().zip(&cut.snippet.samples).map(|(a, b)| a - b).collect();
        let share = energy(&apart) / energy(&cut.snippet.samples);
        println!("crowded {n}: users leave {share:.1e} of what is kept");
        assert!(share < 1e-4, "{n}: {share}");
        assert_eq!(receive(&other.info, &other.samples)[0].key, cut.before.key);
    }
}

#[test]
fn what_was_put_together_from_several_transmissions_is_left_with_all_of_them() {
    // The announcement is understood at 1 dB, a block in one resource block only after two transmissions or more.
    let grant = Grant { format: Format::Localized, aggregation: 8, blocks: 1 };
    let (info, samples) = cell_at(Cell { grant, ..crowded(137, 25, Frames::Type1) }, 7.68e6, 0.0, 51, Db(1.0));
    let cut = check("weak", &info, &samples);
    let after = cut.after.as_ref().unwrap();
    assert_eq!(messages(after, "SIB1"), messages(&cut.before, "SIB1"));
    assert_eq!(messages(after, "SIB1").len(), 1);
    assert!(cut.before.counts["sib1_failed"] > 3, "{:?}", cut.before.counts);
    // The first transmission of each period of 80 ms, which says nothing by itself, is there beside the second.
    let mut firsts = BTreeSet::new();
    Followed::new(&cut.snippet.info, &cut.snippet.samples, &cut.observation).each(|(number, subframe), _| {
        (number % 8 == 0 && subframe == 5).then(|| firsts.insert((number, subframe)));
    });
    let kept = firsts.iter().filter(|at| cut.beyond.contains_key(at)).count();
    println!("{kept} of {} first transmissions", firsts.len());
    assert!(firsts.len() >= 4 && kept + 1 >= firsts.len());
}

#[test]
fn of_a_cell_of_20_mhz_the_hub_gets_as_long_a_piece_as_it_takes_with_its_system_information() {
    let (info, samples) = cell(Cell { ports: 2, ..crowded(301, 100, Frames::Type1) }, 23.04e6, 0.0, 41);
    let before = receive(&info, &samples).pop().unwrap();
    let observation = observed(&before, &info);
    let folder = tempfile::tempdir().unwrap();
    let mut ring = Ring::open(folder.path(), 1 << 28).unwrap();
    ring.begin(0, &info).unwrap();
    let most = samples.iter().map(|sample| sample.re.abs().max(sample.im.abs())).fold(0.0, f32::max);
    for (n, part) in samples.chunks(1 << 16).enumerate() {
        let whole = |value: f32| (value / most * 32_000.0) as i16;
        let part: Vec<i16> = part.iter().flat_map(|sample| [whole(sample.re), whole(sample.im)]).collect();
        ring.write(0, SampleIndex((n as u64) << 16), &part).unwrap();
    }
    let evidence = Evidence { what: "x".to_owned(), value: "y".to_owned(), expected: "z".to_owned() };
    let (rule, evidence) = ("ID-05".to_owned(), vec![evidence]);
    let finding = Finding { rule, version: 1, tier: Tier::A, evidence, innocent: vec![], observation };
    ring.pin(&finding).unwrap();
    drop(ring);
    let at = finding.observation.at_ns;
    let ask = Ask {
        schema: SCHEMA,
        ask: Octets(vec![1; 16]),
        node: "pole-1".parse().unwrap(),
        cell: before.key,
        at_ns: at,
        have: 0,
        issued_ns: at,
        expires_ns: at + Nanos::from_secs(60),
    };
    let (manifest, whole) = prepare(folder.path(), &ask).unwrap();
    println!("{} octets for {} samples of {} Msps", whole.len(), manifest.samples, manifest.rate_hz * 1e-6);
    assert!(whole.len() <= MAX_WHOLE && manifest.octets == whole.len() as u64);
    let octets = unpack(&whole, manifest.samples).unwrap();
    let got: Vec<Complex32> = octets
        .chunks_exact(2)
        .map(|pair| Complex32::new(f32::from(pair[0].cast_signed()), f32::from(pair[1].cast_signed())) / 127.0)
        .collect();
    let sent = StreamInfo { center: Hz(manifest.center_hz), sample_rate: Hz(manifest.rate_hz), ..info };
    let after = receive(&sent, &got).pop().unwrap();
    assert_eq!(after.key, before.key);
    for name in ["MIB", "SIB1"] {
        assert_eq!(messages(&after, name), messages(&before, name));
    }
    assert_eq!(messages(&after, "SIB1").len(), 1);
}
