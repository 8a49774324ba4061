//! What is accepted as a recording, and what is refused with which words.

use super::*;
use daen::radio::convert::Datatype;
use daen::radio::raw::{self, RawFormat};
use daen::radio::sigmf::{self, Overrides};
use daen::radio::source::{Event, IqBlock, IqSource, StreamInfo};
use daen::units::{Hz, Timestamp};
use num_complex::Complex32;

/// 100 samples of ci8: I counts up, Q down.
pub fn counting() -> Vec<u8> {
    (0..100u8).flat_map(|n| [n, n.wrapping_neg()]).collect()
}

pub fn description() -> Value {
    json!({
        "global": { "core:datatype": "ci8", "core:version": "1.2.5", "core:sample_rate": 1e6 },
        "captures": [{ "core:sample_start": 0, "core:frequency": 941e6 }],
        "annotations": []
    })
}

/// Writes a pair and returns the description's path.
pub fn pair(folder: &Path, meta: &Value, data: &[u8]) -> PathBuf {
    std::fs::write(folder.join("x.sigmf-data"), data).unwrap();
    let path = folder.join("x.sigmf-meta");
    std::fs::write(&path, meta.to_string()).unwrap();
    path
}

/// The samples of each stream, and the warnings.
type Delivered = (Vec<(StreamInfo, Vec<Complex32>)>, Vec<String>);

/// Everything that a recording delivers, or the message of what stopped it.
fn read(path: &Path, overrides: Overrides, block: usize) -> Result<Delivered, String> {
    let described = sigmf::describe(path, overrides).map_err(|e| e.to_string())?;
    described.verify(|_| ()).map_err(|e| e.to_string())?;
    let warnings = described.warnings().to_vec();
    let mut recording = described.open().map_err(|e| e.to_string())?;
    let (mut streams, mut buffer) = (Vec::new(), IqBlock::default());
    loop {
        match recording.read(block, &mut buffer).map_err(|e| e.to_string())? {
            Event::Stream(info) => streams.push((info, Vec::new())),
            Event::Samples => {
                let (_, samples): &mut (StreamInfo, Vec<Complex32>) = streams.last_mut().unwrap();
                assert_eq!(buffer.first.0, samples.len() as u64);
                assert!(buffer.samples.len() <= block);
                samples.extend(&buffer.samples);
            }
            Event::End => return Ok((streams, warnings)),
        }
    }
}

/// One way to break a recording, and the words that must be in the message.
struct Bad {
    what: &'static str,
    break_it: fn(&mut Value),
    data: Option<Vec<u8>>,
    words: &'static [&'static str],
}

#[test]
fn a_bad_recording_is_refused_with_file_field_and_remedy() {
    fn global(meta: &mut Value, field: &str, value: Value) {
        meta["global"][field] = value;
    }
    fn capture(meta: &mut Value, field: &str, value: Value) {
        meta["captures"][0][field] = value;
    }
    let bad = |what, break_it, words| Bad { what, break_it, data: None, words };
    let with = |what, data: &[u8], break_it, words| Bad { what, break_it, data: Some(data.to_vec()), words };
    let nan: Vec<u8> = [1.0f32, 0.0, 0.5, f32::NAN, 0.0, 0.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let cases = [
        bad(
            "real samples",
            |m| global(m, "core:datatype", json!("rf32_le")),
            &["x.sigmf-meta", "core:datatype", "real", "cf32_le"],
        ),
        bad("unknown type", |m| global(m, "core:datatype", json!("ci12")), &["core:datatype", "ci12", "convert"]),
        bad("type is a number", |m| global(m, "core:datatype", json!(8)), &["core:datatype", "not a text", "correct"]),
        bad(
            "no type",
            |m| drop(m["global"].as_object_mut().unwrap().remove("core:datatype")),
            &["core:datatype", "missing", "--format"],
        ),
        bad(
            "no rate",
            |m| drop(m["global"].as_object_mut().unwrap().remove("core:sample_rate")),
            &["core:sample_rate", "missing", "--rate"],
        ),
        bad("rate is text", |m| global(m, "core:sample_rate", json!("1 MHz")), &["core:sample_rate", "not a number"]),
        bad("rate zero", |m| global(m, "core:sample_rate", json!(0)), &["core:sample_rate", "out of range", "--rate"]),
        bad("rate huge", |m| global(m, "core:sample_rate", json!(1e300)), &["core:sample_rate", "out of range"]),
        bad(
            "two channels",
            |m| global(m, "core:num_channels", json!(2)),
            &["core:num_channels", "2 channels", "split"],
        ),
        bad(
            "no samples distributed",
            |m| global(m, "core:metadata_only", json!(true)),
            &["core:metadata_only", "data file"],
        ),
        bad(
            "dataset elsewhere",
            |m| global(m, "core:dataset", json!("../../etc/passwd")),
            &["core:dataset", "folder", "bare name"],
        ),
        bad(
            "dataset absent",
            |m| global(m, "core:dataset", json!("gone.bin")),
            &["gone.bin", "no such file", "core:dataset"],
        ),
        bad(
            "other hash",
            |m| global(m, "core:sha512", json!("0".repeat(128))),
            &["x.sigmf-data", "core:sha512", "--no-verify"],
        ),
        bad(
            "half a hash",
            |m| global(m, "core:sha512", json!("00ff")),
            &["core:sha512", "4 characters", "correct or remove"],
        ),
        bad(
            "trailing too long",
            |m| global(m, "core:trailing_bytes", json!(201)),
            &["core:trailing_bytes", "more than"],
        ),
        bad(
            "no frequency",
            |m| drop(m["captures"][0].as_object_mut().unwrap().remove("core:frequency")),
            &["captures[0].core:frequency", "missing", "--freq"],
        ),
        bad("no captures", |m| m["captures"] = json!([]), &["captures[0].core:frequency", "--freq"]),
        bad("captures no list", |m| m["captures"] = json!({}), &["captures", "not a list"]),
        bad("capture no object", |m| m["captures"][0] = json!(7), &["captures[0]", "not an object"]),
        bad(
            "start beyond the end",
            |m| capture(m, "core:sample_start", json!(100)),
            &["captures[0].core:sample_start", "100 samples"],
        ),
        bad(
            "start overflows",
            |m| capture(m, "core:sample_start", json!(u64::MAX)),
            &["captures[0].core:sample_start", "outside"],
        ),
        bad(
            "start negative",
            |m| capture(m, "core:sample_start", json!(-1)),
            &["captures[0].core:sample_start", "not a count"],
        ),
        bad(
            "header beyond the end",
            |m| capture(m, "core:header_bytes", json!(u64::MAX)),
            &["core:sample_start", "outside"],
        ),
        bad(
            "starts out of order",
            |m| {
                m["captures"] = json!([
                    {"core:sample_start": 50, "core:frequency": 1e9}, {"core:sample_start": 50, "core:frequency": 1e9}
                ])
            },
            &["captures[1].core:sample_start", "50", "sort"],
        ),
        bad(
            "frequency negative",
            |m| capture(m, "core:frequency", json!(-1.0)),
            &["captures[0].core:frequency", "out of range"],
        ),
        bad(
            "time unreadable",
            |m| capture(m, "core:datetime", json!("yesterday")),
            &["captures[0].core:datetime", "yesterday", "such as"],
        ),
        bad("no global", |m| *m = json!({"captures": []}), &["global", "not a SigMF description"]),
        with("empty data", &[], |_| (), &["x.sigmf-data", "empty", "again"]),
        with("less than a sample", &[1], |_| (), &["core:sample_start", "0 samples"]),
        with(
            "not a number",
            &nan,
            |m| global(m, "core:datatype", json!("cf32_le")),
            &["x.sigmf-data", "sample 1", "cf32_le", "cut"],
        ),
    ];
    for case in cases {
        let folder = TempDir::new().unwrap();
        let mut meta = description();
        (case.break_it)(&mut meta);
        let path = pair(folder.path(), &meta, &case.data.unwrap_or_else(counting));
        let message = read(&path, Overrides::default(), 64).err().unwrap_or_else(|| panic!("{}: was read", case.what));
        for word in case.words {
            assert!(message.contains(word), "{}: {message:?} lacks {word:?}", case.what);
        }
        assert!(message.contains(folder.path().to_str().unwrap()), "{}: {message:?} names no file", case.what);
        assert!(message.contains("; "), "{}: {message:?} has no remedy", case.what);
    }
}

#[test]
fn files_that_are_no_recording_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = pair(folder.path(), &description(), &counting());
    let refused = |path: &Path, word: &str| {
        let message = read(path, Overrides::default(), 64).unwrap_err();
        assert!(message.contains(word), "{message:?} lacks {word:?}");
    };
    std::fs::write(&path, "{\"global\": {").unwrap();
    refused(&path, "line 1 column");
    std::fs::write(&path, [0xff, 0xfe, 0x80]).unwrap();
    refused(&path, "mistaken for each other");
    std::fs::remove_file(&path).unwrap();
    refused(&path, "no such file");
    refused(&folder.path().join("x.sigmf-data"), "x.sigmf-meta");
    refused(&folder.path().join("x.sigmf"), "tar -xf");
    refused(&folder.path().join("x.sigmf-collection"), "name the .sigmf-meta files");
    std::fs::create_dir(&path).unwrap();
    refused(&path, "is not a file");
    let path = pair(&tempdir_in(&folder), &description(), &counting());
    std::fs::remove_file(path.with_extension("sigmf-data")).unwrap();
    refused(&path, "x.sigmf-data: data: no such file");
}

fn tempdir_in(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("inner");
    std::fs::create_dir(&path).unwrap();
    path
}

#[test]
fn either_file_of_a_pair_or_its_base_name_is_enough() {
    let folder = TempDir::new().unwrap();
    let meta = pair(folder.path(), &description(), &counting());
    let first = read(&meta, Overrides::default(), 7).unwrap();
    assert_eq!(first.0[0].1.len(), 100);
    assert_eq!(first.0[0].1[3], Complex32::new(3.0 / 128.0, -3.0 / 128.0));
    for name in ["x.sigmf-data", "x"] {
        let path = folder.path().join(name);
        assert!(sigmf::is_sigmf(&path));
        assert_eq!(read(&path, Overrides::default(), 100).unwrap(), first);
    }
}

#[test]
fn every_segment_is_a_stream_with_its_own_frequency_and_time() {
    let folder = TempDir::new().unwrap();
    let mut meta = description();
    meta["captures"] = json!([
        {"core:sample_start": 10, "core:frequency": 941e6, "core:datetime": "2024-02-29T23:59:59.25Z"},
        {"core:sample_start": 30, "core:frequency": 1847.8e6},
        {"core:sample_start": 90, "core:frequency": 941e6, "core:datetime": "2024-03-01T00:00:00Z"}
    ]);
    meta["global"]["core:extensions"] = json!([{"name": "antenna", "version": "1.0.0", "optional": false}]);
    let path = pair(folder.path(), &meta, &counting());
    for block in [1, 9, 1000] {
        let (streams, warnings) = read(&path, Overrides::default(), block).unwrap();
        let seen: Vec<(i64, i64, usize)> =
            streams.iter().map(|(info, samples)| (info.center.round(), info.start.0, samples.len())).collect();
        let second = 1_709_251_199_250_000_000 + 20_000;
        let expected = [
            (941_000_000, 1_709_251_199_250_000_000, 20),
            (1_847_800_000, second, 60),
            (941_000_000, 1_709_251_200_000_000_000, 10),
        ];
        assert_eq!(seen, expected);
        assert_eq!(streams[1].1[0].re, 30.0 / 128.0);
        assert_ne!(streams[0].0.stream, streams[2].0.stream, "a gap makes another stream");
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("antenna") && warnings[1].contains("first 20 octets"), "{warnings:?}");
    }
}

#[test]
fn headers_of_a_foreign_format_are_skipped_and_offsets_are_absolute() {
    let folder = TempDir::new().unwrap();
    let mut data = vec![0xee; 44];
    data.extend(&counting()[..100]);
    data.extend([0xee; 6]);
    data.extend(&counting()[100..]);
    data.extend([0xee; 3]);
    std::fs::write(folder.path().join("x.wav"), &data).unwrap();
    let mut meta = description();
    meta["global"]["core:dataset"] = json!("x.wav");
    meta["global"]["core:trailing_bytes"] = json!(3);
    meta["global"]["core:offset"] = json!(1000);
    meta["captures"] = json!([
        {"core:sample_start": 1000, "core:frequency": 1e9, "core:header_bytes": 44},
        {"core:sample_start": 1050.0, "core:frequency": 1e9, "core:header_bytes": 6}
    ]);
    let path = pair(folder.path(), &meta, &[]);
    let (streams, warnings) = read(&path, Overrides::default(), 64).unwrap();
    let real: Vec<f32> = streams.iter().flat_map(|(_, samples)| samples.iter().map(|s| s.re * 128.0)).collect();
    assert_eq!(real, (0..100).map(|n| n as f32).collect::<Vec<_>>());
    assert_eq!(streams.len(), 2);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(streams[1].0.start, Timestamp(50_000), "without a time, by the sample count");
}

#[test]
fn a_recording_cut_in_mid_sample_is_read_up_to_the_cut() {
    let folder = TempDir::new().unwrap();
    let path = pair(folder.path(), &description(), &counting()[..151]);
    let (streams, warnings) = read(&path, Overrides::default(), 64).unwrap();
    assert_eq!(streams[0].1.len(), 75);
    assert!(warnings.len() == 1 && warnings[0].contains("cut in mid-sample"), "{warnings:?}");

    let raw = folder.path().join("x.sigmf-data");
    let format = RawFormat { datatype: Datatype::Ci16Le, rate: Hz(1e6), center: Hz(941e6) };
    let (recording, warnings) = raw::open(&raw, format).unwrap();
    assert_eq!(recording.total_samples(), Some(37));
    assert!(warnings[0].contains("last 3 of 4 octets"), "{warnings:?}");
}

#[test]
fn the_samples_before_a_bad_one_are_delivered_whatever_the_block() {
    let folder = TempDir::new().unwrap();
    let mut data: Vec<u8> = (0..100).flat_map(|n| [n as f32, 0.5].map(f32::to_le_bytes)).flatten().collect();
    data[70 * 8..70 * 8 + 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let mut meta = description();
    meta["global"]["core:datatype"] = json!("cf32_le");
    let path = pair(folder.path(), &meta, &data);
    for block in [1, 7, 70, 71, 1000] {
        let mut recording = sigmf::describe(&path, Overrides::default()).unwrap().open().unwrap();
        let (mut buffer, mut delivered) = (IqBlock::default(), 0);
        let error = loop {
            match recording.read(block, &mut buffer) {
                Ok(_) => delivered += buffer.samples.len(),
                Err(error) => break error.to_string(),
            }
        };
        assert_eq!(delivered, 70, "blocks of {block}");
        assert!(error.contains("sample 70: inf"), "{error}");
    }
}

#[test]
fn what_the_user_says_overrides_the_description_aloud() {
    let folder = TempDir::new().unwrap();
    let path = pair(folder.path(), &description(), &counting());
    let overrides = Overrides { rate: Some(Hz(2e6)), center: Some(Hz(1e9)) };
    let (streams, warnings) = read(&path, overrides, 64).unwrap();
    assert_eq!((streams[0].0.sample_rate, streams[0].0.center), (Hz(2e6), Hz(1e9)));
    assert!(warnings[0].contains("--rate 2000000 overrides core:sample_rate 1000000"), "{warnings:?}");
}

#[test]
fn a_file_of_fifty_gigabytes_is_opened_without_being_loaded() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("long.cs16");
    let file = std::fs::File::create(&path).unwrap();
    if let Err(error) = file.set_len(50_000_000_000) {
        println!("skipped: this file system has no sparse files of 50 GB: {error}");
        return;
    }
    let format = RawFormat { datatype: Datatype::Ci16Le, rate: Hz(20e6), center: Hz(941e6) };
    let (mut recording, _) = raw::open(&path, format).unwrap();
    assert_eq!(recording.total_samples(), Some(12_500_000_000));
    let mut block = IqBlock::default();
    assert!(matches!(recording.read(1000, &mut block), Ok(Event::Stream(_))));
    assert!(matches!(recording.read(1000, &mut block), Ok(Event::Samples)));
    assert_eq!(block.samples, [Complex32::default(); 1000]);
}
