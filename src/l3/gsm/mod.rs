//! GSM SYSTEM INFORMATION of the BCCH: 23 octets to fields.
//!
//! Interpreted: types 1, 2, 2bis, 2ter, 2quater, 3, 4 and 13 with their rest octets. The others are known by name.
//!
//! ## References
//! - 3GPP TS 44.018 Release 17: RR protocol, clauses 9.1.31 to 9.1.43a (messages), 10.4 (message types), 10.5.2 (elements),
//!   annex J (frequency lists)
//! - 3GPP TS 44.060 Release 17: RLC/MAC, clauses 12.10a (GPRS mobile allocation), 12.24 (GPRS cell options)
//! - 3GPP TS 24.007 Release 17: clause 11.2 (message format), annex B (CSN.1)
//! - 3GPP TS 24.008 Release 17: clauses 10.5.1.1 (cell identity), 10.5.1.3 (location area identification)

mod fold;
pub mod frequency_list;
mod message;
mod rest_octets;
mod si2quater;

pub use fold::fold;
pub use message::{Si1, Si2, Si2bis, Si2ter, Si3, Si4, SystemInformation, parse};
pub use rest_octets::Si2terRest;
pub use si2quater::Si2quater;

use crate::observation::gsm::SiType;

/// Octets of a message on the BCCH.
pub const MESSAGE_OCTETS: usize = 23;

/// Message types of SYSTEM INFORMATION for the BCCH; TS 44.018 table 10.4.1. Types 5, 5bis, 5ter, 6 and 14 belong to the SACCH.
const MESSAGE_TYPES: [(u8, SiType, &str); 22] = [
    (0x19, SiType::Si1, "SI1"),
    (0x1a, SiType::Si2, "SI2"),
    (0x02, SiType::Si2bis, "SI2bis"),
    (0x03, SiType::Si2ter, "SI2ter"),
    (0x07, SiType::Si2quater, "SI2quater"),
    (0x1b, SiType::Si3, "SI3"),
    (0x1c, SiType::Si4, "SI4"),
    (0x1f, SiType::Si7, "SI7"),
    (0x18, SiType::Si8, "SI8"),
    (0x04, SiType::Si9, "SI9"),
    (0x00, SiType::Si13, "SI13"),
    (0x3d, SiType::Si16, "SI16"),
    (0x3e, SiType::Si17, "SI17"),
    (0x40, SiType::Other, "SI18"),
    (0x41, SiType::Other, "SI19"),
    (0x42, SiType::Other, "SI20"),
    (0x43, SiType::Other, "SI15"),
    (0x44, SiType::Other, "SI13alt"),
    (0x45, SiType::Other, "SI2n"),
    (0x46, SiType::Other, "SI21"),
    (0x47, SiType::Other, "SI22"),
    (0x4f, SiType::Other, "SI23"),
];

/// The row of [`MESSAGE_TYPES`] that a message's first three octets name.
///
/// `None` for any other message: the L2 pseudo length must be well-formed (its two low bits 0 1, TS 44.018 clause 10.5.2.19), the
/// skip indicator 0 and the protocol discriminator that of RR (6, TS 24.007 table 11.2).
fn row(header: [u8; 3]) -> Option<&'static (u8, SiType, &'static str)> {
    let [pseudo_length, discriminator, message_type] = header;
    if pseudo_length & 3 != 1 || discriminator != 0x06 {
        return None;
    }
    MESSAGE_TYPES.iter().find(|row| row.0 == message_type)
}

/// The type of SYSTEM INFORMATION for the BCCH that a message's first three octets name; `None` for any other message.
pub fn si_type(header: [u8; 3]) -> Option<SiType> {
    row(header).map(|row| row.1)
}

/// The message's name in reports, such as `SI3` or `SI2ter`; `None` where it is not SYSTEM INFORMATION of the BCCH.
pub fn name(octets: &[u8; MESSAGE_OCTETS]) -> Option<&'static str> {
    row([octets[0], octets[1], octets[2]]).map(|row| row.2)
}

/// The octets with everything zeroed that a network toggles to announce a change, for a hash that two days can be compared by.
///
/// Such marks turn back and forth: a content that was changed and changed back carries other marks than before, and says the same.
/// They are BA-IND (SI2, SI2bis, SI2ter: clauses 10.5.2.22 and 10.5.2.22a), the change marks of SI2ter (10.5.2.33a), BA_IND, 3G_BA_IND
/// and MP_CHANGE_MARK of SI2quater (10.5.2.33b), BCCH_CHANGE_MARK, SI_CHANGE_FIELD and SI13_CHANGE_MARK of SI13 (10.5.2.37b).
/// SI1, SI3 and SI4 have none and stay whole: each of their bits describes the cell.
pub fn stable(octets: &[u8; MESSAGE_OCTETS]) -> [u8; MESSAGE_OCTETS] {
    let mut stable = *octets;
    match si_type([octets[0], octets[1], octets[2]]) {
        Some(SiType::Si2 | SiType::Si2bis) => stable[3] &= !0x10,
        Some(SiType::Si2ter) => {
            stable[3] &= !0x10;
            // The rest octets begin with H where their first bit differs from the padding's 0.
            if octets[19] & 0x80 != 0 {
                stable[19] &= !0x60;
            }
        }
        Some(SiType::Si2quater) => stable[3] &= !0xe0,
        Some(SiType::Si13) if octets[3] & 0x80 != 0 => {
            stable[3] &= 0x80;
            // A GPRS mobile allocation follows, and SI13_CHANGE_MARK before it.
            if octets[4] & 0x80 != 0 {
                stable[4] &= !0x60;
            }
        }
        _ => {}
    }
    stable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_system_information_for_the_bcch_has_a_type() {
        assert_eq!(si_type([0x49, 0x06, 0x1b]), Some(SiType::Si3));
        assert_eq!(si_type([0x01, 0x06, 0x00]), Some(SiType::Si13));
        assert_eq!(si_type([0x01, 0x06, 0x45]), Some(SiType::Other));
        // Paging, immediate assignment; SI5, SI6, SI5bis, SI5ter and SI14 of the SACCH.
        for message_type in [0x21, 0x22, 0x24, 0x3f, 0x39, 0x3a, 0x1d, 0x1e, 0x05, 0x06, 0x01] {
            assert_eq!(si_type([0x49, 0x06, message_type]), None);
        }
        // A broken pseudo length, a skip indicator, another protocol.
        assert_eq!(si_type([0x48, 0x06, 0x1b]), None);
        assert_eq!(si_type([0x49, 0x16, 0x1b]), None);
        assert_eq!(si_type([0x49, 0x05, 0x1b]), None);
    }

    #[test]
    fn change_marks_do_not_reach_the_stable_octets_and_all_else_does() {
        let message = |start: [u8; 5]| {
            let mut octets = [0x2b; MESSAGE_OCTETS];
            octets[..5].copy_from_slice(&start);
            octets
        };
        // SI13: BCCH_CHANGE_MARK 1 and 2.
        let (one, two) = (message([0x01, 0x06, 0x00, 0x90, 0x00]), message([0x01, 0x06, 0x00, 0xa0, 0x00]));
        assert_eq!(stable(&one), stable(&two));
        let other_rac = message([0x01, 0x06, 0x00, 0xa0, 0x04]);
        assert_ne!(stable(&one), stable(&other_rac));
        // SI3: every bit counts.
        let si3 = message([0x49, 0x06, 0x1b, 0x3b, 0x2d]);
        assert_eq!(stable(&si3), si3);
    }
}
