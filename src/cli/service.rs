//! What the long-running subcommands share: their log, and how they are told to stop.

use std::io::IsTerminal;
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

/// Becomes true at the first SIGTERM or SIGINT; the second one ends the process at once. Call inside a Tokio runtime.
///
/// # Errors
/// The system's, where signals cannot be caught.
pub fn stop_on_signal() -> std::io::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if *sender.borrow() {
                // 128 + SIGINT, as shells report it.
                std::process::exit(130);
            }
            sender.send_replace(true);
        }
    });
    Ok(receiver)
}
