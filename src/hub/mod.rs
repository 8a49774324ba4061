//! The hub's shell: broker, ingest and store, what it makes of the observations, and what it tells people and machines.

pub mod broker;
pub mod ingest;
pub mod provision;
pub mod store;

pub mod alert;
pub mod analysis;
pub mod fuse;
pub mod place;

pub mod feeds;
mod geo;
pub mod retire;
pub mod task;
pub mod web;

use crate::config::hub::Config;
use crate::config::link::topic;
use crate::config::{self, stopped, wall_clock};
use crate::locate::country::Border;
use crate::locate::sector::Sector;
use crate::observation::envelope::iq::seal_ask;
use crate::rules::{Format, Register};
use alert::Book;
use analysis::AnalysisConfig;
use place::{Atlas, PlaceConfig};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use web::WebConfig;

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
    /// The alerts.
    #[error(transparent)]
    Alert(#[from] alert::AlertError),
    /// The licence register.
    #[error("rules.register: {path}: {problem}")]
    Register {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The border line.
    #[error("locate.border: {path}: {problem}")]
    Border {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The pages.
    #[error("web.listen: {address}: {source}; choose another address or stop what listens there")]
    Web {
        /// Where they should be.
        address: std::net::SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A task panicked.
    #[error("the {stage} ended unexpectedly; restart the hub, nothing that was acknowledged is lost")]
    Stage {
        /// Which.
        stage: &'static str,
    },
}

/// Messages for the regulators' feeds that may wait for the broker; the oldest stay, what comes beyond is dropped and said so.
const FEED_QUEUE: usize = 1000;

/// Where a hub keeps its store.
pub fn store_path(config: &Config) -> PathBuf {
    config.state_dir.join("hub.sqlite")
}

/// Runs a hub until `stop`: its broker, where it has one of its own, ingest, analysis, pages and feeds. Where one of them ends, all of
/// them end, the broker last.
///
/// # Errors
/// [`HubError`]: the hub cannot start, or a part of it has failed for good.
pub async fn run(config: Config, mut stop: watch::Receiver<bool>) -> Result<(), HubError> {
    let folder = &config.state_dir;
    std::fs::create_dir_all(folder).map_err(|source| HubError::Folder { path: folder.clone(), source })?;
    let store = Store::open(store_path(&config))?;
    let book = Book::open(&store)?;
    let register = config.register.as_deref().map(read_register).transpose()?.map(Arc::new);
    let border = config.border.as_deref().map(read_border).transpose()?;
    let sector = |(azimuth_deg, beamwidth_deg): (f64, f64)| Sector { azimuth_deg, beamwidth_deg };
    let sectors = config.sectors.iter().map(|(node, both)| (node.clone(), sector(*both))).collect();
    let atlas = Arc::new(Atlas::new(register.as_deref(), border).with_sectors(sectors));
    let licence = register.map(analysis::licences);
    let pages = |source| HubError::Web { address: config.web.listen, source };
    let listener = TcpListener::bind(config.web.listen).await.map_err(pages)?;
    let broker = match config.embedded.clone() {
        None => None,
        Some(embedded) => {
            let (hub, nodes, folder) = (config.hub.clone(), config.nodes.clone(), folder.join("broker"));
            let start = move || broker::Broker::start(&embedded, &hub, nodes.keys(), &folder);
            Some(tokio::task::spawn_blocking(start).await.map_err(|_| HubError::Stage { stage: "broker" })??)
        }
    };

    // The parts stop together, on the signal from outside or because one of them is gone.
    let (halt, halted) = watch::channel(false);
    let until_halt = || {
        let mut halted = halted.clone();
        async move { stopped(&mut halted).await }
    };
    let mut parts: JoinSet<Result<(), HubError>> = JoinSet::new();
    let options = ingest::Options {
        hub: config.hub.clone(),
        key: config.signing_key.clone(),
        nodes: Arc::new(config.nodes.clone()),
        link: config.link.clone(),
    };
    let (ingest_status, _) = watch::channel(ingest::Status::default());
    let (feed, messages) = mpsc::channel(FEED_QUEUE);
    let ingesting = ingest::run(store.clone(), options, messages, ingest_status, halted.clone(), wall_clock);
    parts.spawn(async move { Ok(ingesting.await?) });
    let place = PlaceConfig { ground_m: config.ground_m, ..PlaceConfig::default() };
    let signer = Arc::new(analysis::Signer { hub: config.hub.clone(), key: config.signing_key.clone() });
    let settings = AnalysisConfig {
        licence,
        place,
        atlas: atlas.clone(),
        signer: Some(signer.clone()),
        ..AnalysisConfig::default()
    };
    let asking = ask_for_samples(store.clone(), signer.clone(), feed.clone(), until_halt());
    parts.spawn(async move {
        asking.await;
        Ok(())
    });
    let thinking = analysis::run(store.clone(), book.clone(), settings, Some(feed), until_halt());
    parts.spawn(async move { Ok(thinking.await?) });
    let (age, octets) = config.retention;
    if age.is_some() || octets.is_some() {
        let retention = store::retention::Retention { age, octets };
        let keeping = retire::run(store.clone(), book.clone(), retention, wall_clock, until_halt());
        parts.spawn(async move {
            keeping.await;
            Ok(())
        });
    }
    let settings = WebConfig { hosts: config.web.hosts.clone(), atlas, ..WebConfig::default() };
    let serving = web::serve(listener, store, book, settings, until_halt());
    let address = config.web.listen;
    parts.spawn(async move { serving.await.map_err(|source| HubError::Web { address, source }) });
    tracing::info!("the pages are at http://{address}/");

    let first = tokio::select! {
        ended = parts.join_next() => ended,
        () = stopped(&mut stop) => None,
    };
    // Nobody listens any more only when every part is gone already.
    let _ = halt.send(true);
    let mut outcome = first.map_or(Ok(()), flatten);
    while let Some(ended) = parts.join_next().await {
        outcome = outcome.and(flatten(ended));
    }
    if let Some(broker) = broker {
        // It saves its sessions as it ends, which may take a moment.
        let _ = tokio::task::spawn_blocking(move || broker.stop()).await;
    }
    // A hub that was told to stop has not failed, whatever its parts said as they went.
    if *stop.borrow_and_update() { Ok(()) } else { outcome }
}

/// How often it is looked whether samples are to be asked for.
const ASKING: Duration = Duration::from_secs(2);

/// Sends what the store says is to be asked of nodes. What gets lost on the way is asked for again.
async fn ask_for_samples(
    store: Store,
    signer: Arc<analysis::Signer>,
    feed: mpsc::Sender<analysis::FeedMessage>,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let store = store.clone();
        match tokio::task::spawn_blocking(move || store.asks_due(wall_clock())).await {
            Ok(Ok(asks)) => {
                for ask in asks {
                    if let Ok(payload) = seal_ask(&ask, &signer.hub, &signer.key) {
                        let _ = feed.try_send(analysis::FeedMessage { topic: topic::down(&ask.node), payload });
                    }
                }
            }
            Ok(Err(error)) => tracing::error!(%error, "samples cannot be asked for"),
            Err(error) => tracing::error!(%error, "asking for samples has failed"),
        }
        tokio::select! {
            () = &mut shutdown => return,
            () = tokio::time::sleep(ASKING) => {}
        }
    }
}

fn flatten(ended: Result<Result<(), HubError>, tokio::task::JoinError>) -> Result<(), HubError> {
    ended.unwrap_or(Err(HubError::Stage { stage: "hub" }))
}

fn read_register(path: &Path) -> Result<Register, HubError> {
    let refuse = |problem: String| HubError::Register { path: path.to_owned(), problem };
    let file = std::fs::File::open(path).map_err(|error| refuse(error.to_string()))?;
    let (register, report) = Register::load(file, Format::Detect).map_err(|error| refuse(error.to_string()))?;
    tracing::info!(register = %path.display(), cells = register.len(), "{report:?}");
    Ok(register)
}

fn read_border(path: &Path) -> Result<Border, HubError> {
    let refuse = |problem: String| HubError::Border { path: path.to_owned(), problem };
    let text = config::text(path).map_err(|error| refuse(error.to_string()))?;
    let border = Border::parse(&text).map_err(|error| refuse(error.to_string()))?;
    tracing::info!(border = %path.display(), source = border.source, date = border.date, "the border line is no finding");
    Ok(border)
}
