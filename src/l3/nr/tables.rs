//! Values by number; TS 38.331 clauses 6.2.2, 6.3.2 and 6.3.1.

/// SubcarrierSpacing; the last one is spare.
pub const SCS_KHZ: [u16; 8] = [15, 30, 60, 120, 240, 480, 960, 0];

/// connEstFailOffsetValidity.
pub const FAIL_VALIDITY_S: [u16; 8] = [30, 60, 120, 240, 300, 420, 600, 900];

/// si-Periodicity, radio frames.
pub const SI_PERIOD_FRAMES: [u16; 7] = [8, 16, 32, 64, 128, 256, 512];

/// si-WindowLength, the last two of Release 17.
pub const SI_WINDOW_SLOTS: [u16; 11] = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120];

/// Types in SIB-TypeInfo's root: 2 to 14, and three that are spare.
pub const LAST_ROOT_TYPE: u8 = 14;

/// modificationPeriodCoeff.
pub const MODIFICATION_COEFF: [u8; 4] = [2, 4, 8, 16];

/// defaultPagingCycle.
pub const PAGING_FRAMES: [u16; 4] = [32, 64, 128, 256];

/// n-TimingAdvanceOffset, T_c.
pub const TIMING_ADVANCE_OFFSET: [u16; 3] = [0, 25_600, 39_936];

/// ssb-PeriodicityServingCell.
pub const SSB_PERIOD_MS: [u8; 6] = [5, 10, 20, 40, 80, 160];

/// dl-UL-TransmissionPeriodicity.
pub const TDD_PERIOD_US: [u16; 8] = [500, 625, 1000, 1250, 2000, 2500, 5000, 10_000];

/// dl-UL-TransmissionPeriodicity-v1530.
pub const TDD_PERIOD_V1530_US: [u16; 2] = [3000, 4000];

/// msg1-FDM.
pub const MSG1_FDM: [u8; 4] = [1, 2, 4, 8];

/// preambleTransMax.
pub const PREAMBLE_TRANS_MAX: [u8; 11] = [3, 4, 5, 6, 7, 8, 10, 20, 50, 100, 200];

/// powerRampingStep.
pub const RAMPING_STEP_DB: [u8; 4] = [0, 2, 4, 6];

/// ra-ResponseWindow.
pub const RESPONSE_WINDOW_SLOTS: [u8; 8] = [1, 2, 4, 8, 10, 20, 40, 80];

/// ra-ContentionResolutionTimer.
pub const CONTENTION_SUBFRAMES: [u8; 8] = [8, 16, 24, 32, 40, 48, 56, 64];

/// timeAlignmentTimer; none is infinity.
pub const TIME_ALIGNMENT_MS: [Option<u16>; 8] =
    [Some(500), Some(750), Some(1280), Some(1920), Some(2560), Some(5120), Some(10_240), None];

/// t300, t301 and t319.
pub const T300_MS: [u16; 8] = [100, 200, 300, 400, 600, 1000, 1500, 2000];

/// t310.
pub const T310_MS: [u16; 7] = [0, 50, 100, 200, 500, 1000, 2000];

/// n310.
pub const N310: [u8; 8] = [1, 2, 3, 4, 6, 8, 10, 20];

/// t311.
pub const T311_MS: [u16; 7] = [1000, 3000, 5000, 10_000, 15_000, 20_000, 30_000];

/// n311.
pub const N311: [u8; 8] = [1, 2, 3, 4, 5, 6, 8, 10];

/// uac-BarringFactor.
pub const BARRING_PERCENT: [u8; 16] = [0, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95];

/// uac-BarringTime.
pub const BARRING_S: [u16; 8] = [4, 8, 16, 32, 64, 128, 256, 512];
