//! Channel coding that knows no radio.
