//! `daen hub`.

use anyhow::bail;

/// Options of `daen hub`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<()> {
    bail!("hub is being built");
}
