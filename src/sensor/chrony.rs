//! How well chrony keeps the system's clock.
//!
//! ## References
//! - chronyc(1) of chrony 4.3: `tracking` and the option `-c`; chrony.conf(5)

use crate::observation::{Clock, ClockSource};
use crate::units::Nanos;
use std::process::{Command, Stdio};

/// What `chronyc -c tracking` says; `None` where chrony is not installed or not running.
pub fn ask() -> Option<Clock> {
    // chronyc gives up by itself when nobody answers.
    let output = Command::new("chronyc").args(["-n", "-c", "tracking"]).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| tracking(&String::from_utf8_lossy(&output.stdout)))?
}

/// A line of `chronyc -c tracking`: reference, its name, stratum, reference time, and in seconds: the clock's offset, last offset,
/// RMS offset, then frequency, residual and skew (ppm), root delay, root dispersion, update interval, leap status.
///
/// The clock's standard deviation: the offset that chrony knows of and has not corrected yet, the RMS of earlier ones, and its bound
/// (root dispersion and half the root delay) taken as evenly spread.
pub fn tracking(line: &str) -> Option<Clock> {
    let fields: Vec<&str> = line.trim().split(',').collect();
    let [_, name, stratum, _, offset, _, rms, _, _, _, delay, dispersion, _, leap] = fields.as_slice() else {
        return None;
    };
    let seconds = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    let stratum: u8 = stratum.parse().ok()?;
    let bound = seconds(dispersion)? + seconds(delay)? / 2.0;
    let sigma = seconds(offset)?.hypot(seconds(rms)?).hypot(bound / 3f64.sqrt());
    let locked = *leap != "Not synchronised" && stratum > 0;
    // A reference clock of this machine has stratum 0, so the machine has 1; made-up time (`local`) has no name.
    let local = name.is_empty();
    let source = match (locked, local, stratum) {
        (true, false, 1) => ClockSource::GnssPps,
        (true, false, _) => ClockSource::Ntp,
        _ => ClockSource::Free,
    };
    let sigma_ns = (locked && !local).then(|| Nanos((sigma * 1e9).min(1e18) as i64));
    Some(Clock { source, sigma_ns, locked: locked && !local, since_ns: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_as_good_as_chrony_says_and_by_whom() {
        // As chronyd 4.3 of Debian 12 said after 20 s behind a server (another chronyd with `local stratum 2`), by its words 1.118 us
        // fast, RMS 0.324 us, root delay 6.057 us, root dispersion 2.084 us.
        let ntp = "7F000001,127.0.0.1,3,1795331592.801289424,-0.000001118,0.000000022,0.000000324,-0.006,0.000,0.032,0.000006057,0.000002084,2.0,Normal";
        let clock = tracking(ntp).unwrap();
        assert_eq!((clock.source, clock.locked), (ClockSource::Ntp, true));
        let sigma = clock.sigma_ns.unwrap().0 as f64;
        let bound = (2.084 + 6.057 / 2.0) * 1e3 / 3f64.sqrt();
        assert!((sigma - bound.hypot(1118.0).hypot(324.0)).abs() < 2.0, "{sigma}");
        // And one with a reference clock (SOCK, refid PPS0) that told it every quarter of a second that it was right.
        let pps = "50505330,PPS0,1,1795331684.249455058,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,0.000000001,0.000006987,4.0,Normal";
        let clock = tracking(pps).unwrap();
        assert_eq!((clock.source, clock.locked), (ClockSource::GnssPps, true));
        assert!((clock.sigma_ns.unwrap().0 - 4034).abs() < 3, "{clock:?}");
    }

    #[test]
    fn a_clock_that_is_not_kept_or_made_up_is_free_and_nonsense_is_nothing() {
        // As chronyd 4.3 of Debian 12 said just after its start, and with `local stratum 8` and no source.
        let unsynchronised = "00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised";
        let local = "7F7F0101,,8,1795320406.822797616,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,0.000000000,0.000000000,0.0,Normal";
        for line in [unsynchronised, local] {
            let clock = tracking(line).unwrap();
            assert_eq!((clock.source, clock.locked, clock.sigma_ns), (ClockSource::Free, false, None), "{line}");
        }
        for line in ["", "506 Cannot talk to daemon", "a,b,c", &unsynchronised.replace("1.000000000", "nan")] {
            assert_eq!(tracking(line), None, "{line}");
        }
    }
}
