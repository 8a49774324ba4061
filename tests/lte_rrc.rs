//! LTE's broadcast messages against an independent encoder, against what real and recorded cells sent, and against any octets.

#![cfg(feature = "sensor")]
// A test that panics has failed, which is what its helpers ask for.
#![allow(clippy::unwrap_used)]

#[path = "support/captures.rs"]
mod captures;

use daen::cell::{CellIdentity, Plmn};
use daen::l3::DecodeError;
use daen::l3::lte::encode::{self, ordinary};
use daen::l3::lte::{
    Message, Sib, SystemInformation, WarningSegment, fold, parse_bcch_dl_sch, parse_mib, sib_names, stable,
    warning_text,
};
use daen::observation::Octets;
use daen::observation::lte::{AcBarring, AcBarringConfig, LteFields, MAX_WARNINGS, Mib, Sib2, WarningKind};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;

/// Fields of a cell that sent these messages in turn.
fn folded<'a>(messages: impl IntoIterator<Item = &'a str>) -> (LteFields, Option<CellIdentity>) {
    let (mut fields, mut identity) = (LteFields::default(), None);
    for hex in messages {
        let message = parse_bcch_dl_sch(&hex::decode(hex).unwrap()).unwrap_or_else(|e| panic!("{hex}: {e}"));
        if let Message::SystemInformation(message) = &message {
            assert_eq!(message.failed, None, "{hex}");
        }
        fold(&mut fields, &mut identity, &message);
    }
    (fields, identity)
}

#[test]
fn messages_of_the_independent_encoder_give_the_fields_that_were_encoded() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("data/lte-rrc/messages.json")).unwrap();
    assert_eq!(vectors.len(), 320);
    for vector in vectors {
        let hex = vector["hex"].as_str().unwrap();
        let (mut fields, _) = folded([hex]);
        fields.warnings.clear();
        let mut found = serde_json::to_value(&fields).unwrap();
        let mut expected = vector["fields"].clone();
        if expected["sib_types"] == serde_json::json!([]) {
            expected.as_object_mut().unwrap().remove("sib_types");
        }
        // One difference at a time is easier to read.
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&found[name], value, "{name} of {hex}");
            found.as_object_mut().unwrap().remove(name);
        }
        assert_eq!(found, serde_json::json!({}), "{hex}");
    }
}

/// Cells of the recordings: what two independent receivers and pycrate found in each.
fn truth() -> Option<BTreeMap<String, Value>> {
    captures::captures().map(|root| captures::truth(&root, "lte/"))
}

/// Messages of the recordings: the cell's name, the hexadecimal text, what is said of them.
fn recorded(truth: &BTreeMap<String, Value>) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for (name, recording) in truth {
        let cells = recording["cells"].as_array().into_iter().flatten();
        let of_cells = cells.flat_map(|cell| cell["si"].as_array().into_iter().flatten());
        for si in of_cells.chain(recording["si"].as_array().into_iter().flatten()) {
            found.push((name.clone(), text(&si["hex"]), text(&si["decoded"])));
        }
    }
    found
}

#[test]
fn every_message_of_the_recordings_is_read_whole() {
    let Some(truth) = truth() else { return };
    let messages = recorded(&truth);
    assert!(messages.len() > 15, "{}", messages.len());
    for (_, hex, decoded) in &messages {
        let (fields, identity) = folded([hex.as_str()]);
        if let Some(sib1) = &fields.sib1 {
            let identity = identity.unwrap();
            if let Some(rest) = decoded.strip_prefix("SIB1 plmn=") {
                let yes = |text: &str| decoded.contains(text);
                assert!(rest.starts_with(&identity.plmns[0].to_string()), "{decoded}");
                assert!(yes(&format!("tac={:#x} eci={:#09x}", sib1.tac, sib1.eci)), "{decoded}");
                assert_eq!(yes("barred=notBarred"), !sib1.cell_barred);
                assert_eq!(yes("intraFreqResel=allowed"), sib1.intra_freq_reselection_allowed);
                assert_eq!(yes("csg=True"), sib1.csg_indication);
                assert!(yes(&format!("qRxLevMin={} ", sib1.q_rx_lev_min)), "{decoded}");
                assert!(
                    yes(&format!("p-Max={} ", sib1.p_max_dbm.map_or("None".into(), |p| p.to_string()))),
                    "{decoded}"
                );
                assert!(yes(&format!("band={} ", sib1.bands[0])), "{decoded}");
                assert!(yes(&format!("siWin=ms{} valueTag={} ", sib1.si_window_ms, sib1.value_tag)), "{decoded}");
                let schedule = sib1.scheduling.iter().map(|entry| {
                    let types: Vec<String> = entry.sib_types.iter().map(|t| format!("'sibType{t}'")).collect();
                    format!("('rf{}', [{}])", entry.period_frames, types.join(", "))
                });
                assert!(yes(&format!("sched=[{}]", schedule.collect::<Vec<_>>().join(", "))), "{decoded}");
                assert_eq!(yes("nce=y"), sib1.extensions > 0);
            }
        }
        if let (Some(sib3), true) = (&fields.sib3, decoded.starts_with("SI ")) {
            assert!(
                decoded.contains(&format!("'cellReselectionPriority': {}}}, 'intraFreq", sib3.priority)),
                "{decoded}"
            );
            assert!(decoded.contains(&format!("'threshServingLow': {},", sib3.thresh_serving_low)), "{decoded}");
        }
        if let (Some(sib2), true) = (&fields.sib2, decoded.starts_with("SI ")) {
            assert!(
                decoded.contains(&format!("'rootSequenceIndex': {},", sib2.prach.root_sequence_index)),
                "{decoded}"
            );
            assert!(
                decoded.contains(&format!("'referenceSignalPower': {},", sib2.reference_signal_power_dbm)),
                "{decoded}"
            );
        }
    }
}

#[test]
fn mibs_of_the_recordings_are_read_as_the_independent_receivers_do() {
    let Some(truth) = truth() else { return };
    let mut read = 0;
    for cell in truth.values().flat_map(|recording| recording["cells"].as_array().into_iter().flatten()) {
        let Some(bits) = cell["mib_bits"].as_str() else { continue };
        let word = u32::from_str_radix(bits, 2).unwrap().to_be_bytes();
        let (mib, _) = parse_mib([word[1], word[2], word[3]]).unwrap();
        assert_eq!(u64::from(mib.prb), cell["prb"].as_u64().unwrap());
        assert_eq!(mib.phich_extended, cell["phich_dur"] == "extended");
        assert_eq!(mib.phich_ng(), cell["phich_ng"].as_str().unwrap());
        read += 1;
    }
    assert!(read >= 5, "{read}");
}

/// The last but one entry of TS 36.331's dl-Bandwidth has no successor.
#[test]
fn a_bandwidth_that_does_not_exist_is_refused() {
    let expected = DecodeError::Reserved { field: "dl-Bandwidth", value: 6 };
    assert_eq!(parse_mib([0b1100_0000, 0, 0]), Err(expected));
}

/// Warnings of the recording lte/enb-warn25; pycrate names the same identifiers and segments. The texts are the recording's own.
#[test]
fn warnings_of_a_recording_are_put_together_and_come_out_as_text() {
    let Some(truth) = truth() else { return };
    let messages: Vec<String> =
        recorded(&truth).into_iter().filter(|message| message.0 == "lte/enb-warn25").map(|message| message.1).collect();
    let (fields, _) = folded(messages.iter().map(String::as_str));
    let primary = fields.etws_primary.unwrap();
    assert_eq!((primary.message_identifier, primary.serial_number, primary.warning_type), (4354, 12288, 0x0580));
    let named = |kind| fields.warnings.iter().find(|warning| warning.kind == kind).unwrap();
    let (etws, cmas) = (named(WarningKind::Etws), named(WarningKind::Cmas));
    assert_eq!((etws.message_identifier, etws.serial_number), (4354, 12288));
    assert_eq!((cmas.message_identifier, cmas.serial_number), (4370, 12289));
    insta::assert_snapshot!(format!("etws: {}\ncmas: {}", etws.text.as_ref().unwrap(), cmas.text.as_ref().unwrap()));
}

/// A segment of a warning, encoded by hand after TS 36.331 clause 6.3.1: SIB11 alone in its message.
fn sib11(serial_number: u16, number: u8, last: bool, octets: &[u8]) -> Vec<u8> {
    let mut bits = String::from("00000000001001");
    bits += "0"; // no extension
    bits += if number == 0 { "1" } else { "0" };
    bits += &format!("{:016b}{serial_number:016b}{}{number:06b}", 4355, u8::from(last));
    bits += &format!("{:08b}", octets.len());
    bits.extend(octets.iter().map(|octet| format!("{octet:08b}")));
    if number == 0 {
        bits += "00001111";
    }
    let bits: Vec<u8> = bits.bytes().map(|bit| bit - b'0').collect();
    bits.chunks(8).map(|bits| (0..8).fold(0, |octet, i| octet << 1 | bits.get(i).unwrap_or(&0))).collect()
}

/// A warning in Thai, UCS2 behind its language, in three segments of SIB12: the letters of "th" are 74 and 68, packed 74 34.
#[test]
fn a_warning_in_thai_comes_out_with_its_language() {
    let text = "แจ้งเตือนภัยสึนามิ อพยพทันที";
    let mut data = [0; 84];
    data[0] = 1;
    let octets: Vec<u8> = [0x74, 0x34].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
    data[1..=octets.len()].copy_from_slice(&octets);
    data[83] = octets.len() as u8;
    let mut fields = LteFields::default();
    for (number, part) in data.chunks(30).enumerate() {
        let segment = WarningSegment {
            kind: WarningKind::Cmas,
            message_identifier: 4371,
            serial_number: 0x4001,
            last: number == 2,
            number: number as u8,
            octets: Octets(part.to_vec()),
            data_coding_scheme: (number == 0).then_some(0x11),
        };
        let message = encode::system_information(&[Sib::Warning(segment)]).unwrap();
        fold(&mut fields, &mut None, &parse_bcch_dl_sch(&message).unwrap());
    }
    let warning = &fields.warnings[0];
    assert_eq!((warning.text.as_deref(), warning.language.as_deref()), (Some(text), Some("th")));
    assert_eq!((warning.message_identifier, warning.serial_number), (4371, 0x4001));
}

#[test]
fn segments_may_come_in_any_order_and_as_often_as_they_like() {
    // "ABCDEFGH" in one page: eight septets in seven octets.
    let mut data = [0; 84];
    data[..8].copy_from_slice(&[1, 0x41, 0xe1, 0x90, 0x58, 0x34, 0x1e, 0x91]);
    data[83] = 7;
    let segments = [sib11(1, 0, false, &data[..30]), sib11(1, 1, false, &data[30..60]), sib11(1, 2, true, &data[60..])];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]] {
        let mut fields = LteFields::default();
        for (step, &place) in order.iter().enumerate() {
            for _ in 0..2 {
                fold(&mut fields, &mut None, &parse_bcch_dl_sch(&segments[place]).unwrap());
            }
            assert_eq!(fields.warnings[0].text.is_some(), step == 2, "{order:?}");
        }
        assert_eq!(fields.warnings[0].text.as_deref(), Some("ABCDEFGH"), "{order:?}");
        assert!(fields.warnings[0].segments.is_empty());
    }
}

#[test]
fn a_cell_that_makes_up_warnings_does_not_fill_the_memory() {
    let mut fields = LteFields::default();
    for serial_number in 0..100 {
        fold(&mut fields, &mut None, &parse_bcch_dl_sch(&sib11(serial_number, 3, false, &[0; 40])).unwrap());
    }
    let kept: Vec<u16> = fields.warnings.iter().map(|warning| warning.serial_number).collect();
    assert_eq!(kept, (100 - MAX_WARNINGS as u16..100).collect::<Vec<_>>());
}

/// SIB1 of the recording lte/b40-tdd-2360M-19M2.
const SIB1: &str = "7051800111271486c0182359c242041127d9";

#[test]
fn what_passes_does_not_reach_the_stable_octets_and_all_else_does() {
    let octets = hex::decode(SIB1).unwrap();
    let tag = folded([SIB1]).0.sib1.unwrap().value_tag;
    let mut other_tag = None;
    let mut changed = 0;
    for bit in 0..8 * octets.len() {
        let mut other = octets.clone();
        other[bit / 8] ^= 0x80 >> (bit % 8);
        let Ok(Message::Sib1(sib1)) = parse_bcch_dl_sch(&other) else { continue };
        if sib1.value_tag != tag && sib1.scheduling.len() == 2 && sib1.bands == [40] {
            other_tag = Some(other.clone());
        }
        changed += usize::from(stable(&other) != stable(&octets));
    }
    assert_eq!(stable(&other_tag.unwrap()), stable(&octets));
    assert!(changed > 90, "{changed}");
    // A warning is not the cell's content at all.
    assert_eq!(stable(&sib11(1, 0, true, &[0; 10])), None);
}

#[test]
fn the_blocks_of_a_message_are_named() {
    assert_eq!(sib_names(&hex::decode(SIB1).unwrap()), ["SIB1"]);
    let sibs = [Sib::Sib2(Box::new(ordinary::sib2())), Sib::Sib3(ordinary::sib3(4)), Sib::Sib16(None)];
    let octets = encode::system_information(&sibs).unwrap();
    assert_eq!(sib_names(&octets), ["SIB2", "SIB3", "SIB16"]);
    // A block cut off in the middle is not named, those before it are.
    assert_eq!(sib_names(&octets[..octets.len() - 10]), ["SIB2"]);
    assert_eq!(sib_names(&[0xff]), [""; 0]);
}

#[test]
fn barring_does_not_reach_the_stable_octets() {
    let mut sib2 = ordinary::sib2();
    let message = |sib2: &Sib2| encode::system_information(&[Sib::Sib2(Box::new(sib2.clone()))]).unwrap();
    let before = stable(&message(&sib2)).unwrap();
    let config = AcBarringConfig { factor_percent: 50, time_s: 64, special_classes: 21 };
    for (mo_signalling, mo_data) in [(None, None), (Some(config), None), (Some(config), Some(config))] {
        sib2.ac_barring = Some(AcBarring { emergency: true, mo_signalling, mo_data });
        assert_eq!(stable(&message(&sib2)).unwrap(), before);
    }
    sib2.p_b = 3;
    assert_ne!(stable(&message(&sib2)).unwrap(), before);
}

#[test]
fn messages_of_other_kinds_are_refused_by_name() {
    let refused = |octets: &[u8]| parse_bcch_dl_sch(octets).unwrap_err();
    assert_eq!(refused(&[0x80]), DecodeError::Reserved { field: "BCCH-DL-SCH-MessageType", value: 1 });
    assert_eq!(refused(&[0x20]), DecodeError::Reserved { field: "criticalExtensions", value: 1 });
    assert!(matches!(refused(&[]), DecodeError::Truncated { .. }));
    assert!(matches!(refused(&hex::decode(&SIB1[..16]).unwrap()), DecodeError::Truncated { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_octets_give_a_message_or_an_error(octets in prop::collection::vec(any::<u8>(), 0..280)) {
        let _ = stable(&octets);
        if let Ok(message) = parse_bcch_dl_sch(&octets) {
            let (mut fields, mut identity) = (LteFields::default(), None);
            fold(&mut fields, &mut identity, &message);
            // No message says more than its bits can: a neighbour takes nine.
            prop_assert!(serde_json::to_string(&fields).unwrap().len() < 200_000);
        }
    }

    #[test]
    fn messages_with_wrong_bits_give_a_message_or_an_error(
        which in 0usize..320,
        flips in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        thread_local!(static VECTORS: Vec<Value> = serde_json::from_str(include_str!("data/lte-rrc/messages.json")).unwrap());
        let mut octets = VECTORS.with(|vectors| hex::decode(vectors[which]["hex"].as_str().unwrap()).unwrap());
        for flip in flips {
            let bit = flip.index(8 * octets.len());
            octets[bit / 8] ^= 0x80 >> (bit % 8);
        }
        let _ = stable(&octets);
        if let Ok(message) = parse_bcch_dl_sch(&octets) {
            fold(&mut LteFields::default(), &mut None, &message);
        }
    }

    #[test]
    fn any_octets_give_some_text_or_none(octets in prop::collection::vec(any::<u8>(), 0..1400), scheme in any::<u8>()) {
        if let Some(text) = warning_text(&octets, scheme) {
            prop_assert!(text.chars().count() <= 15 * 94);
        }
    }
}

/// What the encoder makes of what the decoder found, zeros of the transport block left out on both sides.
fn encoded_again(hex: &str) -> Result<(Vec<u8>, Vec<u8>), encode::EncodeError> {
    let octets = hex::decode(hex).unwrap();
    let again = match parse_bcch_dl_sch(&octets).unwrap() {
        Message::Sib1(sib1) => encode::sib1(&sib1)?,
        Message::SystemInformation(message) => encode::system_information(&message.sibs)?,
    };
    let bare =
        |octets: Vec<u8>| octets[..octets.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1)].to_vec();
    Ok((bare(again), bare(octets)))
}

#[test]
fn what_is_encoded_says_what_was_decoded() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("data/lte-rrc/messages.json")).unwrap();
    let (mut same_octets, mut same_fields) = (0, 0);
    for vector in vectors {
        let hex = vector["hex"].as_str().unwrap();
        let Ok((again, octets)) = encoded_again(hex) else { continue };
        let (mut before, mut after) =
            (folded([hex]).0, folded([format!("{}{}", hex::encode(&again), "00".repeat(16)).as_str()]).0);
        for fields in [&mut before, &mut after] {
            // Extensions that no field needs are not sent again.
            if let Some(sib1) = &mut fields.sib1 {
                (sib1.extensions, sib1.bandwidth_reduced) = (0, false);
            }
            if let Some(sib3) = &mut fields.sib3 {
                sib3.coverage_enhancement = false;
            }
        }
        assert_eq!(before, after, "{hex}");
        same_fields += 1;
        same_octets += usize::from(again == octets);
    }
    // The others hold blocks that are not sent, PLMNs that are none, spare values, or a short form of a list of carriers.
    assert!(same_fields >= 110, "{same_fields}");
    assert!(same_octets >= 30, "{same_octets}");
}

#[test]
fn messages_of_the_recordings_are_encoded_as_they_were_sent() {
    let Some(truth) = truth() else { return };
    let (mut same, mut others) = (0, 0);
    for (name, hex, _) in recorded(&truth) {
        let (again, octets) = encoded_again(&hex).unwrap();
        if again == octets {
            same += 1;
            continue;
        }
        // Two give their GSM carriers as a bit map.
        others += 1;
        let padded = format!("{}0000", hex::encode(&again));
        assert_eq!(folded([hex.as_str()]).0, folded([padded.as_str()]).0, "{name}");
    }
    assert!(same >= 20 && others <= 2, "{same} {others}");
}

#[test]
fn ordinary_blocks_come_out_as_they_were_put_in() {
    let plmn = Plmn::new(520, 5, 2).unwrap();
    let mut sib1 = ordinary::sib1(&[plmn, Plmn::new(520, 47, 2).unwrap()], 0x1234, 0x00ab_cde1, 66);
    sib1.bands.extend([4, 71]);
    sib1.q_qual_min_db = Some(-18);
    let decoded = parse_bcch_dl_sch(&encode::sib1(&sib1).unwrap()).unwrap();
    sib1.extensions = 2;
    assert_eq!(decoded, Message::Sib1(sib1));

    let segment = WarningSegment {
        kind: WarningKind::Cmas,
        message_identifier: 4370,
        serial_number: 0x3001,
        last: true,
        number: 0,
        octets: Octets(vec![1, 2, 3]),
        data_coding_scheme: Some(0x0f),
    };
    let sibs = vec![
        Sib::Sib2(Box::new(ordinary::sib2())),
        Sib::Sib3(ordinary::sib3(2)),
        Sib::Sib7(ordinary::sib7(&[735, 740], 7)),
        Sib::Warning(WarningSegment { kind: WarningKind::Etws, ..segment.clone() }),
        Sib::Warning(segment),
    ];
    let octets = encode::system_information(&sibs).unwrap();
    assert_eq!(
        parse_bcch_dl_sch(&octets).unwrap(),
        Message::SystemInformation(SystemInformation { sibs, failed: None })
    );

    for (prb, sfn) in [(6, 0), (100, 1023), (25, 517)] {
        let mib = Mib { prb, phich_extended: sfn == 0, phich_ng_sixths: 3, scheduling_sib1_br: 9, spare: 17 };
        assert_eq!(parse_mib(encode::mib(&mib, sfn).unwrap()), Ok((mib, (sfn >> 2) as u8)));
    }
}

#[test]
fn what_the_standard_has_no_number_for_is_refused_by_name() {
    let mut sib1 = ordinary::sib1(&[Plmn::new(456, 1, 2).unwrap()], 1, 1, 3);
    sib1.si_window_ms = 7;
    let told = encode::sib1(&sib1).unwrap_err().to_string();
    assert_eq!(told, "si-WindowLength: the standard has no number for 7");
    sib1.si_window_ms = 20;
    sib1.eci = 1 << 28;
    assert!(encode::sib1(&sib1).unwrap_err().to_string().starts_with("SystemInformationBlockType1: "));
    let told = encode::system_information(&[Sib::NotInterpreted(20)]).unwrap_err().to_string();
    assert_eq!(told, "SIB20 is not among the blocks that can be sent");
}
