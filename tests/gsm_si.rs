//! GSM SYSTEM INFORMATION against independent encoders and decoders, and against any 23 octets.

#![cfg(feature = "sensor")]
// A test that panics has failed, which is what its helpers ask for.
#![allow(clippy::unwrap_used)]

use daen::cell::{CellIdentity, Plmn};
use daen::l3::DecodeError;
use daen::l3::gsm::frequency_list::{self, Element};
use daen::l3::gsm::{SystemInformation, fold, name, parse, stable};
use daen::observation::gsm::{
    CellOptions, CellSelection, ControlChannel, GsmFields, RachControl, ReselectionParameters, RestOctets, SiType,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn octets<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// Lines of `lists.txt` that begin with `kind`: the octets and the words after them.
fn lists<const N: usize>(kind: &str) -> Vec<([u8; N], Vec<&'static str>)> {
    let lines = include_str!("data/gsm-si/lists.txt").lines().filter_map(|line| line.strip_prefix(kind));
    let found: Vec<_> = lines
        .map(|line| {
            let mut words = line.trim().split(' ');
            (octets(words.next().unwrap()), words.collect())
        })
        .collect();
    assert!(found.len() >= 4, "vectors of {kind}");
    found
}

fn arfcns(words: &[&str]) -> Vec<u16> {
    words.iter().map(|word| word.parse().unwrap()).collect()
}

#[test]
fn range_lists_of_the_independent_encoder_give_the_set_that_was_encoded() {
    for (list, words) in lists("encoded") {
        for element in [Element::CellChannel, Element::Neighbour, Element::Neighbour2] {
            assert_eq!(frequency_list::decode(&list, element), Ok(arfcns(&words)), "{list:02x?}");
        }
    }
}

#[test]
fn any_octets_behind_a_format_give_what_the_independent_decoder_finds() {
    for (list, words) in lists("decoded") {
        assert_eq!(frequency_list::decode(&list, Element::CellChannel), Ok(arfcns(&words)), "{list:02x?}");
    }
}

#[test]
fn scrambling_codes_of_the_independent_encoder_are_found() {
    for (message, words) in lists("si2quater") {
        let Ok(SystemInformation::Si2quater(si2quater)) = parse(&message) else { panic!("{message:02x?}") };
        let found: Vec<String> = si2quater
            .utran_fdd
            .iter()
            .flat_map(|(carrier, codes)| codes.iter().map(move |code| format!("{carrier}:{code}")))
            .collect();
        assert_eq!(found, words);
    }
}

#[test]
fn eutran_frequencies_of_the_independent_encoder_are_found() {
    for (message, words) in lists("eutran") {
        let Ok(SystemInformation::Si2quater(si2quater)) = parse(&message) else { panic!("{message:02x?}") };
        let found: Vec<String> = si2quater
            .eutran
            .iter()
            .map(|(earfcn, priority)| match priority {
                Some(priority) => format!("{earfcn}/{priority}"),
                None => format!("{earfcn}/-"),
            })
            .collect();
        assert_eq!(found, words);
    }
}

/// The fields of one message as pycrate names and decodes them: numbers, and the marks H and L.
struct Vector {
    octets: [u8; 23],
    fields: BTreeMap<String, Vec<serde_json::Value>>,
}

impl Vector {
    /// The first value of `field` as a number.
    fn number(&self, field: &str) -> Option<u32> {
        self.fields.get(field).map(|values| values[0].as_u64().unwrap() as u32)
    }

    fn must(&self, field: &str) -> u32 {
        self.number(field).unwrap_or_else(|| panic!("{field} in {:?}", self.fields))
    }

    fn octet(&self, field: &str) -> u8 {
        self.must(field) as u8
    }

    fn flag(&self, field: &str) -> bool {
        self.must(field) == 1
    }

    fn numbers(&self, field: &str) -> Vec<u32> {
        let values = self.fields.get(field).into_iter().flatten();
        values.map(|value| value.as_u64().unwrap() as u32).collect()
    }

    fn mark(&self, field: &str) -> bool {
        self.fields[field][0] == "H"
    }

    fn plmn(&self) -> Option<Plmn> {
        let digits = self.must("PLMN");
        Plmn::new((digits / 100) as u16, (digits % 100) as u16, 2)
    }

    fn rach(&self) -> RachControl {
        RachControl {
            max_retrans: self.octet("MaxRetrans"),
            tx_integer: self.octet("TxInt"),
            cell_barred: self.flag("CELL_BARR_ACCESS"),
            re: self.flag("CallReestab"),
            access_classes_barred: self.must("AccessCtrlClass") as u16,
        }
    }

    fn selection(&self) -> CellSelection {
        CellSelection {
            cell_reselect_hysteresis: self.octet("CellReselectHyst"),
            ms_txpwr_max_cch: self.octet("MS-TXPWR-MAX-CCH"),
            acs: self.flag("ACS"),
            neci: self.flag("NECI"),
            rxlev_access_min: self.octet("RXLEV-ACCESS-MIN"),
        }
    }

    fn reselection(&self) -> Option<ReselectionParameters> {
        self.number("cell_reselect_offset").map(|offset| ReselectionParameters {
            cell_bar_qualify: self.flag("cbq"),
            cell_reselect_offset: offset as u8,
            temporary_offset: self.octet("temporary_offset"),
            penalty_time: self.octet("penalty_time"),
        })
    }

    /// What the rest octets of SI3 and SI4 share.
    fn check_rest(&self, rest: &RestOctets) {
        assert_eq!(rest.selection, self.reselection());
        assert_eq!(rest.power_offset.map(u32::from), self.number("power_offset"));
        assert_eq!(rest.gprs.map(|gprs| u32::from(gprs.ra_colour)), self.number("ra_colour"));
        assert_eq!(rest.gprs.map(|gprs| u32::from(gprs.si13_on_ext)), self.number("si13_position"));
    }
}

/// Vectors of one type, parsed, each with what pycrate says.
fn messages(si_type: &str) -> Vec<(SystemInformation, Vector)> {
    #[derive(serde::Deserialize)]
    struct Line {
        r#type: String,
        hex: String,
        fields: BTreeMap<String, Vec<serde_json::Value>>,
    }
    let lines: Vec<Line> = serde_json::from_str(include_str!("data/gsm-si/messages.json")).unwrap();
    let found: Vec<_> = lines
        .into_iter()
        .filter(|line| line.r#type == si_type)
        .map(|line| {
            let octets = octets(&line.hex);
            assert_eq!(name(&octets), Some(si_type));
            (parse(&octets).unwrap(), Vector { octets, fields: line.fields })
        })
        .collect();
    assert!(found.len() >= 10, "vectors of {si_type}");
    found
}

#[test]
fn si1_si2_and_si2bis_are_decoded_as_the_independent_decoder_does() {
    for (message, vector) in messages("SI1") {
        let SystemInformation::Si1(si1) = message else { panic!() };
        assert_eq!(si1.rach, vector.rach());
    }
    for (message, vector) in messages("SI2") {
        let SystemInformation::Si2(si2) = message else { panic!() };
        assert_eq!(si2.rach, vector.rach());
        assert_eq!(si2.ncc_permitted, vector.octet("NCCPermitted"));
    }
    for (message, vector) in messages("SI2bis") {
        let SystemInformation::Si2bis(si2bis) = message else { panic!() };
        assert_eq!(si2bis.rach, vector.rach());
    }
}

#[test]
fn si3_is_decoded_as_the_independent_decoder_does() {
    for (message, vector) in messages("SI3") {
        let SystemInformation::Si3(si3) = message else { panic!() };
        assert_eq!(u32::from(si3.cell_id), vector.must("CellId"));
        assert_eq!((si3.plmn, u32::from(si3.lac)), (vector.plmn(), vector.must("LAC")));
        let control_channel = ControlChannel {
            mscr: vector.flag("MSCRel"),
            att: vector.flag("ATT"),
            bs_ag_blks_res: vector.octet("BS-AG-BLKS-RES"),
            ccch_conf: vector.octet("CCCHConf"),
            cbq3: vector.octet("CBQ3"),
            bs_pa_mfrms: vector.octet("BS-PA-MFRMS"),
            t3212: vector.octet("T3212"),
        };
        assert_eq!(si3.control_channel, control_channel);
        let cell_options = CellOptions {
            dn_ind: vector.flag("DynARFCNMappingInd"),
            pwrc: vector.flag("PwrCtrlInd"),
            dtx: vector.octet("DTXInd"),
            radio_link_timeout: vector.octet("RadioLinkTimeout"),
        };
        assert_eq!(si3.cell_options, cell_options);
        assert_eq!((si3.selection, si3.rach), (vector.selection(), vector.rach()));
        let rest = si3.rest.unwrap();
        vector.check_rest(&rest);
        assert_eq!(rest.si2ter, vector.mark("system_information_2ter_indicator"));
        assert_eq!(rest.early_classmark, vector.mark("early_classmark_sending_control"));
        assert_eq!(rest.scheduling_where.map(u32::from), vector.number("where"));
        assert_eq!(rest.early_classmark_3g, vector.mark("_3g_early_classmark_sending_restriction"));
        assert_eq!(rest.si2quater_on_ext.map(u32::from), vector.number("si2quater_indicator"));
    }
}

#[test]
fn si4_is_decoded_as_the_independent_decoder_does() {
    for (message, vector) in messages("SI4") {
        let SystemInformation::Si4(si4) = message else { panic!() };
        assert_eq!((si4.plmn, u32::from(si4.lac)), (vector.plmn(), vector.must("LAC")));
        assert_eq!((si4.selection, si4.rach, si4.cbch), (vector.selection(), vector.rach(), false));
        vector.check_rest(&si4.rest.unwrap());
    }
}

/// TS 44.018 clause 9.1.36: CBCH channel description (0x64, three octets), CBCH mobile allocation (0x72, length, value).
#[test]
fn si4_rest_octets_are_found_behind_the_cbch_elements() {
    let mut moved = 0;
    for (_, vector) in messages("SI4") {
        for cbch in [&[0x64, 0x20, 0x04, 0x2b][..], &[0x64, 0x20, 0x04, 0x2b, 0x72, 0x01, 0x05]] {
            let (fixed, rest) = vector.octets.split_at(13);
            let (kept, cut) = rest.split_at(rest.len() - cbch.len());
            if cut.iter().any(|&octet| octet != 0x2b) {
                continue;
            }
            let mut message: [u8; 23] = [fixed, cbch, kept].concat().try_into().unwrap();
            message[0] = (12 + cbch.len() as u8) << 2 | 1;
            let Ok(SystemInformation::Si4(si4)) = parse(&message) else { panic!() };
            assert!(si4.cbch);
            vector.check_rest(&si4.rest.unwrap());
            moved += 1;
        }
    }
    assert!(moved >= 10, "{moved}");
}

#[test]
fn si13_is_decoded_as_the_independent_decoder_does() {
    for (message, vector) in messages("SI13") {
        let SystemInformation::Si13(gprs) = message else { panic!() };
        assert_eq!(gprs.map(|gprs| u32::from(gprs.bcch_change_mark)), vector.number("bcch_change_mark"));
        let Some(gprs) = gprs else { continue };
        assert_eq!(gprs.rac.map(u32::from), vector.number("rac"));
        assert_eq!(gprs.spgc_ccch_sup.map(u32::from), vector.number("spgc_ccch_sup"));
        assert_eq!(gprs.priority_access_thr.map(u32::from), vector.number("priority_access_thr"));
        assert_eq!(gprs.network_control_order.map(u32::from), vector.number("network_control_order"));
        assert_eq!(gprs.nmo.map(u32::from), vector.number("nmo"));
        assert_eq!(gprs.t3168.map(u32::from), vector.number("t3168"));
        assert_eq!(gprs.t3192.map(u32::from), vector.number("t3192"));
    }
}

#[test]
fn si2ter_is_decoded_as_the_independent_decoder_does() {
    for (message, vector) in messages("SI2ter") {
        let SystemInformation::Si2ter(si2ter) = message else { panic!() };
        let rest = si2ter.rest.unwrap();
        assert_eq!(rest.map(|rest| u32::from(rest.index)), vector.number("si2ter_index"));
        assert_eq!(rest.map(|rest| u32::from(rest.count)), vector.number("si2ter_count"));
        assert_eq!(rest.and_then(|rest| rest.utran_fdd).map(u32::from), vector.number("fdd_arfcn"));
    }
}

#[test]
fn si2quater_is_decoded_as_the_independent_decoder_does() {
    let (mut with_utran, mut with_eutran) = (0, 0);
    for (message, vector) in messages("SI2quater") {
        let SystemInformation::Si2quater(si2quater) = message else { panic!() };
        assert_eq!(u32::from(si2quater.index), vector.must("si2quater_index"));
        assert_eq!(u32::from(si2quater.count), vector.must("si2quater_count"));
        assert_eq!(u32::from(si2quater.ba_ind_3g), vector.must("_3g_ba_ind"));
        assert_eq!(u32::from(si2quater.mp_change_mark), vector.must("mp_change_mark"));
        let carriers: Vec<u32> = si2quater.utran_fdd.iter().map(|carrier| carrier.0.into()).collect();
        assert_eq!(carriers, vector.numbers("fdd_arfcn"));
        let frequencies: Vec<u32> = si2quater.eutran.iter().map(|frequency| frequency.0).collect();
        assert_eq!(frequencies, vector.numbers("earfcn"));
        with_utran += usize::from(!carriers.is_empty());
        with_eutran += usize::from(!frequencies.is_empty());
    }
    assert!(with_utran >= 10 && with_eutran >= 10, "{with_utran} {with_eutran}");
}

/// The first octets of the recording gsm/bcch-953M6-500k, whose identity other receivers have read.
const REAL_SI3: &str = "49061b3b2d72f2203aa8d0033c546506b900008020420b";

#[test]
fn a_real_si3_says_what_other_receivers_read() {
    let (mut fields, mut identity) = (GsmFields::default(), None);
    let message = octets(REAL_SI3);
    assert_eq!(name(&message), Some("SI3"));
    assert_eq!(stable(&message), message);
    fold(&mut fields, &mut identity, &parse(&message).unwrap());
    let plmns = vec!["272-02".parse().unwrap()];
    assert_eq!(identity, Some(CellIdentity { plmns, area: Some(15016), cell_id: Some(15149) }));
    assert_eq!(fields.control_channel.unwrap().t3212, 60);
    let rest = fields.si3_rest.unwrap();
    assert_eq!(rest.selection.unwrap().cell_reselect_offset_db().0, 0.0);
    assert!(rest.si2ter && !rest.padding_only);
    assert_eq!(fields.si_types, [SiType::Si3]);
}

#[test]
fn si4_alone_gives_the_area_and_does_not_take_away_what_si3_said() {
    let si4 = parse(&octets("31061c72f2203aa9650ab900002b2b2b2b2b2b2b2b2b2b")).unwrap();
    let si3 = parse(&octets(REAL_SI3)).unwrap();
    let (mut fields, mut identity) = (GsmFields::default(), None);
    fold(&mut fields, &mut identity, &si4);
    assert_eq!(identity.as_ref().map(|i| (i.area, i.cell_id)), Some((Some(15017), None)));
    assert_eq!(fields.selection.unwrap().rxlev_access_min, 10);
    fold(&mut fields, &mut identity, &si3);
    fold(&mut fields, &mut identity, &si4);
    assert_eq!(identity.map(|i| (i.area, i.cell_id)), Some((Some(15017), Some(15149))));
    assert_eq!(fields.selection.unwrap().rxlev_access_min, 6);
    assert_eq!(fields.cbch_present, Some(false));
    assert!(fields.si4_rest.unwrap().padding_only);
    assert_eq!(fields.si_types, [SiType::Si3, SiType::Si4]);
}

#[test]
fn instances_of_si2quater_are_united_until_a_change_mark_turns() {
    let (mut fields, mut identity) = (GsmFields::default(), None);
    let instances: Vec<([u8; 23], Vec<&str>)> = lists("si2quater");
    for (message, _) in &instances {
        fold(&mut fields, &mut identity, &parse(message).unwrap());
    }
    let utran = fields.other_rats.clone().unwrap().utran_fdd;
    let expected: std::collections::BTreeSet<String> =
        instances.iter().flat_map(|(_, words)| words).map(ToString::to_string).collect();
    let kept: Vec<String> =
        utran.iter().flat_map(|(carrier, codes)| codes.iter().map(move |code| format!("{carrier}:{code}"))).collect();
    // The list is bounded; what is kept was heard.
    assert_eq!(kept.len(), 96.min(expected.len()));
    assert!(kept.iter().all(|cell| expected.contains(cell)));

    let (mut changed, words) = instances[0].clone();
    changed[3] ^= 0x40;
    fold(&mut fields, &mut identity, &parse(&changed).unwrap());
    let utran = fields.other_rats.unwrap().utran_fdd;
    assert_eq!(
        utran.iter().map(|(carrier, codes)| (carrier, codes.len())).collect::<Vec<_>>(),
        [(&10562, words.len())]
    );
    assert_eq!(identity, None);
}

#[test]
fn what_is_not_system_information_is_refused_by_the_octet_that_says_so() {
    let refused = |text: &str| parse(&octets(text)).unwrap_err();
    let paging = refused("1506210001f02b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b");
    assert_eq!(paging, DecodeError::NotSystemInformation { field: "message type", value: 0x21 });
    let fill = refused("0303012b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b");
    assert_eq!(fill, DecodeError::NotSystemInformation { field: "L2 pseudo length", value: 3 });
}

#[test]
fn rest_octets_that_end_inside_a_field_leave_the_fixed_part_and_are_an_error() {
    // SI2ter: a UTRAN FDD description that does not begin with the fixed 0 1.
    let message = parse(&octets("49060300000000000000000000000000000001807fffff")).unwrap();
    let SystemInformation::Si2ter(si2ter) = message else { panic!() };
    assert_eq!(si2ter.neighbours, [1]);
    assert!(matches!(si2ter.rest, Err(DecodeError::Reserved { .. })));
    // SI2quater: a list of real time differences without end.
    let endless = parse(&octets("050607000c000000000000000000000000000000000000")).unwrap_err();
    assert!(matches!(endless, DecodeError::Truncated { .. }), "{endless}");
}

fn is_a_list(arfcns: &[u16]) -> bool {
    arfcns.windows(2).all(|pair| pair[0] < pair[1]) && arfcns.iter().all(|&arfcn| arfcn <= 1023)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_give_a_message_or_an_error_and_lists_are_sets_of_arfcns(
        mut message in proptest::array::uniform23(any::<u8>()),
        message_type in prop::sample::select(vec![0x19, 0x1a, 0x02, 0x03, 0x07, 0x1b, 0x1c, 0x00, 0x1f, 0x4f]),
        known in any::<bool>(),
    ) {
        if known {
            message[0] = message[0] & !3 | 1;
            message[1] = 0x06;
            message[2] = message_type;
        }
        let (mut fields, mut identity) = (GsmFields::default(), None);
        if let Ok(decoded) = parse(&message) {
            prop_assert!(name(&message).is_some());
            fold(&mut fields, &mut identity, &decoded);
        }
        let lists = [fields.cell_allocation, fields.neighbours_si2, fields.neighbours_si2bis, fields.neighbours_si2ter];
        for list in lists.into_iter().flatten() {
            prop_assert!(is_a_list(&list), "{list:?}");
        }
        for (_, codes) in fields.other_rats.unwrap_or_default().utran_fdd {
            prop_assert!(is_a_list(&codes) && codes.iter().all(|&code| code < 512), "{codes:?}");
        }
        prop_assert_eq!(stable(&stable(&message)), stable(&message));
    }

    #[test]
    fn any_list_in_any_element_is_a_set_of_arfcns(list in proptest::array::uniform16(any::<u8>())) {
        for element in [Element::CellChannel, Element::Neighbour, Element::Neighbour2] {
            if let Ok(arfcns) = frequency_list::decode(&list, element) {
                prop_assert!(is_a_list(&arfcns), "{arfcns:?}");
            }
        }
    }

    #[test]
    fn what_is_kept_of_other_technologies_is_bounded(
        messages in proptest::collection::vec(proptest::array::uniform20(any::<u8>()), 0..60),
    ) {
        let (mut fields, mut identity) = (GsmFields::default(), None);
        for rest in messages {
            let mut message = [0x05, 0x06, 0x07].to_vec();
            message.extend(rest);
            // The marks stay, so that lists grow as far as they can; the flags before the 3G neighbours are off, theirs is on.
            message[3] = 0;
            message[4] &= 0xe0;
            message[5] = 0x24 | message[5] & 0x03;
            if let Ok(decoded) = parse(&message.try_into().unwrap()) {
                fold(&mut fields, &mut identity, &decoded);
            }
        }
        let other_rats = fields.other_rats.unwrap_or_default();
        let cells: usize = other_rats.utran_fdd.iter().map(|carrier| carrier.1.len()).sum();
        prop_assert!(cells <= 96 && other_rats.utran_fdd.len() <= 96 && other_rats.eutran.len() <= 8);
    }
}
