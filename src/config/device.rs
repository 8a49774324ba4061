//! A receiver in a node's configuration: what is wished of it. What its model can do stands in its profile.

use super::{ConfigError, in_range, value_error};
use crate::units::{Db, Hz};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A receiver as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceFile {
    /// SoapySDR's arguments, such as `driver=rtlsdr,serial=00000001`.
    pub device: String,
    /// What is known of the model: a name of `firmware-config`, or a path that ends in `.toml`.
    pub profile: String,
    /// Frequency in the middle of the band, hertz; absent where a plan is followed.
    pub center_hz: Option<f64>,
    /// Countries whose bands are scanned (such as `TH`), or paths of tables that end in `.toml`; absent: the tuning stays.
    pub scan: Option<Vec<String>>,
    /// Samples a second; the profile's first one where absent.
    pub rate_hz: Option<f64>,
    /// Anti-alias filter, hertz; the one that suits the rate where absent.
    pub bandwidth_hz: Option<f64>,
    /// Gain elements by name, dB; the profile's default for each that is not named.
    #[serde(default)]
    pub gains: BTreeMap<String, f64>,
    /// Receive port; the profile's first one where absent.
    pub antenna: Option<String>,
    /// Reference of the sample clock; as the device has it where absent.
    pub clock_source: Option<String>,
    /// Receive channel of the device.
    #[serde(default)]
    pub channel: usize,
    /// More arguments of the stream.
    #[serde(default)]
    pub stream_args: BTreeMap<String, String>,
}

/// A receiver and what it is wished to do; what the model can do is not known here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Device {
    /// SoapySDR's arguments.
    pub args: String,
    /// Name or path of the profile; empty: the one that fits the device.
    pub profile: String,
    /// Where paths of profiles count from.
    pub folder: PathBuf,
    /// Frequency in the middle of the band; of a receiver that scans, where it begins.
    pub center: Hz,
    /// Tables of bands to be scanned; empty: the tuning stays.
    pub scan: Vec<String>,
    /// Samples a second.
    pub rate: Option<Hz>,
    /// Anti-alias filter.
    pub bandwidth: Option<Hz>,
    /// Gain elements by name.
    pub gains: BTreeMap<String, Db>,
    /// Receive port.
    pub antenna: Option<String>,
    /// Reference of the sample clock.
    pub clock_source: Option<String>,
    /// Receive channel.
    pub channel: usize,
    /// More arguments of the stream.
    pub stream_args: BTreeMap<String, String>,
}

impl DeviceFile {
    /// Checks what is written, but for what only the model's profile can tell; relative paths count from `folder`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check(self, folder: &Path) -> Result<Device, ConfigError> {
        let file = self;
        if !file.device.contains('=') || file.device.contains('\0') {
            let allowed = "SoapySDR's arguments, such as \"driver=rtlsdr\"; `daen scan --probe` lists devices";
            return Err(value_error("source.device", format!("{:?}", file.device), allowed));
        }
        if let Some((key, value)) = file.stream_args.iter().find(|(k, v)| k.contains('\0') || v.contains('\0')) {
            return Err(value_error(
                format!("source.stream_args.{key:?}"),
                format!("{value:?}"),
                "without a zero octet",
            ));
        }
        let hz = |key: &str, value: f64| Ok::<_, ConfigError>(Hz(in_range(key, value, 1.0..=1e12, " Hz")?));
        let center = match (file.center_hz, &file.scan) {
            (Some(center), None) => hz("source.center_hz", center)?,
            (None, Some(tables)) if !tables.is_empty() => Hz(0.0),
            (center, tables) => {
                let value = format!("center_hz {center:?}, scan {tables:?}");
                let allowed =
                    "center_hz for a fixed tuning, or scan = [\"TH\"] for the bands of countries, and not both";
                return Err(value_error("source", value, allowed));
            }
        };
        let mut gains = BTreeMap::new();
        for (name, value) in file.gains {
            let gain = in_range(&format!("source.gains.{name}"), value, -200.0..=200.0, " dB")?;
            gains.insert(name, Db(gain));
        }
        Ok(Device {
            args: file.device,
            profile: file.profile,
            folder: folder.to_owned(),
            center,
            scan: file.scan.unwrap_or_default(),
            rate: file.rate_hz.map(|rate| hz("source.rate_hz", rate)).transpose()?,
            bandwidth: file.bandwidth_hz.map(|width| hz("source.bandwidth_hz", width)).transpose()?,
            gains,
            antenna: file.antenna,
            clock_source: file.clock_source,
            channel: in_range("source.channel", file.channel, 0..=15, "")?,
            stream_args: file.stream_args,
        })
    }
}
