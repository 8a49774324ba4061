//! Octets of an NR cell's broadcast into everything that reads them.

#![no_main]

use daen::l3::nr::{fold, parse_bcch_dl_sch, parse_mib, sib_names, stable};
use daen::observation::nr::NrFields;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(octets) = <[u8; 3]>::try_from(data) {
        let _ = parse_mib(octets);
    }
    let (_, _) = (sib_names(data), stable(data));
    if let Ok(message) = parse_bcch_dl_sch(data) {
        let (mut fields, mut identity) = (NrFields::default(), None);
        fold(&mut fields, &mut identity, &message);
        let networks = fields.sib1.map_or(0, |sib1| sib1.networks.iter().map(|network| network.plmns.len()).sum());
        assert!(networks <= 8 * data.len(), "what a cell says is bounded by what it sends");
    }
});
