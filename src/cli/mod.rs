//! The command line: one file a subcommand. The only place that uses `anyhow`.

use clap::{Parser, Subcommand};

#[cfg(feature = "sensor")]
mod calibrate;
#[cfg(all(feature = "sensor", feature = "hub"))]
mod demo;
#[cfg(feature = "hub")]
mod hub;
mod locate;
#[cfg(feature = "sensor")]
mod replay;
#[cfg(feature = "sensor")]
mod scan;
#[cfg(feature = "sensor")]
mod sensor;
#[cfg(any(feature = "sensor", feature = "hub"))]
mod service;
#[cfg(feature = "sensor")]
mod synth;

/// Finds base stations that should not be there; receives only.
#[derive(Debug, Parser)]
#[command(name = "daen", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Receive and judge recordings, faster than real time.
    #[cfg(feature = "sensor")]
    Replay(replay::Args),
    /// Show what is on the air, from a receiver or a recording; list receivers.
    #[cfg(feature = "sensor")]
    Scan(scan::Args),
    /// Run a node: receive, judge, spool and publish.
    #[cfg(feature = "sensor")]
    Sensor(sensor::Args),
    /// Run the hub: collect, store, raise alerts and serve the pages.
    #[cfg(feature = "hub")]
    Hub(hub::Args),
    /// Measure a receiver: its clock, levels and delay; write its calibration file.
    #[cfg(feature = "sensor")]
    Calibrate(calibrate::Args),
    /// Place transmitters from recorded observations.
    Locate(locate::Args),
    /// Write synthetic recordings and scenes, with the truth beside them.
    #[cfg(feature = "sensor")]
    Synth(synth::Args),
    /// Show everything at work: a hub, four nodes and a stretch of border with an SMS blaster.
    #[cfg(all(feature = "sensor", feature = "hub"))]
    Demo(demo::Args),
}

/// Runs the subcommand that was asked for.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        #[cfg(feature = "sensor")]
        Command::Replay(args) => replay::run(args),
        #[cfg(feature = "sensor")]
        Command::Scan(args) => scan::run(args),
        #[cfg(feature = "sensor")]
        Command::Sensor(args) => sensor::run(args),
        #[cfg(feature = "hub")]
        Command::Hub(args) => hub::run(args),
        #[cfg(feature = "sensor")]
        Command::Calibrate(args) => calibrate::run(args),
        Command::Locate(args) => locate::run(args),
        #[cfg(feature = "sensor")]
        Command::Synth(args) => synth::run(args),
        #[cfg(all(feature = "sensor", feature = "hub"))]
        Command::Demo(args) => demo::run(args),
    }
}
