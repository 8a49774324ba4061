//! The synthetic beacons and scenes against the standard's limits and against their own truth.

mod synth {
    mod demodulate;
    mod scene;
    mod signal;
    mod subcommand;
}
