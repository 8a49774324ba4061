use super::*;
use crate::cell::{CellIdentity, Rat};
use crate::observation::*;
use crate::units::{Db, Dbfs, Hz, Nanos, Ppb};

const KEY: CellKey = CellKey { rat: Rat::Gsm, center_hz: 947_400_000, id: 33 };

/// A licensed neighbour on its own carrier, so that a node has something to compare with.
fn neighbour(number: u16) -> CellKey {
    CellKey { rat: Rat::Gsm, center_hz: 950_000_000 + 200_000 * u64::from(number), id: number }
}

fn identity(area: u32, cell_id: u64) -> CellIdentity {
    CellIdentity { plmns: vec!["520-03".parse().unwrap()], area: Some(area), cell_id: Some(cell_id) }
}

/// A transmitter of a test: what it sends, and how its clock runs.
#[derive(Clone)]
struct Station {
    key: CellKey,
    identity: CellIdentity,
    /// Carrier error against true frequency.
    ppb: f64,
    /// Frame number at time 0, and the instant within the frame.
    start_frame: u32,
    start_ns: i64,
}

impl Station {
    fn new(cell_id: u64) -> Station {
        Station { key: KEY, identity: identity(318, cell_id), ppb: 10.0, start_frame: 1000, start_ns: 1234 }
    }

    /// The first frame that starts at or after `at_ns` of true time: its number and its instant, by exact arithmetic.
    fn frame_after(&self, at_ns: i64) -> (u32, i64) {
        let frames = (i128::from(at_ns - self.start_ns) * 13).div_euclid(60_000_000) + 1;
        let instant = i128::from(self.start_ns) + (frames * 60_000_000) / 13;
        let instant = instant as f64 - (instant as f64) * self.ppb * 1e-9;
        let frame = (i128::from(self.start_frame) + frames).rem_euclid(2_715_648);
        (frame as u32, instant as i64)
    }
}

/// A node of a test: a clock that is off.
struct Node {
    id: NodeId,
    ppb: f64,
    stream: &'static str,
}

fn node(name: &str, ppb: f64) -> Node {
    Node { id: name.parse().unwrap(), ppb, stream: "s1" }
}

const T0: i64 = 1_700_000_000_000_000_000;

/// What `node` observes of `station` at second `second`.
fn hear(node: &Node, station: &Station, second: i64) -> Observation {
    let true_ns = second * 1_000_000_000;
    let (frame_number, instant) = station.frame_after(true_ns);
    let scaled = |ns: i64| T0 + ns + (ns as f64 * node.ppb * 1e-9) as i64;
    // A node whose clock is fast (positive) sees carriers low and frames late.
    let seen_ppb = station.ppb - node.ppb;
    Observation {
        at_ns: Timestamp(T0 + true_ns),
        first_ns: Timestamp(T0),
        clock: Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None },
        position: Some(Position { lat_deg: 13.66, lon_deg: 102.55, height_m: None, sigma_m: None }),
        cell: station.key,
        identity: Some(station.identity.clone()),
        level: Level { dbfs: Dbfs(-40.0), dbm: None, sigma_db: Db(1.0) },
        snr_db: Db(20.0),
        carrier: CarrierError { hz: Hz(seen_ppb), ppb: Ppb(seen_ppb), sigma_ppb: Ppb(5.0) },
        timing: Some(FrameTiming {
            at_ns: Timestamp(scaled(instant)),
            at_frac_ns: 0.0,
            sigma_ns: 100.0,
            frame: FrameName::Gsm { frame_number },
            rate_ppb: Ppb(seen_ppb),
            rate_sigma_ppb: Ppb(20.0),
        }),
        bearing: None,
        broadcast: vec![],
        fields: None,
        content_sha256: None,
        receiver: ReceiverState { stream: node.stream.to_owned(), ..ReceiverState::default() },
    }
}

fn take(fuse: &mut Fuse, node: &Node, observation: &Observation) -> Vec<Change> {
    let heard = Heard { node: &node.id, at: observation.at_ns, observation, finding: None, licence: &Licence::Unknown };
    fuse.observe(&heard)
}

/// Lets `node` hear three licensed neighbours whose carriers are within their tolerance.
fn settle(fuse: &mut Fuse, node: &Node, second: i64) {
    for (number, ppb) in [(1, -20.0), (2, 5.0), (3, 30.0)] {
        let key = neighbour(number);
        let station = Station { key, ppb, identity: identity(318, 900 + u64::from(number)), ..Station::new(0) };
        take(fuse, node, &hear(node, &station, second));
    }
}

fn of_key(fuse: &Fuse) -> Vec<&Emitter> {
    fuse.emitters().filter(|emitter| emitter.key == KEY).collect()
}

#[test]
fn four_nodes_with_four_clock_errors_that_hear_one_cell_make_one_emitter() {
    let mut fuse = Fuse::new(FuseConfig::default());
    let nodes = [node("n1", -2500.0), node("n2", 0.0), node("n3", 900.0), node("n4", 12_000.0)];
    let station = Station::new(11225);
    for second in [1, 30, 61, 600] {
        for node in &nodes {
            settle(&mut fuse, node, second);
            take(&mut fuse, node, &hear(node, &station, second));
        }
    }
    let emitters = of_key(&fuse);
    assert_eq!(emitters.len(), 1);
    assert_eq!(emitters[0].sightings.len(), 4);
    assert_eq!(emitters[0].observations, 16);
    // Neighbours, too, are one emitter each.
    assert_eq!(fuse.emitters().count(), 4);
}

#[test]
fn a_blaster_that_cycles_its_area_code_is_one_emitter_for_every_node() {
    let mut fuse = Fuse::new(FuseConfig::default());
    let nodes = [node("n1", 400.0), node("n2", -700.0)];
    let mut station = Station { ppb: 800.0, ..Station::new(6969) };
    for second in 1..40 {
        station.identity.area = Some(1000 + (second as u32 / 3) % 7);
        for (delay, node) in nodes.iter().enumerate() {
            settle(&mut fuse, node, second * 10);
            take(&mut fuse, node, &hear(node, &station, second * 10 + delay as i64));
        }
    }
    let emitters = of_key(&fuse);
    assert_eq!(emitters.len(), 1);
    assert_eq!(emitters[0].areas(), (1000..1007).collect::<Vec<_>>());
}

#[test]
fn a_blaster_that_imitates_one_operator_after_another_stays_one_emitter_by_its_frame_phase() {
    let mut fuse = Fuse::new(FuseConfig::default());
    let n1 = node("n1", 400.0);
    let mut station = Station::new(1);
    for (second, plmn) in [(1, "520-03"), (40, "520-04"), (80, "456-06"), (120, "520-03")] {
        station.identity = CellIdentity { plmns: vec![plmn.parse().unwrap()], ..identity(1, second as u64) };
        take(&mut fuse, &n1, &hear(&n1, &station, second));
    }
    assert_eq!(of_key(&fuse).len(), 1);
    assert_eq!(of_key(&fuse)[0].identities.len(), 4);
}

#[test]
fn a_clone_with_the_key_and_identity_of_a_licensed_cell_is_told_apart_by_its_carrier_at_another_node() {
    let mut fuse = Fuse::new(FuseConfig::default());
    let (n1, n2) = (node("n1", 2000.0), node("n2", -1500.0));
    let licensed = Station::new(11225);
    let clone = Station { ppb: 900.0, start_frame: 77, start_ns: 2_000_000, ..Station::new(11225) };
    for second in [1, 60, 120] {
        settle(&mut fuse, &n1, second);
        settle(&mut fuse, &n2, second);
        take(&mut fuse, &n1, &hear(&n1, &licensed, second));
        take(&mut fuse, &n2, &hear(&n2, &clone, second));
    }
    let emitters = of_key(&fuse);
    assert_eq!(emitters.len(), 2);
    assert!(emitters.iter().all(|emitter| emitter.sightings.len() == 1));
    let twins = fuse.twins(emitters[1].id);
    assert_eq!(twins.iter().map(|twin| twin.id).collect::<Vec<_>>(), [emitters[0].id]);
    let reason = &emitters[1].distinct[&emitters[0].id];
    assert_eq!(reason.what, "carrier error relative to the node's other cells");
    assert!(reason.value.starts_with("+895"), "{}", reason.value);
}

#[test]
fn a_carrier_that_differs_by_less_than_two_licensed_cells_may_does_not_separate() {
    let mut fuse = Fuse::new(FuseConfig::default());
    let (n1, n2) = (node("n1", 2000.0), node("n2", -1500.0));
    let one = Station { ppb: -45.0, ..Station::new(11225) };
    let other = Station { ppb: 45.0, ..Station::new(11225) };
    for second in [1, 60, 120] {
        settle(&mut fuse, &n1, second);
        settle(&mut fuse, &n2, second);
        take(&mut fuse, &n1, &hear(&n1, &one, second));
        take(&mut fuse, &n2, &hear(&n2, &other, second));
    }
    assert_eq!(of_key(&fuse).len(), 1);
}

#[test]
fn a_clone_heard_before_the_node_had_a_carrier_reference_is_told_apart_as_soon_as_it_has_one() {
    let mut fuse = Fuse::new(FuseConfig::default());
    let (n1, n2) = (node("n1", 0.0), node("n2", 300.0));
    let licensed = Station::new(11225);
    let clone = Station { ppb: 1500.0, start_frame: 9, ..Station::new(11225) };
    settle(&mut fuse, &n1, 1);
    take(&mut fuse, &n1, &hear(&n1, &licensed, 2));
    take(&mut fuse, &n2, &hear(&n2, &clone, 3));
    assert_eq!(of_key(&fuse).len(), 1, "nothing tells them apart yet");
    settle(&mut fuse, &n2, 4);
    let changes = take(&mut fuse, &n2, &hear(&n2, &clone, 5));
    let emitters = of_key(&fuse);
    assert_eq!(emitters.len(), 2);
    assert!(matches!(changes[..], [Change::Split { .. }, Change::Heard(_)]), "{changes:?}");
    assert_eq!(emitters[0].sightings.keys().map(NodeId::as_str).collect::<Vec<_>>(), ["n1"]);
    assert_eq!(emitters[1].sightings.keys().map(NodeId::as_str).collect::<Vec<_>>(), ["n2"]);
    assert_eq!(fuse.twins(emitters[1].id).len(), 1);
}

#[test]
fn two_frame_phases_that_take_turns_in_one_stream_are_two_transmitters() {
    let mut fuse = Fuse::new(FuseConfig::default());
    let n1 = node("n1", 700.0);
    let licensed = Station::new(11225);
    // Even the carrier is copied well.
    let clone = Station { ppb: 30.0, start_frame: 500_000, start_ns: 3_000_000, ..Station::new(11225) };
    take(&mut fuse, &n1, &hear(&n1, &licensed, 1));
    take(&mut fuse, &n1, &hear(&n1, &clone, 20));
    assert_eq!(of_key(&fuse).len(), 1, "a new phase may be a restart");
    let changes = take(&mut fuse, &n1, &hear(&n1, &licensed, 40));
    assert!(matches!(changes[..], [Change::Split { .. }, Change::Heard(_)]), "{changes:?}");
    assert_eq!(of_key(&fuse).len(), 2);
    take(&mut fuse, &n1, &hear(&n1, &clone, 60));
    take(&mut fuse, &n1, &hear(&n1, &licensed, 80));
    let emitters = of_key(&fuse);
    assert_eq!(emitters.len(), 2);
    assert_eq!(emitters[0].observations, 4, "the first keeps its count: {emitters:#?}");
    assert_eq!(fuse.twins(emitters[1].id).len(), 1);
}

#[test]
fn a_cell_that_restarts_with_another_frame_phase_stays_one_emitter() {
    let mut fuse = Fuse::new(FuseConfig::default());
    let n1 = node("n1", 700.0);
    let before = Station::new(11225);
    let after = Station { start_frame: 3, start_ns: 4_444_444, ..Station::new(11225) };
    for second in [1, 20, 40] {
        take(&mut fuse, &n1, &hear(&n1, &before, second));
    }
    for second in [60, 80, 100] {
        take(&mut fuse, &n1, &hear(&n1, &after, second));
    }
    assert_eq!(of_key(&fuse).len(), 1);
}

#[test]
fn a_node_that_retunes_gets_a_new_stream_and_the_cell_stays_one_emitter() {
    let mut fuse = Fuse::new(FuseConfig::default());
    let station = Station::new(11225);
    for (second, stream) in [(1, "s1"), (30, "s2"), (60, "s1b")] {
        let n1 = Node { stream, ..node("n1", 700.0 + second as f64) };
        take(&mut fuse, &n1, &hear(&n1, &station, second));
    }
    assert_eq!(of_key(&fuse).len(), 1);
}

#[test]
fn another_cell_identity_on_the_same_key_at_another_node_is_another_emitter() {
    let mut fuse = Fuse::new(FuseConfig::default());
    let (n1, n2) = (node("n1", 0.0), node("n2", 0.0));
    take(&mut fuse, &n1, &hear(&n1, &Station::new(11225), 1));
    let far = Station { start_frame: 8, ..Station::new(4711) };
    take(&mut fuse, &n2, &hear(&n2, &far, 2));
    assert_eq!(of_key(&fuse).len(), 2);
    assert!(fuse.twins(of_key(&fuse)[0].id).is_empty(), "reuse of a carrier and colour code is no clone");
}

/// A node whose clock is disciplined.
fn locked(mut observation: Observation) -> Observation {
    observation.clock = Clock { source: ClockSource::Gpsdo, sigma_ns: Some(Nanos(100)), locked: true, since_ns: None };
    observation
}

#[test]
fn absolute_timing_of_locked_nodes_separates_what_carrier_and_identity_cannot() {
    let mut fuse = Fuse::new(FuseConfig::default());
    let (n1, n2, n3) = (node("n1", 0.0), node("n2", 0.0), node("n3", 0.0));
    let licensed = Station::new(11225);
    let clone = Station { start_frame: 500_000, start_ns: 3_000_000, ..Station::new(11225) };
    for second in [1, 30, 60] {
        take(&mut fuse, &n1, &locked(hear(&n1, &licensed, second)));
        take(&mut fuse, &n2, &locked(hear(&n2, &licensed, second)));
        take(&mut fuse, &n3, &locked(hear(&n3, &clone, second)));
    }
    let emitters = of_key(&fuse);
    assert_eq!(emitters.len(), 2);
    assert_eq!(emitters[0].sightings.len(), 2);
}

#[test]
fn a_restart_seen_by_two_locked_nodes_one_after_the_other_ends_as_one_emitter() {
    let mut fuse = Fuse::new(FuseConfig::default());
    let (n1, n2) = (node("n1", 0.0), node("n2", 0.0));
    let before = Station::new(11225);
    let after = Station { start_frame: 500_000, start_ns: 3_000_000, ..Station::new(11225) };
    take(&mut fuse, &n1, &locked(hear(&n1, &before, 1)));
    take(&mut fuse, &n2, &locked(hear(&n2, &before, 2)));
    let mut changes = Vec::new();
    for second in [20, 40, 60, 200] {
        for node in [&n1, &n2] {
            changes.extend(take(&mut fuse, node, &locked(hear(node, &after, second))));
        }
    }
    assert_eq!(of_key(&fuse).len(), 1, "{changes:?}");
    assert_eq!(of_key(&fuse)[0].observations, 10);
}

#[test]
fn the_phase_residual_counts_frames_across_the_end_of_the_hyperframe() {
    let timing = |at_ns: i64, frame_number: u32| FrameTiming {
        at_ns: Timestamp(at_ns),
        at_frac_ns: 0.0,
        sigma_ns: 0.0,
        frame: FrameName::Gsm { frame_number },
        rate_ppb: Ppb(0.0),
        rate_sigma_ppb: Ppb(0.0),
    };
    // TS 45.002 clause 4.3.3: the hyperframe of 2715648 frames lasts 3 h 28 min 53 s 760 ms exactly.
    let hyperframe_ns = 12_533_760_000_000;
    let residual = relate::phase_residual(&timing(5, 2_715_647), &timing(5 + hyperframe_ns, 2_715_647)).unwrap();
    assert_eq!(residual.ns, 0.0);
    // Thirteen frames last 60 ms exactly.
    let residual = relate::phase_residual(&timing(0, 2_715_640), &timing(60_000_000 + 777, 5)).unwrap();
    assert_eq!(residual.ns, 777.0);
    let residual = relate::phase_residual(&timing(0, 5), &timing(60_000_000 - 777, 18)).unwrap();
    assert_eq!(residual.ns, -777.0);
}

#[test]
fn the_same_items_in_the_same_order_give_the_same_emitters_and_survive_being_kept() {
    let run = |keep_at: Option<i64>| {
        let mut fuse = Fuse::new(FuseConfig::default());
        let nodes = [node("n1", 400.0), node("n2", -700.0)];
        for second in 1..30 {
            let mut station = Station { ppb: 800.0, ..Station::new(6969) };
            station.identity.area = Some(1000 + second as u32 % 3);
            for node in &nodes {
                settle(&mut fuse, node, second);
                take(&mut fuse, node, &hear(node, &station, second));
            }
            if keep_at == Some(second) {
                let kept = (fuse.emitters().cloned().collect(), fuse.nodes().cloned().collect());
                fuse = Fuse::restore(FuseConfig::default(), kept.0, kept.1, fuse.next_id(), fuse.evicted());
            }
        }
        fuse.emitters().cloned().collect::<Vec<_>>()
    };
    assert_eq!(run(None), run(None));
    assert_eq!(run(None), run(Some(13)));
}

#[test]
fn the_bounds_hold_against_a_flood_of_keys_and_identities_and_what_carries_findings_stays() {
    let mut fuse = Fuse::new(FuseConfig { max_emitters: 100, max_per_key: 4, max_nodes: 2 });
    let n1 = node("n1", 0.0);
    let suspect = hear(&n1, &Station::new(1), 1);
    let finding = Finding {
        rule: "ID-05".into(),
        version: 1,
        tier: Tier::B,
        evidence: vec![],
        innocent: vec![],
        observation: suspect.clone(),
    };
    let origin = Origin { node: n1.id.clone(), boot: Octets(vec![1; 16]), seq: 1, index: 0 };
    fuse.observe(&Heard {
        node: &n1.id,
        at: suspect.at_ns,
        observation: &suspect,
        finding: Some((&finding, &origin)),
        licence: &Licence::Unknown,
    });
    for number in 0..2000u64 {
        let key = CellKey { center_hz: 1_000_000_000 + number * 200_000, ..KEY };
        let station = Station { key, ..Station::new(number) };
        take(&mut fuse, &n1, &hear(&n1, &station, 2 + number as i64));
    }
    assert_eq!(fuse.emitters().count(), 100);
    assert_eq!(fuse.evicted(), 1901);
    assert!(fuse.emitter(EmitterId(1)).is_some());
    for number in 0..100u64 {
        let other = node(["n1", "n2", "n3"][number as usize % 3], 0.0);
        let mut observation = hear(&other, &Station::new(100 + number), 3000);
        observation.timing = None;
        take(&mut fuse, &other, &observation);
    }
    assert!(of_key(&fuse).len() <= 4);
    assert!(fuse.nodes().count() <= 2);
}

#[test]
fn figures_that_are_not_finite_are_survived() {
    let mut fuse = Fuse::new(FuseConfig::default());
    let n1 = node("n1", 0.0);
    for value in [f64::NAN, f64::INFINITY, -1e308] {
        let mut observation = hear(&n1, &Station::new(1), 1);
        observation.carrier.ppb = Ppb(value);
        observation.carrier.sigma_ppb = Ppb(value);
        if let Some(timing) = &mut observation.timing {
            timing.at_frac_ns = value;
            timing.rate_ppb = Ppb(value);
            timing.sigma_ns = value;
            timing.at_ns = Timestamp(i64::MAX);
        }
        settle(&mut fuse, &n1, 1);
        take(&mut fuse, &n1, &observation);
        take(&mut fuse, &n1, &hear(&n1, &Station::new(1), 2));
    }
    assert!(!of_key(&fuse).is_empty());
}

#[test]
fn a_rogue_among_two_reference_cells_makes_no_licensed_cell_look_odd() {
    let mut fuse = Fuse::new(FuseConfig::default());
    let (n1, n2) = (node("n1", 0.0), node("n2", 0.0));
    let rogue = Station { key: neighbour(7), ppb: 2000.0, ..Station::new(7) };
    let licensed = Station { key: neighbour(8), ppb: 0.0, ..Station::new(8) };
    let cell = Station::new(11225);
    for second in [1, 20, 40] {
        settle(&mut fuse, &n1, second);
        take(&mut fuse, &n1, &hear(&n1, &cell, second));
        // This node hears one rogue and one licensed cell beside the cell itself.
        take(&mut fuse, &n2, &hear(&n2, &rogue, second));
        take(&mut fuse, &n2, &hear(&n2, &licensed, second));
        take(&mut fuse, &n2, &hear(&n2, &cell, second));
    }
    assert_eq!(of_key(&fuse).len(), 1);
}

#[test]
fn an_lte_cell_has_its_channel_number_once_it_has_said_its_band() {
    let mut fuse = Fuse::new(FuseConfig::default());
    let n1 = node("n1", 0.0);
    let key = CellKey { rat: Rat::Lte, center_hz: 1_827_500_000, id: 30 };
    let station = Station { key, ..Station::new(5) };
    let channel = |fuse: &Fuse| fuse.emitters().find(|emitter| emitter.key == key).unwrap().channel;
    let mut observation = Observation { timing: None, ..hear(&n1, &station, 1) };
    take(&mut fuse, &n1, &observation);
    assert_eq!(channel(&fuse), None, "several bands hold the carrier");
    let sib1 = serde_json::json!({
        "tac": 700, "eci": 131_073, "cell_barred": false, "intra_freq_reselection_allowed": true, "csg_indication": false,
        "q_rx_lev_min": -62, "bands": [3], "si_window_ms": 20, "value_tag": 7, "ims_emergency": true,
        "bandwidth_reduced": false, "extensions": 2,
    });
    let fields = lte::LteFields { sib1: Some(serde_json::from_value(sib1).unwrap()), ..lte::LteFields::default() };
    observation.fields = Some(Fields::Lte(Box::new(fields)));
    observation.at_ns = Timestamp(observation.at_ns.0 + 1);
    take(&mut fuse, &n1, &observation);
    // TS 36.101 clause 5.7.3: 1200 + 10 (1827.5 - 1805).
    assert_eq!(channel(&fuse), Some(1425));
    take(&mut fuse, &n1, &Observation { fields: None, ..observation });
    assert_eq!(channel(&fuse), Some(1425), "what it said is remembered");
}
