//! The driver's own thread: everything that may block inside a foreign library happens here, so that it can be left behind.

use super::account::{Account, Break};
use super::setup::{self, Open, SetupError, clock_trouble};
use super::stream::Raw;
use crate::radio::convert::Scale;
use crate::radio::live::{Actual, Counts, Live};
use crate::radio::profile::Settings;
use crate::units::{Hz, Nanos, Timestamp};
use soapysdr::ErrorCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::time::{Duration, Instant};

/// Longest wait inside one read of the driver; a stop is seen after it.
const READ_TIMEOUT_US: i64 = 100_000;
/// A device that delivers nothing for so long has failed. Chosen: a fault is told within 2 s, and no driver pauses so long in
/// good health (SoapyRemote's first sample takes about 0.1 s, a USRP's start 0.5 s).
pub const SILENCE: Duration = Duration::from_millis(1500);
/// How often an outside clock source is looked at.
const CLOCK_LOOK: Duration = Duration::from_secs(1);
/// How often the temperature is looked at. Chosen: a device in its box changes by a tenth of a kelvin meanwhile.
const WARMTH_LOOK: Duration = Duration::from_secs(10);
/// Breaks that fit in one chunk.
const MARKS: usize = 16;
/// Samples in a chunk: 10 ms of them, within these bounds.
const CHUNK: std::ops::RangeInclusive<usize> = 1024..=1 << 16;
/// What the chunks hold together: a reader may be late by a second, or by this many samples at a high rate, before samples are
/// thrown away. 10 to 20 MB, a quarter of a second at 20 Msps.
const DEPTH: usize = 5_000_000;
const CHUNKS: std::ops::RangeInclusive<usize> = 8..=512;

/// A break, and where in a chunk it is.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Before this sample of the chunk.
    pub at: usize,
    /// What is broken.
    pub what: Break,
    /// Host's time of that sample, late by the driver's delay.
    pub arrived: Timestamp,
    /// Centre frequency from there on.
    pub center: Hz,
}

/// Samples on their way to the reader.
#[derive(Debug)]
pub struct Chunk {
    /// The buffer.
    pub raw: Raw,
    /// How many samples of it count.
    pub len: usize,
    /// Breaks, in order.
    pub marks: Vec<Mark>,
}

/// What the thread says.
pub enum Word {
    /// The device is open and running.
    Opened {
        /// What it does.
        actual: Actual,
        /// How its numbers become samples.
        scale: Scale,
    },
    /// Samples.
    Chunk(Chunk),
    /// It has failed; nothing more comes.
    Gone(String),
}

/// What the thread is given.
pub struct Job {
    /// What to set.
    pub settings: Settings,
    /// Where words go; there is always room for as many chunks as there are.
    pub words: SyncSender<Word>,
    /// Chunks that come back.
    pub empties: Receiver<Chunk>,
    /// Becomes true when the thread is to end.
    pub stop: Arc<AtomicBool>,
    /// Counters.
    pub live: Arc<Live>,
    /// The host's clock.
    pub clock: fn() -> Timestamp,
}

/// Most words that are under way at a time.
pub const WORDS: usize = *CHUNKS.end() + 4;

impl Job {
    /// Opens the device and pumps samples until it fails or is to stop; then closes it.
    pub fn run(self) {
        // A device that is opened again goes where it was sent last.
        let asked = self.live.tuning();
        let settings = Settings { center: asked.unwrap_or(self.settings.center), ..self.settings.clone() };
        let mut open = match setup::open(&settings) {
            Ok(open) => open,
            Err(error) => {
                if let (Some(asked), SetupError::Refused { what, .. }) = (asked, &error)
                    && what == setup::FREQUENCY
                {
                    self.live.refuse(asked);
                }
                return self.say(Word::Gone(error.to_string()));
            }
        };
        let failure = self.pump(&mut open);
        self.live.set_celsius(None);
        // Said before the device is closed, which may take its time or not come back at all.
        if let Err(why) = failure {
            self.say(Word::Gone(why));
        }
    }

    fn say(&self, word: Word) {
        // Nobody listens any more when this thread was left behind.
        let _ = self.words.try_send(word);
    }

    fn pump(&self, open: &mut Open) -> Result<(), String> {
        let Open { device, stream, scale, actual, stamps } = open;
        let rate = actual.rate.0;
        let mtu = self.settings.mtu.or_else(|| stream.mtu()).unwrap_or(0);
        let size = ((rate * 0.01) as usize).max(mtu).clamp(*CHUNK.start(), *CHUNK.end());
        let count = ((rate as usize).min(DEPTH) / size).clamp(*CHUNKS.start(), *CHUNKS.end());
        let chunk = || Chunk { raw: stream.buffer(size), len: 0, marks: Vec::with_capacity(MARKS) };
        let mut free: Vec<Chunk> = (0..count).map(|_| chunk()).collect();
        let mut spare = chunk();
        let mut filling: Option<Chunk> = None;
        stream.activate().map_err(|error| format!("the stream cannot be started: {}", text(&error)))?;
        self.say(Word::Opened { actual: actual.clone(), scale: *scale });

        let mut account = Account::new(actual.rate, *stamps);
        let settle = (self.settings.settling.as_secs_f64() * rate) as usize;
        let mut settling = settle;
        let (mut center, mut asked) = (actual.center, self.live.tuning());
        let mut last = Instant::now();
        let (mut looked, mut felt) = (last, last);
        self.live.set_celsius(setup::celsius(device, &self.settings));
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            if let Some(wanted) = self.live.tuning().filter(|wanted| asked != Some(*wanted)) {
                asked = Some(wanted);
                center = self.retune(device, wanted, center);
                account.retuned();
                settling = settle;
                // Tuning may take a moment in which the driver hands out nothing.
                last = Instant::now();
            }
            if filling.is_none() {
                filling = free.pop().or_else(|| self.empties.try_recv().ok());
            }
            // With every chunk waiting for the reader, reading goes on so that the device does not overflow.
            let dropping = filling.is_none();
            let into = filling.as_mut().unwrap_or(&mut spare);
            let mut deliver = false;
            match stream.read(&mut into.raw, into.len, READ_TIMEOUT_US) {
                // Some drivers return at once with nothing while a device is being unplugged.
                Ok(0) => std::thread::sleep(Duration::from_millis(1)),
                Ok(samples) => {
                    last = Instant::now();
                    let what = account.read(stream.time_ns(), samples);
                    let unsettled = settling > 0;
                    settling = settling.saturating_sub(samples);
                    if dropping || unsettled {
                        account.dropped(samples as u64, what);
                        continue;
                    }
                    if let Some(what) = what {
                        let late = Nanos((samples as f64 / rate * 1e9).round() as i64);
                        into.marks.push(Mark { at: into.len, what, arrived: (self.clock)() - late, center });
                    }
                    into.len += samples;
                    deliver = into.len >= into.raw.room() || into.marks.len() == MARKS;
                }
                Err(error) => match error.code {
                    ErrorCode::Timeout => deliver = into.len > 0,
                    ErrorCode::Overflow | ErrorCode::Corruption | ErrorCode::TimeError => {
                        account.overflow();
                        self.live.add(Counts { overflows: 1, ..Counts::default() });
                    }
                    // The stream is dropped at the first such error: a second read may never return.
                    _ => return Err(format!("the stream has failed: {}", text(&error))),
                },
            }
            if deliver && let Some(chunk) = filling.take() {
                match self.words.try_send(Word::Chunk(chunk)) {
                    Ok(()) => {}
                    Err(TrySendError::Disconnected(_)) => return Ok(()),
                    Err(TrySendError::Full(_)) => return Err("more chunks than there are".to_owned()),
                }
            }
            if last.elapsed() > SILENCE {
                return Err(format!("no samples for {} s", SILENCE.as_secs_f64()));
            }
            if looked.elapsed() > CLOCK_LOOK {
                looked = Instant::now();
                if let Some(trouble) = clock_trouble(device, &self.settings) {
                    return Err(trouble);
                }
            }
            if felt.elapsed() > WARMTH_LOOK {
                felt = Instant::now();
                self.live.set_celsius(setup::celsius(device, &self.settings));
            }
        }
    }
}

impl Job {
    /// Tunes, and gives where the device is then.
    fn retune(&self, device: &soapysdr::Device, wanted: Hz, before: Hz) -> Hz {
        match setup::tune(device, &Settings { center: wanted, ..self.settings.clone() }) {
            Ok(center) => center,
            Err(error) => {
                tracing::warn!(center_hz = wanted.0, %error, "the receiver cannot be tuned");
                self.live.refuse(wanted);
                setup::tuned(device, self.settings.channel).unwrap_or(before)
            }
        }
    }
}

/// The driver's own words are often left over from an earlier call or empty; its code is not.
fn text(error: &soapysdr::Error) -> String {
    if error.message.is_empty() { format!("{:?}", error.code) } else { format!("{:?} ({})", error.code, error.message) }
}
