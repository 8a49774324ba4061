//! `daen replay`.

use anyhow::bail;

/// Options of `daen replay`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<()> {
    bail!("replay is being built");
}
