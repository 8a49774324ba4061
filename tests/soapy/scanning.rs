//! A node whose receiver follows the scan plan, through the real library and the real program.

use super::*;
use daen::observation::{Health, Item, Observation};

/// The device's rate; a receiver of an engineer's bench, slowed down for busy machines.
const RATE: &str = "4000000";
/// When the second transmitter comes up, seconds of the device's time.
const UP: f64 = 5.0;

/// A node that scans the GSM band at 900 MHz with a device that plays `scene`, and waits until `done` likes what the log says.
fn scan(folder: &Path, device: &str, more: &str) -> PathBuf {
    let band = |name: &str, edges: &str| {
        format!("[[band]]\nname = \"{name}\"\ndownlink_mhz = {edges}\ngsm = true\nuse = \"-\"\nsource = \"test\"\n")
    };
    let bands = ["version = 1\ncountry = \"XX\"\nname = \"Nowhere\"\n".to_owned(), band("8", "[925.0, 960.0]")];
    std::fs::write(folder.join("bands.toml"), bands.concat()).unwrap();
    let profile = std::fs::read_to_string(soapy::profile()).unwrap();
    let profile = profile.replace("settling_ms = 0.0", "settling_ms = 5.0");
    std::fs::write(folder.join("profile.toml"), profile).unwrap();
    let log = folder.join("log");
    soapy::node(
        folder,
        &format!(
            "device = \"driver=daentest,rates={RATE},log={},format=CS16,{device}\"\nprofile = \"profile.toml\"\n\
             scan = [\"bands.toml\"]\nrate_hz = {RATE}.0\n[report]\nbatch_ms = 50\nhealth_s = 1.0\n{more}",
            log.display(),
        ),
    )
}

fn split(items: Vec<Item>) -> (Vec<Observation>, Vec<Health>) {
    let (mut seen, mut health) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Observation(one) => seen.push(*one),
            Item::Health(one) => health.push(*one),
            _ => {}
        }
    }
    (seen, health)
}

/// Reads until so many samples have come after `wanted` was asked for and a stream began.
fn retune(rig: &mut Rig, wanted: f64) -> Heard {
    rig.live.tune(Hz(wanted));
    let mut heard =
        rig.read(1000, |streams, _| streams.len() > 1 && streams.last().is_some_and(|s| s.samples.len() > 20_000));
    heard.pop().unwrap()
}

#[test]
fn a_retune_begins_a_stream_without_samples_of_the_old_tuning_and_time_goes_on() {
    if !inside(
        "scanning::a_retune_begins_a_stream_without_samples_of_the_old_tuning_and_time_goes_on",
        Place::Here,
        &[],
    ) {
        return;
    }
    for kind in ["samples", "none"] {
        // Settling of 5 ms: 5000 samples at this rate.
        let profile = std::fs::read_to_string(soapy::profile()).unwrap();
        let stamps = if kind == "samples" { "samples" } else { "none" };
        let profile = profile
            .replace("settling_ms = 0.0", "settling_ms = 5.0")
            .replace("timestamps = \"samples\"", &format!("timestamps = \"{stamps}\""));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("settling-{kind}.toml"));
        std::fs::write(&path, profile).unwrap();
        let mut rig = Rig::new(&format!("format=CS16,kind={kind},mtu=1000"), |wish| {
            wish.profile = path.display().to_string();
        });
        let before = rig.read_samples(50_000).pop().unwrap();
        let after = retune(&mut rig, 960e6);
        assert_eq!((before.info.center, after.info.center), (Hz(947e6), Hz(960e6)));
        assert_ne!(before.info.stream, after.info.stream);
        // The ramp counts the device's samples: what the stream's time says is missing is missing.
        let apart = (after.info.start - before.info.start).0 / 1000;
        let (first, _) = before.ramp();
        assert_eq!((after.ramp().0 as i64 - first as i64).rem_euclid(32768), apart.rem_euclid(32768), "{kind}");
        let again = retune(&mut rig, 947e6);
        assert_eq!(again.info.center, Hz(947e6));
        let counts = rig.live.counts();
        assert_eq!((counts.retunes, counts.gaps, counts.lost_samples, counts.failures), (2, 0, 0, 0), "{kind}");
        assert_eq!(rig.log().matches("activateStream").count(), 1, "the stream runs on");
    }
}

#[test]
fn a_tuning_that_is_refused_is_told_and_the_device_goes_on_where_it_is() {
    if !inside("scanning::a_tuning_that_is_refused_is_told_and_the_device_goes_on_where_it_is", Place::Here, &[]) {
        return;
    }
    let mut rig = Rig::new("format=CS16,mtu=1000", |_| ());
    rig.read_samples(20_000);
    let after = retune(&mut rig, 7e9);
    assert_eq!(after.info.center, Hz(947e6));
    assert!(rig.live.is_refused(Hz(7e9)) && !rig.live.is_refused(Hz(947e6)));
    let after = retune(&mut rig, 950e6);
    assert_eq!((after.info.center, rig.live.counts().failures), (Hz(950e6), 0));
}

#[test]
fn a_device_that_is_opened_again_goes_where_it_was_sent() {
    if !inside("scanning::a_device_that_is_opened_again_goes_where_it_was_sent", Place::Here, &[]) {
        return;
    }
    let mut rig = Rig::new("format=CS16,mtu=1000,faults=error@200000:0", |_| ());
    rig.read_samples(20_000);
    retune(&mut rig, 950e6);
    let heard = rig
        .read(1000, |streams, live| live.counts().opened > 1 && streams.last().is_some_and(|s| s.samples.len() > 1000));
    assert_eq!(heard.last().unwrap().info.center, Hz(950e6));
}

#[test]
fn a_node_that_scans_sees_and_decodes_a_transmitter_that_comes_up() {
    if !inside("scanning::a_node_that_scans_sees_and_decodes_a_transmitter_that_comes_up", Place::Here, &[]) {
        return;
    }
    let Some(path) = capture("gsm/vodafone-arfcn725-1M") else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = path.with_extension("sigmf-data");
    let cell = |center: f64, from: f64| format!("{}@1000000@{center}@{from}@1000@0.05", data.display());
    // One cell from the beginning, another after five seconds; the receiver's own DC and a tone; samples of the old tuning after each
    // retune.
    let device = format!(
        "scene={};{},noise=300,dc=3000,spur=700000@2000,stale=9000,slow=2",
        cell(952.6e6, 0.0),
        cell(938.2e6, UP)
    );
    let config = scan(folder.path(), &device, "");
    let log = std::fs::File::create(folder.path().join("node.log")).unwrap();
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_daen"))
        .args(["sensor", "--config", config.to_str().unwrap()])
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let said = || std::fs::read_to_string(folder.path().join("node.log")).unwrap();
    wait_until("the receiver", || said().contains("the receiver is open"));
    // Fifteen seconds of the device's time.
    std::thread::sleep(Duration::from_secs(30));
    std::process::Command::new("/bin/sh").args(["-c", &format!("kill -TERM {}", running.0.id())]).status().unwrap();
    assert!(running.0.wait().unwrap().success(), "{}", said());

    let (seen, health) = split(soapy::told(folder.path()));
    let mut carriers: Vec<u64> = seen.iter().map(|one| one.cell.center_hz).collect();
    carriers.sort_unstable();
    carriers.dedup();
    assert_eq!(carriers, [938_200_000, 952_600_000], "both cells and nothing else: {}", said());
    let truth =
        |one: &&Observation| one.identity.as_ref().is_some_and(|id| id.area == Some(318) && id.cell_id == Some(11_225));
    for carrier in carriers {
        let decoded = seen.iter().filter(|one| one.cell.center_hz == carrier).filter(truth).min_by_key(|one| one.at_ns);
        let decoded = decoded.unwrap_or_else(|| panic!("{carrier} was not decoded: {}", said()));
        assert_eq!(decoded.cell.id, 48);
        let lost = decoded.receiver.lost_samples;
        println!("{carrier}: decoded at {:?}, {lost} samples lost before", decoded.at_ns);
    }
    let last = health.last().unwrap();
    let schedule = &last.schedules[0];
    println!("{schedule:?}, {} samples, {} lost, warnings {:?}", last.samples, last.lost_samples, last.warnings);
    assert!(schedule.windows >= 11 && schedule.steps > 100, "{schedule:?}");
    assert!(schedule.oldest_gsm_s.is_some_and(|age| age < 30.0), "{schedule:?}");
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.matches("setFrequency").count() > 50, "it is tuned again and again");
    assert!(log.matches("setupStream").count() == 1 && !log.contains("TX"), "{log}");
}

#[test]
fn two_receivers_of_a_node_share_the_windows() {
    if !inside("scanning::two_receivers_of_a_node_share_the_windows", Place::Here, &[]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let second = format!(
        "[[device]]\ndevice = \"driver=daentest,rates=1000000,serial=2,format=CS16,log={}\"\nprofile = \"profile.toml\"\n\
         scan = [\"bands.toml\"]\nrate_hz = 1000000.0\n",
        folder.path().join("log2").display()
    );
    let config = scan(folder.path(), "serial=1", &second);
    let mut node = Running(
        std::process::Command::new(env!("CARGO_BIN_EXE_daen"))
            .args(["sensor", "--config", config.to_str().unwrap()])
            .stdout(std::fs::File::create(folder.path().join("node.log")).unwrap())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap(),
    );
    let tuned = |log: &str| {
        let log = std::fs::read_to_string(folder.path().join(log)).unwrap_or_default();
        log.matches("setFrequency").count()
    };
    wait_until("both to be tuned about", || tuned("log") > 20 && tuned("log2") > 20);
    // Health is told every second.
    std::thread::sleep(Duration::from_millis(1500));
    std::process::Command::new("/bin/sh").args(["-c", &format!("kill -TERM {}", node.0.id())]).status().unwrap();
    assert!(node.0.wait().unwrap().success());
    let (_, health) = split(soapy::told(folder.path()));
    let schedules = &health.last().unwrap().schedules;
    let windows: Vec<u32> = schedules.iter().map(|schedule| schedule.windows).collect();
    println!("windows {windows:?}");
    // 35 MHz in windows of 3.2 and of 0.8 MHz: each has some, and neither as many as alone.
    assert_eq!(windows.len(), 2, "{schedules:?}");
    assert!((1..12).contains(&windows[0]) && (1..58).contains(&windows[1]), "{windows:?}");
    assert!(schedules.iter().all(|schedule| schedule.unreachable.is_empty()), "{schedules:?}");
}
