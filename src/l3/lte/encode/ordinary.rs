//! Blocks with the values that most networks send, to be changed where a scene asks for it.

use crate::cell::Plmn;
use crate::observation::lte::{
    BroadcastPlmn, GeranLayer, PrachConfig, PucchConfig, PuschConfig, RachConfig, Scheduling, Sib1, Sib2, Sib3, Sib7,
    UeTimers, UplinkPower,
};

/// SIB1 of an open FDD cell that sends SIB2 and SIB3 every 16 frames in windows of 20 ms.
pub fn sib1(plmns: &[Plmn], tac: u16, eci: u32, band: u16) -> Sib1 {
    Sib1 {
        plmns: plmns.iter().map(|&plmn| BroadcastPlmn { plmn: Some(plmn), reserved_for_operator_use: false }).collect(),
        tac,
        eci,
        cell_barred: false,
        intra_freq_reselection_allowed: true,
        csg_indication: false,
        csg_identity: None,
        q_rx_lev_min: -64,
        q_rx_lev_min_offset: None,
        p_max_dbm: Some(23),
        bands: vec![band],
        scheduling: vec![Scheduling { period_frames: 16, sib_types: vec![3] }],
        tdd: None,
        si_window_ms: 20,
        value_tag: 1,
        ims_emergency: false,
        q_qual_min_db: None,
        bandwidth_reduced: false,
        extensions: 0,
    }
}

/// SIB2 without barring.
pub fn sib2() -> Sib2 {
    Sib2 {
        ac_barring: None,
        rach: RachConfig {
            preambles: 52,
            group_a: None,
            power_ramping_step_db: 4,
            target_power_dbm: -104,
            preamble_trans_max: 10,
            response_window_subframes: 10,
            contention_resolution_subframes: 64,
            max_harq_msg3_tx: 5,
        },
        modification_period_coeff: 2,
        default_paging_cycle_frames: 128,
        nb_32nds: 32,
        prach: PrachConfig {
            root_sequence_index: 100,
            config_index: 3,
            high_speed: false,
            zero_correlation_zone: 12,
            freq_offset: 4,
        },
        reference_signal_power_dbm: 15,
        p_b: 1,
        pusch: PuschConfig {
            n_sb: 1,
            hopping_intra_subframe: false,
            hopping_offset: 4,
            enable_64qam: false,
            group_hopping: false,
            group_assignment: 0,
            sequence_hopping: false,
            cyclic_shift: 0,
        },
        pucch: PucchConfig { delta_shift: 1, n_rb_cqi: 2, n_cs_an: 0, n1_pucch_an: 18 },
        srs: None,
        uplink_power: UplinkPower {
            p0_nominal_pusch_dbm: -100,
            alpha_tenths: 8,
            p0_nominal_pucch_dbm: -117,
            delta_f_pucch_db: [0, 3, 1, 2, 2],
            delta_preamble_msg3: 4,
        },
        ul_extended_cp: false,
        ue_timers: UeTimers { t300_ms: 1000, t301_ms: 1000, t310_ms: 1000, n310: 10, t311_ms: 10_000, n311: 1 },
        ul_earfcn: None,
        ul_prb: None,
        additional_spectrum_emission: 1,
        mbsfn_subframes: Vec::new(),
        time_alignment_timer_subframes: Some(1920),
    }
}

/// SIB3 with the priority of the serving carrier.
pub fn sib3(priority: u8) -> Sib3 {
    Sib3 {
        q_hyst_db: 4,
        speed_state: None,
        s_non_intra_search: Some(5),
        thresh_serving_low: 2,
        priority,
        q_rx_lev_min: -64,
        p_max_dbm: Some(23),
        s_intra_search: Some(31),
        allowed_meas_prb: None,
        presence_antenna_port1: true,
        neigh_cell_config: 1,
        t_reselection_s: 1,
        t_reselection_sf: None,
        s_intra_search_v920: None,
        s_non_intra_search_v920: None,
        q_qual_min_db: None,
        thresh_serving_low_q_db: None,
        coverage_enhancement: false,
    }
}

/// SIB7 with one group of GSM carriers of the given priority.
pub fn sib7(arfcns: &[u16], priority: u8) -> Sib7 {
    Sib7 {
        layers: vec![GeranLayer {
            arfcns: arfcns.to_vec(),
            pcs1900: false,
            priority: Some(priority),
            ncc_permitted: 0xff,
            q_rx_lev_min: 5,
            p_max_dbm: None,
            thresh_x_high: 2,
            thresh_x_low: 2,
        }],
        t_reselection_s: 1,
        t_reselection_sf: None,
    }
}
