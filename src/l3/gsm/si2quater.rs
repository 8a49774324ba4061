//! SYSTEM INFORMATION TYPE 2quater: neighbours in UTRAN FDD and E-UTRAN, spread over up to sixteen instances.
//!
//! TS 44.018 clause 10.5.2.33b, read up to the E-UTRAN neighbours; what follows them (closed subscriber groups, extended EARFCNs) is
//! kept in the raw octets only. Parameters of measurement reports are passed over.

use super::frequency_list::range_values;
use super::rest_octets::optional;
use crate::l3::DecodeError;
use crate::l3::bits::BitReader;

/// One instance of SI2quater.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Si2quater {
    /// BA_IND.
    pub ba_ind: bool,
    /// 3G_BA_IND: turns when the neighbours in other technologies are replaced.
    pub ba_ind_3g: bool,
    /// MP_CHANGE_MARK: turns when measurement or priority parameters change.
    pub mp_change_mark: bool,
    /// SI2quater_INDEX of this instance.
    pub index: u8,
    /// SI2quater_COUNT: the highest index.
    pub count: u8,
    /// UARFCNs with their scrambling codes (0..=511, ascending); no codes: any cell on that carrier.
    pub utran_fdd: Vec<(u16, Vec<u16>)>,
    /// EARFCNs (16 bits) with their priority where given.
    pub eutran: Vec<(u32, Option<u8>)>,
}

type Bits<'a, 'b> = &'a mut BitReader<'b>;

/// EARFCNs with their priority where given.
type Frequencies = Vec<(u32, Option<u8>)>;

/// SI2quater rest octets; TS 44.018 clause 10.5.2.33b.
pub(super) fn decode(octets: &[u8]) -> Result<Si2quater, DecodeError> {
    let bits = &mut BitReader::new(octets);
    let mut message = Si2quater {
        ba_ind: bits.flag("BA_IND")?,
        ba_ind_3g: bits.flag("3G_BA_IND")?,
        mp_change_mark: bits.flag("MP_CHANGE_MARK")?,
        index: bits.take_u8(4, "SI2quater_INDEX")?,
        count: bits.take_u8(4, "SI2quater_COUNT")?,
        utran_fdd: Vec::new(),
        eutran: Vec::new(),
    };
    optional(bits, |bits| bits.skip(3, "Measurement Parameters Description"))?;
    optional(bits, skip_real_time_difference)?;
    optional(bits, skip_bsic_description)?;
    optional(bits, |bits| {
        let cells = bits.take(7, "NUMBER_CELLS")? as usize;
        bits.skip(cells, "REP_PRIORITY")
    })?;
    optional(bits, skip_gprs_measurement_parameters)?;
    optional(bits, |bits| {
        bits.skip(2, "NETWORK_CONTROL_ORDER")?;
        optional(bits, |bits| bits.skip(9, "NC_REPORTING_PERIOD"))
    })?;
    optional(bits, |bits| {
        let length = bits.take(8, "extension length")? as usize + 1;
        bits.skip(length, "SI2q Extension Information")
    })?;
    if let Some(cells) = optional(bits, neighbours_3g)? {
        message.utran_fdd = cells;
    }
    optional(bits, |bits| {
        bits.skip(5, "Qsearch_I, Qsearch_C_Initial")?;
        optional(bits, |bits| bits.skip(10, "FDD_Qoffset to FDD_Qmin"))?;
        optional(bits, |bits| bits.skip(6, "TDD_Qoffset, TDD_MULTIRAT_REPORTING"))
    })?;
    optional(bits, |bits| {
        bits.skip(5, "Qsearch_P")?;
        optional(bits, |bits| bits.skip(3, "FDD_REP_QUANT, FDD_MULTIRAT_REPORTING"))?;
        optional(bits, |bits| bits.skip(6, "FDD_REPORTING_OFFSET, FDD_REPORTING_THRESHOLD"))?;
        optional(bits, |bits| bits.skip(2, "TDD_MULTIRAT_REPORTING"))?;
        optional(bits, |bits| bits.skip(6, "TDD_REPORTING_OFFSET, TDD_REPORTING_THRESHOLD"))
    })?;
    if let Some(frequencies) = additions(bits)? {
        message.eutran = frequencies;
    }
    Ok(message)
}

/// Additions in Releases 5, 6, 7 and 8, each present only where the one before is.
fn additions(bits: Bits) -> Result<Option<Frequencies>, DecodeError> {
    if !bits.high() {
        return Ok(None);
    }
    optional(bits, |bits| bits.skip(7, "FDD_Qmin_Offset, FDD_RSCPmin"))?;
    optional(bits, |bits| optional(bits, |bits| bits.skip(6, "FDD_REPORTING_THRESHOLD_2")))?;
    if !bits.high() {
        return Ok(None);
    }
    bits.skip(1, "3G_CCN_ACTIVE")?;
    if !bits.high() {
        return Ok(None);
    }
    optional(bits, |bits| bits.skip(6, "700_REPORTING_OFFSET, 700_REPORTING_THRESHOLD"))?;
    optional(bits, |bits| bits.skip(6, "810_REPORTING_OFFSET, 810_REPORTING_THRESHOLD"))?;
    if !bits.high() {
        return Ok(None);
    }
    Ok(optional(bits, priorities_and_eutran)?.flatten())
}

/// Real Time Difference Description: lists of 6 and of 12 bits.
fn skip_real_time_difference(bits: Bits) -> Result<(), DecodeError> {
    for width in [6, 12] {
        optional(bits, |bits| {
            optional(bits, |bits| bits.skip(5, "BA_Index_Start_RTD"))?;
            loop {
                while !bits.flag("end of RTD struct")? {
                    bits.skip(width, "RTD")?;
                }
                if bits.flag("end of RTD list")? {
                    return Ok(());
                }
            }
        })?;
    }
    Ok(())
}

fn skip_bsic_description(bits: Bits) -> Result<(), DecodeError> {
    optional(bits, |bits| bits.skip(5, "BA_Index_Start_BSIC"))?;
    bits.skip(6, "BSIC")?;
    let remaining = bits.take(7, "Number_Remaining_BSIC")? as usize;
    bits.skip(7 * remaining, "Frequency_Scrolling, BSIC")
}

fn skip_gprs_measurement_parameters(bits: Bits) -> Result<(), DecodeError> {
    bits.skip(3, "REPORT_TYPE, REPORTING_RATE, INVALID_BSIC_REPORTING")?;
    optional(bits, |bits| bits.skip(2, "MULTIBAND_REPORTING"))?;
    optional(bits, |bits| bits.skip(2, "SERVING_BAND_REPORTING"))?;
    bits.skip(2, "SCALE_ORD")?;
    // Of the bands 900, 1800, 400, 1900 and 850.
    for _ in 0..5 {
        optional(bits, |bits| bits.skip(6, "REPORTING_OFFSET, REPORTING_THRESHOLD"))?;
    }
    Ok(())
}

/// 3G Neighbour Cell Description: the UTRAN FDD part, then the UTRAN TDD part, which is passed over.
fn neighbours_3g(bits: Bits) -> Result<Vec<(u16, Vec<u16>)>, DecodeError> {
    optional(bits, |bits| bits.skip(7, "Index_Start_3G"))?;
    optional(bits, |bits| bits.skip(7, "Absolute_Index_Start_EMR"))?;
    let mut cells = Vec::new();
    optional(bits, |bits| {
        optional(bits, |bits| bits.skip(3, "Bandwidth_FDD"))?;
        while bits.flag("another UTRAN FDD carrier")? {
            cells.push(carrier_3g(bits, "FDD-ARFCN", 10)?);
        }
        Ok(())
    })?;
    optional(bits, |bits| {
        optional(bits, |bits| bits.skip(3, "Bandwidth_TDD"))?;
        while bits.flag("another UTRAN TDD carrier")? {
            carrier_3g(bits, "TDD-ARFCN", 9)?;
        }
        Ok(())
    })?;
    Ok(cells)
}

/// Repeated UTRAN FDD (or TDD) Neighbour Cells: a carrier and a set of cells of `width` bits, packed as frequency lists are; TS 44.018
/// tables 9.1.54.1a and 9.1.54.1b. For FDD a cell is its scrambling code in nine bits below the diversity indication.
fn carrier_3g(bits: Bits, field: &'static str, width: usize) -> Result<(u16, Vec<u16>), DecodeError> {
    if bits.flag(field)? {
        return Err(DecodeError::Reserved { field, value: 1 });
    }
    let carrier = bits.take(14, field)? as u16;
    let zero = bits.flag("Indic0")?;
    let number = bits.take(5, "NR_OF_CELLS")? as usize;
    let mut information = bits.clone();
    bits.skip(information_bits(number, width), "CELL_INFORMATION")?;
    let mut codes: Vec<u16> =
        range_values(&mut information, width, number)?.into_iter().map(|cell| cell & 0x1ff).collect();
    codes.extend(zero.then_some(0));
    codes.sort_unstable();
    codes.dedup();
    Ok((carrier, codes))
}

/// `p(n)` and `q(n)` of tables 9.1.54.1a and 9.1.54.1b: bits that `number` cells take; 0 where they would be more than 126.
fn information_bits(number: usize, width: usize) -> usize {
    let bits = (1..=number).map(|i| width.saturating_sub(i.ilog2() as usize)).sum();
    if bits <= 126 { bits } else { 0 }
}

/// Priority and E-UTRAN Parameters Description.
fn priorities_and_eutran(bits: Bits) -> Result<Option<Frequencies>, DecodeError> {
    optional(bits, |bits| bits.skip(15, "Serving Cell Priority Parameters Description"))?;
    optional(bits, |bits| {
        bits.skip(2, "UTRAN_Start, UTRAN_Stop")?;
        optional(bits, |bits| bits.skip(13, "DEFAULT_UTRAN_PRIORITY to DEFAULT_UTRAN_QRXLEVMIN"))?;
        while bits.flag("more UTRAN priorities")? {
            while bits.flag("more UTRAN frequencies")? {
                bits.skip(5, "UTRAN_FREQUENCY_INDEX")?;
            }
            optional(bits, |bits| bits.skip(3, "UTRAN_PRIORITY"))?;
            bits.skip(5, "THRESH_UTRAN_high")?;
            optional(bits, |bits| bits.skip(5, "THRESH_UTRAN_low"))?;
            optional(bits, |bits| bits.skip(5, "UTRAN_QRXLEVMIN"))?;
        }
        Ok(())
    })?;
    optional(bits, eutran)
}

/// E-UTRAN Parameters Description up to the neighbours.
fn eutran(bits: Bits) -> Result<Frequencies, DecodeError> {
    bits.skip(3, "E-UTRAN_CCN_ACTIVE, E-UTRAN_Start, E-UTRAN_Stop")?;
    optional(bits, |bits| {
        bits.skip(7, "Qsearch_C_E-UTRAN_Initial to E-UTRAN_MULTIRAT_REPORTING")?;
        let wide = bits.flag("E-UTRAN measurement report offset")?;
        skip_eutran_reporting(bits, if wide { 6 } else { 3 })?;
        bits.skip(usize::from(wide), "REPORTING_GRANULARITY")
    })?;
    optional(bits, |bits| {
        bits.skip(7, "Qsearch_P_E-UTRAN to E-UTRAN_MULTIRAT_REPORTING")?;
        skip_eutran_reporting(bits, 3)
    })?;
    let mut frequencies = Vec::new();
    while bits.flag("more E-UTRAN Neighbour Cells")? {
        let first = frequencies.len();
        while bits.flag("more E-UTRAN frequencies")? {
            frequencies.push((bits.take(16, "EARFCN")?, None));
            optional(bits, |bits| bits.skip(3, "Measurement Bandwidth"))?;
        }
        let priority = optional(bits, |bits| bits.take_u8(3, "E-UTRAN_PRIORITY"))?;
        frequencies[first..].iter_mut().for_each(|frequency| frequency.1 = priority);
        bits.skip(5, "THRESH_E-UTRAN_high")?;
        optional(bits, |bits| bits.skip(5, "THRESH_E-UTRAN_low"))?;
        optional(bits, |bits| bits.skip(5, "E-UTRAN_QRXLEVMIN"))?;
    }
    Ok(frequencies)
}

/// For FDD and for TDD: a threshold or offset of `width` bits, then two more that may be absent.
fn skip_eutran_reporting(bits: Bits, width: usize) -> Result<(), DecodeError> {
    for _ in 0..2 {
        optional(bits, |bits| {
            bits.skip(width, "E-UTRAN_REPORTING_THRESHOLD")?;
            optional(bits, |bits| bits.skip(6, "E-UTRAN_REPORTING_THRESHOLD_2"))?;
            optional(bits, |bits| bits.skip(3, "E-UTRAN_REPORTING_OFFSET"))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cell_information_has_the_tabulated_lengths() {
        // TS 44.018 tables 9.1.54.1a (p) and 9.1.54.1b (q).
        let p = [0, 10, 19, 28, 36, 44, 52, 60, 67, 74, 81, 88, 95, 102, 109, 116, 122];
        let q = [0, 9, 17, 25, 32, 39, 46, 53, 59, 65, 71, 77, 83, 89, 95, 101, 106, 111, 116, 121, 126];
        assert!((0..32).all(|n| information_bits(n, 10) == p.get(n).copied().unwrap_or(0)));
        assert!((0..32).all(|n| information_bits(n, 9) == q.get(n).copied().unwrap_or(0)));
    }
}
