//! Parameters of cells as stacks set them up by default, and of plausible licensed and fictional rogue ones.
//!
//! The defaults of the stacks were read in their sources: OpenBTS at commit 7766ef9 (apps/GetConfigurationKeys.cpp), YateBTS at
//! 9b289b4 (ybts.conf.sample), osmo-bsc at 1245bb6 (doc/examples and src/osmo-bsc). What those do not fix is set as the
//! standard's plain value and is no fingerprint: MSCR of OpenBTS and YateBTS, BS_AG_BLKS_RES and BS_PA_MFRMS of YateBTS.

use super::CellParameters;
use crate::cell::Plmn;
use crate::observation::gsm::{
    CellOptions, CellSelection, ControlChannel, Gprs, GprsIndicator, RachControl, ReselectionParameters,
};

/// A preset with the carrier and BSIC that belong to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Station {
    /// C0.
    pub arfcn: u16,
    /// Base station identity code.
    pub bsic: u8,
    /// What it broadcasts.
    pub cell: CellParameters,
}

fn test_network() -> Plmn {
    Plmn::new(1, 1, 2).expect("001-01 is a PLMN")
}

/// OpenBTS with its default configuration.
pub fn openbts() -> Station {
    let cell = CellParameters {
        plmn: test_network(),
        lac: 1000,
        ci: 10,
        cell_allocation: Some(vec![51]),
        // With no neighbour configured it lists its own C0.
        neighbours: vec![51],
        neighbours_si2ter: Vec::new(),
        eutran: Vec::new(),
        // Configured 0: its own colour code only.
        ncc_permitted: 1,
        control: ControlChannel {
            mscr: false,
            att: true,
            bs_ag_blks_res: 2,
            ccch_conf: 1,
            cbq3: 0,
            // Configured as 2 multiframes.
            bs_pa_mfrms: 0,
            t3212: 0,
        },
        options: CellOptions { dn_ind: false, pwrc: false, dtx: 2, radio_link_timeout: 15 },
        selection: CellSelection {
            cell_reselect_hysteresis: 3,
            ms_txpwr_max_cch: 0,
            acs: false,
            neci: true,
            rxlev_access_min: 0,
        },
        rach: RachControl {
            max_retrans: 1,
            tx_integer: 14,
            cell_barred: false,
            re: true,
            access_classes_barred: 0x0400,
        },
        reselection: None,
        early_classmark: (false, false),
        gprs: None,
    };
    Station { arfcn: 51, bsic: 2, cell }
}

/// YateBTS with its sample configuration, on a carrier of the user's choice.
pub fn yatebts(arfcn: u16) -> Station {
    let base = openbts().cell;
    let cell = CellParameters {
        cell_allocation: Some(vec![arfcn]),
        neighbours: vec![arfcn],
        // 24 minutes.
        control: ControlChannel { t3212: 4, ..base.control },
        gprs: Some((GprsIndicator { ra_colour: 0, si13_on_ext: false }, gprs(0))),
        ..base
    };
    Station { arfcn, bsic: 2, cell }
}

/// osmo-bsc with the defaults of its example configuration.
pub fn osmo_bsc() -> Station {
    let cell = CellParameters {
        plmn: test_network(),
        lac: 1,
        ci: 6969,
        cell_allocation: Some(vec![871]),
        neighbours: Vec::new(),
        neighbours_si2ter: Vec::new(),
        eutran: Vec::new(),
        ncc_permitted: 0xff,
        control: ControlChannel {
            mscr: true,
            att: true,
            bs_ag_blks_res: 1,
            ccch_conf: 1,
            cbq3: 0,
            // Configured as 5 multiframes.
            bs_pa_mfrms: 3,
            t3212: 5,
        },
        // 32 SACCH blocks.
        options: CellOptions { dn_ind: false, pwrc: false, dtx: 2, radio_link_timeout: 7 },
        selection: CellSelection {
            // 4 dB.
            cell_reselect_hysteresis: 2,
            ms_txpwr_max_cch: 15,
            acs: false,
            neci: true,
            rxlev_access_min: 0,
        },
        rach: RachControl {
            max_retrans: 3,
            tx_integer: 9,
            cell_barred: false,
            re: true,
            access_classes_barred: 0x0400,
        },
        reselection: None,
        early_classmark: (false, true),
        gprs: None,
    };
    Station { arfcn: 871, bsic: 63, cell }
}

/// GPRS with plain values.
fn gprs(rac: u8) -> Gprs {
    Gprs {
        bcch_change_mark: 1,
        rac: Some(rac),
        spgc_ccch_sup: Some(false),
        priority_access_thr: Some(6),
        network_control_order: Some(0),
        nmo: Some(1),
        t3168: Some(1),
        t3192: Some(0),
    }
}

/// A plausible licensed cell of a modern network: one hour between updates, a full neighbour list, GPRS, and for
/// `eutran` EARFCNs with priorities. `ncc` is the network's colour code.
pub fn licensed(
    plmn: Plmn,
    lac: u16,
    ci: u16,
    arfcn: u16,
    ncc: u8,
    neighbours: &[u16],
    eutran: &[(u16, u8)],
) -> CellParameters {
    CellParameters {
        plmn,
        lac,
        ci,
        cell_allocation: Some(vec![arfcn]),
        neighbours: neighbours.to_vec(),
        neighbours_si2ter: Vec::new(),
        eutran: eutran.to_vec(),
        ncc_permitted: 1 << (ncc & 7),
        control: ControlChannel {
            mscr: true,
            att: true,
            bs_ag_blks_res: 1,
            ccch_conf: 0,
            cbq3: 0,
            bs_pa_mfrms: 2,
            t3212: 10,
        },
        options: CellOptions { dn_ind: false, pwrc: false, dtx: 1, radio_link_timeout: 4 },
        selection: CellSelection {
            cell_reselect_hysteresis: 3,
            ms_txpwr_max_cch: 5,
            acs: false,
            neci: true,
            rxlev_access_min: 8,
        },
        rach: RachControl { max_retrans: 2, tx_integer: 12, cell_barred: false, re: true, access_classes_barred: 0 },
        reselection: Some(ReselectionParameters {
            cell_bar_qualify: false,
            cell_reselect_offset: 6,
            temporary_offset: 0,
            penalty_time: 0,
        }),
        early_classmark: (true, true),
        gprs: Some((GprsIndicator { ra_colour: 2, si13_on_ext: false }, gprs(1))),
    }
}

/// A fictional SMS blaster: shows the traits that reports of such stations describe (a strong pull by the greatest reselection
/// offset, short location update timer, lowest access level, no neighbours, no data service), the values being made up.
pub fn blaster(plmn: Plmn, lac: u16, ci: u16, arfcn: u16) -> CellParameters {
    CellParameters {
        plmn,
        lac,
        ci,
        cell_allocation: Some(vec![arfcn]),
        neighbours: Vec::new(),
        neighbours_si2ter: Vec::new(),
        eutran: Vec::new(),
        ncc_permitted: 0xff,
        control: ControlChannel {
            mscr: false,
            att: true,
            bs_ag_blks_res: 2,
            ccch_conf: 1,
            cbq3: 0,
            bs_pa_mfrms: 0,
            t3212: 1,
        },
        options: CellOptions { dn_ind: false, pwrc: false, dtx: 2, radio_link_timeout: 15 },
        selection: CellSelection {
            cell_reselect_hysteresis: 0,
            ms_txpwr_max_cch: 5,
            acs: false,
            neci: true,
            rxlev_access_min: 0,
        },
        rach: RachControl { max_retrans: 1, tx_integer: 14, cell_barred: false, re: true, access_classes_barred: 0 },
        reselection: Some(ReselectionParameters {
            cell_bar_qualify: false,
            cell_reselect_offset: 63,
            temporary_offset: 0,
            penalty_time: 0,
        }),
        early_classmark: (false, false),
        gprs: None,
    }
}
