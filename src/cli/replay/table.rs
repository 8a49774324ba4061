//! What a person reads: laid out for 100 columns.

use super::receive::{Cell, Outcome, Seen};
use daen::cell::{Rat, gsm_arfcn};
use daen::dsp::occupancy::{Shape, Signal};
use daen::observation::lte::LteFields;
use daen::observation::nr::NrFields;
use daen::observation::{Fields, Finding};
use daen::radio::recording::Segment;
use daen::units::Hz;
use std::io::Write;

const COLUMNS: usize = 100;
/// Carriers and findings listed; the rest is counted.
const LISTED: usize = 12;

/// No signal is this much stronger than a full-scale sine: I and Q as square waves have 3 dB.
const UNSCALED_DBFS: f64 = 3.1;

/// Two half milliseconds, the period of the structure that is looked for; less says nothing.
const LEAST_SECONDS: f64 = 0.99e-3;

/// Writes everything about one recording.
pub fn write(outcome: &Outcome, out: &mut impl Write) -> std::io::Result<()> {
    head(outcome, out)?;
    if outcome.cells.is_empty() {
        nothing(outcome, out)?;
    } else {
        cells(&outcome.cells, out)?;
    }
    if !outcome.not_supported.is_empty() {
        let names: Vec<&str> = outcome.not_supported.iter().map(|signal| in_words(*signal)).collect();
        paragraph(out, 2, &format!("Recognised, but not decoded: {}.", names.join("; ")))?;
    }
    carriers(outcome, out)?;
    findings(&outcome.findings, out)
}

fn head(outcome: &Outcome, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{}", outcome.file)?;
    let tuning = match outcome.segments.as_slice() {
        [] => "nothing".to_owned(),
        [one] => format!("{} around {}", band(one), mhz(one.info.center)),
        [first, ..] => {
            format!("{}, {} segments from {} on", band(first), outcome.segments.len(), mhz(first.info.center))
        }
    };
    let clipped = match outcome.clipped as f64 / (outcome.samples.max(1) as f64) * 100.0 {
        percent if percent >= 0.1 => format!(", {percent:.1} % of samples at full scale"),
        _ => String::new(),
    };
    writeln!(out, "  {} of {tuning}{clipped}", span(outcome.seconds))
}

fn band(segment: &Segment) -> String {
    match segment.info.sample_rate.0 {
        rate if rate < 1e5 => format!("{} kHz", trimmed(rate / 1e3, 3)),
        rate => format!("{} MHz", trimmed(rate / 1e6, 3)),
    }
}

fn cells(cells: &[Cell], out: &mut impl Write) -> std::io::Result<()> {
    for alike in cells.chunk_by(|a, b| a.observation.cell.rat == b.observation.cell.rat) {
        of_one_standard(alike, out)?;
    }
    if cells.iter().any(|cell| cell.observation.level.dbfs.0 > UNSCALED_DBFS) {
        paragraph(out, 2, "Levels refer to 1.0; the floats of this recording were never scaled to it.")?;
    }
    for cell in cells {
        details(cell, cells.len() > 1, out)?;
    }
    Ok(())
}

/// A table of cells of one standard, its columns named as that does.
fn of_one_standard(cells: &[Cell], out: &mut impl Write) -> std::io::Result<()> {
    let Some(rat) = cells.first().map(|cell| cell.observation.cell.rat) else { return Ok(()) };
    let area = if matches!(rat, Rat::Gsm | Rat::Umts) { "LAC" } else { "TAC" };
    writeln!(
        out,
        "  {:4} {:>9} {:>5} {:>5}  {:8} {:>5} {:>9} {:>6} {:>5} {:>9} {:>15}",
        "",
        "MHz",
        "chan",
        id_name(rat),
        "PLMN",
        area,
        "cell id",
        "dBFS",
        "SNR",
        "offset Hz",
        "heard, s"
    )?;
    for cell in cells {
        let seen = &cell.observation;
        let identity = seen.identity.as_ref();
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        writeln!(
            out,
            "  {:4} {:>9} {:>5} {:>5}  {:8} {:>5} {:>9} {:>6.1} {:>5.1} {:>+9.0} {:>15}",
            rat.to_string().to_uppercase(),
            format!("{:.3}", seen.cell.center_hz as f64 / 1e6),
            text(seen.channel().map(|n| n.to_string())),
            seen.cell.id,
            text(identity.and_then(|i| i.plmns.first()).map(|plmn| plmn.to_string())),
            text(identity.and_then(|i| i.area).map(|area| area.to_string())),
            text(identity.and_then(|i| i.cell_id).map(|id| id.to_string())),
            seen.level.dbfs.0,
            seen.snr_db.0,
            seen.carrier.hz.0,
            format!("{:.3}-{:.3}", cell.heard.0.as_secs_f64(), cell.heard.1.as_secs_f64()),
        )?;
    }
    Ok(())
}

/// What the physical identity of a cell is called.
fn id_name(rat: Rat) -> &'static str {
    match rat {
        Rat::Gsm => "BSIC",
        Rat::Umts => "PSC",
        Rat::Lte | Rat::Nr => "PCI",
    }
}

/// What a cell said, below the table.
fn details(cell: &Cell, named: bool, out: &mut impl Write) -> std::io::Result<()> {
    let seen = &cell.observation;
    let mut parts = Vec::new();
    if let Some(Fields::Gsm(fields)) = &seen.fields {
        let mut names: Vec<&str> = seen.broadcast.iter().map(|block| block.name.as_str()).collect();
        names.dedup();
        parts.push(format!("heard {}", names.join(" ")));
        let list = |name: &str, channels: &Option<Vec<u16>>| {
            let numbers: Vec<String> = channels.as_ref()?.iter().map(u16::to_string).collect();
            Some(format!("{name} {}", if numbers.is_empty() { "none".to_owned() } else { numbers.join(" ") }))
        };
        parts.extend(list("cell allocation", &fields.cell_allocation));
        parts.extend(list("neighbours", &fields.neighbours_si2));
        let offset = fields.si3_rest.as_ref().or(fields.si4_rest.as_ref()).and_then(|rest| rest.selection);
        parts.extend(offset.map(|s| format!("reselect offset {:.0} dB", s.cell_reselect_offset_db().0)));
        parts.extend(fields.control_channel.map(|c| match c.t3212 {
            0 => "no periodic update".to_owned(),
            units => format!("periodic update {}", span(f64::from(units) * 360.0)),
        }));
    } else if let Some(Fields::Lte(fields)) = &seen.fields {
        parts.extend(lte_parts(fields));
    } else if let Some(Fields::Nr(fields)) = &seen.fields {
        parts.extend(nr_parts(fields));
    } else if seen.cell.rat == Rat::Gsm {
        parts.push("no SYSTEM INFORMATION received: the cell has not said whose it is".to_owned());
    }
    let counts: Vec<String> =
        cell.counts.iter().filter(|(_, n)| **n > 0).map(|(name, count)| format!("{name} {count}")).collect();
    if !counts.is_empty() {
        parts.push(format!("counted {}", counts.join(", ")));
    }
    let name = if named {
        format!("{} {} {}: ", mhz(seen.cell.carrier()), id_name(seen.cell.rat), seen.cell.id)
    } else {
        String::new()
    };
    paragraph(out, 2, &format!("{name}{}.", parts.join("; ")))
}

/// What an LTE cell shows and says.
fn lte_parts(fields: &LteFields) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some((radio, mib)) = fields.radio.zip(fields.mib) {
        let ports = if radio.ports == 1 { "1 port".to_owned() } else { format!("{} ports", radio.ports) };
        let duplex = if radio.tdd { "TDD" } else { "FDD" };
        parts.push(format!("{} resource blocks, {ports}, {duplex}", mib.prb));
    }
    let sib1 = fields.sib1.as_ref().map(|_| 1);
    let sibs: Vec<String> =
        sib1.into_iter().chain(fields.sib_types.iter().copied()).map(|n| format!("SIB{n}")).collect();
    let heard = if sibs.is_empty() { "heard MIB".to_owned() } else { format!("heard MIB {}", sibs.join(" ")) };
    parts.push(heard);
    let barred = fields.sib1.as_ref().is_some_and(|sib1| sib1.cell_barred);
    parts.extend(barred.then(|| "barred".to_owned()));
    for warning in &fields.warnings {
        parts.extend(warning.text.as_ref().map(|text| format!("warning \"{text}\"")));
    }
    parts
}

/// What an NR cell shows and says.
fn nr_parts(fields: &NrFields) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(radio) = fields.radio {
        parts.push(format!("block {} of {} kHz, k_SSB {}", radio.ssb_index, radio.scs_khz, radio.k_ssb));
        parts.push(if fields.sib1.is_some() { "heard MIB SIB1" } else { "heard MIB" }.to_owned());
        parts.extend(radio.barred.then(|| "barred".to_owned()));
    }
    if let Some(serving) = fields.sib1.as_ref().and_then(|sib1| sib1.serving.as_ref()) {
        let bands: Vec<String> = serving.bands.iter().map(|band| format!("n{band}")).collect();
        parts.push(format!("band {}", bands.join(" ")));
        let widest =
            serving.carriers.iter().max_by_key(|carrier| u32::from(carrier.blocks) * u32::from(carrier.scs_khz));
        parts.extend(widest.map(|carrier| format!("{} blocks of {} kHz", carrier.blocks, carrier.scs_khz)));
        parts.push(if serving.tdd.is_some() { "TDD" } else { "FDD" }.to_owned());
    }
    parts
}

fn nothing(outcome: &Outcome, out: &mut impl Write) -> std::io::Result<()> {
    let mut channels = std::collections::BTreeSet::new();
    for segment in &outcome.segments {
        // The receiver's own condition: 78 kHz to either side of a carrier lie inside the band.
        let reach = segment.info.sample_rate.0 / 2.0 - 78e3;
        let (from, to) = ((segment.info.center.0 - reach) / 2e5, (segment.info.center.0 + reach) / 2e5);
        let steps = (from.ceil().max(0.0) as u64)..=(to.floor().max(0.0) as u64);
        channels.extend(steps.map(|step| step * 200_000).filter(|&hz| reach > 0.0 && gsm_arfcn(hz).is_some()));
    }
    let looked = match (channels.first(), channels.last()) {
        (Some(only), Some(_)) if channels.len() == 1 => {
            format!("Looked for a GSM beacon on {} with any offset up to 40 kHz", mhz(Hz(*only as f64)))
        }
        (Some(first), Some(last)) => format!(
            "Looked for GSM beacons on {} channels from {} to {} with any offset up to 40 kHz",
            channels.len(),
            mhz(Hz(*first as f64)),
            mhz(Hz(*last as f64))
        ),
        _ => "No GSM downlink channel lies inside this band; looked".to_owned(),
    };
    let and = if channels.is_empty() { "" } else { "," };
    let others = match outcome.not_supported.is_empty() {
        _ if outcome.seconds < LEAST_SECONDS => {
            // A block is 3.6 MHz wide at least; TS 38.211 clause 7.4.3.1.
            let holds_blocks = outcome.segments.iter().any(|segment| segment.info.sample_rate.0 >= 3.6e6);
            let blocks = if holds_blocks { "NR's blocks and " } else { "" };
            format!("{and} for {blocks}nothing else: less than a millisecond is too short")
        }
        true => format!("{and} for the structure of UMTS, LTE and NR carriers: nothing of these is here"),
        false => format!("{and} for the structure of UMTS, LTE and NR carriers"),
    };
    paragraph(out, 2, &format!("No cell decoded. {looked}{others}."))
}

fn carriers(outcome: &Outcome, out: &mut impl Write) -> std::io::Result<()> {
    // With everything decoded, shapes in the spectrum say nothing new.
    if outcome.seen.is_empty() || (!outcome.cells.is_empty() && outcome.not_supported.is_empty()) {
        return Ok(());
    }
    let described = |seen: &Seen| {
        let shape = match seen.carrier.shape {
            Shape::Narrow200k => ", as wide as GSM",
            Shape::Wide3840k => ", as wide as UMTS",
            Shape::Multicarrier => ", as wide as LTE or NR",
            Shape::MulticarrierNr => ", as wide as NR",
            Shape::Unknown => "",
        };
        let width = trimmed(seen.carrier.width.0 / 1e6, 2);
        format!("{} ({width} MHz{shape})", mhz(seen.center + seen.carrier.offset))
    };
    let mut list: Vec<String> = outcome.seen.iter().take(LISTED).map(described).collect();
    if outcome.seen.len() > LISTED {
        list.push(format!("{} more", outcome.seen.len() - LISTED));
    }
    paragraph(out, 2, &format!("Above the noise by 6 dB or more: {}.", list.join(", ")))
}

fn findings(findings: &[Finding], out: &mut impl Write) -> std::io::Result<()> {
    if findings.is_empty() {
        return writeln!(out, "  Findings: none.");
    }
    writeln!(out, "  Findings: {}", findings.len())?;
    for finding in findings.iter().take(LISTED) {
        let cell = finding.observation.cell;
        let id = id_name(cell.rat);
        let name = format!("{} {} {id} {}", cell.rat.to_string().to_uppercase(), mhz(cell.carrier()), cell.id);
        writeln!(out, "    {} (tier {:?}, version {}) on {name}", finding.rule, finding.tier, finding.version)?;
        for evidence in &finding.evidence {
            paragraph(out, 6, &format!("{}: {}; expected {}", evidence.what, evidence.value, evidence.expected))?;
        }
        if !finding.innocent.is_empty() {
            paragraph(out, 6, &format!("Innocent if: {}", finding.innocent.join("; ")))?;
        }
    }
    match findings.len().saturating_sub(LISTED) {
        0 => Ok(()),
        more => writeln!(out, "    and {more} more; --json lists all"),
    }
}

fn in_words(signal: Signal) -> &'static str {
    match signal {
        Signal::Lte => "LTE (cyclic prefix, pilots that repeat every 10 ms)",
        Signal::LteOrNr => "LTE or NR (cyclic prefix of 15 kHz subcarriers; too short or too weak to tell which)",
        Signal::Nr => "NR (cyclic prefix of 30 kHz subcarriers)",
        Signal::Umts => "UMTS (a wide carrier whose pilot repeats every 10 ms)",
        Signal::Emtc => "eMTC (announced by the MIB of an LTE cell)",
        Signal::NbIot => "NB-IoT (synchronisation signals of a narrow carrier)",
    }
}

/// A duration in the unit that suits it.
pub fn span(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{} ms", trimmed(s * 1e3, 1)),
        s if s < 600.0 => format!("{} s", trimmed(s, 2)),
        s if s < 36_000.0 => format!("{} min", trimmed(s / 60.0, 1)),
        s => format!("{} h", trimmed(s / 3600.0, 1)),
    }
}

fn mhz(frequency: Hz) -> String {
    format!("{} MHz", trimmed(frequency.0 / 1e6, 3))
}

/// At most `digits` decimals, without trailing zeros.
fn trimmed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Text wrapped at [`COLUMNS`], further lines two columns further in.
fn paragraph(out: &mut impl Write, indent: usize, text: &str) -> std::io::Result<()> {
    let mut width = indent;
    write!(out, "{:indent$}", "")?;
    for (i, word) in text.split(' ').enumerate() {
        let len = word.chars().count();
        if i > 0 && width + 1 + len > COLUMNS {
            write!(out, "\n{:1$}", "", indent + 2)?;
            width = indent + 2;
        } else if i > 0 {
            write!(out, " ")?;
            width += 1;
        }
        write!(out, "{word}")?;
        width += len;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_frequencies_read_well() {
        let spans = [0.02, 7.3477, 60.0, 3600.0, 129_600.0].map(span);
        assert_eq!(spans, ["20 ms", "7.35 s", "60 s", "60 min", "36 h"]);
        assert_eq!(mhz(Hz(941e6)), "941 MHz");
        assert_eq!(mhz(Hz(953_600_000.0)), "953.6 MHz");
    }

    #[test]
    fn long_text_is_wrapped_at_a_hundred_columns() {
        let mut out = Vec::new();
        paragraph(&mut out, 6, &"word ".repeat(60)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().count() > 2);
        assert!(text.lines().all(|line| line.len() <= COLUMNS && line.starts_with("      ")));
    }
}
