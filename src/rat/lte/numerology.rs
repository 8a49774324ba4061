//! Frames, subframes and symbols in samples; TS 36.211 clauses 4 and 6.12.
//!
//! Every sample rate is a whole multiple of 1.92 MHz, `scale` times: there all cyclic prefixes are whole numbers of samples.

use crate::units::Hz;

/// Distance between subcarriers; TS 36.211 table 6.12-1.
pub const SUBCARRIER: Hz = Hz(15_000.0);
/// The lowest rate that holds six resource blocks with a power of two FFT, and the unit of all others.
pub const BASE_RATE: Hz = Hz(1_920_000.0);
/// FFT length at [`BASE_RATE`].
pub const BASE_FFT: usize = 128;
/// Samples of a subframe at [`BASE_RATE`].
pub const BASE_SUBFRAME: usize = 1920;
/// Samples of a radio frame at [`BASE_RATE`].
pub const BASE_FRAME: usize = 19_200;
/// Subframes of a radio frame.
pub const SUBFRAMES: usize = 10;
/// Subcarriers of a resource block.
pub const BLOCK: usize = 12;
/// Subcarriers of PBCH, PSS and SSS with their reserved edges: six resource blocks.
pub const CENTRE: usize = 72;
/// Most symbols of a subframe.
pub const MAX_SYMBOLS: usize = 14;

/// How downlink and uplink are separated; TS 36.211 clause 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duplex {
    /// Frame structure type 1.
    Fdd,
    /// Frame structure type 2.
    Tdd,
}

/// Length of the cyclic prefix; TS 36.211 table 6.12-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CyclicPrefix {
    /// Seven symbols a slot.
    Normal,
    /// Six symbols a slot.
    Extended,
}

impl CyclicPrefix {
    /// Symbols of a slot; TS 36.211 table 6.2.3-1.
    pub const fn slot_symbols(self) -> usize {
        match self {
            CyclicPrefix::Normal => 7,
            CyclicPrefix::Extended => 6,
        }
    }

    /// Symbols of a subframe.
    pub const fn symbols(self) -> usize {
        2 * self.slot_symbols()
    }

    /// Where the useful part of symbol `symbol` of a subframe begins, samples at [`BASE_RATE`] after the subframe's start;
    /// TS 36.211 table 6.12-1 (160 and 144, or 512, of 2048).
    pub const fn useful(self, symbol: usize) -> usize {
        let (slot, l) = (symbol / self.slot_symbols(), symbol % self.slot_symbols());
        let within = match self {
            CyclicPrefix::Normal => 10 + l * (BASE_FFT + 9),
            CyclicPrefix::Extended => 32 + l * (BASE_FFT + 32),
        };
        slot * BASE_SUBFRAME / 2 + within
    }

    /// The shortest prefix, samples at [`BASE_RATE`].
    pub const fn shortest(self) -> usize {
        match self {
            CyclicPrefix::Normal => 9,
            CyclicPrefix::Extended => 32,
        }
    }
}

/// Subframe and symbol of the primary synchronisation signal in the first half of a frame; TS 36.211 clause 6.11.1.2.
pub const fn pss_place(duplex: Duplex, cp: CyclicPrefix) -> (usize, usize) {
    match duplex {
        Duplex::Fdd => (0, cp.slot_symbols() - 1),
        Duplex::Tdd => (1, 2),
    }
}

/// Subframe and symbol of the secondary synchronisation signal in the first half of a frame; TS 36.211 clause 6.11.2.2.
pub const fn sss_place(duplex: Duplex, cp: CyclicPrefix) -> (usize, usize) {
    match duplex {
        Duplex::Fdd => (0, cp.slot_symbols() - 2),
        Duplex::Tdd => (0, cp.symbols() - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subframe_is_filled_by_its_symbols() {
        for cp in [CyclicPrefix::Normal, CyclicPrefix::Extended] {
            assert_eq!(cp.useful(cp.symbols() - 1) + BASE_FFT, BASE_SUBFRAME);
            assert_eq!(cp.useful(cp.slot_symbols()), BASE_SUBFRAME / 2 + cp.useful(0));
        }
    }
}
