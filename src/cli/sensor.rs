//! `daen sensor`.

use anyhow::bail;

/// Options of `daen sensor`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<()> {
    bail!("sensor is being built");
}
