//! What the messages of one cell say together.

use super::WarningSegment;
use super::message::{Message, Sib};
use super::text::{language, text};
use crate::cell::CellIdentity;
use crate::observation::lte::{LteFields, MAX_WARNINGS, Warning};
use std::collections::BTreeMap;

/// Adds what `message` says to what is known of the cell; the latest word counts.
///
/// A warning's segments are kept until all of them are there, in any order; then its text stands in their place.
pub fn fold(fields: &mut LteFields, identity: &mut Option<CellIdentity>, message: &Message) {
    match message {
        Message::Sib1(sib1) => {
            *identity = Some(CellIdentity {
                plmns: sib1.plmns.iter().filter_map(|entry| entry.plmn).collect(),
                area: Some(sib1.tac.into()),
                cell_id: Some(sib1.eci.into()),
            });
            fields.sib1 = Some(sib1.clone());
        }
        Message::SystemInformation(message) => message.sibs.iter().for_each(|sib| fold_sib(fields, sib)),
    }
}

fn fold_sib(fields: &mut LteFields, sib: &Sib) {
    if let Err(place) = fields.sib_types.binary_search(&sib.sib_type()) {
        fields.sib_types.insert(place, sib.sib_type());
    }
    match sib {
        Sib::Sib2(sib2) => fields.sib2 = Some((**sib2).clone()),
        Sib::Sib3(sib3) => fields.sib3 = Some(*sib3),
        Sib::Sib4(sib4) => fields.sib4 = Some(sib4.clone()),
        Sib::Sib5(layers) => fields.sib5 = Some(layers.clone()),
        Sib::Sib6(sib6) => fields.sib6 = Some(sib6.clone()),
        Sib::Sib7(sib7) => fields.sib7 = Some(sib7.clone()),
        Sib::Sib8(sib8) => fields.sib8 = Some(sib8.clone()),
        Sib::Sib9(name) => fields.hnb_name = name.clone(),
        Sib::Sib10(primary) => fields.etws_primary = Some(*primary),
        Sib::Warning(segment) => fold_warning(&mut fields.warnings, segment),
        Sib::Sib13(sib13) => fields.sib13 = Some(sib13.clone()),
        Sib::Sib16(time) => fields.sib16 = *time,
        Sib::NotInterpreted(_) => {}
    }
}

fn fold_warning(warnings: &mut Vec<Warning>, segment: &WarningSegment) {
    let name = |warning: &Warning| (warning.kind, warning.message_identifier, warning.serial_number);
    let key = (segment.kind, segment.message_identifier, segment.serial_number);
    let place = warnings.iter().position(|warning| name(warning) == key).unwrap_or_else(|| {
        if warnings.len() == MAX_WARNINGS {
            warnings.remove(0);
        }
        warnings.push(Warning {
            kind: segment.kind,
            message_identifier: segment.message_identifier,
            serial_number: segment.serial_number,
            data_coding_scheme: None,
            segments: BTreeMap::new(),
            last_segment: None,
            language: None,
            text: None,
        });
        warnings.len() - 1
    });
    let warning = &mut warnings[place];
    if warning.text.is_some() {
        return;
    }
    warning.data_coding_scheme = segment.data_coding_scheme.or(warning.data_coding_scheme);
    if segment.last {
        warning.last_segment = Some(segment.number);
    }
    warning.segments.insert(segment.number, segment.octets.clone());
    let Some((last, scheme)) = warning.last_segment.zip(warning.data_coding_scheme) else { return };
    if (0..=last).all(|number| warning.segments.contains_key(&number)) {
        let data: Vec<u8> = warning.segments.range(0..=last).flat_map(|(_, octets)| octets.0.iter().copied()).collect();
        warning.text = text(&data, scheme);
        warning.language = language(&data, scheme);
        if warning.text.is_some() {
            warning.segments.clear();
        }
    }
}
