//! `daen replay`: receives and judges recordings, with the receivers and the engine that a node uses.

mod json;
mod plot;
mod receive;
mod table;

use anyhow::{Context, bail};
use daen::radio::convert::Datatype;
use daen::radio::raw::{self, RawFormat};
use daen::radio::recording::Recording;
use daen::radio::sigmf;
use daen::rat::{self, gsm};
use daen::rules::{Config, Engine, Format, Register};
use daen::units::Hz;
use indicatif::{ProgressBar, ProgressStyle};
use receive::Outcome;
use std::collections::BTreeSet;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Options of `daen replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Recordings: SigMF (either file of the pair, or the name without an ending), or raw samples with --format.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print one JSON object a line (cells, findings, summary of each recording) instead of tables.
    #[arg(long)]
    json: bool,
    /// Read raw samples of this format: cf32_le, cf32_be, ci16_le, ci16_be, ci8 or cu8.
    #[arg(long, value_name = "FORMAT", requires = "rate", requires = "freq")]
    format: Option<Datatype>,
    /// Samples a second, such as 1M or 1.92M; needed for raw samples and where the description does not say.
    #[arg(long, value_name = "HZ", value_parser = parse_hz)]
    rate: Option<Hz>,
    /// Frequency at the middle of the band, such as 941.0M; needed for raw samples and where the description does not say.
    #[arg(long, value_name = "HZ", value_parser = parse_hz)]
    freq: Option<Hz>,
    /// Do not compare the data with the SHA-512 of the description.
    #[arg(long)]
    no_verify: bool,
    /// Count paging and access grant blocks by class; their content is never looked at.
    #[arg(long)]
    count_ccch: bool,
    /// Judge by this configuration of the rules (TOML) instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Judge with this register of licensed cells (CSV).
    #[arg(long, value_name = "FILE")]
    register: Option<PathBuf>,
    /// Judge with what a node has learned, as it exported it; the file is not changed.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Draw a spectrogram with the cells marked; further tunings go to OUT-2.png and so on.
    #[arg(long, value_name = "OUT.PNG")]
    plot: Option<PathBuf>,
    /// Samples read at once; for tests, no result depends on it.
    #[arg(long, hide = true, default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    block: u32,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<()> {
    let rules = Rules::load(&args)?;
    if let Some(plot) = &args.plot {
        plot::check_target(plot)?;
    }
    let started = Instant::now();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let (mut failed, mut plots, mut signal) = (0, 0, 0.0);
    let files = once_each(&args.files);
    for (i, path) in files.iter().enumerate() {
        if !args.json && i > 0 {
            write_out(&mut out, |out| writeln!(out))?;
        }
        match one(path, &args, &rules) {
            Ok(outcome) => {
                write_out(
                    &mut out,
                    |out| if args.json { json::write(&outcome, out) } else { table::write(&outcome, out) },
                )?;
                signal += outcome.seconds;
                if let Some(target) = &args.plot {
                    plot::draw(&outcome, target, &mut plots)?;
                }
                if let Some(error) = outcome.failure {
                    eprintln!("daen: {error}; what came before it was received");
                    failed += 1;
                }
            }
            Err(error) => {
                eprintln!("daen: {error:#}");
                failed += 1;
            }
        }
    }
    let took = started.elapsed().as_secs_f64();
    if signal > 0.0 {
        eprintln!("{} of signal in {}: {:.1} times real time", table::span(signal), table::span(took), signal / took);
    }
    match (failed, files.len()) {
        (0, _) => Ok(()),
        (1, 1) => bail!("the recording could not be read"),
        (failed, all) => bail!("{failed} of {all} recordings could not be read"),
    }
}

/// What recordings are judged by.
struct Rules {
    config: Config,
    register: Option<Register>,
    state: Option<(PathBuf, String)>,
}

impl Rules {
    fn load(args: &Args) -> anyhow::Result<Rules> {
        let named = |path: &Path| path.display().to_string();
        let config = match &args.rules {
            Some(path) => Config::load(path).with_context(|| named(path))?,
            None => Config::default(),
        };
        let register = match &args.register {
            Some(path) => {
                let file = std::fs::File::open(path).with_context(|| named(path))?;
                let (register, report) = Register::load(file, Format::Detect).with_context(|| named(path))?;
                if report.accepted < report.rows || !report.ignored_columns.is_empty() {
                    eprintln!("daen: {}: {report}", path.display());
                }
                Some(register)
            }
            None => None,
        };
        let state = match &args.state {
            Some(path) => Some((path.clone(), std::fs::read_to_string(path).with_context(|| named(path))?)),
            None => None,
        };
        let rules = Rules { config, register, state };
        // Wrong here, it would be wrong for every recording.
        rules.engine()?;
        Ok(rules)
    }

    /// A fresh engine: each recording is judged for itself.
    fn engine(&self) -> anyhow::Result<Engine> {
        let mut engine = Engine::new(self.config.clone(), self.register.clone());
        if let Some((path, state)) = &self.state {
            engine.import_state(state).with_context(|| path.display().to_string())?;
        }
        Ok(engine)
    }
}

/// Opens, checks and receives one recording.
fn one(path: &Path, args: &Args, rules: &Rules) -> anyhow::Result<Outcome> {
    let (recording, warnings) = open(path, args)?;
    for warning in &warnings {
        eprintln!("daen: {warning}");
    }
    let total = recording.segments().iter().map(|segment| segment.samples).sum();
    let bar = progress(total, path, "receiving");
    let options = receive::Options {
        file: path.display().to_string(),
        block: args.block as usize,
        receivers: rat::Options {
            gsm: gsm::Options { count_ccch: args.count_ccch, ..gsm::Options::default() },
            ..rat::Options::default()
        },
        plot: args.plot.is_some(),
    };
    let outcome = receive::receive(recording, &options, rules.engine()?, |samples| bar.set_position(samples));
    bar.finish_and_clear();
    Ok(outcome)
}

fn open(path: &Path, args: &Args) -> anyhow::Result<(Recording, Vec<String>)> {
    if let (Some(datatype), Some(rate), Some(center)) = (args.format, args.rate, args.freq) {
        if path.to_string_lossy().ends_with(".sigmf-meta") {
            bail!("{}: --format reads raw samples, this is a description; leave --format away", path.display());
        }
        return Ok(raw::open(path, RawFormat { datatype, rate, center })?);
    }
    if !sigmf::is_sigmf(path) {
        raw::check(path)?;
        bail!(
            "{}: no SigMF description is beside it; say what the samples are with --format, --rate and --freq, such as \
             --format cu8 --rate 1.92M --freq 806M",
            path.display()
        );
    }
    let described = sigmf::describe(path, sigmf::Overrides { rate: args.rate, center: args.freq })?;
    if !args.no_verify {
        let bar = progress(described.octets(), path, "checking");
        let verified = described.verify(|octets| bar.set_position(octets));
        bar.finish_and_clear();
        verified?;
    }
    let warnings = described.warnings().to_vec();
    Ok((described.open()?, warnings))
}

/// A bar on standard error where that is a terminal, nothing elsewhere.
fn progress(total: u64, path: &Path, what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let style =
        ProgressStyle::with_template("{msg} [{bar:30}] {percent:>3} %  {eta} left").expect("the template is constant");
    let bar = ProgressBar::new(total).with_style(style.progress_chars("=> ")).with_message(format!("{what} {name}"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The recordings without those named twice: a shell's `*` gives both files of a pair.
fn once_each(files: &[PathBuf]) -> Vec<&PathBuf> {
    let base = |path: &Path| {
        let text = path.to_string_lossy().into_owned();
        text.strip_suffix(".sigmf-meta").or(text.strip_suffix(".sigmf-data")).map(str::to_owned).unwrap_or(text)
    };
    let mut seen = BTreeSet::new();
    files.iter().filter(|path| seen.insert(base(path))).collect()
}

/// Writes and flushes; a reader that went away (`| head`) ends the program without a complaint.
fn write_out<W: Write>(out: &mut W, write: impl FnOnce(&mut W) -> std::io::Result<()>) -> anyhow::Result<()> {
    match write(out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.context("standard output"),
    }
}

/// A frequency or rate: a number in hertz, or with one of the suffixes k, M, G.
pub fn parse_hz(text: &str) -> Result<Hz, String> {
    let (number, scale) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1e3),
        Some((at, 'M' | 'm')) => (&text[..at], 1e6),
        Some((at, 'G' | 'g')) => (&text[..at], 1e9),
        _ => (text, 1.0),
    };
    let value: f64 =
        number.trim().parse().map_err(|_| "use a number in Hz, or with k, M or G, such as 941.0M".to_owned())?;
    if !(value.is_finite() && value >= 0.0) {
        return Err("use a number that is not negative".to_owned());
    }
    // Decimal fractions such as 953.6M are meant exactly.
    Ok(Hz((value * scale * 1e3).round() / 1e3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_take_suffixes_and_stay_exact() {
        for (text, hz) in
            [("941.0M", 941e6), ("953.6M", 953_600_000.0), ("1.8478G", 1_847_800_000.0), ("500k", 5e5), ("7", 7.0)]
        {
            assert_eq!(parse_hz(text), Ok(Hz(hz)), "{text}");
        }
        for text in ["", "M", "-1M", "1MHz", "NaN", "inf", "1é"] {
            assert!(parse_hz(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pair_that_is_named_twice_is_read_once() {
        let files = ["a.sigmf-data", "a.sigmf-meta", "b", "a"].map(PathBuf::from);
        assert_eq!(once_each(&files), [&files[0], &files[2]]);
    }
}
