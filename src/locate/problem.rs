//! What is known about one transmitter: measurements, clocks, licensed cells and priors, in one tangent plane.
//!
//! Times are differences from a common reference reading, so that double precision holds them to well below a nanosecond.

use super::geodesy::{Enu, Plane};
pub use super::likelihood::Late;
use crate::units::{Db, Dbm};

/// When the start of a frame was read on a node's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// Where the antenna was; a node that moves has another place each time.
    pub node: Enu,
    /// Which clock: an index into [`Problem::clocks`].
    pub clock: usize,
    /// The reading less the reference reading and less `elapsed_s`, nanoseconds.
    pub at_ns: f64,
    /// Nominal time from the cell's reference frame to this frame, seconds; exact, because frames are numbered.
    pub elapsed_s: f64,
    /// One standard deviation of the reading's noise, nanoseconds; above zero.
    pub sigma_ns: f64,
}

/// How fast a cell's frames come on a node's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Which clock.
    pub clock: usize,
    /// Against nominal, parts per billion; positive: too fast.
    pub ppb: f64,
    /// One standard deviation; above zero.
    pub sigma_ppb: f64,
}

/// A licensed cell's frame, read on the same kind of clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reference {
    /// Which cell: an index into [`Problem::cells`].
    pub cell: usize,
    /// Its frame.
    pub arrival: Arrival,
}

/// A received level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelReading {
    /// Where the antenna was.
    pub node: Enu,
    /// At the antenna port, the antenna's gain towards the emitter taken off.
    pub level: Dbm,
    /// Shadowing and calibration together.
    pub sigma: Db,
}

/// A direction. A sector antenna that hears the emitter gives one too: its axis, with half its beamwidth as sigma.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bearing {
    /// Where the antenna was.
    pub node: Enu,
    /// Clockwise from north, degrees.
    pub azimuth_deg: f64,
    /// One standard deviation, degrees; above zero.
    pub sigma_deg: f64,
}

/// What is known of a node's clock at the reference reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// One standard deviation of its absolute time, nanoseconds; `None`: it runs free.
    pub offset_sigma_ns: Option<f64>,
    /// One standard deviation of its rate, parts per billion; 0: it keeps time.
    pub rate_sigma_ppb: f64,
}

/// A licensed cell at a known site.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Its antenna.
    pub site: Enu,
    /// Its frame phase at the reference reading and one standard deviation, nanoseconds; `None` until it has been learned.
    pub epoch_ns: Option<(f64, f64)>,
    /// One standard deviation of its frame rate, parts per billion.
    pub rate_sigma_ppb: f64,
}

/// What is believed of the transmitter before anything is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Emitter {
    /// Height of its antenna above the ellipsoid, metres.
    pub height_m: f64,
    /// One standard deviation of that; 0: it is known.
    pub height_sigma_m: f64,
    /// One standard deviation of its frame rate, parts per billion.
    pub rate_sigma_ppb: f64,
    /// Level at 1 m with one standard deviation; `None`: any.
    pub power: Option<(Dbm, Db)>,
    /// Path-loss exponent with one standard deviation; above zero.
    pub exponent: (f64, f64),
}

impl Default for Emitter {
    /// Any power; the exponent of suburban and rural macro cells (3.5 ± 0.3); a free-running base station's oscillator (±2 ppm).
    fn default() -> Emitter {
        Emitter { height_m: 0.0, height_sigma_m: 0.0, rate_sigma_ppb: 2000.0, power: None, exponent: (3.5, 0.3) }
    }
}

/// Everything that one fix rests on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Problem {
    /// The axes of all places here; `None`: a flat earth, for theory.
    pub plane: Option<Plane>,
    /// The suspect's frames.
    pub arrivals: Vec<Arrival>,
    /// The suspect's frame rates.
    pub rates: Vec<Rate>,
    /// Licensed cells' frames.
    pub references: Vec<Reference>,
    /// Licensed cells' frame rates; the index into `cells` comes first.
    pub reference_rates: Vec<(usize, Rate)>,
    /// The suspect's levels.
    pub levels: Vec<LevelReading>,
    /// The suspect's directions.
    pub bearings: Vec<Bearing>,
    /// Clocks that the frames were read on.
    pub clocks: Vec<Clock>,
    /// Licensed cells.
    pub cells: Vec<Cell>,
    /// Priors.
    pub emitter: Emitter,
    /// Paths without line of sight; `None`: there are none.
    pub late: Option<Late>,
}

/// Inputs of each kind that one problem may hold; the cost of a solve rises with the square of their number.
pub const MAX_INPUTS: usize = 512;
/// Clocks and licensed cells that one problem may hold; elimination costs the third power of their number.
pub const MAX_CLOCKS: usize = 64;

/// Why a problem is malformed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProblemError {
    /// Too many of something.
    #[error("{have} {what}; at most {max} can be solved together, give the newest")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        have: usize,
        /// How many there may be.
        max: usize,
    },
    /// An index to a clock or cell that is not there.
    #[error("{what} {index} does not exist; there are {have}")]
    NoSuch {
        /// `clock` or `cell`.
        what: &'static str,
        /// The index.
        index: usize,
        /// How many there are.
        have: usize,
    },
    /// A number that is not finite, or a standard deviation that is not above zero.
    #[error("{what} = {value}; it must be finite, and a standard deviation above zero")]
    Number {
        /// Which number.
        what: &'static str,
        /// As given.
        value: f64,
    },
}

impl Problem {
    /// Checks indices, numbers and bounds.
    ///
    /// # Errors
    /// [`ProblemError`] naming the first thing that is wrong.
    pub fn check(&self) -> Result<(), ProblemError> {
        let counts = [
            ("frame times", self.arrivals.len(), MAX_INPUTS),
            ("frame rates", self.rates.len(), MAX_INPUTS),
            ("licensed frame times", self.references.len(), 8 * MAX_INPUTS),
            ("licensed frame rates", self.reference_rates.len(), 8 * MAX_INPUTS),
            ("levels", self.levels.len(), MAX_INPUTS),
            ("bearings", self.bearings.len(), MAX_INPUTS),
            ("clocks", self.clocks.len(), MAX_CLOCKS),
            ("licensed cells", self.cells.len(), MAX_CLOCKS),
        ];
        if let Some(&(what, have, max)) = counts.iter().find(|(_, have, max)| have > max) {
            return Err(ProblemError::TooMany { what, have, max });
        }
        let exists =
            |what, index, have| if index < have { Ok(()) } else { Err(ProblemError::NoSuch { what, index, have }) };
        let references = self.references.iter().map(|r| &r.arrival);
        for arrival in self.arrivals.iter().chain(references) {
            exists("clock", arrival.clock, self.clocks.len())?;
            place(arrival.node)?;
            finite("frame time", arrival.at_ns)?;
            finite("elapsed time", arrival.elapsed_s)?;
            positive("sigma of a frame time", arrival.sigma_ns)?;
        }
        for rate in self.rates.iter().chain(self.reference_rates.iter().map(|(_, rate)| rate)) {
            exists("clock", rate.clock, self.clocks.len())?;
            finite("frame rate", rate.ppb)?;
            positive("sigma of a frame rate", rate.sigma_ppb)?;
        }
        let cells = self.references.iter().map(|r| r.cell).chain(self.reference_rates.iter().map(|(cell, _)| *cell));
        for cell in cells {
            exists("cell", cell, self.cells.len())?;
        }
        for level in &self.levels {
            place(level.node)?;
            finite("level", level.level.0)?;
            positive("sigma of a level", level.sigma.0)?;
        }
        for bearing in &self.bearings {
            place(bearing.node)?;
            finite("bearing", bearing.azimuth_deg)?;
            positive("sigma of a bearing", bearing.sigma_deg)?;
        }
        self.check_priors()
    }

    fn check_priors(&self) -> Result<(), ProblemError> {
        for clock in &self.clocks {
            not_negative("sigma of a clock's rate", clock.rate_sigma_ppb)?;
            clock.offset_sigma_ns.map_or(Ok(()), |s| positive("sigma of a clock's time", s))?;
        }
        for cell in &self.cells {
            place(cell.site)?;
            not_negative("sigma of a cell's rate", cell.rate_sigma_ppb)?;
            if let Some((epoch, sigma)) = cell.epoch_ns {
                finite("frame phase of a cell", epoch)?;
                positive("sigma of a cell's frame phase", sigma)?;
            }
        }
        let emitter = &self.emitter;
        finite("height", emitter.height_m)?;
        not_negative("sigma of the height", emitter.height_sigma_m)?;
        not_negative("sigma of the emitter's rate", emitter.rate_sigma_ppb)?;
        positive("path-loss exponent", emitter.exponent.0)?;
        positive("sigma of the path-loss exponent", emitter.exponent.1)?;
        if let Some((power, sigma)) = emitter.power {
            finite("power", power.0)?;
            positive("sigma of the power", sigma.0)?;
        }
        if let Some(late) = self.late {
            positive("share of late paths", late.share)?;
            positive("share of paths in line of sight", 1.0 - late.share)?;
            positive("mean excess of late paths", late.mean_ns)?;
        }
        Ok(())
    }
}

fn finite(what: &'static str, value: f64) -> Result<(), ProblemError> {
    if value.is_finite() { Ok(()) } else { Err(ProblemError::Number { what, value }) }
}

fn positive(what: &'static str, value: f64) -> Result<(), ProblemError> {
    if value.is_finite() && value > 0.0 { Ok(()) } else { Err(ProblemError::Number { what, value }) }
}

fn not_negative(what: &'static str, value: f64) -> Result<(), ProblemError> {
    if value.is_finite() && value >= 0.0 { Ok(()) } else { Err(ProblemError::Number { what, value }) }
}

fn place(at: Enu) -> Result<(), ProblemError> {
    [at.east_m, at.north_m, at.up_m].into_iter().try_for_each(|v| finite("coordinate", v))
}
