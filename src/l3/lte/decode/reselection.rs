//! SystemInformationBlockType3 to 8.

use crate::l3::lte::asn1::Extensible;
use crate::l3::lte::asn1::reselection::{
    CarrierFreqUtraFdd, CarrierFreqUtraTdd, CarrierFreqsInfoGeran, CellReselectionParameters, FollowingArfcns,
    InterFreqCarrierFreqInfo, InterFreqCarrierFreqInfoV9e0, InterFreqCarrierFreqInfoV920, NeighCellInfo, NeighCells,
    NeighCellsPerFreq, PhysCellIdRange, Sib3 as PackedSib3, Sib3V920, Sib3V1310Presence, Sib4 as PackedSib4,
    Sib5 as PackedSib5, Sib5V8h0, Sib5V9e0, Sib6 as PackedSib6, Sib7 as PackedSib7, Sib8 as PackedSib8,
    SpeedStateReselectionPars, SpeedStateScaleFactors, ThresholdPair as PackedPair,
};
use crate::l3::lte::tables::{PCI_COUNT, PRB, Q_HYST_DB, Q_HYST_SF_DB, Q_OFFSET_DB, SCALE_PERCENT, SPEED_S};
use crate::l3::packed::Packed;
use crate::observation::lte::{
    CdmaBand, CdmaCarrier, CdmaReselection, EutraLayer, GeranLayer, NeighbourCell, PciRange, Sib3, Sib4, Sib6, Sib7,
    Sib8, SpeedFactors, SpeedState, ThresholdPair, UtraLayer,
};

/// Numbers of the additions that are read; TS 36.331 clause 6.3.1. Addition 0 of SIB3 is lateNonCriticalExtension.
const SIB3_V920: usize = 1;
const SIB3_V1310: usize = 4;
const CARRIER_V920: usize = 0;

fn factors(factors: Option<&SpeedStateScaleFactors>) -> Option<SpeedFactors> {
    factors.map(|factors| SpeedFactors {
        medium_percent: factors.medium.of(&SCALE_PERCENT),
        high_percent: factors.high.of(&SCALE_PERCENT),
    })
}

fn speed_state(pars: &SpeedStateReselectionPars) -> SpeedState {
    SpeedState {
        t_evaluation_s: pars.t_evaluation.of(&SPEED_S),
        t_hyst_normal_s: pars.t_hyst_normal.of(&SPEED_S),
        n_cell_change_medium: pars.n_cell_change_medium,
        n_cell_change_high: pars.n_cell_change_high,
        q_hyst_medium_db: pars.sf_medium.of(&Q_HYST_SF_DB),
        q_hyst_high_db: pars.sf_high.of(&Q_HYST_SF_DB),
    }
}

pub fn sib3(block: &Extensible<PackedSib3>) -> Sib3 {
    let (common, serving, intra) = (&block.root.common, &block.root.serving, &block.root.intra);
    let v920: Option<Sib3V920> = block.addition(SIB3_V920);
    let v920 = v920.as_ref();
    let pair = |pair: &PackedPair| ThresholdPair { p: pair.p, q: pair.q };
    let v1310: Option<Sib3V1310Presence> = block.addition(SIB3_V1310);
    Sib3 {
        q_hyst_db: common.q_hyst.of(&Q_HYST_DB),
        speed_state: common.speed_state.as_ref().map(speed_state),
        s_non_intra_search: serving.s_non_intra_search,
        thresh_serving_low: serving.thresh_serving_low,
        priority: serving.priority,
        q_rx_lev_min: intra.q_rx_lev_min,
        p_max_dbm: intra.p_max,
        s_intra_search: intra.s_intra_search,
        allowed_meas_prb: intra.allowed_meas_bandwidth.map(|bandwidth| bandwidth.of(&PRB)),
        presence_antenna_port1: intra.presence_antenna_port1,
        neigh_cell_config: intra.neigh_cell_config,
        t_reselection_s: intra.t_reselection,
        t_reselection_sf: factors(intra.t_reselection_sf.as_ref()),
        s_intra_search_v920: v920.and_then(|v920| v920.s_intra_search.as_ref()).map(pair),
        s_non_intra_search_v920: v920.and_then(|v920| v920.s_non_intra_search.as_ref()).map(pair),
        q_qual_min_db: v920.and_then(|v920| v920.q_qual_min),
        thresh_serving_low_q_db: v920.and_then(|v920| v920.thresh_serving_low_q),
        coverage_enhancement: v1310.is_some_and(|v1310| v1310.cell_selection_info_ce || v1310.t_reselection_ce),
    }
}

fn neighbour(cell: &NeighCellInfo) -> NeighbourCell {
    NeighbourCell { pci: cell.phys_cell_id, q_offset_db: cell.q_offset.of(&Q_OFFSET_DB) }
}

fn pci_range(range: &PhysCellIdRange) -> PciRange {
    PciRange { start: range.start, count: range.range.map_or(1, |range| range.of(&PCI_COUNT)) }
}

pub fn sib4(block: &PackedSib4) -> Sib4 {
    Sib4 {
        neighbours: block.neighbours.iter().flatten().map(|cell| neighbour(&cell.root)).collect(),
        excluded: block.excluded.iter().flatten().map(pci_range).collect(),
        csg: block.csg.as_ref().map(pci_range),
    }
}

pub fn sib5(block: &Extensible<PackedSib5>) -> Vec<EutraLayer> {
    let mut layers: Vec<EutraLayer> = block.root.carriers.iter().map(eutra).collect();
    for (layer, high) in layers.iter_mut().zip(high_carriers(block).into_iter().flatten()) {
        layer.earfcn = high.dl_carrier_freq.unwrap_or(layer.earfcn);
    }
    layers
}

/// What interFreqCarrierFreqList-v9e0 adds to the carriers, in their order.
fn high_carriers(block: &Extensible<PackedSib5>) -> Option<Vec<InterFreqCarrierFreqInfoV9e0>> {
    let octets = block.late()?;
    let mut bits = Packed::new(&octets);
    let v8h0: Sib5V8h0 = bits.take("SystemInformationBlockType5-v8h0-IEs").ok()?;
    v8h0.non_critical_extension?;
    bits.take::<Sib5V9e0>("SystemInformationBlockType5-v9e0-IEs").ok()?.carriers
}

fn eutra(carrier: &Extensible<InterFreqCarrierFreqInfo>) -> EutraLayer {
    let root = &carrier.root;
    let v920: Option<InterFreqCarrierFreqInfoV920> = carrier.addition(CARRIER_V920);
    EutraLayer {
        earfcn: root.dl_carrier_freq.into(),
        q_rx_lev_min: root.q_rx_lev_min,
        p_max_dbm: root.p_max,
        t_reselection_s: root.t_reselection,
        t_reselection_sf: factors(root.t_reselection_sf.as_ref()),
        thresh_x_high: root.thresh_x_high,
        thresh_x_low: root.thresh_x_low,
        allowed_meas_prb: root.allowed_meas_bandwidth.of(&PRB),
        presence_antenna_port1: root.presence_antenna_port1,
        priority: root.priority,
        neigh_cell_config: root.neigh_cell_config,
        q_offset_freq_db: root.q_offset_freq.map_or(0, |offset| offset.of(&Q_OFFSET_DB)),
        neighbours: root.neighbours.iter().flatten().map(neighbour).collect(),
        excluded: root.excluded.iter().flatten().map(pci_range).collect(),
        q_qual_min_db: v920.and_then(|v920| v920.q_qual_min),
    }
}

fn utra_fdd(carrier: &CarrierFreqUtraFdd) -> UtraLayer {
    UtraLayer {
        uarfcn: carrier.carrier_freq,
        priority: carrier.priority,
        thresh_x_high: carrier.thresh_x_high,
        thresh_x_low: carrier.thresh_x_low,
        q_rx_lev_min: carrier.q_rx_lev_min,
        p_max_dbm: carrier.p_max,
        q_qual_min_db: Some(carrier.q_qual_min),
    }
}

fn utra_tdd(carrier: &CarrierFreqUtraTdd) -> UtraLayer {
    UtraLayer {
        uarfcn: carrier.carrier_freq,
        priority: carrier.priority,
        thresh_x_high: carrier.thresh_x_high,
        thresh_x_low: carrier.thresh_x_low,
        q_rx_lev_min: carrier.q_rx_lev_min,
        p_max_dbm: carrier.p_max,
        q_qual_min_db: None,
    }
}

pub fn sib6(block: &PackedSib6) -> Sib6 {
    Sib6 {
        fdd: block.fdd.iter().flatten().map(|carrier| utra_fdd(&carrier.root)).collect(),
        tdd: block.tdd.iter().flatten().map(|carrier| utra_tdd(&carrier.root)).collect(),
        t_reselection_s: block.t_reselection,
        t_reselection_sf: factors(block.t_reselection_sf.as_ref()),
    }
}

pub fn sib7(block: &PackedSib7) -> Sib7 {
    Sib7 {
        layers: block.carriers.iter().flatten().map(|carriers| geran(&carriers.root)).collect(),
        t_reselection_s: block.t_reselection,
        t_reselection_sf: factors(block.t_reselection_sf.as_ref()),
    }
}

/// ARFCNs count modulo 1024.
fn geran(carriers: &CarrierFreqsInfoGeran) -> GeranLayer {
    let first = carriers.starting_arfcn;
    let mut arfcns = vec![first];
    match &carriers.following {
        FollowingArfcns::Explicit(list) => arfcns.extend(list.iter().map(|arfcn| arfcn.0)),
        FollowingArfcns::EquallySpaced(spaced) => {
            arfcns.extend((1..=spaced.count).map(|i| (first + i * spaced.spacing) % 1024));
        }
        FollowingArfcns::BitMap(map) => {
            let set = (0u16..8 * map.len() as u16).filter(|i| map[usize::from(i / 8)] >> (7 - i % 8) & 1 == 1);
            arfcns.extend(set.map(|i| (first + 1 + i) % 1024));
        }
    }
    let common = &carriers.common;
    GeranLayer {
        arfcns,
        pcs1900: carriers.band_indicator.is_second(),
        priority: common.priority,
        ncc_permitted: common.ncc_permitted,
        q_rx_lev_min: common.q_rx_lev_min,
        p_max_dbm: common.p_max,
        thresh_x_high: common.thresh_x_high,
        thresh_x_low: common.thresh_x_low,
    }
}

pub fn sib8(block: &PackedSib8) -> Sib8 {
    let reselection =
        |parameters: &Option<CellReselectionParameters>| parameters.as_ref().map(cdma).unwrap_or_default();
    Sib8 {
        search_window_size: block.search_window_size,
        hrpd: block.hrpd.as_ref().map(|hrpd| reselection(&hrpd.reselection)),
        one_x: block.one_x.as_ref().map(|one_x| reselection(&one_x.reselection)),
    }
}

fn cdma(parameters: &CellReselectionParameters) -> CdmaReselection {
    // No band class will be numbered above 255.
    let number = |band_class: usize| u8::try_from(band_class).unwrap_or(u8::MAX);
    let bands = parameters.bands.iter().map(|band| CdmaBand {
        band_class: number(band.root.band_class.0),
        priority: band.root.priority,
        thresh_x_high: band.root.thresh_x_high,
        thresh_x_low: band.root.thresh_x_low,
    });
    let carriers = |cells: &NeighCells| {
        let band_class = number(cells.band_class.0);
        let carrier = |carrier: &NeighCellsPerFreq| CdmaCarrier {
            band_class,
            arfcn: carrier.arfcn,
            cells: carrier.cells.iter().map(|cell| cell.0).collect(),
        };
        cells.carriers.iter().map(carrier).collect::<Vec<_>>()
    };
    CdmaReselection { bands: bands.collect(), carriers: parameters.neighbours.iter().flat_map(carriers).collect() }
}
