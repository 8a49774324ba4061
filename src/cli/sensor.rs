//! `daen sensor`.

use super::service::{in_file, say, start_log, stop_on_signal};
use anyhow::Context;
use daen::config::sensor::Config;
use daen::config::{self, stopped};
use daen::sensor::pipeline::{self, Until};
use daen::sensor::watchdog::Notify;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info, warn};

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
    if args.check {
        let Loaded { config, .. } = load(&args.config)?;
        say(&format!("{}: node {} is ready to run", args.config.display(), config.node))?;
        return Ok(());
    }
    let loaded = begin(&args.config)?;
    let until = if args.until_sent { Until::Sent } else { Until::Stopped };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let stop = stop_on_signal()?;
        let ended = run_and_reload(&args.config, loaded, until, stop).await;
        Notify::from_environment().send("STOPPING=1");
        ended
    })
}

/// A configuration with everything that it names checked, and what its file says.
struct Loaded {
    text: String,
    config: Config,
}

fn load(path: &Path) -> anyhow::Result<Loaded> {
    let text = config::text(path).with_context(|| path.display().to_string())?;
    parse(path, text)
}

fn parse(path: &Path, text: String) -> anyhow::Result<Loaded> {
    let config = Config::parse(path, &text).map_err(in_file(path))?;
    pipeline::check(&config).with_context(|| path.display().to_string())?;
    Ok(Loaded { text, config })
}

/// A configuration counts as good once a node has run with it for so long.
const PROVED: Duration = Duration::from_secs(5);
/// The last one that was good, in the node's state folder.
const LAST_GOOD: &str = "last-good.toml";

/// The last good configuration, where it is another one than `text`. Its folder is the one that systemd names, or the one that the
/// configuration file names even where it is wrong otherwise.
fn last_good(path: &Path, text: &str) -> Option<Loaded> {
    let of_systemd = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from);
    let table = text.parse::<toml::Table>().ok();
    let named = table.and_then(|table| table.get("state_dir")?.as_str().map(PathBuf::from));
    let named = named.map(|folder| path.parent().unwrap_or(Path::new("")).join(folder));
    let mut folders = named.into_iter().chain(of_systemd);
    let kept = folders.find_map(|folder| std::fs::read_to_string(folder.join(LAST_GOOD)).ok())?;
    if kept == text {
        return None;
    }
    parse(path, kept).inspect_err(|error| error!("nor does the last good configuration serve: {error:#}")).ok()
}

/// Keeps a configuration that has proved good: beside the file and renamed, so that a power cut leaves the old one or the new one.
fn keep(loaded: &Loaded) {
    let place = loaded.config.state_dir.join(LAST_GOOD);
    if std::fs::read_to_string(&place).is_ok_and(|kept| kept == loaded.text) {
        return;
    }
    let beside = place.with_extension("new");
    let written = std::fs::write(&beside, &loaded.text).and_then(|()| std::fs::rename(&beside, &place));
    if let Err(error) = written {
        warn!(path = %place.display(), %error, "the good configuration cannot be kept");
    }
}

/// The configuration to begin with: that of the file, or the last good one where the file is wrong.
fn begin(path: &Path) -> anyhow::Result<Loaded> {
    let error = match load(path) {
        Ok(loaded) => return Ok(loaded),
        Err(error) => error,
    };
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let Some(good) = last_good(path, &text) else { return Err(error) };
    error!("the configuration is refused and the last good one is used: {error:#}");
    good.config.remark.set(Some(format!("the configuration is refused and the last good one is used: {error:#}")));
    Ok(good)
}

/// Runs the node; at SIGHUP again with what its file says then. A file that is wrong changes nothing, and a node that does not
/// run with a new configuration goes back to the one before.
async fn run_and_reload(
    path: &Path,
    mut loaded: Loaded,
    until: Until,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut before = last_good(path, &loaded.text);
    loop {
        let (stop_node, node_stopped) = watch::channel(false);
        let mut running = std::pin::pin!(pipeline::run(loaded.config.clone(), until, node_stopped));
        let mut next: Option<Loaded> = None;
        let mut proved = false;
        let proof = tokio::time::sleep(PROVED);
        let mut proof = std::pin::pin!(proof);
        let ended = loop {
            tokio::select! {
                ended = &mut running => break ended,
                () = stopped(&mut stop), if !*stop_node.borrow() => {
                    next = None;
                    stop_node.send_replace(true);
                }
                () = &mut proof, if !proved => {
                    proved = true;
                    keep(&loaded);
                }
                Some(()) = hangup.recv(), if !*stop_node.borrow() => match load(path) {
                    Ok(new) => {
                        info!("the node takes its new configuration");
                        next = Some(new);
                        stop_node.send_replace(true);
                    }
                    Err(error) => {
                        error!("the new configuration is refused and the old one stays: {error:#}");
                        let remark = format!("the new configuration is refused and the old one stays: {error:#}");
                        loaded.config.remark.set(Some(remark));
                    }
                },
            }
        };
        match (ended, next, before.take().filter(|_| !proved)) {
            (Ok(()), Some(new), _) => before = Some(std::mem::replace(&mut loaded, new)),
            (Err(error), _, Some(old)) if !*stop.borrow() => {
                error!("the node does not run with its new configuration and goes back to the old one: {error}");
                let remark = format!("the node does not run with its new configuration; the old one is used: {error}");
                old.config.remark.set(Some(remark));
                loaded = old;
            }
            (ended, ..) => return Ok(ended?),
        }
    }
}
