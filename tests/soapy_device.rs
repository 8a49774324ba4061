//! Receivers through the real SoapySDR library: a module that plays recordings and misbehaves (tests/soapy), used directly and
//! behind a real SoapySDRServer. Every call of the module that has to do with transmitting is a trap.

#![cfg(feature = "soapy")]
#![allow(clippy::unwrap_used)]

#[path = "support/captures.rs"]
mod captures;

#[path = "soapy/faults.rs"]
mod faults;
#[path = "support/gps.rs"]
mod gps;
#[path = "soapy/network.rs"]
mod network;
#[path = "soapy/node.rs"]
mod node;
#[path = "soapy/place.rs"]
mod place;
#[path = "soapy/samples.rs"]
mod samples;
#[path = "soapy/scanning.rs"]
mod scanning;
#[path = "support/soapy.rs"]
mod soapy;

use captures::capture;
use daen::config::device::Device;
use daen::radio::live::Live;
use daen::radio::profile::Profile;
use daen::radio::soapy::SoapySource;
use daen::radio::source::{Event, IqBlock, IqSource, StreamInfo};
use daen::radio::{sigmf, soapy::probe};
use daen::rat::CellReport;
use daen::rat::gsm::{Options, Receiver};
use daen::units::{Db, Hz, Nanos, Timestamp};
use num_complex::Complex32;
use soapy::{Place, inside};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Longest wait for anything that has to happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// One device, its log and what watches it. Fails at its end when anything of it had to do with transmitting.
struct Rig {
    source: SoapySource,
    live: Arc<Live>,
    folder: tempfile::TempDir,
    /// The stream announced last.
    info: Option<StreamInfo>,
}

/// A clock that stands still: times of streams then come from samples alone.
fn still() -> Timestamp {
    Timestamp(1_000_000_000_000)
}

impl Rig {
    fn new(args: &str, change: impl FnOnce(&mut Device)) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        // A device of its own: the module keeps a device's place and faults for the life of the process.
        static DEVICES: AtomicU32 = AtomicU32::new(100);
        let serial = DEVICES.fetch_add(1, Ordering::Relaxed);
        let mut wish = Device {
            args: format!("driver=daentest,serial={serial},{args},log={}", log.display()),
            profile: soapy::profile(),
            center: Hz(947e6),
            ..Device::default()
        };
        change(&mut wish);
        let profile = Profile::named(&wish.profile, Path::new("")).unwrap();
        let live = Arc::new(Live::default());
        let source = SoapySource::new(profile.settings(&wish).unwrap(), live.clone(), still);
        Rig { source, live, folder, info: None }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Reads until `done`, in blocks of `block`.
    fn read(&mut self, block: usize, mut done: impl FnMut(&[Heard], &Live) -> bool) -> Vec<Heard> {
        let mut streams: Vec<Heard> = Vec::new();
        let mut iq = IqBlock::default();
        let begun = Instant::now();
        while !done(&streams, &self.live) {
            assert!(begun.elapsed() < PATIENCE, "{:?} {:?}\n{}", self.live.counts(), self.live.problem(), self.log());
            // A source that delivers nothing blocks: somebody else has to look.
            match self.source.read(block, &mut iq).unwrap() {
                Event::Stream(info) => {
                    streams.push(Heard { info: info.clone(), first: 0, samples: Vec::new() });
                    self.info = Some(info);
                }
                Event::Samples => {
                    if streams.is_empty() {
                        let info = self.info.clone().expect("a stream is announced before its samples");
                        streams.push(Heard { info, first: iq.first.0, samples: Vec::new() });
                    }
                    let stream = streams.last_mut().unwrap();
                    let next = stream.first + stream.samples.len() as u64;
                    assert_eq!(iq.first.0, next, "the index counts from the stream's start");
                    assert!(!iq.samples.is_empty() && iq.samples.len() <= block);
                    stream.samples.extend_from_slice(&iq.samples);
                }
                Event::End => break,
            }
        }
        streams
    }

    fn read_samples(&mut self, count: usize) -> Vec<Heard> {
        self.read(65_536, |streams, _| streams.iter().map(|s| s.samples.len()).sum::<usize>() >= count)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let log = self.log();
        if !std::thread::panicking() {
            assert!(log.contains("make"), "the module keeps a log: {log}");
            assert!(!log.contains("TX"), "something had to do with transmitting:\n{log}");
        }
    }
}

struct Heard {
    info: StreamInfo,
    /// Index of the first of the samples.
    first: u64,
    samples: Vec<Complex32>,
}

impl Heard {
    /// Numbers of the ramp at which the samples stand, checked for being without a hole.
    fn ramp(&self) -> (u64, u64) {
        let number = |s: &Complex32| (s.re * 32768.0) as u64;
        for pair in self.samples.windows(2) {
            assert_eq!(
                (number(&pair[0]) + 1) % 32768,
                number(&pair[1]),
                "{}: a hole inside a stream",
                self.info.stream
            );
        }
        (number(&self.samples[0]), number(self.samples.last().unwrap()))
    }
}

/// A recording as the file source reads it.
fn recording(path: &Path) -> Heard {
    let mut source = sigmf::describe(path, sigmf::Overrides::default()).unwrap().open().unwrap();
    let mut block = IqBlock::default();
    let Event::Stream(info) = source.read(1, &mut block).unwrap() else { panic!("a stream comes first") };
    let mut samples = Vec::new();
    while source.read(1 << 16, &mut block).unwrap() == Event::Samples {
        samples.extend_from_slice(&block.samples);
    }
    Heard { info, first: 0, samples }
}

fn cells(heard: &Heard) -> Vec<CellReport> {
    let mut receiver = Receiver::new(&heard.info, Options::default());
    let mut last = Vec::new();
    heard.samples.chunks(1 << 16).for_each(|part| receiver.process(part, &mut Vec::new()));
    receiver.finish(&mut last);
    last
}

#[test]
fn a_recording_through_the_library_gives_the_cells_of_its_replay() {
    if !inside("a_recording_through_the_library_gives_the_cells_of_its_replay", Place::Here, &[]) {
        return;
    }
    for (name, format) in [
        ("gsm/vodafone-arfcn725-1M", "CS8"),
        ("gsm/bcch-953M6-500k", "CF32"),
        ("gsm/beacon-941M0-500k", "CF32"),
        ("gsm/wideband-941M-4M", "CF32"),
    ] {
        let Some(path) = capture(name) else { continue };
        let file = recording(&path);
        let data = path.with_extension("sigmf-data");
        let rate = file.info.sample_rate.0;
        // An odd transfer, and pieces of it: nothing of it may show.
        let args = format!("file={},format={format},rates={rate},mtu=5003,fragments=3", data.display());
        let mut rig = Rig::new(&args, |wish| {
            wish.center = file.info.center;
            wish.rate = Some(Hz(rate));
        });
        let heard = rig.read_samples(file.samples.len());
        assert_eq!(heard.len(), 1, "{name}: one stream without a gap");
        assert_eq!((heard[0].info.center, heard[0].info.sample_rate), (file.info.center, file.info.sample_rate));
        assert!(heard[0].samples == file.samples, "{name}: the samples are those of the file");
        let (through, replayed) = (cells(&heard[0]), cells(&file));
        assert!(!replayed.is_empty(), "{name} holds cells");
        assert_eq!(format!("{through:?}"), format!("{replayed:?}"), "{name}");
    }
}

#[test]
fn every_loss_is_told_to_the_sample() {
    if !inside("every_loss_is_told_to_the_sample", Place::Here, &[]) {
        return;
    }
    for fragments in [1, 4] {
        let faults =
            "overflow@100000:777;quiet@200000:12345;quiet@300001:1;corrupt@400000:0;quiet@400000:99;overflow@500000:0";
        let args = format!("format=CS16,mtu=4096,t0=1795268400123456789,fragments={fragments},faults={faults}");
        let mut rig = Rig::new(&args, |wish| wish.rate = Some(Hz(1e6)));
        let heard = rig.read_samples(600_000);
        assert_eq!(heard.len(), 6, "a stream begins after each of the losses that is one moment in time");
        let mut missing = Vec::new();
        for (earlier, later) in heard.iter().zip(&heard[1..]) {
            let (last, first) = (earlier.ramp().1, later.ramp().0);
            let lost = (first + 32768 - last - 1) % 32768;
            missing.push(lost);
            let apart = Nanos((earlier.samples.len() as u64 + lost) as i64 * 1000);
            assert_eq!(later.info.start - earlier.info.start, apart, "time goes on over the hole");
            assert_ne!(earlier.info.stream, later.info.stream);
        }
        assert_eq!(missing, [777, 12_345, 1, 99, 0]);
        let counts = rig.live.counts();
        assert_eq!(
            (counts.gaps, counts.lost_samples, counts.overflows, counts.jumps),
            (5, 777 + 12_345 + 1 + 99, 3, 2)
        );
        assert_eq!((counts.opened, counts.failures), (1, 0));
    }
}

#[test]
fn a_clock_that_is_set_ends_the_stream() {
    if !inside("a_clock_that_is_set_ends_the_stream", Place::Here, &[]) {
        return;
    }
    let mut rig = Rig::new("format=CS16,faults=jump@50000:2000000;back@100000:500000000", |_| ());
    let heard = rig.read_samples(150_000);
    assert_eq!(heard.len(), 3);
    let counts = rig.live.counts();
    assert_eq!((counts.gaps, counts.jumps), (2, 2));
    assert_eq!(counts.lost_samples, 2000, "a jump forward cannot be told from a loss");
}

#[test]
fn without_time_stamps_an_overflow_still_ends_the_stream() {
    if !inside("without_time_stamps_an_overflow_still_ends_the_stream", Place::Here, &[]) {
        return;
    }
    for kind in ["none", "host"] {
        let args = format!("format=CS16,kind={kind},faults=overflow@100000:777");
        let mut rig = Rig::new(&args, |wish| {
            // The same profile, but for what its time stamps are worth.
            let text = std::fs::read_to_string(soapy::profile()).unwrap();
            let text = text.replace("timestamps = \"samples\"", "timestamps = \"observe\"");
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("observe-{kind}.toml"));
            std::fs::write(&path, text).unwrap();
            wish.profile = path.display().to_string();
        });
        let heard = rig.read_samples(300_000);
        assert_eq!(heard.len(), 2, "{kind}");
        let ((_, last), (first, _)) = (heard[0].ramp(), heard[1].ramp());
        assert_eq!((first + 32768 - last - 1) % 32768, 777);
        let counts = rig.live.counts();
        assert_eq!((counts.gaps, counts.overflows, counts.lost_samples), (1, 1, 0), "{kind}: how many is not known");
    }
}

#[test]
fn a_device_that_fails_is_noticed_and_opened_again() {
    if !inside("a_device_that_fails_is_noticed_and_opened_again", Place::Here, &[]) {
        return;
    }
    // What goes wrong, what is said about it, whether the driver itself hangs.
    for (fault, words, hangs) in [
        ("error@100000:0", "StreamError", 0),
        ("vanish@100000:1200", "cannot be opened", 0),
        ("dead@100000:0", "no samples for 1.5 s", 0),
        ("zero@100000:2500", "no samples for 1.5 s", 0),
        ("hang@100000:6000", "does not answer for 1.9 s", 1),
        ("unlock@100000:1800", "clock source external is not locked", 0),
    ] {
        let outside = fault.starts_with("unlock");
        let args = format!("format=CS16,mtu=5000,faults={fault}");
        let mut rig = Rig::new(&args, |wish| wish.clock_source = outside.then(|| "external".to_owned()));
        let (live, seen) = (rig.live.clone(), Arc::new(std::sync::Mutex::new(Vec::<String>::new())));
        // The reader waits inside the source; what it says meanwhile is looked at from outside.
        let watch = {
            let seen = seen.clone();
            std::thread::spawn(move || {
                while !live.is_stopped() {
                    if let Some(problem) = live.problem() {
                        let mut seen = seen.lock().unwrap();
                        if !seen.contains(&problem) {
                            seen.push(problem);
                        }
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
            })
        };
        let heard = rig.read(65_536, |streams, live| {
            live.counts().failures > 0
                && streams.last().is_some_and(|s| s.samples.len() >= 50_000)
                && live.counts().opened > 1
        });
        rig.live.stop();
        watch.join().unwrap();
        let seen = seen.lock().unwrap().join("\n");
        assert!(seen.contains(words), "{fault}: {seen}");
        assert!(heard.len() >= 2 && rig.live.problem().is_none(), "{fault}: samples flow again");
        let counts = rig.live.counts();
        assert!(counts.failures >= 1 && counts.opened >= 2, "{fault}: {counts:?}");
        assert_eq!(counts.hangs, hangs, "{fault}");
        for stream in &heard {
            stream.ramp();
        }
    }
}

#[test]
fn what_is_refused_is_told_with_what_the_device_offers() {
    if !inside("what_is_refused_is_told_with_what_the_device_offers", Place::Here, &[]) {
        return;
    }
    for (refuse, words) in [
        ("rate", ["sample rate 1000000 Hz", "this rate cannot be had", "offers 1000000 Hz, 500000 Hz"]),
        ("rate-silently", ["sample rate 1000000 Hz", "it runs at 750000 Hz", "offers 1000000 Hz, 500000 Hz"]),
        ("gain", ["gain LNA 20 dB", "it has 0 dB", "offers 0 to 40 dB"]),
        ("frequency", ["frequency 947000000 Hz", "it is at 100000000 Hz", "offers 10000000 to 6000000000 Hz"]),
        ("antenna", ["antenna AUX", "it uses RX", "offers RX, AUX"]),
        ("bandwidth", ["filter bandwidth 900000 Hz", "it has 200000 Hz", "offers 200000 Hz, 900000 Hz"]),
        ("clock", ["clock source external", "it uses internal", "offers internal, external"]),
        ("open", ["cannot be opened", "the device is in use", ""]),
        ("stream", ["the stream cannot be opened", "no transfer buffers", ""]),
        ("activate", ["the stream cannot be started", "StreamError", ""]),
    ] {
        let mut rig = Rig::new(&format!("rates=1000000;500000,refuse={refuse}"), |wish| {
            wish.antenna = Some("AUX".to_owned());
            wish.clock_source = Some("external".to_owned());
        });
        let problem = refusal(&mut rig);
        assert!(words.iter().all(|part| problem.contains(part)), "{refuse}: {problem}");
        assert_eq!(rig.live.counts().samples, 0);
    }
    // A format that nobody here reads.
    let problem = refusal(&mut Rig::new("format=CS12", |_| ()));
    assert!(problem.contains("CS8, CU8, CS16 and CF32"), "{problem}");
}

/// Lets the source fail at least once, ends it, and gives what it said.
fn refusal(rig: &mut Rig) -> String {
    let live = rig.live.clone();
    let stopping = std::thread::spawn(move || {
        while live.counts().failures == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        live.stop();
        live.problem().unwrap()
    });
    assert_eq!(rig.source.read(1000, &mut IqBlock::default()).unwrap(), Event::End);
    stopping.join().unwrap()
}

#[test]
fn settings_are_made_and_read_back_and_a_stop_closes_the_device() {
    if !inside("settings_are_made_and_read_back_and_a_stop_closes_the_device", Place::Here, &[]) {
        return;
    }
    let mut rig = Rig::new("format=CS16", |wish| {
        wish.antenna = Some("AUX".to_owned());
        wish.gains.insert("LNA".to_owned(), Db(31.0));
    });
    rig.read_samples(1000);
    let actual = rig.live.actual().unwrap();
    assert_eq!((actual.rate, actual.center, actual.bandwidth), (Hz(1e6), Hz(947e6), Some(Hz(900e3))));
    let gains = [("LNA".to_owned(), Db(32.0)), ("VGA".to_owned(), Db(10.0))];
    assert_eq!(actual.gains, gains.into(), "as the device rounds them");
    assert_eq!((actual.antenna.as_deref(), actual.format.as_str()), (Some("AUX"), "CS16"));
    rig.live.stop();
    rig.read(65_536, |_, _| false);
    assert!(rig.log().ends_with("deactivateStream\ncloseStream\nunmake\n"), "{}", rig.log());
}

#[test]
fn the_temperature_is_that_of_the_device_or_its_channel_while_it_is_open() {
    if !inside("the_temperature_is_that_of_the_device_or_its_channel_while_it_is_open", Place::Here, &[]) {
        return;
    }
    // What hardware cannot be is no temperature; a device without a sensor is received all the same.
    for (args, celsius) in [
        ("celsius=41.5", Some(41.5)),
        ("channel_celsius=-7.25", Some(-7.25)),
        ("celsius=1e9", None),
        ("celsius=n/a", None),
        ("pace=1", None),
    ] {
        let mut rig = Rig::new(args, |_| {});
        assert_eq!(rig.live.celsius(), None, "{args}: closed");
        rig.read_samples(100_000);
        assert_eq!(rig.live.celsius(), celsius, "{args}");
        rig.live.stop();
        rig.read_samples(usize::MAX);
        assert_eq!(rig.live.celsius(), None, "{args}: closed again");
    }
}

#[test]
fn a_driver_that_hangs_does_not_hold_up_the_end() {
    if !inside("a_driver_that_hangs_does_not_hold_up_the_end", Place::Here, &[]) {
        return;
    }
    // It would return after an hour.
    let mut rig = Rig::new("format=CS16,faults=hang@50000:3600000", |_| ());
    rig.read_samples(40_000);
    rig.live.stop();
    rig.read(65_536, |_, _| false);
    let mut rig = Rig::new("format=CS16,close_ms=3600000,faults=error@50000:0", |_| ());
    rig.read(65_536, |streams, live| live.counts().failures > 0 || streams.len() > 1);
}

#[test]
fn a_reader_that_is_too_slow_loses_a_known_number_of_samples() {
    if !inside("a_reader_that_is_too_slow_loses_a_known_number_of_samples", Place::Here, &[]) {
        return;
    }
    let mut rig = Rig::new("format=CS16,pace=0,mtu=1000", |_| ());
    let mut paused = false;
    let heard = rig.read(65_536, |streams, _| {
        // Unpaced, the chunks fill at once and the device runs on.
        if !paused && streams.first().is_some_and(|stream| stream.samples.len() > 10_000) {
            std::thread::sleep(Duration::from_millis(300));
            paused = true;
        }
        streams.len() > 1 && streams.last().is_some_and(|stream| stream.samples.len() > 50_000)
    });
    let counts = rig.live.counts();
    assert!(counts.gaps > 0 && counts.lost_samples > 0, "{counts:?}");
    assert_eq!((counts.overflows, counts.jumps, counts.failures), (0, 0, 0));
    let streams: Vec<&Heard> = heard.iter().filter(|heard| !heard.samples.is_empty()).collect();
    for (earlier, later) in streams.iter().zip(&streams[1..]) {
        let (last, first) = (earlier.ramp().1, later.ramp().0);
        let lost = (later.info.start - earlier.info.start).0 / 1000 - earlier.samples.len() as i64;
        assert_eq!((first as i64 - last as i64 - 1).rem_euclid(32768), lost.rem_euclid(32768));
    }
}

#[test]
fn devices_are_found_with_what_they_offer() {
    if !inside("devices_are_found_with_what_they_offer", Place::Here, &[]) {
        return;
    }
    let found = probe::devices("", &Device { center: Hz(947e6), ..Device::default() }).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].args, "driver=daentest,serial=0");
    assert!(found[0].profile.is_none(), "the test device is no model of firmware-config");
    let offers = found[0].offers.as_ref().unwrap();
    assert!(offers.contains(&("gain", "LNA 0 to 40 dB".to_owned())), "{offers:?}");
    assert!(offers.contains(&("clock sources", "internal, external".to_owned())), "{offers:?}");
}

#[test]
fn the_traps_of_the_module_work() {
    if !inside("the_traps_of_the_module_work", Place::Here, &[]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    // Somebody who does look at the transmitter.
    let probe = format!("--probe=driver=daentest,log={}", log.display());
    let Ok(output) = std::process::Command::new("SoapySDRUtil").arg(probe).output() else {
        println!("skipped: SoapySDRUtil is not installed (Debian: apt-get install soapysdr-tools)");
        return;
    };
    assert!(output.status.success());
    assert!(std::fs::read_to_string(log).unwrap().contains("TX getNumChannels"));
}

/// A process that ends with this value.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "waited for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
