//! Licensed cells' phases from what receivers report while they start: the frames of the demo's scene, three GSM cells on one mast and
//! two LTE cells, none of which jumps (tests/data/locate/README.md).

use daen::cell::{CellKey, Rat};
use daen::locate::gather::Heard;
use daen::locate::phase::Outcome;
use daen::locate::phases::{Event, Phases};
use daen::observation::{
    CarrierError, Clock, ClockSource, FrameName, FrameTiming, Level, NodeId, Observation, Position, ReceiverState,
};
use daen::units::{Db, Dbfs, Hz, Nanos, Ppb, Timestamp};
use std::collections::BTreeMap;

const FRAMES: &str = include_str!("../data/locate/demo-frames.csv");

fn at(lat_deg: f64, lon_deg: f64, height_m: f64) -> Position {
    Position { lat_deg, lon_deg, height_m: Some(height_m), sigma_m: Some(5.0) }
}

fn node_at(name: &str) -> Position {
    match name {
        "aran-market" => at(13.6905, 102.5010, 24.0),
        "rong-kluea" => at(13.6680, 102.5430, 24.0),
        "khlong-luek" => at(13.6450, 102.5230, 24.0),
        _ => at(13.7280, 102.5480, 24.0),
    }
}

fn site_of(observation: &Observation) -> Option<Position> {
    match observation.cell.id {
        42 | 171 => Some(at(13.6925, 102.5060, 49.0)),
        35 => Some(at(13.6760, 102.5290, 49.0)),
        12 | 21 | 25 | 280 => Some(at(13.6560, 102.5640, 49.0)),
        _ => None,
    }
}

fn observation(fields: &[&str]) -> (NodeId, Observation) {
    let number = |at: usize| fields[at].parse::<f64>().unwrap();
    let time = |at: usize| Timestamp(fields[at].parse().unwrap());
    let lte = fields[2] == "lte";
    let frame = if lte {
        FrameName::Radio { sfn: fields[9].parse().unwrap(), half: fields[10].parse().unwrap() }
    } else {
        FrameName::Gsm { frame_number: fields[9].parse().unwrap() }
    };
    let observation = Observation {
        at_ns: time(5),
        first_ns: time(6),
        clock: Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None },
        position: Some(node_at(fields[1])),
        cell: CellKey {
            rat: if lte { Rat::Lte } else { Rat::Gsm },
            center_hz: fields[3].parse().unwrap(),
            id: fields[4].parse().unwrap(),
        },
        identity: None,
        level: Level { dbfs: Dbfs(-30.0), dbm: None, sigma_db: Db(1.0) },
        snr_db: Db(20.0),
        carrier: CarrierError { hz: Hz(0.0), ppb: Ppb(number(14)), sigma_ppb: Ppb(number(15)) },
        timing: Some(FrameTiming {
            at_ns: time(7),
            at_frac_ns: number(8),
            sigma_ns: number(11),
            frame,
            rate_ppb: Ppb(number(12)),
            rate_sigma_ppb: Ppb(number(13)),
        }),
        bearing: None,
        broadcast: Vec::new(),
        fields: None,
        content_sha256: None,
        receiver: ReceiverState { stream: "s".to_owned(), ..ReceiverState::default() },
    };
    (fields[1].parse().unwrap(), observation)
}

fn as_heard(lines: &[(NodeId, Observation)]) -> Vec<Heard<'_>> {
    lines.iter().map(|(node, observation)| Heard { node, observation }).collect()
}

/// Envelope by envelope as the hub got them; the frames of one cell come so much later from 25 s on.
fn events(jumper: Option<(u16, f64)>) -> Vec<Event> {
    let mut phases = Phases::default();
    let mut newest: BTreeMap<(NodeId, CellKey), Observation> = BTreeMap::new();
    let mut events = Vec::new();
    let rows: Vec<Vec<&str>> = FRAMES.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let begun = Timestamp(rows[0][5].parse().unwrap());
    for envelope in rows.chunk_by(|a, b| a[0] == b[0]) {
        let mut fresh: Vec<(NodeId, Observation)> = envelope.iter().map(|row| observation(row)).collect();
        for (_, o) in &mut fresh {
            if let Some((id, by_ns)) = jumper
                && o.cell.id == id
                && o.at_ns - begun > Nanos::from_secs(25)
            {
                o.timing.as_mut().unwrap().at_ns = o.timing.unwrap().at_ns + Nanos(by_ns as i64);
            }
        }
        let known: Vec<(NodeId, Observation)> = newest
            .iter()
            .filter(|((node, cell), o)| {
                let same = |(n, f): &(NodeId, Observation)| n == node && f.cell == *cell;
                let near = |(n, f): &(NodeId, Observation)| n == node && (f.at_ns - o.at_ns).0.abs() < 10_000_000_000;
                !fresh.iter().any(same) && fresh.iter().any(near)
            })
            .map(|((node, _), o)| (node.clone(), o.clone()))
            .collect();
        events.extend(phases.learn_beside(&as_heard(&fresh), &as_heard(&known), site_of).events);
        newest.extend(fresh.into_iter().map(|(node, o)| ((node, o.cell), o)));
    }
    assert_eq!(phases.len(), 7);
    events
}

#[test]
fn cells_that_keep_their_frames_are_not_said_to_jump_while_receivers_start() {
    let told = events(None);
    assert!(told.iter().all(|event| !matches!(event.outcome, Outcome::Jumped { .. })), "{told:#?}");
}

#[test]
fn a_jump_of_400_ns_is_seen_beside_what_receivers_are_off_by() {
    // The cell that the others' noise hides least and the one that it hides most; neither makes the time.
    for (id, by_ns) in [(280, 400.0), (280, -400.0), (12, 400.0), (12, -400.0)] {
        let told = events(Some((id, by_ns)));
        let jumps: Vec<&Event> = told.iter().filter(|e| matches!(e.outcome, Outcome::Jumped { .. })).collect();
        assert_eq!(jumps.len(), 1, "{id} by {by_ns}: {told:#?}");
        let Outcome::Jumped { by_ns: seen } = jumps[0].outcome else { unreachable!() };
        assert!(jumps[0].cell.id == id && (seen - by_ns).abs() < 150.0, "{id} by {by_ns}: {:?}", jumps[0]);
    }
}
