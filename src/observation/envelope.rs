//! Signed envelopes between node and hub.
