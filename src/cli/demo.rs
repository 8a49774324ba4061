//! `daen demo`.

use anyhow::bail;

/// Options of `daen demo`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<()> {
    bail!("demo is being built");
}
