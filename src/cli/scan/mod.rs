//! `daen scan`: what is on the air now, for an engineer at a terminal; from a receiver or a recording.

mod picture;
mod plan;
#[cfg(feature = "soapy")]
mod probe;
mod screen;

use super::replay::parse_hz;
use super::service::{start_log, stop_on_signal};
use anyhow::{Context as _, bail};
use daen::cell::CellKey;
use daen::config::device::Device;
use daen::config::stopped;
use daen::dsp::spectrum::{Spectrum, Welch};
use daen::observation::{Clock, ClockSource, Observation};
use daen::radio::live::Live;
use daen::radio::ring::{Reader, WhenFull, ring};
use daen::radio::sigmf;
use daen::radio::source::{Event, StreamInfo};
use daen::rules::{self, Engine};
use daen::sensor::lab::Lab;
use daen::sensor::observe::observe;
use daen::sensor::receive::{Effort, Hearing, Split, Surroundings};
use daen::sensor::recognised::Recognised;
use daen::sensor::source::{Listening, Opened, staying};
use daen::units::{Db, Hz};
use screen::Screen;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bins of the spectrum.
const BINS: usize = 4096;
/// What a cell that was decoded explains of the spectrum at least; TS 36.104 table 5.6-1.
const LEAST_LTE: Hz = Hz(1.08e6);
/// Cells kept; more are only counted.
const MOST_CELLS: usize = 512;
/// How often a stop or a device in trouble is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// At the end a search that has begun is waited for; one at 20 Msps takes a second or two.
const PATIENCE: Duration = Duration::from_secs(20);

/// Options of `daen scan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A SigMF recording instead of a receiver.
    #[arg(value_name = "FILE", required_unless_present_any = ["device", "probe", "plan"], conflicts_with_all = ["device", "probe", "plan"])]
    file: Option<PathBuf>,
    /// List the devices that are there, what they offer, and what their profile would set. Opens each for a moment.
    #[arg(long)]
    probe: bool,
    /// Show how a receiver of the model --profile would scan the bands of these countries, such as TH,KH (or tables, paths that end
    /// in .toml): its windows, how often each is swept, and how likely a transmitter is decoded. Nothing is opened.
    #[arg(long, value_name = "COUNTRIES", value_delimiter = ',', requires = "profile", conflicts_with_all = ["device", "probe"])]
    plan: Vec<String>,
    /// A receiver, by SoapySDR's arguments, such as driver=rtlsdr; with --probe only those that fit are listed.
    #[arg(long, value_name = "ARGS")]
    device: Option<String>,
    /// Frequency at the middle of the band, such as 947.4M.
    #[arg(long, value_name = "HZ", value_parser = parse_hz, required_unless_present_any = ["file", "probe", "plan"])]
    freq: Option<Hz>,
    /// Samples a second, such as 2.4M; the profile's first one where it is left away.
    #[arg(long, value_name = "HZ", value_parser = parse_hz)]
    rate: Option<Hz>,
    /// A gain element and its value in dB, such as LNA=24; may be given for each.
    #[arg(long = "gain", value_name = "NAME=DB", value_parser = parse_gain)]
    gains: Vec<(String, Db)>,
    /// Receive port.
    #[arg(long, value_name = "NAME")]
    antenna: Option<String>,
    /// Profile of the model: a name of firmware-config, or a file; chosen by the device's driver where it is left away.
    #[arg(long, value_name = "NAME", default_value = "")]
    profile: String,
    /// End after so many seconds of signal.
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    seconds: Option<f64>,
    /// Print the cells at the end as JSON, one observation a line, and no picture.
    #[arg(long)]
    json: bool,
}

fn parse_gain(text: &str) -> Result<(String, Db), String> {
    let (name, value) = text.split_once('=').ok_or("use NAME=DB, such as LNA=24")?;
    let value: f64 = value.parse().map_err(|_| format!("\"{value}\" is not a number of dB"))?;
    if !value.is_finite() {
        return Err("use a finite number of dB".to_owned());
    }
    Ok((name.to_owned(), Db(value)))
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "use a number of seconds".to_owned())?;
    if (0.001..=1e9).contains(&seconds) { Ok(seconds) } else { Err("use 0.001 to 1e9 seconds".to_owned()) }
}

impl Args {
    fn wish(&self) -> Device {
        Device {
            args: self.device.clone().unwrap_or_default(),
            profile: self.profile.clone(),
            center: self.freq.unwrap_or(Hz(947.4e6)),
            rate: self.rate,
            gains: self.gains.iter().cloned().collect(),
            antenna: self.antenna.clone(),
            ..Device::default()
        }
    }
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<()> {
    start_log();
    if args.probe {
        #[cfg(feature = "soapy")]
        return probe::run(&args.wish());
        #[cfg(not(feature = "soapy"))]
        bail!("this daen was built without support for receivers: build it with --features soapy");
    }
    if !args.plan.is_empty() {
        return plan::run(&args.plan, &args.wish());
    }
    let (name, listening) = match &args.file {
        Some(path) => {
            let recording = sigmf::describe(path, sigmf::Overrides::default())?.open()?;
            let clock = Clock { source: ClockSource::Recording, sigma_ns: None, locked: false, since_ns: None };
            let opened = Opened { source: Box::new(recording), clock, live: None };
            (path.display().to_string(), Listening::waiting(opened))
        }
        None => {
            let wish = args.wish();
            (wish.args.clone(), staying(&wish)?)
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let stop = Arc::new(AtomicBool::new(false));
    watch(&runtime, listening.opened.live.clone(), stop.clone())?;
    let terminal = std::io::stdout().is_terminal() && !args.json;
    let screen = if terminal { Some(Screen::open(&runtime)?) } else { None };
    let ended = receive(&name, &args, listening, &stop, screen);
    runtime.shutdown_background();
    ended
}

/// Ends everything at a signal, or when a device could not be opened even once.
fn watch(runtime: &tokio::runtime::Runtime, live: Option<Arc<Live>>, stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    let mut signal = {
        let _inside = runtime.enter();
        stop_on_signal().context("signals cannot be caught")?
    };
    runtime.spawn(async move {
        loop {
            let over = tokio::select! {
                () = stopped(&mut signal) => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let hopeless = live.as_ref().is_some_and(|live| {
                let counts = live.counts();
                counts.failures > 0 && counts.opened == 0
            });
            if over || hopeless {
                stop.store(true, Ordering::Relaxed);
                if let Some(live) = &live {
                    live.stop();
                }
                return;
            }
        }
    });
    Ok(())
}

/// Everything that a picture shows.
struct View {
    name: String,
    info: Option<StreamInfo>,
    seconds: f64,
    streams: u64,
    effort: Effort,
    spectrum: Option<Spectrum>,
    /// The most of any segment in each bin since the tuning began.
    held: Vec<f32>,
    /// What was recognised in stretches and not decoded.
    recognised: Recognised,
    cells: BTreeMap<CellKey, Observation>,
    unlisted: u64,
    clipped: u64,
    samples: u64,
    lost: u64,
    live: Option<Arc<Live>>,
}

fn receive(
    name: &str,
    args: &Args,
    listening: Listening,
    stop: &AtomicBool,
    screen: Option<Screen>,
) -> anyhow::Result<()> {
    let (Opened { mut source, clock, live }, (blocks, block)) = (listening.opened, listening.blocks);
    let when_full = if live.is_some() { WhenFull::Drop } else { WhenFull::Wait };
    let (feeder, reader) = ring(blocks, block, when_full);
    let lab = live.as_ref().map(|_| Lab::start()).transpose().context("a thread cannot be started")?;
    let mut scan = Scan {
        view: View {
            name: name.to_owned(),
            info: None,
            seconds: 0.0,
            streams: 0,
            effort: Effort::Whole,
            spectrum: None,
            held: Vec::new(),
            recognised: Recognised::default(),
            cells: BTreeMap::new(),
            unlisted: 0,
            clipped: 0,
            samples: 0,
            lost: 0,
            live: live.clone(),
        },
        clock,
        split: Split::new(lab),
        hearing: None,
        engine: Engine::new(rules::Config::default(), None),
        welch: Welch::new(BINS),
        announce: !args.json && screen.is_none(),
        screen,
    };
    let ended = std::thread::scope(|scope| {
        scope.spawn(move || feeder.run(source.as_mut()));
        let ended = scan.run(reader, args.seconds, stop);
        // The source would go on waiting for its device.
        if let Some(live) = &live {
            live.stop();
        }
        ended
    });
    ended?;
    // What was on the screen goes; the last picture stays.
    scan.screen = None;
    let mut out = std::io::stdout().lock();
    if args.json {
        for cell in scan.view.cells.values() {
            writeln!(out, "{}", serde_json::to_string(cell)?)?;
        }
    } else {
        picture::write(&scan.view, None, &mut out)?;
    }
    out.flush()?;
    if let Some(live) = &live
        && live.counts().samples == 0
    {
        bail!("{}", live.problem().unwrap_or_else(|| "nothing was received".to_owned()));
    }
    Ok(())
}

struct Scan {
    view: View,
    clock: Clock,
    split: Split,
    /// The present stream, where more than its spectrum is looked at.
    hearing: Option<Hearing>,
    /// Nothing is made of what it finds here: a picture shows what is on the air, and a node judges it.
    engine: Engine,
    welch: Welch,
    /// Draw over and over, on a terminal.
    screen: Option<Screen>,
    /// Without a terminal: a line for each new cell.
    announce: bool,
}

impl Scan {
    fn run(&mut self, mut reader: Reader, seconds: Option<f64>, stop: &AtomicBool) -> anyhow::Result<()> {
        let mut drawn = Instant::now();
        while !stop.load(Ordering::Relaxed) && seconds.is_none_or(|seconds| self.view.seconds < seconds) {
            self.take_found()?;
            match reader.read() {
                Ok((Event::Stream(info), _)) => {
                    self.finish()?;
                    let (effort, options) = self.split.begin(&info);
                    if effort == Effort::Spectrum && self.view.effort != effort && self.screen.is_none() {
                        tracing::warn!("above 32 Msps only the spectrum is looked at: no cell will be found");
                    }
                    let tuning = |info: &StreamInfo| (info.center, info.sample_rate);
                    if self.view.info.as_ref().map(tuning) != Some(tuning(&info)) {
                        self.view.held.clear();
                    }
                    self.hearing = options.map(|options| Hearing::new(info.clone(), options));
                    self.view.effort = effort;
                    self.view.streams += 1;
                    self.view.info = Some(info);
                }
                Ok((Event::Samples, block)) => {
                    let Some(info) = &self.view.info else { continue };
                    if let Some(hearing) = &mut self.hearing {
                        hearing.process(&block.samples, block.clipped);
                    }
                    self.split.take(block);
                    self.welch.process(&block.samples);
                    self.view.samples += block.samples.len() as u64;
                    self.view.clipped += u64::from(block.clipped);
                    self.view.seconds += block.samples.len() as f64 / info.sample_rate.0;
                    self.view.lost = reader.lost_samples();
                    self.take_reports()?;
                }
                Ok((Event::End, _)) => break,
                Err(error) => return Err(error.into()),
            }
            let due = |screen: &Screen| drawn.elapsed() > Duration::from_secs(1) || screen.changed();
            if self.screen.as_ref().is_some_and(due) {
                drawn = Instant::now();
                self.look();
                let size = self.screen.as_ref().map(Screen::size);
                picture::write(&self.view, size, &mut std::io::stdout().lock())?;
            }
        }
        let ended = Instant::now();
        while self.split.is_searching() && !stop.load(Ordering::Relaxed) && ended.elapsed() < PATIENCE {
            std::thread::sleep(LOOK / 10);
            self.take_found()?;
        }
        self.finish()?;
        self.look();
        Ok(())
    }

    /// Takes the spectrum since the last look, and holds the most of every bin.
    fn look(&mut self) {
        if let Some(spectrum) = self.welch.take() {
            self.view.held.resize(spectrum.peak.len(), 0.0);
            self.view.held.iter_mut().zip(&spectrum.peak).for_each(|(held, peak)| *held = held.max(*peak));
            self.view.spectrum = Some(spectrum);
        }
    }

    fn around(&self) -> Surroundings {
        Surroundings { clock: self.clock, position: None, lost_samples: self.view.lost }
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        let around = self.around();
        let judged = self.hearing.take().map(|hearing| hearing.finish(around, &mut self.engine));
        judged.into_iter().flatten().try_for_each(|judged| self.note(judged.observation))
    }

    fn take_reports(&mut self) -> anyhow::Result<()> {
        let around = self.around();
        let Some(hearing) = self.hearing.as_mut().filter(|hearing| hearing.has_news()) else { return Ok(()) };
        let judged = hearing.judged(around, &mut self.engine);
        judged.into_iter().try_for_each(|judged| self.note(judged.observation))
    }

    /// Takes what was found in a stretch that was searched aside.
    fn take_found(&mut self) -> anyhow::Result<()> {
        let (around, hearing, recognised) = (self.around(), &mut self.hearing, &mut self.view.recognised);
        let mut found = Vec::new();
        self.split.found(|kept| {
            if let Some(hearing) = hearing {
                hearing.learn(kept);
            }
            let reports = std::mem::take(&mut kept.reports);
            let context = around.context(&kept.info, kept.samples.len() as u64, kept.clipped);
            found.extend(reports.iter().map(|report| observe(report, &context)));
            if let Some(occupancy) = kept.occupancy.take() {
                let cells: Vec<(Hz, Hz)> = found.iter().map(|cell| (cell.cell.carrier(), LEAST_LTE)).collect();
                recognised.take(&occupancy, &kept.info, &cells);
            }
        });
        found.into_iter().try_for_each(|observation| self.note(observation))
    }

    fn note(&mut self, mut observation: Observation) -> anyhow::Result<()> {
        let cells = &mut self.view.cells;
        let known = cells.get_mut(&observation.cell);
        let told = known.as_ref().is_some_and(|known| known.identity.is_some());
        if let Some(known) = known {
            // What an earlier stream said is kept until this one says it again.
            observation.first_ns = observation.first_ns.min(known.first_ns);
            observation.identity = observation.identity.or_else(|| known.identity.take());
            observation.fields = observation.fields.or_else(|| known.fields.take());
        } else if cells.len() >= MOST_CELLS {
            self.view.unlisted += 1;
            return Ok(());
        }
        if self.announce && !told && observation.identity.is_some() {
            writeln!(std::io::stdout(), "new {}", picture::cell(&observation))?;
        }
        cells.insert(observation.cell, observation);
        Ok(())
    }
}
