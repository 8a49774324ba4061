//! `daen calibrate`: measures one receiver and keeps what was measured in its calibration file.

use super::replay::parse_hz;
use super::service::say;
use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use daen::observation::Observation;
use daen::radio::calibration::apply::Setting;
use daen::radio::calibration::{Calibration, CalibrationError, Factor, Frequency, LevelPoint, LevelTable, RateDelay};
use daen::radio::sigmf;
use daen::rules::{self, Engine, Format, Register};
use daen::sensor::calibrate::{Transferred, frequency, frequency_of, imbalance, known_source, transfer};
use daen::units::{Db, Dbm, Hz, Ppb};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Lines that a file of observations may have.
const MAX_LINES: usize = 2_000_000;
/// Ageing of a clock whose maker does not tell it. Chosen: a crystal's first year, by data sheets of TCXOs.
const AGEING: Ppb = Ppb(1000.0);

/// Options of `daen calibrate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the calibration files; the file is called SERIAL.toml.
    #[arg(long, default_value = "calibration", global = true)]
    folder: PathBuf,
    /// The receiver's serial number, as `daen scan --probe` tells it.
    #[arg(long, global = true, default_value = "")]
    serial: String,
    /// Its profile in firmware-config, for a file that does not exist yet.
    #[arg(long, global = true)]
    model: Option<String>,
    /// Who measures.
    #[arg(long, global = true, value_name = "NAME")]
    by: Option<String>,
    /// Today, such as 2026-10-01.
    #[arg(long, global = true)]
    date: Option<String>,
    /// First day on which the file is no longer taken; a year from today where a file is new.
    #[arg(long, global = true)]
    valid_until: Option<String>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The sample clock, against the carriers of at least three licensed cells.
    Frequency {
        /// SigMF recordings made with this receiver.
        #[arg(required_unless_present = "observations")]
        recordings: Vec<PathBuf>,
        /// Observations of this receiver's node instead, one JSON object a line (`daen scan --json`, the hub's evidence).
        #[arg(long, conflicts_with = "recordings")]
        observations: Option<PathBuf>,
        /// Licence register (CSV): only cells that it licenses are a reference.
        #[arg(long)]
        register: PathBuf,
        /// Temperature of the device, degrees Celsius.
        #[arg(long, allow_hyphen_values = true)]
        celsius: Option<f64>,
    },
    /// The level, against a source of known level at the receiver's connector.
    Source {
        /// A recording of the source, at the gain that is to be calibrated.
        recording: PathBuf,
        /// Frequency of the source, such as 947.4M.
        #[arg(long, value_parser = parse_hz)]
        at: Hz,
        /// Its level, dBm.
        #[arg(long, allow_hyphen_values = true)]
        dbm: f64,
        /// One standard deviation of that, dB.
        #[arg(long)]
        sigma: f64,
        #[command(flatten)]
        table: Table,
    },
    /// The level, against a calibrated receiver at the same antenna.
    Transfer {
        /// Observations of this receiver, one JSON object a line.
        ours: PathBuf,
        /// Observations of the calibrated receiver, made at the same time.
        reference: PathBuf,
        #[command(flatten)]
        table: Table,
    },
    /// The delay of the device at a sample rate, as it was measured by other means.
    Delay {
        /// Sample rate, such as 2.4M.
        #[arg(long, value_parser = parse_hz)]
        rate: Hz,
        /// Nanoseconds from the connector to the time stamp.
        #[arg(long, allow_hyphen_values = true)]
        ns: f64,
        /// One standard deviation.
        #[arg(long)]
        sigma: f64,
    },
    /// Direct current and imbalance of the receiver, by a recording of a band with many signals, or of noise.
    Iq {
        /// A recording of at least a million samples, made without any correction.
        recording: PathBuf,
    },
    /// The loss of cable and filters, or the antenna's factor, at a frequency, as it was measured by other means or its maker tells it.
    Path {
        /// Which of them.
        what: PathPart,
        /// The frequency, such as 947.4M.
        #[arg(long, value_parser = parse_hz)]
        at: Hz,
        /// The loss in dB, or the factor in dB(1/m).
        #[arg(long, allow_hyphen_values = true)]
        db: f64,
        /// One standard deviation, dB.
        #[arg(long)]
        sigma: f64,
    },
    /// What a file says of a carrier.
    Show {
        /// The carrier, such as 947.4M.
        #[arg(long, value_parser = parse_hz)]
        at: Hz,
        /// A gain element and its value in dB, such as TUNER=38.6; may be given for each.
        #[arg(long = "gain", value_name = "NAME=DB", value_parser = parse_gain)]
        gains: Vec<(String, Db)>,
    },
}

/// What stands between the air and the receiver.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum PathPart {
    Loss,
    AntennaFactor,
}

/// How the receiver was set, and where the measurement is good.
#[derive(Debug, clap::Args)]
struct Table {
    /// A gain element and its value in dB, such as TUNER=38.6; may be given for each.
    #[arg(long = "gain", value_name = "NAME=DB", value_parser = parse_gain)]
    gains: Vec<(String, Db)>,
    /// The band in which the table is good: from,
    #[arg(long, value_parser = parse_hz)]
    low: Hz,
    /// to.
    #[arg(long, value_parser = parse_hz)]
    high: Hz,
    /// Receive port.
    #[arg(long)]
    antenna: Option<String>,
    /// Temperature of the device, degrees Celsius.
    #[arg(long, allow_hyphen_values = true, default_value_t = 25.0)]
    celsius: f64,
    /// Change with temperature, dB a kelvin.
    #[arg(long, allow_hyphen_values = true, default_value_t = 0.0)]
    db_per_celsius: f64,
    /// What interpolation may be wrong by between two points, dB.
    #[arg(long, default_value_t = 1.0)]
    interpolation_sigma: f64,
}

fn parse_gain(text: &str) -> Result<(String, Db), String> {
    let (name, value) = text.split_once('=').ok_or("use NAME=DB, such as TUNER=38.6")?;
    let value: f64 = value.parse().map_err(|_| format!("\"{value}\" is not a number of dB"))?;
    if value.is_finite() { Ok((name.to_owned(), Db(value))) } else { Err("use a finite number of dB".to_owned()) }
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<()> {
    if let What::Show { at, gains } = &args.what {
        return show(&Calibration::load(&args.folder, &args.serial, None)?, *at, gains);
    }
    let date = args.date.clone().context("--date is missing: the day of the measurement, such as 2026-10-01")?;
    let mut file = open(&args, &date)?;
    let said = match &args.what {
        What::Frequency { recordings, observations, register, celsius } => {
            let measured = measure_frequency(recordings, observations.as_deref(), register)?;
            let said = format!("the clock is {:+.1} ± {:.1} ppb from {}", measured.0, measured.1, measured.2);
            let old = file.frequency.take();
            let keep =
                |value: Option<f64>, of: fn(&Frequency) -> Option<f64>| value.or_else(|| old.as_ref().and_then(of));
            file.frequency = Some(Frequency {
                ppb: Ppb(measured.0),
                sigma_ppb: Ppb(measured.1),
                date: date.clone(),
                method: measured.2,
                celsius: keep(*celsius, |_| None),
                ppb_per_celsius: keep(None, |old| old.ppb_per_celsius),
                ageing_ppb_per_year: old.as_ref().map_or(AGEING, |old| old.ageing_ppb_per_year),
            });
            file.frequency_history.extend(old);
            file.method = "carriers of licensed cells".to_owned();
            said
        }
        What::Source { recording, at, dbm, sigma, table } => {
            let shown = known_source(&mut sigmf::describe(recording, sigmf::Overrides::default())?.open()?, *at)?;
            let Some(shown) = shown else {
                bail!(
                    "{}: nothing stands out of the noise by 20 dB at {} Hz; look at it with `daen replay --plot`",
                    recording.display(),
                    at.0
                )
            };
            let full =
                Transferred { hz: *at, dbm_at_full_scale: Dbm(dbm - shown.level.0), sigma: Db(*sigma), pairs: 1 };
            add_levels(&mut file, table, &[full]);
            file.method = "a source of known level".to_owned();
            format!("{dbm} dBm show as {:.2} dBFS, {:.0} dB above the noise", shown.level.0, shown.snr.0)
        }
        What::Transfer { ours, reference, table } => {
            let points = transfer(&observations(ours)?, &observations(reference)?);
            ensure!(
                !points.is_empty(),
                "no carrier with three pairs of observations of one cell within a minute, of which the reference says dBm"
            );
            add_levels(&mut file, table, &points);
            file.method = "another receiver, at the same antenna".to_owned();
            format!(
                "{} carriers, by {} pairs of observations",
                points.len(),
                points.iter().map(|p| p.pairs).sum::<usize>()
            )
        }
        What::Delay { rate, ns, sigma } => {
            file.delay.retain(|delay| delay.rate_hz != *rate);
            file.delay.push(RateDelay { rate_hz: *rate, ns: *ns, sigma_ns: *sigma });
            format!("{ns} ± {sigma} ns at {} samples a second", rate.0)
        }
        What::Iq { recording } => {
            let measured = imbalance(&mut sigmf::describe(recording, sigmf::Overrides::default())?.open()?)?;
            let Some((iq, sigma)) = measured else {
                bail!(
                    "{}: too short, or its signals are not round: use a second of a busy band, or of noise with the antenna off",
                    recording.display()
                )
            };
            file.iq = Some(iq);
            format!(
                "direct current {:+.5} {:+.5} ± {:.5}, Q over I {:+.3} ± {:.3} dB, {:+.3} ± {:.3} degrees",
                iq.dc_i,
                iq.dc_q,
                sigma.dc_i.max(sigma.dc_q),
                iq.gain_db.0,
                sigma.gain_db.0,
                iq.phase_deg,
                sigma.phase_deg
            )
        }
        What::Path { what, at, db, sigma } => {
            let path = &mut file.path;
            let (factors, unit) = match what {
                PathPart::Loss => (&mut path.loss, "dB of loss"),
                PathPart::AntennaFactor => (&mut path.antenna_factor, "dB(1/m)"),
            };
            factors.retain(|factor| factor.hz != *at);
            factors.push(Factor { hz: *at, db: Db(*db), sigma_db: Db(*sigma) });
            factors.sort_by(|a, b| a.hz.0.total_cmp(&b.hz.0));
            format!("{db} ± {sigma} {unit} at {} Hz", at.0)
        }
        What::Show { .. } => String::new(),
    };
    file.date = date;
    let path = file.save(&args.folder)?;
    say(&said)?;
    Ok(say(&format!("written: {}, good until {}", path.display(), file.valid_until))?)
}

/// The receiver's file, or a new one.
fn open(args: &Args, date: &str) -> anyhow::Result<Calibration> {
    let mut file = match Calibration::load(&args.folder, &args.serial, args.model.as_deref()) {
        Err(CalibrationError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Calibration {
            serial: args.serial.clone(),
            model: args
                .model
                .clone()
                .context("--model is missing: the file is new; `daen scan --probe` names the profile")?,
            valid_until: args.valid_until.clone().context("--valid-until is missing: the file is new")?,
            by: args.by.clone().context("--by is missing: who measures; without it a level is no evidence")?,
            date: date.to_owned(),
            method: "told".to_owned(),
            ..Calibration::default()
        },
        other => other?,
    };
    if let Some(by) = &args.by {
        file.by.clone_from(by);
    }
    if let Some(until) = &args.valid_until {
        file.valid_until.clone_from(until);
    }
    Ok(file)
}

fn measure_frequency(
    recordings: &[PathBuf],
    lines: Option<&Path>,
    register: &Path,
) -> anyhow::Result<(f64, f64, String)> {
    let open = || std::fs::File::open(register).with_context(|| register.display().to_string());
    let (register, _) = Register::load(open()?, Format::Detect)?;
    let mut engine = Engine::new(rules::Config::default(), Some(register));
    let mut licensed = Vec::new();
    let mut errors = Vec::new();
    if let Some(path) = lines {
        licensed.extend(observations(path)?.into_iter().filter(|observation| engine.is_licensed(observation)));
        errors.push((frequency_of(&licensed), path.display().to_string()));
    }
    for path in recordings {
        let mut recording = sigmf::describe(path, sigmf::Overrides::default())?.open()?;
        let (error, cells) = frequency(&mut recording, &mut engine)?;
        licensed.extend(cells.into_values());
        errors.push((error, path.display().to_string()));
    }
    // Of several recordings the one that tells it best.
    let told = errors.into_iter().filter_map(|(error, path)| Some((error?, path)));
    let Some((error, path)) = told.min_by(|a, b| a.0.sigma_ppb.0.total_cmp(&b.0.sigma_ppb.0)) else {
        let mut cells: Vec<String> = licensed.iter().map(|observation| observation.cell.to_string()).collect();
        cells.sort();
        cells.dedup();
        bail!("three licensed cells are needed at a time, heard were {}: {}", cells.len(), cells.join(", "));
    };
    let cells = licensed.iter().map(|observation| observation.cell).collect::<std::collections::BTreeSet<_>>().len();
    let name = Path::new(&path).file_name().map_or(path.clone(), |name| name.display().to_string());
    Ok((error.ppb.0, error.sigma_ppb.0, format!("{cells} licensed cells, {name}")))
}

/// Observations, one JSON object a line; more than an observation may stand in it.
fn observations(path: &Path) -> anyhow::Result<Vec<Observation>> {
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    let mut list = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.with_context(|| path.display().to_string())?;
        ensure!(number < MAX_LINES, "{}: more than {MAX_LINES} lines", path.display());
        if !line.trim().is_empty() {
            list.push(serde_json::from_str(&line).with_context(|| format!("{}, line {}", path.display(), number + 1))?);
        }
    }
    Ok(list)
}

fn add_levels(file: &mut Calibration, table: &Table, points: &[Transferred]) {
    let gains: BTreeMap<String, Db> = table.gains.iter().cloned().collect();
    let alike =
        |known: &LevelTable| (known.low_hz, known.high_hz, &known.antenna) == (table.low, table.high, &table.antenna);
    let index = file.level.iter().position(alike).unwrap_or_else(|| {
        file.level.push(LevelTable {
            low_hz: table.low,
            high_hz: table.high,
            antenna: table.antenna.clone(),
            celsius: table.celsius,
            db_per_celsius: table.db_per_celsius,
            interpolation_sigma_db: Db(table.interpolation_sigma),
            points: Vec::new(),
        });
        file.level.len() - 1
    });
    let known = &mut file.level[index].points;
    for point in points {
        // Measured again, a point is replaced.
        known.retain(|old| old.hz != point.hz || old.gains != gains);
        known.push(LevelPoint {
            hz: point.hz,
            gains: gains.clone(),
            dbm_at_full_scale: point.dbm_at_full_scale,
            sigma_db: point.sigma,
        });
    }
}

fn show(file: &Calibration, at: Hz, gains: &[(String, Db)]) -> anyhow::Result<()> {
    let gains: BTreeMap<String, Db> = gains.iter().cloned().collect();
    say(&format!(
        "{} ({}), measured {} by {}, good until {}",
        file.serial, file.model, file.date, file.by, file.valid_until
    ))?;
    match file.full_scale(Setting { gains: &gains, antenna: None, celsius: None }, at) {
        Some(full) => {
            say(&format!("0 dBFS: {:.2} ± {:.2} dBm at the antenna port", full.dbm.0, full.sigma.0))?;
            if let Some((field, sigma)) = file.field_strength(full.dbm, full.sigma, at) {
                say(&format!("0 dBFS: {field:.1} ± {:.1} dB(uV/m) at the antenna", sigma.0))?;
            }
        }
        None => say("level: this frequency or gain was not measured")?,
    }
    for delay in &file.delay {
        if let Some(whole) = file.delay(delay.rate_hz) {
            say(&format!("delay at {} samples a second: {:.0} ± {:.0} ns", delay.rate_hz.0, whole.ns, whole.sigma_ns))?;
        }
    }
    for frequency in file.frequency_history.iter().chain(&file.frequency) {
        say(&format!(
            "clock: {:+.1} ± {:.1} ppb on {} ({})",
            frequency.ppb.0, frequency.sigma_ppb.0, frequency.date, frequency.method
        ))?;
    }
    Ok(())
}
