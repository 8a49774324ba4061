//! The hub's look into the licence register.

use super::analysis::LicenceLookup;
use super::fuse::Licence;
use crate::cell::{CellIdentity, CellKey};
use crate::observation::ClockSource;
use crate::rules::register::Entry;
use crate::rules::{Format, Register, RegisterError};
use crate::units::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::info;

/// Why the register cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LicenceError {
    /// It cannot be opened.
    #[error("rules.register: {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It holds nothing of use.
    #[error("rules.register: {path}: {source}")]
    Register {
        /// The file.
        path: PathBuf,
        /// Why.
        source: RegisterError,
    },
}

/// Loads the register that alerts are held against.
///
/// # Errors
/// [`LicenceError`].
pub fn load(path: &Path) -> Result<LicenceLookup, LicenceError> {
    let file = std::fs::File::open(path).map_err(|source| LicenceError::File { path: path.to_owned(), source })?;
    let (register, report) = Register::load(file, Format::Detect)
        .map_err(|source| LicenceError::Register { path: path.to_owned(), source })?;
    info!(register = %path.display(), cells = register.len(), "{report:?}");
    Ok(lookup_in(register))
}

/// The lookup in a register that was loaded; licences count as of the time of the observation, where that has a date.
pub fn lookup_in(register: Register) -> LicenceLookup {
    Arc::new(move |observation| {
        let at = Some(observation.at_ns).filter(|_| observation.clock.source != ClockSource::Recording);
        let identity = observation.identity.as_ref();
        identity.map_or(Licence::Unknown, |identity| look_up(&register, &observation.cell, identity, at))
    })
}

/// A cell is listed where a row in force has its identity, and its carrier and physical identity where the row gives them: a clone
/// on another carrier is not licensed by the row that it copies.
pub fn look_up(register: &Register, cell: &CellKey, identity: &CellIdentity, at: Option<Timestamp>) -> Licence {
    let (Some(&plmn), Some(cell_id)) = (identity.plmns.first(), identity.cell_id) else { return Licence::Unknown };
    let agrees = |entry: &Entry<'_>| {
        entry.in_force(at)
            && entry.center_hz.is_none_or(|center_hz| center_hz == cell.center_hz)
            && entry.physical_id.is_none_or(|id| id == cell.id)
            && (entry.area.is_none() || entry.area == identity.area)
    };
    let any_cell = register.by_carrier(*cell).filter(|entry| entry.cell_id.is_none() && entry.plmn == plmn);
    match register.by_identity(cell.rat, plmn, cell_id).chain(any_cell).find(agrees) {
        Some(entry) => {
            Licence::Listed { register_id: entry.register_id.to_owned(), licensee: entry.licensee.to_owned() }
        }
        None if register.covers(plmn.mcc()) => Licence::NotListed,
        None => Licence::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Rat;

    const CSV: &str = "register_id,regulator,licensee,plmn,rat,lac,cell_id,arfcn,bsic,status\n\
                       TH-1,NBTC,AWN,520-03,gsm,5001,101,62,12,licensed\n";

    fn standing(channel: u64, bsic: u16, plmn: &str, area: u32) -> Licence {
        let (register, _) = Register::load(CSV.as_bytes(), Format::Detect).unwrap();
        let cell = CellKey { rat: Rat::Gsm, center_hz: 935_000_000 + 200_000 * channel, id: bsic };
        let identity = CellIdentity { plmns: vec![plmn.parse().unwrap()], area: Some(area), cell_id: Some(101) };
        look_up(&register, &cell, &identity, None)
    }

    #[test]
    fn a_cell_is_listed_only_as_its_row_has_it() {
        assert!(
            matches!(standing(62, 12, "520-03", 5001), Licence::Listed { register_id, .. } if register_id == "TH-1")
        );
        for (channel, bsic, area) in [(63, 12, 5001), (62, 13, 5001), (62, 12, 5002)] {
            assert_eq!(standing(channel, bsic, "520-03", area), Licence::NotListed);
        }
    }

    #[test]
    fn a_country_that_the_register_does_not_cover_is_unknown() {
        assert_eq!(standing(62, 12, "262-02", 5001), Licence::Unknown);
    }
}
