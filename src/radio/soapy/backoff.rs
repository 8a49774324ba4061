//! How long a device that failed is left alone before it is opened again.

use std::time::Duration;

/// Waits of the back-off.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// After so much flow it begins again at its shortest.
const GOOD: Duration = Duration::from_secs(10);

/// Half a second after a first failure, and twice as long after each further one, at most 30 s.
#[derive(Debug)]
pub struct BackOff(Duration);

impl Default for BackOff {
    fn default() -> BackOff {
        BackOff(FIRST)
    }
}

impl BackOff {
    /// The device has failed after samples flowed for so long; how long to wait.
    pub fn wait(&mut self, flowed: Duration) -> Duration {
        if flowed > GOOD {
            self.0 = FIRST;
        }
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute_and_begin_again_after_a_device_has_been_good() {
        let mut back_off = BackOff::default();
        let mut wait = |flowed| back_off.wait(Duration::from_secs(flowed)).as_millis();
        let waits: Vec<u128> = (0..9).map(|_| wait(0)).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        assert_eq!((wait(10), wait(11), wait(3)), (30_000, 500, 1000));
    }
}
