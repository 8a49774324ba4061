//! Samples on their way to the hub: what it asks for, and the pieces in which a node sends it.
//!
//! An [`Ask`] `{ask, at_ns, cell, expires_ns, have, issued_ns, node, schema}` travels on the node's `down` topic, signed by the hub. The
//! node answers on `iq/<event>`, the ask's identifier in hexadecimal, with [`Piece`]s that it signs: a [`Manifest`] with the SHA-256 of
//! the whole, then the whole in chunks, or why nothing may leave. The whole is what [`pack`] makes of samples that are zero but for some
//! ranges; the hub knows it is complete and unaltered when the manifest's hash fits.
//!
//! An ask is good for a short while and is made again, with the number of chunks that are there, as long as some are missing.

use super::{EnvelopeError, NodeId, Octets, check_length, check_schema, sign, verify};
use crate::cell::CellKey;
use crate::units::{Nanos, Timestamp};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Length of an ask's identifier, octets.
pub const ASK_OCTETS: usize = 16;
/// Octets of a chunk but the last. Chosen: two seconds of a link of 64 kbit/s, which is what a finding may have to wait for.
pub const CHUNK: usize = 16 * 1024;
/// Most octets of a whole. Chosen: a twentieth of a month's octets of a thin link.
pub const MAX_WHOLE: usize = 1 << 20;
/// Most samples of a whole, which the hub makes of it.
pub const MAX_SAMPLES: u64 = 1 << 24;
/// The longest time between an ask's making and its expiry.
pub const LONGEST_ASK: Nanos = Nanos::from_secs(120);

/// A request for the samples in which a cell was heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Version of the wire types, [`SCHEMA`](crate::observation::SCHEMA).
    pub schema: u16,
    /// Its identifier, the same each time it is made; 16 octets.
    pub ask: Octets,
    /// Who is asked.
    pub node: NodeId,
    /// The cell that a finding of the node speaks of.
    pub cell: CellKey,
    /// About when: the node sends what it has around its own finding next to it.
    pub at_ns: Timestamp,
    /// Chunks that the hub has, from the first on.
    pub have: u32,
    /// When the hub made it, on the hub's clock.
    pub issued_ns: Timestamp,
    /// From when on it must not be obeyed any more; at most [`LONGEST_ASK`] after `issued_ns`.
    pub expires_ns: Timestamp,
}

/// What the chunks make together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The cell that speaks in them; nothing else is in them.
    pub cell: CellKey,
    /// When the finding's observation was made.
    pub at_ns: Timestamp,
    /// The stream they were cut from.
    pub stream: String,
    /// Frequency at the centre, hertz.
    pub center_hz: f64,
    /// Samples a second.
    pub rate_hz: f64,
    /// Time of the first sample.
    pub start_ns: Timestamp,
    /// How many samples, the silent ones among them; at most [`MAX_SAMPLES`].
    pub samples: u64,
    /// What 127 stands for, relative to full scale.
    pub scale: f32,
    /// Octets of the whole; at most [`MAX_WHOLE`].
    pub octets: u64,
    /// SHA-256 of the whole.
    pub sha256: Octets,
}

impl Manifest {
    /// How many chunks there are.
    pub fn chunks(&self) -> u32 {
        u32::try_from(self.octets.div_ceil(CHUNK as u64)).unwrap_or(u32::MAX)
    }
}

/// What a piece holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What is coming.
    Manifest(Box<Manifest>),
    /// Some of it.
    Chunk {
        /// Which, from 0.
        index: u32,
        /// Its octets.
        octets: Octets,
    },
    /// Nothing comes, for this reason.
    Withheld(String),
}

/// A message on `iq/<event>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// Version of the wire types, [`SCHEMA`](crate::observation::SCHEMA).
    pub schema: u16,
    /// The node that signs.
    pub node: NodeId,
    /// The ask that it answers; 16 octets.
    pub event: Octets,
    /// What it holds.
    pub part: Part,
}

/// Signs an ask in the name of the hub.
///
/// # Errors
/// [`EnvelopeError::Field`] where a field is not as the contract has it.
pub fn seal_ask(ask: &Ask, hub: &NodeId, key: &SigningKey) -> Result<Vec<u8>, EnvelopeError> {
    check_ask(ask)?;
    sign(hub, ask, key)
}

pub(super) fn check_ask(ask: &Ask) -> Result<(), EnvelopeError> {
    check_length("ask", &ask.ask, ASK_OCTETS)?;
    let span = ask.expires_ns - ask.issued_ns;
    if span.0 <= 0 || span > LONGEST_ASK {
        let problem = format!("is {} ns after its making instead of 1 to {}", span.0, LONGEST_ASK.0);
        return Err(EnvelopeError::Field { field: "expires_ns", problem });
    }
    Ok(())
}

/// Signs a piece in the name of its node.
///
/// # Errors
/// [`EnvelopeError::Field`] and [`EnvelopeError::TooLong`]: what [`open_piece`] would refuse is not made.
pub fn seal_piece(piece: &Piece, key: &SigningKey) -> Result<Vec<u8>, EnvelopeError> {
    check_piece(piece)?;
    sign(&piece.node, piece, key)
}

/// Reads a piece and checks its signature with the key that `key_of` has for the signer's name.
///
/// # Errors
/// As [`open`](super::open).
pub fn open_piece(octets: &[u8], key_of: impl Fn(&NodeId) -> Option<VerifyingKey>) -> Result<Piece, EnvelopeError> {
    let (signer, piece): (NodeId, Piece) = verify(octets, key_of)?;
    check_schema(u64::from(piece.schema))?;
    check_piece(&piece)?;
    if signer != piece.node {
        return Err(EnvelopeError::SignerDiffers { signer, node: piece.node });
    }
    Ok(piece)
}

fn check_piece(piece: &Piece) -> Result<(), EnvelopeError> {
    check_length("event", &piece.event, ASK_OCTETS)?;
    let field = |field, problem: String| Err(EnvelopeError::Field { field, problem });
    match &piece.part {
        Part::Manifest(manifest) => {
            check_length("sha256", &manifest.sha256, 32)?;
            if manifest.octets == 0 || manifest.octets > MAX_WHOLE as u64 {
                return field("octets", format!("{} is not in 1..={MAX_WHOLE}", manifest.octets));
            }
            if manifest.samples == 0 || manifest.samples > MAX_SAMPLES {
                return field("samples", format!("{} is not in 1..={MAX_SAMPLES}", manifest.samples));
            }
            let rate = manifest.rate_hz;
            if !(rate > 0.0 && rate.is_finite() && manifest.center_hz.is_finite() && manifest.scale.is_finite()) {
                return field("rate_hz", format!("{rate} with centre {} is no stream", manifest.center_hz));
            }
            if manifest.stream.len() > 256 {
                return field("stream", format!("has {} octets instead of at most 256", manifest.stream.len()));
            }
        }
        Part::Chunk { index, octets } => {
            if octets.0.is_empty() || octets.0.len() > CHUNK || *index as usize > MAX_WHOLE / CHUNK {
                return field("chunk", format!("number {index} has {} octets", octets.0.len()));
            }
        }
        Part::Withheld(why) => {
            if why.len() > 1024 {
                return field("withheld", format!("has {} octets instead of at most 1024", why.len()));
            }
        }
    }
    Ok(())
}

/// The octets of samples, I and Q in turn, of which the ranges `kept` (in samples, ascending) alone are not zero: for each range how
/// many samples are left out before it and how many it has (four octets each, the lowest first), then its samples.
pub fn pack(samples: &[i8], kept: &[Range<usize>]) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut at = 0;
    for range in kept {
        let range = range.start.max(at)..range.end;
        let Some(values) = samples.get(2 * range.start..2 * range.end).filter(|values| !values.is_empty()) else {
            continue;
        };
        octets.extend(((range.start - at) as u32).to_le_bytes());
        octets.extend((range.len() as u32).to_le_bytes());
        octets.extend(values.iter().map(|value| value.cast_unsigned()));
        at = range.end;
    }
    octets
}

/// The samples again, as octets of SigMF's `ci8`; `None` where `octets` are not what [`pack`] makes of so many samples.
pub fn unpack(mut octets: &[u8], samples: u64) -> Option<Vec<u8>> {
    let samples = usize::try_from(samples.min(MAX_SAMPLES)).ok()?;
    let mut out = vec![0; 2 * samples];
    let mut at = 0usize;
    while !octets.is_empty() {
        let (head, rest) = octets.split_at_checked(8)?;
        let number = |four: &[u8]| Some(u32::from_le_bytes(four.try_into().ok()?) as usize);
        let first = at.checked_add(number(&head[..4])?)?;
        let count = number(&head[4..])?;
        let (values, rest) = rest.split_at_checked(count.checked_mul(2)?)?;
        out.get_mut(2 * first..2 * first.checked_add(count)?)?.copy_from_slice(values);
        (at, octets) = (first + count, rest);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Rat;
    use crate::observation::SCHEMA;
    use crate::observation::envelope::{Down, open_down};
    use proptest::prelude::*;

    const CELL: CellKey = CellKey { rat: Rat::Gsm, center_hz: 947_400_000, id: 33 };

    fn manifest() -> Manifest {
        Manifest {
            cell: CELL,
            at_ns: Timestamp(5),
            stream: "s".to_owned(),
            center_hz: 947.4e6,
            rate_hz: 5e5,
            start_ns: Timestamp(1),
            samples: 1000,
            scale: 0.25,
            octets: 40_000,
            sha256: Octets(vec![1; 32]),
        }
    }

    fn piece(part: Part) -> Piece {
        Piece { schema: SCHEMA, node: "pole-1".parse().unwrap(), event: Octets(vec![9; 16]), part }
    }

    #[test]
    fn an_ask_of_the_hub_is_told_from_a_task_and_one_without_end_is_refused() {
        let (hub, key): (NodeId, _) = ("hub".parse().unwrap(), SigningKey::from_bytes(&[3; 32]));
        let ask = Ask {
            schema: SCHEMA,
            ask: Octets(vec![9; 16]),
            node: "pole-1".parse().unwrap(),
            cell: CELL,
            at_ns: Timestamp(5),
            have: 3,
            issued_ns: Timestamp(10),
            expires_ns: Timestamp(11),
        };
        let sealed = seal_ask(&ask, &hub, &key).unwrap();
        assert_eq!(open_down(&sealed, &hub, &key.verifying_key()), Ok(Down::Ask(ask.clone())));
        for bad in [
            Ask { expires_ns: ask.issued_ns, ..ask.clone() },
            Ask { expires_ns: Timestamp(i64::MAX), ..ask.clone() },
            Ask { ask: Octets(vec![9; 15]), ..ask },
        ] {
            assert!(matches!(seal_ask(&bad, &hub, &key), Err(EnvelopeError::Field { .. })), "{bad:?}");
            let sealed = sign(&hub, &bad, &key).unwrap();
            assert!(open_down(&sealed, &hub, &key.verifying_key()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_piece_opens_as_it_was_sealed_and_one_out_of_bounds_is_neither_made_nor_read() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let known = |_: &NodeId| Some(key.verifying_key());
        let chunk = Part::Chunk { index: 2, octets: Octets(vec![7; CHUNK]) };
        for part in [Part::Manifest(Box::new(manifest())), chunk, Part::Withheld("no".to_owned())] {
            let sealed = seal_piece(&piece(part.clone()), &key).unwrap();
            assert_eq!(open_piece(&sealed, known), Ok(piece(part)));
            assert!(open_piece(&sealed, |_| None).is_err());
        }
        assert_eq!(manifest().chunks(), 3);
        let with = |change: fn(&mut Manifest)| {
            let mut manifest = manifest();
            change(&mut manifest);
            Part::Manifest(Box::new(manifest))
        };
        for part in [
            with(|manifest| manifest.octets = MAX_WHOLE as u64 + 1),
            with(|manifest| manifest.samples = u64::MAX),
            with(|manifest| manifest.rate_hz = f64::NAN),
            with(|manifest| manifest.sha256 = Octets(vec![])),
            Part::Chunk { index: 0, octets: Octets(vec![]) },
            Part::Chunk { index: 0, octets: Octets(vec![0; CHUNK + 1]) },
            Part::Chunk { index: u32::MAX, octets: Octets(vec![0]) },
            Part::Withheld("x".repeat(2000)),
        ] {
            assert!(seal_piece(&piece(part.clone()), &key).is_err(), "{part:?}");
            let sealed = sign(&"pole-1".parse().unwrap(), &piece(part.clone()), &key).unwrap();
            assert!(open_piece(&sealed, known).is_err(), "{part:?}");
        }
        let other = sign(&"pole-2".parse().unwrap(), &piece(Part::Withheld(String::new())), &key).unwrap();
        assert!(matches!(open_piece(&other, known), Err(EnvelopeError::SignerDiffers { .. })));
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back_with_zeros_in_between(
            gaps in prop::collection::vec((0usize..50, 1usize..20), 0..8), tail in 0usize..50, seed in any::<u8>()
        ) {
            let (mut kept, mut at) = (Vec::new(), 0);
            for (gap, length) in gaps {
                kept.push(at + gap..at + gap + length);
                at += gap + length;
            }
            let mut samples = vec![0i8; 2 * (at + tail)];
            for (n, index) in kept.iter().cloned().flatten().enumerate() {
                samples[2 * index] = (n as u8).wrapping_add(seed) as i8;
                samples[2 * index + 1] = -5;
            }
            let octets = pack(&samples, &kept);
            prop_assert!(octets.len() <= 2 * samples.len() + 8 * kept.len());
            let again: Vec<i8> = unpack(&octets, (at + tail) as u64).unwrap().into_iter().map(u8::cast_signed).collect();
            prop_assert_eq!(again, samples);
        }

        #[test]
        fn octets_that_nobody_packed_do_no_harm(octets in prop::collection::vec(any::<u8>(), 0..64), samples in 0u64..100) {
            if let Some(out) = unpack(&octets, samples) {
                prop_assert_eq!(out.len() as u64, 2 * samples);
            }
        }
    }
}
