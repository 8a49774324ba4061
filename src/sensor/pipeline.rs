//! Puts a node together and takes it apart in order: source, receiver, spooler, publisher, health.

use super::cadence::Cadence;
use super::health::{Figures, Machine, Sampler, SourceState};
use super::instrument::{Instrument, InstrumentError};
use super::lab::Lab;
use super::publish::{self, Status};
use super::receive::{self, Beside, Judge, Station};
use super::spool::{self, Class, Spool, SpoolError, new_boot};
use super::task::Dwells;
use super::tour::Tour;
use super::watchdog::{Feed, Flow, Notify};
use super::waterfall::Waterfall;
use super::whereabouts::{self, Begin, Stand, Survey, Whereabouts};
use super::{chrony, evidence, gpsd, source, spooler};
use crate::cell::{CellKey, Rat};
use crate::config::sensor::{Config, Source};
use crate::config::{stopped, wall_clock};
use crate::observation::{
    BroadcastBlock, CarrierError, Clock, ClockSource, Dwell, Item, Level, Observation, Octets, ReceiverState, Schedule,
};
use crate::radio::live::Live;
use crate::radio::ring::{WhenFull, ring};
use crate::radio::source::SourceError;
use crate::rules::{self, Engine, Format, Register, RegisterError, StateError};
use crate::units::{Db, Dbfs, Hz, Nanos, Ppb, Timestamp};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tracing::{error, info, warn};

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

/// What is known of each receiver, in the order of the sources; the calibration is that of the first.
fn instruments(config: &Config, now: Timestamp) -> Result<Vec<Arc<Instrument>>, PipelineError> {
    let further = config.devices.iter().map(|device| Config {
        source: Source::Soapy(device.clone()),
        calibration: None,
        ..config.clone()
    });
    let all = std::iter::once(config.clone()).chain(further);
    Ok(all.map(|config| Instrument::new(&config, now).map(Arc::new)).collect::<Result<_, _>>()?)
}

/// Checks everything that a start would check, and starts nothing.
///
/// # Errors
/// [`PipelineError`].
pub fn check(config: &Config) -> Result<(), PipelineError> {
    engine(config, &config.state_dir.join("learned.json"))?;
    source::open_all(config, Timestamp(0))?;
    instruments(config, wall_clock())?;
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
    let instruments = instruments(&config, started)?;
    let instrument = instruments[0].clone();
    for warning in instrument.warnings(started) {
        warn!("{warning}");
    }
    let has_samples = !opened.is_empty();
    let live: Vec<Arc<Live>> = opened.iter().filter_map(|listening| listening.opened.live.clone()).collect();
    let evidence_lost = Arc::new(AtomicU64::new(0));
    let keeping = match &config.evidence {
        None => None,
        Some((folder, quota)) => {
            Some(evidence::start(folder, *quota, evidence_lost.clone()).map_err(PipelineError::Evidence)?)
        }
    };
    let (tap, keeping) = keeping.unzip();
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
            drop(tap);
            vec![loading(*count, items.clone(), shared.clone())?]
        }
        _ => {
            let known = Known { engine, instruments, whereabouts: whereabouts.clone(), evidence: tap, learned };
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
            instrument: instrument.clone(),
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

/// What the receiver threads take along.
struct Known {
    engine: Engine,
    /// Of each source.
    instruments: Vec<Arc<Instrument>>,
    whereabouts: Arc<Whereabouts>,
    /// There is one receiver alone, and its tuning stays, where evidence is kept.
    evidence: Option<evidence::Tap>,
    learned: PathBuf,
}

/// A source with everything that its thread needs.
struct Ear {
    listening: source::Listening,
    tour: Option<Tour>,
    /// Of a receiver whose tuning stays.
    beside: Beside,
}

impl Ear {
    fn new(listening: source::Listening, dwells: &Arc<Dwells>, tiles: Option<Nanos>) -> std::io::Result<Ear> {
        let live = listening.opened.live.clone();
        let (tour, beside) = match (listening.route.clone(), live) {
            (Some(route), Some(live)) => {
                let reach = (route.reach.usable, route.reach.tuning);
                let tour = Tour::start(route.name, route.plan, reach, live, dwells.clone())?;
                (Some(tour.with_tiles(tiles)), Beside::default())
            }
            (_, live) => {
                let waterfall = listening.usable.zip(tiles).map(|(usable, tiles)| Waterfall::new(usable, tiles));
                (None, Beside { lab: live.map(|_| Lab::start()).transpose()?, waterfall })
            }
        };
        Ok(Ear { listening, tour, beside })
    }
}

/// A thread for each source, and one judge for all.
fn receiving(
    ears: Vec<Ear>,
    Known { engine, instruments, whereabouts, mut evidence, learned }: Known,
    config: &Config,
    items: &SyncSender<(Class, Item)>,
    shared: &Arc<Shared>,
) -> Result<Vec<Thread>, PipelineError> {
    let mut kept = Instant::now();
    let (path, several) = (learned.clone(), ears.len());
    let cadence = Cadence::new(config.report.interval).dwelling(shared.dwells.clone());
    let cadence = match config.report.month_octets {
        Some(octets) => cadence.within(octets),
        None => cadence,
    };
    let judge = Judge {
        engine,
        cadence,
        keep: Box::new(move |engine: &Engine| {
            if kept.elapsed() >= KEEP_EVERY {
                keep(engine, &path);
                kept = Instant::now();
            }
        }),
    };
    let judge = Arc::new(Mutex::new(judge));
    let mut threads = Vec::with_capacity(several);
    for (number, (ear, instrument)) in ears.into_iter().zip(instruments).enumerate() {
        let (judge, items, shared, learned) = (judge.clone(), items.clone(), shared.clone(), learned.clone());
        let (whereabouts, evidence) = (whereabouts.clone(), evidence.take());
        threads.push(thread("receiver", move || {
            let Ear { listening, mut tour, beside } = ear;
            let (blocks, block) = listening.blocks;
            let source::Opened { source, live, .. } = listening.opened;
            let mut source = instrument.correct(source);
            // Neither recordings nor scenes lose anything by waiting; a receiver does not wait.
            let when_full = if live.is_some() { WhenFull::Drop } else { WhenFull::Wait };
            let (feeder, reader) = ring(blocks, block, when_full);
            let counters = &shared.received[number];
            let station = Station { judge: &judge, whereabouts, instrument, evidence, items, counters };
            let ended = std::thread::scope(|scope| {
                scope.spawn(move || feeder.run(source.as_mut()));
                match &mut tour {
                    Some(tour) => station.follow(reader, tour, &shared.stop),
                    None => station.run(reader, beside, &shared.stop),
                }
            });
            keep(&judge.lock().unwrap_or_else(PoisonError::into_inner).engine, &learned);
            shared.set_source(
                number,
                match ended {
                    Ok(()) => SourceState::Ended,
                    Err(error) => {
                        error!(%error, "the source has failed");
                        SourceState::Failed(error.to_string())
                    }
                },
            );
        })?);
    }
    Ok(threads)
}

/// The test source: numbered observations as fast as the spool takes them.
fn loading(count: u64, items: SyncSender<(Class, Item)>, shared: Arc<Shared>) -> Result<Thread, PipelineError> {
    thread("load", move || {
        for number in 1..=count {
            if shared.stop.load(Ordering::Relaxed) || items.send((Class::Observation, load_item(number))).is_err() {
                break;
            }
        }
        shared.set_source(0, SourceState::Ended);
    })
}

/// The observation with this number, which stands in its time; as long as one of a GSM cell with its usual messages.
fn load_item(number: u64) -> Item {
    let at_ns = Timestamp(number.cast_signed());
    let block = |name: &str| BroadcastBlock { name: name.to_owned(), octets: Octets(vec![0x2b; 23]), count: 9 };
    Item::Observation(Box::new(Observation {
        at_ns,
        first_ns: at_ns,
        clock: Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None },
        position: None,
        cell: CellKey { rat: Rat::Gsm, center_hz: 935_000_000 + 200_000 * (number % 125), id: (number % 64) as u16 },
        identity: None,
        level: Level { dbfs: Dbfs(-60.0), dbm: None, sigma_db: Db(1.0) },
        snr_db: Db(12.0),
        carrier: CarrierError { hz: Hz(0.0), ppb: Ppb(0.0), sigma_ppb: Ppb(1.0) },
        timing: None,
        bearing: None,
        broadcast: ["SI1", "SI2", "SI2ter", "SI3", "SI4", "SI13"].map(block).to_vec(),
        fields: None,
        content_sha256: Some(Octets(vec![0; 32])),
        receiver: ReceiverState { stream: "load".to_owned(), ..ReceiverState::default() },
    }))
}

/// The health thread.
struct Watching {
    sampler: Sampler,
    whereabouts: Arc<Whereabouts>,
    /// chrony is asked: the system's clock stamps samples.
    chrony: bool,
    /// Samples that the disk was too slow for as evidence.
    evidence_lost: Arc<AtomicU64>,
    survey_file: PathBuf,
    instrument: Arc<Instrument>,
    shared: Arc<Shared>,
    spool: Arc<Spool>,
    link: watch::Receiver<Status>,
    limit: u64,
    interval: Duration,
    /// The source is not the one without samples.
    has_samples: bool,
    live: Vec<Arc<Live>>,
    notify: Arc<Notify>,
}

impl Watching {
    fn figures(&self, now: Timestamp) -> Figures {
        let received = &self.shared.received;
        let sum = |counter: fn(&receive::Counters) -> u64| received.iter().map(counter).sum::<u64>();
        let last_decode = received.iter().map(|one| one.last_decode_ns.load(Ordering::Relaxed)).max().unwrap_or(0);
        let counts = self.live.iter().map(|live| live.counts()).reduce(|all, one| all + one);
        let problem = self.live.iter().find_map(|live| live.problem());
        // Taken away, so that each report has its own.
        let latency = received.iter().map(|one| one.latency_ms.swap(0, Ordering::Relaxed)).max();
        let schedule = |one: &Arc<Mutex<Schedule>>| one.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let place = self.whereabouts.at(now);
        let mut notes = self.instrument.warnings(now);
        notes.extend(place.warnings);
        if self.evidence_lost.load(Ordering::Relaxed) > 0 {
            notes.push("the disk is too slow for the evidence ring; stretches are missing in it".to_owned());
        }
        if received.iter().any(|one| one.spectrum_only.load(Ordering::Relaxed)) {
            notes.push(
                "a receiver's rate is above 32 Msps: its spectrum is looked at and nothing is decoded".to_owned(),
            );
        }
        let mut by_band = BTreeMap::new();
        for one in received {
            for (band, at) in one.by_band.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                let newest = by_band.entry(*band).or_insert(*at);
                *newest = (*newest).max(*at);
            }
        }
        Figures {
            clock: self.has_samples.then_some(place.clock),
            samples: sum(|one| one.samples.load(Ordering::Relaxed)),
            lost_samples: sum(|one| one.lost_samples.load(Ordering::Relaxed)),
            device: counts.map(|counts| (counts, problem)),
            cells: received.iter().map(|one| one.cells.load(Ordering::Relaxed)).sum(),
            by_band,
            position: place.position,
            navigation: place.navigation,
            clock_error: self.instrument.clock_error(now),
            notes,
            last_decode: (last_decode != 0).then_some(Timestamp(last_decode)),
            clipped_ppm: received.iter().map(|one| one.clipped_ppm.load(Ordering::Relaxed)).max().unwrap_or(0),
            schedules: self.shared.schedules.iter().map(schedule).collect(),
            latency_ms: latency.filter(|_| counts.is_some()),
            spool: self.spool.stats(),
            spool_limit: self.limit,
            lost_items: self.shared.spooled.lost.load(Ordering::Relaxed),
            stuck_items: self.shared.spooled.stuck.load(Ordering::Relaxed),
            link: self.link.borrow().clone(),
            dwells: self.shared.dwells.at(now),
            source: self.shared.source(),
        }
    }

    /// Asks chrony, and keeps what a survey has brought.
    fn look_around(&self) {
        if self.chrony {
            self.whereabouts.chrony(chrony::ask());
        }
        if let Some(survey) = self.whereabouts.survey()
            && let Ok(text) = serde_json::to_string(&survey)
        {
            replace(&self.survey_file, &text);
        }
    }

    /// A report at the start, every interval, and soon after anything worth a warning has come or gone.
    fn run(mut self, items: &SyncSender<(Class, Item)>, stopped: &std::sync::mpsc::Receiver<()>) {
        let mut told: Option<(Vec<String>, Vec<Dwell>)> = None;
        let mut at = Instant::now();
        let mut sampled: Option<(Instant, Machine)> = None;
        let (begun, mut feed) = (at, self.notify.watchdog.map(Feed::new));
        loop {
            let now = wall_clock();
            let figures = self.figures(now);
            let machine = match sampled {
                Some((at, machine)) if at.elapsed() < SAMPLE => machine,
                _ => {
                    self.look_around();
                    sampled.insert((Instant::now(), self.sampler.look(now))).1
                }
            };
            let flow = match (&figures.source, &figures.device) {
                (SourceState::Running, Some((_, Some(_)))) => Flow::Excused,
                (SourceState::Running, _) if self.has_samples => Flow::Expected,
                // A receiver that was given up: only another process can help.
                (SourceState::Failed(_), Some(_)) => Flow::Expected,
                _ => Flow::Over,
            };
            if feed.as_mut().is_some_and(|feed| feed.is_due(begun.elapsed(), figures.samples, flow)) {
                self.notify.send("WATCHDOG=1");
            }
            let state = (super::health::warnings(&figures, &machine), figures.dwells.clone());
            let changed = told.as_ref().is_none_or(|told| *told != state);
            if at.elapsed() >= self.interval || told.is_none() || (changed && at.elapsed() >= SETTLE) {
                let health = self.sampler.report(now, &figures, &machine);
                let class = if changed { Class::Health } else { Class::Routine };
                if items.send((class, Item::Health(Box::new(health)))).is_err() {
                    return;
                }
                told = Some(state);
                at = Instant::now();
            }
            match stopped.recv_timeout(LOOK) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}
