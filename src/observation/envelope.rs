//! Signed envelopes between node and hub: what travels, how it is signed, and how it is chained.
//!
//! An [`Envelope`] is a COSE_Sign1 (tag 18) over deterministic CBOR, signed with the node's Ed25519 key. The protected header holds
//! the algorithm (EdDSA, -8) and the key identifier, which is the signer's name. The payload is a map
//! `{boot, items, node, prev, schema, sent_ns, seq}`; its keys are sorted bytewise and every number has its shortest form, so
//! that two encoders agree to the octet. `prev` is the SHA-256 of the whole previous envelope of the same boot (32 zero octets
//! before the first): a missing or altered envelope shows.
//!
//! An envelope that had to be evicted from a node's spool is replaced, under the same sequence number, by an envelope that holds
//! only [`Tombstone`](super::Tombstone)s, each with the hash of what is lost: the successor's `prev` still has its match.
//!
//! An [`Ack`] `{beyond, boot, node, schema, upto}` is signed by the hub after its commit: everything of that boot up to and
//! including `upto` is stored, and so are the ranges in `beyond` (envelopes that overtook a missing one). It is cumulative, so
//! a lost one does no harm.
//!
//! ## References
//! - RFC 8949: Concise Binary Object Representation, clause 4.2.1 (core deterministic encoding)
//! - RFC 9052: CBOR Object Signing and Encryption, clause 4.2 (COSE_Sign1); RFC 9053 clause 2.2 (EdDSA)

use super::{Item, NodeId, Octets, SCHEMA};
use crate::units::Timestamp;
use ciborium::Value;
use coset::iana::{Algorithm, EnumI64};
use coset::{CoseSign1, CoseSign1Builder, HeaderBuilder, RegisteredLabelWithPrivate, TaggedCborSerializable};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Longest envelope or acknowledgement that is made or read, octets. Chosen: at 64 kbit/s it is half a minute of the link, and
/// some 150 observations of a GSM cell with all its messages; brokers and clients are configured to the same limit.
pub const MAX_OCTETS: usize = 256 * 1024;

/// Most items in one envelope. Chosen: bounds what one signature can make the hub insert in one transaction.
pub const MAX_ITEMS: usize = 1024;

/// Most ranges in [`Ack::beyond`]. Chosen: an acknowledgement stays below 1 kB.
pub const MAX_RANGES: usize = 32;

/// Length of a boot identifier, octets; wire contract, `boot`.
pub const BOOT_OCTETS: usize = 16;

/// What a node signs: a batch of items in their place in the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Version of the wire types, [`SCHEMA`].
    pub schema: u16,
    /// The node that signs; equal to the key identifier.
    pub node: NodeId,
    /// Random, new at each start of the node; 16 octets.
    pub boot: Octets,
    /// From 1 without a hole within a boot.
    pub seq: u64,
    /// SHA-256 of the previous envelope of this boot; zero octets where `seq` is 1.
    pub prev: Octets,
    /// When it was sealed, on the node's clock.
    pub sent_ns: Timestamp,
    /// What it says; 1 to [`MAX_ITEMS`].
    pub items: Vec<Item>,
}

/// What the hub promises: these envelopes are committed to its store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Version of the wire types, [`SCHEMA`].
    pub schema: u16,
    /// The node it is for.
    pub node: NodeId,
    /// The boot it is about.
    pub boot: Octets,
    /// Every envelope from 1 to this one is stored; 0: none.
    pub upto: u64,
    /// Closed ranges above `upto` that are stored too, ascending; at most [`MAX_RANGES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beyond: Vec<(u64, u64)>,
}

impl Ack {
    /// The acknowledgement says that `seq` is stored.
    pub fn covers(&self, seq: u64) -> bool {
        seq <= self.upto || self.beyond.iter().any(|&(first, last)| (first..=last).contains(&seq))
    }
}

/// An envelope whose signature held, with the hash that its successor must name.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// What was signed.
    pub envelope: Envelope,
    /// SHA-256 of the octets as received.
    pub sha256: Octets,
}

/// Why an envelope or acknowledgement cannot be made or is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Longer than [`MAX_OCTETS`].
    #[error("message of {have} octets is longer than {MAX_OCTETS}")]
    TooLong {
        /// Its length.
        have: usize,
    },
    /// Not a COSE_Sign1 with an embedded payload.
    #[error("not a signed message (COSE_Sign1): {problem}")]
    NotCose {
        /// What the decoder met.
        problem: String,
    },
    /// Signed with an algorithm other than EdDSA.
    #[error("signed with algorithm {algorithm}; only EdDSA (-8) is accepted")]
    Algorithm {
        /// Its COSE number or name.
        algorithm: String,
    },
    /// Nobody of this name has a key here.
    #[error("signed by \"{signer}\", whose public key is not configured")]
    UnknownSigner {
        /// The key identifier as text.
        signer: String,
    },
    /// The signature does not fit the octets.
    #[error("the signature in the name of \"{signer}\" is bad")]
    BadSignature {
        /// The key identifier.
        signer: NodeId,
    },
    /// Signed, but the payload does not have the shape of this schema.
    #[error("payload signed by \"{signer}\" is malformed: {problem}")]
    Payload {
        /// The key identifier.
        signer: NodeId,
        /// What the decoder met.
        problem: String,
    },
    /// Written by a newer program.
    #[error("schema {have} is newer than {SCHEMA}, the newest that this program reads: update it")]
    SchemaTooNew {
        /// As written.
        have: u64,
    },
    /// Written by a program that is too old.
    #[error("schema {have} is older than {}, the oldest that this program reads: update the sender", OLDEST_SCHEMA)]
    SchemaTooOld {
        /// As written.
        have: u64,
    },
    /// The payload speaks for somebody other than its signer.
    #[error("signed by \"{signer}\" in the name of \"{node}\"")]
    SignerDiffers {
        /// The key identifier.
        signer: NodeId,
        /// The name in the payload.
        node: NodeId,
    },
    /// A field has a value that the contract excludes.
    #[error("{field} {problem}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The envelope names a predecessor other than the one at hand.
    #[error(
        "the chain of \"{node}\" is broken at sequence {seq}: it names a predecessor other than the one that is stored"
    )]
    ChainBroken {
        /// The node.
        node: NodeId,
        /// The envelope whose `prev` has no match.
        seq: u64,
    },
}

/// The oldest schema a reader takes: the one before this, where there is one.
const OLDEST_SCHEMA: u16 = if SCHEMA > 1 { SCHEMA - 1 } else { 1 };

/// The `prev` of the first envelope of a boot.
pub fn chain_start() -> Octets {
    Octets(vec![0; 32])
}

/// SHA-256 of an envelope as it travels, the value that its successor names.
pub fn hash(octets: &[u8]) -> Octets {
    Octets(Sha256::digest(octets).to_vec())
}

/// Checks that `next` names `previous`, the hash of the envelope before it.
///
/// # Errors
/// [`EnvelopeError::ChainBroken`].
pub fn check_chain(previous: &Octets, next: &Envelope) -> Result<(), EnvelopeError> {
    if next.prev == *previous {
        Ok(())
    } else {
        Err(EnvelopeError::ChainBroken { node: next.node.clone(), seq: next.seq })
    }
}

/// Signs an envelope.
///
/// # Errors
/// [`EnvelopeError::TooLong`] and [`EnvelopeError::Field`]: what [`open`] would refuse is not made.
pub fn seal(envelope: &Envelope, key: &SigningKey) -> Result<Vec<u8>, EnvelopeError> {
    check_envelope(envelope)?;
    sign(&envelope.node, envelope, key)
}

/// Reads an envelope and checks its signature with the key that `key_of` has for the signer's name.
///
/// # Errors
/// Every [`EnvelopeError`] but [`EnvelopeError::ChainBroken`], which needs the predecessor: [`check_chain`].
pub fn open(octets: &[u8], key_of: impl Fn(&NodeId) -> Option<VerifyingKey>) -> Result<Opened, EnvelopeError> {
    let (signer, envelope): (NodeId, Envelope) = verify(octets, key_of)?;
    check_schema(u64::from(envelope.schema))?;
    check_envelope(&envelope)?;
    if signer != envelope.node {
        return Err(EnvelopeError::SignerDiffers { signer, node: envelope.node });
    }
    Ok(Opened { envelope, sha256: hash(octets) })
}

/// Reads an envelope whose signature was checked when it was stored; the signer's key may be gone since.
///
/// # Errors
/// [`EnvelopeError::NotCose`] where the stored octets have changed.
pub fn reopen(octets: &[u8]) -> Result<Envelope, EnvelopeError> {
    let not_cose = |problem: String| EnvelopeError::NotCose { problem };
    let message = CoseSign1::from_tagged_slice(octets).map_err(|error| not_cose(error.to_string()))?;
    let payload = message.payload.as_deref().ok_or_else(|| not_cose("the payload is detached".to_owned()))?;
    ciborium::from_reader(payload).map_err(|error| not_cose(format!("payload: {error}")))
}

/// Signs an acknowledgement in the name of the hub.
///
/// # Errors
/// [`EnvelopeError::Field`] where a boot or range is not as the contract has it.
pub fn seal_ack(ack: &Ack, hub: &NodeId, key: &SigningKey) -> Result<Vec<u8>, EnvelopeError> {
    check_ack(ack)?;
    sign(hub, ack, key)
}

/// Reads an acknowledgement of `hub`.
///
/// # Errors
/// As [`open`]; a signer other than `hub` is unknown. The caller compares [`Ack::node`] with its own name.
pub fn open_ack(octets: &[u8], hub: &NodeId, key: &VerifyingKey) -> Result<Ack, EnvelopeError> {
    let (_, ack): (NodeId, Ack) = verify(octets, |signer| (signer == hub).then_some(*key))?;
    check_schema(u64::from(ack.schema))?;
    check_ack(&ack)?;
    Ok(ack)
}

fn check_schema(have: u64) -> Result<(), EnvelopeError> {
    if have > u64::from(SCHEMA) {
        Err(EnvelopeError::SchemaTooNew { have })
    } else if have < u64::from(OLDEST_SCHEMA) {
        Err(EnvelopeError::SchemaTooOld { have })
    } else {
        Ok(())
    }
}

fn check_length(field: &'static str, octets: &Octets, need: usize) -> Result<(), EnvelopeError> {
    let have = octets.0.len();
    let problem = || format!("has {have} octets instead of {need}");
    if have == need { Ok(()) } else { Err(EnvelopeError::Field { field, problem: problem() }) }
}

fn check_envelope(envelope: &Envelope) -> Result<(), EnvelopeError> {
    check_length("boot", &envelope.boot, BOOT_OCTETS)?;
    check_length("prev", &envelope.prev, 32)?;
    // SQLite's integers, and so the stores of both sides, end here.
    if envelope.seq == 0 || i64::try_from(envelope.seq).is_err() {
        return Err(EnvelopeError::Field { field: "seq", problem: format!("{} is not in 1..2^63", envelope.seq) });
    }
    if envelope.items.is_empty() || envelope.items.len() > MAX_ITEMS {
        let problem = format!("number {} instead of 1 to {MAX_ITEMS}", envelope.items.len());
        return Err(EnvelopeError::Field { field: "items", problem });
    }
    for item in &envelope.items {
        if let Item::Tombstone(tombstone) = item {
            check_length("tombstone.sha256", &tombstone.sha256, 32)?;
            if tombstone.seq == 0 || tombstone.seq > envelope.seq {
                let problem = format!("{} is not in 1..={}", tombstone.seq, envelope.seq);
                return Err(EnvelopeError::Field { field: "tombstone.seq", problem });
            }
        }
    }
    Ok(())
}

fn check_ack(ack: &Ack) -> Result<(), EnvelopeError> {
    check_length("boot", &ack.boot, BOOT_OCTETS)?;
    let field = |problem: String| Err(EnvelopeError::Field { field: "beyond", problem });
    if ack.beyond.len() > MAX_RANGES {
        return field(format!("has {} ranges instead of at most {MAX_RANGES}", ack.beyond.len()));
    }
    let mut above = ack.upto;
    for &(first, last) in &ack.beyond {
        if first <= above || last < first {
            return field(format!("{first}..={last} does not ascend"));
        }
        above = last;
    }
    Ok(())
}

/// The core deterministic encoding of a value: maps sorted bytewise by their encoded keys, shortest numbers, definite lengths.
fn deterministic<T: Serialize>(value: &T) -> Vec<u8> {
    let mut tree = Value::serialized(value).expect("the wire types hold nothing that CBOR cannot express");
    sort_maps(&mut tree);
    encode(&tree)
}

fn encode(value: &Value) -> Vec<u8> {
    let mut octets = Vec::new();
    ciborium::into_writer(value, &mut octets).expect("writing to memory does not fail");
    octets
}

fn sort_maps(value: &mut Value) {
    match value {
        Value::Map(entries) => {
            entries.iter_mut().for_each(|(_, entry)| sort_maps(entry));
            entries.sort_by_cached_key(|(key, _)| encode(key));
        }
        Value::Array(entries) => entries.iter_mut().for_each(sort_maps),
        _ => {}
    }
}

fn sign<T: Serialize>(signer: &NodeId, payload: &T, key: &SigningKey) -> Result<Vec<u8>, EnvelopeError> {
    let protected =
        HeaderBuilder::new().algorithm(Algorithm::EdDSA).key_id(signer.as_str().as_bytes().to_vec()).build();
    let octets = CoseSign1Builder::new()
        .protected(protected)
        .payload(deterministic(payload))
        .create_signature(&[], |signed| key.sign(signed).to_bytes().to_vec())
        .build()
        .to_tagged_vec()
        .expect("a COSE_Sign1 of our own making can be encoded");
    if octets.len() > MAX_OCTETS { Err(EnvelopeError::TooLong { have: octets.len() }) } else { Ok(octets) }
}

fn verify<T: DeserializeOwned>(
    octets: &[u8],
    key_of: impl Fn(&NodeId) -> Option<VerifyingKey>,
) -> Result<(NodeId, T), EnvelopeError> {
    if octets.len() > MAX_OCTETS {
        return Err(EnvelopeError::TooLong { have: octets.len() });
    }
    let not_cose = |problem: String| EnvelopeError::NotCose { problem };
    let message = CoseSign1::from_tagged_slice(octets).map_err(|error| not_cose(error.to_string()))?;
    let payload = message.payload.as_deref().ok_or_else(|| not_cose("the payload is detached".to_owned()))?;
    let header = &message.protected.header;
    match &header.alg {
        Some(RegisteredLabelWithPrivate::Assigned(Algorithm::EdDSA)) => {}
        Some(RegisteredLabelWithPrivate::Assigned(other)) => {
            return Err(EnvelopeError::Algorithm { algorithm: other.to_i64().to_string() });
        }
        Some(RegisteredLabelWithPrivate::PrivateUse(number)) => {
            return Err(EnvelopeError::Algorithm { algorithm: number.to_string() });
        }
        Some(RegisteredLabelWithPrivate::Text(_)) | None => {
            return Err(EnvelopeError::Algorithm { algorithm: "without a number".to_owned() });
        }
    }
    let unknown = || {
        // What an unknown signer calls itself is shown, but not at any length.
        let shown: Vec<u8> = header.key_id.iter().copied().take(32).collect();
        EnvelopeError::UnknownSigner { signer: String::from_utf8_lossy(&shown).escape_default().to_string() }
    };
    let name = std::str::from_utf8(&header.key_id).map_err(|_| unknown())?;
    let signer: NodeId = name.parse().map_err(|_| unknown())?;
    let key = key_of(&signer).ok_or_else(unknown)?;
    message
        .verify_signature(&[], |signature, signed| {
            let signature = Signature::from_slice(signature)?;
            key.verify_strict(signed, &signature)
        })
        .map_err(|_| EnvelopeError::BadSignature { signer: signer.clone() })?;
    match ciborium::from_reader::<T, _>(payload) {
        Ok(value) => Ok((signer, value)),
        Err(error) => Err(refusal(signer, payload, error.to_string())),
    }
}

/// A payload that does not fit may be of another schema: say that rather than where the decoder stumbled.
fn refusal(signer: NodeId, payload: &[u8], problem: String) -> EnvelopeError {
    #[derive(Deserialize)]
    struct Head {
        schema: u64,
    }
    if let Ok(head) = ciborium::from_reader::<Head, _>(payload)
        && let Err(error) = check_schema(head.schema)
    {
        return error;
    }
    EnvelopeError::Payload { signer, problem }
}

pub mod iq;
mod task;

pub use task::{Down, LONGEST, TASK_OCTETS, Task, open_down, seal_task};

#[cfg(test)]
mod tests;
