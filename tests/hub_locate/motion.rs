//! What does not stand still: licensed cells whose frames jump, and a transmitter in a vehicle.

use crate::everything;
use crate::locate_hub::*;
use crate::world::*;
use crate::{get, with_pages};
use daen::hub::alert::Event;
use daen::hub::analysis::{Analysis, whole_envelopes};
use daen::observation::Position;
use daen::units::Nanos;

/// The towers at a second: from the fiftieth on the frames of one of them leave so much later.
fn jumping(which: usize, by_ns: f64, second: f64) -> Vec<Tower> {
    let mut towers = licensed().to_vec();
    towers[which].epoch_ns += if second >= 50.0 { by_ns } else { 0.0 };
    towers
}

/// Five nodes report one after the other every ten seconds; gives the events and the worst error of a fix, and looks after each report.
fn with_jump(hub: &mut Hub, disciplined: bool, seconds: i64, towers: impl Fn(f64) -> Vec<Tower>) -> (Vec<Event>, f64) {
    let (mut world, fake) = (World::new(T0, 50.0, 21), fake());
    let (mut events, mut worst) = (Vec::new(), 0.0f64);
    for second in 1..seconds {
        for (_, pole) in ring(disciplined).iter().enumerate().filter(|(n, _)| second % 10 == 2 * *n as i64) {
            let at = second as f64 + 0.1;
            let licensed = towers(at).iter().map(|tower| world.hear(pole, tower, at)).collect();
            hub.hear(pole, second, licensed);
            let heard = world.hear(pole, &fake, second as f64 + 0.4);
            hub.find(pole, second, heard);
        }
        if second % 2 == 0 {
            events.extend(hub.think());
        }
        // Early on there are few nodes, and few readings to learn from.
        if second > 20
            && let Some(best) = hub.alert().fix.as_ref().and_then(|fix| fix.best().cloned())
        {
            worst = worst.max(metres(fake.site, best.lat_deg, best.lon_deg));
        }
    }
    (events, worst)
}

fn jumps(events: &[Event]) -> Vec<&str> {
    events.iter().flat_map(|e| e.detail.split("; ")).filter(|d| d.starts_with("the frames of")).collect()
}

#[test]
fn a_licensed_cell_whose_frames_jump_is_named_and_moves_no_fix() {
    for disciplined in [false, true] {
        for (which, name) in ["TH-1", "TH-2", "TH-3"].into_iter().enumerate() {
            let all = [(40_000.0, "40.0 µs later"), (-2_000.0, "2.0 µs earlier")];
            for (by_ns, words) in &all[usize::from(disciplined)..] {
                let by_ns = *by_ns;
                let mut hub = Hub::new(config(&licensed()));
                let (events, worst) = with_jump(&mut hub, disciplined, 100, |s| jumping(which, by_ns, s));
                let what = format!("{name} by {by_ns} ns, disciplined: {disciplined}");
                let told = jumps(&events);
                assert_eq!(told.len(), 1, "{what}: {told:?}");
                let by: f64 = told[0].split_ascii_whitespace().nth(5).unwrap().parse().unwrap();
                assert!((by - 1e-3 * by_ns.abs()).abs() <= 0.4 && told[0].contains(name), "{what}: {told:?}");
                assert!(told[0].contains(words.split(' ').next_back().unwrap()), "{what}: {told:?}");
                assert!(worst < 100.0, "{what}: a fix is {worst:.0} m off");
                let fix = hub.alert().fix.unwrap();
                assert_eq!(fix.jumps.len(), 1, "{what}: the place says so as well");
                let since = (fix.jumps[0].at_ns - T0).as_secs_f64();
                assert!((50.0..65.0).contains(&since), "{what}: {since}");
            }
        }
    }
}

#[test]
fn cells_that_keep_their_frames_are_never_said_to_jump() {
    for disciplined in [false, true] {
        let mut hub = Hub::new(config(&licensed()));
        let (events, worst) = with_jump(&mut hub, disciplined, 200, |_| licensed().to_vec());
        assert_eq!(jumps(&events), Vec::<&str>::new());
        assert!(worst < 100.0, "{worst:.0} m");
    }
}

#[test]
fn what_was_learned_links_clocks_that_share_no_cell_with_the_others() {
    let (towers, fake) = (licensed(), fake());
    let mut hub = Hub::new(config(&towers));
    let (mut world, poles) = (World::new(T0, 50.0, 4), ring(false));
    // For three minutes all nodes hear all cells; then pole-1 and pole-2 hear the first one alone, the others the other two.
    for second in (1..240).step_by(5) {
        for (n, pole) in poles.iter().enumerate() {
            let parted = second > 180;
            let hears = |t: usize| !parted || (n < 2) == (t == 0);
            let cells = towers.iter().enumerate().filter(|(t, _)| hears(*t));
            let heard = cells.map(|(_, tower)| world.hear(pole, tower, second as f64 + 0.1)).collect();
            hub.hear(pole, second, heard);
        }
    }
    let store = hub.journal.store.clone();
    hub.analysis.catch_up(&store).unwrap();
    // A day's window apart from then: only what was learned can link them.
    for pole in &poles {
        let heard = world.hear(pole, &fake, 400.4);
        let cells = if pole.name < "pole-3".to_owned() { &towers[..1] } else { &towers[1..] };
        hub.hear(pole, 400, cells.iter().map(|tower| world.hear(pole, tower, 400.1)).collect());
        hub.find(pole, 400, heard);
    }
    hub.think();
    let fix = hub.alert().fix.unwrap();
    assert!(fix.unused.is_empty(), "{fix:#?}");
    let best = fix.best().unwrap();
    let off = metres(fake.site, best.lat_deg, best.lon_deg);
    assert!(
        best.inputs.iter().filter(|input| input.kind == "timing").count() == 5 && off < 100.0,
        "{off:.0} m: {fix:#?}"
    );
}

/// A blaster in a van: it stands until a minute and a half and then drives north-east at ten metres a second.
fn van(second: f64) -> Tower {
    let far = 10.0 * (second - 90.0).max(0.0);
    let Position { lat_deg, lon_deg, .. } = fake().site;
    let step = far * 0.5f64.sqrt() / 111_195.0;
    Tower { site: at(lat_deg + step, lon_deg + step / lat_deg.to_radians().cos()), ..fake() }
}

/// All nodes hear it every second.
fn drive(hub: &mut Hub, seconds: std::ops::Range<i64>, place: impl Fn(f64) -> Tower) {
    let (mut world, towers) = (World::new(T0, 50.0, 8), licensed());
    for second in seconds {
        for pole in &ring(false) {
            let heard = towers.iter().map(|tower| world.hear(pole, tower, second as f64 + 0.1)).collect();
            hub.hear(pole, second, heard);
            let heard = world.hear(pole, &place(second as f64 + 0.4), second as f64 + 0.4);
            hub.find(pole, second, heard);
        }
    }
}

#[test]
fn a_blaster_in_a_van_gets_a_track_that_says_where_it_went_and_how_fast() {
    let config = config(&licensed());
    let mut hub = Hub::new(config.clone());
    drive(&mut hub, 40..150, van);
    let events = hub.think();
    let alert = hub.alert();
    let track = alert.fix.as_ref().unwrap().track.as_ref().expect("it moves");
    assert!(track.moving > 0.9 && (track.speed_m_s - 10.0).abs() < 3.0 * track.speed_sigma_m_s.max(1.0), "{track:#?}");
    assert!((track.course_deg - 45.0).abs() < 25.0, "{track:#?}");
    let mut errors: Vec<f64> = Vec::new();
    for point in &track.points {
        let truth = van((point.at_ns - T0).as_secs_f64()).site;
        let off = metres(truth, point.lat_deg, point.lon_deg);
        assert!(off < 4.0 * point.sigma_m, "{off:.0} m off at {point:?}");
        errors.push(off);
    }
    errors.sort_by(f64::total_cmp);
    assert!(errors.len() >= 20 && errors[errors.len() / 2] < 25.0, "{errors:?}");
    let row = alert.evidence.iter().find(|row| row.rule == "RF-10").expect("RF-10");
    assert!(row.values[0].value.contains("m/s"), "{row:?}");
    // The feed says that it moves, and not every second anew where it is.
    assert!(events.iter().any(|event| event.detail.contains("it moves at")), "{events:#?}");
    let placed = events.iter().filter(|event| event.detail.contains("placed: ")).count();
    let said: Vec<&str> = events.iter().map(|event| event.detail.as_str()).collect();
    assert!(placed <= 11, "{placed} events in 110 s: {said:#?}");
    let id = alert.id;
    with_pages(&hub, &config, |address| {
        let (_, page) = get(format!("{address}/alerts/{id}"));
        assert!(page.contains("polyline class=\"way\"") && page.contains("it moves at"));
        let (_, text) = get(format!("{address}/api/alerts/{id}/geojson"));
        let map: serde_json::Value = serde_json::from_str(&text).unwrap();
        let ways: Vec<&serde_json::Value> =
            map["features"].as_array().unwrap().iter().filter(|f| f["properties"]["what"] == "track").collect();
        assert_eq!(ways.len(), 1);
        assert_eq!(ways[0]["geometry"]["type"], "LineString");
        let corners = ways[0]["geometry"]["coordinates"].as_array().unwrap().len();
        assert_eq!(corners, track.points.len());
        assert_eq!(ways[0]["properties"]["at_ns"].as_array().unwrap().len(), corners);
    });
}

#[test]
fn a_blaster_that_stands_gets_no_track() {
    let mut hub = Hub::new(config(&licensed()));
    drive(&mut hub, 40..150, |_| fake());
    hub.think();
    let alert = hub.alert();
    assert_eq!(alert.fix.unwrap().track, None);
    assert!(alert.evidence.iter().all(|row| row.rule != "RF-10"));
}

#[test]
fn tracks_and_phases_are_the_same_for_any_size_of_batch_and_any_number_of_restarts() {
    let story = |hub: &mut Hub| {
        drive(hub, 80..125, van);
        // And a cell that jumps.
        let mut world = World::new(T0, 50.0, 77);
        for second in 125..140 {
            for pole in &ring(false) {
                let towers = jumping(1, 5_000.0, second as f64);
                hub.hear(
                    pole,
                    second,
                    towers.iter().map(|tower| world.hear(pole, tower, second as f64 + 0.1)).collect(),
                );
                let heard = world.hear(pole, &van(second as f64 + 0.4), second as f64 + 0.4);
                hub.find(pole, second, heard);
            }
        }
    };
    let mut hub = Hub::new(config(&licensed()));
    story(&mut hub);
    hub.think();
    let wanted = everything(&hub.book);
    for part in ["Track {", "TH-2", "Jump {", "CellState", "TrackFix"] {
        assert!(wanted.contains(part), "{part}");
    }
    for (batch, restart) in [(40, true), (211, false)] {
        let mut other = Hub::new(config(&licensed()));
        story(&mut other);
        let store = other.journal.store.clone();
        loop {
            let items = whole_envelopes(&store, other.analysis.cursor(), batch).unwrap();
            if items.is_empty() {
                break;
            }
            other.analysis.process(&items).unwrap();
            if restart {
                other.analysis = Analysis::open(other.book.clone(), config(&licensed())).unwrap();
            }
        }
        other.think();
        assert!(everything(&other.book) == wanted, "batches of {batch}, restarts: {restart}");
    }
    let alert = hub.alert();
    assert!(alert.last_heard_ns > T0 + Nanos::from_secs(138));
}
