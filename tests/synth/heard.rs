//! The scene as the real receiver hears it, against the scene's truth.

use daen::cell::Rat;
use daen::observation::FrameName;
use daen::rat::CellReport;
use daen::rat::gsm::{Options, Receiver};
use daen::synth::gsm::HYPERFRAME;
use daen::synth::scene::Scene;
use daen::units::SampleIndex;
use num_complex::Complex32;

/// The stretch of the scene that is played: the blaster has just been switched on, and all SI come round once.
const FROM_S: u64 = 20;
const SECONDS: f64 = 2.4;

/// Last report of each cell.
fn heard(scene: &Scene, node: usize) -> Vec<CellReport> {
    let mut source = scene.source(node).unwrap();
    let mut receiver = Receiver::new(&source.info.clone(), Options::default());
    let mut block = vec![Complex32::default(); 40_000];
    let mut reports = Vec::new();
    let first = FROM_S * scene.sample_rate.0 as u64;
    for at in (first..first + (SECONDS * scene.sample_rate.0) as u64).step_by(block.len()) {
        assert_eq!(source.fill(SampleIndex(at), &mut block), 0, "nothing clips");
        receiver.process(&block, &mut reports);
    }
    reports.clear();
    receiver.finish(&mut reports);
    reports
}

#[test]
fn every_node_hears_every_cell_where_and_when_it_is() {
    let scene = Scene::aranyaprathet_poipet(1);
    let truth = scene.truth().unwrap();
    for (index, node) in truth.nodes.iter().enumerate() {
        let reports = heard(&scene, index);
        let keys: Vec<_> = reports.iter().map(|r| (r.key.center_hz, r.key.id)).collect();
        let gsm = truth.transmitters.iter().zip(&scene.transmitters).filter(|(one, _)| one.rat == Rat::Gsm);
        for (transmitter, full) in gsm {
            let what = format!("{} at {}", transmitter.name, node.node);
            let key = (transmitter.center_hz, transmitter.physical_id);
            let report = reports.iter().find(|r| (r.key.center_hz, r.key.id) == key);
            let report = report.unwrap_or_else(|| panic!("{what} is not in {keys:?}"));
            let links = &truth.links;
            let link = links.iter().find(|l| l.node == node.node && l.transmitter == transmitter.name).unwrap();

            assert!((report.level.0 - link.level_dbfs).abs() < 0.5, "{what}: {} {}", report.level.0, link.level_dbfs);
            // Both clocks act: the transmitter's raises, the node's lowers what is seen.
            let ratio = (1.0 + transmitter.clock_error_ppb * 1e-9) / (1.0 + node.clock_error_ppb * 1e-9);
            let ppb = (ratio - 1.0) * 1e9;
            assert!((report.carrier.ppb.0 - ppb).abs() < 20.0, "{what}: {} {ppb}", report.carrier.ppb.0);

            // The named frame's start: emitted by the transmitter's clock, delayed, seen by the node's clock.
            let timing = report.timing.expect("a followed cell has its timing");
            let FrameName::Gsm { frame_number } = timing.frame else { panic!("{what}: {:?}", timing.frame) };
            let frames =
                (i64::from(frame_number) - i64::from(transmitter.frame_number)).rem_euclid(i64::from(HYPERFRAME));
            // The blaster's first frame is that of its switching on; the others' is that of the scene's start.
            let emitted = transmitter.frame_start_ps as f64 * 1e-3
                + frames as f64 * (60e6 / 13.0) / (1.0 + transmitter.clock_error_ppb * 1e-9);
            let arrival = emitted + link.delay_ps as f64 * 1e-3 - node.start_offset_ns as f64;
            let seen = arrival * (1.0 + node.clock_error_ppb * 1e-9) - FROM_S as f64 * 1e9;
            let measured = timing.at_ns.0 as f64 + timing.at_frac_ns;
            // A symbol is 3692 ns; co-sited neighbours 200 kHz away cost some accuracy.
            assert!((measured - seen).abs() < 60.0, "{what}: {measured} {seen}");

            let sent = full.gsm().unwrap().cell.si3().unwrap();
            assert!(report.broadcast.iter().any(|block| block.octets.0 == sent), "{what}: SI3 is missing or altered");
            let identity = report.identity.clone().expect("SI3 names the cell");
            let expected = (transmitter.plmn, Some(transmitter.areas[0]), Some(transmitter.cell_id));
            assert_eq!((identity.plmns[0], identity.area, identity.cell_id), expected, "{what}");
        }
        assert_eq!(reports.len(), 6, "{keys:?}");
    }
}
