//! SIB1 of NR out of samples: against real recordings (truth from other decoders), in noise, and where there is none.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::l3::nr::parse_mib;
use daen::radio::sigmf;
use daen::radio::source::{Event, IqBlock, IqSource, StreamInfo};
use daen::rat::nr::dci::Time;
use daen::rat::nr::numerology::Spacing;
use daen::rat::nr::sib1::{Known, Reader, Received};
use daen::units::Hz;
use num_complex::Complex32;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Recordings that begin with the slot of SIB1 and hold no synchronisation block: PCI and MIB are handed in.
const SLOT_ALONE: [&str; 3] = ["nr/effnet-n78-sib1-23M04", "nr/lab-n3-sib1-23M04", "nr/singtel-n1-sib1-23M04"];

fn captures() -> Option<PathBuf> {
    let root = std::env::var_os("DAEN_CAPTURES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures"), PathBuf::from);
    if root.join("truth.json").is_file() {
        return Some(root);
    }
    println!("skipped: no recordings in {}", root.display());
    None
}

/// Recordings of NR.
fn truth(root: &Path) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(root.join("truth.json")).unwrap();
    let all: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    all.into_iter().filter(|(name, _)| name.starts_with("nr/")).collect()
}

fn load(root: &Path, name: &str) -> (StreamInfo, Vec<Complex32>) {
    let path = root.join(format!("{name}.sigmf-meta"));
    let mut source = sigmf::describe(&path, sigmf::Overrides::default()).unwrap().open().unwrap();
    let (mut iq, mut samples, mut stream) = (IqBlock::default(), Vec::new(), None);
    loop {
        match source.read(1 << 16, &mut iq).unwrap() {
            Event::Stream(info) => stream = Some(info),
            Event::Samples => samples.extend_from_slice(&iq.samples),
            Event::End => return (stream.unwrap(), samples),
        }
    }
}

fn known(recording: &Value) -> Known {
    let ssb = &recording["ssb"];
    let number = |key: &str| ssb[key].as_u64().unwrap();
    let mib: [u8; 3] = hex::decode(ssb["mib_hex"].as_str().unwrap()).unwrap().try_into().unwrap();
    Known {
        pci: number("pci") as u16,
        spacing: if recording["scs_khz"] == 15 { Spacing::Khz15 } else { Spacing::Khz30 },
        nominal: Hz(recording["fssb_hz"].as_f64().unwrap()),
        mib: parse_mib(mib).unwrap().0,
        k_ssb: number("k_ssb") as u8,
        index: number("ssb_idx") as u8,
    }
}

/// SIB1 of the slot that a recording begins with.
fn slot_at_start(reader: &mut Reader, info: &StreamInfo, samples: &[Complex32], recording: &Value) -> Option<Received> {
    let slot = recording["sib1"]["phy"]["slot"].as_u64().unwrap() as usize;
    let error = Hz(recording["ssb"]["cfo_psssss_hz"].as_f64().unwrap());
    reader.take(samples, info.center, error, 0.0, slot)
}

#[test]
fn slots_of_sib1_are_announced_and_read_as_another_receiver_does() {
    let Some(root) = captures() else { return };
    let truth = truth(&root);
    for name in SLOT_ALONE {
        let recording = &truth[name];
        let (info, samples) = load(&root, name);
        let (known, phy) = (known(recording), &recording["sib1"]["phy"]);
        let mut reader = Reader::new(info.sample_rate, known).unwrap();
        let received = slot_at_start(&mut reader, &info, &samples, recording).unwrap();
        assert_eq!(hex::encode(&received.octets), recording["sib1"]["hex"].as_str().unwrap(), "{name}");
        let (coreset, dci) = (reader.coreset(), received.dci);
        assert_eq!(json!([coreset.blocks, coreset.symbols, coreset.offset]), phy["coreset0"], "{name}");
        let time = Time::default_a(dci.time, known.mib.dmrs_type_a_position);
        let found = json!({
            "slot": phy["slot"], "AL": received.level, "cce": received.element, "coreset0": phy["coreset0"],
            "rb_start": dci.start, "rb_len": dci.length, "S": time.start, "L": time.length, "mcs": dci.mcs,
            "rv": dci.version, "tbs": 8 * received.octets.len(), "dci": phy["dci"],
        });
        assert_eq!(&found, phy, "{name}");
        // The slot is one of those in which it may be announced: two slots from the first one on.
        let slot = phy["slot"].as_u64().unwrap() as usize;
        assert!((reader.occasion().slot..reader.occasion().slot + 2).contains(&slot), "{name}");
    }
}

#[test]
fn another_cell_another_slot_and_noise_have_no_sib1() {
    let Some(root) = captures() else { return };
    let truth = truth(&root);
    let recording = &truth["nr/singtel-n1-sib1-23M04"];
    let (info, samples) = load(&root, "nr/singtel-n1-sib1-23M04");
    let right = known(recording);
    let error = Hz(recording["ssb"]["cfo_psssss_hz"].as_f64().unwrap());
    for pci in [0, 190, 192, 1007] {
        let mut reader = Reader::new(info.sample_rate, Known { pci, ..right }).unwrap();
        assert_eq!(slot_at_start(&mut reader, &info, &samples, recording), None, "PCI {pci}");
    }
    let mut reader = Reader::new(info.sample_rate, right).unwrap();
    for slot in [0, 1, 3, 9] {
        assert_eq!(reader.take(&samples, info.center, error, 0.0, slot), None, "slot {slot}");
    }
    assert_eq!(reader.take(&samples, info.center, error, 3000.0, 2), None, "some symbols late");
    assert_eq!(reader.take(&samples[..9000], info.center, error, 0.0, 2), None, "not there whole");
    assert_eq!(reader.take(&[], info.center, error, 0.0, 2), None);
    for at in [-1e9, f64::NAN, f64::INFINITY, 1e18] {
        assert_eq!(reader.take(&samples, info.center, error, at, 2), None, "{at}");
    }
    assert_eq!(reader.take(&samples, info.center + Hz(20e6), error, 0.0, 2), None, "outside the stream");
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut noise = vec![Complex32::default(); samples.len()];
    for _ in 0..20 {
        noise.fill_with(|| Complex32::new(StandardNormal.sample(&mut rng), StandardNormal.sample(&mut rng)));
        assert_eq!(reader.take(&noise, info.center, error, 0.0, 2), None);
    }
    // No SIB1, a reserved CORESET 0, a stream that is too narrow.
    assert!(Reader::new(info.sample_rate, Known { k_ssb: 24, ..right }).is_none());
    let mut mib = right.mib;
    mib.control_resource_set_zero = 15;
    assert!(Reader::new(info.sample_rate, Known { mib, ..right }).is_none());
    assert!(Reader::new(Hz(7.68e6), right).is_none());
}
