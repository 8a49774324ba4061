//! What RRC's messages of LTE and NR are put together from, as types that `rasn` encodes and decodes.
//!
//! Definitions by them take three liberties that change no bit of the packed encoding: an ENUMERATED is the number of its
//! value, [`Enum`]; a BIT STRING of fixed size is a number; and a SEQUENCE that has neither optional parts nor an extension mark, and so
//! takes no bits of its own, is not always made a type. A SEQUENCE that does have an extension mark is the one inside [`Extensible`], whose
//! additions stay octets: one that is malformed or of a later release then takes nothing of the rest with it, and nothing is lost when
//! a message is encoded again.

use rasn::prelude::*;

/// An open type: an octet string that holds an encoding.
pub type Octets = OctetString;

/// ENUMERATED of `N` values without extension mark: the number of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enum<const N: usize>(u8);

impl<const N: usize> Enum<N> {
    /// The entry of `values` that the number names.
    pub fn of<T: Copy>(self, values: &[T; N]) -> T {
        values[usize::from(self.0)]
    }

    /// The number itself.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The value with number `number`; `None` where there is none.
    pub fn new(number: u8) -> Option<Enum<N>> {
        (usize::from(number) < N).then_some(Enum(number))
    }
}

impl Enum<2> {
    /// The second of two values, or the first.
    pub fn of_two(second: bool) -> Enum<2> {
        Enum(second.into())
    }

    /// The second of the two.
    pub fn is_second(self) -> bool {
        self.0 == 1
    }
}

impl<const N: usize> AsnType for Enum<N> {
    const TAG: Tag = Tag::ENUMERATED;
    const CONSTRAINTS: Constraints = Constraints::new(&[Constraint::Value(constraints::Extensible::new(
        constraints::Value::new(constraints::Bounded::const_new(0, N as i128 - 1)),
    ))]);
}

impl<const N: usize> Decode for Enum<N> {
    fn decode_with_tag_and_constraints<D: Decoder>(
        decoder: &mut D,
        tag: Tag,
        constraints: &Constraints,
    ) -> Result<Self, D::Error> {
        decoder.decode_integer(tag, constraints).map(Enum)
    }
}

impl<const N: usize> Encode for Enum<N> {
    fn encode_with_tag_and_constraints<'b, E: Encoder<'b>>(
        &self,
        encoder: &mut E,
        tag: Tag,
        constraints: &Constraints,
        identifier: Identifier,
    ) -> Result<(), E::Error> {
        encoder.encode_integer(tag, constraints, &self.0, identifier).map(drop)
    }
}

/// ENUMERATED or CHOICE with an extension mark behind its `N` values: the number of the value, those added later being counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenEnum<const N: usize>(pub usize);

impl<const N: usize> From<usize> for OpenEnum<N> {
    fn from(number: usize) -> Self {
        OpenEnum(number)
    }
}

impl<const N: usize> AsnType for OpenEnum<N> {
    const TAG: Tag = Tag::ENUMERATED;
}

impl<const N: usize> Decode for OpenEnum<N> {
    fn decode_with_tag_and_constraints<D: Decoder>(decoder: &mut D, _: Tag, _: &Constraints) -> Result<Self, D::Error> {
        if bool::decode(decoder)? {
            Ok(OpenEnum(N + Small::decode(decoder)?.0))
        } else {
            Ok(OpenEnum(Enum::<N>::decode(decoder)?.0.into()))
        }
    }
}

impl<const N: usize> Encode for OpenEnum<N> {
    fn encode_with_tag_and_constraints<'b, E: Encoder<'b>>(
        &self,
        encoder: &mut E,
        _: Tag,
        _: &Constraints,
        _: Identifier,
    ) -> Result<(), E::Error> {
        let later = self.0 >= N;
        later.encode(encoder)?;
        if later { Small(self.0 - N).encode(encoder) } else { Enum::<N>(self.0 as u8).encode(encoder) }
    }
}

/// A normally small non-negative number; X.691 clause 11.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Small(pub usize);

/// Numbers that take six bits.
#[derive(AsnType, Clone, Copy, Debug, Decode, Encode)]
#[rasn(delegate, value("0..=63"))]
struct Six(u8);

/// The others: octets with their count. No addition of RRC is numbered above 65535.
#[derive(AsnType, Clone, Copy, Debug, Decode, Encode)]
#[rasn(delegate, value("0.."))]
struct Large(u16);

impl AsnType for Small {
    const TAG: Tag = Tag::INTEGER;
}

impl Decode for Small {
    fn decode_with_tag_and_constraints<D: Decoder>(decoder: &mut D, _: Tag, _: &Constraints) -> Result<Self, D::Error> {
        Ok(Small(if bool::decode(decoder)? {
            Large::decode(decoder)?.0.into()
        } else {
            Six::decode(decoder)?.0.into()
        }))
    }
}

impl Encode for Small {
    fn encode_with_tag_and_constraints<'b, E: Encoder<'b>>(
        &self,
        encoder: &mut E,
        _: Tag,
        _: &Constraints,
        _: Identifier,
    ) -> Result<(), E::Error> {
        let large = self.0 > 63;
        large.encode(encoder)?;
        if large { Large(self.0 as u16).encode(encoder) } else { Six(self.0 as u8).encode(encoder) }
    }
}

/// A SEQUENCE with an extension mark: its root, and the octets of each addition that is present.
#[derive(Clone, Debug)]
pub struct Extensible<T> {
    /// What stands before the extension mark.
    pub root: T,
    /// What later releases added, by number; X.691 clause 19.7 to 19.9.
    pub additions: Vec<Option<Octets>>,
}

impl<T> Extensible<T> {
    /// Without additions.
    pub fn plain(root: T) -> Extensible<T> {
        Extensible { root, additions: Vec::new() }
    }

    /// Addition number `number` as a `A`; `None` where it is absent, or malformed.
    pub fn addition<A: Decode>(&self, number: usize) -> Option<A> {
        let octets = self.additions.get(number)?.as_ref()?;
        crate::l3::packed::Packed::new(octets).take("addition").ok()
    }

    /// lateNonCriticalExtension where it is addition number 0: the octets of the SEQUENCE in it; `None` where it is absent, or malformed.
    pub fn late(&self) -> Option<Octets> {
        self.addition(0)
    }
}

impl<T> AsnType for Extensible<T> {
    const TAG: Tag = Tag::SEQUENCE;
}

impl<T: Decode> Decode for Extensible<T> {
    fn decode_with_tag_and_constraints<D: Decoder>(decoder: &mut D, _: Tag, _: &Constraints) -> Result<Self, D::Error> {
        let extended = bool::decode(decoder)?;
        let root = T::decode(decoder)?;
        if !extended {
            return Ok(Extensible::plain(root));
        }
        let present: Vec<bool> = if bool::decode(decoder)? {
            // More than 64 of them: the count is a length, as that of a BIT STRING.
            BitString::decode(decoder)?.iter().map(|bit| *bit).collect()
        } else {
            (0..=Six::decode(decoder)?.0).map(|_| bool::decode(decoder)).collect::<Result<_, _>>()?
        };
        let octets = present.into_iter().map(|present| present.then(|| Octets::decode(decoder)).transpose());
        Ok(Extensible { root, additions: octets.collect::<Result<_, _>>()? })
    }
}

impl<T: Encode> Encode for Extensible<T> {
    fn encode_with_tag_and_constraints<'b, E: Encoder<'b>>(
        &self,
        encoder: &mut E,
        _: Tag,
        _: &Constraints,
        _: Identifier,
    ) -> Result<(), E::Error> {
        let extended = self.additions.iter().any(Option::is_some);
        extended.encode(encoder)?;
        self.root.encode(encoder)?;
        if !extended {
            return Ok(());
        }
        let present = self.additions.iter().map(Option::is_some);
        let many = self.additions.len() > 64;
        many.encode(encoder)?;
        if many {
            present.collect::<BitString>().encode(encoder)?;
        } else {
            Six(self.additions.len() as u8 - 1).encode(encoder)?;
            present.into_iter().try_for_each(|present| present.encode(encoder))?;
        }
        self.additions.iter().flatten().try_for_each(|octets| octets.encode(encoder))
    }
}

/// What stands behind a SEQUENCE that has told whether it does.
#[derive(Clone, Debug)]
pub struct Tail<T>(pub Option<T>);

impl<T> AsnType for Tail<T> {
    const TAG: Tag = Tag::SEQUENCE;
}

impl<T: Encode> Encode for Tail<T> {
    fn encode_with_tag_and_constraints<'b, E: Encoder<'b>>(
        &self,
        encoder: &mut E,
        _: Tag,
        _: &Constraints,
        _: Identifier,
    ) -> Result<(), E::Error> {
        self.0.as_ref().map_or(Ok(()), |tail| tail.encode(encoder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::l3::DecodeError;
    use crate::l3::packed::Packed;

    fn octets(text: &str) -> Vec<u8> {
        let bits: Vec<u8> = text.bytes().filter(|b| *b != b' ').map(|b| b - b'0').collect();
        bits.chunks(8).map(|bits| (0..8).fold(0, |octet, i| octet << 1 | bits.get(i).unwrap_or(&0))).collect()
    }

    #[derive(AsnType, Clone, Copy, Debug, Decode, Encode, PartialEq)]
    #[rasn(delegate, value("0..=5"))]
    struct ToFive(u8);

    #[test]
    fn numbers_take_as_many_bits_as_their_range_and_are_held_to_it() {
        let octets = octets("101 100 111");
        let mut bits = Packed::new(&octets);
        assert_eq!(bits.take("five of six").map(|ToFive(number)| number), Ok(5));
        assert_eq!(bits.take("four of five").map(Enum::<5>::number), Ok(4));
        assert_eq!(bits.position(), 6);
        let refused = bits.take::<ToFive>("six of five");
        assert_eq!(refused, Err(DecodeError::Reserved { field: "six of five", value: 7 }));
    }

    #[test]
    fn additions_that_are_unknown_or_malformed_are_passed_over() {
        // Two additions (count less one: 0 000001), both present (1 1), each a length of one octet and an octet; then three ones.
        let octets = octets("1 011 0000001 11 00000001 01010101 00000001 11110000 111");
        let mut bits = Packed::new(&octets);
        let sequence: Extensible<ToFive> = bits.take("sequence").unwrap();
        assert_eq!(sequence.root, ToFive(3));
        assert_eq!(sequence.addition::<Enum<8>>(0).map(Enum::number), Some(0b010));
        assert_eq!(sequence.addition::<u16>(1), None);
        assert_eq!(sequence.addition::<u8>(2), None);
        assert_eq!(bits.take("rest").map(Enum::<8>::number), Ok(7));
    }

    #[test]
    fn additions_come_out_as_they_went_in_however_many_there_are() {
        for count in [1, 2, 64, 65, 300] {
            let mut additions = vec![None; count];
            additions[count - 1] = Some(Octets::from(vec![count as u8; 3]));
            let octets = rasn::uper::encode(&Extensible { root: ToFive(2), additions: additions.clone() }).unwrap();
            let sequence: Extensible<ToFive> = Packed::new(&octets).take("sequence").unwrap();
            assert_eq!((sequence.root, sequence.additions), (ToFive(2), additions));
        }
    }

    #[test]
    fn lengths_beyond_the_message_are_refused_without_memory() {
        // Two octets of length, then what they count.
        let refused = Packed::new(&[0b1011_1111, 0xff, 0]).take::<Octets>("segment");
        assert_eq!(refused, Err(DecodeError::Truncated { field: "segment", need: 8 * (2 + 16_383), have: 24 }));
    }

    #[test]
    fn alternatives_added_later_are_counted_on() {
        for number in [0, 15, 16, 79, 80, 300] {
            let octets = rasn::uper::encode(&OpenEnum::<16>::from(number)).unwrap();
            assert_eq!(Packed::new(&octets).take("OpenEnum"), Ok(OpenEnum::<16>::from(number)));
        }
    }
}
