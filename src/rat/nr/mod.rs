//! NR broadcast receiver.

pub mod transport_block;
