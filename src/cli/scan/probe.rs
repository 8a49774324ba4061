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
    let offset = |hz: f64| if hz == 0.0 { "on the frequency".to_owned() } else { format!("{hz:+} Hz beside it") };
    line("oscillator", offset(settings.lo_offset.0))?;
    line("antenna", settings.antenna.clone().unwrap_or_else(|| "as it is".to_owned()))?;
    for gain in &settings.gains {
        line("gain", format!("{} {} dB", gain.name, gain.gain.0))?;
    }
    line("clock source", settings.clock_source.clone().unwrap_or_else(|| "as it is".to_owned()))?;
    for (key, value) in &settings.stream_args {
        line("stream", format!("{key}={value}"))?;
    }
    line("transfers", settings.mtu.map_or_else(|| "the driver's size".to_owned(), |mtu| format!("{mtu} samples")))?;
    let settling = settings.settling.as_secs_f64() * 1e3;
    line("settling", format!("{settling} ms are thrown away at a start and after a retune"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use daen::radio::profile::Profile;
    use daen::units::{Db, Hz};

    const PROFILE: &str = r#"
        model = "Example"
        driver = "example"
        rates_hz = [2400000.0]
        bandwidths_hz = [1500000.0, 2500000.0]
        usable = 0.8
        tuning_hz = [[24e6, 1766e6]]
        adc_bits = 8
        antennas = ["RX", "AUX"]
        lo_offset_hz = 600000.0
        settling_ms = 12.5
        clock_ppm = 1.0
        clock_sources = ["internal", "external"]
        hardware_time = false
        timestamps = "none"
        mtu = 131072
        stream_args = { buffers = "24" }
        [[gains]]
        name = "TUNER"
        least_db = 0.0
        greatest_db = 49.6
        step_db = 4.0
        default_db = 28.0
    "#;

    fn told(profile: &str, wish: &Device) -> String {
        let settings = Profile::parse("example", profile).unwrap().settings(wish).unwrap();
        let mut out = Vec::new();
        would_set("example", &settings, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn everything_that_a_profile_would_set_is_told() {
        let wish = Device { center: Hz(947.4e6), antenna: Some("AUX".to_owned()), ..Device::default() };
        assert_eq!(
            told(PROFILE, &wish),
            "  profile example (Example) would set:\n    \
             frequency      947400000 Hz\n    \
             sample rate    2400000 Hz, 1920000 Hz of it usable\n    \
             filter         1500000 Hz\n    \
             oscillator     +600000 Hz beside it\n    \
             antenna        AUX\n    \
             gain           TUNER 28 dB\n    \
             clock source   as it is\n    \
             stream         buffers=24\n    \
             transfers      131072 samples\n    \
             settling       12.5 ms are thrown away at a start and after a retune\n"
        );
        // What the profile leaves to the driver, and what is wished for instead of its defaults.
        let plain = PROFILE
            .replace("bandwidths_hz = [1500000.0, 2500000.0]", "")
            .replace("mtu = 131072", "")
            .replace("lo_offset_hz = 600000.0", "lo_offset_hz = 0.0")
            .replace("antennas = [\"RX\", \"AUX\"]", "antennas = []");
        let gains = [("TUNER".to_owned(), Db(40.0))].into();
        let wish =
            Device { center: Hz(947.4e6), gains, clock_source: Some("external".to_owned()), ..Device::default() };
        let text = told(&plain, &wish);
        for line in [
            "filter         the driver's choice",
            "oscillator     on the frequency",
            "antenna        as it is",
            "gain           TUNER 40 dB",
            "clock source   external",
            "transfers      the driver's size",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
