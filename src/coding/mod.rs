//! Channel coding that knows no radio: hard bits are `u8` of 0 or 1, soft bits are `f32` log-likelihood ratios.
//!
//! A soft bit is `log P(bit = 0) / P(bit = 1)`: positive means zero, magnitude means confidence, 0.0 means nothing is known.

pub mod crc;
pub mod dl_sch;
pub mod dl_sch_nr;
pub mod gold;
pub mod ldpc;
pub mod polar;
pub mod rate_match;
pub mod rate_match_turbo;
pub mod tail_biting;
pub mod turbo;
pub mod viterbi;
