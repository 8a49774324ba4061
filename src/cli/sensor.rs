//! `daen sensor`.

use super::service::{say, start_log, stop_on_signal};
use anyhow::Context;
use daen::config::sensor::Config;
use daen::sensor::pipeline::{self, Until};
use std::path::PathBuf;

/// Options of `daen sensor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The node's configuration (TOML); `daen hub --init` makes one, systemd/sensor.example.toml explains every key.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration and everything that it names, and start nothing.
    #[arg(long)]
    check: bool,
    /// End when the source has ended and the hub has acknowledged everything, instead of running on.
    #[arg(long, conflicts_with = "check")]
    until_sent: bool,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<()> {
    start_log();
    let config = Config::load(&args.config).with_context(|| args.config.display().to_string())?;
    if args.check {
        pipeline::check(&config).with_context(|| args.config.display().to_string())?;
        say(&format!("{}: node {} is ready to run", args.config.display(), config.node))?;
        return Ok(());
    }
    let until = if args.until_sent { Until::Sent } else { Until::Stopped };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let stop = stop_on_signal()?;
        Ok(pipeline::run(config, until, stop).await?)
    })
}
