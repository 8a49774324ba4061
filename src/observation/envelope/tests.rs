use super::*;
use crate::cell::{CellIdentity, CellKey, Rat};
use crate::observation::gsm::{CellSelection, GsmFields, SiType};
use crate::observation::{
    Bearing, BroadcastBlock, CarrierError, Clock, ClockSource, Evidence, Fields, Finding, FrameName, FrameTiming,
    Health, Level, Observation, Position, ReceiverState, Tier, Tombstone,
};
use crate::units::{Db, Dbfs, Dbm, Hz, Nanos, Ppb};
use proptest::prelude::*;

fn node_key() -> SigningKey {
    SigningKey::from_bytes(&std::array::from_fn(|i| i as u8 + 1))
}

fn hub_key() -> SigningKey {
    SigningKey::from_bytes(&std::array::from_fn(|i| i as u8 + 33))
}

fn pole() -> NodeId {
    "pole-1".parse().unwrap()
}

fn hub() -> NodeId {
    "hub".parse().unwrap()
}

/// A vector of tests/data/envelope, made by an independent implementation.
fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/envelope/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    hex::decode(text.split_ascii_whitespace().collect::<String>()).unwrap()
}

fn keys(signer: &NodeId) -> Option<VerifyingKey> {
    (*signer == pole()).then(|| node_key().verifying_key())
}

fn observation() -> Observation {
    Observation {
        at_ns: Timestamp(1_767_225_600_123_456_789),
        first_ns: Timestamp(1_767_225_598_000_000_000),
        clock: Clock {
            source: ClockSource::GnssPps,
            sigma_ns: Some(Nanos(50)),
            locked: true,
            since_ns: Some(Timestamp(1_767_225_000_000_000_000)),
        },
        position: Some(Position { lat_deg: 13.69, lon_deg: 102.5, height_m: Some(42.0), sigma_m: None }),
        cell: CellKey { rat: Rat::Gsm, center_hz: 947_000_000, id: 48 },
        identity: Some(CellIdentity { plmns: vec!["520-03".parse().unwrap()], area: Some(318), cell_id: Some(11225) }),
        level: Level { dbfs: Dbfs(-41.5), dbm: Some(Dbm(-71.25)), sigma_db: Db(1.5) },
        snr_db: Db(22.1),
        carrier: CarrierError { hz: Hz(-118.0), ppb: Ppb(-124.6), sigma_ppb: Ppb(3.0) },
        timing: Some(FrameTiming {
            at_ns: Timestamp(1_767_225_600_120_000_001),
            at_frac_ns: 0.375,
            sigma_ns: 65.5,
            frame: FrameName::Gsm { frame_number: 1_234_567 },
            rate_ppb: Ppb(-124.0),
            rate_sigma_ppb: Ppb(4.5),
        }),
        bearing: None,
        broadcast: vec![BroadcastBlock {
            name: "SI3".to_owned(),
            octets: Octets(hex::decode("49061b2bd925f030013e68010a9d0f65fcc000002b2b2b").unwrap()),
            count: 3,
        }],
        fields: Some(Fields::Gsm(GsmFields {
            si_types: vec![SiType::Si3],
            schedule: [None, None, Some(SiType::Si3), None, None, None, Some(SiType::Si3), None],
            selection: Some(CellSelection {
                cell_reselect_hysteresis: 3,
                ms_txpwr_max_cch: 5,
                acs: false,
                neci: true,
                rxlev_access_min: 5,
            }),
            ..GsmFields::default()
        })),
        content_sha256: Some(Octets((0..32).collect())),
        receiver: ReceiverState { stream: "rec/0".to_owned(), clipped_ppm: 12, ..ReceiverState::default() },
    }
}

fn finding() -> Finding {
    Finding {
        rule: "ID-05".to_owned(),
        version: 1,
        tier: Tier::B,
        evidence: vec![Evidence {
            what: "cell identity".to_owned(),
            value: "520-03 318 11225".to_owned(),
            expected: "a row of the register".to_owned(),
        }],
        innocent: vec!["a new cell that the register does not hold yet".to_owned()],
        observation: Observation { position: None, timing: None, fields: None, ..observation() },
    }
}

fn health() -> Health {
    Health {
        at_ns: Timestamp(1_767_225_601_000_000_000),
        version: "0.1.0".to_owned(),
        started_ns: Timestamp(1_767_225_000_000_000_000),
        position: None,
        clock: None,
        cpu_percent: 12.5,
        memory_octets: 50_000_000,
        disk_free_octets: 10_000_000_000,
        spool_envelopes: 3,
        spool_octets: 4096,
        spool_evicted: 0,
        samples: 2_000_000_000,
        lost_samples: 0,
        cells: 7,
        last_decode_ns: Some(Timestamp(1_767_225_600_000_000_000)),
        warnings: vec!["the receiver is overdriven; lower its gain".to_owned()],
        ..Health::default()
    }
}

fn boot() -> Octets {
    Octets((0..16).collect())
}

fn envelope(seq: u64, prev: Octets, sent_s: i64, items: Vec<Item>) -> Envelope {
    let sent_ns = Timestamp(0) + Nanos::from_secs(sent_s);
    Envelope { schema: 1, node: pole(), boot: boot(), seq, prev, sent_ns, items }
}

fn first() -> Envelope {
    let items = vec![Item::Observation(Box::new(observation())), Item::Finding(Box::new(finding()))];
    envelope(1, chain_start(), 1_767_225_601, items)
}

fn ack(upto: u64, beyond: &[(u64, u64)]) -> Ack {
    Ack { schema: 1, node: pole(), boot: boot(), upto, beyond: beyond.to_vec() }
}

#[test]
fn envelopes_agree_to_the_octet_with_an_independent_implementation() {
    let first_octets = vector("observation-and-finding");
    let health_octets = vector("health");
    let second = envelope(2, hash(&first_octets), 1_767_225_602, vec![Item::Health(Box::new(health()))]);
    let lost = Item::Tombstone(Tombstone { seq: 2, sha256: hash(&health_octets), items: 1 });
    let tombstone = envelope(2, hash(&first_octets), 1_767_225_700, vec![lost]);
    let bearing = Some(Bearing { deg: 271.5, sigma_deg: 4.0 });
    let found = Item::Observation(Box::new(Observation { bearing, ..observation() }));
    let third = envelope(3, hash(&health_octets), 1_767_225_603, vec![found]);
    let all = [
        (first_octets, first()),
        (health_octets, second),
        (vector("tombstone"), tombstone),
        (vector("bearing"), third),
    ];
    for (theirs, ours) in all {
        assert_eq!(open(&theirs, keys).unwrap().envelope, ours);
        assert_eq!(hex::encode(seal(&ours, &node_key()).unwrap()), hex::encode(&theirs));
        assert_eq!(reopen(&theirs).unwrap(), ours);
    }
}

#[test]
fn acknowledgements_agree_to_the_octet_with_an_independent_implementation() {
    for (name, ours) in [("ack", ack(2, &[])), ("ack-beyond", ack(2, &[(4, 4), (6, 300)]))] {
        let theirs = vector(name);
        assert_eq!(open_ack(&theirs, &hub(), &hub_key().verifying_key()).unwrap(), ours);
        assert_eq!(hex::encode(seal_ack(&ours, &hub(), &hub_key()).unwrap()), hex::encode(&theirs));
    }
}

#[test]
fn a_newer_schema_is_refused_by_its_number_and_an_older_one_too() {
    assert_eq!(open(&vector("newer-schema"), keys), Err(EnvelopeError::SchemaTooNew { have: 2 }));
    let old = Envelope { schema: 0, ..first() };
    let octets = sign(&pole(), &old, &node_key()).unwrap();
    assert_eq!(open(&octets, keys), Err(EnvelopeError::SchemaTooOld { have: 0 }));
    let newer = Envelope { schema: 2, ..first() };
    let octets = sign(&pole(), &newer, &node_key()).unwrap();
    assert_eq!(open(&octets, keys), Err(EnvelopeError::SchemaTooNew { have: 2 }));
}

#[test]
fn another_key_a_stranger_and_a_false_name_are_refused() {
    let octets = seal(&first(), &hub_key()).unwrap();
    assert_eq!(open(&octets, keys), Err(EnvelopeError::BadSignature { signer: pole() }));
    assert!(matches!(open(&octets, |_| None), Err(EnvelopeError::UnknownSigner { signer }) if signer == "pole-1"));
    // Signed by one node in the name of another.
    let other: NodeId = "pole-2".parse().unwrap();
    let octets = sign(&other, &first(), &node_key()).unwrap();
    let expected = EnvelopeError::SignerDiffers { signer: other, node: pole() };
    assert_eq!(open(&octets, |_| Some(node_key().verifying_key())), Err(expected));
    // A node's key makes no acknowledgement, and neither does the hub's under another name.
    for octets in [sign(&pole(), &ack(1, &[]), &node_key()).unwrap(), sign(&pole(), &ack(1, &[]), &hub_key()).unwrap()]
    {
        let refused = open_ack(&octets, &hub(), &hub_key().verifying_key());
        assert!(matches!(refused, Err(EnvelopeError::UnknownSigner { .. })), "{refused:?}");
    }
}

#[test]
fn a_change_of_any_single_bit_is_refused() {
    let octets = vector("tombstone");
    for bit in 0..octets.len() * 8 {
        let mut changed = octets.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&changed, keys).is_err(), "bit {bit}");
    }
}

#[test]
fn an_unsigned_or_otherwise_signed_message_is_refused_by_its_kind() {
    assert!(matches!(open(b"hello", keys), Err(EnvelopeError::NotCose { .. })));
    assert!(matches!(open(&[], keys), Err(EnvelopeError::NotCose { .. })));
    assert_eq!(open(&vec![0; MAX_OCTETS + 1], keys), Err(EnvelopeError::TooLong { have: MAX_OCTETS + 1 }));
    let build = |algorithm| {
        let protected = HeaderBuilder::new().algorithm(algorithm).key_id(b"pole-1".to_vec()).build();
        CoseSign1Builder::new().protected(protected).payload(vec![]).signature(vec![0; 64]).build().to_tagged_vec()
    };
    let refused = open(&build(Algorithm::ES256).unwrap(), keys);
    assert_eq!(refused, Err(EnvelopeError::Algorithm { algorithm: "-7".to_owned() }));
    // Whoever signed it: a payload of another shape is a matter of the contract, not of the signature.
    let octets = sign(&pole(), &"no envelope", &node_key()).unwrap();
    assert!(matches!(open(&octets, keys), Err(EnvelopeError::Payload { .. })));
}

#[test]
fn what_the_contract_excludes_is_neither_made_nor_taken() {
    let wrong = [
        Envelope { seq: 0, ..first() },
        Envelope { seq: u64::MAX, ..first() },
        Envelope { boot: Octets(vec![0; 15]), ..first() },
        Envelope { prev: Octets(vec![]), ..first() },
        Envelope { items: vec![], ..first() },
        Envelope { items: vec![Item::Health(Box::default()); MAX_ITEMS + 1], ..first() },
        Envelope { items: vec![Item::Tombstone(Tombstone { seq: 2, sha256: chain_start(), items: 1 })], ..first() },
    ];
    for envelope in wrong {
        assert!(matches!(seal(&envelope, &node_key()), Err(EnvelopeError::Field { .. })));
        if let Ok(octets) = sign(&pole(), &envelope, &node_key()) {
            assert!(matches!(open(&octets, keys), Err(EnvelopeError::Field { .. })));
        }
    }
    for beyond in [vec![(2, 3)], vec![(5, 4)], vec![(4, 6), (6, 7)], vec![(4, 4); MAX_RANGES + 1]] {
        assert!(seal_ack(&ack(2, &beyond), &hub(), &hub_key()).is_err(), "{beyond:?}");
    }
    let long = "x".repeat(MAX_OCTETS);
    let items = vec![Item::Health(Box::new(Health { warnings: vec![long], ..Health::default() }))];
    assert!(matches!(seal(&Envelope { items, ..first() }, &node_key()), Err(EnvelopeError::TooLong { .. })));
}

#[test]
fn a_chain_shows_a_missing_envelope() {
    let one = seal(&first(), &node_key()).unwrap();
    let two = envelope(2, hash(&one), 2, vec![Item::Health(Box::new(health()))]);
    let three = envelope(3, hash(&seal(&two, &node_key()).unwrap()), 3, vec![Item::Health(Box::new(health()))]);
    assert_eq!(check_chain(&chain_start(), &first()), Ok(()));
    assert_eq!(check_chain(&hash(&one), &two), Ok(()));
    assert_eq!(check_chain(&hash(&one), &three), Err(EnvelopeError::ChainBroken { node: pole(), seq: 3 }));
}

#[test]
fn maps_are_sorted_and_numbers_have_their_shortest_form() {
    // RFC 8949 clause 4.2.1: keys by their encoded octets, so the shorter comes first; clause 4.2.2: 1.5 fits half precision.
    #[derive(Serialize)]
    struct Sample {
        zz: f64,
        b: u64,
        aaa: (),
        a: i64,
    }
    let octets = deterministic(&Sample { zz: 1.5, b: 500, aaa: (), a: -1 });
    assert_eq!(hex::encode(octets), "a461612061621901f4627a7af93e0063616161f6");
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(open(&octets, keys).is_err());
        prop_assert!(open_ack(&octets, &hub(), &hub_key().verifying_key()).is_err());
        let _ = reopen(&octets);
    }

    #[test]
    fn arbitrary_signed_payloads_never_panic(payload in prop::collection::vec(any::<u8>(), 0..600)) {
        let protected = HeaderBuilder::new().algorithm(Algorithm::EdDSA).key_id(b"pole-1".to_vec()).build();
        let octets = CoseSign1Builder::new()
            .protected(protected)
            .payload(payload)
            .create_signature(&[], |signed| node_key().sign(signed).to_bytes().to_vec())
            .build()
            .to_tagged_vec()
            .unwrap();
        prop_assert!(open(&octets, keys).is_err());
    }

    #[test]
    fn damaged_envelopes_never_panic(at in 0usize..900, with in any::<u8>(), cut in 0usize..900) {
        let mut octets = vector("observation-and-finding");
        let (at, cut) = (at % octets.len(), cut % octets.len());
        octets[at] = with;
        octets.truncate(cut);
        prop_assert!(open(&octets, keys).is_err());
        let _ = reopen(&octets);
    }
}
