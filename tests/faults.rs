//! Everything that goes wrong on a pole, injected one after the other into a running node: it goes on listening, says in its health
//! what is wrong, and recovers. What is wrong with receivers is in tests/soapy_device.rs; killed processes and dead links in
//! tests/kill.rs and tests/node_to_hub.rs; what is wrong with navigation in tests/navigation.rs.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::config::keys;
use daen::observation::envelope::reopen;
use daen::observation::{Health, Item};
use std::fs::File;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn wait(what: &str, log: &Path, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        let said = || std::fs::read_to_string(log).unwrap_or_default();
        assert!(begun.elapsed() < Duration::from_secs(180), "waited in vain for: {what}\n{}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ended by its process id.
struct Node {
    child: Child,
    log: PathBuf,
}

impl Node {
    fn signal(&self, name: &str) {
        let id = self.child.id();
        Command::new("/bin/sh").args(["-c", &format!("kill -{name} {id}")]).status().unwrap();
    }
    fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
    fn stop(mut self) -> i32 {
        self.signal("TERM");
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A recording of noise of a second, which repeated in real time is a receiver that never ends.
fn recording(folder: &Path) {
    let meta = r#"{"global":{"core:datatype":"ci8","core:sample_rate":250000,"core:version":"1.0.0"},
        "captures":[{"core:sample_start":0,"core:frequency":947000000,"core:datetime":"2026-01-01T00:00:00Z"}],"annotations":[]}"#;
    std::fs::write(folder.join("x.sigmf-meta"), meta).unwrap();
    let mut state = 1u32;
    let noise: Vec<u8> = (0..500_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 24) as u8 & 15).wrapping_sub(8)
        })
        .collect();
    std::fs::write(folder.join("x.sigmf-data"), noise).unwrap();
}

fn config(folder: &Path, state: &Path, more: &str) -> PathBuf {
    recording(folder);
    let (private, public) = keys::generate();
    std::fs::write(folder.join("node.key"), private).unwrap();
    std::fs::write(folder.join("hub.pub"), public).unwrap();
    let text = format!(
        "node = \"pole-1\"\nstate_dir = \"{}\"\n[keys]\nsigning_key = \"node.key\"\nhub = \"hub\"\nhub_public_key = \"hub.pub\"\n\
         [broker]\nurl = \"mqtt://127.0.0.1:9\"\n[source]\nkind = \"recording\"\nfiles = [\"x.sigmf-meta\"]\nrealtime = true\nrepeat = true\n\
         [report]\nhealth_s = 1.0\nbatch_ms = 10\nroutine_s = 0.05\n{more}",
        state.display()
    );
    let path = folder.join("sensor.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn start(mut command: Command, folder: &Path) -> Node {
    let log = folder.join("node.log");
    let file = File::options().create(true).append(true).open(&log).unwrap();
    let copy = file.try_clone().unwrap();
    let child = command.stdin(Stdio::null()).stdout(copy).stderr(file).spawn().unwrap();
    Node { child, log }
}

fn daen(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daen"));
    command.arg("sensor").arg("--config").arg(config);
    command
}

/// The health reports in a node's spool, in their order, by a copy of its files: SQLite would follow the way into another name space
/// back into this one. A copy that was taken in the middle of a change is taken again.
fn reports(spool: &Path) -> Vec<Health> {
    let begun = Instant::now();
    loop {
        let copy = tempfile::tempdir().unwrap();
        for name in ["spool.sqlite", "spool.sqlite-wal"] {
            let _ = std::fs::copy(spool.with_file_name(name), copy.path().join(name));
        }
        if let Some(list) = read(&copy.path().join("spool.sqlite")).filter(|list| !list.is_empty()) {
            return list;
        }
        if begun.elapsed() > Duration::from_secs(2) {
            return vec![];
        }
    }
}

fn read(spool: &Path) -> Option<Vec<Health>> {
    let connection = rusqlite::Connection::open(spool).ok()?;
    let mut statement = connection.prepare("SELECT octets FROM spool ORDER BY id").ok()?;
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).ok()?;
    let envelopes: Vec<Vec<u8>> = rows.collect::<Result<_, _>>().ok()?;
    let items = envelopes.iter().filter_map(|octets| reopen(octets).ok()).flat_map(|envelope| envelope.items);
    Some(items.filter_map(|item| if let Item::Health(health) = item { Some(*health) } else { None }).collect())
}

#[test]
fn a_wrong_configuration_at_reload_changes_nothing_and_a_right_one_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let config = config(folder.path(), &state, "");
    let spool = state.join("spool.sqlite");
    let mut node = start(daen(&config), folder.path());
    wait("a health report", &node.log, || !reports(&spool).is_empty());
    let first = reports(&spool).pop().unwrap().config.unwrap();
    let right = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, right.replace("batch_ms = 10", "batch_ms = 0")).unwrap();
    node.signal("HUP");
    wait("the refusal", &node.log, || node.said().contains("report.batch_ms"));
    assert!(node.said().contains("the old one stays") && node.runs());
    let samples = reports(&spool).pop().unwrap().samples;
    wait("samples to go on", &node.log, || reports(&spool).pop().unwrap().samples > samples);
    assert_eq!(reports(&spool).pop().unwrap().config.as_ref(), Some(&first), "health names the configuration in force");
    wait("the refusal in its health", &node.log, || {
        warns(&spool, "the new configuration is refused and the old one stays") && warns(&spool, "report.batch_ms")
    });
    std::fs::write(&config, right.replace("batch_ms = 10", "batch_ms = 20")).unwrap();
    node.signal("HUP");
    wait("the new configuration", &node.log, || reports(&spool).pop().unwrap().config.as_ref() != Some(&first));
    wait("no word of the refusal any more", &node.log, || !warns(&spool, "refused and the old one stays"));
    assert_eq!(node.stop(), 0);
}

#[test]
fn a_node_that_is_started_with_a_wrong_configuration_takes_the_last_good_one_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let config = config(folder.path(), &state, "");
    let spool = state.join("spool.sqlite");
    let right = std::fs::read_to_string(&config).unwrap();
    let node = start(daen(&config), folder.path());
    let kept = state.join("last-good.toml");
    wait("the configuration to prove good", &node.log, || {
        std::fs::read_to_string(&kept).is_ok_and(|text| text == right)
    });
    let first = reports(&spool).pop().unwrap().config;
    assert_eq!(node.stop(), 0);

    // Wrong in three ways: a value, what it names, and, which shows only while it starts, a folder that is none.
    std::fs::write(folder.path().join("none"), "a file").unwrap();
    for (wrong, said) in [
        (right.replace("batch_ms = 10", "batch_ms = 0"), "report.batch_ms"),
        (right.replace("x.sigmf-meta", "y.sigmf-meta"), "y.sigmf-meta"),
        (format!("{right}\n[evidence]\nquota_octets = 200000000\nfolder = \"none\"\n"), "evidence.folder"),
    ] {
        std::fs::write(&config, &wrong).unwrap();
        let begun = reports(&spool).len();
        let mut node = start(daen(&config), folder.path());
        wait("a health report that says so", &node.log, || {
            reports(&spool).len() > begun && warns(&spool, said) && warns(&spool, "configuration")
        });
        let last = reports(&spool).pop().unwrap();
        assert_eq!(last.config, first, "the one in force is the last good one: {:?}", last.warnings);
        wait("samples", &node.log, || reports(&spool).pop().unwrap().samples > last.samples);
        assert!(node.runs());
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), right, "what is good stays good");
        assert_eq!(node.stop(), 0);
    }
    // A node that never ran has nothing to go back to.
    std::fs::remove_file(&kept).unwrap();
    std::fs::write(&config, right.replace("batch_ms = 10", "batch_ms = 0")).unwrap();
    let mut node = start(daen(&config), folder.path());
    let log = node.log.clone();
    wait("the node to end", &log, || !node.runs());
    assert_ne!(node.child.wait().unwrap().code(), Some(0));
}

/// Whether the newest health report warns of this.
fn warns(spool: &Path, of: &str) -> bool {
    reports(spool).pop().is_some_and(|health| health.warnings.iter().any(|text| text.contains(of)))
}

/// Every mount of the system but the node's own folder is made read-only, in a mount name space; then the shell becomes the node.
#[test]
fn a_node_whose_root_is_read_only_writes_to_its_state_folder_alone() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let unshare = ["--user", "--map-root-user", "--mount", "--propagation", "private"];
    let quota = "[evidence]\nquota_octets = 100000000\n";
    let config = config(folder.path(), &state, quota);
    let probe = folder.path().join("probe");
    let script = format!(
        "mount --bind '{0}' '{0}' && \
         while read -r _ at _ rest; do case $at in '{0}'|/proc*|/sys*|/dev*) ;; *) mount -o remount,bind,ro \"$at\" 2>/dev/null;; esac; \
         done < /proc/self/mounts; ! touch '{1}' 2>/dev/null && touch '{0}/probe' && exec \"$0\" \"$@\"",
        state.display(),
        probe.display()
    );
    let possible = Command::new("unshare").args(unshare).args(["sh", "-c", &script, "true"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        println!("skipped: the root cannot be made read-only in a name space of one's own (unshare, user name spaces)");
        return;
    }
    let before = listing(folder.path());
    let mut command = Command::new("unshare");
    command.args(unshare).args(["sh", "-c", &script]).arg(env!("CARGO_BIN_EXE_daen"));
    command.arg("sensor").arg("--config").arg(&config).env("TMPDIR", "/nonexistent");
    let mut node = start(command, folder.path());
    let spool = state.join("spool.sqlite");
    wait("the configuration to prove good", &node.log, || state.join("last-good.toml").is_file());
    wait("health reports", &node.log, || reports(&spool).len() > 2);
    let last = reports(&spool).pop().unwrap();
    assert!(node.runs() && last.samples > 0 && last.disk_free_octets > 0, "{last:?}\n{}", node.said());
    assert!(!node.said().to_lowercase().contains("read-only"), "{}", node.said());
    assert!(std::fs::read_dir(state.join("evidence")).unwrap().count() > 0, "evidence is kept too");
    assert_eq!(node.stop(), 0);
    let mut after = listing(folder.path());
    after.retain(|name| name != "node.log");
    assert_eq!(after, before, "beside its state it has written nothing");
    assert!(state.join("learned.json").is_file());
}

fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A library that stands between the node and the clock, built here: seconds in a file are added to the time of day.
fn clock(folder: &Path) -> Option<PathBuf> {
    let library = folder.join("clock.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/faults/clock.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
    built.is_ok_and(|status| status.success()).then_some(library)
}

#[test]
fn a_clock_that_is_set_back_and_forward_by_years_is_told_of_and_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(library) = clock(folder.path()) else {
        println!("skipped: the C compiler (cc) that makes a clock which can be set is not there");
        return;
    };
    let state = folder.path().join("state");
    let config = config(folder.path(), &state, "");
    let spool = state.join("spool.sqlite");
    let offset = folder.path().join("offset");
    std::fs::write(&offset, "0").unwrap();
    let notify = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&notify).unwrap();
    systemd.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = daen(&config);
    command.env("LD_PRELOAD", &library).env("CLOCK_OFFSET", &offset);
    command.env("NOTIFY_SOCKET", &notify).env("WATCHDOG_USEC", "4000000");
    let mut node = start(command, folder.path());
    wait("health reports", &node.log, || reports(&spool).len() > 1);
    const YEAR: i64 = 365 * 86_400;
    let mut years_before = 0;
    for years in [-3, 7, 0] {
        let before = reports(&spool).pop().unwrap();
        let beside = folder.path().join("offset.new");
        std::fs::write(&beside, (years * YEAR).to_string()).unwrap();
        std::fs::rename(&beside, &offset).unwrap();
        let word = if years < years_before { "set back" } else { "set forward" };
        wait("a report that tells of it", &node.log, || warns(&spool, word));
        let told = reports(&spool).pop().unwrap();
        let moved = (told.at_ns - before.at_ns).as_secs_f64() / YEAR as f64;
        assert!((moved - (years - years_before) as f64).abs() < 0.01, "{moved} years");
        // It goes on: samples, reports in time, words to the watchdog.
        let count = reports(&spool).len();
        wait("samples and reports to go on", &node.log, || {
            let list = reports(&spool);
            list.len() > count + 2 && list.last().unwrap().samples > told.samples + 500_000
        });
        systemd.set_nonblocking(true).unwrap();
        let mut octets = [0; 256];
        while systemd.recv(&mut octets).is_ok() {}
        systemd.set_nonblocking(false).unwrap();
        let length = systemd.recv(&mut octets).expect("the watchdog is fed");
        assert_eq!(&octets[..length], b"WATCHDOG=1");
        assert!(node.runs());
        years_before = years;
    }
    let last = reports(&spool).pop().unwrap();
    assert_eq!((last.lost_samples, last.spool_evicted), (0, 0));
    assert_eq!(node.stop(), 0);
}

/// The node gets a disk of 24 MB of its own (a mount name space), which somebody else then fills to the last octet.
#[test]
fn a_node_whose_disk_is_full_goes_on_listening_is_fed_evicts_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("disk");
    std::fs::create_dir(&state).unwrap();
    let unshare = ["--user", "--map-root-user", "--mount", "--propagation", "private"];
    let try_mount = format!("mount -t tmpfs -o size=1m none '{}'", state.display());
    let possible = Command::new("unshare").args(unshare).args(["sh", "-c", &try_mount]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        println!("skipped: a disk cannot be mounted in a name space of one's own (unshare, user name spaces)");
        return;
    }
    let config = config(folder.path(), &state, "");
    let notify = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&notify).unwrap();
    systemd.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // The shell mounts the disk, and then is the node; what is told to the disk from outside goes through its /proc entry.
    let script = format!("mount -t tmpfs -o size=24m none '{}' && exec \"$0\" \"$@\"", state.display());
    let mut command = Command::new("unshare");
    command.args(unshare).args(["sh", "-c", &script]).arg(env!("CARGO_BIN_EXE_daen"));
    command.arg("sensor").arg("--config").arg(&config);
    command.env("NOTIFY_SOCKET", &notify).env("WATCHDOG_USEC", "4000000");
    let mut node = start(command, folder.path());
    let disk = PathBuf::from(format!("/proc/{}/root{}", node.child.id(), state.display()));
    let spool = disk.join("spool.sqlite");
    wait("a health report", &node.log, || !reports(&spool).is_empty());

    // Full: everything but the node's own files.
    let block = vec![0x55u8; 1 << 16];
    let mut filler = File::create(disk.join("somebody-elses")).unwrap();
    while std::io::Write::write_all(&mut filler, &block).is_ok() {}
    while std::io::Write::write_all(&mut filler, &block[..512]).is_ok() {}
    let before = reports(&spool).pop().unwrap();
    wait("reports that go on while the disk is full", &node.log, || {
        reports(&spool)
            .pop()
            .is_some_and(|health| health.samples > before.samples + 1_000_000 && health.disk_free_octets < (24 << 20))
    });
    assert!(node.runs(), "{}", node.said());
    // Fed: as many words to systemd as ever, in the time that the disk was full.
    let mut fed = 0;
    let mut octets = [0; 256];
    systemd.set_nonblocking(true).unwrap();
    while systemd.recv(&mut octets).is_ok() {}
    systemd.set_nonblocking(false).unwrap();
    while fed < 4 {
        let length = systemd.recv(&mut octets).expect("the watchdog is fed while the disk is full");
        fed += usize::from(&octets[..length] == b"WATCHDOG=1");
    }
    let last = reports(&spool).pop().unwrap();
    assert!(last.warnings.iter().any(|text| text.contains("MiB are free")), "its health says so: {:?}", last.warnings);
    assert_eq!(last.lost_samples, 0, "nothing was missed meanwhile");

    drop(filler);
    std::fs::remove_file(disk.join("somebody-elses")).unwrap();
    wait("reports after the disk has space again", &node.log, || {
        reports(&spool).pop().is_some_and(|health| health.samples > last.samples)
    });
    assert_eq!(node.stop(), 0);
}

#[test]
fn a_spool_that_cannot_be_used_and_a_state_folder_that_cannot_be_written_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let config = config(folder.path(), &state, "");
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("spool.sqlite"), vec![0x42u8; 8192]).unwrap();
    let mut node = start(daen(&config), folder.path());
    let log = node.log.clone();
    wait("the node to end", &log, || !node.runs());
    let said = node.said();
    assert!(said.contains("spool.sqlite is damaged") && said.contains("move it aside"), "{said}");
    assert_eq!(std::fs::read(state.join("spool.sqlite")).unwrap(), vec![0x42u8; 8192], "evidence is not overwritten");
}
