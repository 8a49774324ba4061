//! Puts a node together and takes it apart in order: source, receiver, spooler, publisher, health.

mod ears;
mod load;
mod watching;

use super::crew::Crew;
use super::evidence::send::Outbox;
use super::health::{Sampler, SourceState};
use super::instrument::{self, Instrument, InstrumentError};
use super::publish::{self, Status};
use super::receive;
use super::spool::{self, Spool, SpoolError, new_boot};
use super::task::Dwells;
use super::tour::Tour;
use super::watchdog::Notify;
use super::whereabouts::{self, Begin, Stand, Survey, Whereabouts};
use super::{evidence, gpsd, source, spooler};
use crate::config::sensor::{Config, Source};
use crate::config::{stopped, wall_clock};
use crate::observation::{Clock, ClockSource, Schedule};
use crate::radio::live::Live;
use crate::radio::source::SourceError;
use crate::rules::{self, Engine, Format, Register, RegisterError, StateError};
use crate::units::{Nanos, Timestamp};
use ears::{Ear, Known, receiving};
use load::loading;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tracing::{info, warn};
use watching::Watching;

/// Items between receiver and spooler; a full channel makes the receiver wait.
const ITEMS: usize = 4096;
/// How often what the rules have learned is written. Chosen: a power cut costs at most an hour of baseline.
const KEEP_EVERY: Duration = Duration::from_secs(3600);
/// How often the state behind the health report is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How often the machine is looked at.
const SAMPLE: Duration = Duration::from_secs(60);
/// Between two health reports of which the second tells of a change.
const SETTLE: Duration = Duration::from_secs(5);

/// Why a node cannot run.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The source.
    #[error("source: {0}")]
    Source(#[from] SourceError),
    /// The receiver's calibration.
    #[error(transparent)]
    Instrument(#[from] InstrumentError),
    /// The rules file.
    #[error("rules.file: {0}")]
    Rules(#[from] rules::ConfigError),
    /// The register cannot be opened.
    #[error("rules.register: {path}: {source}")]
    RegisterFile {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The register holds nothing of use.
    #[error("rules.register: {path}: {source}")]
    Register {
        /// The file.
        path: PathBuf,
        /// Why.
        source: RegisterError,
    },
    /// What the rules had learned cannot be read.
    #[error("{path}: {source}")]
    Learned {
        /// The file.
        path: PathBuf,
        /// Why, with the remedy.
        source: StateError,
    },
    /// The folder of the evidence ring.
    #[error("evidence.folder: {0}; it must be a folder that the node may write")]
    Evidence(std::io::Error),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// A stage panicked.
    #[error("the {stage} ended unexpectedly; restart the node, nothing of the spool is lost")]
    Stage {
        /// Which.
        stage: &'static str,
    },
}

/// How long a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until it is stopped, whatever happens to the source.
    Stopped,
    /// Until the source has ended and the hub has acknowledged everything, or it is stopped.
    Sent,
}

/// The rules with the register and what they learned in earlier runs.
fn engine(config: &Config, learned: &Path) -> Result<Engine, PipelineError> {
    let settings = match &config.rules {
        Some(path) => rules::Config::load(path)?,
        None => rules::Config::default(),
    };
    let register = match &config.register {
        None => None,
        Some(path) => {
            let file = std::fs::File::open(path)
                .map_err(|source| PipelineError::RegisterFile { path: path.clone(), source })?;
            let (register, report) = Register::load(file, Format::Detect)
                .map_err(|source| PipelineError::Register { path: path.clone(), source })?;
            info!(register = %path.display(), cells = register.len(), "{report:?}");
            Some(register)
        }
    };
    let mut engine = Engine::new(settings, register);
    if let Ok(json) = std::fs::read_to_string(learned) {
        let error = |source| PipelineError::Learned { path: learned.to_owned(), source };
        engine.import_state(&json).map_err(error)?;
    }
    Ok(engine)
}

/// The names of the receivers, in the order of the sources.
fn receivers(config: &Config) -> Vec<String> {
    let first = match &config.source {
        Source::Soapy(device) => device.args.clone(),
        _ => "source".to_owned(),
    };
    std::iter::once(first).chain(config.devices.iter().map(|device| device.args.clone())).collect()
}

/// What is known of each receiver, in the order of the sources. One beside the first is calibrated where the folder has a file of its
/// serial number.
fn instruments(
    config: &Config,
    now: Timestamp,
    opened: &[source::Listening],
) -> Result<Vec<Arc<Instrument>>, PipelineError> {
    let further = config.devices.iter().map(|device| Config {
        source: Source::Soapy(device.clone()),
        calibration: config.calibration.as_ref().and_then(|choice| instrument::of_another(choice, device)),
        ..config.clone()
    });
    let all = std::iter::once(config.clone()).chain(further).enumerate();
    let live = |number: usize| opened.get(number).and_then(|listening| listening.opened.live.clone());
    let one = |(number, config)| Ok(Arc::new(Instrument::new(&config, now)?.at(live(number))));
    all.map(one).collect()
}

/// Checks everything that a start would check, and starts nothing.
///
/// # Errors
/// [`PipelineError`].
pub fn check(config: &Config) -> Result<(), PipelineError> {
    engine(config, &config.state_dir.join("learned.json"))?;
    let opened = source::open_all(config, Timestamp(0))?;
    instruments(config, wall_clock(), &opened)?;
    Ok(())
}

fn keep(engine: &Engine, path: &Path) {
    replace(path, &engine.export_state());
}

/// Writes beside the file and renames, so that a power cut leaves the old one or the new one.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
    if let Err(error) = written {
        warn!(path = %path.display(), %error, "what the node has learned cannot be written");
    }
}

/// What a survey has brought so far; beside the spool.
const SURVEY: &str = "survey.json";

/// Place and time as configured, with what an earlier survey has brought.
fn begin(config: &Config, instrument: &Instrument, opened: Option<&source::Opened>, now: Timestamp) -> Whereabouts {
    let navigation = &config.navigation;
    let stand = match (config.position, navigation.gpsd) {
        (Some(position), _) => Some(Stand::Surveyed(position)),
        (None, Some(_)) if !navigation.moving => Some(Stand::Survey(navigation.survey)),
        _ => None,
    };
    let free = Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None };
    let whereabouts = Whereabouts::new(Begin {
        stand,
        away_m: navigation.away_m,
        navigation: navigation.gpsd.is_some(),
        clock: opened.map_or(free, |opened| opened.clock),
        by_host: opened.is_some_and(|opened| opened.live.is_some()),
        stamp: if instrument.has_delay() { Nanos(0) } else { whereabouts::STAMP },
        now,
    });
    let kept = std::fs::read_to_string(config.state_dir.join(SURVEY)).ok();
    if let Some(survey) = kept.and_then(|text| serde_json::from_str::<Survey>(&text).ok()) {
        whereabouts.resume(survey);
    }
    whereabouts
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    /// Of each source: what it counts, how it is, and what it is at if it scans.
    received: Vec<receive::Counters>,
    sources: Vec<Mutex<SourceState>>,
    schedules: Vec<Arc<Mutex<Schedule>>>,
    dwells: Arc<Dwells>,
    spooled: spooler::Counters,
    /// Receiver and generators end.
    stop: AtomicBool,
    /// The spooler no longer waits for a disk that takes nothing.
    give_up: AtomicBool,
}

impl Shared {
    fn new(sources: usize, schedules: Vec<Arc<Mutex<Schedule>>>) -> Shared {
        let of_each = |_| (receive::Counters::default(), Mutex::default());
        let (received, sources) = (0..sources).map(of_each).unzip();
        Shared { received, sources, schedules, ..Shared::default() }
    }

    /// How the sources are together: failed if one of them is, ended when all are.
    fn source(&self) -> SourceState {
        let mut all = self.sources.iter().map(|state| state.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let states: Vec<SourceState> = all.by_ref().collect();
        let failed = states.iter().find(|state| matches!(state, SourceState::Failed(_)));
        let running = states.iter().find(|state| **state == SourceState::Running);
        failed.or(running).cloned().unwrap_or(SourceState::Ended)
    }
    fn set_source(&self, number: usize, state: SourceState) {
        if let Some(place) = self.sources.get(number) {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = state;
        }
    }
}

type Thread = std::thread::JoinHandle<()>;

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<Thread, PipelineError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(PipelineError::Thread)
}

async fn join(thread: Thread, stage: &'static str) -> Result<(), PipelineError> {
    let joined = tokio::task::spawn_blocking(move || thread.join()).await;
    if matches!(joined, Ok(Ok(()))) { Ok(()) } else { Err(PipelineError::Stage { stage }) }
}

/// Runs a node until `until` or `stop`, and then ends every stage in its order: what was received is spooled, and what the hub
/// takes within a moment is sent.
///
/// # Errors
/// [`PipelineError`]. A source that fails while the node runs is a matter of its health, not an error, unless the node runs only
/// [`Until::Sent`].
pub async fn run(config: Config, until: Until, mut stop: watch::Receiver<bool>) -> Result<(), PipelineError> {
    let started = wall_clock();
    let notify = Arc::new(Notify::from_environment());
    let options = spool::Options {
        node: config.node.clone(),
        key: config.signing_key.clone(),
        limit_octets: config.spool.limit_octets,
        boot: new_boot(),
    };
    let spool = Arc::new(Spool::open(&config.state_dir, options)?);
    let learned = config.state_dir.join("learned.json");
    let engine = engine(&config, &learned)?;
    let opened = source::open_all(&config, started)?;
    let instruments = instruments(&config, started, &opened)?;
    let instrument = instruments[0].clone();
    for warning in instruments.iter().flat_map(|instrument| instrument.warnings(started)) {
        warn!("{warning}");
    }
    let (known, names) = (instruments.clone(), receivers(&config));
    let crew = opened.iter().filter_map(|listening| {
        let (crew, number) = listening.route.as_ref()?.crew.clone();
        Some((listening.opened.live.clone()?, crew, number))
    });
    let crew: Vec<(Arc<Live>, Arc<Crew>, usize)> = crew.collect();
    let has_samples = !opened.is_empty();
    let live: Vec<Arc<Live>> = opened.iter().filter_map(|listening| listening.opened.live.clone()).collect();
    let evidence_lost = Arc::new(AtomicU64::new(0));
    let keeping = match &config.evidence {
        None => None,
        Some(ring) => {
            let started = evidence::start(&ring.folder, ring.quota, opened.len(), &evidence_lost);
            Some(started.map_err(PipelineError::Evidence)?)
        }
    };
    let (taps, keeping) = keeping.unzip();
    let taps = taps.unwrap_or_default();
    let whereabouts = Arc::new(begin(&config, &instrument, opened.first().map(|listening| &listening.opened), started));
    info!(node = %config.node, boot = %spool.boot(), waiting = spool.stats().envelopes, "the node starts");

    let dwells = Arc::new(Dwells::default());
    let tiles = config.report.spectrum;
    let listening = opened.into_iter().map(|listening| Ear::new(listening, &dwells, tiles));
    let ears: Vec<Ear> = listening.collect::<Result<_, _>>().map_err(PipelineError::Thread)?;
    let schedules = ears.iter().filter_map(|ear| ear.tour.as_ref().map(Tour::schedule)).collect();
    let shared = Arc::new(Shared { dwells, ..Shared::new(ears.len().max(1), schedules) });
    let (items, to_spool) = sync_channel(ITEMS);
    let (appended, news) = watch::channel(0);
    let (status, link) = watch::channel(Status::default());
    let (publish_stop, publish_stopped) = watch::channel(false);

    let spooling = {
        let (spool, shared) = (spool.clone(), shared.clone());
        let options = spooler::Options {
            batch_items: config.report.batch_items,
            batch_wait: config.report.batch_wait,
            routine_wait: config.report.routine_wait,
        };
        thread("spooler", move || {
            let give_up = || shared.give_up.load(Ordering::Relaxed);
            spooler::run(&to_spool, &spool, options, &appended, &shared.spooled, wall_clock, give_up);
        })?
    };
    let receiving = match &config.source {
        Source::Load { items: count } => {
            drop(taps);
            vec![loading(*count, items.clone(), shared.clone())?]
        }
        _ => {
            let known = Known { engine, instruments, whereabouts: whereabouts.clone(), evidence: taps, learned };
            receiving(ears, known, &config, &items, &shared)?
        }
    };
    let navigating = match config.navigation.gpsd {
        None => None,
        Some(address) => {
            let (whereabouts, shared) = (whereabouts.clone(), shared.clone());
            let listen = move || gpsd::run(address, &whereabouts, &shared.stop, wall_clock);
            Some(thread("navigation", listen)?)
        }
    };
    notify.send("READY=1");
    let (health_stop, health_stopped) = channel();
    let health = {
        let watching = Watching {
            sampler: Sampler::new(
                started,
                &config.state_dir,
                config.digest.clone(),
                u32::try_from(config.report.health.as_secs()).unwrap_or(u32::MAX),
            ),
            whereabouts: whereabouts.clone(),
            chrony: config.navigation.chrony && !live.is_empty(),
            has_samples,
            evidence_lost,
            survey_file: config.state_dir.join(SURVEY),
            instruments: names.into_iter().zip(known).collect(),
            crew,
            remark: config.remark.clone(),
            shared: shared.clone(),
            spool: spool.clone(),
            link: link.clone(),
            limit: config.spool.limit_octets,
            interval: config.report.health,
            live: live.clone(),
            notify: notify.clone(),
        };
        thread("health", move || watching.run(&items, &health_stopped))?
    };
    let options = publish::Options {
        node: config.node.clone(),
        hub: config.hub.clone(),
        hub_key: config.hub_key,
        link: config.link.clone(),
        window: config.spool.window,
        resend: config.spool.resend,
        dwells: shared.dwells.clone(),
        evidence: config.evidence.filter(|ring| ring.send).map(|ring| {
            let outbox = Outbox::new(config.node.clone(), config.signing_key.clone(), config.report.month_octets);
            (ring.folder, Arc::new(Mutex::new(outbox)))
        }),
    };
    let mut publishing = tokio::spawn(publish::run(spool.clone(), options, news, status, publish_stopped, wall_clock));

    let broken = tokio::select! {
        () = stopped(&mut stop) => None,
        () = sent(until, &shared, &spool) => None,
        ended = &mut publishing => Some(ended),
    };
    info!("the node stops");
    shared.stop.store(true, Ordering::Relaxed);
    live.iter().for_each(|live| live.stop());
    let _ = health_stop.send(());
    for thread in receiving {
        join(thread, "receiver").await?;
    }
    if let Some(keeping) = keeping {
        join(keeping, "evidence").await?;
    }
    join(health, "health").await?;
    if let Some(navigating) = navigating {
        join(navigating, "navigation").await?;
    }
    shared.give_up.store(true, Ordering::Relaxed);
    join(spooling, "spooler").await?;
    let ended = match broken {
        Some(ended) => ended,
        None => {
            let _ = publish_stop.send(true);
            publishing.await
        }
    };
    let stats = spool.stats();
    info!(waiting = stats.envelopes, "the node has stopped");
    ended.map_err(|_| PipelineError::Stage { stage: "publisher" })??;
    match (until, shared.source()) {
        (Until::Sent, SourceState::Failed(problem)) => Err(PipelineError::Source(SourceError::Field {
            path: "the source".to_owned(),
            field: "samples".to_owned(),
            problem,
            remedy: "what was received before it has been sent".to_owned(),
        })),
        _ => Ok(()),
    }
}

/// Ready when the source has ended and the spool is empty; never, for a node that runs until it is stopped.
async fn sent(until: Until, shared: &Shared, spool: &Spool) {
    let mut quiet = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        // Twice in a row: an item may be on its way from the one to the other.
        let done = shared.source() != SourceState::Running && spool.stats().envelopes == 0;
        quiet = if done && until == Until::Sent { quiet + 1 } else { 0 };
        if quiet > 12 {
            return;
        }
    }
}
