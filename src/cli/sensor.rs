//! `daen sensor`.

use super::service::{say, start_log, stop_on_signal};
use anyhow::Context;
use daen::config::sensor::Config;
use daen::config::stopped;
use daen::sensor::pipeline::{self, Until};
use daen::sensor::watchdog::Notify;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info};

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
    let config = load(&args.config)?;
    if args.check {
        say(&format!("{}: node {} is ready to run", args.config.display(), config.node))?;
        return Ok(());
    }
    let until = if args.until_sent { Until::Sent } else { Until::Stopped };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let stop = stop_on_signal()?;
        let ended = run_and_reload(&args.config, config, until, stop).await;
        Notify::from_environment().send("STOPPING=1");
        ended
    })
}

/// A configuration with everything that it names checked.
fn load(path: &Path) -> anyhow::Result<Config> {
    let config = Config::load(path).with_context(|| path.display().to_string())?;
    pipeline::check(&config).with_context(|| path.display().to_string())?;
    Ok(config)
}

/// Runs the node; at SIGHUP again with what its file says then. A file that is wrong changes nothing, and a node that does not
/// run with a new configuration goes back to the one before.
async fn run_and_reload(
    path: &Path,
    mut config: Config,
    until: Until,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut before: Option<Config> = None;
    loop {
        let (stop_node, node_stopped) = watch::channel(false);
        let mut running = std::pin::pin!(pipeline::run(config.clone(), until, node_stopped));
        let mut next: Option<Config> = None;
        let ended = loop {
            tokio::select! {
                ended = &mut running => break ended,
                () = stopped(&mut stop), if !*stop_node.borrow() => {
                    next = None;
                    stop_node.send_replace(true);
                }
                Some(()) = hangup.recv(), if !*stop_node.borrow() => match load(path) {
                    Ok(new) => {
                        info!("the node takes its new configuration");
                        next = Some(new);
                        stop_node.send_replace(true);
                    }
                    Err(error) => error!("the new configuration is refused and the old one stays: {error:#}"),
                },
            }
        };
        match (ended, next, before.take()) {
            (Ok(()), Some(new), _) => before = Some(std::mem::replace(&mut config, new)),
            (Err(error), _, Some(old)) if !*stop.borrow() => {
                error!("the node does not run with its new configuration and goes back to the old one: {error}");
                config = old;
            }
            (ended, ..) => return Ok(ended?),
        }
    }
}
