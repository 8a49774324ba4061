//! An LTE downlink as samples: what a cell broadcasts to everybody, and the load of its users around it.
//!
//! [`Cell`] says what is sent, [`resources`] puts it on the resource grid, subframe by subframe, and [`downlink`] makes samples of
//! it as one receiver hears them: tuned, delayed, at some level, by two imperfect clocks. As with the GSM beacons the signal is a
//! pure function of the sample number. Noise, clipping and quantisation are [`crate::synth::channel`]'s; a second path or a second
//! cell is a second [`downlink::Downlink`] added to the same samples.
//!
//! Sent are PSS, SSS, reference signals of 1, 2 or 4 ports, PBCH, PCFICH, PDCCH with SI-RNTI and PDSCH with SIB1 and the other
//! messages in their windows. The PHICH's elements stay empty. Other users are random QPSK symbols, and pages have random bits.
//!
//! Limits: one carrier, no MBSFN subframes, no positioning or terminal-specific reference signals, 15 kHz spacing only; paths do
//! not move; QPSK everywhere; data elements carry the power of reference elements.
//!
//! ## References
//! - 3GPP TS 36.211 Release 17: physical channels and modulation
//! - 3GPP TS 36.212 Release 17: multiplexing and channel coding
//! - 3GPP TS 36.213 Release 17: physical layer procedures (clauses 7.1.6, 7.1.7 and 9.1.1)
//! - 3GPP TS 36.321 Release 17: clause 5.3.1, redundancy versions of system information
//! - 3GPP TS 36.331 Release 17: clause 5.2.3, windows of system information

mod control;
pub mod downlink;
pub mod resources;
mod shared;

use crate::rat::lte::numerology::{BLOCK, CyclicPrefix, Duplex};
use crate::rat::lte::pbch::PERIOD;
use crate::synth::channel::REFERENCE_BANDWIDTH;
use crate::units::{Db, Dbfs};

/// How downlink and uplink are separated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// Frame structure type 1: FDD.
    Type1,
    /// Frame structure type 2: TDD.
    Type2 {
        /// Uplink-downlink configuration, 0 to 6; TS 36.211 table 4.2-2.
        assignment: u8,
        /// Special subframe configuration, 0 to 9, with an extended prefix 0 to 7; TS 36.211 table 4.2-1.
        special: u8,
    },
}

impl Frames {
    /// The same without its configurations.
    pub fn duplex(self) -> Duplex {
        match self {
            Frames::Type1 => Duplex::Fdd,
            Frames::Type2 { .. } => Duplex::Tdd,
        }
    }
}

/// How a block of system information is announced; TS 36.212 clauses 5.3.3.1.3 and 5.3.3.1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Format 1A with localized blocks: neighbours, the same ones in both slots.
    Localized,
    /// Format 1A with distributed blocks.
    Distributed {
        /// N_gap,2 in place of N_gap,1; only from 50 resource blocks on.
        second_gap: bool,
    },
    /// Format 1C, always distributed; the redundancy version follows from the time.
    Compact {
        /// N_gap,2 in place of N_gap,1; only from 50 resource blocks on.
        second_gap: bool,
    },
}

/// What the PDCCH grants to each block of system information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// How it is announced.
    pub format: Format,
    /// Control channel elements of the announcement, 4 or 8; 4 in a special subframe that has no more. One that has fewer carries none.
    pub aggregation: usize,
    /// Resource blocks of the PDSCH from virtual block 0 on; for [`Format::Compact`] a multiple of 2, of 4 from 50 blocks on.
    pub blocks: usize,
}

/// How often a message is sent in one of its windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeats {
    /// Subframes that could carry it before the first one.
    pub skip: usize,
    /// Transmissions.
    pub count: usize,
    /// From one to the next, in subframes that could carry it.
    pub every: usize,
}

/// What one cell sends.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Physical cell identity, 0 to 503.
    pub pci: u16,
    /// N_RB^DL: 6, 15, 25, 50, 75 or 100.
    pub blocks: usize,
    /// Antenna ports: 1, 2 or 4.
    pub ports: usize,
    /// Cyclic prefix.
    pub cp: CyclicPrefix,
    /// Frame structure.
    pub frames: Frames,
    /// The PHICH lasts three symbols.
    pub phich_extended: bool,
    /// N_g in sixths: 1, 3, 6 or 12.
    pub phich_sixths: usize,
    /// What the MIB says of its resource blocks, where that is not the truth.
    pub told_blocks: Option<usize>,
    /// The last ten bits of the MIB, zero before Release 13.
    pub mib_spare: u16,
    /// The control format indicator, 1 to 3.
    pub format_indicator: usize,
    /// BCCH-DL-SCH-Message with SIB1; empty: none is sent.
    pub sib1: Vec<u8>,
    /// BCCH-DL-SCH-Messages with SystemInformation in the order of SIB1's schedule.
    pub messages: Vec<Vec<u8>>,
    /// How SIB1 and the messages are announced.
    pub grant: Grant,
    /// How often each message is sent in its window.
    pub repeats: Repeats,
    /// Share of the resource blocks and control channel elements left free that other users have, 0 to 1.
    pub load: f64,
    /// Each subframe with room for it announces a page, of random content, in the common search space.
    pub pages: bool,
    /// Of what is random: other users.
    pub seed: u64,
}

/// Why a cell cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CellError {
    /// A value is out of its range.
    #[error("{what} is {value}; it must be {allowed}")]
    Range {
        /// The quantity.
        what: &'static str,
        /// As given.
        value: String,
        /// What would do.
        allowed: String,
    },
    /// SIB1 cannot be read, so that nobody knows when the messages are sent.
    #[error("SIB1 cannot be read, so its schedule of {messages} messages is unknown: {reason}")]
    Schedule {
        /// Messages that are to be sent.
        messages: usize,
        /// What is wrong with it.
        reason: String,
    },
}

fn check(good: bool, what: &'static str, value: impl ToString, allowed: &str) -> Result<(), CellError> {
    if good { Ok(()) } else { Err(CellError::Range { what, value: value.to_string(), allowed: allowed.to_owned() }) }
}

/// Downlink bandwidths in the order of dl-Bandwidth; TS 36.331 clause 6.2.2.
pub const WIDTHS: [usize; 6] = [6, 15, 25, 50, 75, 100];

impl Cell {
    /// An FDD cell of one port, normal prefix and no users, which sends its MIB only: fill in the rest.
    ///
    /// Blocks of system information get six resource blocks, distributed, and eight control channel elements where there are as
    /// many; the control region is as long as it can be.
    pub fn new(pci: u16, blocks: usize) -> Cell {
        Cell {
            pci,
            blocks,
            ports: 1,
            cp: CyclicPrefix::Normal,
            frames: Frames::Type1,
            phich_extended: false,
            phich_sixths: 1,
            told_blocks: None,
            mib_spare: 0,
            format_indicator: 3,
            sib1: Vec::new(),
            messages: Vec::new(),
            grant: Grant {
                format: Format::Distributed { second_gap: false },
                aggregation: if blocks < 15 { 4 } else { 8 },
                blocks: 6,
            },
            repeats: Repeats { skip: 0, count: 4, every: 1 },
            load: 0.0,
            pages: false,
            seed: 0,
        }
    }

    /// The MIB in frame `number`: 24 bits, the first to be sent highest; TS 36.331 clause 6.2.2.
    pub fn mib(&self, number: u16) -> u32 {
        let told = self.told_blocks.unwrap_or(self.blocks);
        let width = WIDTHS.iter().position(|&width| width == told).unwrap_or(0) as u32;
        let share = [1, 3, 6, 12].iter().position(|&share| share == self.phich_sixths).unwrap_or(0) as u32;
        let period = (u32::from(number) / PERIOD as u32) & 0xff;
        width << 21
            | u32::from(self.phich_extended) << 20
            | share << 18
            | period << 10
            | u32::from(self.mib_spare & 0x3ff)
    }

    /// Power of one resource element when the cell's level is `level`; a reference element's is the same (RSRP).
    pub fn element(&self, level: Dbfs) -> Dbfs {
        level - Db::from_ratio((self.blocks * BLOCK) as f64)
    }

    /// The level of noise, as [`crate::synth::channel::Noise`] takes it, that leaves `snr` in a resource element.
    pub fn noise(&self, level: Dbfs, snr: Db) -> Dbfs {
        let element = self.element(level) - snr;
        element - Db::from_ratio(crate::rat::lte::numerology::SUBCARRIER.0 / REFERENCE_BANDWIDTH.0)
    }

    /// # Errors
    /// [`CellError::Range`] for the first value that the standard does not know.
    fn check(&self) -> Result<(), CellError> {
        check(self.pci < 504, "the physical cell identity", self.pci, "below 504")?;
        for blocks in [Some(self.blocks), self.told_blocks].into_iter().flatten() {
            check(WIDTHS.contains(&blocks), "the number of resource blocks", blocks, "6, 15, 25, 50, 75 or 100")?;
        }
        check([1, 2, 4].contains(&self.ports), "the number of antenna ports", self.ports, "1, 2 or 4")?;
        check([1, 3, 6, 12].contains(&self.phich_sixths), "N_g in sixths", self.phich_sixths, "1, 3, 6 or 12")?;
        let format = self.format_indicator;
        check((1..=3).contains(&format), "the control format indicator", format, "1 to 3")?;
        check(self.mib_spare < 1 << 10, "the MIB's last part", self.mib_spare, "below 1024: ten bits")?;
        check((0.0..=1.0).contains(&self.load), "the load", self.load, "0 to 1")?;
        check(self.repeats.every > 0, "the distance of repetitions", 0, "at least 1 subframe")?;
        if let Frames::Type2 { assignment, special } = self.frames {
            check(assignment < 7, "the uplink-downlink configuration", assignment, "0 to 6")?;
            let most = if self.cp == CyclicPrefix::Normal { 9 } else { 7 };
            let allowed = format!("0 to {most} with this prefix");
            check(special <= most, "the special subframe configuration", special, &allowed)?;
        }
        Ok(())
    }
}
