//! `daen scan --plan`: how a model of receiver would scan the bands of countries.

use anyhow::Context as _;
use daen::config::device::Device;
use daen::radio::profile::Profile;
use daen::sensor::bands::{Table, union};
use daen::sensor::scan::{Options, Plan};
use daen::sensor::source::reach;
use daen::units::Nanos;
use std::io::Write;
use std::path::Path;

/// Air times that a probability is told for, seconds.
const AIRTIMES: [i64; 5] = [10, 30, 60, 90, 120];

/// Prints the plan of the wish's profile and rate.
pub fn run(countries: &[String], wish: &Device) -> anyhow::Result<()> {
    let tables = countries.iter().map(|name| Table::named(name, Path::new("")));
    let tables: Vec<Table> = tables.collect::<Result<_, _>>().context("--plan")?;
    let profile = Profile::named(&wish.profile, Path::new("")).context("--profile")?;
    let reach = reach(&profile, wish);
    let bands = union(&tables);
    let plan = Plan::new(&bands, &reach, Options::default());
    let mut out = std::io::stdout().lock();
    let (rate, usable) = (profile.rate(wish).0 / 1e6, reach.usable.0 / 1e6);
    writeln!(out, "{}: {rate} Msps, {usable} MHz of it usable", profile.model)?;
    writeln!(out, "  {:10} {:>17}  {:4} {:>8}  used for", "band", "downlink MHz", "", "windows")?;
    for band in &bands {
        let half = reach.usable.0 / 2.0;
        let near = |center: f64| center + half > band.low.0 && center - half < band.high.0;
        let windows = plan.windows().iter().filter(|window| window.gsm == band.gsm && near(window.center.0)).count();
        let windows = if plan.unreachable().contains(&band.name) { "-".to_owned() } else { windows.to_string() };
        let (edges, gsm) =
            (format!("{:.1} - {:.1}", band.low.0 / 1e6, band.high.0 / 1e6), if band.gsm { "GSM" } else { "" });
        writeln!(out, "  {:10} {edges:>17}  {gsm:4} {windows:>8}  {}", band.name, band.used)?;
    }
    if plan.windows().is_empty() {
        anyhow::bail!("{} reaches none of these bands", profile.model);
    }
    let [gsm, other] = [true, false].map(|gsm| plan.period(gsm).as_secs_f64());
    writeln!(
        out,
        "while decoding takes its whole share, windows of GSM are swept every {gsm:.1} s, others every {other:.1} s"
    )?;
    write!(out, "a GSM transmitter is decoded while it is on air, by its air time:")?;
    for seconds in AIRTIMES {
        let airtime = Nanos::from_secs(seconds);
        write!(out, " {seconds} s {:.0} %", plan.chance(airtime, airtime) * 100.0)?;
    }
    writeln!(out)?;
    if !plan.unreachable().is_empty() {
        writeln!(out, "out of reach: {}", plan.unreachable().join(", "))?;
    }
    Ok(out.flush()?)
}
