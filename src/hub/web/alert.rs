//! The page of one alert: what, where, how sure, since when, why, and what to do next.

use super::page::{self, Page, Place};
use super::{Desk, Problem, map, now, plan, samples};
use crate::hub::alert::{Alert, AlertId, Book, Closing, Event, EvidenceRow, HeardBy, State as Stage, words};
use crate::hub::fuse::Licence;
use crate::hub::place::{Atlas, Basis};
use crate::hub::store::Store;
use crate::hub::store::snippets::Snippet;
use crate::observation::Octets;
use crate::units::Timestamp;
use axum::extract::{Path, State};
use axum::response::Html;
use maud::{Markup, html};

pub(super) async fn page(State(desk): State<Desk>, Path(id): Path<i64>) -> Result<Html<String>, Problem> {
    let event = *desk.book.newest().borrow();
    let (alert, audit, snippets) = find(&desk, id).await?;
    let title = format!("{} ({id})", words::title(alert.class));
    let fragment = format!("/fragment/alerts/{id}");
    let page =
        Page { title: &title, place: Place::Alerts, event, fragment: Some(&fragment), only: Some(id), every_ms: None };
    Ok(Html(page.render(&render(&alert, (&audit, &snippets), &desk.config.atlas, now())).into_string()))
}

pub(super) async fn fragment(State(desk): State<Desk>, Path(id): Path<i64>) -> Result<Html<String>, Problem> {
    let (alert, audit, snippets) = find(&desk, id).await?;
    Ok(Html(render(&alert, (&audit, &snippets), &desk.config.atlas, now()).into_string()))
}

async fn find(desk: &Desk, id: i64) -> Result<(Alert, Vec<Event>, Vec<Snippet>), Problem> {
    let id = AlertId(id);
    let read = move |book: &Book, store: &Store| Ok((book.alert(id)?, book.audit(id)?, store.snippets(id.0)?));
    let (alert, audit, snippets) = desk.read(read).await?;
    let alert = alert.ok_or_else(|| Problem::not_found(format!("alert {id} does not exist")))?;
    Ok((alert, audit, snippets))
}

fn render(alert: &Alert, (audit, snippets): (&[Event], &[Snippet]), atlas: &Atlas, now: Timestamp) -> Markup {
    let map = map::section(alert, atlas);
    let severity = page::severity_class(alert.severity);
    html! {
        div.lead {
            h1 { (words::title(alert.class)) }
            span class={ "badge " (severity) } { (severity) }
            (page::state_badge(alert.state))
            span.quiet { "Alert " (alert.id) " · " (alert.class.as_str()) }
        }
        (glance(alert, now))
        @if let Some(map) = &map {
            section.panel aria-labelledby="place" {
                h2 #place { "Where it is" }
                (map)
            }
            section.panel aria-labelledby="where" {
                h2 #where { "Who hears it" }
                (heard_by(&alert.heard_by, now))
            }
        }
        div.columns {
            section.panel aria-labelledby="next" {
                h2 #next { "What to do next" }
                ol { @for step in words::next_steps(alert.class) { li { (step) } } }
            }
            section.panel aria-labelledby="deal" {
                h2 #deal { "Deal with it" }
                (forms(alert))
            }
        }
        section.panel aria-labelledby="evidence" {
            h2 #evidence { "Evidence" }
            (evidence(&alert.evidence, now))
        }
        @if map.is_none() { (heard_where(alert, now)) }
        div.columns {
            section.panel aria-labelledby="identity" {
                h2 #identity { "What it says it is" }
                (identity(alert))
            }
            section.panel aria-labelledby="innocent" {
                h2 #innocent { "What else it could be" }
                (innocent(alert))
            }
        }
        section.panel aria-labelledby="octets" {
            h2 #octets { "What it broadcasts, as received" }
            (octets(alert, now))
        }
        (samples::section(alert, snippets))
        section.panel aria-labelledby="audit" {
            h2 #audit { "Who did what" }
            (trail(audit))
            p.quiet {
                a href={ "/api/alerts/" (alert.id) } { "Everything on this page as JSON" } " · "
                a href={ "/api/alerts/" (alert.id) "/geojson" } { "the map as GeoJSON" }
            }
        }
    }
}

/// Where it is heard, as long as nobody can say where it is.
fn heard_where(alert: &Alert, now: Timestamp) -> Markup {
    let reason = alert.fix.as_ref().and_then(|fix| fix.reason.as_deref());
    html! {
        section.panel aria-labelledby="where" {
            h2 #where { "Where it is heard" }
            p.quiet {
                "No position fix yet"
                @if let Some(reason) = reason { " (" (reason) ")" }
                ": these nodes hear it, which says no more than that it is within their reach."
            }
            div.sides {
                (plan::plan(&alert.heard_by))
                (heard_by(&alert.heard_by, now))
            }
        }
    }
}

/// In the box "Where": the likeliest place, how sure, whose country; or who hears it best.
fn glance_where(alert: &Alert) -> Markup {
    let fix = alert.fix.as_ref();
    let Some((fix, best)) = fix.and_then(|fix| Some((fix, fix.best()?))) else {
        let strongest = alert.heard_by.iter().max_by(|a, b| a.snr_db.0.total_cmp(&b.snr_db.0));
        return html! {
            strong {
                @match strongest {
                    Some(best) => { "Best heard by " (best.node) },
                    None => "Not heard by any node now",
                }
            }
            br;
            (page::count(alert.heard_by.len(), "node hears", "nodes hear")) " it. No position fix yet."
        };
    };
    html! {
        strong { (page::position(&map::at(best))) }
        br;
        "within " (format!("{:.0} m", best.reach_m())) " (95 %), " (fix.method.map_or("", Basis::words))
        @if fix.solutions.len() > 1 {
            br;
            span.warn { "One of " (fix.solutions.len()) " possible places, with " (format!("{:.0} %", 100.0 * best.weight)) " of the probability: see the map" }
        }
        @if let Some(countries) = &fix.countries {
            br;
            span.quiet {
                @for (n, share) in countries.iter().enumerate() {
                    @if n > 0 { ", " }
                    (share.code.as_deref().unwrap_or("no country")) (format!(" {:.0} %", 100.0 * share.probability))
                }
                " by the border file"
            }
        }
    }
}

/// One glance: what, where, how sure, since when, why, what next.
fn glance(alert: &Alert, now: Timestamp) -> Markup {
    html! {
        div.glance {
            div {
                h2 { "What" }
                p { (words::explanation(alert.class)) }
            }
            div {
                h2 { "Where" }
                p { (glance_where(alert)) }
            }
            div {
                h2 { "How sure" }
                p { strong { (words::confidence(alert.confidence)) } }
                ul.quiet { @for reason in &alert.reasons { li { (reason) } } }
            }
            div {
                h2 { "Since" }
                p {
                    strong { (page::ago(alert.since_ns, now)) } br;
                    (page::time(alert.since_ns)) br;
                    span.quiet { "last heard " (page::ago(alert.last_heard_ns, now)) }
                }
            }
            div {
                h2 { "Says it is" }
                p {
                    strong { (page::identity(alert.cell.rat, alert.identity.as_ref())) } br;
                    (page::key(&alert.cell))
                }
            }
            div {
                h2 { "Whose matter" }
                p {
                    strong { (alert.regulators.iter().map(|regulator| regulator.name()).collect::<Vec<_>>().join(" and ")) }
                    br;
                    @match (&alert.handled_by, alert.state) {
                        (Some(who), Stage::Acknowledged) => { "Being dealt with by " (who) },
                        (_, Stage::Closed) => {
                            "Closed: " (alert.closing.map_or("", words::closing))
                        },
                        _ => "Nobody has taken it yet",
                    }
                }
            }
        }
    }
}

fn forms(alert: &Alert) -> Markup {
    let who = html! {
        label { "Your name" input name="who" required maxlength="80" autocomplete="name"; }
    };
    let address = |action: &str| format!("/alerts/{}/{action}", alert.id);
    html! {
        @if alert.state == Stage::Open {
            form method="post" action=(address("acknowledge")) {
                (who)
                label { "Note (optional)" input name="note" maxlength="500"; }
                button type="submit" { "Acknowledge" }
            }
        }
        @if alert.is_active() {
            form method="post" action=(address("close")) {
                @if alert.state == Stage::Open {
                    details #closing {
                        summary { "Close it instead" }
                        (closing_fields(&who))
                    }
                } @else {
                    (closing_fields(&who))
                }
            }
        } @else {
            p { "This alert is closed: " (alert.closing.map_or("", words::closing)) "." }
            p.quiet {
                @match alert.closing {
                    Some(Closing::Licensed | Closing::FalseAlarm) => "It opens again only if the evidence becomes worse than what was judged.",
                    Some(Closing::Merged) => "It does not open again.",
                    _ => "It opens again if the transmitter is heard again.",
                }
            }
        }
    }
}

fn closing_fields(who: &Markup) -> Markup {
    html! {
        (who)
        label { "Why"
            select name="reason" {
                @for closing in [Closing::Removed, Closing::Licensed, Closing::FalseAlarm] {
                    option value=(super::act::closing_value(closing)) { (words::closing(closing)) }
                }
            }
        }
        label { "Note (optional)" input name="note" maxlength="500"; }
        button.second type="submit" { "Close alert" }
    }
}

fn evidence(rows: &[EvidenceRow], now: Timestamp) -> Markup {
    html! {
        div.scroll {
            table.stack {
                thead { tr { th { "Rule" } th { "What" } th { "Value" } th { "Expected" } th { "Reported" } } }
                tbody {
                    @for row in rows {
                        @for (place, value) in row.values.iter().enumerate() {
                            tr {
                                td data-label="Rule" {
                                    @if place == 0 {
                                        div {
                                            strong { (row.rule) } " " span.quiet { "version " (row.version) } br;
                                            span.quiet { (words::tier(row.tier)) }
                                            @if let Some(text) = super::rule_text(&row.rule) { br; span.quiet { (text) } }
                                        }
                                    }
                                }
                                td data-label="What" { (value.what) }
                                td.value data-label="Value" { (value.value) }
                                td data-label="Expected" { (value.expected) }
                                td data-label="Reported" {
                                    @if place == 0 { (reported(row, now)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn reported(row: &EvidenceRow, now: Timestamp) -> Markup {
    html! {
        div {
            @if row.nodes.is_empty() {
                "by the hub, comparing nodes"
            } @else {
                (row.count) " × by " (row.nodes.iter().map(|node| node.as_str()).collect::<Vec<_>>().join(", "))
            }
            br;
            span.quiet { "last " (page::ago(row.last_ns, now)) }
            @if let Some(origin) = &row.origin {
                br;
                a href={ "/api/evidence/" (origin.node) "/" (origin.boot) "/" (origin.seq) } { "signed report" }
            }
        }
    }
}

fn heard_by(rows: &[HeardBy], now: Timestamp) -> Markup {
    html! {
        div.scroll {
            table.stack {
                thead { tr { th { "Node" } th { "Level" } th { "SNR" } th { "Carrier error" } th { "Last" } } }
                tbody {
                    @for row in rows {
                        tr {
                            td data-label="Node" {
                                div {
                                    strong { (row.node) } br;
                                    span.quiet { @match &row.position { Some(at) => (page::position(at)), None => "position not known" } }
                                }
                            }
                            td.number data-label="Level" {
                                div {
                                    (page::level(&row.level))
                                    @if row.level.dbm.is_none() { br; span.quiet { "not calibrated" } }
                                }
                            }
                            td.number data-label="SNR" { (format!("{:.0} dB", row.snr_db.0)) }
                            td.number data-label="Carrier error" {
                                @match &row.relative {
                                    Some(relative) => (format!("{:+.0} ± {:.0} ppb", relative.ppb.0, relative.sigma_ppb.0)),
                                    None => div { (format!("{:+.0} ppb", row.cfo_ppb.0)) br; span.quiet { "with the node's own" } },
                                }
                            }
                            td.number data-label="Last" { (page::ago(row.last_ns, now)) }
                        }
                    }
                }
            }
        }
    }
}

fn identity(alert: &Alert) -> Markup {
    let identity = alert.identity.as_ref();
    html! {
        dl.facts {
            dt { "Network" }
            dd { @match identity.map(|identity| &identity.plmns) {
                Some(plmns) if !plmns.is_empty() => (plmns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
                _ => "not received",
            } }
            dt { "Area code" }
            dd { (identity.and_then(|identity| identity.area).map_or_else(|| "not received".to_owned(), |area| area.to_string())) }
            @if !alert.areas.is_empty() {
                dt { "Area codes used" }
                dd { (alert.areas.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) " with one cell identity" }
            }
            dt { "Cell identity" }
            dd { (identity.and_then(|identity| identity.cell_id).map_or_else(|| "not received".to_owned(), |cell| cell.to_string())) }
            dt { "Heard as" }
            dd { (page::key(&alert.cell)) }
            dt { "Register" }
            dd { @match &alert.licence {
                Licence::Unknown => "not compared at the hub",
                Licence::NotListed => "this identity is not listed",
                Licence::Listed { register_id, licensee } => { "licensed: " (licensee) ", entry " (register_id) },
            } }
            dt { "Transmitter" }
            dd { (alert.emitter) " in the " a href="/cells" { "list of cells" } }
        }
    }
}

fn innocent(alert: &Alert) -> Markup {
    let mut texts: Vec<&str> = words::innocent(alert.class).to_vec();
    texts.extend(alert.evidence.iter().flat_map(|row| row.innocent.iter().map(String::as_str)));
    let mut seen = std::collections::BTreeSet::new();
    texts.retain(|text| seen.insert(*text));
    html! {
        @if texts.is_empty() {
            p { "The rules name no innocent explanation." }
        } @else {
            p.quiet { "To be ruled out before anybody is accused:" }
            ul { @for text in texts { li { (text) } } }
        }
    }
}

fn octets(alert: &Alert, now: Timestamp) -> Markup {
    html! {
        @if alert.broadcast.is_empty() {
            p { "No broadcast message was received yet." }
        }
        @for block in &alert.broadcast {
            div.block {
                strong { (block.name) } " "
                span.quiet {
                    (page::count(block.count as usize, "error-free copy", "error-free copies"))
                    ", " (block.node) ", last " (page::ago(block.last_ns, now))
                }
                code.octets { (spaced(&block.hex)) }
            }
        }
    }
}

/// `49 06 1b …`.
fn spaced(octets: &Octets) -> String {
    octets.0.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(" ")
}

fn trail(audit: &[Event]) -> Markup {
    html! {
        div.scroll {
            table.stack {
                thead { tr { th { "When" } th { "Who" } th { "What" } th { "Detail" } } }
                tbody {
                    @for event in audit {
                        tr {
                            td.number data-label="When" { (page::time(event.at_ns)) }
                            td data-label="Who" { (event.who) }
                            td data-label="What" { (event.kind.as_str()) }
                            td data-label="Detail" { (event.detail) }
                        }
                    }
                }
            }
        }
    }
}
