//! Sample formats of recordings, and how they become complex numbers with full scale 1.0.
//!
//! ## References
//! - SigMF specification 1.2.5, "SigMF Dataset Format" (names of datatypes, order of octets and of I and Q)

use num_complex::{Complex, Complex32};
use std::fmt;
use std::str::FromStr;

/// A format of complex samples, named as in SigMF: I first, then Q.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datatype {
    /// 32-bit floats, little-endian; full scale is 1.0.
    Cf32Le,
    /// 32-bit floats, big-endian; full scale is 1.0.
    Cf32Be,
    /// 16-bit integers, little-endian; -32768 is full scale.
    Ci16Le,
    /// 16-bit integers, big-endian; -32768 is full scale.
    Ci16Be,
    /// 8-bit integers; -128 is full scale.
    Ci8,
    /// 8-bit unsigned integers; 127.5 is zero, 0 and 255 are full scale.
    Cu8,
}

/// All formats, for listings.
pub const DATATYPES: [Datatype; 6] =
    [Datatype::Cf32Le, Datatype::Cf32Be, Datatype::Ci16Le, Datatype::Ci16Be, Datatype::Ci8, Datatype::Cu8];

/// The names of all formats, for messages.
pub const DATATYPE_NAMES: &str = "cf32_le, cf32_be, ci16_le, ci16_be, ci8 or cu8";

/// A text that is not one of [`DATATYPES`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a sample format that daen reads: use {DATATYPE_NAMES}")]
pub struct DatatypeError {
    /// The text as given.
    pub text: String,
}

impl Datatype {
    /// The name as in SigMF.
    pub fn as_str(self) -> &'static str {
        match self {
            Datatype::Cf32Le => "cf32_le",
            Datatype::Cf32Be => "cf32_be",
            Datatype::Ci16Le => "ci16_le",
            Datatype::Ci16Be => "ci16_be",
            Datatype::Ci8 => "ci8",
            Datatype::Cu8 => "cu8",
        }
    }

    /// Octets that one complex sample takes.
    pub fn octets(self) -> usize {
        match self {
            Datatype::Cf32Le | Datatype::Cf32Be => 8,
            Datatype::Ci16Le | Datatype::Ci16Be => 4,
            Datatype::Ci8 | Datatype::Cu8 => 2,
        }
    }

    /// Appends the samples in `octets`, a whole number of them, to `samples` and returns how many touched full scale.
    ///
    /// Floats never do: where the full scale of the converter behind them lies, a file of floats does not say, and some hold
    /// integers that were never scaled to 1.0.
    pub fn convert(self, octets: &[u8], samples: &mut Vec<Complex32>) -> u32 {
        let from = samples.len();
        match self {
            Datatype::Cf32Le => extend(octets, samples, |o: [u8; 4]| f32::from_le_bytes(o)),
            Datatype::Cf32Be => extend(octets, samples, |o: [u8; 4]| f32::from_be_bytes(o)),
            Datatype::Ci16Le => extend(octets, samples, |o: [u8; 2]| f32::from(i16::from_le_bytes(o)) / 32768.0),
            Datatype::Ci16Be => extend(octets, samples, |o: [u8; 2]| f32::from(i16::from_be_bytes(o)) / 32768.0),
            Datatype::Ci8 => extend(octets, samples, |o: [u8; 1]| f32::from(i8::from_le_bytes(o)) / 128.0),
            Datatype::Cu8 => extend(octets, samples, |o: [u8; 1]| (f32::from(o[0]) - 127.5) / 127.5),
        }
        // The largest positive code is one step below full scale.
        let (least, most) = match self {
            Datatype::Cf32Le | Datatype::Cf32Be => return 0,
            Datatype::Ci16Le | Datatype::Ci16Be => (32767.0 / 32768.0, 1.0),
            Datatype::Ci8 => (127.0 / 128.0, 1.0),
            Datatype::Cu8 => (1.0, 1.0),
        };
        let touches = |x: f32| (x.abs() >= least) & (x.abs() <= most);
        samples[from..].iter().map(|s| u32::from(touches(s.re) | touches(s.im))).sum()
    }
}

fn extend<const N: usize>(octets: &[u8], samples: &mut Vec<Complex32>, number: impl Fn([u8; N]) -> f32) {
    samples.extend(octets.chunks_exact(2 * N).map(|pair| {
        let (mut i, mut q) = ([0; N], [0; N]);
        i.copy_from_slice(&pair[..N]);
        q.copy_from_slice(&pair[N..]);
        Complex32::new(number(i), number(q))
    }));
}

/// How the numbers that a driver hands over become samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The number that means zero.
    pub zero: f32,
    /// The distance from it that is full scale.
    pub full: f32,
    /// The number of steps below full scale from which on a sample counts as clipped: the largest positive code of a signed
    /// integer is one step short of it.
    pub margin: f32,
}

impl Scale {
    /// Appends `from` to `to` and returns how many samples touched full scale.
    pub fn append<T: Copy + Into<f32>>(self, from: &[Complex<T>], to: &mut Vec<Complex32>) -> u32 {
        let Scale { zero, full, margin } = self;
        let least = (full - margin) / full;
        let start = to.len();
        to.extend(from.iter().map(|s| Complex32::new((s.re.into() - zero) / full, (s.im.into() - zero) / full)));
        to[start..].iter().map(|s| u32::from((s.re.abs() >= least) | (s.im.abs() >= least))).sum()
    }
}

/// Where the first sample is that no receiver can have put out: not a number, infinite, or of a magnitude of 2^50 and more,
/// which is a wrong format or order of octets and would overflow the receivers' sums of squares.
pub fn first_absurd(samples: &[Complex32]) -> Option<usize> {
    let absurd = |x: f32| (x.to_bits() >> 23) & 0xff >= 127 + 50;
    // One pass without a branch for the usual case; the place matters only when there is one.
    if samples.iter().fold(false, |any, s| any | absurd(s.re) | absurd(s.im)) {
        return samples.iter().position(|s| absurd(s.re) || absurd(s.im));
    }
    None
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Datatype {
    type Err = DatatypeError;
    fn from_str(text: &str) -> Result<Datatype, DatatypeError> {
        DATATYPES.into_iter().find(|d| d.as_str() == text).ok_or_else(|| DatatypeError { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(datatype: Datatype, octets: &[u8]) -> (Vec<Complex32>, u32) {
        let mut samples = Vec::new();
        let clipped = datatype.convert(octets, &mut samples);
        (samples, clipped)
    }

    #[test]
    fn every_format_puts_i_first_and_full_scale_at_one() {
        let c = Complex32::new;
        assert_eq!(convert(Datatype::Cu8, &[255, 0, 127, 128]), (vec![c(1.0, -1.0), c(-0.5 / 127.5, 0.5 / 127.5)], 1));
        assert_eq!(convert(Datatype::Ci8, &[0x80, 0x40, 0, 0x7e]), (vec![c(-1.0, 0.5), c(0.0, 126.0 / 128.0)], 1));
        assert_eq!(convert(Datatype::Ci8, &[127, 0]).1, 1, "the largest positive code");
        assert_eq!(convert(Datatype::Ci16Le, &[0x00, 0x80, 0x00, 0x40]), (vec![c(-1.0, 0.5)], 1));
        assert_eq!(convert(Datatype::Ci16Be, &[0x80, 0x00, 0x40, 0x00]), (vec![c(-1.0, 0.5)], 1));
        assert_eq!(convert(Datatype::Cf32Le, &[0, 0, 0x80, 0x3f, 0, 0, 0, 0xbf]), (vec![c(1.0, -0.5)], 0));
        assert_eq!(convert(Datatype::Cf32Be, &[0x3f, 0x80, 0, 0, 0xbf, 0, 0, 0]), (vec![c(1.0, -0.5)], 0));
    }

    #[test]
    fn numbers_of_a_driver_give_the_same_samples_as_the_same_numbers_in_a_file() {
        let mut samples = Vec::new();
        let octets: Vec<u8> = (0..=255).flat_map(|i: u8| [i, 255 - i]).collect();
        let pairs = || octets.chunks_exact(2);
        let signed: Vec<_> = pairs().map(|p| Complex::new(p[0].cast_signed(), p[1].cast_signed())).collect();
        let clipped = Scale { zero: 0.0, full: 128.0, margin: 1.0 }.append(&signed, &mut samples);
        assert_eq!((samples.clone(), clipped), convert(Datatype::Ci8, &octets));
        samples.clear();
        let unsigned: Vec<_> = pairs().map(|p| Complex::new(p[0], p[1])).collect();
        let clipped = Scale { zero: 127.5, full: 127.5, margin: 0.0 }.append(&unsigned, &mut samples);
        assert_eq!((samples.clone(), clipped), convert(Datatype::Cu8, &octets));
        // Twelve bits at the lower end of sixteen.
        samples.clear();
        let twelve = [Complex::new(2047i16, 0), Complex::new(-1024, 1024), Complex::new(0, -2048)];
        let clipped = Scale { zero: 0.0, full: 2048.0, margin: 1.0 }.append(&twelve, &mut samples);
        assert_eq!((samples[1], samples[2].im, clipped), (Complex32::new(-0.5, 0.5), -1.0, 2));
    }

    #[test]
    fn names_are_those_of_sigmf() {
        for datatype in DATATYPES {
            assert_eq!(datatype.as_str().parse(), Ok(datatype));
            assert!(DATATYPE_NAMES.contains(datatype.as_str()));
        }
        assert!("rf32_le".parse::<Datatype>().is_err());
    }

    #[test]
    fn an_absurd_sample_is_located() {
        let fine = Complex32::new(3.0e4, -1.0);
        assert_eq!(first_absurd(&[fine; 100]), None);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -f32::MAX] {
            assert_eq!(first_absurd(&[fine, fine, Complex32::new(0.0, bad), fine]), Some(2), "{bad}");
        }
    }
}
