//! The hub's shell: broker, ingest and store; what it makes of the observations is in the modules after them.

pub mod broker;
pub mod ingest;
pub mod provision;
pub mod store;

use crate::config::hub::Config;
use crate::config::wall_clock;
use std::path::PathBuf;
use std::sync::Arc;
use store::Store;
use tokio::sync::watch;

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
    /// The store.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// Its own broker.
    #[error(transparent)]
    Broker(#[from] broker::BrokerError),
    /// Ingest.
    #[error(transparent)]
    Ingest(#[from] ingest::IngestError),
    /// A task panicked.
    #[error("the {stage} ended unexpectedly; restart the hub, nothing that was acknowledged is lost")]
    Stage {
        /// Which.
        stage: &'static str,
    },
}

/// Runs a hub until `stop`: its broker, where it has one of its own, and everything that reads from it. Then all of them end, the
/// broker last.
///
/// # Errors
/// [`HubError`]: the hub cannot start, or a part of it has failed for good.
pub async fn run(config: Config, mut stop: watch::Receiver<bool>) -> Result<(), HubError> {
    let folder = &config.state_dir;
    std::fs::create_dir_all(folder).map_err(|source| HubError::Folder { path: folder.clone(), source })?;
    let store = Store::open(folder.join("hub.sqlite"))?;
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
    let (ingest_status, _) = watch::channel(ingest::Status::default());
    let ended = ingest::run(store, options, ingest_status, stop.clone(), wall_clock).await;
    if let Some(broker) = broker {
        // It saves its sessions as it ends, which may take a moment.
        let _ = tokio::task::spawn_blocking(move || broker.stop()).await;
    }
    // A hub that was told to stop has not failed, whatever its parts said as they went.
    if *stop.borrow_and_update() { Ok(()) } else { Ok(ended?) }
}
