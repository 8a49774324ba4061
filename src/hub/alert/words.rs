//! Alerts in plain words: what it is, what to do next, what else it could be. Kept in one place so that it can be read as a whole.

use super::{Closing, Confidence, Severity, State};
use crate::observation::{Tier, VerdictClass};
use crate::units::Timestamp;

/// The class as a heading.
pub fn title(class: VerdictClass) -> &'static str {
    use VerdictClass::*;
    match class {
        SmsBlaster => "SMS blaster",
        ImsiCatcher => "Identity catcher",
        Clone => "Clone of a licensed cell",
        UnlicensedCarrier => "Carrier without a licence",
        UnregisteredCell => "Unregistered cell, unverified",
        LicensedOffParameter => "Licensed cell off its parameters",
        Overspill => "Licensed cell reaching across the border",
        Repeater => "Repeater",
        Jammer => "Jammer",
        FakePublicWarning => "False public warning",
        TestNetwork => "Test network",
        SensorFault => "Fault of a sensor",
    }
}

/// What that means, in a sentence or two for somebody who is no engineer.
pub fn explanation(class: VerdictClass) -> &'static str {
    use VerdictClass::*;
    match class {
        SmsBlaster => {
            "A false base station that pulls phones off their network and sends them text messages, usually fraud. \
             It is small enough for a car or a backpack and reaches one to two kilometres."
        }
        ImsiCatcher => "A false base station that makes phones in reach give away who they are.",
        Clone => {
            "A second transmitter that uses the name of a licensed cell on the same channel. Phones cannot tell the two apart; \
             the measurements can."
        }
        UnlicensedCarrier => {
            "A transmission in spectrum that the network it names does not hold, or that nobody holds."
        }
        UnregisteredCell => {
            "A cell that the licence register does not list. It may be new, portable or under test: nothing more is claimed \
             until its operator has answered."
        }
        LicensedOffParameter => {
            "A licensed cell that does not keep to its licence: moved, turned, too high or too strong. An administrative matter, \
             not a false base station."
        }
        Overspill => {
            "A licensed cell of the neighbouring country that reaches deep across the border. An administrative matter, \
             not a false base station."
        }
        Repeater => "An amplifier that sends a licensed cell again from another place.",
        Jammer => "A transmitter that keeps phones from reaching their network.",
        FakePublicWarning => "A public warning on the air that no authority has issued.",
        TestNetwork => {
            "A test or laboratory network that is heard outside. Phones of the public do not join it, but it has no business \
             on the air without a permit."
        }
        SensorFault => "The fault is in the listening node, not on the air.",
    }
}

/// What to do next, in order.
pub fn next_steps(class: VerdictClass) -> &'static [&'static str] {
    use VerdictClass::*;
    match class {
        SmsBlaster | ImsiCatcher => &[
            "Acknowledge, so that others see who deals with it.",
            "Send a team with a hand-held receiver to the nodes that hear it best: tune to the channel below, look for vehicles.",
            "Ask the operator whose network code it uses whether phones near there lose service; it is not their station.",
            "Warn the public if messages went out.",
            "Keep the evidence below for the case file: every line is signed by the node that reported it.",
        ],
        Clone => &[
            "Acknowledge, so that others see who deals with it.",
            "Ask the licensee whether the cell has radio heads at several places, or a repeater.",
            "If not: send a team. The copy is near the nodes that hear the odd carrier, the original near the others.",
        ],
        UnlicensedCarrier => &[
            "Acknowledge, so that others see who deals with it.",
            "Check the frequency plan that daen was given against the latest assignments.",
            "Ask the named operator; if it is not theirs, send a team with a direction finder.",
        ],
        UnregisteredCell => &[
            "Ask the operator of the network code whether the cell is theirs: new, portable or under test.",
            "If it is: have it registered and close this alert as licensed.",
            "If it is not: treat it as a false base station and send a team.",
        ],
        LicensedOffParameter => &[
            "Compare the site with its licence: azimuth, tilt, height, power, place.",
            "Write to the licensee with the measurements below.",
        ],
        Overspill => &[
            "Compare with the levels agreed between the two regulators.",
            "Take it to the other regulator through the usual channel; the measurements below can be attached.",
        ],
        Repeater => &[
            "Ask the operator whether the repeater is theirs.",
            "If it is not: find the donor antenna; it points at the licensed site.",
        ],
        Jammer => {
            &["Send a team with a direction finder.", "Tell the operators of the band and the emergency services."]
        }
        FakePublicWarning => &[
            "Ask the warning authority whether it issued the message.",
            "If it did not: tell the operators and the public at once, and send a team.",
        ],
        TestNetwork => &[
            "Look up whether a laboratory or university near the node holds a test licence.",
            "If it does: ask it to shield or to lower its power. If not: send a team.",
        ],
        SensorFault => &["Look at the node's page and have its receiver, antenna and clock checked."],
    }
}

/// Innocent explanations of a class as a whole; each rule adds its own.
pub fn innocent(class: VerdictClass) -> &'static [&'static str] {
    use VerdictClass::*;
    match class {
        SmsBlaster | ImsiCatcher => {
            &["a laboratory or university with a test licence", "a portable cell put up for an event"]
        }
        UnregisteredCell => &["a new or portable cell not yet in the register", "a register that is out of date"],
        UnlicensedCarrier => &["a frequency plan that is out of date", "a sharing or roaming agreement"],
        Overspill | LicensedOffParameter => &["weather that carries signals far (ducting)"],
        Clone | Repeater | Jammer | FakePublicWarning | TestNetwork | SensorFault => &[],
    }
}

/// The state as one word.
pub fn state(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Acknowledged => "acknowledged",
        State::Closed => "closed",
    }
}

/// The severity as one word.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// How sure, in words.
pub fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Possible => "possible",
        Confidence::Likely => "likely",
        Confidence::NearCertain => "near certain",
    }
}

/// Why it was closed.
pub fn closing(closing: Closing) -> &'static str {
    match closing {
        Closing::Gone => "no longer heard",
        Closing::Removed => "taken off the air",
        Closing::Licensed => "licensed after all",
        Closing::FalseAlarm => "false alarm",
        Closing::Merged => "same transmitter as another alert",
    }
}

/// What a tier is worth.
pub fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::A => "A: enough alone",
        Tier::B => "B: strong together with others",
        Tier::C => "C: context",
    }
}

/// A time as `2026-11-21 20:45:07 UTC`; proleptic Gregorian calendar.
pub fn utc(at: Timestamp) -> String {
    let seconds = at.0.div_euclid(1_000_000_000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Count from 1 March of year 0, so that the leap day ends the year; eras of 400 years have 146097 days.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_other_clocks_write_them() {
        // date -u -d @1700000000 (GNU coreutils 9.1) and its like.
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_700_000_000, "2023-11-14 22:13:20 UTC"),
            (1_795_293_907, "2026-11-21 20:45:07 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(utc(Timestamp(seconds * 1_000_000_000)), text);
        }
    }
}
