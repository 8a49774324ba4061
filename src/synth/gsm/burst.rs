//! The bits of the downlink bursts of a beacon; TS 45.002 clause 5.2.

/// Bits of a burst without its guard period; TS 45.002 clause 5.2.2.
pub const BURST_BITS: usize = 148;

/// The bits of one burst, each 0 or 1, BN0 first.
pub type Burst = [u8; BURST_BITS];

/// Training sequences of normal bursts by training sequence code, TSC set 1; TS 45.002 table 5.2.3a.
const TRAINING: [[u8; 26]; 8] = [
    bits(b"00100101110000100010010111"),
    bits(b"00101101110111100010110111"),
    bits(b"01000011101110100100001110"),
    bits(b"01000111101101000100011110"),
    bits(b"00011010111001000001101011"),
    bits(b"01001110101100000100111010"),
    bits(b"10100111110110001010011111"),
    bits(b"11101111000100101110111100"),
];

/// Extended training sequence of the synchronization burst; TS 45.002 clause 5.2.5.
const SYNC_TRAINING: [u8; 64] = bits(b"1011100101100010000001000000111100101101010001010111011000011011");

/// Mixed bits of the dummy burst, BN3 to BN144; TS 45.002 clause 5.2.6.
const DUMMY: [u8; 142] = bits(
    b"1111101101110110000010100100111000001001000100000001111100\
      01110001011100010111000101\
      0111010010100011001100111001111010011111000100101111101010",
);

/// `N` characters 0 or 1 as bits.
const fn bits<const N: usize>(text: &[u8; N]) -> [u8; N] {
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = text[i] - b'0';
        i += 1;
    }
    out
}

/// A normal burst; TS 45.002 clause 5.2.3.
///
/// `coded` are the 57 + 57 coded bits, `tsc` the training sequence code (its lowest three bits count; on BCCH and CCCH
/// the BCC). Both stealing flags are 1, as for all xCCH; TS 45.003 clause 4.1.5.
pub fn normal(coded: &[u8; 114], tsc: u8) -> Burst {
    let mut burst = [0; BURST_BITS];
    burst[3..60].copy_from_slice(&coded[..57]);
    burst[60] = 1;
    burst[61..87].copy_from_slice(&TRAINING[usize::from(tsc & 7)]);
    burst[87] = 1;
    burst[88..145].copy_from_slice(&coded[57..]);
    burst
}

/// A synchronization burst around 78 coded bits; TS 45.002 clause 5.2.5.
pub fn synchronization(coded: &[u8; 78]) -> Burst {
    let mut burst = [0; BURST_BITS];
    burst[3..42].copy_from_slice(&coded[..39]);
    burst[42..106].copy_from_slice(&SYNC_TRAINING);
    burst[106..145].copy_from_slice(&coded[39..]);
    burst
}

/// The frequency correction burst, all bits 0; TS 45.002 clause 5.2.4.
pub fn frequency_correction() -> Burst {
    [0; BURST_BITS]
}

/// The dummy burst; TS 45.002 clause 5.2.6.
pub fn dummy() -> Burst {
    let mut burst = [0; BURST_BITS];
    burst[3..145].copy_from_slice(&DUMMY);
    burst
}
