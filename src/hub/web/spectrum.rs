//! What a node sees of the spectrum: of every window its newest tile as a curve, of one window all tiles as a waterfall.

use super::page::{self, Page, Place};
use super::{Desk, Problem, now};
use crate::observation::{NodeId, SpectrumTile};
use crate::units::Timestamp;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Html;
use maud::{Markup, html};

/// Slots drawn of one tile; more than any window of a receiver has at 200 kHz.
const MOST_SLOTS: usize = 1024;
/// Octets of half decibels that a drawing spans above the noise: 50 dB.
const SPAN: u8 = 100;
/// Height of a curve's drawing, in units of its own.
const HEIGHT: usize = 24;
/// Height of a line of a waterfall, pixels.
const LINE: usize = 8;
/// Dark to light, evenly perceived, by the formula of the map viridis at sixteen places.
const COLOURS: [&str; 16] = [
    "#440154", "#481a6c", "#472f7d", "#414487", "#39568c", "#31688e", "#2a788e", "#23888e", "#1f988b", "#22a884",
    "#35b779", "#54c568", "#7ad151", "#a5db36", "#d2e21b", "#fde725",
];

fn node(name: &str) -> Result<NodeId, Problem> {
    name.parse().map_err(|_| Problem::not_found("there is no such node".to_owned()))
}

/// `GET /nodes/{node}/spectrum`.
pub(super) async fn page(State(desk): State<Desk>, Path(name): Path<String>) -> Result<Html<String>, Problem> {
    let node = node(&name)?;
    let event = *desk.book.newest().borrow();
    let wanted = node.clone();
    let tiles = desk.read(move |book, _| book.newest_tiles(&wanted)).await?;
    let now = now();
    let content = html! {
        div.lead {
            h1 { "Spectrum at " (node) }
            span.counts { (page::count(tiles.len(), "window", "windows")) }
        }
        @if tiles.is_empty() {
            div.panel.empty {
                strong { "No picture of the spectrum has come yet" }
                p { "A node sends the first ten minutes after its start, and then one of each window a day, unless its configuration says otherwise." }
            }
        } @else {
            p.quiet {
                "Power in slots of 200 kHz above the noise, up to " (SPAN / 2) " dB: the mean (filled) and the highest of any look (line). A window's own page shows how it was before."
            }
        }
        @for tile in &tiles {
            section.panel aria-label=(range(tile)) {
                h2 { a href={ "/nodes/" (node) "/spectrum/" (tile.first_hz) } { (range(tile)) } }
                (curve(tile))
                p.quiet { (looks(tile, now)) @if !tile.carriers.is_empty() { "; carriers by their shape: " (shapes(tile)) } }
            }
        }
    };
    Ok(Html(frame("Spectrum", event).render(&content).into_string()))
}

/// `GET /nodes/{node}/spectrum/{first_hz}`.
pub(super) async fn window(
    State(desk): State<Desk>,
    Path((name, first_hz)): Path<(String, u64)>,
) -> Result<Html<String>, Problem> {
    let node = node(&name)?;
    let event = *desk.book.newest().borrow();
    let wanted = node.clone();
    let tiles = desk.read(move |book, _| book.tiles(&wanted, first_hz)).await?;
    let Some(newest) = tiles.first() else {
        return Err(Problem::not_found("no picture of that window is kept".to_owned()));
    };
    let now = now();
    let content = html! {
        div.lead {
            h1 { (range(newest)) " at " (node) }
            span.counts { (page::count(tiles.len(), "picture", "pictures")) }
        }
        section.panel aria-labelledby="now" {
            h2 #now { "Newest" }
            (curve(newest))
            p.quiet { (looks(newest, now)) }
        }
        section.panel aria-labelledby="before" {
            h2 #before { "Highest of any look, newest first" }
            (waterfall(&tiles))
            p.quiet { "Dark is noise, yellow " (SPAN / 2) " dB above it or more." }
        }
        @if !newest.carriers.is_empty() {
            section.panel aria-labelledby="carriers" {
                h2 #carriers { "Carriers in the last look, by their shape" }
                div.scroll {
                    table.stack {
                        thead { tr { th { "Middle" } th { "Width" } th { "Shape" } } }
                        tbody { @for carrier in &newest.carriers {
                            tr {
                                td.number data-label="Middle" { (format!("{:.2} MHz", carrier.center_hz as f64 * 1e-6)) }
                                td.number data-label="Width" { (format!("{:.2} MHz", f64::from(carrier.width_hz) * 1e-6)) }
                                td data-label="Shape" { (carrier.shape) }
                            }
                        } }
                    }
                }
            }
        }
        p { a href={ "/nodes/" (node) "/spectrum" } { "All windows" } " · " a href="/nodes" { "Nodes" } }
    };
    Ok(Html(frame("Spectrum", event).render(&content).into_string()))
}

/// `GET /api/nodes/{node}/spectrum`: the newest tile of every window.
pub(super) async fn api(
    State(desk): State<Desk>,
    Path(name): Path<String>,
) -> Result<Json<Vec<SpectrumTile>>, Problem> {
    let node = node(&name)?;
    Ok(Json(desk.read(move |book, _| book.newest_tiles(&node)).await?))
}

fn frame(title: &str, event: i64) -> Page<'_> {
    Page { title, place: Place::Nodes, event, fragment: None, only: None, every_ms: None }
}

/// `925.0 to 944.8 MHz`.
fn range(tile: &SpectrumTile) -> String {
    let half = f64::from(tile.step_hz) / 2.0;
    let last = tile.first_hz as f64 + f64::from(tile.step_hz) * tile.mean.0.len().saturating_sub(1) as f64;
    format!("{:.1} to {:.1} MHz", (tile.first_hz as f64 - half) * 1e-6, (last + half) * 1e-6)
}

fn looks(tile: &SpectrumTile, now: Timestamp) -> Markup {
    html! {
        (page::count(tile.sweeps as usize, "look", "looks")) " from " (page::time(tile.first_ns)) " on, the last "
        (page::ago(tile.at_ns, now))
    }
}

fn shapes(tile: &SpectrumTile) -> String {
    let one = |carrier: &crate::observation::TileCarrier| {
        format!("{} {:.1} MHz", carrier.shape, carrier.center_hz as f64 * 1e-6)
    };
    tile.carriers.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Half decibels above the noise, at most [`SPAN`].
fn above(level: u8, noise: u8) -> u8 {
    level.saturating_sub(noise).min(SPAN)
}

/// Mean and highest level of a tile over frequency.
fn curve(tile: &SpectrumTile) -> Markup {
    let y = |level: u8| HEIGHT as f64 * (1.0 - f64::from(above(level, tile.noise)) / f64::from(SPAN));
    let line = |levels: &[u8]| {
        let points = levels.iter().take(MOST_SLOTS).enumerate();
        points.map(|(x, level)| format!("{x}.5,{:.2}", y(*level))).collect::<Vec<_>>().join(" ")
    };
    let slots = tile.mean.0.len().min(tile.most.0.len()).min(MOST_SLOTS);
    html! {
        svg.spectrum viewBox={ "0 0 " (slots) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label={ "Spectrum " (range(tile)) } {
            rect.ground width=(slots) height=(HEIGHT) {}
            polygon.mean points={ "0.5," (HEIGHT) " " (line(&tile.mean.0)) " " (slots.saturating_sub(1)) ".5," (HEIGHT) } {}
            polyline.most points=(line(&tile.most.0)) {}
        }
    }
}

/// The highest levels of all tiles, a line each; slots of one colour in a row are one rectangle.
fn waterfall(tiles: &[SpectrumTile]) -> Markup {
    let slots = tiles.iter().map(|tile| tile.most.0.len()).max().unwrap_or(0).min(MOST_SLOTS);
    let mut pieces: Vec<(usize, usize, usize, &str)> = Vec::new();
    for (row, tile) in tiles.iter().enumerate() {
        let colour = |level: &u8| usize::from(above(*level, tile.noise)) * (COLOURS.len() - 1) / usize::from(SPAN);
        let colours: Vec<usize> = tile.most.0.iter().take(MOST_SLOTS).map(colour).collect();
        let mut at = 0;
        for run in colours.chunk_by(|a, b| a == b) {
            pieces.push((row, at, run.len(), COLOURS[run[0]]));
            at += run.len();
        }
    }
    html! {
        svg.waterfall viewBox={ "0 0 " (slots) " " (tiles.len()) } height=(tiles.len() * LINE) preserveAspectRatio="none" role="img"
            aria-label="Waterfall, newest at the top" {
            @for (row, at, length, colour) in pieces {
                rect x=(at) y=(row) width=(length) height="1" fill=(colour) {}
            }
        }
    }
}
