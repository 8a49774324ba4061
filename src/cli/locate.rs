//! `daen locate`: places transmitters from recorded observations.

#[cfg(feature = "sensor")]
mod plot;

use anyhow::{Context, bail, ensure};
use daen::cell::CellKey;
use daen::config;
use daen::locate::country::Border;
use daen::locate::gather::{Heard, Options, Suspect, suspects};
use daen::locate::problem::Late;
use daen::locate::report::FixReport;
use daen::locate::sector::{self, Sector};
use daen::locate::{Fix, NoFix, locate};
use daen::observation::{NodeId, Observation, Position};
use daen::rules::register::{Format, Register, Standing};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// Lines that a file may have.
const MAX_LINES: usize = 2_000_000;

/// Options of `daen locate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Observations, one JSON object a line, each with the name of its node as "node".
    observations: PathBuf,
    /// Licence register (CSV); cells that it licenses at a known site are clocks, all others are placed.
    #[arg(long)]
    register: Option<PathBuf>,
    /// Places of nodes that do not say theirs: CSV with the columns node, lat, lon and height_m, and azimuth_deg and beamwidth_deg
    /// where a node's antenna looks one way.
    #[arg(long)]
    nodes: Option<PathBuf>,
    /// Border polygons (GeoJSON with source, date and accuracy_m), for the probability of each country.
    #[arg(long)]
    border: Option<PathBuf>,
    /// Place this cell only: RAT:CARRIER_HZ:ID, such as gsm:949200000:42.
    #[arg(long)]
    cell: Option<String>,
    /// Height of the ground above the ellipsoid, metres; by default that of the nodes. Register heights count from it.
    #[arg(long, allow_hyphen_values = true)]
    ground: Option<f64>,
    /// Take every path to be in line of sight.
    #[arg(long)]
    line_of_sight: bool,
    /// Share of late paths, when not all are in line of sight.
    #[arg(long, default_value_t = 0.3)]
    late_share: f64,
    /// Mean excess of late paths, nanoseconds.
    #[arg(long, default_value_t = 500.0)]
    late_mean: f64,
    /// One JSON object a cell.
    #[arg(long, conflicts_with = "geojson")]
    json: bool,
    /// Positions and 95 % regions as one GeoJSON FeatureCollection.
    #[arg(long)]
    geojson: bool,
    /// Draw a map of nodes, sites, border line and regions into this PNG file.
    #[cfg(feature = "sensor")]
    #[arg(long, value_name = "MAP.png")]
    plot: Option<PathBuf>,
}

/// A line of the observations.
#[derive(Deserialize)]
struct Line {
    node: NodeId,
    #[serde(flatten)]
    observation: Observation,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<()> {
    ensure!(
        args.late_share > 0.0 && args.late_share < 1.0,
        "--late-share is {}; give more than 0 and less than 1, or --line-of-sight",
        args.late_share
    );
    ensure!(args.late_mean > 0.0 && args.late_mean.is_finite(), "--late-mean is {}; give nanoseconds", args.late_mean);
    let (places, sectors) = args.nodes.as_deref().map(nodes).transpose()?.unwrap_or_default();
    let lines = observations(&args.observations, &places)?;
    let register = args.register.as_deref().map(register).transpose()?.unwrap_or_default();
    let border = args.border.as_deref().map(border).transpose()?;
    let ground_m = args.ground.unwrap_or_else(|| ground_m(&lines));
    let site_of = |observation: &Observation| match register.standing(observation) {
        Standing::Licensed(entry) => entry.position_deg.map(|(lat_deg, lon_deg)| {
            let height_m = Some(ground_m + entry.antenna_height_m.unwrap_or(0.0));
            Position { lat_deg, lon_deg, height_m, sigma_m: None }
        }),
        _ => None,
    };
    let late = (!args.line_of_sight).then_some(Late { share: args.late_share, mean_ns: args.late_mean });
    let options = Options { late, height_m: args.ground.map(|g| (g, 0.0)), ..Options::default() };
    let heard: Vec<Heard<'_>> =
        lines.iter().map(|line| Heard { node: &line.node, observation: &line.observation }).collect();
    let mut found = suspects(&heard, site_of, &options);
    if let Some(wanted) = &args.cell {
        found.retain(|suspect| suspect.cell.to_string() == *wanted);
        ensure!(!found.is_empty(), "--cell {wanted}: no such cell, or it is licensed; cells: {}", known(&lines));
    }
    let fixes: Vec<(Suspect, Result<Fix, NoFix>)> = found
        .into_iter()
        .map(|mut suspect| {
            sector::apply(&mut suspect, &sectors);
            let fix = locate(&suspect.problem);
            (suspect, fix)
        })
        .collect();
    #[cfg(feature = "sensor")]
    if let Some(path) = &args.plot {
        let mut map = plot::Map {
            nodes: BTreeMap::new(),
            sites: Vec::new(),
            fixes: fixes.iter().filter_map(|(suspect, fix)| Some((suspect, fix.as_ref().ok()?))).collect(),
            border: border.as_ref(),
        };
        map.nodes.extend(lines.iter().filter_map(|l| Some((l.node.clone(), l.observation.position?))));
        let sites: BTreeMap<CellKey, Position> =
            lines.iter().filter_map(|l| Some((l.observation.cell, site_of(&l.observation)?))).collect();
        map.sites.extend(sites.into_values());
        plot::draw(&map, path)?;
    }
    let mut out = std::io::stdout().lock();
    write(&mut out, &args, &fixes, border.as_ref()).or_else(|error| match error.downcast_ref::<std::io::Error>() {
        // Whoever reads has seen enough.
        Some(io) if io.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}

fn write(
    out: &mut impl Write,
    args: &Args,
    fixes: &[(Suspect, Result<Fix, NoFix>)],
    border: Option<&Border>,
) -> anyhow::Result<()> {
    let mut features = Vec::new();
    for (suspect, fix) in fixes {
        let report = FixReport::new(suspect, fix.as_ref(), border);
        if args.json {
            serde_json::to_writer(&mut *out, &report)?;
            writeln!(out)?;
        } else if args.geojson {
            fix.iter().for_each(|fix| features.extend(report.features(fix)));
        } else {
            table(out, &report)?;
        }
    }
    if args.geojson {
        serde_json::to_writer(&mut *out, &json!({"type": "FeatureCollection", "features": features}))?;
        writeln!(out)?;
    }
    Ok(())
}

fn table(out: &mut impl Write, report: &FixReport) -> std::io::Result<()> {
    writeln!(out, "{}", report.cell)?;
    match (&report.reason, report.method) {
        (Some(reason), _) => writeln!(out, "  no fix: {reason}")?,
        (None, method) => {
            let method = method.map(|m| m.to_string()).unwrap_or_default();
            writeln!(out, "  by {method}; {} measurements to spare", report.spare.unwrap_or(0.0))?;
        }
    }
    for solution in &report.solutions {
        let region = solution.ellipses.last().copied();
        let region = region.map(|e| (e.semi_major_m, e.semi_minor_m, e.azimuth_deg)).unwrap_or_default();
        writeln!(
            out,
            "  {:.5} {:.5}  weight {:.3}  CEP50 {:.0} m (bound {})  95 %: {:.0} by {:.0} m along {:.0} deg",
            solution.lat_deg,
            solution.lon_deg,
            solution.weight,
            solution.cep50_m,
            solution.bound_cep50_m.map_or("none".to_owned(), |m| format!("{m:.0} m")),
            region.0,
            region.1,
            region.2
        )?;
        for input in &solution.inputs {
            let node = input.node.as_ref().map_or("-", NodeId::as_str);
            writeln!(
                out,
                "    {node} {}: residual {:+.1} {}, {:+.1} sigma, leverage {:.2}, late {:.0} %",
                input.kind,
                input.residual,
                input.unit,
                input.normalised,
                input.leverage,
                100.0 * input.late
            )?;
        }
    }
    for share in report.countries.iter().flatten() {
        let code = share.code.as_deref().unwrap_or("none that the border file knows");
        writeln!(out, "  country {code}: {:.1} %", 100.0 * share.probability)?;
    }
    if let Some(border) = &report.border {
        writeln!(out, "  by the line of {} ({}), which is no finding. {}", border.source, border.date, border.note)?;
    }
    for unused in &report.unused {
        writeln!(out, "  not used: {}: {}", unused.node, unused.reason)?;
    }
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    Ok(BufReader::new(File::open(path).with_context(|| format!("{}: cannot be read", path.display()))?))
}

fn observations(path: &Path, places: &BTreeMap<NodeId, Position>) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (number, text) in open(path)?.lines().enumerate() {
        let at = || format!("{}, line {}", path.display(), number + 1);
        let text = text.with_context(|| {
            format!("{}: this is no text; give observations as JSON, one a line, in UTF-8 (a recording of samples is for `daen replay`)", at())
        })?;
        if text.trim().is_empty() {
            continue;
        }
        ensure!(lines.len() < MAX_LINES, "{}: more than {MAX_LINES} observations; give a shorter time", path.display());
        let mut line: Line = serde_json::from_str(&text)
            .with_context(|| format!("{}: not an observation with the name of its node as \"node\"", at()))?;
        line.observation.position = line.observation.position.or_else(|| places.get(&line.node).copied());
        lines.push(line);
    }
    if lines.is_empty() {
        bail!("{}: there are no observations in it", path.display());
    }
    Ok(lines)
}

/// A row of the file of nodes.
#[derive(Deserialize)]
struct NodeRow {
    node: NodeId,
    lat: f64,
    lon: f64,
    height_m: Option<f64>,
    azimuth_deg: Option<f64>,
    beamwidth_deg: Option<f64>,
}

/// Places of nodes, and where their antennas look.
type Nodes = (BTreeMap<NodeId, Position>, BTreeMap<NodeId, Sector>);

fn nodes(path: &Path) -> anyhow::Result<Nodes> {
    let (mut places, mut sectors) = (BTreeMap::new(), BTreeMap::new());
    for row in csv::Reader::from_reader(open(path)?).deserialize() {
        let columns = "columns node, lat, lon, height_m, azimuth_deg, beamwidth_deg";
        let row: NodeRow = row.with_context(|| format!("{}: {columns}", path.display()))?;
        ensure!(
            (-90.0..=90.0).contains(&row.lat) && (-180.0..=180.0).contains(&row.lon),
            "{}: {} stands at {} {}; give degrees of latitude and longitude",
            path.display(),
            row.node,
            row.lat,
            row.lon
        );
        let position = Position { lat_deg: row.lat, lon_deg: row.lon, height_m: row.height_m, sigma_m: None };
        match (row.azimuth_deg, row.beamwidth_deg) {
            (None, None) => {}
            (Some(azimuth_deg), Some(beamwidth_deg))
                if (0.0..=360.0).contains(&azimuth_deg) && beamwidth_deg > 0.0 && beamwidth_deg <= 360.0 =>
            {
                sectors.insert(row.node.clone(), Sector { azimuth_deg, beamwidth_deg });
            }
            _ => bail!(
                "{}: {}: give azimuth_deg of 0 to 360 and beamwidth_deg above 0 to 360, or neither",
                path.display(),
                row.node
            ),
        }
        places.insert(row.node, position);
    }
    Ok((places, sectors))
}

fn register(path: &Path) -> anyhow::Result<Register> {
    let (register, report) = Register::load(open(path)?, Format::Detect).with_context(|| path.display().to_string())?;
    eprintln!("{}: {report}", path.display());
    Ok(register)
}

fn border(path: &Path) -> anyhow::Result<Border> {
    let text = config::text(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    Border::parse(&text).with_context(|| path.display().to_string())
}

/// The mean height of the nodes that say theirs.
fn ground_m(lines: &[Line]) -> f64 {
    let heights: Vec<f64> = lines.iter().filter_map(|l| l.observation.position?.height_m).collect();
    if heights.is_empty() { 0.0 } else { heights.iter().sum::<f64>() / heights.len() as f64 }
}

fn known(lines: &[Line]) -> String {
    let mut cells: Vec<CellKey> = lines.iter().map(|l| l.observation.cell).collect();
    cells.sort_unstable();
    cells.dedup();
    cells.iter().take(20).map(CellKey::to_string).collect::<Vec<_>>().join(", ")
}
