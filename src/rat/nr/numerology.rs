//! Where synchronisation blocks may stand: on the air, and in a frame.

use crate::units::Hz;

/// Subcarriers of a block; TS 38.211 clause 7.4.3.1.
pub const SUBCARRIERS: usize = 240;
/// OFDM symbols of a block; TS 38.211 clause 7.4.3.1.
pub const SYMBOLS: usize = 4;
/// The subcarrier of a block that stands at its place on the raster; TS 38.104 clause 5.4.3.2.
pub const CENTRE: usize = SUBCARRIERS / 2;
/// A symbol with its prefix over the symbol without, where the prefix is not one of the longer ones; TS 38.211 clause 5.3.1.
pub const SYMBOL: f64 = (2048 + 144) as f64 / 2048.0;
/// A prefix over the symbol without it.
pub const PREFIX: f64 = 144.0 / 2048.0;
/// By so much the first prefix of each half millisecond is longer, seconds; TS 38.211 clause 5.3.1 (16 kappa T_c).
const LONGER: f64 = 16.0 / 30.72e6;
/// Length of half a frame, seconds.
const HALF_FRAME: f64 = 5e-3;
/// From here on the raster is coarser; TS 38.104 table 5.4.3.1-1.
const FINE_BELOW: f64 = 3_000e6;
/// End of frequency range 1.
const END: f64 = 7_125e6;

/// Spacing of the subcarriers of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spacing {
    /// 15 kHz.
    Khz15,
    /// 30 kHz.
    Khz30,
}

impl Spacing {
    /// In hertz.
    pub fn hz(self) -> Hz {
        Hz(f64::from(self.khz()) * 1e3)
    }

    /// In kilohertz.
    pub fn khz(self) -> u16 {
        match self {
            Spacing::Khz15 => 15,
            Spacing::Khz30 => 30,
        }
    }
}

/// Which symbols of a half frame blocks begin at; TS 38.213 clause 4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Case A, 15 kHz.
    A,
    /// Case B, 30 kHz.
    B,
    /// Case C, 30 kHz.
    C,
}

impl Pattern {
    /// First symbol of block `index` in its half frame.
    pub fn symbol(self, index: u8) -> usize {
        let index = usize::from(index);
        match self {
            Pattern::A | Pattern::C => [2, 8][index % 2] + 14 * (index / 2),
            Pattern::B => [4, 8, 16, 20][index % 4] + 28 * (index / 4),
        }
    }
}

/// One kind of block that may stand around a carrier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind {
    /// Spacing of its subcarriers.
    pub spacing: Spacing,
    /// Where its blocks stand.
    pub pattern: Pattern,
}

impl Kind {
    /// From the start of a frame to the first sample of the block that is number `index` of half frame `half`, seconds on the cell's clock;
    /// TS 38.213 clause 4.1, TS 38.211 clause 5.3.1.
    pub fn into_frame(self, half: u8, index: u8) -> f64 {
        let symbol = self.pattern.symbol(index);
        let spacing = self.spacing.hz().0;
        // Symbols of half a millisecond.
        let half_slots = (7.0 * spacing / 15e3) as usize;
        let longer = symbol.div_ceil(half_slots);
        f64::from(half) * HALF_FRAME + symbol as f64 * SYMBOL / spacing + longer as f64 * LONGER
    }
}

/// A bundle of neighbouring raster entries that is searched at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// The middle of the bundle.
    pub center: Hz,
    /// The entries, relative to it.
    pub entries: Vec<Hz>,
    /// What blocks are looked for.
    pub kind: Kind,
}

/// Bands below 3 GHz whose blocks may have 30 kHz: downlink from, to (MHz) and pattern; TS 38.104 table 5.4.3.3-1 (n5, n24, n34, n38,
/// n39, n40, n41, n50, n66).
const WIDE_SPACING: [(f64, f64, Pattern); 8] = [
    (869.0, 894.0, Pattern::B),
    (1432.0, 1517.0, Pattern::C),
    (1525.0, 1559.0, Pattern::B),
    (1880.0, 1920.0, Pattern::C),
    (2010.0, 2025.0, Pattern::C),
    (2110.0, 2200.0, Pattern::B),
    (2300.0, 2400.0, Pattern::C),
    (2496.0, 2690.0, Pattern::C),
];

/// The kinds of block that bands around `center` have.
pub fn kinds(center: Hz) -> impl Iterator<Item = Kind> {
    let narrow = (center.0 < FINE_BELOW).then_some(Kind { spacing: Spacing::Khz15, pattern: Pattern::A });
    let mhz = center.0 / 1e6;
    let pattern = match WIDE_SPACING.iter().find(|(low, high, _)| (*low..=*high).contains(&mhz)) {
        Some((.., pattern)) => Some(*pattern),
        None => (center.0 >= FINE_BELOW).then_some(Pattern::C),
    };
    narrow.into_iter().chain(pattern.map(|pattern| Kind { spacing: Spacing::Khz30, pattern }))
}

/// The synchronisation raster between `low` and `high`, block centres; TS 38.104 clause 5.4.3.1.
///
/// Below 3 GHz each step of 1.2 MHz has three entries 100 kHz apart; above, each step of 1.44 MHz one.
pub fn raster(low: Hz, high: Hz) -> Vec<Tuning> {
    let mut tunings = Vec::new();
    let mut add = |center: f64, entries: &[f64]| {
        let inside = |entry: &f64| (low.0..=high.0).contains(&(center + entry));
        let entries: Vec<Hz> = entries.iter().filter(|entry| inside(entry)).map(|&entry| Hz(entry)).collect();
        if !entries.is_empty() {
            tunings.extend(kinds(Hz(center)).map(|kind| Tuning { center: Hz(center), entries: entries.clone(), kind }));
        }
    };
    // N 1200 kHz + M 50 kHz with M of 1, 3 and 5.
    let steps = |from: f64, step: f64| ((low.0 - from) / step).floor().max(0.0) as u32..;
    for n in steps(150e3, 1.2e6) {
        let center = f64::from(n.max(1)) * 1.2e6 + 150e3;
        if center > high.0.min(FINE_BELOW) + 1.2e6 || center >= FINE_BELOW {
            break;
        }
        if n >= 1 {
            add(center, &[-100e3, 0.0, 100e3]);
        }
    }
    for n in steps(FINE_BELOW, 1.44e6) {
        let center = FINE_BELOW + f64::from(n) * 1.44e6;
        if center > high.0.min(END) {
            break;
        }
        add(center, &[0.0]);
    }
    tunings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_raster_has_the_entries_of_the_clause_and_only_those_in_range() {
        let entries = |low: f64, high: f64| -> Vec<(f64, u16)> {
            let all = raster(Hz(low), Hz(high));
            let flat = |tuning: &Tuning| {
                let (center, khz) = (tuning.center.0, tuning.kind.spacing.khz());
                tuning.entries.iter().map(move |entry| ((center + entry.0) / 1e3, khz)).collect::<Vec<_>>()
            };
            all.iter().flat_map(flat).collect()
        };
        // GSCN 4605 of n3: 1842.05 MHz; the entries of one step are 100 kHz apart, the next step 1.2 MHz on.
        assert_eq!(
            entries(1842.0e6, 1843.3e6),
            [(1_842_050.0, 15), (1_842_150.0, 15), (1_842_250.0, 15), (1_843_250.0, 15)]
        );
        // GSCN 7499 + 356 of n78; every third of 30 kHz alone.
        assert_eq!(entries(3512.0e6, 3514.5e6), [(3_512_640.0, 30), (3_514_080.0, 30)]);
        // n41 has both spacings, n5 too; nothing lies beyond the range.
        assert_eq!(entries(2565.6e6, 2565.7e6), [(2_565_650.0, 15), (2_565_650.0, 30)]);
        assert_eq!(entries(7_200e6, 7_300e6), []);
        assert_eq!(entries(0.0, 1e6), []);
    }

    #[test]
    fn blocks_stand_where_the_clause_says() {
        let first = |pattern: Pattern, count: u8| (0..count).map(|i| pattern.symbol(i)).collect::<Vec<_>>();
        assert_eq!(first(Pattern::A, 8), [2, 8, 16, 22, 30, 36, 44, 50]);
        assert_eq!(first(Pattern::B, 8), [4, 8, 16, 20, 32, 36, 44, 48]);
        assert_eq!(first(Pattern::C, 4), [2, 8, 16, 22]);
        // Symbol 2 of 15 kHz: 160 + 2048 + 144 + 2048 samples at 30.72 Msps; symbol 16 is the third of its slot.
        let a = Kind { spacing: Spacing::Khz15, pattern: Pattern::A };
        assert!((a.into_frame(0, 0) * 30.72e6 - 4400.0).abs() < 1e-6);
        assert!((a.into_frame(1, 2) * 30.72e6 - 30_720.0 * 6.0 - 4400.0).abs() < 1e-6);
        // At 30 kHz a slot lasts half a millisecond, 15,360 samples.
        let c = Kind { spacing: Spacing::Khz30, pattern: Pattern::C };
        assert!((c.into_frame(0, 2) * 30.72e6 - 15_360.0 - 2208.0).abs() < 1e-6);
        let b = Kind { spacing: Spacing::Khz30, pattern: Pattern::B };
        assert!((b.into_frame(0, 2) * 30.72e6 - 15_360.0 - 2.0 * 1096.0 - 16.0).abs() < 1e-6);
    }
}
