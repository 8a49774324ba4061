//! The pages: rendered here, whole as served; small scripts of our own keep them up to date, and nothing comes from elsewhere.
//!
//! Everything that came from the air or from a node is text to maud, which escapes it, and the content security policy lets no script run
//! that this program did not bring. Actions are plain forms; a request that another site's page makes is refused by its
//! `Sec-Fetch-Site` and `Origin`. There are no accounts yet: the listener belongs on 127.0.0.1 or behind a proxy that asks who is there,
//! and the name that goes into the audit trail is the one that was typed.

mod act;
mod alert;
mod alerts;
mod cells;
mod guard;
mod map;
mod nodes;
mod page;
mod plan;
mod rules;
mod samples;
mod spectrum;

use super::alert::{AlertError, Book};
use super::feeds;
use super::place::Atlas;
use super::store::Store;
use crate::units::Timestamp;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Largest form that is read, octets.
const MAX_FORM: usize = 8 * 1024;

/// How the pages are served.
#[derive(Clone, Debug)]
pub struct WebConfig {
    /// Names under which the pages may be asked for, beside `localhost` and plain addresses; any other `Host` is refused, so that a
    /// page elsewhere cannot reach the hub by pointing its own name here.
    pub hosts: Vec<String>,
    /// How long a live client may leave an event unread.
    pub patience: Duration,
    /// Sites and border for the maps.
    pub atlas: Arc<Atlas>,
}

impl Default for WebConfig {
    fn default() -> WebConfig {
        WebConfig { hosts: Vec::new(), patience: Duration::from_secs(10), atlas: Arc::default() }
    }
}

/// What every request can reach.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) book: Book,
    pub(super) store: Store,
    pub(super) config: Arc<WebConfig>,
    pub(super) counters: Arc<Counters>,
    pub(super) closing: watch::Receiver<bool>,
}

/// Live clients now, and those that were dropped because they did not read.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) clients: AtomicUsize,
    pub(super) dropped: AtomicU64,
}

impl Desk {
    /// Reads from the disk on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Book, &Store) -> Result<T, AlertError> + Send + 'static,
    ) -> Result<T, Problem> {
        let (book, store) = (self.book.clone(), self.store.clone());
        let done = tokio::task::spawn_blocking(move || work(&book, &store)).await;
        done.expect("reading does not panic and is not aborted").map_err(Problem::from)
    }
}

/// An answer that is not what was asked for.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    text: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Problem {
        Problem { status, text: text.into() }
    }

    pub(super) fn not_found(text: String) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, text)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl From<AlertError> for Problem {
    fn from(error: AlertError) -> Problem {
        let status = match error {
            AlertError::NoSuchAlert(_) => StatusCode::NOT_FOUND,
            AlertError::NotNow { .. } => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            tracing::error!(%error, "page");
        }
        Problem::new(status, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let page = page::problem(self.status, &self.text);
        (self.status, Html(page.into_string())).into_response()
    }
}

/// Serves pages and feeds on `listener` until `shutdown` is ready; then lets requests finish and ends live feeds.
///
/// # Errors
/// What the listener reports.
pub async fn serve(
    listener: TcpListener,
    store: Store,
    book: Book,
    config: WebConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (stop, closing) = watch::channel(false);
    let router = router(store, book, config, closing);
    let shutdown = async move {
        shutdown.await;
        // Nobody listens any more only when there is nobody to tell.
        let _ = stop.send(true);
    };
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

fn router(store: Store, book: Book, config: WebConfig, closing: watch::Receiver<bool>) -> Router {
    let desk = Desk { book, store, config: Arc::new(config), counters: Arc::default(), closing };
    Router::new()
        .route("/", get(alerts::page))
        .route("/alerts/{id}", get(alert::page))
        .route("/alerts/{id}/acknowledge", post(act::acknowledge))
        .route("/alerts/{id}/close", post(act::close))
        .route("/alerts/{id}/samples", post(samples::ask))
        .route("/nodes", get(nodes::page))
        .route("/nodes/{node}/spectrum", get(spectrum::page))
        .route("/nodes/{node}/spectrum/{first_hz}", get(spectrum::window))
        .route("/cells", get(cells::page))
        .route("/rules", get(rules::page))
        .route("/fragment/alerts", get(alerts::fragment))
        .route("/fragment/alerts/{id}", get(alert::fragment))
        .route("/fragment/nodes", get(nodes::fragment))
        .route("/fragment/cells", get(cells::fragment))
        .route("/api/alerts", get(feeds::alerts))
        .route("/api/alerts/{id}", get(feeds::alert))
        .route("/api/alerts/{id}/geojson", get(feeds::geojson))
        .route("/api/nodes", get(feeds::nodes))
        .route("/api/nodes/{node}/spectrum", get(spectrum::api))
        .route("/api/cells", get(feeds::cells))
        .route("/api/events", get(feeds::events))
        .route("/api/evidence/{node}/{boot}/{seq}", get(feeds::evidence))
        .route("/api/samples/{name}", get(samples::file))
        .route("/static/{name}", get(file))
        .fallback(|| async { Problem::not_found("there is no such page".to_owned()) })
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(axum::middleware::from_fn_with_state(desk.clone(), guard::check))
        .with_state(desk)
}

/// The files that pages refer to; compiled in, so that the binary is all there is.
async fn file(axum::extract::Path(name): axum::extract::Path<String>) -> Response {
    let (kind, octets): (&str, &'static [u8]) = match name.as_str() {
        "daen.css" => ("text/css; charset=utf-8", include_bytes!("static/daen.css")),
        "daen.js" => ("text/javascript; charset=utf-8", include_bytes!("static/daen.js")),
        "icon.svg" => ("image/svg+xml", include_bytes!("static/icon.svg")),
        "noto-sans-thai-daen.woff2" => ("font/woff2", include_bytes!("static/noto-sans-thai-daen.woff2")),
        "noto-sans-khmer-daen.woff2" => ("font/woff2", include_bytes!("static/noto-sans-khmer-daen.woff2")),
        "OFL.txt" => ("text/plain; charset=utf-8", include_bytes!("static/OFL.txt")),
        _ => return Problem::not_found("there is no such file".to_owned()).into_response(),
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "max-age=300")], octets).into_response()
}

/// The hub's own clock, read where a person acts and where ages are shown.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// What a rule looks for, in half a line; `None` for rules that this version does not have.
fn rule_text(rule: &str) -> Option<&'static str> {
    let of_nodes = crate::rules::catalogue().find(|about| about.id == rule).map(|about| about.title);
    of_nodes.or_else(|| super::alert::title(rule))
}
