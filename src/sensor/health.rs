//! How the node is: figures from `/proc` and from the stages, and what of it wants attention.

use super::publish::Status;
use super::spool::Stats;
use crate::observation::{Clock, Dwell, Health, Position, Schedule};
use crate::radio::live::Counts;
use crate::units::Timestamp;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Clock ticks a second in `/proc/PID/stat`; Linux shows processes this value on every architecture (`USER_HZ`).
const TICKS: f64 = 100.0;
/// Less free space than this is worth a warning.
const LITTLE_SPACE: u64 = 100 << 20;
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
    /// Cells followed.
    pub cells: u32,
    /// Last message without error.
    pub last_decode: Option<Timestamp>,
    /// Samples at full scale, parts per million.
    pub clipped_ppm: u32,
    /// The spool.
    pub spool: Stats,
    /// Its limit, octets.
    pub spool_limit: u64,
    /// Items that could not be spooled.
    pub lost_items: u64,
    /// The connection.
    pub link: Status,
    /// Carriers that are dwelt on.
    pub dwells: Vec<Dwell>,
    /// What receivers that scan are at.
    pub schedules: Vec<Schedule>,
    /// Signal that waits to be worked on, milliseconds.
    pub latency_ms: Option<u32>,
    /// The source.
    pub source: SourceState,
}

/// Takes samples of the process and its machine.
#[derive(Debug)]
pub struct Sampler {
    started: Timestamp,
    position: Option<Position>,
    folder: PathBuf,
    last: Option<(Timestamp, f64)>,
}

impl Sampler {
    /// For a node that started at `started` and keeps its spool in `folder`.
    pub fn new(started: Timestamp, position: Option<Position>, folder: &Path) -> Sampler {
        Sampler { started, position, folder: folder.to_owned(), last: None }
    }

    /// The health at `now`. Figures that the machine does not give are zero.
    pub fn sample(&mut self, now: Timestamp, figures: &Figures) -> Health {
        let used = cpu_seconds(&std::fs::read_to_string("/proc/self/stat").unwrap_or_default()).unwrap_or(0.0);
        let (since, before) = self.last.replace((now, used)).unwrap_or((self.started, 0.0));
        let wall = (now - since).as_secs_f64();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let disk_free = disk_free(&self.folder);
        Health {
            at_ns: now,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ns: self.started,
            position: self.position,
            clock: figures.clock,
            cpu_percent: if wall > 0.0 { ((used - before) / wall * 1000.0).round() / 10.0 } else { 0.0 },
            memory_octets: resident_octets(&status).unwrap_or(0),
            disk_free_octets: disk_free.unwrap_or(0),
            spool_envelopes: figures.spool.envelopes,
            spool_octets: figures.spool.octets,
            spool_evicted: figures.spool.evicted,
            samples: figures.samples,
            lost_samples: figures.lost_samples + figures.device.as_ref().map_or(0, |(counts, _)| counts.lost_samples),
            cells: figures.cells,
            last_decode_ns: figures.last_decode,
            warnings: warnings(figures, disk_free),
            dwells: figures.dwells.clone(),
            schedules: figures.schedules.clone(),
            latency_ms: figures.latency_ms,
            tasks_taken: figures.link.tasks_taken,
            refused: figures.link.refused_by_reason.clone(),
        }
    }
}

/// What wants attention, in words. The words do not hold figures that change all the time, so that a change of words is a change of
/// state.
pub fn warnings(figures: &Figures, disk_free: Option<u64>) -> Vec<String> {
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
    if figures.lost_items > 0 {
        list.push("items were lost because the spool could not take them".to_owned());
    }
    if disk_free.is_some_and(|free| free < LITTLE_SPACE) {
        list.push(format!("less than {} MiB are free for the spool", LITTLE_SPACE >> 20));
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

/// `VmRSS` of `/proc/PID/status`; proc(5).
fn resident_octets(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_what_linux_shows() {
        // A process with an odd name, as of Linux 6.1; user 250 and system 50 ticks.
        let stat = "4242 (a) b) S 1 4242 4242 0 -1 4194560 1500 0 3 0 250 50 0 0 20 0 12 0 1000 0 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("nonsense"), None);
        assert_eq!(resident_octets("Name:\tdaen\nVmRSS:\t    2048 kB\nThreads:\t9\n"), Some(2 << 20));
        let df = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda1 100 40 60 40% /var/lib\n";
        assert_eq!(available_octets(df), Some(60 << 10));
    }

    #[test]
    fn this_process_has_memory_and_its_disk_has_space() {
        let folder = tempfile::tempdir().unwrap();
        let mut sampler = Sampler::new(Timestamp(0), None, folder.path());
        let health = sampler.sample(Timestamp(1_000_000_000), &Figures::default());
        assert!(health.memory_octets > 1 << 20 && health.disk_free_octets > 0, "{health:?}");
    }

    #[test]
    fn a_healthy_node_has_no_warnings_and_each_trouble_has_its_own() {
        let link = Status { connected: true, ..Status::default() };
        let well = Figures { spool_limit: 1000, link, ..Figures::default() };
        assert_eq!(warnings(&well, Some(1 << 40)), [""; 0]);
        let troubles = [
            Figures { source: SourceState::Failed("NaN".to_owned()), ..well.clone() },
            Figures { source: SourceState::Ended, ..well.clone() },
            Figures { link: Status::default(), ..well.clone() },
            Figures { spool: Stats { octets: 900, ..Stats::default() }, ..well.clone() },
            Figures { lost_items: 1, ..well.clone() },
            Figures { clipped_ppm: 5000, ..well.clone() },
            Figures { lost_samples: 1, ..well.clone() },
            Figures { device: Some((Counts::default(), Some("unplugged".to_owned()))), ..well.clone() },
            Figures { device: Some((Counts { failures: 3, ..Counts::default() }, None)), ..well.clone() },
            Figures { device: Some((Counts { gaps: 1, ..Counts::default() }, None)), ..well.clone() },
        ];
        for trouble in &troubles {
            assert_eq!(warnings(trouble, Some(1 << 40)).len(), 1, "{trouble:?}");
        }
        assert_eq!(warnings(&well, Some(5)).len(), 1);
    }
}
