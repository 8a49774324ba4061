//! The hub's shell: broker, ingest and store; what it makes of the observations is in the modules after them.

pub mod broker;
pub mod ingest;
pub mod licence;
pub mod provision;
pub mod store;

pub mod alert;
pub mod analysis;
pub mod feeds;
pub mod fuse;
pub mod web;

use crate::config::hub::Config;
use crate::config::{stopped, wall_clock};
use alert::{AlertError, Book};
use analysis::AnalysisConfig;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tracing::info;
use web::WebConfig;

/// Feed messages that wait for the broker; beyond it the journal alone has them.
const FEED: usize = 256;

/// Why a hub cannot run.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Its folder cannot be used.
    #[error("{path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The pages' address is taken or not ours.
    #[error("the pages cannot be served on {listen}: {source}; stop what listens there, or change web.listen")]
    Listen {
        /// As configured.
        listen: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The pages' server failed.
    #[error("pages: {0}")]
    Web(std::io::Error),
    /// The licence register.
    #[error(transparent)]
    Licence(#[from] licence::LicenceError),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// Its own broker.
    #[error(transparent)]
    Broker(#[from] broker::BrokerError),
    /// Ingest.
    #[error(transparent)]
    Ingest(#[from] ingest::IngestError),
    /// The alerts.
    #[error(transparent)]
    Alert(#[from] AlertError),
    /// A task panicked.
    #[error("the {stage} ended unexpectedly; restart the hub, nothing that was acknowledged is lost")]
    Stage {
        /// Which.
        stage: &'static str,
    },
}

/// Runs a hub until `stop`: its broker, where it has one of its own, ingest, analysis and pages. Then all of them end, the broker last.
///
/// # Errors
/// [`HubError`]: the hub cannot start, or a part of it has failed for good; the others are then ended too.
pub async fn run(config: Config, mut stop: watch::Receiver<bool>) -> Result<(), HubError> {
    let folder = &config.state_dir;
    std::fs::create_dir_all(folder).map_err(|source| HubError::Folder { path: folder.clone(), source })?;
    let licence = config.register.as_deref().map(licence::load).transpose()?;
    let store = Store::open(folder.join("hub.sqlite"))?;
    let book = Book::open(&store)?;
    let listen = config.web.listen;
    let listener = TcpListener::bind(listen).await.map_err(|source| HubError::Listen { listen, source })?;
    let broker = match config.embedded.clone() {
        None => None,
        Some(embedded) => {
            let (hub, nodes, folder) = (config.hub.clone(), config.nodes.clone(), folder.join("broker"));
            let start = move || broker::Broker::start(&embedded, &hub, nodes.keys(), &folder);
            Some(tokio::task::spawn_blocking(start).await.map_err(|_| HubError::Stage { stage: "broker" })??)
        }
    };
    let options = ingest::Options {
        hub: config.hub.clone(),
        key: config.signing_key.clone(),
        nodes: Arc::new(config.nodes.clone()),
        link: config.link.clone(),
    };
    info!("the pages are at http://{}/", listener.local_addr().unwrap_or(listen));

    let (end, ending) = watch::channel(false);
    let until_end = || {
        let mut ending = ending.clone();
        async move { stopped(&mut ending).await }
    };
    let (status, _) = watch::channel(ingest::Status::default());
    let (feed, to_publish) = mpsc::channel(FEED);
    let ingest = async {
        let ended = ingest::run(store.clone(), options, to_publish, status, ending.clone(), wall_clock).await;
        end.send_replace(true);
        ended.map_err(HubError::from)
    };
    let analysis = async {
        let settings = AnalysisConfig { licence, ..AnalysisConfig::default() };
        let ended = analysis::run(store.clone(), book.clone(), settings, Some(feed), until_end()).await;
        end.send_replace(true);
        ended.map_err(HubError::from)
    };
    let pages = async {
        let settings = WebConfig { hosts: config.web.hosts.clone(), ..WebConfig::default() };
        let ended = web::serve(listener, store.clone(), book.clone(), settings, until_end()).await;
        end.send_replace(true);
        ended.map_err(HubError::Web)
    };
    let told = async {
        tokio::select! {
            () = stopped(&mut stop) => {}
            () = until_end() => {}
        }
        end.send_replace(true);
    };
    let (ingest, analysis, pages, ()) = tokio::join!(ingest, analysis, pages, told);
    if let Some(broker) = broker {
        // It saves its sessions as it ends, which may take a moment.
        let _ = tokio::task::spawn_blocking(move || broker.stop()).await;
    }
    ingest.and(analysis).and(pages)
}
