use super::*;
use rand::SeedableRng;
use rand_distr::{Distribution, Normal};

const HERE: Position = Position { lat_deg: 13.69, lon_deg: 102.5, height_m: Some(42.0), sigma_m: Some(2.0) };
const FREE: Clock = Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None };

fn at(second: i64) -> Timestamp {
    Timestamp(1_795_000_000_000_000_000) + Nanos::from_secs(second)
}

fn begin(stand: Option<Stand>) -> Whereabouts {
    Whereabouts::new(Begin {
        stand,
        away_m: 100.0,
        navigation: true,
        clock: FREE,
        by_host: true,
        stamp: Nanos(1000),
        now: at(0),
    })
}

fn metres(east: f64, north: f64) -> Position {
    let lat_deg = HERE.lat_deg + north / DEGREE_M;
    Position { lat_deg, lon_deg: HERE.lon_deg + east / (DEGREE_M * HERE.lat_deg.to_radians().cos()), ..HERE }
}

fn fix(whereabouts: &Whereabouts, position: Position, second: i64) {
    let fix = Fix { mode: 3, time: Some(at(second)), position: Some(position), speed_m_s: Some(0.0) };
    whereabouts.fix(&fix, at(second));
}

fn warnings(whereabouts: &Whereabouts, second: i64) -> Vec<String> {
    whereabouts.at(at(second)).warnings
}

#[test]
fn a_surveyed_node_stays_where_it_was_surveyed_and_a_slow_pull_away_is_told() {
    let whereabouts = begin(Some(Stand::Surveyed(HERE)));
    (0..120).for_each(|second| fix(&whereabouts, metres((second % 7) as f64, -3.0), second));
    assert_eq!(warnings(&whereabouts, 120), [""; 0]);
    // Half a metre a second, as a receiver is pulled by somebody who knows how.
    let mut told_at = None;
    for second in 120..600 {
        fix(&whereabouts, metres(0.5 * (second - 120) as f64, 0.0), second);
        if told_at.is_none() && !warnings(&whereabouts, second).is_empty() {
            told_at = Some(second - 120);
        }
    }
    let said = warnings(&whereabouts, 600);
    assert!(said.len() == 1 && said[0].contains("100 m from the surveyed"), "{said:?}");
    assert!((200..=240).contains(&told_at.unwrap()), "at 100 m, less the window's median: {told_at:?}");
    assert_eq!(whereabouts.at(at(600)).position, Some(HERE));
}

#[test]
fn a_jump_is_told_for_ten_minutes_and_a_drive_is_not() {
    let whereabouts = begin(None);
    (0..60).for_each(|second| fix(&whereabouts, metres(30.0 * second as f64, 0.0), second));
    let state = whereabouts.at(at(60));
    assert_eq!(
        (state.warnings.len(), state.position.map(|p| (p.lon_deg * 1e6) as i64)),
        (0, Some((metres(1770.0, 0.0).lon_deg * 1e6) as i64))
    );
    fix(&whereabouts, metres(5000.0, 0.0), 61);
    assert!(warnings(&whereabouts, 62)[0].contains("jumped"), "{:?}", warnings(&whereabouts, 62));
    (62..700).for_each(|second| fix(&whereabouts, metres(5000.0, 0.0), second));
    assert_eq!(warnings(&whereabouts, 700), [""; 0]);
}

#[test]
fn a_lost_fix_and_a_lost_gpsd_are_told_after_a_minute_and_a_moving_node_has_no_position_then() {
    let whereabouts = begin(None);
    assert_eq!(warnings(&whereabouts, 59), [""; 0], "the start has its time");
    assert!(warnings(&whereabouts, 61)[0].contains("gpsd does not answer"));
    fix(&whereabouts, HERE, 70);
    assert_eq!(warnings(&whereabouts, 70), [""; 0]);
    assert_eq!(whereabouts.at(at(81)).position, None, "ten seconds old");
    whereabouts.fix(&Fix { mode: 1, ..Fix::default() }, at(140));
    assert_eq!(warnings(&whereabouts, 140), ["no navigation fix"]);
    whereabouts.disconnected();
    assert_eq!(warnings(&whereabouts, 141), ["gpsd does not answer"]);
    // Set back by ten years, the clock makes what came before no fresher.
    let back = at(-315_360_000);
    assert_eq!(whereabouts.at(back).position, None);
    fix(&whereabouts, HERE, -315_360_000);
    assert!(whereabouts.at(back).position.is_some());
}

#[test]
fn a_survey_averages_to_what_is_true_and_says_how_well() {
    let mut within = 0;
    for seed in 0..40 {
        let whereabouts = begin(Some(Stand::Survey(Nanos::from_secs(3600))));
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let noise = Normal::new(0.0, 4.0).unwrap();
        // Errors that last for about a minute, as those of real receivers do.
        let (mut east, mut north) = (0.0f64, 0.0f64);
        let keep = (-1.0f64 / 60.0).exp();
        for second in 0..3600 {
            east = east * keep + noise.sample(&mut rng) * (1.0 - keep * keep).sqrt();
            north = north * keep + noise.sample(&mut rng) * (1.0 - keep * keep).sqrt();
            fix(&whereabouts, metres(east, north), second);
        }
        let position = whereabouts.at(at(3600)).position.unwrap();
        let [e, n] = offset_m(HERE, position);
        let sigma = position.sigma_m.unwrap();
        assert!(sigma < 3.0, "{sigma}");
        within += usize::from(e.hypot(n) <= 2.0 * sigma);
        assert_eq!(position.height_m, Some(42.0));
        // Kept and taken up again it is the same.
        let kept: Survey = serde_json::from_str(&serde_json::to_string(&whereabouts.survey()).unwrap()).unwrap();
        let next = begin(Some(Stand::Survey(Nanos::from_secs(3600))));
        next.resume(kept);
        let [east, north] = offset_m(next.at(at(4000)).position.unwrap(), position);
        assert!(east.hypot(north) < 1e-6, "{east} {north}");
    }
    assert!(within >= 33, "{within} of 40 within two sigma");
}

#[test]
fn a_survey_is_not_moved_by_a_jump() {
    let whereabouts = begin(Some(Stand::Survey(Nanos::from_secs(600))));
    (0..300).for_each(|second| fix(&whereabouts, HERE, second));
    (300..400).for_each(|second| fix(&whereabouts, metres(3000.0, 0.0), second));
    let [east, north] = offset_m(HERE, whereabouts.at(at(400)).position.unwrap());
    assert!(east.hypot(north) < 0.1, "{east} {north}");
}

#[test]
fn the_clock_is_the_pulses_or_chronys_with_the_stamps_own_uncertainty_and_loses_its_lock_to_a_suspicion() {
    let whereabouts = begin(Some(Stand::Surveyed(HERE)));
    assert_eq!(whereabouts.at(at(1)).clock.source, ClockSource::Free);
    for second in 0..20 {
        whereabouts.pulse(Pulse { ahead: Nanos(300 + second % 5 * 20) }, at(second));
    }
    let clock = whereabouts.at(at(20)).clock;
    assert_eq!((clock.source, clock.locked, clock.since_ns), (ClockSource::GnssPps, true, Some(at(20))));
    let sigma = clock.sigma_ns.unwrap().0;
    assert!((1000..1200).contains(&sigma), "{sigma}: 340 ns ahead, 30 ns of spread, 1,000 ns of the stamps");
    assert_eq!(whereabouts.at(at(25)).clock.since_ns, Some(at(20)));
    // A pulse that stops is no clock.
    assert_eq!(whereabouts.at(at(31)).clock.source, ClockSource::Free);
    let ntp = Clock { source: ClockSource::Ntp, sigma_ns: Some(Nanos(2_000_000)), locked: true, since_ns: None };
    whereabouts.chrony(Some(ntp));
    let clock = whereabouts.at(at(40)).clock;
    assert_eq!((clock.source, clock.locked, clock.since_ns), (ClockSource::Ntp, true, Some(at(40))));
    let gnss = Clock { source: ClockSource::GnssPps, sigma_ns: Some(Nanos(500)), locked: true, since_ns: None };
    whereabouts.chrony(Some(gnss));
    assert!(whereabouts.at(at(50)).clock.locked);
    let wrong = Fix { mode: 3, time: Some(at(3600)), position: Some(HERE), speed_m_s: None };
    whereabouts.fix(&wrong, at(51));
    let state = whereabouts.at(at(51));
    assert!(!state.clock.locked && state.warnings[0].contains("contradict"), "{state:?}");
}

#[test]
fn a_recordings_clock_is_its_own() {
    let recording = Clock { source: ClockSource::Recording, ..FREE };
    let whereabouts = Whereabouts::fixed(recording, Some(HERE));
    whereabouts.chrony(Some(Clock { source: ClockSource::Ntp, locked: true, ..FREE }));
    let state = whereabouts.at(at(1_000_000));
    assert_eq!((state.clock, state.position, state.navigation, state.warnings.len()), (recording, Some(HERE), None, 0));
}
