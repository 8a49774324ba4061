//! How a cell is named: what is heard before anything is decoded ([`CellKey`]) and what it says it is ([`CellIdentity`]).
//!
//! ## References
//! - 3GPP TS 23.003 Release 17: numbering, addressing and identification
//! - 3GPP TS 45.005 Release 17: GSM radio transmission (ARFCN, clause 2)

mod bands;

pub use bands::{LteBand, lte_band, lte_downlink, lte_earfcn, nr_arfcn};

use crate::units::Hz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The radio access technology of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rat {
    /// GSM/GERAN, TS 45-series.
    Gsm,
    /// UMTS FDD, TS 25-series.
    Umts,
    /// LTE, TS 36-series.
    Lte,
    /// NR, TS 38-series.
    Nr,
}

impl fmt::Display for Rat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rat::Gsm => "gsm",
            Rat::Umts => "umts",
            Rat::Lte => "lte",
            Rat::Nr => "nr",
        })
    }
}

/// What is heard before anything is decoded: technology, nominal carrier and physical-layer identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellKey {
    /// The radio access technology.
    pub rat: Rat,
    /// Nominal downlink carrier on the standard's raster, hertz.
    pub center_hz: u64,
    /// BSIC (6 bits), PSC (0..=511), PCI of LTE (0..=503) or of NR (0..=1007).
    pub id: u16,
}

impl CellKey {
    /// The nominal carrier.
    pub fn carrier(&self) -> Hz {
        Hz(self.center_hz as f64)
    }
}

impl fmt::Display for CellKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.rat, self.center_hz, self.id)
    }
}

/// A public land mobile network: MCC and MNC. The MNC keeps its number of digits; TS 23.003 clause 2.2.
///
/// Written `"262-02"` or `"310-410"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plmn {
    mcc: u16,
    mnc: u16,
    mnc_digits: u8,
}

impl Plmn {
    /// A PLMN from its decimal parts; `None` where `mcc > 999`, `mnc_digits` is not 2 or 3, or `mnc` does not fit them.
    pub fn new(mcc: u16, mnc: u16, mnc_digits: u8) -> Option<Plmn> {
        let limit = match mnc_digits {
            2 => 100,
            3 => 1000,
            _ => return None,
        };
        (mcc < 1000 && mnc < limit).then_some(Plmn { mcc, mnc, mnc_digits })
    }

    /// From the three octets of a location area identification; TS 24.008 clause 10.5.1.3, figure 10.5.3.
    ///
    /// `None` where a digit is not decimal (the third MNC digit may be the filler `1111`).
    pub fn from_bcd(octets: [u8; 3]) -> Option<Plmn> {
        let digit = |nibble: u8| (nibble < 10).then_some(u16::from(nibble));
        let mcc = digit(octets[0] & 15)? * 100 + digit(octets[0] >> 4)? * 10 + digit(octets[1] & 15)?;
        let two = digit(octets[2] & 15)? * 10 + digit(octets[2] >> 4)?;
        match octets[1] >> 4 {
            15 => Plmn::new(mcc, two, 2),
            third => Plmn::new(mcc, two * 10 + digit(third)?, 3),
        }
    }

    /// The inverse of [`Plmn::from_bcd`].
    pub fn to_bcd(self) -> [u8; 3] {
        let digit = |value: u16, weight: u16| (value / weight % 10) as u8;
        let (mcc, mnc) = (self.mcc, self.mnc);
        let (m1, m2, m3) = match self.mnc_digits {
            2 => (digit(mnc, 10), digit(mnc, 1), 15),
            _ => (digit(mnc, 100), digit(mnc, 10), digit(mnc, 1)),
        };
        [digit(mcc, 10) << 4 | digit(mcc, 100), m3 << 4 | digit(mcc, 1), m2 << 4 | m1]
    }

    /// Mobile country code.
    pub fn mcc(self) -> u16 {
        self.mcc
    }
    /// Mobile network code; see [`Plmn::mnc_digits`].
    pub fn mnc(self) -> u16 {
        self.mnc
    }
    /// 2 or 3.
    pub fn mnc_digits(self) -> u8 {
        self.mnc_digits
    }
}

impl fmt::Display for Plmn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}-{:0width$}", self.mcc, self.mnc, width = usize::from(self.mnc_digits))
    }
}

/// A text that is not a PLMN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a PLMN: three digits of MCC, a hyphen, two or three digits of MNC, such as 520-03")]
pub struct PlmnError {
    /// The text as given.
    pub text: String,
}

impl FromStr for Plmn {
    type Err = PlmnError;
    fn from_str(text: &str) -> Result<Plmn, PlmnError> {
        let parse = || {
            let (mcc, mnc) = text.split_once('-')?;
            let decimal = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
            (mcc.len() == 3 && decimal(mcc) && decimal(mnc)).then_some(())?;
            Plmn::new(mcc.parse().ok()?, mnc.parse().ok()?, u8::try_from(mnc.len()).ok()?)
        };
        parse().ok_or_else(|| PlmnError { text: text.to_owned() })
    }
}

impl Serialize for Plmn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Plmn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Plmn, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a cell says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellIdentity {
    /// PLMNs in broadcast order; one for GSM.
    pub plmns: Vec<Plmn>,
    /// LAC (GSM, UMTS; 16 bits) or TAC (LTE 16 bits, NR 24 bits).
    pub area: Option<u32>,
    /// CI (16 bits), UMTS cell id and LTE ECI (28 bits), NR NCI (36 bits).
    pub cell_id: Option<u64>,
}

/// The nominal downlink carrier of a GSM channel number; TS 45.005 clause 2 (P-, E-, R-GSM 900, GSM 850, DCS 1800, PCS 1900).
///
/// Numbers 512..=810 mean DCS 1800 or PCS 1900; `pcs` selects the latter. `None` for numbers without a channel.
pub fn gsm_downlink(arfcn: u16, pcs: bool) -> Option<Hz> {
    let khz = |base: u32, steps: u16| Some(Hz(f64::from(base + 200 * u32::from(steps)) * 1e3));
    match arfcn {
        0..=124 => khz(935_000, arfcn),
        940..=1023 => khz(935_000 - 200 * 1024, arfcn),
        128..=251 => khz(869_200, arfcn - 128),
        512..=810 if pcs => khz(1_930_200, arfcn - 512),
        512..=885 => khz(1_805_200, arfcn - 512),
        _ => None,
    }
}

/// The GSM channel number of a nominal downlink carrier, the inverse of [`gsm_downlink`].
///
/// The carrier must lie on the 200 kHz raster. DCS 1800 and PCS 1900 share numbers but not carriers, so the answer is unique.
pub fn gsm_arfcn(center_hz: u64) -> Option<u16> {
    if !center_hz.is_multiple_of(100_000) {
        return None;
    }
    let steps = |base: u64| center_hz.checked_sub(base).filter(|d| d % 200_000 == 0).map(|d| d / 200_000);
    let within = |base: u64, first: u16, last: u16| {
        steps(base).filter(|&n| n <= u64::from(last - first)).map(|n| first + n as u16)
    };
    within(935_000_000, 0, 124)
        .or_else(|| within(918_200_000, 940, 1023))
        .or_else(|| within(869_200_000, 128, 251))
        .or_else(|| within(1_805_200_000, 512, 885))
        .or_else(|| within(1_930_200_000, 512, 810))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plmn_keeps_the_number_of_mnc_digits() {
        let two: Plmn = "262-02".parse().unwrap();
        let three: Plmn = "310-410".parse().unwrap();
        assert_eq!((two.to_string().as_str(), three.to_string().as_str()), ("262-02", "310-410"));
        assert_ne!("502-15".parse::<Plmn>(), "502-015".parse::<Plmn>());
        for bad in ["26202", "2-02", "262-2", "262-0002", "26a-02", "262-+2"] {
            assert!(bad.parse::<Plmn>().is_err(), "{bad}");
        }
    }

    #[test]
    fn plmn_octets_follow_the_nibble_order_of_the_standard() {
        // The LAI of the recording gsm/bcch-953M6-500k: 272-02.
        assert_eq!(Plmn::from_bcd([0x72, 0xf2, 0x20]), "272-02".parse().ok());
        assert_eq!(Plmn::from_bcd([0x13, 0x00, 0x14]), "310-410".parse().ok());
        assert_eq!(Plmn::from_bcd([0x1a, 0xf0, 0x10]), None);
        for text in ["272-02", "310-410", "001-01"] {
            let plmn: Plmn = text.parse().unwrap();
            assert_eq!(Plmn::from_bcd(plmn.to_bcd()), Some(plmn));
        }
    }

    #[test]
    fn every_arfcn_maps_to_a_carrier_and_back() {
        for (arfcn, pcs) in (0..1024).flat_map(|n| [(n, false), (n, true)]) {
            if let Some(carrier) = gsm_downlink(arfcn, pcs) {
                assert_eq!(gsm_arfcn(carrier.0 as u64), Some(arfcn), "{arfcn} {pcs}");
            }
        }
        assert_eq!(gsm_arfcn(1_847_800_000), Some(725));
        assert_eq!(gsm_arfcn(941_000_000), Some(30));
        assert_eq!(gsm_arfcn(941_100_000), None);
    }
}
