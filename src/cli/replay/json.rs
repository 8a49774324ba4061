//! JSON lines: keys, order and rounding of the wire contract.

use super::receive::{Cell, Outcome};
use daen::cell::{CellKey, Plmn, Rat};
use daen::l3::lte::{Message, parse_bcch_dl_sch};
use daen::observation::gsm::GsmFields;
use daen::observation::lte::LteFields;
use daen::observation::nr::NrFields;
use daen::observation::{Evidence, Fields, Finding, FrameName, Octets, Tier};
use daen::units::{Nanos, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;

#[derive(Serialize)]
struct CellLine<'a> {
    r#type: &'static str,
    file: &'a str,
    rat: Rat,
    center_hz: u64,
    channel: Option<u32>,
    plmns: Option<&'a [Plmn]>,
    area: Option<u32>,
    cell_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bsic: Option<u16>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    lte: Option<LteLine>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    nr: Option<NrLine>,
    level_dbfs: f64,
    level_dbm: Option<f64>,
    snr_db: f64,
    cfo_hz: i64,
    cfo_ppb: i64,
    first_s: f64,
    last_s: f64,
    timing: Option<TimingLine<'a>>,
    counts: &'a BTreeMap<&'static str, u64>,
    broadcast: Vec<BroadcastLine<'a>>,
    fields: Option<FieldsLine<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum FieldsLine<'a> {
    Gsm(&'a GsmFields),
    Lte(&'a LteFields),
    Nr(&'a NrFields),
}

/// What an LTE cell has besides.
#[derive(Serialize)]
struct LteLine {
    pci: u16,
    duplex: &'static str,
    cp: &'static str,
    prb: u8,
    ports: u8,
    phich: PhichLine,
    rsrp_dbfs: f64,
    rsrq_db: f64,
}

/// What an NR cell has besides.
#[derive(Serialize)]
struct NrLine {
    pci: u16,
    ssb_hz: u64,
    scs_khz: u16,
    k_ssb: u8,
    ssb_index: u8,
    barred: bool,
}

#[derive(Serialize)]
struct PhichLine {
    duration: &'static str,
    ng: &'static str,
}

#[derive(Serialize)]
struct TimingLine<'a> {
    at_ns: Timestamp,
    at_frac_ns: f64,
    sigma_ns: i64,
    frame: FrameName,
    stream: &'a str,
    rate_ppb: i64,
    rate_sigma_ppb: i64,
}

#[derive(Serialize)]
struct BroadcastLine<'a> {
    name: &'a str,
    hex: &'a Octets,
    count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    sibs: Option<Vec<String>>,
}

#[derive(Serialize)]
struct FindingLine<'a> {
    r#type: &'static str,
    rule: &'a str,
    version: u16,
    tier: Tier,
    cell: CellKey,
    at_ns: Timestamp,
    evidence: &'a [Evidence],
    innocent: &'a [String],
}

#[derive(Serialize)]
struct SummaryLine<'a> {
    r#type: &'static str,
    file: &'a str,
    samples: u64,
    seconds: f64,
    cells: usize,
    gaps: usize,
    not_supported: Vec<&'static str>,
}

/// Writes a recording's cells, findings and summary.
pub fn write(outcome: &Outcome, out: &mut impl Write) -> std::io::Result<()> {
    for cell in &outcome.cells {
        line(out, &cell_line(&outcome.file, cell))?;
    }
    for finding in &outcome.findings {
        line(out, &finding_line(finding))?;
    }
    line(
        out,
        &SummaryLine {
            r#type: "summary",
            file: &outcome.file,
            samples: outcome.samples,
            seconds: rounded(outcome.seconds, 1e9),
            cells: outcome.cells.len(),
            gaps: outcome.gaps(),
            not_supported: outcome.not_supported.iter().map(|signal| signal.as_str()).collect(),
        },
    )
}

fn line(out: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

fn cell_line<'a>(file: &'a str, cell: &'a Cell) -> CellLine<'a> {
    let seen = &cell.observation;
    let identity = seen.identity.as_ref();
    CellLine {
        r#type: "cell",
        file,
        rat: seen.cell.rat,
        center_hz: seen.cell.center_hz,
        channel: seen.channel(),
        plmns: identity.map(|identity| identity.plmns.as_slice()),
        area: identity.and_then(|identity| identity.area),
        cell_id: identity.and_then(|identity| identity.cell_id),
        bsic: (seen.cell.rat == Rat::Gsm).then_some(seen.cell.id),
        lte: seen.fields.as_ref().and_then(Fields::lte).and_then(|fields| lte_line(seen.cell.id, fields)),
        nr: seen.fields.as_ref().and_then(Fields::nr).and_then(|fields| nr_line(seen.cell, fields)),
        level_dbfs: rounded(seen.level.dbfs.0, 10.0),
        level_dbm: seen.level.dbm.map(|level| rounded(level.0, 10.0)),
        snr_db: rounded(seen.snr_db.0, 10.0),
        cfo_hz: seen.carrier.hz.round(),
        cfo_ppb: whole(seen.carrier.ppb.0),
        first_s: seconds(cell.heard.0),
        last_s: seconds(cell.heard.1),
        timing: seen.timing.map(|timing| TimingLine {
            at_ns: timing.at_ns,
            // What is left below the nanosecond; the one figure that the nanosecond of the rounding rule would make senseless.
            at_frac_ns: rounded(timing.at_frac_ns, 1e3),
            sigma_ns: whole(timing.sigma_ns),
            frame: timing.frame,
            stream: &seen.receiver.stream,
            rate_ppb: whole(timing.rate_ppb.0),
            rate_sigma_ppb: whole(timing.rate_sigma_ppb.0),
        }),
        counts: &cell.counts,
        broadcast: seen
            .broadcast
            .iter()
            .map(|block| BroadcastLine {
                name: &block.name,
                hex: &block.octets,
                count: block.count,
                sibs: (seen.cell.rat == Rat::Lte && block.name == "SI").then(|| sibs(&block.octets)),
            })
            .collect(),
        fields: seen.fields.as_ref().map(|fields| match fields {
            Fields::Gsm(fields) => FieldsLine::Gsm(fields),
            Fields::Lte(fields) => FieldsLine::Lte(fields),
            Fields::Nr(fields) => FieldsLine::Nr(fields),
        }),
    }
}

/// The blocks of a SystemInformation message, those that are not decoded too.
fn sibs(octets: &Octets) -> Vec<String> {
    let Ok(Message::SystemInformation(message)) = parse_bcch_dl_sch(&octets.0) else { return Vec::new() };
    message.sibs.iter().map(|sib| format!("SIB{}", sib.sib_type())).collect()
}

fn lte_line(pci: u16, fields: &LteFields) -> Option<LteLine> {
    let (radio, mib) = (fields.radio?, fields.mib?);
    let name = |extended: bool| if extended { "extended" } else { "normal" };
    Some(LteLine {
        pci,
        duplex: if radio.tdd { "TDD" } else { "FDD" },
        cp: name(radio.extended_cp),
        prb: mib.prb,
        ports: radio.ports,
        phich: PhichLine { duration: name(mib.phich_extended), ng: mib.phich_ng() },
        rsrp_dbfs: rounded(radio.rsrp_dbfs.0, 10.0),
        rsrq_db: rounded(radio.rsrq_db.0, 10.0),
    })
}

fn nr_line(cell: CellKey, fields: &NrFields) -> Option<NrLine> {
    fields.radio.map(|radio| NrLine {
        pci: cell.id,
        ssb_hz: cell.center_hz,
        scs_khz: radio.scs_khz,
        k_ssb: radio.k_ssb,
        ssb_index: radio.ssb_index,
        barred: radio.barred,
    })
}

fn finding_line(finding: &Finding) -> FindingLine<'_> {
    FindingLine {
        r#type: "finding",
        rule: &finding.rule,
        version: finding.version,
        tier: finding.tier,
        cell: finding.observation.cell,
        at_ns: finding.observation.at_ns,
        evidence: &finding.evidence,
        innocent: &finding.innocent,
    }
}

/// To `1 / per_unit`; never minus zero.
fn rounded(value: f64, per_unit: f64) -> f64 {
    (value * per_unit).round() / per_unit + 0.0
}

fn whole(value: f64) -> i64 {
    value.round() as i64
}

fn seconds(at: Nanos) -> f64 {
    rounded(at.as_secs_f64(), 1e9)
}
