//! Rules: observations in, findings out.
