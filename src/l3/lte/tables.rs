//! Values by number; TS 36.331 clause 6.3.

/// Resource blocks by dl-Bandwidth, ul-Bandwidth or allowedMeasBandwidth.
pub const PRB: [u8; 6] = [6, 15, 25, 50, 75, 100];

/// phich-Resource, sixths.
pub const PHICH_SIXTHS: [u8; 4] = [1, 3, 6, 12];

/// si-Periodicity, radio frames.
pub const SI_PERIOD_FRAMES: [u16; 7] = [8, 16, 32, 64, 128, 256, 512];

/// si-WindowLength.
pub const SI_WINDOW_MS: [u8; 7] = [1, 2, 5, 10, 15, 20, 40];

/// SIB types that extend the list of sixteen, by number of the addition; clause 6.2.2. 26a counts as 26.
pub const LATER_TYPES: [u8; 14] = [19, 20, 21, 24, 25, 26, 26, 27, 28, 29, 30, 31, 32, 33];

/// ac-BarringFactor.
pub const BARRING_PERCENT: [u8; 16] = [0, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95];

/// ac-BarringTime.
pub const BARRING_S: [u16; 8] = [4, 8, 16, 32, 64, 128, 256, 512];

/// modificationPeriodCoeff.
pub const MODIFICATION_COEFF: [u8; 4] = [2, 4, 8, 16];

/// defaultPagingCycle.
pub const PAGING_FRAMES: [u16; 4] = [32, 64, 128, 256];

/// nB in 1/32 of the paging cycle.
pub const NB_32NDS: [u8; 8] = [128, 64, 32, 16, 8, 4, 2, 1];

/// messageSizeGroupA.
pub const GROUP_A_BITS: [u16; 4] = [56, 144, 208, 256];

/// messagePowerOffsetGroupB; none is minus infinity.
pub const GROUP_B_OFFSET_DB: [Option<u8>; 8] =
    [None, Some(0), Some(5), Some(8), Some(10), Some(12), Some(15), Some(18)];

/// preambleTransMax.
pub const PREAMBLE_TRANS_MAX: [u8; 11] = [3, 4, 5, 6, 7, 8, 10, 20, 50, 100, 200];

/// ra-ResponseWindowSize.
pub const RESPONSE_WINDOW: [u8; 8] = [2, 3, 4, 5, 6, 7, 8, 10];

/// deltaPUCCH-Shift.
pub const DELTA_SHIFT: [u8; 3] = [1, 2, 3];

/// alpha.
pub const ALPHA_TENTHS: [u8; 8] = [0, 4, 5, 6, 7, 8, 9, 10];

/// deltaF-PUCCH-Format1, 2a and 2b.
pub const DELTA_F_1: [i8; 3] = [-2, 0, 2];

/// deltaF-PUCCH-Format1b.
pub const DELTA_F_1B: [i8; 3] = [1, 3, 5];

/// deltaF-PUCCH-Format2.
pub const DELTA_F_2: [i8; 4] = [-2, 0, 1, 2];

/// t300 and t301.
pub const T300_MS: [u16; 8] = [100, 200, 300, 400, 600, 1000, 1500, 2000];

/// t310.
pub const T310_MS: [u16; 7] = [0, 50, 100, 200, 500, 1000, 2000];

/// n310.
pub const N310: [u8; 8] = [1, 2, 3, 4, 6, 8, 10, 20];

/// t311.
pub const T311_MS: [u16; 7] = [1000, 3000, 5000, 10_000, 15_000, 20_000, 30_000];

/// n311.
pub const N311: [u8; 8] = [1, 2, 3, 4, 5, 6, 8, 10];

/// timeAlignmentTimerCommon; none is infinity.
pub const TIME_ALIGNMENT: [Option<u16>; 8] =
    [Some(500), Some(750), Some(1280), Some(1920), Some(2560), Some(5120), Some(10_240), None];

/// radioframeAllocationPeriod.
pub const ALLOCATION_FRAMES: [u8; 6] = [1, 2, 4, 8, 16, 32];

/// Q-OffsetRange.
pub const Q_OFFSET_DB: [i8; 31] = [
    -24, -22, -20, -18, -16, -14, -12, -10, -8, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20,
    22, 24,
];

/// q-Hyst.
pub const Q_HYST_DB: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24];

/// t-Evaluation and t-HystNormal; none is spare.
pub const SPEED_S: [Option<u16>; 8] = [Some(30), Some(60), Some(120), Some(180), Some(240), None, None, None];

/// sf-Medium and sf-High of q-HystSF.
pub const Q_HYST_SF_DB: [i8; 4] = [-6, -4, -2, 0];

/// sf-Medium and sf-High of a reselection timer.
pub const SCALE_PERCENT: [u8; 4] = [25, 50, 75, 100];

/// range of PhysCellIdRange; 0 is spare.
pub const PCI_COUNT: [u16; 16] = [4, 8, 12, 16, 24, 32, 48, 64, 84, 96, 128, 168, 252, 504, 0, 0];

/// non-MBSFNregionLength.
pub const NON_MBSFN_SYMBOLS: [u8; 2] = [1, 2];

/// mcch-RepetitionPeriod.
pub const MCCH_FRAMES: [u16; 4] = [32, 64, 128, 256];

/// mcch-ModificationPeriod.
pub const MCCH_MODIFICATION_FRAMES: [u16; 2] = [512, 1024];

/// signallingMCS.
pub const SIGNALLING_MCS: [u8; 4] = [2, 7, 13, 19];

/// notificationRepetitionCoeff.
pub const NOTIFICATION_COEFF: [u8; 2] = [2, 4];
