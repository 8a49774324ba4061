//! What systemd is told: that the node is up, that it works, that it stops.
//!
//! The watchdog is fed only while samples are received and judged, so that systemd starts a node afresh whose driver, receiver
//! or disk has got stuck in a way that nothing inside it noticed.
//!
//! ## References
//! - sd_notify(3): the socket, `READY=1`, `STOPPING=1`, `WATCHDOG=1` and `WATCHDOG_USEC`

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// A receiver that is known to have failed, and is being opened again, is excused for this long. Chosen: the hub hears why
/// before the process is started afresh, which also resets the driver.
const EXCUSED: Duration = Duration::from_secs(600);

/// The way to systemd; silent where the process was not started by it.
#[derive(Debug)]
pub struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How often the watchdog wants to be fed.
    pub watchdog: Option<Duration>,
}

impl Notify {
    /// As the variables `NOTIFY_SOCKET` and `WATCHDOG_USEC` say.
    pub fn new(socket: Option<&str>, watchdog_usec: Option<&str>) -> Notify {
        let address = socket.and_then(|name| match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(name).ok(),
        });
        let socket = address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address)));
        let usec = watchdog_usec.and_then(|text| text.parse().ok()).filter(|usec| *usec > 0);
        Notify { socket, watchdog: usec.map(Duration::from_micros) }
    }

    /// As the environment says.
    pub fn from_environment() -> Notify {
        let text = |name| std::env::var(name).ok();
        Notify::new(text("NOTIFY_SOCKET").as_deref(), text("WATCHDOG_USEC").as_deref())
    }

    /// Sends one assignment, such as `READY=1`. A systemd that does not listen is no reason to fail.
    pub fn send(&self, assignment: &str) {
        if let Some((socket, address)) = &self.socket {
            let _ = socket.send_to_addr(assignment.as_bytes(), address);
        }
    }
}

/// How the source is, for the watchdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Samples should come.
    Expected,
    /// The source says itself why none come, and tries again.
    Excused,
    /// None will come: a recording has ended, or a test source has none.
    Over,
}

/// Whether the watchdog is to be fed.
#[derive(Debug)]
pub struct Feed {
    interval: Duration,
    samples: u64,
    /// When samples were last judged, and the watchdog was last fed; since the start.
    moved: Duration,
    fed: Option<Duration>,
}

impl Feed {
    /// For a watchdog that wants to be fed every `interval`.
    pub fn new(interval: Duration) -> Feed {
        Feed { interval, samples: 0, moved: Duration::ZERO, fed: None }
    }

    /// Whether to feed it at `now` (since the start), with `samples` judged so far. It is fed four times an interval, and not
    /// when nothing has moved for half of one.
    pub fn is_due(&mut self, now: Duration, samples: u64, flow: Flow) -> bool {
        if samples != self.samples {
            (self.samples, self.moved) = (samples, now);
        }
        let still = now.saturating_sub(self.moved);
        let good = match flow {
            Flow::Expected => still <= self.interval / 2,
            Flow::Excused => still <= EXCUSED,
            Flow::Over => true,
        };
        let due = self.fed.is_none_or(|fed| now.saturating_sub(fed) >= self.interval / 4);
        if good && due {
            self.fed = Some(now);
        }
        good && due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_hears_what_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let notify = Notify::new(path.to_str(), Some("60000000"));
        assert_eq!(notify.watchdog, Some(Duration::from_secs(60)));
        notify.send("READY=1");
        let mut octets = [0; 64];
        let length = systemd.recv(&mut octets).unwrap();
        assert_eq!(&octets[..length], b"READY=1");
        // Nobody there, nothing asked for, nonsense: all of it is silence.
        drop(systemd);
        notify.send("WATCHDOG=1");
        for usec in [None, Some("0"), Some("soon")] {
            let notify = Notify::new(None, usec);
            notify.send("READY=1");
            assert_eq!(notify.watchdog, None);
        }
    }

    #[test]
    fn the_watchdog_is_fed_while_samples_flow_and_starves_when_they_stop() {
        let at = Duration::from_secs_f64;
        let mut feed = Feed::new(at(60.0));
        assert!(feed.is_due(at(0.0), 0, Flow::Expected), "the start has its time");
        assert!(!feed.is_due(at(10.0), 1000, Flow::Expected), "not more often than needed");
        assert!(feed.is_due(at(15.0), 2000, Flow::Expected));
        assert!(feed.is_due(at(45.0), 2000, Flow::Expected), "half an interval without samples is borne");
        assert!(!feed.is_due(at(46.0), 2000, Flow::Expected));
        assert!(!feed.is_due(at(1000.0), 2000, Flow::Expected), "then it starves");
        assert!(feed.is_due(at(1001.0), 2001, Flow::Expected), "until they flow again");
    }

    #[test]
    fn a_receiver_that_says_what_is_wrong_is_excused_for_a_while_and_an_ended_recording_for_ever() {
        let at = Duration::from_secs;
        let mut feed = Feed::new(at(60));
        assert!(feed.is_due(at(100), 5, Flow::Expected));
        assert!(feed.is_due(at(700), 5, Flow::Excused));
        assert!(!feed.is_due(at(801), 5, Flow::Excused));
        assert!(feed.is_due(at(100_000), 5, Flow::Over));
    }
}
