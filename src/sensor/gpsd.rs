//! A client of gpsd: the navigation receiver's fixes, satellites and pulse.
//!
//! gpsd is asked to watch (`?WATCH`) and then talks; lines are JSON objects with a `class`. Everything it says is untrusted: lines are
//! bounded, fields that are not numbers are absent. A connection that breaks is made again with growing pauses.
//!
//! ## References
//! - gpsd_json(5) of gpsd 3.22: TPV, SKY, PPS, DEVICES and WATCH

use super::whereabouts::{Fix, Pulse, Sky, Whereabouts};
use crate::observation::Position;
use crate::radio::datetime;
use crate::units::{Nanos, Timestamp};
use serde::Deserialize;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longest line that is taken. gpsd_json(5): a response is at most 10,240 characters; DEVICES and long sky views are longer on some.
const LONGEST_LINE: usize = 1 << 16;
/// Until a connection is given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the word to stop is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// First and longest pause between attempts.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

const WATCH: &str = "?WATCH={\"enable\":true,\"json\":true,\"pps\":true};\n";

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// Time, position, velocity.
    Fix(Fix),
    /// Satellites.
    Sky(Sky),
    /// The pulse per second, against the system's clock.
    Pulse(Pulse),
    /// Anything else.
    Other,
}

#[derive(Deserialize)]
struct Line {
    class: String,
    #[serde(default)]
    mode: u8,
    time: Option<String>,
    lat: Option<f64>,
    lon: Option<f64>,
    #[serde(rename = "altHAE")]
    alt_hae: Option<f64>,
    eph: Option<f64>,
    epx: Option<f64>,
    epy: Option<f64>,
    speed: Option<f64>,
    #[serde(default)]
    satellites: Vec<Satellite>,
    real_sec: Option<i64>,
    real_nsec: Option<i64>,
    clock_sec: Option<i64>,
    clock_nsec: Option<i64>,
}

#[derive(Deserialize)]
struct Satellite {
    #[serde(default)]
    used: bool,
}

/// A line of gpsd; [`Report::Other`] where it is not one that is looked for, or malformed.
pub fn parse(text: &str) -> Report {
    let Ok(line) = serde_json::from_str::<Line>(text) else { return Report::Other };
    match line.class.as_str() {
        "TPV" => Report::Fix(line.fix()),
        "SKY" => Report::Sky(Sky {
            used: line.satellites.iter().filter(|satellite| satellite.used).count(),
            seen: line.satellites.len(),
        }),
        "PPS" => {
            let instant =
                |seconds: Option<i64>, nanos: Option<i64>| seconds?.checked_mul(1_000_000_000)?.checked_add(nanos?);
            let real = instant(line.real_sec, line.real_nsec);
            let clock = instant(line.clock_sec, line.clock_nsec);
            let ahead = real.zip(clock).and_then(|(real, clock)| clock.checked_sub(real));
            ahead.map_or(Report::Other, |ahead| Report::Pulse(Pulse { ahead: Nanos(ahead) }))
        }
        _ => Report::Other,
    }
}

impl Line {
    fn fix(&self) -> Fix {
        let good = |value: Option<f64>, least: f64, most: f64| value.filter(|value| (least..=most).contains(value));
        let horizontal = good(self.epx, 0.0, 1e7).zip(good(self.epy, 0.0, 1e7)).map(|(x, y)| x.hypot(y));
        let lat_lon = good(self.lat, -90.0, 90.0).zip(good(self.lon, -180.0, 180.0));
        let position = lat_lon.filter(|_| self.mode >= 2).map(|(lat_deg, lon_deg)| Position {
            lat_deg,
            lon_deg,
            height_m: good(self.alt_hae, -1000.0, 20_000.0).filter(|_| self.mode >= 3),
            // gpsd tells 95 % bounds; two standard deviations.
            sigma_m: good(self.eph, 0.0, 1e7).or(horizontal).map(|bound| bound / 2.0),
        });
        Fix {
            mode: self.mode,
            time: self.time.as_deref().and_then(datetime::parse),
            position,
            speed_m_s: good(self.speed, 0.0, 1e5),
        }
    }
}

/// Cuts a stream into lines; one that is too long makes it fail.
#[derive(Debug, Default)]
struct Lines {
    held: Vec<u8>,
}

impl Lines {
    /// Takes `octets` and hands every whole line to `take`. `false`: a line is too long.
    fn push(&mut self, octets: &[u8], mut take: impl FnMut(&str)) -> bool {
        for octet in octets {
            match octet {
                b'\n' => {
                    take(std::str::from_utf8(&self.held).unwrap_or("").trim());
                    self.held.clear();
                }
                _ if self.held.len() >= LONGEST_LINE => return false,
                octet => self.held.push(*octet),
            }
        }
        true
    }
}

/// Listens to gpsd until `stop`, and tells `whereabouts`. `now` is the system's clock.
pub fn run(address: SocketAddr, whereabouts: &Whereabouts, stop: &AtomicBool, now: impl Fn() -> Timestamp) {
    let mut pause = PAUSE.0;
    while !stop.load(Ordering::Relaxed) {
        let ended = listen(address, whereabouts, stop, &now, &mut pause);
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let problem = ended.map_or_else(|error| error.to_string(), |()| "it closed the connection".to_owned());
        tracing::debug!(%address, %problem, "no connection to gpsd");
        whereabouts.disconnected();
        let mut waited = Duration::ZERO;
        while waited < pause && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
            waited += LOOK;
        }
        pause = (pause * 2).min(PAUSE.1);
    }
}

fn listen(
    address: SocketAddr,
    whereabouts: &Whereabouts,
    stop: &AtomicBool,
    now: &impl Fn() -> Timestamp,
    pause: &mut Duration,
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(WATCH.as_bytes())?;
    let mut lines = Lines::default();
    let mut octets = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        match stream.read(&mut octets) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                let whole = lines.push(&octets[..read], |line| match parse(line) {
                    Report::Fix(fix) => {
                        // Whoever sends fixes is gpsd.
                        *pause = PAUSE.0;
                        whereabouts.fix(&fix, now());
                    }
                    Report::Sky(sky) => whereabouts.sky(sky),
                    Report::Pulse(pulse) => whereabouts.pulse(pulse, now()),
                    Report::Other => {}
                });
                if !whole {
                    return Err(std::io::Error::new(ErrorKind::InvalidData, "a line without end"));
                }
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixes_are_taken_as_the_manual_shows_them() {
        // The examples of gpsd_json(5), shortened.
        let tpv = r#"{"class":"TPV","device":"/dev/pts/1","time":"2005-06-08T10:34:48.283Z","ept":0.005,"lat":46.498293369,"lon":7.567411672,"alt":1343.127,"altHAE":1391.2,"eph":36.000,"epv":32.321,"track":10.3788,"speed":0.091,"climb":-0.085,"mode":3}"#;
        let Report::Fix(fix) = parse(tpv) else { panic!("{tpv}") };
        let position = fix.position.unwrap();
        assert_eq!((position.lat_deg, position.lon_deg, position.height_m), (46.498293369, 7.567411672, Some(1391.2)));
        assert_eq!((position.sigma_m, fix.mode, fix.speed_m_s), (Some(18.0), 3, Some(0.091)));
        assert_eq!(fix.time, datetime::parse("2005-06-08T10:34:48.283Z"));
        let sky = r#"{"class":"SKY","device":"/dev/pts/1","hdop":1.55,"satellites":[{"PRN":23,"el":6,"az":84,"ss":0,"used":false},{"PRN":28,"el":7,"az":160,"ss":0,"used":true}]}"#;
        assert_eq!(parse(sky), Report::Sky(Sky { used: 1, seen: 2 }));
        let pps = r#"{"class":"PPS","device":"/dev/ttyS0","real_sec":1330212592,"real_nsec":0,"clock_sec":1330212592,"clock_nsec":343182,"precision":-20}"#;
        assert_eq!(parse(pps), Report::Pulse(Pulse { ahead: Nanos(343_182) }));
    }

    #[test]
    fn what_is_not_a_fix_gives_no_position_and_nonsense_gives_nothing() {
        let position = |text: &str| match parse(text) {
            Report::Fix(fix) => fix.position,
            other => panic!("{other:?}"),
        };
        assert_eq!(position(r#"{"class":"TPV","mode":1,"lat":13.0,"lon":102.0}"#), None, "no fix");
        assert_eq!(position(r#"{"class":"TPV","mode":3,"lat":130.0,"lon":102.0}"#), None, "beyond the pole");
        assert_eq!(position(r#"{"class":"TPV","mode":2,"lat":13.0,"lon":102.0,"altHAE":5.0}"#).unwrap().height_m, None);
        let huge = format!(r#"{{"class":"PPS","real_sec":{},"real_nsec":0,"clock_sec":0,"clock_nsec":0}}"#, i64::MAX);
        for text in ["", "{", "[]", "null", r#"{"class":"TPV","mode":"x"}"#, r#"{"class":"VERSION"}"#, &huge] {
            assert_eq!(parse(text), Report::Other, "{text}");
        }
    }

    #[test]
    fn lines_may_come_in_pieces_and_one_without_end_is_refused() {
        let mut lines = Lines::default();
        let mut got = Vec::new();
        for piece in ["{\"a\"", ":1}\r\n{", "}\n", "\u{fffd}\n"] {
            assert!(lines.push(piece.as_bytes(), |line| got.push(line.to_owned())));
        }
        assert_eq!(got, ["{\"a\":1}", "{}", "\u{fffd}"]);
        assert!(lines.push(&vec![b'x'; LONGEST_LINE], |_| panic!("no line ended")));
        assert!(!lines.push(b"x", |_| panic!("no line ended")));
    }
}
