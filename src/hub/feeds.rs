//! What the hub tells machines: JSON for those who ask, Server-Sent Events for those who wait.
//!
//! Every event of the live feed carries the number of its entry in the journal of alerts. A client that comes back with the last number
//! it saw (`Last-Event-ID`, or `since` in the address) goes on from there, also after the hub was restarted. One that missed more than
//! [`REPLAY`] events, or brings no number, gets a `snapshot` of all active alerts instead. A client that does not read is dropped and
//! counted; it holds no memory but a few events.

use super::alert::{AlertError, AlertId, Book, Filter, Resume, Summary};
use super::fuse::{Emitter, NodeView};
use super::store::{NodeStatus, Store};
use super::web::{Desk, Problem};
use crate::observation::{NodeId, Octets, Origin};
use crate::units::Timestamp;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// Most events that are replayed one by one; beyond that a snapshot is shorter.
pub const REPLAY: u32 = 500;

/// Events on their way to one client.
const QUEUE: usize = 16;

/// Live clients at a time. Chosen: each holds a connection and a task of a few kilobytes.
const MAX_CLIENTS: usize = 256;

/// A comment line this often keeps proxies and phones from closing a quiet connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Alerts listed at most.
const MAX_LISTED: u32 = 500;

/// Which alerts to list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Show {
    /// `all` or nothing.
    #[serde(default)]
    pub(super) show: String,
}

impl Show {
    pub(super) fn filter(&self) -> Filter {
        if self.show == "all" { Filter::All } else { Filter::Active }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Since {
    since: Option<i64>,
}

/// `GET /api/alerts[?show=all]`.
pub(super) async fn alerts(State(desk): State<Desk>, Query(show): Query<Show>) -> Result<Response, Problem> {
    let filter = show.filter();
    let listed = desk.read(move |book, _| book.alerts(filter, MAX_LISTED)).await?;
    let alerts: Vec<Summary> = listed.iter().map(Summary::from).collect();
    let newest_event = *desk.book.newest().borrow();
    Ok(Json(serde_json::json!({ "alerts": alerts, "newest_event": newest_event })).into_response())
}

/// `GET /api/alerts/{id}`: the alert with everything behind it, and its audit trail.
pub(super) async fn alert(State(desk): State<Desk>, Path(id): Path<i64>) -> Result<Response, Problem> {
    let id = AlertId(id);
    let found = desk.read(move |book, _| Ok((book.alert(id)?, book.audit(id)?))).await?;
    let (Some(alert), audit) = found else { return Err(Problem::not_found(format!("alert {id} does not exist"))) };
    Ok(Json(serde_json::json!({ "alert": alert, "audit": audit })).into_response())
}

/// `GET /api/alerts/{id}/geojson`: where the alert's transmitter is, for a map.
pub(super) async fn geojson(State(desk): State<Desk>, Path(id): Path<i64>) -> Result<Response, Problem> {
    let found = desk.read(move |book, _| book.alert(AlertId(id))).await?;
    let alert = found.ok_or_else(|| Problem::not_found(format!("alert {id} does not exist")))?;
    let kind = [(header::CONTENT_TYPE, "application/geo+json")];
    Ok((kind, super::geo::features(&alert).to_string()).into_response())
}

/// A node as the pages and the API show it: what the store knows of its link, and what the analysis knows from its items.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Node {
    pub(super) node: NodeId,
    /// As its retained state or its last will says.
    pub(super) online: Option<bool>,
    pub(super) received_ns: Option<Timestamp>,
    pub(super) position: Option<crate::observation::Position>,
    pub(super) health: Option<crate::observation::Health>,
    pub(super) observations: u64,
    pub(super) findings: u64,
    pub(super) envelopes: u64,
    /// Envelopes that the node had to evict.
    pub(super) evicted: u64,
    /// Items that were in them.
    pub(super) lost_items: u64,
    /// Envelopes that do not fit their neighbours in the chain of hashes.
    pub(super) unlinked: u64,
    /// Messages refused in its name.
    pub(super) refused: u64,
}

/// Every node that the store or the analysis knows, by name.
pub(super) fn nodes_of(book: &Book, store: &Store) -> Result<Vec<Node>, AlertError> {
    let mut views: BTreeMap<NodeId, NodeView> =
        book.nodes()?.into_iter().map(|view| (view.node.clone(), view)).collect();
    let of_status = |status: NodeStatus| {
        let view = views.remove(&status.name);
        Node {
            node: status.name,
            online: status.online,
            received_ns: status.last_received_ns,
            position: view.as_ref().and_then(|view| view.position),
            health: status.health.or_else(|| view.as_ref().and_then(|view| view.health.clone())),
            observations: view.as_ref().map_or(0, |view| view.observations),
            findings: view.as_ref().map_or(0, |view| view.findings),
            envelopes: status.envelopes,
            evicted: status.evicted,
            lost_items: view.as_ref().map_or(0, |view| view.lost_items),
            unlinked: status.unlinked,
            refused: status.refused,
        }
    };
    Ok(store.nodes()?.into_iter().map(of_status).collect())
}

/// `GET /api/nodes`.
pub(super) async fn nodes(State(desk): State<Desk>) -> Result<Response, Problem> {
    let nodes = desk.read(nodes_of).await?;
    Ok(Json(serde_json::json!({ "nodes": nodes })).into_response())
}

/// `GET /api/cells`: every emitter, in short.
pub(super) async fn cells(State(desk): State<Desk>) -> Result<Response, Problem> {
    let emitters = desk.read(|book, _| book.emitters()).await?;
    let short = |emitter: &Emitter| {
        serde_json::json!({
            "emitter": emitter.id,
            "cell": emitter.key,
            "channel": emitter.channel,
            "identity": emitter.identity(),
            "areas": emitter.areas(),
            "licence": emitter.licence,
            "first_ns": emitter.first,
            "last_ns": emitter.last,
            "observations": emitter.observations,
            "nodes": emitter.sightings.keys().collect::<Vec<_>>(),
            "rules": emitter.findings.keys().collect::<Vec<_>>(),
            "distinct_from": emitter.distinct.keys().collect::<Vec<_>>(),
        })
    };
    let cells: Vec<serde_json::Value> = emitters.iter().map(short).collect();
    Ok(Json(serde_json::json!({ "cells": cells })).into_response())
}

/// `GET /api/evidence/{node}/{boot}/{seq}`: an envelope as its node signed it (COSE_Sign1), to be checked without daen.
pub(super) async fn evidence(
    State(desk): State<Desk>,
    Path((node, boot, seq)): Path<(String, String, u64)>,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("there is no such envelope".to_owned());
    let node: NodeId = node.parse().map_err(|_| unknown())?;
    let boot = Octets(hex::decode(&boot).map_err(|_| unknown())?);
    let name = format!("attachment; filename=\"{node}-{boot}-{seq}.cose\"");
    let origin = Origin { node, boot, seq, index: 0 };
    let signed = desk.read(move |_, store| Ok(store.signed(&origin)?)).await?.ok_or_else(unknown)?;
    let headers = [
        (header::CONTENT_TYPE, "application/cose; cose-type=\"cose-sign1\"".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, signed).into_response())
}

/// `GET /api/events`: the live feed.
pub(super) async fn events(State(desk): State<Desk>, Query(since): Query<Since>, headers: HeaderMap) -> Response {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let Some(seat) = Seat::take(&desk) else {
        let problem = "too many live connections; try again in a minute";
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "60")], problem).into_response();
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(serve_client(desk, last.or(since.since), sender, seat));
    let stream = ReceiverStream::new(receiver).map(Ok::<Event, Infallible>);
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("still here");
    ([("x-accel-buffering", "no")], Sse::new(stream).keep_alive(keep_alive)).into_response()
}

/// One of the places for live clients; given back when dropped.
struct Seat(Desk);

impl Seat {
    fn take(desk: &Desk) -> Option<Seat> {
        let taken = desk
            .counters
            .clients
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |have| (have < MAX_CLIENTS).then_some(have + 1));
        taken.is_ok().then(|| Seat(desk.clone()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.counters.clients.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Feeds one client from the journal until it leaves, does not read, or the hub stops.
async fn serve_client(desk: Desk, mut after: Option<i64>, client: mpsc::Sender<Event>, seat: Seat) {
    let mut newest = desk.book.newest();
    let mut closing = desk.closing.clone();
    loop {
        newest.mark_unchanged();
        let resume = match desk.read(move |book, _| book.resume(after, REPLAY)).await {
            Ok(resume) => resume,
            Err(problem) => {
                tracing::warn!(problem = problem.text(), "live feed: the journal cannot be read");
                return;
            }
        };
        for (id, event) in entries(resume) {
            after = Some(id);
            match tokio::time::timeout(desk.config.patience, client.send(event)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    let dropped = desk.counters.dropped.fetch_add(1, Ordering::SeqCst) + 1;
                    tracing::info!(dropped, "live feed: a client that does not read was dropped");
                    return;
                }
            }
        }
        let reached = after.unwrap_or(0);
        tokio::select! {
            grown = newest.wait_for(|newest| *newest > reached) => if grown.is_err() { return },
            () = client.closed() => return,
            () = stopped(&mut closing) => return,
        }
        // A burst of events is read in one go.
        let _seated = &seat;
    }
}

/// Ready when the hub stops.
pub(super) async fn stopped(closing: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the end as well.
    let _ = closing.wait_for(|closing| *closing).await;
}

fn entries(resume: Resume) -> Vec<(i64, Event)> {
    let event = |id: i64, name: &str, data: String| (id, Event::default().id(id.to_string()).event(name).data(data));
    match resume {
        Resume::Events(events) => {
            events.into_iter().map(|entry| event(entry.id, "alert", serde_json::json!(entry).to_string())).collect()
        }
        Resume::Snapshot(newest, alerts) => {
            vec![event(newest, "snapshot", serde_json::json!({ "alerts": alerts }).to_string())]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::{CellKey, Rat};
    use crate::hub::analysis::{Analysis, AnalysisConfig};
    use crate::hub::store::StoredItem;
    use crate::hub::web::{Counters, WebConfig};
    use crate::observation::*;
    use crate::units::{Db, Dbfs, Hz, Ppb};
    use std::sync::Arc;

    /// A finding that opens an alert at once, each on a carrier of its own.
    fn proof(number: u64) -> StoredItem {
        let observation = Observation {
            at_ns: Timestamp(1_000_000_000),
            first_ns: Timestamp(0),
            clock: Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None },
            position: None,
            cell: CellKey { rat: Rat::Gsm, center_hz: 935_200_000 + 200_000 * number, id: 48 },
            identity: None,
            level: Level { dbfs: Dbfs(-40.0), dbm: None, sigma_db: Db(1.0) },
            snr_db: Db(20.0),
            carrier: CarrierError { hz: Hz(0.0), ppb: Ppb(0.0), sigma_ppb: Ppb(1.0) },
            timing: None,
            bearing: None,
            broadcast: vec![BroadcastBlock { name: "SI3".into(), octets: Octets(vec![73]), count: 2 }],
            fields: None,
            content_sha256: None,
            receiver: ReceiverState::default(),
        };
        let finding = Finding {
            rule: "ID-03".into(),
            version: 1,
            tier: Tier::A,
            evidence: vec![],
            innocent: vec![],
            observation,
        };
        let origin = Origin { node: "pole-1".parse().unwrap(), boot: Octets(vec![0; 16]), seq: number + 1, index: 0 };
        let row = number as i64 + 1;
        StoredItem { row, origin, received_ns: Timestamp(2_000_000_000), item: Item::Finding(Box::new(finding)) }
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_dropped_and_counted_and_gives_its_place_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("hub.sqlite")).unwrap();
        let book = Book::open(&store).unwrap();
        let items: Vec<StoredItem> = (0..QUEUE as u64 + 5).map(proof).collect();
        Analysis::open(book.clone(), AnalysisConfig::default()).unwrap().process(&items).unwrap();
        let (_stop, closing) = watch::channel(false);
        let config = WebConfig { patience: Duration::from_millis(20), ..WebConfig::default() };
        let desk = Desk { book, store, config: Arc::new(config), counters: Arc::<Counters>::default(), closing };
        let seat = Seat::take(&desk).unwrap();
        assert_eq!(desk.counters.clients.load(Ordering::SeqCst), 1);
        let (sender, mut receiver) = mpsc::channel(QUEUE);
        // Ends by itself although nobody reads.
        serve_client(desk.clone(), Some(0), sender, seat).await;
        assert_eq!(desk.counters.dropped.load(Ordering::SeqCst), 1);
        assert_eq!(desk.counters.clients.load(Ordering::SeqCst), 0);
        let mut held = 0;
        while receiver.recv().await.is_some() {
            held += 1;
        }
        assert_eq!(held, QUEUE, "no more than the queue was held for it");
    }

    #[test]
    fn places_for_live_clients_are_limited() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("hub.sqlite")).unwrap();
        let book = Book::open(&store).unwrap();
        let (_stop, closing) = watch::channel(false);
        let desk = Desk { book, store, config: Arc::default(), counters: Arc::default(), closing };
        let seats: Vec<Seat> = std::iter::from_fn(|| Seat::take(&desk)).collect();
        assert_eq!(seats.len(), MAX_CLIENTS);
        drop(seats);
        assert!(Seat::take(&desk).is_some());
    }
}
