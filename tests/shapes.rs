//! What the shape of a spectrum says of real recordings whose carriers are known.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::dsp::occupancy::{Carrier, Shape, carriers};
use daen::dsp::slots::Slots;
use daen::dsp::spectrum::{Spectrum, Welch};
use daen::radio::sigmf;
use daen::radio::source::{Event, IqBlock, IqSource, StreamInfo};
use daen::units::Hz;
use std::path::{Path, PathBuf};

/// The spectrum of the first part of a recording, at most so long.
fn spectrum(name: &str, seconds: f64) -> Option<(StreamInfo, Spectrum)> {
    let root = std::env::var_os("DAEN_CAPTURES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures"), PathBuf::from);
    let path = root.join(format!("{name}.sigmf-meta"));
    if !path.is_file() {
        println!("skipped: no recording {}", path.display());
        return None;
    }
    let mut source = sigmf::describe(Path::new(&path), sigmf::Overrides::default()).unwrap().open().unwrap();
    let mut block = IqBlock::default();
    let Event::Stream(info) = source.read(1, &mut block).unwrap() else { panic!("a stream comes first") };
    let size = ((info.sample_rate.0 / 10e3) as usize).next_power_of_two().clamp(64, 8192);
    let mut welch = Welch::new(size);
    let mut left = (info.sample_rate.0 * seconds) as usize;
    while left > 0 && source.read(left.min(1 << 16), &mut block).unwrap() == Event::Samples {
        welch.process(&block.samples);
        left -= block.samples.len();
    }
    Some((info, welch.take().unwrap()))
}

fn wide(found: &[Carrier]) -> Vec<&Carrier> {
    found.iter().filter(|carrier| carrier.width.0 > 1e6).collect()
}

#[test]
fn lte_carriers_of_real_recordings_have_the_width_of_their_resource_blocks() {
    // Resource blocks and carrier errors by independent decoders (truth.json of the recordings); 20 ms, as a sweep sees it.
    for (name, blocks, offset) in
        [("lte/enb-leg100x2", 100.0, 0.0), ("lte/enb-leg50", 50.0, 0.0), ("lte/enb-warn25", 25.0, 0.0)]
    {
        let Some((info, spectrum)) = spectrum(name, 0.02) else { continue };
        let found = carriers(&spectrum, info.sample_rate);
        println!("{name}: {found:?}");
        let nearest = wide(&found).into_iter().min_by(|a, b| {
            let from = |carrier: &Carrier| (carrier.offset.0 - offset).abs();
            from(a).total_cmp(&from(b))
        });
        let carrier = nearest.unwrap_or_else(|| panic!("{name}: no carrier"));
        assert_eq!(carrier.shape, Shape::Multicarrier, "{name}: {carrier:?}");
        assert!((carrier.width.0 / (blocks * 180e3) - 1.0).abs() < 0.05, "{name}: {carrier:?}");
        assert!((carrier.offset.0 - offset).abs() < 100e3, "{name}: {carrier:?}");
    }
}

#[test]
fn a_carrier_that_fades_is_seen_though_its_width_is_not_to_be_trusted() {
    // 25 resource blocks 24.9 kHz above the centre (truth.json); off the air, with a fade that takes one edge: as wide as UMTS.
    let Some((info, spectrum)) = spectrum("lte/b3-1852M5-19M2", 0.02) else { return };
    let found = carriers(&spectrum, info.sample_rate);
    let near = |carrier: &&Carrier| (carrier.offset.0 - 24.9e3).abs() < 500e3 && carrier.width.0 > 3e6;
    let carrier = found.iter().find(near).unwrap_or_else(|| panic!("{found:?}"));
    assert!(carrier.width.0 < 4.6e6, "{carrier:?}");
}

#[test]
fn slots_of_real_recordings_are_filled_where_cells_are_and_nowhere_in_noise() {
    for (name, filled) in [
        // ARFCN 22, 24 and 30: 939.4, 939.8 and 941.0 MHz.
        ("gsm/wideband-941M-4M", &[939_400_000u64, 939_800_000, 941_000_000][..]),
        ("lte/noise-1M92", &[]),
        ("lte/nothing-826M-1M92", &[]),
    ] {
        let Some((info, spectrum)) = spectrum(name, 0.02) else { continue };
        let mut slots = Slots::default();
        let usable = Hz(0.9 * info.sample_rate.0);
        let found = slots.cut(&spectrum, info.center, info.sample_rate, usable, Hz(200e3));
        let over: Vec<u64> =
            found.iter().filter(|slot| slot.is_filled(2.0)).map(|slot| slot.number as u64 * 200_000).collect();
        println!("{name}: {over:?} {:?}", carriers(&spectrum, info.sample_rate));
        assert!(filled.iter().all(|carrier| over.contains(carrier)), "{name}: {over:?}");
        assert!(!filled.is_empty() || over.is_empty(), "{name}: {over:?}");
    }
}
