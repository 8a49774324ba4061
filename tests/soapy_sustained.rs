//! Receivers at their full rates, in real time, through the real library and the real program: nothing may be lost.
//!
//! The long runs ask for DAEN_ACCEPTANCE: they need a release build and, as a node has it, a machine to themselves.

#![cfg(feature = "soapy")]
#![allow(clippy::unwrap_used)]

// Each test crate uses a part of it.
#[allow(dead_code)]
#[path = "support/soapy.rs"]
mod soapy;

use daen::observation::{Health, Item, SpectrumTile};
use daen::radio::source::StreamInfo;
use daen::synth::channel::Noise;
use daen::synth::gsm::Picos;
use daen::synth::gsm::beacon::{Beacon, BeaconConfig, Program};
use daen::synth::gsm::broadcast::{Broadcast, Schedule};
use daen::units::{Dbfs, Hz, Ppb, SampleIndex, Timestamp};
use num_complex::Complex32;
use soapy::{Place, inside};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const CENTER: Hz = Hz(945e6);
/// Beacons in 20 MHz of spectrum.
const BEACONS: u8 = 30;
/// A superframe of 1326 TDMA frames of 60/13 ms: so long is the file that goes round, and only T1 of the frame number jumps.
const SECONDS: f64 = 6.12;

/// 30 GSM beacons at 20 Msps as octets, 122.4 million samples.
fn beacons(path: &Path) {
    let rate = Hz(20e6);
    let info = StreamInfo { stream: "air".to_owned(), center: CENTER, sample_rate: rate, start: Timestamp(0) };
    let mut message = [0x2b; 23];
    message[..16]
        .copy_from_slice(&[0x49, 6, 0x1b, 0x2b, 0xd9, 0x62, 0xf2, 0x20, 1, 0x3e, 0xc8, 3, 0x0a, 0x65, 0x65, 0x10]);
    let mut schedule = Schedule::default();
    schedule.norm.iter_mut().for_each(|messages| messages.push(message));
    let mut all: Vec<Beacon> = (0..BEACONS)
        .map(|n| {
            let config = BeaconConfig {
                program: Program::constant(Broadcast::new(10 + n, &schedule)),
                frame_number: 1234 + 777 * u32::from(n),
                start: Picos(-123_456_789 - 31_415_926 * i64::from(n)),
                carrier: Hz(936.4e6 + 600e3 * f64::from(n)),
                carrier_offset: Hz(0.0),
                clock_error: Ppb(0.0),
                level: Dbfs(-30.0),
                phase_turns: 0.0,
            };
            Beacon::new(&info, Ppb(0.0), config).unwrap()
        })
        .collect();
    let mut noise = Noise::new(1, Dbfs(-33.0), rate);
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let total = (rate.0 * SECONDS) as u64;
    let mut block = vec![Complex32::default(); 1 << 20];
    let mut octets = Vec::with_capacity(block.len() * 2);
    let mut at = 0;
    while at < total {
        let count = (total - at).min(block.len() as u64) as usize;
        let block = &mut block[..count];
        block.fill(Complex32::default());
        all.iter_mut().for_each(|beacon| beacon.add_to(SampleIndex(at), block));
        noise.add_to(SampleIndex(at), block);
        octets.clear();
        octets.extend(
            block.iter().flat_map(|s| [s.re, s.im]).map(|x| (x * 128.0).round().clamp(-128.0, 127.0) as i8 as u8),
        );
        file.write_all(&octets).unwrap();
        at += count as u64;
    }
    file.flush().unwrap();
}

/// A node that listens to the test device at `rate`.
fn node(folder: &Path, rate: f64, device: &str) -> PathBuf {
    let (profile, center) = (soapy::profile(), CENTER.0);
    soapy::node(
        folder,
        &format!(
            "device = \"driver=daentest,rates={rate},{device}\"\nprofile = \"{profile}\"\ncenter_hz = {center}\nrate_hz = {rate:.1}\n\
             [report]\nhealth_s = 5.0\nspectrum_s = 20.0\nroutine_s = 1.0\nmonth_octets = 0\n",
        ),
    )
}

/// The program, ended with the test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(config: &Path, log: &Path) -> Running {
        let log = std::fs::File::create(log).unwrap();
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_daen"))
            .args(["sensor", "--config", config.to_str().unwrap()])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Running(child)
    }

    /// What stands behind `name` in a file of the process, first number.
    fn number(&self, file: &str, name: &str) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.0.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().find_map(|word| word.parse().ok()).unwrap()
    }

    /// Processor time used so far, seconds.
    fn cpu(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let behind_name = text.rsplit_once(") ").unwrap().1;
        let ticks: Vec<f64> = behind_name.split(' ').skip(11).take(2).map(|word| word.parse().unwrap()).collect();
        // USER_HZ is 100 on every Linux.
        (ticks[0] + ticks[1]) / 100.0
    }

    fn stop(&mut self, log: &Path) {
        let id = self.0.id();
        assert!(
            std::process::Command::new("/bin/sh").args(["-c", &format!("kill -TERM {id}")]).status().unwrap().success()
        );
        assert!(self.0.wait().unwrap().success(), "{}", std::fs::read_to_string(log).unwrap());
    }
}

/// What the node would have told the hub.
fn told(folder: &Path) -> (Vec<Health>, Vec<SpectrumTile>, BTreeSet<u64>) {
    let (mut health, mut tiles, mut carriers) = (Vec::new(), Vec::new(), BTreeSet::new());
    for item in soapy::told(folder) {
        match item {
            Item::Health(one) => health.push(*one),
            Item::Spectrum(one) => tiles.push(*one),
            Item::Observation(one) => drop(carriers.insert(one.cell.center_hz)),
            _ => {}
        }
    }
    (health, tiles, carriers)
}

/// Runs a node at `rate` for `seconds` after a start of ten, and holds it against the figures.
fn sustain(rate: f64, seconds: f64) -> (Vec<Health>, Vec<SpectrumTile>, BTreeSet<u64>) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let air = folder.path().join("air.cs8");
    beacons(&air);
    let device = format!("file={},end=endless,mtu=65536", air.display());
    let config = node(folder.path(), rate, &device);
    let mut node = Running::start(&config, &folder.path().join("log"));
    std::thread::sleep(Duration::from_secs(10));
    let (begun, cpu) = (Instant::now(), node.cpu());
    let mut most_kb = 0.0f64;
    while begun.elapsed().as_secs_f64() < seconds {
        std::thread::sleep(Duration::from_secs(1));
        most_kb = most_kb.max(node.number("status", "RssAnon:"));
    }
    let (took, used) = (begun.elapsed().as_secs_f64(), node.cpu() - cpu);
    // The mapped recording is the device's; what else is mapped is the program itself.
    let file = air.to_str().unwrap();
    let maps = std::fs::read_to_string(format!("/proc/{}/smaps", node.0.id())).unwrap();
    let after = maps.split_once(file).map_or("", |(_, after)| after);
    let recording: f64 = after
        .lines()
        .find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix(" kB")?.trim().parse().ok())
        .unwrap();
    let mapped = node.number("status", "RssFile:") - recording;
    node.stop(&folder.path().join("log"));
    let told = told(folder.path());
    let last = told.0.last().unwrap();
    println!(
        "{:.2} Msps for {took:.0} s: {:.3} of a core, {:.0} MB and {:.0} MB of the program's file, {} of {} samples lost, \
         waited at most {} ms, {} carriers, {} tiles",
        rate / 1e6,
        used / took,
        most_kb / 1e3,
        mapped / 1e3,
        last.lost_samples,
        last.samples,
        told.0.iter().filter_map(|health| health.latency_ms).max().unwrap(),
        told.2.len(),
        told.1.len(),
    );
    assert_eq!(last.lost_samples, 0, "{:?}", last.warnings);
    assert!(told.0.iter().all(|health| health.lost_samples == 0));
    // The device waits for its reader: what was received says whether that kept up.
    assert!(last.samples as f64 > rate * (seconds + 5.0), "{} samples", last.samples);
    assert!((most_kb + mapped) / 1e3 < 150.0, "{most_kb} and {mapped} kB");
    told
}

fn acceptance() -> bool {
    let asked = std::env::var_os("DAEN_ACCEPTANCE").is_some();
    if !asked {
        println!("skipped: ten minutes at full rate need DAEN_ACCEPTANCE=1 and a release build");
    }
    asked
}

#[test]
fn twenty_msps_with_thirty_beacons_are_received_for_ten_minutes_and_nothing_is_lost() {
    if !acceptance() {
        return;
    }
    let name = "twenty_msps_with_thirty_beacons_are_received_for_ten_minutes_and_nothing_is_lost";
    if !inside(name, Place::Here, &[]) {
        return;
    }
    let (health, _, carriers) = sustain(20e6, 600.0);
    let expected: BTreeSet<u64> = (0..u64::from(BEACONS)).map(|n| 936_400_000 + 600_000 * n).collect();
    assert_eq!(carriers, expected);
    assert_eq!(health.last().unwrap().cells, u32::from(BEACONS));
}

#[test]
fn the_spectrum_of_61_msps_is_looked_at_for_ten_minutes_and_nothing_is_lost() {
    if !acceptance() {
        return;
    }
    let name = "the_spectrum_of_61_msps_is_looked_at_for_ten_minutes_and_nothing_is_lost";
    if !inside(name, Place::Here, &[]) {
        return;
    }
    let (_, tiles, _) = sustain(61.44e6, 600.0);
    assert!(tiles.len() >= 29, "one in 20 s");
}

#[test]
fn a_receiver_that_is_too_fast_to_decode_says_so_in_its_health() {
    let name = "a_receiver_that_is_too_fast_to_decode_says_so_in_its_health";
    if !inside(name, Place::Here, &[]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = node(folder.path(), 61.44e6, "format=CS16,slow=50");
    let mut node = Running::start(&config, &folder.path().join("log"));
    // Long enough for two reports of a change.
    std::thread::sleep(Duration::from_secs(12));
    node.stop(&folder.path().join("log"));
    let (health, ..) = told(folder.path());
    let said = |health: &Health| health.warnings.iter().any(|text| text.contains("nothing is decoded"));
    assert!(health.last().is_some_and(said), "{health:?}");
    assert!(health.last().unwrap().samples > 0);
}
