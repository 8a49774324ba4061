//! Samples through the library: every format, gains that have an effect, and a recording with a hole in it.

use super::*;
use daen::rat::lte;

#[test]
fn a_cell_is_decoded_again_after_a_hole_in_its_recording() {
    if !inside("samples::a_cell_is_decoded_again_after_a_hole_in_its_recording", Place::Here, &[]) {
        return;
    }
    let Some(path) = capture("gsm/vodafone-arfcn725-1M") else { return };
    let file = recording(&path);
    let whole = cells(&file);
    let identity =
        |found: &[CellReport]| -> Vec<_> { found.iter().map(|cell| (cell.key, cell.identity.clone())).collect() };
    assert!(whole.len() == 1 && whole[0].identity.is_some(), "{whole:?}");
    // A hole of a third of a burst and one of half a second, told of and not, in the middle of 7.3 s.
    for (fault, lost) in [("overflow@3600000:200", 200), ("quiet@3600000:500000", 500_000)] {
        let data = path.with_extension("sigmf-data");
        let mut rig = Rig::new(&format!("file={},faults={fault},mtu=5003", data.display()), |wish| {
            wish.center = file.info.center;
        });
        let heard = rig.read_samples(file.samples.len() - lost);
        assert_eq!(heard.len(), 2, "{fault}: one hole");
        assert_eq!(heard[0].samples.len(), 3_600_000);
        assert!(
            heard[1].samples == file.samples[3_600_000 + lost..],
            "{fault}: what follows is what follows in the file"
        );
        let apart = heard[1].info.start - heard[0].info.start;
        assert_eq!(apart, Nanos((3_600_000 + lost as i64) * 1000), "{fault}");
        let (before, after) = (cells(&heard[0]), cells(&heard[1]));
        assert_eq!(identity(&before), identity(&whole), "{fault}: before the hole");
        assert_eq!(identity(&after), identity(&whole), "{fault}: decoded again after it");
        // Its frames go on over the hole as if there were none: the times of both streams are of one clock.
        let timing = |heard: &Heard, found: &[CellReport]| heard.info.start + found[0].first;
        assert!(
            timing(&heard[1], &after) - heard[1].info.start < Nanos::from_secs(1),
            "{fault}: found within a second"
        );
        assert!(timing(&heard[0], &before) < heard[1].info.start);
    }
}

/// Mean power of a stretch, dB of full scale.
fn power(samples: &[Complex32]) -> f64 {
    10.0 * (samples.iter().map(|s| f64::from(s.norm_sqr())).sum::<f64>() / samples.len() as f64).log10()
}

#[test]
fn the_level_follows_the_gains_of_the_device() {
    if !inside("samples::the_level_follows_the_gains_of_the_device", Place::Here, &[]) {
        return;
    }
    let Some(path) = capture("gsm/vodafone-arfcn725-1M") else { return };
    let file = recording(&path);
    let reference = power(&file.samples[..200_000]);
    // LNA and VGA, as wished for and as the device makes them; 20 and 10 dB leave the recording as it is.
    for (lna, vga, made) in
        [(20.0, 10.0, 30.0), (14.0, 10.0, 24.0), (20.0, 7.0, 28.0), (9.0, 10.0, 20.0), (22.0, 4.0, 26.0)]
    {
        let mut rig = Rig::new(&format!("file={}", path.with_extension("sigmf-data").display()), |wish| {
            wish.center = file.info.center;
            wish.gains = [("LNA".to_owned(), Db(lna)), ("VGA".to_owned(), Db(vga))].into();
        });
        let heard = rig.read_samples(200_000);
        let told: f64 = rig.live.actual().unwrap().gains.values().map(|gain| gain.0).sum();
        let level = power(&heard[0].samples[..200_000]);
        println!("LNA {lna}, VGA {vga}: {told} dB, {:+.3} dB against the recording", level - reference);
        assert_eq!(told, made);
        // Octets round.
        assert!((level - reference - (made - 30.0)).abs() < 0.1, "{level} at {made} dB, {reference} at 30 dB");
    }
}

#[test]
fn unsigned_octets_through_the_library_are_those_of_the_recording_and_their_cell_is_found() {
    let name = "samples::unsigned_octets_through_the_library_are_those_of_the_recording_and_their_cell_is_found";
    if !inside(name, Place::Here, &[]) {
        return;
    }
    // Off an RTL-SDR, whose octets are these.
    let Some(path) = capture("lte/b3-1860M-1M92") else { return };
    let file = recording(&path);
    let data = path.with_extension("sigmf-data");
    let octets = std::fs::read(&data).unwrap();
    let rate = file.info.sample_rate.0;
    let args = format!("file={},format=CU8,rates={rate},mtu=5003,fragments=3", data.display());
    let profile = std::fs::read_to_string(soapy::profile()).unwrap();
    let profile = profile.replace("rates_hz = [", &format!("rates_hz = [{rate:.1}, "));
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rate-of-lte.toml");
    std::fs::write(&own, profile).unwrap();
    let mut rig = Rig::new(&args, |wish| {
        wish.profile = own.display().to_string();
        wish.center = file.info.center;
        wish.rate = Some(Hz(rate));
    });
    let heard = rig.read_samples(file.samples.len());
    assert_eq!(rig.live.actual().unwrap().format, "CU8");
    assert_eq!((heard.len(), heard[0].samples.len()), (1, octets.len() / 2));
    // 127.5 is nothing, 0 and 255 are full scale.
    for (sample, octets) in heard[0].samples.iter().zip(octets.chunks_exact(2)) {
        let expected = Complex32::new((f32::from(octets[0]) - 127.5) / 127.5, (f32::from(octets[1]) - 127.5) / 127.5);
        assert!((sample - expected).norm() < 1e-6, "{sample} of {octets:?}");
    }
    let found = |heard: &Heard| {
        let mut receiver = lte::Receiver::new(&heard.info, lte::Options::default());
        let mut last = Vec::new();
        heard.samples.chunks(1 << 16).for_each(|part| receiver.process(part, &mut Vec::new()));
        receiver.finish(&mut last);
        last.iter().map(|cell| (cell.key, cell.fields.clone())).collect::<Vec<_>>()
    };
    let (through, replayed) = (found(&heard[0]), found(&file));
    assert!(!replayed.is_empty(), "the recording holds a cell");
    assert_eq!(through, replayed);
}
