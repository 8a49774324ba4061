//! The licence register: reading, refusing, looking up.

use crate::support::*;
use daen::cell::{CellKey, Rat};
use daen::rules::register::{Difference, MAX_PROBLEMS, Standing, Status};
use daen::rules::{Format, LoadReport, Register, RegisterError};
use std::io::{Read, Write};

fn load(text: &str) -> Result<(Register, LoadReport), RegisterError> {
    Register::load(text.as_bytes(), Format::Detect)
}

#[test]
fn each_bad_row_is_reported_with_line_column_value_and_reason_and_the_good_ones_are_kept() {
    let (register, report) = load(include_str!("../data/register/bad-rows.csv")).unwrap();
    insta::assert_snapshot!(report.to_string());
    assert_eq!((report.accepted, report.rejected, report.duplicates), (2, 19, 1));
    assert_eq!(report.rows, report.accepted + report.rejected + report.duplicates);
    let good = register.by_identity(Rat::Gsm, plmn("520-03"), 1).next().unwrap();
    assert_eq!((good.register_id, good.center_hz, good.physical_id), ("G-1", Some(941_000_000), Some(17)));
    assert_eq!((good.position_deg, good.azimuth_deg), (Some((13.6, 102.5)), Some(240)));
    for network in ["520-03", "520-15"] {
        let shared = register.by_identity(Rat::Lte, plmn(network), 105_217).next().unwrap();
        assert_eq!((shared.status, shared.center_hz), (Status::Planned, Some(1_842_500_000)), "{network}");
    }
}

#[test]
fn a_file_with_nothing_usable_is_refused_with_the_reason() {
    for (text, part) in [
        ("", "no rows"),
        ("register_id,rat,plmn,cell_id\n", "no rows"),
        ("a,b,c\n1,2,3\n", "no column register_id, rat, plmn, cell_id"),
        ("register_id,rat,plmn,ci,nci\n1,gsm,520-03,1,1\n", "cell_id twice"),
        ("register_id,rat,plmn,cell_id\nX,gsm,520-3,1\n", "none of the register's 1 rows"),
        ("radio,mcc,net,area,cell,unit,lon,lat\nCDMA,520,1,1,1,,1,1\n", "1 rows are of other radio types"),
        ("radio,mcc,net\nGSM,520,1\n", "no column area, cell, lon, lat"),
        ("{\"json\": true}\n", "no column"),
    ] {
        let error = load(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
    let error = load("register_id,rat,plmn,cell_id\nX,gsm,520-3,1\n").unwrap_err().to_string();
    assert!(error.contains("line 2: plmn \"520-3\""), "{error}");
}

#[test]
fn problems_are_listed_up_to_a_bound_and_counted_beyond() {
    let rows: String = (0..1000).map(|n| format!("X{n},gsm,520-03,{}\n", 65_000 + n)).collect();
    let (register, report) = load(&format!("register_id,rat,plmn,cell_id\n{rows}")).unwrap();
    assert_eq!((register.len(), report.rejected, report.problems.len()), (536, 464, MAX_PROBLEMS));
    assert!(report.to_string().ends_with("… and 364 more"));
}

#[test]
fn mnc_digits_count_in_a_licence_and_not_in_a_crowd_database() {
    let own = register(&["MY-1,gsm,502-12,30,1,7,1,,"]);
    assert_eq!(own.by_identity(Rat::Gsm, plmn("502-12"), 7).count(), 1);
    assert_eq!(own.by_identity(Rat::Gsm, plmn("502-012"), 7).count(), 0);
    let (crowd, report) = load(include_str!("../data/register/opencellid.csv")).unwrap();
    assert_eq!((report.rows, report.accepted, report.rejected, report.other_radios), (9, 4, 3, 2));
    for network in ["520-03", "520-003"] {
        let found = crowd.by_identity(Rat::Gsm, plmn(network), 10_101).next().unwrap();
        assert_eq!((found.official, found.area, found.position_deg), (false, Some(5001), Some((13.6901, 102.5012))));
    }
    let umts = crowd.by_identity(Rat::Umts, plmn("456-08"), 13_172_827).next().unwrap();
    assert_eq!(umts.physical_id, Some(311));
    assert_eq!(crowd.by_identity(Rat::Nr, plmn("520-03"), (1 << 36) - 1).count(), 1);
}

#[test]
fn crowd_files_are_read_without_header_and_as_area_download() {
    let (whole, _) = load(include_str!("../data/register/opencellid.csv")).unwrap();
    for text in [include_str!("../data/register/mls-no-header.csv"), include_str!("../data/register/area-download.csv")]
    {
        let (register, report) = load(text).unwrap();
        assert_eq!(report.rejected, 0, "{report}");
        for (rat, network, cell) in [(Rat::Gsm, "520-03", 10_101), (Rat::Umts, "456-08", 13_172_827)] {
            let of = |r: &Register| r.by_identity(rat, plmn(network), cell).next().map(|e| (e.area, e.position_deg));
            assert_eq!(of(&register), of(&whole));
        }
    }
}

#[test]
fn a_clone_on_another_carrier_and_a_stranger_on_a_licensed_carrier_are_told_apart() {
    let (register, report) = load(include_str!("../data/register/border.csv")).unwrap();
    assert_eq!((report.accepted, report.rejected), (7, 0), "{report}");
    assert!(register.covers(520) && register.covers(456) && !register.covers(457));
    let licensed = public("520-03", 30, 17, 5001, 10_101);
    assert!(matches!(register.standing(&licensed.heard(0)), Standing::Licensed(e) if e.register_id == "TH-0001"));
    let clone = public("520-03", 33, 17, 5001, 10_101);
    assert!(
        matches!(register.standing(&clone.heard(0)), Standing::Differs(e, Difference::Carrier) if e.register_id == "TH-0001")
    );
    let stranger = public("520-03", 30, 17, 5001, 4);
    let Standing::Absent { same_key: Some(entry), crowd: false } = register.standing(&stranger.heard(0)) else {
        panic!("the stranger's key is licensed to another");
    };
    assert_eq!(entry.register_id, "TH-0001");
    let suspended = public("520-04", 83, 34, 6001, 20_102);
    assert!(matches!(register.standing(&suspended.heard(0)), Standing::Differs(_, Difference::NotInForce)));
    assert_eq!(register.by_carrier(licensed.key()).count(), 1);
    assert_eq!(register.by_carrier(CellKey { id: 18, ..licensed.key() }).count(), 0);
    assert_eq!(register.areas(Rat::Gsm, plmn("520-03")).unwrap().iter().copied().collect::<Vec<_>>(), [5001]);
}

#[test]
fn a_row_without_identity_licenses_its_carrier_and_one_without_carrier_its_identity() {
    let known = register(&["A,gsm,520-03,30,,,17,,", "B,gsm,520-03,,5001,9,,,"]);
    assert!(
        matches!(known.standing(&public("520-03", 30, 17, 1, 77).heard(0)), Standing::Licensed(e) if e.register_id == "A")
    );
    assert!(matches!(known.standing(&public("520-04", 30, 17, 1, 77).heard(0)), Standing::Absent { .. }));
    assert!(
        matches!(known.standing(&public("520-03", 99, 1, 5001, 9).heard(0)), Standing::Licensed(e) if e.register_id == "B")
    );
}

#[test]
fn a_crowd_database_beside_the_licences_stays_weak_evidence() {
    let (mut register, _) = load(include_str!("../data/register/border.csv")).unwrap();
    let (crowd, _) = load(
        "radio,mcc,net,area,cell,unit,lon,lat\nGSM,520,3,5009,4242,,102.5,13.6\nGSM,520,3,5001,10101,,102.5,13.6\n",
    )
    .unwrap();
    register.merge(crowd);
    assert_eq!(register.len(), 9);
    let known = public("520-03", 40, 1, 5009, 4242);
    assert!(matches!(register.standing(&known.heard(0)), Standing::Absent { crowd: true, .. }));
    let licensed = public("520-03", 30, 17, 5001, 10_101);
    let Standing::Licensed(entry) = register.standing(&licensed.heard(0)) else { panic!("still licensed") };
    assert_eq!((entry.licensee, entry.regulator, entry.site_id), ("AWN", "NBTC", "SKW-101"));
}

/// Rows of a large register, made as they are read.
struct Rows {
    next: u64,
    rows: u64,
    pending: Vec<u8>,
}

impl Read for Rows {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.pending.is_empty() && self.next < self.rows {
            for n in self.next..(self.next + 100).min(self.rows) {
                let (lac, ci, arfcn) = (1 + n / 60_000, n % 60_000, n % 124);
                writeln!(
                    self.pending,
                    "TH-{n:08},NBTC,AWN,520-03,gsm,SKW-{ci:05},13.{ci:05},102.{ci:05},28,240,56,GSM900,{arfcn},{lac},{ci},{},licensed,2020-01-01,2030-12-31",
                    n % 64
                )?;
            }
            self.next += 100;
        }
        let take = self.pending.len().min(buffer.len());
        buffer[..take].copy_from_slice(&self.pending[..take]);
        self.pending.drain(..take);
        Ok(take)
    }
}

/// 100,000 rows; with DAEN_ACCEPTANCE=1 a million, and the time and memory that it took on stderr.
#[test]
fn a_large_register_is_streamed() {
    let rows = if std::env::var_os("DAEN_ACCEPTANCE").is_some() { 1_000_000 } else { 100_000 };
    let header = "register_id,regulator,licensee,plmn,rat,site_id,lat,lon,antenna_height_m,azimuth_deg,eirp_dbm,band,arfcn,area,cell_id,physical_id,status,valid_from,valid_to\n";
    let begun = std::time::Instant::now();
    let source = header.as_bytes().chain(Rows { next: 0, rows, pending: Vec::new() });
    let (register, report) = Register::load(source, Format::Own).unwrap();
    let peak = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    eprintln!("{rows} rows in {:.2} s, {}", begun.elapsed().as_secs_f64(), peak.unwrap_or_default());
    assert_eq!((register.len() as u64, report.rejected, report.duplicates), (rows, 0, 0));
    let last = rows - 1;
    let found = register.by_identity(Rat::Gsm, plmn("520-03"), last % 60_000).last().unwrap();
    assert_eq!(found.register_id, format!("TH-{last:08}"));
}
