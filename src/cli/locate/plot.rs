//! A map of fixes: nodes, licensed sites, the border line, every admissible region with its weight, and a scale.

use anyhow::Context;
use daen::locate::country::Border;
use daen::locate::gather::Suspect;
use daen::locate::{Enu, Fix, Plane, Solution};
use daen::observation::{NodeId, Position};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// DejaVu Sans, cut down to ASCII; see the licence beside it.
const FONT: &[u8] = include_bytes!("../fonts/DejaVuSans-Latin.ttf");

const WIDTH: u32 = 1200;
const HEIGHT: u32 = 900;
/// Room at the bottom for what must be read beside the map.
const FOOT: u32 = 60;
/// A region wider than this does not set the scale of the map.
const WIDEST_M: f64 = 20_000.0;

const NODE: RGBColor = RGBColor(20, 90, 170);
const SITE: RGBColor = RGBColor(120, 120, 120);
const LINE: RGBColor = RGBColor(150, 90, 30);
/// One for each transmitter, in turn.
const FOUND: [RGBColor; 4] =
    [RGBColor(200, 30, 40), RGBColor(130, 40, 160), RGBColor(0, 130, 90), RGBColor(210, 120, 0)];

/// What is drawn.
pub struct Map<'a> {
    /// Who listened.
    pub nodes: BTreeMap<NodeId, Position>,
    /// Where licensed cells stand.
    pub sites: Vec<Position>,
    /// Transmitters that have been placed.
    pub fixes: Vec<(&'a Suspect, &'a Fix)>,
    /// The line, if there is a file of it.
    pub border: Option<&'a Border>,
}

type Canvas<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

/// Draws into a PNG file.
pub fn draw(map: &Map<'_>, path: &Path) -> anyhow::Result<()> {
    plotters::style::register_font("sans-serif", FontStyle::Normal, FONT)
        .map_err(|_| anyhow::anyhow!("the built-in font cannot be read"))?;
    let mut pixels = vec![255; (WIDTH * HEIGHT * 3) as usize];
    {
        let root = BitMapBackend::with_buffer(&mut pixels, (WIDTH, HEIGHT)).into_drawing_area();
        root.fill(&WHITE)?;
        paint(map, &root)?;
        root.present()?;
    }
    let file = File::create(path).with_context(|| format!("{}: --plot: cannot be written", path.display()))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&pixels)?;
    eprintln!("map: {}", path.display());
    Ok(())
}

/// Lower left and upper right corner of what matters, metres, with the sides of the drawing.
fn view(points: &[[f64; 2]], aspect: f64) -> [[f64; 2]; 2] {
    let of = |i: usize, pick: fn(f64, f64) -> f64, from: f64| points.iter().map(|p| p[i]).fold(from, pick);
    let low = [0, 1].map(|i| of(i, f64::min, f64::INFINITY));
    let high = [0, 1].map(|i| of(i, f64::max, f64::NEG_INFINITY));
    let middle = [0, 1].map(|i| 0.5 * (low[i] + high[i]));
    let height = (high[1] - low[1]).max((high[0] - low[0]) / aspect).max(500.0) * 1.2;
    let half = [0.5 * height * aspect, 0.5 * height];
    [[middle[0] - half[0], middle[1] - half[1]], [middle[0] + half[0], middle[1] + half[1]]]
}

/// The part of an edge that lies in the view (Liang and Barsky).
fn clipped(ends: [(f64, f64); 2], low: [f64; 2], high: [f64; 2]) -> Option<[(f64, f64); 2]> {
    let [(x, y), (to_x, to_y)] = ends;
    let (mut from, mut to) = (0.0f64, 1.0f64);
    for (start, by, low, high) in [(x, to_x - x, low[0], high[0]), (y, to_y - y, low[1], high[1])] {
        for (step, room) in [(-by, start - low), (by, high - start)] {
            if step == 0.0 && room < 0.0 {
                return None;
            }
            let at = room / step;
            match step.total_cmp(&0.0) {
                std::cmp::Ordering::Less => from = from.max(at),
                std::cmp::Ordering::Greater => to = to.min(at),
                std::cmp::Ordering::Equal => {}
            }
        }
    }
    let at = |part: f64| (x + part * (to_x - x), y + part * (to_y - y));
    (from < to).then(|| [at(from), at(to)])
}

/// The edge of the ellipse that holds a share of a solution's probability, in the map's axes.
fn edge(solution: &Solution, probability: f64, middle: [f64; 2]) -> Vec<(f64, f64)> {
    let ellipse = solution.ellipse(probability);
    let (sin, cos) = ellipse.azimuth_deg.to_radians().sin_cos();
    (0..=96)
        .map(|i| {
            let (b, a) = (std::f64::consts::TAU * f64::from(i) / 96.0).sin_cos();
            let (along, across) = (ellipse.semi_major_m * a, ellipse.semi_minor_m * b);
            (middle[0] + along * sin + across * cos, middle[1] + along * cos - across * sin)
        })
        .collect()
}

fn paint(map: &Map<'_>, root: &Canvas<'_>) -> anyhow::Result<()> {
    let places = map
        .nodes
        .values()
        .chain(map.fixes.iter().flat_map(|(_, fix)| fix.solutions.iter().filter_map(|s| s.position.as_ref())));
    let all: Vec<&Position> = places.collect();
    let first = all.first().context("there is nothing to draw: no node says where it stands (--nodes)")?;
    let mean = |f: fn(&Position) -> f64| all.iter().map(|p| f(p)).sum::<f64>() / all.len() as f64;
    let plane = Plane::at(mean(|p| p.lat_deg), mean(|p| p.lon_deg));
    let flat = |p: &Position| {
        let Enu { east_m, north_m, .. } = plane.enu(p);
        [east_m, north_m]
    };
    let mut points: Vec<[f64; 2]> = all.iter().map(|p| flat(p)).collect();
    points.push(flat(first));
    for solution in map.fixes.iter().flat_map(|(_, fix)| &fix.solutions) {
        let Some(position) = &solution.position else { continue };
        let reach = solution.ellipse(0.95).semi_major_m;
        let at = flat(position);
        if reach < WIDEST_M {
            points.extend([[at[0] - reach, at[1] - reach], [at[0] + reach, at[1] + reach]]);
        }
    }
    let (plot, foot) = root.split_vertically(HEIGHT - FOOT);
    let [low, high] = view(&points, f64::from(WIDTH - 110) / f64::from(HEIGHT - FOOT - 90));
    let title = match &map.fixes[..] {
        [(suspect, fix)] => format!("{}: by {}", suspect.cell, fix.method),
        fixes => format!("{} transmitters", fixes.len()),
    };
    let position = |east_m, north_m| plane.position(Enu { east_m, north_m, up_m: 0.0 });
    let mut chart = ChartBuilder::on(&plot)
        .caption(title, ("sans-serif", 22))
        .margin(12)
        .x_label_area_size(34)
        .y_label_area_size(74)
        .build_cartesian_2d(low[0]..high[0], low[1]..high[1])?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(228, 228, 228))
        .x_labels(7)
        .y_labels(7)
        .x_label_formatter(&|east| format!("{:.4} E", position(*east, 0.0).lon_deg))
        .y_label_formatter(&|north| format!("{:.4} N", position(0.0, *north).lat_deg))
        .label_style(("sans-serif", 14))
        .draw()?;
    if let Some(border) = map.border {
        for ring in border.outlines().flat_map(|(_, polygons)| polygons.iter().flatten()) {
            let at = |c: &[f64; 2]| {
                let [e, n] = flat(&Position { lat_deg: c[1], lon_deg: c[0], height_m: None, sigma_m: None });
                (e, n)
            };
            for edge in ring.windows(2) {
                // The plane holds near its origin only; far edges of a country are not seen anyway.
                let ends = [at(&edge[0]), at(&edge[1])];
                if ends.iter().any(|e| e.0.hypot(e.1) < 300_000.0)
                    && let Some(seen) = clipped(ends, low, high)
                {
                    chart.draw_series([PathElement::new(seen.to_vec(), LINE.stroke_width(2))])?;
                }
            }
        }
    }
    for site in &map.sites {
        let [e, n] = flat(site);
        if !(low[0]..high[0]).contains(&e) || !(low[1]..high[1]).contains(&n) {
            continue;
        }
        chart.draw_series([EmptyElement::at((e, n)) + Rectangle::new([(-4, -4), (4, 4)], SITE.filled())])?;
    }
    let label = |size: u32, colour: RGBColor| {
        ("sans-serif", size).into_font().color(&colour).pos(Pos::new(HPos::Left, VPos::Center))
    };
    let mut taken = Vec::new();
    for (i, (suspect, fix)) in map.fixes.iter().enumerate() {
        let colour = FOUND[i % FOUND.len()];
        // The likeliest is drawn last and lies on top.
        for (rank, solution) in fix.solutions.iter().enumerate().rev() {
            let Some(place) = &solution.position else { continue };
            let at = flat(place);
            chart.draw_series([Polygon::new(edge(solution, 0.95, at), colour.mix(0.06 + 0.14 * solution.weight))])?;
            for (share, width) in [(0.95, 2), (0.5, 1)] {
                chart.draw_series([PathElement::new(edge(solution, share, at), colour.stroke_width(width))])?;
            }
            chart.draw_series([Cross::new((at[0], at[1]), 7, colour.stroke_width(2))])?;
            let several = if fix.solutions.len() > 1 {
                format!("{} of {}: {:.0} %", rank + 1, fix.solutions.len(), 100.0 * solution.weight)
            } else {
                "only solution".to_owned()
            };
            let name = format!("{}  ({several}; half within {:.0} m)", suspect.cell, solution.cep50_m());
            let spot = format!("{:.5} N {:.5} E", place.lat_deg, place.lon_deg);
            // Names stand one below the other, and to the left of what lies at the right.
            let right = at[0] > low[0] + 0.6 * (high[0] - low[0]);
            let (side, dx) = if right { (HPos::Right, -12) } else { (HPos::Left, 12) };
            let style = |size| label(size, colour).pos(Pos::new(side, VPos::Center));
            let pixels = chart.backend_coord(&(at[0], at[1]));
            let dy = free_row(&mut taken, pixels, right);
            chart.draw_series([EmptyElement::at((at[0], at[1]))
                + Text::new(name, (dx, dy - 14), style(15))
                + Text::new(spot, (dx, dy + 3), style(13))])?;
        }
    }
    for (node, place) in &map.nodes {
        let [e, n] = flat(place);
        chart.draw_series([EmptyElement::at((e, n))
            + TriangleMarker::new((0, 0), 8, NODE.filled())
            + Text::new(node.to_string(), (9, 10), label(14, NODE))])?;
    }
    scale_bar(&mut chart, low, high)?;
    legend(map, &foot)
}

/// Height of a label of two lines, and how far labels reach from their place, pixels.
const LABEL: (i32, i32) = (36, 430);

/// How far below its place a label goes so that it lies on none that is there already: the nearest free row, down or up.
fn free_row(taken: &mut Vec<(i32, i32, bool)>, (x, y): (i32, i32), right: bool) -> i32 {
    // Labels on one side overlap within the length of one; those on both sides of a place do not meet unless they face each other.
    let reach = |x: i32, right: bool| if right { (x - LABEL.1, x) } else { (x, x + LABEL.1) };
    let (from, to) = reach(x, right);
    let free = |dy: i32| {
        taken.iter().all(|&(other_x, other_y, other_right)| {
            let (other_from, other_to) = reach(other_x, other_right);
            (y + dy - other_y).abs() >= LABEL.0 || to <= other_from || other_to <= from
        })
    };
    let rows = (0..40).flat_map(|n| [n * 6, -n * 6]);
    let dy = rows.into_iter().find(|dy| free(*dy)).unwrap_or_default();
    taken.push((x, y + dy, right));
    dy
}

type Chart<'a, 'b> = ChartContext<
    'a,
    BitMapBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

/// A bar of a round length, about a sixth of the map's width.
fn scale_bar(chart: &mut Chart<'_, '_>, low: [f64; 2], high: [f64; 2]) -> anyhow::Result<()> {
    let wanted = (high[0] - low[0]) / 6.0;
    let power = 10f64.powf(wanted.log10().floor());
    let length = [5.0, 2.0, 1.0].map(|f| f * power).into_iter().find(|l| *l <= wanted).unwrap_or(power);
    let (x, y) = (high[0] - 0.04 * (high[0] - low[0]) - length, low[1] + 0.04 * (high[1] - low[1]));
    let tick = 0.007 * (high[1] - low[1]);
    for ends in
        [[(x, y), (x + length, y)], [(x, y - tick), (x, y + tick)], [(x + length, y - tick), (x + length, y + tick)]]
    {
        chart.draw_series([PathElement::new(ends.to_vec(), BLACK.stroke_width(2))])?;
    }
    let text = if length >= 1000.0 { format!("{} km", length / 1000.0) } else { format!("{length} m") };
    let style = ("sans-serif", 15).into_font().color(&BLACK).pos(Pos::new(HPos::Center, VPos::Bottom));
    chart.draw_series([EmptyElement::at((x + length / 2.0, y)) + Text::new(text, (0, -6), style)])?;
    Ok(())
}

fn legend(map: &Map<'_>, foot: &Canvas<'_>) -> anyhow::Result<()> {
    let style = ("sans-serif", 14).into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
    foot.draw(&(EmptyElement::at((22, 12)) + TriangleMarker::new((0, 0), 7, NODE.filled())))?;
    foot.draw(&Text::new("node", (34, 12), style.clone()))?;
    foot.draw(&Rectangle::new([(92, 8), (100, 16)], SITE.filled()))?;
    foot.draw(&Text::new("licensed site", (108, 12), style.clone()))?;
    foot.draw(&(EmptyElement::at((222, 12)) + Cross::new((0, 0), 6, FOUND[0].stroke_width(2))))?;
    foot.draw(&Text::new(
        "position, with the ellipses that hold 50 and 95 % of its probability",
        (236, 12),
        style.clone(),
    ))?;
    let line = match map.border {
        Some(border) => {
            foot.draw(&PathElement::new(vec![(14, 38), (30, 38)], LINE.stroke_width(2)))?;
            format!("border line: {} ({}), to {:.0} m; not a finding", border.source, border.date, border.accuracy_m)
        }
        None => "no border line (--border)".to_owned(),
    };
    foot.draw(&Text::new(line, (36, 38), style))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_near_places_do_not_lie_on_each_other() {
        let mut taken = Vec::new();
        for n in 0..6 {
            free_row(&mut taken, (500 + 3 * n, 400 + 2 * n), false);
        }
        free_row(&mut taken, (800, 405), true);
        for (i, a) in taken.iter().enumerate() {
            for b in &taken[..i] {
                assert!((a.1 - b.1).abs() >= LABEL.0, "{taken:?}");
            }
        }
        // One far away stays where it is.
        assert_eq!(free_row(&mut taken, (20, 100), false), 0);
        assert_eq!(free_row(&mut taken, (20, 780), false), 0);
    }
}
