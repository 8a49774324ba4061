//! SystemInformationBlockType3 to 7.

use super::{EncodeError, LAST_EARFCN, flag, list, number, number_or_none, open};
use crate::l3::lte::asn1::reselection::{
    Arfcn, CarrierFreqUtraFdd, CarrierFreqUtraTdd, CarrierFreqsInfoGeran, CellReselectionInfoCommon,
    CellReselectionServingFreqInfo, FollowingArfcns, GeranCommonInfo, InterFreqCarrierFreqInfo,
    InterFreqCarrierFreqInfoV9e0, InterFreqCarrierFreqInfoV920, IntraFreqCellReselectionInfo, NeighCellInfo,
    PhysCellIdRange, Sib3 as PackedSib3, Sib3V920, Sib4 as PackedSib4, Sib5 as PackedSib5, Sib5V8h0, Sib5V9e0,
    Sib6 as PackedSib6, Sib7 as PackedSib7, SpeedStateReselectionPars, SpeedStateScaleFactors,
    ThresholdPair as PackedPair,
};
use crate::l3::lte::asn1::{Enum, Extensible};
use crate::l3::lte::tables::{PCI_COUNT, PRB, Q_HYST_DB, Q_HYST_SF_DB, Q_OFFSET_DB, SCALE_PERCENT, SPEED_S};
use crate::observation::lte::{
    EutraLayer, GeranLayer, NeighbourCell, PciRange, Sib3, Sib4, Sib6, Sib7, SpeedFactors, SpeedState, ThresholdPair,
    UtraLayer,
};
use rasn::{AsnType, Encode};

fn factors(factors: Option<SpeedFactors>) -> Result<Option<SpeedStateScaleFactors>, EncodeError> {
    let factors = factors.map(|factors| {
        Ok(SpeedStateScaleFactors {
            medium: number(&SCALE_PERCENT, factors.medium_percent, "sf-Medium")?,
            high: number(&SCALE_PERCENT, factors.high_percent, "sf-High")?,
        })
    });
    factors.transpose()
}

fn speed_state(state: &SpeedState) -> Result<SpeedStateReselectionPars, EncodeError> {
    Ok(SpeedStateReselectionPars {
        t_evaluation: number_or_none(&SPEED_S, state.t_evaluation_s, "t-Evaluation")?,
        t_hyst_normal: number_or_none(&SPEED_S, state.t_hyst_normal_s, "t-HystNormal")?,
        n_cell_change_medium: state.n_cell_change_medium,
        n_cell_change_high: state.n_cell_change_high,
        sf_medium: number(&Q_HYST_SF_DB, state.q_hyst_medium_db, "sf-Medium")?,
        sf_high: number(&Q_HYST_SF_DB, state.q_hyst_high_db, "sf-High")?,
    })
}

pub(super) fn sib3(sib3: &Sib3) -> Result<Extensible<PackedSib3>, EncodeError> {
    let root = PackedSib3 {
        common: CellReselectionInfoCommon {
            q_hyst: number(&Q_HYST_DB, sib3.q_hyst_db, "q-Hyst")?,
            speed_state: sib3.speed_state.as_ref().map(speed_state).transpose()?,
        },
        serving: CellReselectionServingFreqInfo {
            s_non_intra_search: sib3.s_non_intra_search,
            thresh_serving_low: sib3.thresh_serving_low,
            priority: sib3.priority,
        },
        intra: IntraFreqCellReselectionInfo {
            q_rx_lev_min: sib3.q_rx_lev_min,
            p_max: sib3.p_max_dbm,
            s_intra_search: sib3.s_intra_search,
            allowed_meas_bandwidth: sib3
                .allowed_meas_prb
                .map(|prb| number(&PRB, prb, "allowedMeasBandwidth"))
                .transpose()?,
            presence_antenna_port1: sib3.presence_antenna_port1,
            neigh_cell_config: sib3.neigh_cell_config,
            t_reselection: sib3.t_reselection_s,
            t_reselection_sf: factors(sib3.t_reselection_sf)?,
        },
    };
    let pair = |pair: ThresholdPair| PackedPair { p: pair.p, q: pair.q };
    let v920 = Sib3V920 {
        s_intra_search: sib3.s_intra_search_v920.map(pair),
        s_non_intra_search: sib3.s_non_intra_search_v920.map(pair),
        q_qual_min: sib3.q_qual_min_db,
        thresh_serving_low_q: sib3.thresh_serving_low_q_db,
    };
    let needed = v920.s_intra_search.is_some()
        || v920.s_non_intra_search.is_some()
        || v920.q_qual_min.is_some()
        || v920.thresh_serving_low_q.is_some();
    let additions =
        if needed { vec![None, Some(open("SystemInformationBlockType3-v920", &v920)?)] } else { Vec::new() };
    Ok(Extensible { root, additions })
}

fn neighbour(cell: &NeighbourCell) -> Result<NeighCellInfo, EncodeError> {
    Ok(NeighCellInfo { phys_cell_id: cell.pci, q_offset: number(&Q_OFFSET_DB, cell.q_offset_db, "q-OffsetCell")? })
}

fn pci_range(range: &PciRange) -> Result<PhysCellIdRange, EncodeError> {
    let counted = (range.count != 1).then(|| number(&PCI_COUNT, range.count, "range"));
    Ok(PhysCellIdRange { start: range.start, range: counted.transpose()? })
}

pub(super) fn sib4(sib4: &Sib4) -> Result<PackedSib4, EncodeError> {
    Ok(PackedSib4 {
        neighbours: list(&sib4.neighbours, |cell| neighbour(cell).map(Extensible::plain))?,
        excluded: list(&sib4.excluded, pci_range)?,
        csg: sib4.csg.as_ref().map(pci_range).transpose()?,
    })
}

pub(super) fn sib5(layers: &[EutraLayer]) -> Result<Extensible<PackedSib5>, EncodeError> {
    let root = PackedSib5 { carriers: layers.iter().map(eutra).collect::<Result<_, _>>()? };
    let high = |layer: &EutraLayer| (layer.earfcn > LAST_EARFCN).then_some(layer.earfcn);
    let carriers: Vec<InterFreqCarrierFreqInfoV9e0> = layers
        .iter()
        .map(|layer| InterFreqCarrierFreqInfoV9e0 { dl_carrier_freq: high(layer), multi_band_info_list: None })
        .collect();
    let late = Late {
        v8h0: Sib5V8h0 { carriers: None, non_critical_extension: Some(()) },
        v9e0: Sib5V9e0 { carriers: Some(carriers), non_critical_extension: None },
    };
    let additions = match layers.iter().find_map(high) {
        Some(_) => vec![Some(super::late("SystemInformationBlockType5-v8h0-IEs", &late)?)],
        None => Vec::new(),
    };
    Ok(Extensible { root, additions })
}

/// lateNonCriticalExtension: carriers that the root has no number for.
#[derive(AsnType, Encode)]
#[rasn(automatic_tags)]
struct Late {
    v8h0: Sib5V8h0,
    v9e0: Sib5V9e0,
}

fn eutra(layer: &EutraLayer) -> Result<Extensible<InterFreqCarrierFreqInfo>, EncodeError> {
    let offset: Enum<31> = number(&Q_OFFSET_DB, layer.q_offset_freq_db, "q-OffsetFreq")?;
    let root = InterFreqCarrierFreqInfo {
        dl_carrier_freq: layer.earfcn.min(LAST_EARFCN) as u16,
        q_rx_lev_min: layer.q_rx_lev_min,
        p_max: layer.p_max_dbm,
        t_reselection: layer.t_reselection_s,
        t_reselection_sf: factors(layer.t_reselection_sf)?,
        thresh_x_high: layer.thresh_x_high,
        thresh_x_low: layer.thresh_x_low,
        allowed_meas_bandwidth: number(&PRB, layer.allowed_meas_prb, "allowedMeasBandwidth")?,
        presence_antenna_port1: layer.presence_antenna_port1,
        priority: layer.priority,
        neigh_cell_config: layer.neigh_cell_config,
        q_offset_freq: (layer.q_offset_freq_db != 0).then_some(offset),
        neighbours: list(&layer.neighbours, neighbour)?,
        excluded: list(&layer.excluded, pci_range)?,
    };
    let v920 = InterFreqCarrierFreqInfoV920 { q_qual_min: layer.q_qual_min_db, thresh_x_q: None };
    let additions = match layer.q_qual_min_db {
        Some(_) => vec![Some(open("InterFreqCarrierFreqInfo-v920", &v920)?)],
        None => Vec::new(),
    };
    Ok(Extensible { root, additions })
}

pub(super) fn sib6(sib6: &Sib6) -> Result<PackedSib6, EncodeError> {
    let fdd = |layer: &UtraLayer| {
        let missing = EncodeError::NoNumber { field: "q-QualMin", value: 0 };
        Ok(Extensible::plain(CarrierFreqUtraFdd {
            carrier_freq: layer.uarfcn,
            priority: layer.priority,
            thresh_x_high: layer.thresh_x_high,
            thresh_x_low: layer.thresh_x_low,
            q_rx_lev_min: layer.q_rx_lev_min,
            p_max: layer.p_max_dbm,
            q_qual_min: layer.q_qual_min_db.ok_or(missing)?,
        }))
    };
    let tdd = |layer: &UtraLayer| {
        Ok(Extensible::plain(CarrierFreqUtraTdd {
            carrier_freq: layer.uarfcn,
            priority: layer.priority,
            thresh_x_high: layer.thresh_x_high,
            thresh_x_low: layer.thresh_x_low,
            q_rx_lev_min: layer.q_rx_lev_min,
            p_max: layer.p_max_dbm,
        }))
    };
    Ok(PackedSib6 {
        fdd: list(&sib6.fdd, fdd)?,
        tdd: list(&sib6.tdd, tdd)?,
        t_reselection: sib6.t_reselection_s,
        t_reselection_sf: factors(sib6.t_reselection_sf)?,
    })
}

pub(super) fn sib7(sib7: &Sib7) -> Result<PackedSib7, EncodeError> {
    Ok(PackedSib7 {
        t_reselection: sib7.t_reselection_s,
        t_reselection_sf: factors(sib7.t_reselection_sf)?,
        carriers: list(&sib7.layers, geran)?,
    })
}

/// Carriers are always listed one by one, which says the same as the shorter forms.
fn geran(layer: &GeranLayer) -> Result<Extensible<CarrierFreqsInfoGeran>, EncodeError> {
    let Some((&first, following)) = layer.arfcns.split_first() else {
        return Err(EncodeError::NoNumber { field: "startingARFCN", value: -1 });
    };
    Ok(Extensible::plain(CarrierFreqsInfoGeran {
        starting_arfcn: first,
        band_indicator: flag(layer.pcs1900),
        following: FollowingArfcns::Explicit(following.iter().map(|&arfcn| Arfcn(arfcn)).collect()),
        common: GeranCommonInfo {
            priority: layer.priority,
            ncc_permitted: layer.ncc_permitted,
            q_rx_lev_min: layer.q_rx_lev_min,
            p_max: layer.p_max_dbm,
            thresh_x_high: layer.thresh_x_high,
            thresh_x_low: layer.thresh_x_low,
        },
    }))
}
