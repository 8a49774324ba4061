//! Crowd databases: OpenCelliD and Mozilla MLS. Weak evidence: their positions are centroids of observations, and much is missing.

use super::build::{Builder, Taken, read_rows};
use super::lines::{Line, Lines};
use super::report::{Problem, RegisterError};
use super::{Row, Status, Text, limits};
use crate::cell::{Plmn, Rat};
use std::io::BufRead;
use std::str::FromStr;

/// Columns of the cell export, in the order of a file without header.
const EXPORT: [&str; 14] = [
    "radio",
    "mcc",
    "net",
    "area",
    "cell",
    "unit",
    "lon",
    "lat",
    "range",
    "samples",
    "changeable",
    "created",
    "updated",
    "averagesignal",
];

/// The columns that are used, by their name in the cell export and in the area download.
const USED: [(&str, &str); 8] = [
    ("radio", "radio"),
    ("mcc", "mcc"),
    ("net", "mnc"),
    ("area", "lac"),
    ("cell", "cellid"),
    ("unit", "unit"),
    ("lon", "lon"),
    ("lat", "lat"),
];

/// The first line is of a crowd database: its header, or a row of the export.
pub(super) fn recognise<R: BufRead>(lines: &Lines<R>) -> bool {
    let has = |name: &str| (0..lines.len()).any(|at| lines.field(at).eq_ignore_ascii_case(name));
    let export_row = radio(lines.field(0)).is_some() || lines.field(0).eq_ignore_ascii_case("cdma");
    (has("radio") && has("mcc")) || (export_row && lines.len() >= EXPORT.len() - 1)
}

fn radio(text: &str) -> Option<Rat> {
    match text.to_ascii_uppercase().as_str() {
        "GSM" => Some(Rat::Gsm),
        "UMTS" => Some(Rat::Umts),
        "LTE" => Some(Rat::Lte),
        "NR" => Some(Rat::Nr),
        _ => None,
    }
}

/// Reads all rows; `first` is what became of the line that `lines` holds.
pub(super) fn read<R: BufRead>(mut lines: Lines<R>, first: Line, builder: &mut Builder) -> Result<(), RegisterError> {
    let position = |name: &str| (0..lines.len()).find(|&at| lines.field(at).eq_ignore_ascii_case(name));
    let header = position("radio").is_some() && position("mcc").is_some();
    let mut places = [None; USED.len()];
    for (place, (export, download)) in places.iter_mut().zip(USED) {
        *place = if header {
            position(export).or_else(|| position(download))
        } else {
            EXPORT.iter().position(|&name| name == export)
        };
    }
    // The area download has no `unit`; all other columns must be there.
    let absent = |&at: &usize| places[at].is_none() && USED[at].0 != "unit";
    let missing: Vec<&str> = (0..USED.len()).filter(absent).map(|at| USED[at].0).collect();
    if !missing.is_empty() {
        return Err(RegisterError::MissingColumns { missing: missing.join(", ") });
    }
    let columns = lines.len();
    let first = if header { None } else { Some(first) };
    read_rows(&mut lines, columns, first, builder, |lines, builder| {
        let Some(rat) = radio(places[0].map_or("", |at| lines.field(at))) else { return Ok(Taken::OtherRadio) };
        match row(lines, &places, rat) {
            Ok(row) => builder.push(row).map(|()| Taken::Accepted),
            Err(problem) => Ok(Taken::Rejected(problem)),
        }
    })
}

fn row<R: BufRead>(lines: &Lines<R>, places: &[Option<usize>; USED.len()], rat: Rat) -> Result<Row, Problem> {
    fn number<T>(text: &str, low: T, high: T) -> Option<T>
    where
        T: FromStr + PartialOrd,
    {
        text.parse::<T>().ok().filter(|value| *value >= low && *value <= high)
    }
    let text = |used: usize| places[used].map_or("", |at| lines.field(at));
    let bad = |used: usize, reason: String| Problem::new(lines.number(), USED[used].0, text(used), reason);
    let (max_cell, max_physical, max_area) = limits(rat);
    let mcc = number(text(1), 0, 999).ok_or_else(|| bad(1, "must be a number from 0 to 999".into()))?;
    // The export keeps the value only: three digits are certain from 100 on, two are assumed below. Matching is by value.
    let plmn = number(text(2), 0, 999).and_then(|net| Plmn::new(mcc, net, if net > 99 { 3 } else { 2 }));
    let plmn = plmn.ok_or_else(|| bad(2, "must be a number from 0 to 999".into()))?;
    let area = number(text(3), 1, max_area).ok_or_else(|| bad(3, format!("must be a number from 1 to {max_area}")))?;
    let cell_id =
        number(text(4), 0, max_cell).ok_or_else(|| bad(4, format!("must be a number from 0 to {max_cell}")))?;
    let physical_id = match text(5) {
        // MLS writes -1, 0 or nothing where the unit is not known; a wrong one would only hide a row.
        "" | "-1" | "0" => u16::MAX,
        unit => number(unit, 0, max_physical).unwrap_or(u16::MAX),
    };
    let lon = number(text(6), -180.0, 180.0).ok_or_else(|| bad(6, "must be degrees from -180 to 180".into()))?;
    let lat = number(text(7), -90.0, 90.0).ok_or_else(|| bad(7, "must be degrees from -90 to 90".into()))?;
    let degrees = |value: f64| (value * 1e7).round() as i32;
    Ok(Row {
        rat,
        plmn,
        cell_id,
        area,
        center_khz: u32::MAX,
        physical_id,
        lat_e7: degrees(lat),
        lon_e7: degrees(lon),
        height_dm: i16::MAX,
        azimuth_deg: u16::MAX,
        eirp_tenth_dbm: i16::MAX,
        status: Status::Licensed,
        valid_from_day: i32::MIN,
        valid_to_day: i32::MAX,
        line: u32::try_from(lines.number()).unwrap_or(u32::MAX),
        regulator: u16::MAX,
        licensee: u16::MAX,
        register_id: Text::default(),
        site_id: Text::default(),
        official: false,
    })
}
