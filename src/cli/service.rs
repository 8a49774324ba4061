//! What the long-running subcommands share: their log, and how they are told to stop.

use daen::config::ConfigError;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// Log lines go to stderr; `DAEN_LOG` chooses which (`debug`, `daen=trace`, ...), `info` where it is not set.
pub fn start_log() {
    let filter = EnvFilter::try_from_env("DAEN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // A second call, as in `daen demo`, changes nothing.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr);
    let _ = log.with_ansi(std::io::stderr().is_terminal()).try_init();
}

/// Says in which configuration a value is wrong; the other errors name their file themselves.
pub fn in_file(path: &Path) -> impl FnOnce(ConfigError) -> anyhow::Error {
    move |error| match error {
        ConfigError::Value { .. } => anyhow::Error::new(error).context(path.display().to_string()),
        error => error.into(),
    }
}

/// A signal within this time of the first is the same wish told twice: a terminal, `make` and `timeout` each pass it on.
const SAME_WISH: Duration = Duration::from_secs(1);

/// Becomes true at the first SIGTERM or SIGINT; a later one ends the process at once. Call inside a Tokio runtime.
///
/// # Errors
/// The system's, where signals cannot be caught.
pub fn stop_on_signal() -> std::io::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        let mut first: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if first.get_or_insert_with(Instant::now).elapsed() > SAME_WISH {
                // 128 + SIGINT, as shells report it.
                std::process::exit(130);
            }
            sender.send_replace(true);
        }
    });
    Ok(receiver)
}

/// Writes a line to stdout; a reader that has gone (`| head`) is an error, not a panic.
///
/// # Errors
/// The system's.
pub fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}
