//! The own format: a licence register. Columns as in the module above.

use super::build::{Builder, Taken, read_rows};
use super::lines::Lines;
use super::report::{Problem, RegisterError};
use super::{Row, Status, limits};
use crate::cell::{Plmn, Rat, gsm_arfcn, gsm_downlink};
use std::io::BufRead;
use std::str::FromStr;

/// Octets of a text field.
const MAX_TEXT: usize = 64;
/// PLMNs of one row; SIB1 lists at most 6 (LTE) or 12 (NR), shared GSM networks have one.
const MAX_PLMNS: usize = 8;

/// Known columns: their name, then their other names.
const COLUMNS: [&[&str]; 20] = [
    &["register_id"],
    &["rat"],
    &["plmn"],
    &["cell_id", "ci", "eci", "nci"],
    &["area", "lac", "tac"],
    &["arfcn", "channel"],
    &["center_mhz", "freq_mhz"],
    &["band"],
    &["physical_id", "bsic", "psc", "pci"],
    &["regulator"],
    &["licensee"],
    &["site_id"],
    &["lat"],
    &["lon"],
    &["antenna_height_m"],
    &["azimuth_deg"],
    &["eirp_dbm"],
    &["status"],
    &["valid_from"],
    &["valid_to"],
];
/// The first columns of [`COLUMNS`] must be in the header.
const MANDATORY: usize = 4;

// Places in [`COLUMNS`].
const REGISTER_ID: usize = 0;
const RAT: usize = 1;
const PLMN: usize = 2;
const CELL_ID: usize = 3;
const AREA: usize = 4;
const ARFCN: usize = 5;
const CENTER_MHZ: usize = 6;
const BAND: usize = 7;
const PHYSICAL_ID: usize = 8;
const REGULATOR: usize = 9;
const LICENSEE: usize = 10;
const SITE_ID: usize = 11;
const LAT: usize = 12;
const LON: usize = 13;
const ANTENNA_HEIGHT_M: usize = 14;
const AZIMUTH_DEG: usize = 15;
const EIRP_DBM: usize = 16;
const STATUS: usize = 17;
const VALID_FROM: usize = 18;
const VALID_TO: usize = 19;

/// Where each of [`COLUMNS`] stands in the file.
struct Header([Option<usize>; COLUMNS.len()]);

/// Reads the header (the line that `lines` holds) and all rows.
pub(super) fn read<R: BufRead>(mut lines: Lines<R>, builder: &mut Builder) -> Result<(), RegisterError> {
    let mut header = Header([None; COLUMNS.len()]);
    for at in 0..lines.len() {
        let name = lines.field(at).to_ascii_lowercase();
        match COLUMNS.iter().position(|names| names.contains(&name.as_str())) {
            Some(column) if header.0[column].is_some() => {
                return Err(RegisterError::RepeatedColumn { column: COLUMNS[column][0].to_owned() });
            }
            Some(column) => header.0[column] = Some(at),
            None => builder.report.ignored_columns.push(name.chars().take(40).collect()),
        }
    }
    let absent = |&column: &usize| header.0[column].is_none();
    let missing: Vec<&str> = (0..MANDATORY).filter(absent).map(|column| COLUMNS[column][0]).collect();
    if !missing.is_empty() {
        return Err(RegisterError::MissingColumns { missing: missing.join(", ") });
    }
    let columns = lines.len();
    read_rows(&mut lines, columns, None, builder, |lines, builder| {
        let fields = Fields { lines, header: &header };
        match row(&fields, builder) {
            Ok((row, plmns)) => {
                for plmn in plmns {
                    builder.push(Row { plmn, ..row })?;
                }
                Ok(Taken::Accepted)
            }
            Err(problem) => Ok(Taken::Rejected(problem)),
        }
    })
}

/// The fields of one row by name.
struct Fields<'a, R> {
    lines: &'a Lines<R>,
    header: &'a Header,
}

impl<R: BufRead> Fields<'_, R> {
    fn text(&self, column: usize) -> &str {
        self.header.0[column].map_or("", |at| self.lines.field(at))
    }

    fn bad(&self, column: usize, reason: impl Into<String>) -> Problem {
        Problem::new(self.lines.number(), COLUMNS[column][0], self.text(column), reason)
    }

    /// A number within limits; `None` for an empty field.
    fn number<T>(&self, column: usize, low: T, high: T) -> Result<Option<T>, Problem>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let text = self.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        let value = text.parse::<T>().ok().filter(|value| *value >= low && *value <= high);
        value.map(Some).ok_or_else(|| self.bad(column, format!("must be a number from {low} to {high}")))
    }

    fn short(&self, column: usize) -> Result<&str, Problem> {
        let text = self.text(column);
        if text.len() > MAX_TEXT {
            return Err(self.bad(column, "must have at most 64 octets"));
        }
        Ok(text)
    }

    /// Days since 1970-01-01 of a `YYYY-MM-DD`, or `absent`.
    fn date(&self, column: usize, absent: i32) -> Result<i32, Problem> {
        match self.text(column) {
            "" => Ok(absent),
            text => day(text).ok_or_else(|| self.bad(column, "must be a date such as 2026-01-31")),
        }
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, years 1970 to 9999.
fn day(text: &str) -> Option<i32> {
    let mut parts = text.split('-');
    let mut part = |len: usize| {
        let part = parts.next()?;
        (part.len() == len && part.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
        part.parse::<i32>().ok()
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let february = if leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let of_month = *lengths.get(usize::try_from(month - 1).ok()?)?;
    if parts.next().is_some() || year < 1970 || !(1..=of_month).contains(&day) {
        return None;
    }
    let before = year - 1;
    let leap_days = before / 4 - before / 100 + before / 400 - 477;
    let days_before_month: i32 = lengths[..month as usize - 1].iter().sum();
    Some((year - 1970) * 365 + leap_days + days_before_month + day - 1)
}

/// One row and the PLMNs it stands for.
fn row<R: BufRead>(fields: &Fields<'_, R>, builder: &mut Builder) -> Result<(Row, Vec<Plmn>), Problem> {
    let register_id = fields.short(REGISTER_ID)?;
    if register_id.is_empty() {
        return Err(fields.bad(REGISTER_ID, "must not be empty"));
    }
    let rat = match fields.text(RAT).to_ascii_lowercase().as_str() {
        "gsm" => Rat::Gsm,
        "umts" => Rat::Umts,
        "lte" => Rat::Lte,
        "nr" => Rat::Nr,
        _ => return Err(fields.bad(RAT, "must be gsm, umts, lte or nr")),
    };
    let mut plmns = Vec::new();
    for text in fields.text(PLMN).split(';') {
        let parsed = text.trim().parse::<Plmn>();
        plmns.push(parsed.map_err(|_| fields.bad(PLMN, "must be such as 520-03; several with ';' between"))?);
    }
    if plmns.len() > MAX_PLMNS {
        return Err(fields.bad(PLMN, "lists more than 8 networks"));
    }
    let (max_cell, max_physical, max_area) = limits(rat);
    let cell_id = fields.number(CELL_ID, 0, max_cell)?;
    let area = fields.number(AREA, 0, max_area)?;
    if matches!(area, Some(0 | 0xfffe)) {
        return Err(fields.bad(AREA, "is reserved by TS 23.003 and names no area"));
    }
    let center_khz = carrier(fields, rat)?;
    if cell_id.is_none() && center_khz.is_none() {
        return Err(fields.bad(CELL_ID, "is empty, and so is the carrier: the row names no cell"));
    }
    let lat = fields.number(LAT, -90.0, 90.0)?;
    let lon = fields.number(LON, -180.0, 180.0)?;
    if lat.is_some() != lon.is_some() {
        return Err(fields.bad(if lat.is_some() { LON } else { LAT }, "is empty, and its companion is not"));
    }
    let degrees = |value: Option<f64>| value.map_or(i32::MAX, |v| (v * 1e7).round() as i32);
    let tenths = |value: Option<f64>| value.map_or(i16::MAX, |v| (v * 10.0).round() as i16);
    let status = match fields.text(STATUS).to_ascii_lowercase().as_str() {
        "" | "licensed" => Status::Licensed,
        "planned" => Status::Planned,
        "suspended" => Status::Suspended,
        "expired" => Status::Expired,
        "revoked" => Status::Revoked,
        _ => return Err(fields.bad(STATUS, "must be licensed, planned, suspended, expired or revoked")),
    };
    let (valid_from_day, valid_to_day) = (fields.date(VALID_FROM, i32::MIN)?, fields.date(VALID_TO, i32::MAX)?);
    if valid_from_day > valid_to_day {
        return Err(fields.bad(VALID_TO, "lies before valid_from"));
    }
    let (regulator, licensee, site_id) = (fields.short(REGULATOR)?, fields.short(LICENSEE)?, fields.short(SITE_ID)?);
    let too_many = |column| move || fields.bad(column, "is the 65,535th different name; check the column");
    let row = Row {
        rat,
        plmn: plmns[0],
        cell_id: cell_id.unwrap_or(u64::MAX),
        area: area.unwrap_or(u32::MAX),
        center_khz: center_khz.unwrap_or(u32::MAX),
        physical_id: fields.number(PHYSICAL_ID, 0, max_physical)?.unwrap_or(u16::MAX),
        lat_e7: degrees(lat),
        lon_e7: degrees(lon),
        height_dm: tenths(fields.number(ANTENNA_HEIGHT_M, -100.0, 1000.0)?),
        azimuth_deg: fields.number(AZIMUTH_DEG, 0, 360)?.unwrap_or(u16::MAX),
        eirp_tenth_dbm: tenths(fields.number(EIRP_DBM, -50.0, 120.0)?),
        status,
        valid_from_day,
        valid_to_day,
        line: u32::try_from(fields.lines.number()).unwrap_or(u32::MAX),
        regulator: builder.name(regulator).ok_or_else(too_many(REGULATOR))?,
        licensee: builder.name(licensee).ok_or_else(too_many(LICENSEE))?,
        register_id: builder.text(register_id),
        site_id: builder.text(site_id),
        official: true,
    };
    Ok((row, plmns))
}

/// The carrier in kHz, from the channel number, the frequency, or both.
fn carrier<R: BufRead>(fields: &Fields<'_, R>, rat: Rat) -> Result<Option<u32>, Problem> {
    let mhz = fields.number(CENTER_MHZ, 100.0, 100_000.0)?.map(|mhz: f64| (mhz * 1000.0).round() as u32);
    let channel = match rat {
        Rat::Gsm => fields.number(ARFCN, 0, 1023)?,
        // The numbers of other standards are ambiguous between bands; their rows give the frequency.
        _ if !fields.text(ARFCN).is_empty() && mhz.is_none() => {
            return Err(fields.bad(ARFCN, "is used for gsm only; give center_mhz for other standards"));
        }
        _ => None,
    };
    let Some(arfcn) = channel else {
        if let Some(khz) = mhz
            && rat == Rat::Gsm
            && gsm_arfcn(u64::from(khz) * 1000).is_none()
        {
            return Err(fields.bad(CENTER_MHZ, "is not on a GSM channel of TS 45.005"));
        }
        return Ok(mhz);
    };
    let pcs = fields.text(BAND).to_ascii_lowercase().replace([' ', '-'], "").contains("pcs1900");
    let Some(carrier) = gsm_downlink(arfcn, pcs) else {
        return Err(fields.bad(ARFCN, "is not a GSM channel number of TS 45.005"));
    };
    let khz = (carrier.0 / 1000.0).round() as u32;
    if mhz.is_some_and(|mhz| mhz != khz) {
        return Err(fields.bad(CENTER_MHZ, format!("contradicts the arfcn, which is {} kHz", khz)));
    }
    Ok(Some(khz))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_count_days_since_1970() {
        // `date -u -d DATE +%s` of GNU coreutils 9.1, divided by 86,400.
        for (text, days) in [("1970-01-01", 0), ("2000-02-29", 11_016), ("2026-11-21", 20_778), ("2100-03-01", 47_541)]
        {
            assert_eq!(day(text), Some(days), "{text}");
        }
        for bad in
            ["2100-02-29", "2026-13-01", "2026-00-10", "2026-1-1", "26-01-01", "2026-01-01-01", "x", "1969-12-31"]
        {
            assert_eq!(day(bad), None, "{bad}");
        }
    }
}
