//! Which devices there are, and what their profile would set.

use super::setup::ranges;
use crate::config::device::Device as Wish;
use crate::radio::profile::{Profile, Settings};
use soapysdr::Direction;
use std::collections::BTreeMap;

/// A device that was found, and what it says of itself.
#[derive(Clone, Debug)]
pub struct Found {
    /// Arguments that open it.
    pub args: String,
    /// Its description, by key.
    pub description: BTreeMap<String, String>,
    /// The built-in profile that fits it, and what it would set at the wished frequency.
    pub profile: Option<(&'static str, Result<Settings, String>)>,
    /// What the driver says, in lines of name and value; or why it cannot be opened.
    pub offers: Result<Vec<(&'static str, String)>, String>,
}

/// Keys that name one device among many; others describe it.
const NAMING: &[&str] = &["driver", "serial", "device_id", "uri", "addr", "remote", "remote:driver", "label"];

/// Devices whose description fits `filter` (SoapySDR's arguments; empty: all), each opened and closed again.
///
/// An empty filter makes drivers search USB and the local network.
///
/// # Errors
/// SoapySDR's, in words.
pub fn devices(filter: &str, wish: &Wish) -> Result<Vec<Found>, String> {
    let list = soapysdr::enumerate(filter).map_err(|error| error.message)?;
    Ok(list.iter().map(|args| found(args.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(), wish)).collect())
}

fn found(description: BTreeMap<String, String>, wish: &Wish) -> Found {
    // A comma would begin another argument.
    let usable = |key: &&&str| description.get(**key).is_some_and(|value| !value.contains(','));
    let needed = |key: &&&str| **key != "label" || !description.contains_key("serial");
    let keys = NAMING.iter().filter(usable).filter(needed);
    let args: Vec<String> = keys.map(|key| format!("{key}={}", description[*key])).collect();
    let args = args.join(",");
    let profile = Profile::for_device(&description).map(|(name, profile)| {
        let wish = Wish { args: args.clone(), ..wish.clone() };
        (name, profile.settings(&wish).map_err(|error| error.to_string()))
    });
    let offers = offers(&args).map_err(|error| error.message);
    Found { args, description, profile, offers }
}

fn offers(args: &str) -> Result<Vec<(&'static str, String)>, soapysdr::Error> {
    let device = soapysdr::Device::new(args)?;
    let rx = Direction::Rx;
    let mut lines = vec![("channels", device.num_channels(rx)?.to_string())];
    if let Ok((format, full)) = device.native_stream_format(rx, 0) {
        lines.push(("native format", format!("{format}, full scale {full}")));
    }
    lines.push(("antennas", device.antennas(rx, 0)?.join(", ")));
    for name in device.list_gains(rx, 0)? {
        let range = device.gain_element_range(rx, 0, name.as_str())?;
        lines.push(("gain", format!("{name} {} to {} dB", range.minimum, range.maximum)));
    }
    lines.push(("frequencies", ranges(device.frequency_range(rx, 0))));
    lines.push(("sample rates", ranges(device.get_sample_rate_range(rx, 0))));
    lines.push(("filters", ranges(device.bandwidth_range(rx, 0))));
    lines.push(("clock sources", device.list_clock_sources()?.join(", ")));
    for name in device.list_sensors()? {
        lines.push(("sensor", format!("{name} {}", reading(device.read_sensor(&name)))));
    }
    for name in device.list_channel_sensors(rx, 0)? {
        lines.push(("receive sensor", format!("{name} {}", reading(device.read_channel_sensor(rx, 0, &name)))));
    }
    lines.push(("hardware time", if device.has_hardware_time(None)? { "yes" } else { "no" }.to_owned()));
    Ok(lines)
}

/// A sensor that is not fitted is no reason to say nothing of its device.
fn reading(told: Result<String, soapysdr::Error>) -> String {
    told.unwrap_or_else(|error| format!("cannot be read: {}", error.message))
}
