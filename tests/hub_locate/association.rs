//! One transmitter or several: what cycles its names is held together, what is two stays two.

use crate::locate_hub::*;
use crate::world::*;
use daen::cell::Rat;
use daen::hub::alert::Alert;
use daen::observation::Position;

/// What is on the air at a second.
type Air<'a> = &'a dyn Fn(i64) -> Vec<Tower>;

/// Three nodes hear the licensed cells and what is on the air, every two seconds; a rule fires on the latter. Gives the alerts.
fn alerts(seconds: i64, air: Air<'_>) -> Vec<Alert> {
    let (towers, poles) = (licensed(), ring(false));
    let mut hub = Hub::new(config(&towers));
    let mut world = World::new(T0, 50.0, 31);
    for second in (1..seconds).step_by(2) {
        for pole in &poles[..3] {
            let heard = towers.iter().map(|tower| world.hear(pole, tower, second as f64 + 0.1)).collect();
            hub.hear(pole, second, heard);
            for tower in air(second) {
                let heard = world.hear(pole, &tower, second as f64 + 0.4);
                hub.find(pole, second, heard);
            }
        }
    }
    hub.think();
    let mut alerts = hub.alerts();
    alerts.retain(Alert::is_active);
    alerts
}

/// The fake under another BSIC, and with it another identity; its frames begin to count anew at each of so many restarts.
fn as_bsic(id: u16, restarts: i64) -> Tower {
    let mut tower = fake();
    tower.key.id = id;
    tower.identity.cell_id = Some(20_000 + u64::from(id));
    tower.identity.area = Some(5000 + u32::from(id));
    tower.epoch_ns -= 1.234_567e9 * restarts as f64;
    tower
}

#[test]
fn a_transmitter_that_cycles_its_area_code_and_cell_identity_is_one_alert() {
    let air = |second: i64| {
        let mut tower = fake();
        tower.identity.area = Some(1000 + (second / 10) as u32);
        tower.identity.cell_id = Some(6000 + (second / 20) as u64);
        vec![tower]
    };
    let found = alerts(120, &air);
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn a_transmitter_that_cycles_its_bsic_is_one_alert_whether_or_not_its_frames_count_on() {
    for restarts in [false, true] {
        let found = alerts(240, &|second| {
            let turn = second / 40;
            vec![as_bsic(40 + turn as u16 % 3, if restarts { turn } else { 0 })]
        });
        assert_eq!(found.len(), 1, "restarts: {restarts}: {found:#?}");
        let reason = found[0].reasons.iter().find(|reason| reason.contains("changes its physical identity"));
        assert!(["40", "41", "42"].iter().all(|id| reason.unwrap().contains(id)), "{:?}", found[0].reasons);
        // What was heard last, and where: no fix mixes frames of before and after.
        assert_eq!(found[0].cell.id, 42);
        let places = found[0].fix.as_ref().unwrap().solutions.iter();
        let nearest = places.map(|s| metres(fake().site, s.lat_deg, s.lon_deg)).fold(f64::INFINITY, f64::min);
        assert!(nearest < 500.0, "{nearest:.0} m");
    }
}

/// The same as an LTE cell of a physical identity.
fn as_pci(id: u16, restarts: i64) -> Tower {
    let mut tower = as_bsic(id, restarts);
    (tower.key.rat, tower.key.center_hz) = (Rat::Lte, 948_500_000);
    tower
}

#[test]
fn an_lte_cell_that_cycles_its_pci_is_one_alert_whether_or_not_its_frames_count_on() {
    for restarts in [false, true] {
        let found = alerts(240, &|second| {
            let turn = second / 40;
            vec![as_pci([77, 318, 502][turn as usize % 3], if restarts { turn } else { 0 })]
        });
        assert_eq!(found.len(), 1, "restarts: {restarts}: {found:#?}");
        let reason = found[0].reasons.iter().find(|reason| reason.contains("changes its physical identity"));
        assert!(["77", "318", "502"].iter().all(|id| reason.unwrap().contains(id)), "{:?}", found[0].reasons);
        assert_eq!((found[0].cell.rat, found[0].cell.id), (Rat::Lte, 502));
        let places = found[0].fix.as_ref().unwrap().solutions.iter();
        let nearest = places.map(|s| metres(fake().site, s.lat_deg, s.lon_deg)).fold(f64::INFINITY, f64::min);
        assert!(nearest < 500.0, "{nearest:.0} m");
    }
    // Cells of one station with several identities at once, as every LTE site has, stay apart.
    let found = alerts(240, &|_| [77, 318, 502].map(|id| as_pci(id, 0)).to_vec());
    assert_eq!(found.len(), 3);
}

/// Five nodes report one after the other every ten seconds; at 65 s the fake begins to count its frames anew. No fix may mix what was read
/// before with what was read since.
#[test]
fn a_transmitter_that_restarts_is_never_placed_by_frames_of_before_and_after_together() {
    for free in [true, false] {
        let (towers, poles) = (licensed(), ring(!free));
        let mut hub = Hub::new(config(&towers));
        let mut world = World::new(T0, 50.0, 17);
        let (mut since, mut looks) = (Vec::new(), 0);
        for second in 1..120i64 {
            for (_, pole) in poles.iter().enumerate().filter(|(n, _)| second % 10 == 2 * *n as i64) {
                let licensed = towers.iter().map(|tower| world.hear(pole, tower, second as f64 + 0.1)).collect();
                hub.hear(pole, second, licensed);
                let mut tower = fake();
                tower.epoch_ns += if second >= 65 { 1.234_567e9 } else { 0.0 };
                let heard = world.hear(pole, &tower, second as f64 + 0.4);
                hub.find(pole, second, heard);
            }
            hub.think();
            if second < 25 {
                continue;
            }
            // Clocks that know the time tell the frames of before from those of since at once, until every node has heard the latter.
            let active = hub.alerts().into_iter().filter(Alert::is_active);
            for fix in active.filter_map(|alert| alert.fix) {
                let Some(best) = fix.best() else { continue };
                looks += 1;
                let off = |s: &daen::hub::place::Solution| metres(fake().site, s.lat_deg, s.lon_deg);
                let off = fix.solutions.iter().map(off).fold(f64::INFINITY, f64::min);
                assert!(off < 150.0f64.max(2.0 * best.reach_m()), "free {free}, second {second}: {off:.0} m: {fix:#?}");
                let timed = best.inputs.iter().filter(|input| input.kind == "timing").count();
                since.push((second, timed));
            }
        }
        assert!(looks > 70, "{looks}");
        assert!(since.iter().any(|(second, timed)| *second > 110 && *timed == 5), "all are used again: {since:?}");
    }
}

#[test]
fn sectors_of_one_station_on_the_air_together_stay_apart() {
    let found = alerts(240, &|_| (0..3).map(|n| as_bsic(40 + n, 0)).collect());
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|alert| alert.reasons.iter().all(|reason| !reason.contains("changes its physical"))));
}

#[test]
fn two_transmitters_one_after_the_other_on_one_carrier_are_two() {
    let other = || {
        let site: Position = at(13.640, 102.530);
        Tower { ppb: -700.0, site, epoch_ns: -5e9, ..as_bsic(50, 0) }
    };
    let found = alerts(240, &|second| if second < 100 { vec![as_bsic(40, 0)] } else { vec![other()] });
    assert_eq!(found.len(), 2, "their oscillators differ");
    // With the carrier of a licensed station nothing but the frames could tell that it is one; they begin anew.
    let plain = |id: u16| Tower { ppb: 10.0, epoch_ns: -1e9 * f64::from(id), ..as_bsic(id, 0) };
    let found = alerts(240, &|second| vec![plain(if second < 100 { 40 } else { 50 })]);
    assert_eq!(found.len(), 2, "nothing says that they are one");
}
