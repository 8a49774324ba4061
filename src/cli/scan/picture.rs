//! The picture of a scan: counters, spectrum and cells, as wide as the terminal and no higher.

use super::View;
use daen::cell::{CellKey, Rat, gsm_arfcn};
use daen::dsp::spectrum::Spectrum;
use daen::observation::Observation;
use daen::sensor::receive::Effort;
use daen::units::{Hz, Timestamp};
use std::io::Write;

/// Columns and lines where there is no terminal.
const PAPER: (usize, usize) = (100, usize::MAX);
/// The spectrum is at most as wide, and at least.
const COLUMNS: std::ops::RangeInclusive<usize> = 20..=160;
/// Columns beside it: margin and scale.
const BESIDE: usize = 8;
/// A terminal lower than this has no room for a spectrum.
const LEAST_LINES: usize = 16;
const ROWS: usize = 8;
/// Eighths of a row, from nothing to all of it.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The most that was held.
const HELD: char = '·';
/// The least height of the spectrum's scale, dB.
const LEAST_SPAN: f64 = 24.0;

/// Writes all of it; with `size`, over what is on a terminal of so many columns and lines, and within them.
pub fn write(view: &View, size: Option<(usize, usize)>, out: &mut impl Write) -> std::io::Result<()> {
    let (columns, lines) = size.unwrap_or(PAPER);
    let mut text = String::new();
    head(view, &mut text);
    if let (Some(spectrum), Some(info)) = (&view.spectrum, &view.info)
        && lines >= LEAST_LINES
    {
        let columns = columns.saturating_sub(BESIDE).clamp(*COLUMNS.start(), *COLUMNS.end());
        spectrum_rows((spectrum, &view.held), info.center, info.sample_rate, columns, &mut text);
    }
    if view.cells.is_empty() {
        text.push_str("  no cell heard\n");
    } else {
        text.push_str(&format!(
            "  {:4} {:>9} {:>6} {:>5}  {:8} {:>6} {:>9} {:>6} {:>5} {:>9}  {}\n",
            "", "MHz", "chan", "id", "PLMN", "area", "cell id", "dBFS", "SNR", "offset Hz", "heard"
        ));
        for observation in view.cells.values() {
            text.push_str(&format!("  {}\n", cell(observation)));
        }
    }
    // Of this run, all.
    for carrier in view.recognised.at(Timestamp(0)) {
        let mhz = carrier.center_hz as f64 / 1e6;
        text.push_str(&format!("  {} around {mhz:.1} MHz is recognised and not decoded\n", carrier.standard));
    }
    if view.unlisted > 0 {
        text.push_str(&format!("  {} reports of further cells are not listed\n", view.unlisted));
    }
    if size.is_some() {
        text = fit(&text, columns, lines);
    }
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What fits on a screen: lines cut, not wrapped, and the last one says how many are missing. Each line is drawn over the one
/// before, which flickers less than clearing first.
fn fit(text: &str, columns: usize, lines: usize) -> String {
    let all = text.lines().count();
    // The last line of a screen would scroll it.
    let room = lines.saturating_sub(1).max(1);
    let shown = if all > room { room - 1 } else { all };
    let mut fitted = "\x1b[H".to_owned();
    for line in text.lines().take(shown) {
        fitted.extend(line.chars().take(columns));
        fitted.push_str("\x1b[K\n");
    }
    if shown < all {
        let more = format!("  ... {} more lines: make the window higher", all - shown);
        fitted.extend(more.chars().take(columns));
        fitted.push_str("\x1b[K\n");
    }
    fitted.push_str("\x1b[J");
    fitted
}

fn head(view: &View, text: &mut String) {
    let tuning = view.info.as_ref().map_or_else(String::new, |info| {
        format!(": {:.3} MHz around {:.3} MHz", info.sample_rate.0 / 1e6, info.center.0 / 1e6)
    });
    text.push_str(&format!("{}{tuning}\n", view.name));
    let mut parts = vec![format!("{:.1} s", view.seconds)];
    if view.streams > 1 {
        parts.push(format!("{} streams", view.streams));
    }
    let clipped = view.clipped as f64 / view.samples.max(1) as f64 * 100.0;
    parts.push(format!("{clipped:.2} % at full scale"));
    match view.effort {
        Effort::Whole => {}
        Effort::Aside => parts.push("LTE is searched in a stretch now and then".to_owned()),
        Effort::Spectrum => parts.push("too fast to decode: only the spectrum is looked at".to_owned()),
    }
    if view.lost > 0 {
        parts.push(format!("{} samples lost here: too slow", view.lost));
    }
    if let Some(live) = &view.live {
        let counts = live.counts();
        parts.push(format!("{} gaps, {} samples lost in the receiver", counts.gaps, counts.lost_samples));
        if counts.failures > 0 {
            parts.push(format!("failed {} times", counts.failures));
        }
        parts.extend(live.problem());
    }
    text.push_str(&format!("  {}\n", parts.join(", ")));
}

/// Bars of the mean, and a dot where the most that was held stands above them.
fn spectrum_rows((spectrum, held): (&Spectrum, &[f32]), center: Hz, rate: Hz, width: usize, text: &mut String) {
    let db = |power: f32| 10.0 * f64::from(power.max(1e-20)).log10();
    // Of each column the strongest bin, so that a narrow carrier is seen.
    let bins = spectrum.mean.len();
    let strongest = |powers: &[f32]| -> Vec<f64> {
        let part = |column: usize| &powers[column * bins / width..(column + 1) * bins / width];
        (0..width).map(|column| db(part(column).iter().copied().fold(0.0, f32::max))).collect()
    };
    let columns = strongest(&spectrum.mean);
    let held = if held.len() == bins { strongest(held) } else { columns.clone() };
    let floor = db(spectrum.percentile(0.1));
    let top = columns.iter().chain(&held).copied().fold(floor + LEAST_SPAN, f64::max);
    for row in (0..ROWS).rev() {
        let line: String = columns
            .iter()
            .zip(&held)
            .map(|(level, held)| {
                let eighths = |level: f64| (level - floor) / (top - floor) * (ROWS * 8) as f64 - (row * 8) as f64;
                match BARS[eighths(*level).round().clamp(0.0, 8.0) as usize] {
                    ' ' if (0.0..8.0).contains(&(eighths(*held) - 1e-9)) => HELD,
                    bar => bar,
                }
            })
            .collect();
        let label = match row {
            r if r == ROWS - 1 => format!("{top:>4.0}"),
            0 => format!("{floor:>4.0}"),
            _ => String::new(),
        };
        text.push_str(&format!("  {line}{label}\n"));
    }
    let edge = |part: f64| format!("{:.3}", (center.0 + part * rate.0) / 1e6);
    let (left, middle, right) = (edge(-0.5), edge(0.0), edge(0.5));
    let side = width.saturating_sub(middle.len()) / 2;
    text.push_str(&format!(
        "  {left:<side$}{middle}{right:>rest$} MHz, dBFS a bin, {HELD} the most\n",
        rest = width.saturating_sub(side + middle.len())
    ));
}

/// One cell in a line.
pub fn cell(seen: &Observation) -> String {
    let identity = seen.identity.as_ref();
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let mut heard: Vec<&str> = seen.broadcast.iter().map(|block| block.name.as_str()).collect();
    heard.dedup();
    format!(
        "{:4} {:>9.3} {:>6} {:>5}  {:8} {:>6} {:>9} {:>6.1} {:>5.1} {:>+9.0}  {}",
        seen.cell.rat.to_string().to_uppercase(),
        seen.cell.center_hz as f64 / 1e6,
        text(channel(seen.cell).map(|n| n.to_string())),
        seen.cell.id,
        text(identity.and_then(|i| i.plmns.first()).map(|plmn| plmn.to_string())),
        text(identity.and_then(|i| i.area).map(|area| area.to_string())),
        text(identity.and_then(|i| i.cell_id).map(|id| id.to_string())),
        seen.level.dbfs.0,
        seen.snr_db.0,
        seen.carrier.hz.0,
        heard.join(" "),
    )
}

fn channel(cell: CellKey) -> Option<u16> {
    if cell.rat == Rat::Gsm { gsm_arfcn(cell.center_hz) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_that_is_over_stays_as_a_dot_above_the_mean() {
        let mut mean = vec![1e-9; 256];
        mean[64..80].fill(1e-5);
        let mut held: Vec<f32> = mean.iter().map(|power| power * 4.0).collect();
        held[200] = 1e-4;
        let spectrum = Spectrum { peak: held.clone(), mean, segments: 9 };
        let mut text = String::new();
        spectrum_rows((&spectrum, &held), Hz(947e6), Hz(2e6), 64, &mut text);
        let rows: Vec<Vec<char>> = text.lines().map(|line| line.chars().skip(2).collect()).collect();
        // Columns of four bins; 50 dB in eight rows.
        assert_eq!((rows[0][50], rows[7][50]), (HELD, ' '), "{text}");
        assert!(rows[7][16] == '█' && rows[1][16] != ' ' && rows[0][16] != '█', "{text}");
        // Without anything held there are bars alone.
        let mut text = String::new();
        spectrum_rows((&spectrum, &[]), Hz(947e6), Hz(2e6), 64, &mut text);
        assert_eq!(text.matches(HELD).count(), 1, "in the legend: {text}");
    }

    #[test]
    fn a_picture_is_cut_to_the_terminal_and_says_what_is_missing() {
        let text = "0123456789\nzwei\ndrei\nvier\n";
        let wide = fit(text, 80, 24);
        assert!(wide.contains("0123456789\x1b[K\n") && wide.contains("vier"));
        let narrow = fit(text, 5, 4);
        let lines: Vec<&str> = narrow.lines().collect();
        assert_eq!(lines[..3], ["\x1b[H01234\x1b[K", "zwei\x1b[K", "  ...\x1b[K"]);
        assert!(fit(text, 60, 4).contains("... 2 more lines"));
        // Nothing is too small.
        for (columns, lines) in [(0, 0), (1, 1), (1, 2)] {
            assert!(fit(text, columns, lines).lines().count() <= 3);
        }
    }
}
