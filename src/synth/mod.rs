//! Test transmitters, channels and border scenes, with the truth.
