//! Receive only, and broadcast only: two promises, held against the source and the list of dependencies.
//!
//! What this proves: no code below `src` names a call that switches a transmitter on; hardware is reached through one
//! crate in one folder; no dependency drives a transmitting device or a USB bus by itself; and no variable, field, type
//! or key below `src` is named after a subscriber's identity, so none can be decoded, logged or stored under its name.
//!
//! What it cannot prove: that nothing hides behind an innocent name. Against that stand the type of the block decoder,
//! which lets no octet of a paging or access-grant block out (its own tests), and the reader of a change.

#![allow(clippy::unwrap_used)]

mod source;

use source::Kind;
use std::fs;
use std::path::Path;

/// Calls and constants that transmit, as the words of a name in their order, and what they are.
const TRANSMITS: &[(&[&str], &str)] = &[
    (&["tx", "stream"], "soapysdr's transmit stream (`Device::tx_stream`, `TxStream`)"),
    (&["write", "stream"], "SoapySDR's `writeStream`"),
    (&["soapy", "sdr", "tx"], "SoapySDR's direction constant"),
    (&["direction", "tx"], "soapysdr's `Direction::Tx`"),
    (&["activate", "tx"], "switching a transmit chain on"),
    (&["start", "tx"], "switching a transmit chain on (`hackrf_start_tx` and the like)"),
    (&["enable", "tx"], "switching a transmit chain on"),
    (
        &["transmit"],
        "a function that transmits; test transmitters are called `Transmitter` or `Beacon` and fill memory",
    ),
];

/// Calls by which a device could be told anything at all, past the half of SoapySDR that only receives.
const REACHES_PAST: &[(&[&str], &str)] = &[
    (&["write", "register"], "writes into the device's registers"),
    (&["write", "setting"], "writes a setting that only the driver understands (HackRF's `bias_tx` is one)"),
    (&["write", "gpio"], "drives pins"),
    (&["write", "i2c"], "drives a bus inside the device"),
    (&["write", "uart"], "drives a bus inside the device"),
    (&["transact", "spi"], "drives a bus inside the device"),
    (&["set", "frontend", "mapping"], "rewires channels"),
    (&["tx"], "the other direction"),
];

/// Names of what identifies a subscriber or a telephone.
const IDENTIFIES: &[(&[&str], &str)] = &[
    (&["imsi"], "the subscriber's permanent identity; TS 23.003 clause 2.2"),
    (&["tmsi"], "the subscriber's temporary identity; TS 23.003 clause 2.4"),
    (&["ptmsi"], "the same for packet service; TS 23.003 clause 2.7"),
    (&["imei"], "the telephone's identity; TS 23.003 clause 6"),
    (&["imeisv"], "the telephone's identity with its software version; TS 23.003 clause 6"),
    (&["msisdn"], "the subscriber's number; TS 23.003 clause 3.3"),
    (&["guti"], "LTE's and NR's temporary identity; TS 23.003 clause 2.8"),
    (&["supi"], "NR's permanent identity; TS 23.003 clause 2.2A"),
    (&["suci"], "NR's concealed identity; TS 23.003 clause 2.2B"),
    (&["mobile", "identity"], "the field of a message that carries one of these; TS 24.008 clause 10.5.1.4"),
];

/// Names that hold one of those words and yet nobody's identity, and why.
const INNOCENT_NAMES: &[(&str, &str)] = &[
    ("ImsiCatcher", "a class of rogue station, the very thing that is looked for"),
    ("IMSI_CATCHER", "the same, as it goes over the wire"),
];

/// Crates that drive a device which can transmit, or a bus through which one could be driven.
const FORBIDDEN_CRATES: &[(&str, &str)] = &[
    ("hackrf", "drives HackRF, which transmits"),
    ("libhackrf", "drives HackRF, which transmits"),
    ("rs-hackrf", "drives HackRF, which transmits"),
    ("hackrfone", "drives HackRF, which transmits"),
    ("seify", "drives several transceivers"),
    ("uhd", "drives USRPs, which transmit"),
    ("uhd-usrp", "drives USRPs, which transmit"),
    ("bladerf", "drives bladeRF, which transmits"),
    ("libbladerf-rs", "drives bladeRF, which transmits"),
    ("limesdr", "drives LimeSDR, which transmits"),
    ("industrial-io", "drives AD936x transceivers"),
    ("rusb", "any USB device, past SoapySDR's receive half"),
    ("nusb", "any USB device, past SoapySDR's receive half"),
    ("libusb1-sys", "any USB device, past SoapySDR's receive half"),
];

/// The words of a name in lower case: `DirectionTx`, `direction_tx` and `DIRECTION_TX` are all direction, tx.
fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut out = vec![String::new()];
    for (i, &c) in chars.iter().enumerate() {
        let next_is_lower = chars.get(i + 1).is_some_and(|n| n.is_lowercase());
        let before_is_lower = i > 0 && (chars[i - 1].is_lowercase() || chars[i - 1].is_numeric());
        let before_is_upper = i > 0 && chars[i - 1].is_uppercase();
        if c.is_uppercase() && (before_is_lower || (before_is_upper && next_is_lower)) {
            out.push(String::new());
        }
        if c.is_alphanumeric() {
            out.last_mut().expect("starts with one").extend(c.to_lowercase());
        } else {
            out.push(String::new());
        }
    }
    out.retain(|word| !word.is_empty());
    // A plural is the same thing.
    out.iter().map(|w| w.strip_suffix('s').unwrap_or(w).to_owned()).collect()
}

fn hit<'a>(name: &str, list: &'a [(&'a [&'a str], &'a str)]) -> Option<&'a str> {
    let words = words(name);
    list.iter().find(|(wanted, _)| words.windows(wanted.len()).any(|w| w == *wanted)).map(|(_, why)| *why)
}

/// What a file says against the two promises, one sentence each.
fn offences(path: &str, text: &str) -> Vec<String> {
    let tokens = source::tokens(text);
    let mut wrong = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        // Of texts only those that could be a key or a command: a sentence for people may say what is being hunted.
        let is_name = match token.kind {
            Kind::Word => true,
            Kind::Text => token.text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)),
            Kind::Sign => false,
        };
        if !is_name || INNOCENT_NAMES.iter().any(|(name, _)| *name == token.text) {
            continue;
        }
        // `Direction::Tx` is two words with a path between them.
        let joined = match tokens.get(i + 1..i + 4) {
            Some([a, b, c]) if a.is(":") && b.is(":") => format!("{}_{}", token.text, c.text),
            _ => token.text.clone(),
        };
        if let Some(what) = hit(&joined, TRANSMITS) {
            wrong.push(format!("src/{path}:{}: `{joined}` is {what}: nothing here transmits", token.line));
        }
        if let Some(what) = hit(&token.text, IDENTIFIES) {
            wrong.push(format!(
                "src/{path}:{}: `{}` names {what}: no identity is decoded or kept",
                token.line, token.text
            ));
        }
        let is_word = token.kind == Kind::Word;
        if path.starts_with("radio/soapy")
            && is_word
            && let Some(what) = hit(&token.text, REACHES_PAST)
        {
            wrong.push(format!("src/{path}:{}: `{}`: {what}: nothing here transmits", token.line, token.text));
        }
        // Under another name, or among everything, a thing could not be recognised; a number could be made a direction.
        let follows = |n: usize, text: &str| tokens.get(i + n).is_some_and(|t| t.is(text));
        if is_word && ["soapysdr", "Direction"].contains(&token.text.as_str()) && follows(1, "as") {
            wrong.push(format!("src/{path}:{}: `{}` must keep its name", token.line, token.text));
        }
        if is_word && token.text == "soapysdr" && follows(1, ":") && follows(3, "*") {
            wrong.push(format!("src/{path}:{}: name what is used of soapysdr", token.line));
        }
        if is_word && token.text == "soapysdr_sys" {
            wrong.push(format!("src/{path}:{}: the bare library has no receive-only half", token.line));
        }
        if is_word && token.text == "soapysdr" && !path.starts_with("radio/") {
            wrong.push(format!("src/{path}:{}: hardware is reached through src/radio alone", token.line));
        }
    }
    wrong
}

#[test]
fn nothing_below_src_transmits_or_names_an_identity() {
    let files = source::source_files();
    assert!(files.len() > 20, "only {} source files found: this test looks in the wrong place", files.len());
    let wrong: Vec<String> = files.iter().flat_map(|(path, text)| offences(&path.to_string_lossy(), text)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_dependency_drives_a_transmitter() {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let lock: toml::Table = lock.parse().unwrap();
    let names: Vec<&str> =
        lock["package"].as_array().unwrap().iter().map(|package| package["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"soapysdr"), "the lock file was not understood: {} packages", names.len());
    for (name, why) in FORBIDDEN_CRATES {
        assert!(!names.contains(name), "the crate `{name}` {why}");
    }
}

#[test]
fn a_planted_offence_is_found() {
    let planted = [
        ("radio/soapy.rs", "let s = device.tx_stream::<Complex32>(&[0])?;", "nothing here transmits"),
        ("radio/soapy.rs", "dev.set_gain(soapysdr::Direction::Tx, 0, 10.0)", "nothing here transmits"),
        ("radio/soapy.rs", "fn f(d: Direction) { d == Direction::Tx }", "nothing here transmits"),
        ("radio/soapy.rs", "use soapysdr::TxStream;", "nothing here transmits"),
        ("radio/soapy/setup.rs", "use soapysdr::Direction as D; D::Tx", "must keep its name"),
        ("radio/soapy/setup.rs", "use soapysdr::*;", "name what is used"),
        ("radio/soapy/setup.rs", "unsafe { soapysdr_sys::SoapySDRDevice_setupStream() }", "no receive-only half"),
        ("radio/soapy/setup.rs", "device.write_setting(\"bias_tx\", \"true\")", "nothing here transmits"),
        ("radio/soapy/setup.rs", "device.write_registers(\"LMS\", 0, &[1])", "nothing here transmits"),
        ("radio/soapy/setup.rs", "fn f(tx: Direction) {}", "nothing here transmits"),
        ("cli/synth.rs", "fn transmit(iq: &[Complex32]) {}", "nothing here transmits"),
        ("cli/synth.rs", "use soapysdr::Device;", "src/radio alone"),
        ("l3/gsm/message.rs", "struct PagingRequest { p_tmsi: u32 }", "no identity is decoded"),
        ("l3/gsm/message.rs", "let found_imsis = 3;", "no identity is decoded"),
        ("l3/gsm/message.rs", "enum MobileIdentity {}", "no identity is decoded"),
        ("observation/mod.rs", "json.insert(\"imsi\", value);", "no identity is decoded"),
    ];
    for (path, text, expected) in planted {
        let found = offences(path, text);
        assert!(found.iter().any(|f| f.contains(expected)), "{path}: {text}\nfound {found:?}");
    }
}

#[test]
fn words_that_only_sound_like_an_offence_pass() {
    let fine = [
        ("rules/mod.rs", "/// An IMSI catcher.\nVerdictClass::ImsiCatcher // imsi"),
        ("rules/mod.rs", "let text = \"asks every telephone for its IMSI\";"),
        ("observation/mod.rs", "#[serde(rename = \"IMSI_CATCHER\")] ImsiCatcher,"),
        ("radio/soapy/setup.rs", "const RX: Direction = Direction::Rx; device.set_gain_element(RX, 0, name, 3.0)?;"),
        ("sensor/publish.rs", "let (tx, rx) = channel(8); let ms_txpwr_max_cch = 5; let r = retransmits + 1;"),
        ("synth/scene.rs", "struct Transmitter; let transmitters: Vec<Transmitter> = vec![];"),
        ("rat/gsm/coding.rs", "enum CcchClass { Paging, AccessGrant } const PAGING_REQUEST_TYPE_1: u8 = 0x21;"),
    ];
    for (path, text) in fine {
        assert_eq!(offences(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}
