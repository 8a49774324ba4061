//! Where a transmitter is, how sure that is, and in which country: pure functions, licensed cells are the clock.
//!
//! ```text
//! observations -> gather -> Problem -> clocks (Schur complement) -> solve (grid, Levenberg-Marquardt) -> Fix -> country
//!                                                                   bounds: the CRLB of the same Problem
//! ```
//!
//! A node's reading of the start of a suspect's frame is `E + u(β - ρ) + b + d/c`: emission epoch `E` and rate `ρ` of the suspect,
//! offset `b` and rate `β` of the node's clock, `u` the nominal time since a reference frame, `d` the distance. A licensed cell at a
//! known site gives the same sum with its own epoch and rate in place of the suspect's, so it says what `b` and `β` are. All but the
//! position enters linearly and is eliminated exactly; absolute time is the same model with a prior on `b`. Received levels
//! add `P - 10 n log10 d` (two more linear unknowns with priors), bearings add a direction.
//!
//! Inputs that can be late (no line of sight) have a one-sided mixture likelihood; licensed cells' frames are weighted by the probability
//! that they are not. Every position that the inputs admit is reported: nodes in a line give a mirror image, which may lie in another
//! country. Licensed cells' phases are learned from day to day ([`phases`]), path loss is learned node by node ([`pathloss`]), and an
//! emitter that moves is followed from fix to fix ([`track`]).
//!
//! Limits: within one fix the emitter stands still; levels have independent shadowing and one exponent. What is reached is measured by
//! `tests/locate.rs` and recorded in tests/data/locate/README.md: in line of sight the bound within 5 % for 3 to 6 nodes; where a third of
//! the paths is late by 500 ns, 1.5 times the clean error for a ring of five, with regions that hold what they say.
//!
//! ## References
//! - NIMA TR8350.2, third edition: WGS-84 ellipsoid, table 3.1
//! - S. M. Kay, Fundamentals of Statistical Signal Processing: Estimation Theory, chapter 3 (Fisher information and its bound)
//! - 3GPP TS 45.002 Release 17, clause 4.3 (TDMA frame, hyperframe); 3GPP TS 36.211 Release 17, clause 4 (radio frame)
//! - 3GPP TS 45.010 Release 17, clause 5.1; 3GPP TS 36.104 Release 17, clause 6.5.1 (frequency error of a base station)

pub mod bounds;
mod closed;
pub mod country;
mod dense;
pub mod fix;
mod frames;
pub mod gather;
pub mod geodesy;
mod levels;
mod likelihood;
mod model;
mod moving;
pub mod pathloss;
pub mod phase;
pub mod phases;
mod prior;
pub mod problem;
mod reduce;
pub mod report;
pub mod sector;
mod solve;
mod spread;
pub mod track;
mod trust;

pub use fix::{Ellipse, Fix, Method, NoFix, Solution, locate};
pub use geodesy::{Enu, Plane};
pub use problem::Problem;

/// Metres that light goes in a nanosecond (exact by the definition of the metre).
pub const METRES_PER_NS: f64 = 0.299_792_458;
