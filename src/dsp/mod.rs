//! Signal processing that knows no standard.
