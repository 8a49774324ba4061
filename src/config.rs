//! Configuration files of node and hub: as written, checked, and then as used.
