//! A sketch of where the nodes stand that hear a transmitter: north up, to scale, larger where it is heard better.

use crate::hub::alert::HeardBy;
use crate::observation::Position;
use maud::{Markup, html};

/// Width and height of the drawing.
const SIZE: (f64, f64) = (420.0, 300.0);
/// Free space around the outermost nodes.
const MARGIN: f64 = 48.0;
/// Metres in a degree of latitude, on average.
const DEGREE_M: f64 = 111_195.0;

/// The drawing; nothing where fewer than two nodes have a position.
pub(super) fn plan(heard_by: &[HeardBy]) -> Markup {
    let placed: Vec<(&HeardBy, Position)> = heard_by
        .iter()
        .filter_map(|heard| heard.position.map(|position| (heard, position)))
        .filter(|(_, position)| position.lat_deg.abs() <= 90.0 && position.lon_deg.abs() <= 360.0)
        .collect();
    if placed.len() < 2 {
        return html! {};
    }
    let count = placed.len() as f64;
    let middle_lat = placed.iter().map(|(_, position)| position.lat_deg).sum::<f64>() / count;
    let middle_lon = placed.iter().map(|(_, position)| position.lon_deg).sum::<f64>() / count;
    let metres = |position: &Position| {
        let east = (position.lon_deg - middle_lon) * DEGREE_M * middle_lat.to_radians().cos();
        (east, (position.lat_deg - middle_lat) * DEGREE_M)
    };
    let spots: Vec<(&HeardBy, (f64, f64))> =
        placed.iter().map(|(heard, position)| (*heard, metres(position))).collect();
    let reach = |axis: fn(&(f64, f64)) -> f64| spots.iter().map(|(_, at)| axis(at).abs()).fold(250.0, f64::max);
    let scale = ((SIZE.0 / 2.0 - MARGIN) / reach(|at| at.0)).min((SIZE.1 / 2.0 - MARGIN) / reach(|at| at.1));
    let (bar_m, bar) = scale_bar(scale);
    let label = if bar_m >= 1000.0 { format!("{:.0} km", bar_m / 1000.0) } else { format!("{bar_m:.0} m") };
    html! {
        svg.plan viewBox={ "0 0 " (SIZE.0) " " (SIZE.1) } role="img" aria-label="Where the nodes stand that hear it; north is up" {
            rect.ground width=(SIZE.0) height=(SIZE.1) rx="8" {}
            @for (heard, (east, north)) in &spots {
                @let (x, y) = (SIZE.0 / 2.0 + east * scale, SIZE.1 / 2.0 - north * scale);
                // Signal to noise from 0 to 30 dB as a radius, so that the eye goes to where it is heard best.
                @let radius = 5.0 + heard.snr_db.0.clamp(0.0, 30.0) / 3.0;
                circle.ring cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r=(format!("{:.1}", radius + 8.0)) {}
                circle.node cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r=(format!("{radius:.1}")) {}
                // To the side that has room, so that names of nodes above each other do not meet.
                @let (side, anchor) = if x < SIZE.0 / 2.0 { (1.0, "start") } else { (-1.0, "end") };
                text x=(format!("{:.1}", x + side * (radius + 13.0))) y=(format!("{:.1}", y + 4.5)) text-anchor=(anchor) {
                    (heard.node)
                }
            }
            line.scale x1="16" x2=(format!("{:.1}", 16.0 + bar)) y1="282" y2="282" {}
            text x=(format!("{:.1}", 22.0 + bar)) y="286" { (label) }
            text x="404" y="24" text-anchor="end" { "N ↑" }
        }
    }
}

/// A round distance and its length in the drawing, at most a quarter of the width.
fn scale_bar(scale: f64) -> (f64, f64) {
    let longest = SIZE.0 / 4.0 / scale;
    let decade = 10f64.powf(longest.log10().floor());
    let metres = [5.0, 2.0, 1.0].iter().map(|step| step * decade).find(|metres| *metres <= longest).unwrap_or(decade);
    (metres, metres * scale)
}
