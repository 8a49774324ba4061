//! What an LTE cell said before, as far as a rule holds it against what it says now.
//!
//! ## References
//! - 3GPP TS 36.331 Release 17, clause 5.2.1.3 (systemInfoValueTag: which changes it announces)

use crate::observation::lte::{EutraLayer, LteFields, Scheduling, Sib2, Sib3, Sib4, Sib6, Sib7};
use crate::units::{Nanos, Timestamp};

/// Types that carry public warnings; TS 36.331 clause 6.3.1.
pub(super) const WARNING_TYPES: [u8; 3] = [10, 11, 12];

/// A change of content without its announcement counts once it has lasted so long: the new SIB1 may be received later than the message
/// that it announces. Chosen: SIB1 comes every 20 ms, so a node that hears the cell at all has it within a minute.
const ANNOUNCED_WITHIN: Nanos = Nanos::from_secs(60);

/// The blocks whose change systemInfoValueTag announces, as far as they are decoded; access class barring is left out, which a network
/// switches with its load.
#[derive(Clone, Debug, Default, PartialEq)]
struct Content {
    sib2: Option<Sib2>,
    sib3: Option<Sib3>,
    sib4: Option<Sib4>,
    sib5: Option<Vec<EutraLayer>>,
    sib6: Option<Sib6>,
    sib7: Option<Sib7>,
}

/// The past of an LTE cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LtePast {
    schedule: Vec<Scheduling>,
    schedule_since: Option<Timestamp>,
    value_tag: Option<u8>,
    content: Option<Box<Content>>,
    /// Since when the content has differed from what the tag stood for.
    differs_since: Option<Timestamp>,
    /// Types whose change the tag did not announce, and when that was certain.
    unannounced: Option<(Timestamp, Vec<u8>)>,
    open_since: Option<Timestamp>,
    warned_since: Option<Timestamp>,
}

impl LtePast {
    /// Since when, in the present stream, SIB1 has announced the present schedule.
    pub(super) fn schedule_since(&self) -> Option<Timestamp> {
        self.schedule_since
    }

    /// Types that changed in the `window` before `now` without a new systemInfoValueTag.
    pub(super) fn unannounced(&self, now: Timestamp, window: Nanos) -> Option<&[u8]> {
        let (at, types) = self.unannounced.as_ref()?;
        (now - *at <= window).then_some(types.as_slice())
    }

    /// When the cell was first heard open to everybody.
    pub(super) fn open_since(&self) -> Option<Timestamp> {
        self.open_since
    }

    /// Since when it has sent public warnings; `None` where it sends none.
    pub(super) fn warned_since(&self) -> Option<Timestamp> {
        self.warned_since
    }

    /// Takes note of what the cell says at `at`.
    pub(super) fn note(&mut self, at: Timestamp, new_stream: bool, fields: &LteFields) {
        let Some(sib1) = &fields.sib1 else { return };
        if new_stream || self.schedule_since.is_none() || self.schedule != sib1.scheduling {
            self.schedule_since = Some(at);
            self.schedule.clone_from(&sib1.scheduling);
        }
        if !sib1.cell_barred {
            self.open_since.get_or_insert(at);
        }
        let warns = super::lte_profile::schedules(sib1, &WARNING_TYPES);
        self.warned_since = warns.then(|| self.warned_since.unwrap_or(at));
        if self.value_tag != Some(sib1.value_tag) {
            self.value_tag = Some(sib1.value_tag);
            self.content = None;
            self.differs_since = None;
        }
        let content = self.content.get_or_insert_default();
        let changed = content.changed(fields);
        if changed.is_empty() {
            content.complete(fields);
            self.differs_since = None;
        } else if at - *self.differs_since.get_or_insert(at) >= ANNOUNCED_WITHIN {
            self.unannounced = Some((at, changed));
            *content = Box::default();
            content.complete(fields);
            self.differs_since = None;
        }
    }
}

/// The block apart from what a network may change at any time.
fn steady(sib2: &Sib2) -> Sib2 {
    Sib2 { ac_barring: None, ..sib2.clone() }
}

impl Content {
    /// Types known before and now, and not alike.
    fn changed(&self, fields: &LteFields) -> Vec<u8> {
        fn differ<T: PartialEq>(before: Option<&T>, now: Option<&T>) -> bool {
            before.zip(now).is_some_and(|(before, now)| before != now)
        }
        // The barring is left out of what is kept; the rest is compared without a copy where there is none.
        let sib2 = match (&self.sib2, &fields.sib2) {
            (Some(before), Some(now)) if now.ac_barring.is_none() => before != now,
            (Some(before), Some(now)) => *before != steady(now),
            _ => false,
        };
        let differs = [
            (2, sib2),
            (3, differ(self.sib3.as_ref(), fields.sib3.as_ref())),
            (4, differ(self.sib4.as_ref(), fields.sib4.as_ref())),
            (5, differ(self.sib5.as_ref(), fields.sib5.as_ref())),
            (6, differ(self.sib6.as_ref(), fields.sib6.as_ref())),
            (7, differ(self.sib7.as_ref(), fields.sib7.as_ref())),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(number, _)| number).collect()
    }

    /// Takes over what was not known before.
    fn complete(&mut self, fields: &LteFields) {
        fn take<T: Clone>(kept: &mut Option<T>, now: &Option<T>) {
            if kept.is_none() {
                kept.clone_from(now);
            }
        }
        if self.sib2.is_none() {
            self.sib2 = fields.sib2.as_ref().map(steady);
        }
        take(&mut self.sib3, &fields.sib3);
        take(&mut self.sib4, &fields.sib4);
        take(&mut self.sib5, &fields.sib5);
        take(&mut self.sib6, &fields.sib6);
        take(&mut self.sib7, &fields.sib7);
    }
}
