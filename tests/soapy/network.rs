//! Receivers behind a real SoapySDRServer, in a network namespace of their own.

use super::*;

/// A folder with SoapyRemote's client in it and nothing else; `None`, with a word about it, where something is missing.
fn remote_module() -> Option<PathBuf> {
    let there = |name: &str| {
        let found =
            ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/sbin"].iter().any(|d| Path::new(d).join(name).is_file());
        if !found {
            println!(
                "skipped: {name} is not installed (Debian: soapyremote-server, dbus-daemon, iproute2, util-linux)"
            );
        }
        found
    };
    if !["SoapySDRServer", "dbus-daemon", "ip", "unshare"].into_iter().all(there) {
        return None;
    }
    let folders = std::fs::read_dir("/usr/lib").unwrap().filter_map(|entry| Some(entry.ok()?.path().join("SoapySDR")));
    let modules = folders
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    let Some(module) = modules.map(|folder| folder.join("libremoteSupport.so")).find(|path| path.is_file()) else {
        println!("skipped: SoapyRemote's client is not installed (Debian: soapysdr-module-remote)");
        return None;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("soapy-remote");
    std::fs::create_dir_all(&folder).unwrap();
    let _ = std::os::unix::fs::symlink(module, folder.join("libremoteSupport.so"));
    Some(folder)
}

/// A real SoapySDRServer with the test device behind it, on loopback, and the bus without which it ends at once.
struct Server {
    folder: tempfile::TempDir,
    _bus: Running,
    server: Option<Running>,
    device: String,
}

const PORT: u16 = 55_132;

impl Server {
    fn new(device: &str) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let bus = folder.path().join("bus");
        let config = format!(
            "<busconfig><type>system</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
             <allow receive_sender=\"*\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            bus.display()
        );
        std::fs::write(folder.path().join("bus.conf"), config).unwrap();
        let file = format!("--config-file={}", folder.path().join("bus.conf").display());
        let daemon = std::process::Command::new("dbus-daemon").args([file.as_str(), "--nofork"]).spawn().unwrap();
        let daemon = Running(daemon);
        wait_until("the bus", || bus.exists());
        let mut server = Server { folder, _bus: daemon, server: None, device: device.to_owned() };
        server.start();
        server
    }

    fn start(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("server.log")).unwrap();
        let child = std::process::Command::new("SoapySDRServer")
            .arg(format!("--bind=127.0.0.1:{PORT}"))
            .env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", self.folder.path().join("bus").display()))
            .env("DAEN_TEST_DEVICE", format!("{},log={}", self.device, self.folder.path().join("log").display()))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.server = Some(Running(child));
        wait_until("the server", || std::net::TcpStream::connect(("127.0.0.1", PORT)).is_ok());
    }

    /// The device behind it was used, and nothing of it had to do with transmitting.
    fn check(&self) {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        assert!(log.contains("setupStream") && !log.contains("TX"), "{log}");
    }
}

/// The test device behind the server. Its log is the server's.
fn over_the_network(rate: f64, center: Hz) -> Rig {
    let wish = Device {
        args: format!("driver=remote,remote=tcp://127.0.0.1:{PORT},remote:driver=daentest"),
        center,
        rate: Some(Hz(rate)),
        stream_args: [("remote:prot".to_owned(), "tcp".to_owned())].into(),
        ..Device::default()
    };
    let profile = Profile::named(&soapy::profile(), Path::new("")).unwrap();
    let live = Arc::new(Live::default());
    let source = SoapySource::new(profile.settings(&wish).unwrap(), live.clone(), still);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("log"), "make: see the server's log").unwrap();
    Rig { source, live, folder, info: None }
}

#[test]
fn a_recording_through_a_server_gives_the_cells_of_its_replay_and_a_dead_server_is_survived() {
    let name = "network::a_recording_through_a_server_gives_the_cells_of_its_replay_and_a_dead_server_is_survived";
    let Some(remote) = remote_module() else { return };
    if !inside(name, Place::Alone, &[&remote]) {
        return;
    }
    let Some(path) = capture("gsm/vodafone-arfcn725-1M") else { return };
    let file = recording(&path);
    let device = format!("file={}", path.with_extension("sigmf-data").display());
    let server = Server::new(&device);
    let mut rig = over_the_network(1e6, file.info.center);
    let heard = rig.read_samples(file.samples.len());
    assert_eq!(heard.len(), 1, "one stream without a gap: {:?}", rig.live.counts());
    assert!(heard[0].samples == file.samples, "the samples are those of the file");
    assert_eq!(format!("{:?}", cells(&heard[0])), format!("{:?}", cells(&file)));

    // The server dies in mid-stream, and comes back.
    drop(rig);
    server.check();
    drop(server);
    let mut server = Server::new("format=CS16,mtu=1000");
    let mut rig = over_the_network(1e6, Hz(947e6));
    rig.read_samples(200_000);
    server.server = None;
    // Somebody has to start it again while the reader waits.
    let watching = rig.live.clone();
    let restarting = std::thread::spawn(move || {
        wait_until("the loss to be noticed", || watching.counts().failures > 0);
        server.start();
        server
    });
    let heard = rig.read(65_536, |streams, live| {
        live.counts().opened > 1 && streams.last().is_some_and(|stream| stream.samples.len() > 100_000)
    });
    assert!(rig.live.counts().failures >= 1 && heard.len() >= 2);
    rig.live.stop();
    rig.read(65_536, |_, _| false);
    restarting.join().unwrap().check();
}
