//! How many bits a PDSCH of system information carries.
//!
//! TS 38.214 clause 5.1.3: the PDSCH of SI-RNTI is QPSK, and of 2976 bits at most.

use crate::coding::dl_sch_nr::Rate1024;

/// Code rates of the QPSK rows; TS 38.214 table 5.1.3.1-1, MCS 0 to 9. A PDSCH of SI-RNTI has no others (clause 5.1.3).
pub const RATES: [u16; 10] = [120, 157, 193, 251, 308, 379, 449, 526, 602, 679];

/// Q_m of the PDSCH of system information.
pub const MODULATION: usize = 2;

/// Sizes of transport blocks up to 3824 bits; TS 38.214 table 5.1.3.2-1.
const SIZES: [u16; 93] = [
    24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128, 136, 144, 152, 160, 168, 176, 184, 192, 208, 224, 240,
    256, 272, 288, 304, 320, 336, 352, 368, 384, 408, 432, 456, 480, 504, 528, 552, 576, 608, 640, 672, 704, 736, 768,
    808, 848, 888, 928, 984, 1032, 1064, 1128, 1160, 1192, 1224, 1256, 1288, 1320, 1352, 1416, 1480, 1544, 1608, 1672,
    1736, 1800, 1864, 1928, 2024, 2088, 2152, 2216, 2280, 2408, 2472, 2536, 2600, 2664, 2728, 2792, 2856, 2976, 3104,
    3240, 3368, 3496, 3624, 3752, 3824,
];

/// The largest block of system information; TS 38.214 clause 5.1.3.
const LARGEST: u16 = 2976;

/// Resource elements of a block that count at most; TS 38.214 clause 5.1.3.2.
const MOST_ELEMENTS: u32 = 156;

/// The code rate of `mcs`; `None` for those that system information is not sent with.
pub fn rate(mcs: u8) -> Option<Rate1024> {
    RATES.get(usize::from(mcs)).copied().map(Rate1024)
}

/// Bits of the transport block in `blocks` resource blocks, each with `elements` resource elements beside DMRS; one layer, no overhead.
/// TS 38.214 clause 5.1.3.2.
///
/// `None` where a block of system information cannot be as large, or there is none.
pub fn transport_bits(blocks: usize, elements: usize, rate: Rate1024) -> Option<usize> {
    let elements = u32::try_from(elements).ok()?.min(MOST_ELEMENTS) * u32::try_from(blocks).ok()?;
    // N_info in 1024ths.
    let info = u64::from(elements) * u64::from(rate.0) * MODULATION as u64;
    if info == 0 || info > u64::from(LARGEST) << 10 {
        return None;
    }
    let n = (info.ilog2() as i32 - 10 - 6).max(3);
    let quantised = ((info >> (10 + n)) << n).max(24);
    let size = SIZES.iter().copied().find(|&size| u64::from(size) >= quantised)?;
    (size <= LARGEST).then_some(size.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the recordings' cells send: blocks, symbols, DMRS symbols, MCS, bits; `truth.json` beside the recordings.
    #[test]
    fn sizes_of_recorded_cells_come_out() {
        for (blocks, symbols, dmrs, mcs, bits) in [
            (7, 12, 3, 6, 672),
            (28, 13, 3, 0, 808),
            (8, 12, 3, 5, 640),
            (21, 12, 3, 2, 848),
            (10, 12, 3, 5, 808),
            (16, 10, 3, 4, 808),
        ] {
            let elements = 12 * (symbols - dmrs);
            assert_eq!(transport_bits(blocks, elements, rate(mcs).unwrap()), Some(bits), "{blocks} {symbols} {mcs}");
        }
    }

    #[test]
    fn what_system_information_is_not_sent_with_is_refused() {
        assert_eq!((rate(10), rate(31)), (None, None));
        assert_eq!((transport_bits(0, 108, Rate1024(120)), transport_bits(270, 156, Rate1024(679))), (None, None));
    }
}
