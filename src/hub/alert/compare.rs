//! Rules that only the hub can judge, because they take several nodes, a fix or the register: ID-12, RF-10 to
//! RF-12, XB-01 and XB-04 to XB-06.
//!
//! One identity from two places is a copy or a repeater. A repeater amplifies: its carrier is the licensed cell's to a few ppb, its
//! octets are the same, its frames are late by what its filter and the detour take. A copy has its own oscillator and says what it was
//! told to say. A licensed cell that the fix excludes from its registered site was moved, or the register is wrong; it is never rogue.

use super::classify::LICENSED_LIMIT_PPB;
use crate::hub::fuse::{Emitter, Licence};
use crate::hub::place::antenna::{Across, Levels};
use crate::hub::place::{Kept, OffSite, Paths, Placed, Places, Track};
use crate::observation::{Evidence, Tier};
use crate::units::{Nanos, Timestamp};

/// Something that only the hub can see, because it takes several nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct HubEvidence {
    /// The rule of the catalogue that it is.
    pub rule: &'static str,
    /// Its version.
    pub version: u16,
    /// What was found.
    pub values: Vec<Evidence>,
    /// Innocent explanations.
    pub innocent: &'static [&'static str],
    /// When it was found.
    pub at: Timestamp,
}

/// How old a carrier comparison may be that decides which of two twins is the copy.
const FRESH: Nanos = Nanos::from_secs(600);
/// A transmitter moves that is certainly faster; reference of rule RF-10.
const MOVES_M_S: f64 = 2.0;
/// Fixes in a row that must exclude the registered site: one may be a bad moment.
const OFF_IN_A_ROW: u32 = 3;
/// Repeaters serve one band: carriers within this belong to it. The widest downlink band of GSM and LTE below 3 GHz has 90 MHz (band 41
/// apart); TS 36.101 table 5.5-1.
const BAND_HZ: u64 = 90_000_000;
/// Delays of one repeater for cells of several masts differ by the detours.
const SAME_DELAY_NS: f64 = 2_000.0;

/// What each of these rules looks for, in half a line; for the pages.
pub fn title(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "ID-12" => "one identity from two places",
        "RF-10" => "transmitter that moves",
        "RF-11" => "licensed cell away from its registered site",
        "RF-12" => "licensed cell stronger beyond the border than its antenna explains",
        "XB-01" => "licensed cell strong deep beyond the border",
        "XB-04" => "licensed cell heard a second time, late and unchanged",
        "XB-05" => "what tells a repeater from a copy",
        "XB-06" => "several operators' cells repeated alike",
        _ => return None,
    })
}

fn evidence(what: impl Into<String>, value: String, expected: impl Into<String>) -> Evidence {
    Evidence { what: what.into(), value, expected: expected.into() }
}

/// Everything of this kind that holds for an emitter; `twins` are other transmitters proven to use one of its identities.
pub(super) fn compare(emitter: &Emitter, twins: &[&Emitter], places: &Places) -> Vec<HubEvidence> {
    let kept = places.of(emitter.id);
    let mut found: Vec<HubEvidence> =
        twins.iter().find_map(|twin| clone_of(emitter, twin, places)).into_iter().collect();
    let Some(kept) = kept else { return found };
    found.extend(kept.placed.track.as_ref().and_then(|track| moving(kept, track)));
    if let Some(paths) = &kept.paths {
        if !paths.confirmed() {
            return found;
        }
        if paths.repeated() {
            found.extend(repeater(emitter, kept, paths, places));
        } else if found.iter().all(|found| found.rule != "ID-12") {
            found.push(copy_beside(kept, paths));
        }
    } else if let Some(off) =
        kept.off.filter(|off| off.in_a_row >= OFF_IN_A_ROW && found.is_empty() && twins.is_empty())
    {
        found.push(moved(kept, &off));
    } else if found.is_empty() && twins.is_empty() && kept.off.is_none() {
        // It is the licensed cell, and where it should be.
        found.extend(kept.levels.iter().flat_map(|levels| antenna(kept, levels)));
    }
    found
}

/// Whether `emitter` is the copy and `twin` the original.
///
/// The one whose carrier no licensed station would have is the copy; then the one that the fix excludes from the registered site. Where
/// neither tells, it is the one that has findings; where that does not tell either, the one heard later, and the text says that this
/// is no proof.
fn clone_of(emitter: &Emitter, twin: &Emitter, places: &Places) -> Option<HubEvidence> {
    let separation = emitter.distinct.get(&twin.id)?;
    let off = |of: &Emitter| {
        of.best_relative(of.last - FRESH)
            .map(|(_, relative)| relative.ppb.0.abs() - LICENSED_LIMIT_PPB > 2.0 * relative.sigma_ppb.0)
    };
    let off_site = |of: &Emitter| places.of(of.id).and_then(|kept| kept.off.map(|off| off.in_a_row > 0));
    let at_site = |of: &Emitter| {
        let fixed = places.of(of.id).is_some_and(|kept| kept.placed.best().is_some());
        fixed && off_site(of) != Some(true)
    };
    let counts = |of: &Emitter| of.findings.values().filter(|record| record.tier != Tier::C).count();
    let (is_copy, how) = match (off(emitter), off(twin)) {
        (Some(true), Some(false)) => (true, "this one's carrier is not that of a licensed station"),
        (Some(false), Some(true)) => (false, ""),
        _ if off_site(emitter) == Some(true) && at_site(twin) => (true, "this one is not at the registered site"),
        _ if off_site(twin) == Some(true) && at_site(emitter) => (false, ""),
        _ if counts(emitter) != counts(twin) => (counts(emitter) > counts(twin), "this one has the findings"),
        _ => (emitter.id > twin.id, "this one was heard later; which of the two is genuine is not proven"),
    };
    let mut values = vec![Evidence {
        what: format!("two transmitters use one identity on one channel ({how}): {}", separation.what),
        value: separation.value.clone(),
        expected: separation.expected.clone(),
    }];
    let placed = |of: &Emitter| places.of(of.id).map(|kept| &kept.placed);
    if let (Some(a), Some(b)) = (placed(emitter), placed(twin))
        && let Some((metres, limit)) = apart(a, b)
    {
        let expected = format!("at most {limit:.0} m, three times both 95 % regions");
        values.push(evidence("distance between the places of the two, m", format!("{metres:.0}"), expected));
    }
    is_copy.then_some(HubEvidence {
        rule: "ID-12",
        version: 1,
        values,
        innocent: &[
            "several radio heads of one licensed cell (distributed antennas)",
            "a repeater that shifts frequency",
            "a fault in a node's sample clock",
        ],
        at: separation.at,
    })
}

/// The least distance of any two admissible places, where it is beyond three times their regions; with that limit.
fn apart(a: &Placed, b: &Placed) -> Option<(f64, f64)> {
    let pairs = a.solutions.iter().flat_map(|x| b.solutions.iter().map(move |y| (x, y)));
    let nearest = pairs
        .map(|(x, y)| (x.metres_to(y.lat_deg, y.lon_deg), 3.0 * x.reach_m().hypot(y.reach_m())))
        .min_by(|p, q| p.0.total_cmp(&q.0))?;
    (nearest.0 > nearest.1).then_some(nearest)
}

/// A second transmitter beside a licensed one that its nodes do not tell apart in any other way: late, and not the same signal.
fn copy_beside(kept: &Kept, paths: &Paths) -> HubEvidence {
    let mut values = vec![delays(paths)];
    values.extend(sameness(paths));
    HubEvidence {
        rule: "ID-12",
        version: 1,
        values,
        innocent: &[
            "several radio heads of one licensed cell (distributed antennas)",
            "a fault in a node's sample clock",
        ],
        at: kept.solved_ns,
    }
}

fn delays(paths: &Paths) -> Evidence {
    let late: Vec<String> =
        paths.late.iter().map(|late| format!("{:.1} µs at {}", late.excess_ns * 1e-3, late.node)).collect();
    let prompt: Vec<&str> = paths.prompt.iter().map(|node| node.as_str()).collect();
    evidence(
        "delay against the direct path from the registered site",
        late.join(", "),
        format!("below 3 µs, as at {}", prompt.join(", ")),
    )
}

/// Rule XB-05: what tells a repeater from a copy.
fn sameness(paths: &Paths) -> Vec<Evidence> {
    let carrier = format!("{:+.1} ± {:.1} ppb", paths.carrier_ppb, paths.carrier_sigma_ppb);
    let mut values =
        vec![evidence("carrier against that of the direct path", carrier, "a repeater's is equal to 5 ppb")];
    if let Some(same) = paths.same_content {
        let value = if same { "the same" } else { "others" };
        values.push(evidence(
            "broadcast octets against those of the direct path",
            value.to_owned(),
            "a repeater's are the same",
        ));
    }
    values
}

fn repeater(emitter: &Emitter, kept: &Kept, paths: &Paths, places: &Places) -> Vec<HubEvidence> {
    const INNOCENT: &[&str] = &[
        "a distributed antenna system or chained radio heads of the licensee",
        "a repeater that the licensee itself runs",
        "reflections beyond a kilometre of detour",
    ];
    let found = |rule, values| HubEvidence { rule, version: 1, values, innocent: INNOCENT, at: kept.solved_ns };
    let mut list = vec![found("XB-04", vec![delays(paths)]), found("XB-05", sameness(paths))];
    let others: Vec<String> = places
        .repeated()
        .filter(|(id, other)| *id != emitter.id && same_band(kept, other) && same_delay(paths, other))
        .filter_map(|(_, other)| match (&kept.licence, &other.licence) {
            (Licence::Listed { licensee: own, .. }, Licence::Listed { licensee, register_id }) if own != licensee => {
                Some(format!("{register_id} ({licensee})"))
            }
            _ => None,
        })
        .collect();
    if !others.is_empty() {
        let value = others.join(", ");
        list.push(found(
            "XB-06",
            vec![evidence("other operators' cells of the band, late in the same way", value, "none")],
        ));
    }
    list
}

fn same_band(a: &Kept, b: &Kept) -> bool {
    a.cell.zip(b.cell).is_some_and(|(a, b)| a.rat == b.rat && a.center_hz.abs_diff(b.center_hz) <= BAND_HZ)
}

/// At every node that hears both late, and there is one, the delays are alike.
fn same_delay(paths: &Paths, other: &Kept) -> bool {
    let of_other = |node| {
        let paths = other.paths.as_ref()?;
        paths.late.iter().find(|late| late.node == node).map(|late| late.excess_ns)
    };
    let both: Vec<f64> =
        paths.late.iter().filter_map(|late| Some(late.excess_ns - of_other(late.node.clone())?)).collect();
    !both.is_empty() && both.iter().all(|difference| difference.abs() <= SAME_DELAY_NS)
}

/// Rule RF-10: its track was certainly faster than a fix that wanders.
fn moving(kept: &Kept, track: &Track) -> Option<HubEvidence> {
    let [speed, sigma] = track.top_m_s;
    if speed - 3.0 * sigma <= MOVES_M_S {
        return None;
    }
    let value = format!("{speed:.1} ± {sigma:.1} m/s; {} ({} fixes)", track.describe(), track.fixes);
    Some(HubEvidence {
        rule: "RF-10",
        version: 1,
        values: vec![evidence("speed along the track of its places", value, format!("at most {MOVES_M_S:.0} m/s"))],
        innocent: &["a portable cell on its way to its site", "a cell on board a train, a boat or an aircraft"],
        at: kept.solved_ns,
    })
}

/// Rules RF-11, RF-12 and XB-01 from the levels of a licensed cell at its own site.
fn antenna(kept: &Kept, levels: &Levels) -> Vec<HubEvidence> {
    const WEATHER: &[&str] = &[
        "weather that carries signals far (ducting) for hours",
        "power, height or direction that the register has wrong",
        "a node's antenna or level calibration",
    ];
    let found = |rule, values| HubEvidence { rule, version: 1, values, innocent: WEATHER, at: kept.solved_ns };
    let mut all = Vec::new();
    if let Some(turned) = levels.turned() {
        let value = format!("{:.0}° by the levels at {} nodes", turned.found_deg, turned.nodes);
        let expected = format!(
            "{:.0}°, as registered (it fits the levels worse by {:.0} in chi-square)",
            turned.registered_deg, turned.better
        );
        all.push(found("RF-11", vec![evidence("direction of the antenna, degrees from north", value, expected)]));
    }
    let heard = |across: &Across| {
        format!(
            "{:.1} dBm at {}, {:.1} km inside {}",
            across.level_dbm,
            across.node,
            across.depth_m * 1e-3,
            across.country
        )
    };
    if let Some(across) = levels.spills() {
        let [dbm, sigma] = across.explained_dbm.unwrap_or_default();
        let expected =
            format!("{dbm:.1} ± {sigma:.1} dBm by registered power and direction, more for a tenth of a day at most");
        all.push(found("RF-12", vec![evidence("level beyond the border", heard(across), expected)]));
    }
    if let Some(across) = levels.reaches_deep() {
        let expected = "below -75 dBm at 2 km and more, for all but a tenth of a day";
        all.push(found("XB-01", vec![evidence("level deep beyond the border", heard(across), expected)]));
    }
    all
}

fn moved(kept: &Kept, off: &OffSite) -> HubEvidence {
    let value = format!("{:.0} (fixes in a row: {})", off.distance_m, off.in_a_row);
    HubEvidence {
        rule: "RF-11",
        version: 1,
        values: vec![evidence(
            "distance from the registered site, m",
            value,
            format!("at most {:.0}, the larger of 500 m and three times the radius that holds half", off.limit_m),
        )],
        innocent: &[
            "wrong coordinates in the register",
            "a distributed antenna system or a repeater of the licensee",
            "paths without line of sight at several nodes",
        ],
        at: kept.solved_ns,
    }
}
