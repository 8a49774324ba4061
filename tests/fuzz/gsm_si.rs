//! Octets of a GSM cell's broadcast into everything that reads them.

#![no_main]

use daen::l3::gsm::{fold, name, parse, stable};
use daen::observation::gsm::GsmFields;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (mut fields, mut identity) = (GsmFields::default(), None);
    for octets in data.chunks(23) {
        let mut block = [0x2b; 23];
        block[..octets.len()].copy_from_slice(octets);
        let (_, _) = (name(&block), stable(&block));
        if let Ok(message) = parse(&block) {
            fold(&mut fields, &mut identity, &message);
        }
    }
});
