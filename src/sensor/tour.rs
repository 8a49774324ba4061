//! A receiver led along its plan: where it is tuned, what is made of the samples there, and what the plan is told of it.
//!
//! ```text
//! plan says where -> tune -> samples of that tuning -> sweep: spectrum only
//!                                                      search, decode: GSM on the fresh carriers; what may be wider is kept for the lab
//! ```
//!
//! Every tuning is a stream of its own, so nothing is followed from one dwell to the next but what is known of the window: which of its
//! carriers hold cells, which wait for an explanation ([`super::sweep`]). A search that finds something goes on as the decode dwell on
//! the same stream, without a loss. Candidates are searched with the oscillator moved, which tells the receiver's own tones from
//! carriers. Time is the stream's.

mod asked;
mod told;

use super::crew::Crew;
use super::lab::{KEPT, Kept, Lab};
use super::scan::{Found, Kind, Plan, Reach, Step};
use super::sweep::{Memory, PASS, STEP};
use super::task::Dwells;
use super::tile::Gathered;
use super::waterfall;
use crate::cell::{CellKey, Rat, gsm_arfcn};
use crate::dsp::slots::Slots;
use crate::dsp::spectrum::{Spectrum, Welch};
use crate::observation::{Observation, Schedule, SpectrumTile};
use crate::radio::live::Live;
use crate::radio::source::StreamInfo;
use crate::rat::{Options, gsm};
use crate::units::{Hz, Nanos, Timestamp};
use num_complex::Complex32;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// How far the oscillator is moved for a search. Chosen: two slots, so that what moves with it leaves its slot.
const SHIFT: Hz = Hz(400e3);
/// The same tuning, as near as tuners come.
const SAME: Hz = Hz(5e3);
/// GSM carriers searched at once, the lowest first; the others wait for their turn.
const MOST_CARRIERS: usize = 100;
/// Longest dwell for a task, so that others get their turn.
const TASK: Nanos = Nanos::from_millis(2200);
/// A dwell that breaks so often is over.
const MOST_BREAKS: u8 = 2;
/// The air time that the schedule's probability is told for.
const AIRTIME: Nanos = Nanos::from_secs(60);

/// What is under way.
#[derive(Debug)]
struct Dwell {
    step: Step,
    tuned: Hz,
    breaks: u8,
    /// Samples still wanted, and of them for the spectrum; 0 before the stream has come.
    left: u64,
    look: u64,
    /// No fresh carrier has stood the move of the oscillator.
    hopeless: bool,
    kept: Option<Kept>,
    /// A stretch of it may be kept, and is in the lab.
    keeps: bool,
    searched: bool,
    /// Cells heard, and whether they said who they are.
    cells: BTreeMap<CellKey, bool>,
}

/// What the station does next.
#[derive(Debug)]
pub enum Next {
    /// Nothing yet: go on.
    Stay,
    /// The receivers go on with the stream: a search has become a dwell.
    Continue,
    /// The stream goes on, with these receivers from here on.
    Begin(Option<(StreamInfo, Options)>),
    /// Another tuning was asked for.
    Move,
}

/// A receiver's tour.
#[derive(Debug)]
pub struct Tour {
    name: String,
    plan: Plan,
    usable: Hz,
    tuning: Vec<[Hz; 2]>,
    live: Arc<Live>,
    dwells: Arc<Dwells>,
    lab: Lab,
    memory: Vec<Memory>,
    gathered: Vec<Gathered>,
    tiles_every: Option<Nanos>,
    tile: Option<SpectrumTile>,
    welch: Option<Welch>,
    spectrum: Spectrum,
    slots: Slots,
    dwell: Option<Dwell>,
    /// Window and tuning of the search just before.
    last: Option<(Option<usize>, Hz)>,
    /// The stream that is delivered, and its samples so far.
    stream: Option<(StreamInfo, u64)>,
    steps: u64,
    schedule: Arc<Mutex<Schedule>>,
    /// Who it scans with, its number there, and what it knows of what is lent to it.
    crew: Option<(Arc<Crew>, usize, u64)>,
}

impl Tour {
    /// A tour along `plan` with what `live` tunes; `usable` and `tuning` are the receiver's. `dwells`: what the hub asks for.
    ///
    /// # Errors
    /// The system's, where no thread can be had.
    pub fn start(
        name: String,
        plan: Plan,
        (usable, tuning): (Hz, Vec<[Hz; 2]>),
        live: Arc<Live>,
        dwells: Arc<Dwells>,
    ) -> std::io::Result<Tour> {
        Ok(Tour {
            memory: vec![Memory::default(); plan.windows().len()],
            gathered: vec![Gathered::default(); plan.windows().len()],
            tiles_every: None,
            tile: None,
            schedule: Arc::default(),
            name,
            plan,
            usable,
            tuning,
            live,
            dwells,
            lab: Lab::start()?,
            welch: None,
            spectrum: Spectrum::default(),
            slots: Slots::default(),
            dwell: None,
            last: None,
            stream: None,
            steps: 0,
            crew: None,
        })
    }

    /// And takes the part of others of the crew while they cannot, as its receiver `number`.
    pub fn with_crew(self, crew: Arc<Crew>, number: usize) -> Tour {
        Tour { crew: Some((crew, number, 0)), ..self }
    }

    /// Between two steps: takes what is lent to it by now.
    fn take_what_is_lent(&mut self) {
        let Some((crew, number, seen)) = &mut self.crew else { return };
        let Some(bands) = crew.lent(*number, seen) else { return };
        let before: Vec<(Hz, bool)> = self.plan.windows().iter().map(|window| (window.center, window.gsm)).collect();
        let reach = Reach { usable: self.usable, tuning: self.tuning.clone(), retune: self.plan.retune() };
        self.plan.lend(&bands, &reach);
        let own = self.plan.own();
        let (mut memory, mut gathered) = (self.memory.split_off(own), self.gathered.split_off(own));
        for window in &self.plan.windows()[own..] {
            let known = before[own..].iter().position(|old| *old == (window.center, window.gsm));
            self.memory.push(known.map(|at| std::mem::take(&mut memory[at])).unwrap_or_default());
            self.gathered.push(known.map(|at| std::mem::take(&mut gathered[at])).unwrap_or_default());
        }
        // Numbers behind its own mean other windows now.
        self.last = self.last.filter(|(window, _)| window.is_some_and(|window| window < own));
    }

    /// And makes a tile of each window so often.
    pub fn with_tiles(self, every: Option<Nanos>) -> Tour {
        Tour { tiles_every: every, ..self }
    }

    /// The tile that has become due, if one has.
    pub fn tile(&mut self) -> Option<SpectrumTile> {
        self.tile.take()
    }

    /// What it is at, for the health report; kept up to date.
    pub fn schedule(&self) -> Arc<Mutex<Schedule>> {
        self.schedule.clone()
    }

    /// Rate of the stream that is delivered.
    pub fn rate(&self) -> Option<Hz> {
        self.stream.as_ref().map(|(info, _)| info.sample_rate)
    }

    fn now(&self) -> Option<Timestamp> {
        let (info, samples) = self.stream.as_ref()?;
        Some(info.start + Nanos((*samples as f64 / info.sample_rate.0 * 1e9).round() as i64))
    }

    /// A stream begins. Gives the receivers for it, if the dwell wants any.
    pub fn arrive(&mut self, info: &StreamInfo) -> Option<(StreamInfo, Options)> {
        if self.stream.as_ref().is_none_or(|(before, _)| before.sample_rate != info.sample_rate) {
            self.welch = Some(Welch::new(waterfall::size(info.sample_rate)));
        }
        self.stream = Some((info.clone(), 0));
        let here = |tuned: Hz| (info.center.0 - tuned.0).abs() <= SAME.0;
        match &mut self.dwell {
            None => return self.choose(),
            Some(dwell) if here(dwell.tuned) => {
                // The same dwell again, from its beginning: it was broken.
                if dwell.left > 0 {
                    dwell.breaks += 1;
                }
                if dwell.breaks > MOST_BREAKS {
                    return self.conclude();
                }
            }
            Some(dwell) if self.live.is_refused(dwell.tuned) => {
                tracing::warn!(center_hz = dwell.tuned.0, "the receiver does not tune there; it is left out");
                if let Some(window) = dwell.step.window {
                    self.plan.refuse(window);
                } else {
                    self.plan.done(&dwell.step, Found::Nothing, info.start);
                }
                self.dwell = None;
                return self.choose();
            }
            // Of the tuning before.
            Some(_) => return None,
        }
        self.begin()
    }

    /// The dwell begins with the present sample of the stream.
    fn begin(&mut self) -> Option<(StreamInfo, Options)> {
        let now = self.now()?;
        let (info, _) = self.stream.as_ref()?;
        let info = StreamInfo { start: now, ..info.clone() };
        let dwell = self.dwell.as_mut()?;
        let samples = |span: Nanos| (span.as_secs_f64() * info.sample_rate.0).ceil() as u64;
        if let Some(kept) = dwell.kept.take() {
            self.lab.give_up(kept);
        }
        dwell.cells.clear();
        if let Some(welch) = &mut self.welch {
            welch.restart();
        }
        let memory = dwell.step.window.map(|window| &self.memory[window]);
        let gsm_window = dwell.step.window.map(|window| self.plan.windows()[window].gsm);
        let (mut carriers, mut wide) = (Vec::new(), false);
        match (dwell.step.kind, memory) {
            (Kind::Sweep, _) => {}
            (Kind::Task, _) => {
                let center = dwell.step.center.round();
                match u64::try_from(center) {
                    Ok(center) if gsm_arfcn(center).is_some() => carriers.push(center),
                    _ => wide = true,
                }
            }
            (_, Some(memory)) => {
                let gsm = gsm_window == Some(true);
                let known = memory.cells().filter(|_| dwell.step.kind == Kind::Decode);
                carriers.extend(memory.fresh().chain(known).filter(|hz| gsm && gsm_arfcn(*hz).is_some()));
                carriers.truncate(MOST_CARRIERS);
                wide = !gsm || memory.is_wide(dwell.step.kind == Kind::Decode);
            }
            (_, None) => {}
        }
        if wide && dwell.keeps && !dwell.searched {
            dwell.kept = self.lab.keep(dwell.step.window, info.clone(), true);
            if dwell.kept.is_some() {
                dwell.step.length = Nanos(dwell.step.length.0.max(KEPT.0));
            }
        }
        dwell.left = samples(dwell.step.length);
        dwell.look = samples(self.plan.options().sweep).min(dwell.left);
        let options = gsm::Options { carriers: Some(carriers), live: true, ..gsm::Options::default() };
        let any = options.carriers.as_ref().is_some_and(|carriers| !carriers.is_empty());
        any.then(|| (info, Options { gsm: options, only: Some(Rat::Gsm), ..Options::default() }))
    }

    /// Where to go next; the receivers, where it is here.
    fn choose(&mut self) -> Option<(StreamInfo, Options)> {
        let now = self.now()?;
        self.take_what_is_lent();
        self.ask_for_tasks(now);
        let step = self.plan.next(now)?;
        let tuned = self.place(&step);
        let here = self.stream.as_ref().is_some_and(|(info, _)| (info.center.0 - tuned.0).abs() <= SAME.0);
        // What a search kept is not kept again by the dwell that follows it.
        let keeps = !(step.kind == Kind::Decode && self.last.is_some_and(|(window, ..)| window == step.window));
        let (breaks, left, look, hopeless, searched, cells) = (0, 0, 0, false, false, BTreeMap::new());
        self.dwell = Some(Dwell { step, tuned, breaks, left, look, hopeless, kept: None, keeps, searched, cells });
        self.steps += 1;
        self.tell(now);
        if here {
            return self.begin();
        }
        self.live.tune(tuned);
        None
    }

    /// Where the oscillator goes for a step.
    fn place(&self, step: &Step) -> Hz {
        if let Some((_, tuned)) = self.last.filter(|(window, _)| step.kind == Kind::Decode && *window == step.window) {
            return tuned;
        }
        let shift = match (step.kind, step.window) {
            (Kind::Sweep, _) | (_, None) => Hz(0.0),
            (_, Some(window)) => match self.memory[window].fresh().next() {
                // Towards the lowest of them, so that none of that side gets lost at the edge.
                Some(fresh) if fresh as f64 <= step.center.0 => Hz(-SHIFT.0),
                Some(_) => SHIFT,
                None => Hz(0.0),
            },
        };
        // A task's carrier stands beside the receiver's own DC.
        let shift = if step.kind == Kind::Task && self.usable.0 >= 3.0 * SHIFT.0 { SHIFT } else { shift };
        let wanted = step.center + shift;
        let reached = self.tuning.iter().any(|[least, most]| (least.0..=most.0).contains(&wanted.0));
        if reached { wanted } else { step.center }
    }

    /// Takes the next samples; what the station does next.
    pub fn take(&mut self, samples: &[Complex32], clipped: u32) -> Next {
        let Some((_, count)) = &mut self.stream else { return Next::Stay };
        *count += samples.len() as u64;
        let Some(dwell) = self.dwell.as_mut().filter(|dwell| dwell.left > 0) else { return Next::Stay };
        let looked = (samples.len() as u64).min(dwell.look) as usize;
        dwell.left = dwell.left.saturating_sub(samples.len() as u64);
        if looked > 0
            && let Some(welch) = &mut self.welch
        {
            dwell.look -= looked as u64;
            welch.process(&samples[..looked]);
            if dwell.look == 0 {
                self.look();
            }
        }
        let Some(dwell) = &mut self.dwell else { return Next::Stay };
        if let Some(mut kept) = dwell.kept.take() {
            if kept.take(samples, clipped) {
                dwell.searched = true;
                self.lab.search(kept);
            } else {
                dwell.kept = Some(kept);
            }
        }
        let (before, was, goes_on) = (dwell.tuned, dwell.step, dwell.left > 0 && !dwell.hopeless);
        let begun = if !goes_on {
            self.conclude()
        } else if self.is_wanted_elsewhere() {
            self.give_way()
        } else {
            return Next::Stay;
        };
        match &mut self.dwell {
            // The search goes over into the decode dwell: its receivers know the cells already.
            Some(next)
                if next.tuned == before
                    && next.step.window == was.window
                    && (was.kind, next.step.kind) == (Kind::Search, Kind::Decode) =>
            {
                Next::Continue
            }
            Some(next) if next.left > 0 => Next::Begin(begun),
            _ => Next::Move,
        }
    }

    /// The spectrum of the dwell is there.
    fn look(&mut self) {
        let (Some(now), Some(welch), Some((info, _))) = (self.now(), &mut self.welch, &self.stream) else { return };
        let Some(dwell) = &mut self.dwell else { return };
        if !welch.take_into(&mut self.spectrum) {
            return;
        }
        let slots = self.slots.cut(&self.spectrum, info.center, info.sample_rate, self.usable, STEP);
        let Some(window) = dwell.step.window else { return };
        let memory = &mut self.memory[window];
        match dwell.step.kind {
            Kind::Sweep => {
                memory.look(slots, now);
                if let Some(interval) = self.tiles_every
                    && self.gathered[window].take(slots, now, interval)
                {
                    let picture = (&self.spectrum, info.center, info.sample_rate, self.usable);
                    self.tile = Some(self.gathered[window].tile(picture, now));
                }
            }
            Kind::Search => {
                memory.confirm(slots, now);
                dwell.hopeless = memory.fresh().next().is_none();
            }
            Kind::Decode | Kind::Task => {}
        }
    }

    /// An observation of the dwell.
    pub fn heard(&mut self, observation: &Observation) {
        if let Some(dwell) = &mut self.dwell {
            *dwell.cells.entry(observation.cell).or_default() |= observation.identity.is_some();
        }
    }

    /// The dwell is over: tells the plan, and chooses what is next.
    fn conclude(&mut self) -> Option<(StreamInfo, Options)> {
        let (now, dwell) = (self.now()?, self.dwell.take()?);
        self.last = (dwell.step.kind == Kind::Search).then_some((dwell.step.window, dwell.tuned));
        if let Some(kept) = dwell.kept {
            self.lab.give_up(kept);
        }
        let said = dwell.cells.values().any(|said| *said);
        let Some(window) = dwell.step.window else {
            self.plan.done(&dwell.step, if said { Found::Cells } else { Found::Nothing }, now);
            return self.choose();
        };
        let memory = &mut self.memory[window];
        let found = match dwell.step.kind {
            Kind::Sweep | Kind::Task if memory.fresh().next().is_some() => Found::Changed,
            Kind::Sweep | Kind::Task => Found::Nothing,
            Kind::Search if !dwell.cells.is_empty() => Found::Changed,
            Kind::Decode if said => Found::Cells,
            Kind::Search | Kind::Decode if dwell.searched => Found::Kept,
            Kind::Search | Kind::Decode => Found::Nothing,
        };
        for (cell, _) in dwell.cells.iter().filter(|(_, said)| **said) {
            memory.explain(cell.carrier(), STEP);
        }
        self.plan.done(&dwell.step, found, now);
        let waits = self.plan.windows()[window].candidate.is_some();
        // What the lab was too busy for stays fresh.
        let busy = found == Found::Nothing && !self.plan.windows()[window].gsm && !dwell.hopeless;
        if dwell.step.kind != Kind::Sweep && !waits && !busy {
            memory.pass(now + PASS);
        }
        self.choose()
    }

    /// A stretch that the lab has searched, if there is one; to be given to [`Tour::learn`] when its reports are told.
    pub fn result(&mut self) -> Option<Kept> {
        self.lab.result()
    }

    /// Takes a stretch back, and what was observed in it: carrier and width of each cell.
    pub fn learn(&mut self, kept: Kept, cells: &[(Hz, Hz)]) {
        if let (Some(window), Some(now)) = (kept.window, self.now())
            && self
                .plan
                .windows()
                .get(window)
                .is_some_and(|at| (at.center.0 - kept.info.center.0).abs() <= 2.0 * SHIFT.0)
            && let Some(memory) = self.memory.get_mut(window)
        {
            for (center, width) in cells {
                memory.explain(*center, *width);
            }
            self.plan.told(window, !cells.is_empty(), now);
        }
        self.lab.give_up(kept);
    }
}
