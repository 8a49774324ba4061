//! `daen synth`.

use anyhow::bail;

/// Options of `daen synth`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<()> {
    bail!("synth is being built");
}
