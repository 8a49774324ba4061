//! How the node is: figures from `/proc` and from the stages, and what of it wants attention.

use super::publish::Status;
use super::spool::Stats;
use crate::cell::{CellKey, Rat};
use crate::observation::{Clock, ClockError, Dwell, Health, NotDecoded, Position, Schedule};
use crate::radio::live::Counts;
use crate::units::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Clock ticks a second in `/proc/PID/stat`; Linux shows processes this value on every architecture (`USER_HZ`).
const TICKS: f64 = 100.0;
/// Less free space than this is worth a warning.
const LITTLE_SPACE: u64 = 100 << 20;
/// Less memory than this, and the system begins to swap or to kill.
const LITTLE_MEMORY: u64 = 64 << 20;
/// Hotter than this, processors slow down and receivers drift. Chosen: what processors for industry are rated for.
const HOT_CELSIUS: f64 = 85.0;
/// More samples at full scale than this make levels and weak cells doubtful.
const MUCH_CLIPPING_PPM: u32 = 1000;

/// How the source is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceState {
    /// It delivers.
    #[default]
    Running,
    /// It has come to its end.
    Ended,
    /// It has failed, for this reason.
    Failed(String),
}

/// What the stages report.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Clock behind the source's times.
    pub clock: Option<Clock>,
    /// Samples received.
    pub samples: u64,
    /// Samples lost between source and receiver.
    pub lost_samples: u64,
    /// What a live source counts, and why it does not deliver at present.
    pub device: Option<(Counts, Option<String>)>,
    /// Temperature of the hottest receiver that tells one, degrees Celsius.
    pub receiver_celsius: Option<f64>,
    /// Cells followed.
    pub cells: u32,
    /// Last message without error.
    pub last_decode: Option<Timestamp>,
    /// The same by standard and band.
    pub by_band: BTreeMap<Band, Timestamp>,
    /// Where the node stands.
    pub position: Option<Position>,
    /// What the navigation receiver says, in words.
    pub navigation: Option<String>,
    /// The sample clock's error.
    pub clock_error: Option<ClockError>,
    /// The same of each receiver, by name, where there are several.
    pub clock_errors: BTreeMap<String, ClockError>,
    /// What calibration and navigation want to be told.
    pub notes: Vec<String>,
    /// Samples at full scale, parts per million.
    pub clipped_ppm: u32,
    /// The spool.
    pub spool: Stats,
    /// Its limit, octets.
    pub spool_limit: u64,
    /// Items that could not be spooled.
    pub lost_items: u64,
    /// Items that wait because the disk takes nothing.
    pub stuck_items: u64,
    /// The connection.
    pub link: Status,
    /// Carriers that are dwelt on.
    pub dwells: Vec<Dwell>,
    /// What receivers that scan are at.
    pub schedules: Vec<Schedule>,
    /// Carriers that are recognised and not decoded.
    pub not_decoded: Vec<NotDecoded>,
    /// Signal that waits to be worked on, milliseconds.
    pub latency_ms: Option<u32>,
    /// The source.
    pub source: SourceState,
}

/// A standard and its band, named by the downlink's megahertz: `gsm 900`, `lte 1800`.
pub type Band = (Rat, u16);

/// Downlinks by the usual name of their band, MHz; TS 45.005 clause 2, TS 36.101 table 5.5-1. Bands that overlap are one here.
const DOWNLINKS: &[(u16, f64, f64)] = &[
    (450, 420.0, 470.0),
    (600, 612.0, 652.0),
    (700, 717.0, 791.0),
    (800, 791.0, 862.0),
    (850, 862.0, 921.0),
    (900, 921.0, 960.0),
    (1500, 1427.0, 1518.0),
    (1800, 1805.0, 1880.0),
    (1900, 1880.0, 2010.0),
    (2100, 2110.0, 2200.0),
    (2300, 2300.0, 2400.0),
    (2600, 2496.0, 2690.0),
    (3500, 3300.0, 4200.0),
];

/// The band that a cell is in; 0 where it is in none.
pub fn band(cell: CellKey) -> Band {
    let mhz = cell.center_hz as f64 * 1e-6;
    (cell.rat, DOWNLINKS.iter().find(|(_, low, high)| (*low..*high).contains(&mhz)).map_or(0, |band| band.0))
}

/// The process and its machine; what the machine does not tell is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Machine {
    /// Processor time over wall time since the last look, percent of one core.
    pub cpu_percent: f64,
    /// Resident memory of the process, octets.
    pub memory: Option<u64>,
    /// What the system still has to give, octets.
    pub memory_available: Option<u64>,
    /// Free space under the spool, octets.
    pub disk_free: Option<u64>,
    /// The hottest of its thermal zones.
    pub celsius: Option<f64>,
}

/// Looks at the process and its machine, and makes health reports.
#[derive(Debug)]
pub struct Sampler {
    started: Timestamp,
    folder: PathBuf,
    config: Option<String>,
    interval_s: u32,
    last: Option<(Timestamp, f64)>,
}

impl Sampler {
    /// For a node that started at `started` and keeps its spool in `folder`; `config` names the configuration, and a report is made at
    /// least every `interval_s` seconds.
    pub fn new(started: Timestamp, folder: &Path, config: Option<String>, interval_s: u32) -> Sampler {
        Sampler { started, folder: folder.to_owned(), config, interval_s, last: None }
    }

    /// How the machine is at `now`.
    pub fn look(&mut self, now: Timestamp) -> Machine {
        let used = cpu_seconds(&std::fs::read_to_string("/proc/self/stat").unwrap_or_default()).unwrap_or(0.0);
        let (since, before) = self.last.replace((now, used)).unwrap_or((self.started, 0.0));
        let wall = (now - since).as_secs_f64();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Machine {
            // A clock that was set makes no sense of one look.
            cpu_percent: if wall > 0.0 { ((used - before) / wall * 1000.0).round() / 10.0 } else { 0.0 },
            memory: octets(&status, "VmRSS:"),
            memory_available: octets(&memory, "MemAvailable:"),
            disk_free: disk_free(&self.folder),
            celsius: hottest(Path::new("/sys/class/thermal")),
        }
    }

    /// The report at `now`. Figures that the machine does not give are zero or absent.
    pub fn report(&self, now: Timestamp, figures: &Figures, machine: &Machine) -> Health {
        let device = figures.device.as_ref();
        Health {
            at_ns: now,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ns: self.started,
            position: figures.position,
            clock: figures.clock,
            cpu_percent: machine.cpu_percent,
            memory_octets: machine.memory.unwrap_or(0),
            memory_available_octets: machine.memory_available,
            disk_free_octets: machine.disk_free.unwrap_or(0),
            celsius: machine.celsius,
            receiver_celsius: figures.receiver_celsius,
            spool_envelopes: figures.spool.envelopes,
            spool_octets: figures.spool.octets,
            spool_evicted: figures.spool.evicted,
            samples: figures.samples,
            lost_samples: figures.lost_samples + device.map_or(0, |(counts, _)| counts.lost_samples),
            cells: figures.cells,
            last_decode_ns: figures.last_decode,
            last_decode_by_band: figures
                .by_band
                .iter()
                .map(|((rat, band), at)| (format!("{rat} {band}"), *at))
                .collect(),
            receiver: device.map(|(counts, problem)| receiver(counts, problem.as_deref())),
            clock_error: figures.clock_error,
            clock_errors: figures.clock_errors.clone(),
            navigation: figures.navigation.clone(),
            config: self.config.clone(),
            interval_s: Some(self.interval_s),
            warnings: warnings(figures, machine),
            dwells: figures.dwells.clone(),
            schedules: figures.schedules.clone(),
            not_decoded: figures.not_decoded.clone(),
            latency_ms: figures.latency_ms,
            tasks_taken: figures.link.tasks_taken,
            refused: figures.link.refused_by_reason.clone(),
        }
    }
}

/// The receiver in words.
fn receiver(counts: &Counts, problem: Option<&str>) -> String {
    let state = match (problem, counts.opened) {
        (Some(problem), _) => problem,
        (None, 0) => "not opened yet",
        (None, _) => "delivers",
    };
    format!(
        "{state}; opened {}, failures {}, gaps {}, overflows {}",
        counts.opened, counts.failures, counts.gaps, counts.overflows
    )
}

/// What wants attention, in words. The words do not hold figures that change all the time, so that a change of words is a change of
/// state.
pub fn warnings(figures: &Figures, machine: &Machine) -> Vec<String> {
    let mut list = Vec::new();
    match &figures.source {
        SourceState::Running => {}
        SourceState::Ended => list.push("the source has ended; nothing is received".to_owned()),
        SourceState::Failed(problem) => list.push(format!("the source has failed: {problem}")),
    }
    if !figures.link.connected {
        let why = figures.link.problem.as_deref().unwrap_or("connecting");
        list.push(format!("no connection to the broker ({why}); what is found waits in the spool"));
    } else if let Some(problem) = &figures.link.problem {
        list.push(format!("the broker refuses: {problem}"));
    }
    if figures.spool.octets > figures.spool_limit / 5 * 4 {
        list.push("the spool is more than four fifths full; the least valuable will be evicted".to_owned());
    }
    if figures.stuck_items > 0 {
        list.push("the disk takes nothing; what is heard waits in memory".to_owned());
    }
    if figures.lost_items > 0 {
        list.push("items were lost because the spool could not take them".to_owned());
    }
    if machine.disk_free.is_some_and(|free| free < LITTLE_SPACE) {
        list.push(format!("less than {} MiB are free for the spool", LITTLE_SPACE >> 20));
    }
    if machine.memory_available.is_some_and(|free| free < LITTLE_MEMORY) {
        list.push(format!("less than {} MiB of memory are left", LITTLE_MEMORY >> 20));
    }
    if machine.celsius.is_some_and(|celsius| celsius > HOT_CELSIUS) {
        list.push(format!("the machine is hotter than {HOT_CELSIUS} degrees Celsius"));
    }
    if figures.clipped_ppm > MUCH_CLIPPING_PPM {
        list.push("the receiver is overdriven; lower its gain".to_owned());
    }
    if let Some((counts, problem)) = &figures.device {
        list.extend(problem.clone());
        if counts.failures > 0 {
            // Told at every doubling: an unplugged receiver must not fill a thin link.
            let times = 1u64 << counts.failures.ilog2();
            let hung = if counts.hangs > 0 { ", its driver hung" } else { "" };
            list.push(format!("the receiver has failed since the start, at least {times} times{hung}"));
        }
        if counts.gaps > 0 {
            list.push("samples were lost in the receiver or its driver".to_owned());
        }
    }
    if figures.lost_samples > 0 {
        list.push("samples were lost between source and receiver".to_owned());
    }
    list.extend(figures.notes.iter().cloned());
    list
}

/// User and system time of `/proc/PID/stat`, fields 14 and 15; proc(5). The name in field 2 may hold spaces and parentheses.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}

/// A line of `/proc/PID/status` or `/proc/meminfo`, which are in kB; proc(5).
fn octets(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn disk_free(folder: &Path) -> Option<u64> {
    let output = Command::new("df").args(["-Pk", "--"]).arg(folder).stdin(Stdio::null()).output().ok()?;
    available_octets(&String::from_utf8_lossy(&output.stdout))
}

/// The fourth column of the second line of `df -Pk` (POSIX).
fn available_octets(df: &str) -> Option<u64> {
    Some(df.lines().nth(1)?.split_ascii_whitespace().nth(3)?.parse::<u64>().ok()? * 1024)
}

/// The hottest zone below a folder like `/sys/class/thermal`, which tells thousandths of a degree.
fn hottest(folder: &Path) -> Option<f64> {
    let zones = std::fs::read_dir(folder).ok()?.flatten();
    let celsius = zones.filter_map(|zone| {
        let text = std::fs::read_to_string(zone.path().join("temp")).ok()?;
        Some(text.trim().parse::<i32>().ok()? as f64 / 1000.0)
    });
    celsius.filter(|celsius| (-100.0..=300.0).contains(celsius)).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_what_linux_shows() {
        // A process with an odd name, as of Linux 6.1; user 250 and system 50 ticks.
        let stat = "4242 (a) b) S 1 4242 4242 0 -1 4194560 1500 0 3 0 250 50 0 0 20 0 12 0 1000 0 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("nonsense"), None);
        assert_eq!(octets("Name:\tdaen\nVmRSS:\t    2048 kB\nThreads:\t9\n", "VmRSS:"), Some(2 << 20));
        let df = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda1 100 40 60 40% /var/lib\n";
        assert_eq!(available_octets(df), Some(60 << 10));
    }

    #[test]
    fn this_process_has_memory_and_its_disk_has_space() {
        let folder = tempfile::tempdir().unwrap();
        let mut sampler = Sampler::new(Timestamp(0), folder.path(), Some("c0ffee".to_owned()), 900);
        let machine = sampler.look(Timestamp(1_000_000_000));
        let health = sampler.report(Timestamp(1_000_000_000), &Figures::default(), &machine);
        assert!(health.memory_octets > 1 << 20 && health.disk_free_octets > 0, "{health:?}");
        assert!(health.memory_available_octets.is_some_and(|octets| octets > 1 << 20), "{health:?}");
        assert_eq!((health.config.as_deref(), health.interval_s), (Some("c0ffee"), Some(900)));
        // A clock that is set back by years between two looks gives no figure, and no panic.
        assert_eq!(sampler.look(Timestamp(i64::MIN / 4)).cpu_percent, 0.0);
    }

    #[test]
    fn the_hottest_zone_counts_and_nonsense_does_not() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("zone0", "41000\n"), ("zone1", "63500"), ("zone2", "9999999"), ("zone3", "soon")] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("temp"), text).unwrap();
        }
        assert_eq!(hottest(folder.path()), Some(63.5));
        assert_eq!(hottest(&folder.path().join("absent")), None);
    }

    #[test]
    fn cells_belong_to_the_bands_that_people_name() {
        let band = |rat, mhz: f64| band(CellKey { rat, center_hz: (mhz * 1e6) as u64, id: 0 });
        assert_eq!(band(Rat::Gsm, 947.4), (Rat::Gsm, 900));
        assert_eq!(band(Rat::Lte, 1842.5), (Rat::Lte, 1800));
        assert_eq!(band(Rat::Lte, 2360.0), (Rat::Lte, 2300));
        assert_eq!(band(Rat::Gsm, 100.0), (Rat::Gsm, 0));
        assert!(DOWNLINKS.windows(2).all(|pair| pair[0].2 <= pair[1].1), "ascending, without overlap");
    }

    #[test]
    fn a_healthy_node_has_no_warnings_and_each_trouble_has_its_own() {
        let link = Status { connected: true, ..Status::default() };
        let well = Figures { spool_limit: 1000, link, ..Figures::default() };
        let machine = Machine { disk_free: Some(1 << 40), celsius: Some(60.0), ..Machine::default() };
        assert_eq!(warnings(&well, &machine), [""; 0]);
        let troubles = [
            Figures { source: SourceState::Failed("NaN".to_owned()), ..well.clone() },
            Figures { source: SourceState::Ended, ..well.clone() },
            Figures { link: Status::default(), ..well.clone() },
            Figures { spool: Stats { octets: 900, ..Stats::default() }, ..well.clone() },
            Figures { lost_items: 1, ..well.clone() },
            Figures { stuck_items: 1, ..well.clone() },
            Figures { clipped_ppm: 5000, ..well.clone() },
            Figures { lost_samples: 1, ..well.clone() },
            Figures { notes: vec!["the calibration is old".to_owned()], ..well.clone() },
            Figures { device: Some((Counts::default(), Some("unplugged".to_owned()))), ..well.clone() },
            Figures { device: Some((Counts { failures: 3, ..Counts::default() }, None)), ..well.clone() },
            Figures { device: Some((Counts { gaps: 1, ..Counts::default() }, None)), ..well.clone() },
        ];
        for trouble in &troubles {
            assert_eq!(warnings(trouble, &machine).len(), 1, "{trouble:?}");
        }
        for machine in [
            Machine { disk_free: Some(5), ..machine },
            Machine { memory_available: Some(5), ..machine },
            Machine { celsius: Some(95.0), ..machine },
        ] {
            assert_eq!(warnings(&well, &machine).len(), 1, "{machine:?}");
        }
    }
}
