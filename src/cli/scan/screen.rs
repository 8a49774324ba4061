//! The terminal that a live scan is drawn on: its size, and that it is left as it was found.

use anyhow::Context as _;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::signal::unix::{SignalKind, signal};

/// What is taken for the size where the terminal does not say.
const USUAL: (usize, usize) = (80, 24);

#[derive(Debug, Default)]
struct Size {
    columns: AtomicUsize,
    lines: AtomicUsize,
    changed: AtomicBool,
}

impl Size {
    fn measure(&self) {
        let (columns, lines) = measured().unwrap_or(USUAL);
        self.columns.store(columns, Ordering::Relaxed);
        self.lines.store(lines, Ordering::Relaxed);
        self.changed.store(true, Ordering::Relaxed);
    }
}

/// A terminal on its second screen, without a cursor, until this is dropped.
pub struct Screen(Arc<Size>);

impl Screen {
    /// Takes the terminal, and follows its size on `runtime`.
    pub fn open(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Screen> {
        let size = Arc::new(Size::default());
        size.measure();
        let mut resized = {
            let _inside = runtime.enter();
            signal(SignalKind::window_change()).context("changes of the terminal's size cannot be followed")?
        };
        let followed = size.clone();
        runtime.spawn(async move {
            while resized.recv().await.is_some() {
                let size = followed.clone();
                // Fails only while the runtime ends.
                let _ = tokio::task::spawn_blocking(move || size.measure()).await;
            }
        });
        write("\x1b[?1049h\x1b[?25l\x1b[H\x1b[J");
        Ok(Screen(size))
    }

    /// Columns and lines.
    pub fn size(&self) -> (usize, usize) {
        (self.0.columns.load(Ordering::Relaxed), self.0.lines.load(Ordering::Relaxed))
    }

    /// Whether the size has changed since this was asked.
    pub fn changed(&self) -> bool {
        self.0.changed.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        write("\x1b[?25h\x1b[?1049l");
    }
}

fn write(sequence: &str) {
    let mut out = std::io::stdout().lock();
    // A terminal that is gone needs no more of it.
    let _ = out.write_all(sequence.as_bytes()).and_then(|()| out.flush());
}

/// The size as `stty` gives it, lines and then columns.
fn measured() -> Option<(usize, usize)> {
    let terminal = std::fs::File::open("/dev/tty").ok()?;
    let output = Command::new("stty").arg("size").stdin(Stdio::from(terminal)).output().ok()?;
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn parse(text: &str) -> Option<(usize, usize)> {
    let (lines, columns) = text.trim().split_once(' ')?;
    let (lines, columns): (usize, usize) = (lines.parse().ok()?, columns.parse().ok()?);
    // Some terminals that nobody looks at say 0.
    (lines > 0 && columns > 0).then_some((columns, lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_read_as_stty_says_it() {
        assert_eq!(parse("24 80\n"), Some((80, 24)));
        assert_eq!((parse("0 0\n"), parse("what?"), parse("")), (None, None, None));
    }
}
