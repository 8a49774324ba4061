//! Keeps the hub's store within its limits: asks now and then what may go, and never gives up what alerts rest on.

use super::alert::{Alert, AlertError, Book, Filter, State};
use super::store::Store;
use super::store::retention::{EnvelopeName, Retention, Retired};
use crate::units::{Nanos, Timestamp};
use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

/// How often the store is looked at.
const EVERY: Duration = Duration::from_secs(600);
/// What a closed alert rested on is kept for so long after it was closed. Chosen: an objection in time finds the evidence.
const AFTER_CLOSING: Nanos = Nanos::from_secs(90 * 86_400);

/// The envelopes that alerts rest on: all of those that are not closed, that were closed without anybody having looked at them, or that
/// were closed `since`.
pub fn rested_on(alerts: &[Alert], since: Timestamp) -> BTreeSet<EnvelopeName> {
    let done = |alert: &&Alert| {
        alert.state == State::Closed && alert.handled_by.is_some() && alert.closed_ns.is_some_and(|at| at < since)
    };
    let rows = alerts.iter().filter(|alert| !done(alert)).flat_map(|alert| &alert.evidence);
    let origins = rows.filter_map(|row| row.origin.as_ref());
    origins.map(|origin| (origin.node.clone(), origin.boot.clone(), origin.seq)).collect()
}

/// Gives up what `retention` does not keep at `now`.
///
/// # Errors
/// [`AlertError`]: the disk's.
pub fn retire(store: &Store, book: &Book, retention: &Retention, now: Timestamp) -> Result<Retired, AlertError> {
    let since = now - Nanos(retention.age.map_or(0, |age| age.0).max(AFTER_CLOSING.0));
    let held = rested_on(&book.alerts(Filter::All, u32::MAX)?, since);
    Ok(store.retire(retention, &held, book.cursor()?, now)?)
}

/// Does so every ten minutes until `shutdown` is ready. A disk that fails is tried again the next time.
pub async fn run(
    store: Store,
    book: Book,
    retention: Retention,
    clock: fn() -> Timestamp,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (store, book) = (store.clone(), book.clone());
        let done = tokio::task::spawn_blocking(move || retire(&store, &book, &retention, clock())).await;
        match done {
            Ok(Ok(retired)) if retired.envelopes > 0 || retired.held > 0 => {
                tracing::info!(?retired, "the store keeps to its limits");
                if retention.octets.is_some_and(|most| retired.octets > most) {
                    tracing::warn!(
                        octets = retired.octets,
                        "the store is larger than store.octets: alerts rest on what is left"
                    );
                }
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "the store cannot be kept within its limits"),
            Err(error) => tracing::error!(%error, "looking through the store has failed"),
        }
        tokio::select! {
            () = &mut shutdown => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
