use super::*;

fn check(edit: impl Fn(&str) -> String) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let (private, public) = keys::generate();
    std::fs::write(folder.path().join("node.key"), private).unwrap();
    std::fs::write(folder.path().join("hub.pub"), public).unwrap();
    let path = folder.path().join("sensor.toml");
    let text = r#"
        node = "pole-1"
        state_dir = "state"
        [keys]
        signing_key = "node.key"
        hub = "hub"
        hub_public_key = "hub.pub"
        [broker]
        url = "mqtt://127.0.0.1:1884"
        [position]
        lat_deg = 13.69
        lon_deg = 102.50
        [source]
        kind = "load"
        items = 5
        [spool]
        window = 64
    "#;
    std::fs::write(&path, edit(text)).unwrap();
    Config::load(&path).map_err(|error| error.to_string())
}

#[test]
fn a_complete_file_is_taken_with_paths_from_its_folder() {
    let config = check(str::to_owned).unwrap();
    assert!(config.state_dir.is_absolute() && config.state_dir.ends_with("state"));
    assert_eq!(config.spool.window, 64);
    assert_eq!(config.report.interval, Nanos::from_secs(60));
}

#[test]
fn a_receiver_is_checked_as_far_as_the_file_can_tell() {
    let soapy = |line: &str| {
        let table = format!(
            "kind = \"soapy\"\ndevice = \"driver=rtlsdr\"\nprofile = \"rtl-sdr-v3\"\ncenter_hz = 947.4e6\n{line}\n"
        );
        check(|text| text.replace("kind = \"load\"\n        items = 5", &table))
    };
    let Source::Soapy(device) = soapy("rate_hz = 2.4e6\ngains = { TUNER = 30.0 }").unwrap().source else {
        panic!("a receiver was written")
    };
    assert_eq!(
        (device.center.0, device.rate.map(|rate| rate.0), device.gains["TUNER"].0),
        (947.4e6, Some(2.4e6), 30.0)
    );
    for (line, expected) in [
        ("rate_hz = 0.0", ["source.rate_hz", "0", "1 to 1000000000000 Hz"]),
        ("gains = { TUNER = 300.0 }", ["source.gains.TUNER", "300", "-200 to 200 dB"]),
        ("channel = 99", ["source.channel", "99", "0 to 15"]),
        ("gian = 3", ["sensor.toml", "gian", "gains"]),
    ] {
        let error = soapy(line).unwrap_err();
        assert!(expected.iter().all(|part| error.contains(part)), "{line}: {error}");
    }
}

#[test]
fn an_error_names_key_value_and_what_is_allowed() {
    for (from, to, expected) in [
        ("window = 64", "window = 0", ["spool.window", "0", "1 to 1000"]),
        ("lat_deg = 13.69", "lat_deg = 113.69", ["position.lat_deg", "113.69", "-90 to 90 degrees"]),
        ("\"pole-1\"", "\"Pole 1\"", ["node", "Pole 1", "a-z, 0-9"]),
        ("\"pole-1\"", "\"hub\"", ["node", "hub", "another name"]),
        (
            "[source]",
            "[navigation]\ngpsd = \"192.0.2.1:2947\"\n[source]",
            ["navigation.gpsd", "192.0.2.1:2947", "loopback"],
        ),
        ("[source]", "[navigation]\nmoving = true\n[source]", ["navigation.moving", "true", "[position]"]),
        ("[source]", "[navigation]\nsurvey_s = 1.0\n[source]", ["navigation.survey_s", "1", "60 to 604800 s"]),
        ("window = 64", "windw = 64", ["sensor.toml", "windw", "window"]),
        ("kind = \"load\"", "kind = \"radio\"", ["sensor.toml", "radio", "recording"]),
        ("items = 5", "items = -5", ["sensor.toml", "-5", "u64"]),
        ("\"node.key\"", "\"hub.pub\"", ["hub.pub", "must hold", "private key"]),
        ("\"node.key\"", "\"absent.key\"", ["absent.key", "No such file", ""]),
        ("mqtt://127.0.0.1", "mqtt://198.51.100.7", ["broker.url", "198.51.100.7", "loopback"]),
    ] {
        let error = check(|text| text.replace(from, to)).unwrap_err();
        assert!(expected.iter().all(|part| error.contains(part)), "{to}: {error}");
    }
}

#[test]
fn evidence_is_kept_of_every_receiver_whether_it_scans_or_not() {
    let receiver = |tuning: &str, more: &str| {
        check(|text| {
            let source = "kind = \"soapy\"\n device = \"driver=rtlsdr\"\n profile = \"rtl-sdr-v3\"\n";
            let text = text.replace("kind = \"load\"\n        items = 5\n", &format!("{source} {tuning}\n"));
            format!("{text}\n[evidence]\nquota_octets = 200000000\n{more}")
        })
    };
    let evidence = receiver("center_hz = 947.4e6", "").unwrap().evidence.unwrap();
    assert!(evidence.folder.ends_with("state/evidence") && evidence.quota == 200_000_000, "{evidence:?}");
    assert!(!evidence.send, "samples stay on the node unless somebody says otherwise");
    assert!(receiver("scan = [\"TH\"]", "").unwrap().evidence.is_some());
    let second = "[[device]]\ndevice = \"driver=rtlsdr,serial=2\"\nprofile = \"rtl-sdr-v3\"\ncenter_hz = 937.4e6\n";
    assert!(receiver("center_hz = 947.4e6", second).unwrap().evidence.is_some());
    let small = check(|text| format!("{text}\n[evidence]\nquota_octets = 1000\n")).unwrap_err();
    assert!(small.contains("evidence.quota_octets") && small.contains("1000"), "{small}");
}
