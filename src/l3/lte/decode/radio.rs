//! SystemInformationBlockType2.

use crate::l3::lte::asn1::Extensible;
use crate::l3::lte::asn1::radio::{
    AcBarringConfig as PackedBarring, AcBarringInfo, MbsfnSubframeConfig, PucchConfigCommon, PuschConfigCommon,
    RachConfigCommon, Sib2 as PackedSib2, Sib2V8h0, Sib2V9e0, SoundingConfigCommon, SubframeAllocation,
    UeTimersAndConstants, UplinkPowerControlCommon,
};
use crate::l3::lte::tables::{
    ALLOCATION_FRAMES, ALPHA_TENTHS, BARRING_PERCENT, BARRING_S, DELTA_F_1, DELTA_F_1B, DELTA_F_2, DELTA_SHIFT,
    GROUP_A_BITS, GROUP_B_OFFSET_DB, MODIFICATION_COEFF, N310, N311, NB_32NDS, PAGING_FRAMES, PRB, PREAMBLE_TRANS_MAX,
    RESPONSE_WINDOW, T300_MS, T310_MS, T311_MS, TIME_ALIGNMENT,
};
use crate::l3::packed::Packed;
use crate::observation::lte::{
    AcBarring, AcBarringConfig, MbsfnSubframes, PrachConfig, PreamblesGroupA, PucchConfig, PuschConfig, RachConfig,
    Sib2, SoundingConfig, UeTimers, UplinkPower,
};

pub fn sib2(extended: &Extensible<PackedSib2>) -> Sib2 {
    let block = &extended.root;
    let common = &block.radio_resource_config_common.root;
    let prach = &common.prach;
    Sib2 {
        ac_barring: block.ac_barring_info.as_ref().map(ac_barring),
        rach: rach(&common.rach.root),
        modification_period_coeff: common.modification_period_coeff.of(&MODIFICATION_COEFF),
        default_paging_cycle_frames: common.default_paging_cycle.of(&PAGING_FRAMES),
        nb_32nds: common.nb.of(&NB_32NDS),
        prach: PrachConfig {
            root_sequence_index: prach.root_sequence_index,
            config_index: prach.config_index,
            high_speed: prach.high_speed_flag,
            zero_correlation_zone: prach.zero_correlation_zone_config,
            freq_offset: prach.freq_offset,
        },
        reference_signal_power_dbm: common.reference_signal_power,
        p_b: common.p_b,
        pusch: pusch(&common.pusch),
        pucch: pucch(&common.pucch),
        srs: sounding(&common.sounding),
        uplink_power: uplink_power(&common.uplink_power),
        ul_extended_cp: common.ul_cyclic_prefix_length.is_second(),
        ue_timers: timers(&block.ue_timers_and_constants.root),
        ul_earfcn: high_carrier(extended).or(block.freq_info.ul_carrier_freq.map(u32::from)),
        ul_prb: block.freq_info.ul_bandwidth.map(|bandwidth| bandwidth.of(&PRB)),
        additional_spectrum_emission: block.freq_info.additional_spectrum_emission,
        mbsfn_subframes: block.mbsfn_subframe_config_list.iter().flatten().map(mbsfn).collect(),
        time_alignment_timer_subframes: block.time_alignment_timer_common.of(&TIME_ALIGNMENT),
    }
}

/// ul-CarrierFreq-v9e0.
fn high_carrier(block: &Extensible<PackedSib2>) -> Option<u32> {
    let octets = block.late()?;
    let mut bits = Packed::new(&octets);
    let v8h0: Sib2V8h0 = bits.take("SystemInformationBlockType2-v8h0-IEs").ok()?;
    v8h0.non_critical_extension?;
    bits.take::<Sib2V9e0>("SystemInformationBlockType2-v9e0-IEs").ok()?.ul_carrier_freq
}

/// Bits that ac-BarringInfo takes: two presence bits and a flag, and each configuration its 4 + 3 + 5.
pub fn ac_barring_bits(info: &AcBarringInfo) -> usize {
    3 + 12 * (usize::from(info.for_mo_signalling.is_some()) + usize::from(info.for_mo_data.is_some()))
}

fn ac_barring(info: &AcBarringInfo) -> AcBarring {
    let config = |config: &PackedBarring| AcBarringConfig {
        factor_percent: config.factor.of(&BARRING_PERCENT),
        time_s: config.time.of(&BARRING_S),
        special_classes: config.for_special_ac,
    };
    AcBarring {
        emergency: info.for_emergency,
        mo_signalling: info.for_mo_signalling.as_ref().map(config),
        mo_data: info.for_mo_data.as_ref().map(config),
    }
}

fn rach(rach: &RachConfigCommon) -> RachConfig {
    let group_a = rach.preamble_info.group_a.as_ref().map(|group| PreamblesGroupA {
        preambles: 4 * (group.root.size.number() + 1),
        message_bits: group.root.message_size.of(&GROUP_A_BITS),
        power_offset_db: group.root.message_power_offset.of(&GROUP_B_OFFSET_DB),
    });
    RachConfig {
        preambles: 4 * (rach.preamble_info.number_of_preambles.number() + 1),
        group_a,
        power_ramping_step_db: 2 * rach.power_ramping_step.number(),
        target_power_dbm: 2 * i16::from(rach.target_power.number()) - 120,
        preamble_trans_max: rach.preamble_trans_max.of(&PREAMBLE_TRANS_MAX),
        response_window_subframes: rach.response_window_size.of(&RESPONSE_WINDOW),
        contention_resolution_subframes: 8 * (rach.contention_resolution_timer.number() + 1),
        max_harq_msg3_tx: rach.max_harq_msg3_tx,
    }
}

fn pusch(pusch: &PuschConfigCommon) -> PuschConfig {
    PuschConfig {
        n_sb: pusch.n_sb,
        hopping_intra_subframe: pusch.hopping_mode.is_second(),
        hopping_offset: pusch.hopping_offset,
        enable_64qam: pusch.enable_64qam,
        group_hopping: pusch.group_hopping_enabled,
        group_assignment: pusch.group_assignment,
        sequence_hopping: pusch.sequence_hopping_enabled,
        cyclic_shift: pusch.cyclic_shift,
    }
}

fn pucch(pucch: &PucchConfigCommon) -> PucchConfig {
    PucchConfig {
        delta_shift: pucch.delta_shift.of(&DELTA_SHIFT),
        n_rb_cqi: pucch.n_rb_cqi,
        n_cs_an: pucch.n_cs_an,
        n1_pucch_an: pucch.n1_pucch_an,
    }
}

fn sounding(sounding: &SoundingConfigCommon) -> Option<SoundingConfig> {
    let SoundingConfigCommon::Setup(setup) = sounding else { return None };
    Some(SoundingConfig {
        bandwidth_config: setup.bandwidth_config.number(),
        subframe_config: setup.subframe_config.number(),
        ack_nack_simultaneous: setup.ack_nack_simultaneous,
        max_up_pts: setup.max_up_pts.is_some(),
    })
}

fn uplink_power(power: &UplinkPowerControlCommon) -> UplinkPower {
    UplinkPower {
        p0_nominal_pusch_dbm: power.p0_nominal_pusch.into(),
        alpha_tenths: power.alpha.of(&ALPHA_TENTHS),
        p0_nominal_pucch_dbm: power.p0_nominal_pucch.into(),
        delta_f_pucch_db: [
            power.format_1.of(&DELTA_F_1),
            power.format_1b.of(&DELTA_F_1B),
            power.format_2.of(&DELTA_F_2),
            power.format_2a.of(&DELTA_F_1),
            power.format_2b.of(&DELTA_F_1),
        ],
        delta_preamble_msg3: power.delta_preamble_msg3,
    }
}

fn timers(timers: &UeTimersAndConstants) -> UeTimers {
    UeTimers {
        t300_ms: timers.t300.of(&T300_MS),
        t301_ms: timers.t301.of(&T300_MS),
        t310_ms: timers.t310.of(&T310_MS),
        n310: timers.n310.of(&N310),
        t311_ms: timers.t311.of(&T311_MS),
        n311: timers.n311.of(&N311),
    }
}

fn mbsfn(entry: &MbsfnSubframeConfig) -> MbsfnSubframes {
    let (frames, allocation) = match entry.allocation {
        SubframeAllocation::OneFrame(allocation) => (1, allocation.into()),
        SubframeAllocation::FourFrames(allocation) => (4, allocation),
    };
    MbsfnSubframes { period_frames: entry.period.of(&ALLOCATION_FRAMES), offset: entry.offset, frames, allocation }
}
