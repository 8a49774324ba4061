//! What daen knows of a model of receiver, and whether what a configuration wishes for can be had from it.
//!
//! Each file of `firmware-config` describes one model; all of them are part of the program. Another file can be named in the
//! configuration. `firmware-config/README.md` explains every key.

use crate::config::device::Device;
use crate::config::named::{self, TableError};
use crate::units::{Db, Hz, Nanos};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// The files of `firmware-config`, by name.
        pub const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../firmware-config/", $name, ".toml")))),*];
    };
}

built_in!(
    "airspy-mini",
    "airspy-r2",
    "bladerf-2-micro",
    "hackrf-one",
    "limesdr-mini",
    "limesdr-usb",
    "plutosdr",
    "rtl-sdr-v3",
    "rtl-sdr-v4",
    "sdrplay",
    "soapyremote",
    "usrp-b200",
    "usrp-b210",
);

/// Most samples in one read that a file may ask for.
const MAX_MTU: usize = 1 << 20;

/// A model of receiver.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name for people.
    pub model: String,
    /// SoapySDR's `driver=`.
    pub driver: String,
    /// Further keys of the device's description, each with a text that must be part of its value (case does not matter).
    #[serde(default)]
    pub matches: BTreeMap<String, String>,
    /// Sample rates to use, best first.
    pub rates_hz: Vec<Hz>,
    /// Other rates that the device keeps, lowest and highest; none where absent.
    pub rate_range_hz: Option<[Hz; 2]>,
    /// Anti-alias filters that can be chosen; empty where the driver chooses.
    #[serde(default)]
    pub bandwidths_hz: Vec<Hz>,
    /// Part of the rate in which the level is true within 1 dB or so and nothing folds in.
    pub usable: f64,
    /// Centre frequencies, lowest and highest of each range.
    pub tuning_hz: Vec<[Hz; 2]>,
    /// Resolution of the converter.
    pub adc_bits: u8,
    /// What full scale is in the driver's native format, where the driver says something else.
    pub full_scale: Option<f64>,
    /// Receive ports, the one to use first.
    pub antennas: Vec<String>,
    /// Receive gain elements, from the antenna on.
    #[serde(default)]
    pub gains: Vec<Gain>,
    /// Given to the driver when the device is opened.
    #[serde(default)]
    pub device_args: BTreeMap<String, String>,
    /// Given to the driver when the stream is opened.
    #[serde(default)]
    pub stream_args: BTreeMap<String, String>,
    /// Samples in a transfer, where the driver's own figure is of no use.
    pub mtu: Option<usize>,
    /// How far to put the local oscillator from the centre; 0 where the device cannot or need not.
    pub lo_offset_hz: Hz,
    /// Samples are not to be trusted for this long after a start or a retune.
    pub settling_ms: f64,
    /// Tolerance of the reference oscillator when new.
    pub clock_ppm: f64,
    /// Clock sources by the driver's names, the built-in one first.
    #[serde(default = "internal")]
    pub clock_sources: Vec<String>,
    /// Sensor that reads `true` while an outside clock source is good.
    pub lock_sensor: Option<String>,
    /// Sensor of the device or of its receive channel that reads degrees Celsius.
    pub temperature_sensor: Option<String>,
    /// Whether the device has a clock that can be set and read.
    pub hardware_time: bool,
    /// Whether time stamps of a stream count samples.
    pub timestamps: Timestamps,
    /// What has to be worked round, one sentence each.
    #[serde(default)]
    pub quirks: Vec<String>,
}

fn internal() -> Vec<String> {
    vec!["internal".to_owned()]
}

/// A gain element.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gain {
    /// SoapySDR's name.
    pub name: String,
    /// Least gain.
    pub least_db: Db,
    /// Greatest gain.
    pub greatest_db: Db,
    /// Distance of two settings; where they are uneven, the largest.
    pub step_db: Db,
    /// What to set where nobody says otherwise.
    pub default_db: Db,
    /// Whether the driver tells truly what is set.
    #[serde(default = "yes")]
    pub reads_back: bool,
}

fn yes() -> bool {
    true
}

/// Whether time stamps of a stream count samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Timestamps {
    /// They do, so that a gap is known to the sample.
    Samples,
    /// There are none, or they follow another clock.
    None,
    /// It depends on driver or version: they are watched and believed if they agree with the number of samples.
    Observe,
}

/// Why a profile cannot be used, or a wish not be had.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The profile itself.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A model does not offer what is wished for.
    #[error("source.{key} = {value}: {model} offers {offers}")]
    Offer {
        /// The key of the configuration.
        key: String,
        /// As written.
        value: String,
        /// The model.
        model: String,
        /// What it has.
        offers: String,
    },
}

/// What is to be set, every value of it within what the model offers.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// SoapySDR's arguments of the device.
    pub device_args: String,
    /// Name for people.
    pub model: String,
    /// Which receive channel.
    pub channel: usize,
    /// Centre frequency.
    pub center: Hz,
    /// Sample rate.
    pub rate: Hz,
    /// Anti-alias filter; `None`: the driver's choice.
    pub bandwidth: Option<Hz>,
    /// Part of the rate that can be used.
    pub usable: Hz,
    /// Gain elements; empty for a model without any.
    pub gains: Vec<GainSetting>,
    /// Receive port; `None`: the driver's choice.
    pub antenna: Option<String>,
    /// Clock source; `None`: as it is.
    pub clock_source: Option<String>,
    /// Sensor of an outside clock source.
    pub lock_sensor: Option<String>,
    /// Sensor of the temperature.
    pub temperature_sensor: Option<String>,
    /// Arguments of the stream.
    pub stream_args: BTreeMap<String, String>,
    /// Full scale of the native format, where the driver is wrong about it.
    pub full_scale: Option<f64>,
    /// Samples in a transfer.
    pub mtu: Option<usize>,
    /// Where to put the local oscillator, from the centre.
    pub lo_offset: Hz,
    /// What to throw away at the start.
    pub settling: Nanos,
    /// What stamps are worth.
    pub timestamps: Timestamps,
}

/// A gain element to be set.
#[derive(Clone, Debug, PartialEq)]
pub struct GainSetting {
    /// SoapySDR's name.
    pub name: String,
    /// What to set.
    pub gain: Db,
    /// How far the driver may round.
    pub step: Db,
    /// Whether the driver tells truly what is set.
    pub reads_back: bool,
}

impl Profile {
    /// A built-in profile by its name, or a file whose path ends in `.toml`.
    ///
    /// # Errors
    /// [`ProfileError`], naming file, key and what is allowed.
    pub fn named(name: &str, folder: &Path) -> Result<Profile, ProfileError> {
        let (shown, text) = named::text("profile", BUILT_IN, name, folder)?;
        let shown = if matches!(text, Cow::Borrowed(_)) { format!("firmware-config/{shown}.toml") } else { shown };
        Profile::parse(&shown, &text)
    }

    /// The built-in profile that fits a device's description: its driver and all of its `matches`; of several the one that
    /// asks for most. Behind a server it is the device's own description that counts, where it is known.
    pub fn for_device(description: &BTreeMap<String, String>) -> Option<(&'static str, Profile)> {
        let behind = |key: &str| description.get(&format!("remote:{key}")).or_else(|| description.get(key));
        let fits = |profile: &Profile| {
            let driver = if profile.driver == "remote" { description.get("driver") } else { behind("driver") };
            driver.is_some_and(|driver| driver.eq_ignore_ascii_case(&profile.driver))
                && profile.matches.iter().all(|(key, part)| {
                    behind(key).is_some_and(|text| text.to_lowercase().contains(&part.to_lowercase()))
                })
        };
        BUILT_IN
            .iter()
            .filter_map(|&(name, _)| Some((name, Profile::named(name, Path::new("")).ok()?)))
            .filter(|(_, profile)| fits(profile))
            .max_by_key(|(_, profile)| (profile.driver != "remote", profile.matches.len()))
    }

    /// Reads and checks a profile; `name` is for messages.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn parse(name: &str, text: &str) -> Result<Profile, ProfileError> {
        let profile: Profile = named::parse(name, text)?;
        profile.check(name)?;
        Ok(profile)
    }

    fn check(&self, name: &str) -> Result<(), ProfileError> {
        let wrong = |key: &str, value: String, allowed: &'static str| {
            Err(TableError::Value { name: name.to_owned(), key: key.to_owned(), value, allowed }.into())
        };
        let rate = |hz: &Hz| (1e3..=1e9).contains(&hz.0);
        if self.rates_hz.is_empty() || !self.rates_hz.iter().all(rate) {
            return wrong("rates_hz", format!("{:?}", self.rates_hz), "one rate or more, each 1e3 to 1e9");
        }
        if let Some([low, high]) = self.rate_range_hz
            && !(rate(&low) && rate(&high) && low.0 <= high.0)
        {
            return wrong("rate_range_hz", format!("{:?}", [low.0, high.0]), "lowest and highest, within 1e3 to 1e9");
        }
        if !self.bandwidths_hz.iter().all(rate) {
            return wrong("bandwidths_hz", format!("{:?}", self.bandwidths_hz), "each 1e3 to 1e9");
        }
        if !(self.usable > 0.0 && self.usable <= 1.0) {
            return wrong("usable", self.usable.to_string(), "more than 0 and at most 1");
        }
        let range = |[low, high]: &[Hz; 2]| low.0 >= 0.0 && high.0 <= 1e12 && low.0 <= high.0;
        if self.tuning_hz.is_empty() || !self.tuning_hz.iter().all(range) {
            return wrong("tuning_hz", format!("{:?}", self.tuning_hz), "ranges of lowest and highest, 0 to 1e12");
        }
        if !(1..=32).contains(&self.adc_bits) {
            return wrong("adc_bits", self.adc_bits.to_string(), "1 to 32");
        }
        if self.full_scale.is_some_and(|scale| !(1.0..=4.3e9).contains(&scale)) {
            return wrong("full_scale", format!("{:?}", self.full_scale), "1 to 2^32");
        }
        if self.mtu.is_some_and(|mtu| mtu == 0 || mtu > MAX_MTU) {
            return wrong("mtu", format!("{:?}", self.mtu), "1 to 2^20 samples");
        }
        if !(0.0..=10_000.0).contains(&self.settling_ms) {
            return wrong("settling_ms", self.settling_ms.to_string(), "0 to 10000");
        }
        if !(0.0..=200.0).contains(&self.clock_ppm) {
            return wrong("clock_ppm", self.clock_ppm.to_string(), "0 to 200");
        }
        if self.lo_offset_hz.0.is_nan() || self.lo_offset_hz.0.abs() > 1e9 {
            return wrong("lo_offset_hz", self.lo_offset_hz.0.to_string(), "-1e9 to 1e9");
        }
        for (key, sensor) in [("lock_sensor", &self.lock_sensor), ("temperature_sensor", &self.temperature_sensor)] {
            if sensor.as_ref().is_some_and(|name| name.is_empty() || name.contains(char::is_control)) {
                return wrong(key, format!("{sensor:?}"), "the name of a sensor, as the driver lists it");
            }
        }
        for gain in &self.gains {
            let Gain { least_db, greatest_db, default_db, step_db, .. } = gain;
            let inside = least_db.0 <= default_db.0 && default_db.0 <= greatest_db.0;
            if !(inside && step_db.0 > 0.0 && least_db.0 >= -200.0 && greatest_db.0 <= 200.0) {
                let allowed = "a default within least and greatest, -200 to 200, and a step above 0";
                return wrong("gains", format!("{gain:?}"), allowed);
            }
        }
        Ok(())
    }

    /// The sample rate for a wish: its own, or the preferred one.
    pub fn rate(&self, wish: &Device) -> Hz {
        wish.rate.unwrap_or(self.rates_hz[0])
    }

    /// What to set for the wishes of a configuration: theirs where they are within what the model offers, the model's own
    /// preference where they are silent.
    ///
    /// # Errors
    /// [`ProfileError::Offer`], saying what the model has.
    pub fn settings(&self, wish: &Device) -> Result<Settings, ProfileError> {
        let offer = |key: &str, value: &dyn Display, offers: String| ProfileError::Offer {
            key: key.to_owned(),
            value: value.to_string(),
            model: self.model.clone(),
            offers,
        };
        let within = |[low, high]: &[Hz; 2], hz: Hz| (low.0..=high.0).contains(&hz.0);
        if !self.tuning_hz.iter().any(|range| within(range, wish.center)) {
            return Err(offer("center_hz", &wish.center.0, ranges(&self.tuning_hz)));
        }
        let rate = self.rate(wish);
        if !self.rates_hz.contains(&rate) && !self.rate_range_hz.is_some_and(|range| within(&range, rate)) {
            let mut offers = list(self.rates_hz.iter().map(|rate| rate.0));
            if let Some(range) = self.rate_range_hz {
                offers.push_str(&format!(", and {}", ranges(&[range])));
            }
            return Err(offer("rate_hz", &rate.0, offers));
        }
        let bandwidth = match wish.bandwidth {
            Some(wanted) if self.bandwidths_hz.contains(&wanted) => Some(wanted),
            Some(wanted) if self.bandwidths_hz.is_empty() => {
                return Err(offer("bandwidth_hz", &wanted.0, "no choice of filters: leave the key away".to_owned()));
            }
            Some(wanted) => {
                return Err(offer("bandwidth_hz", &wanted.0, list(self.bandwidths_hz.iter().map(|b| b.0))));
            }
            // The widest filter that keeps folded signals out of the usable part.
            None => {
                let most = rate.0 * (2.0 - self.usable).min(1.0);
                let fitting = self.bandwidths_hz.iter().filter(|b| b.0 <= most).max_by(|a, b| a.0.total_cmp(&b.0));
                fitting.or_else(|| self.bandwidths_hz.iter().min_by(|a, b| a.0.total_cmp(&b.0))).copied()
            }
        };
        if let Some(name) = wish.gains.keys().find(|name| !self.gains.iter().any(|gain| gain.name == **name)) {
            let names = list(self.gains.iter().map(|gain| &gain.name));
            return Err(offer(&format!("gains.{name}"), &wish.gains[name].0, format!("the gain elements {names}")));
        }
        let mut gains = Vec::with_capacity(self.gains.len());
        for element in &self.gains {
            let gain = wish.gains.get(&element.name).copied().unwrap_or(element.default_db);
            if !(element.least_db.0..=element.greatest_db.0).contains(&gain.0) {
                let offers = format!("{} to {} dB", element.least_db.0, element.greatest_db.0);
                return Err(offer(&format!("gains.{}", element.name), &gain.0, offers));
            }
            let (name, step, reads_back) = (element.name.clone(), element.step_db, element.reads_back);
            gains.push(GainSetting { name, gain, step, reads_back });
        }
        if let Some(wanted) = &wish.antenna
            && !self.antennas.contains(wanted)
        {
            return Err(offer("antenna", wanted, list(self.antennas.iter())));
        }
        if let Some(wanted) = &wish.clock_source
            && !self.clock_sources.contains(wanted)
        {
            return Err(offer("clock_source", wanted, list(self.clock_sources.iter())));
        }
        let outside = wish.clock_source.as_ref().is_some_and(|source| Some(source) != self.clock_sources.first());
        Ok(Settings {
            device_args: with_args(&wish.args, &self.device_args),
            model: self.model.clone(),
            channel: wish.channel,
            center: wish.center,
            rate,
            bandwidth,
            usable: Hz(rate.0 * self.usable),
            gains,
            antenna: wish.antenna.clone().or_else(|| self.antennas.first().cloned()),
            clock_source: wish.clock_source.clone(),
            lock_sensor: self.lock_sensor.clone().filter(|_| outside),
            temperature_sensor: self.temperature_sensor.clone(),
            stream_args: self.stream_args.clone().into_iter().chain(wish.stream_args.clone()).collect(),
            full_scale: self.full_scale,
            mtu: self.mtu,
            lo_offset: self.lo_offset_hz,
            settling: Nanos((self.settling_ms * 1e6).round() as i64),
            timestamps: self.timestamps,
        })
    }
}

/// The arguments of the configuration, and those of the profile that it does not name.
fn with_args(given: &str, more: &BTreeMap<String, String>) -> String {
    let named = |key: &str| given.split(',').any(|pair| pair.split('=').next().is_some_and(|k| k.trim() == key));
    let added = more.iter().filter(|(key, _)| !named(key)).map(|(key, value)| format!("{key}={value}"));
    std::iter::once(given.to_owned()).filter(|given| !given.is_empty()).chain(added).collect::<Vec<_>>().join(",")
}

fn list(values: impl Iterator<Item = impl Display>) -> String {
    let text = values.map(|value| value.to_string()).collect::<Vec<_>>().join(", ");
    if text.is_empty() { "none".to_owned() } else { text }
}

fn ranges(ranges: &[[Hz; 2]]) -> String {
    list(ranges.iter().map(|[low, high]| format!("{} to {} Hz", low.0, high.0)))
}
