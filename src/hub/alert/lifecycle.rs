//! Open, acknowledged, closed, reopened: when, and what is written down about it. Pure functions; time is an argument.

use super::{Alert, AlertId, Assessment, Closing, EventKind, State, regulators};
use crate::hub::fuse::Emitter;
use crate::hub::place::{Jump, Placed};
use crate::observation::VerdictClass;
use crate::units::{Nanos, Timestamp};

/// Times and counts of the life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertConfig {
    /// How long a class that several rules make up must have stood before it opens, without a proof that is enough alone.
    pub composite_dwell: Nanos,
    /// How long lesser evidence must have stood, such as a cell that is only missing in the register.
    pub dwell: Nanos,
    /// Observations needed for either.
    pub observations: u64,
    /// Not heard for this long, with a node listening that used to hear it: closed.
    pub quiet: Nanos,
    /// Observations after closing that reopen it.
    pub reopen_observations: u32,
    /// At most one event in this time that says no more than "still heard".
    pub heard_interval: Nanos,
}

impl Default for AlertConfig {
    /// Ten seconds for a pattern and ten minutes for a mere absence from the register, so that a test carrier or a car that drives by
    /// with a pico cell passes; thirty minutes of quiet, three times the longest pause of a blaster's duty cycle that has been
    /// published (ten minutes); two observations to reopen, so that one late envelope does not.
    fn default() -> AlertConfig {
        AlertConfig {
            composite_dwell: Nanos::from_secs(10),
            dwell: Nanos::from_secs(600),
            observations: 3,
            quiet: Nanos::from_secs(1800),
            reopen_observations: 2,
            heard_interval: Nanos::from_secs(15),
        }
    }
}

/// A change of an alert: how it stands now, what happened, and the words for the audit trail. No kind: nothing worth an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The alert as it stands now; its number is 0 where it is new.
    pub alert: Alert,
    /// What happened.
    pub kind: Option<EventKind>,
    /// In words.
    pub detail: String,
}

/// What is known of an emitter when the life cycle looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The emitter.
    pub emitter: &'a Emitter,
    /// What it amounts to.
    pub assessment: Option<&'a Assessment>,
    /// Where it is.
    pub placed: Option<&'a Placed>,
}

/// What hearing or placing the emitter at `now` does to its alert. `None`: there is no alert and none opens.
pub fn step(alert: Option<&Alert>, seen: &Seen<'_>, now: Timestamp, config: &AlertConfig) -> Option<Step> {
    match (alert, seen.assessment) {
        (None, None) => None,
        (None, Some(assessment)) => open(seen, assessment, now, config),
        (Some(alert), _) if alert.is_active() => Some(update(alert, seen, now, config)),
        (Some(alert), _) => heard_again(alert, seen, now, config),
    }
}

fn open(seen: &Seen<'_>, assessment: &Assessment, now: Timestamp, config: &AlertConfig) -> Option<Step> {
    let emitter = seen.emitter;
    let dwell = if assessment.composite { config.composite_dwell } else { config.dwell };
    let stood = now - assessment.first >= dwell && emitter.observations >= config.observations;
    if !assessment.at_once && !stood {
        return None;
    }
    let mut alert = Alert {
        id: AlertId(0),
        state: State::Open,
        class: assessment.class,
        severity: assessment.severity,
        confidence: assessment.confidence,
        reasons: Vec::new(),
        regulators: regulators(emitter),
        emitter: emitter.id,
        cell: emitter.key,
        channel: None,
        identity: None,
        areas: Vec::new(),
        licence: emitter.licence.clone(),
        since_ns: emitter.first,
        opened_ns: now,
        last_heard_ns: emitter.last,
        changed_ns: now,
        handled_by: None,
        closing: None,
        closed_ns: None,
        reopened: 0,
        heard_since_closed: 0,
        event_ns: now,
        heard_by: Vec::new(),
        evidence: Vec::new(),
        broadcast: Vec::new(),
        fix: seen.placed.cloned(),
    };
    alert.reasons.clone_from(&assessment.reasons);
    alert.reflect(emitter, &assessment.found_by_hub);
    let detail = format!("{} by {}", assessment.class.as_str(), assessment.rules.join(", "));
    Some(Step { alert, kind: Some(EventKind::Opened), detail })
}

/// Brings an active alert up to date. Class and severity only rise while it is active: what a person was called out for stays on record.
fn update(alert: &Alert, seen: &Seen<'_>, now: Timestamp, config: &AlertConfig) -> Step {
    let Seen { emitter, assessment, placed } = *seen;
    let mut next = alert.clone();
    let mut changes = Vec::new();
    if let Some(assessment) = assessment {
        next.reflect(emitter, &assessment.found_by_hub);
        if gravity(assessment.class) > gravity(alert.class) {
            next.class = assessment.class;
            changes.push(format!("class {} → {}", alert.class.as_str(), next.class.as_str()));
        }
        if assessment.severity > alert.severity {
            next.severity = assessment.severity;
            changes.push(format!(
                "severity {} → {}",
                super::words::severity(alert.severity),
                super::words::severity(next.severity)
            ));
        }
        if gravity(assessment.class) >= gravity(alert.class) && assessment.confidence > alert.confidence {
            next.confidence = assessment.confidence;
            changes.push(format!(
                "confidence {} → {}",
                super::words::confidence(alert.confidence),
                super::words::confidence(next.confidence)
            ));
        }
        if gravity(assessment.class) >= gravity(alert.class) {
            next.reasons.clone_from(&assessment.reasons);
        }
    } else {
        next.reflect(emitter, &[]);
    }
    let known = |rule: &String| alert.evidence.iter().any(|row| row.rule == *rule);
    let added: Vec<String> = next.evidence.iter().map(|row| row.rule.clone()).filter(|rule| !known(rule)).collect();
    if !added.is_empty() {
        changes.push(format!("also {}", added.join(", ")));
    }
    let heard_by = next.heard_by.iter().filter(|heard| !alert.heard_by.iter().any(|known| known.node == heard.node));
    let heard_by: Vec<&str> = heard_by.map(|heard| heard.node.as_str()).collect();
    if !heard_by.is_empty() {
        changes.push(format!("also heard by {}", heard_by.join(", ")));
    }
    for regulator in regulators(emitter) {
        if !next.regulators.contains(&regulator) {
            next.regulators.push(regulator);
            next.regulators.sort_unstable();
            changes.push(format!("also for {}", regulator.name()));
        }
    }
    if let Some(placed) = placed {
        changes.extend(new_jumps(&next, placed));
        let first = next.fix.as_ref().is_none_or(|fix| fix.best().is_none() || fix.moves() != placed.moves());
        let what = take_place(&mut next, placed);
        // A fix a second is not news a second: the feed hears of it as often as of one that is still heard.
        let due = first || !changes.is_empty() || now - alert.event_ns >= config.heard_interval;
        changes.extend(what.filter(|_| due));
    }
    if !changes.is_empty() {
        next.changed_ns = now;
        next.event_ns = now;
        return Step { alert: next, kind: Some(EventKind::Updated), detail: changes.join("; ") };
    }
    let due = now - alert.event_ns >= config.heard_interval;
    if due {
        next.event_ns = now;
    }
    Step { alert: next, kind: due.then_some(EventKind::Heard), detail: String::new() }
}

/// Licensed cells near it that have jumped and of which the alert does not say so yet, in words.
fn new_jumps(alert: &Alert, placed: &Placed) -> Vec<String> {
    let told = |jump: &Jump| alert.fix.as_ref().is_some_and(|fix| fix.jumps.contains(jump));
    placed.jumps.iter().filter(|jump| !told(jump)).map(Jump::describe).collect()
}

/// Takes over where the emitter is; a place that was found stays when a later attempt finds none. Gives the words where that is news.
fn take_place(alert: &mut Alert, placed: &Placed) -> Option<String> {
    let found = placed.best().is_some();
    if let Some(fix) = alert.fix.as_mut().filter(|fix| fix.best().is_some() && !found) {
        fix.jumps.clone_from(&placed.jumps);
        return None;
    }
    let news = found && alert.fix.as_ref().is_none_or(|before| placed.differs(before));
    alert.fix = Some(placed.clone());
    news.then(|| format!("placed: {}", placed.describe()))
}

/// A closed alert whose emitter is heard: reopened if it had gone or been removed, or if it is worse than what a person judged.
pub fn heard_again(alert: &Alert, seen: &Seen<'_>, now: Timestamp, config: &AlertConfig) -> Option<Step> {
    let assessment = seen.assessment;
    let closed = alert.closed_ns.unwrap_or(alert.changed_ns);
    if now <= closed {
        return None;
    }
    let mut next = alert.clone();
    next.heard_since_closed = next.heard_since_closed.saturating_add(1);
    let graver = assessment.is_some_and(|assessment| gravity(assessment.class) > gravity(alert.class));
    let back = next.heard_since_closed >= config.reopen_observations;
    let why = match alert.closing {
        Some(Closing::Merged) => return None,
        Some(Closing::Licensed | Closing::FalseAlarm) if graver => "the evidence now says worse than what was judged",
        Some(Closing::Licensed | Closing::FalseAlarm) => return None,
        _ if back => "heard again",
        _ => return Some(Step { alert: next, kind: None, detail: String::new() }),
    };
    next.state = State::Open;
    next.reopened += 1;
    next.closing = None;
    next.closed_ns = None;
    next.heard_since_closed = 0;
    let mut step = update(&next, seen, now, config);
    step.alert.changed_ns = now;
    step.alert.event_ns = now;
    let detail = if step.detail.is_empty() { why.to_owned() } else { format!("{why}; {}", step.detail) };
    Some(Step { kind: Some(EventKind::Reopened), detail, ..step })
}

/// Closes an active alert whose emitter was not heard for [`AlertConfig::quiet`] up to `listened`, the time until which a node that used
/// to hear it is known to have listened.
pub fn quiet(alert: &Alert, listened: Timestamp, config: &AlertConfig) -> Option<Step> {
    let silent = listened - alert.last_heard_ns;
    (alert.is_active() && silent >= config.quiet).then(|| {
        let minutes = silent.0 / Nanos::from_secs(60).0;
        close(
            alert,
            Closing::Gone,
            listened,
            format!("not heard for {minutes} minutes while a node listened that used to hear it"),
        )
    })
}

/// Closes an active alert whose emitter the hub had to forget to make room.
pub fn forgotten(alert: &Alert, now: Timestamp) -> Option<Step> {
    let detail =
        "the hub forgot the transmitter to make room for others; if it is heard again it is a new alert".to_owned();
    alert.is_active().then(|| close(alert, Closing::Gone, now, detail))
}

/// Closes an alert whose emitter proved to be that of the alert `into`.
pub fn merged(alert: &Alert, into: AlertId, now: Timestamp) -> Step {
    close(alert, Closing::Merged, now, format!("the same transmitter as in alert {into}"))
}

fn close(alert: &Alert, closing: Closing, now: Timestamp, detail: String) -> Step {
    let mut next = alert.clone();
    next.state = State::Closed;
    next.closing = Some(closing);
    next.closed_ns = Some(now);
    next.changed_ns = now;
    next.event_ns = now;
    next.heard_since_closed = 0;
    Step { alert: next, kind: Some(EventKind::Closed), detail }
}

/// The order in which a class may replace another while an alert is active.
fn gravity(class: VerdictClass) -> u8 {
    use VerdictClass::*;
    match class {
        SensorFault => 0,
        Overspill => 1,
        LicensedOffParameter => 2,
        TestNetwork => 3,
        UnregisteredCell => 4,
        Repeater => 5,
        UnlicensedCarrier => 6,
        Clone => 7,
        ImsiCatcher => 8,
        SmsBlaster => 9,
        Jammer => 10,
        FakePublicWarning => 11,
    }
}
