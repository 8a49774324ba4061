//! SystemInformationBlockType3 to 8: where a terminal goes from here.

use super::sib1::{PRB, p_max_of, q_qual_min, q_rx_lev_min};
use super::uper::Uper;
use crate::l3::DecodeError;
use crate::observation::lte::{
    CdmaBand, CdmaCarrier, CdmaReselection, EutraLayer, GeranLayer, NeighbourCell, PciRange, Sib3, Sib4, Sib6, Sib7,
    Sib8, SpeedFactors, SpeedState, ThresholdPair, UtraLayer,
};

/// Q-OffsetRange.
const Q_OFFSET_DB: [i8; 31] = [
    -24, -22, -20, -18, -16, -14, -12, -10, -8, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20,
    22, 24,
];

/// ReselectionThreshold.
fn threshold(bits: &mut Uper<'_>) -> Result<u8, DecodeError> {
    bits.int(0, 31, "ReselectionThreshold")
}

fn threshold_pair(bits: &mut Uper<'_>) -> Result<ThresholdPair, DecodeError> {
    Ok(ThresholdPair { p: threshold(bits)?, q: threshold(bits)? })
}

fn priority(bits: &mut Uper<'_>) -> Result<u8, DecodeError> {
    bits.int(0, 7, "cellReselectionPriority")
}

fn t_reselection(bits: &mut Uper<'_>) -> Result<u8, DecodeError> {
    bits.int(0, 7, "t-Reselection")
}

fn speed_factors(bits: &mut Uper<'_>) -> Result<SpeedFactors, DecodeError> {
    Ok(SpeedFactors {
        medium_percent: bits.one_of(&[25, 50, 75, 100], "sf-Medium")?,
        high_percent: bits.one_of(&[25, 50, 75, 100], "sf-High")?,
    })
}

fn neighbour(bits: &mut Uper<'_>) -> Result<NeighbourCell, DecodeError> {
    Ok(NeighbourCell { pci: bits.int(0, 503, "physCellId")?, q_offset_db: bits.one_of(&Q_OFFSET_DB, "q-OffsetCell")? })
}

fn pci_range(bits: &mut Uper<'_>) -> Result<PciRange, DecodeError> {
    let range = bits.flag("range")?;
    let start = bits.int(0, 503, "start")?;
    let counts = [4, 8, 12, 16, 24, 32, 48, 64, 84, 96, 128, 168, 252, 504, 0, 0];
    let count = bits.optional(range, |bits| bits.one_of(&counts, "range"))?.unwrap_or(1);
    Ok(PciRange { start, count })
}

pub(super) fn sib3(bits: &mut Uper<'_>) -> Result<Sib3, DecodeError> {
    let extended = bits.flag("SystemInformationBlockType3")?;
    let speed_state = bits.flag("speedStateReselectionPars")?;
    let q_hyst_db = bits.one_of(&[0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24], "q-Hyst")?;
    let speed_state = bits.optional(speed_state, |bits| {
        let times = [Some(30), Some(60), Some(120), Some(180), Some(240), None, None, None];
        let factors = [-6, -4, -2, 0];
        Ok(SpeedState {
            t_evaluation_s: bits.one_of(&times, "t-Evaluation")?,
            t_hyst_normal_s: bits.one_of(&times, "t-HystNormal")?,
            n_cell_change_medium: bits.int(1, 16, "n-CellChangeMedium")?,
            n_cell_change_high: bits.int(1, 16, "n-CellChangeHigh")?,
            q_hyst_medium_db: bits.one_of(&factors, "sf-Medium")?,
            q_hyst_high_db: bits.one_of(&factors, "sf-High")?,
        })
    })?;
    let s_non_intra_search = bits.flag("s-NonIntraSearch")?;
    let s_non_intra_search = bits.optional(s_non_intra_search, threshold)?;
    let thresh_serving_low = threshold(bits)?;
    let priority = priority(bits)?;
    let [p_max, s_intra_search, meas_bandwidth, factors] = bits.flags("intraFreqCellReselectionInfo")?;
    let mut sib3 = Sib3 {
        q_hyst_db,
        speed_state,
        s_non_intra_search,
        thresh_serving_low,
        priority,
        q_rx_lev_min: q_rx_lev_min(bits)?,
        p_max_dbm: bits.optional(p_max, p_max_of)?,
        s_intra_search: bits.optional(s_intra_search, threshold)?,
        allowed_meas_prb: bits.optional(meas_bandwidth, |bits| bits.one_of(&PRB, "allowedMeasBandwidth"))?,
        presence_antenna_port1: bits.flag("presenceAntennaPort1")?,
        neigh_cell_config: bits.int(0, 3, "neighCellConfig")?,
        t_reselection_s: t_reselection(bits)?,
        t_reselection_sf: bits.optional(factors, speed_factors)?,
        s_intra_search_v920: None,
        s_non_intra_search_v920: None,
        q_qual_min_db: None,
        thresh_serving_low_q_db: None,
        coverage_enhancement: false,
    };
    if extended {
        bits.extensions("SystemInformationBlockType3", |index, mut bits| {
            match index {
                // Addition 0 is lateNonCriticalExtension.
                1 => {
                    let [intra, non_intra, qual, low] = bits.flags("SystemInformationBlockType3-v920")?;
                    sib3.s_intra_search_v920 = bits.optional(intra, threshold_pair)?;
                    sib3.s_non_intra_search_v920 = bits.optional(non_intra, threshold_pair)?;
                    sib3.q_qual_min_db = bits.optional(qual, q_qual_min)?;
                    sib3.thresh_serving_low_q_db = bits.optional(low, threshold)?;
                }
                4 => {
                    let [_serving, _redistribution, selection, time] =
                        bits.flags("SystemInformationBlockType3-v1310")?;
                    sib3.coverage_enhancement = selection || time;
                }
                _ => {}
            }
            Ok(())
        })?;
    }
    Ok(sib3)
}

pub(super) fn sib4(bits: &mut Uper<'_>) -> Result<Sib4, DecodeError> {
    let extended = bits.flag("SystemInformationBlockType4")?;
    let [neighbours, excluded, csg] = bits.flags("SystemInformationBlockType4")?;
    let neighbours = bits.optional(neighbours, |bits| {
        bits.list(1, 16, "intraFreqNeighCellList", |bits| {
            let extended = bits.flag("IntraFreqNeighCellInfo")?;
            let neighbour = neighbour(bits)?;
            bits.skip_extensions(extended, "IntraFreqNeighCellInfo")?;
            Ok(neighbour)
        })
    })?;
    let excluded = bits.optional(excluded, |bits| bits.list(1, 16, "intraFreqExcludedCellList", pci_range))?;
    let csg = bits.optional(csg, pci_range)?;
    bits.skip_extensions(extended, "SystemInformationBlockType4")?;
    Ok(Sib4 { neighbours: neighbours.unwrap_or_default(), excluded: excluded.unwrap_or_default(), csg })
}

pub(super) fn sib5(bits: &mut Uper<'_>) -> Result<Vec<EutraLayer>, DecodeError> {
    let extended = bits.flag("SystemInformationBlockType5")?;
    let layers = bits.list(1, 8, "interFreqCarrierFreqList", |bits| {
        let extended = bits.flag("InterFreqCarrierFreqInfo")?;
        let [p_max, factors, prio, offset, neighbours, excluded] = bits.flags("InterFreqCarrierFreqInfo")?;
        let mut layer = EutraLayer {
            earfcn: bits.int(0, 65_535, "dl-CarrierFreq")?,
            q_rx_lev_min: q_rx_lev_min(bits)?,
            p_max_dbm: bits.optional(p_max, p_max_of)?,
            t_reselection_s: t_reselection(bits)?,
            t_reselection_sf: bits.optional(factors, speed_factors)?,
            thresh_x_high: threshold(bits)?,
            thresh_x_low: threshold(bits)?,
            allowed_meas_prb: bits.one_of(&PRB, "allowedMeasBandwidth")?,
            presence_antenna_port1: bits.flag("presenceAntennaPort1")?,
            priority: bits.optional(prio, priority)?,
            neigh_cell_config: bits.int(0, 3, "neighCellConfig")?,
            q_offset_freq_db: bits.optional(offset, |bits| bits.one_of(&Q_OFFSET_DB, "q-OffsetFreq"))?.unwrap_or(0),
            neighbours: bits
                .optional(neighbours, |bits| bits.list(1, 16, "interFreqNeighCellList", neighbour))?
                .unwrap_or_default(),
            excluded: bits
                .optional(excluded, |bits| bits.list(1, 16, "interFreqExcludedCellList", pci_range))?
                .unwrap_or_default(),
            q_qual_min_db: None,
        };
        if extended {
            bits.extensions("InterFreqCarrierFreqInfo", |index, mut bits| {
                if index == 0 {
                    let [qual, _threshold] = bits.flags("InterFreqCarrierFreqInfo-v920")?;
                    layer.q_qual_min_db = bits.optional(qual, q_qual_min)?;
                }
                Ok(())
            })?;
        }
        Ok(layer)
    })?;
    bits.skip_extensions(extended, "SystemInformationBlockType5")?;
    Ok(layers)
}

fn utra(bits: &mut Uper<'_>, fdd: bool) -> Result<UtraLayer, DecodeError> {
    let extended = bits.flag("CarrierFreqUTRA")?;
    let prio = bits.flag("cellReselectionPriority")?;
    let layer = UtraLayer {
        uarfcn: bits.int(0, 16_383, "carrierFreq")?,
        priority: bits.optional(prio, priority)?,
        thresh_x_high: threshold(bits)?,
        thresh_x_low: threshold(bits)?,
        q_rx_lev_min: bits.int(-60, -13, "q-RxLevMin")?,
        p_max_dbm: bits.int(-50, 33, "p-MaxUTRA")?,
        q_qual_min_db: bits.optional(fdd, |bits| bits.int(-24, 0, "q-QualMin"))?,
    };
    bits.skip_extensions(extended, "CarrierFreqUTRA")?;
    Ok(layer)
}

pub(super) fn sib6(bits: &mut Uper<'_>) -> Result<Sib6, DecodeError> {
    let extended = bits.flag("SystemInformationBlockType6")?;
    let [fdd, tdd, factors] = bits.flags("SystemInformationBlockType6")?;
    let fdd = bits.optional(fdd, |bits| bits.list(1, 16, "carrierFreqListUTRA-FDD", |bits| utra(bits, true)))?;
    let tdd = bits.optional(tdd, |bits| bits.list(1, 16, "carrierFreqListUTRA-TDD", |bits| utra(bits, false)))?;
    let sib6 = Sib6 {
        fdd: fdd.unwrap_or_default(),
        tdd: tdd.unwrap_or_default(),
        t_reselection_s: t_reselection(bits)?,
        t_reselection_sf: bits.optional(factors, speed_factors)?,
    };
    bits.skip_extensions(extended, "SystemInformationBlockType6")?;
    Ok(sib6)
}

pub(super) fn sib7(bits: &mut Uper<'_>) -> Result<Sib7, DecodeError> {
    let extended = bits.flag("SystemInformationBlockType7")?;
    let [factors, layers] = bits.flags("SystemInformationBlockType7")?;
    let t_reselection_s = t_reselection(bits)?;
    let t_reselection_sf = bits.optional(factors, speed_factors)?;
    let layers = bits.optional(layers, |bits| bits.list(1, 16, "carrierFreqsInfoList", geran))?.unwrap_or_default();
    bits.skip_extensions(extended, "SystemInformationBlockType7")?;
    Ok(Sib7 { layers, t_reselection_s, t_reselection_sf })
}

fn geran(bits: &mut Uper<'_>) -> Result<GeranLayer, DecodeError> {
    let extended = bits.flag("CarrierFreqsInfoGERAN")?;
    let (arfcns, pcs1900) = geran_carriers(bits)?;
    let [prio, p_max] = bits.flags("commonInfo")?;
    let layer = GeranLayer {
        arfcns,
        pcs1900,
        priority: bits.optional(prio, priority)?,
        ncc_permitted: bits.int(0, 255, "ncc-Permitted")?,
        q_rx_lev_min: bits.int(0, 45, "q-RxLevMin")?,
        p_max_dbm: bits.optional(p_max, |bits| bits.int(0, 39, "p-MaxGERAN"))?,
        thresh_x_high: threshold(bits)?,
        thresh_x_low: threshold(bits)?,
    };
    bits.skip_extensions(extended, "CarrierFreqsInfoGERAN")?;
    Ok(layer)
}

/// CarrierFreqsGERAN; ARFCNs count modulo 1024.
fn geran_carriers(bits: &mut Uper<'_>) -> Result<(Vec<u16>, bool), DecodeError> {
    let first: u16 = bits.int(0, 1023, "startingARFCN")?;
    let pcs1900 = bits.flag("bandIndicator")?;
    let mut arfcns = vec![first];
    match bits.int(0, 2, "followingARFCNs")? {
        0u8 => arfcns
            .extend(bits.list(0, 31, "explicitListOfARFCNs", |bits| bits.int::<u16>(0, 1023, "ARFCN-ValueGERAN"))?),
        1 => {
            let spacing: u16 = bits.int(1, 8, "arfcn-Spacing")?;
            let count: u16 = bits.int(0, 31, "numberOfFollowingARFCNs")?;
            arfcns.extend((1..=count).map(|i| (first + i * spacing) % 1024));
        }
        _ => {
            let count = bits.int(1, 16, "variableBitMapOfARFCNs")?;
            let map = bits.octets(count, "variableBitMapOfARFCNs")?;
            let set = (0..8 * count).filter(|i| map[i / 8] >> (7 - i % 8) & 1 == 1);
            arfcns.extend(set.map(|i| (first + 1 + i as u16) % 1024));
        }
    }
    Ok((arfcns, pcs1900))
}

pub(super) fn sib8(bits: &mut Uper<'_>) -> Result<Sib8, DecodeError> {
    let extended = bits.flag("SystemInformationBlockType8")?;
    let [time, window, hrpd, one_x] = bits.flags("SystemInformationBlockType8")?;
    if time {
        bits.skip(1, "cdma-EUTRA-Synchronisation")?;
        let length = if bits.flag("cdma-SystemTime")? { 49 } else { 39 };
        bits.skip(length, "cdma-SystemTime")?;
    }
    let search_window_size = bits.optional(window, |bits| bits.int(0, 15, "searchWindowSize"))?;
    let hrpd = bits.optional(hrpd, |bits| {
        let reselection = bits.flag("cellReselectionParametersHRPD")?;
        let [zone, zones] = bits.flags("preRegistrationInfoHRPD")?;
        bits.skip(1, "preRegistrationAllowed")?;
        bits.skip(if zone { 8 } else { 0 }, "preRegistrationZoneId")?;
        if zones {
            bits.list(1, 2, "secondaryPreRegistrationZoneIdList", |bits| bits.skip(8, "PreRegistrationZoneIdHRPD"))?;
        }
        Ok(bits.optional(reselection, cdma)?.unwrap_or_default())
    })?;
    let one_x = bits.optional(one_x, |bits| {
        let [registration, code, reselection] = bits.flags("parameters1XRTT")?;
        // sid, nid, seven flags, registrationPeriod, registrationZone, totalZone, zoneTimer.
        bits.skip(if registration { 15 + 16 + 7 + 7 + 12 + 3 + 3 } else { 0 }, "csfb-RegistrationParam1XRTT")?;
        bits.skip(if code { 42 } else { 0 }, "longCodeState1XRTT")?;
        Ok(bits.optional(reselection, cdma)?.unwrap_or_default())
    })?;
    bits.skip_extensions(extended, "SystemInformationBlockType8")?;
    Ok(Sib8 { search_window_size, hrpd, one_x })
}

/// BandclassCDMA2000: 32 values and an extension mark.
fn band_class(bits: &mut Uper<'_>) -> Result<u8, DecodeError> {
    if bits.flag("bandClass")? {
        let more = bits.small("bandClass")?;
        return u8::try_from(32 + more).map_err(|_| DecodeError::Reserved { field: "bandClass", value: more as u32 });
    }
    bits.int(0, 31, "bandClass")
}

/// CellReselectionParametersCDMA2000.
fn cdma(bits: &mut Uper<'_>) -> Result<CdmaReselection, DecodeError> {
    let factors = bits.flag("t-ReselectionCDMA2000-SF")?;
    let bands = bits.list(1, 32, "bandClassList", |bits| {
        let [extended, prio] = bits.flags("BandClassInfoCDMA2000")?;
        let band = CdmaBand {
            band_class: band_class(bits)?,
            priority: bits.optional(prio, priority)?,
            thresh_x_high: bits.int(0, 63, "threshX-High")?,
            thresh_x_low: bits.int(0, 63, "threshX-Low")?,
        };
        bits.skip_extensions(extended, "BandClassInfoCDMA2000")?;
        Ok(band)
    })?;
    let carriers = bits.list(1, 16, "neighCellList", |bits| {
        let band_class = band_class(bits)?;
        bits.list(1, 16, "neighCellsPerFreqList", |bits| {
            Ok(CdmaCarrier {
                band_class,
                arfcn: bits.int(0, 2047, "arfcn")?,
                cells: bits.list(1, 16, "physCellIdList", |bits| bits.int(0, 511, "PhysCellIdCDMA2000"))?,
            })
        })
    })?;
    t_reselection(bits)?;
    bits.optional(factors, speed_factors)?;
    Ok(CdmaReselection { bands, carriers: carriers.into_iter().flatten().collect() })
}
