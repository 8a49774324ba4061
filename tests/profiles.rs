//! The files of firmware-config: every one is taken, each mistake in one is named, and wishes are held against them.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::config::device::Device;
use daen::radio::profile::{BUILT_IN, Profile};
use daen::units::{Db, Hz, Nanos};
use std::collections::BTreeMap;
use std::path::Path;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/firmware-config"))
}

fn named(name: &str) -> Profile {
    Profile::named(name, Path::new("")).unwrap()
}

fn wish(center: f64) -> Device {
    Device { args: "driver=any".to_owned(), center: Hz(center), ..Device::default() }
}

#[test]
fn every_file_is_part_of_the_program_and_is_taken() {
    let mut files: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
        .collect();
    files.sort();
    assert_eq!(files, BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>());
    for (name, text) in BUILT_IN {
        let profile = Profile::parse(name, text).unwrap();
        assert_eq!(*text, std::fs::read_to_string(folder().join(format!("{name}.toml"))).unwrap());
        // Every model receives GSM 900, and says by itself how.
        let settings = profile.settings(&wish(947e6)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(settings.usable.0 >= 1e6, "{name}: {:?} of {:?}", settings.usable, settings.rate);
        if let Some(bandwidth) = settings.bandwidth {
            assert!(bandwidth.0 >= settings.usable.0 * 0.9, "{name}: {bandwidth:?} for {:?}", settings.usable);
        }
    }
}

#[test]
fn every_figure_has_its_source_beside_it() {
    for (name, text) in BUILT_IN {
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let Some((key, value)) = line.split_once(" = ") else { continue };
            let figure = [
                "rates_hz",
                "lo_offset_hz",
                "rate_range_hz",
                "bandwidths_hz",
                "usable",
                "tuning_hz",
                "adc_bits",
                "full_scale",
                "antennas",
                "settling_ms",
                "clock_ppm",
                "timestamps",
                "hardware_time",
                "lock_sensor",
                "temperature_sensor",
            ];
            if figure.contains(&key) {
                let said = value.contains('#') || i > 0 && lines[i - 1].starts_with('#');
                assert!(said, "{name}.toml:{}: {line}: no source", i + 1);
            }
        }
        // Gains: beside one of an element's figures, or above the first of them for all.
        let mut elements = text.split("[[gains]]");
        let head = elements.next().unwrap_or_default().trim_end().lines().last().unwrap_or_default();
        for element in elements.filter(|_| !head.starts_with('#')) {
            assert!(element.contains('#'), "{name}.toml: no source of the gain{element}");
        }
    }
}

#[test]
fn a_mistake_is_named_with_its_key() {
    let good = BUILT_IN.iter().find(|(name, _)| *name == "hackrf-one").unwrap().1;
    for (from, to, words) in [
        ("usable = 0.75", "usabel = 0.75", ["x.toml", "unknown field `usabel`"]),
        ("usable = 0.75", "usable = 1.5", ["x.toml: usable = 1.5", "more than 0 and at most 1"]),
        ("adc_bits = 8", "adc_bits = 0", ["x.toml: adc_bits = 0", "1 to 32"]),
        ("rates_hz = [20e6, 10e6, 8e6, 4e6, 2e6]", "rates_hz = []", ["x.toml: rates_hz", "one rate or more"]),
        ("tuning_hz = [[1e6, 6e9]]", "tuning_hz = [[6e9, 1e6]]", ["x.toml: tuning_hz", "lowest and highest"]),
        ("settling_ms = 5.0", "settling_ms = -1.0", ["x.toml: settling_ms = -1", "0 to 10000"]),
        ("clock_ppm = 20.0", "clock_ppm = nan", ["x.toml: clock_ppm", "0 to 200"]),
        ("step_db = 8.0", "step_db = 0.0", ["x.toml: gains", "a step above 0"]),
        (
            "adc_bits = 8",
            "adc_bits = 8\ntemperature_sensor = \"\\u0000\"",
            ["x.toml: temperature_sensor", "name of a sensor"],
        ),
        ("timestamps = \"none\"", "timestamps = \"some\"", ["x.toml", "unknown variant `some`"]),
        ("name = \"LNA\"", "nam = \"LNA\"", ["x.toml", "unknown field `nam`"]),
    ] {
        assert!(good.contains(from), "{from}");
        let error = Profile::parse("x.toml", &good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(words.iter().all(|part| error.contains(part)), "{to}: {error}");
    }
    let error = Profile::named("hackrf", Path::new("")).unwrap_err().to_string();
    assert!(error.contains("\"hackrf\"") && error.contains("hackrf-one, "), "{error}");
    let error = Profile::named("absent.toml", folder()).unwrap_err().to_string();
    assert!(error.contains("absent.toml") && error.contains("No such file"), "{error}");
    assert_eq!(Profile::named("hackrf-one.toml", folder()).unwrap(), named("hackrf-one"));
}

#[test]
fn what_a_model_cannot_do_is_refused_with_what_it_can() {
    let profile = named("hackrf-one");
    let change = |edit: &dyn Fn(&mut Device)| {
        let mut device = wish(947e6);
        edit(&mut device);
        profile.settings(&device).map_err(|error| error.to_string())
    };
    for (edit, words) in [
        (
            &(|d: &mut Device| d.center = Hz(7e9)) as &dyn Fn(&mut Device),
            ["source.center_hz = 7000000000", "1000000 to 6000000000 Hz"],
        ),
        (&|d| d.rate = Some(Hz(25e6)), ["source.rate_hz = 25000000", "2000000 to 20000000 Hz"]),
        (&|d| d.bandwidth = Some(Hz(3e6)), ["source.bandwidth_hz = 3000000", "2500000, 3500000"]),
        (&|d| d.gains = [("TIA".to_owned(), Db(3.0))].into(), ["source.gains.TIA", "AMP, LNA, VGA"]),
        (&|d| d.gains = [("LNA".to_owned(), Db(41.0))].into(), ["source.gains.LNA = 41", "0 to 40 dB"]),
        (&|d| d.antenna = Some("RX2".to_owned()), ["source.antenna = RX2", "TX/RX"]),
        (&|d| d.clock_source = Some("gpsdo".to_owned()), ["source.clock_source = gpsdo", "internal"]),
    ] {
        let error = change(edit).unwrap_err();
        assert!(words.iter().all(|part| error.contains(part)) && error.contains("HackRF One offers"), "{error}");
    }
    let settings = change(&|d| {
        d.rate = Some(Hz(9.6e6));
        d.gains = [("LNA".to_owned(), Db(16.0))].into();
    })
    .unwrap();
    assert_eq!((settings.rate, settings.bandwidth, settings.usable), (Hz(9.6e6), Some(Hz(9e6)), Hz(7.2e6)));
    let gains: Vec<(&str, Db)> = settings.gains.iter().map(|gain| (gain.name.as_str(), gain.gain)).collect();
    assert_eq!(gains, [("AMP", Db(0.0)), ("LNA", Db(16.0)), ("VGA", Db(20.0))]);
    assert_eq!(settings.settling, Nanos::from_millis(5));
    assert_eq!(settings.antenna.as_deref(), Some("TX/RX"));
}

#[test]
fn arguments_of_the_configuration_win_over_those_of_the_profile() {
    let text = BUILT_IN.iter().find(|(name, _)| *name == "soapyremote").unwrap().1;
    let text = text.replace("lo_offset_hz", "device_args = { serial = \"7\", timeout = \"9\" }\nlo_offset_hz");
    let profile = Profile::parse("x.toml", &text).unwrap();
    let mut device = wish(947e6);
    device.args = "driver=remote, serial=1".to_owned();
    device.stream_args.insert("remote:prot".to_owned(), "udp".to_owned());
    let settings = profile.settings(&device).unwrap();
    assert_eq!(settings.device_args, "driver=remote, serial=1,timeout=9");
    assert_eq!(settings.stream_args["remote:prot"], "udp");
}

#[test]
fn a_device_gets_the_profile_that_knows_it_best() {
    let description = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    for (pairs, expected) in [
        (&[("driver", "rtlsdr"), ("product", "Blog V4")][..], Some("rtl-sdr-v4")),
        (&[("driver", "rtlsdr"), ("product", "RTL2838UHIDIR")], Some("rtl-sdr-v3")),
        (&[("driver", "uhd"), ("product", "B210"), ("type", "b200")], Some("usrp-b210")),
        (&[("driver", "uhd"), ("product", "X310")], None),
        (&[("driver", "lime"), ("label", "LimeSDR Mini [USB 3.0] 1D3AC9")], Some("limesdr-mini")),
        (&[("driver", "remote"), ("remote:driver", "hackrf")], Some("hackrf-one")),
        (&[("driver", "remote"), ("remote", "tcp://127.0.0.1:1")], Some("soapyremote")),
        (&[("driver", "remote"), ("remote:driver", "strange")], Some("soapyremote")),
        (&[("driver", "audio")], None),
    ] {
        let found = Profile::for_device(&description(pairs)).map(|(name, _)| name);
        assert_eq!(found, expected, "{pairs:?}");
    }
}
