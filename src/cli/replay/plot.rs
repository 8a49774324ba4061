//! Spectrogram with the found cells marked: time to the right, frequency upwards.

use super::receive::{Cell, Outcome};
use anyhow::{Context, bail};
use daen::cell::gsm_arfcn;
use daen::dsp::spectrum::Welch;
use daen::radio::recording::Segment;
use daen::units::{Hz, Nanos};
use num_complex::Complex32;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// DejaVu Sans, cut down to ASCII; see the licence beside it.
const FONT: &[u8] = include_bytes!("../fonts/DejaVuSans-Latin.ttf");

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;
/// Room for the names of cells, and for the colour bar.
const LABELS: u32 = 190;
const BAR: u32 = 90;
/// Spectra kept over the whole time; more than pixels would be lost.
const SPECTRA: u64 = 960;
/// Colours span this range above the noise floor at least.
const LEAST_RANGE_DB: f64 = 20.0;

/// Spectra over time of all segments with one tuning.
pub struct Waterfall {
    /// Frequency at the middle.
    pub center: Hz,
    /// Samples a second.
    pub rate: Hz,
    /// The segments that are drawn, with their start in the file.
    segments: Vec<(usize, Nanos)>,
    welch: Welch,
    /// Samples that become one spectrum.
    slice: u64,
    filled: u64,
    /// The segment being drawn and samples of it so far.
    at: Option<(usize, u64)>,
    /// Start and end in the file, and power of each bin, dB over full scale.
    spectra: Vec<(Nanos, Nanos, Vec<f32>)>,
}

impl Waterfall {
    /// One waterfall for each tuning of a recording.
    pub fn plan(segments: &[Segment]) -> Vec<Waterfall> {
        let mut planned: Vec<(Waterfall, u64)> = Vec::new();
        let mut before = 0u64;
        for (i, segment) in segments.iter().enumerate() {
            let (center, rate) = (segment.info.center, segment.info.sample_rate);
            let start = instant(before, rate);
            before += segment.samples;
            match planned.iter_mut().find(|(w, _)| w.center == center && w.rate == rate) {
                Some((waterfall, samples)) => {
                    waterfall.segments.push((i, start));
                    *samples += segment.samples;
                }
                None => {
                    let segments = vec![(i, start)];
                    let (welch, spectra) = (Welch::new(64), Vec::new());
                    let new = Waterfall { center, rate, segments, welch, slice: 1, filled: 0, at: None, spectra };
                    planned.push((new, segment.samples));
                }
            }
        }
        let sized = |(mut waterfall, samples): (Waterfall, u64)| {
            // As fine in frequency as there are rows of pixels, unless the recording is so short that time would suffer.
            let size = (samples / 128).clamp(64, 1024).next_power_of_two() as usize;
            waterfall.slice = samples.div_ceil(SPECTRA).max(size as u64);
            waterfall.welch = Welch::new(size);
            waterfall
        };
        planned.into_iter().map(sized).collect()
    }

    /// Takes the next samples of segment `segment`.
    pub fn process(&mut self, segment: usize, mut samples: &[Complex32]) {
        let Some(&(_, start)) = self.segments.iter().find(|(own, _)| *own == segment) else { return };
        if self.at.is_none_or(|(at, _)| at != segment) {
            // A spectrum does not reach over a gap.
            self.welch = Welch::new(self.welch.size());
            self.at = Some((segment, 0));
            self.filled = 0;
        }
        while !samples.is_empty() {
            let taken = (self.slice - self.filled).min(samples.len() as u64) as usize;
            self.welch.process(&samples[..taken]);
            samples = &samples[taken..];
            self.filled += taken as u64;
            if let Some((_, done)) = &mut self.at {
                *done += taken as u64;
                if self.filled == self.slice {
                    self.filled = 0;
                    let (from, to) = (instant(*done - self.slice, self.rate), instant(*done, self.rate));
                    if let Some(spectrum) = self.welch.take() {
                        let db = |power: &f32| 10.0 * power.max(1e-30).log10();
                        self.spectra.push((start + from, start + to, spectrum.mean.iter().map(db).collect()));
                    }
                }
            }
        }
    }
}

fn instant(samples: u64, rate: Hz) -> Nanos {
    Nanos((samples as f64 / rate.0 * 1e9).round() as i64)
}

/// Refuses a target that could not be written in the end.
pub fn check_target(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        bail!("{}: --plot: the folder {} does not exist; make it first", path.display(), folder.display());
    }
    if path.is_dir() {
        bail!("{}: --plot: is a directory; name a file in it", path.display());
    }
    Ok(())
}

/// Draws the waterfalls of a recording. `drawn` counts the files written, which number the names.
pub fn draw(outcome: &Outcome, target: &Path, drawn: &mut u32) -> anyhow::Result<()> {
    plotters::style::register_font("sans-serif", FontStyle::Normal, FONT)
        .map_err(|_| anyhow::anyhow!("the built-in font cannot be read"))?;
    for waterfall in &outcome.waterfalls {
        *drawn += 1;
        let path = numbered(target, *drawn);
        if waterfall.spectra.is_empty() {
            eprintln!("daen: {}: too short for a spectrogram; {} is not written", outcome.file, path.display());
            continue;
        }
        let mut pixels = vec![0; (WIDTH * HEIGHT * 3) as usize];
        paint(outcome, waterfall, &mut pixels).with_context(|| path.display().to_string())?;
        write_png(&path, &pixels).with_context(|| path.display().to_string())?;
        eprintln!("spectrogram: {}", path.display());
    }
    Ok(())
}

/// `out.png`, `out-2.png`, `out-3.png`.
fn numbered(target: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return target.to_owned();
    }
    let part = |part: Option<&std::ffi::OsStr>| part.map(|s| s.to_string_lossy().into_owned());
    let stem = part(target.file_stem()).unwrap_or_default();
    let ending = part(target.extension()).map(|e| format!(".{e}")).unwrap_or_default();
    target.with_file_name(format!("{stem}-{number}{ending}"))
}

fn write_png(path: &Path, pixels: &[u8]) -> anyhow::Result<()> {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(())
}

/// The colour of 0.0 (noise) to 1.0: dark blue over green to yellow, even in lightness.
fn colour(value: f64) -> RGBColor {
    const STOPS: [(f64, f64, f64); 6] = [
        (15.0, 10.0, 40.0),
        (45.0, 50.0, 120.0),
        (35.0, 110.0, 140.0),
        (40.0, 165.0, 120.0),
        (150.0, 210.0, 65.0),
        (255.0, 240.0, 90.0),
    ];
    let place = value.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let below = (place as usize).min(STOPS.len() - 2);
    let part = place - below as f64;
    let (a, b) = (STOPS[below], STOPS[below + 1]);
    let mix = |a: f64, b: f64| (a + (b - a) * part).round() as u8;
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// Values from and to which the colours go: the lower quartile of all, and nearly the strongest.
fn range(waterfall: &Waterfall) -> (f64, f64) {
    let mut all: Vec<f32> = waterfall.spectra.iter().flat_map(|(.., bins)| bins.iter().copied()).collect();
    let mut at = |fraction: f64| {
        let place = (fraction * (all.len() - 1) as f64) as usize;
        f64::from(*all.select_nth_unstable_by(place, f32::total_cmp).1)
    };
    let (floor, top) = (at(0.25), at(0.9995));
    (floor, top.max(floor + LEAST_RANGE_DB))
}

fn paint(outcome: &Outcome, waterfall: &Waterfall, pixels: &mut [u8]) -> anyhow::Result<()> {
    let (floor, top) = range(waterfall);
    let from = waterfall.spectra.iter().map(|s| s.0).min().unwrap_or_default().as_secs_f64();
    let to = waterfall.spectra.iter().map(|s| s.1).max().unwrap_or_default().as_secs_f64();
    // Milliseconds where the recording is short.
    let (unit, scale) = if to - from < 2.0 { ("ms", 1e3) } else { ("s", 1.0) };
    let half = waterfall.rate.0 / 2e6;
    let middle = waterfall.center.0 / 1e6;

    let area = {
        let root = BitMapBackend::with_buffer(pixels, (WIDTH, HEIGHT)).into_drawing_area();
        root.fill(&WHITE)?;
        let (plot, bar) = root.split_horizontally(WIDTH - BAR);
        let title = format!("{}  ({} MHz wide)", shortened(&outcome.file), waterfall.rate.0 / 1e6);
        let mut chart = ChartBuilder::on(&plot)
            .caption(title, ("sans-serif", 20))
            .margin(12)
            .margin_right(LABELS)
            .x_label_area_size(45)
            .y_label_area_size(75)
            .build_cartesian_2d(from * scale..to * scale, middle - half..middle + half)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc(format!("time, {unit}"))
            .y_desc("frequency, MHz")
            .y_label_formatter(&|mhz| format!("{mhz:.3}").trim_end_matches('0').trim_end_matches('.').to_owned())
            .label_style(("sans-serif", 15))
            .axis_desc_style(("sans-serif", 16))
            .draw()?;
        let area = chart.plotting_area().get_pixel_range();
        colour_bar(&bar, area.1.clone(), floor, top)?;
        root.present()?;
        area
    };
    fill(waterfall, pixels, &area, (from, to), (floor, top));
    let root = BitMapBackend::with_buffer(pixels, (WIDTH, HEIGHT)).into_drawing_area();
    mark(outcome, waterfall, &root, &area, (from, to))?;
    root.present()?;
    Ok(())
}

type Area = (std::ops::Range<i32>, std::ops::Range<i32>);

/// The spectra as pixels: of the bins and spectra that share one, the strongest.
fn fill(waterfall: &Waterfall, pixels: &mut [u8], area: &Area, time: (f64, f64), level: (f64, f64)) {
    let (columns, rows) = (area.0.len(), area.1.len());
    let bins = waterfall.welch.size();
    for (start, end, spectrum) in &waterfall.spectra {
        let column = |at: Nanos| ((at.as_secs_f64() - time.0) / (time.1 - time.0) * columns as f64).round() as usize;
        for row in 0..rows {
            // Row 0 is the highest frequency.
            let first = (rows - 1 - row) * bins / rows;
            let last = ((rows - row) * bins).div_ceil(rows).clamp(first + 1, bins);
            let value = spectrum[first..last].iter().copied().fold(f32::MIN, f32::max);
            let RGBColor(r, g, b) = colour((f64::from(value) - level.0) / (level.1 - level.0));
            for column in column(*start)..column(*end).min(columns) {
                let at = ((area.1.start as usize + row) * WIDTH as usize + area.0.start as usize + column) * 3;
                pixels[at..at + 3].copy_from_slice(&[r, g, b]);
            }
        }
    }
}

type Canvas<'a, 'b> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

fn colour_bar(area: &Canvas<'_, '_>, rows: std::ops::Range<i32>, floor: f64, top: f64) -> anyhow::Result<()> {
    let height = (rows.end - rows.start).max(1);
    for row in rows.clone() {
        let value = f64::from(rows.end - 1 - row) / f64::from(height);
        area.draw(&Rectangle::new([(0, row), (18, row + 1)], colour(value).filled()))?;
    }
    let style = ("sans-serif", 14).into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
    let steps = 4;
    for step in 0..=steps {
        let value = floor + (top - floor) * f64::from(step) / f64::from(steps);
        let row = rows.end - 1 - height * step / steps;
        area.draw(&Text::new(format!("{value:.0}"), (24, row), style.clone()))?;
    }
    area.draw(&Text::new("dBFS/bin", (0, rows.start - 14), style))?;
    Ok(())
}

/// A frame round each cell's channel for as long as it was heard, and its name at the right.
fn mark(
    outcome: &Outcome,
    waterfall: &Waterfall,
    root: &Canvas<'_, '_>,
    area: &Area,
    time: (f64, f64),
) -> anyhow::Result<()> {
    const LINE: i32 = 34;
    let (low, high) = (waterfall.center.0 - waterfall.rate.0 / 2.0, waterfall.center.0 + waterfall.rate.0 / 2.0);
    let row = |hz: f64| area.1.end - ((hz - low) / (high - low) * area.1.len() as f64).round() as i32;
    let column = |at: Nanos| {
        let part = (at.as_secs_f64() - time.0) / (time.1 - time.0);
        area.0.start + (part * area.0.len() as f64).round().clamp(0.0, area.0.len() as f64) as i32
    };
    let here = |cell: &&Cell| (low..high).contains(&(cell.observation.cell.center_hz as f64));
    let mut cells: Vec<&Cell> = outcome.cells.iter().filter(here).collect();
    cells.sort_by_key(|cell| std::cmp::Reverse(cell.observation.cell));
    let marker = RGBColor(255, 80, 60);
    let mut free = area.1.start + LINE / 2;
    for (i, cell) in cells.iter().enumerate() {
        let seen = &cell.observation;
        let center = seen.cell.center_hz as f64;
        let clip = |at: i32| at.clamp(area.1.start, area.1.end - 1);
        let corners = [
            (column(cell.heard.0), clip(row(center + 1e5))),
            (column(cell.heard.1).min(area.0.end - 1), clip(row(center - 1e5))),
        ];
        root.draw(&Rectangle::new(corners, marker.stroke_width(2)))?;
        // Names keep clear of each other, and leave room for those below.
        let wanted = clip(row(center + seen.carrier.hz.0));
        let left = (cells.len() - i) as i32 * LINE;
        let line = wanted.min(area.1.end - left + LINE / 2).max(free);
        free = line + LINE;
        root.draw(&PathElement::new(vec![(area.0.end, wanted), (area.0.end + 18, line)], marker.stroke_width(1)))?;
        let style = |size: u32| ("sans-serif", size).into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        let channel = gsm_arfcn(seen.cell.center_hz).map(|n| format!("ARFCN {n}, ")).unwrap_or_default();
        let name = format!("{channel}BSIC {}", seen.cell.id);
        root.draw(&Text::new(name, (area.0.end + 22, line - 8), style(15)))?;
        let identity = seen.identity.as_ref().map_or("identity not heard".to_owned(), |id| {
            let plmns: Vec<String> = id.plmns.iter().map(|plmn| plmn.to_string()).collect();
            let number = |n: Option<u64>| n.map_or("?".to_owned(), |n| n.to_string());
            format!("{} / {} / {}", plmns.join(" "), number(id.area.map(u64::from)), number(id.cell_id))
        });
        root.draw(&Text::new(identity, (area.0.end + 22, line + 8), style(13)))?;
    }
    Ok(())
}

/// The end of a long name.
fn shortened(file: &str) -> String {
    let len = file.chars().count();
    match len > 80 {
        true => format!("…{}", file.chars().skip(len - 79).collect::<String>()),
        false => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_plots_are_numbered_before_the_ending() {
        let names = [1, 2, 10].map(|n| numbered(Path::new("a/out.png"), n));
        assert_eq!(names, ["a/out.png", "a/out-2.png", "a/out-10.png"].map(PathBuf::from));
        assert_eq!(numbered(Path::new("out"), 2), PathBuf::from("out-2"));
    }

    #[test]
    fn colours_rise_in_lightness() {
        let light = |RGBColor(r, g, b): RGBColor| 0.3 * f64::from(r) + 0.59 * f64::from(g) + 0.11 * f64::from(b);
        let steps: Vec<f64> = (0..=20).map(|n| light(colour(f64::from(n) / 20.0))).collect();
        assert!(steps.windows(2).all(|pair| pair[1] > pair[0]), "{steps:?}");
    }
}
