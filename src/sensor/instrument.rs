//! What is known of the receiver behind the streams: its calibration, how it is set, and what licensed cells tell of its clock.
//!
//! Times and samples are corrected where they come in ([`Instrument::correct`]), levels and the clock's error where a cell is
//! observed ([`Instrument::apply`]). Without a calibration all of it stays as measured, and observations say so.

use super::clock_error::Reference;
use super::source;
use crate::config::device::Device;
use crate::config::sensor::{CalibrationChoice, Config, Source};
use crate::observation::{ClockError, Observation};
use crate::radio::calibration::apply::{Correction, Setting};
use crate::radio::calibration::{Calibration, CalibrationError};
use crate::radio::live::{Actual, Live};
use crate::radio::source::{Event, IqBlock, IqSource, SourceError, StreamInfo};
use crate::units::{Db, Dbfs, Hz, Nanos, Ppb, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Carriers and calibration may differ by so many standard deviations before it is told, and by at least so much.
const DISAGREE: (f64, f64) = (5.0, 300.0);

/// The error of a sample clock that is locked to an outside reference, one standard deviation. Chosen: disciplined oscillators hold a tenth
/// of it over a day; the rest is for one that has just lost its satellites.
const OUTSIDE: ClockError = ClockError { ppb: Ppb(0.0), sigma_ppb: Ppb(5.0) };

/// Why an instrument cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum InstrumentError {
    /// The file.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// Settings that the model does not offer.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Nothing names the receiver.
    #[error(
        "calibration: the receiver has no name: write serial=... into source.device, or calibration.serial where that cannot be"
    )]
    NoSerial,
    /// Two names.
    #[error("calibration.serial = \"{configured}\": source.device names {device}; leave one of them away")]
    TwoSerials {
        /// In the table.
        configured: String,
        /// In the device's arguments.
        device: String,
    },
}

/// A receiver as far as it is known.
#[derive(Debug, Default)]
pub struct Instrument {
    calibration: Option<Calibration>,
    /// Why there is none although one is configured.
    refused: Option<String>,
    /// What is wished for.
    gains: BTreeMap<String, Db>,
    antenna: Option<String>,
    /// The sample clock runs on an outside reference that a sensor of the device watches: without it no samples flow.
    outside: bool,
    /// Says what was really set, and which device it is.
    live: Option<Arc<Live>>,
    /// Each stream may be another receiver's: a recording.
    strangers: bool,
    reference: Mutex<Reference>,
}

/// The value of a key in SoapySDR's arguments.
fn argument<'a>(args: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = args.split(',').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
}

/// The calibration of a receiver beside the first: that of its serial number, where the folder has a file of it.
pub fn of_another(choice: &CalibrationChoice, device: &Device) -> Option<CalibrationChoice> {
    let serial = argument(&device.args, "serial")?;
    Calibration::is_there(&choice.folder, serial).then(|| CalibrationChoice {
        folder: choice.folder.clone(),
        serial: None,
        gains: BTreeMap::new(),
    })
}

impl Instrument {
    /// As the configuration says, at `now`. A calibration that is past its date is refused, and the node goes on without.
    ///
    /// # Errors
    /// [`InstrumentError`]: malformed, of another receiver, or not there although it is configured.
    pub fn new(config: &Config, now: Timestamp) -> Result<Instrument, InstrumentError> {
        let mut instrument =
            Instrument { strangers: matches!(config.source, Source::Recording { .. }), ..Instrument::default() };
        let mut named = None;
        let mut model = None;
        if let Source::Soapy(device) = &config.source {
            let settings = source::settings(device)?;
            instrument.gains = settings.gains.iter().map(|gain| (gain.name.clone(), gain.gain)).collect();
            instrument.antenna = settings.antenna;
            let outside = settings.clock_source.is_some_and(|source| source != "internal");
            instrument.outside = outside && settings.lock_sensor.is_some();
            named = argument(&device.args, "serial");
            model =
                (!device.profile.is_empty() && !device.profile.ends_with(".toml")).then_some(device.profile.as_str());
        }
        let Some(CalibrationChoice { folder, serial, gains }) = &config.calibration else { return Ok(instrument) };
        if !gains.is_empty() {
            instrument.gains.clone_from(gains);
        }
        let serial = match (serial.as_deref(), named) {
            (Some(configured), Some(device)) if configured != device => {
                return Err(InstrumentError::TwoSerials {
                    configured: configured.to_owned(),
                    device: device.to_owned(),
                });
            }
            (Some(serial), _) | (None, Some(serial)) => serial,
            (None, None) => return Err(InstrumentError::NoSerial),
        };
        let calibration = Calibration::load(folder, serial, model)?;
        match calibration.check_age(folder, now) {
            Ok(()) => instrument.calibration = Some(calibration),
            Err(error) => instrument.refused = Some(error.to_string()),
        }
        Ok(instrument)
    }

    /// The same, of the receiver that says through `live` what was really set.
    pub fn at(self, live: Option<Arc<Live>>) -> Instrument {
        Instrument { live, ..self }
    }

    /// What the device says of itself, once it has been opened.
    fn actual(&self) -> Option<Arc<Actual>> {
        self.live.as_ref()?.actual()
    }

    /// The calibration, unless the device says that it is another one than was measured.
    fn own(&self) -> Option<&Calibration> {
        let calibration = self.calibration.as_ref()?;
        (!self.actual().is_some_and(|actual| actual.is_another(&calibration.serial))).then_some(calibration)
    }

    /// What the device's own sensor says, where it has one.
    fn celsius(&self) -> Option<f64> {
        self.live.as_ref()?.celsius()
    }

    fn reference(&self) -> MutexGuard<'_, Reference> {
        // Every change leaves it whole.
        self.reference.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calibration while it is good.
    fn good(&self, now: Timestamp) -> Option<&Calibration> {
        self.own().filter(|calibration| !calibration.is_stale(now))
    }

    /// Another stream begins.
    pub fn begin(&self) {
        if self.strangers {
            self.reference().clear();
        }
    }

    /// Makes the level absolute where that is calibrated, and says what was done to times and what is known of the clock.
    pub fn apply(&self, observation: &mut Observation, stream: &StreamInfo) {
        let now = observation.at_ns;
        observation.receiver.clock_error = self.clock_error(now);
        let actual = self.actual();
        // Drivers round: the level at full scale is that of the gains that were set, not of those that were wished for.
        let (gains, antenna) = match &actual {
            Some(actual) => (&actual.gains, actual.antenna.as_deref()),
            None => (&self.gains, self.antenna.as_deref()),
        };
        if !gains.is_empty() {
            observation.receiver.gain_db = Some(Db(gains.values().map(|gain| gain.0).sum()));
        }
        // The start of the stream was moved whatever the date: within a stream the time line stays whole.
        observation.receiver.delay = self.own().and_then(|known| known.delay(stream.sample_rate));
        let Some(calibration) = self.good(now) else { return };
        let setting = Setting { gains, antenna, celsius: self.celsius() };
        let carrier = Hz(observation.cell.center_hz as f64);
        if let Some(full_scale) = calibration.full_scale(setting, carrier) {
            let level = &mut observation.level;
            level.dbm = Some(full_scale.dbm + (level.dbfs - Dbfs(0.0)));
            level.sigma_db = Db(level.sigma_db.0.hypot(full_scale.sigma.0));
        }
    }

    /// Learns the clock's error from a cell that the register licenses.
    pub fn learn(&self, licensed: &Observation) {
        self.reference().add(licensed);
    }

    /// The sample clock's error at `now`: none to speak of where it is locked to an outside reference; by licensed cells where there are
    /// enough, by the calibration otherwise.
    pub fn clock_error(&self, now: Timestamp) -> Option<ClockError> {
        if self.outside {
            return Some(OUTSIDE);
        }
        let heard = self.reference().error(now);
        heard.or_else(|| self.good(now)?.clock_error(now, self.celsius()))
    }

    /// What wants attention, in words that do not change all the time.
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut list: Vec<String> = self.refused.iter().cloned().collect();
        if self.outside
            && let Some(heard) = self.reference().error(now)
            && heard.ppb.0.abs() > DISAGREE.1.max(DISAGREE.0 * heard.sigma_ppb.0)
        {
            list.push("licensed cells' carriers contradict the outside reference of the sample clock".to_owned());
        }
        let known = self.own();
        if let (Some(calibration), None, Some(actual)) = (&self.calibration, known, self.actual()) {
            list.push(format!(
                "the receiver says that it is {}, and the calibration is of {}: it is not used, levels are not absolute",
                actual.serial.as_deref().unwrap_or("another"),
                calibration.serial
            ));
        }
        if let Some(calibration) = known {
            if calibration.is_stale(now) {
                list.push(format!(
                    "the calibration was good until {}: levels are no longer absolute",
                    calibration.valid_until
                ));
            }
            if let (Some(heard), Some(known)) =
                (self.reference().error(now), calibration.clock_error(now, self.celsius()))
            {
                let apart = (heard.ppb.0 - known.ppb.0).abs();
                if apart > DISAGREE.1 && apart > DISAGREE.0 * heard.sigma_ppb.0.hypot(known.sigma_ppb.0) {
                    list.push("licensed cells' carriers contradict the calibration of the sample clock".to_owned());
                }
            }
        }
        list
    }

    /// Whether times have their delay subtracted at some rate.
    pub fn has_delay(&self) -> bool {
        self.calibration.as_ref().is_some_and(|calibration| !calibration.delay.is_empty())
    }

    /// The source with times at the antenna port and without imbalance, where these were measured.
    pub fn correct(self: &Arc<Self>, source: Box<dyn IqSource>) -> Box<dyn IqSource> {
        match &self.calibration {
            None => source,
            Some(calibration) => {
                let correction = calibration.iq.map(Correction::from);
                Box::new(Corrected { source, instrument: self.clone(), correction, own: true })
            }
        }
    }
}

/// A source at the antenna port.
struct Corrected {
    source: Box<dyn IqSource>,
    instrument: Arc<Instrument>,
    correction: Option<Correction>,
    /// The present stream is of the device that was measured.
    own: bool,
}

impl IqSource for Corrected {
    fn read(&mut self, max: usize, block: &mut IqBlock) -> Result<Event, SourceError> {
        let mut event = self.source.read(max, block)?;
        match (&mut event, &self.correction) {
            (Event::Stream(info), _) => {
                let calibration = self.instrument.own();
                self.own = calibration.is_some();
                if let Some(delay) = calibration.and_then(|known| known.delay(info.sample_rate)) {
                    info.start = info.start + Nanos(-(delay.ns.round() as i64));
                }
            }
            (Event::Samples, Some(correction)) if self.own => correction.apply(&mut block.samples),
            _ => {}
        }
        Ok(event)
    }

    fn total_samples(&self) -> Option<u64> {
        self.source.total_samples()
    }
}

#[cfg(test)]
mod tests;
