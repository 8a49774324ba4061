//! The border scene.

use super::demodulate::Slot;
use daen::cell::Rat;
use daen::radio::source::{Event, IqBlock, IqSource};
use daen::rat::gsm::coding::{Block, Place, XcchDecoder};
use daen::rules::{Format, Register};
use daen::synth::scene::{Air, Role, Scene};
use daen::units::SampleIndex;
use num_complex::Complex32;

fn read(scene: &Scene, node: usize, size: usize, count: u64) -> Vec<Complex32> {
    let mut source = scene.source(node).unwrap();
    source.length = Some(count);
    let mut block = IqBlock::default();
    let mut all = Vec::new();
    loop {
        match source.read(size, &mut block).unwrap() {
            Event::Stream(info) => assert_eq!(info.sample_rate, scene.sample_rate),
            Event::Samples => all.extend_from_slice(&block.samples),
            Event::End => return all,
        }
    }
}

#[test]
fn one_seed_gives_the_same_samples_for_any_block_size() {
    let scene = Scene::aranyaprathet_poipet(7);
    let whole = read(&scene, 2, 1 << 20, 60_000);
    for size in [1000, 4096, 16_383] {
        assert!(read(&Scene::aranyaprathet_poipet(7), 2, size, 60_000) == whole, "blocks of {size}");
    }
    assert!(read(&Scene::aranyaprathet_poipet(8), 2, 1 << 20, 60_000) != whole, "another seed");
    assert!(read(&scene, 1, 1 << 20, 60_000) != whole, "another node");
}

#[test]
fn every_cell_fits_into_the_tuning_and_is_heard_by_every_node() {
    for seed in 0..20 {
        let truth = Scene::aranyaprathet_poipet(seed).truth().unwrap();
        for transmitter in &truth.transmitters {
            let offset = transmitter.center_hz as f64 - truth.center_hz;
            assert!(offset.abs() < 0.45 * truth.sample_rate_hz, "{}", transmitter.name);
        }
        for link in &truth.links {
            let transmitter = truth.transmitters.iter().find(|one| one.name == link.transmitter).unwrap();
            // The lure and a licensed cell share a channel: each is meant for those near it.
            let least = if transmitter.rat == Rat::Gsm { 20.0 } else { 0.0 };
            assert!(link.snr_db > least && link.level_dbfs < -6.0, "seed {seed}: {link:?}");
            // A straight line at the speed of light.
            assert!((link.delay_ps as f64 - link.distance_m / 299.792_458e-6).abs() <= 1.0);
        }
        assert_eq!(truth.links.len(), truth.nodes.len() * truth.transmitters.len());
    }
}

#[test]
fn the_register_lists_the_licensed_cells_and_neither_blaster_nor_lure() {
    let scene = Scene::aranyaprathet_poipet(1);
    let csv = scene.register_csv();
    assert_eq!(csv.lines().count(), 1 + 5 + 2);
    for transmitter in &scene.transmitters {
        let (area, id) = match &transmitter.air {
            Air::Gsm(gsm) => (gsm.cell.lac, u32::from(gsm.cell.ci)),
            Air::Lte(lte) => {
                let identity = lte.identity().unwrap();
                (identity.area.unwrap() as u16, identity.cell_id.unwrap() as u32)
            }
        };
        let listed = csv.contains(&format!(",{area},{id},"));
        assert_eq!(listed, matches!(transmitter.role, Role::Licensed(_)), "{}", transmitter.name);
    }
    let json = serde_json::to_value(scene.truth().unwrap()).unwrap();
    assert_eq!(json["transmitters"][5]["role"], "sms_blaster");
    assert_eq!(json["transmitters"][5]["on_ns"][0][0], 20_000_000_000i64);
    assert_eq!(json["transmitters"][5]["plmn"], "520-03");
    assert_eq!(json["transmitters"][8]["role"], "lure");
    let lure = &json["transmitters"][8];
    assert_eq!(
        (&lure["channel"], &lure["plmn"], &lure["areas"]),
        (&3674.into(), &"520-03".into(), &vec![61_000].into())
    );
    assert_eq!(lure["cell_id"], 0x7a_5a01);
    let (register, report) = Register::load(csv.as_bytes(), Format::Detect).unwrap();
    assert_eq!((register.len(), report.rows, report.accepted), (7, 7, 7));
}

/// The octets of the BCCH block at a TC after so many multiframes of the blaster's time, at a node's true position.
fn blaster_block(scene: &Scene, node: usize, frame: i64) -> Option<[u8; 23]> {
    let truth = scene.truth().unwrap();
    let blaster = &truth.transmitters[0];
    let (here, link) = (&truth.nodes[node], &truth.links[node]);
    let (up, ours) = (1.0 + blaster.clock_error_ppb * 1e-9, 1.0 + here.clock_error_ppb * 1e-9);
    let symbol = truth.sample_rate_hz * 6.0 / 1_625_000.0 * ours / up;
    let arrival = (blaster.frame_start_ps + link.delay_ps) as f64 * 1e-12 - here.start_offset_ns as f64 * 1e-9;
    let zero = arrival * truth.sample_rate_hz * ours;
    let mut source = scene.source(node).unwrap();
    let mut bursts = [0, 1, 2, 3].map(|burst| {
        let slot = Slot {
            start: zero + (frame + burst) as f64 * 1250.0 * symbol,
            symbol,
            carrier: blaster.center_hz as f64 * up / ours - truth.center_hz,
        };
        let (first, count) = slot.samples();
        let mut samples = vec![Complex32::default(); count];
        source.fill(SampleIndex(first), &mut samples);
        let info = source.info.clone();
        let bits = slot.bits(&info, &samples);
        std::array::from_fn(|i| if i < 57 { bits[3 + i] } else { bits[88 + i - 57] })
    });
    match XcchDecoder::new(false).decode(&mut bursts, Place::BcchNorm) {
        Block::SystemInformation(octets) => Some(octets),
        _ => None,
    }
}

#[test]
fn the_blaster_is_silent_before_20_s_and_then_cycles_its_lac_every_15_s() {
    let mut scene = Scene::aranyaprathet_poipet(3);
    // Alone, so that the plain demodulator here needs no filter.
    scene.transmitters.retain(|transmitter| transmitter.role == Role::SmsBlaster);
    let blaster = scene.transmitters[0].clone();
    let gsm = blaster.gsm().unwrap();
    let lacs = &gsm.lac_cycle.as_ref().unwrap().lacs;
    for node in 0..scene.nodes.len() {
        // First SI3 (TC 2) of each LAC, from before the first until after the first turn of the whole cycle.
        let si3 = |from: i64| {
            let frame_number = i64::from(gsm.frame_number) + from;
            let ahead = (2 * 51 + 2 - frame_number).rem_euclid(8 * 51);
            blaster_block(&scene, node, from + ahead)
        };
        assert_eq!(si3(-408 - 51), None, "on air too early");
        for (turn, lac) in lacs.iter().chain(&lacs[..2]).enumerate() {
            let octets = si3(turn as i64 * 3250).expect("the blaster is on air");
            assert_eq!((octets[2], u16::from_be_bytes([octets[8], octets[9]])), (0x1b, *lac), "turn {turn}");
            assert_eq!(u16::from_be_bytes([octets[3], octets[4]]), gsm.cell.ci);
        }
    }
}

#[test]
fn what_a_scene_has_not_is_named() {
    let error = Scene::named("nowhere", 1).unwrap_err().to_string();
    assert_eq!(error, "there is no scene \"nowhere\"; scenes: aranyaprathet, poipet-lte");
    let error = Scene::aranyaprathet_poipet(1).source(4).unwrap_err().to_string();
    assert_eq!(error, "the scene \"aranyaprathet\" has no node 4; its nodes are 0 to 3");
}
