//! Reading a packed encoding part by part: what was read stays where the rest cannot be.

use crate::l3::DecodeError;
use rasn::Decode;
use rasn::de::Needed;
use rasn::error::DecodeErrorKind;
use rasn::types::BitStr;
use rasn::uper::de::{Decoder, DecoderOptions};

/// A place in an encoding.
pub struct Packed<'a> {
    decoder: Decoder<'a>,
    total: usize,
}

impl<'a> Packed<'a> {
    /// At the first bit of `octets`.
    pub fn new(octets: &'a [u8]) -> Packed<'a> {
        let decoder = Decoder::new(BitStr::from_slice(octets), DecoderOptions::unaligned());
        Packed { decoder, total: 8 * octets.len() }
    }

    /// Bits already read.
    pub fn position(&self) -> usize {
        self.total - self.decoder.input().len()
    }

    /// The next part. After an error the place is somewhere inside it.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], [`DecodeError::Reserved`] or [`DecodeError::Malformed`] naming `field`.
    pub fn take<T: Decode>(&mut self, field: &'static str) -> Result<T, DecodeError> {
        T::decode(&mut self.decoder).map_err(|error| self.told(error, field))
    }

    fn told(&self, mut error: rasn::error::DecodeError, field: &'static str) -> DecodeError {
        while let DecodeErrorKind::FieldError { nested, .. } = *error.kind {
            error = *nested;
        }
        let reserved = |value: Option<u32>| {
            value.map_or(DecodeError::Malformed { field }, |value| DecodeError::Reserved { field, value })
        };
        match *error.kind {
            DecodeErrorKind::Incomplete { needed } => {
                let have = self.decoder.input().len();
                let more = if let Needed::Size(more) = needed { more.get() } else { 1 };
                DecodeError::Truncated { field, need: have + more, have }
            }
            DecodeErrorKind::ValueConstraintNotSatisfied { value, .. } => reserved(u32::try_from(value).ok()),
            DecodeErrorKind::ChoiceIndexNotFound { index, .. } => reserved(u32::try_from(index).ok()),
            _ => DecodeError::Malformed { field },
        }
    }
}
