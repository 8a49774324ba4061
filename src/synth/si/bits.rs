//! Writing the fields of a message bit by bit.

use super::SiError;
use crate::synth::gsm::broadcast::Block;

/// Padding of rest octets, to which the CSN.1 symbols L and H are relative; TS 44.018 clause 10.5.2 and TS 44.006 clause 5.2.
const PADDING: u8 = 0x2b;

/// Writes fields from the most significant bit of the first octet on; what is not written is padding.
pub(super) struct BitWriter {
    octets: Block,
    at: usize,
}

impl BitWriter {
    pub(super) fn new() -> BitWriter {
        BitWriter { octets: [PADDING; 23], at: 0 }
    }

    pub(super) fn finish(self) -> Block {
        self.octets
    }

    fn set(&mut self, bit: bool) {
        // No message made here is longer than its 23 octets: all fields have fixed widths and the only list is bounded.
        if let Some(octet) = self.octets.get_mut(self.at / 8) {
            let mask = 0x80 >> (self.at % 8);
            *octet = if bit { *octet | mask } else { *octet & !mask };
        }
        self.at += 1;
    }

    /// Plain bits, most significant first.
    pub(super) fn put(&mut self, field: &'static str, value: u32, bits: u32) -> Result<(), SiError> {
        if value >> bits != 0 {
            return Err(SiError::TooLarge { field, value, bits });
        }
        for i in (0..bits).rev() {
            self.set(value >> i & 1 == 1);
        }
        Ok(())
    }

    /// H where `present`, else L: the complement of the padding bit, or the padding bit.
    pub(super) fn flag(&mut self, present: bool) {
        let padding = PADDING & 0x80 >> (self.at % 8) != 0;
        self.set(padding ^ present);
    }

    /// A list of channels in 16 octets: bit map 0 where it can hold them, else variable bit map; TS 44.018 clause 10.5.2.13.
    ///
    /// All other bits of the first octet (EXT-IND, BA-IND, multiband reporting) are 0.
    pub(super) fn frequency_list(&mut self, field: &'static str, arfcns: &[u16]) -> Result<(), SiError> {
        let mut list = [0u8; 16];
        if arfcns.iter().all(|n| (1..=124).contains(n)) {
            for n in arfcns.iter().map(|&n| usize::from(n - 1)) {
                list[15 - n / 8] |= 1 << (n % 8);
            }
        } else {
            // ORIG-ARFCN in 10 bits after the format identifier 10..111, then one bit for each of the 111 channels above it.
            let origin = arfcns.iter().copied().min().unwrap_or(0);
            let wrong = || SiError::Channels { field, arfcns: arfcns.to_vec() };
            if arfcns.iter().any(|&n| n > 1023 || n - origin > 111) {
                return Err(wrong());
            }
            list[0] = 0b1000_1110 | (origin >> 9) as u8;
            list[1] = (origin >> 1) as u8;
            list[2] = (origin << 7) as u8;
            for above in arfcns.iter().map(|&n| usize::from(n - origin)).filter(|&above| above > 0) {
                list[2 + above / 8] |= 0x80 >> (above % 8);
            }
        }
        list.iter().try_for_each(|&octet| self.put(field, octet.into(), 8))
    }
}
