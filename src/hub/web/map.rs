//! The map of an alert, drawn here so that nothing is asked of anybody outside: nodes, licensed sites, the border line, and every
//! admissible place with its regions. North is up; places are projected on the plane that touches the view's middle.

use super::page;
use crate::hub::alert::Alert;
use crate::hub::place::{Atlas, Basis, Placed, Region, Solution, Track};
use crate::observation::Position;
use maud::{Markup, html};

/// Metres in a degree of latitude, on average.
const DEGREE_M: f64 = 111_195.0;
/// Least width of what a drawing shows, metres.
const LEAST_SPAN_M: f64 = 400.0;
/// Licensed sites drawn at most.
const MAX_SITES: usize = 60;
/// An ellipse smaller than this on the overview gets a ring round it, so that the eye finds it.
const SMALL_PX: f64 = 26.0;

/// A drawing's size and what of the ground it shows.
struct View {
    width: f64,
    height: f64,
    lat_deg: f64,
    lon_deg: f64,
    /// Pixels a metre.
    scale: f64,
}

impl View {
    /// The view that holds all these places, with a margin.
    fn of(places: &[(f64, f64)], width: f64, height: f64) -> Option<View> {
        let (low_lat, high_lat) = span(places.iter().map(|place| place.0))?;
        let (low_lon, high_lon) = span(places.iter().map(|place| place.1))?;
        let (lat_deg, lon_deg) = ((low_lat + high_lat) / 2.0, (low_lon + high_lon) / 2.0);
        let north_m = ((high_lat - low_lat) * DEGREE_M).max(LEAST_SPAN_M);
        let east_m = ((high_lon - low_lon) * DEGREE_M * lat_deg.to_radians().cos()).max(LEAST_SPAN_M);
        let scale = (0.8 * width / east_m).min(0.76 * height / north_m);
        scale.is_finite().then_some(View { width, height, lat_deg, lon_deg, scale })
    }

    fn xy(&self, lat_deg: f64, lon_deg: f64) -> (f64, f64) {
        let east = (lon_deg - self.lon_deg) * DEGREE_M * self.lat_deg.to_radians().cos();
        let north = (lat_deg - self.lat_deg) * DEGREE_M;
        (self.width / 2.0 + east * self.scale, self.height / 2.0 - north * self.scale)
    }

    /// Latitude and longitude of a point of the drawing.
    fn ground(&self, x: f64, y: f64) -> (f64, f64) {
        let (east, north) = ((x - self.width / 2.0) / self.scale, (self.height / 2.0 - y) / self.scale);
        (self.lat_deg + north / DEGREE_M, self.lon_deg + east / (DEGREE_M * self.lat_deg.to_radians().cos()))
    }

    fn shows(&self, (x, y): (f64, f64)) -> bool {
        (0.0..=self.width).contains(&x) && (0.0..=self.height).contains(&y)
    }
}

fn span(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    (low.is_finite() && high.is_finite() && low.abs() <= 360.0 && high.abs() <= 360.0).then_some((low, high))
}

/// Letters of the admissible places.
fn letter(place: usize) -> char {
    char::from(b'A' + (place % 26) as u8)
}

/// Everything that the section "Where it is" shows; `None` where there is neither a fix nor a place of a node.
pub(super) fn section(alert: &Alert, atlas: &Atlas) -> Option<Markup> {
    let fix = alert.fix.as_ref().filter(|fix| fix.best().is_some())?;
    let nodes = nodes(alert);
    let mut places: Vec<(f64, f64)> = nodes.iter().map(|(_, at)| (at.lat_deg, at.lon_deg)).collect();
    places.extend(fix.solutions.iter().flat_map(corners));
    places.extend(fix.track.iter().flat_map(|track| &track.points).map(|point| (point.lat_deg, point.lon_deg)));
    let overview = View::of(&places, 860.0, 520.0)?;
    let small = |solution: &&Solution| solution.reach_m() * overview.scale < SMALL_PX;
    let close: Vec<(usize, &Solution)> = fix.solutions.iter().enumerate().filter(|(_, s)| small(s)).take(2).collect();
    Some(html! {
        div.map-row {
            figure.map-figure {
                (drawing(&overview, alert, fix, atlas, None))
                figcaption.legend { (legend(atlas, fix.track.is_some())) }
            }
            div {
                @for (number, solution) in close {
                    @if let Some(view) = View::of(&corners(solution), 300.0, 220.0) {
                        figure.map-figure {
                            (drawing(&view, alert, fix, atlas, Some(number)))
                            figcaption.legend { "Close-up of place " (letter(number)) }
                        }
                    }
                }
            }
        }
        (words(fix))
    })
}

fn nodes(alert: &Alert) -> Vec<(&str, Position)> {
    let usable = |at: &Position| at.lat_deg.abs() <= 90.0 && at.lon_deg.abs() <= 360.0;
    let place = |heard: &crate::hub::alert::HeardBy| heard.position;
    alert.heard_by.iter().filter_map(|heard| Some((heard.node.as_str(), place(heard).filter(usable)?))).collect()
}

/// The ends of the 95 % ellipse's axes.
fn corners(solution: &Solution) -> Vec<(f64, f64)> {
    let outline = solution.ellipses.last().map(|region| region.outline(solution, 16)).unwrap_or_default();
    outline.into_iter().map(|[lon, lat]| (lat, lon)).collect()
}

fn drawing(view: &View, alert: &Alert, fix: &Placed, atlas: &Atlas, close_up: Option<usize>) -> Markup {
    let (width, height) = (view.width, view.height);
    let what = match close_up {
        Some(number) => {
            format!("Close-up of place {} with the regions of 50, 90 and 95 %; north is up", letter(number))
        }
        None => "Map: nodes, licensed sites, border line and every place that the measurements admit; north is up"
            .to_owned(),
    };
    html! {
        svg.map viewBox={ "0 0 " (width) " " (height) } role="img" aria-label=(what) {
            rect.ground width=(width) height=(height) {}
            (countries(view, atlas, close_up.is_none()))
            (graticule(view))
            (sites(view, atlas))
            @for (number, solution) in fix.solutions.iter().enumerate().rev() {
                (regions(view, solution, number, close_up.is_some()))
            }
            @if let Some(track) = &fix.track { (way(view, track)) }
            @for (name, at) in nodes(alert) {
                @let (x, y) = view.xy(at.lat_deg, at.lon_deg);
                @if view.shows((x, y)) {
                    circle.node cx=(px(x)) cy=(px(y)) r="6" {}
                    (label(view, x, y, 11.0, name, ""))
                }
            }
            @for (number, solution) in fix.solutions.iter().enumerate() {
                @let (x, y) = view.xy(solution.lat_deg, solution.lon_deg);
                @if view.shows((x, y)) {
                    path.cross d=(format!("M{:.1} {y:.1}H{:.1}M{x:.1} {:.1}V{:.1}", x - 7.0, x + 7.0, y - 7.0, y + 7.0)) {}
                    @if close_up.is_none() {
                        @let far = (solution.reach_m() * view.scale).clamp(SMALL_PX, 60.0);
                        (label(view, x, y, far + 5.0, &format!("{} · {:.0} %", letter(number), 100.0 * solution.weight), "strong"))
                    }
                }
            }
            (scale_bar(view))
            @if close_up.is_none() {
                text.north x=(px(width - 14.0)) y="26" text-anchor="end" { "N ↑" }
            }
        }
    }
}

/// A decimal of a pixel is enough.
fn px(value: f64) -> String {
    format!("{value:.1}")
}

/// Words beside a point, on the side that has room.
fn label(view: &View, x: f64, y: f64, off: f64, text: &str, class: &str) -> Markup {
    let (side, anchor) = if x < view.width * 0.72 { (1.0, "start") } else { (-1.0, "end") };
    html! { text class=(class) x=(px(x + side * off)) y=(px(y + 4.5)) text-anchor=(anchor) { (text) } }
}

fn regions(view: &View, solution: &Solution, number: usize, close_up: bool) -> Markup {
    let class = if number == 0 { "region best" } else { "region other" };
    let path = |region: &Region| {
        let corners = region.outline(solution, 48);
        let points = corners.iter().map(|&[lon, lat]| {
            let (x, y) = view.xy(lat, lon);
            format!("{x:.1},{y:.1}")
        });
        points.collect::<Vec<_>>().join(" ")
    };
    let (x, y) = view.xy(solution.lat_deg, solution.lon_deg);
    html! {
        @for region in solution.ellipses.iter().rev() {
            polygon class=(class) points=(path(region)) {}
        }
        @if !close_up && solution.reach_m() * view.scale < SMALL_PX {
            circle.halo cx=(px(x)) cy=(px(y)) r=(px(SMALL_PX)) {}
        }
    }
}

/// The smoothed way of one that moves, with a dot where each point is and the time at its beginning.
fn way(view: &View, track: &Track) -> Markup {
    let points: Vec<(f64, f64)> = track.points.iter().map(|point| view.xy(point.lat_deg, point.lon_deg)).collect();
    let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    html! {
        polyline.way points=(line.join(" ")) {}
        @for (&(x, y), point) in points.iter().zip(&track.points) {
            @if view.shows((x, y)) {
                circle.way cx=(px(x)) cy=(px(y)) r="2.5" { title { (page::time(point.at_ns)) } }
            }
        }
    }
}

fn sites(view: &View, atlas: &Atlas) -> Markup {
    let reach_m = view.width.hypot(view.height) / 2.0 / view.scale;
    let mut near = atlas.within(view.lat_deg, view.lon_deg, reach_m.min(100_000.0));
    near.retain(|site| view.shows(view.xy(site.lat_deg, site.lon_deg)));
    // Antennas of one mast are one sign.
    near.dedup_by(|a, b| (a.lat_deg, a.lon_deg) == (b.lat_deg, b.lon_deg));
    near.truncate(MAX_SITES);
    let few = near.len() <= 12;
    html! {
        @for site in near {
            @let (x, y) = view.xy(site.lat_deg, site.lon_deg);
            path.site d=(format!("M{x:.1} {:.1}l6 11h-12z", y - 7.0)) {
                title { (site.register_id) ", " (site.licensee) }
            }
            @if few { (label(view, x, y, 10.0, &site.register_id, "quiet")) }
        }
    }
}

/// Countries as tinted ground with their line, and their codes where they have room.
fn countries(view: &View, atlas: &Atlas, codes: bool) -> Markup {
    let Some(border) = atlas.border() else { return html! {} };
    let mut drawn: Vec<(usize, String)> = Vec::new();
    for (number, (_, polygons)) in border.outlines().enumerate() {
        for rings in polygons {
            let d: String = rings
                .iter()
                .map(|ring| clip(ring.iter().map(|&[lon, lat]| view.xy(lat, lon)).collect(), view))
                .filter(|ring| ring.len() >= 3)
                .map(|ring| {
                    let points: Vec<String> = ring.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
                    format!("M{}Z", points.join("L"))
                })
                .collect();
            if !d.is_empty() {
                drawn.push((number, d));
            }
        }
    }
    // A code stands in the middle of what a coarse grid finds of its country.
    let mut found: std::collections::BTreeMap<&str, Vec<(f64, f64)>> = std::collections::BTreeMap::new();
    for i in if codes { 0..15 } else { 0..0 } {
        for j in 0..9 {
            let (x, y) = (view.width * (f64::from(i) + 0.5) / 15.0, view.height * (f64::from(j) + 0.5) / 9.0);
            let (lat_deg, lon_deg) = view.ground(x, y);
            let at = Position { lat_deg, lon_deg, height_m: None, sigma_m: None };
            if let Some(code) = border.country(&at) {
                found.entry(code).or_default().push((x, y));
            }
        }
    }
    let middle = |spots: &[(f64, f64)]| {
        let n = spots.len() as f64;
        let mean = spots.iter().fold((0.0, 0.0), |sum, at| (sum.0 + at.0 / n, sum.1 + at.1 / n));
        let far = |at: &&(f64, f64)| (at.0 - mean.0).hypot(at.1 - mean.1);
        spots.iter().min_by(|a, b| far(a).total_cmp(&far(b))).copied().unwrap_or(mean)
    };
    html! {
        @for (number, d) in drawn { path class={ "country c" (number % 4) } fill-rule="evenodd" d=(d) {} }
        @for (code, spots) in found {
            @let (x, y) = middle(&spots);
            text.code x=(px(x)) y=(px(y)) text-anchor="middle" { (code) }
        }
    }
}

/// What of a ring lies in the drawing and a little round it; Sutherland and Hodgman 1974.
fn clip(mut ring: Vec<(f64, f64)>, view: &View) -> Vec<(f64, f64)> {
    const AROUND: f64 = 8.0;
    let (right, bottom) = (view.width + AROUND, view.height + AROUND);
    // How far inside each edge a point is.
    let edges: [&dyn Fn((f64, f64)) -> f64; 4] =
        [&|p| p.0 + AROUND, &|p| right - p.0, &|p| p.1 + AROUND, &|p| bottom - p.1];
    for inside in edges {
        let mut kept = Vec::with_capacity(ring.len());
        for (i, &here) in ring.iter().enumerate() {
            let before = ring[(i + ring.len() - 1) % ring.len()];
            let (a, b) = (inside(before), inside(here));
            if (a >= 0.0) != (b >= 0.0) {
                let t = a / (a - b);
                kept.push((before.0 + t * (here.0 - before.0), before.1 + t * (here.1 - before.1)));
            }
            if b >= 0.0 {
                kept.push(here);
            }
        }
        ring = kept;
    }
    ring
}

/// Lines of round latitude and longitude with their values at the edges.
fn graticule(view: &View) -> Markup {
    let step = |span_deg: f64| {
        let steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0];
        steps.into_iter().find(|step| span_deg / step <= 5.0).unwrap_or(5.0)
    };
    let ((top, left), (bottom, right)) = (view.ground(0.0, 0.0), view.ground(view.width, view.height));
    let lines = |low: f64, high: f64| {
        let step = step(high - low);
        let first = (low / step).ceil() as i64;
        (first..).map(move |n| n as f64 * step).take_while(move |v| *v < high).take(12).collect::<Vec<_>>()
    };
    html! {
        g.graticule {
            @for lat in lines(bottom, top) {
                @let (_, y) = view.xy(lat, view.lon_deg);
                line x1="0" x2=(px(view.width)) y1=(px(y)) y2=(px(y)) {}
                @if (40.0..view.height - 30.0).contains(&y) { text x="5" y=(px(y - 4.0)) { (format!("{:.3}° {}", lat.abs(), if lat < 0.0 { 'S' } else { 'N' })) } }
            }
            @for lon in lines(left, right) {
                @let (x, _) = view.xy(view.lat_deg, lon);
                line x1=(px(x)) x2=(px(x)) y1="0" y2=(px(view.height)) {}
                // What would not fit is left out.
                @if x + 76.0 < view.width { text x=(px(x + 4.0)) y="13" { (format!("{:.3}° {}", lon.abs(), if lon < 0.0 { 'W' } else { 'E' })) } }
            }
        }
    }
}

/// A round distance, at most a quarter of the width.
fn scale_bar(view: &View) -> Markup {
    let longest = view.width / 4.0 / view.scale;
    let decade = 10f64.powf(longest.log10().floor());
    let metres = [5.0, 2.0, 1.0].iter().map(|step| step * decade).find(|metres| *metres <= longest).unwrap_or(decade);
    let (x, y) = (16.0, view.height - 16.0);
    let end = x + metres * view.scale;
    let words = if metres >= 1000.0 { format!("{:.0} km", metres / 1000.0) } else { format!("{metres:.0} m") };
    html! {
        path.scale d=(format!("M{x:.1} {:.1}v6H{end:.1}v-6", y - 6.0)) {}
        text x=(px(end + 6.0)) y=(px(y + 2.0)) { (words) }
    }
}

fn legend(atlas: &Atlas, moved: bool) -> Markup {
    html! {
        span { svg.sign viewBox="0 0 16 16" aria-hidden="true" { path.cross d="M1 8H15M8 1V15" {} } "possible place, with the share of its probability; round it the regions of 50, 90 and 95 %" }
        span { svg.sign viewBox="0 0 16 16" aria-hidden="true" { circle.node cx="8" cy="8" r="6" {} } "node that hears it" }
        span { svg.sign viewBox="0 0 16 16" aria-hidden="true" { path.site d="M8 2l6 11h-12z" {} } "licensed site" }
        @if moved {
            span { svg.sign viewBox="0 0 16 16" aria-hidden="true" { polyline.way points="1,13 6,5 15,3" {} } "the way that it went" }
        }
        @if let Some(border) = atlas.border() {
            span {
                svg.sign viewBox="0 0 16 16" aria-hidden="true" { path.line d="M0 8H16" {} }
                "border line by " (border.source) " (" (border.date) "). " (border.note) " It is not a finding."
            }
        } @else {
            span { "No border file is configured." }
        }
    }
}

/// The fix in words and figures.
fn words(fix: &Placed) -> Markup {
    let several = fix.solutions.len() > 1;
    html! {
        @if several {
            p.warn {
                "The measurements admit " (fix.solutions.len()) " places. None of them may be left out: "
                "nodes that stand nearly in a line cannot tell one side from the other."
            }
        }
        div.scroll {
            table.stack {
                thead { tr { th { "Place" } th { "Coordinates (WGS-84)" } th { "Share" } th { "Half of it within" } th { "95 % region" } th { "Least possible" } } }
                tbody {
                    @for (number, solution) in fix.solutions.iter().enumerate() {
                        tr {
                            td data-label="Place" { strong { (letter(number)) } }
                            td.number data-label="Coordinates" { (page::position(&at(solution))) }
                            td.number data-label="Share" { (format!("{:.0} %", 100.0 * solution.weight)) }
                            td.number data-label="Half of it within" { (format!("{:.0} m", solution.cep50_m)) }
                            td.number data-label="95 % region" { @if let Some(region) = solution.ellipses.last() {
                                (format!("{:.0} by {:.0} m, along {:.0}°", region.semi_major_m, region.semi_minor_m, region.azimuth_deg))
                            } }
                            td.number data-label="Least possible" { (solution.bound_cep50_m.map_or("not known".to_owned(), |m| format!("{m:.0} m"))) }
                        }
                    }
                }
            }
        }
        dl.facts {
            dt { "By" }
            dd {
                (fix.method.map_or("", Basis::words))
                @if !fix.clocks.is_empty() { ": " (fix.clocks.join(", ")) }
                @if let Some(spare) = fix.spare { (format!("; {spare:.1} measurements to check it with")) }
            }
            dt { "As of" }
            dd { (page::time(fix.at_ns)) }
            @if let Some(track) = &fix.track {
                dt { "Motion" }
                dd {
                    (track.describe()) (format!(" (probability {:.0} %, ", 100.0 * track.moving))
                    (track.fixes) " fixes"
                    @if track.weight < 0.995 { (format!(", {:.0} % of the ways that they admit", 100.0 * track.weight)) }
                    ")"
                }
            }
            @if !fix.jumps.is_empty() {
                dt { "Licensed cells that jumped" }
                dd {
                    @for jump in &fix.jumps {
                        div { (jump.describe()) " (" (page::time(jump.at_ns)) "); what was read before is not used" }
                    }
                }
            }
            @if let Some(shares) = &fix.countries {
                dt { "Country" }
                dd {
                    @for (n, share) in shares.iter().enumerate() {
                        @if n > 0 { ", " }
                        (share.code.as_deref().unwrap_or("none that the border file knows")) " "
                        (format!("{:.0} %", 100.0 * share.probability))
                    }
                    span.quiet { " (probability by the border line above: a hint whom to call, not a finding)" }
                }
            }
            @if !fix.sites.is_empty() {
                dt { "Licensed sites" }
                dd {
                    @for site in &fix.sites {
                        div {
                            (site.register_id) " (" (site.licensee) "), " (format!("{:.0} m away: ", site.distance_m))
                            @if site.fits < 0.05 { "excluded" } @else { (format!("possible, probability {:.0} %", 100.0 * site.probability)) }
                        }
                    }
                }
            }
            @if !fix.unused.is_empty() {
                dt { "Not used" }
                dd { @for unused in &fix.unused { div { (unused.node) ": " (unused.reason) } } }
            }
        }
        details {
            summary { "What each measurement said" }
            (inputs(fix))
        }
    }
}

pub(super) fn at(solution: &Solution) -> Position {
    Position { lat_deg: solution.lat_deg, lon_deg: solution.lon_deg, height_m: None, sigma_m: None }
}

fn inputs(fix: &Placed) -> Markup {
    html! {
        div.scroll {
            table.stack {
                thead { tr { th { "Place" } th { "Node" } th { "What" } th { "Measured less expected" } th { "In sigmas" } th { "Leverage" } th { "Late path" } } }
                tbody {
                    @for (number, solution) in fix.solutions.iter().enumerate() {
                        @for input in &solution.inputs {
                            tr {
                                td data-label="Place" { (letter(number)) }
                                td data-label="Node" { (input.node.as_ref().map_or("", |node| node.as_str())) }
                                td data-label="What" { (input.kind) }
                                td.number data-label="Measured less expected" { (format!("{:+.1} {}", input.residual, input.unit)) }
                                td.number data-label="In sigmas" { (format!("{:+.1}", input.normalised)) }
                                td.number data-label="Leverage" { (format!("{:.2}", input.leverage)) }
                                td.number data-label="Late path" { (format!("{:.0} %", 100.0 * input.late)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
