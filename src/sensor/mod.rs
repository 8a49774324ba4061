//! The node's shell: a source, the receivers and rules behind it, and the way to the hub.
//!
//! ```text
//! source thread -> ring of blocks -> receiver thread -> bounded channel -> spooler thread -> spool -> publisher (async)
//!                                    receive, observe, judge                batch, seal       SQLite   MQTT
//! ```
//!
//! A receiver that scans is led along a plan: [`scan`] says where it listens next, [`tour`] tunes it and says which samples are swept,
//! searched, decoded or kept for the [`lab`]. Several receivers of a node have a thread and a part of the spectrum each, and one judge; a
//! [`crew`] sees to it that the part of one that has failed is not left alone.
//!
//! Back-pressure: a spool that does not take items (full disk) evicts the least valuable; while even that fails items wait in the spooler, in
//! memory, and beyond its bound the least valuable are lost and counted. Only a receiver thread that is too slow makes the ring wait (a
//! recording, a scene) or drop blocks (a live source), and the observations say how many samples were lost. Nothing is dropped silently.

pub mod bands;
pub mod cadence;
pub mod calibrate;
pub mod chrony;
pub mod clock_error;
pub mod crew;
pub mod evidence;
pub mod gpsd;
pub mod health;
pub mod instrument;
pub mod lab;
pub mod observe;
pub mod pipeline;
pub mod publish;
pub mod receive;
pub mod recognised;
pub mod scan;
pub mod source;
pub mod spool;
pub mod spooler;
pub mod sweep;
pub mod task;
pub mod tile;
pub mod tour;
pub mod watchdog;
pub mod waterfall;
pub mod whereabouts;
