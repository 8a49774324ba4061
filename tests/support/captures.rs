//! Real recordings with the truth beside them. They lie outside the project; where they are absent that is said, and the test is over.

// Each test crate uses a part of it.
#![allow(dead_code)]

use daen::radio::sigmf;
use daen::radio::source::{Event, IqBlock, IqSource, StreamInfo};
use num_complex::Complex32;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Their folder: what `DAEN_CAPTURES` names, or the one beside the project.
pub fn captures() -> Option<PathBuf> {
    let root = std::env::var_os("DAEN_CAPTURES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures"), PathBuf::from);
    if root.join("truth.json").is_file() {
        return Some(root);
    }
    println!("skipped: no recordings in {}; DAEN_CAPTURES may name their folder", root.display());
    None
}

/// The description of a recording, such as `gsm/wideband-941M-4M`.
pub fn capture(name: &str) -> Option<PathBuf> {
    let path = captures()?.join(format!("{name}.sigmf-meta"));
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: no recording {}", path.display());
    None
}

/// What is known of the recordings whose names begin with `prefix`, by name.
pub fn truth(root: &Path, prefix: &str) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(root.join("truth.json")).unwrap();
    let all: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    all.into_iter().filter(|(name, _)| name.starts_with(prefix)).collect()
}

/// A whole recording.
pub fn load(root: &Path, name: &str) -> (StreamInfo, Vec<Complex32>) {
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
