//! Octets of an LTE cell's broadcast into everything that reads them.

#![no_main]

use daen::l3::lte::{fold, parse_bcch_dl_sch, parse_mib, sib_names, stable};
use daen::observation::lte::{LteFields, MAX_WARNINGS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (mut fields, mut identity) = (LteFields::default(), None);
    // Several messages of one cell, each behind its length: what one says meets what another said.
    let mut rest = data;
    while let Some((&length, after)) = rest.split_first() {
        let (octets, next) = after.split_at(usize::from(length).min(after.len()));
        rest = next;
        if let Ok(octets) = <[u8; 3]>::try_from(octets) {
            let _ = parse_mib(octets);
        }
        let (_, _) = (sib_names(octets), stable(octets));
        if let Ok(message) = parse_bcch_dl_sch(octets) {
            fold(&mut fields, &mut identity, &message);
        }
    }
    assert!(fields.warnings.len() <= MAX_WARNINGS, "what a cell says is bounded");
});
