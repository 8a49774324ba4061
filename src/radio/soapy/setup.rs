//! Opening a device: each setting is made, read back, and refused in words that name what the device has to offer.

use super::account::Stamps;
use crate::radio::convert::Scale;
use crate::radio::live::Actual;
use crate::radio::profile::{Settings, Timestamps};
use crate::units::{Db, Hz};
use soapysdr::{Args, Device, Direction, Error, Range};
use std::collections::BTreeMap;
use std::fmt::Display;

use super::stream::Rx;

const RX: Direction = Direction::Rx;

/// A rate within this part of the wanted one is taken, and the device's figure used from then on; crystals are no better.
const RATE_TOLERANCE: f64 = 1e-5;
/// Tuners have steps; a carrier is still found this far off (a GSM beacon within 40 kHz).
const CENTER_TOLERANCE: Hz = Hz(5e3);
/// A filter may be wider than wished, but not narrower than this part of it.
const BANDWIDTH_PART: f64 = 0.9;

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A call of the driver failed.
    #[error("{what}: {}", .error.message)]
    Driver {
        /// What was asked of it.
        what: &'static str,
        /// What it said.
        error: Error,
    },
    /// The device does not do what was asked.
    #[error("{what} {wanted} was refused ({answer}); the device offers {offers}")]
    Refused {
        /// Which setting.
        what: String,
        /// What was asked for.
        wanted: String,
        /// What it did instead, or said.
        answer: String,
        /// What it has.
        offers: String,
    },
}

/// An open device with a stream that is not running yet.
pub struct Open {
    /// The device.
    pub device: Device,
    /// Its stream.
    pub stream: Rx,
    /// How its numbers become samples.
    pub scale: Scale,
    /// What it does.
    pub actual: Actual,
    /// What its time stamps are worth.
    pub stamps: Stamps,
}

fn driver(what: &'static str) -> impl Fn(Error) -> SetupError {
    move |error| SetupError::Driver { what, error }
}

/// Opens the device and makes every setting.
///
/// # Errors
/// [`SetupError`].
pub fn open(settings: &Settings) -> Result<Open, SetupError> {
    let device = Device::new(settings.device_args.as_str()).map_err(driver("the device cannot be opened"))?;
    let actual = apply(&device, settings)?;
    let args: Args = settings.stream_args.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let opened = Rx::open(&device, settings.channel, args, settings.full_scale);
    let (stream, scale, format) = opened.map_err(driver("the stream cannot be opened"))?;
    let stamps = match settings.timestamps {
        Timestamps::Samples => Stamps::Samples,
        Timestamps::None => Stamps::None,
        Timestamps::Observe => Stamps::Observe,
    };
    let actual = Actual { format: format.as_str().to_owned(), ..actual };
    Ok(Open { device, stream, scale, actual, stamps })
}

/// Makes every setting but the stream's and reads it back.
fn apply(device: &Device, settings: &Settings) -> Result<Actual, SetupError> {
    let channel = settings.channel;
    let channels = device.num_channels(RX).map_err(driver("the number of channels"))?;
    if channel >= channels {
        let answer = "no such channel".to_owned();
        return Err(refused("receive channel", channel, answer, format!("{channels} of them, counted from 0")));
    }
    let clock_source = clock(device, settings)?;
    let antenna = antenna(device, settings)?;
    let rate = rate(device, settings)?;
    let bandwidth = bandwidth(device, settings)?;
    // The driver's own control would change levels behind our back.
    let automatic = device.has_gain_mode(RX, channel).unwrap_or(false);
    if automatic {
        device.set_gain_mode(RX, channel, false).map_err(driver("automatic gain cannot be switched off"))?;
    }
    let gains = gains(device, settings)?;
    let center = tune(device, settings)?;
    let serial = serial(device);
    let label = label(device, settings, serial.as_deref());
    let format = String::new();
    Ok(Actual { label, serial, rate, center, bandwidth, gains, antenna, clock_source, format })
}

/// Names under which drivers tell the serial number of a device: most of them; SoapyUHD; SoapyLMS7; SoapyPlutoSDR.
const SERIALS: [&str; 4] = ["serial", "mboard_serial", "boardSerialNumber", "hw_serial"];

/// What the device itself says that it is.
fn serial(device: &Device) -> Option<String> {
    let info = device.hardware_info().ok()?;
    let mut told = SERIALS.iter().filter_map(|name| info.get(name));
    told.find(|serial| !serial.is_empty()).map(str::to_owned)
}

fn label(device: &Device, settings: &Settings, own: Option<&str>) -> String {
    let given: Args = settings.device_args.as_str().into();
    let driver = device.driver_key().unwrap_or_else(|_| "device".to_owned());
    match given.get("serial").or(own) {
        Some(serial) => format!("{driver}:{serial}"),
        None => driver,
    }
}

fn clock(device: &Device, settings: &Settings) -> Result<Option<String>, SetupError> {
    let offers = device.list_clock_sources().unwrap_or_default();
    if let Some(wanted) = &settings.clock_source
        && !(offers.is_empty() && wanted == "internal")
    {
        let set = device.set_clock_source(wanted.as_str()).and_then(|()| device.get_clock_source());
        match set {
            Ok(now) if now == *wanted => {}
            Ok(now) => return Err(refused("clock source", wanted, format!("it uses {now}"), list(&offers))),
            Err(error) => return Err(refused("clock source", wanted, error.message, list(&offers))),
        }
    }
    Ok(device.get_clock_source().ok().filter(|source| !source.is_empty()))
}

fn antenna(device: &Device, settings: &Settings) -> Result<Option<String>, SetupError> {
    let channel = settings.channel;
    if let Some(wanted) = &settings.antenna {
        let offers = || list(&device.antennas(RX, channel).unwrap_or_default());
        let set = device.set_antenna(RX, channel, wanted.as_str()).and_then(|()| device.antenna(RX, channel));
        match set {
            Ok(now) if now == *wanted => {}
            Ok(now) => return Err(refused("antenna", wanted, format!("it uses {now}"), offers())),
            Err(error) => return Err(refused("antenna", wanted, error.message, offers())),
        }
    }
    Ok(device.antenna(RX, channel).ok().filter(|name| !name.is_empty()))
}

fn rate(device: &Device, settings: &Settings) -> Result<Hz, SetupError> {
    let (channel, wanted) = (settings.channel, settings.rate.0);
    let offers = || ranges(device.get_sample_rate_range(RX, channel));
    let set = device.set_sample_rate(RX, channel, wanted).and_then(|()| device.sample_rate(RX, channel));
    match set {
        Ok(now) if (now - wanted).abs() <= wanted * RATE_TOLERANCE => Ok(Hz(now)),
        Ok(now) => Err(refused("sample rate", hertz(wanted), format!("it runs at {}", hertz(now)), offers())),
        Err(error) => Err(refused("sample rate", hertz(wanted), error.message, offers())),
    }
}

fn bandwidth(device: &Device, settings: &Settings) -> Result<Option<Hz>, SetupError> {
    let channel = settings.channel;
    if let Some(wanted) = settings.bandwidth {
        let offers = || ranges(device.bandwidth_range(RX, channel));
        let set = device.set_bandwidth(RX, channel, wanted.0).and_then(|()| device.bandwidth(RX, channel));
        match set {
            // Some drivers set it and cannot tell.
            Ok(now) if now == 0.0 || now >= wanted.0 * BANDWIDTH_PART => {}
            Ok(now) => {
                let answer = format!("it has {}", hertz(now));
                return Err(refused("filter bandwidth", hertz(wanted.0), answer, offers()));
            }
            Err(error) => return Err(refused("filter bandwidth", hertz(wanted.0), error.message, offers())),
        }
    }
    Ok(device.bandwidth(RX, channel).ok().filter(|width| *width > 0.0).map(Hz))
}

fn gains(device: &Device, settings: &Settings) -> Result<BTreeMap<String, Db>, SetupError> {
    let channel = settings.channel;
    let mut actual = BTreeMap::new();
    for setting in &settings.gains {
        let name = setting.name.as_str();
        let offers = || match device.gain_element_range(RX, channel, name) {
            Ok(range) if range.maximum > range.minimum => format!("{} to {} dB", range.minimum, range.maximum),
            _ => format!("the gain elements {}", list(&device.list_gains(RX, channel).unwrap_or_default())),
        };
        let what = format!("gain {name}");
        let wanted = format!("{} dB", setting.gain.0);
        let set = device
            .set_gain_element(RX, channel, name, setting.gain.0)
            .and_then(|()| device.gain_element(RX, channel, name));
        let now = match set {
            Ok(_) if !setting.reads_back => setting.gain.0,
            Ok(now) if (now - setting.gain.0).abs() <= setting.step.0 => now,
            Ok(now) => return Err(refused(what, wanted, format!("it has {now} dB"), offers())),
            Err(error) => return Err(refused(what, wanted, error.message, offers())),
        };
        actual.insert(setting.name.clone(), Db(now));
    }
    Ok(actual)
}

/// What a refusal of a centre frequency is called.
pub const FREQUENCY: &str = "frequency";

/// Where the device says that it is tuned to.
pub fn tuned(device: &Device, channel: usize) -> Option<Hz> {
    device.frequency(RX, channel).ok().map(Hz)
}

/// Tunes to the settings' centre and reads it back.
///
/// # Errors
/// [`SetupError::Refused`] as [`FREQUENCY`].
pub fn tune(device: &Device, settings: &Settings) -> Result<Hz, SetupError> {
    let (channel, wanted) = (settings.channel, settings.center.0);
    let offers = || ranges(device.frequency_range(RX, channel));
    let mut args = Args::new();
    if settings.lo_offset.0 != 0.0 {
        args.set("OFFSET", settings.lo_offset.0.to_string());
    }
    let set = device.set_frequency(RX, channel, wanted, args).and_then(|()| device.frequency(RX, channel));
    match set {
        Ok(now) if (now - wanted).abs() <= CENTER_TOLERANCE.0 => Ok(Hz(now)),
        Ok(now) => Err(refused(FREQUENCY, hertz(wanted), format!("it is at {}", hertz(now)), offers())),
        Err(error) => Err(refused(FREQUENCY, hertz(wanted), error.message, offers())),
    }
}

fn refused(what: impl Into<String>, wanted: impl Display, answer: String, offers: String) -> SetupError {
    SetupError::Refused { what: what.into(), wanted: wanted.to_string(), answer, offers }
}

fn hertz(hz: f64) -> String {
    format!("{hz} Hz")
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing to choose".to_owned() } else { names.join(", ") }
}

/// Ranges in words; at most 20, since some drivers list every step.
pub(super) fn ranges(found: Result<Vec<Range>, Error>) -> String {
    let Ok(found) = found else { return "it does not say what".to_owned() };
    let one = |range: &Range| {
        if range.minimum == range.maximum {
            hertz(range.minimum)
        } else {
            format!("{} to {} Hz", range.minimum, range.maximum)
        }
    };
    let mut words: Vec<String> = found.iter().take(20).map(one).collect();
    if found.len() > words.len() {
        words.push("...".to_owned());
    }
    list(&words)
}

/// Whether an outside clock source is lost: the source changed, or its sensor says no. `None`: all is well, or it cannot be
/// known.
pub fn clock_trouble(device: &Device, settings: &Settings) -> Option<String> {
    let wanted = settings.clock_source.as_ref()?;
    if let Ok(now) = device.get_clock_source()
        && !now.is_empty()
        && now != *wanted
    {
        return Some(format!("the clock source is {now} and should be {wanted}"));
    }
    let sensor = settings.lock_sensor.as_ref()?;
    match device.read_sensor(sensor) {
        Ok(value) if !value.eq_ignore_ascii_case("true") => {
            Some(format!("the clock source {wanted} is not locked ({sensor} says {value})"))
        }
        _ => None,
    }
}

/// What a sensor of a device may truly say of its temperature, degrees Celsius. Chosen: what electronics stand, and a margin.
const CELSIUS: std::ops::RangeInclusive<f64> = -60.0..=150.0;

/// The device's temperature, degrees Celsius; `None` where it has no sensor, or that says nothing that can be true.
pub fn celsius(device: &Device, settings: &Settings) -> Option<f64> {
    let sensor = settings.temperature_sensor.as_deref()?;
    // SoapyUHD has it at the receive channel, the others at the device.
    let of_device = device.list_sensors().is_ok_and(|names| names.iter().any(|name| name == sensor));
    let told = match of_device {
        true => device.read_sensor(sensor),
        false => device.read_channel_sensor(RX, settings.channel, sensor),
    };
    told.ok()?.trim().parse().ok().filter(|celsius| CELSIUS.contains(celsius))
}
