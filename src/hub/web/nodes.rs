//! The nodes and how they are: no alert must never mean that nobody is listening.

use super::page::{self, Page, Place};
use super::{Desk, Problem, now};
use crate::hub::feeds::{Node, nodes_of};
use crate::observation::{Clock, ClockSource, Health, Schedule};
use crate::units::{Nanos, Timestamp};
use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};

/// A node that does not say how often it reports is taken to do so every minute.
const USUAL: Nanos = Nanos::from_secs(60);

/// After three missed reports of a minute, or one of a quarter of an hour with some grace, a node is silent.
fn silence(node: &Node) -> Nanos {
    let interval = node.health.as_ref().and_then(|health| health.interval_s);
    let interval = interval.map_or(USUAL, |seconds| Nanos::from_secs(i64::from(seconds)));
    Nanos(interval.0.saturating_add(Nanos::from_secs(120).0))
}

/// No error-free broadcast for this long: antenna, receiver or channel list are to be looked at.
const DEAF: Nanos = Nanos::from_secs(900);

pub(super) async fn page(State(desk): State<Desk>) -> Result<Html<String>, Problem> {
    let event = *desk.book.newest().borrow();
    let content = content(&desk).await?;
    let page = Page {
        title: "Nodes",
        place: Place::Nodes,
        event,
        fragment: Some("/fragment/nodes"),
        only: None,
        every_ms: Some(10_000),
    };
    Ok(Html(page.render(&content).into_string()))
}

pub(super) async fn fragment(State(desk): State<Desk>) -> Result<Html<String>, Problem> {
    Ok(Html(content(&desk).await?.into_string()))
}

async fn content(desk: &Desk) -> Result<Markup, Problem> {
    let nodes = desk.read(nodes_of).await?;
    let now = now();
    let well = nodes.iter().filter(|node| warnings(node, now).is_empty()).count();
    Ok(html! {
        div.lead {
            h1 { "Nodes" }
            span.counts { (well) " of " (nodes.len()) " without warnings" }
        }
        @if nodes.is_empty() {
            div.panel.empty {
                strong { "No node has reported yet" }
                p { "Start one with " code { "daen sensor --config FILE" } "; its key must be in the hub's list." }
            }
        }
        div.nodes {
            @for node in &nodes { (card(node, now)) }
        }
    })
}

fn card(node: &Node, now: Timestamp) -> Markup {
    let warnings = warnings(node, now);
    let silent = node.received_ns.is_none_or(|at| now - at > silence(node));
    let (class, word) = match (node.online, silent) {
        (Some(false), _) => ("badge critical", "offline"),
        (_, true) => ("badge high", "silent"),
        _ => ("badge good", "reporting"),
    };
    html! {
        section.panel aria-label=(node.node) {
            h2 { (node.node) span class=(class) { (word) } }
            dl.facts {
                dt { "Last report" }
                dd { @match node.received_ns { Some(at) => (page::ago(at, now)), None => "never" } }
                dt { "Position" }
                dd { @match &node.position { Some(position) => (page::position(position)), None => "not known" } }
                @if let Some(health) = &node.health { (vitals(health, now)) }
                dt { "Spectrum" }
                dd { a href={ "/nodes/" (node.node) "/spectrum" } { "what it sees" } }
                dt { "Received" }
                dd { (page::grouped(node.observations)) " observations, " (page::grouped(node.findings)) " findings" }
                @if node.evicted + node.unlinked + node.refused > 0 {
                    dt { "Lost or odd" }
                    dd {
                        (node.evicted) " envelopes evicted (" (node.lost_items) " items), " (node.unlinked) " out of chain, "
                        (node.refused) " refused"
                    }
                }
            }
            @if !warnings.is_empty() {
                ul.warnings { @for warning in &warnings { li { (warning) } } }
            }
        }
    }
}

fn vitals(health: &Health, now: Timestamp) -> Markup {
    html! {
        dt { "Clock" }
        dd { @match &health.clock { Some(state) => (clock(state)), None => "not reported" } }
        @let first = health.clock_error.filter(|_| health.clock_errors.is_empty()).map(|error| ("", error));
        @let each = health.clock_errors.iter().map(|(receiver, error)| (receiver.as_str(), *error));
        @for (receiver, error) in first.into_iter().chain(each) {
            dt { "Sample clock" @if !receiver.is_empty() { " of " (receiver) } }
            dd { (format!("{:+.0} ± {:.0} ppb", error.ppb.0, error.sigma_ppb.0)) }
        }
        @if let Some(text) = &health.navigation {
            dt { "Navigation" }
            dd { (text) }
        }
        @if let Some(text) = &health.receiver {
            dt { "Receiver" }
            dd { (text) @if let Some(celsius) = health.receiver_celsius { (format!(", {celsius:.0} °C")) } }
        }
        dt { "Cells followed" }
        dd {
            (health.cells) @if let Some(at) = health.last_decode_ns { ", last message " (page::ago(at, now)) }
            @for (band, at) in &health.last_decode_by_band { div { (band) ": " (page::ago(*at, now)) } }
        }
        dt { "Spool" }
        dd { (health.spool_envelopes) " envelopes waiting, " (page::octets(health.spool_octets)) }
        dt { "Disk free" }
        dd { (page::octets(health.disk_free_octets)) }
        dt { "Load" }
        dd {
            (format!("{:.0} % of one core, {}", health.cpu_percent, page::octets(health.memory_octets)))
            @if let Some(left) = health.memory_available_octets { ", " (page::octets(left)) " of memory left" }
            @if let Some(celsius) = health.celsius { (format!(", {celsius:.0} °C")) }
        }
        dt { "Samples lost" }
        dd { (page::grouped(health.lost_samples)) " of " (page::grouped(health.samples)) }
        @for schedule in &health.schedules { (scanning(schedule)) }
        @if let Some(latency) = health.latency_ms {
            dt { "Waited" }
            dd { "samples at most " (latency) " ms" }
        }
        @if !health.not_decoded.is_empty() {
            dt { "Not decoded" }
            dd { @for carrier in &health.not_decoded {
                div {
                    (carrier.standard) " at " (format!("{:.1} MHz", carrier.center_hz as f64 * 1e-6))
                    @if let Some(width) = carrier.width_hz { (format!(", {:.1} MHz wide", f64::from(width) * 1e-6)) }
                    ", " (page::ago(carrier.seen_ns, now))
                }
            } }
        }
        @if !health.dwells.is_empty() {
            dt { "Dwells on" }
            dd { @for dwell in &health.dwells {
                div { (dwell.rat) (format!(" {:.4} MHz, asked by the hub, until ", dwell.center_hz as f64 * 1e-6)) (page::time(dwell.until_ns)) }
            } }
        }
        @if health.tasks_taken > 0 || !health.refused.is_empty() {
            dt { "Tasks" }
            dd {
                (health.tasks_taken) " taken"
                @for (reason, count) in &health.refused { "; " (count) " refused: " (reason) }
            }
        }
        dt { "Software" }
        dd {
            "daen " (health.version) ", started " (page::ago(health.started_ns, now))
            @if let Some(config) = &health.config { ", configuration " code { (config) } }
        }
    }
}

/// What a receiver that scans is at.
fn scanning(schedule: &Schedule) -> Markup {
    let age = |seconds: Option<f64>| seconds.map_or("not all yet".to_owned(), |seconds| format!("{seconds:.1} s"));
    html! {
        dt { "Scans" }
        dd {
            div { (schedule.receiver) ": " (schedule.doing) (format!(" at {:.1} MHz", schedule.center_hz as f64 * 1e-6)) }
            div {
                (page::count(schedule.windows as usize, "window", "windows")) ", " (schedule.candidates) " waiting; swept within "
                (age(schedule.oldest_gsm_s)) " (GSM), " (age(schedule.oldest_other_s)) " (others)"
            }
            div { (format!("{:.0} % for a GSM transmitter on air for a minute", 100.0 * schedule.chance_60s)) }
            @if !schedule.unreachable.is_empty() { div { "out of reach: " (schedule.unreachable.join(", ")) } }
        }
    }
}

fn clock(clock: &Clock) -> String {
    let source = match clock.source {
        ClockSource::GnssPps => "GNSS pulse per second",
        ClockSource::Gpsdo => "GNSS-disciplined oscillator",
        ClockSource::Ntp => "network time",
        ClockSource::Free => "free running",
        ClockSource::Recording => "times of a recording",
    };
    let lock = match clock.source {
        ClockSource::Free | ClockSource::Recording => "",
        _ if clock.locked => ", locked",
        _ => ", not locked",
    };
    let sigma = clock.sigma_ns.map(|sigma| match sigma.0 {
        0..10_000 => format!(", ± {} ns", sigma.0),
        10_000..1_000_000 => format!(", ± {} µs", sigma.0 / 1000),
        _ => format!(", ± {} ms", sigma.0 / 1_000_000),
    });
    format!("{source}{lock}{}", sigma.unwrap_or_default())
}

/// What the node says is wrong, and what the hub can see for itself.
fn warnings(node: &Node, now: Timestamp) -> Vec<String> {
    let mut warnings = Vec::new();
    match node.received_ns {
        None => warnings.push("has not reported yet".to_owned()),
        Some(at) if now - at > silence(node) => {
            warnings.push(format!(
                "nothing received for more than {:.0} minutes: check power and link",
                silence(node).as_secs_f64() / 60.0
            ));
        }
        Some(_) => {}
    }
    if node.refused > 0 {
        warnings.push(format!(
            "{} messages in its name were refused: compare keys and look into the quarantine",
            node.refused
        ));
    }
    if node.unlinked > 0 {
        warnings.push(format!(
            "{} envelopes do not fit the chain of hashes: evidence may have been tampered with",
            node.unlinked
        ));
    }
    if let Some(health) = &node.health {
        warnings.extend(health.warnings.iter().cloned());
        if health.last_decode_ns.is_some_and(|at| health.at_ns - at > DEAF) {
            warnings
                .push("no error-free broadcast for a quarter of an hour: check antenna and channel list".to_owned());
        }
    }
    warnings
}
