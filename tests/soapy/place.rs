//! Place and time of the real node program: the real gpsd and the real chronyd, while they are well, while the navigation receiver is
//! deceived, and when both are gone.

use super::node::Node;
use super::*;
use daen::observation::{ClockSource, Health, Item};
use std::fs::DirBuilder;
use std::net::UdpSocket;
use std::os::unix::fs::DirBuilderExt;
use std::process::{Child, Command, Stdio};

/// A daemon, ended by its process id.
struct Daemon(Child);

impl Daemon {
    fn end(&mut self) {
        let id = self.0.id();
        Command::new("/bin/sh").args(["-c", &format!("kill -TERM {id}")]).status().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.end();
        }
    }
}

/// Where chronyd or chronyc is: installed, or unpacked by scripts/setup, which does not let it take over the machine's clock.
fn program(name: &str) -> Option<PathBuf> {
    let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("tools/usr");
    let folders = [Path::new("/usr"), &unpacked].map(|root| [root.join("sbin"), root.join("bin")]).concat();
    folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// A chronyd that leaves the clock alone (`-x`), with what else its configuration says.
fn chronyd(folder: &Path, name: &str, more: &str) -> Option<Daemon> {
    let config = folder.join(format!("{name}.conf"));
    let here = |what: &str| folder.join(format!("{name}.{what}")).display().to_string();
    let text = format!("pidfile {}\ncmdport 0\nbindaddress 127.0.0.1\n{more}\n", here("pid"));
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(program("chronyd")?);
    // Debian's own user of it is only there where it is installed.
    let user = Command::new("id").arg("-un").output().unwrap().stdout;
    command.args(["-x", "-U", "-d", "-u", String::from_utf8_lossy(&user).trim(), "-f"]).arg(&config);
    let log = std::fs::File::create(here("log")).unwrap();
    Some(Daemon(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()))
}

/// Two of them, one of which keeps time by the other, and the folder of a chronyc that asks it; `None`, with a word about it, where
/// chrony is not there.
fn chrony(folder: &Path) -> Option<([Daemon; 2], PathBuf)> {
    let Some(chronyc) = program("chronyc") else {
        println!("skipped: chrony is neither installed nor unpacked (scripts/setup test)");
        return None;
    };
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // chronyd opens its socket only where others cannot reach.
    let (private, programs) = (folder.join("private"), folder.join("programs"));
    DirBuilder::new().mode(0o700).create(&private).unwrap();
    let socket = private.join("chrony.sock");
    let first = chronyd(folder, "first", &format!("port {port}\nallow 127.0.0.1\nlocal stratum 2\nbindcmdaddress /"))?;
    let ours =
        format!("port 0\nserver 127.0.0.1 port {port} iburst minpoll 0 maxpoll 1\nbindcmdaddress {}", socket.display());
    let second = chronyd(folder, "second", &ours)?;
    std::fs::create_dir(&programs).unwrap();
    let script = programs.join("chronyc");
    std::fs::write(&script, format!("#!/bin/sh\nexec {} -h {} \"$@\"\n", chronyc.display(), socket.display())).unwrap();
    Command::new("chmod").arg("+x").arg(&script).status().unwrap();
    wait_until("chronyd to be synchronised", || {
        let told = Command::new(&script).args(["-n", "-c", "tracking"]).output().unwrap();
        String::from_utf8_lossy(&told.stdout).trim_end().ends_with(",Normal")
    });
    Some(([first, second], programs))
}

#[test]
fn a_node_tells_of_a_deceived_navigation_receiver_and_of_the_loss_of_gpsd_and_of_chrony() {
    let name = "place::a_node_tells_of_a_deceived_navigation_receiver_and_of_the_loss_of_gpsd_and_of_chrony";
    if !inside(name, Place::Here, &[]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kept = chrony(folder.path());
    let Some((mut fake, address)) = gps::start(folder.path()) else { return };
    let here = gps::HERE;
    let more = format!(
        "rate_hz = 500000.0\n[position]\nlat_deg = {}\nlon_deg = {}\n[navigation]\ngpsd = \"{address}\"",
        here.lat_deg, here.lon_deg
    );
    let mut programs = std::env::var("PATH").unwrap_or_default();
    if let Some((_, folder)) = &kept {
        programs = format!("{}:{programs}", folder.display());
    }
    let mut node = Node::start_with("rates=500000,format=CS16", &more, |_| (), &programs);
    // gpsfake plays a minute of standing still and ten seconds of being pulled in some seven seconds, and all of its log in eighteen.
    std::thread::sleep(Duration::from_secs(14));
    fake.end();
    let has_chrony = kept.is_some();
    drop(kept);
    // A fix counts for 60 s, and chrony is asked every 60 s.
    std::thread::sleep(Duration::from_secs(75));
    let items = node.stop();
    let mut reports: Vec<&Health> =
        items.iter().filter_map(|item| if let Item::Health(health) = item { Some(&**health) } else { None }).collect();
    // What matters more is told first.
    reports.sort_by_key(|health| health.at_ns);
    let in_short: Vec<String> = reports
        .iter()
        .map(|health| format!("{:?}: {:?}, {:?}, {:?}", health.at_ns, health.navigation, health.clock, health.warnings))
        .collect();
    let warned = |words: &str| {
        let has = |health: &&Health| health.warnings.iter().any(|warning| warning.contains(words));
        reports.iter().position(has).unwrap_or_else(|| panic!("nobody says \"{words}\": {in_short:#?}"))
    };
    let deceived = warned("more than 100 m from the surveyed one");
    let gone = warned("gpsd does not answer");
    assert!(deceived < gone, "deceived in report {deceived}, gone in {gone}");
    assert!(
        reports[deceived].navigation.as_ref().unwrap().contains("fix with height, 8 of 9 satellites"),
        "{in_short:#?}"
    );
    for report in &reports {
        let position = report.position.unwrap();
        assert_eq!((position.lat_deg, position.lon_deg), (here.lat_deg, here.lon_deg), "a surveyed position stays");
    }
    let clocks: Vec<_> = reports.iter().map(|health| health.clock.unwrap()).collect();
    let last = clocks.last().unwrap();
    assert_eq!((last.source, last.locked, last.sigma_ns), (ClockSource::Free, false, None), "nobody keeps it any more");
    if has_chrony {
        let kept = clocks[deceived];
        // chrony does not believe the navigation receiver, so what deceives that does not deceive the clock.
        assert_eq!((kept.source, kept.locked), (ClockSource::Ntp, true), "{clocks:?}");
        let sigma = kept.sigma_ns.unwrap().as_secs_f64();
        // Stamps of the host are late by up to 5 ms, one standard deviation, beside what chrony says of a server on this machine.
        assert!((0.005..0.05).contains(&sigma), "{sigma} s");
    }
}
