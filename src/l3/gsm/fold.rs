//! What the messages of one cell say together.

use super::message::SystemInformation;
use crate::cell::{CellIdentity, Plmn};
use crate::observation::gsm::{GsmFields, OtherRats};

/// Cells of UTRAN that are kept: the most that the 3G neighbour cell list holds; TS 44.018 clause 3.4.1.2.1.1.
const MAX_UTRAN: usize = 96;

/// Frequencies of E-UTRAN that are kept: what E-UTRAN_FREQUENCY_INDEX, three bits, can name; TS 44.018 clause 10.5.2.33b.
const MAX_EUTRAN: usize = 8;

/// Adds what `message` says to what is known of the cell; the latest word counts.
///
/// Two messages that carry the same element: the RACH control parameters are the latest one's; the cell selection parameters are SI3's
/// where it was heard (SI4 codes ACS differently); the location area is the latest one's. Neighbours in other technologies come in
/// instances and are united, until a change mark of SI2quater says that they were replaced.
pub fn fold(fields: &mut GsmFields, identity: &mut Option<CellIdentity>, message: &SystemInformation) {
    if let Err(place) = fields.si_types.binary_search(&message.si_type()) {
        fields.si_types.insert(place, message.si_type());
    }
    match message {
        SystemInformation::Si1(si1) => {
            fields.cell_allocation = Some(si1.cell_allocation.clone());
            fields.rach = Some(si1.rach);
        }
        SystemInformation::Si2(si2) => {
            fields.neighbours_si2 = Some(si2.neighbours.clone());
            fields.ncc_permitted = Some(si2.ncc_permitted);
            fields.rach = Some(si2.rach);
        }
        SystemInformation::Si2bis(si2bis) => {
            fields.neighbours_si2bis = Some(si2bis.neighbours.clone());
            fields.rach = Some(si2bis.rach);
        }
        SystemInformation::Si2ter(si2ter) => {
            fields.neighbours_si2ter = Some(si2ter.neighbours.clone());
            if let Ok(Some(rest)) = &si2ter.rest {
                let other_rats = fields.other_rats.get_or_insert_default();
                if let Some(carrier) = rest.utran_fdd {
                    add_utran(other_rats, carrier, &[]);
                }
            }
        }
        SystemInformation::Si2quater(si2quater) => {
            let other_rats = fields.other_rats.get_or_insert_default();
            let marks = (si2quater.ba_ind_3g, si2quater.mp_change_mark);
            if other_rats.change_marks.is_some_and(|known| known != marks) {
                *other_rats = OtherRats::default();
            }
            other_rats.change_marks = Some(marks);
            for (carrier, codes) in &si2quater.utran_fdd {
                add_utran(other_rats, *carrier, codes);
            }
            for &(earfcn, priority) in &si2quater.eutran {
                add_eutran(other_rats, earfcn, priority);
            }
        }
        SystemInformation::Si3(si3) => {
            identify(identity, si3.plmn, si3.lac).cell_id = Some(si3.cell_id.into());
            fields.control_channel = Some(si3.control_channel);
            fields.cell_options = Some(si3.cell_options);
            fields.selection = Some(si3.selection);
            fields.rach = Some(si3.rach);
            fields.si3_rest = si3.rest.clone().ok();
        }
        SystemInformation::Si4(si4) => {
            identify(identity, si4.plmn, si4.lac);
            // `control_channel` is known: SI3 was heard.
            if fields.control_channel.is_none() {
                fields.selection = Some(si4.selection);
            }
            fields.rach = Some(si4.rach);
            fields.cbch_present = Some(si4.cbch);
            fields.si4_rest = si4.rest.clone().ok();
        }
        SystemInformation::Si13(gprs) => fields.gprs = *gprs,
        SystemInformation::NotInterpreted(_) => {}
    }
}

/// The identity with the location area as just heard; a cell identity known before stays.
fn identify(identity: &mut Option<CellIdentity>, plmn: Option<Plmn>, lac: u16) -> &mut CellIdentity {
    let identity = identity.get_or_insert_default();
    identity.plmns = plmn.into_iter().collect();
    identity.area = Some(lac.into());
    identity
}

/// Unites `codes` with those known of `carrier`; what exceeds [`MAX_UTRAN`] is left out.
fn add_utran(other_rats: &mut OtherRats, carrier: u16, codes: &[u16]) {
    // A carrier without codes takes one place as well.
    let mut free = MAX_UTRAN.saturating_sub(other_rats.utran_fdd.iter().map(|known| known.1.len().max(1)).sum());
    let place = match other_rats.utran_fdd.binary_search_by_key(&carrier, |known| known.0) {
        Ok(place) => place,
        Err(_) if free == 0 => return,
        Err(place) => {
            other_rats.utran_fdd.insert(place, (carrier, Vec::new()));
            place
        }
    };
    let known = &mut other_rats.utran_fdd[place].1;
    for code in codes {
        if let (Err(place), true) = (known.binary_search(code), free > 0) {
            known.insert(place, *code);
            free -= 1;
        }
    }
}

/// Adds `earfcn` or renews its priority; what exceeds [`MAX_EUTRAN`] is left out.
fn add_eutran(other_rats: &mut OtherRats, earfcn: u32, priority: Option<u8>) {
    let known = &mut other_rats.eutran;
    match known.binary_search_by_key(&earfcn, |known| known.0) {
        Ok(place) => known[place].1 = priority.or(known[place].1),
        Err(place) if known.len() < MAX_EUTRAN => known.insert(place, (earfcn, priority)),
        Err(_) => {}
    }
}
