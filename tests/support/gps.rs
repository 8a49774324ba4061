//! A navigation receiver that is pulled away, played to the real gpsd by its own gpsfake.

use daen::observation::Position;
use std::fmt::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where the receiver stands.
pub const HERE: Position = Position { lat_deg: 13.69, lon_deg: 102.5, height_m: Some(12.0), sigma_m: Some(2.0) };
/// Degrees of longitude by which the receiver is pulled away.
pub const PULL_DEG: f64 = 0.005;

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
        // Eight that are used, and a ninth that is only seen.
        for (number, first) in [(1, 1), (2, 5), (3, 9)] {
            let seen =
                (first..(first + 4).min(10)).map(|id| format!(",{id:02},{},{:03},{}", 20 + id, 40 * id, 30 + id));
            text += &sentence(&format!("GPGSV,3,{number},09{}", seen.collect::<String>()));
        }
        write!(text, "{}", sentence(&format!("GPRMC,{time},A,{place},0.0,0.0,221126,,,A"))).unwrap();
    }
    text
}

/// Ended by its process id; gpsfake takes its gpsd with it.
pub struct Fake(Child);

impl Fake {
    pub fn end(&mut self) {
        let id = self.0.id();
        let signal = |name: &str| {
            Command::new("/bin/sh").args(["-c", &format!("kill -{name} {id}")]).status().unwrap();
        };
        signal("TERM");
        let begun = Instant::now();
        // At the end of its log it may be waiting for a gpsd that has already gone, and does not listen any more.
        while matches!(self.0.try_wait(), Ok(None)) && begun.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(10));
        }
        if matches!(self.0.try_wait(), Ok(None)) {
            signal("KILL");
        }
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

/// A gpsd with such a receiver, its files in `folder`; `None`, with a word about it, where it is not installed.
pub fn start(folder: &Path) -> Option<(Fake, SocketAddr)> {
    let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default());
    let there = |name: &str| path.split(':').any(|folder| Path::new(folder).join(name).is_file());
    if !there("gpsd") || !there("gpsfake") {
        println!("skipped: gpsd and gpsfake are not installed (Debian: apt-get install gpsd gpsd-clients python3-gps)");
        return None;
    }
    std::fs::write(folder.join("log.nmea"), log()).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("gpsfake");
    command.env("PATH", &path).args(["-q", "-1", "-c", "0.015", "-P", &port.to_string()]).arg(folder.join("log.nmea"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let fake = Fake(child);
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(120), "gpsd does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    Some((fake, address))
}
