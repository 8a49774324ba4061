//! The synthetic beacons and scenes against the standard's limits and against their own truth.

#![cfg(feature = "sensor")]
// A test that cannot go on should stop at once, in its helpers as well.
#![allow(clippy::unwrap_used)]

mod synth {
    mod demodulate;
    mod heard;
    mod scene;
    mod signal;
    mod subcommand;
}
