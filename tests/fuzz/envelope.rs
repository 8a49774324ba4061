//! Octets as a hub and a node take them from the broker: as they come, and as the payload of a good signature.

#![no_main]

use coset::{CoseSign1Builder, HeaderBuilder, TaggedCborSerializable, iana};
use daen::observation::NodeId;
use daen::observation::envelope::{open, open_ack, open_down, reopen, seal};
use ed25519_dalek::{Signer, SigningKey};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[7; 32]));
static NODE: LazyLock<NodeId> = LazyLock::new(|| "n".parse().expect("one letter is a name"));

fn read(octets: &[u8]) {
    let key = KEY.verifying_key();
    let _ = reopen(octets);
    let _ = open_ack(octets, &NODE, &key);
    let _ = open_down(octets, &NODE, &key);
    if let Ok(opened) = open(octets, |_| Some(key)) {
        // What was taken can be made again.
        seal(&opened.envelope, &KEY).expect("an envelope that was read keeps the rules of one that is made");
    }
}

fuzz_target!(|data: &[u8]| {
    read(data);
    let protected = HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).key_id(b"n".to_vec()).build();
    let signed = CoseSign1Builder::new()
        .protected(protected)
        .payload(data.to_vec())
        .create_signature(&[], |signed| KEY.sign(signed).to_bytes().to_vec())
        .build();
    read(&signed.to_tagged_vec().expect("a message of three parts can be written"));
});
