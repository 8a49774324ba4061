//! The node's place and time, by the real gpsd fed by its own gpsfake.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::config::wall_clock;
use daen::observation::{Clock, ClockSource, Position};
use daen::sensor::gpsd;
use daen::sensor::whereabouts::{Begin, Stand, State, Whereabouts};
use daen::units::Nanos;
use std::fmt::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const HERE: Position = Position { lat_deg: 13.69, lon_deg: 102.5, height_m: Some(12.0), sigma_m: Some(2.0) };
/// Degrees of longitude in which the receiver is pulled away, and metres of them at this latitude.
const PULL_DEG: f64 = 0.005;
const PULL_M: f64 = PULL_DEG * 111_195.0 * 0.97159;

fn sentence(text: &str) -> String {
    let sum = text.bytes().fold(0, |sum, octet| sum ^ octet);
    format!("${text}*{sum:02X}\r\n")
}

/// What a receiver says that stands still for a minute and is then pulled away, 50 m in each of ten seconds, and kept there.
fn log() -> String {
    let minutes =
        |degrees: f64, width: usize| format!("{:0width$}{:08.5}", degrees.trunc() as u32, degrees.fract() * 60.0);
    let mut text = String::new();
    for second in 0..200u32 {
        let time = format!("{:02}{:02}{:02}.00", 3, second / 60, second % 60);
        let lon = HERE.lon_deg + PULL_DEG * (f64::from(second.saturating_sub(60)) / 10.0).min(1.0);
        let place = format!("{},N,{},E", minutes(HERE.lat_deg, 2), minutes(lon, 3));
        text += &sentence(&format!("GPGGA,{time},{place},1,08,1.0,42.0,M,-30.0,M,,"));
        text += &sentence("GPGSA,A,3,01,02,03,04,05,06,07,08,,,,,1.8,1.0,1.5");
        write!(text, "{}", sentence(&format!("GPRMC,{time},A,{place},0.0,0.0,221126,,,A"))).unwrap();
    }
    text
}

/// Ended by its process id; gpsfake takes its gpsd with it.
struct Fake(Child);

impl Fake {
    fn end(&mut self) {
        let id = self.0.id();
        Command::new("/bin/sh").args(["-c", &format!("kill -TERM {id}")]).status().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.end();
        }
    }
}

fn start(folder: &Path) -> Option<(Fake, SocketAddr)> {
    let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default());
    let there = |name: &str| path.split(':').any(|folder| Path::new(folder).join(name).is_file());
    if !there("gpsd") || !there("gpsfake") {
        println!("skipped: gpsd and gpsfake are not installed (Debian: apt-get install gpsd gpsd-clients python3-gps)");
        return None;
    }
    std::fs::write(folder.join("log.nmea"), log()).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("gpsfake");
    command.env("PATH", &path).args(["-q", "-1", "-c", "0.03", "-P", &port.to_string()]).arg(folder.join("log.nmea"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let fake = Fake(child);
    wait("gpsd to listen", || TcpStream::connect(address).is_ok());
    Some((fake, address))
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(120), "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn whereabouts(stand: Option<Stand>) -> Arc<Whereabouts> {
    let clock = Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None };
    let begin =
        Begin { stand, away_m: 100.0, navigation: true, clock, by_host: true, stamp: Nanos(0), now: wall_clock() };
    Arc::new(Whereabouts::new(begin))
}

#[test]
fn the_real_gpsd_tells_place_and_satellites_and_that_somebody_pulls_the_receiver_away() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut fake, address)) = start(folder.path()) else { return };
    let (fixed, moving) = (whereabouts(Some(Stand::Surveyed(HERE))), whereabouts(None));
    let survey = whereabouts(Some(Stand::Survey(Nanos::from_secs(3600))));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = [&fixed, &moving, &survey]
        .map(|one| {
            let (one, stop) = (one.clone(), stop.clone());
            std::thread::spawn(move || gpsd::run(address, &one, &stop, wall_clock))
        })
        .into();
    let state = |one: &Whereabouts| -> State { one.at(wall_clock()) };
    let metres = |state: &State| state.position.map(|p| (p.lon_deg - HERE.lon_deg) * PULL_M / PULL_DEG);
    wait("a fix", || state(&moving).position.is_some() && state(&survey).position.is_some());
    let first = state(&moving);
    assert!(metres(&first).unwrap().abs() < PULL_M + 1.0, "{first:?}");
    wait("the pull to be noticed", || {
        state(&fixed).warnings.iter().any(|warning| warning.contains("100 m from the surveyed"))
    });
    let pulled = state(&fixed);
    assert_eq!(pulled.position, Some(HERE), "a surveyed position stays");
    assert!(!pulled.clock.locked, "and the time of a receiver that is deceived is not believed");
    assert!(pulled.navigation.as_ref().unwrap().contains("satellites"), "{pulled:?}");
    wait("the moving node to be there", || metres(&state(&moving)).is_some_and(|m| (m - PULL_M).abs() < 1.0));
    let height = state(&moving).position.unwrap().height_m.unwrap();
    assert!((height - 12.0).abs() < 0.2, "above the ellipsoid: 42 m above the sea, which lies 30 m below it; {height}");
    // The log is of another hour than this machine's clock.
    assert!(pulled.warnings.iter().any(|warning| warning.contains("contradict")), "{pulled:?}");
    fake.end();
    wait("gpsd to be missed", || {
        let later = wall_clock() + Nanos::from_secs(120);
        let state = fixed.at(later);
        state.warnings.iter().any(|warning| warning == "gpsd does not answer")
            && state.navigation.unwrap().contains("gpsd does not answer")
    });
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
}
