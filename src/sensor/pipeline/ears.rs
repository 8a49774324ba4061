//! A thread for each source, and one judge for all of them.

use super::{KEEP_EVERY, PipelineError, Shared, Thread, keep, thread};
use crate::config::sensor::Config;
use crate::observation::Item;
use crate::radio::ring::{WhenFull, ring};
use crate::rules::Engine;
use crate::sensor::cadence::Cadence;
use crate::sensor::health::SourceState;
use crate::sensor::instrument::Instrument;
use crate::sensor::lab::Lab;
use crate::sensor::receive::{Beside, Judge, Station};
use crate::sensor::spool::Class;
use crate::sensor::task::Dwells;
use crate::sensor::tour::Tour;
use crate::sensor::waterfall::Waterfall;
use crate::sensor::whereabouts::Whereabouts;
use crate::sensor::{evidence, source};
use crate::units::Nanos;
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tracing::error;

/// What the receiver threads take along.
pub(super) struct Known {
    pub(super) engine: Engine,
    /// Of each source.
    pub(super) instruments: Vec<Arc<Instrument>>,
    pub(super) whereabouts: Arc<Whereabouts>,
    /// Of each source where evidence is kept, of none otherwise.
    pub(super) evidence: Vec<evidence::Tap>,
    pub(super) learned: PathBuf,
}

/// A source with everything that its thread needs.
pub(super) struct Ear {
    pub(super) listening: source::Listening,
    pub(super) tour: Option<Tour>,
    /// Of a receiver whose tuning stays.
    pub(super) beside: Beside,
}

impl Ear {
    pub(super) fn new(
        listening: source::Listening,
        dwells: &Arc<Dwells>,
        tiles: Option<Nanos>,
    ) -> std::io::Result<Ear> {
        let live = listening.opened.live.clone();
        let (tour, beside) = match (listening.route.clone(), live) {
            (Some(route), Some(live)) => {
                let reach = (route.reach.usable, route.reach.tuning);
                let tour = Tour::start(route.name, route.plan, reach, live, dwells.clone())?;
                let (crew, number) = route.crew;
                (Some(tour.with_tiles(tiles).with_crew(crew, number)), Beside::default())
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
pub(super) fn receiving(
    ears: Vec<Ear>,
    Known { engine, instruments, whereabouts, evidence, learned }: Known,
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
    let mut taps = evidence.into_iter();
    for (number, (ear, instrument)) in ears.into_iter().zip(instruments).enumerate() {
        let (judge, items, shared, learned) = (judge.clone(), items.clone(), shared.clone(), learned.clone());
        let (whereabouts, evidence) = (whereabouts.clone(), taps.next());
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
