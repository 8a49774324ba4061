//! A receive stream in the driver's own format, and buffers for it.

use crate::radio::convert::Scale;
use num_complex::{Complex, Complex32};
use soapysdr::{Args, Device, Direction, Error, ErrorCode, Format, RxStream};

/// Samples as the driver hands them over.
#[derive(Debug)]
pub enum Raw {
    /// Signed octets.
    S8(Vec<Complex<i8>>),
    /// Octets around 127.5.
    U8(Vec<Complex<u8>>),
    /// Signed 16 bits.
    S16(Vec<Complex<i16>>),
    /// Floats.
    F32(Vec<Complex32>),
}

/// A stream in one of the formats of [`Raw`].
pub enum Rx {
    /// Signed octets.
    S8(RxStream<Complex<i8>>),
    /// Octets around 127.5.
    U8(RxStream<Complex<u8>>),
    /// Signed 16 bits.
    S16(RxStream<Complex<i16>>),
    /// Floats.
    F32(RxStream<Complex32>),
}

/// `$body` with `$name` bound to what is inside, whatever the format.
macro_rules! each {
    ($kind:ident, $value:expr, $name:ident => $body:expr) => {
        match $value {
            $kind::S8($name) => $body,
            $kind::U8($name) => $body,
            $kind::S16($name) => $body,
            $kind::F32($name) => $body,
        }
    };
}

impl Raw {
    /// Appends the samples `from..to` to `out` and returns how many touched full scale.
    pub fn append(&self, from: usize, to: usize, scale: Scale, out: &mut Vec<Complex32>) -> u32 {
        each!(Raw, self, samples => scale.append(&samples[from..to], out))
    }

    /// How many samples it has room for.
    pub fn room(&self) -> usize {
        each!(Raw, self, samples => samples.len())
    }
}

impl Rx {
    /// Opens a stream in the device's native format where that is one of ours, in floats otherwise. Gives how to scale it;
    /// `full_scale` overrides what the driver says.
    ///
    /// # Errors
    /// The driver's, or [`ErrorCode::NotSupported`] naming the formats that it offers.
    pub fn open(
        device: &Device,
        channel: usize,
        args: Args,
        full_scale: Option<f64>,
    ) -> Result<(Rx, Scale, Format), Error> {
        let (native, told) = device.native_stream_format(Direction::Rx, channel)?;
        let full = full_scale.unwrap_or(told) as f32;
        let channels = [channel];
        let signed = |largest: f32| {
            // A driver that gives no sensible figure means the format's own.
            let full = if (1.0..=largest).contains(&full) { full } else { largest };
            Scale { zero: 0.0, full, margin: 1.0 }
        };
        Ok(match native {
            Format::CS8 => (Rx::S8(device.rx_stream_args(&channels, args)?), signed(128.0), native),
            Format::CU8 => {
                let scale = Scale { zero: 127.5, full: 127.5, margin: 0.0 };
                (Rx::U8(device.rx_stream_args(&channels, args)?), scale, native)
            }
            Format::CS16 => (Rx::S16(device.rx_stream_args(&channels, args)?), signed(32768.0), native),
            _ => {
                let offered = device.stream_formats(Direction::Rx, channel)?;
                if !offered.contains(&Format::CF32) {
                    let message =
                        format!("the driver offers the sample formats {offered:?}; daen reads CS8, CU8, CS16 and CF32");
                    return Err(Error { code: ErrorCode::NotSupported, message });
                }
                let scale = Scale { zero: 0.0, full: 1.0, margin: 0.0 };
                (Rx::F32(device.rx_stream_args(&channels, args)?), scale, Format::CF32)
            }
        })
    }

    /// A buffer for `samples` samples.
    pub fn buffer(&self, samples: usize) -> Raw {
        match self {
            Rx::S8(_) => Raw::S8(vec![Complex::default(); samples]),
            Rx::U8(_) => Raw::U8(vec![Complex::default(); samples]),
            Rx::S16(_) => Raw::S16(vec![Complex::default(); samples]),
            Rx::F32(_) => Raw::F32(vec![Complex32::default(); samples]),
        }
    }

    /// Reads into `buffer` from sample `at` on, waiting at most `timeout_us`; a buffer of another format has no room.
    ///
    /// # Errors
    /// The driver's.
    pub fn read(&mut self, buffer: &mut Raw, at: usize, timeout_us: i64) -> Result<usize, Error> {
        match (self, buffer) {
            (Rx::S8(rx), Raw::S8(to)) => rx.read(&mut [&mut to[at..]], timeout_us),
            (Rx::U8(rx), Raw::U8(to)) => rx.read(&mut [&mut to[at..]], timeout_us),
            (Rx::S16(rx), Raw::S16(to)) => rx.read(&mut [&mut to[at..]], timeout_us),
            (Rx::F32(rx), Raw::F32(to)) => rx.read(&mut [&mut to[at..]], timeout_us),
            _ => Ok(0),
        }
    }

    /// The time stamp of the last read.
    pub fn time_ns(&self) -> i64 {
        each!(Rx, self, rx => rx.time_ns())
    }

    /// Samples in one of the driver's transfers.
    pub fn mtu(&self) -> Option<usize> {
        each!(Rx, self, rx => rx.mtu().ok())
    }

    /// Starts the flow of samples.
    ///
    /// # Errors
    /// The driver's.
    pub fn activate(&mut self) -> Result<(), Error> {
        each!(Rx, self, rx => rx.activate(None))
    }
}
