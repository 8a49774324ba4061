//! Rules: observations in, findings out.
pub mod plan;
pub mod register;
