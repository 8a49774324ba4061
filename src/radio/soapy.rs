//! Receivers through SoapySDR, as a source of samples. Receive only: no call that has to do with transmitting is named below
//! this module, and `tests/soapy_device.rs` shows that none is made.
//!
//! ```text
//! driver's thread: open, set, read back -> read -> account -> chunks ─┐   may hang: then it is left behind
//! reader's thread: back-off <- failed? <- convert <- IqSource::read <─┘   never blocks for longer than a moment
//! ```
//!
//! A device that is tuned anew ([`Live::tune`]) begins another stream once the new tuning has settled.
//!
//! A device that is unplugged, hangs, fails, refuses a setting or loses its clock source is noticed within 2 s, closed, and
//! opened again: after half a second, then twice as long each time, at most 30 s. One whose driver does not come back from opening it
//! is told of within 2 s, and given up after 30: loading an FPGA takes some of them ten. Each loss of samples ends the stream and
//! begins another whose time tells how much is missing, to the sample where the driver's time stamps count samples.
//!
//! ## References
//! - SoapySDR 0.8, `Device.h` and `Errors.h`: meaning of codes, stamps and settings

mod account;
mod backoff;
mod driver;
pub mod probe;
mod setup;
mod stream;

use crate::radio::convert::{Scale, first_absurd};
use crate::radio::live::{Actual, Counts, Live};
use crate::radio::profile::Settings;
use crate::radio::source::{Event, IqBlock, IqSource, SourceError, StreamInfo};
use crate::units::{Nanos, SampleIndex, Timestamp};
use account::{Break, Cause};
use backoff::BackOff;
use driver::{Chunk, Job, Mark, WORDS, Word};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A driver that says nothing for so long while it runs hangs; longer than [`driver::SILENCE`], so that a driver that merely
/// has no samples says so itself.
const HANG: Duration = Duration::from_millis(1900);
/// A driver may take so long to open a device: some load an FPGA first. That it takes longer than [`HANG`] is told meanwhile.
const OPENING: Duration = Duration::from_secs(30);
/// Threads that may be left behind in a driver that hangs before the source gives up; the process should then start afresh.
const LEFT_BEHIND: usize = 4;
/// A closing device is waited for this long before it is opened again, and when the source ends.
const CLOSING: Duration = Duration::from_secs(1);
/// How far the times of streams may have gone from the host's clock. Chosen: more than drivers are late.
const DRIFT: Nanos = Nanos::from_millis(250);
/// How often a stop is looked for.
const MOMENT: Duration = Duration::from_millis(50);

/// A receiver. Opened by the first read, and again whenever it failed; ends only when its [`Live`] is told to stop.
pub struct SoapySource {
    settings: Settings,
    live: Arc<Live>,
    clock: fn() -> Timestamp,
    state: State,
    back_off: BackOff,
    left_behind: Vec<JoinHandle<()>>,
    /// The stream being delivered, how many have begun, and the next sample's place in it.
    info: Option<StreamInfo>,
    streams: u64,
    index: u64,
    /// The chunk being delivered.
    chunk: Option<Reading>,
}

enum State {
    /// Nothing is open until then.
    Resting(Instant),
    /// A driver's thread.
    Running(Box<Driver>),
}

struct Driver {
    words: Receiver<Word>,
    empties: SyncSender<Chunk>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    opened: Option<(Actual, Scale)>,
    /// When it said something last, and since when samples flow.
    heard: Instant,
    flowing: Option<Instant>,
    /// That it has not opened its device yet was told.
    late: bool,
}

struct Reading {
    chunk: Chunk,
    at: usize,
    mark: usize,
}

impl SoapySource {
    /// A receiver with these settings, closed so far. `clock`: the host's.
    pub fn new(settings: Settings, live: Arc<Live>, clock: fn() -> Timestamp) -> SoapySource {
        live.set_problem(Some("the receiver is being opened".to_owned()));
        SoapySource {
            settings,
            live,
            clock,
            state: State::Resting(Instant::now()),
            back_off: BackOff::default(),
            left_behind: Vec::new(),
            info: None,
            streams: 0,
            index: 0,
            chunk: None,
        }
    }

    fn start(&mut self) -> Result<(), SourceError> {
        self.left_behind.retain(|thread| !thread.is_finished());
        if self.left_behind.len() >= LEFT_BEHIND {
            return Err(SourceError::Field {
                path: self.settings.device_args.clone(),
                field: "device".to_owned(),
                problem: format!("its driver hangs in {LEFT_BEHIND} threads"),
                remedy: "unplug it or cut its power, and start daen again".to_owned(),
            });
        }
        let (words_in, words) = sync_channel(WORDS);
        let (empties, empties_out) = sync_channel(WORDS);
        let stop = Arc::new(AtomicBool::new(false));
        let job = Job {
            settings: self.settings.clone(),
            words: words_in,
            empties: empties_out,
            stop: stop.clone(),
            live: self.live.clone(),
            clock: self.clock,
        };
        let thread = std::thread::Builder::new().name("soapy".to_owned()).spawn(move || job.run());
        let thread = thread.map_err(|source| SourceError::Io { path: self.settings.device_args.clone(), source })?;
        let heard = Instant::now();
        let driver = Driver { words, empties, stop, thread, opened: None, heard, flowing: None, late: false };
        self.state = State::Running(Box::new(driver));
        Ok(())
    }

    /// Ends the driver's thread, waiting for it up to `patience`; beyond that it is left behind.
    fn close(&mut self, patience: Duration) {
        self.chunk = None;
        let State::Running(driver) = std::mem::replace(&mut self.state, State::Resting(Instant::now())) else { return };
        driver.stop.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        while !driver.thread.is_finished() && begun.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(2));
        }
        if driver.thread.is_finished() {
            // It has nothing to return; a panic in it was told by the panic's own message.
            let _ = driver.thread.join();
        } else {
            self.left_behind.push(driver.thread);
        }
    }

    fn fail(&mut self, why: &str, hang: bool) {
        let flowed = match &self.state {
            State::Running(driver) => driver.flowing.map_or(Duration::ZERO, |since| since.elapsed()),
            State::Resting(_) => Duration::ZERO,
        };
        let delay = self.back_off.wait(flowed);
        let problem = format!("the receiver {} has failed: {why}", self.settings.device_args);
        tracing::warn!(opened_again_after_ms = delay.as_millis() as u64, "{problem}");
        self.live.add(Counts { failures: 1, hangs: u64::from(hang), ..Counts::default() });
        self.live.fail(why);
        self.live.set_problem(Some(problem));
        // One that hangs is not waited for.
        self.close(if hang { Duration::ZERO } else { CLOSING });
        self.state = State::Resting(Instant::now() + delay);
    }

    /// Begins the stream that follows a break.
    fn begin(&mut self, mark: Mark) -> Option<StreamInfo> {
        let State::Running(driver) = &self.state else { return None };
        let (actual, _) = driver.opened.as_ref()?;
        let Break { cause, missing } = mark.what;
        let counted = self.info.as_ref().zip(missing).map(|(info, missing)| {
            let samples = (self.index + missing) as f64;
            info.start + Nanos((samples / info.sample_rate.0 * 1e9).round() as i64)
        });
        let start = match counted {
            // Nothing is differenced over a retune, so there the sample clock's drift against the host's can be made good.
            Some(start) if cause == Cause::Retuned && (start - mark.arrived).0.abs() > DRIFT.0 => mark.arrived,
            Some(start) if cause != Cause::First => start,
            _ => mark.arrived,
        };
        self.live.add(match cause {
            Cause::First => Counts { opened: 1, ..Counts::default() },
            Cause::Retuned => Counts { retunes: 1, ..Counts::default() },
            _ => Counts {
                gaps: 1,
                lost_samples: missing.unwrap_or(0),
                jumps: u64::from(matches!(cause, Cause::Jump | Cause::Back)),
                ..Counts::default()
            },
        });
        if cause == Cause::First {
            tracing::info!(?actual, "the receiver is open");
        }
        let stream = format!("{}#{}", actual.label, self.streams);
        let info = StreamInfo { stream, center: mark.center, sample_rate: actual.rate, start };
        self.streams += 1;
        self.index = 0;
        match &mut self.info {
            Some(before) => before.clone_from(&info),
            none => *none = Some(info.clone()),
        }
        Some(info)
    }

    /// Delivers from the present chunk. `None`: more is needed.
    fn deliver(&mut self, max: usize, block: &mut IqBlock) -> Option<Event> {
        let reading = self.chunk.as_mut()?;
        let marks = &reading.chunk.marks;
        if let Some(&mark) = marks.get(reading.mark).filter(|mark| mark.at == reading.at) {
            if !block.samples.is_empty() {
                return Some(Event::Samples);
            }
            reading.mark += 1;
            return self.begin(mark).map(Event::Stream);
        }
        let until = marks.get(reading.mark).map_or(reading.chunk.len, |mark| mark.at);
        let to = until.min(reading.at + (max - block.samples.len()));
        let State::Running(driver) = &self.state else { return None };
        let Some((_, scale)) = &driver.opened else { return None };
        let from = block.samples.len();
        block.clipped += reading.chunk.raw.append(reading.at, to, *scale, &mut block.samples);
        if matches!(reading.chunk.raw, stream::Raw::F32(_)) && first_absurd(&block.samples[from..]).is_some() {
            block.samples.truncate(from);
            self.fail("it delivers numbers that no receiver can have put out", false);
            return None;
        }
        let count = (to - reading.at) as u64;
        reading.at = to;
        self.index += count;
        self.live.add(Counts { samples: count, ..Counts::default() });
        if reading.at == reading.chunk.len
            && let Some(Reading { mut chunk, .. }) = self.chunk.take()
        {
            chunk.len = 0;
            chunk.marks.clear();
            // Has room for all chunks; a driver that is gone needs none.
            let _ = driver.empties.try_send(chunk);
        }
        (block.samples.len() == max).then_some(Event::Samples)
    }

    /// Waits a moment for the driver's next word.
    fn listen(&mut self) -> Result<Heard, SourceError> {
        let driver = match &mut self.state {
            State::Running(driver) => driver,
            State::Resting(until) => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    self.start()?;
                } else {
                    std::thread::sleep(left.min(MOMENT));
                }
                return Ok(Heard::Nothing);
            }
        };
        match driver.words.recv_timeout(MOMENT) {
            Ok(Word::Chunk(chunk)) => {
                driver.heard = Instant::now();
                if driver.flowing.is_none() {
                    driver.flowing = Some(driver.heard);
                    self.live.set_problem(None);
                }
                self.chunk = Some(Reading { chunk, at: 0, mark: 0 });
                return Ok(Heard::Samples);
            }
            Ok(Word::Opened { actual, scale }) => {
                driver.heard = Instant::now();
                self.live.set_actual(actual.clone());
                driver.opened = Some((actual, scale));
            }
            Ok(Word::Gone(why)) => self.fail(&why, false),
            Err(RecvTimeoutError::Disconnected) => self.fail("its driver's thread has ended", false),
            Err(RecvTimeoutError::Timeout) => {
                let patience = if driver.opened.is_some() { HANG } else { OPENING };
                if driver.heard.elapsed() > patience {
                    let why = format!("its driver does not answer for {} s", patience.as_secs_f64());
                    self.fail(&why, true);
                } else if driver.opened.is_none() && driver.heard.elapsed() > HANG && !driver.late {
                    driver.late = true;
                    let (args, most) = (&self.settings.device_args, OPENING.as_secs());
                    let problem = format!(
                        "the receiver {args} is not open yet: its driver takes its time, or hangs; it has {most} s"
                    );
                    tracing::warn!("{problem}");
                    self.live.set_problem(Some(problem));
                }
            }
        }
        Ok(Heard::Nothing)
    }
}

enum Heard {
    Samples,
    Nothing,
}

impl IqSource for SoapySource {
    fn read(&mut self, max: usize, block: &mut IqBlock) -> Result<Event, SourceError> {
        let max = max.max(1);
        block.samples.clear();
        block.clipped = 0;
        block.first = SampleIndex(self.index);
        loop {
            if self.chunk.is_some() {
                if let Some(event) = self.deliver(max, block) {
                    if let Event::Stream(_) = event {
                        block.first = SampleIndex(0);
                    }
                    return Ok(event);
                }
                continue;
            }
            if self.live.is_stopped() {
                self.close(CLOSING);
                return Ok(Event::End);
            }
            if matches!(self.listen()?, Heard::Nothing) && !block.samples.is_empty() {
                return Ok(Event::Samples);
            }
        }
    }

    fn total_samples(&self) -> Option<u64> {
        None
    }
}

impl Drop for SoapySource {
    fn drop(&mut self) {
        self.close(CLOSING);
    }
}
