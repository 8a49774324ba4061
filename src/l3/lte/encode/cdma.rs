//! SystemInformationBlockType8.

use crate::l3::lte::asn1::Extensible;
use crate::l3::lte::asn1::reselection::{
    BandClass, BandClassInfo, CellReselectionParameters, NeighCells, NeighCellsPerFreq, Parameters1x, ParametersHrpd,
    PhysCellId, PreRegistrationInfoHrpd, Sib8 as PackedSib8,
};
use crate::observation::lte::{CdmaCarrier, CdmaReselection, Sib8};

/// What the fields do not tell is sent as nothing: no system time, no registration, t-Reselection 0.
pub(super) fn sib8(sib8: &Sib8) -> PackedSib8 {
    let pre_registration = PreRegistrationInfoHrpd { allowed: false, zone: None, secondary_zones: None };
    PackedSib8 {
        system_time: None,
        search_window_size: sib8.search_window_size,
        hrpd: sib8.hrpd.as_ref().map(|hrpd| ParametersHrpd { pre_registration, reselection: parameters(hrpd) }),
        one_x: sib8.one_x.as_ref().map(|one_x| Parameters1x {
            registration: None,
            long_code_state: None,
            reselection: parameters(one_x),
        }),
    }
}

fn parameters(fields: &CdmaReselection) -> Option<CellReselectionParameters> {
    let class = |number: u8| BandClass::from(usize::from(number));
    let bands = fields.bands.iter().map(|band| {
        Extensible::plain(BandClassInfo {
            band_class: class(band.band_class),
            priority: band.priority,
            thresh_x_high: band.thresh_x_high,
            thresh_x_low: band.thresh_x_low,
        })
    });
    let carrier = |carrier: &CdmaCarrier| NeighCellsPerFreq {
        arfcn: carrier.arfcn,
        cells: carrier.cells.iter().copied().map(PhysCellId).collect(),
    };
    // Carriers of one band that follow each other share an entry.
    let of_one_band = fields.carriers.chunk_by(|one, other| one.band_class == other.band_class);
    let neighbours = of_one_band.map(|carriers| NeighCells {
        band_class: class(carriers[0].band_class),
        carriers: carriers.iter().map(carrier).collect(),
    });
    let told = !fields.bands.is_empty() || !fields.carriers.is_empty();
    told.then(|| CellReselectionParameters {
        bands: bands.collect(),
        neighbours: neighbours.collect(),
        t_reselection: 0,
        t_reselection_sf: None,
    })
}
