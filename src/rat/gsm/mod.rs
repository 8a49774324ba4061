//! GSM broadcast receiver.

pub mod burst;
pub mod coding;
pub mod equalizer;

use crate::radio::source::StreamInfo;
use crate::rat::CellReport;
use num_complex::Complex32;

/// What a receiver is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Count CCCH blocks by class (paging, access grant, dummy, other). Off by default: nothing but the count survives.
    pub count_ccch: bool,
    /// How often an unchanged cell is reported.
    pub report_interval: crate::units::Nanos,
}

impl Default for Options {
    fn default() -> Options {
        Options { count_ccch: false, report_interval: crate::units::Nanos::from_secs(1) }
    }
}

/// Receives every GSM beacon inside one stream.
#[derive(Debug)]
pub struct Receiver {}

impl Receiver {
    /// A receiver for one stream; a gap or a retune makes a new stream and a new receiver.
    pub fn new(_stream: &StreamInfo, _options: Options) -> Receiver {
        Receiver {}
    }

    /// Takes the next samples of the stream. Appends a report when a cell is confirmed, when what it broadcasts changes, and
    /// every `report_interval` of the stream. The reports do not depend on how the stream is cut into blocks.
    pub fn process(&mut self, _samples: &[Complex32], _reports: &mut Vec<CellReport>) {}

    /// The stream has ended: appends the final report of every cell, by ascending [`crate::cell::CellKey`].
    pub fn finish(&mut self, _reports: &mut Vec<CellReport>) {}
}
