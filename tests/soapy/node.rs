//! The program with a receiver: `daen scan` and `daen sensor`.

use super::*;
use daen::observation::Item;
use std::os::unix::net::UnixDatagram;

fn daen(args: &[&str]) -> std::process::Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_daen")).args(args).output().unwrap()
}

/// The cells of `daen scan --json` without what depends on when and where they were heard.
fn scanned(output: &std::process::Output) -> Vec<serde_json::Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines
        .lines()
        .map(|line| {
            let mut cell: serde_json::Value = serde_json::from_str(line).unwrap();
            let object = cell.as_object_mut().unwrap();
            for key in ["at_ns", "first_ns", "clock", "receiver", "timing"] {
                object.remove(key);
            }
            cell
        })
        .collect()
}

#[test]
fn scan_shows_the_same_cells_from_a_device_and_from_the_recording() {
    if !inside("node::scan_shows_the_same_cells_from_a_device_and_from_the_recording", Place::Here, &[]) {
        return;
    }
    let Some(path) = capture("gsm/vodafone-arfcn725-1M") else { return };
    let device = format!("driver=daentest,file={},end=loop", path.with_extension("sigmf-data").display());
    let profile = soapy::profile();
    let tuned = ["--device", &device, "--profile", &profile, "--freq", "1847.8M", "--rate", "1M"];
    let live = daen(&[&["scan", "--json", "--seconds", "7.3"], &tuned[..]].concat());
    let file = daen(&["scan", "--json", "--seconds", "7.3", path.to_str().unwrap()]);
    let (live, file) = (scanned(&live), scanned(&file));
    assert!(!file.is_empty());
    assert_eq!(live.len(), file.len());
    // The last block may be one more or less: identity and messages are the same, levels within a hair.
    for (a, b) in live.iter().zip(&file) {
        assert_eq!((&a["cell"], &a["identity"], &a["fields"]), (&b["cell"], &b["identity"], &b["fields"]));
        assert!((a["level"]["dbfs"].as_f64().unwrap() - b["level"]["dbfs"].as_f64().unwrap()).abs() < 0.1);
    }
    // For people, through a pipe: a line for the new cell, then the picture; nothing of a terminal.
    let text = daen(&["scan", path.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("new GSM") && text.contains("1847.800") && text.contains('█'), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}

/// The number in front of ` samples lost here` in what a scan shows; it is not there where nothing was lost.
fn lost_here(text: &str) -> u64 {
    let before = text.split_once(" samples lost here").map(|(before, _)| before);
    before.map_or(0, |before| before.rsplit(' ').next().unwrap().parse().unwrap())
}

#[test]
fn scan_keeps_up_with_a_fast_receiver_as_a_node_does() {
    if !inside("node::scan_keeps_up_with_a_fast_receiver_as_a_node_does", Place::Here, &[]) {
        return;
    }
    let Some(gsm) = capture("gsm/vodafone-arfcn725-1M") else { return };
    let Some(lte) = capture("lte/enb-warn25") else { return };
    // Both recordings in 20 MHz of spectrum, at a quarter of the pace: what is tested is how much work is taken on, not how fast a
    // machine is that builds other things meanwhile.
    const SECONDS: f64 = 5.0;
    let device = format!(
        "driver=daentest,format=CS16,rates=20000000,mtu=65536,slow=4,scene={}@1000000@1847800000@0@1000@0.3;{}@5760000@1838e6@0@1000@0.3",
        gsm.with_extension("sigmf-data").display(),
        lte.with_extension("sigmf-data").display(),
    );
    let (profile, seconds) = (soapy::profile(), SECONDS.to_string());
    let tuned = ["scan", "--device", &device, "--profile", &profile, "--freq", "1844M", "--rate", "20M"];
    let scan = daen(&[&tuned[..], &["--seconds", &seconds]].concat());
    let text = String::from_utf8_lossy(&scan.stdout).into_owned();
    assert!(scan.status.success(), "{text}{}", String::from_utf8_lossy(&scan.stderr));
    println!("{text}");
    let samples = (SECONDS * 20e6) as u64;
    let lost = lost_here(&text);
    println!("{lost} of {samples} samples lost on their way to the receivers");
    // Received whole, as a recording is, 680 million samples were lost of this scene for the 100 million that were received, and no cell
    // of GSM was found. A machine that stops everything for a while costs a ring or two, an eighth of a second each.
    assert!(lost < samples / 20, "{lost} of {samples} samples lost: {text}");
    assert!(text.contains("LTE is searched in a stretch now and then"), "{text}");
    // As truth.json has them.
    for words in [["  GSM   1847.800", " 48  262-02 ", " 11225 "], ["  LTE   1838.000", " 77  001-01 ", " 105223 "]] {
        let is = |line: &str| words.iter().all(|word| line.contains(word));
        assert!(text.lines().any(is), "{words:?}: {text}");
    }
}

#[test]
fn scan_says_when_a_receiver_is_too_fast_to_decode() {
    if !inside("node::scan_says_when_a_receiver_is_too_fast_to_decode", Place::Here, &[]) {
        return;
    }
    let device = "driver=daentest,format=CS16,rates=61440000,slow=20";
    let profile = soapy::profile();
    let scan = daen(&[
        "scan",
        "--device",
        device,
        "--profile",
        &profile,
        "--freq",
        "947.4M",
        "--rate",
        "61.44M",
        "--seconds",
        "0.1",
    ]);
    let (text, said) = (String::from_utf8_lossy(&scan.stdout), String::from_utf8_lossy(&scan.stderr));
    assert!(scan.status.success() && text.contains("only the spectrum is looked at"), "{text}{said}");
    assert!(said.contains("above 32 Msps"), "who asks for JSON is told as well: {said}");
    assert!(text.contains('█') && text.contains("no cell heard"), "{text}");
}

#[test]
fn scan_lists_devices_and_says_why_one_cannot_be_opened() {
    if !inside("node::scan_lists_devices_and_says_why_one_cannot_be_opened", Place::Here, &[]) {
        return;
    }
    let listed = daen(&["scan", "--probe"]);
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.status.success() && text.contains("driver=daentest,serial=0"), "{text}");
    assert!(text.contains("gain           LNA 0 to 40 dB") && text.contains("no profile of firmware-config"), "{text}");
    let profile = soapy::profile();
    let failed = daen(&["scan", "--device", "driver=daentest,refuse=rate", "--profile", &profile, "--freq", "947M"]);
    let text = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && text.contains("sample rate 1000000 Hz was refused"), "{text}");
    let failed = daen(&["scan", "--device", "driver=hackrf", "--freq", "8G"]);
    let text = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && text.contains("HackRF One offers 1000000 to 6000000000 Hz"), "{text}");
}

/// A node's configuration for the test device, beside its keys.
fn node(folder: &Path, device: &str, more: &str) -> PathBuf {
    let log = folder.join("log");
    let (log, profile) = (log.display(), soapy::profile());
    soapy::node(
        folder,
        &format!(
            "device = \"driver=daentest,log={log},{device}\"\nprofile = \"{profile}\"\ncenter_hz = 1847.8e6\n{more}\n\
             [report]\nbatch_ms = 50\nhealth_s = 1.0\n",
        ),
    )
}

#[test]
fn a_node_receives_from_a_receiver_survives_its_failure_and_tells_systemd() {
    if !inside("node::a_node_receives_from_a_receiver_survives_its_failure_and_tells_systemd", Place::Here, &[]) {
        return;
    }
    let Some(path) = capture("gsm/vodafone-arfcn725-1M") else { return };
    let folder = tempfile::tempdir().unwrap();
    let device = format!("file={},end=loop,faults=error@2000000:0", path.with_extension("sigmf-data").display());
    let config = node(folder.path(), &device, "rate_hz = 1000000.0");
    let systemd = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    systemd.set_nonblocking(true).unwrap();
    let log = std::fs::File::create(folder.path().join("node.log")).unwrap();
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_daen"))
        .args(["sensor", "--config", config.to_str().unwrap()])
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .env("WATCHDOG_USEC", "20000000")
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let mut told: Vec<String> = Vec::new();
    let mut listen = || {
        let mut octets = [0; 64];
        while let Ok(length) = systemd.recv(&mut octets) {
            told.push(String::from_utf8_lossy(&octets[..length]).into_owned());
        }
        told.clone()
    };
    let said = || std::fs::read_to_string(folder.path().join("node.log")).unwrap();
    wait_until("the receiver to be opened again", || {
        let told = listen();
        said().matches("the receiver is open").count() >= 2
            && told.iter().filter(|word| *word == "WATCHDOG=1").count() >= 2
    });
    // Long enough for the cell's identity after the failure.
    std::thread::sleep(Duration::from_secs(4));
    std::process::Command::new("/bin/sh").args(["-c", &format!("kill -TERM {}", running.0.id())]).status().unwrap();
    let status = running.0.wait().unwrap();
    assert!(status.success(), "{}", said());
    let told = listen();
    assert_eq!(told.first().map(String::as_str), Some("READY=1"), "{told:?}");
    assert_eq!(told.last().map(String::as_str), Some("STOPPING=1"), "{told:?}");

    let items = soapy::told(folder.path());
    let cells = items.iter().filter_map(|item| match item {
        Item::Observation(seen) => seen.identity.as_ref().map(|identity| (seen.cell, identity.clone())),
        _ => None,
    });
    let file = recording(&path);
    let expected: Vec<_> =
        self::cells(&file).into_iter().filter_map(|cell| cell.identity.map(|identity| (cell.key, identity))).collect();
    let mut heard: Vec<_> = cells.collect();
    heard.dedup();
    assert!(!expected.is_empty());
    assert_eq!(heard, expected, "the node hears what the recording holds: {}", said());
    let warned = items.iter().any(|item| {
        matches!(item, Item::Health(health) if health.warnings.iter().any(|text| text.contains("the receiver has failed")))
    });
    assert!(warned, "its health tells of the failure");
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("setupStream") && !log.contains("TX"), "{log}");
}

/// A node that runs, and the folder of its configuration.
pub struct Node {
    running: Running,
    pub folder: tempfile::TempDir,
}

impl Node {
    /// Starts one with the test device; `prepare` may put files beside its configuration.
    pub fn start(device: &str, more: &str, prepare: impl FnOnce(&Path)) -> Node {
        Node::start_with(device, more, prepare, &std::env::var("PATH").unwrap_or_default())
    }

    /// The same, with these folders of programs.
    pub fn start_with(device: &str, more: &str, prepare: impl FnOnce(&Path), programs: &str) -> Node {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let config = node(folder.path(), device, more);
        let log = std::fs::File::create(folder.path().join("node.log")).unwrap();
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_daen"))
            .args(["sensor", "--config", config.to_str().unwrap()])
            .env("PATH", programs)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Node { running: Running(child), folder }
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("node.log")).unwrap()
    }

    /// Ends it, and gives what it would have told the hub.
    pub fn stop(&mut self) -> Vec<Item> {
        let id = self.running.0.id();
        std::process::Command::new("/bin/sh").args(["-c", &format!("kill -TERM {id}")]).status().unwrap();
        assert!(self.running.0.wait().unwrap().success(), "{}", self.said());
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        assert!(!log.contains("TX"), "something had to do with transmitting:\n{log}");
        soapy::told(self.folder.path())
    }
}

/// The level that shows as 0 dBFS at each gain of the first element, and what it is at the wish, were that to be had.
const CALIBRATION: &str = r#"
serial = "77"
model = "test device"
date = "2026-10-01"
valid_until = "2099-01-01"
by = "a test"
method = "invented"
[[level]]
low_hz = 1800e6
high_hz = 1900e6
antenna = "RX"
celsius = 25.0
db_per_celsius = 0.0
interpolation_sigma_db = 0.3
points = [
    { hz = 1800e6, gains = { LNA = 31.0, VGA = 0.0 }, dbm_at_full_scale = -50.0, sigma_db = 0.5 },
    { hz = 1900e6, gains = { LNA = 31.0, VGA = 0.0 }, dbm_at_full_scale = -50.0, sigma_db = 0.5 },
    { hz = 1800e6, gains = { LNA = 32.0, VGA = 0.0 }, dbm_at_full_scale = -53.0, sigma_db = 0.5 },
    { hz = 1900e6, gains = { LNA = 32.0, VGA = 0.0 }, dbm_at_full_scale = -53.0, sigma_db = 0.5 },
]
[[delay]]
rate_hz = 1e6
ns = 14300.0
sigma_ns = 200.0
"#;

#[test]
fn a_level_is_that_of_the_gain_the_driver_made_and_none_where_the_device_is_another_one() {
    let name = "node::a_level_is_that_of_the_gain_the_driver_made_and_none_where_the_device_is_another_one";
    if !inside(name, Place::Here, &[]) {
        return;
    }
    let Some(path) = capture("gsm/vodafone-arfcn725-1M") else { return };
    // 31 dB are wished for; the device has steps of 2 dB and makes 32 of it, which is still almost without clipping here.
    let more =
        "rate_hz = 1000000.0\ngains = { LNA = 31.0, VGA = 0.0 }\n[calibration]\nfolder = \"cal\"\nserial = \"77\"";
    let prepare = |folder: &Path| {
        std::fs::create_dir(folder.join("cal")).unwrap();
        std::fs::write(folder.join("cal/77.toml"), CALIBRATION).unwrap();
    };
    let start = |own: &str| {
        let device = format!("file={},end=loop,own_serial={own}", path.with_extension("sigmf-data").display());
        Node::start(&device, more, prepare)
    };
    let (mut same, mut another) = (start("77"), start("78"));
    std::thread::sleep(Duration::from_secs(8));
    for (node, own) in [(&mut same, true), (&mut another, false)] {
        let items = node.stop();
        let seen: Vec<_> = items
            .iter()
            .filter_map(|item| match item {
                Item::Observation(seen) => Some(seen),
                _ => None,
            })
            .collect();
        assert!(!seen.is_empty(), "{}", node.said());
        for one in &seen {
            assert_eq!(one.receiver.gain_db, Some(Db(32.0)), "whoever it is");
            assert_eq!(one.level.dbm.is_some(), own);
            assert_eq!(one.receiver.delay.is_some(), own);
            if let Some(dbm) = one.level.dbm {
                let full_scale = dbm.0 - one.level.dbfs.0;
                assert!((full_scale - -53.0).abs() < 0.02, "0 dBFS is {full_scale} dBm");
                assert!(one.level.sigma_db.0 >= 0.5);
            }
        }
        let told = items.iter().any(|item| {
            let refused = "it is 78, and the calibration is of 77: it is not used";
            matches!(item, Item::Health(health) if health.warnings.iter().any(|text| text.contains(refused)))
        });
        assert_eq!(told, !own, "{}", node.said());
    }
}

#[test]
fn a_node_takes_a_new_configuration_and_keeps_the_old_one_when_the_new_one_is_wrong() {
    if !inside(
        "node::a_node_takes_a_new_configuration_and_keeps_the_old_one_when_the_new_one_is_wrong",
        Place::Here,
        &[],
    ) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = node(folder.path(), "format=CS16", "rate_hz = 1000000.0");
    let log = std::fs::File::create(folder.path().join("node.log")).unwrap();
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_daen"))
        .args(["sensor", "--config", config.to_str().unwrap()])
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let said = || std::fs::read_to_string(folder.path().join("node.log")).unwrap();
    let signal = |name: &str, id: u32| {
        std::process::Command::new("/bin/sh").args(["-c", &format!("kill -{name} {id}")]).status().unwrap();
    };
    let change = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&config).unwrap();
        assert!(text.contains(from));
        std::fs::write(&config, text.replace(from, to)).unwrap();
    };
    wait_until("the receiver", || said().contains("center: Hz(1847800000.0)"));
    change("rate_hz = 1000000.0", "rate_hz = 3000000.0");
    signal("HUP", running.0.id());
    wait_until("the refusal", || said().contains("refused and the old one stays"));
    assert!(said().contains("source.rate_hz = 3000000"), "{}", said());
    assert!(!said().contains("the node has stopped"));
    change("rate_hz = 3000000.0", "rate_hz = 1000000.0");
    change("center_hz = 1847.8e6", "center_hz = 947.4e6");
    signal("HUP", running.0.id());
    wait_until("the new tuning", || said().contains("center: Hz(947400000.0)"));
    signal("TERM", running.0.id());
    assert!(running.0.wait().unwrap().success(), "{}", said());
}

#[test]
fn a_node_that_wishes_for_what_its_receiver_cannot_do_is_told_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    for (more, words) in [
        (
            "rate_hz = 3000000.0",
            "source.rate_hz = 3000000: test device offers 1000000, 500000, 4000000, 20000000, 61440000",
        ),
        ("antenna = \"TX/RX\"", "source.antenna = TX/RX: test device offers RX, AUX"),
        ("gains = { IF = 3.0 }", "source.gains.IF = 3: test device offers the gain elements LNA, VGA"),
    ] {
        let config = node(folder.path(), "serial=1", more);
        let output = daen(&["sensor", "--check", "--config", config.to_str().unwrap()]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(words), "{text}");
    }
    let config = node(folder.path(), "serial=1", "");
    let output = daen(&["sensor", "--check", "--config", config.to_str().unwrap()]);
    assert!(output.status.success(), "the receiver itself need not be there: {output:?}");
}
