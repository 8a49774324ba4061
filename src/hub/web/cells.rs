//! The inventory: every transmitter that the nodes hear, the licensed ones too.

use super::page::{self, Page, Place};
use super::{Desk, Problem, now};
use crate::hub::alert::AlertId;
use crate::hub::fuse::{Emitter, EmitterId, Licence};
use crate::observation::Tier;
use crate::units::Timestamp;
use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Cells listed at most; the API has them all.
const MAX_LISTED: usize = 500;

pub(super) async fn page(State(desk): State<Desk>) -> Result<Html<String>, Problem> {
    let event = *desk.book.newest().borrow();
    let content = content(&desk).await?;
    let page = Page {
        title: "Cells",
        place: Place::Cells,
        event,
        fragment: Some("/fragment/cells"),
        only: None,
        every_ms: Some(15_000),
    };
    Ok(Html(page.render(&content).into_string()))
}

pub(super) async fn fragment(State(desk): State<Desk>) -> Result<Html<String>, Problem> {
    Ok(Html(content(&desk).await?.into_string()))
}

async fn content(desk: &Desk) -> Result<Markup, Problem> {
    let (mut emitters, alerts) = desk.read(|book, _| Ok((book.emitters()?, book.active_by_emitter()?))).await?;
    let now = now();
    let total = emitters.len();
    // The latest heard are the ones that matter when there are too many; within that, by channel.
    emitters.sort_by_key(|emitter| std::cmp::Reverse(emitter.last));
    emitters.truncate(MAX_LISTED);
    emitters.sort_by_key(|emitter| (emitter.key, emitter.id));
    Ok(html! {
        div.lead {
            h1 { "Cells" }
            span.counts {
                (page::count(total, "transmitter", "transmitters"))
                @if total > MAX_LISTED { ", the " (MAX_LISTED) " heard last are listed; " a href="/api/cells" { "all as JSON" } }
            }
        }
        @if emitters.is_empty() {
            div.panel.empty { strong { "No cell was heard yet" } }
        } @else {
            div.panel {
                div.scroll {
                    table.stack {
                        thead { tr { th { "Cell" } th { "Says it is" } th { "Register" } th { "Heard by" } th { "Findings" } th { "Last" } } }
                        tbody { @for emitter in &emitters { (row(emitter, &alerts, now)) } }
                    }
                }
            }
        }
    })
}

fn row(emitter: &Emitter, alerts: &BTreeMap<EmitterId, AlertId>, now: Timestamp) -> Markup {
    let areas = emitter.areas();
    let calibrated = emitter.sightings.values().all(|sighting| sighting.level.dbm.is_some());
    html! {
        tr {
            td data-label="Cell" { div { (page::key(&emitter.key)) br; span.quiet { (emitter.id) } } }
            td data-label="Says it is" {
                div {
                    (page::identity(emitter.key.rat, emitter.identity()))
                    @if areas.len() > 1 { br; span.warn { (areas.len()) " area codes so far" } }
                    @if !emitter.distinct.is_empty() {
                        br;
                        span.quiet {
                            "not the same transmitter as "
                            (emitter.distinct.keys().map(ToString::to_string).collect::<Vec<_>>().join(", "))
                        }
                    }
                }
            }
            td data-label="Register" {
                @match &emitter.licence {
                    Licence::Listed { licensee, .. } => span.badge.good { (licensee) },
                    Licence::NotListed => span.badge.medium { "not listed" },
                    Licence::Unknown => span.quiet { "not compared" },
                }
            }
            td data-label="Heard by" {
                div {
                    @for sighting in emitter.sightings.values() {
                        div.heard { (sighting.node) ", " (page::level(&sighting.level)) }
                    }
                    @if !calibrated { span.quiet { "dBFS: not calibrated" } }
                }
            }
            td data-label="Findings" {
                div {
                    @if let Some(alert) = alerts.get(&emitter.id) { a href={ "/alerts/" (alert) } { "alert " (alert) } " " }
                    @for record in emitter.findings.values() {
                        @let class = match record.tier { Tier::A => "badge critical", Tier::B => "badge high", Tier::C => "badge plain" };
                        span class=(class) title=[super::rule_text(&record.rule)] { (record.rule) } " "
                    }
                    @if emitter.findings.is_empty() && !alerts.contains_key(&emitter.id) { span.quiet { "none" } }
                }
            }
            td.number data-label="Last" { (page::ago(emitter.last, now)) }
        }
    }
}
