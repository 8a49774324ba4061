//! `core:datetime`: an ISO 8601 instant as nanoseconds since 1970.
//!
//! ## References
//! - SigMF specification 1.2.5, "core:datetime" (the profile of RFC 3339)
//! - RFC 3339, clause 5.6

use crate::units::Timestamp;

/// The instant that `text` names, such as `2024-02-29T23:59:59.25Z`; digits below the nanosecond are cut off.
///
/// A zone is required: `Z` or `+hh:mm`. A leap second (`:60`) is the first second of the next minute. `None` where the text is
/// not such an instant or lies outside of what a [`Timestamp`] can hold (years 1678 to 2261).
pub fn parse(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone_at);

    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=month_days).contains(&day) {
        return None;
    }

    let (whole, fraction) = match clock.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction),
        None => (clock, ""),
    };
    let [hour, minute, second] = fields(whole, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 60 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos = (0..9).fold(0, |sum, i| sum * 10 + fraction.as_bytes().get(i).map_or(0, |b| i64::from(b - b'0')));

    let offset_minutes = match zone {
        "Z" | "z" => 0,
        _ => {
            let [h, m] = fields(&zone[1..], ':', [2, 2])?;
            if h > 23 || m > 59 {
                return None;
            }
            (h * 60 + m) * if zone.starts_with('-') { -1 } else { 1 }
        }
    };

    let seconds = (days_since_1970(year, month, day) * 24 + hour) * 3600 + (minute - offset_minutes) * 60 + second;
    Some(Timestamp(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?))
}

/// Decimal fields of exactly the given widths.
fn fields<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut values = [0; N];
    for (value, width) in values.iter_mut().zip(widths) {
        let part = parts.next().filter(|p| p.len() == width && p.bytes().all(|b| b.is_ascii_digit()))?;
        *value = part.parse().ok()?;
    }
    parts.next().is_none().then_some(values)
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar; years count from March so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    // 719468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_agree_with_coreutils() {
        // Seconds from `date -u -d TEXT +%s`.
        for (text, seconds, nanos) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2024-02-29T23:59:59.25Z", 1_709_251_199, 250_000_000),
            ("2000-03-01T00:00:00Z", 951_868_800, 0),
            ("1900-03-01T00:00:00Z", -2_203_891_200, 0),
            ("2026-11-21T20:40:00+07:00", 1_795_268_400, 0),
            ("2026-11-21T20:40:00.123456789987-05:30", 1_795_313_400, 123_456_789),
            ("1969-12-31T23:59:59.5Z", -1, 500_000_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800, 0),
        ] {
            assert_eq!(parse(text), Some(Timestamp(seconds * 1_000_000_000 + nanos)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "2024-02-29",
            "2024-02-29T23:59:59",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-01-32T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00.1x3Z",
            "2024-01-01T00:00:00Zz",
            "2024-1-1T00:00:00Z",
            "+024-01-01T00:00:00Z",
            "2024-01-01T00:00:00+0700",
            "2024-01-01T00:00:00+07:60",
            "9999-12-31T23:59:59Z",
            "0000-01-01T00:00:00Z",
            "2024-01-01T00:00:00é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
