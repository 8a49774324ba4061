//! `daen scan --probe`: devices, what they offer, and what their profile would set.

use daen::config::device::Device;
use daen::radio::profile::Settings;
use daen::radio::soapy::probe::{self, Found};
use std::io::Write;

/// Lists the devices that fit the wish's arguments.
pub fn run(wish: &Device) -> anyhow::Result<()> {
    let devices = probe::devices(&wish.args, wish).map_err(anyhow::Error::msg)?;
    let mut out = std::io::stdout().lock();
    if devices.is_empty() {
        writeln!(
            out,
            "no device found; is it plugged in, and is its SoapySDR module installed (soapysdr-module-...)?"
        )?;
    }
    for device in &devices {
        one(device, &mut out)?;
    }
    Ok(out.flush()?)
}

fn one(found: &Found, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{}", found.args)?;
    for (key, value) in &found.description {
        writeln!(out, "  {key:16} {value}")?;
    }
    match &found.offers {
        Ok(lines) => {
            writeln!(out, "  offers:")?;
            for (name, value) in lines {
                writeln!(out, "    {name:14} {value}")?;
            }
        }
        Err(why) => writeln!(out, "  cannot be opened: {why}")?,
    }
    match &found.profile {
        None => writeln!(out, "  no profile of firmware-config fits it: write one, and name it in the configuration"),
        Some((name, Err(why))) => writeln!(out, "  profile {name}: {why}"),
        Some((name, Ok(settings))) => would_set(name, settings, out),
    }
}

fn would_set(name: &str, settings: &Settings, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "  profile {name} ({}) would set:", settings.model)?;
    let mut line = |name: &str, value: String| writeln!(out, "    {name:14} {value}");
    line("frequency", format!("{} Hz", settings.center.0))?;
    line("sample rate", format!("{} Hz, {} Hz of it usable", settings.rate.0, settings.usable.0))?;
    let filter = settings.bandwidth.map_or_else(|| "the driver's choice".to_owned(), |width| format!("{} Hz", width.0));
    line("filter", filter)?;
    line("antenna", settings.antenna.clone().unwrap_or_else(|| "as it is".to_owned()))?;
    for gain in &settings.gains {
        line("gain", format!("{} {} dB", gain.name, gain.gain.0))?;
    }
    line("clock source", settings.clock_source.clone().unwrap_or_else(|| "as it is".to_owned()))?;
    for (key, value) in &settings.stream_args {
        line("stream", format!("{key}={value}"))?;
    }
    Ok(())
}
