//! NR's broadcast messages against an independent encoder, against what real and recorded cells sent, and against any octets.

#![cfg(feature = "sensor")]
// A test that panics has failed, which is what its helpers ask for.
#![allow(clippy::unwrap_used)]

#[path = "support/captures.rs"]
mod captures;

use daen::l3::DecodeError;
use daen::l3::nr::{Message, fold, parse_bcch_dl_sch, parse_mib, sib_names, stable, stable_mib};
use daen::observation::nr::{NrFields, Sib1};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("data/nr-rrc/messages.json")).unwrap()
}

fn octets(vector: &Value) -> Vec<u8> {
    hex::decode(vector["hex"].as_str().unwrap()).unwrap()
}

fn sib1(octets: &[u8]) -> Sib1 {
    match parse_bcch_dl_sch(octets).unwrap_or_else(|e| panic!("{}: {e}", hex::encode(octets))) {
        Message::Sib1(sib1) => *sib1,
        Message::SystemInformation => panic!("{} is SIB1", hex::encode(octets)),
    }
}

#[test]
fn messages_of_the_independent_decoder_give_the_same_fields() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 206, "six of recordings and two hundred of random content");
    for vector in vectors {
        let mut found = serde_json::to_value(sib1(&octets(&vector))).unwrap();
        // One difference at a time is easier to read.
        for (name, value) in vector["fields"].as_object().unwrap() {
            assert_eq!(&found[name], value, "{name} of {}", vector["hex"]);
            found.as_object_mut().unwrap().remove(name);
        }
        assert_eq!(found, json!({}), "{}", vector["hex"]);
    }
}

/// Recordings of NR: what independent decoders found in each.
fn truth() -> Option<BTreeMap<String, Value>> {
    captures::captures().map(|root| captures::truth(&root, "nr/"))
}

#[test]
fn mibs_of_the_recordings_are_read_as_the_independent_decoder_does() {
    let Some(truth) = truth() else { return };
    for (name, recording) in &truth {
        let ssb = &recording["ssb"];
        let mib: [u8; 3] = hex::decode(ssb["mib_hex"].as_str().unwrap()).unwrap().try_into().unwrap();
        let (fields, number) = parse_mib(mib).unwrap();
        assert_eq!(u64::from(number), ssb["sfn"].as_u64().unwrap() >> 4, "{name}");
        assert_eq!(u64::from(fields.ssb_subcarrier_offset), ssb["k_ssb"].as_u64().unwrap() & 15, "{name}");
        assert_eq!(u64::from(fields.control_resource_set_zero), ssb["coreset0"].as_u64().unwrap(), "{name}");
        assert_eq!(u64::from(fields.search_space_zero), ssb["ss0"].as_u64().unwrap(), "{name}");
        assert_eq!(format!("pos{}", fields.dmrs_type_a_position), ssb["dmrs_typeA"].as_str().unwrap(), "{name}");
        assert_eq!(fields.cell_barred, ssb["cell_barred"].as_bool().unwrap(), "{name}");
        // Without SIB1 (k_SSB of 24 and more) the spacing is that of nothing; the barred cell says 15 kHz and sends its SSB with 30.
        if ssb["k_ssb"].as_u64().unwrap() < 24 {
            assert_eq!(fields.scs_common_larger, recording["scs_khz"] == 30, "{name}");
        }
        let (again, number) = parse_mib(stable_mib(mib)).unwrap();
        assert_eq!((again, number), (fields, 0), "{name}");
    }
    assert!(truth.len() >= 10, "{}", truth.len());
}

#[test]
fn identities_of_the_recordings_are_those_of_the_truth() {
    let Some(truth) = truth() else { return };
    let mut read = 0;
    for (name, recording) in truth.iter().filter(|(_, recording)| recording["sib1"].is_object()) {
        let message = parse_bcch_dl_sch(&octets(&recording["sib1"])).unwrap();
        let (mut fields, mut identity) = (NrFields::default(), None);
        fold(&mut fields, &mut identity, &message);
        let (identity, plmns) = (identity.unwrap(), &recording["sib1"]["plmns"]);
        assert_eq!(identity.plmns.len(), plmns.as_array().unwrap().len(), "{name}");
        let plmn = &plmns[0];
        assert_eq!(identity.plmns[0].to_string(), plmn["plmn"].as_str().unwrap(), "{name}");
        assert_eq!(identity.area.map(u64::from), plmn["tac"].as_u64(), "{name}");
        assert_eq!(format!("{:09x}", identity.cell_id.unwrap()), plmn["nci"].as_str().unwrap(), "{name}");
        let sib1 = fields.sib1.unwrap();
        assert_eq!(json!(sib1.serving.unwrap().bands), recording["sib1"]["bands"], "{name}");
        assert_eq!((sib1.cut_off, sib_names(&octets(&recording["sib1"]))), (false, vec!["SIB1".to_owned()]), "{name}");
        read += 1;
    }
    assert_eq!(read, 6);
}

/// SIB1 of the recording nr/singtel-n1-sib1-23M04.
const SIB1: &str = "6c8800020a92804000cc07d5378ffe0031400420c3012860021000a800001a59c32c43e6e080400000210000820d080501840067180084017a05000001a75738658b004401d2e3510664db179c11b84370c6e20df6cbe25fac7500a82bdc8628821c000000";

#[test]
fn value_tags_and_barring_do_not_reach_the_stable_octets_and_all_else_does() {
    let before = hex::decode(SIB1).unwrap();
    let (tags, mut passed, mut changed) = (
        |sib1: &Sib1| -> Vec<Option<u8>> {
            sib1.scheduling
                .iter()
                .flat_map(|info| &info.messages)
                .flat_map(|m| &m.sibs)
                .map(|sib| sib.value_tag)
                .collect()
        },
        0,
        0,
    );
    let without_tags = |octets: &[u8]| {
        let mut sib1 = sib1(octets);
        for sib in sib1.scheduling.iter_mut().flat_map(|info| &mut info.messages).flat_map(|m| &mut m.sibs) {
            sib.value_tag = sib.value_tag.map(|_| 0);
        }
        sib1
    };
    for bit in 0..8 * before.len() {
        let mut after = before.clone();
        after[bit / 8] ^= 0x80 >> (bit % 8);
        let Ok(Message::Sib1(read)) = parse_bcch_dl_sch(&after) else { continue };
        let only_a_tag = tags(&read) != tags(&sib1(&before)) && without_tags(&after) == without_tags(&before);
        if only_a_tag {
            assert_eq!(stable(&after), stable(&before), "bit {bit}");
            passed += 1;
        } else if !read.cut_off {
            changed += usize::from(stable(&after) != stable(&before));
        }
    }
    assert_eq!(passed, 15, "three tags of five bits");
    assert!(changed > 400, "{changed}");
    // Zeros that fill up the transport block are no content.
    assert_eq!(stable(&[&before[..], &[0; 9]].concat()), stable(&before));
}

#[test]
fn barring_of_the_moment_does_not_reach_the_stable_octets() {
    let mut seen = 0;
    // Without lists before the sets no bit that is turned moves them.
    let plain = |uac: &Value| uac["sets"].is_array() && uac["common"].is_null() && uac["networks"] == 0;
    for vector in vectors().iter().filter(|vector| plain(&vector["fields"]["uac"])) {
        let message = octets(vector);
        let first = &vector["fields"]["uac"]["sets"][0];
        // The set's factor, time and identities are sixteen bits less two: looked for by what turning each bit does.
        for bit in 0..8 * message.len() {
            let mut after = message.clone();
            after[bit / 8] ^= 0x80 >> (bit % 8);
            let Ok(Message::Sib1(read)) = parse_bcch_dl_sch(&after) else { continue };
            let mut with_first = *read.clone();
            if let Some(set) = with_first.uac.as_mut().and_then(|uac| uac.sets.first_mut()) {
                *set = serde_json::from_value(first.clone()).unwrap();
            }
            if *read != sib1(&message) && with_first == sib1(&message) {
                assert_eq!(stable(&after), stable(&message), "{} bit {bit}", vector["hex"]);
                seen += 1;
            }
        }
        if seen > 100 {
            return;
        }
    }
    panic!("{seen} bits of barring were found");
}

#[test]
fn what_stands_before_the_damage_is_kept() {
    let whole = sib1(&hex::decode(SIB1).unwrap());
    let cut = sib1(&hex::decode(&SIB1[..80]).unwrap());
    assert!(cut.cut_off && !whole.cut_off);
    assert_eq!((&cut.networks, &cut.scheduling), (&whole.networks, &whole.scheduling));
    assert_eq!((cut.serving, cut.uac), (None, None));
    // Without cellAccessRelatedInfo nothing is left.
    assert!(matches!(parse_bcch_dl_sch(&hex::decode(&SIB1[..20]).unwrap()), Err(DecodeError::Truncated { .. })));
}

#[test]
fn messages_of_other_kinds_are_told_apart() {
    let expected = DecodeError::Reserved { field: "BCCH-DL-SCH-MessageType", value: 1 };
    assert_eq!(parse_bcch_dl_sch(&[0x80]), Err(expected));
    assert_eq!(parse_bcch_dl_sch(&[0x00, 0x00]), Ok(Message::SystemInformation));
    assert_eq!((stable(&[0x00, 0x00]), sib_names(&[0x00, 0x00])), (None, Vec::new()));
    assert!(matches!(parse_bcch_dl_sch(&[]), Err(DecodeError::Truncated { .. })));
    let expected = DecodeError::Reserved { field: "BCCH-BCH-MessageType", value: 1 };
    assert_eq!(parse_mib([0x80, 0, 0]), Err(expected));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_octets_give_a_message_or_an_error(mut octets in prop::collection::vec(any::<u8>(), 0..372)) {
        if let Some(first) = octets.first_mut() {
            // Half of what is random is SIB1 then.
            *first &= 0x7f;
        }
        let _ = (stable(&octets), sib_names(&octets));
        if let Ok(message) = parse_bcch_dl_sch(&octets) {
            let (mut fields, mut identity) = (NrFields::default(), None);
            fold(&mut fields, &mut identity, &message);
            // No message says more than its bits can: a type in the schedule takes seven.
            prop_assert!(serde_json::to_string(&fields).unwrap().len() < 200_000);
        }
    }

    #[test]
    fn messages_with_wrong_bits_give_a_message_or_an_error(
        which in 0usize..206,
        flips in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        length in any::<prop::sample::Index>(),
    ) {
        thread_local!(static VECTORS: Vec<Vec<u8>> = vectors().iter().map(octets).collect());
        let mut octets = VECTORS.with(|vectors| vectors[which].clone());
        for flip in flips {
            let bit = flip.index(8 * octets.len());
            octets[bit / 8] ^= 0x80 >> (bit % 8);
        }
        let _ = (stable(&octets), parse_bcch_dl_sch(&octets));
        octets.truncate(length.index(octets.len() + 1));
        let _ = (stable(&octets), parse_bcch_dl_sch(&octets));
    }
}
