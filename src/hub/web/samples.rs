//! Samples of an alert's transmitter: asked of the nodes whose findings it rests on, and given out once they are there.

use super::{Desk, Problem, act, now, page};
use crate::cell::CellKey;
use crate::hub::alert::{Act, Alert, AlertError, AlertId};
use crate::hub::store::Store;
use crate::hub::store::snippets::{Snippet, SnippetState};
use crate::observation::envelope::reopen;
use crate::observation::{Item, NodeId, Octets};
use crate::units::Timestamp;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asking {
    who: String,
    #[serde(default)]
    note: String,
}

/// The section of the alert's page.
pub(super) fn section(alert: &Alert, snippets: &[Snippet]) -> Markup {
    let can_ask = alert.evidence.iter().any(|row| row.origin.is_some());
    html! {
        section.panel aria-labelledby="samples" {
            h2 #samples { "Samples" }
            p.quiet {
                "Nodes that keep an evidence ring can send what the cell says to everybody around a finding, everything else zero, as a \
                 recording that any receiver reads."
            }
            @if !snippets.is_empty() {
                table.stack {
                    thead { tr { th { "Node" } th { "Moment" } th { "How far" } th { "Recording" } } }
                    tbody {
                        @for snippet in snippets {
                            tr {
                                td data-label="Node" { (snippet.node) }
                                td.number data-label="Moment" { (page::time(snippet.at_ns)) }
                                td data-label="How far" { (how_far(snippet)) }
                                td data-label="Recording" {
                                    @if snippet.state == SnippetState::Whole {
                                        @let address = format!("/api/samples/{}", snippet.event);
                                        a href={ (address) ".sigmf-meta" } { "description" } " · "
                                        a href={ (address) ".sigmf-data" } { "samples" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if can_ask {
                form method="post" action={ "/alerts/" (alert.id) "/samples" } {
                    label { "Your name" input name="who" required maxlength="80" autocomplete="name"; }
                    label { "Note (optional)" input name="note" maxlength="500"; }
                    button type="submit" { "Ask the nodes for samples" }
                }
            }
        }
    }
}

fn how_far(snippet: &Snippet) -> String {
    let all = snippet.manifest.as_ref().map(|manifest| manifest.octets);
    match (snippet.state, all) {
        (SnippetState::Asked, _) => "asked for".to_owned(),
        (SnippetState::Arriving, Some(all)) => format!("{} of {all} octets are here", snippet.octets),
        (SnippetState::Arriving, None) => "arriving".to_owned(),
        (SnippetState::Whole, _) => format!("{} octets, checked against the node's signature", snippet.octets),
        (SnippetState::Withheld, _) => format!("nothing comes: {}", snippet.detail),
        (SnippetState::Silent, _) => snippet.detail.clone(),
    }
}

/// Every node whose findings the alert rests on, and the newest of the moments that are kept.
fn moments(store: &Store, alert: &Alert) -> Result<BTreeMap<NodeId, (Timestamp, CellKey)>, AlertError> {
    let mut moments: BTreeMap<NodeId, (Timestamp, CellKey)> = BTreeMap::new();
    for (row, origin) in alert.evidence.iter().filter_map(|row| Some((row, row.origin.as_ref()?))) {
        let Some(octets) = store.signed(origin)? else { continue };
        let envelope = reopen(&octets).ok();
        let item = envelope.and_then(|mut envelope| {
            let index = origin.index as usize;
            (index < envelope.items.len()).then(|| envelope.items.swap_remove(index))
        });
        if let Some(Item::Finding(finding)) = item {
            let observation = &finding.observation;
            let moment = (observation.at_ns, observation.cell);
            for node in row.nodes.iter().chain([&origin.node]) {
                let newest = moments.entry(node.clone()).or_insert(moment);
                *newest = moment.max(*newest);
            }
        }
    }
    Ok(moments)
}

/// `POST /alerts/{id}/samples`. Written down first, so that nothing is asked for that the audit trail does not tell of.
pub(super) async fn ask(
    State(desk): State<Desk>,
    Path(id): Path<i64>,
    Form(fields): Form<Asking>,
) -> Result<Redirect, Problem> {
    let (who, note) = act::signed(&fields.who, &fields.note)?;
    let asked = desk.read(move |book, store| {
        let alert = book.alert(AlertId(id))?.ok_or(AlertError::NoSuchAlert(AlertId(id)))?;
        let moments = moments(store, &alert)?;
        if !moments.is_empty() {
            book.act(alert.id, Act::AskForSamples(moments.len()), &who, &note, now())?;
        }
        for (node, (at, cell)) in &moments {
            store.ask(id, node, (*cell, *at), now())?;
        }
        Ok(moments.len())
    });
    match asked.await? {
        0 => Err(Problem::new(StatusCode::CONFLICT, "no finding of a node is kept that samples could be asked for")),
        _ => Ok(Redirect::to(&format!("/alerts/{id}#samples"))),
    }
}

/// `GET /api/samples/{event}.sigmf-meta` and `.sigmf-data`: a recording in SigMF's `ci8`.
pub(super) async fn file(State(desk): State<Desk>, Path(name): Path<String>) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("there are no such samples, or not yet".to_owned());
    let (event, kind) = name.split_once('.').ok_or_else(unknown)?;
    let event = Octets(hex::decode(event).map_err(|_| unknown())?);
    let (snippet, octets) = desk.read(move |_, store| Ok(store.snippet(&event)?)).await?.ok_or_else(unknown)?;
    let attachment = format!("attachment; filename=\"{}.{kind}\"", snippet.event);
    let (content, octets) = match kind {
        "sigmf-meta" => ("application/json", description(&snippet).ok_or_else(unknown)?.into_bytes()),
        "sigmf-data" => ("application/octet-stream", octets),
        _ => return Err(unknown()),
    };
    let headers = [(header::CONTENT_TYPE, content.to_owned()), (header::CONTENT_DISPOSITION, attachment)];
    Ok((headers, octets).into_response())
}

/// SigMF's description.
fn description(snippet: &Snippet) -> Option<String> {
    let manifest = snippet.manifest.as_ref()?;
    let words = format!(
        "what {} says to everybody, as heard by {}; everything else is zero; full scale of the receiver is {:.1}",
        snippet.cell,
        snippet.node,
        127.0 / manifest.scale
    );
    let text = serde_json::json!({
        "global": {
            "core:datatype": "ci8",
            "core:sample_rate": manifest.rate_hz,
            "core:version": "1.0.0",
            "core:description": words,
            "core:recorder": format!("daen {}", env!("CARGO_PKG_VERSION")),
        },
        "captures": [{
            "core:sample_start": 0,
            "core:frequency": manifest.center_hz,
            "core:datetime": page::utc(manifest.start_ns),
        }],
        "annotations": [],
    });
    Some(text.to_string())
}
