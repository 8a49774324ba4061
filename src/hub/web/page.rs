//! What all pages share: the frame, and how times, cells and levels are written.

use crate::cell::{CellIdentity, CellKey, Rat, gsm_arfcn};
use crate::hub::alert::{Severity, State, words};
use crate::observation::{Level, Position};
use crate::units::Timestamp;
use axum::http::StatusCode;
use maud::{DOCTYPE, Markup, html};

/// Which entry of the navigation a page belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Alerts,
    Nodes,
    Cells,
    Rules,
}

/// A whole page.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) place: Place,
    /// The newest event that the content includes: the live feed goes on from there.
    pub(super) event: i64,
    /// Where the part that changes comes from; `None`: it does not change.
    pub(super) fragment: Option<&'a str>,
    /// Only events of this alert change it.
    pub(super) only: Option<i64>,
    /// It changes without events: fetched again this often.
    pub(super) every_ms: Option<u32>,
}

impl Page<'_> {
    pub(super) fn render(&self, content: &Markup) -> Markup {
        let tab = |place, address, name| {
            html! { a href=(address) aria-current=[(self.place == place).then_some("page")] { (name) } }
        };
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) " · daen" }
                    link rel="icon" href="/static/icon.svg";
                    link rel="stylesheet" href="/static/daen.css";
                    script src="/static/daen.js" defer {}
                    @if self.fragment.is_some() { noscript { meta http-equiv="refresh" content="30"; } }
                }
                body data-event=(self.event) {
                    a.skip href="#content" { "Skip to content" }
                    header.top {
                        div {
                            a.brand href="/" {
                                b { "daen" }
                                span { span lang="th" { "แดน" } " · " span lang="km" { "ដែន" } }
                            }
                            nav aria-label="Pages" {
                                (tab(Place::Alerts, "/", "Alerts"))
                                (tab(Place::Nodes, "/nodes", "Nodes"))
                                (tab(Place::Cells, "/cells", "Cells"))
                                (tab(Place::Rules, "/rules", "Rules"))
                            }
                            span #link .link role="status" { "as of " (words::utc(super::now())) }
                        }
                    }
                    p #said .skip aria-live="polite" {}
                    main #content {
                        @match self.fragment {
                            Some(from) => div #live data-fragment=(from) data-only=[self.only] data-every=[self.every_ms] { (content) },
                            None => (content),
                        }
                    }
                    footer {
                        "Times are UTC. daen only receives, and only what base stations broadcast to everybody."
                    }
                }
            }
        }
    }
}

/// A page that says what went wrong.
pub(super) fn problem(status: StatusCode, text: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (status.as_u16()) " · daen" }
                link rel="stylesheet" href="/static/daen.css";
            }
            body {
                main {
                    div.panel.empty {
                        strong { (status.canonical_reason().unwrap_or("Problem")) }
                        p { (text) }
                        p { a href="/" { "Back to the alerts" } }
                    }
                }
            }
        }
    }
}

/// A time as its age, with the full time on it; scripts keep the age right.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    let seconds = ((now - at).0 / 1_000_000_000).max(0);
    let text = match seconds {
        0..90 => format!("{seconds} s ago"),
        90..5400 => format!("{} min ago", seconds / 60),
        5400..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    };
    let full = words::utc(at);
    html! { time datetime=(machine(&full)) title=(full) data-ms=(at.0.div_euclid(1_000_000)) { (text) } }
}

/// A time in full.
pub(super) fn time(at: Timestamp) -> Markup {
    let full = words::utc(at);
    html! { time datetime=(machine(&full)) { (full) } }
}

/// `2026-11-21T20:45:07.123456789Z`.
pub(super) fn utc(at: Timestamp) -> String {
    machine(&words::utc(at)).replace('Z', &format!(".{:09}Z", at.0.rem_euclid(1_000_000_000)))
}

/// `2026-11-21 20:45:07 UTC` as HTML wants it in `datetime`.
fn machine(full: &str) -> String {
    full.replacen(' ', "T", 1).replace(" UTC", "Z")
}

/// `GSM 947.4 MHz, channel 62, BSIC 33`.
pub(super) fn key(key: &CellKey) -> String {
    let mhz = format!("{:.4}", key.center_hz as f64 * 1e-6);
    let mhz = mhz.trim_end_matches('0').trim_end_matches('.');
    let (rat, id) = match key.rat {
        Rat::Gsm => ("GSM", "BSIC"),
        Rat::Umts => ("UMTS", "PSC"),
        Rat::Lte => ("LTE", "PCI"),
        Rat::Nr => ("NR", "PCI"),
    };
    let channel =
        gsm_arfcn(key.center_hz).filter(|_| key.rat == Rat::Gsm).map(|n| format!(", channel {n}")).unwrap_or_default();
    format!("{rat} {mhz} MHz{channel}, {id} {}", key.id)
}

/// `520-03 · LAC 318 · CI 11225`.
pub(super) fn identity(rat: Rat, identity: Option<&CellIdentity>) -> String {
    let Some(identity) = identity else { return "identity not received yet".to_owned() };
    let plmns: Vec<String> = identity.plmns.iter().map(ToString::to_string).collect();
    let (area, cell) = match rat {
        Rat::Gsm | Rat::Umts => ("LAC", "CI"),
        Rat::Lte => ("TAC", "ECI"),
        Rat::Nr => ("TAC", "NCI"),
    };
    let area = identity.area.map(|value| format!("{area} {value}"));
    let cell = identity.cell_id.map(|value| format!("{cell} {value}"));
    let plmns = (!plmns.is_empty()).then(|| plmns.join(", "));
    [plmns, area, cell].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// A level, calibrated where it is: dBFS of two devices cannot be compared.
pub(super) fn level(level: &Level) -> String {
    match level.dbm {
        Some(dbm) => format!("{:.0} dBm", dbm.0),
        None => format!("{:.0} dBFS", level.dbfs.0),
    }
}

/// `13.6612° N 102.5501° E`.
pub(super) fn position(position: &Position) -> String {
    let (ns, ew) = (if position.lat_deg < 0.0 { 'S' } else { 'N' }, if position.lon_deg < 0.0 { 'W' } else { 'E' });
    format!("{:.4}° {ns} {:.4}° {ew}", position.lat_deg.abs(), position.lon_deg.abs())
}

pub(super) fn severity_class(severity: Severity) -> &'static str {
    words::severity(severity)
}

pub(super) fn state_badge(state: State) -> Markup {
    let class = match state {
        State::Open => "badge high",
        State::Acknowledged => "badge good",
        State::Closed => "badge plain",
    };
    html! { span class=(class) { (words::state(state)) } }
}

/// `48.0 MB`, `21.0 GB`.
pub(super) fn octets(octets: u64) -> String {
    let octets = octets as f64;
    if octets < 1e9 { format!("{:.1} MB", octets * 1e-6) } else { format!("{:.1} GB", octets * 1e-9) }
}

/// A count that may be large, with spaces between thousands.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or("")).collect();
    groups.join("\u{202f}")
}

/// `1 node`, `4 nodes`.
pub(super) fn count(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
