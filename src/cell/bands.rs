//! LTE's operating bands and channel numbers.
//!
//! ## References
//! - 3GPP TS 36.101 Release 17: clause 5.5 (bands), clause 5.7.3 (EARFCN)

use crate::units::Hz;

/// Step of channel numbers, hertz; TS 36.101 clause 5.7.1.
const RASTER_HZ: u64 = 100_000;

/// One operating band; TS 36.101 tables 5.5-1 and 5.7.3-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LteBand {
    /// freqBandIndicator.
    pub number: u16,
    /// Uplink and downlink share the carrier (frame structure type 2).
    pub tdd: bool,
    /// F_DL_low, steps of 100 kHz.
    low: u32,
    /// N_Offs-DL, the first channel number.
    first: u32,
    /// How many channel numbers it has.
    channels: u32,
}

const fn fdd(number: u16, low: u32, first: u32, last: u32) -> LteBand {
    LteBand { number, tdd: false, low, first, channels: last + 1 - first }
}

const fn tdd(number: u16, low: u32, first: u32, last: u32) -> LteBand {
    LteBand { number, tdd: true, low, first, channels: last + 1 - first }
}

/// By channel number: band, F_DL_low in steps of 100 kHz, first and last N_DL; TS 36.101 table 5.7.3-1.
const BANDS: [LteBand; 64] = [
    fdd(1, 21_100, 0, 599),
    fdd(2, 19_300, 600, 1199),
    fdd(3, 18_050, 1200, 1949),
    fdd(4, 21_100, 1950, 2399),
    fdd(5, 8_690, 2400, 2649),
    fdd(6, 8_750, 2650, 2749),
    fdd(7, 26_200, 2750, 3449),
    fdd(8, 9_250, 3450, 3799),
    fdd(9, 18_449, 3800, 4149),
    fdd(10, 21_100, 4150, 4749),
    fdd(11, 14_759, 4750, 4949),
    fdd(12, 7_290, 5010, 5179),
    fdd(13, 7_460, 5180, 5279),
    fdd(14, 7_580, 5280, 5379),
    fdd(17, 7_340, 5730, 5849),
    fdd(18, 8_600, 5850, 5999),
    fdd(19, 8_750, 6000, 6149),
    fdd(20, 7_910, 6150, 6449),
    fdd(21, 14_959, 6450, 6599),
    fdd(22, 35_100, 6600, 7399),
    fdd(23, 21_800, 7500, 7699),
    fdd(24, 15_250, 7700, 8039),
    fdd(25, 19_300, 8040, 8689),
    fdd(26, 8_590, 8690, 9039),
    fdd(27, 8_520, 9040, 9209),
    fdd(28, 7_580, 9210, 9659),
    fdd(29, 7_170, 9660, 9769),
    fdd(30, 23_500, 9770, 9869),
    fdd(31, 4_625, 9870, 9919),
    fdd(32, 14_520, 9920, 10_359),
    tdd(33, 19_000, 36_000, 36_199),
    tdd(34, 20_100, 36_200, 36_349),
    tdd(35, 18_500, 36_350, 36_949),
    tdd(36, 19_300, 36_950, 37_549),
    tdd(37, 19_100, 37_550, 37_749),
    tdd(38, 25_700, 37_750, 38_249),
    tdd(39, 18_800, 38_250, 38_649),
    tdd(40, 23_000, 38_650, 39_649),
    tdd(41, 24_960, 39_650, 41_589),
    tdd(42, 34_000, 41_590, 43_589),
    tdd(43, 36_000, 43_590, 45_589),
    tdd(44, 7_030, 45_590, 46_589),
    tdd(45, 14_470, 46_590, 46_789),
    tdd(46, 51_500, 46_790, 54_539),
    tdd(47, 58_550, 54_540, 55_239),
    tdd(48, 35_500, 55_240, 56_739),
    tdd(49, 35_500, 56_740, 58_239),
    tdd(50, 14_320, 58_240, 59_089),
    tdd(51, 14_270, 59_090, 59_139),
    tdd(52, 33_000, 59_140, 60_139),
    tdd(53, 24_835, 60_140, 60_254),
    fdd(65, 21_100, 65_536, 66_435),
    fdd(66, 21_100, 66_436, 67_335),
    fdd(67, 7_380, 67_336, 67_535),
    fdd(68, 7_530, 67_536, 67_835),
    fdd(69, 25_700, 67_836, 68_335),
    fdd(70, 19_950, 68_336, 68_585),
    fdd(71, 6_170, 68_586, 68_935),
    fdd(72, 4_610, 68_936, 68_985),
    fdd(73, 4_600, 68_986, 69_035),
    fdd(74, 14_750, 69_036, 69_465),
    fdd(75, 14_320, 69_466, 70_315),
    fdd(76, 14_270, 70_316, 70_365),
    fdd(85, 7_280, 70_366, 70_545),
];

impl LteBand {
    /// The band has this nominal downlink carrier on its raster.
    pub fn holds(&self, center_hz: u64) -> bool {
        self.channel(center_hz).is_some()
    }

    fn channel(&self, center_hz: u64) -> Option<u32> {
        let steps = center_hz.is_multiple_of(RASTER_HZ).then_some(center_hz / RASTER_HZ)?;
        let above = steps.checked_sub(u64::from(self.low)).filter(|&n| n < u64::from(self.channels))?;
        Some(self.first + above as u32)
    }
}

/// The band with this freqBandIndicator; `None` where the table does not have it.
pub fn lte_band(number: u16) -> Option<&'static LteBand> {
    BANDS.iter().find(|band| band.number == number)
}

/// The nominal downlink carrier of an LTE channel number; TS 36.101 clause 5.7.3. `None` for numbers of no band of the table.
pub fn lte_downlink(earfcn: u32) -> Option<Hz> {
    let place = BANDS.partition_point(|band| band.first <= earfcn).checked_sub(1)?;
    let (band, above) = (BANDS[place], earfcn - BANDS[place].first);
    (above < band.channels).then(|| Hz(f64::from(band.low + above) * 1e5))
}

/// The channel number of a nominal downlink carrier in band `band`; several bands have the same carriers under different numbers.
pub fn lte_earfcn(center_hz: u64, band: u16) -> Option<u32> {
    lte_band(band)?.channel(center_hz)
}

/// N_REF, the channel number of a frequency on NR's global raster below 24.25 GHz; TS 38.104 clause 5.4.2.1. `None` off the raster.
pub fn nr_arfcn(hz: u64) -> Option<u32> {
    let (from, step, first) = match hz {
        0..3_000_000_000 => (0, 5_000, 0),
        3_000_000_000..24_250_080_000 => (3_000_000_000, 15_000, 600_000),
        _ => return None,
    };
    let above = hz - from;
    above.is_multiple_of(step).then(|| first + (above / step) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cells that the configurations of srsRAN and OAI name by both, and the ends of the table.
    #[test]
    fn channel_numbers_of_nr_are_those_of_published_cells() {
        for (hz, number) in [
            (3_489_420_000, 632_628),
            (2_680_100_000, 536_020),
            (1_842_500_000, 368_500),
            (3_619_200_000, 641_280),
            (3_000_000_000, 600_000),
            (24_249_990_000, 2_016_666),
        ] {
            assert_eq!(nr_arfcn(hz), Some(number), "{hz}");
        }
        assert_eq!((nr_arfcn(3_489_425_000), nr_arfcn(2_680_101_000), nr_arfcn(30_000_000_000)), (None, None, None));
    }

    #[test]
    fn channel_numbers_of_bands_follow_one_another_and_lead_back() {
        assert!(BANDS.windows(2).all(|pair| pair[0].first + pair[0].channels <= pair[1].first));
        for band in &BANDS {
            for earfcn in [band.first, band.first + 1, band.first + band.channels - 1] {
                let carrier = lte_downlink(earfcn).unwrap().0 as u64;
                assert_eq!(lte_earfcn(carrier, band.number), Some(earfcn), "band {}", band.number);
            }
        }
        assert_eq!((lte_downlink(4950), lte_downlink(20_000), lte_downlink(70_546)), (None, None, None));
    }

    #[test]
    fn carriers_are_those_of_published_cells_and_of_recordings() {
        // srsRAN's and OAI's default cells, the recordings lte/enb-* (EARFCN by their generator), and blocks of the Thai plan.
        for (earfcn, band, mhz) in [
            (3350, 7, 2680.0),
            (3400, 7, 2685.0),
            (6300, 20, 806.0),
            (1575, 3, 1842.5),
            (300, 1, 2140.0),
            (9210, 28, 758.0),
            (2400, 5, 869.0),
            (3500, 8, 930.0),
            (39_350, 40, 2370.0),
            (40_690, 41, 2600.0),
        ] {
            assert_eq!(lte_downlink(earfcn), Some(Hz(mhz * 1e6)), "{earfcn}");
            assert_eq!(lte_earfcn((mhz * 1e6) as u64, band), Some(earfcn), "{earfcn}");
        }
        assert_eq!(lte_earfcn(1_842_550_000, 3), None, "not on the raster");
        assert_eq!(lte_earfcn(1_842_500_000, 1), None, "another band's");
        assert_eq!(lte_earfcn(1_842_500_000, 14), None);
        let duplex = |n| lte_band(n).map(|band| band.tdd);
        assert_eq!((duplex(7), duplex(41), duplex(40), duplex(64)), (Some(false), Some(true), Some(true), None));
    }
}
