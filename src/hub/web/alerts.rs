//! The list of alerts.

use super::page::{self, Page, Place};
use super::{Desk, Problem, now};
use crate::hub::alert::{Alert, Filter, State as Stage, words};
use crate::hub::feeds::{Node, Show, nodes_of};
use crate::units::Timestamp;
use axum::extract::{Query, State};
use axum::response::Html;
use maud::{Markup, html};

/// Alerts listed at most.
const MAX_LISTED: u32 = 200;

pub(super) async fn page(State(desk): State<Desk>, Query(show): Query<Show>) -> Result<Html<String>, Problem> {
    // Read before the content: an event that comes in between is then shown twice rather than not at all.
    let event = *desk.book.newest().borrow();
    let all = show.filter() == Filter::All;
    let content = content(&desk, show.filter()).await?;
    let page = Page {
        title: "Alerts",
        place: Place::Alerts,
        event,
        fragment: Some(if all { "/fragment/alerts?show=all" } else { "/fragment/alerts" }),
        only: None,
        every_ms: None,
    };
    Ok(Html(page.render(&content).into_string()))
}

pub(super) async fn fragment(State(desk): State<Desk>, Query(show): Query<Show>) -> Result<Html<String>, Problem> {
    Ok(Html(content(&desk, show.filter()).await?.into_string()))
}

async fn content(desk: &Desk, filter: Filter) -> Result<Markup, Problem> {
    let (alerts, nodes) =
        desk.read(move |book, store| Ok((book.alerts(filter, MAX_LISTED)?, nodes_of(book, store)?))).await?;
    Ok(render(alerts, &nodes, filter, now()))
}

fn render(mut alerts: Vec<Alert>, nodes: &[Node], filter: Filter, now: Timestamp) -> Markup {
    alerts.sort_by_key(|alert| (!alert.is_active(), std::cmp::Reverse(alert.severity), std::cmp::Reverse(alert.id)));
    let in_state = |state| alerts.iter().filter(|alert| alert.state == state).count();
    let tab = |wanted: Filter, address, name| {
        html! { a href=(address) aria-current=[(wanted == filter).then_some("page")] { (name) } }
    };
    html! {
        div.lead {
            h1 { "Alerts" }
            span.counts {
                (in_state(Stage::Open)) " open · " (in_state(Stage::Acknowledged)) " acknowledged"
                @if filter == Filter::All { " · " (in_state(Stage::Closed)) " closed" }
            }
            nav.tabs aria-label="Which alerts" {
                (tab(Filter::Active, "/", "Active"))
                (tab(Filter::All, "/?show=all", "All"))
            }
        }
        @if alerts.is_empty() {
            (nothing(nodes, now))
        } @else {
            ul.alerts {
                @for alert in &alerts { (row(alert, now)) }
            }
        }
    }
}

/// No alert must not look like no hub: says whether anybody is listening.
fn nothing(nodes: &[Node], now: Timestamp) -> Markup {
    let newest = nodes.iter().filter_map(|node| node.received_ns).max();
    html! {
        div.panel.empty {
            strong { "No alerts" }
            @match (nodes.len(), newest) {
                (0, _) | (_, None) => p.warn { "No node has reported yet, so nothing is being watched." },
                (count, Some(newest)) => p {
                    (page::count(count, "node reports", "nodes report")) "; the latest report came " (page::ago(newest, now)) ". "
                    a href="/nodes" { "See how they are" } "."
                },
            }
        }
    }
}

fn row(alert: &Alert, now: Timestamp) -> Markup {
    let severity = page::severity_class(alert.severity);
    let class = if alert.is_active() { severity } else { "closed" };
    html! {
        li class=(class) data-alert=(alert.id) {
            a href={ "/alerts/" (alert.id) } {
                div {
                    h2 { (words::title(alert.class)) }
                    div.marks {
                        span class={ "badge " (severity) } { (severity) }
                        (page::state_badge(alert.state))
                        span.badge.plain { (words::confidence(alert.confidence)) }
                        @for regulator in &alert.regulators { span.badge.plain { (regulator.name()) } }
                    }
                }
                dl {
                    dt { "Says it is" } dd { (page::identity(alert.cell.rat, alert.identity.as_ref())) }
                    dt { "On" } dd { (page::key(&alert.cell)) }
                }
                dl {
                    dt { "Where" } dd { (place(alert)) }
                    dt { "Heard by" } dd { (page::count(alert.heard_by.len(), "node", "nodes")) }
                    dt { "Since" } dd { (page::ago(alert.since_ns, now)) }
                    dt { "Last" } dd { (page::ago(alert.last_heard_ns, now)) }
                }
            }
        }
    }
}

fn place(alert: &Alert) -> Markup {
    let best = alert.fix.as_ref().and_then(|fix| Some((fix.best()?, fix.solutions.len())));
    html! {
        @match best {
            Some((best, 1)) => (format!("{:.4}, {:.4} ± {:.0} m", best.lat_deg, best.lon_deg, best.reach_m())),
            Some((best, places)) => (format!("{:.4}, {:.4} or {} more", best.lat_deg, best.lon_deg, places - 1)),
            None => "no fix yet",
        }
    }
}
