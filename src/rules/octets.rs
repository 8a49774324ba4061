//! What broadcast octets of LTE and NR say of themselves, as far as it takes to count copies: whose SIB1 it is, and which message of
//! system information. Rules see no decoder; this reads the first bits alone.
//!
//! ## References
//! - 3GPP TS 36.331 Release 17, clause 6.2.2 (SystemInformation, SystemInformationBlockType1)
//! - 3GPP TS 38.331 Release 17, clauses 6.2.2 (SIB1) and 6.3.2 (CellAccessRelatedInfo)
//! - ITU-T X.691 (02/2021), unaligned packed encoding

use crate::cell::Plmn;

/// Octets read bit by bit, the highest first.
struct Bits<'a> {
    octets: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next `count` bits, 32 at most; `None` past the end.
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let octet = self.octets.get(self.at / 8)?;
            value = value << 1 | u32::from(octet >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// The next bits where `present`; `Some(None)` where not.
    fn optional(&mut self, present: bool, count: usize) -> Option<Option<u32>> {
        if present { self.take(count).map(Some) } else { Some(None) }
    }

    /// The value of `count` decimal digits of four bits; `None` where one is none.
    fn digits(&mut self, count: u32) -> Option<Option<u16>> {
        let mut value = Some(0);
        for _ in 0..count {
            let digit = self.take(4)?;
            value = value.filter(|_| digit < 10).map(|v| v * 10 + digit as u16);
        }
        Some(value)
    }
}

/// What SIB1 says of its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sib1Identity {
    /// The first PLMN of the list whose digits are digits.
    pub(super) plmn: Option<Plmn>,
    /// trackingAreaCode.
    pub(super) tac: u32,
    /// cellIdentity.
    pub(super) eci: u64,
}

/// What SIB1 of NR says of its cell in the first of its networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NrIdentity {
    /// The first PLMN of the list whose digits are digits.
    pub(super) plmn: Option<Plmn>,
    /// trackingAreaCode; a cell that no terminal may camp on has none.
    pub(super) tac: Option<u32>,
    /// cellIdentity.
    pub(super) nci: u64,
}

/// The identity in a SIB1 of NR; `None` where the octets are not one.
pub(super) fn nr_identity(octets: &[u8]) -> Option<NrIdentity> {
    let mut bits = Bits { octets, at: 0 };
    // BCCH-DL-SCH-MessageType: c1, systemInformationBlockType1.
    if bits.take(2)? != 0b01 {
        return None;
    }
    // cellSelectionInfo is the first of eleven parts that are there or not; of its own five four are.
    if bits.take(11)? >> 10 == 1 {
        let parts = bits.take(4)?;
        let widths = [3, 6, 5, 3];
        bits.take(6)?;
        for (part, width) in widths.into_iter().enumerate() {
            bits.optional(parts >> (3 - part) & 1 == 1, width)?;
        }
    }
    // Additions, cellReservedForOtherUse, the number of networks; of the first: additions, trackingAreaCode, ranac, PLMNs.
    bits.take(1 + 1 + 4 + 1)?;
    let parts = bits.take(2)?;
    let (mut mcc, mut plmn) = (None, None);
    for _ in 0..=bits.take(4)? {
        if bits.take(1)? == 1 {
            mcc = bits.digits(3)?;
        }
        let mnc_digits = bits.take(1)? + 2;
        let mnc = bits.digits(mnc_digits)?;
        plmn = plmn.or_else(|| Plmn::new(mcc?, mnc?, mnc_digits as u8));
    }
    let tac = bits.optional(parts & 2 != 0, 24)?;
    bits.optional(parts & 1 != 0, 8)?;
    let high = bits.take(4)?;
    Some(NrIdentity { plmn, tac, nci: u64::from(high) << 32 | u64::from(bits.take(32)?) })
}

/// The identity in a SystemInformationBlockType1; `None` where the octets are not one.
pub(super) fn sib1_identity(octets: &[u8]) -> Option<Sib1Identity> {
    let mut bits = Bits { octets, at: 0 };
    // BCCH-DL-SCH-MessageType: c1, systemInformationBlockType1.
    if bits.take(2)? != 0b01 {
        return None;
    }
    // p-Max, tdd-Config and nonCriticalExtension are there or not; then csg-Identity.
    bits.take(4)?;
    let (mut mcc, mut plmn) = (None, None);
    for _ in 0..=bits.take(3)? {
        // An entry without an MCC has that of the one before.
        if bits.take(1)? == 1 {
            mcc = bits.digits(3)?;
        }
        let mnc_digits = bits.take(1)? + 2;
        let mnc = bits.digits(mnc_digits)?;
        // cellReservedForOperatorUse.
        bits.take(1)?;
        plmn = plmn.or_else(|| Plmn::new(mcc?, mnc?, mnc_digits as u8));
    }
    Some(Sib1Identity { plmn, tac: bits.take(16)?, eci: bits.take(28)?.into() })
}

/// The type of the first block in a SystemInformation message; `None` where the octets are not one.
pub(super) fn first_type(octets: &[u8]) -> Option<u8> {
    let mut bits = Bits { octets, at: 0 };
    // c1, systemInformation; systemInformation-r8; nonCriticalExtension is there or not; the number of blocks, less one.
    if bits.take(3)? != 0 {
        return None;
    }
    bits.take(1 + 5)?;
    let extension = bits.take(1)? == 1;
    let number = if extension {
        // A normally small number: the additions begin with sib12-v920.
        if bits.take(1)? == 1 {
            return Some(0);
        }
        bits.take(6)? + 12
    } else {
        bits.take(4)? + 2
    };
    u8::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        hex::decode(hex).unwrap()
    }

    #[test]
    fn the_identity_in_sib1_of_real_cells_is_what_other_decoders_read() {
        // Recordings lte/b3-1815M3-19M2, b40-tdd-2360M-19M2 (with p-Max and tdd-Config), enb-leg50 (MNC of three digits).
        for (hex, plmn, tac, eci) in [
            ("48481803247c2bffd02810210081044c43250b900000", "206-01", 0x247c, 0x2bf_fd02),
            ("7051800111271486c0182359c242041127d9", "460-00", 0x1127, 0x148_6c01),
            ("4040060030c357d00115815311081082242192800000", "001-001", 3125, 131_072_277),
        ] {
            let plmn = plmn.parse().ok();
            assert_eq!(sib1_identity(&octets(hex)), Some(Sib1Identity { plmn, tac, eci }), "{hex}");
        }
        assert_eq!(sib1_identity(&octets("00805c31186fe022")), None, "a SystemInformation");
        assert_eq!(sib1_identity(&octets("48481803")), None, "cut off");
    }

    #[test]
    fn the_identity_in_sib1_of_real_nr_cells_is_what_another_decoder_reads() {
        // Recordings nr/n3-pci500, singtel-n1 (an operator's), effnet-n78 (with ranac) and oai-n78, read by pycrate.
        for (hex, plmn, tac, nci) in [
            ("74810170104004020000c8002468a038050100401a0000066c", "001-01", 100, 0x0_0123_4501),
            ("6c8800020a92804000cc07d5378ffe0031400420c30128", "525-01", 816, 0x1_f54d_e3ff),
            ("648000030800804000004062020203c69084d01e0000232635", "001-01", 1, 0x8_8080_80f1),
            ("64800a020800804000004002f1853a9084d07e0000269670cb", "001-01", 1, 0x0_00bc_614e),
        ] {
            let plmn = plmn.parse().ok();
            assert_eq!(nr_identity(&octets(hex)), Some(NrIdentity { plmn, tac: Some(tac), nci }), "{hex}");
        }
        assert_eq!(nr_identity(&octets("0000000000000000000000000000")), None, "a SystemInformation");
        assert_eq!(nr_identity(&octets("74810170104004020000c8")), None, "cut off");
    }

    #[test]
    fn a_message_of_system_information_is_named_by_its_first_block() {
        // Recordings lte/b3-1815M3-19M2 (SIB2 and SIB3) and enb-warn25 (SIB10, 11 and 12).
        for (hex, first) in [
            ("00805b29186fe0288035899062d00106", 2),
            ("0020110230000580000000", 10),
            ("002411023000828638485f1f96d2f6b2", 11),
            ("00402e21112300180a80386cce015442", 12),
        ] {
            assert_eq!(first_type(&octets(hex)), Some(first), "{hex}");
        }
        assert_eq!(first_type(&octets("48481803247c2bffd028")), None, "a SIB1");
        assert_eq!(first_type(&[]), None);
    }
}
