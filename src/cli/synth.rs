//! `daen synth`: recordings and scenes with known content.

use anyhow::{Context, bail, ensure};
use clap::{Subcommand, ValueEnum};
use daen::cell::{Plmn, gsm_arfcn};
use daen::radio::source::{Event, IqBlock, IqSource, StreamInfo};
use daen::synth::border::{Border, BorderConfig};
use daen::synth::channel::Noise;
use daen::synth::gsm::beacon::{Beacon, BeaconConfig, Program};
use daen::synth::gsm::broadcast::Broadcast;
use daen::synth::gsm::{HYPERFRAME, Picos};
use daen::synth::scene::Scene;
use daen::synth::si::{CellParameters, preset};
use daen::synth::source::{SynthSource, Transmission};
use daen::synth::write::{Format, Recorder, write_text};
use daen::units::{Db, Dbfs, Hz, Nanos, Ppb, Timestamp};
use std::path::{Path, PathBuf};

/// Options of `daen synth`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One GSM beacon in noise.
    Gsm(GsmArgs),
    /// A stretch of border as one or all of its nodes hear it, with truth.json and register.csv.
    Scene(SceneArgs),
    /// A border as observations of many nodes and cells, with truth.json and register.csv; for `daen locate`.
    Border(BorderArgs),
}

/// Which cell to imitate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// A plausible licensed cell.
    Licensed,
    /// A fictional SMS blaster.
    Blaster,
    /// OpenBTS with its default configuration.
    Openbts,
    /// YateBTS with its sample configuration.
    Yatebts,
    /// osmo-bsc with its example configuration.
    OsmoBsc,
}

#[derive(Debug, clap::Args)]
struct GsmArgs {
    /// Description to write (NAME.sigmf-meta); the samples go beside it into NAME.sigmf-data.
    #[arg(long)]
    out: PathBuf,
    /// Complex samples a second.
    #[arg(long, default_value_t = 1e6)]
    rate: f64,
    /// Frequency at 0 Hz of the samples, hertz; by default the carrier.
    #[arg(long)]
    center: Option<f64>,
    /// Length in seconds.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Signal to noise ratio in 200 kHz, dB; without it there is no noise.
    #[arg(long, allow_hyphen_values = true)]
    snr: Option<f64>,
    /// Level of the carrier, dBFS.
    #[arg(long, default_value_t = -20.0, allow_hyphen_values = true)]
    level: f64,
    /// How far the carrier is off, hertz.
    #[arg(long, default_value_t = 0.0, allow_hyphen_values = true)]
    offset: f64,
    /// How fast the sampling clock runs, ppm; shifts carrier and symbols alike.
    #[arg(long, default_value_t = 0.0, allow_hyphen_values = true)]
    ppm: f64,
    /// Which cell to imitate.
    #[arg(long, value_enum, default_value = "licensed")]
    preset: Preset,
    /// Nominal carrier in hertz, on the GSM raster; by default the preset's, or 949.2 MHz.
    #[arg(long)]
    carrier: Option<f64>,
    /// Network of a licensed cell or a blaster.
    #[arg(long, default_value = "520-03")]
    plmn: Plmn,
    /// Location area code of a licensed cell or a blaster.
    #[arg(long, default_value_t = 5021)]
    lac: u16,
    /// Cell identity of a licensed cell or a blaster.
    #[arg(long, default_value_t = 21711)]
    ci: u16,
    /// Base station identity code, 8 * NCC + BCC.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..64))]
    bsic: Option<u8>,
    /// Frame number at the first sample.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..i64::from(HYPERFRAME)))]
    frame_number: u32,
    /// Format of the samples: cf32_le, ci16_le or ci8.
    #[arg(long, default_value = "cf32_le")]
    format: Format,
    /// Seed of the noise.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, clap::Args)]
struct SceneArgs {
    /// Which scene.
    #[arg(long, default_value = "aranyaprathet")]
    name: String,
    /// Number of the node, from 0; by default all nodes.
    #[arg(long)]
    node: Option<usize>,
    /// Length in seconds.
    #[arg(long, default_value_t = 40.0)]
    seconds: f64,
    /// Folder to write into; it is made if absent.
    #[arg(long)]
    out: PathBuf,
    /// Format of the samples: cf32_le, ci16_le or ci8.
    #[arg(long, default_value = "ci16_le")]
    format: Format,
    /// What all that is random follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Time of the first sample, nanoseconds since 1970; 0: the recordings carry no date.
    #[arg(long, default_value_t = 0)]
    start_ns: i64,
}

#[derive(Debug, clap::Args)]
struct BorderArgs {
    /// Licensed sites, three cells each.
    #[arg(long, default_value_t = 100)]
    sites: usize,
    /// Nodes along the border.
    #[arg(long, default_value_t = 12)]
    nodes: usize,
    /// Share of the nodes whose clocks know the time.
    #[arg(long, default_value_t = 0.5)]
    disciplined: f64,
    /// Transmitters without a licence that stand.
    #[arg(long, default_value_t = 1)]
    standing: usize,
    /// Transmitters without a licence that drive.
    #[arg(long, default_value_t = 1)]
    driving: usize,
    /// Length in seconds.
    #[arg(long, default_value_t = 600.0)]
    seconds: f64,
    /// Seconds between a node's reports of one cell.
    #[arg(long, default_value_t = 30.0)]
    every: f64,
    /// Folder to write observations.jsonl, truth.json and register.csv into; it is made if absent.
    #[arg(long)]
    out: PathBuf,
    /// What all that is random follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.what {
        What::Border(args) => border(&args),
        What::Gsm(args) => gsm(&args),
        What::Scene(args) => scene(&args),
    }
}

/// How many samples `seconds` are.
fn samples(seconds: f64, rate: f64) -> anyhow::Result<u64> {
    ensure!(seconds > 0.0 && seconds <= 86_400.0, "--seconds is {seconds}; it must be more than 0 and at most 86400");
    Ok((seconds * rate).round() as u64)
}

fn gsm(args: &GsmArgs) -> anyhow::Result<()> {
    ensure!((1e5..=1e8).contains(&args.rate), "--rate is {}; it must be 1e5 to 1e8 samples a second", args.rate);
    let length = samples(args.seconds, args.rate)?;
    let (own_arfcn, bsic) = match args.preset {
        Preset::Licensed | Preset::Blaster => (71, 42),
        Preset::Openbts => (preset::openbts().arfcn, preset::openbts().bsic),
        Preset::Yatebts => (71, preset::yatebts(71).bsic),
        Preset::OsmoBsc => (preset::osmo_bsc().arfcn, preset::osmo_bsc().bsic),
    };
    let own = daen::cell::gsm_downlink(own_arfcn, false).expect("the presets' channels have carriers");
    let carrier = args.carrier.map_or(own, Hz);
    let arfcn = u64::try_from(carrier.round()).ok().and_then(gsm_arfcn).with_context(|| {
        format!(
            "--carrier {} is not a downlink carrier of GSM; give one on its 200 kHz raster, such as 949200000",
            carrier.0
        )
    })?;
    let bsic = args.bsic.unwrap_or(bsic);
    let cell = cell(args, arfcn, bsic);
    let info = StreamInfo {
        stream: "synth".to_owned(),
        center: args.center.map_or(carrier, Hz),
        sample_rate: Hz(args.rate),
        start: Timestamp(0),
    };
    let config = BeaconConfig {
        program: Program::constant(Broadcast::new(bsic, &cell.schedule()?)),
        frame_number: args.frame_number,
        start: Picos(0),
        carrier,
        carrier_offset: Hz(args.offset),
        clock_error: Ppb(0.0),
        level: Dbfs(args.level),
        phase_turns: 0.0,
    };
    let beacon = Beacon::new(&info, Ppb(args.ppm * 1e3), config)?;
    let noise = match args.snr {
        Some(snr) if !snr.is_finite() => bail!("--snr is {snr}; give a number of decibels"),
        Some(snr) => Some(Noise::new(args.seed, Dbfs(args.level) - Db(snr), info.sample_rate)),
        None => None,
    };
    let mut source = SynthSource::new(info, vec![Transmission::constant(beacon)], noise);
    source.length = Some(length);
    let description = format!(
        "synthetic GSM beacon, preset {:?}: {} LAC {} CI {} BSIC {bsic} ARFCN {arfcn}, {} dBFS, SNR {} dB, offset {} Hz, {} ppm, \
         frame number {} at sample 0, seed {}",
        args.preset,
        cell.plmn,
        cell.lac,
        cell.ci,
        args.level,
        args.snr.map_or("infinite".to_owned(), |snr| snr.to_string()),
        args.offset,
        args.ppm,
        args.frame_number,
        args.seed
    );
    record(&args.out, args.format, source, &description)
}

/// The cell that the options describe.
fn cell(args: &GsmArgs, arfcn: u16, bsic: u8) -> CellParameters {
    match args.preset {
        Preset::Licensed => {
            // Neighbours near the cell's own channel, which every frequency list can hold together.
            let neighbours: Vec<u16> =
                (1..=4).map(|i| if arfcn > 100 { arfcn - 4 * i } else { arfcn + 4 * i }).collect();
            preset::licensed(args.plmn, args.lac, args.ci, arfcn, bsic >> 3, &neighbours, &[(1450, 6)])
        }
        Preset::Blaster => preset::blaster(args.plmn, args.lac, args.ci, arfcn),
        Preset::Openbts => {
            let cell = preset::openbts().cell;
            CellParameters { cell_allocation: Some(vec![arfcn]), neighbours: vec![arfcn], ..cell }
        }
        Preset::Yatebts => preset::yatebts(arfcn).cell,
        Preset::OsmoBsc => CellParameters { cell_allocation: Some(vec![arfcn]), ..preset::osmo_bsc().cell },
    }
}

fn scene(args: &SceneArgs) -> anyhow::Result<()> {
    let mut scene = Scene::named(&args.name, args.seed)?;
    scene.start = Timestamp(args.start_ns);
    let length = samples(args.seconds, scene.sample_rate.0)?;
    let nodes = match args.node {
        Some(node) => node..node + 1,
        None => 0..scene.nodes.len(),
    };
    // Before any file is made: a node that does not exist.
    let mut sources = nodes.map(|node| Ok((node, scene.source(node)?))).collect::<anyhow::Result<Vec<_>>>()?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("{}: cannot make this folder", args.out.display()))?;
    let truth = serde_json::to_string_pretty(&scene.truth()?).context("the truth cannot be written as JSON")?;
    write_text(&args.out.join("truth.json"), &format!("{truth}\n"))?;
    write_text(&args.out.join("register.csv"), &scene.register_csv())?;
    for (node, source) in &mut sources {
        let mut source = source.clone();
        source.length = Some(length);
        let id = &scene.nodes[*node].id;
        let description =
            format!("synthetic scene {} as node {id} hears it, seed {}; see truth.json", scene.name, scene.seed);
        record(&args.out.join(format!("{}-{id}.sigmf-meta", scene.name)), args.format, source, &description)?;
    }
    Ok(())
}

fn border(args: &BorderArgs) -> anyhow::Result<()> {
    let config = BorderConfig {
        seed: args.seed,
        sites: args.sites,
        nodes: args.nodes,
        disciplined: args.disciplined,
        standing: args.standing,
        driving: args.driving,
        seconds: args.seconds,
        every_s: args.every,
        ..BorderConfig::default()
    };
    let border = Border::new(config)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("{}: cannot make this folder", args.out.display()))?;
    let mut lines = String::new();
    for report in border.reports() {
        let mut line = serde_json::to_value(&report.observation).context("an observation cannot be written as JSON")?;
        line["node"] = report.node.as_str().into();
        line["received_ns"] = report.received.0.into();
        lines += &format!("{line}\n");
    }
    write_text(&args.out.join("observations.jsonl"), &lines)?;
    let truth = serde_json::to_string_pretty(&border).context("the truth cannot be written as JSON")?;
    write_text(&args.out.join("truth.json"), &format!("{truth}\n"))?;
    write_text(&args.out.join("register.csv"), &border.register_csv())?;
    eprintln!("{}: {} observations", args.out.join("observations.jsonl").display(), lines.lines().count());
    Ok(())
}

/// Writes a source to its end.
fn record(out: &Path, format: Format, mut source: SynthSource, description: &str) -> anyhow::Result<()> {
    let mut recorder = Recorder::create(out, format, &source.info, description)?;
    let bar = indicatif::ProgressBar::new(source.total_samples().unwrap_or(0));
    let style = "{msg} {bar:30} {percent} % {eta}";
    bar.set_style(indicatif::ProgressStyle::with_template(style).context("the progress bar's template")?);
    bar.set_message(out.display().to_string());
    let mut block = IqBlock::default();
    let (mut clipped, mut count) = (0u64, 0u64);
    loop {
        match source.read(1 << 16, &mut block)? {
            Event::Stream(_) => {}
            Event::Samples => {
                recorder.write(&block.samples)?;
                clipped += u64::from(block.clipped);
                count += block.samples.len() as u64;
                bar.set_position(count);
            }
            Event::End => break,
        }
    }
    recorder.finish()?;
    bar.finish_and_clear();
    let length = Nanos((count as f64 / source.info.sample_rate.0 * 1e9) as i64);
    eprintln!("{}: {count} samples, {} s, {clipped} of them clipped", out.display(), length.as_secs_f64());
    Ok(())
}
